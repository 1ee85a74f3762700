//! The Prometheus metrics: one method for each thing that is counted.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::cli;
use crate::status::Reason;

/// What [`Metrics::encode`] is written in.
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// What [`Metrics::encode_plain`] is written in.
pub const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

/// More distinct codes than the service has ever had; what comes after them is counted as [`OTHER`], because each
/// label value costs memory here and in Prometheus for good.
const MOST_CODES: usize = 100;
const LONGEST_CODE: usize = 64;
/// The code of calls whose own one is not told apart.
pub const OTHER: &str = "other";

/// From a cached answer to a call that ran into its deadline.
const SECONDS: [f64; 13] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

/// Label values that are there from the start, at zero: a dashboard or an alert cannot tell "never" from "no such
/// metric" otherwise.
const RESULTS: [&str; 7] = [
    "ok",
    "requeue",
    "throttling",
    "transient",
    "credentials",
    "permission",
    "spec",
];
const ACTIONS: [&str; 3] = ["GetMessageCallback", "SetMessageCallback", "DeleteMessageCallback"];
const OUTCOMES: [&str; 3] = ["corrected", "reported", "contested"];
/// The state of resources that are being deleted.
pub const DELETING: &str = "Deleting";
/// See [`Metrics::watch_failed`].
pub const WATCHES: [&str; 2] = ["resources", "secrets"];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByResult {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByActionAndCode {
    action: &'static str,
    code: Cow<'static, str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByAction {
    action: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByState {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByWatch {
    watch: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
    commit: &'static str,
}

/// A resource that is not Ready.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct NotReady {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The reason of its Ready condition.
    pub reason: &'static str,
}

/// What gauges tell of the present: asked for when somebody reads them, so that nobody's reading costs nothing.
#[derive(Debug, Default)]
pub struct Present {
    /// How many resources are in each state.
    pub states: BTreeMap<&'static str, i64>,
    /// How many resources have checks that have failed for longer than their interval.
    pub checks_failing: i64,
    /// How many resources are only observed, and the service holds something else.
    pub observed_drift: i64,
    /// How long ago each watch last got on; one that is not named does not run.
    pub watch_silence: BTreeMap<&'static str, Duration>,
    /// Which resources are not Ready, where each is to have a series of its own.
    pub not_ready: Vec<NotReady>,
}

/// One series for each resource that is not Ready, as of now; nobody else has one.
#[derive(Clone, Debug, Default)]
struct PerResource(Arc<Mutex<Vec<NotReady>>>);

impl Collector for PerResource {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let not_ready = self.0.lock().clone();
        if not_ready.is_empty() {
            return Ok(());
        }
        let help = "0 for each resource that is not Ready, by its reason";
        let mut series = encoder.encode_descriptor("resource_ready", help, None, MetricType::Gauge)?;
        let zero: Gauge = Gauge::default();
        for labels in &not_ready {
            zero.encode(series.encode_family(labels)?)?;
        }
        Ok(())
    }
}

/// Everything that is counted. But for those that are asked for by `--metrics-per-resource`, labels never hold a
/// resource's name: their number must not grow with the cluster.
pub struct Metrics {
    registry: Registry,
    reconciles: Family<ByResult, Counter>,
    reconcile_duration: Histogram,
    api_requests: Family<ByActionAndCode, Counter>,
    api_request_duration: Family<ByAction, Histogram, fn() -> Histogram>,
    quota_wait: Histogram,
    resources: Family<ByState, Gauge>,
    drift: Family<ByOutcome, Counter>,
    leader: Gauge,
    released: Family<ByReason, Counter>,
    watch_errors: Family<ByWatch, Counter>,
    watch_silence: Family<ByWatch, Gauge>,
    checks_failing: Gauge,
    observed_drift: Gauge,
    per_resource: PerResource,
    codes: Mutex<BTreeSet<String>>,
    states: Mutex<BTreeSet<&'static str>>,
    present: Mutex<Option<Box<dyn Fn() -> Present + Send + Sync>>>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn by_seconds() -> Histogram {
    Histogram::new(SECONDS)
}

impl Metrics {
    /// All metrics, at zero.
    pub fn new() -> Self {
        let metrics = Self {
            registry: Registry::default(),
            reconciles: Family::default(),
            reconcile_duration: by_seconds(),
            api_requests: Family::default(),
            api_request_duration: Family::new_with_constructor(by_seconds),
            quota_wait: by_seconds(),
            resources: Family::default(),
            drift: Family::default(),
            leader: Gauge::default(),
            released: Family::default(),
            watch_errors: Family::default(),
            watch_silence: Family::default(),
            checks_failing: Gauge::default(),
            observed_drift: Gauge::default(),
            per_resource: PerResource::default(),
            codes: Mutex::default(),
            states: Mutex::default(),
            present: Mutex::default(),
        };
        metrics.initialise();
        metrics.registered()
    }

    fn initialise(&self) {
        for result in RESULTS {
            drop(self.reconciles.get_or_create(&ByResult { result }));
        }
        for action in ACTIONS {
            let code = Cow::Borrowed("OK");
            drop(self.api_requests.get_or_create(&ByActionAndCode { action, code }));
            drop(self.api_request_duration.get_or_create(&ByAction { action }));
        }
        for outcome in OUTCOMES {
            drop(self.drift.get_or_create(&ByOutcome { outcome }));
        }
        for watch in WATCHES {
            drop(self.watch_errors.get_or_create(&ByWatch { watch }));
            drop(self.watch_silence.get_or_create(&ByWatch { watch }));
        }
        self.set_states(&Reason::ALL.iter().map(|reason| (reason.as_str(), 0)).collect());
        self.set_states(&BTreeMap::from([(DELETING, 0)]));
    }

    /// The registry adds `_total` to counters by itself.
    fn registered(mut self) -> Self {
        let mut to = Registry::with_prefix("vod_operator");
        to.register("reconcile", "Reconciles, by how they ended", self.reconciles.clone());
        to.register(
            "reconcile_duration_seconds",
            "How long a reconcile worked, without waiting for its turn",
            self.reconcile_duration.clone(),
        );
        to.register(
            "api_requests",
            "Calls to the cloud, by action and the code answered",
            self.api_requests.clone(),
        );
        to.register(
            "api_request_duration_seconds",
            "How long a call to the cloud took",
            self.api_request_duration.clone(),
        );
        to.register(
            "quota_wait_seconds",
            "How long a call waited for its turn",
            self.quota_wait.clone(),
        );
        to.register("resources", "Resources, by state", self.resources.clone());
        to.register(
            "drift",
            "Settings found changed, by what was done about it",
            self.drift.clone(),
        );
        to.register(
            "leader",
            "1 while this process may call the service",
            self.leader.clone(),
        );
        to.register(
            "released",
            "Resources released with their setting left behind, by reason",
            self.released.clone(),
        );
        to.register("watch_errors", "Errors of watches", self.watch_errors.clone());
        to.register(
            "watch_silence_seconds",
            "How long ago a watch last got on, of the namespace where that is longest",
            self.watch_silence.clone(),
        );
        to.register(
            "checks_failing",
            "Resources whose checks have failed for longer than their interval",
            self.checks_failing.clone(),
        );
        to.register(
            "observed_drift",
            "Resources under Observe whose live setting differs",
            self.observed_drift.clone(),
        );
        to.register_collector(Box::new(self.per_resource.clone()));
        // A gauge and not an Info, a type that the plain format does not know.
        let build: Family<Build, Gauge> = Family::default();
        let (version, commit) = (cli::VERSION, cli::COMMIT);
        build.get_or_create(&Build { version, commit }).set(1);
        to.register("build_info", "The build that is running", build);
        self.registry = to;
        self
    }

    /// A reconcile ended: `ok`, `requeue`, or the class of its error. What it waited for a place or for quota is no
    /// part of `worked`.
    pub fn reconciled(&self, result: &'static str, worked: Duration) {
        self.reconciles.get_or_create(&ByResult { result }).inc();
        self.reconcile_duration.observe(worked.as_secs_f64());
    }

    /// A call to the cloud was answered: `OK`, or the service's code.
    pub fn api_call(&self, action: &'static str, code: &str, elapsed: Duration) {
        let code = Cow::Owned(self.bounded(code));
        self.api_requests.get_or_create(&ByActionAndCode { action, code }).inc();
        self.api_request_duration
            .get_or_create(&ByAction { action })
            .observe(elapsed.as_secs_f64());
    }

    /// A code comes from outside: its form and number are bounded.
    fn bounded(&self, code: &str) -> String {
        let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if code.is_empty() || code.len() > LONGEST_CODE || !code.chars().all(sound) {
            return OTHER.to_owned();
        }
        let mut codes = self.codes.lock();
        if !codes.contains(code) {
            if codes.len() >= MOST_CODES {
                return OTHER.to_owned();
            }
            codes.insert(code.to_owned());
        }
        code.to_owned()
    }

    /// A call waited this long for its turn.
    pub fn quota_waited(&self, waited: Duration) {
        self.quota_wait.observe(waited.as_secs_f64());
    }

    /// Whoever leads can tell what is, until [`Metrics::clear_resources`].
    pub fn ask_at_reading(&self, present: impl Fn() -> Present + Send + Sync + 'static) {
        *self.present.lock() = Some(Box::new(present));
    }

    /// Whoever does not lead says nothing of resources: all gauges of them are zero or gone.
    pub fn clear_resources(&self) {
        let mut present = self.present.lock();
        *present = None;
        self.set_present(Present::default());
    }

    fn set_present(&self, now: Present) {
        self.set_states(&now.states);
        self.checks_failing.set(now.checks_failing);
        self.observed_drift.set(now.observed_drift);
        self.set_watch_silence(&now.watch_silence);
        *self.per_resource.0.lock() = now.not_ready;
    }

    /// A state that is no longer named has no resource.
    fn set_states(&self, now: &BTreeMap<&'static str, i64>) {
        let mut known = self.states.lock();
        known.extend(now.keys());
        for &state in known.iter() {
            let count = now.get(state).copied().unwrap_or(0);
            self.resources.get_or_create(&ByState { state }).set(count);
        }
    }

    /// Drift was found: `corrected`, `reported` or `contested`.
    pub fn drift(&self, outcome: &'static str) {
        self.drift.get_or_create(&ByOutcome { outcome }).inc();
    }

    /// Whether this process may call the service.
    pub fn set_leader(&self, leading: bool) {
        self.leader.set(i64::from(leading));
    }

    /// A resource was released with its setting left behind.
    pub fn released(&self, reason: &'static str) {
        self.released.get_or_create(&ByReason { reason }).inc();
    }

    /// A watch failed and starts over.
    pub fn watch_failed(&self, watch: &'static str) {
        self.watch_errors.get_or_create(&ByWatch { watch }).inc();
    }

    fn set_watch_silence(&self, now: &BTreeMap<&'static str, Duration>) {
        for watch in WATCHES {
            let seconds = now.get(watch).map_or(0, Duration::as_secs);
            let gauge = self.watch_silence.get_or_create(&ByWatch { watch });
            gauge.set(i64::try_from(seconds).unwrap_or(i64::MAX));
        }
    }

    /// The metrics as text, of type [`OPENMETRICS`].
    pub fn encode(&self) -> String {
        {
            // Held while the gauges are set: a term that ends meanwhile clears them afterwards.
            let present = self.present.lock();
            if let Some(present) = &*present {
                self.set_present(present());
            }
        }
        let mut written = String::new();
        // Writing to a String does not fail.
        let _ = text::encode(&mut written, &self.registry);
        written
    }

    /// The metrics as text, of type [`PLAIN`], for who does not ask for the other: it differs in where a counter's
    /// `_total` is part of the name, and in having no end mark.
    pub fn encode_plain(&self) -> String {
        let open = self.encode();
        let counters: BTreeSet<&str> = open
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
            .collect();
        let lines = open.lines().filter(|line| *line != "# EOF").map(|line| {
            let mut words = line.splitn(4, ' ');
            match (words.next(), words.next(), words.next(), words.next()) {
                (Some("#"), Some(what), Some(name), Some(rest)) if counters.contains(name) => {
                    format!("# {what} {name}_total {rest}\n")
                }
                _ => format!("{line}\n"),
            }
        });
        lines.collect()
    }
}

#[cfg(test)]
mod tests;
