//! Finds out what each resource asks for, who owns what, and what is live, and has the operator's own code decide.

use std::collections::{HashMap, HashSet};
use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::{StreamExt as _, stream};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::inputs::{Access, Inputs, Sources, denied, stall};
use super::item::{Action, Item, Verdict};
use super::owners::{Before, Owners};
use super::subject::Subject;
use crate::api::{AppliedSetting, ManagementPolicy, VodMessageCallbackSpec, rules};
use crate::cloud::{CallError, ErrorClass};
use crate::commands::warn;
use crate::domain::{AccountId, AccountKey, AppId, Field, LiveSetting, SettingRegion};
use crate::ownership::SettingKey;
use crate::reconcile::convert;
use crate::reconcile::decide::{Cause, Cleanup, Plan};
use crate::reconcile::facts::{self, Basis, Facts, UnnamedSet};
use crate::reconcile::failure::Failure;
use crate::schedule::CONTEST_WINDOW;
use crate::status::{Reason, ready_reason};

/// So many resources are looked at once; the calls keep to the quota all the same.
const AT_ONCE: usize = 16;
/// With more resources than this it is said how far it is.
const MANY: usize = 20;

type Read = Arc<Result<Option<LiveSetting>, CallError>>;

/// Each live setting, read once.
#[derive(Default)]
struct Reads(Mutex<HashMap<SettingKey, Arc<OnceCell<Read>>>>);

/// What is said of each of `subjects`, in their order; `others` may own what they ask for.
pub async fn plan(sources: &Sources<'_>, subjects: Vec<Subject>, others: &[Subject]) -> Vec<Item> {
    let asked = stream::iter(&subjects)
        .map(|subject| first(sources, subject))
        .buffered(AT_ONCE);
    let asked: Vec<_> = asked.collect().await;
    say_who_stands_in(&asked);
    let mut owners = Owners::default();
    for (subject, first) in subjects.iter().zip(&asked) {
        owners.add(subject, first.account.as_ref());
    }
    add_others(sources, &mut owners, &subjects, others).await;
    let owners: Vec<_> = subjects
        .iter()
        .map(|subject| owners.owner_before(&subject.birth))
        .collect();
    let all = || subjects.iter().chain(others);
    let reads = Reads::default();
    let progress = Progress::new(subjects.len());
    let items = stream::iter(subjects.iter().zip(asked).zip(owners)).map(|((subject, first), owner)| {
        let (reads, progress) = (&reads, &progress);
        let predecessor = match &owner {
            Some(Before::Predecessor(name)) => all().find(|other| other.name == *name),
            _ => None,
        };
        async move {
            let account = first
                .account
                .as_ref()
                .and_then(AccountKey::account)
                .map(|id| id.0.clone());
            let verdict = match first.next {
                Ok(Next::Apply(inputs)) => apply(sources, subject, &inputs, owner, predecessor, reads).await,
                Ok(Next::Remove(access)) => remove(sources, subject, &access, owner, reads).await,
                Err(verdict) => verdict,
            };
            progress.one_more();
            Item {
                namespace: subject.name.namespace.clone(),
                name: subject.name.name.clone(),
                source: subject.source.clone(),
                region: subject.spec.region.clone(),
                app_id: subject.spec.app_id.clone(),
                account,
                verdict,
            }
        }
    });
    items.buffered(AT_ONCE).collect().await
}

/// What is known of a resource before anybody is asked for a live setting.
struct First {
    /// Whose setting it lays claim to.
    account: Option<AccountKey>,
    /// What there is to go on with, or what is said of it already.
    next: Result<Next, Verdict>,
    stands_in: bool,
}

enum Next {
    Apply(Box<Inputs>),
    Remove(Box<Access>),
}

async fn first(sources: &Sources<'_>, subject: &Subject) -> First {
    let said = |verdict| First {
        account: subject.status().account_id.map(|id| AccountKey::Account(AccountId(id))),
        next: Err(verdict),
        stands_in: false,
    };
    let namespace = subject.name.namespace.as_str();
    if let Some(refused) = refused(subject) {
        return said(refused);
    }
    if subject.is_going() {
        return match kept(subject) {
            Some(verdict) => said(verdict),
            None => match sources.access(namespace, &subject.spec).await {
                Ok(access) => First {
                    account: Some(access.account.clone()),
                    stands_in: access.stands_in,
                    next: Ok(Next::Remove(Box::new(access))),
                },
                Err(verdict) => said(verdict),
            },
        };
    }
    if subject.spec.suspend {
        return said(Verdict::none("suspended: no call is made"));
    }
    match sources.inputs(namespace, &subject.spec).await {
        Ok(inputs) => First {
            account: Some(inputs.access.account.clone()),
            stands_in: inputs.access.stands_in,
            next: Ok(Next::Apply(Box::new(inputs))),
        },
        Err(verdict) => First {
            // Nothing that stalls for its credentials lays claim to a setting.
            account: None,
            ..said(verdict)
        },
    }
}

/// What the API server would refuse of a change to a resource that it has.
fn refused(subject: &Subject) -> Option<Verdict> {
    let stored = &subject.stored.as_ref()?.spec;
    if stored.region != subject.spec.region {
        return Some(Verdict::refuse(rules::REGION_IMMUTABLE.1));
    }
    (stored.app_id != subject.spec.app_id).then(|| Verdict::refuse(rules::APP_ID_IMMUTABLE.1))
}

/// A resource that goes and leaves its setting as it is.
fn kept(subject: &Subject) -> Option<Verdict> {
    settings_to_remove(subject).is_empty().then(|| {
        Verdict::none("the resource goes; its policy leaves the setting as it is, or it never applied anything")
    })
}

/// Resources that are not planned may own what is.
async fn add_others(sources: &Sources<'_>, owners: &mut Owners, subjects: &[Subject], others: &[Subject]) {
    let place = |spec: &VodMessageCallbackSpec| -> (SettingRegion, AppId) {
        (convert::region(spec).setting_region(), convert::app(spec))
    };
    let wanted: HashSet<_> = subjects.iter().map(|subject| place(&subject.spec)).collect();
    let rivals = others.iter().filter(|other| {
        wanted.contains(&place(&other.spec)) && other.spec.management_policy != ManagementPolicy::Observe
    });
    let asked = stream::iter(rivals).map(|other| async move {
        let known = other.status().account_id.map(|id| AccountKey::Account(AccountId(id)));
        let account = match known {
            Some(account) => Some(account),
            None => {
                let access = sources.access(&other.name.namespace, &other.spec).await;
                access.ok().map(|access| access.account)
            }
        };
        (other, account)
    });
    let asked: Vec<_> = asked.buffered(AT_ONCE).collect().await;
    for (other, account) in asked {
        owners.add(other, account.as_ref());
    }
}

async fn apply(
    sources: &Sources<'_>,
    subject: &Subject,
    inputs: &Inputs,
    owner: Option<Before>,
    predecessor: Option<&Subject>,
    reads: &Reads,
) -> Verdict {
    if let Some(Before::Owner(owner)) = owner {
        return stall(facts::lost_to(&owner));
    }
    let read = reads.get(sources, &inputs.access).await;
    let live = match read.as_ref() {
        Ok(live) => live.as_ref(),
        Err(error) => return failed(inputs.access.is_callers, error),
    };
    match predecessor {
        None => decided(subject, inputs, live),
        Some(predecessor) => {
            let takes_it_along = cleanup(predecessor, live) == Cleanup::Delete;
            let left = live.filter(|_| !takes_it_along);
            decided(subject, inputs, left).once_gone(&predecessor.name)
        }
    }
}

async fn remove(
    sources: &Sources<'_>,
    subject: &Subject,
    access: &Access,
    owner: Option<Before>,
    reads: &Reads,
) -> Verdict {
    if let Some(Before::Owner(owner) | Before::Predecessor(owner)) = owner {
        return Verdict::none(&format!("the resource goes; its setting belongs to {owner} and stays"));
    }
    match reads.get(sources, access).await.as_ref() {
        Ok(live) => removed(subject, access, live.as_ref()),
        Err(error) => failed(access.is_callers, error),
    }
}

/// What the operator's own code decides.
fn decided(subject: &Subject, inputs: &Inputs, live: Option<&LiveSetting>) -> Verdict {
    let status = subject.status();
    let facts = Facts::of(&Basis {
        spec: &subject.spec,
        generation: subject.generation(),
        status: &status,
        account_before: status.account_of_the_setting(),
        wanted: &inputs.wanted,
        wanted_applied: &inputs.wanted_applied,
        account: &inputs.access.account,
    });
    let observed = facts.observed(false);
    // An operator that runs has seen the setting that it applied.
    let live_is_known = status.applied.is_some();
    let plan = observed.decide(observed.needs_live(live_is_known).then_some(live));
    let mut from_live = inputs.wanted.differences(live, None);
    if inputs.key_is_unknown {
        let before = from_live.len();
        from_live.retain(|difference| difference.field != Field::AuthKey);
        // A key that is hidden is set in any case; one in clear may be the one of the Secret.
        let shown = from_live.len() < before;
        if from_live.is_empty() && shown {
            return Verdict::unknown(
                "the service holds what the spec says, and an AuthKey; whether it is the right one cannot be told, \
                 because its Secret is in none of the files and there is no cluster to ask",
            );
        }
    }
    let verdict = Verdict::of_plan(&plan, &from_live);
    let contested = ready_reason(&status.conditions) == Some(Reason::Contested);
    match plan {
        Plan::Set(Cause::Drift(_)) if contested => Verdict {
            changes: verdict.changes,
            ..Verdict::stall(
                Reason::Contested,
                format!(
                    "somebody else keeps changing it: corrections are paused, and tried once in {CONTEST_WINDOW} check intervals"
                ),
            )
        },
        _ => verdict,
    }
}

/// What becomes of the setting of a resource that goes.
fn removed(subject: &Subject, access: &Access, live: Option<&LiveSetting>) -> Verdict {
    let status = subject.status();
    let moved = facts::moved_account(status.account_of_the_setting(), &access.account).is_some();
    if moved {
        return Verdict::none(
            "the resource goes; its credentials now belong to another account, and the old one's setting stays",
        );
    }
    match &cleanup(subject, live) {
        Cleanup::NotOurs(_) if status.applied.is_none() => {
            Verdict::none("the resource goes; what is set is none of its own and stays")
        }
        cleanup => Verdict::of_cleanup(cleanup),
    }
}

fn cleanup(subject: &Subject, live: Option<&LiveSetting>) -> Cleanup {
    facts::removal(&settings_to_remove(subject), &subject.status(), live)
}

/// What a process would look for that has not watched the resource from its creation.
fn settings_to_remove(subject: &Subject) -> Vec<AppliedSetting> {
    let status = subject.status();
    let may_be_set = facts::unnamed_set(&status, subject.generation()) != UnnamedSet::None && !status.is_fresh();
    facts::settings_to_remove(&subject.spec, &status, may_be_set)
}

fn failed(is_callers: bool, error: &CallError) -> Verdict {
    let verdict = denied(is_callers, Failure::from(error.clone()));
    let is_told = is_callers && matches!(error.class, ErrorClass::Credentials | ErrorClass::Permission);
    match verdict.action {
        Action::Unknown if !is_told => Verdict::unknown(format!("the live setting could not be read: {error}")),
        _ => verdict,
    }
}

impl Reads {
    async fn get(&self, sources: &Sources<'_>, access: &Access) -> Read {
        let key = SettingKey {
            account: access.account.clone(),
            region: access.region.setting_region(),
            app: access.app.clone(),
        };
        let cell = {
            let mut reads = self.0.lock();
            Arc::clone(reads.entry(key).or_default())
        };
        let read = cell.get_or_init(|| async {
            let service = sources.service;
            let read = service.live(&access.credentials, &access.account, &access.region, &access.app);
            Arc::new(read.await)
        });
        Arc::clone(read.await)
    }
}

/// Which account is looked at is not always the one that the operator would use.
fn say_who_stands_in(asked: &[First]) {
    let count = asked.iter().filter(|first| first.stands_in).count();
    if count > 0 {
        warn(format!(
            "{count} of {} resources are read with your own credentials, in place of those that the operator would use",
            asked.len()
        ));
    }
}

/// Says on stderr how far it is, where that takes a while.
struct Progress {
    all: usize,
    done: AtomicUsize,
    on_terminal: bool,
}

impl Progress {
    fn new(all: usize) -> Self {
        Self {
            all,
            done: AtomicUsize::new(0),
            on_terminal: std::io::stderr().is_terminal(),
        }
    }

    fn one_more(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        // On a terminal often, in a log ten times.
        let step = if self.on_terminal {
            10
        } else {
            self.all.div_ceil(10).max(1)
        };
        if self.all > MANY && (done.is_multiple_of(step) || done == self.all) {
            warn(format!("{done} of {} resources looked at", self.all));
        }
    }
}
