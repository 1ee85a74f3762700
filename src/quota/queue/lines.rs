//! A line and an endpoint, as the queue counts them.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Line;
use crate::quota::Urgency;

#[derive(Debug)]
pub(super) struct Waiting<K> {
    /// By urgency.
    pub(super) rows: [VecDeque<(u64, K)>; 3],
    /// Those in `rows` that still wait.
    pub(super) waiting: [usize; 3],
    pub(super) running: [usize; 3],
    pub(super) in_turns: bool,
    pub(super) in_express: bool,
}

impl<K> Waiting<K> {
    pub(super) fn waiting(&self) -> usize {
        self.waiting.iter().sum()
    }

    pub(super) fn running(&self) -> usize {
        self.running.iter().sum()
    }

    pub(super) fn goes_express(&self) -> bool {
        let [waiting, ..] = self.waiting;
        let [running, ..] = self.running;
        waiting > 0 && running == 0
    }
}

#[derive(Debug, Default)]
pub(super) struct Endpoint {
    pub(super) running: usize,
    pub(super) lines: VecDeque<Arc<Line>>,
    /// Lines whose user did something just now; they may stand among the others, too.
    pub(super) express: VecDeque<Arc<Line>>,
    pub(super) express_was_last: bool,
    pub(super) in_turns: bool,
}

impl Endpoint {
    pub(super) fn is_idle(&self) -> bool {
        self.lines.is_empty() && self.express.is_empty()
    }
}

impl<K> Default for Waiting<K> {
    fn default() -> Self {
        Self {
            rows: Default::default(),
            waiting: [0; 3],
            running: [0; 3],
            in_turns: false,
            in_express: false,
        }
    }
}

/// The count of one urgency.
pub(super) fn of(counts: &mut [usize; 3], urgency: Urgency) -> &mut usize {
    let [changes, backlog, checks] = counts;
    match urgency {
        Urgency::Change => changes,
        Urgency::Backlog => backlog,
        Urgency::Check => checks,
    }
}

pub(super) fn less(count: &mut usize) {
    *count = count.saturating_sub(1);
}
