//! smoltcp as its documentation has one use it: a TAP device, one interface, one set of sockets,
//! and a loop that polls.

mod accept;
mod client;

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant as Clock;

use smoltcp::iface::{
    Config, Interface, PollIngressSingleResult, PollResult, SocketHandle, SocketSet,
};
use smoltcp::phy::{self, Medium, TunTapInterface};
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, IpEndpoint};

use super::super::lab::{Family, Way};
use super::super::trouble::Trouble;
use super::host::PATIENCE;

pub(in crate::bench) use self::client::StockSite;

/// The longest sleep, so that the end of a run is seen.
const LONGEST: Duration = Duration::from_millis(20);
/// A port at which the kernel serves nobody.
const CLOSED: u16 = 1;

/// Stock smoltcp on the plain TAP device.
pub(in crate::bench) struct Stock {
    device: TunTapInterface,
    interface: Interface,
    sockets: SocketSet<'static>,
    began: Clock,
}

impl Stock {
    pub(in crate::bench) fn start() -> Result<Self, Trouble> {
        let mut device = TunTapInterface::new(Way::Plain.device(), Medium::Ethernet)
            .map_err(Trouble::of("opening a TAP device for smoltcp"))?;
        let mut config = Config::new(EthernetAddress([2, 0, 0, 0, 0, 78]).into());
        // A run's connections are not to be taken for those of the run before.
        config.random_seed = crate::cli::seed(&wsa::config::Configuration::default());
        let mut interface = Interface::new(config, &mut device, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            for own in Way::Plain.own_sides() {
                // smoltcp has room for two.
                let _ = addresses.push(own);
            }
        });
        Ok(Self { device, interface, sockets: SocketSet::new(Vec::new()), began: Clock::now() })
    }

    fn now(&self) -> Instant {
        Instant::from_micros(self.began.elapsed().as_micros() as i64)
    }

    /// Connects sockets with buffers of this many bytes.
    fn connect(
        &mut self,
        to: SocketAddr,
        flows: usize,
        buffer: usize,
    ) -> Result<Vec<SocketHandle>, Trouble> {
        let mut handles = Vec::new();
        let first: u16 = 49_152 + (crate::cli::seed(&Default::default()) % 8192) as u16;
        for flow in 0..flows {
            let mut socket = stream(buffer);
            socket
                .connect(self.interface.context(), IpEndpoint::from(to), first + flow as u16)
                .map_err(|error| Trouble::new(format!("smoltcp's connect failed: {error}")))?;
            handles.push(self.sockets.add(socket));
        }
        while handles.iter().any(|&handle| !self.sockets.get::<Socket<'_>>(handle).may_send()) {
            if self.began.elapsed() > PATIENCE {
                return Err(Trouble::new("smoltcp's connections are not established in 5 s"));
            }
            self.turn()?;
        }
        Ok(handles)
    }

    /// Establishes one connection.
    pub(in crate::bench) fn first(&mut self, to: SocketAddr) -> Result<(), Trouble> {
        self.connect(to, 1, 64 * 1024).map(drop)
    }

    /// Polls, and sleeps until there is something to do.
    fn turn(&mut self) -> Result<(), Trouble> {
        let now = self.now();
        self.interface.poll(now, &mut self.device, &mut self.sockets);
        let delay = self.interface.poll_delay(now, &self.sockets).unwrap_or(LONGEST);
        if delay > Duration::ZERO {
            phy::wait(self.device.as_raw_fd(), Some(delay.min(LONGEST)))
                .map_err(Trouble::of("waiting for smoltcp's device"))?;
        }
        Ok(())
    }

    /// Waits until the kernel answers at all. A device that was just opened may have no queue yet,
    /// and then the kernel's answer to the first ARP request is lost; smoltcp asks again after a
    /// second. That is the figure of the start and of no other.
    fn reach(&mut self) -> Result<(), Trouble> {
        let said = |error| Trouble::new(format!("smoltcp's connect failed: {error}"));
        let mut socket = stream(1024);
        let to = SocketAddr::new(Way::Plain.peer(Family::V4), CLOSED);
        let to = IpEndpoint::from(to);
        socket.connect(self.interface.context(), to, CLOSED).map_err(said)?;
        let handle = self.sockets.add(socket);
        let began = Clock::now();
        while self.sockets.get::<Socket<'_>>(handle).is_open() {
            if began.elapsed() > PATIENCE {
                return Err(Trouble::new("the kernel does not answer smoltcp in 5 s"));
            }
            self.turn()?;
        }
        self.sockets.remove(handle);
        Ok(())
    }

    /// Sends what there is to send, and takes in up to `most` frames. Where there are none it sleeps
    /// until some come or something is due, for this time at the most, or not at all.
    ///
    /// In that order, as a program looks at its sockets in between: what it sends and closes goes out
    /// with the acknowledgment in one segment. The look before the sleep is worth a tenth of a round
    /// trip, and a read that only says that there is no more another thirtieth.
    fn exchange(&mut self, most: usize, patience: Option<std::time::Duration>) -> io::Result<()> {
        self.send_out();
        if self.take_in(most) == 0
            && let Some(patience) = patience
        {
            self.sleep(patience)?;
            self.take_in(most);
        }
        Ok(())
    }

    fn send_out(&mut self) {
        let now = self.now();
        let Self { device, interface, sockets, began: _ } = self;
        while interface.poll_egress(now, device, sockets) != PollResult::None {}
    }

    /// Says how many frames there were.
    fn take_in(&mut self, most: usize) -> usize {
        let now = self.now();
        let Self { device, interface, sockets, began: _ } = self;
        let one = |_: &usize| {
            interface.poll_ingress_single(now, device, sockets) != PollIngressSingleResult::None
        };
        (0..most).take_while(one).count()
    }

    /// Until something arrives or is due.
    fn sleep(&mut self, patience: std::time::Duration) -> io::Result<()> {
        let now = self.now();
        let delay = self.interface.poll_delay(now, &self.sockets);
        let patience = Duration::from(patience);
        phy::wait(self.device.as_raw_fd(), Some(delay.map_or(patience, |it| it.min(patience))))
    }

    /// Sends from `piece`, again and again, until `stop`. Calls `ready` when every connection is
    /// established.
    pub(in crate::bench) fn send(
        &mut self,
        transfer: &Transfer<'_>,
        ready: impl FnOnce(),
    ) -> Result<(), Trouble> {
        let handles = self.connect(transfer.to, transfer.flows, transfer.buffer)?;
        ready();
        let piece = vec![0xa5; transfer.piece];
        while !transfer.stop.load(Ordering::Relaxed) {
            for &handle in &handles {
                let socket = self.sockets.get_mut::<Socket<'_>>(handle);
                if socket.can_send() {
                    socket.send_slice(&piece).map_err(ended)?;
                }
            }
            self.turn()?;
        }
        Ok(())
    }

    /// Receives until `stop` and counts.
    pub(in crate::bench) fn receive(
        &mut self,
        transfer: &Transfer<'_>,
        ready: impl FnOnce(),
        counted: &AtomicU64,
    ) -> Result<(), Trouble> {
        let handles = self.connect(transfer.to, transfer.flows, transfer.buffer)?;
        ready();
        let mut room = vec![0; transfer.piece];
        while !transfer.stop.load(Ordering::Relaxed) {
            for &handle in &handles {
                let socket = self.sockets.get_mut::<Socket<'_>>(handle);
                while socket.can_recv() {
                    let length = socket.recv_slice(&mut room).map_err(ended)?;
                    counted.fetch_add(length as u64, Ordering::Relaxed);
                }
            }
            self.turn()?;
        }
        Ok(())
    }
}

/// A socket with buffers of this many bytes.
fn stream(buffer: usize) -> Socket<'static> {
    let room = || SocketBuffer::new(vec![0; buffer]);
    let mut socket = Socket::new(room(), room());
    // The same as ours.
    socket.set_congestion_control(CongestionControl::Cubic);
    socket.set_nagle_enabled(false);
    socket
}

/// The same for what is answered soon: each acknowledgment goes out at once where the program has
/// nothing that it could go with.
fn prompt(buffer: usize) -> Socket<'static> {
    let mut socket = stream(buffer);
    socket.set_ack_delay(None);
    socket
}

/// A transfer by the loop.
pub(in crate::bench) struct Transfer<'t> {
    pub(in crate::bench) to: SocketAddr,
    pub(in crate::bench) flows: usize,
    pub(in crate::bench) buffer: usize,
    pub(in crate::bench) piece: usize,
    pub(in crate::bench) stop: &'t AtomicBool,
}

fn ended(error: impl std::fmt::Display) -> Trouble {
    Trouble::new(format!("a connection of smoltcp's ended early: {error}"))
}
