//! What an action has changed, for whoever observes.

use core::hash::Hasher;

use siphasher::sip::SipHasher13;
use smoltcp::time::Duration;

use super::apply::Fate;
use super::engine::Core;
use super::pool::Wait;
use super::record::Effect;
use super::rule::Action;

/// What an action may change.
#[derive(Debug, Clone, Copy)]
pub(super) struct Glimpse {
    lost: bool,
    delay: Duration,
    wait: Wait,
    copies: usize,
    bytes: u64,
    split: bool,
    forged: u64,
    mtu: Option<u16>,
}

/// A number by which two sequences of bytes are told apart.
fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(bytes);
    hasher.finish()
}

impl Core<'_> {
    /// What an action may change, before it does; `None` when nobody wants to know.
    pub(super) fn glimpse(&self, original: &[u8], fate: &Fate) -> Option<Glimpse> {
        self.observer.as_ref()?;
        Some(Glimpse {
            lost: fate.lost.is_some(),
            delay: fate.delay,
            wait: fate.wait,
            copies: fate.copies.len(),
            bytes: digest(fate.work.map_or(original, |work| self.pool.bytes(work))),
            split: fate.second.is_some(),
            forged: self.counters.forged,
            mtu: self.mtu,
        })
    }

    /// What an action has changed since then.
    pub(super) fn effect(
        &self,
        before: Glimpse,
        original: &[u8],
        fate: &Fate,
        action: &Action,
    ) -> Effect {
        let now = self.glimpse(original, fate).unwrap_or(before);
        let copies = fate.copies.iter().skip(before.copies).map(|&(_, count, _)| u16::from(count));
        Effect {
            lost: now.lost && !before.lost,
            delay: Duration::from_micros(
                now.delay.total_micros().saturating_sub(before.delay.total_micros()),
            ),
            held: now.wait != before.wait,
            copies: copies.sum(),
            changed: now.bytes != before.bytes,
            split: now.split != before.split,
            forged: (now.forged - before.forged) as u32,
            noted: match action {
                Action::Mtu(_) => now.mtu != before.mtu,
                Action::Link(_) => true,
                Action::Tag(_) => fate.track.flow.is_some(),
                _ => false,
            },
        }
    }
}
