//! How long it takes from nothing to a connection.

use std::net::SocketAddr;
use std::time::Instant;

use super::super::lab::{Family, Way};
use super::super::peers::{Host, Own, Server, Service, Stock};
use super::super::trouble::Trouble;
use super::{Comparison, Figure, peer};

pub(super) fn comparisons() -> Vec<Comparison> {
    let what = "start-up: the device opened, a stack made, a first connection established";
    vec![Comparison::new(
        vec![Figure::new("start_smoltcp", what, "us", peer::SMOLTCP)],
        |_, _, _| {
            timed(Way::Own, |to| {
                let own = Own::start(None)?;
                own.connect(to).map_err(Trouble::of("connecting"))?;
                Ok(own)
            })
        },
        |_, _, _| {
            timed(Way::Plain, |to| {
                let mut stock = Stock::start()?;
                stock.first(to)?;
                Ok(stock)
            })
        },
    )]
}

/// Microseconds that `start` takes. What it gives is ended later.
fn timed<T>(
    way: Way,
    start: impl FnOnce(SocketAddr) -> Result<T, Trouble>,
) -> Result<Vec<f64>, Trouble> {
    let server = Server::start(Service::Sink, Family::V4)?;
    let to = SocketAddr::new(way.peer(Family::V4), server.port());
    let began = Instant::now();
    let stack = start(to)?;
    let took = began.elapsed();
    drop(stack);
    Ok(vec![took.as_secs_f64() * 1e6])
}
