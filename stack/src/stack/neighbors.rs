//! What comes of packets that wait for a neighbor.

use smoltcp::time::Instant;

use super::output::Fill;
use super::{Core, HEADER, Sent};
use crate::config::OnError;
use crate::event::{Cause, CauseKind, Evidence, Happened, Silence, SocketRef};
use crate::link::{FrameMeta, Link};
use crate::net::{REPLY_LEN, REPORT_LEN, Resolution};
use crate::storage::{Rare, Storage};
use crate::tcp::Phase;

impl<'a, L: Link, S: Storage<'a>> Core<'a, L, S> {
    /// Asks what is due and tells the waiting what was learned. `frame` is scratch.
    pub(super) fn poll_neighbors(&mut self, now: Instant, frame: &mut [u8]) {
        let mut report = [0; REPORT_LEN];
        while let Some(len) = self.net.report(now, &mut report) {
            if let Some(report) = report.get(..len) {
                self.transmit(now, report, &FrameMeta::WHOLE);
            }
        }
        let mut question = [0; REPLY_LEN];
        while let Some(len) = self.net.poll(now, &mut question) {
            if let Some(question) = question.get(..len) {
                self.transmit(now, question, &FrameMeta::WHOLE);
            }
        }
        while let Some(outcome) = self.net.outcome() {
            while let Some(waiting) = self.waiting.next_for(outcome.neighbor) {
                match outcome.result {
                    Resolution::Resolved(hardware) => {
                        let packet = waiting.packet.as_ref();
                        let Some(room) = frame.get_mut(HEADER..HEADER + packet.len()) else {
                            continue;
                        };
                        room.copy_from_slice(packet);
                        let len = packet.len();
                        let owner = waiting.owner;
                        let sent = self.send_to(now, frame, len, hardware, owner, Fill::Done);
                        if let (Some(SocketRef::Tcp(id)), Sent::Out) = (waiting.owner, sent) {
                            self.left(id);
                        }
                    }
                    Resolution::Unreachable(silence) => {
                        self.counters.no_neighbor += 1;
                        self.neighbor_failed(now, waiting.owner, silence);
                    }
                }
            }
        }
    }

    /// Notes that a segment of the handshake has left this stack.
    pub(super) fn left(&mut self, id: crate::TcpId) {
        if let Some(connection) = self.connections.get_mut(id)
            && let Some(handshake) = connection.handshake.get_mut()
        {
            handshake.left += 1;
        }
    }

    fn neighbor_failed(&mut self, now: Instant, owner: Option<SocketRef>, silence: Silence) {
        match owner {
            Some(SocketRef::Tcp(id)) => {
                let Some(connection) = self.connections.get_mut(id) else { return };
                connection.waiting = None;
                // A patient attempt asks anew with each SYN: all of it is one silence.
                let noted = &mut connection.trouble_mut().neighbor_silence;
                let silence = match *noted {
                    Some(before) => before.and_then(silence),
                    None => silence,
                };
                *noted = Some(silence);
                let patient = connection
                    .handshake
                    .get()
                    .is_some_and(|handshake| handshake.policy.neighbor != OnError::Fail);
                let fatal =
                    connection.phase() == Phase::Connecting && (connection.passive || !patient);
                if fatal {
                    let kind = CauseKind::HostUnreachable;
                    self.fail(id, Cause { kind, at: now, evidence: Evidence::Silence(silence) });
                } else {
                    self.happened(id, Happened::SOFT_ERROR);
                }
            }
            Some(SocketRef::Udp(id)) => {
                if let Some(socket) = self.datagrams.get_mut(id) {
                    socket.undeliverable += 1;
                }
                self.datagram_happened(id, Happened::SOFT_ERROR);
            }
            Some(SocketRef::Listener(_)) | None => {}
        }
    }
}
