use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::cloud::Operation;
use crate::domain::{AccountId, AccountKey};
use crate::quota::{Answered, Calls, NoPermit, SECOND, Urgency};

fn key(n: u8) -> AccountKey {
    AccountKey::Account(AccountId(n.to_string()))
}

fn calls(qps: u32) -> Arc<Calls> {
    Arc::new(Calls::new(qps, |_| {}))
}

async fn call(calls: &Arc<Calls>, urgency: Urgency, there: Duration, back: Duration) -> Instant {
    let mut permit = calls
        .permit(&key(1), Operation::Get, urgency, &CancellationToken::new())
        .await
        .unwrap();
    permit.send();
    sleep(there).await;
    let counted = Instant::now();
    sleep(back).await;
    permit.answered(Answered::Counted);
    counted
}

/// The most of `moments` within any `span`.
fn most_within(moments: &mut [Instant], span: Duration) -> usize {
    moments.sort();
    (0..moments.len())
        .map(|i| moments[i..].iter().take_while(|at| **at - moments[i] < span).count())
        .max()
        .unwrap_or(0)
}

async fn crowd(qps: u32, count: u64, checks: bool, latency: impl Fn(u64) -> (u64, u64)) -> (Vec<Instant>, Duration) {
    let calls = calls(qps);
    let start = Instant::now();
    let all: Vec<_> = (0..count)
        .map(|n| {
            let calls = Arc::clone(&calls);
            let (there, back) = latency(n);
            let urgency = if checks && n % 3 == 0 {
                Urgency::Check
            } else {
                Urgency::Change
            };
            tokio::spawn(async move {
                call(
                    &calls,
                    urgency,
                    Duration::from_millis(there),
                    Duration::from_millis(back),
                )
                .await
            })
        })
        .collect();
    let mut counted = Vec::new();
    for one in all {
        counted.push(one.await.unwrap());
    }
    (counted, start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn no_second_at_the_service_holds_more_than_the_quota_whatever_the_network_does() {
    for qps in [1, 2, 15] {
        let (mut counted, took) = crowd(qps, u64::from(qps) * 10, true, |n| (n * 37 % 400, n * 61 % 300)).await;
        let most = most_within(&mut counted, SECOND);
        assert!(most <= qps as usize, "{most} in one second with {qps}");
        assert!(took < SECOND * 20, "{took:?} is far from the quota's own floor");
    }
}

#[tokio::test(start_paused = true)]
async fn latency_costs_next_to_nothing_of_the_quota() {
    for (there, back) in [(0, 0), (25, 25), (100, 100), (180, 20), (20, 180)] {
        let (mut counted, took) = crowd(15, 300, false, |_| (there, back)).await;
        let most = most_within(&mut counted, Duration::from_millis(990));
        assert!(most <= 15, "{most} with {there}+{back} ms");
        // 300 calls at 15 a second, less the burst of the first moment, and the opening of an unknown account.
        let floor = Duration::from_secs(19) + Duration::from_millis(there + back) * 2;
        assert!(took <= floor.mul_f64(1.06), "{took:?} with {there}+{back} ms");
    }
}

/// So that the work which comes with a crowd's calls does not all come at once; a few that find room need not wait.
#[tokio::test(start_paused = true)]
async fn calls_that_had_to_wait_are_spread() {
    let (mut few, _) = crowd(15, 8, false, |_| (0, 0)).await;
    assert_eq!(most_within(&mut few, Duration::from_millis(1)), 8);
    let (mut many, took) = crowd(15, 90, false, |_| (0, 0)).await;
    many.sort();
    // The first ones go at once: nobody has waited yet.
    let most = most_within(&mut many[15..], Duration::from_millis(60));
    assert!(most <= 4, "{most} in 60 ms");
    assert!(took < SECOND * 6, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_change_passes_a_backlog_of_checks() {
    let calls = calls(15);
    for _ in 0..500 {
        let calls = Arc::clone(&calls);
        tokio::spawn(async move { call(&calls, Urgency::Check, Duration::ZERO, Duration::ZERO).await });
    }
    sleep(Duration::from_millis(2500)).await;
    let asked = Instant::now();
    call(&calls, Urgency::Change, Duration::ZERO, Duration::ZERO).await;
    assert!(asked.elapsed() < SECOND / 10, "{:?}", asked.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_rest_is_kept_by_that_account_alone() {
    let calls = calls(15);
    let until = calls.rest(&key(1), Some(Duration::from_secs(30))).unwrap();
    let never = CancellationToken::new();
    let (calls_of, never_of) = (&calls, &never);
    let asked = async |n| {
        calls_of
            .permit(&key(n), Operation::Set, Urgency::Change, never_of)
            .await
    };
    assert_eq!(asked(1).await.err(), Some(NoPermit::Rests { until }));
    assert!(asked(2).await.is_ok());
    calls.rest(&key(2), Some(Duration::from_millis(1500)));
    let before = Instant::now();
    assert!(asked(2).await.is_ok(), "a short rest is waited out");
    assert!(before.elapsed() >= Duration::from_millis(1500));
    assert_eq!(calls.rest(&key(3), None), None);
    assert!(asked(3).await.is_ok());
    let longest = calls.rest(&key(4), Some(Duration::from_secs(4000))).unwrap();
    assert!(
        longest <= Instant::now() + Duration::from_secs(300),
        "a hint is capped at five minutes"
    );
}

#[tokio::test(start_paused = true)]
async fn whoever_is_interrupted_leaves_the_line() {
    let calls = calls(1);
    let never = CancellationToken::new();
    let mut first = calls
        .permit(&key(1), Operation::Set, Urgency::Change, &never)
        .await
        .unwrap();
    first.send();
    let interrupted = CancellationToken::new();
    let account = key(1);
    let waits = calls.permit(&account, Operation::Set, Urgency::Change, &interrupted);
    let cancel = async {
        sleep(SECOND / 10).await;
        interrupted.cancel();
    };
    let (second, ()) = tokio::join!(waits, cancel);
    assert_eq!(second.err(), Some(NoPermit::Interrupted));
    first.answered(Answered::Counted);
    assert!(
        calls
            .permit(&key(1), Operation::Set, Urgency::Change, &never)
            .await
            .is_ok()
    );
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_was_not_used_costs_nothing() {
    let calls = calls(1);
    let never = CancellationToken::new();
    let asked = Instant::now();
    for _ in 0..10 {
        drop(
            calls
                .permit(&key(1), Operation::Set, Urgency::Change, &never)
                .await
                .unwrap(),
        );
    }
    assert_eq!(asked.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn what_a_predecessor_may_have_called_is_waited_for() {
    let calls = calls(15);
    calls.be_silent();
    let asked = Instant::now();
    call(&calls, Urgency::Change, Duration::ZERO, Duration::ZERO).await;
    assert_eq!(asked.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_predecessor_is_waited_for_no_longer_than_its_calls_count() {
    let calls = calls(15);
    calls.be_silent();
    let asked = Instant::now();
    let left = Duration::from_millis(300);
    let tell = async {
        sleep(Duration::from_millis(100)).await;
        calls.silent_for(left);
        // What is known already is not forgotten.
        calls.silent_for(SECOND);
    };
    tokio::join!(tell, call(&calls, Urgency::Change, Duration::ZERO, Duration::ZERO));
    assert_eq!(asked.elapsed(), Duration::from_millis(400));
}

#[tokio::test(start_paused = true)]
async fn calls_without_an_answer_do_not_hold_the_account_for_ever() {
    let calls = calls(2);
    let never = CancellationToken::new();
    let mut hung = Vec::new();
    for _ in 0..2 {
        let mut permit = calls
            .permit(&key(1), Operation::Get, Urgency::Change, &never)
            .await
            .unwrap();
        permit.send();
        hung.push(permit);
    }
    let asked = Instant::now();
    assert!(
        calls
            .permit(&key(1), Operation::Get, Urgency::Change, &never)
            .await
            .is_ok()
    );
    assert!(asked.elapsed() <= Duration::from_secs(5), "{:?}", asked.elapsed());
}

/// An account that lets only some calls through: how long 80 take, and how many are refused.
#[tokio::test(start_paused = true)]
async fn a_smaller_share_is_found_with_few_refusals() {
    let calls = calls(15);
    let share = 4;
    let (mut through, mut refused) = (Vec::<Instant>::new(), 0);
    let start = Instant::now();
    while through.len() < 80 {
        let never = CancellationToken::new();
        let mut permit = calls
            .permit(&key(1), Operation::Get, Urgency::Change, &never)
            .await
            .unwrap();
        permit.send();
        let now = Instant::now();
        let lately = through.iter().filter(|at| **at + SECOND > now).count();
        if lately < share {
            through.push(now);
            permit.answered(Answered::Counted);
        } else {
            refused += 1;
            permit.answered(Answered::Throttled);
        }
    }
    let floor = Duration::from_secs(80 / 4);
    assert!(start.elapsed() <= floor.mul_f64(1.5), "{:?}", start.elapsed());
    assert!(refused <= 8, "{refused} refused");
}

/// The process stood still while a call was on its way, or the service was slow: when it counted the call is known to nobody,
/// but it was before it answered.
#[tokio::test(start_paused = true)]
async fn a_call_counts_for_a_second_after_its_answer_however_late_that_is() {
    let calls = calls(2);
    let mut late = calls
        .permit(&key(1), Operation::Get, Urgency::Change, &CancellationToken::new())
        .await
        .unwrap();
    late.send();
    sleep(Duration::from_secs(12)).await;
    let answered = Instant::now();
    late.answered(Answered::Counted);
    let next = || call(&calls, Urgency::Change, Duration::ZERO, Duration::ZERO);
    next().await;
    assert!(next().await >= answered + SECOND, "two in this second were enough");
}
