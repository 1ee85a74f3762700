use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::domain::CredentialId;
use crate::ownership::SettingKey;

/// A read that is older than this is of no use to anybody.
const OLD: Duration = Duration::from_secs(60);

/// Reads of one setting, shared by all who ask at about the same time. A failure is shared only by those who were
/// waiting for it with the same credentials: others may be let in, and later it may have passed.
pub struct SharedReads<T, E> {
    reads: Mutex<HashMap<SettingKey, Arc<Read<T, E>>>>,
    /// Whether a failure says something to the others who wait.
    concerns_all: fn(&E) -> bool,
}

struct Read<T, E> {
    asked: Instant,
    /// Filled by whoever holds the lock; the others wait for it. When the reader is dropped half-way, the next one
    /// in line reads.
    result: tokio::sync::Mutex<Option<Done<T, E>>>,
}

struct Done<T, E> {
    begun: Instant,
    ended: Instant,
    by: CredentialId,
    result: Result<T, E>,
}

impl<T, E> Done<T, E> {
    /// Whether it answers somebody who came at `came`, with the credentials `by`, and takes nothing older than
    /// `not_before`.
    fn answers(&self, by: CredentialId, came: Instant, not_before: Instant) -> bool {
        self.begun >= not_before && (self.result.is_ok() || (self.by == by && came < self.ended))
    }
}

impl<T: Clone, E: Clone> SharedReads<T, E> {
    /// Nothing read yet. `concerns_all` tells whether a failure says something to the others who wait.
    pub fn new(concerns_all: fn(&E) -> bool) -> Self {
        Self {
            reads: Mutex::default(),
            concerns_all,
        }
    }

    /// Reads by `fetch`, unless a read that was asked for at or after `not_before` is there or under way.
    ///
    /// # Errors
    /// What the read that served this caller failed with.
    pub async fn read(
        &self,
        key: SettingKey,
        by: CredentialId,
        not_before: Instant,
        fetch: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let came = Instant::now();
        let read = self.join(key, not_before);
        let mut done = read.result.lock().await;
        if let Some(done) = done.as_ref().filter(|done| done.answers(by, came, not_before)) {
            return done.result.clone();
        }
        let begun = Instant::now();
        let result = fetch.await;
        if result.as_ref().is_err_and(|error| !(self.concerns_all)(error)) {
            return result;
        }
        *done = Some(Done {
            begun,
            ended: Instant::now(),
            by,
            result: result.clone(),
        });
        result
    }

    /// After a write: what was read before it no longer counts.
    pub fn forget(&self, key: &SettingKey) {
        self.reads.lock().remove(key);
    }

    fn join(&self, key: SettingKey, not_before: Instant) -> Arc<Read<T, E>> {
        let now = Instant::now();
        let mut reads = self.reads.lock();
        if let Some(read) = reads.get(&key)
            && read.asked >= not_before
        {
            return Arc::clone(read);
        }
        reads.retain(|_, read| now.duration_since(read.asked) < OLD);
        let read = Arc::new(Read {
            asked: now,
            result: tokio::sync::Mutex::new(None),
        });
        reads.insert(key, Arc::clone(&read));
        read
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::time::sleep;

    use super::*;
    use crate::domain::{AccountId, AccountKey, AppId, Region};

    fn key() -> SettingKey {
        SettingKey {
            account: AccountKey::Account(AccountId("1".into())),
            region: Region("cn-shanghai".into()).setting_region(),
            app: AppId("a".into()),
        }
    }

    fn by(id: &str) -> CredentialId {
        CredentialId::of_key(id, "Example", None)
    }

    async fn fail(count: &AtomicU32) -> Result<u32, u32> {
        sleep(Duration::from_millis(100)).await;
        Err(count.fetch_add(1, Ordering::SeqCst) + 1)
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_shared_only_while_it_is_waited_for_and_with_the_same_credentials() {
        let (reads, count) = (SharedReads::new(|_| true), AtomicU32::new(0));
        let now = Instant::now();
        let (one, same, other) = tokio::join!(
            reads.read(key(), by("one"), now, fail(&count)),
            reads.read(key(), by("one"), now, fail(&count)),
            reads.read(key(), by("other"), now, fail(&count)),
        );
        assert_eq!((one, same, other), (Err(1), Err(1), Err(2)));
        assert_eq!(
            reads.read(key(), by("other"), now, fail(&count)).await,
            Err(3),
            "it may have passed"
        );
    }

    async fn fetch(count: &AtomicU32) -> Result<u32, ()> {
        sleep(Duration::from_millis(100)).await;
        Ok(count.fetch_add(1, Ordering::SeqCst) + 1)
    }

    #[tokio::test(start_paused = true)]
    async fn fifty_ask_and_one_reads() {
        let (reads, count) = (SharedReads::new(|_| true), AtomicU32::new(0));
        let now = Instant::now();
        let all = (0..50).map(|_| reads.read(key(), by("one"), now, fetch(&count)));
        assert!(futures::future::join_all(all).await.iter().all(|r| *r == Ok(1)));
        assert_eq!(
            reads.read(key(), by("one"), now, fetch(&count)).await,
            Ok(1),
            "still fresh enough for that question"
        );
        assert_eq!(
            reads.read(key(), by("one"), Instant::now(), fetch(&count)).await,
            Ok(2),
            "too old for this one"
        );
        reads.forget(&key());
        assert_eq!(
            reads.read(key(), by("one"), now, fetch(&count)).await,
            Ok(3),
            "a write came between"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_goes_leaves_the_read_to_the_next() {
        let (reads, count) = (Arc::new(SharedReads::new(|_| true)), Arc::new(AtomicU32::new(0)));
        let now = Instant::now();
        let first = tokio::time::timeout(
            Duration::from_millis(10),
            reads.read(key(), by("one"), now, fetch(&count)),
        );
        let (first, second) = tokio::join!(first, reads.read(key(), by("one"), now, fetch(&count)));
        assert!(first.is_err());
        assert_eq!(second, Ok(1));
    }
}
