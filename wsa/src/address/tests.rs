use super::*;
use std::string::ToString;

fn name(text: &str) -> SockAddr {
    text.parse::<SocketAddr>().unwrap().into()
}

#[test]
fn an_ipv4_name_is_16_bytes_with_family_2() {
    let encoded = name("10.1.2.3:80").encode();
    let expected = [2, 0, 0, 80, 10, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(encoded.as_ref(), expected);
    assert_eq!(encoded.len(), 16);
}

#[test]
fn an_ipv6_name_is_28_bytes_with_family_23() {
    let address = SocketAddrV6::new("fd00::1".parse().unwrap(), 0x1234, 0xABCDE, 7);
    let encoded = SockAddr::from(address).encode();
    let mut expected = [0; 28];
    expected[..8].copy_from_slice(&[23, 0, 0x12, 0x34, 0, 0x0A, 0xBC, 0xDE]);
    expected[8..10].copy_from_slice(&[0xFD, 0]);
    expected[23] = 1;
    expected[24] = 7;
    assert_eq!(encoded.as_ref(), expected);
    assert_eq!(SockAddr::decode(&expected), Some(address.into()));
}

#[test]
fn names_survive_encoding() {
    for text in ["0.0.0.0:0", "255.255.255.255:65535", "[::]:0", "[fe80::1%3]:9"] {
        let name = name(text);
        assert_eq!(SockAddr::decode(name.encode().as_ref()), Some(name));
        assert_eq!(name.to_string(), text);
    }
}

#[test]
fn what_is_no_name_is_not_decoded() {
    assert_eq!(SockAddr::decode(&[]), None);
    assert_eq!(SockAddr::decode(&[2, 0, 0, 80, 10, 1, 2]), None);
    assert_eq!(SockAddr::decode(&[10; 28]), None);
}

#[test]
fn a_name_of_other_bytes_says_what_it_would_be() {
    let mut bytes = [0; 16];
    let parse = |bytes: &[u8; 16]| parse(Family::V4, bytes.into(), 16, ShortZero::Refused);
    assert_eq!(parse(&bytes), Ok(Name::Zero));
    bytes[7] = 1;
    assert_eq!(parse(&bytes), Ok(Name::OtherFamily(name("0.0.0.1:0"))));
    bytes[0] = 2;
    assert_eq!(parse(&bytes), Ok(Name::Address(name("0.0.0.1:0"))));
}

#[test]
fn a_short_name_is_accepted_only_where_it_is_zero_and_may_be() {
    let zero = Memory::Bytes(&[0; 16]);
    let other = Memory::Bytes(&[1; 16]);
    assert_eq!(parse(Family::V6, zero, 16, ShortZero::Accepted), Ok(Name::Zero));
    let fault = Err(Error::WSAEFAULT);
    assert_eq!(parse(Family::V6, zero, 16, ShortZero::Refused), fault);
    assert_eq!(parse(Family::V6, other, 16, ShortZero::Accepted), fault);
    assert_eq!(parse(Family::V6, zero, 15, ShortZero::Accepted), fault);
    assert_eq!(parse(Family::V4, zero, -16, ShortZero::Accepted), fault);
}

#[test]
fn a_v4_mapped_address_travels_as_ipv4() {
    let mapped = name("[::ffff:10.0.0.2]:80");
    assert!(mapped.is_v4_mapped());
    assert_eq!(mapped.endpoint().to_string(), "10.0.0.2:80");
    assert_eq!(SockAddr::of_endpoint(Family::V6, mapped.endpoint()), mapped);
    assert_eq!(SockAddr::of_endpoint(Family::V4, mapped.endpoint()), name("10.0.0.2:80"));
    assert!(!name("[fd00::2]:80").is_v4_mapped());
}

#[test]
fn a_name_is_written_only_where_there_is_room_for_all_of_it() {
    let (mut room, mut len) = ([0xEE; 20], 15);
    let name = name("10.1.2.3:80");
    let fault = Err(Error::WSAEFAULT);
    assert_eq!(name.write(&mut MemoryMut::Bytes(&mut room), Some(&mut len)), fault);
    assert_eq!(name.write(&mut MemoryMut::Bytes(&mut room), None), fault);
    len = 16;
    assert_eq!(name.write(&mut MemoryMut::Null, Some(&mut len)), fault);
    assert_eq!(name.write(&mut MemoryMut::Unwritable, Some(&mut len)), fault);
    assert_eq!(name.write(&mut MemoryMut::Bytes(&mut room[..15]), Some(&mut len)), fault);
    assert_eq!((room, len), ([0xEE; 20], 16));
    len = 20;
    assert_eq!(name.write(&mut MemoryMut::Bytes(&mut room), Some(&mut len)), Ok(()));
    assert_eq!(len, 16);
    assert_eq!(room[16..], [0xEE; 4]);
}
