//! Lists and watches one kind of object, for ever. It does what kube's `watcher` does and settles what that leaves
//! open: failures back off whatever came in between, only what got on counts as a sign of life, and no answer is waited
//! for without a bound.

use std::fmt;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use kube::api::{ListParams, ObjectList, WatchParams};
use kube::core::{Status, WatchEvent};
use kube::runtime::watcher::Event;
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout, timeout_at};

use super::watch_health::SignOfLife;

/// A list comes in pages: a cluster may hold more objects than fit into one answer.
const PAGE: u32 = 100;
/// The bound for one page.
const PAGE_PATIENCE: Duration = Duration::from_secs(30);
/// The server ends a watch by itself; one that it should have ended so long ago is dead.
const MARGIN: Duration = Duration::from_secs(5);
/// So often a page of a list under way is asked for again.
const PAGE_ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Where objects come from.
pub(super) trait Source: Sync {
    /// What they are.
    type Object: Clone + ResourceExt + Send;

    /// One page of a list, and where the next one begins.
    fn page(&self, from: Option<String>) -> impl Future<Output = kube::Result<ObjectList<Self::Object>>> + Send;

    /// What changed after `version`.
    fn watch(&self, version: &str) -> impl Future<Output = kube::Result<Changes<Self::Object>>> + Send;
}

/// The answer to a watch.
pub(super) type Changes<K> = BoxStream<'static, kube::Result<WatchEvent<K>>>;

/// The API server as a source; each watch of it `lasts` so long.
pub(super) struct FromApiServer<K> {
    pub(super) api: Api<K>,
    pub(super) lasts: Duration,
}

impl<K> Source for FromApiServer<K>
where
    K: Resource + Clone + DeserializeOwned + fmt::Debug + Send + Sync + 'static,
{
    type Object = K;

    async fn page(&self, from: Option<String>) -> kube::Result<ObjectList<K>> {
        let mut how = ListParams::default().limit(PAGE);
        how.continue_token = from;
        self.api.list(&how).await
    }

    async fn watch(&self, version: &str) -> kube::Result<Changes<K>> {
        let seconds = u32::try_from(self.lasts.as_secs()).unwrap_or(u32::MAX).max(1);
        let how = WatchParams::default().timeout(seconds);
        Ok(self.api.watch(&how, version).await?.boxed())
    }
}

/// Why a list or a watch did not get on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("{}", crate::telemetry::in_words(.0))]
    Call(kube::Error),
    #[error("{} ({})", .0.message, .0.code)]
    Ended(Box<Status>),
    #[error("nothing was heard from the API server in time")]
    Silence,
    #[error("a list without resourceVersion")]
    NoVersion,
}

impl Trouble {
    fn code(&self) -> u16 {
        match self {
            Self::Call(kube::Error::Api(status)) | Self::Ended(status) => status.code,
            Self::Call(_) | Self::Silence | Self::NoVersion => 0,
        }
    }

    /// The API server does not allow it, or does not know the kind: a restart would change nothing about that.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self.code(), 403 | 404)
    }

    /// The API server no longer has what happened since: a new list is needed.
    fn is_expired(&self) -> bool {
        self.code() == 410
    }
}

/// Follows the objects of `source`: what `tell` is told is in the order of kube's `watcher`. Never ends.
pub(super) async fn follow<S: Source>(
    source: &S,
    lasts: Duration,
    life: &SignOfLife,
    mut tell: impl FnMut(Event<S::Object>) + Send,
    mut failed: impl FnMut(&Trouble) + Send,
) {
    let mut pause = Pause::new();
    let mut version = None;
    let mut reached = 0;
    loop {
        let done = match version.take() {
            None => {
                tell(Event::Init);
                let listed = list(source, life, &mut reached, &mut tell).await;
                if listed.is_ok() {
                    reached = 0;
                    tell(Event::InitDone);
                    pause.works();
                }
                listed
            }
            Some(mut at) => {
                let opened = Instant::now();
                let ended = watch(source, lasts, &mut at, life, &mut pause, &mut tell).await;
                // Some proxies end each answer at once, without any error.
                if ended.is_ok() && opened.elapsed() < FIRST_PAUSE {
                    tokio::time::sleep(pause.next()).await;
                }
                match ended {
                    Err(trouble) if trouble.is_expired() => Err(trouble),
                    Err(trouble) => {
                        note(&trouble, life, &mut failed);
                        tokio::time::sleep(pause.next()).await;
                        Ok(at)
                    }
                    Ok(()) => Ok(at),
                }
            }
        };
        match done {
            Ok(at) => version = Some(at),
            Err(trouble) => {
                note(&trouble, life, &mut failed);
                let next = pause.next();
                // A watch that expired after it had worked is no failure: what was missed is looked for at once.
                if !(trouble.is_expired() && next == FIRST_PAUSE) {
                    tokio::time::sleep(next).await;
                }
            }
        }
    }
}

fn note(trouble: &Trouble, life: &SignOfLife, failed: &mut impl FnMut(&Trouble)) {
    if trouble.is_refusal() {
        life.seen();
    }
    failed(trouble);
}

/// All pages; returns from where to watch. A sign of life is only a page that no attempt before has `reached`: a list
/// that fails at the same page each time makes no progress.
async fn list<S: Source>(
    source: &S,
    life: &SignOfLife,
    reached: &mut usize,
    tell: &mut impl FnMut(Event<S::Object>),
) -> Result<String, Trouble> {
    let (mut from, mut number) = (None, 0);
    loop {
        number += 1;
        let page = page(source, from).await?;
        if number > *reached {
            *reached = number;
            life.seen();
        }
        page.items.into_iter().for_each(|object| tell(Event::InitApply(object)));
        let set = |text: &String| !text.is_empty();
        from = page.metadata.continue_.filter(set);
        if from.is_none() {
            life.seen();
            return page.metadata.resource_version.filter(set).ok_or(Trouble::NoVersion);
        }
    }
}

/// One page. Of a list that is under way it is asked for again a few times: to begin anew for each answer that is late would
/// bring a long one to no end.
async fn page<S: Source>(source: &S, from: Option<String>) -> Result<ObjectList<S::Object>, Trouble> {
    let mut attempts = 0..PAGE_ATTEMPTS;
    loop {
        let answer = timeout(PAGE_PATIENCE, source.page(from.clone())).await;
        let trouble = match answer {
            Ok(Ok(page)) => return Ok(page),
            Ok(Err(error)) => Trouble::Call(error),
            Err(_) => Trouble::Silence,
        };
        let passes = matches!(trouble.code(), 0 | 429 | 500..);
        match attempts.next() {
            Some(attempt) if passes && from.is_some() => tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(attempt)).await,
            _ => return Err(trouble),
        }
    }
}

/// One watch; `at` is kept at the version of what was told last.
async fn watch<S: Source>(
    source: &S,
    lasts: Duration,
    at: &mut String,
    life: &SignOfLife,
    pause: &mut Pause,
    tell: &mut impl FnMut(Event<S::Object>),
) -> Result<(), Trouble> {
    let end = Instant::now() + lasts + MARGIN;
    let opened = timeout_at(end, source.watch(at)).await;
    let mut changes = opened.map_err(|_| Trouble::Silence)?.map_err(Trouble::Call)?;
    life.seen();
    pause.works();
    loop {
        let change = match timeout_at(end, changes.next()).await {
            Ok(Some(change)) => change.map_err(Trouble::Call)?,
            Ok(None) => return Ok(()),
            Err(_) => return Err(Trouble::Silence),
        };
        let version = match &change {
            WatchEvent::Added(object) | WatchEvent::Modified(object) | WatchEvent::Deleted(object) => {
                object.resource_version()
            }
            WatchEvent::Bookmark(mark) => Some(mark.metadata.resource_version.clone()),
            WatchEvent::Error(_) => None,
        };
        match change {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => tell(Event::Apply(object)),
            WatchEvent::Deleted(object) => tell(Event::Delete(object)),
            WatchEvent::Bookmark(_) => {}
            WatchEvent::Error(status) => return Err(Trouble::Ended(status)),
        }
        life.seen();
        if let Some(version) = version.filter(|version| !version.is_empty()) {
            *at = version;
        }
    }
}

/// How long to wait after a failure. It starts over only once things had worked for as long as was waited last: a list
/// whose second page always fails has worked, too, for a moment.
struct Pause {
    last: Duration,
    works_since: Option<Instant>,
}

impl Pause {
    fn new() -> Self {
        Self {
            last: Duration::ZERO,
            works_since: None,
        }
    }

    fn works(&mut self) {
        self.works_since.get_or_insert_with(Instant::now);
    }

    fn next(&mut self) -> Duration {
        let worked = self
            .works_since
            .take()
            .is_some_and(|since| since.elapsed() >= self.last);
        self.last = if worked || self.last.is_zero() {
            FIRST_PAUSE
        } else {
            (self.last * 2).min(LONGEST_PAUSE)
        };
        self.last
    }
}

#[cfg(test)]
mod tests;
