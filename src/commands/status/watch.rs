//! `status --watch`: the same, drawn anew with each change.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use kube::api::DynamicObject;
use kube::runtime::{WatchStreamExt as _, watcher};
use tokio::time::{Instant, sleep_until};

use super::{colours, exit, nothing, rows, shown, write};
use crate::cli::{OutputFormat, StatusArgs};
use crate::commands::cluster::{Cluster, Listed, Scope, WATCH, read};
use crate::commands::{Failure, Outcome, Output, warn};
use crate::ownership::ObjectName;

/// A flurry of changes is drawn once.
const FLURRY: Duration = Duration::from_millis(200);
/// Ages grow even when nothing changes.
const TICK: Duration = Duration::from_secs(10);

type Event = Result<watcher::Event<DynamicObject>, watcher::Error>;

/// What is known of the cluster; drawn only once a whole list was seen.
#[derive(Default)]
struct Seen {
    resources: BTreeMap<ObjectName, Listed>,
    listing: BTreeMap<ObjectName, Listed>,
    complete: bool,
}

impl Seen {
    /// Takes an event in; tells whether there is anything to draw.
    fn take(&mut self, event: watcher::Event<DynamicObject>) -> bool {
        let put = |into: &mut BTreeMap<_, _>, object: DynamicObject| into.insert(ObjectName::of(&object), read(object));
        match event {
            watcher::Event::Init => self.listing.clear(),
            watcher::Event::InitApply(object) => {
                put(&mut self.listing, object);
            }
            watcher::Event::InitDone => {
                self.complete = true;
                self.resources = std::mem::take(&mut self.listing);
                return true;
            }
            watcher::Event::Apply(object) => {
                put(&mut self.resources, object);
                return true;
            }
            watcher::Event::Delete(object) => {
                self.resources.remove(&ObjectName::of(&object));
                return true;
            }
        }
        false
    }
}

/// Draws until nobody reads any more.
pub async fn run(args: &StatusArgs, cluster: &Cluster, scope: &Scope) -> Outcome {
    let seconds = u32::try_from(WATCH.as_secs()).unwrap_or(u32::MAX);
    let config = watcher::Config::default().timeout(seconds);
    let events = watcher(scope.api(cluster.watches.clone()), config).default_backoff();
    draw(args, cluster, scope, events).await
}

async fn draw(args: &StatusArgs, cluster: &Cluster, scope: &Scope, events: impl Stream<Item = Event>) -> Outcome {
    let (format, mut output) = (args.output.output, Output::stdout());
    let on_terminal = format == OutputFormat::Text && std::io::stdout().is_terminal();
    let mut events = std::pin::pin!(events);
    let mut seen = Seen::default();
    let mut draw_at = None;
    let mut first = true;
    loop {
        let next = draw_at.or_else(|| (on_terminal && seen.complete).then(|| Instant::now() + TICK));
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(event)) => {
                    if seen.take(event) {
                        draw_at = draw_at.or(Some(Instant::now() + FLURRY));
                    }
                }
                Some(Err(error)) if seen.complete => warn(format!("{}; it is tried again", said(cluster, &error))),
                Some(Err(error)) => return Err(said(cluster, &error)),
                None => return Ok(exit(&rows(seen.resources.values()))),
            },
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                draw_at = None;
                let rows = rows(seen.resources.values());
                let text = if rows.is_empty() { format!("{}\n", nothing(scope)) } else { shown(&rows, scope, colours()) };
                let text = if on_terminal { redrawn(&text) } else if first { text } else { format!("\n{text}") };
                first = false;
                write(&mut output, format, &text, &rows)?;
                if output.is_closed() {
                    return Ok(exit(&rows));
                }
            }
        }
    }
}

/// Over what was there, line by line, so that nothing flickers.
fn redrawn(text: &str) -> String {
    format!("\u{1b}[H{}\u{1b}[J", text.replace('\n', "\u{1b}[K\n"))
}

fn said(cluster: &Cluster, error: &watcher::Error) -> Failure {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => cluster.failure(error),
        watcher::Error::WatchError(status) => {
            Failure::unknown(format!("the cluster did not answer: {}", status.message))
        }
        other => Failure::unknown(format!("the cluster did not answer: {other}")),
    }
}
