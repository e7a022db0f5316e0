//! All sockets of a running stack, for `tapsock netstat`.

use std::collections::BTreeMap;
use std::string::{String, ToString};
use std::vec::Vec;

use serde::Serialize;
use tapsock_stack::link::Link;
use tapsock_stack::port::Transport;
use tapsock_stack::{SocketRow, Stack};

use tapsock_stack::storage::Growable;
use tapsock_stack::time::{Duration, Instant};

/// How many sockets are listed where a request does not say it.
pub(super) const MOST: usize = 1000;

/// The answer.
#[derive(Debug, Serialize)]
pub(super) struct Sockets {
    now: f64,
    /// How many there are, listed or not.
    total: usize,
    sockets: Vec<Socket>,
    /// What the stack counts, without what is 0.
    counters: BTreeMap<&'static str, u64>,
    /// Packets dropped on arrival, by reason.
    dropped: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Serialize)]
struct Socket {
    proto: &'static str,
    local: String,
    remote: Option<String>,
    state: Option<&'static str>,
    recv_q: usize,
    send_q: usize,
    /// In seconds.
    age: Option<f64>,
    bytes_in: u64,
    bytes_out: u64,
    bytes_retransmitted: u64,
    /// In milliseconds.
    rtt: Option<f64>,
    cause: Option<String>,
}

/// Everything that `stack` has, but no more than `most` sockets.
pub(super) fn sockets<L: Link>(
    stack: &Stack<'static, L, Growable>,
    now: Instant,
    most: usize,
) -> Sockets {
    let counters = stack.counters();
    Sockets {
        now: seconds(now - Instant::ZERO),
        total: stack.netstat().count(),
        sockets: stack.netstat().take(most).map(|row| socket(&row, now)).collect(),
        counters: counters.named().filter(|&(_, count)| count > 0).collect(),
        dropped: counters.dropped.iter().map(|(reason, count)| (reason.name(), count)).collect(),
    }
}

fn seconds(duration: Duration) -> f64 {
    duration.total_micros() as f64 / 1e6
}

fn socket(row: &SocketRow, now: Instant) -> Socket {
    let tcp = row.tcp.as_ref();
    Socket {
        proto: match row.transport {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        },
        local: row.local_name().to_string(),
        remote: row.remote_name().map(|name| name.to_string()),
        state: row.state_name(),
        recv_q: row.receive_queue,
        send_q: row.send_queue,
        age: tcp.and_then(|tcp| tcp.connected_at).map(|at| seconds(now - at)),
        bytes_in: tcp.map_or(0, |tcp| tcp.bytes_in),
        bytes_out: tcp.map_or(0, |tcp| tcp.bytes_out),
        bytes_retransmitted: tcp.map_or(0, |tcp| tcp.bytes_retransmitted),
        rtt: tcp.and_then(|tcp| tcp.rtt).map(|rtt| rtt.total_micros() as f64 / 1e3),
        cause: row.cause.map(|cause| cause.to_string()),
    }
}
