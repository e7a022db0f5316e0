//! What an engine knows about each of its rules, and what it was made with.

use core::hash::Hasher;

use siphasher::sip::SipHasher13;
use smoltcp::time::Instant;

use super::rule::{Rule, Switch};
use super::script::Decide;

/// Memory for one rule.
#[derive(Debug, Clone, Copy)]
pub struct RuleState {
    pub(super) switch: Switch,
    /// The rule that must have fired before; [`u16::MAX`] for none.
    pub(super) after: u16,
    pub(super) matched: u64,
    pub(super) counted: u32,
    pub(super) by_direction: [u32; 2],
    pub(super) without_flow: u32,
    pub(super) fired: u64,
    pub(super) swallowed: u64,
    pub(super) last_fired: Option<Instant>,
    /// Swallows what it matches until then.
    pub(super) blackhole: Option<Instant>,
    pub(super) busy_until: Instant,
    /// The random number of the delay before.
    pub(super) last_delay: f64,
    pub(super) seeds: [u64; 2],
}

impl RuleState {
    /// Memory that is not in use.
    pub const EMPTY: Self = Self {
        switch: Switch::Off,
        after: u16::MAX,
        matched: 0,
        counted: 0,
        by_direction: [0; 2],
        without_flow: 0,
        fired: 0,
        swallowed: 0,
        last_fired: None,
        blackhole: None,
        busy_until: Instant::ZERO,
        last_delay: 0.5,
        seeds: [0; 2],
    };
}

/// What an engine was made with: with the same, and the same frames at the same times, another one
/// decides the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sizes {
    /// The seed of its script.
    pub seed: u64,
    /// Where its decisions by chance come from.
    pub decide: Decide,
    /// When its time began.
    pub began: Instant,
    /// How many frames have entered it, whether it was active or not.
    pub entered: u64,
    /// For how many rules it has memory.
    pub rules: usize,
    /// How many flows it tells apart.
    pub flows: usize,
    /// How many frames it can hold back.
    pub held: usize,
    /// The longest frame that it can hold back, in bytes.
    pub frame: usize,
}

pub(super) fn begin(rule: &Rule, after: Option<u16>, seed: u64, now: Instant) -> RuleState {
    let name = rule.name.as_str();
    RuleState {
        switch: rule.switch,
        after: after.unwrap_or(u16::MAX),
        busy_until: now,
        seeds: [mix(seed, name, 0), mix(seed, name, 1)],
        ..RuleState::EMPTY
    }
}

/// The seed of a stream of its own.
pub(super) fn mix(seed: u64, name: &str, direction: u64) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(seed, direction);
    hasher.write(name.as_bytes());
    hasher.finish()
}
