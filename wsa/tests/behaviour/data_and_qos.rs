//! Connection data, which TCP has no room for, and the quality of service.

use wsa::{Arg, FlowSpec, Memory, Qos, WsaBuf, sockaddr};

use super::scene::*;

fn connect_with(scene: &Scene, caller: Arg<WsaBuf<'_>>, sqos: Arg<Qos<'_>>) -> i32 {
    let name = sockaddr(address("10.0.0.2:4000"));
    let client = &scene.client;
    let s = tcp(client);
    let null = Arg::Null;
    code(client.wsa_connect(s, name.memory(), 16, caller, null, sqos, Arg::Null))
}

fn listening() -> Scene {
    let scene = Scene::documented();
    scene.listen(4000);
    scene
}

#[test]
fn caller_data_of_no_bytes_is_absent() {
    let scene = listening();
    let empty = WsaBuf { len: 0, buf: Memory::Null };
    assert_eq!(connect_with(&scene, Arg::Value(empty), Arg::Null), 0);
    let unreadable = WsaBuf { len: 0, buf: Memory::Unreadable };
    assert_eq!(connect_with(&scene, Arg::Value(unreadable), Arg::Null), 0);
}

#[test]
fn caller_data_is_not_supported_up_to_1024_bytes_and_a_fault_beyond() {
    let scene = listening();
    let data = [7; 1025];
    for (len, expected) in [(1, 10043), (1024, 10043), (1025, 10014)] {
        let caller = Arg::Value(WsaBuf::new(&data[..len]));
        assert_eq!(connect_with(&scene, caller, Arg::Null), expected, "{len}");
    }
}

#[test]
fn service_types_up_to_best_effort_are_granted_and_others_are_not() {
    let scene = listening();
    for (service_type, expected) in [
        (0, 0),
        (1, 0),
        (6, 0),
        (7, 0),
        (0xFFFF_FFFF, 0),
        (2, 10045),
        (3, 10045),
        (0xD, 10045),
        (0x4000_0001, 0),
        (0x4000_0003, 10045),
    ] {
        let sending = FlowSpec::of_type(service_type);
        let qos = Qos { sending, ..Qos::BEST_EFFORT };
        let got = connect_with(&scene, Arg::Null, Arg::Value(qos));
        assert_eq!(got, expected, "{service_type:#x}");
        // What the other side shall do is noted only.
        let qos = Qos { receiving: sending, ..Qos::BEST_EFFORT };
        assert_eq!(connect_with(&scene, Arg::Null, Arg::Value(qos)), 0);
    }
}

#[test]
fn provider_objects_have_a_header_of_eight_bytes() {
    let scene = listening();
    let object = [0; 8];
    for (len, expected) in [(0, 0), (1, 10014), (7, 10014), (8, 0)] {
        let provider_specific = WsaBuf { len, buf: Memory::Bytes(&object) };
        let qos = Qos { provider_specific, ..Qos::BEST_EFFORT };
        assert_eq!(connect_with(&scene, Arg::Null, Arg::Value(qos)), expected, "{len}");
    }
    for buf in [Memory::Null, Memory::Unreadable] {
        let provider_specific = WsaBuf { len: 8, buf };
        let qos = Qos { provider_specific, ..Qos::BEST_EFFORT };
        assert_eq!(connect_with(&scene, Arg::Null, Arg::Value(qos)), 10014);
    }
}
