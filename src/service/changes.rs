use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use crate::ownership::SettingKey;

/// The changes of a setting, one after the other: when it changes hands, what its former owner sent last must not arrive
/// after what the new one sends.
#[derive(Default)]
pub struct Changes {
    under_way: Mutex<HashMap<SettingKey, Arc<Lock>>>,
}

/// Held by a change; when it ended, where somebody waited for that.
type Lock = tokio::sync::Mutex<Option<Instant>>;

impl Changes {
    /// Waits until nobody else changes the setting. The change is over when what is returned is dropped.
    pub async fn begin(&self, key: SettingKey) -> OwnedMutexGuard<Option<Instant>> {
        let lock = {
            let mut all = self.under_way.lock();
            all.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(all.entry(key).or_default())
        };
        let mut alone = lock.lock_owned().await;
        *alone = None;
        alone
    }

    /// Waits for the end of a change under way; when that was, if there was one. All who wait are told the same moment,
    /// so that they share what they read after it.
    pub async fn waited_for(&self, key: SettingKey) -> Option<Instant> {
        let under_way = |lock: &&Arc<Lock>| Arc::strong_count(lock) > 1;
        let lock = self.under_way.lock().get(&key).filter(under_way).cloned()?;
        let mut ended = lock.lock().await;
        Some(*ended.get_or_insert_with(Instant::now))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::sleep;

    use super::*;
    use crate::domain::{AccountId, AccountKey, AppId, Region};

    fn key(app: &str) -> SettingKey {
        SettingKey {
            account: AccountKey::Account(AccountId("1".to_owned())),
            region: Region("cn-shanghai".to_owned()).setting_region(),
            app: AppId(app.to_owned()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn all_who_wait_for_a_change_are_told_the_same_moment() {
        let changes = Changes::default();
        let began = Instant::now();
        let change = changes.begin(key("a")).await;
        let ends = async {
            sleep(Duration::from_secs(5)).await;
            drop(change);
        };
        let wait = || changes.waited_for(key("a"));
        let (one, two, three, ()) = tokio::join!(wait(), wait(), wait(), ends);
        assert_eq!([one, two, three], [Some(began + Duration::from_secs(5)); 3]);
        assert_eq!(changes.waited_for(key("b")).await, None, "another setting");
        assert_eq!(wait().await, None, "it is over");
    }
}
