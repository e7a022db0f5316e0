//! Bulk TCP between a stack on a TAP device and the Linux kernel, plain and offloading in turn.
//!
//! ```text
//! cargo run --release -p tapsock-stack --example bulk -- [ROUNDS [SECONDS [BUFFER [4|6]]]]
//! ```
//!
//! Needs the right to make a network namespace and a TAP device, and leaves nothing behind. Each
//! round runs the four combinations one after the other, so that a ratio compares what ran under
//! the same conditions; absolute figures drift with the machine. The kernel's end is a thread, and
//! counts what it received or sent. "per CPU second" counts that of the stack's thread alone, which
//! includes the part of the kernel's work that runs within its system calls.

use std::env;
use std::error::Error;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant as Clock;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::time::{ClockId, clock_gettime};
use tapsock_stack::config::Config;
use tapsock_stack::link::Link;
use tapsock_stack::link::tap::Tap;
use tapsock_stack::storage::Growable;
use tapsock_stack::tcp::{Connect, Phase, Take};
use tapsock_stack::time::{Duration, Instant};
use tapsock_stack::wire::{EthernetAddress, IpAddress, IpCidr, IpEndpoint};
use tapsock_stack::{Progress, Stack, TcpId};

const DEVICE: &str = "bulk0";
/// Set in the environment once the namespace is entered.
const INSIDE: &str = "TAPSOCK_BULK_INSIDE";
const MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Stack to kernel.
    Transmit,
    /// Kernel to stack.
    Receive,
}

struct Settings {
    rounds: usize,
    seconds: f64,
    buffer: usize,
    v6: bool,
}

/// Gbit in a second, and in a second of CPU time of the stack's thread.
#[derive(Debug, Clone, Copy)]
struct Speed {
    wall: f64,
    cpu: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let mut next = |default: &str| arguments.next().unwrap_or_else(|| default.into());
    let settings = Settings {
        rounds: next("5").parse()?,
        seconds: next("1").parse()?,
        buffer: next("262144").parse()?,
        v6: next("4") == "6",
    };
    enter()?;
    let mut all = [(); 4].map(|()| Vec::new());
    for round in 1..=settings.rounds {
        let mut line = format!("round {round}:");
        for (kind, speeds) in all.iter_mut().enumerate() {
            let way = if kind < 2 { Way::Transmit } else { Way::Receive };
            let offload = kind % 2 == 1;
            let speed = run(&settings, way, offload)?;
            line += &format!("  {} {:6.2} ({:6.2})", name(way, offload), speed.wall, speed.cpu);
            speeds.push(speed);
        }
        println!("{line}");
    }
    println!("medians of {} rounds, Gbit/s (Gbit per CPU second of the stack)", settings.rounds);
    for (way, pair) in [(Way::Transmit, &all[..2]), (Way::Receive, &all[2..])] {
        let ratio = |pick: fn(&Speed) -> f64| {
            let pairs = pair[0].iter().zip(&pair[1]);
            median(pairs.map(|(plain, offload)| pick(offload) / pick(plain)))
        };
        for (speeds, offload) in pair.iter().zip([false, true]) {
            let (wall, cpu) = (speeds.iter().map(|s| s.wall), speeds.iter().map(|s| s.cpu));
            println!("  {} {:6.2} ({:6.2})", name(way, offload), median(wall), median(cpu));
        }
        let (wall, cpu) = (ratio(|s| s.wall), ratio(|s| s.cpu));
        println!("  ratio within a round, median: {wall:.2} ({cpu:.2})");
    }
    Ok(())
}

fn name(way: Way, offload: bool) -> &'static str {
    match (way, offload) {
        (Way::Transmit, false) => "tx plain  ",
        (Way::Transmit, true) => "tx offload",
        (Way::Receive, false) => "rx plain  ",
        (Way::Receive, true) => "rx offload",
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Begins anew in a network namespace of this program's own.
fn enter() -> Result<(), Box<dyn Error>> {
    if env::var_os(INSIDE).is_some() {
        return ip("link set lo up");
    }
    let this = env::current_exe()?;
    let mut inside = Command::new("unshare");
    inside.args(["--net", "--"]).arg(this).args(env::args_os().skip(1)).env(INSIDE, "1");
    Err(inside.exec().into())
}

fn ip(words: &str) -> Result<(), Box<dyn Error>> {
    let status = Command::new("ip").args(words.split(' ')).status()?;
    if status.success() { Ok(()) } else { Err(format!("ip {words}: {status}").into()) }
}

fn run(settings: &Settings, way: Way, offload: bool) -> Result<Speed, Box<dyn Error>> {
    let tap = if offload { Tap::open_offloading(DEVICE)? } else { Tap::open(DEVICE)? };
    if offload != tap.offload().checksum {
        return Err("the kernel refuses a virtio-net header".into());
    }
    let (own, peer) = if settings.v6 {
        ip(&format!("addr add fd09::1/64 dev {DEVICE} nodad"))?;
        (IpAddress::v6(0xfd09, 0, 0, 0, 0, 0, 0, 2), "[fd09::1]:9")
    } else {
        ip(&format!("addr add 10.9.0.1/24 dev {DEVICE}"))?;
        (IpAddress::v4(10, 9, 0, 2), "10.9.0.1:9")
    };
    ip(&format!("link set {DEVICE} up"))?;
    tap.refresh();
    let listener = TcpListener::bind(peer)?;
    let counted = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&counted);
    let buffer = settings.buffer;
    let kernel = thread::spawn(move || {
        if let Ok((stream, _)) = listener.accept() {
            // Ends when the stack's end does.
            let _ = serve(stream, way, buffer, &counter);
        }
    });
    let speed = drive(settings, way, tap, own, peer.parse()?, &counted);
    // The device is gone by now, and with it the peer of the kernel's end.
    kernel.join().map_err(|_| "the kernel's end failed")?;
    speed
}

fn serve(
    mut stream: TcpStream,
    way: Way,
    buffer: usize,
    counter: &AtomicU64,
) -> std::io::Result<()> {
    // Whatever the machine prefers: bbr paces, and halves what the stack can take.
    let _ = rustix::net::sockopt::set_tcp_congestion(&stream, "cubic");
    let mut room = vec![0x5a; buffer];
    loop {
        let moved = match way {
            Way::Transmit => stream.read(&mut room)?,
            Way::Receive => stream.write(&room)?,
        };
        if moved == 0 {
            return Ok(());
        }
        counter.fetch_add(moved as u64, Ordering::Relaxed);
    }
}

fn drive(
    settings: &Settings,
    way: Way,
    tap: Tap,
    own: IpAddress,
    peer: std::net::SocketAddr,
    counted: &AtomicU64,
) -> Result<Speed, Box<dyn Error>> {
    let began = Clock::now();
    let now = || Instant::from_micros(began.elapsed().as_micros() as i64);
    let mut stack = Stack::new(Config::new(MAC, 1), tap, Growable::default(), now());
    stack.add_address(IpCidr::new(own, if settings.v6 { 64 } else { 24 }))?;
    let peer = IpEndpoint::from(peer);
    let mut request = Connect::new(IpEndpoint::new(own, 40_000), peer);
    request.receive_buffer = Some(settings.buffer);
    request.transmit_buffer = Some(settings.buffer);
    let id = stack.tcp_connect(now(), &request).map_err(|error| format!("{error:?}"))?;
    let mut data = vec![0xa5; settings.buffer];
    let warm = Duration::from_millis(200);
    let end = warm + Duration::from_micros((settings.seconds * 1e6) as u64);
    let mut started = None;
    loop {
        let at = now();
        while stack.poll(at) == Progress::More {}
        while stack.next_event().is_some() {}
        let status = stack.tcp(id).ok_or("the connection is gone")?;
        if let Some(cause) = status.cause {
            return Err(cause.to_string().into());
        }
        if status.phase == Phase::Connected {
            exchange(&mut stack, now(), id, way, &mut data);
        }
        if started.is_none() && at >= Instant::ZERO + warm {
            started = Some((at, cpu(), counted.load(Ordering::Relaxed)));
        }
        if let Some((from, used, before)) = started
            && at >= Instant::ZERO + end
        {
            let bits = (counted.load(Ordering::Relaxed) - before) as f64 * 8e-9;
            let wall = bits / ((at - from).total_micros() as f64 * 1e-6);
            stack.tcp_close(now(), id, tapsock_stack::tcp::Close::Reset);
            return Ok(Speed { wall, cpu: bits / (cpu() - used) });
        }
        wait(&mut stack, now())?;
    }
}

fn exchange(
    stack: &mut Stack<'_, Tap, Growable>,
    now: Instant,
    id: TcpId,
    way: Way,
    data: &mut [u8],
) {
    match way {
        Way::Transmit => {
            let room = stack.tcp(id).map_or(0, |status| status.room);
            if let Some(piece) = data.get(..room).filter(|piece| !piece.is_empty()) {
                // Only what the ring holds, so that nothing is kept beside it.
                let _ = stack.tcp_send(now, id, piece, usize::MAX);
            }
        }
        Way::Receive => while stack.tcp_recv(now, id, data, Take::Consume).is_ok_and(|n| n > 0) {},
    }
}

/// Sleeps until a frame arrives or the stack has something to do.
fn wait(stack: &mut Stack<'_, Tap, Growable>, now: Instant) -> Result<(), Box<dyn Error>> {
    let longest = Duration::from_millis(50);
    let sleep = stack
        .poll_at()
        .map_or(longest, |at| if at <= now { Duration::ZERO } else { (at - now).min(longest) });
    let micros = sleep.total_micros();
    let timeout = Timespec {
        tv_sec: (micros / 1_000_000) as i64,
        tv_nsec: (micros % 1_000_000) as i64 * 1000,
    };
    let mut descriptors = [PollFd::new(stack.link(), PollFlags::IN)];
    poll(&mut descriptors, Some(&timeout))?;
    Ok(())
}

/// Seconds of CPU time of this thread.
fn cpu() -> f64 {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 * 1e-9
}
