//! Logs: where they go, how they look, and what may never be in them.

use std::io::IsTerminal as _;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterExt as _, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::{LookupSpan, Registry};
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// What other crates may say at most, whatever `RUST_LOG` asks for: below these levels HTTP stacks write URLs,
/// headers and bodies, and those carry keys. Ours alone is free; a crate that is not listed keeps the default.
const CEILINGS: &[(&str, LevelFilter)] = &[
    ("vod_operator", LevelFilter::TRACE),
    // At warn it prints the whole body of an answer that it cannot decode, be it a Secret's.
    ("kube_client", LevelFilter::ERROR),
    ("kube_runtime", LevelFilter::INFO),
    ("hyper", LevelFilter::WARN),
    ("reqwest", LevelFilter::WARN),
    ("h2", LevelFilter::WARN),
    ("rustls", LevelFilter::WARN),
    ("tower", LevelFilter::WARN),
];
/// For crates that [`CEILINGS`] does not know.
const DEFAULT_CEILING: LevelFilter = LevelFilter::INFO;

fn ceilings() -> Targets {
    Targets::new()
        .with_targets(CEILINGS.iter().copied())
        .with_default(DEFAULT_CEILING)
}

/// What `RUST_LOG` asks for: levels by target, such as `info,vod_operator=debug`.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter(Targets);

impl Default for Filter {
    fn default() -> Self {
        Self(Targets::new().with_default(LevelFilter::INFO))
    }
}

impl Filter {
    /// Reads the words of `RUST_LOG`.
    ///
    /// # Errors
    /// What to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        // A word alone would be taken for a target, and everything else would fall silent.
        let is_sound = |part: &str| part.contains('=') || part.is_empty() || part.parse::<LevelFilter>().is_ok();
        let targets = text
            .parse()
            .ok()
            .filter(|_| text.split(',').map(str::trim).all(is_sound));
        targets.map(Self).ok_or_else(|| {
            "use trace, debug, info, warn, error or off, or levels of targets such as info,vod_operator=debug"
                .to_owned()
        })
    }
}

/// Starts logging to standard error, and keeps what a panic says out of it.
///
/// # Errors
/// When a subscriber is already installed.
pub fn init(format: Option<LogFormat>, filter: &Filter) -> Result<(), TryInitError> {
    let terminal = std::io::stderr().is_terminal();
    let format = format.unwrap_or(if terminal { LogFormat::Text } else { LogFormat::Json });
    let lines = lines(format, terminal, filter, std::io::stderr);
    tracing_subscriber::registry().with(lines).try_init()?;
    quiet_panics();
    Ok(())
}

/// One layer, so that both formats go through the same filters.
fn lines<W>(format: LogFormat, ansi: bool, filter: &Filter, writer: W) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let formatted: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Text => layer.with_ansi(ansi).boxed(),
        // Flat: `timestamp`, `level`, `target`, `message` and the event's fields side by side, easy to query.
        LogFormat::Json => layer.json().flatten_event(true).with_span_list(false).boxed(),
    };
    bounded(formatted, filter)
}

fn bounded<S, L>(layer: L, filter: &Filter) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    L: Layer<S> + Send + Sync + 'static,
{
    layer.with_filter(filter.0.clone().and(ceilings())).boxed()
}

/// A panic's words may quote a value, and a value may be a key: only the place is told.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(location = place, "a task panicked; its message is withheld");
    }));
}

/// An error of the API server in one readable line: what kube says of it holds the whole answer, twice.
pub fn in_words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} ({})", status.message, status.code),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, rust_log: &str, speak: impl FnOnce()) -> String {
        let written = Written::default();
        let sink = written.clone();
        let filter = Filter::parse(rust_log).unwrap();
        let subscriber = tracing_subscriber::registry().with(lines(format, false, &filter, move || sink.clone()));
        tracing::subscriber::with_default(subscriber, speak);
        let bytes = written.0.lock().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_is_one_flat_object_a_line() {
        let text = logged(LogFormat::Json, "info", || {
            tracing::info_span!("reconcile", resource = "a")
                .in_scope(|| tracing::info!(requests = 3, "applied\nindeed"));
            tracing::debug!("not shown");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["message"], "applied\nindeed");
        assert_eq!(line["requests"], 3);
        assert_eq!(line["target"], "vod_operator::telemetry::tests");
        assert_eq!(line["span"]["resource"], "a");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn http_stacks_stay_quiet_whatever_rust_log_says() {
        for rust_log in [
            "trace",
            "info,hyper=trace,hyper_util::client=trace,kube_client=trace,x=trace",
        ] {
            let text = logged(LogFormat::Text, rust_log, || {
                tracing::trace!(target: "hyper::proto::h1", "SECRET");
                tracing::info!(target: "hyper_util::client::legacy", "SECRET");
                tracing::debug!(target: "reqwest::connect", "SECRET");
                tracing::debug!(target: "h2::codec", "SECRET");
                tracing::debug!(target: "rustls::client", "SECRET");
                tracing::debug!(target: "tower::buffer", "SECRET");
                tracing::warn!(target: "kube_client::client", "SECRET");
                tracing::debug!(target: "kube_runtime::watcher", "SECRET");
                tracing::debug!(target: "x", "SECRET");
                tracing::warn!(target: "hyper", "heard");
            });
            assert!(!text.contains("SECRET") && text.contains("heard"), "{rust_log}: {text}");
        }
    }

    #[test]
    fn our_own_words_follow_rust_log() {
        let speak = || tracing::trace!("ours");
        assert!(logged(LogFormat::Text, "trace", speak).contains("ours"));
        assert!(logged(LogFormat::Text, "vod_operator=trace", speak).contains("ours"));
        assert!(!logged(LogFormat::Text, "debug", speak).contains("ours"));
    }

    #[test]
    fn a_panic_tells_its_place_only() {
        let text = logged(LogFormat::Json, "info", || {
            let before = std::panic::take_hook();
            quiet_panics();
            let caught = std::panic::catch_unwind(|| panic!("the key is SECRET"));
            std::panic::set_hook(before);
            assert!(caught.is_err());
        });
        assert!(text.contains("src/telemetry.rs") && !text.contains("SECRET"), "{text}");
    }
}
