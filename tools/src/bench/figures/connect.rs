//! Connections made and accepted in a second.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::super::lab::{Family, Lab};
use super::super::peers::{Host, Kernel, Own, PATIENCE, Server, Service};
use super::super::runner::Pace;
use super::super::trouble::Trouble;
use super::client::{self, Run};
use super::{Bound, Comparison, Figure, peer};

/// Clients at a time that make connections to be accepted.
const CALLERS: usize = 16;

pub(super) fn comparisons() -> Vec<Comparison> {
    let mut all = Vec::new();
    for (flying, least) in [(1, 0.9), (16, 1.2)] {
        let figure = Figure::new(
            format!("connect_{flying}_veth"),
            format!("connect + close, {flying} in flight"),
            "1/s",
            peer::VETH,
        );
        all.push(Comparison::new(
            vec![figure.must(Bound::AtLeast(least))],
            move |_, pace, _| connect(&Own::start(None)?, flying, pace),
            move |lab, pace, _| connect(&Kernel::new(lab), flying, pace),
        ));
    }
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
