//! The one source of randomness: what follows from the seed.

/// A stream of random numbers: xoshiro256** by Blackman and Vigna, seeded by splitmix64 as they
/// recommend. Not for secrets.
#[derive(Debug, Clone)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// The stream of `seed`.
    pub fn new(seed: u64) -> Self {
        let mut sequence = seed;
        Self { state: core::array::from_fn(|_| next_random(&mut sequence)) }
    }

    /// Stream number `number` of `seed`; streams of different numbers have nothing in common.
    pub fn stream(seed: u64, number: u64) -> Self {
        let mut mixed = seed;
        let seed = next_random(&mut mixed);
        let mut mixed = seed ^ number;
        Self::new(next_random(&mut mixed))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let result = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// A number in `0..limit`; 0 when `limit` is 0. The bias of at most `limit / 2^64` is
    /// accepted.
    pub fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(limit)) >> 64) as u64
    }

    /// True with this probability; never for 0 or less, always for 1 or more.
    ///
    /// Takes one number from the stream whatever the probability, so that changing one
    /// probability leaves the later decisions as they were.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// A number that is at least 0 and less than 1.
    pub fn uniform(&mut self) -> f64 {
        // 53 bits, as many as an f64 holds.
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// The next number of the sequence that belongs to `state` (SplitMix64).
pub(crate) fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First outputs of the authors' C code: splitmix64 from 1234567, and xoshiro256** from the
    /// state 1, 2, 3, 4.
    #[test]
    fn the_published_sequences() {
        let mut state = 1_234_567;
        assert_eq!(next_random(&mut state), 6_457_827_717_110_365_317);
        assert_eq!(next_random(&mut state), 3_203_168_211_198_807_973);

        let mut random = Random { state: [1, 2, 3, 4] };
        assert_eq!(random.bits(), 11_520);
        assert_eq!(random.bits(), 0);
        assert_eq!(random.bits(), 1_509_978_240);
        assert_eq!(random.bits(), 1_215_971_899_390_074_240);
    }

    #[test]
    fn certain_and_impossible_chances() {
        let mut random = Random::new(7);
        for _ in 0..1000 {
            assert!(!random.chance(0.0));
            assert!(random.chance(1.0));
            assert!(random.below(3) < 3);
        }
        assert_eq!(random.below(0), 0);
        let hits = (0..10_000).filter(|_| random.chance(0.05)).count();
        assert!((400..600).contains(&hits), "{hits}");
    }

    #[test]
    fn streams_differ() {
        assert_ne!(Random::stream(1, 0).bits(), Random::stream(1, 1).bits());
        assert_ne!(Random::stream(1, 1).bits(), Random::stream(2, 1).bits());
        assert_eq!(Random::stream(1, 1).bits(), Random::stream(1, 1).bits());
    }
}
