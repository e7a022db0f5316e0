//! How delays vary: quantiles of the distributions that netem knows.
//!
//! The tables are computed when the crate is compiled. They hold the value below which a share of
//! 0, 1/256, 2/256 ... of a distribution with mean 0 and deviation 1 lies, cut off at four
//! deviations as netem's are.

/// How a value varies around its mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distribution {
    /// Evenly, up to the jitter less and more.
    Uniform,
    /// The normal distribution.
    Normal,
    /// The Pareto distribution with shape 3: seldom, but then far, above the mean.
    Pareto,
    /// A quarter normal, three quarters Pareto.
    ParetoNormal,
}

const STEPS: usize = 256;

/// Deviations beyond this do not occur.
const CUT: f64 = 4.0;

static NORMAL: [f64; STEPS + 1] = normal();
static PARETO: [f64; STEPS + 1] = pareto();

/// The value below which the share `uniform` (0 to 1) lies, in deviations from the mean.
pub(super) fn quantile(distribution: Distribution, uniform: f64) -> f64 {
    match distribution {
        Distribution::Uniform => 2.0 * uniform - 1.0,
        Distribution::Normal => look_up(&NORMAL, uniform),
        Distribution::Pareto => look_up(&PARETO, uniform),
        Distribution::ParetoNormal => {
            0.25 * look_up(&NORMAL, uniform) + 0.75 * look_up(&PARETO, uniform)
        }
    }
}

fn look_up(table: &[f64; STEPS + 1], uniform: f64) -> f64 {
    let place = uniform.clamp(0.0, 1.0) * STEPS as f64;
    let index = (place as usize).min(STEPS - 1);
    let rest = place - index as f64;
    table[index] * (1.0 - rest) + table[index + 1] * rest
}

/// By adding up the density in small steps, whose value follows from the one before:
/// exp(-(x+h)^2/2) = exp(-x^2/2) exp(-xh - h^2/2).
const fn normal() -> [f64; STEPS + 1] {
    const STEP: f64 = 1.0 / 512.0;
    // 1 / sqrt(2 pi)
    const PEAK: f64 = 0.398_942_280_401_432_7;
    let mut table = [CUT; STEPS + 1];
    table[STEPS / 2] = 0.0;
    let (mut x, mut density, mut share) = (0.0, PEAK, 0.5);
    let mut index = STEPS / 2 + 1;
    while x < CUT {
        let next = density * exp(-x * STEP - STEP * STEP / 2.0);
        let grown = share + (density + next) / 2.0 * STEP;
        while index < STEPS && grown >= index as f64 / STEPS as f64 {
            let part = (index as f64 / STEPS as f64 - share) / (grown - share);
            table[index] = x + part * STEP;
            index += 1;
        }
        (density, share, x) = (next, grown, x + STEP);
    }
    let mut index = 0;
    while index < STEPS / 2 {
        table[index] = -table[STEPS - index];
        index += 1;
    }
    table
}

/// With the least value 1 and shape 3 the quantile is (1-u)^(-1/3), the mean 3/2, the variance
/// 3/4.
const fn pareto() -> [f64; STEPS + 1] {
    const DEVIATION: f64 = 0.866_025_403_784_438_6;
    let mut table = [CUT; STEPS + 1];
    let mut index = 0;
    while index < STEPS {
        let rest = 1.0 - index as f64 / STEPS as f64;
        // Newton's method for y^3 = 1/rest, from above.
        let mut root = 1.0 / rest;
        let mut round = 0;
        while round < 40 {
            root = (2.0 * root + 1.0 / (rest * root * root)) / 3.0;
            round += 1;
        }
        let value = (root - 1.5) / DEVIATION;
        table[index] = if value < CUT { value } else { CUT };
        index += 1;
    }
    table
}

/// e^x for small x, by its series.
const fn exp(x: f64) -> f64 {
    let (mut sum, mut term, mut index) = (1.0, 1.0, 1.0);
    while index < 12.0 {
        term *= x / index;
        sum += term;
        index += 1.0;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: f64, expected: f64) -> bool {
        value - expected < 1e-3 && expected - value < 1e-3
    }

    /// Values from tables of the normal distribution.
    #[test]
    fn the_normal_distribution() {
        assert_eq!(quantile(Distribution::Normal, 0.5), 0.0);
        assert!(near(quantile(Distribution::Normal, 0.75), 0.674_49));
        assert!(near(quantile(Distribution::Normal, 0.25), -0.674_49));
        assert!(near(quantile(Distribution::Normal, 0.875), 1.150_35));
        assert!(near(quantile(Distribution::Normal, 248.0 / 256.0), 1.862_73));
        assert_eq!(quantile(Distribution::Normal, 0.0), -4.0);
        assert_eq!(quantile(Distribution::Normal, 1.0), 4.0);
    }

    /// (1 - 7/8)^(-1/3) = 2, so that seven eighths lie below (2 - 1.5) / 0.866.
    #[test]
    fn the_pareto_distribution() {
        assert!(near(quantile(Distribution::Pareto, 0.875), 0.577_35));
        assert!(near(quantile(Distribution::Pareto, 0.0), -0.577_35));
        assert_eq!(quantile(Distribution::Pareto, 1.0), 4.0);
        assert!(near(
            quantile(Distribution::ParetoNormal, 0.875),
            0.25 * 1.150_35 + 0.75 * 0.577_35
        ));
    }

    #[test]
    fn the_uniform_distribution() {
        assert_eq!(quantile(Distribution::Uniform, 0.0), -1.0);
        assert_eq!(quantile(Distribution::Uniform, 0.75), 0.5);
    }
}
