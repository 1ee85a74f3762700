//! Ranks in order.

use super::contender::Rank;

/// A few ranks in order, each once. Mostly there is one: a tree's node would have room for eleven.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ranks(Vec<Rank>);

impl Ranks {
    pub(super) fn insert(&mut self, rank: Rank) {
        if let Err(at) = self.0.binary_search(&rank) {
            self.0.reserve_exact(1);
            self.0.insert(at, rank);
        }
    }

    pub(super) fn remove(&mut self, rank: &Rank) {
        if let Ok(at) = self.0.binary_search(rank) {
            self.0.remove(at);
        }
    }

    pub(super) fn first(&self) -> Option<&Rank> {
        self.0.first()
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Rank> {
        self.0.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a Ranks {
    type Item = &'a Rank;
    type IntoIter = std::slice::Iter<'a, Rank>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use k8s_openapi::jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn rank(n: i64) -> Rank {
        (Timestamp::from_second(n / 3).unwrap(), (n % 3).to_string())
    }

    proptest! {
        #[test]
        fn they_are_kept_as_a_tree_keeps_them(steps in prop::collection::vec((0..9_i64, any::<bool>()), 0..40)) {
            let (mut ranks, mut tree) = (Ranks::default(), BTreeSet::new());
            for (n, goes) in steps {
                if goes {
                    ranks.remove(&rank(n));
                    tree.remove(&rank(n));
                } else {
                    ranks.insert(rank(n));
                    tree.insert(rank(n));
                }
                prop_assert!(ranks.iter().eq(&tree));
                prop_assert_eq!((ranks.first(), ranks.is_empty()), (tree.first(), tree.is_empty()));
            }
        }
    }
}
