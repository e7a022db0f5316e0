//! Links by name.

use smoltcp::time::Duration;

use crate::fault::{Delay, Distribution, Limit, Loss, Model, Rate};

/// A kind of link that people know by name.
///
/// The numbers are round ones of this project's own choosing, of the size that such links usually
/// have. They are neither measured nor taken from any standard.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Profile {
    /// As a script says it.
    pub name: &'static str,
    /// What it is like, in a few words.
    pub about: &'static str,
    /// For what the stack sends.
    pub tx: Model,
    /// For what the stack receives.
    pub rx: Model,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 10] = [
        // name, about, kbit/s up and down, delay and jitter in ms one way, loss, queue in KiB
        Self::of("gprs", "a phone of 2001", (20, 50), (300, 100), Loss::None, 16),
        Self::of("edge", "a phone of 2006", (100, 200), (200, 50), Loss::None, 32),
        Self::of("3g", "a phone of 2010", (1_000, 4_000), (50, 15), RARE, 64),
        Self::of("lte", "a phone of 2016", (10_000, 40_000), (20, 5), Loss::None, 256),
        Self::of("dsl-poor", "a long line", (256, 2_000), (30, 5), RARE, 64),
        Self::of("dsl-good", "a short line", (10_000, 50_000), (10, 1), Loss::None, 256),
        Self::of("wifi", "a busy room", (30_000, 30_000), (3, 2), BURSTS, 256),
        Self::of("starlink", "a low orbit", (10_000, 100_000), (20, 5), BURSTS, 512),
        Self::of("satellite", "a geostationary orbit", (2_000, 20_000), (280, 5), RARE, 256),
        Self::lossy("lossy100", "100 ms there and back, 1 % lost each way"),
    ];

    /// The one of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        static ALL: [Profile; 10] = Profile::ALL;
        ALL.iter().find(|profile| profile.name == name)
    }

    const fn of(
        name: &'static str,
        about: &'static str,
        (up, down): (u64, u64),
        (delay, jitter): (u64, u64),
        loss: Loss,
        queue: u32,
    ) -> Self {
        let delay = Delay {
            mean: Duration::from_millis(delay),
            jitter: Duration::from_millis(jitter),
            dist: Distribution::Normal,
            correlation: 0.25,
        };
        let queue = Limit::Bytes(queue * 1024);
        let base = Model { delay, loss, queue, ..Model::IDEAL };
        Self {
            name,
            about,
            tx: Model { rate: Some(Rate(up * 1_000)), ..base },
            rx: Model { rate: Some(Rate(down * 1_000)), ..base },
        }
    }

    const fn lossy(name: &'static str, about: &'static str) -> Self {
        let model = Model {
            delay: Delay::fixed(Duration::from_millis(50)),
            loss: Loss::Bernoulli { prob: 0.01, correlation: 0.0 },
            queue: Limit::Packets(1_000),
            ..Model::IDEAL
        };
        Self { name, about, tx: model, rx: model }
    }
}

/// One frame in a thousand.
const RARE: Loss = Loss::Bernoulli { prob: 0.001, correlation: 0.0 };

/// Three frames in a row, every thousand.
const BURSTS: Loss = Loss::GilbertElliott { p: 0.001, r: 0.3, good: 0.0, bad: 1.0 };
