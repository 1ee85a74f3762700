use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::cloud::Operation;
use crate::domain::AccountKey;

/// The most calls of one account and operation that came to the service within a second, as the service counts them.
pub(super) struct WorstSecond {
    second: Duration,
    recent: HashMap<(AccountKey, usize), VecDeque<Instant>>,
    pub(super) most: usize,
}

impl WorstSecond {
    /// `second`: how long that is, where a margin is left to the network.
    pub(super) fn of(second: Duration) -> Self {
        Self {
            second,
            recent: HashMap::new(),
            most: 0,
        }
    }

    /// A call comes. Returns how many did in the second that ends with it.
    pub(super) fn arrives(&mut self, account: &AccountKey, operation: Operation) -> usize {
        let now = Instant::now();
        let recent = self.recent.entry((account.clone(), operation.index())).or_default();
        while recent.front().is_some_and(|at| now - *at >= self.second) {
            recent.pop_front();
        }
        recent.push_back(now);
        self.most = self.most.max(recent.len());
        recent.len()
    }
}

/// A mark of what happened and when, to compare two runs by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
