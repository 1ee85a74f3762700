//! Issue 13: for generated specs and live settings, the calls that the operator makes are exactly those that `plan`
//! announced; when they are applied first, and when specs, keys and live settings change later.

use std::collections::BTreeMap;

use harness::{Vmc, conditions, eventually};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use vod_endpoint::{Behaviour, ShowKey};

use crate::stage::{REGION, Stage, app, done};

const CASES: usize = 32;
const URLS: [&str; 2] = ["https://hooks.example.com/vod", "https://other.example.com/vod"];
const QUEUES: [&str; 2] = ["one", "two"];
const ENDPOINT: &str = "http://1234567.mns.cn-shanghai.aliyuncs.com/";
const EVENTS: [&str; 4] = ["", "ALL", "FileUploadComplete", "TranscodeComplete,FileUploadComplete"];
const KEYS: [(&str, &str); 2] = [("first", "FirstKey1"), ("second", "SecondKey2")];

/// What may be asked for, and what may be there: of few values, so that they are often equal.
#[derive(Clone, Debug)]
struct Setting {
    queue: bool,
    place: usize,
    events: usize,
    /// Signed or not, with which key.
    auth: Option<(bool, usize)>,
}

#[derive(Clone, Debug)]
struct Asked {
    setting: Setting,
    policy: &'static str,
    suspend: bool,
}

/// What happens to a resource later.
#[derive(Clone, Debug)]
struct Later {
    edit: Option<Asked>,
    /// What somebody sets behind everybody's back; `Some(None)`: it is removed.
    tamper: Option<Option<Setting>>,
}

fn setting() -> impl Strategy<Value = Setting> {
    let auth = prop_oneof![3 => Just(None), 2 => (any::<bool>(), 0..KEYS.len()).prop_map(Some)];
    (prop::bool::weighted(0.3), 0..2usize, 0..EVENTS.len(), auth).prop_map(|(queue, place, events, auth)| Setting {
        queue,
        place,
        events,
        auth,
    })
}

fn asked() -> impl Strategy<Value = Asked> {
    let policy = prop_oneof![3 => Just("Enforce"), 1 => Just("ApplyOnly"), 1 => Just("Observe")];
    (setting(), policy, prop::bool::weighted(0.1)).prop_map(|(setting, policy, suspend)| Asked {
        setting,
        policy,
        suspend,
    })
}

fn case() -> impl Strategy<Value = (Asked, Option<Setting>, Later)> {
    let same = prop::bool::weighted(0.4);
    let live = prop::option::weighted(0.7, setting());
    let later = (
        prop::option::of(asked()),
        prop::option::weighted(0.4, prop::option::weighted(0.8, setting())),
    )
        .prop_map(|(edit, tamper)| Later { edit, tamper });
    (asked(), live, same, later).prop_map(|(asked, live, same, later)| {
        let live = live.map(|live| if same { asked.setting.clone() } else { live });
        (asked, live, later)
    })
}

impl Setting {
    fn fields(&self) -> Vec<(&'static str, &'static str)> {
        let mut fields = vec![("EventTypeList", EVENTS[self.events])];
        if self.queue {
            fields.extend([
                ("CallbackType", "MNS"),
                ("MnsEndpoint", ENDPOINT),
                ("MnsQueueName", QUEUES[self.place]),
            ]);
        } else {
            let signed = matches!(self.auth, Some((true, _)));
            fields.extend([("CallbackType", "HTTP"), ("CallbackURL", URLS[self.place])]);
            fields.push(("AuthSwitch", if signed { "on" } else { "off" }));
            fields.extend(self.auth.map(|(_, key)| ("AuthKey", KEYS[key].1)));
        }
        fields
    }
}

impl Asked {
    fn vmc(&self, stage: &Stage, name: &str, token: &str) -> Vmc {
        let Setting {
            queue,
            place,
            events,
            auth,
        } = &self.setting;
        let vmc = if *queue {
            Vmc::mns(&stage.ns, name, ENDPOINT, QUEUES[*place])
        } else {
            let mut http = json!({ "url": URLS[*place] });
            if let Some((enabled, key)) = auth {
                http["auth"] = json!({ "enabled": enabled, "keySecretRef": { "name": KEYS[*key].0 } });
            }
            Vmc::http(&stage.ns, name, URLS[*place]).field("http", http)
        };
        vmc.app_id(&app(name))
            .events(EVENTS[*events].split(',').filter(|t| !t.is_empty()))
            .management_policy(self.policy)
            .suspend(self.suspend)
            .annotation("vod-operator.dev/reconcile-requested-at", token)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_calls_made_are_exactly_those_announced() {
    let hides = Behaviour {
        sort_events: true,
        expand_all: true,
        key: ShowKey::Hidden,
        ..Behaviour::default()
    };
    let keeps = Behaviour {
        keep_stale: true,
        ..Behaviour::default()
    };
    let mut runner = TestRunner::deterministic();
    for (round, behaviour) in [("a", keeps), ("b", hides)] {
        let stage = Stage::set().await;
        stage.endpoint.world().behaviour = behaviour;
        for (name, key) in KEYS {
            stage
                .cluster
                .secret(&stage.ns, name, &[("authKey", key)])
                .await
                .unwrap();
        }
        let cases: Vec<_> = (0..CASES)
            .map(|_| case().new_tree(&mut runner).unwrap().current())
            .collect();
        let names: Vec<String> = (0..CASES).map(|n| format!("case-{round}{n}")).collect();
        for (name, (_, live, _)) in names.iter().zip(&cases) {
            if let Some(live) = live {
                stage.put(REGION, &app(name), &live.fields());
            }
        }
        let first: Vec<Vmc> = names
            .iter()
            .zip(&cases)
            .map(|(name, (asked, ..))| asked.vmc(&stage, name, "1"))
            .collect();
        let announced = announced(&stage, &first).await;
        let _operator = stage.operator(&["--check-interval", "1h"]).await;
        let made = apply(&stage, &names, &first, "1").await;
        compare(&names, &announced, &made, &cases);

        for (name, (_, _, later)) in names.iter().zip(&cases) {
            if let Some(tampered) = &later.tamper {
                stage.remove(REGION, &app(name));
                if let Some(setting) = tampered {
                    stage.put(REGION, &app(name), &setting.fields());
                }
            }
        }
        let second = |(name, (asked, _, later)): (&String, &(Asked, _, Later))| {
            later.edit.as_ref().unwrap_or(asked).vmc(&stage, name, "2")
        };
        let second: Vec<Vmc> = names.iter().zip(&cases).map(second).collect();
        let announced = self::announced(&stage, &second).await;
        let made = apply(&stage, &names, &second, "2").await;
        compare(&names, &announced, &made, &cases);
    }
}

/// How many Sets `plan` announces of each resource.
async fn announced(stage: &Stage, all: &[Vmc]) -> BTreeMap<String, (usize, String)> {
    let text: Vec<String> = all.iter().map(Vmc::to_yaml).collect();
    let file = stage.dir.write("all.yaml", &text.join("---\n"));
    let planned = done(stage.command(&["plan", "-f", &file, "-o", "json"])).await;
    assert!([0, 1].contains(&planned.code), "{planned:?}");
    let report: Value = serde_json::from_str(&planned.stdout).unwrap();
    let of = |item: &Value| {
        let action = item["action"].as_str().unwrap();
        assert!(!["unknown", "refuse", "stall"].contains(&action), "{item}");
        let name = item["name"].as_str().unwrap().to_owned();
        (name, (usize::from(action == "set"), item["message"].to_string()))
    };
    report["resources"].as_array().unwrap().iter().map(of).collect()
}

/// Applies all, waits until the operator has dealt with each, and counts the Sets it made.
async fn apply(stage: &Stage, names: &[String], all: &[Vmc], token: &str) -> BTreeMap<String, usize> {
    let sets = |name: &String| stage.endpoint.world().count("SetMessageCallback", &app(name));
    let before: Vec<usize> = names.iter().map(sets).collect();
    for vmc in all {
        stage.apply(vmc).await;
    }
    for name in names {
        eventually(&format!("{name} is dealt with"), async || {
            let vmc = stage.cluster.vmc(&stage.ns, name).await.unwrap().unwrap();
            let handled = vmc["status"]["lastHandledReconcileAt"] == token;
            let of_now = vmc["status"]["observedGeneration"] == vmc["metadata"]["generation"];
            handled && of_now && !conditions(&vmc).is_empty()
        })
        .await
        .unwrap();
    }
    let made = names
        .iter()
        .zip(before)
        .map(|(name, before)| (name.clone(), sets(name) - before));
    made.collect()
}

fn compare(
    names: &[String],
    announced: &BTreeMap<String, (usize, String)>,
    made: &BTreeMap<String, usize>,
    cases: &[(Asked, Option<Setting>, Later)],
) {
    for (name, case) in names.iter().zip(cases) {
        let (sets, message) = &announced[name];
        assert_eq!(*sets, made[name], "{name}: announced {message}; {case:#?}");
    }
    let sum: usize = made.values().sum();
    assert!(
        sum > 0 && sum < made.len(),
        "some are set and some are not, or this shows nothing: {sum}"
    );
}
