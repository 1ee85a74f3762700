use super::*;
use crate::domain::AccountId;

fn key(n: u8) -> AccountKey {
    AccountKey::Account(AccountId(n.to_string()))
}

fn limiter(qps: u32) -> Arc<Limiter> {
    Arc::new(Limiter::new(qps, |_| {}))
}

/// The most arrivals within any `span`.
fn most_within(arrivals: &mut [Instant], span: Duration) -> usize {
    arrivals.sort();
    (0..arrivals.len())
        .map(|i| arrivals[i..].iter().take_while(|at| **at - arrivals[i] < span).count())
        .max()
        .unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn no_second_at_the_service_holds_more_than_the_quota_whatever_the_network_does() {
    for qps in [1, 2, 15] {
        let limiter = limiter(qps);
        let start = Instant::now();
        let calls: Vec<_> = (0..u64::from(qps) * 10)
            .map(|n| {
                let limiter = Arc::clone(&limiter);
                tokio::spawn(async move {
                    let urgency = if n % 3 == 0 { Urgency::Check } else { Urgency::Change };
                    let slot = limiter.acquire(&key(1), Operation::Get, urgency).await.unwrap();
                    sleep(Duration::from_millis(n * 37 % 400)).await;
                    let arrived = Instant::now();
                    sleep(Duration::from_millis(n * 61 % 300)).await;
                    drop(slot);
                    arrived
                })
            })
            .collect();
        let mut arrivals = Vec::new();
        for call in calls {
            arrivals.push(call.await.unwrap());
        }
        let most = most_within(&mut arrivals, Duration::from_secs(1));
        assert!(most <= qps as usize, "{most} in one second with {qps}");
        let floor = Duration::from_secs(9);
        assert!(
            start.elapsed() < floor * 2,
            "{:?} is far from the quota's own floor",
            start.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_passes_a_backlog_of_checks() {
    let limiter = limiter(15);
    let start = Instant::now();
    for _ in 0..500 {
        let limiter = Arc::clone(&limiter);
        tokio::spawn(async move { limiter.acquire(&key(1), Operation::Get, Urgency::Check).await.map(drop) });
    }
    sleep(Duration::from_millis(1500)).await;
    let asked = Instant::now();
    drop(limiter.acquire(&key(1), Operation::Get, Urgency::Change).await.unwrap());
    assert_eq!(
        asked.elapsed(),
        Duration::ZERO,
        "the changes' share of the quota is free"
    );
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn accounts_and_operations_are_counted_apart() {
    let limiter = limiter(1);
    let start = Instant::now();
    for account in [1, 2] {
        for operation in [Operation::Get, Operation::Set, Operation::Delete] {
            drop(
                limiter
                    .acquire(&key(account), operation, Urgency::Change)
                    .await
                    .unwrap(),
            );
        }
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    drop(limiter.acquire(&key(1), Operation::Get, Urgency::Check).await.unwrap());
    assert_eq!(start.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn throttling_rests_that_account_alone() {
    let limiter = limiter(15);
    limiter.throttled(&key(1), Some(Duration::from_secs(60)));
    let paused = limiter
        .acquire(&key(1), Operation::Set, Urgency::Change)
        .await
        .err()
        .unwrap();
    assert_eq!(paused.until - Instant::now(), Duration::from_secs(60));
    assert!(limiter.acquire(&key(2), Operation::Set, Urgency::Change).await.is_ok());
    sleep(Duration::from_secs(59)).await;
    let asked = Instant::now();
    assert!(
        limiter.acquire(&key(1), Operation::Set, Urgency::Change).await.is_ok(),
        "a short rest is waited out"
    );
    assert_eq!(asked.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_wait_loses_nothing() {
    let limiter = limiter(1);
    let slot = limiter.acquire(&key(1), Operation::Get, Urgency::Change).await.unwrap();
    let key = key(1);
    let again = limiter.acquire(&key, Operation::Get, Urgency::Check);
    let waiting = tokio::time::timeout(Duration::from_millis(10), again);
    assert!(waiting.await.is_err());
    drop(slot);
    assert!(limiter.acquire(&key, Operation::Get, Urgency::Check).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn closed_until_a_predecessor_cannot_count_any_more() {
    let limiter = Limiter::new(15, |_| {});
    // The second time it takes over from another process.
    for _ in 0..2 {
        limiter.begin_term();
        let start = Instant::now();
        drop(limiter.acquire(&key(1), Operation::Get, Urgency::Change).await.unwrap());
        assert_eq!(start.elapsed().as_secs(), 1);
    }
}
