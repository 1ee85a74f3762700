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
    under_way: Mutex<HashMap<SettingKey, Arc<tokio::sync::Mutex<()>>>>,
}

impl Changes {
    /// Waits until nobody else changes the setting. The change is over when what is returned is dropped.
    pub async fn begin(&self, key: SettingKey) -> OwnedMutexGuard<()> {
        let lock = {
            let mut all = self.under_way.lock();
            all.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(all.entry(key).or_default())
        };
        lock.lock_owned().await
    }

    /// Waits for the end of a change under way; when that was, if there was one.
    pub async fn waited_for(&self, key: SettingKey) -> Option<Instant> {
        let under_way = |lock: &&Arc<tokio::sync::Mutex<()>>| Arc::strong_count(lock) > 1;
        let lock = self.under_way.lock().get(&key).filter(under_way).cloned()?;
        let _unchanged = lock.lock_owned().await;
        Some(Instant::now())
    }
}
