//! Round trips of datagrams and of short messages over TCP.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::super::lab::{Family, Lab};
use super::super::peers::{
    Client, Datagrams, Kernel, Own, Server, Service, Site, StockSite, Stream,
};
use super::super::runner::Pace;
use super::super::statistics::quantile;
use super::super::trouble::Trouble;
use super::client::{self, Run};
use super::{Bound, Comparison, Figure, peer};

/// Bytes of a message.
const MESSAGE: usize = 64;
/// Messages that are on the way at a time.
const OUTSTANDING: usize = 64;
/// After this time without an answer everything on the way counts as lost.
const LOST: Duration = Duration::from_millis(100);

/// How an answer is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Sleeping,
    Spinning,
}

pub(super) fn comparisons() -> Vec<Comparison> {
    let mut all = Vec::new();
    let (veth, smoltcp) = (("veth", peer::VETH), ("smoltcp", peer::SMOLTCP));
    for (waiting, name, words) in [
        (Waiting::Sleeping, "udp_rtt", "sleeping"),
        (Waiting::Spinning, "udp_rtt_spin", "spinning"),
    ] {
        let median = |(suffix, peer)| {
            let what = format!("UDP round trip, 64 bytes, p50, {words}");
            Figure::new(format!("{name}_{suffix}"), what, "us", peer)
        };
        let beside_kernel = match waiting {
            Waiting::Sleeping => median(veth).must(Bound::AtMost(1.2)),
            Waiting::Spinning => median(veth),
        };
        let own = move |_: &Lab, pace: &Pace, _| {
            let own = match waiting {
                Waiting::Sleeping => Own::start(None)?,
                Waiting::Spinning => Own::spinning()?,
            };
            round_trips(&&own, waiting, pace)
        };
        all.push(Comparison::new(vec![beside_kernel], own, move |lab, pace, _| {
            round_trips(&&Kernel::new(lab), waiting, pace)
        }));
        all.push(Comparison::new(vec![median(smoltcp)], own, move |_, pace, _| {
            round_trips(&StockSite, waiting, pace)
        }));
    }
    let rate = |(suffix, peer)| {
        let what = "UDP echoes of 64 bytes, 64 on the way";
        vec![Figure::new(format!("udp_rate_{suffix}"), what, "1/s", peer)]
    };
    let own = |_: &Lab, pace: &Pace, _| echoes(&&Own::start(None)?, pace);
    all.push(Comparison::new(rate(veth), own, |lab, pace, _| echoes(&&Kernel::new(lab), pace)));
    all.push(Comparison::new(rate(smoltcp), own, |_, pace, _| echoes(&StockSite, pace)));
    let quantiles = |(suffix, peer)| {
        let figures = [("p50", 0), ("p99", 1)].map(|(quantile, index)| {
            let what = format!("TCP ping-pong, 64 bytes, {quantile}");
            Figure::new(format!("tcp_rtt_{quantile}_{suffix}"), what, "us", peer).index(index)
        });
        figures.into()
    };
    let own = |_: &Lab, pace: &Pace, _| ping_pong(&&Own::start(None)?, pace);
    all.push(Comparison::new(quantiles(veth), own, |lab, pace, _| {
        ping_pong(&&Kernel::new(lab), pace)
    }));
    all.push(Comparison::new(quantiles(smoltcp), own, |_, pace, _| ping_pong(&StockSite, pace)));
    all
}

fn answers(run: &Run) -> u64 {
    run.counted.load(Ordering::Relaxed)
}

/// The median time of a round trip in microseconds.
fn round_trips(site: &impl Site, waiting: Waiting, pace: &Pace) -> Result<Vec<f64>, Trouble> {
    let server = Server::start(Service::Datagrams, Family::V4)?;
    let to = SocketAddr::new(site.peer(Family::V4), server.port());
    let times = Mutex::new(Vec::new());
    client::rate(site, 1, pace.seconds, answers, |run, client| {
        let socket = client.datagrams(to).map_err(Trouble::of("making a datagram socket"))?;
        socket.set_patience(LOST).map_err(Trouble::of("setting up a datagram socket"))?;
        if waiting == Waiting::Spinning {
            socket.spin().map_err(Trouble::of("setting up a datagram socket"))?;
        }
        run.is_ready();
        let (mut taken, message, mut room) = (Vec::new(), [0x55; MESSAGE], [0; MESSAGE]);
        while !run.is_over() {
            let began = Instant::now();
            socket.send(&message).map_err(Trouble::of("sending a datagram"))?;
            if answered(&socket, &mut room, began)? {
                taken.push(began.elapsed().as_secs_f64() * 1e6);
                run.count(1);
            }
        }
        // There is one thread.
        if let Ok(mut times) = times.lock() {
            *times = taken;
        }
        Ok(())
    })?;
    let mut times = times.into_inner().unwrap_or_default();
    quantile(&mut times, 0.5).map(|median| vec![median]).ok_or_else(nothing)
}

/// Waits for a datagram: false when none came in time.
fn answered(socket: &impl Datagrams, room: &mut [u8], began: Instant) -> Result<bool, Trouble> {
    loop {
        match socket.receive(room) {
            Ok(_) => return Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if began.elapsed() >= LOST {
                    return Ok(false);
                }
                std::hint::spin_loop();
            }
            Err(error) => return Err(Trouble::of("receiving a datagram")(error)),
        }
    }
}

/// Answers in a second with many on the way.
fn echoes(site: &impl Site, pace: &Pace) -> Result<Vec<f64>, Trouble> {
    let server = Server::start(Service::Datagrams, Family::V4)?;
    let to = SocketAddr::new(site.peer(Family::V4), server.port());
    let rate = client::rate(site, 1, pace.seconds, answers, |run, client| {
        let socket = client.datagrams(to).map_err(Trouble::of("making a datagram socket"))?;
        socket.set_patience(LOST).map_err(Trouble::of("setting up a datagram socket"))?;
        run.is_ready();
        let (message, mut room, mut flying) = ([0x55; MESSAGE], [0; MESSAGE], 0);
        while !run.is_over() {
            while flying < OUTSTANDING {
                socket.send(&message).map_err(Trouble::of("sending a datagram"))?;
                flying += 1;
            }
            if answered(&socket, &mut room, Instant::now())? {
                flying -= 1;
                run.count(1);
            } else {
                flying = 0;
            }
        }
        Ok(())
    })?;
    Ok(vec![rate])
}

/// The median and the 99th percentile of a round trip over a connection, in microseconds.
fn ping_pong(site: &impl Site, pace: &Pace) -> Result<Vec<f64>, Trouble> {
    let server = Server::start(Service::Echo, Family::V4)?;
    let to = SocketAddr::new(site.peer(Family::V4), server.port());
    let times = Mutex::new(Vec::new());
    client::rate(site, 1, pace.seconds, answers, |run, client| {
        let mut stream = client.connect(to).map_err(Trouble::of("connecting"))?;
        stream.prepare().map_err(Trouble::of("setting up a connection"))?;
        run.is_ready();
        let (mut taken, message, mut room) = (Vec::new(), [0x55; MESSAGE], [0; MESSAGE]);
        while !run.is_over() {
            let began = Instant::now();
            stream.write_all(&message).map_err(Trouble::of("sending a message"))?;
            stream.read_exact(&mut room).map_err(Trouble::of("receiving a message"))?;
            taken.push(began.elapsed().as_secs_f64() * 1e6);
            run.count(1);
        }
        if let Ok(mut times) = times.lock() {
            *times = taken;
        }
        Ok(())
    })?;
    let mut times = times.into_inner().unwrap_or_default();
    let both = [0.5, 0.99].map(|part| quantile(&mut times, part));
    both.into_iter().collect::<Option<Vec<f64>>>().ok_or_else(nothing)
}

fn nothing() -> Trouble {
    Trouble::new("no answer came within the time of a round")
}
