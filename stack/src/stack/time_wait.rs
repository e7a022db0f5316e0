//! TIME-WAIT (RFC 9293, section 3.3.2): a record in place of a connection, that still answers.

use smoltcp::time::Instant;

use super::{Core, HEADER};
use crate::TcpId;
use crate::demux::{Flow, RestId, Target};
use crate::event::Happened;
use crate::interface::Size;
use crate::link::Link;
use crate::storage::{Fifo, Storage};
use crate::tcp::ACK_DELAY;
use crate::tcp::Rest;
use crate::tcp::handshake::later;
use crate::tcp::segment::{ACK, RST, SYN, Segment, write_ack};

impl<'a, L: Link, S: Storage<'a>> Core<'a, L, S> {
    /// Replaces a connection in TIME-WAIT by a record that answers for it.
    pub(super) fn rest(&mut self, now: Instant, id: TcpId, departing: &mut [u8]) {
        // The acknowledgment of the peer's FIN must be out before the socket is laid aside, so
        // it is asked for when it has waited for data long enough.
        if let Some(connection) = self.connections.get_mut(id)
            && connection.attached
            && let Some(cell) = &mut connection.cell
            && let Some(packet) = departing.get_mut(HEADER..)
        {
            let at = later(now, ACK_DELAY);
            let len = self.ip.egress(at, cell.set(), packet, Size::Segment);
            if len > 0 {
                self.connection_send(now, id, departing, len);
            }
        }
        let Some(connection) = self.connections.get_mut(id) else { return };
        if !connection.attached {
            return;
        }
        let (next, expected, window) = connection.stage.rest();
        let (local, remote) = (connection.local, connection.remote);
        self.detach(id);
        self.happened(id, Happened::FINISHED);
        let ends = later(now, self.config.time_wait);
        let rest = Rest { local, remote, next, expected, window, ends };
        let limit = self.resting.limit().unwrap_or(usize::MAX).min(self.config.time_wait_limit);
        while self.resting.len() >= limit {
            let Some(oldest) = self.resting.pop_front() else { break };
            self.end_rest(oldest);
        }
        if let Ok(rest) = self.rests.insert(rest) {
            let flow = Flow { local, remote };
            if self.demux.flows.insert_under(&flow, Target::Rest(rest))
                && self.resting.push_back(rest).is_ok()
            {
                return;
            }
            self.end_rest(rest);
        }
    }

    fn end_rest(&mut self, id: RestId) {
        if let Some(rest) = self.rests.remove(id) {
            let flow = rest.flow();
            self.demux.flows.remove_under(&flow, Target::Rest(id));
        }
    }

    pub(super) fn end_rests(&mut self, now: Instant) {
        while let Some(&oldest) = self.resting.front() {
            if self.rests.get(oldest).is_some_and(|rest| rest.ends > now) {
                return;
            }
            self.resting.pop_front();
            self.end_rest(oldest);
        }
    }

    /// A segment for a four-tuple in TIME-WAIT; true when it is a SYN that may have the tuple.
    pub(super) fn rest_input(
        &mut self,
        now: Instant,
        id: RestId,
        segment: &Segment,
        departing: &mut [u8],
    ) -> bool {
        let Some(rest) = self.rests.get(id) else { return true };
        if segment.has(RST) {
            // RFC 1337: a RST must not end TIME-WAIT.
            return false;
        }
        if segment.has(SYN) && !segment.has(ACK) && segment.sequence > rest.expected {
            // RFC 1122, section 4.2.2.13: a newer incarnation may begin.
            self.counters.time_wait_reused += 1;
            self.end_rest(id);
            return true;
        }
        if segment.span() == 0 && segment.sequence == rest.expected {
            return false;
        }
        let (local, remote) = (rest.local, rest.remote);
        let (next, expected, window) = (rest.next, rest.expected, rest.window);
        let Some(room) = departing.get_mut(HEADER..) else { return false };
        let len = write_ack(room, local, remote, next, expected, window);
        if let Some(len) = len {
            self.counters.time_wait_answers += 1;
            self.send(now, departing, len, None);
        }
        false
    }
}
