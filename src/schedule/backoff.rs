use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);

/// Exponential backoff of one resource, from 1 s to 5 min, each delay up to half as long again, so that those who failed
/// together do not come back together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The delay after one more failure: at least what the service asked for (`hint`, capped at 5 min).
    pub fn next(&mut self, hint: Option<Duration>) -> Duration {
        self.next_with(hint, rand::random())
    }

    fn next_with(&mut self, hint: Option<Duration>, draw: f64) -> Duration {
        let full = FIRST
            .saturating_mul(2_u32.saturating_pow(self.failures))
            .min(LONGEST.mul_f64(2.0 / 3.0));
        self.failures = self.failures.saturating_add(1);
        let hint = hint.unwrap_or_default().min(LONGEST);
        // Jitter goes on top of a hint too, so that those who were told the same time do not come back together.
        let jittered = full.mul_f64(1.0 + draw.clamp(0.0, 1.0) / 2.0);
        if hint > jittered {
            (hint + FIRST.mul_f64(draw.clamp(0.0, 1.0))).min(LONGEST.max(hint))
        } else {
            jittered
        }
    }

    /// Starts over after a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn grows_within_bounds(draws in proptest::collection::vec(0.0..1.0f64, 1..40), hint in proptest::option::of(0..1000u64)) {
            let mut backoff = Backoff::default();
            let hint = hint.map(Duration::from_secs);
            let mut full = FIRST;
            for draw in draws {
                let delay = backoff.next_with(hint, draw);
                prop_assert!(delay >= full && delay >= hint.unwrap_or_default().min(LONGEST));
                prop_assert!(delay <= LONGEST);
                full = (full * 2).min(LONGEST * 2 / 3);
            }
            backoff.reset();
            prop_assert!(backoff.next_with(None, 1.0) <= FIRST * 2);
        }
    }
}
