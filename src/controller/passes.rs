//! The passes under way, each in a task of its own: one that panics ends alone.

use std::collections::HashMap;
use std::hash::Hash;

use tokio::task::{Id, JoinSet};

/// Tasks by what they are about.
pub(super) struct Passes<K> {
    tasks: JoinSet<()>,
    about: HashMap<Id, K>,
}

/// How a pass ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    /// A bug: what it was about is not known to have been dealt with.
    Panicked,
}

impl<K: Clone + Eq + Hash> Passes<K> {
    pub(super) fn new() -> Self {
        Self {
            tasks: JoinSet::new(),
            about: HashMap::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    pub(super) fn begin(&mut self, about: K, pass: impl Future<Output = ()> + Send + 'static) {
        let task = self.tasks.spawn(pass);
        self.about.insert(task.id(), about);
    }

    /// The next one that ends; `None` when there is none. Nothing is lost when this is given up half-way.
    pub(super) async fn ended(&mut self) -> Option<(K, Ended)> {
        loop {
            let (id, ended) = match self.tasks.join_next_with_id().await? {
                Ok((id, ())) => (id, Ended::Well),
                Err(error) if error.is_panic() => (error.id(), Ended::Panicked),
                Err(error) => (error.id(), Ended::Well),
            };
            if let Some(about) = self.about.remove(&id) {
                return Some((about, ended));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_that_panics_is_named_and_the_others_go_on() {
        let mut passes = Passes::new();
        for name in ["well", "broken", "well too"] {
            passes.begin(name, async move {
                tokio::task::yield_now().await;
                assert_ne!(name, "broken", "as it should in this test");
            });
        }
        let mut ended = Vec::new();
        while let Some(one) = passes.ended().await {
            ended.push(one);
        }
        ended.sort_by_key(|(name, _)| *name);
        assert_eq!(
            ended,
            [
                ("broken", Ended::Panicked),
                ("well", Ended::Well),
                ("well too", Ended::Well)
            ]
        );
        assert!(passes.is_empty() && passes.about.is_empty());
    }
}
