use std::collections::VecDeque;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::ListMeta;
use kube::core::watch::{Bookmark, BookmarkMeta};
use parking_lot::Mutex;

use super::*;
use crate::health::Health;

/// What the server does about one request.
enum Answer {
    /// A page: its names, and whether more follow.
    Page(&'static [&'static str], bool),
    Refuse(u16),
    Nothing,
    /// A watch: these changes, and then its end, or silence.
    Changes(Vec<WatchEvent<ConfigMap>>, Then),
}

enum Then {
    Ends,
    Silence,
}

fn config_map(name: &str, version: &str) -> ConfigMap {
    let mut object = ConfigMap::default();
    object.metadata.name = Some(name.to_owned());
    object.metadata.resource_version = Some(version.to_owned());
    object
}

fn refusal(code: u16) -> Status {
    Status::failure("no", "No").with_code(code)
}

/// A server that goes by a script, and then repeats what comes after it for ever.
struct Script {
    answers: Mutex<VecDeque<Answer>>,
    then: fn() -> Answer,
    asked: Mutex<Vec<(String, Duration)>>,
    start: Instant,
}

impl Script {
    fn new(answers: impl IntoIterator<Item = Answer>, then: fn() -> Answer) -> Self {
        Self {
            answers: Mutex::new(answers.into_iter().collect()),
            then,
            asked: Mutex::default(),
            start: Instant::now(),
        }
    }

    fn next(&self, asked: String) -> Answer {
        self.asked.lock().push((asked, self.start.elapsed()));
        let next = self.answers.lock().pop_front();
        next.unwrap_or_else(self.then)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().iter().map(|(what, _)| what.clone()).collect()
    }

    /// The seconds between one request and the next.
    fn pauses(&self) -> Vec<u64> {
        let asked = self.asked.lock();
        let gaps = asked.windows(2).map(|pair| pair[1].1 - pair[0].1);
        gaps.map(|gap| gap.as_secs()).collect()
    }
}

impl Source for Script {
    type Object = ConfigMap;

    async fn page(&self, from: Option<String>) -> kube::Result<ObjectList<ConfigMap>> {
        match self.next(format!("list {}", from.unwrap_or_default())) {
            Answer::Page(names, more) => Ok(ObjectList {
                types: kube::core::TypeMeta::list::<ConfigMap>(),
                metadata: ListMeta {
                    continue_: more.then(|| "more".to_owned()),
                    resource_version: Some("100".to_owned()),
                    ..ListMeta::default()
                },
                items: names.iter().map(|name| config_map(name, "1")).collect(),
            }),
            Answer::Refuse(code) => Err(kube::Error::Api(refusal(code).boxed())),
            Answer::Nothing => std::future::pending().await,
            Answer::Changes(..) => panic!("a list was asked for"),
        }
    }

    async fn watch(&self, version: &str) -> kube::Result<Changes<ConfigMap>> {
        match self.next(format!("watch {version}")) {
            Answer::Changes(changes, then) => {
                let changes = futures::stream::iter(changes.into_iter().map(Ok));
                Ok(match then {
                    Then::Ends => changes.boxed(),
                    Then::Silence => changes.chain(futures::stream::pending()).boxed(),
                })
            }
            Answer::Refuse(code) => Err(kube::Error::Api(refusal(code).boxed())),
            Answer::Nothing => std::future::pending().await,
            Answer::Page(..) => panic!("a watch was asked for"),
        }
    }
}

fn silence() -> Answer {
    Answer::Changes(Vec::new(), Then::Silence)
}

fn ended(code: u16) -> Answer {
    Answer::Changes(vec![WatchEvent::Error(refusal(code).boxed())], Then::Ends)
}

/// What was told within so many seconds, and whether there was a sign of life after the first failure.
async fn told(script: &Script, seconds: u64) -> (Vec<String>, bool) {
    let health = Health::new(Duration::ZERO);
    let life = health.watch("resources", "x");
    let mut told = Vec::new();
    let tell = |event: Event<ConfigMap>| {
        told.push(match event {
            Event::Init => "init".to_owned(),
            Event::InitApply(object) => format!("listed {}", object.name_any()),
            Event::InitDone => "done".to_owned(),
            Event::Apply(object) => format!("changed {}", object.name_any()),
            Event::Delete(object) => format!("deleted {}", object.name_any()),
        });
    };
    let mut first = true;
    // Being stuck lasts until the next sign of life; a refusal's own comes before it is told.
    health.stuck("x");
    let failed = |trouble: &Trouble| {
        if std::mem::take(&mut first) && !trouble.is_refusal() {
            health.stuck("x");
        }
    };
    let following = follow(script, Duration::from_secs(60), &life, tell, failed);
    let _ = timeout(Duration::from_secs(seconds), following).await;
    (told, health.healthy().is_ok())
}

#[tokio::test(start_paused = true)]
async fn all_pages_and_then_all_changes_are_told() {
    let mark = Bookmark {
        types: kube::core::TypeMeta::resource::<ConfigMap>(),
        metadata: BookmarkMeta {
            resource_version: "300".to_owned(),
            annotations: std::collections::BTreeMap::new(),
        },
    };
    let changes = vec![
        WatchEvent::Modified(config_map("a", "101")),
        WatchEvent::Added(config_map("d", "102")),
        WatchEvent::Deleted(config_map("b", "103")),
        WatchEvent::Bookmark(mark),
    ];
    let script = Script::new(
        [
            Answer::Page(&["a", "b"], true),
            Answer::Page(&["c"], false),
            Answer::Changes(changes, Then::Silence),
        ],
        silence,
    );
    let (told, _) = told(&script, 70).await;
    assert_eq!(
        told,
        [
            "init",
            "listed a",
            "listed b",
            "listed c",
            "done",
            "changed a",
            "changed d",
            "deleted b"
        ]
    );
    assert_eq!(
        script.asked(),
        ["list ", "list more", "watch 100", "watch 300"],
        "a watch that the server should have ended is begun anew, from what was told last"
    );
    assert_eq!(script.pauses(), [0, 0, 66]);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_always_fails_backs_off_and_is_no_sign_of_life() {
    for code in [429, 500, 504] {
        let script = Script::new([Answer::Refuse(code)], || Answer::Refuse(503));
        let (told, alive) = told(&script, 100).await;
        assert_eq!(script.pauses(), [1, 2, 4, 8, 16, 30, 30], "{code}");
        assert!(!alive);
        assert!(told.iter().all(|event| event == "init"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_whose_second_page_always_fails_backs_off_too() {
    let pages = || [Answer::Page(&["a"], true), Answer::Refuse(410)];
    let script = Script::new((0..6).flat_map(|_| pages()), || Answer::Nothing);
    let (told, alive) = told(&script, 100).await;
    assert!(!alive, "the same first page again is no progress");
    let between: Vec<_> = script.pauses().into_iter().skip(1).step_by(2).collect();
    assert_eq!(
        between,
        [0, 2, 4, 8, 16, 30],
        "a list that expired is begun anew at once, the first time"
    );
    assert!(!told.contains(&"done".to_owned()));
}

/// Of a long list, one page in ten is refused, and it comes to its end all the same.
#[tokio::test(start_paused = true)]
async fn a_page_that_fails_in_passing_does_not_begin_the_list_anew() {
    let pages = [
        Answer::Page(&["a"], true),
        Answer::Refuse(429),
        Answer::Refuse(503),
        Answer::Page(&["b"], true),
        Answer::Refuse(500),
        Answer::Page(&["c"], false),
    ];
    let script = Script::new(pages, silence);
    let (told, alive) = told(&script, 30).await;
    assert_eq!(told, ["init", "listed a", "listed b", "listed c", "done"]);
    assert!(alive);
    assert_eq!(script.pauses(), [0, 1, 2, 0, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_not_answered_is_given_up_and_is_no_sign_of_life() {
    let script = Script::new([], || Answer::Nothing);
    let (_, alive) = told(&script, 100).await;
    assert_eq!(script.pauses(), [31, 32, 34]);
    assert!(!alive);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_backs_off_and_is_a_sign_of_life() {
    for code in [403, 404] {
        let script = Script::new([Answer::Refuse(code)], || Answer::Refuse(403));
        let (_, alive) = told(&script, 20).await;
        assert_eq!(script.pauses(), [1, 2, 4, 8], "{code}");
        assert!(alive);
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_expired_begins_with_a_new_list_at_once() {
    for expired in [|| ended(410), || Answer::Refuse(410)] {
        let list = || Answer::Page(&["a"], false);
        let script = Script::new([list(), expired(), list()], silence);
        let (told, _) = told(&script, 10).await;
        assert_eq!(script.asked(), ["list ", "watch 100", "list ", "watch 100"]);
        assert_eq!(script.pauses(), [0, 0, 0]);
        assert_eq!(told, ["init", "listed a", "done", "init", "listed a", "done"]);
    }
}

#[tokio::test(start_paused = true)]
async fn watches_that_expire_each_time_back_off() {
    let rounds = (0..5).flat_map(|_| [Answer::Page(&["a"], false), ended(410)]);
    let script = Script::new(rounds, || Answer::Nothing);
    told(&script, 40).await;
    let between: Vec<_> = script.pauses().into_iter().skip(1).step_by(2).collect();
    assert_eq!(between, [0, 2, 4, 8, 16]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_fails_goes_on_where_it_was_and_backs_off() {
    let list = Answer::Page(&["a"], false);
    let change = WatchEvent::Modified(config_map("a", "150"));
    let failing = Answer::Changes(vec![change, WatchEvent::Error(refusal(500).boxed())], Then::Ends);
    let script = Script::new([list, failing], || Answer::Refuse(500));
    let (_, alive) = told(&script, 20).await;
    assert_eq!(script.asked()[..3], ["list ", "watch 100", "watch 150"]);
    assert_eq!(script.pauses(), [0, 1, 2, 4, 8]);
    assert!(!alive);
}

#[tokio::test(start_paused = true)]
async fn watches_that_are_ended_at_once_back_off() {
    let script = Script::new([Answer::Page(&["a"], false)], || {
        Answer::Changes(Vec::new(), Then::Ends)
    });
    told(&script, 35).await;
    assert_eq!(script.pauses(), [0, 1, 2, 4, 8, 16]);
}

#[tokio::test(start_paused = true)]
async fn after_it_has_worked_for_a_while_the_pauses_are_short_again() {
    let fail = || Answer::Refuse(500);
    let script = Script::new([fail(), fail(), fail(), Answer::Page(&[], false)], silence);
    told(&script, 200).await;
    assert_eq!(script.pauses()[..3], [1, 2, 4]);
    let mut pause = Pause::new();
    assert_eq!(pause.next(), FIRST_PAUSE);
    assert_eq!(pause.next(), FIRST_PAUSE * 2);
    pause.works();
    tokio::time::advance(FIRST_PAUSE).await;
    assert_eq!(pause.next(), FIRST_PAUSE * 4, "for less than was waited last");
    pause.works();
    tokio::time::advance(FIRST_PAUSE * 4).await;
    assert_eq!(pause.next(), FIRST_PAUSE);
}
