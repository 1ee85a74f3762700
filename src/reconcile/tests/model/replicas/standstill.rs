use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

/// A process that stands still now and then, as one that was sent SIGSTOP: nothing in it runs, whatever happens around
/// it, and time has passed when it goes on.
pub(super) struct Standstill<F> {
    process: Pin<Box<F>>,
    hangs: VecDeque<(Instant, Instant)>,
    goes_on: Pin<Box<Sleep>>,
}

impl<F: Future> Standstill<F> {
    pub(super) fn new(process: F, hangs: &[(Instant, Instant)]) -> Self {
        Self {
            process: Box::pin(process),
            hangs: hangs.iter().copied().collect(),
            goes_on: Box::pin(sleep_until(Instant::now())),
        }
    }
}

impl<F: Future> Future for Standstill<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        let now = Instant::now();
        while this.hangs.front().is_some_and(|(_, until)| *until <= now) {
            this.hangs.pop_front();
        }
        if let Some((_, until)) = this.hangs.front().filter(|(from, _)| *from <= now) {
            this.goes_on.as_mut().reset(*until);
            // A moment that is not here yet: this only has it wake us.
            if this.goes_on.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
        this.process.as_mut().poll(context)
    }
}
