//! The traffic class: the type of service byte of IPv4 and its namesake in IPv6 (RFC 2474).

/// The traffic class of an IP packet; 0 for what is none.
pub fn traffic_class(packet: &[u8]) -> u8 {
    match *packet {
        [first, second, ..] if first >> 4 == 6 => first << 4 | second >> 4,
        [first, second, ..] if first >> 4 == 4 => second,
        _ => 0,
    }
}

/// Writes `class` into an IP packet. The IPv4 header checksum is not updated.
pub fn set_traffic_class(packet: &mut [u8], class: u8) {
    match packet {
        [first, second, ..] if *first >> 4 == 6 => {
            *first = 0x60 | class >> 4;
            *second = class << 4 | *second & 0x0f;
        }
        [first, second, ..] if *first >> 4 == 4 => *second = class,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_read_as_it_was_written_and_leaves_the_flow_label_alone() {
        let mut v6 = [0x60, 0x0a, 0xbc, 0xde];
        set_traffic_class(&mut v6, 0xb8);
        assert_eq!(v6, [0x6b, 0x8a, 0xbc, 0xde]);
        assert_eq!(traffic_class(&v6), 0xb8);
        let mut v4 = [0x45, 0, 0, 20];
        set_traffic_class(&mut v4, 0x1f);
        assert_eq!((v4, traffic_class(&v4)), ([0x45, 0x1f, 0, 20], 0x1f));
    }

    #[test]
    fn what_is_no_ip_packet_has_no_class() {
        for bytes in [&mut [][..], &mut [0x45][..], &mut [0x15, 0xff][..]] {
            set_traffic_class(bytes, 7);
            assert_eq!(traffic_class(bytes), 0);
        }
    }
}
