//! What this program does when a benchmark starts it once more: what has to be a process of its
//! own.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fs, thread};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::{AddressFamily, SocketType};
use rustix::process::{
    Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit,
};
use wsa::start::ThreadedProcess;
use wsa::{MemoryMut, SocketHandle};

use super::cable;
use super::lab::{Family, Way};
use super::peers::{Host, Own};
use super::trouble::Trouble;
use crate::output::{self, Failure};

/// Bytes of a request and of its answer.
const MESSAGE: usize = 64;
/// How often a caller tries again where a listener had no room.
const TRIES: usize = 200;
const AGAIN: Duration = Duration::from_millis(5);
/// Requests of a caller that are on the way at a time.
const OUTSTANDING: usize = 32;
/// How long a caller waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Plays the part that `words` names, with its numbers behind colons.
///
/// # Errors
/// [`Failure::Usage`] for what is no part, [`Failure::Told`] when it cannot be played.
pub(super) fn play(words: &str) -> Result<(), Failure> {
    // Whoever started it may end without a word, and a call of the kernel's may take minutes.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    let told = |trouble: Trouble| Failure::Told(trouble.to_string());
    let number = |text: &str| text.parse::<usize>().map_err(|_| unknown(words));
    match words.split(':').collect::<Vec<_>>()[..] {
        ["transfer", around, segments] => {
            let around = around.parse().map_err(Failure::Usage)?;
            let packets = cable::counted(around, number(segments)?).map_err(told)?;
            output::line(&packets.to_string())
        }
        ["packets", what, connections, segments] => {
            let what = what.parse().map_err(Failure::Usage)?;
            cable::packets(what, number(connections)?, number(segments)?).map_err(told)
        }
        ["hold" | "call", ..] if is_alone() => Ok(()),
        ["hold"] => hold(),
        ["call", from, port, count] => {
            let from = from.parse().map_err(|_| unknown(words))?;
            let port = port.parse().map_err(|_| unknown(words))?;
            call(from, port, number(count)?)
        }
        _ => Err(unknown(words)),
    }
}

/// Whether the benchmark ended before this process asked to end with it: then nobody talks to it.
fn is_alone() -> bool {
    let stdin = io::stdin();
    let mut asked = [PollFd::new(&stdin, PollFlags::IN)];
    let looked = rustix::event::poll(&mut asked, Some(&Timespec::default()));
    looked.is_ok() && asked[0].revents().contains(PollFlags::HUP)
}

fn unknown(words: &str) -> Failure {
    Failure::Usage(format!("{words:?} is no part of a benchmark, such as transfer:idle:1000"))
}

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0);
    pages * rustix::param::page_size() as u64
}

/// Accepts everything and keeps it. `measure` says how many connections there are and how many
/// bytes are resident, `answer` reads a request from each and answers it.
fn hold() -> Result<(), Failure> {
    let told = |trouble: Trouble| Failure::Told(trouble.to_string());
    let own = Arc::new(Own::start(None).map_err(told)?);
    let (listener, port) =
        own.listen(Family::V4).map_err(Trouble::of("listening")).map_err(told)?;
    let held = Arc::new(Mutex::new(Vec::new()));
    let (accepting, holding) = (Arc::clone(&own), Arc::clone(&held));
    thread::spawn(move || {
        // As a Winsock program has them: by their handles.
        let (process, listener) = (accepting.process(), listener.socket());
        while let Ok(s) = process.accept(listener, MemoryMut::Null, None) {
            holding.lock().unwrap_or_else(PoisonError::into_inner).push(s);
        }
    });
    output::line(&port.to_string())?;
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let held = held.lock().unwrap_or_else(PoisonError::into_inner);
        match line.as_str() {
            "measure" => output::line(&format!("{} {}", held.len(), resident()))?,
            "answer" => {
                answer(own.process(), &held).map_err(told)?;
                output::line("answered")?;
            }
            _ => return Err(unknown(&line)),
        }
    }
    // Nobody waits for a hundred thousand connections to close.
    std::process::exit(0)
}

/// Answers a request on each connection, of each caller in the order in which it has connected.
fn answer(process: &ThreadedProcess, held: &[SocketHandle]) -> Result<(), Trouble> {
    let said = |what: &'static str| {
        move |error: wsa::Error| Trouble::new(format!("{what} failed: {error}"))
    };
    let mut callers = BTreeMap::<_, Vec<_>>::new();
    for &s in held {
        let peer = process.peer_name(s).map_err(said("getpeername"))?;
        callers.entry(peer.address).or_default().push(s);
    }
    thread::scope(|scope| {
        let threads: Vec<_> = callers
            .into_values()
            .map(|sockets| {
                scope.spawn(move || {
                    for s in sockets {
                        let mut request = [0; MESSAGE];
                        let mut length = 0;
                        while length < MESSAGE {
                            let more = process
                                .recv(s, (&mut request[length..]).into(), 0)
                                .map_err(said("recv"))?;
                            if more == 0 {
                                return Err(Trouble::new("a request ended early"));
                            }
                            length += more;
                        }
                        process.send(s, (&request).into(), 0).map_err(said("send"))?;
                    }
                    Ok(())
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(Trouble::new("answering requests failed")))
        })
    })
}

/// Connects from an address of the kernel's and keeps the connections. Says how many there are and
/// what stopped it; `ask` sends a request over each and waits for all answers.
fn call(from: Ipv4Addr, port: u16, count: usize) -> Result<(), Failure> {
    let Rlimit { current: _, maximum } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let std::net::IpAddr::V4(to) = Way::Own.own(Family::V4) else { return Ok(()) };
    let to = SocketAddrV4::new(to, port);
    let (mut streams, mut stopped) = (Vec::new(), String::new());
    let mut lost = 0;
    while stopped.is_empty() {
        while streams.len() < count && stopped.is_empty() {
            match connect(from, to) {
                Ok(stream) => streams.push(stream),
                Err(error) => stopped = error.to_string(),
            }
        }
        // A listener whose queue was full when the handshake ended has reset the connection.
        thread::sleep(AGAIN * 20);
        let before = streams.len();
        streams.retain(|stream: &TcpStream| matches!(stream.take_error(), Ok(None)));
        lost += before - streams.len();
        if before == streams.len() {
            break;
        }
        if lost > count {
            stopped = "the listener resets most connections".into();
        }
    }
    output::line(&format!("{} {stopped}", streams.len()))?;
    for _ in io::stdin().lock().lines().map_while(Result::ok) {
        let answered = ask(&mut streams);
        output::line(&answered.to_string())?;
    }
    Ok(())
}

/// Sends a request over each and reads the answers, and says how many there were. Only some are on
/// the way at a time: a hundred thousand at once would be lost, and again at every repetition.
fn ask(streams: &mut [TcpStream]) -> usize {
    let (mut sent, mut answered) = (0, 0);
    for place in 0..streams.len() {
        while let Some(stream) = streams.get_mut(sent).filter(|_| sent < place + OUTSTANDING) {
            // Whoever has no request gives no answer.
            let _ = stream.write_all(&[0x55; MESSAGE]);
            sent += 1;
        }
        if let Some(stream) = streams.get_mut(place) {
            let patient = stream.set_read_timeout(Some(PATIENCE));
            let heard = patient.and_then(|()| stream.read_exact(&mut [0; MESSAGE]));
            answered += usize::from(heard.is_ok());
        }
    }
    answered
}

fn connect(from: Ipv4Addr, to: SocketAddrV4) -> io::Result<TcpStream> {
    let mut tries = 0;
    loop {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
        rustix::net::bind(&socket, &SocketAddrV4::new(from, 0))?;
        match rustix::net::connect(&socket, &to) {
            Ok(()) => return Ok(socket.into()),
            Err(_) if tries < TRIES => {
                tries += 1;
                thread::sleep(AGAIN);
            }
            Err(error) => return Err(error.into()),
        }
    }
}
