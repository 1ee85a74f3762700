//! How much is measured.

use crate::Result;

/// The sizes of a run.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// A part of the usual numbers, for a quick look, or a multiple of them.
    pub scale: f64,
    /// How often each section is measured; the table holds the medians.
    pub rounds: usize,
}

impl Sizes {
    /// `BENCH_SCALE` (1) and `BENCH_ROUNDS` (1).
    pub fn from_environment() -> Result<Self> {
        Ok(Self {
            scale: number("BENCH_SCALE", 1.0)?,
            rounds: number("BENCH_ROUNDS", 1)?,
        })
    }

    /// That number of resources at this run's scale, at least `least`.
    pub fn of(&self, usual: usize, least: usize) -> usize {
        ((usual as f64 * self.scale).round() as usize).max(least)
    }
}

fn number<N: std::str::FromStr>(name: &str, usual: N) -> Result<N> {
    match std::env::var(name) {
        Err(_) => Ok(usual),
        Ok(text) => text
            .parse()
            .map_err(|_| format!("{name}={text} is not a number").into()),
    }
}
