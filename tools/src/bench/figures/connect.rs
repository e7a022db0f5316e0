//! Connections made and accepted in a second.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use super::super::lab::{Family, Lab, Way};
use super::super::peers::{
    Await, Client, Host, Kernel, Own, PATIENCE, Server, Service, Site, Sockets, Stock, StockSite,
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
    let figure = |name: &str, about: &str, (suffix, peer)| {
        Figure::new(format!("{name}_{suffix}"), about, "1/s", peer)
    };
    let (veth, smoltcp) = (("veth", peer::VETH), ("smoltcp", peer::SMOLTCP));
    let one = |peer| figure("connect_1", "connect + close, 1 in flight", peer);
    let own = |_: &Lab, pace: &Pace, _| connect(&&Own::start(None)?, 1, pace);
    all.push(Comparison::new(vec![one(veth).must(Bound::AtLeast(0.9))], own, |lab, pace, _| {
        connect(&&Kernel::new(lab), 1, pace)
    }));
    all.push(Comparison::new(vec![one(smoltcp)], own, |_, pace, _| connect(&StockSite, 1, pace)));
    let many = |peer| {
        let about = "connect + close, 16 in flight, by non-blocking calls and poll";
        figure("connect_16", about, peer)
    };
    let own = |_: &Lab, pace: &Pace, _| fly(&&Own::start(None)?, pace);
    all.push(Comparison::new(vec![many(veth).must(Bound::AtLeast(1.2))], own, |lab, pace, _| {
        fly(&&Kernel::new(lab), pace)
    }));
    all.push(Comparison::new(vec![many(smoltcp)], own, |_, pace, _| fly(&StockSite, pace)));
    all.push(Comparison::new(
        vec![figure(
            "connect_16_threads",
            "connect + close, 16 in flight, by blocking threads",
            veth,
        )],
        |_, pace, _| connect(&&Own::start(None)?, FLYING, pace),
        |lab, pace, _| connect(&&Kernel::new(lab), FLYING, pace),
    ));
    let accepts = |peer| figure("accept", "accept + close, 16 callers of the kernel", peer);
    let own = |_: &Lab, pace: &Pace, _| accept(&Own::start(None)?, pace);
    all.push(Comparison::new(vec![accepts(veth)], own, |lab, pace, _| {
        accept(&Kernel::new(lab), pace)
    }));
    all.push(Comparison::new(vec![accepts(smoltcp)], own, |_, pace, _| accept_by_stock(pace)));
    all
}

/// Connects, reads until the server has closed, closes.
fn connect(site: &impl Site, flying: usize, pace: &Pace) -> Result<Vec<f64>, Trouble> {
    let server = Server::start(Service::Close, Family::V4)?;
    let to = SocketAddr::new(site.peer(Family::V4), server.port());
    let rate = client::rate(site, flying, pace.seconds, answers, |run, client| {
        run.is_ready();
        while !run.is_over() {
            let mut stream = client.connect(to).map_err(Trouble::of("connecting"))?;
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
fn fly<P: Site<Client: Sockets>>(site: &P, pace: &Pace) -> Result<Vec<f64>, Trouble> {
    let server = Server::start(Service::Close, Family::V4)?;
    let to = SocketAddr::new(site.peer(Family::V4), server.port());
    let rate = client::rate(site, 1, pace.seconds, answers, |run, sockets| {
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
        let rate = calls(to, pace);
        ended.store(true, Ordering::Release);
        // An accept may be waiting for one more. Nobody accepts it when none is.
        let last = TcpStream::connect(to).map_err(Trouble::of("connecting"));
        serving.join().unwrap_or_else(|_| Err(failed()))?;
        last?;
        Ok(vec![rate?])
    })
}

/// The same by stock smoltcp's loop.
fn accept_by_stock(pace: &Pace) -> Result<Vec<f64>, Trouble> {
    let port = 1024 + crate::cli::seed(&Default::default()) as u16 % 32_768;
    let to = SocketAddr::new(Way::Plain.own(Family::V4), port);
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let (listens, listening) = mpsc::channel();
        let ended = &ended;
        let serving = scope.spawn(move || {
            let ready = || listens.send(()).unwrap_or_default();
            Stock::start()?.accept(port, CALLERS, ended, ready)
        });
        // It fails when the server has ended, which says why.
        let rate = listening.recv().map(|()| calls(to, pace));
        ended.store(true, Ordering::Release);
        serving.join().unwrap_or_else(|_| Err(failed()))?;
        Ok(vec![rate.map_err(|_| failed())??])
    })
}

/// What the callers do.
fn calls(to: SocketAddr, pace: &Pace) -> Result<f64, Trouble> {
    client::measure(CALLERS, pace.seconds, answers, |run| {
        run.is_ready();
        while !run.is_over() {
            call(to)?;
            run.count(1);
        }
        Ok(())
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
