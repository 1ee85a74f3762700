/// A pass that waits for an answer costs little: so many are under way for each one that works.
const PASSES_EACH: usize = 16;
/// However few work at once, so many may wait for answers: throttled accounts must not take all there are.
const LEAST_PASSES: usize = 1024;
/// A line uses its whole quota with so many passes for each call a second, and no line needs more than [`MOST_IN_LINE`].
const IN_LINE_EACH: usize = 2;
const MOST_IN_LINE: usize = 128;

/// How much goes on at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Passes in all. Most of them wait for an answer of the service.
    pub passes: usize,
    /// Passes of one line: enough to use the whole quota, while the rest waits where it costs nothing.
    pub each: usize,
}

impl Sizes {
    /// With `concurrency` reconciles that work at once, and `qps` calls a second for each account and operation.
    pub fn of(concurrency: usize, qps: usize) -> Self {
        Self {
            passes: concurrency.saturating_mul(PASSES_EACH).max(LEAST_PASSES),
            each: qps.saturating_mul(IN_LINE_EACH).min(MOST_IN_LINE),
        }
    }
}
