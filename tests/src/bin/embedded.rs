//! The other end of the wire for `tests/embedded`: runs an image in QEMU, on a TAP device in a
//! network namespace of its own, and plays the Linux kernel's part.
//!
//! `embedded RUNS STATUS scene|visit QEMU [ARGUMENT...]`: `{tap}` in a word stands for the name of the
//! TAP device. An image that passed ends QEMU with the exit status STATUS. The program `scene` says
//! when it wants to be visited; the program `sizes` has no words and is visited from the start.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::ipproto::ICMP;
use rustix::net::{AddressFamily, SocketType, socket};
use tapsock_tests::{Kernel, echo};
use tapsock_tools::namespace::{self, Fate};

/// A run takes about seven seconds.
const LONGEST: Duration = Duration::from_secs(90);
/// Where the image listens.
const GUEST: &str = "10.77.0.2:4242";

/// What the image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Scene,
    Visit,
}

type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [runs, status, mode, command @ ..] = &arguments[..] else { return usage() };
    let (Ok(runs), Ok(status), false) = (runs.parse(), status.parse(), command.is_empty()) else {
        return usage();
    };
    let mode = match mode.as_str() {
        "scene" => Mode::Scene,
        "visit" => Mode::Visit,
        _ => return usage(),
    };
    let began = Instant::now();
    for number in 1..=runs {
        let command = command.to_vec();
        // A namespace belongs to a thread, and to the programs that it starts.
        let outcome = thread::spawn(move || run(&command, status, mode, runs == 1)).join();
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(why)) => {
                eprintln!("run {number} of {runs}: {why}");
                return ExitCode::FAILURE;
            }
            // It has said why.
            Err(_) => return ExitCode::FAILURE,
        }
    }
    println!("{runs} of {runs} runs passed in {:.0?}", began.elapsed());
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("usage: embedded RUNS STATUS scene|visit QEMU [ARGUMENT...]");
    ExitCode::from(2)
}

fn run(command: &[String], status: i32, mode: Mode, aloud: bool) -> Outcome {
    let Some(kernel) = Kernel::start() else { return Err("there is no TAP device".into()) };
    // Everybody may send echo requests.
    namespace::set("net/ipv4/ping_group_range", "0 2147483647")?;
    kernel.routes(&[(Fate::Blackhole, "10.99.0.0/16")]);
    // Before the image starts: it connects within a tenth of a second.
    kernel.tcp_server("10.77.0.1:7000", echo);
    kernel.tcp_server("10.77.0.1:7004", echo);
    let voices = [kernel.udp("10.77.0.1:7002"), kernel.udp("10.77.0.1:7003")];
    thread::spawn(move || two_voices(&voices));

    let words = command.iter().map(|word| word.replace("{tap}", kernel.device()));
    let words: Vec<String> = words.collect();
    let mut child = Command::new(&words[0])
        .args(&words[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|why| format!("{} cannot be run: {why}", words[0]))?;
    if mode == Mode::Visit {
        thread::spawn(visit);
    }
    let outcome = watch(&kernel, &mut child, aloud);
    if outcome.is_err() {
        // Has no effect on what has ended.
        let _ = child.kill();
    }
    let ended = child.wait()?;
    let said = outcome?;
    let passed = mode == Mode::Visit || said.ends_with("9 passed, 0 failed");
    if ended.code() != Some(status) || !passed {
        return Err(format!("QEMU ended with {ended}, the image said:\n{said}").into());
    }
    Ok(())
}

/// Plays the kernel's part until the image ends. Gives what it said.
fn watch(kernel: &Kernel, child: &mut Child, aloud: bool) -> Result<String, String> {
    let output = child.stdout.take().ok_or("QEMU has no output")?;
    let lines = lines(output);
    let end = Instant::now() + LONGEST;
    let mut said = Vec::new();
    loop {
        let line = match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => line,
            Err(RecvTimeoutError::Disconnected) => return Ok(said.join("\n")),
            Err(RecvTimeoutError::Timeout) => {
                return Err(format!("it has not ended after {LONGEST:?}:\n{}", said.join("\n")));
            }
        };
        if aloud {
            println!("{line}");
        }
        match &*line {
            "ready for an echo request" => ping()?,
            "listening" => converse(kernel).map_err(|why| format!("{GUEST}: {why}"))?,
            _ => {}
        }
        said.push(line);
    }
}

fn lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines() {
            let Ok(line) = line else { return };
            if sender.send(line.trim_end().to_string()).is_err() {
                return;
            }
        }
    });
    receiver
}

/// An ICMP echo request that is answered.
fn ping() -> Result<(), String> {
    let said = |why: io::Error| format!("the echo request failed: {why}");
    let socket = socket(AddressFamily::INET, SocketType::DGRAM, Some(ICMP))
        .map_err(|why| said(why.into()))?;
    // The kernel writes the identifier and the checksum, and gives what belongs to the identifier.
    let socket = UdpSocket::from(socket);
    socket.set_read_timeout(Some(Duration::from_secs(5))).map_err(said)?;
    let request = *b"\x08\0\0\0\0\0\0\x01from the kernel";
    socket.send_to(&request, "10.77.0.2:0").map_err(said)?;
    let mut answer = [0; 64];
    let len = socket.recv(&mut answer).map_err(said)?;
    let answer = &answer[..len];
    let same = answer.first() == Some(&0) && answer.get(6..) == Some(&request[6..]);
    if same { Ok(()) } else { Err(format!("the echo request was answered with {answer:?}")) }
}

/// Connects to the image, which sends back what comes.
fn converse(kernel: &Kernel) -> io::Result<()> {
    let mut stream: TcpStream = kernel.tcp_client(GUEST)?;
    stream.write_all(b"hello, board")?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    if answer == b"hello, board" {
        return Ok(());
    }
    Err(io::Error::other(format!("it answered {:?}", String::from_utf8_lossy(&answer))))
}

/// Connects to the image and asks it by a datagram, until it has answered both.
fn visit() {
    let tcp = || -> io::Result<()> {
        let address = GUEST.parse().map_err(io::Error::other)?;
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.write_all(b"hello, board")?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.read_to_end(&mut Vec::new()).map(drop)
    };
    let udp = || -> io::Result<()> {
        let socket = UdpSocket::bind("10.77.0.1:0")?;
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
        // What cannot be sent is waited for as well: the wait is what sets the pace.
        let _ = socket.send_to(b"who is there?", "10.77.0.2:53");
        socket.recv(&mut [0; 64]).map(drop)
    };
    // While the image starts, nothing answers.
    let end = Instant::now() + LONGEST;
    while Instant::now() < end && udp().and_then(|()| tcp()).is_err() {}
}

/// Answers each datagram twice, first from a port that was not asked.
fn two_voices([asked, other]: &[UdpSocket; 2]) {
    let mut buffer = [0; 64];
    while let Ok((_, from)) = asked.recv_from(&mut buffer) {
        // What is lost here the image misses.
        let _ = other.send_to(b"a stranger", from);
        let _ = asked.send_to(b"your peer", from);
    }
}
