use std::time::Duration;

use tokio::time::Instant;

/// The span that the service's quota is about.
pub(super) const SECOND: Duration = Duration::from_secs(1);
/// After so long without throttling the spacing narrows by half.
const CALM: Duration = Duration::from_secs(10);
const WIDEST: u32 = 32;
const LONGEST_HINT: Duration = Duration::from_secs(300);

/// How far apart calls of one account are, as its throttled answers teach.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spacing {
    factor: u32,
    changed: Instant,
    /// Calls rest until then.
    pub(super) paused_until: Instant,
}

impl Spacing {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            factor: 1,
            changed: now,
            paused_until: now,
        }
    }

    /// How long a slot stays taken after the answer of its call.
    pub(super) fn hold(&mut self, now: Instant) -> Duration {
        self.narrow(now);
        SECOND * self.factor
    }

    /// An answer said that calls come too fast; no more before `hint` has passed.
    pub(super) fn throttled(&mut self, now: Instant, hint: Option<Duration>) {
        self.narrow(now);
        // Answers to calls that were under way together are one lesson, not many.
        if now >= self.paused_until {
            self.factor = (self.factor * 2).min(WIDEST);
        }
        self.changed = now;
        let rest = hint.unwrap_or_default().min(LONGEST_HINT).max(SECOND * self.factor / 2);
        self.paused_until = self.paused_until.max(now + rest);
    }

    /// Nothing is left of former throttling.
    pub(super) fn is_plain(&mut self, now: Instant) -> bool {
        self.narrow(now);
        self.factor == 1 && self.paused_until <= now
    }

    fn narrow(&mut self, now: Instant) {
        while self.factor > 1 && now.duration_since(self.changed) >= CALM {
            self.factor /= 2;
            self.changed += CALM;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widens_and_narrows() {
        let start = Instant::now();
        let mut spacing = Spacing::new(start);
        assert_eq!(spacing.hold(start), SECOND);
        spacing.throttled(start, None);
        spacing.throttled(start, None);
        assert_eq!(spacing.hold(start), SECOND * 2, "two answers at once are one lesson");
        assert_eq!(spacing.paused_until, start + SECOND);
        spacing.throttled(start + SECOND * 2, Some(Duration::from_secs(20)));
        assert_eq!(spacing.paused_until, start + SECOND * 22);
        assert_eq!(spacing.hold(start + SECOND * 3), SECOND * 4);
        assert_eq!(spacing.hold(start + SECOND * 13), SECOND * 2);
        assert!(spacing.is_plain(start + SECOND * 30));
        spacing.throttled(start + SECOND * 40, Some(Duration::from_secs(4000)));
        assert_eq!(
            spacing.paused_until,
            start + SECOND * 340,
            "a hint is capped at five minutes"
        );
    }
}
