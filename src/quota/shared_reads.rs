use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::ownership::SettingKey;

/// A read that is older than this is of no use to anybody.
const OLD: Duration = Duration::from_secs(60);

/// Reads of one setting, shared by all who ask at about the same time.
pub struct SharedReads<T, E> {
    reads: Mutex<HashMap<SettingKey, Arc<Read<T, E>>>>,
}

struct Read<T, E> {
    asked: Instant,
    /// Filled by whoever holds the lock; the others wait for it. When the reader is dropped half-way, the next one
    /// in line reads.
    result: tokio::sync::Mutex<Option<(Instant, Result<T, E>)>>,
}

impl<T, E> Default for SharedReads<T, E> {
    fn default() -> Self {
        Self {
            reads: Mutex::default(),
        }
    }
}

impl<T: Clone, E: Clone> SharedReads<T, E> {
    /// Reads by `fetch`, unless a read that was asked for at or after `not_before` is there or under way.
    ///
    /// # Errors
    /// What the read that served this caller failed with.
    pub async fn read(
        &self,
        key: SettingKey,
        not_before: Instant,
        fetch: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let read = self.join(key, not_before);
        let mut result = read.result.lock().await;
        if let Some((begun, done)) = result.as_ref()
            && *begun >= not_before
        {
            return done.clone();
        }
        let begun = Instant::now();
        let done = fetch.await;
        *result = Some((begun, done.clone()));
        done
    }

    /// After a write: what was read before it no longer counts.
    pub fn forget(&self, key: &SettingKey) {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    fn join(&self, key: SettingKey, not_before: Instant) -> Arc<Read<T, E>> {
        let now = Instant::now();
        let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
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

    async fn fetch(count: &AtomicU32) -> Result<u32, ()> {
        sleep(Duration::from_millis(100)).await;
        Ok(count.fetch_add(1, Ordering::SeqCst) + 1)
    }

    #[tokio::test(start_paused = true)]
    async fn fifty_ask_and_one_reads() {
        let (reads, count) = (SharedReads::default(), AtomicU32::new(0));
        let now = Instant::now();
        let all = (0..50).map(|_| reads.read(key(), now, fetch(&count)));
        assert!(futures::future::join_all(all).await.iter().all(|r| *r == Ok(1)));
        assert_eq!(
            reads.read(key(), now, fetch(&count)).await,
            Ok(1),
            "still fresh enough for that question"
        );
        assert_eq!(
            reads.read(key(), Instant::now(), fetch(&count)).await,
            Ok(2),
            "too old for this one"
        );
        reads.forget(&key());
        assert_eq!(
            reads.read(key(), now, fetch(&count)).await,
            Ok(3),
            "a write came between"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_goes_leaves_the_read_to_the_next() {
        let (reads, count) = (Arc::new(SharedReads::default()), Arc::new(AtomicU32::new(0)));
        let now = Instant::now();
        let first = tokio::time::timeout(Duration::from_millis(10), reads.read(key(), now, fetch(&count)));
        let (first, second) = tokio::join!(first, reads.read(key(), now, fetch(&count)));
        assert!(first.is_err());
        assert_eq!(second, Ok(1));
    }
}
