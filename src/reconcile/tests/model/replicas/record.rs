use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::super::worst_second::{Digest, WorstSecond};
use super::lease_server::LeaseServer;
use super::world::Object;
use crate::cloud::Operation;
use crate::domain::AccountKey;
use crate::lease::LeaseClaim;

/// The contract's second: the network may bring calls that were a second apart so much closer to each other.
const COUNTED: Duration = Duration::from_millis(950);

/// A time during which a replica worked as the leader.
#[derive(Clone, Debug)]
pub(super) struct Led {
    pub(super) replica: usize,
    pub(super) from: Instant,
    /// Absent while it goes on.
    pub(super) until: Option<Instant>,
}

/// A call, as the replica that makes it tells.
pub(super) struct Call<'a> {
    pub(super) by: &'a str,
    /// When it began to lead.
    pub(super) leads_since: Instant,
    pub(super) n: usize,
    /// Of the resource, as the pass knows it.
    pub(super) generation: i64,
    pub(super) operation: Operation,
    /// The first one of a pass.
    pub(super) is_first: bool,
}

/// All that happened, and what of it must not have.
pub(super) struct Record {
    began: Instant,
    pub(super) wrongs: Vec<String>,
    pub(super) digest: Digest,
    pub(super) arrivals: WorstSecond,
    pub(super) gets: usize,
    pub(super) sets: usize,
    /// Patches of a status.
    pub(super) writes: usize,
    pub(super) led: Vec<Led>,
    /// Of all terms so far.
    claims: Vec<LeaseClaim>,
    /// When each resource was looked at with success, and at which generation.
    pub(super) looks: Vec<Vec<(Instant, i64)>>,
    pub(super) changes: Vec<(Instant, usize, i64)>,
    /// The Sets of a resource's generation.
    attempts: HashMap<(usize, i64), usize>,
    /// The last term in which somebody called, and who.
    term: (i32, String),
}

impl Record {
    pub(super) fn new(resources: usize, began: Instant) -> Self {
        Self {
            began,
            wrongs: Vec::new(),
            digest: Digest::default(),
            arrivals: WorstSecond::of(COUNTED),
            gets: 0,
            sets: 0,
            writes: 0,
            led: Vec::new(),
            claims: Vec::new(),
            looks: vec![Vec::new(); resources],
            changes: Vec::new(),
            attempts: HashMap::new(),
            term: (-1, String::new()),
        }
    }

    pub(super) fn wrong(&mut self, what: String) {
        let at = self.began.elapsed();
        self.wrongs.push(format!("at {at:?}: {what}"));
    }

    /// A replica sends a call: only who holds the Lease may, and only for a reason.
    pub(super) fn sends(&mut self, call: &Call<'_>, object: &Object, until_check: Duration, lease: &LeaseServer) {
        let Call {
            by,
            n,
            generation,
            operation,
            ..
        } = *call;
        let (holder, term) = lease.holder();
        if holder.as_deref() != Some(by) {
            self.wrong(format!(
                "{by} calls {operation:?} of {n}, though the Lease is {holder:?}'s"
            ));
        }
        let (last, whose) = &self.term;
        if term < *last || (term == *last && *whose != by) {
            self.wrong(format!("{by} calls in term {term}, after {whose} did in term {last}"));
        }
        self.term = (term, by.to_owned());
        let claims = self.claims.iter().filter(|claim| claim.holds()).count();
        if claims > 1 {
            self.wrong(format!("{claims} claims hold while {by} calls"));
        }
        let is_settled = object.status.observed_generation == Some(object.generation);
        let moment = Instant::now() + until_check - object.interval;
        if call.is_first && is_settled && moment < call.leads_since {
            self.wrong(format!(
                "{by} looks at {n}, where nothing has changed since its last check was due"
            ));
        }
        if operation == Operation::Set {
            let attempts = self.attempts.entry((n, generation)).or_default();
            *attempts += 1;
            if *attempts > 1 {
                self.wrong(format!("{by} sets generation {generation} of {n} again"));
            }
        }
        self.digest.add(by.as_bytes());
        self.note(n, operation);
    }

    /// A call comes to the service.
    pub(super) fn arrives(&mut self, n: usize, account: &AccountKey, operation: Operation) {
        self.arrivals.arrives(account, operation);
        match operation {
            Operation::Get => self.gets += 1,
            Operation::Set | Operation::Delete => self.sets += 1,
        }
        self.note(n, operation);
    }

    /// A resource was looked at with success, or a status that says so has come.
    pub(super) fn looked_at(&mut self, n: usize, generation: i64) {
        self.looks[n].push((Instant::now(), generation));
    }

    fn note(&mut self, n: usize, operation: Operation) {
        self.digest.add(&self.began.elapsed().as_micros().to_le_bytes());
        self.digest.add(&n.to_le_bytes());
        self.digest.add(&operation.index().to_le_bytes());
    }

    /// A replica begins to work as the leader. Returns which time that is.
    pub(super) fn leads(&mut self, replica: usize, claim: LeaseClaim) -> usize {
        self.claims.push(claim);
        let (from, until) = (Instant::now(), None);
        self.led.push(Led { replica, from, until });
        self.led.len() - 1
    }

    pub(super) fn stops_to_lead(&mut self, time: usize) {
        self.led[time].until.get_or_insert(Instant::now());
    }
}
