//! Replays what the fuzzer has found worth keeping, and asserts that it reaches what it must.

use std::collections::{BTreeMap, BTreeSet};
use std::panic;

use tapsock_receive_path::pack::{self, Entry};
use tapsock_receive_path::{IcmpKind, Report, operation, play, seeds};
use tapsock_stack::net::Reason;

const PACK: &str = include_str!("../fuzz/corpus/receive_path.txt");

fn committed() -> Vec<Entry> {
    pack::read(PACK).unwrap()
}

/// Plays an entry; says which it is, and what is in it, only when something does not hold.
fn replay(entry: &Entry) -> Report {
    panic::catch_unwind(|| play(&entry.input)).unwrap_or_else(|cause| {
        eprintln!("{} fails, a script of:", entry.name);
        for operation in operation::read(entry.input.get(1..).unwrap_or_default()) {
            eprintln!("    {operation:?}");
        }
        panic::resume_unwind(cause)
    })
}

#[test]
fn the_corpus_reaches_every_state_and_every_cause() {
    let mut states = BTreeSet::new();
    let (mut accepted, mut verified, mut reassembled, mut expired) = (0, 0, 0, 0);
    let (mut cut, mut joined, mut coalesced, mut nonsense) = (0, 0, 0, 0);
    let mut matched: BTreeMap<IcmpKind, u64> = BTreeMap::new();
    let mut unmatched: BTreeMap<IcmpKind, u64> = BTreeMap::new();
    for entry in committed() {
        let report = replay(&entry);
        states.extend(report.states);
        accepted += report.accepted;
        verified += report.verified;
        reassembled += report.counters.reassembled;
        expired += report.counters.reassembly_expired;
        cut += report.counters.superframes_out;
        joined += report.counters.superframes_in;
        coalesced += report.counters.coalesced;
        nonsense += report.counters.dropped.by(Reason::Offload);
        for (kind, count) in report.matched {
            *matched.entry(kind).or_default() += count;
        }
        for (kind, count) in report.unmatched {
            *unmatched.entry(kind).or_default() += count;
        }
    }
    assert_eq!(
        Vec::from_iter(states),
        [
            "CLOSE-WAIT",
            "CLOSED",
            "CLOSING",
            "ESTABLISHED",
            "FIN-WAIT-1",
            "FIN-WAIT-2",
            "LAST-ACK",
            "LISTEN",
            "SYN-RECEIVED",
            "SYN-SENT",
            "TIME-WAIT",
        ]
    );
    assert!(accepted >= 20, "{accepted} connections accepted");
    assert!(reassembled >= 8, "{reassembled} packets put together");
    assert!(expired >= 8, "{expired} packets given up");
    assert!(verified >= 1000, "{verified} bytes verified");
    assert!(cut >= 8 && joined >= 8, "{cut} superframes to cut and {joined} of several");
    assert!(coalesced >= 100, "{coalesced} datagrams behind others");
    assert!(nonsense >= 8, "{nonsense} frames about which the device said nonsense");
    // Source quench and redirects mean nothing, whatever they are about.
    let causes = (0..16).map(|code| (4, 3, code)).chain([(4, 11, 0), (4, 11, 1)]);
    let causes = causes.chain((0..3).map(|code| (4, 12, code)));
    let causes = causes.chain((0..7).map(|code| (6, 1, code)));
    let causes = causes.chain([(6, 2, 0), (6, 3, 0), (6, 3, 1), (6, 4, 0), (6, 4, 1), (6, 4, 2)]);
    let missing: Vec<_> = causes.filter(|kind| !matched.contains_key(kind)).collect();
    assert_eq!(missing, [], "ICMP errors that found nothing they are about");
    let ignored = [(4, 4, 0), (4, 5, 0), (4, 5, 1), (4, 5, 2), (4, 5, 3)];
    let missing: Vec<_> = ignored.iter().filter(|kind| !unmatched.contains_key(kind)).collect();
    assert_eq!(missing, [&(0, 0, 0); 0], "ICMP errors that are ignored");
}

#[test]
fn the_same_script_sends_the_same_bytes() {
    for entry in committed() {
        assert_eq!(replay(&entry), replay(&entry), "{}", entry.name);
    }
}

#[test]
fn the_scripts_written_by_hand_are_committed_as_they_are() {
    let committed = committed();
    for entry in seeds::entries() {
        assert!(
            committed.contains(&entry),
            "{} has changed: cargo run -p tapsock-receive-path --bin corpus -- \
             pack target/fuzz/corpus/receive_path tests/fuzz/corpus/receive_path.txt",
            entry.name
        );
    }
}

#[test]
fn every_operation_is_read_as_it_was_written() {
    for entry in seeds::entries() {
        let script = operation::read(&entry.input[1..]);
        let written = operation::write(&script);
        assert_eq!(written, entry.input[1..], "{}", entry.name);
    }
}
