//! Connections in time: their deadlines, and what is done when these come.

use smoltcp::socket::tcp::State;
use smoltcp::time::{Duration, Instant};

use super::{Core, HEADER, Sent, TURN};
use crate::TcpId;
use crate::event::{Asked, Cause, CauseKind, Evidence, Silence, SocketRef};
use crate::link::Link;
use crate::storage::{Cell, Rare, Storage};
use crate::tcp::handshake::{Due, Handshake, later};
use crate::tcp::keep_alive::Prober;
use crate::tcp::segment::write_ack;

/// How long a connection that smoltcp says is due, but that sends nothing, is left alone.
const STUCK: Duration = Duration::from_millis(10);

/// How long nothing passes a connection before its rings give their memory back. Taking it again
/// costs two faults, less than a packet, so a connection with one request a second pays next to
/// nothing; and one that pauses for longer than that may pause for hours.
pub(super) const REST: Duration = Duration::from_secs(1);

impl<'a, L: Link, S: Storage<'a>> Core<'a, L, S> {
    /// Sets the deadline of a connection to the earliest of smoltcp's and its own.
    pub(super) fn schedule(&mut self, now: Instant, id: TcpId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if !connection.attached {
            return;
        }
        let handshake = connection.handshake.get().map(Handshake::deadline);
        let budget =
            connection.options().max_rt.and_then(|budget| connection.stage.budget_ends(budget));
        let stalled = connection.stalled();
        let (probe, rescue) = (connection.probe_at(), connection.stage.recovery.poll_at());
        let smoltcp = match &mut connection.cell {
            Some(cell) if !connection.dirty => {
                if connection.handshake.get().is_some_and(Handshake::started)
                    && matches!(cell.socket().state(), State::SynSent | State::Listen)
                    || (connection.passive && cell.socket().state() == State::SynReceived)
                {
                    None
                } else {
                    let at = self.ip.poll_at(now, cell.set());
                    // smoltcp says "at once" but has just had its turn: do not spin on it.
                    at.map(|at| if at <= now { now + STUCK } else { at })
                }
            }
            _ => None,
        };
        let earliest =
            [handshake, budget, smoltcp, stalled, probe, rescue, connection.release_ends.get()]
                .into_iter()
                .flatten()
                .min();
        if !connection.lent
            && connection.passed() != connection.returned
            && connection.cell.as_ref().is_some_and(Cell::gives_back)
        {
            connection.lent = true;
            self.storage.note_used(now, id);
        }
        self.deadlines.set(id.index(), earliest);
    }

    /// Takes back what memory the rings of idle connections have. Each is looked at once a while,
    /// and only if something passed it since the last time.
    pub(super) fn return_rings(&mut self, now: Instant) {
        for _ in 0..TURN {
            let Some((since, id)) = self.storage.first_used() else { return };
            let connection = self.connections.get_mut(id);
            if connection.is_some() && now < later(since, REST) {
                return;
            }
            self.storage.drop_first_used();
            let Some(connection) = connection else { continue };
            if since < connection.prober.heard {
                self.storage.note_used(now, id);
                continue;
            }
            // Where something is in them, whatever moves it notes the connection anew.
            connection.lent = false;
            if connection.is_empty() {
                connection.returned = connection.passed();
                if let Some(cell) = &mut connection.cell {
                    cell.give_back();
                    self.counters.rings_returned += 1;
                }
            }
        }
    }

    pub(super) fn run_deadlines(&mut self, now: Instant, departing: &mut [u8]) {
        for _ in 0..TURN {
            let Some(index) = self.deadlines.due(now) else { return };
            let Some(id) = self.connections.id_at(index) else { continue };
            self.deadline(now, id, departing);
        }
    }

    fn deadline(&mut self, now: Instant, id: TcpId, departing: &mut [u8]) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if let Some(handshake) = connection.handshake.get() {
            match handshake.due(now) {
                Due::End => {
                    self.handshake_ended(now, id);
                    return;
                }
                Due::Send => {
                    if connection.withheld() {
                        self.repeat_handshake(now, id, departing);
                    } else if let Some(handshake) = connection.handshake.get_mut() {
                        handshake.repeat(now);
                    }
                    self.schedule(now, id);
                    return;
                }
                Due::Wait => {}
            }
        }
        let budget =
            connection.options().max_rt.and_then(|budget| connection.stage.budget_ends(budget));
        if budget.is_some_and(|end| end <= now) {
            self.give_up(now, id);
            return;
        }
        let released = [connection.release_ends.get(), connection.stalled()];
        if released.into_iter().flatten().any(|end| end <= now) {
            self.reset(now, id, departing);
            return;
        }
        if connection.probe_at().is_some_and(|at| at <= now) {
            self.probe(now, id, departing);
        }
        self.nudge(now, id, departing);
        self.service(now, id, departing);
    }

    /// Asks whether the peer is still there, or gives up because it did not answer.
    fn probe(&mut self, now: Instant, id: TcpId, departing: &mut [u8]) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let Some(keep) = connection.options().keep_alive else { return };
        let (local, remote) = (connection.local, connection.remote);
        if connection.prober.spent(&keep) {
            let Prober { sent, first: since, .. } = connection.prober;
            let waited = now - since;
            let silence =
                Silence { asked: Asked::KeepAlive, whom: remote.addr, sent, since, waited };
            let (kind, evidence) = (CauseKind::TimedOut, Evidence::Silence(silence));
            self.fail(id, Cause { kind, at: now, evidence });
            return;
        }
        connection.prober.probe(now);
        let (next, expected, window) = connection.stage.probe();
        if let Some(room) = departing.get_mut(HEADER..)
            && let Some(len) = write_ack(room, local, remote, next, expected, window)
        {
            connection.mark(room);
            self.send(now, departing, len, Some(SocketRef::Tcp(id)));
        }
    }

    /// Sends the SYN or SYN|ACK once more.
    pub(super) fn repeat_handshake(&mut self, now: Instant, id: TcpId, departing: &mut [u8]) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let Some(handshake) = connection.handshake.get_mut() else { return };
        let len = handshake.copy().len();
        let Some(packet) = departing.get_mut(HEADER..HEADER + len) else { return };
        packet.copy_from_slice(handshake.copy());
        handshake.repeat(now);
        connection.stage.measure.repeated(0);
        if self.send(now, departing, len, Some(SocketRef::Tcp(id))) == Sent::Out {
            self.left(id);
        }
        self.schedule(now, id);
    }

    fn handshake_ended(&mut self, now: Instant, id: TcpId) {
        let Some(connection) = self.connections.get(id) else { return };
        let Some(handshake) = connection.handshake.get() else { return };
        let asking = connection
            .waiting
            .and_then(|waiting| self.waiting.neighbor(waiting))
            .and_then(|neighbor| self.net.unanswered(now, neighbor));
        let neighbor =
            match (connection.trouble().and_then(|trouble| trouble.neighbor_silence), asking) {
                (Some(before), Some(asking)) => Some(before.and_then(asking)),
                (before, asking) => before.or(asking),
            };
        let silence = match neighbor {
            // No SYN ever left: the neighbor's silence is the evidence.
            Some(silence) if handshake.left == 0 => {
                Silence { waited: now - silence.since, ..silence }
            }
            _ => Silence {
                asked: Asked::Syn,
                whom: connection.remote.addr,
                sent: handshake.left,
                since: handshake.first(),
                waited: now - handshake.first(),
            },
        };
        let (kind, evidence) = (CauseKind::TimedOut, Evidence::Silence(silence));
        self.fail(id, Cause { kind, at: now, evidence });
    }
}
