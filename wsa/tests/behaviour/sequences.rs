//! Calls in any order with any arguments: nothing panics, nothing hangs, every failure has a
//! Winsock code, and a refused connect leaves no trace.

use tapsock_stack::sim::Random;
use tapsock_stack::time::Duration;

use wsa::{Arg, Error, FdSet, FlowSpec, Memory, MemoryMut, Qos, SocketHandle, WsaBuf, WsaBufMut};

use super::scene::*;

struct Player {
    random: Random,
    process: Wsa,
    sockets: Vec<SocketHandle>,
    log: Vec<String>,
}

impl Player {
    fn below(&mut self, limit: u64) -> usize {
        self.random.below(limit) as usize
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64)]
    }

    fn socket(&mut self) -> SocketHandle {
        let unknown = [SocketHandle::INVALID, SocketHandle::from_raw(4), SocketHandle::from_raw(1)];
        match self.below(20) {
            0 => self.pick(&unknown),
            _ if self.sockets.is_empty() => SocketHandle::INVALID,
            _ => {
                let at = self.below(self.sockets.len() as u64);
                self.sockets[at]
            }
        }
    }

    fn name(&mut self) -> ([u8; 28], i32) {
        let mut bytes = [0; 28];
        let texts = [
            "127.0.0.1:4000",
            "127.0.0.1:81",
            "10.0.0.1:4000",
            "10.0.0.2:4001",
            "0.0.0.0:4000",
            "0.0.0.0:0",
            "10.0.0.255:9",
            "224.0.0.1:9",
            SILENT,
            NO_NET,
            "8.8.8.8:9",
            "[::1]:4000",
            "[fd00::1]:4000",
            "[::]:4000",
            "[::ffff:127.0.0.1]:4000",
            "[ff02::1]:9",
            "[fe80::1%9]:9",
        ];
        let encoded = wsa::sockaddr(address(self.pick(&texts)));
        bytes[..encoded.as_ref().len()].copy_from_slice(encoded.as_ref());
        match self.below(12) {
            0 => return ([0; 28], self.pick(&[16, 28])),
            1 => {
                let at = self.below(28);
                bytes[at] ^= 1 << self.below(8);
            }
            _ => {}
        }
        let odd = self.pick(&[0, 15, 16, 27, 28, -1, i32::MIN, i32::MAX]);
        let len = if self.below(10) == 0 { odd } else { encoded.len() };
        (bytes, len)
    }

    fn connect(&mut self, s: SocketHandle) -> i32 {
        let (bytes, len) = self.name();
        let data = [0; 2000];
        let name = match self.below(20) {
            0 => Memory::Null,
            1 => Memory::Unreadable,
            _ => Memory::Bytes(&bytes),
        };
        let caller = match self.below(16) {
            0 => Arg::Unreadable,
            1 => Arg::Value(WsaBuf { len: self.below(3000) as u32, buf: Memory::Bytes(&data) }),
            _ => Arg::Null,
        };
        let sending = FlowSpec::of_type(self.pick(&[0, 1, 2, 3, 7, 13, u32::MAX]));
        let objects = WsaBuf { len: self.below(12) as u32, buf: Memory::Bytes(&data) };
        let sqos = match self.below(16) {
            0 => Arg::Unreadable,
            1 => Arg::Value(Qos { sending, receiving: sending, provider_specific: objects }),
            _ => Arg::Null,
        };
        let gqos = if self.below(12) == 0 { Arg::Unreadable } else { Arg::Null };
        let mut room = WsaBufMut { len: 7, buf: MemoryMut::Null };
        let callee = match self.below(16) {
            0 => Arg::Unreadable,
            1 => Arg::Value(&mut room),
            _ => Arg::Null,
        };
        let before = self.process.local_name(s);
        let result = code(self.process.wsa_connect(s, name, len, caller, callee, sqos, gqos));
        if (10013..=10022).contains(&result) || matches!(result, 10037..=10051 | 10056) {
            assert_eq!(self.process.wsa_get_last_error(), result);
            let after = self.process.local_name(s);
            self.process.wsa_set_last_error(result);
            // Where the wire was asked, an unbound socket has got a port. It was not where the
            // answer came at once.
            if !matches!(result, 10051) {
                assert_eq!(before, after, "{result}");
                assert!(room.len == 7);
            }
        }
        result
    }

    fn act(&mut self) -> (&'static str, i32) {
        let s = self.socket();
        let process = self.process.clone();
        let mut buffer = [0; 512];
        let level = self.pick(&[0xFFFF, 6, 17, 0, 41, 77]);
        let option = self.pick(&[
            1, 2, 3, 4, -5, 5, 8, 14, 18, 19, 27, 0x20, 0x80, !0x80, 0x1001, 0x1002, 0x1005,
            0x1006, 0x1007, 0x700C,
        ]);
        match self.below(20) {
            0..=2 => {
                let af = self.pick(&[2, 2, 23, 0, 77]);
                let ty = self.pick(&[1, 1, 2, 0, 77]);
                let made = process.socket(af, ty, 0);
                if let Ok(s) = made {
                    process.set_nonblocking(s, self.below(3) > 0).unwrap();
                    self.sockets.push(s);
                }
                ("socket", code(made))
            }
            3 | 4 => {
                let (bytes, len) = self.name();
                ("bind", code(process.bind(s, Memory::Bytes(&bytes), len)))
            }
            5..=7 => ("connect", self.connect(s)),
            8 => ("listen", code(process.listen(s, self.pick(&[0, 1, -1, i32::MAX])))),
            9 | 10 => {
                let accepted = process.accept(s, MemoryMut::Null, None);
                self.sockets.extend(accepted.ok());
                ("accept", code(accepted))
            }
            11 => {
                let len = self.below(512);
                let flags = self.pick(&[0, 0, 0, 1, 4, 77]);
                ("send", code(process.send(s, Memory::Bytes(&buffer[..len]), flags)))
            }
            12 | 13 => {
                let len = self.below(512);
                let flags = self.pick(&[0, 0, 2, 8, 10, 1, 77]);
                let room = MemoryMut::Bytes(&mut buffer[..len]);
                ("recv", code(process.recv(s, room, flags)))
            }
            14 => {
                let (bytes, len) = self.name();
                let data = Memory::Bytes(&buffer);
                ("sendto", code(process.sendto(s, data, 0, Memory::Bytes(&bytes), len)))
            }
            15 => ("shutdown", code(process.shutdown(s, self.pick(&[0, 1, 2, 3, -1])))),
            16 => {
                let value = self.pick(&[0, 1, 100, u32::MAX]);
                ("setsockopt", code(process.set_option(s, level, option, value)))
            }
            17 => ("getsockopt", code(process.option(s, level, option))),
            18 => {
                let (mut a, mut b, mut c) = ([s; 2], [s; 1], [self.socket(); 1]);
                let (mut a, mut b, mut c) =
                    (FdSet::of(&mut a), FdSet::of(&mut b), FdSet::of(&mut c));
                let timeout = Some(Duration::from_millis(self.below(3000) as u64));
                let found = process.select(Some(&mut a), Some(&mut b), Some(&mut c), timeout);
                ("select", code(found))
            }
            _ => {
                let closed = process.closesocket(s);
                if closed.is_ok() {
                    self.sockets.retain(|other| *other != s);
                }
                ("closesocket", code(closed))
            }
        }
    }

    fn play(&mut self, moves: usize) {
        for _ in 0..moves {
            let (call, got) = self.act();
            self.log.push(format!("{call} {got}"));
            assert_eq!(got, self.process.wsa_get_last_error(), "{:?}", self.log.last());
            if let Some(error) = Error::from_code(got) {
                assert_ne!(error.name(), "unknown", "{got}");
            }
        }
    }
}

#[test]
fn any_calls_in_any_order() {
    for seed in 0..1000 {
        let scene = Scene::new(if seed % 2 == 0 {
            wsa::Profile::DOCUMENTED
        } else {
            wsa::Profile::WINDOWS
        });
        let mut player = Player {
            random: Random::new(seed),
            process: scene.client.clone(),
            sockets: Vec::new(),
            log: Vec::new(),
        };
        player.play(150);
        scene.client.wsa_cleanup().unwrap();
        scene.run(200_000);
        let left = scene.client.engine().host().with(|stack, _| stack.sockets());
        assert_eq!(left, 0, "seed {seed}: {:?}", player.log);
    }
}
