use super::{EventReason, Notice};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

/// What each resource's user has been told about its present generation, so that it is told once.
///
/// It is bounded in both ways; what falls out may be told once more, and that is all.
#[derive(Debug, Default)]
pub struct Told {
    resources: HashMap<String, Heard>,
    /// In the order of arrival, to know the oldest.
    order: BTreeMap<u64, String>,
    arrivals: u64,
}

#[derive(Debug)]
struct Heard {
    generation: i64,
    arrival: u64,
    notices: BTreeSet<(&'static str, u64)>,
}

const MOST_RESOURCES: usize = 20_000;
/// Of one generation: a note that changes each time (it names a request, say) must not fill the memory.
const MOST_NOTICES: usize = 64;

impl Told {
    /// Nobody has been told anything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether this is news for this generation; from now on it is not.
    pub fn is_news(&mut self, uid: &str, generation: i64, notice: &Notice) -> bool {
        let mut hasher = DefaultHasher::new();
        notice.note.hash(&mut hasher);
        let hash = hasher.finish();
        let heard = self.heard(uid, generation);
        if heard.notices.contains(&(notice.reason.as_str(), hash)) || heard.notices.len() >= MOST_NOTICES {
            return false;
        }
        heard.notices.insert((notice.reason.as_str(), hash))
    }

    /// Whether this reason is news for this generation, whatever the note; from now on it is not.
    pub fn is_news_of(&mut self, uid: &str, generation: i64, reason: EventReason) -> bool {
        let heard = self.heard(uid, generation);
        heard.notices.insert((reason.as_str(), 0))
    }

    /// The resource is gone.
    pub fn forget(&mut self, uid: &str) {
        if let Some(heard) = self.resources.remove(uid) {
            self.order.remove(&heard.arrival);
        }
    }

    fn heard(&mut self, uid: &str, generation: i64) -> &mut Heard {
        if !self.resources.contains_key(uid) {
            if self.resources.len() >= MOST_RESOURCES
                && let Some((_, oldest)) = self.order.pop_first()
            {
                self.resources.remove(&oldest);
            }
            self.arrivals += 1;
            self.order.insert(self.arrivals, uid.to_owned());
        }
        let arrival = self.arrivals;
        let heard = self.resources.entry(uid.to_owned()).or_insert(Heard {
            generation,
            arrival,
            notices: BTreeSet::new(),
        });
        if heard.generation != generation {
            heard.generation = generation;
            heard.notices.clear();
        }
        heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(note: &str) -> Notice {
        Notice::warning(EventReason::UnlistedEventType, "Apply", note)
    }

    #[test]
    fn once_for_each_resource_generation_reason_and_note() {
        let mut told = Told::new();
        assert!(told.is_news("a", 1, &notice("x")));
        assert!(!told.is_news("a", 1, &notice("x")));
        assert!(told.is_news("a", 1, &notice("y")));
        assert!(told.is_news("b", 1, &notice("x")));
        assert!(told.is_news("a", 2, &notice("x")));
        assert!(!told.is_news("a", 2, &notice("x")));
        let other = Notice::warning(EventReason::UnreachableUrl, "Apply", "x");
        assert!(told.is_news("a", 2, &other));
        told.forget("a");
        assert!(told.is_news("a", 2, &notice("x")));
        assert!(told.is_news_of("a", 2, EventReason::Conflict));
        assert!(!told.is_news_of("a", 2, EventReason::Conflict));
    }

    #[test]
    fn bounded_in_notes_and_in_resources() {
        let mut told = Told::new();
        let news = (0..1000).filter(|n| told.is_news("a", 1, &notice(&n.to_string())));
        assert_eq!(news.count(), MOST_NOTICES);
        for n in 0..MOST_RESOURCES {
            assert!(told.is_news(&format!("uid-{n}"), 1, &notice("x")));
        }
        assert_eq!(
            (told.resources.len(), told.order.len()),
            (MOST_RESOURCES, MOST_RESOURCES)
        );
        assert!(!told.is_news("uid-0", 1, &notice("x")), "the oldest was a");
        told.forget("uid-0");
        assert_eq!(told.order.len(), MOST_RESOURCES - 1);
    }
}
