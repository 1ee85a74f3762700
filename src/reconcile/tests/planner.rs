//! The planner against a service that words things in its own way, somebody who changes the setting behind its back,
//! and a user who changes the spec and the key: whatever happens, a few looks later it is at rest, and a Set is made
//! only where the service may hold something else.

use proptest::prelude::*;
use zeroize::Zeroizing;

use crate::api::{AppliedHttp, AppliedKeySecret, AppliedSetting, CallbackType, ManagementPolicy, MnsTarget};
use crate::domain::{Auth, AuthKey, Baseline, LiveSetting, ReadBack, Setting, Target};
use crate::reconcile::decide::{KeyStanding, Observed, Plan};

const EXPANDED: &str = "FileUploadComplete,SnapshotComplete,TranscodeComplete";
const KEYS: [&str; 3] = ["ExampleKey1", "ExampleKey2", "ExampleKey3"];
/// More looks than any way to rest takes.
const LOOKS: usize = 6;

/// What a user asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wish {
    target: usize,
    auth: Option<bool>,
    key: usize,
    events: Vec<String>,
}

impl Wish {
    fn setting(&self) -> Setting {
        let key = || AuthKey::parse(KEYS[self.key].as_bytes()).unwrap();
        let target = match self.target {
            0..3 => Target::Http {
                url: format!("https://hooks-{}.example.com/vod", self.target),
                auth: match self.auth {
                    None => Auth::Off,
                    Some(false) => Auth::OffWithKey(key()),
                    Some(true) => Auth::On(key()),
                },
            },
            n => Target::Mns {
                endpoint: "http://1234567.mns.cn-shanghai.aliyuncs.com/".to_owned(),
                queue_name: format!("queue-{n}"),
            },
        };
        Setting {
            target,
            event_types: self.events.clone(),
        }
    }

    fn applied(&self) -> AppliedSetting {
        let (callback_type, http, mns) = match self.setting().target {
            Target::Http { url, .. } => {
                let auth_enabled = self.auth == Some(true);
                (CallbackType::Http, Some(AppliedHttp { url, auth_enabled }), None)
            }
            Target::Mns { endpoint, queue_name } => (CallbackType::Mns, None, Some(MnsTarget { endpoint, queue_name })),
        };
        let has_key = http.is_some() && self.auth.is_some();
        AppliedSetting {
            callback_type,
            http,
            mns,
            event_types: self.events.clone(),
            auth_key_secret: has_key.then(|| AppliedKeySecret {
                name: "key".to_owned(),
                key: "authKey".to_owned(),
                resource_version: self.key.to_string(),
            }),
        }
    }
}

/// How the service words what it holds.
#[derive(Clone, Copy, Debug)]
struct Words {
    sorts: bool,
    expands: bool,
    adds_slash: bool,
    /// In clear, masked, or not at all.
    key: usize,
}

const PLAIN: Words = Words {
    sorts: false,
    expands: false,
    adds_slash: false,
    key: 0,
};

/// What the service holds: what was sent last.
struct Service {
    words: Words,
    held: Option<Setting>,
    sets: usize,
}

impl Service {
    fn set(&mut self, setting: &Setting) {
        self.held = Some(setting.clone());
        self.sets += 1;
    }

    fn get(&self) -> Option<LiveSetting> {
        let held = self.held.as_ref()?;
        let mut live = LiveSetting {
            callback_type: Some(held.callback_type().to_owned()),
            ..LiveSetting::default()
        };
        let mut events = held.event_types.clone();
        if self.words.sorts {
            events.sort();
        }
        let list = match events.join(",") {
            all if all == "ALL" && self.words.expands => EXPANDED.to_owned(),
            list => list,
        };
        live.event_type_list = Some(list).filter(|list| !list.is_empty());
        match &held.target {
            Target::Http { url, auth } => {
                let slash = if self.words.adds_slash { "/" } else { "" };
                live.callback_url = Some(format!("{url}{slash}"));
                live.auth_switch = Some(auth.switch().to_owned());
                let key = auth.key().map(|key| key.expose().to_owned());
                live.auth_key = match self.words.key {
                    0 => key.map(Zeroizing::new),
                    1 => key.map(|_| Zeroizing::new("****".to_owned())),
                    _ => None,
                };
            }
            Target::Mns { endpoint, queue_name } => {
                live.mns_endpoint = Some(endpoint.clone());
                live.mns_queue_name = Some(queue_name.clone());
            }
        }
        Some(live)
    }
}

/// The resource as its status remembers it.
#[derive(Default)]
struct Memory {
    applied: Option<AppliedSetting>,
    baseline: Option<Baseline>,
}

impl Memory {
    /// One look: what `apply` does with each plan. Says whether it found nothing to do.
    fn look(&mut self, wish: &Wish, policy: ManagementPolicy, known: bool, service: &mut Service) -> bool {
        let (wanted, wanted_applied) = (wish.setting(), wish.applied());
        let applied = self.applied.clone();
        let key = KeyStanding::of(
            wanted_applied.auth_key_secret.as_ref(),
            applied.as_ref().and_then(|applied| applied.auth_key_secret.as_ref()),
            false,
        );
        let facts = Observed {
            wanted: &wanted,
            wanted_applied: &wanted_applied,
            applied: applied.as_ref(),
            unconfirmed: false,
            baseline: self.baseline.as_ref(),
            key,
            is_read_back: false,
            policy,
        };
        let live = facts.needs_live(known).then(|| service.get());
        let plan = facts.decide(live.as_ref().map(Option::as_ref));
        match plan {
            Plan::Set(cause) => {
                let plain = Service {
                    words: PLAIN,
                    held: Some(wanted.clone()),
                    sets: 0,
                }
                .get();
                let seen = live.flatten();
                let is_useless = seen
                    .zip(plain)
                    .is_some_and(|(seen, plain)| seen.says_the_same(&plain) && seen.auth_key == plain.auth_key);
                assert!(!is_useless, "{cause:?}, though the service shows just this: {wanted:?}");
                service.set(&wanted);
                let form = self.baseline.as_ref().and_then(|baseline| baseline.key_form);
                let judged = wanted.judge_read_back(service.get().as_ref(), form);
                self.baseline = match judged {
                    ReadBack::Held { baseline, .. } => Some(baseline),
                    ReadBack::Foreign(_) => None,
                };
                self.applied = Some(wanted_applied);
                false
            }
            Plan::Adopt(baseline) | Plan::TakeBaseline { baseline, .. } | Plan::InSync(Some(baseline)) => {
                self.baseline = Some(baseline);
                self.applied = Some(wanted_applied);
                false
            }
            Plan::InSync(None) => {
                self.applied = Some(wanted_applied);
                true
            }
            Plan::ReportDrift(_) | Plan::ReportObserved(_) => true,
        }
    }
}

#[derive(Clone, Debug)]
enum Act {
    Wish(Wish),
    Rotate(usize),
    Tamper(Wish),
    Remove,
    Restart,
}

fn wish() -> impl Strategy<Value = Wish> {
    let events = prop_oneof![
        Just(vec!["ALL".to_owned()]),
        Just(Vec::new()),
        proptest::sample::subsequence(
            vec!["TranscodeComplete", "FileUploadComplete", "SnapshotComplete"],
            1..=3
        )
        .prop_map(|events| events.into_iter().map(str::to_owned).collect()),
    ];
    (0..5usize, proptest::option::of(any::<bool>()), 0..KEYS.len(), events).prop_map(|(target, auth, key, events)| {
        Wish {
            target,
            auth,
            key,
            events,
        }
    })
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        wish().prop_map(Act::Wish),
        (0..KEYS.len()).prop_map(Act::Rotate),
        wish().prop_map(Act::Tamper),
        Just(Act::Remove),
        Just(Act::Restart),
    ]
}

fn words() -> impl Strategy<Value = Words> {
    (any::<bool>(), any::<bool>(), any::<bool>(), 0..3usize).prop_map(|(sorts, expands, adds_slash, key)| Words {
        sorts,
        expands,
        adds_slash,
        key,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_a_few_looks_later_there_is_rest(
        words in words(), first in wish(), before in proptest::option::of(wish()), acts in proptest::collection::vec(act(), 0..8),
        policy in prop_oneof![
            Just(ManagementPolicy::Enforce), Just(ManagementPolicy::ApplyOnly), Just(ManagementPolicy::Observe)
        ],
    ) {
        let mut service = Service { words, held: before.map(|wish| wish.setting()), sets: 0 };
        let (mut memory, mut wish, mut known) = (Memory::default(), first.clone(), false);
        for act in std::iter::once(Act::Wish(first)).chain(acts) {
            let sets = service.sets;
            let is_drift = matches!(act, Act::Tamper(_) | Act::Remove);
            match &act {
                Act::Wish(next) => wish.clone_from(next),
                Act::Rotate(key) => wish.key = *key,
                Act::Tamper(other) => service.held = Some(other.setting()),
                Act::Remove => service.held = None,
                Act::Restart => known = false,
            }
            let rests = (0..LOOKS).any(|_| {
                let rests = memory.look(&wish, policy, known, &mut service);
                known = true;
                rests
            });
            prop_assert!(rests, "no rest after {act:?}: {wish:?}");
            let made = service.sets - sets;
            prop_assert!(made <= 1, "{made} Sets after {act:?}");
            match policy {
                ManagementPolicy::Observe => prop_assert_eq!(service.sets, 0),
                // A change or a first look ends with what is wished; drift is only told.
                ManagementPolicy::ApplyOnly if is_drift || made == 0 => {}
                ManagementPolicy::ApplyOnly => prop_assert_eq!(service.held.as_ref(), Some(&wish.setting())),
                ManagementPolicy::Enforce => {
                    // A key that the service does not show can be changed behind its back unseen.
                    let held = service.held.as_ref().map(|held| as_seen(held, words));
                    prop_assert_eq!(held, Some(as_seen(&wish.setting(), words)), "after {:?}", act);
                }
            }
            // And it stays so.
            let sets = service.sets;
            prop_assert!(memory.look(&wish, policy, known, &mut service));
            prop_assert_eq!(service.sets, sets);
        }
    }
}

/// What can be told of a setting: not the order of its events, not a key, and where the service spells `ALL` out not
/// whether all was asked for or each.
fn as_seen(setting: &Setting, words: Words) -> (String, Vec<String>) {
    let mut events = setting.event_types.clone();
    if words.expands && events == ["ALL"] {
        events = EXPANDED.split(',').map(str::to_owned).collect();
    }
    events.sort();
    let target = match &setting.target {
        Target::Http { url, auth } => format!("{url} {}", auth.switch()),
        Target::Mns { endpoint, queue_name } => format!("{endpoint} {queue_name}"),
    };
    (target, events)
}
