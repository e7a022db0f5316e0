//! Links against the kernel and against independent readers.

use alloc::vec;
use alloc::vec::Vec;
use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionOption;
use pcap_file::pcapng::blocks::section_header::SectionHeaderOption;
use pcap_file::pcapng::{Block, PcapNgReader};
use smoltcp::time::Instant;

use super::capture::{Capture, SharedBuffer};
use super::pcapng::Pcapng;
use super::{Direction, Link, LinkError};

/// Gives what it is told to give.
#[derive(Debug, Default)]
struct Script {
    arriving: Vec<Result<Option<Vec<u8>>, LinkError>>,
    refuse: Option<LinkError>,
    sent: usize,
}

impl Link for Script {
    fn mtu(&self) -> usize {
        1500
    }
    fn is_up(&self) -> bool {
        true
    }
    fn receive(&mut self, _: Instant, buffer: &mut [u8]) -> Result<Option<usize>, LinkError> {
        let Some(frame) = self.arriving.remove(0)? else { return Ok(None) };
        let length = frame.len().min(buffer.len());
        buffer[..length].copy_from_slice(&frame[..length]);
        Ok(Some(length))
    }
    fn transmit(&mut self, _: Instant, _: &[u8]) -> Result<(), LinkError> {
        self.sent += 1;
        self.refuse.map_or(Ok(()), Err)
    }
}

/// One packet as pcap-file reads it.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    at: Duration,
    direction: Direction,
    number: u64,
    frame: Vec<u8>,
}

/// What a pcapng file says, by a reader that is not ours.
fn read_back(file: &[u8]) -> Vec<Read> {
    let mut reader = PcapNgReader::new(file).unwrap();
    let application = reader.section().options.iter().find_map(|option| match option {
        SectionHeaderOption::UserApplication(name) => Some(name.clone()),
        _ => None,
    });
    assert_eq!(application.unwrap(), concat!("tapsock ", env!("CARGO_PKG_VERSION")));
    let mut packets = Vec::new();
    while let Some(block) = reader.next_block() {
        let packet = match block.unwrap() {
            Block::InterfaceDescription(interface) => {
                assert!(interface.options.contains(&InterfaceDescriptionOption::IfTsResol(9)));
                continue;
            }
            Block::EnhancedPacket(packet) => packet.into_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!(packet.original_len as usize, packet.data.len());
        let (mut direction, mut number) = (None, None);
        for option in &packet.options {
            match option {
                EnhancedPacketOption::Flags(1) => direction = Some(Direction::Inbound),
                EnhancedPacketOption::Flags(2) => direction = Some(Direction::Outbound),
                // epb_packetid
                EnhancedPacketOption::Unknown(option) if option.code == 5 => {
                    number = Some(u64::from_le_bytes(option.value[..].try_into().unwrap()));
                }
                other => panic!("{other:?}"),
            }
        }
        packets.push(Read {
            at: packet.timestamp,
            direction: direction.unwrap(),
            number: number.unwrap(),
            frame: packet.data.into_owned(),
        });
    }
    packets
}

#[test]
fn a_capture_is_read_back_frame_for_frame() {
    let file = SharedBuffer::new();
    let epoch = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_000);
    let link = Script { arriving: vec![Ok(None), Ok(Some(vec![2; 61]))], ..Script::default() };
    let mut capture = Capture::new(link, file.clone(), "tap0", epoch);
    let mut buffer = [0; 1514];

    capture.transmit(Instant::from_micros(1), &[1; 60]).unwrap();
    assert_eq!(capture.receive(Instant::from_micros(2), &mut buffer), Ok(None));
    assert_eq!(capture.receive(Instant::from_secs(3), &mut buffer), Ok(Some(61)));
    capture.transmit(Instant::from_secs(4), &[3; 1514]).unwrap();

    assert_eq!(capture.frames(), 3);
    assert!(capture.error().is_none());
    let expected = [
        (Duration::new(1_700_000_000, 123_457_000), Direction::Outbound, 1, vec![1; 60]),
        (Duration::new(1_700_000_003, 123_456_000), Direction::Inbound, 2, vec![2; 61]),
        (Duration::new(1_700_000_004, 123_456_000), Direction::Outbound, 3, vec![3; 1514]),
    ]
    .map(|(at, direction, number, frame)| Read { at, direction, number, frame });
    assert_eq!(read_back(&file.to_vec()), expected);
}

#[test]
fn the_interface_is_named() {
    let file = SharedBuffer::new();
    drop(Capture::new(Script::default(), file.clone(), "tap0", SystemTime::UNIX_EPOCH));
    let bytes = file.to_vec();
    let mut reader = PcapNgReader::new(&bytes[..]).unwrap();
    let Some(Ok(Block::InterfaceDescription(interface))) = reader.next_block() else {
        panic!("no interface");
    };
    assert!(interface.options.contains(&InterfaceDescriptionOption::IfName("tap0".into())));
    assert!(reader.next_block().is_none());
}

#[test]
fn frames_that_the_link_refused_are_not_recorded() {
    let file = SharedBuffer::new();
    let link = Script {
        arriving: vec![Err(LinkError::Down), Ok(Some(vec![7; 14]))],
        refuse: Some(LinkError::Busy),
        ..Script::default()
    };
    let mut capture = Capture::new(link, file.clone(), "tap0", SystemTime::UNIX_EPOCH);
    assert_eq!(capture.transmit(Instant::ZERO, &[1; 60]), Err(LinkError::Busy));
    assert_eq!(capture.receive(Instant::ZERO, &mut [0; 64]), Err(LinkError::Down));
    assert_eq!(capture.receive(Instant::ZERO, &mut [0; 64]), Ok(Some(14)));
    let packets = read_back(&file.to_vec());
    assert_eq!(packets.len(), 1);
    assert_eq!((packets[0].number, packets[0].direction), (1, Direction::Inbound));
}

/// Takes this many bytes and then fails.
struct FullDisk(usize);

impl Write for FullDisk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 < bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0 -= bytes.len();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_failing_writer_loses_no_frame_of_the_link() {
    for room in [0, 400] {
        let mut capture =
            Capture::new(Script::default(), FullDisk(room), "tap0", SystemTime::UNIX_EPOCH);
        for _ in 0..10 {
            capture.transmit(Instant::ZERO, &[1; 60]).unwrap();
        }
        assert_eq!(capture.link().sent, 10);
        assert_eq!(capture.frames(), 10);
        assert_eq!(capture.error().unwrap().kind(), io::ErrorKind::StorageFull);
        assert_eq!(capture.flush().unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}

/// Whether it was flushed.
#[derive(Default)]
struct Flushed<'a>(Option<&'a core::cell::Cell<bool>>);

impl Write for Flushed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        if let Some(flag) = self.0 {
            flag.set(true);
        }
        Ok(())
    }
}

#[test]
fn dropping_a_capture_flushes_it() {
    let flag = core::cell::Cell::new(false);
    let capture =
        Capture::new(Script::default(), Flushed(Some(&flag)), "tap0", SystemTime::UNIX_EPOCH);
    assert!(!flag.get());
    drop(capture);
    assert!(flag.get());
}

#[test]
fn a_time_before_the_epoch_is_the_epoch() {
    let file = SharedBuffer::new();
    let early = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    let mut capture = Capture::new(Script::default(), file.clone(), "tap0", early);
    capture.transmit(Instant::from_secs(-1), &[1; 60]).unwrap();
    assert_eq!(read_back(&file.to_vec())[0].at, Duration::ZERO);
}

#[test]
fn a_file_of_one_interface_is_these_bytes() {
    let mut file = Vec::new();
    let mut pcapng = Pcapng::new(&mut file, "tap0", 7).unwrap();
    pcapng.frame(Instant::from_micros(3), Direction::Outbound, 9, &[0xaa; 5]).unwrap();
    let header = u32::from_le_bytes(file[4..8].try_into().unwrap()) as usize;
    #[rustfmt::skip]
    let expected = [
        // Interface description: Ethernet, no limit, its name, nanoseconds.
        1, 0, 0, 0, 40, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
        2, 0, 4, 0, b't', b'a', b'p', b'0', 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0, 40, 0, 0, 0,
        // Enhanced packet: interface 0, 3007 ns, 5 bytes of 5, outbound, number 9.
        6, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xbf, 0x0b, 0, 0, 5, 0, 0, 0, 5, 0, 0, 0,
        0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0, 0, 0, 2, 0, 4, 0, 2, 0, 0, 0,
        5, 0, 8, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0,
    ];
    assert_eq!(file[header..], expected);
}

#[test]
fn tshark_reads_a_capture() {
    if !Command::new("tshark").arg("-v").output().is_ok_and(|output| output.status.success()) {
        std::eprintln!("skipped: tshark is not installed");
        return;
    }
    let file = SharedBuffer::new();
    let mut capture = Capture::new(Script::default(), file.clone(), "tap0", SystemTime::UNIX_EPOCH);
    let mut arp = vec![0xff; 6];
    arp.extend([2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1]);
    arp.extend([10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2]);
    capture.transmit(Instant::from_micros(1_000_001), &arp).unwrap();
    let mut tshark = Command::new("tshark")
        .args(["-r", "-", "-T", "fields", "-e", "frame.number", "-e", "frame.time_epoch"])
        .args(["-e", "frame.interface_name", "-e", "arp.dst.proto_ipv4"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    tshark.stdin.take().unwrap().write_all(&file.to_vec()).unwrap();
    let output = tshark.wait_with_output().unwrap();
    let text = alloc::string::String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.trim(), "1\t1.000001000\ttap0\t10.0.0.2");
}

#[cfg(target_os = "linux")]
mod tap {
    use alloc::format;
    use alloc::string::ToString;
    use std::os::fd::AsFd;
    use std::thread;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::thread::UnshareFlags;

    use super::*;
    use crate::link::tap::{Tap, TapError};

    /// Runs `test` on a thread in a network namespace of its own; says so where that is not
    /// permitted.
    fn in_namespace(test: impl FnOnce() + Send) {
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                // SAFETY: of the flags, only FILES has an effect on other threads.
                #[allow(unsafe_code)]
                let entered = unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) };
                if let Err(error) = entered {
                    std::eprintln!(
                        "skipped: no network namespace of its own ({error}); run as root"
                    );
                    return;
                }
                match Tap::open("probe") {
                    Err(error @ (TapError::NoNode(_) | TapError::NodeDenied(_))) => {
                        std::eprintln!("skipped: {error}");
                    }
                    _ => test(),
                }
            });
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        });
    }

    /// Runs ip(8), which inherits the namespace of the calling thread.
    fn ip(arguments: &str) {
        let status = Command::new("ip").args(arguments.split_whitespace()).status().unwrap();
        assert!(status.success(), "ip {arguments}");
    }

    /// Opens a device that was closed just now. A process that another test is starting may hold
    /// a copy of its descriptor until it has become that program.
    fn reopen(name: &str) -> Tap {
        for _ in 0..1_000_000 {
            match Tap::open(name) {
                Err(TapError::InUse(_)) => thread::yield_now(),
                result => return result.unwrap(),
            }
        }
        panic!("{name} stays in use");
    }

    /// Waits up to two seconds for a frame that satisfies `wanted`.
    fn await_frame(tap: &mut Tap, wanted: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
        let mut buffer = [0; 2048];
        for _ in 0..100 {
            while let Ok(Some(length)) = tap.receive(Instant::ZERO, &mut buffer) {
                if wanted(&buffer[..length]) {
                    return Some(buffer[..length].to_vec());
                }
            }
            let mut wait = [PollFd::new(tap, PollFlags::IN)];
            let step = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
            let _ = poll(&mut wait, Some(&step));
        }
        None
    }

    /// An ARP request from 10.0.0.2 for 10.0.0.1.
    fn arp_request() -> Vec<u8> {
        let mut frame = vec![0xff; 6];
        frame.extend([2, 0, 0, 0, 0, 2, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2]);
        frame.extend([10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1]);
        frame
    }

    #[test]
    fn frames_pass_in_both_directions() {
        in_namespace(|| {
            let mut tap = Tap::open("tap0").unwrap();
            assert_eq!(tap.name(), "tap0");
            assert_eq!(tap.mtu(), 1500);
            assert!(!tap.is_up(), "a new device is down");
            assert_eq!(tap.transmit(Instant::ZERO, &arp_request()), Err(LinkError::Down));

            ip("address add 10.0.0.1/24 dev tap0");
            ip("link set tap0 up");
            assert!(tap.is_up());
            tap.transmit(Instant::ZERO, &arp_request()).unwrap();
            // The kernel's ARP reply: to us, operation 2, from 10.0.0.1.
            let reply = await_frame(&mut tap, |frame| {
                frame.starts_with(&[2, 0, 0, 0, 0, 2])
                    && frame[12..14] == [8, 6]
                    && frame[20..22] == [0, 2]
                    && frame[28..32] == [10, 0, 0, 1]
            });
            assert!(reply.is_some());

            // The kernel asks for 10.0.0.3 when it has a datagram for it.
            let socket = std::net::UdpSocket::bind("10.0.0.1:0").unwrap();
            socket.send_to(b"hello", "10.0.0.3:9").unwrap();
            let asked = await_frame(&mut tap, |frame| {
                frame[12..14] == [8, 6] && frame[20..22] == [0, 1] && frame[38..42] == [10, 0, 0, 3]
            });
            assert!(asked.is_some());
            let mut nothing = [0; 2048];
            while tap.receive(Instant::ZERO, &mut nothing).unwrap().is_some() {}
            assert_eq!(tap.receive(Instant::ZERO, &mut nothing), Ok(None), "it does not block");
        });
    }

    #[test]
    fn state_and_mtu_follow_the_device() {
        in_namespace(|| {
            let mut tap = Tap::open("tap0").unwrap();
            ip("link set tap0 up mtu 1400");
            assert!(tap.is_up());
            assert_eq!(tap.mtu(), 1400);

            ip("link set tap0 mtu 9000");
            let mut buffer = [0; 2048];
            let _ = tap.receive(Instant::from_secs(10), &mut buffer);
            assert_eq!(tap.mtu(), 9000, "asked once a second");

            ip("link set tap0 down");
            assert!(tap.is_up(), "not asked yet");
            assert_eq!(tap.transmit(Instant::ZERO, &arp_request()), Err(LinkError::Down));
            assert!(!tap.is_up());

            ip("link set tap0 name tap1");
            ip("link set tap1 up");
            assert!(tap.is_up(), "a renamed device is the same");
        });
    }

    #[test]
    fn a_deleted_device_is_down() {
        in_namespace(|| {
            let mut tap = Tap::open("tap0").unwrap();
            ip("link set tap0 up");
            assert!(tap.is_up());
            ip("link set tap0 down");
            assert_eq!(tap.transmit(Instant::ZERO, &arp_request()), Err(LinkError::Down));
            assert!(!tap.is_gone());
            ip("link delete tap0");
            assert_eq!(tap.receive(Instant::ZERO, &mut [0; 2048]), Err(LinkError::Down));
            assert_eq!(tap.transmit(Instant::ZERO, &arp_request()), Err(LinkError::Down));
            assert!(!tap.is_up());
            assert!(tap.is_gone());
        });
    }

    #[test]
    fn any_thread_asks_about_the_right_namespace() {
        in_namespace(|| {
            let tap = Tap::open("tap0").unwrap();
            ip("link set tap0 up mtu 1300");
            // A thread in yet another namespace, where there is no such device.
            thread::scope(|scope| {
                scope.spawn(|| {
                    // SAFETY: as above.
                    #[allow(unsafe_code)]
                    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }.unwrap();
                    assert!(tap.is_up());
                    assert_eq!(tap.mtu(), 1300);
                });
            });
        });
    }

    /// A namespace lives as long as an open TAP device in it, even when nobody else is left.
    #[test]
    fn a_device_outlives_the_last_thread_of_its_namespace() {
        let mut orphan = None;
        in_namespace(|| {
            let tap = Tap::open("tap0").unwrap();
            ip("link set tap0 up");
            orphan = Some(tap);
        });
        let Some(mut tap) = orphan else { return };
        assert!(tap.is_up());
        assert_eq!(tap.transmit(Instant::ZERO, &arp_request()), Ok(()));
    }

    #[test]
    fn a_device_in_use_is_not_opened_again() {
        in_namespace(|| {
            let first = Tap::open("tap0").unwrap();
            let error = Tap::open("tap0").unwrap_err();
            assert!(matches!(&error, TapError::InUse(name) if name == "tap0"));
            assert!(error.to_string().contains("in use by another process"), "{error}");
            drop(first);
            reopen("tap0");
        });
    }

    #[test]
    fn an_interface_that_is_no_tap() {
        in_namespace(|| {
            assert!(matches!(Tap::open("lo"), Err(TapError::NotTap(_))));
            ip("tuntap add dev tun7 mode tun");
            assert!(matches!(Tap::open("tun7"), Err(TapError::NotTap(_))));
        });
    }

    #[test]
    fn the_kernel_chooses_a_number() {
        in_namespace(|| {
            let first = Tap::open("t%d").unwrap();
            let second = Tap::open("t%d").unwrap();
            assert_eq!((first.name(), second.name()), ("t0", "t1"));
        });
    }

    #[test]
    fn a_persistent_device_outlives_its_handle() {
        in_namespace(|| {
            ip("tuntap add dev tap0 mode tap");
            ip("link set tap0 up");
            for _ in 0..2 {
                let tap = reopen("tap0");
                assert!(tap.is_up());
                assert!(tap.as_fd().try_clone_to_owned().is_ok());
            }
        });
    }

    #[test]
    fn bad_names_have_no_effect() {
        for name in
            ["", "sixteen-letters-", "a/b", "a b", "a:b", ".", "..", "t\u{e4}p", "a\nb", "a\0b"]
        {
            let error = Tap::open(name).unwrap_err();
            assert!(matches!(error, TapError::BadName(_)), "{name:?}");
            assert!(error.to_string().contains("choose one of 1 to 15 letters"), "{error}");
        }
    }

    #[test]
    fn every_error_says_what_to_do_in_one_sentence() {
        let failed = |kind: io::ErrorKind| io::Error::from(kind);
        let cases = [
            (TapError::NoNode(failed(io::ErrorKind::NotFound)), "modprobe tun"),
            (TapError::NodeDenied(failed(io::ErrorKind::PermissionDenied)), "chmod 0666"),
            (TapError::NotPermitted("tap0".to_string()), "CAP_NET_ADMIN"),
            (TapError::InUse("tap0".to_string()), "end that process"),
            (TapError::NotTap("lo".to_string()), "choose another name"),
        ];
        for (error, advice) in cases {
            let sentence = error.to_string();
            assert!(sentence.contains(advice), "{sentence}");
            assert!(!sentence.contains('\n') && !format!("{error:?}").is_empty());
        }
    }

    #[test]
    fn missing_rights_are_told_apart() {
        use std::os::unix::fs::PermissionsExt;

        use rustix::thread::{
            CapabilitySet, CapabilitySets, Uid, set_capabilities, set_thread_uid,
        };

        in_namespace(|| {
            thread::scope(|scope| {
                scope.spawn(|| {
                    let effective = CapabilitySet::empty();
                    let sets =
                        CapabilitySets { effective, permitted: effective, inheritable: effective };
                    // Of this thread alone, which still belongs to the owner of the node.
                    set_capabilities(None, sets).unwrap();
                    assert!(matches!(Tap::open("tap0"), Err(TapError::NotPermitted(_))));
                });
                scope.spawn(|| {
                    // By system call and not by libc: of this thread alone.
                    set_thread_uid(Uid::from_raw(65534)).unwrap();
                    let node = std::fs::metadata("/dev/net/tun").unwrap();
                    let error = Tap::open("tap0").unwrap_err();
                    if node.permissions().mode() & 0o006 == 0o006 {
                        assert!(matches!(error, TapError::NotPermitted(_)), "{error}");
                    } else {
                        assert!(matches!(error, TapError::NodeDenied(_)), "{error}");
                    }
                });
            });
        });
    }
}
