//! What a stack counts.

use crate::net::Reason;

/// Frames and packets dropped on arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drops([u64; Reason::ALL.len()]);

impl Default for Drops {
    fn default() -> Self {
        Self([0; Reason::ALL.len()])
    }
}

impl Drops {
    /// How many were dropped for `reason`.
    pub fn by(&self, reason: Reason) -> u64 {
        self.0[reason.index()]
    }

    pub(super) fn count(&mut self, reason: Reason) {
        self.0[reason.index()] += 1;
    }

    /// How many were dropped.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The reasons for which any were dropped, with how many.
    pub fn iter(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.into_iter().zip(self.0).filter(|&(_, count)| count > 0)
    }
}

/// What happened since the stack was made. Every counter only grows.
///
/// Whatever arrives is counted once more, for what became of it: see [`Counters::arrived`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Frames from the link.
    pub frames_in: u64,
    /// Frames that the link took.
    pub frames_out: u64,
    /// Of these, superframes that the link was told to cut into segments.
    pub superframes_out: u64,
    /// Frames from the link that hold several segments or datagrams.
    pub superframes_in: u64,
    /// Datagrams behind the first one of a superframe.
    pub coalesced: u64,
    /// Frames that the link refused because it is down.
    pub link_down: u64,
    /// Frames lost because the link stayed busy.
    pub link_overrun: u64,
    /// Packets from this stack to itself.
    pub loopback: u64,
    /// The same, lost because too many were on their way.
    pub loopback_overrun: u64,
    /// Frames and packets dropped on arrival, by reason.
    pub dropped: Drops,
    /// Fragments kept until the rest of their packet arrives. The last one is counted as what the
    /// packet turns out to be.
    pub fragments: u64,
    /// Packets put together from fragments.
    pub reassembled: u64,
    /// Packets given up because their fragments did not all arrive in time.
    pub reassembly_expired: u64,
    /// Packets given up because newer ones needed the place of their fragments.
    pub reassembly_evicted: u64,
    /// Packets sent in fragments.
    pub fragmented: u64,
    /// Packets lost because they were longer than their path takes and must not be cut.
    pub too_big: u64,
    /// ICMP errors that made a path smaller than was known.
    pub path_mtu_lowered: u64,
    /// Packets without a route.
    pub no_route: u64,
    /// Packets lost because a neighbor did not answer or because too many waited for one.
    pub no_neighbor: u64,
    /// ARP, neighbor discovery, and what routers and hosts say about groups: it ends below the
    /// sockets.
    pub neighbor: u64,
    /// Segments for a connection, for a four-tuple in TIME-WAIT, or that began a connection.
    pub segments: u64,
    /// Segments for which there is no connection and no listener.
    pub tcp_unmatched: u64,
    /// SYNs that a full accept queue refused.
    pub backlog_full: u64,
    /// Connections reset at the end of their handshake because their listener was gone or others
    /// had filled its queue.
    pub accept_overrun: u64,
    /// SYNs that a full queue of half-open connections dropped.
    pub half_open_full: u64,
    /// SYNs dropped because no socket or no memory was left.
    pub tcp_exhausted: u64,
    /// Segments that look forged, to which only the state of the connection was told (RFC 5961).
    pub challenges: u64,
    /// Connections reset because data came that nobody will read (RFC 1122, section 4.2.2.13).
    pub unread_resets: u64,
    /// Segments answered for a four-tuple in TIME-WAIT.
    pub time_wait_answers: u64,
    /// Four-tuples that left TIME-WAIT for a newer SYN.
    pub time_wait_reused: u64,
    /// Datagrams that a socket queued, or, of those to many, at least one.
    pub datagrams: u64,
    /// Datagrams dropped because their socket, or of those to many each one, is connected to another
    /// peer.
    pub udp_filtered: u64,
    /// Datagrams dropped because a receive queue, or of those to many each one, was full.
    pub udp_overflowed: u64,
    /// Copies of datagrams to a broadcast address or a group that sockets took.
    pub udp_copies: u64,
    /// Datagrams for a port that nobody holds, or to many of whom none wants it.
    pub udp_unmatched: u64,
    /// ICMP errors not sent because too many were.
    pub icmp_withheld: u64,
    /// ICMP errors that reached a socket.
    pub icmp_matched: u64,
    /// ICMP errors about nothing that is in flight here.
    pub icmp_unmatched: u64,
    /// Times that an idle connection's rings gave their memory back.
    pub rings_returned: u64,
    /// Packets that no socket is asked about: ICMP that is no error, and other protocols.
    pub others: u64,
    /// Sockets that smoltcp was asked about: at most a few a packet, whatever their number.
    pub sockets_touched: u64,
}

impl Counters {
    /// Frames from the link, the further datagrams in them, and packets from the loopback: what
    /// there was to deal with.
    ///
    /// Each is counted under exactly one of the counters that [`Counters::accounted`] adds up, so
    /// the two are equal whenever [`Stack::poll`](super::Stack::poll) has come to rest.
    pub const fn arrived(&self) -> u64 {
        self.frames_in + self.coalesced + self.loopback
    }

    /// What was dealt with: delivered, answered, or dropped for one reason.
    pub fn accounted(&self) -> u64 {
        // A new counter has to find its place here: among the fates of what arrived, or not.
        let Self {
            frames_in: _,
            frames_out: _,
            superframes_out: _,
            superframes_in: _,
            coalesced: _,
            link_down: _,
            link_overrun: _,
            loopback: _,
            loopback_overrun: _,
            dropped,
            fragments,
            reassembled: _,
            reassembly_expired: _,
            reassembly_evicted: _,
            fragmented: _,
            too_big: _,
            path_mtu_lowered: _,
            no_route: _,
            no_neighbor: _,
            neighbor,
            segments,
            tcp_unmatched,
            backlog_full,
            accept_overrun: _,
            half_open_full,
            tcp_exhausted,
            challenges: _,
            unread_resets: _,
            time_wait_answers: _,
            time_wait_reused: _,
            datagrams,
            udp_filtered,
            udp_overflowed,
            udp_copies: _,
            udp_unmatched,
            icmp_withheld: _,
            icmp_matched,
            icmp_unmatched,
            rings_returned: _,
            others,
            sockets_touched: _,
        } = self;
        let tcp = segments + tcp_unmatched + backlog_full + half_open_full + tcp_exhausted;
        let udp = datagrams + udp_filtered + udp_overflowed + udp_unmatched;
        let icmp = icmp_matched + icmp_unmatched;
        dropped.total() + fragments + neighbor + tcp + udp + icmp + others
    }

    /// Those that are numbers, by name, in the order of their fields. The reasons of
    /// [`Counters::dropped`] have names of their own.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        // A new counter has to find its name here.
        let Self {
            dropped: _,
            frames_in,
            frames_out,
            superframes_out,
            superframes_in,
            coalesced,
            link_down,
            link_overrun,
            loopback,
            loopback_overrun,
            fragments,
            reassembled,
            reassembly_expired,
            reassembly_evicted,
            fragmented,
            too_big,
            path_mtu_lowered,
            no_route,
            no_neighbor,
            neighbor,
            segments,
            tcp_unmatched,
            backlog_full,
            accept_overrun,
            half_open_full,
            tcp_exhausted,
            challenges,
            unread_resets,
            time_wait_answers,
            time_wait_reused,
            datagrams,
            udp_filtered,
            udp_overflowed,
            udp_copies,
            udp_unmatched,
            icmp_withheld,
            icmp_matched,
            icmp_unmatched,
            rings_returned,
            others,
            sockets_touched,
        } = self.clone();
        [
            ("frames_in", frames_in),
            ("frames_out", frames_out),
            ("superframes_out", superframes_out),
            ("superframes_in", superframes_in),
            ("coalesced", coalesced),
            ("link_down", link_down),
            ("link_overrun", link_overrun),
            ("loopback", loopback),
            ("loopback_overrun", loopback_overrun),
            ("fragments", fragments),
            ("reassembled", reassembled),
            ("reassembly_expired", reassembly_expired),
            ("reassembly_evicted", reassembly_evicted),
            ("fragmented", fragmented),
            ("too_big", too_big),
            ("path_mtu_lowered", path_mtu_lowered),
            ("no_route", no_route),
            ("no_neighbor", no_neighbor),
            ("neighbor", neighbor),
            ("segments", segments),
            ("tcp_unmatched", tcp_unmatched),
            ("backlog_full", backlog_full),
            ("accept_overrun", accept_overrun),
            ("half_open_full", half_open_full),
            ("tcp_exhausted", tcp_exhausted),
            ("challenges", challenges),
            ("unread_resets", unread_resets),
            ("time_wait_answers", time_wait_answers),
            ("time_wait_reused", time_wait_reused),
            ("datagrams", datagrams),
            ("udp_filtered", udp_filtered),
            ("udp_overflowed", udp_overflowed),
            ("udp_copies", udp_copies),
            ("udp_unmatched", udp_unmatched),
            ("icmp_withheld", icmp_withheld),
            ("icmp_matched", icmp_matched),
            ("icmp_unmatched", icmp_unmatched),
            ("rings_returned", rings_returned),
            ("others", others),
            ("sockets_touched", sockets_touched),
        ]
        .into_iter()
    }
}
