//! Who owns a setting: of several resources that name the same account, region and app, the oldest.
//!
//! A plain index, no I/O. Nobody is judged before all older ones of the same region and app have been asked for their
//! account; those whose account cannot be known, or whose credentials are refused, neither win nor hold anybody up.

mod contender;
mod ranks;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;

use self::contender::{Place, Rank};
use self::ranks::Ranks;
use crate::domain::AccountKey;

pub use contender::{AccountClaim, Contender, ObjectName, Ownership, Pending, SettingKey, lost_message, owner_in};

/// All contenders.
#[derive(Default)]
pub struct OwnershipIndex {
    by_uid: HashMap<String, Box<Contender>>,
    /// All of one setting, those that only observe included.
    groups: HashMap<SettingKey, Ranks>,
    /// Those whose account nobody has asked for yet: nobody younger in the same place is judged.
    unasked: HashMap<Place, Ranks>,
    /// Those who were told to wait, and are woken when they need not any more.
    waiting: HashMap<Place, Ranks>,
    /// Watched namespaces that have not been listed yet.
    unlisted: BTreeSet<String>,
    /// Watched namespaces that cannot be listed.
    refused: HashSet<String>,
    /// Whether any was listed.
    sees: bool,
}

impl OwnershipIndex {
    /// Adds a contender or renews it. What was learned of its account stays; `contender` only tells it of one that
    /// was not asked. Returns the others whose ownership changed, and itself where it is new and its status, which is
    /// all that it goes by, names another owner or none.
    pub fn upsert(&mut self, mut contender: Contender) -> Vec<ObjectName> {
        if let Some(before) = self.known(&contender.uid) {
            if before.claim != AccountClaim::NotAsked {
                contender.claim = before.claim.clone();
            }
            // Its status may say something else meanwhile; the owner is hidden all the same.
            let hidden = |owner: &&ObjectName| self.refused.contains(&owner.namespace);
            if contender.lost_to.is_none() && before.place() == contender.place() {
                contender.lost_to = before.lost_to.as_ref().filter(hidden).cloned();
                contender.lost_in.clone_from(&before.lost_in);
            }
            if *before == contender {
                return Vec::new();
            }
        }
        let uid = contender.uid.clone();
        let is_new = self.known(&uid).is_none();
        let mut woken = self.change(&uid, Some(contender));
        woken.extend(is_new.then(|| self.uninformed(&uid)).flatten());
        woken
    }

    /// Removes a contender. Returns the others whose ownership changed.
    pub fn remove(&mut self, uid: &str) -> Vec<ObjectName> {
        self.change(uid, None)
    }

    /// Its credentials were accepted, and this is whose they are. Returns the others whose ownership changed.
    pub fn proven(&mut self, uid: &str, account: AccountKey) -> Vec<ObjectName> {
        self.learn(uid, AccountClaim::Proven(account))
    }

    /// Its credentials were refused, so it owns nothing. Returns the others whose ownership changed.
    pub fn refused(&mut self, uid: &str) -> Vec<ObjectName> {
        self.learn(uid, AccountClaim::None)
    }

    /// What its status proves, for one that was not asked. Returns the others whose ownership changed, and itself as
    /// [`Self::upsert`] does.
    pub fn told(&mut self, uid: &str, claim: AccountClaim) -> Vec<ObjectName> {
        match self.known(uid) {
            Some(before) if before.claim == AccountClaim::NotAsked && before.claim != claim => {
                let mut woken = self.learn(uid, claim);
                woken.extend(self.uninformed(uid));
                woken
            }
            _ => Vec::new(),
        }
    }

    /// Its account cannot be asked for. What was known stays: a resource that stalls keeps its ownership. Returns the
    /// others whose ownership changed.
    pub fn cannot_be_known(&mut self, uid: &str) -> Vec<ObjectName> {
        self.told(uid, AccountClaim::None)
    }

    fn learn(&mut self, uid: &str, claim: AccountClaim) -> Vec<ObjectName> {
        match self.known(uid) {
            Some(before) if before.claim != claim => {
                let contender = Contender {
                    claim,
                    ..before.clone()
                };
                self.change(uid, Some(contender))
            }
            _ => Vec::new(),
        }
    }

    /// These namespaces will be listed; until each was, or was refused, nobody takes over.
    pub fn expect(&mut self, namespaces: impl IntoIterator<Item = String>) {
        self.unlisted.extend(namespaces);
    }

    /// A namespace has been listed. Returns those whose ownership may have changed.
    pub fn listed(&mut self, namespace: &str) -> Vec<ObjectName> {
        self.sees = true;
        self.unlisted.remove(namespace);
        let mut woken = self.no_longer_waiting();
        if self.refused.remove(namespace) {
            let lost = |c: &&Contender| c.contends && c.lost_to.as_ref().is_some_and(|o| o.namespace == namespace);
            woken.extend(
                self.by_uid
                    .values()
                    .map(Box::as_ref)
                    .filter(lost)
                    .map(|c| c.name.clone()),
            );
        }
        woken
    }

    /// A namespace cannot be listed: what is in it is not known, and the owners there that losers name stay owners.
    /// Returns those whose ownership may have changed.
    pub fn cannot_list(&mut self, namespace: &str) -> Vec<ObjectName> {
        self.unlisted.remove(namespace);
        self.refused.insert(namespace.to_owned());
        self.no_longer_waiting()
    }

    /// Whether there is no namespace left to be listed, and not all are refused.
    pub fn sees_all(&self) -> bool {
        self.sees && self.unlisted.is_empty()
    }

    /// Whether nobody has asked for its account yet.
    pub fn is_unasked(&self, uid: &str) -> bool {
        self.known(uid).is_some_and(Contender::is_unasked)
    }

    /// Whether another resource owns the setting that this one, which may only observe, is about.
    pub fn is_owned_by_another(&self, uid: &str) -> bool {
        let key = self.known(uid).and_then(Contender::key);
        key.and_then(|key| self.owner(&key))
            .is_some_and(|owner| owner.uid != uid)
    }

    /// The account of a resource, where it is proven.
    pub fn account(&self, uid: &str) -> Option<AccountKey> {
        self.known(uid)?.claim.account().cloned()
    }

    /// Whether a resource owns its setting. One that must wait is woken when it need not any more.
    pub fn ownership_of(&mut self, uid: &str) -> Ownership {
        let ownership = self.judge(uid);
        if let (Ownership::Waits { .. }, Some(contender)) = (&ownership, self.by_uid.get(uid)) {
            let waiting = self.waiting.entry(contender.place()).or_default();
            waiting.insert(contender.rank());
        }
        ownership
    }

    fn judge(&self, uid: &str) -> Ownership {
        let Some(contender) = self.known(uid) else {
            return Ownership::Unknown;
        };
        if !contender.contends {
            return Ownership::NotContending;
        }
        if contender.claim == AccountClaim::None {
            return Ownership::NoClaim;
        }
        let owner = contender.key().and_then(|key| self.owner(&key));
        if let Some(owner) = owner.filter(|owner| owner.uid != uid) {
            return Ownership::Loser {
                owner: owner.name.clone(),
            };
        }
        let hidden = |owner: &&ObjectName| self.refused.contains(&owner.namespace);
        if let Some(owner) = contender.still_lost_to().filter(hidden) {
            return Ownership::Loser { owner: owner.clone() };
        }
        if let Some(namespace) = self.unlisted.first() {
            let on = Pending::Namespace(namespace.clone());
            return Ownership::Waits { on };
        }
        let unasked = self.unasked.get(&contender.place()).and_then(Ranks::first);
        match unasked.and_then(|(_, uid)| self.known(uid)) {
            Some(unasked) if unasked.rank() <= contender.rank() => Ownership::Waits {
                on: Pending::AccountOf(unasked.name.clone()),
            },
            _ => Ownership::Owner,
        }
    }

    /// The older ones that must be asked for their account before this one can be judged, by uid and name.
    pub fn unasked_before(&self, uid: &str) -> Vec<(String, ObjectName)> {
        let Some(contender) = self.known(uid) else {
            return Vec::new();
        };
        let older = self.unasked.get(&contender.place()).into_iter().flatten();
        older
            .take_while(|rank| **rank < contender.rank())
            .filter_map(|(_, uid)| self.known(uid))
            .map(|contender| (contender.uid.clone(), contender.name.clone()))
            .collect()
    }

    /// The uid that times the checks of all resources of one setting: the oldest one's, so that they share a read.
    pub fn group_phase_uid(&self, uid: &str) -> String {
        let group = self
            .known(uid)
            .and_then(Contender::key)
            .and_then(|key| self.groups.get(&key));
        group
            .and_then(Ranks::first)
            .map_or_else(|| uid.to_owned(), |(_, first)| first.clone())
    }

    fn known(&self, uid: &str) -> Option<&Contender> {
        self.by_uid.get(uid).map(Box::as_ref)
    }

    fn owner(&self, key: &SettingKey) -> Option<&Contender> {
        let group = self.groups.get(key)?;
        group
            .iter()
            .filter_map(|(_, uid)| self.known(uid))
            .find(|contender| contender.contends)
    }

    fn change(&mut self, uid: &str, contender: Option<Contender>) -> Vec<ObjectName> {
        let before = self.known(uid).cloned();
        let both = || [&before, &contender].into_iter().flatten();
        let keys: BTreeSet<SettingKey> = both().filter_map(Contender::key).collect();
        let places: BTreeSet<Place> = both().map(Contender::place).collect();
        let owner_of = |index: &Self, key| index.owner(key).map(|owner| owner.uid.clone());
        let owners_before: Vec<_> = keys.iter().map(|key| owner_of(self, key)).collect();

        if let Some(before) = &before {
            let (place, rank) = (before.place(), before.rank());
            if let Some(key) = before.key() {
                take_out(&mut self.groups, &key, &rank);
            }
            take_out(&mut self.unasked, &place, &rank);
            take_out(&mut self.waiting, &place, &rank);
            self.by_uid.remove(uid);
        }
        if let Some(contender) = contender {
            let rank = contender.rank();
            if let Some(key) = contender.key() {
                self.groups.entry(key).or_default().insert(rank.clone());
            }
            if contender.is_unasked() {
                self.unasked.entry(contender.place()).or_default().insert(rank);
            }
            self.by_uid.insert(uid.to_owned(), Box::new(contender));
        }

        // Where the owner is another now, everyone in the group must look again: the new owner takes over, the
        // former gives way, and the losers name the new one.
        let mut woken = BTreeSet::new();
        for (key, before) in keys.iter().zip(owners_before) {
            if before != owner_of(self, key) {
                woken.extend(self.groups.get(key).into_iter().flatten().cloned());
            }
        }
        for place in &places {
            woken.extend(self.freed(place));
        }
        woken
            .iter()
            .filter(|(_, member)| member != uid)
            .filter_map(|(_, member)| self.known(member))
            .filter(|contender| contender.contends)
            .map(|contender| contender.name.clone())
            .collect()
    }

    /// A loser whose status does not name the owner: what happened while no operator ran was told to nobody. As long as
    /// it is not certain who owns the setting, it waits for that.
    fn uninformed(&mut self, uid: &str) -> Option<ObjectName> {
        let contender = self.known(uid).filter(|contender| !self.is_informed(contender))?;
        let owner = self.owner(&contender.key()?)?;
        let (name, place, rank) = (contender.name.clone(), contender.place(), contender.rank());
        let unasked = self.unasked.get(&place).and_then(Ranks::first);
        if self.unlisted.is_empty() && unasked.is_none_or(|unasked| *unasked > owner.rank()) {
            return Some(name);
        }
        self.waiting.entry(place).or_default().insert(rank);
        None
    }

    /// Whether its status names the owner, where that is another one.
    fn is_informed(&self, contender: &Contender) -> bool {
        match self.judge(&contender.uid) {
            Ownership::Loser { owner } => contender.lost_to.as_ref() == Some(&owner),
            _ => true,
        }
    }

    /// Takes out those of a place who waited and need not any more. Those who only waited to see whether their status is right,
    /// and find that it is, are left alone.
    fn freed(&mut self, place: &Place) -> Vec<Rank> {
        let Some(waiting) = self.waiting.get(place).filter(|_| self.unlisted.is_empty()) else {
            return Vec::new();
        };
        let unasked = self.unasked.get(place).and_then(Ranks::first);
        let free: Vec<Rank> = waiting
            .iter()
            .take_while(|rank| unasked.is_none_or(|unasked| *rank < unasked))
            .cloned()
            .collect();
        for rank in &free {
            take_out(&mut self.waiting, place, rank);
        }
        let is_told = |uid: &String| {
            let is_loser = matches!(self.judge(uid), Ownership::Loser { .. });
            is_loser && self.known(uid).is_some_and(|contender| self.is_informed(contender))
        };
        free.into_iter().filter(|(_, uid)| !is_told(uid)).collect()
    }

    fn no_longer_waiting(&mut self) -> Vec<ObjectName> {
        let places: Vec<Place> = self.waiting.keys().cloned().collect();
        let free: Vec<Rank> = places.iter().flat_map(|place| self.freed(place)).collect();
        free.iter()
            .filter_map(|(_, uid)| self.known(uid))
            .map(|contender| contender.name.clone())
            .collect()
    }
}

fn take_out<K: Eq + Hash>(sets: &mut HashMap<K, Ranks>, key: &K, rank: &Rank) {
    if let Some(ranks) = sets.get_mut(key) {
        ranks.remove(rank);
        if ranks.is_empty() {
            sets.remove(key);
        }
    }
}

#[cfg(test)]
mod tests;
