//! Datagrams to many on a TAP device: the Linux kernel sends and hears them, keeps our memberships
//! as a switch does, and sees what we write into headers.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, Protocol, RecvFlags, SocketFlags, SocketType, sockopt};
use tapsock_tests::{Kernel, PATIENCE};
use wsa::config::{Configuration, LinkChoice};
use wsa::start::{ThreadedProcess, start};
use wsa::{Arg, Memory, MemoryMut, SocketHandle, WsaBufMut, WsaMsgMut, sockaddr};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);
const GROUP_V6: &str = "ff02::1234";
const PORT: u16 = 5000;

/// A process that has called WSAStartup, at 10.77.0.2 and fd77::2.
fn process(kernel: &Kernel) -> ThreadedProcess {
    let mut configuration = Configuration::default();
    configuration.link = LinkChoice::Tap(kernel.device().into());
    let process = start(&configuration, None, |_| {}).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(process.wsa_startup(0x0202).0, 0);
    process
}

/// A bound socket that shares its port and waits at most 30 s.
fn shared(process: &ThreadedProcess, name: &str) -> SocketHandle {
    let address: SocketAddr = name.parse().unwrap();
    let s = process.socket(if address.is_ipv4() { 2 } else { 23 }, 2, 0).unwrap();
    process.set_option(s, 0xFFFF, 4, 1).unwrap();
    process.set_option(s, 0xFFFF, 0x1006, PATIENCE.as_millis() as u32).unwrap();
    process.bind_to(s, address).unwrap();
    s
}

fn membership(process: &ThreadedProcess, s: SocketHandle, v6: bool, option: i32) {
    if v6 {
        let mut request = [0; 20];
        let group: std::net::Ipv6Addr = GROUP_V6.parse().unwrap();
        request[..16].copy_from_slice(&group.octets());
        process.setsockopt(s, 41, option, Memory::Bytes(&request), 20).unwrap();
    } else {
        let mut request = [0; 8];
        request[..4].copy_from_slice(&GROUP.octets());
        process.setsockopt(s, 0, option, Memory::Bytes(&request), 8).unwrap();
    }
}

const JOIN: i32 = 12;
const LEAVE: i32 = 13;

fn send(process: &ThreadedProcess, s: SocketHandle, to: SocketAddr, data: &[u8]) {
    let name = sockaddr(to);
    process.sendto(s, data.into(), 0, name.memory(), name.len()).unwrap();
}

fn heard(process: &ThreadedProcess, s: SocketHandle) -> Vec<u8> {
    let mut buffer = [0; 64];
    let received = process.recv(s, (&mut buffer).into(), 0).unwrap();
    buffer[..received].to_vec()
}

fn index(device: &str) -> u32 {
    let any = UdpSocket::bind("127.0.0.1:0").unwrap();
    rustix::net::netdevice::name_to_index(&any, device).unwrap()
}

fn in_group(index: u32, port: u16) -> SocketAddr {
    SocketAddrV6::new(GROUP_V6.parse().unwrap(), port, 0, index).into()
}

/// The bytes of a datagram that arrives at the kernel; a signal may interrupt the wait.
fn kernel_heard(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 64];
    loop {
        match socket.recv_from(&mut buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            other => return buffer[..other.unwrap().0].to_vec(),
        }
    }
}

#[test]
fn a_broadcast_of_the_kernel_reaches_two_sockets_and_ours_reaches_the_kernel() {
    let Some(kernel) = Kernel::start() else { return };
    kernel.ip(&format!("route add 255.255.255.255 dev {}", kernel.device()));
    let process = process(&kernel);
    let own = [shared(&process, "0.0.0.0:5000"), shared(&process, "10.77.0.2:5000")];
    let theirs = kernel.udp("0.0.0.0:5000");
    theirs.set_broadcast(true).unwrap();
    for to in ["10.77.0.255:5000", "255.255.255.255:5000"] {
        theirs.send_to(to.as_bytes(), to).unwrap();
        for s in own {
            assert_eq!(heard(&process, s), to.as_bytes());
        }
        // The kernel hears itself, too.
        if to.starts_with("10") {
            assert_eq!(kernel_heard(&theirs), to.as_bytes());
        }
    }
    let listener = &theirs;
    process.set_option(own[0], 0xFFFF, 0x20, 1).unwrap();
    for to in ["10.77.0.255:5000", "255.255.255.255:5000"] {
        let data = format!("ours to {to}");
        send(&process, own[0], to.parse().unwrap(), data.as_bytes());
        loop {
            let bytes = kernel_heard(listener);
            if bytes == data.as_bytes() {
                break;
            }
            assert_eq!(bytes, b"255.255.255.255:5000", "an echo of its own");
        }
        for s in own {
            assert_eq!(heard(&process, s), data.as_bytes());
        }
    }
}

#[test]
fn a_group_is_heard_both_ways_over_either_family() {
    let Some(kernel) = Kernel::start() else { return };
    let device = index(kernel.device());
    let process = process(&kernel);
    for (v6, bound, to) in [
        (false, "0.0.0.0:5000", SocketAddr::from((GROUP, PORT))),
        // On a port of its own: a program that another test starts in this moment has a copy of
        // the kernel's IPv4 socket until it has become another program.
        (true, "[::]:5001", in_group(device, 5001)),
    ] {
        let own = [shared(&process, bound), shared(&process, bound)];
        let theirs = kernel.udp(bound);
        if v6 {
            theirs.join_multicast_v6(&GROUP_V6.parse().unwrap(), device).unwrap();
            theirs.set_multicast_loop_v6(false).unwrap();
        } else {
            theirs.join_multicast_v4(&GROUP, &"10.77.0.1".parse().unwrap()).unwrap();
            sockopt::set_ip_multicast_if(&theirs, &"10.77.0.1".parse().unwrap()).unwrap();
            theirs.set_multicast_loop_v4(false).unwrap();
        }
        own.into_iter().for_each(|s| membership(&process, s, v6, JOIN));
        theirs.send_to(b"from the kernel", to).unwrap();
        for s in own {
            assert_eq!(heard(&process, s), b"from the kernel");
        }
        let target = SocketAddr::new(to.ip(), to.port());
        send(&process, own[1], target, b"from here");
        assert_eq!(kernel_heard(&theirs), b"from here");
        for s in own {
            assert_eq!(heard(&process, s), b"from here", "looped back");
        }
    }
}

/// Later than [`bridge`]'s forgets whom it did not hear.
const FORGOTTEN: Duration = Duration::from_secs(4);

/// Puts the device under a bridge that listens to IGMP and MLD of these versions, asks every
/// second, and forgets whom it did not hear for three.
fn bridge(kernel: &Kernel, igmp: u8, mld: u8) {
    kernel.ip("link add bridge0 type bridge forward_delay 0 mcast_snooping 1 mcast_querier 1");
    kernel.ip(&format!(
        "link set bridge0 type bridge mcast_igmp_version {igmp} mcast_mld_version {mld} \
         mcast_query_interval 100 mcast_startup_query_interval 100 \
         mcast_query_response_interval 50 mcast_membership_interval 300"
    ));
    kernel.ip(&format!("link set {} master bridge0", kernel.device()));
    kernel.ip("link set bridge0 up");
}

/// Whether the bridge has this group at the device.
fn is_member(kernel: &Kernel, group: &str) -> bool {
    let output = Command::new("bridge").args(["mdb", "show"]).output().expect("bridge of iproute2");
    let text = String::from_utf8(output.stdout).unwrap();
    let wanted = format!("port {} grp {group} ", kernel.device());
    text.lines().any(|line| format!("{line} ").contains(&wanted))
}

/// A socket that sees every frame that the kernel gets from the stack.
fn packets() -> OwnedFd {
    // ETH_P_ALL, in network byte order.
    let all = NonZeroU32::new(0x0003_u16.to_be().into()).map(Protocol::from_raw);
    let flags = SocketFlags::CLOEXEC;
    let socket =
        rustix::net::socket_with(AddressFamily::PACKET, SocketType::RAW, flags, all).unwrap();
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(PATIENCE)).unwrap();
    socket
}

/// The next frame for which `wanted` gives something.
fn next<T>(packets: &OwnedFd, wanted: impl Fn(&[u8]) -> Option<T>) -> T {
    let mut buffer = [0; 2048];
    loop {
        let (_, len) = rustix::net::recv(packets, &mut buffer[..], RecvFlags::empty()).unwrap();
        if let Some(found) = wanted(&buffer[..len]) {
            return found;
        }
    }
}

/// Waits until something is so, with a look after each frame. Queries come every second, so there is
/// always a next one.
#[track_caller]
fn eventually(packets: &OwnedFd, what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "in vain: {what}");
        next(packets, |_| Some(()));
    }
}

const OWN_V4: [u8; 4] = [10, 77, 0, 2];

#[test]
fn a_switch_keeps_our_memberships_in_old_and_new_language() {
    for (igmp, mld) in [(2, 1), (3, 2)] {
        let Some(kernel) = Kernel::start() else { return };
        bridge(&kernel, igmp, mld);
        let packets = packets();
        let process = process(&kernel);
        let (four, six) = (shared(&process, "0.0.0.0:5000"), shared(&process, "[::]:5000"));
        membership(&process, four, false, JOIN);
        membership(&process, six, true, JOIN);
        let groups = ["239.1.1.1", GROUP_V6];
        for group in groups {
            eventually(&packets, "the join is seen", || is_member(&kernel, group));
        }
        // The solicited-node group of fd77::2.
        eventually(&packets, "own groups are seen", || is_member(&kernel, "ff02::1:ff00:2"));
        // Answers of each kind come until later than the bridge would forget.
        let began = Instant::now();
        let mut answers = 0;
        while answers < 3 || began.elapsed() < FORGOTTEN {
            next(&packets, |frame| answers_igmp(frame, igmp).then_some(()));
            next(&packets, |frame| answers_mld(frame, mld).then_some(()));
            answers += 1;
        }
        assert!(groups.iter().all(|group| is_member(&kernel, group)), "kept by answers");
        membership(&process, four, false, LEAVE);
        process.closesocket(six).unwrap();
        for group in groups {
            eventually(&packets, "leaving is seen", || !is_member(&kernel, group));
        }
    }
}

/// Whether a frame is our answer about the group to a query of this version of IGMP.
fn answers_igmp(frame: &[u8], version: u8) -> bool {
    let Some(packet) = frame.get(14..) else { return false };
    if frame[12..14] != [8, 0] || packet[9] != 2 || packet[12..16] != OWN_V4 {
        return false;
    }
    let message = &packet[24..];
    match version {
        2 => message[0] == 0x16 && message[4..8] == GROUP.octets(),
        // A current-state record, not one of a change.
        _ => message[0] == 0x22 && message[8] == 2 && message[12..16] == GROUP.octets(),
    }
}

fn answers_mld(frame: &[u8], version: u8) -> bool {
    let Some(packet) = frame.get(14..) else { return false };
    let group: std::net::Ipv6Addr = GROUP_V6.parse().unwrap();
    if frame[12..14] != [0x86, 0xdd] || packet[6] != 0 || packet.len() < 72 {
        return false;
    }
    let message = &packet[48..];
    match version {
        1 => message[0] == 131 && message[8..24] == group.octets(),
        _ => message[0] == 143 && message[8] == 2 && message[12..28] == group.octets(),
    }
}

/// WSARecvMsg: time to live and type of service, as the control messages say.
fn recv_marks(process: &ThreadedProcess, s: SocketHandle) -> Vec<(i32, i32)> {
    let (mut name, mut room, mut control) = ([0; 28], [0; 64], [0; 64]);
    let mut buffers = [WsaBufMut::new(&mut room)];
    let mut message = WsaMsgMut {
        name: MemoryMut::Bytes(&mut name),
        namelen: 28,
        buffers: Arg::Value(&mut buffers),
        control: WsaBufMut::new(&mut control),
        flags: 0,
    };
    process.wsa_recv_msg(s, Arg::Value(&mut message), Some(&mut 0)).unwrap();
    let len = message.control.len as usize;
    let number = |bytes: &[u8]| i32::from_ne_bytes(bytes.try_into().unwrap());
    let message = |bytes: &[u8]| (number(&bytes[12..16]), number(&bytes[16..20]));
    control[..len].chunks(24).map(message).collect()
}

#[test]
fn time_to_live_and_type_of_service_arrive_as_they_were_sent() {
    let Some(kernel) = Kernel::start() else { return };
    let packets = packets();
    let process = process(&kernel);
    for (v6, own, bound) in
        [(false, "10.77.0.2:5000", "10.77.0.1:0"), (true, "[fd77::2]:5000", "[fd77::1]:0")]
    {
        let (level, class) = if v6 { (41, 39) } else { (0, 3) };
        let s = shared(&process, own);
        for option in [21, 40] {
            process.set_option(s, level, option, 1).unwrap();
        }
        let theirs = kernel.udp(bound);
        if v6 {
            sockopt::set_ipv6_unicast_hops(&theirs, Some(7)).unwrap();
            sockopt::set_ipv6_tclass(&theirs, 0x28).unwrap();
        } else {
            theirs.set_ttl(7).unwrap();
            sockopt::set_ip_tos(&theirs, 0x28).unwrap();
        }
        theirs.send_to(b"marked", own).unwrap();
        assert_eq!(recv_marks(&process, s), [(21, 7), (class, 0x28)]);
        process.set_option(s, level, 4, 9).unwrap();
        process.set_option(s, level, class, 0xb8).unwrap();
        send(&process, s, theirs.local_addr().unwrap(), b"marked too");
        assert_eq!(kernel_heard(&theirs), b"marked too");
        let seen = next(&packets, |frame| {
            let packet = frame.get(14..)?;
            packet.ends_with(b"marked too").then(|| {
                if v6 {
                    (packet[7], packet[0] << 4 | packet[1] >> 4)
                } else {
                    (packet[8], packet[1])
                }
            })
        });
        assert_eq!(seen, (9, 0xb8));
        // A stream says it from its SYN on.
        let (address, _served) = kernel.tcp_once(bound, tapsock_tests::echo);
        let stream = process.socket(if v6 { 23 } else { 2 }, 1, 0).unwrap();
        process.set_option(stream, level, 4, 11).unwrap();
        process.set_option(stream, level, class, 0x20).unwrap();
        process.connect_to(stream, address).unwrap();
        let port = address.port().to_be_bytes();
        let syn = next(&packets, |frame| {
            let packet = frame.get(14..)?;
            let header = if v6 { 40 } else { 20 };
            let protocol = *packet.get(if v6 { 6 } else { 9 })?;
            let tcp = packet.get(header..)?;
            (protocol == 6 && tcp.get(2..4)? == port && tcp.get(13)? & 2 != 0).then(|| {
                if v6 {
                    (packet[7], packet[0] << 4 | packet[1] >> 4)
                } else {
                    (packet[8], packet[1])
                }
            })
        });
        assert_eq!(syn, (11, 0x20));
        process.closesocket(stream).unwrap();
    }
}
