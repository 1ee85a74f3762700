use std::sync::atomic::{AtomicU32, Ordering};

use futures::future::join_all;
use tokio::time::{advance, sleep};

use super::*;

#[derive(Clone, Debug, PartialEq)]
struct Value {
    n: u32,
    renew_at: Instant,
    end: Instant,
}

impl Held for Value {
    fn freshness(&self, now: Instant) -> Freshness {
        match (self.renew_at <= now, self.end <= now) {
            (_, true) => Freshness::Gone,
            (true, false) => Freshness::Renew,
            (false, false) => Freshness::Good,
        }
    }
}

impl Refusal for &'static str {
    fn lasts(&self) -> bool {
        *self != "expired"
    }
}

/// Counts what it is asked, and answers after a while as it was told.
#[derive(Clone, Default)]
struct Sts {
    asked: Arc<AtomicU32>,
    refuses: Arc<Mutex<Option<&'static str>>>,
}

impl Sts {
    async fn ask(self) -> Result<Value, &'static str> {
        let n = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        sleep(Duration::from_millis(100)).await;
        let now = Instant::now();
        match *self.refuses.lock() {
            Some(error) => Err(error),
            None => Ok(Value {
                n,
                renew_at: now + Duration::from_secs(60),
                end: now + Duration::from_secs(90),
            }),
        }
    }

    fn refuse(&self, error: impl Into<Option<&'static str>>) {
        *self.refuses.lock() = error.into();
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
}

type Asks = AskOnce<Value, &'static str>;

fn id(n: u8) -> CredentialId {
    CredentialId::of_key(&n.to_string(), "ExampleSecret", None)
}

fn at(region: &str) -> EndpointUrl {
    EndpointUrl::parse(&format!("http://{region}.localhost")).unwrap()
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_share_the_one_outcome_a_failure_too() {
    let (asks, sts) = (Asks::new(), Sts::default());
    sts.refuse("no");
    let started = Instant::now();
    let a = at("a");
    let results = join_all((0..50).map(|_| asks.get(id(1), &a, sts.clone().ask()))).await;
    assert!(results.iter().all(|result| *result == Err("no")));
    assert_eq!(sts.asked(), 1);
    assert!(
        started.elapsed() < Duration::from_millis(200),
        "not one after the other"
    );
    assert_eq!(asks.get(id(2), &at("a"), sts.clone().ask()).await, Err("no"));
    assert_eq!(
        sts.asked(),
        2,
        "a corrected secret is another credential and does not wait"
    );
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_remembered_for_a_time_that_grows_to_a_bound_and_a_success_ends_it() {
    let (asks, sts) = (Asks::new(), Sts::default());
    sts.refuse("no");
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let asked = sts.asked();
        let since = Instant::now();
        while sts.asked() == asked {
            let _ = asks.get(id(1), &at("a"), sts.clone().ask()).await;
            advance(Duration::from_millis(500)).await;
        }
        pauses.push(since.elapsed().as_secs());
    }
    assert!(pauses.is_sorted(), "{pauses:?}");
    let longest = *pauses.last().unwrap();
    assert!((29..=32).contains(&longest), "{pauses:?}");
    sts.refuse(None);
    advance(LONGEST_PAUSE).await;
    assert!(asks.get(id(1), &at("a"), sts.clone().ask()).await.is_ok());
    sts.refuse("no");
    advance(Duration::from_secs(100)).await;
    let asked = sts.asked();
    for _ in 0..2 {
        assert!(asks.get(id(1), &at("a"), sts.clone().ask()).await.is_err());
        advance(FIRST_PAUSE).await;
    }
    assert_eq!(sts.asked(), asked + 2, "the pauses begin anew");
}

#[tokio::test(start_paused = true)]
async fn one_bad_address_does_not_decide_for_another() {
    let (asks, good, bad) = (Asks::new(), Sts::default(), Sts::default());
    bad.refuse("no");
    assert_eq!(asks.get(id(1), &at("bad"), bad.clone().ask()).await, Err("no"));
    assert!(asks.get(id(1), &at("good"), good.clone().ask()).await.is_ok());
    assert!(
        asks.get(id(1), &at("bad"), bad.clone().ask()).await.is_ok(),
        "it is known now"
    );
    assert_eq!((good.asked(), bad.asked()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn two_addresses_at_once_are_one_question_unless_the_first_hangs() {
    let (asks, sts) = (Asks::new(), Sts::default());
    let (a, b) = (at("a"), at("b"));
    let (one, two) = tokio::join!(
        asks.get(id(1), &a, sts.clone().ask()),
        asks.get(id(1), &b, sts.clone().ask())
    );
    assert_eq!((one.unwrap().n, two.unwrap().n), (1, 1));
    let hangs = tokio::time::timeout(
        Duration::from_secs(3),
        asks.get(id(2), &a, std::future::pending::<Result<Value, &'static str>>()),
    );
    let started = Instant::now();
    let (hung, answered) = tokio::join!(hangs, async {
        let answered = asks.get(id(2), &b, sts.clone().ask()).await;
        (answered.is_ok(), started.elapsed())
    });
    assert!(hung.is_err() && answered.0);
    assert!(answered.1 < Duration::from_millis(1500), "{:?}", answered.1);
}

#[tokio::test(start_paused = true)]
async fn who_asked_and_went_leaves_the_question_to_the_next() {
    let (asks, sts) = (Asks::new(), Sts::default());
    let went = tokio::time::timeout(Duration::from_millis(10), asks.get(id(1), &at("a"), sts.clone().ask())).await;
    assert!(went.is_err());
    assert_eq!(asks.get(id(1), &at("a"), sts.clone().ask()).await.unwrap().n, 2);
}

#[tokio::test(start_paused = true)]
async fn what_still_holds_is_used_while_it_is_renewed_and_to_its_end() {
    let (asks, sts) = (Asks::new(), Sts::default());
    let a = at("a");
    let get = || asks.get(id(1), &a, sts.clone().ask());
    assert_eq!(get().await.unwrap().n, 1);
    advance(Duration::from_secs(61)).await;
    sts.refuse("no");
    assert_eq!(get().await.unwrap().n, 1, "a failed renewal is nobody's trouble yet");
    assert_eq!(get().await.unwrap().n, 1);
    assert_eq!(sts.asked(), 2, "and it is not repeated at once");
    advance(Duration::from_secs(30)).await;
    assert_eq!(get().await, Err("no"), "its end has come");
    sts.refuse(None);
    advance(Duration::from_secs(30)).await;
    let now = get().await.unwrap();
    asks.invalidate(&id(1), |value| value.n == now.n - 1);
    assert_eq!(get().await, Ok(now.clone()), "a newer one stays");
    asks.invalidate(&id(1), |value| value.n == now.n);
    assert_ne!(get().await, Ok(now));
}

#[tokio::test(start_paused = true)]
async fn an_expired_base_is_not_remembered_as_a_failure() {
    let (asks, sts) = (Asks::new(), Sts::default());
    sts.refuse("expired");
    assert!(asks.get(id(1), &at("a"), sts.clone().ask()).await.is_err());
    sts.refuse(None);
    assert!(asks.get(id(1), &at("a"), sts.clone().ask()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_nobody_asks_for_is_dropped() {
    let (asks, sts) = (Asks::new(), Sts::default());
    for n in 0..100 {
        asks.get(id(n), &at("a"), sts.clone().ask()).await.unwrap();
    }
    advance(IDLE + SWEEP).await;
    asks.get(id(200), &at("a"), sts.clone().ask()).await.unwrap();
    assert_eq!(asks.0.lock().by_id.len(), 1);
}

#[derive(Clone)]
struct Lasting;

impl Held for Lasting {
    fn freshness(&self, _: Instant) -> Freshness {
        Freshness::Good
    }
}

/// Whose account a credential is does not change, and a setting that is checked once a day is no reason to ask again.
#[tokio::test(start_paused = true)]
async fn what_still_answers_is_kept_from_one_daily_check_to_the_next() {
    let asks = AskOnce::<Lasting, &'static str>::new();
    let ask = async |n| asks.get(id(n), &at("a"), async { Ok(Lasting) }).await.is_ok();
    assert!(ask(1).await);
    advance(Duration::from_secs(86_400)).await;
    assert!(ask(2).await && asks.0.lock().by_id.len() == 2);
    advance(IDLE_BUT_GOOD + SWEEP).await;
    assert!(ask(3).await && asks.0.lock().by_id.len() == 1);
}
