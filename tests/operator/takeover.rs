//! Contract 3, "Conflict", over time: a setting that comes back to a former owner, credentials that move, a restart.

use harness::until;
use serde_json::json;
use vod_endpoint::{ACCOUNT, Fault, How, ShowKey};

use crate::stage::{REGION, Stage, URL, app};

const OTHER_ACCOUNT: &str = "6543210987654321";

/// Two of one setting, the first the older; the second is in conflict.
async fn rivals(stage: &Stage, younger_policy: &str, keys: Option<[&str; 2]>) {
    let auth = |vmc: harness::Vmc, n: usize| match keys {
        Some(keys) => vmc.auth(keys[n], "authKey"),
        None => vmc,
    };
    // It owns nothing yet, so the younger one applies its own first.
    let observes = auth(stage.http("old"), 0).management_policy("Observe");
    stage.apply(&observes).await;
    stage.ready("old", "Observed").await;
    stage.older("old").await;
    let young = auth(stage.http("young"), 1).app_id(&app("old"));
    stage.apply(&young.management_policy(younger_policy)).await;
    stage.ready("young", "Applied").await;
    stage.patch_policy("old", "Enforce").await;
    stage.not_ready("young", "Conflict").await;
}

impl Stage {
    async fn patch_policy(&self, name: &str, policy: &str) {
        let patch = json!({ "spec": { "managementPolicy": policy } });
        self.patch(name, &patch).await;
    }
}

/// What it applied before it lost the setting does not tell what is there when it takes over.
#[tokio::test]
async fn one_that_takes_over_again_applies_its_own_also_under_apply_only() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    rivals(&stage, "ApplyOnly", None).await;
    stage.ready("old", "").await;
    stage.delete("old").await;
    stage.ready("young", "Applied").await;
    assert_eq!(stage.live("old").unwrap()["CallbackURL"], URL);
    let events = stage.events("young").await;
    let drift = events.iter().any(|e| e.reason.as_deref() == Some("DriftDetected"));
    assert!(!drift, "what another owner did is no drift");
}

/// Nor does a key that the service hides tell whose it is.
#[tokio::test]
async fn a_hidden_key_is_set_again_by_whoever_gets_the_setting_back() {
    let stage = Stage::set().await;
    stage.endpoint.world().behaviour.key = ShowKey::Masked;
    stage.secret("one", &[("authKey", "OldOwner1")]).await;
    stage.secret("two", &[("authKey", "Younger22")]).await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    rivals(&stage, "Enforce", Some(["one", "two"])).await;
    let key_is = async |key: &str| {
        until(&format!("{key} is in force"), async || {
            stage.live("old").is_some_and(|live| live["AuthKey"] == key)
        })
        .await;
    };
    key_is("OldOwner1").await;
    // The older one only watches for a while, and comes back.
    stage.patch_policy("old", "Observe").await;
    key_is("Younger22").await;
    stage.ready("young", "Applied").await;
    stage.patch_policy("old", "Enforce").await;
    key_is("OldOwner1").await;
    stage.not_ready("young", "Conflict").await;
}

/// The same for one that only watched while another had the setting, and for one whose credentials moved meanwhile.
#[tokio::test]
async fn what_was_applied_before_it_only_watched_is_applied_again_where_it_is_not_there() {
    let stage = Stage::set().await;
    stage
        .endpoint
        .world()
        .add_key("OtherAccountsKey", "OtherAccountsSecret", OTHER_ACCOUNT);
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.apply(&stage.http("old").management_policy("ApplyOnly")).await;
    stage.ready("old", "Applied").await;
    stage.older("old").await;
    let moved = json!({ "url": "https://hooks.example.com/young" });
    stage
        .apply(&stage.http("young").app_id(&app("old")).field("http", moved))
        .await;
    stage.not_ready("young", "Conflict").await;
    stage.patch_policy("old", "Observe").await;
    stage.ready("young", "Applied").await;
    stage.ready("old", "Observed").await;
    stage.patch_policy("old", "ApplyOnly").await;
    stage.ready("old", "Applied").await;
    assert_eq!(stage.live("old").unwrap()["CallbackURL"], URL);
    stage.delete("young").await;
    stage.patch_policy("old", "Observe").await;
    stage.ready("old", "Observed").await;
    stage
        .access_key("alibaba-cloud", "OtherAccountsKey", "OtherAccountsSecret")
        .await;
    until("it watches the other account", async || {
        stage.status("old").await["accountId"] == OTHER_ACCOUNT
    })
    .await;
    stage.patch_policy("old", "ApplyOnly").await;
    stage.ready("old", "Applied").await;
    let world = stage.endpoint.world();
    let there = world.setting(OTHER_ACCOUNT, REGION, &app("old"));
    assert_eq!(there.unwrap()["CallbackURL"], URL);
}

/// An owner that stalls keeps what it has, also over a restart of the operator.
#[tokio::test]
async fn an_owner_whose_secret_is_gone_is_still_the_owner_after_a_restart() {
    let stage = Stage::set().await;
    stage.endpoint.world().add_key("SecondKey", "SecondSecret", ACCOUNT);
    stage.access_key("second", "SecondKey", "SecondSecret").await;
    let operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.applied("owner").await;
    stage.older("owner").await;
    let heir = stage.http("heir").app_id(&app("owner")).secret("second");
    stage.apply(&heir.events(["SnapshotComplete"])).await;
    stage.not_ready("heir", "Conflict").await;
    stage.delete_secret("alibaba-cloud").await;
    stage.not_ready("owner", "SecretNotFound").await;
    operator.kill().await.unwrap();
    let operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.check_now("owner", "after the restart").await;
    stage.check_now("heir", "after the restart").await;
    stage.not_ready("heir", "Conflict").await;
    assert_eq!(stage.sets("owner"), 1);
    // The same while it waits for its deletion.
    stage.ask_deletion("owner").await;
    until("its deletion is held up", async || {
        stage.status("owner").await.to_string().contains("the deletion waits")
    })
    .await;
    operator.kill().await.unwrap();
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.check_now("heir", "during the deletion").await;
    stage.not_ready("heir", "Conflict").await;
    assert_eq!(stage.sets("owner"), 1);
}

/// Credentials that move to an account where another resource owns the setting leave the old account's one in place: that
/// is told, since nobody removes it any more.
#[tokio::test]
async fn moving_into_a_conflict_says_what_stays_behind() {
    let stage = Stage::set().await;
    stage
        .endpoint
        .world()
        .add_key("OtherAccountsKey", "OtherAccountsSecret", OTHER_ACCOUNT);
    stage
        .access_key("other", "OtherAccountsKey", "OtherAccountsSecret")
        .await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.apply(&stage.http("settled").secret("other")).await;
    stage.ready("settled", "Applied").await;
    stage.older("settled").await;
    stage.apply(&stage.http("mover").app_id(&app("settled"))).await;
    stage.ready("mover", "Applied").await;
    stage
        .access_key("alibaba-cloud", "OtherAccountsKey", "OtherAccountsSecret")
        .await;
    stage.not_ready("mover", "Conflict").await;
    let told = stage.event("mover", "AccountChanged").await;
    assert!(told.contains(ACCOUNT));
    let status = stage.status("mover").await;
    assert_eq!(status["accountId"], OTHER_ACCOUNT);
    assert!(status.get("applied").is_none(), "nothing of it is there: {status}");
}

/// How late the answer to the former owner's last Set is.
const LATE_MS: u64 = 3000;

/// A change of the owner is on its way when it leaves the setting to the next one, which asks for `wanted`. The calls of
/// the setting after that, and the moment at which the change was sent.
async fn handed_over(stage: &Stage, wanted: &str) -> (Vec<vod_endpoint::Call>, u64) {
    stage.applied("old").await;
    stage.older("old").await;
    let apps = app("old");
    let new = stage.http("new").app_id(&apps);
    stage.apply(&new.field("http", json!({ "url": wanted }))).await;
    stage.not_ready("new", "Conflict").await;
    let slow = Fault::always(How::Delay { ms: LATE_MS });
    let slow = slow.action("SetMessageCallback").app(&apps).times(1);
    stage.fault(slow);
    let moved = json!({ "url": "https://hooks.example.com/moved" });
    stage.apply(&stage.http("old").field("http", moved)).await;
    until("it is sent", async || stage.sets("old") == 2).await;
    let before = stage.calls("old").len();
    stage.patch_policy("old", "Observe").await;
    stage.ready("new", "Applied").await;
    assert_eq!(stage.live("old").unwrap()["CallbackURL"], wanted);
    let mut calls = stage.calls("old");
    let after = calls.split_off(before);
    let sent = calls.iter().rfind(|c| c.action.starts_with("Set")).unwrap().at_ms;
    (after, sent)
}

/// The new owner waits for what the former one has sent already: whatever arrives last is the new owner's, and what it
/// looks at is not about to be replaced, also where it asks for what was there before.
#[tokio::test]
async fn a_setting_changes_hands_after_the_former_owners_call() {
    for wanted in ["https://hooks.example.com/new", URL] {
        let stage = Stage::set().await;
        let _operator = stage.operator(&["--check-interval", "1h"]).await;
        let (calls, sent) = handed_over(&stage, wanted).await;
        assert_eq!(stage.sets("old"), 3);
        for call in calls {
            assert!(call.at_ms >= sent + LATE_MS, "before the answer: {call:?}");
        }
    }
}
