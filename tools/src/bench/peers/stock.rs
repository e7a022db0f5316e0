//! smoltcp as its documentation has one use it: a TAP device, one interface, one set of sockets,
//! and a loop that polls.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant as Clock;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{self, Medium, TunTapInterface};
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, IpEndpoint};

use super::super::lab::Way;
use super::super::trouble::Trouble;
use super::host::PATIENCE;

/// The longest sleep, so that the end of a run is seen.
const LONGEST: Duration = Duration::from_millis(20);

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
            let room = || SocketBuffer::new(vec![0; buffer]);
            let mut socket = Socket::new(room(), room());
            // The same as ours.
            socket.set_congestion_control(CongestionControl::Cubic);
            socket.set_nagle_enabled(false);
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
