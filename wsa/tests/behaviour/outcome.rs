//! How a stream's connection attempt ends, and when, and because of what.

use super::scene::*;

#[test]
fn a_stream_carries_bytes_both_ways() {
    let scene = Scene::documented();
    let (s, t) = scene.connected();
    assert_eq!(send(&scene.client, s, b"hello").unwrap(), 5);
    assert_eq!(recv(&scene.server, t).unwrap(), b"hello");
    assert_eq!(send(&scene.server, t, b"world").unwrap(), 5);
    assert_eq!(recv(&scene.client, s).unwrap(), b"world");
    scene.client.closesocket(s).unwrap();
    assert_eq!(recv(&scene.server, t).unwrap(), b"");
}
