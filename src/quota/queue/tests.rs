use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use crate::domain::{AccountId, AccountKey};
use crate::quota::queue::{Line, Owner, Position, Queue};
use crate::quota::{SECOND, Sizes, Urgency};

const SIZES: Sizes = Sizes { passes: 16, each: 4 };

fn account(n: u32) -> AccountKey {
    AccountKey::Account(AccountId(n.to_string()))
}

fn line(n: u32, endpoint: &str) -> Line {
    Line {
        owner: Owner::Account(account(n)),
        endpoint: endpoint.to_owned(),
    }
}

fn drain(queue: &mut Queue<u32>, now: Instant) -> Vec<u32> {
    std::iter::from_fn(|| queue.begin(now)).map(|begun| begun.key).collect()
}

fn filled(rows: &[(u32, Line, Urgency)]) -> (Queue<u32>, Instant) {
    let now = Instant::now();
    let mut queue = Queue::new(SIZES);
    for (key, line, urgency) in rows {
        queue.wait(key, line.clone(), *urgency, Position::Tail, now);
    }
    (queue, now)
}

/// However few work at once: throttled accounts wait for their permits with all the passes that a line may have.
#[test]
fn accounts_that_wait_leave_room_for_another_ones_change_whatever_the_concurrency() {
    for concurrency in [1, 2, 4, 64] {
        let mut queue = Queue::new(Sizes::of(concurrency, 15));
        let now = Instant::now();
        for account in 0..10 {
            for n in 0..100 {
                queue.wait(
                    &(account * 1000 + n),
                    line(account, "x"),
                    Urgency::Change,
                    Position::Tail,
                    now,
                );
            }
        }
        assert_eq!(drain(&mut queue, now).len(), 10 * 30, "concurrency {concurrency}");
        queue.wait(&99_999, line(99, "x"), Urgency::Change, Position::Tail, now);
        assert_eq!(drain(&mut queue, now), [99_999], "concurrency {concurrency}");
    }
}

/// A rest that is over is no moment to wait for, also while nothing can begin.
#[test]
fn a_rest_that_is_over_is_waited_for_once() {
    let (mut queue, now) = filled(&[(1, line(1, "x"), Urgency::Change)]);
    queue.rest(&account(1), now + SECOND);
    assert_eq!(drain(&mut queue, now), [0; 0]);
    assert_eq!(queue.next_event(), Some(now + SECOND));
    queue.wake_rested(now + SECOND);
    assert_eq!(queue.next_event(), None);
    assert_eq!(drain(&mut queue, now + SECOND), [1]);
}

#[test]
fn lines_take_turns_and_changes_go_before_checks() {
    use Urgency::{Change, Check};
    let (a, b) = (line(1, "x"), line(2, "x"));
    let mut rows: Vec<_> = (0..10).map(|n| (n, a.clone(), Check)).collect();
    rows.extend([(10, a.clone(), Change), (20, b.clone(), Change), (21, b, Check)]);
    let (mut queue, now) = filled(&rows);
    // Of line `a` the change is first, then checks, but these leave room for a change.
    assert_eq!(drain(&mut queue, now), [10, 0, 20, 21, 1]);
    queue.wait(&30, a, Change, Position::Tail, now);
    assert_eq!(drain(&mut queue, now), [30], "the room that was left");
    assert_eq!((queue.running(), queue.waiting()), (6, 8));
    queue.ended(&0);
    assert_eq!(drain(&mut queue, now), [2], "a check takes a check's place");
}

#[test]
fn a_backlog_of_one_account_does_not_stand_in_anothers_way() {
    let mut rows: Vec<_> = (0..1000).map(|n| (n, line(1, "x"), Urgency::Change)).collect();
    rows.push((2000, line(2, "x"), Urgency::Change));
    let (mut queue, now) = filled(&rows);
    assert!(drain(&mut queue, now).contains(&2000));
    assert_eq!(queue.running(), SIZES.each + 1);
}

const MANY: Sizes = Sizes { passes: 600, each: 4 };

#[test]
fn who_did_something_just_now_need_not_wait_for_a_turn_of_all_others() {
    let now = Instant::now();
    let mut queue = Queue::new(MANY);
    for n in 0..200 {
        for m in 0..4 {
            queue.wait(&(n * 10 + m), line(n, "x"), Urgency::Backlog, Position::Tail, now);
        }
    }
    queue.begin(now).unwrap();
    queue.wait(&5000, line(500, "x"), Urgency::Change, Position::Tail, now);
    queue.wait(&1999, line(199, "x"), Urgency::Change, Position::Tail, now);
    let next: Vec<u32> = (0..4).map(|_| queue.begin(now).unwrap().key).collect();
    assert_eq!(next, [5000, 10, 1999, 20], "every other turn");
    assert!(!queue.waits_for_quota(&30), "its turn has not come");
}

#[test]
fn a_crowd_of_changes_of_one_account_starves_nobody() {
    let now = Instant::now();
    let mut queue = Queue::new(MANY);
    for n in 0..100 {
        queue.wait(&n, line(1, "x"), Urgency::Change, Position::Tail, now);
        queue.wait(&(1000 + n), line(2 + n, "x"), Urgency::Backlog, Position::Tail, now);
    }
    let first: Vec<u32> = (0..40).map(|_| queue.begin(now).unwrap().key).collect();
    let of_the_crowd = first.iter().filter(|key| **key < 1000).count();
    assert!(of_the_crowd <= MANY.each, "{first:?}");
    assert!(!queue.waits_for_quota(&50), "its turn has not come");
    drain(&mut queue, now);
    assert!(queue.waits_for_quota(&50), "its account's places are taken");
}

#[test]
fn many_secrets_of_one_account_share_its_places() {
    let now = Instant::now();
    let mut queue = Queue::new(SIZES);
    let mut waits = Vec::new();
    for n in 0..10 {
        let unknown = Line {
            owner: Owner::Credential(format!("media/secret-{n}")),
            endpoint: "x".to_owned(),
        };
        queue.wait(&n, unknown, Urgency::Change, Position::Tail, now);
    }
    let begun = drain(&mut queue, now);
    // Each has found that it works for account 1.
    for key in &begun {
        if !queue.join(key, &line(1, "x")) {
            queue.ended(key);
            queue.wait(key, line(1, "x"), Urgency::Change, Position::Tail, now);
            waits.push(*key);
        }
    }
    assert_eq!(begun.len() - waits.len(), SIZES.each);
    queue.ended(begun.first().unwrap());
    assert_eq!(
        drain(&mut queue, now).len(),
        3,
        "one of the account, two that do not know it yet"
    );
}

#[test]
fn endpoints_that_hang_always_leave_room() {
    let now = Instant::now();
    let mut queue = Queue::new(SIZES);
    let mut key = 0;
    for endpoint in ["a", "b", "c", "d"] {
        // Many accounts at each, all of them without an answer.
        for n in 0..20 {
            key += 1;
            queue.wait(&key, line(n, endpoint), Urgency::Change, Position::Tail, now);
        }
        drain(&mut queue, now);
        assert!(queue.running() < SIZES.passes, "{endpoint}: {}", queue.running());
    }
    queue.wait(&1000, line(50, "well"), Urgency::Change, Position::Tail, now);
    assert_eq!(drain(&mut queue, now), [1000]);
}

#[test]
fn what_waits_keeps_its_place_but_not_its_content() {
    use Urgency::{Change, Check};
    let (mut queue, now) = filled(&[
        (1, line(1, "x"), Check),
        (2, line(1, "x"), Check),
        (3, line(1, "x"), Change),
    ]);
    // A check becomes a change: it goes behind the changes that wait already, before the checks.
    queue.wait(&2, line(1, "x"), Change, Position::Tail, now + SECOND);
    assert_eq!(queue.waits_since(&2), Some(now), "it has waited as long");
    // A change that is asked to be a check stays what it was.
    queue.wait(&3, line(1, "x"), Check, Position::Tail, now + SECOND);
    queue.wait(&4, line(1, "x"), Change, Position::Head, now + SECOND);
    assert_eq!(drain(&mut queue, now), [4, 3, 2, 1]);
}

#[test]
fn one_that_is_withdrawn_is_not_begun_and_leaves_nothing() {
    let (mut queue, now) = filled(&[(1, line(1, "x"), Urgency::Change), (2, line(2, "y"), Urgency::Check)]);
    queue.withdraw(&1);
    queue.withdraw(&7);
    assert_eq!(drain(&mut queue, now), [2]);
    queue.withdraw(&2);
    assert!(queue.is_running(&2), "its turn has begun");
    queue.ended(&2);
    assert_eq!((queue.running(), queue.waiting()), (0, 0));
    assert!(queue.begin(now).is_none());
    assert!(format!("{queue:?}").contains("lines: {}, endpoints: {}"), "{queue:?}");
}

#[test]
fn an_account_that_rests_begins_nothing_and_then_goes_on() {
    let (mut queue, now) = filled(&[(1, line(1, "x"), Urgency::Change), (2, line(2, "x"), Urgency::Change)]);
    queue.rest(&account(1), now + SECOND * 30);
    assert_eq!(drain(&mut queue, now), [2]);
    assert_eq!(queue.next_event(), Some(now + SECOND * 30));
    assert_eq!(drain(&mut queue, now + SECOND * 29), [0_u32; 0]);
    assert_eq!(drain(&mut queue, now + SECOND * 30), [1]);
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u32, u32, u8, bool, bool),
    Withdraw(u32),
    Begin,
    End(usize),
    Join(usize, u32),
    Rest(u32, u64),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..40u32, 0..5u32, 0..3u8, any::<bool>(), any::<bool>()).prop_map(|(k, a, e, c, h)| Step::Wait(k, a, e, c, h)),
        1 => (0..40u32).prop_map(Step::Withdraw),
        4 => Just(Step::Begin),
        3 => any::<prop::sample::Index>().prop_map(|i| Step::End(i.index(1000))),
        1 => (0..1000usize, 0..5u32).prop_map(|(i, a)| Step::Join(i, a)),
        1 => (0..5u32, 0..5u64).prop_map(|(a, s)| Step::Rest(a, s)),
        1 => (0..3u64).prop_map(Step::Pass),
    ]
}

proptest! {
    /// Whatever happens: nothing is begun twice, the bounds hold, and in the end everybody who waits gets a turn.
    #[test]
    fn everybody_gets_a_turn_within_the_bounds(steps in proptest::collection::vec(step(), 1..200)) {
        let mut now = Instant::now();
        let mut queue = Queue::new(SIZES);
        let mut running: Vec<u32> = Vec::new();
        for step in steps {
            match step {
                Step::Wait(key, a, endpoint, change, head) => {
                    let urgency = if change { Urgency::Change } else { Urgency::Check };
                    let position = if head { Position::Head } else { Position::Tail };
                    queue.wait(&key, line(a, &endpoint.to_string()), urgency, position, now);
                }
                Step::Withdraw(key) => queue.withdraw(&key),
                Step::Begin => {
                    if let Some(begun) = queue.begin(now) {
                        prop_assert!(!running.contains(&begun.key));
                        running.push(begun.key);
                    }
                }
                Step::End(at) if !running.is_empty() => {
                    let key = running.swap_remove(at % running.len());
                    queue.ended(&key);
                }
                Step::Join(at, a) if !running.is_empty() => {
                    let key = running[at % running.len()];
                    if !queue.join(&key, &line(a, "0")) {
                        running.retain(|k| *k != key);
                        queue.ended(&key);
                        queue.wait(&key, line(a, "0"), Urgency::Change, Position::Tail, now);
                    }
                }
                Step::Rest(a, seconds) => queue.rest(&account(a), now + Duration::from_secs(seconds)),
                Step::Pass(seconds) => now += Duration::from_secs(seconds),
                Step::End(_) | Step::Join(..) => {}
            }
            prop_assert!(queue.running() <= SIZES.passes);
            prop_assert_eq!(queue.running(), running.len());
        }
        now += Duration::from_secs(10);
        let mut rounds = 0;
        while queue.waiting() > 0 || !running.is_empty() {
            while let Some(begun) = queue.begin(now) {
                running.push(begun.key);
            }
            for key in running.drain(..) {
                queue.ended(&key);
            }
            rounds += 1;
            prop_assert!(rounds < 100, "{:?}", queue);
        }
        prop_assert!(queue.begin(now).is_none());
        prop_assert!(format!("{queue:?}").contains("lines: {}, endpoints: {}"), "{:?}", queue);
    }
}
