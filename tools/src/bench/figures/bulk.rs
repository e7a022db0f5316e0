//! Bulk TCP, each way.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use super::super::lab::{Family, Lab, Way};
use super::super::peers::{Host, Kernel, Lwip, Own, Raw, Server, Service, Stock, Stream, Transfer};
use super::super::runner::Pace;
use super::super::trouble::Trouble;
use super::client::{self, Run};
use super::{Bound, Comparison, Figure, peer};

/// Bytes of a write and of a read, for everybody.
const PIECE: usize = 128 * 1024;
/// Bytes of each socket's buffers, where they do not grow by themselves as the kernel's do.
const BUFFER: usize = 256 * 1024;
/// Connections without traffic beside the flow.
const IDLE: usize = 1000;
/// Flows at a time where it is more than one.
const MANY: usize = 16;

/// Where the bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    /// From who is measured to the kernel.
    Transmit,
    /// From the kernel.
    Receive,
}

/// What is transferred.
#[derive(Debug, Clone, Copy)]
struct Bulk {
    direction: Direction,
    family: Family,
    flows: usize,
}

pub(super) fn comparisons() -> Vec<Comparison> {
    let mut all = Vec::new();
    for flows in [1, MANY] {
        for family in [Family::V4, Family::V6] {
            for direction in [Direction::Transmit, Direction::Receive] {
                let bulk = Bulk { direction, family, flows };
                all.push(Comparison::new(
                    vec![bulk.figure("smoltcp", peer::SMOLTCP)],
                    move |_, pace, _| bulk.own(pace),
                    move |_, pace, _| bulk.stock(pace),
                ));
                all.push(Comparison::new(
                    vec![bulk.figure("veth", peer::VETH)],
                    move |_, pace, _| bulk.own(pace),
                    move |lab, pace, _| bulk.kernel(lab, pace),
                ));
            }
        }
    }
    for direction in [Direction::Transmit, Direction::Receive] {
        let bulk = Bulk { direction, family: Family::V4, flows: 1 };
        let mut in_place = bulk.figure("veth", peer::VETH);
        in_place.name = in_place.name.replace("_veth", "_in_place_veth");
        in_place.what += ", in the rings without a copy";
        in_place.bound = None;
        all.push(Comparison::new(
            vec![in_place],
            move |_, pace, _| bulk.in_place(pace),
            move |lab, pace, _| bulk.kernel(lab, pace),
        ));
        all.push(Comparison::new(
            vec![bulk.figure("raw", peer::RAW)],
            move |_, pace, _| bulk.own(pace),
            move |_, pace, _| bulk.raw(pace),
        ));
        // Its window is fixed when it is built, so this is no contest.
        all.push(Comparison::new(
            vec![bulk.figure("lwip", peer::LWIP)],
            move |_, pace, _| bulk.own(pace),
            move |_, pace, _| bulk.lwip(pace),
        ));
    }
    let bulk = Bulk { direction: Direction::Transmit, family: Family::V4, flows: 1 };
    let what = "bulk TCP to the kernel beside 1000 idle connections";
    let figure = Figure::new("bulk_idle_1000", what, "Gbit/s", "none idle");
    all.push(Comparison::new(
        vec![figure.must(Bound::AtLeast(0.85))],
        move |_, pace, _| bulk.beside(if pace.quick { IDLE / 10 } else { IDLE }, pace),
        move |_, pace, _| bulk.beside(0, pace),
    ));
    all
}

impl Bulk {
    fn figure(self, suffix: &str, peer: &'static str) -> Figure {
        let Self { direction, family, flows } = self;
        let (way, words) = match direction {
            Direction::Transmit => ("tx", "to the kernel"),
            Direction::Receive => ("rx", "from the kernel"),
        };
        let (version, ip) = if family == Family::V4 { ("", "IPv4") } else { ("_v6", "IPv6") };
        let (many, plural) = match flows {
            1 => (String::new(), "flow"),
            flows => (format!("_{flows}"), "flows"),
        };
        let name = format!("bulk_{way}{version}{many}_{suffix}");
        let what = format!("bulk TCP {words}, {flows} {plural}, {ip}");
        let figure = Figure::new(name, what, "Gbit/s", peer);
        match (flows, family, direction, suffix) {
            (1, Family::V4, Direction::Transmit, "smoltcp") => figure.must(Bound::AtLeast(4.0)),
            (1, Family::V4, Direction::Receive, "smoltcp") => figure.must(Bound::AtLeast(2.5)),
            (1, Family::V4, _, "veth") => figure.must(Bound::AtLeast(0.4)),
            _ => figure,
        }
    }

    fn server(self) -> Result<Server, Trouble> {
        let service = match self.direction {
            Direction::Transmit => Service::Sink,
            Direction::Receive => Service::Source(PIECE),
        };
        Server::start(service, self.family)
    }

    /// What the receiving side has counted.
    fn counted(self, server: &Server, run: &Run) -> u64 {
        match self.direction {
            Direction::Transmit => server.counted(),
            Direction::Receive => run.counted.load(Ordering::Relaxed),
        }
    }

    fn own(self, pace: &Pace) -> Result<Vec<f64>, Trouble> {
        self.host(&Own::start(Some(BUFFER))?, pace)
    }

    /// Beside this many connections that say nothing.
    fn beside(self, idle: usize, pace: &Pace) -> Result<Vec<f64>, Trouble> {
        let own = Own::start(Some(BUFFER))?;
        let server = Server::start(Service::Idle, self.family)?;
        let to = SocketAddr::new(own.peer(self.family), server.port());
        let idle: Result<Vec<_>, Trouble> = (0..idle)
            .map(|_| own.connect(to).map_err(Trouble::of("making an idle connection")))
            .collect();
        let (idle, speed) = (idle?, self.host(&own, pace)?);
        for stream in &idle {
            // Ended at once, as a thousand that deliver their ends would be the next run's load.
            let _ = stream.prepare();
        }
        Ok(speed)
    }

    fn kernel(self, lab: &Lab, pace: &Pace) -> Result<Vec<f64>, Trouble> {
        self.host(&Kernel::new(lab), pace)
    }

    /// Ours where the program makes and takes its bytes in the rings. It makes none here, as the
    /// other side writes the same piece again and again.
    fn in_place(self, pace: &Pace) -> Result<Vec<f64>, Trouble> {
        self.with(&Own::start(Some(BUFFER))?, pace, |stream, run| {
            while !run.is_over() {
                match self.direction {
                    Direction::Transmit => stream.write_with(|room| room.len()).map(drop)?,
                    Direction::Receive => match stream.read_with(<[u8]>::len)? {
                        0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                        length => run.count(length as u64),
                    },
                }
            }
            Ok(())
        })
    }

    fn raw(self, pace: &Pace) -> Result<Vec<f64>, Trouble> {
        let counted = |run: &Run| run.counted.load(Ordering::Relaxed);
        let bytes = client::measure(1, pace.seconds, counted, |run| {
            let raw = Raw::open()?;
            match self.direction {
                Direction::Transmit => raw.send(run.stop(), || run.is_ready(), &run.counted),
                Direction::Receive => raw.receive(run.stop(), || run.is_ready(), &run.counted),
            }
        })?;
        Ok(vec![gigabits(bytes)])
    }

    fn lwip(self, pace: &Pace) -> Result<Vec<f64>, Trouble> {
        let server = self.server()?;
        let to = SocketAddr::new(Way::Plain.peer(self.family), server.port());
        let counted = |run: &Run| self.counted(&server, run);
        let bytes = client::measure(1, pace.seconds, counted, |run| {
            let lwip = Lwip::start(to, self.direction == Direction::Transmit)?;
            lwip.run(run.stop(), || run.is_ready(), &run.counted)
        })?;
        Ok(vec![gigabits(bytes)])
    }

    fn host(self, host: &impl Host, pace: &Pace) -> Result<Vec<f64>, Trouble> {
        self.with(host, pace, |stream, run| self.transfer(stream, run))
    }

    /// Over `host`, each flow as `transfer` does it until the run is over.
    fn with<H: Host>(
        self,
        host: &H,
        pace: &Pace,
        transfer: impl Fn(&mut H::Stream, &Run) -> std::io::Result<()> + Sync,
    ) -> Result<Vec<f64>, Trouble> {
        let server = self.server()?;
        let to = SocketAddr::new(host.peer(self.family), server.port());
        let counted = |run: &Run| self.counted(&server, run);
        let bytes = client::rate(&host, self.flows, pace.seconds, counted, |run, host| {
            let mut stream = host.connect(to).map_err(Trouble::of("connecting for bulk"))?;
            stream.prepare().map_err(Trouble::of("setting up a connection"))?;
            run.is_ready();
            transfer(&mut stream, run).map_err(Trouble::of("a bulk transfer"))
        })?;
        Ok(vec![gigabits(bytes)])
    }

    fn transfer(self, stream: &mut impl Stream, run: &Run) -> std::io::Result<()> {
        let mut room = vec![0xa5; PIECE];
        while !run.is_over() {
            match self.direction {
                Direction::Transmit => stream.write_all(&room)?,
                Direction::Receive => match stream.read(&mut room)? {
                    0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                    length => run.count(length as u64),
                },
            }
        }
        Ok(())
    }

    fn stock(self, pace: &Pace) -> Result<Vec<f64>, Trouble> {
        let server = self.server()?;
        let to = SocketAddr::new(Way::Plain.peer(self.family), server.port());
        let counted = |run: &Run| self.counted(&server, run);
        let bytes = client::measure(1, pace.seconds, counted, |run| {
            let (flows, buffer, piece) = (self.flows, BUFFER, PIECE);
            let transfer = Transfer { to, flows, buffer, piece, stop: run.stop() };
            let mut stock = Stock::start()?;
            match self.direction {
                Direction::Transmit => stock.send(&transfer, || run.is_ready()),
                Direction::Receive => stock.receive(&transfer, || run.is_ready(), &run.counted),
            }
        })?;
        Ok(vec![gigabits(bytes)])
    }
}

fn gigabits(bytes: f64) -> f64 {
    bytes * 8e-9
}
