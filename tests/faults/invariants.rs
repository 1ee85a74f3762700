//! What holds in every run, whatever happened in it.

use std::collections::BTreeMap;
use std::time::Duration;

use harness::Operator;
use vod_endpoint::{ACCOUNT, Call};

use crate::ground::{Ground, OTHER_ACCOUNT, SECRETS};

/// The service's quota, with the margin that the operator keeps for the network.
const QPS: usize = 15;
const WINDOW: Duration = Duration::from_millis(950);

/// How often the service may have been changed in a run, by account.
#[derive(Clone, Debug, Default)]
pub struct Allowed {
    pub sets: BTreeMap<&'static str, usize>,
    pub deletes: usize,
}

/// What was broken, empty when all held.
pub fn broken(ground: &Ground, allowed: &Allowed, lives: &[&Operator]) -> Vec<String> {
    let mut broken = Vec::new();
    let world = ground.endpoint.world();
    let ok = |call: &&Call, action: &str| call.action == action && call.code == "OK";
    for account in [ACCOUNT, OTHER_ACCOUNT] {
        let sets = world.calls().iter().filter(|c| ok(c, "SetMessageCallback"));
        let sets = sets.filter(|c| c.account == account).count();
        let most = allowed.sets.get(account).copied().unwrap_or_default();
        if sets > most {
            broken.push(format!("{sets} Sets in account {account}, {most} at most"));
        }
        for action in ["GetMessageCallback", "SetMessageCallback", "DeleteMessageCallback"] {
            let calls = world.most_within(account, action, WINDOW);
            if calls > QPS {
                broken.push(format!("{calls} calls of {action} within {WINDOW:?}"));
            }
        }
    }
    let deletes = world.calls().iter().filter(|c| ok(c, "DeleteMessageCallback")).count();
    if deletes > allowed.deletes {
        broken.push(format!("{deletes} Deletes, {} at most", allowed.deletes));
    }
    drop(world);
    let written = ground.written();
    for secret in SECRETS {
        if written.contains(secret) {
            broken.push(format!("{secret} was written to the API server"));
        }
        for operator in lives {
            broken.extend(operator.logs().into_iter().filter(|line| line.contains(secret)));
        }
    }
    broken
}
