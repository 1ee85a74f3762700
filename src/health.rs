//! The state of the process, as the probes tell it: whether a restart would help, and whether it does its part.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

/// The state of the process. Clones share it.
#[derive(Clone, Debug)]
pub struct Health {
    /// How long a watch may be silent before that is suspicious.
    silence: Duration,
    state: Arc<Mutex<Vitals>>,
}

#[derive(Debug, Default)]
struct Vitals {
    watches: BTreeMap<String, Watched>,
    died: Option<&'static str>,
    part: Part,
}

/// The part that this process plays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    /// None yet.
    #[default]
    Starting,
    /// It would lead if the leader went.
    Standby,
    /// It leads, and its caches are being filled.
    Leading,
    /// It leads, and its caches hold what the cluster holds.
    Synced,
}

#[derive(Clone, Copy, Debug)]
struct Watched {
    kind: &'static str,
    last: Instant,
    stuck: bool,
}

/// A watch that the work cannot go on without: while this lives, the process is unwell once the watch is stuck.
#[derive(Debug)]
pub struct SignOfLife {
    health: Health,
    name: String,
}

impl SignOfLife {
    /// The watch got on.
    pub fn seen(&self) {
        self.health.seen_at(&self.name, Instant::now());
    }
}

impl Drop for SignOfLife {
    fn drop(&mut self) {
        self.health.vitals().watches.remove(&self.name);
    }
}

impl Health {
    /// A process that watches nothing yet and leads nothing: well, and not ready before it is known which part it has.
    pub fn new(silence: Duration) -> Self {
        let state = Arc::default();
        Self { silence, state }
    }

    fn vitals(&self) -> MutexGuard<'_, Vitals> {
        self.state.lock()
    }

    /// A watch of this kind and name starts, and has to be heard of from now on.
    pub fn watch(&self, kind: &'static str, name: &str) -> SignOfLife {
        self.watch_from(kind, name, Instant::now())
    }

    fn watch_from(&self, kind: &'static str, name: &str, last: Instant) -> SignOfLife {
        let stuck = false;
        let watched = Watched { kind, last, stuck };
        self.vitals().watches.insert(name.to_owned(), watched);
        SignOfLife {
            health: self.clone(),
            name: name.to_owned(),
        }
    }

    fn seen_at(&self, name: &str, last: Instant) {
        if let Some(watched) = self.vitals().watches.get_mut(name) {
            (watched.last, watched.stuck) = (last, false);
        }
    }

    /// The watches that have been silent for too long. That alone is no fault of this process: the API server may be
    /// out of everybody's reach.
    pub fn silent(&self) -> Vec<String> {
        self.silent_at(Instant::now())
    }

    fn silent_at(&self, now: Instant) -> Vec<String> {
        let vitals = self.vitals();
        let too_long = |watched: &Watched| now.saturating_duration_since(watched.last) > self.silence;
        let silent = vitals.watches.iter().filter(|(_, watched)| too_long(watched));
        silent.map(|(name, _)| name.clone()).collect()
    }

    /// By kind, how long the watches have been silent, those that have been so for longest.
    pub fn silences(&self) -> BTreeMap<&'static str, Duration> {
        let mut longest = BTreeMap::new();
        for watched in self.vitals().watches.values() {
            let silence: &mut Duration = longest.entry(watched.kind).or_default();
            *silence = watched.last.elapsed().max(*silence);
        }
        longest
    }

    /// This watch is silent though the API server answers: a restart may help, until it is heard of again.
    pub fn stuck(&self, name: &str) {
        if let Some(watched) = self.vitals().watches.get_mut(name) {
            watched.stuck = true;
        }
    }

    /// The task that does this, without which the process is of no use, ended by itself.
    pub fn task_died(&self, does: &'static str) {
        self.vitals().died.get_or_insert(does);
    }

    /// The first task that ended by itself.
    pub fn died(&self) -> Option<&'static str> {
        self.vitals().died
    }

    /// This process leads from now on; it is ready again once [`Health::set_synced`] is called.
    pub fn set_leading(&self) {
        self.vitals().part = Part::Leading;
    }

    /// This process no longer leads: a standby is ready.
    pub fn set_standby(&self) {
        self.vitals().part = Part::Standby;
    }

    /// The leader's caches hold what the cluster holds.
    pub fn set_synced(&self) {
        let mut vitals = self.vitals();
        if vitals.part == Part::Leading {
            vitals.part = Part::Synced;
        }
    }

    /// Whether a restart would not help.
    ///
    /// # Errors
    /// What is wrong.
    pub fn healthy(&self) -> Result<(), String> {
        let vitals = self.vitals();
        if let Some(task) = &vitals.died {
            return Err(format!("the task that {task} ended by itself"));
        }
        match vitals.watches.iter().find(|(_, watched)| watched.stuck) {
            Some((name, watched)) => Err(format!(
                "the watch of {name} has made no progress for {}s though the API server answers",
                watched.last.elapsed().as_secs()
            )),
            None => Ok(()),
        }
    }

    /// Whether the process does its part: a standby does, a leader once its caches are filled.
    ///
    /// # Errors
    /// What is missing.
    pub fn ready(&self) -> Result<(), String> {
        let vitals = self.vitals();
        match (&vitals.died, vitals.part) {
            (Some(task), _) => Err(format!("the task that {task} ended by itself")),
            (None, Part::Starting) => Err("starting".to_owned()),
            (None, Part::Leading) => Err("the caches are not filled yet".to_owned()),
            (None, Part::Standby | Part::Synced) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Duration = Duration::from_secs(200);

    #[test]
    fn a_watch_is_silent_until_it_gets_on() {
        let health = Health::new(SILENCE);
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(health.silent_at(after(10_000)).is_empty(), "nothing is watched");
        let watch = health.watch_from("kind", "resources", start);
        assert!(health.silent_at(after(200)).is_empty());
        assert_eq!(health.silent_at(after(201)), ["resources"]);
        health.seen_at("resources", after(300));
        assert!(health.silent_at(after(500)).is_empty());
        assert_eq!(health.silent_at(after(501)), ["resources"]);
        drop(watch);
        assert!(
            health.silent_at(after(10_000)).is_empty(),
            "a term that is over watches nothing"
        );
        health.seen_at("resources", start);
        assert!(health.silent_at(after(10_000)).is_empty(), "a late word starts nothing");
    }

    #[test]
    fn a_stuck_watch_is_unwell_and_silence_alone_is_not() {
        let health = Health::new(SILENCE);
        let ago = Instant::now().checked_sub(SILENCE * 2).expect("an up time of minutes");
        let watch = health.watch_from("kind", "resources", ago);
        assert_eq!(health.silent(), ["resources"]);
        let silences = health.silences();
        assert!(silences["kind"] >= SILENCE * 2 && silences.len() == 1, "{silences:?}");
        assert!(health.healthy().is_ok(), "nobody may have answered");
        health.stuck("resources");
        let why = health.healthy().unwrap_err();
        assert!(
            why.starts_with("the watch of resources has made no progress for 400s"),
            "{why}"
        );
        watch.seen();
        assert!(health.healthy().is_ok());
        health.stuck("resources");
        drop(watch);
        assert!(health.healthy().is_ok(), "a term that is over has no watch");
        health.stuck("resources");
        assert!(health.healthy().is_ok());
    }

    #[test]
    fn standbys_are_ready_and_leaders_once_synced() {
        let health = Health::new(SILENCE);
        assert_eq!(health.ready().unwrap_err(), "starting");
        health.set_standby();
        assert!(health.ready().is_ok());
        health.set_synced();
        health.set_leading();
        assert!(health.ready().is_err());
        health.set_synced();
        assert!(health.ready().is_ok());
        health.set_standby();
        health.set_leading();
        assert!(health.ready().is_err(), "a new term fills its caches anew");
        health.set_standby();
        health.task_died("reconciles");
        assert_eq!(health.ready().unwrap_err(), "the task that reconciles ended by itself");
        assert!(health.healthy().is_err());
    }
}
