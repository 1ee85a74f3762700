mod lines;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use tokio::time::Instant;

use self::lines::{Endpoint, Waiting, less, of};
use super::{Sizes, Urgency};
use crate::domain::AccountKey;

/// Who stands in a line.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Owner {
    /// The resources of one account.
    Account(AccountKey),
    /// The resources of one credential whose account is not known yet: a Secret's name, a role.
    Credential(String),
    /// Those for which the service is not called.
    NoCalls,
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(key) => key.fmt(f),
            Self::Credential(name) => f.debug_tuple("Credential").field(name).finish(),
            Self::NoCalls => f.write_str("NoCalls"),
        }
    }
}

/// A line of resources that wait for the same thing: an account's quota at one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Line {
    /// Who.
    pub owner: Owner,
    /// At which address.
    pub endpoint: String,
}

/// Where in its line a resource begins to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// It has waited already.
    Head,
    /// Behind the others of its urgency.
    Tail,
}

/// A resource whose turn it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun<K> {
    /// Which.
    pub key: K,
    /// What it waited for.
    pub urgency: Urgency,
}

/// The one queue: resources wait in a line for each account and endpoint; lines take turns; in a line, changes go
/// before the backlog, and that before checks. A line whose user did something just now, and for whom no change is
/// under way, need not wait until all others had a turn: every other turn is for such lines. What waits is a name, so
/// whoever's turn it is, is looked at as it is then.
///
/// Neither a line nor an endpoint can fill all places: an endpoint that answers nobody holds at most as many as are
/// free, so each further one leaves room for others, however many hang.
#[derive(Debug)]
pub struct Queue<K> {
    sizes: Sizes,
    entries: HashMap<K, Entry>,
    lines: HashMap<Arc<Line>, Waiting<K>>,
    endpoints: HashMap<String, Endpoint>,
    /// The endpoints whose lines take turns.
    turns: VecDeque<String>,
    /// Lines of accounts that rest, by when they may go on.
    resting: BTreeSet<(Instant, Arc<Line>)>,
    rests: HashMap<Owner, Instant>,
    running: usize,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    ticket: u64,
    urgency: Urgency,
    line: Arc<Line>,
    since: Instant,
    running: bool,
}

impl<K: Clone + Eq + Hash> Queue<K> {
    /// An empty queue.
    pub fn new(sizes: Sizes) -> Self {
        Self {
            sizes: Sizes {
                passes: sizes.passes.max(2),
                each: sizes.each.max(2),
            },
            entries: HashMap::new(),
            lines: HashMap::new(),
            endpoints: HashMap::new(),
            turns: VecDeque::new(),
            resting: BTreeSet::new(),
            rests: HashMap::new(),
            running: 0,
            next: 0,
        }
    }

    /// Has a resource wait. One that waits already keeps its place, unless it moves to another line or becomes more
    /// urgent; one whose turn it is now is left alone.
    pub fn wait(&mut self, key: &K, line: Line, urgency: Urgency, position: Position, now: Instant) {
        let since = match self.entries.get(key) {
            Some(entry) if entry.running => return,
            Some(entry) if *entry.line == line && entry.urgency <= urgency => return,
            Some(entry) => entry.since,
            None => now,
        };
        self.withdraw(key);
        self.next += 1;
        let ticket = self.next;
        let line = self
            .lines
            .get_key_value(&line)
            .map_or_else(|| Arc::new(line), |(known, _)| Arc::clone(known));
        let waiting = self.lines.entry(Arc::clone(&line)).or_default();
        let [changes, backlog, checks] = &mut waiting.rows;
        let row = match urgency {
            Urgency::Change => changes,
            Urgency::Backlog => backlog,
            Urgency::Check => checks,
        };
        match position {
            Position::Head => row.push_front((ticket, key.clone())),
            Position::Tail => row.push_back((ticket, key.clone())),
        }
        *of(&mut waiting.waiting, urgency) += 1;
        let entry = Entry {
            ticket,
            urgency,
            line: Arc::clone(&line),
            since,
            running: false,
        };
        self.entries.insert(key.clone(), entry);
        self.offer(&line);
    }

    /// Has a resource wait no longer; one whose turn it is stays until it has [`Self::ended`].
    pub fn withdraw(&mut self, key: &K) {
        let Some(entry) = self.entries.get(key).filter(|entry| !entry.running) else {
            return;
        };
        let (line, urgency) = (Arc::clone(&entry.line), entry.urgency);
        self.entries.remove(key);
        if let Some(waiting) = self.lines.get_mut(&line) {
            less(of(&mut waiting.waiting, urgency));
        }
        self.tidy(&line);
    }

    /// The next one whose turn it is.
    pub fn begin(&mut self, now: Instant) -> Option<Begun<K>> {
        self.begin_next(false, now)
    }

    /// The next one whose user did something just now.
    pub fn begin_change(&mut self, now: Instant) -> Option<Begun<K>> {
        self.begin_next(true, now)
    }

    fn begin_next(&mut self, only_express: bool, now: Instant) -> Option<Begun<K>> {
        self.wake_rested(now);
        for _ in 0..self.turns.len() {
            let name = self.turns.pop_front()?;
            let begun = self.begin_at(&name, only_express, now);
            let free = self.sizes.passes.saturating_sub(self.running);
            if let Some(endpoint) = self.endpoints.get_mut(&name) {
                endpoint.in_turns = !endpoint.is_idle() && (begun.is_some() || endpoint.running < free);
                // An endpoint that is full is put back when one of its passes, or of others', ends.
                if endpoint.in_turns {
                    self.turns.push_back(name);
                } else {
                    self.tidy_endpoint(&name);
                }
            }
            if begun.is_some() {
                return begun;
            }
        }
        None
    }

    fn begin_at(&mut self, name: &str, only_express: bool, now: Instant) -> Option<Begun<K>> {
        let free = self.sizes.passes.saturating_sub(self.running);
        let endpoint = self.endpoints.get(name).filter(|endpoint| endpoint.running < free)?;
        if only_express {
            return self.begin_express(name, now);
        }
        let express_next = !endpoint.express_was_last || endpoint.lines.is_empty();
        let begun = if express_next {
            self.begin_express(name, now).map(|begun| (begun, true))
        } else {
            None
        };
        let begun = begun
            .or_else(|| self.begin_in_turn(name, now).map(|begun| (begun, false)))
            .or_else(|| self.begin_express(name, now).map(|begun| (begun, true)));
        let (begun, express) = begun?;
        if let Some(endpoint) = self.endpoints.get_mut(name) {
            endpoint.express_was_last = express;
        }
        Some(begun)
    }

    fn begin_express(&mut self, name: &str, now: Instant) -> Option<Begun<K>> {
        while let Some(line) = self.endpoints.get_mut(name)?.express.pop_front() {
            let mut goes = false;
            if let Some(waiting) = self.lines.get_mut(&line) {
                waiting.in_express = false;
                goes = waiting.goes_express();
            }
            // One that cannot go on is offered again later.
            let begun = if goes { self.begin_in(&line, now) } else { None };
            self.tidy(&line);
            if begun.is_some() {
                return begun;
            }
        }
        None
    }

    fn begin_in_turn(&mut self, name: &str, now: Instant) -> Option<Begun<K>> {
        let lines = self.endpoints.get(name)?.lines.len();
        for _ in 0..lines {
            let line = self.endpoints.get_mut(name)?.lines.pop_front()?;
            let begun = self.begin_in(&line, now);
            let waiting = self.lines.get_mut(&line);
            if let Some(waiting) = waiting {
                // A line that can go on takes its next turn behind the others; one that cannot is offered again later.
                waiting.in_turns = begun.is_some() && waiting.waiting() > 0;
                let goes_on = waiting.in_turns;
                if goes_on && let Some(endpoint) = self.endpoints.get_mut(name) {
                    endpoint.lines.push_back(Arc::clone(&line));
                } else if !goes_on {
                    self.tidy(&line);
                }
            }
            if begun.is_some() {
                return begun;
            }
        }
        None
    }

    fn begin_in(&mut self, line: &Arc<Line>, now: Instant) -> Option<Begun<K>> {
        if let Some(until) = self.rests.get(&line.owner).copied().filter(|until| *until > now) {
            self.resting.insert((until, Arc::clone(line)));
            return None;
        }
        let each = self.sizes.each;
        let waiting = self.lines.get_mut(line)?;
        if waiting.running() >= each {
            return None;
        }
        let entries = &self.entries;
        let next = |row: &mut VecDeque<(u64, K)>| {
            while let Some((ticket, key)) = row.pop_front() {
                // What was withdrawn or moved has another ticket, or none.
                if entries
                    .get(&key)
                    .is_some_and(|entry| entry.ticket == ticket && !entry.running)
                {
                    return Some(key);
                }
            }
            None
        };
        let [changes, backlog, checks] = &mut waiting.rows;
        let [.., running_checks] = waiting.running;
        let key = next(changes).or_else(|| next(backlog)).or_else(|| {
            // Checks leave room for changes, which then need not wait for a check's answer.
            (running_checks < each - each.div_ceil(3))
                .then(|| next(checks))
                .flatten()
        })?;
        let entry = self.entries.get_mut(&key)?;
        entry.running = true;
        less(of(&mut waiting.waiting, entry.urgency));
        *of(&mut waiting.running, entry.urgency) += 1;
        self.running += 1;
        let urgency = entry.urgency;
        self.endpoints.entry(line.endpoint.clone()).or_default().running += 1;
        Some(Begun { key, urgency })
    }

    /// A pass has found out whose account it works for, so it goes on in that account's line, if there is room for it
    /// there. If not, it has to end and wait there.
    pub fn join(&mut self, key: &K, line: &Line) -> bool {
        let Some(entry) = self.entries.get(key).filter(|entry| entry.running) else {
            return true;
        };
        if *entry.line == *line {
            return true;
        }
        let (before, urgency) = (Arc::clone(&entry.line), entry.urgency);
        let line = self
            .lines
            .get_key_value(line)
            .map_or_else(|| Arc::new(line.clone()), |(known, _)| Arc::clone(known));
        let each = self.sizes.each;
        let target = self.lines.entry(Arc::clone(&line)).or_default();
        if target.running() >= each {
            return false;
        }
        *of(&mut target.running, urgency) += 1;
        self.endpoints.entry(line.endpoint.clone()).or_default().running += 1;
        if let Some(entry) = self.entries.get_mut(key) {
            entry.line = line;
        }
        self.leave(&before, urgency);
        true
    }

    /// A pass has ended.
    pub fn ended(&mut self, key: &K) {
        if self.entries.get(key).is_none_or(|entry| !entry.running) {
            return;
        }
        let Some(entry) = self.entries.remove(key) else { return };
        self.running = self.running.saturating_sub(1);
        self.leave(&entry.line, entry.urgency);
        // A place is free for endpoints that were full for want of one.
        let full: Vec<String> = self
            .endpoints
            .iter()
            .filter(|(_, endpoint)| !endpoint.in_turns && !endpoint.is_idle())
            .map(|(name, _)| name.clone())
            .collect();
        for name in full {
            self.take_turns(&name);
        }
    }

    fn leave(&mut self, line: &Arc<Line>, urgency: Urgency) {
        if let Some(waiting) = self.lines.get_mut(line) {
            less(of(&mut waiting.running, urgency));
        }
        if let Some(endpoint) = self.endpoints.get_mut(&line.endpoint) {
            endpoint.running = endpoint.running.saturating_sub(1);
        }
        self.offer(line);
        self.tidy(line);
    }

    /// The service asks an account to rest: nothing of it begins before `until`.
    pub fn rest(&mut self, account: &AccountKey, until: Instant) {
        let owner = Owner::Account(account.clone());
        let rest = self.rests.entry(owner).or_insert(until);
        *rest = (*rest).max(until);
    }

    /// When something may begin that cannot now.
    pub fn next_event(&self) -> Option<Instant> {
        self.resting.first().map(|(at, _)| *at)
    }

    /// How many wait.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.entries.len() - self.running
    }

    /// How many passes are under way.
    #[cfg(test)]
    pub fn running(&self) -> usize {
        self.running
    }

    /// Since when a resource waits, if it does.
    pub fn waits_since(&self, key: &K) -> Option<Instant> {
        self.entries
            .get(key)
            .filter(|entry| !entry.running)
            .map(|entry| entry.since)
    }

    /// Whether a resource waits for its account's quota, and not only for its turn among others.
    pub fn waits_for_quota(&self, key: &K) -> bool {
        let Some(entry) = self.entries.get(key).filter(|entry| !entry.running) else {
            return false;
        };
        let full = |waiting: &Waiting<K>| waiting.running() >= self.sizes.each;
        self.rests.contains_key(&entry.line.owner) || self.lines.get(&entry.line).is_some_and(full)
    }

    /// Whether a resource's pass is under way.
    #[cfg(test)]
    pub fn is_running(&self, key: &K) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.running)
    }

    /// Has the lines whose rest is over take turns again.
    pub fn wake_rested(&mut self, now: Instant) {
        while self.resting.first().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, line)) = self.resting.pop_first() {
                self.offer(&line);
            }
        }
        if self.resting.is_empty() {
            self.rests.retain(|_, until| *until > now);
        }
    }

    /// Has a line take turns, if anybody waits in it.
    fn offer(&mut self, line: &Arc<Line>) {
        let Some(waiting) = self.lines.get_mut(line) else {
            return;
        };
        let endpoint = self.endpoints.entry(line.endpoint.clone()).or_default();
        if !waiting.in_turns && waiting.waiting() > 0 {
            waiting.in_turns = true;
            endpoint.lines.push_back(Arc::clone(line));
        }
        if !waiting.in_express && waiting.goes_express() {
            waiting.in_express = true;
            endpoint.express.push_back(Arc::clone(line));
        }
        let name = line.endpoint.clone();
        self.take_turns(&name);
    }

    fn take_turns(&mut self, name: &str) {
        if let Some(endpoint) = self.endpoints.get_mut(name)
            && !endpoint.in_turns
            && !endpoint.is_idle()
        {
            endpoint.in_turns = true;
            self.turns.push_back(name.to_owned());
        }
    }

    /// Drops what nobody stands in.
    fn tidy(&mut self, line: &Arc<Line>) {
        let empty = self
            .lines
            .get(line)
            .is_some_and(|w| w.waiting() == 0 && w.running() == 0 && !w.in_turns && !w.in_express);
        if empty {
            self.lines.remove(line);
        }
        self.tidy_endpoint(&line.endpoint);
    }

    fn tidy_endpoint(&mut self, name: &str) {
        let idle = self
            .endpoints
            .get(name)
            .is_some_and(|e| e.running == 0 && e.is_idle() && !e.in_turns);
        if idle {
            self.endpoints.remove(name);
        }
    }
}

#[cfg(test)]
mod tests;
