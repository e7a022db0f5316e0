//! Connections made and accepted in a second.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::super::lab::{Family, Lab};
use super::super::peers::{
    Await, Host, Kernel, KernelSockets, Own, OwnSockets, PATIENCE, Server, Service, Sockets,
};
use super::super::runner::Pace;
use super::super::trouble::Trouble;
use super::client::{self, Run};
use super::{Bound, Comparison, Figure, peer};

/// Connections that are on their way at a time, where one is not enough.
const FLYING: usize = 16;
/// Clients at a time that make connections to be accepted.
const CALLERS: usize = 16;

pub(super) fn comparisons() -> Vec<Comparison> {
    let mut all = Vec::new();
    let figure = |name: &str, about: &str| Figure::new(name, about, "1/s", peer::VETH);
    let one = figure("connect_1_veth", "connect + close, 1 in flight");
    all.push(Comparison::new(
        vec![one.must(Bound::AtLeast(0.9))],
        |_, pace, _| connect(&Own::start(None)?, 1, pace),
        |lab, pace, _| connect(&Kernel::new(lab), 1, pace),
    ));
    let many =
        figure("connect_16_veth", "connect + close, 16 in flight, by non-blocking calls and poll");
    all.push(Comparison::new(
        vec![many.must(Bound::AtLeast(1.2))],
        |_, pace, _| {
            let own = Own::start(None)?;
            fly(&own, &OwnSockets(own.process()), pace)
        },
        |lab, pace, _| fly(&Kernel::new(lab), &KernelSockets, pace),
    ));
    let threads =
        figure("connect_16_threads_veth", "connect + close, 16 in flight, by blocking threads");
    all.push(Comparison::new(
        vec![threads],
        |_, pace, _| connect(&Own::start(None)?, FLYING, pace),
        |lab, pace, _| connect(&Kernel::new(lab), FLYING, pace),
    ));
    let figure =
        Figure::new("accept_veth", "accept + close, 16 callers of the kernel", "1/s", peer::VETH);
    all.push(Comparison::new(
        vec![figure],
        |_, pace, _| accept(&Own::start(None)?, pace),
        |lab: &Lab, pace, _| accept(&Kernel::new(lab), pace),
    ));
    all
}

/// Connects, reads until the server has closed, closes.
fn connect(host: &impl Host, flying: usize, pace: &Pace) -> Result<Vec<f64>, Trouble> {
    let server = Server::start(Service::Close, Family::V4)?;
    let to = SocketAddr::new(host.peer(Family::V4), server.port());
    let rate = client::rate(host, flying, pace.seconds, answers, |run| {
        run.is_ready();
        while !run.is_over() {
            let mut stream = host.connect(to).map_err(Trouble::of("connecting"))?;
            let ended = stream.read(&mut [0]).map_err(Trouble::of("reading the end"))?;
            if ended != 0 {
                return Err(Trouble::new("the server sent something"));
            }
            drop(stream);
            run.count(1);
        }
        Ok(())
    })?;
    Ok(vec![rate])
}

/// The same for [`FLYING`] connections at a time of one thread, none of which it waits for alone.
fn fly<S: Sockets + Sync>(host: &impl Host, sockets: &S, pace: &Pace) -> Result<Vec<f64>, Trouble> {
    let server = Server::start(Service::Close, Family::V4)?;
    let to = SocketAddr::new(host.peer(Family::V4), server.port());
    let rate = client::rate(host, 1, pace.seconds, answers, |run| {
        let begin = || {
            let socket = sockets.begin(to).map_err(Trouble::of("connecting"))?;
            Ok((socket, Await::Connected, false))
        };
        let mut all = (0..FLYING).map(|_| begin()).collect::<Result<Vec<_>, Trouble>>()?;
        run.is_ready();
        while !run.is_over() {
            sockets.poll(&mut all).map_err(Trouble::of("polling"))?;
            for flying in all.iter_mut().filter(|(.., ready)| *ready) {
                if flying.1 == Await::Connected {
                    flying.1 = Await::Readable;
                    continue;
                }
                let ended =
                    sockets.receive(&flying.0, &mut [0]).map_err(Trouble::of("reading the end"))?;
                if ended != 0 {
                    return Err(Trouble::new("the server sent something"));
                }
                let (done, ..) = std::mem::replace(flying, begin()?);
                sockets.close(done).map_err(Trouble::of("closing"))?;
                run.count(1);
            }
        }
        for (socket, ..) in all {
            sockets.close(socket).map_err(Trouble::of("closing"))?;
        }
        Ok(())
    })?;
    Ok(vec![rate])
}

/// Accepts and closes, while the kernel connects and reads until the end.
fn accept(host: &impl Host, pace: &Pace) -> Result<Vec<f64>, Trouble> {
    let (listener, port) = thread::scope(|scope| {
        let listening = scope.spawn(|| {
            host.arrive()?;
            host.listen(Family::V4).map_err(Trouble::of("listening"))
        });
        listening.join().unwrap_or_else(|_| Err(failed()))
    })?;
    let to = SocketAddr::new(host.own(Family::V4), port);
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let serving = scope.spawn(|| {
            while !ended.load(Ordering::Acquire) {
                host.accept(&listener).map_err(Trouble::of("accepting"))?;
            }
            Ok(())
        });
        let rate = client::measure(CALLERS, pace.seconds, answers, |run| {
            run.is_ready();
            while !run.is_over() {
                call(to)?;
                run.count(1);
            }
            Ok(())
        });
        ended.store(true, Ordering::Release);
        // An accept may be waiting for one more. Nobody accepts it when none is.
        let last = TcpStream::connect(to).map_err(Trouble::of("connecting"));
        serving.join().unwrap_or_else(|_| Err(failed()))?;
        last?;
        Ok(vec![rate?])
    })
}

/// Connects and waits until the server has closed.
fn call(to: SocketAddr) -> Result<(), Trouble> {
    let mut stream = TcpStream::connect(to).map_err(Trouble::of("connecting"))?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(Trouble::of("setting up a connection"))?;
    match stream.read(&mut [0]).map_err(Trouble::of("reading the end"))? {
        0 => Ok(()),
        _ => Err(Trouble::new("the server sent something")),
    }
}

fn answers(run: &Run) -> u64 {
    run.counted.load(Ordering::Relaxed)
}

fn failed() -> Trouble {
    Trouble::new("a server failed")
}
