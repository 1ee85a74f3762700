//! Contract 7, "Which key is in force" and "Hidden keys": the key that was applied counts, not the one that was read,
//! however the service shows keys.

use harness::{Vmc, until};
use serde_json::{Value, json};
use vod_endpoint::{KEY_ID, KEY_SECRET, ShowKey};

use crate::stage::{Stage, URL};

const POLICIES: [&str; 2] = ["Enforce", "ApplyOnly"];

/// The forms that differ for the operator: the rest are shown by the table of `src/domain/key_view.rs`.
const FORMS: [ShowKey; 4] = [ShowKey::Clear, ShowKey::Hidden, ShowKey::Masked, ShowKey::LikeAKey];

impl Stage {
    fn signed(&self, name: &str, policy: &str) -> Vmc {
        self.http(name).auth("sign", "authKey").management_policy(policy)
    }

    async fn key_is_set(&self, name: &str, key: &str) {
        until(&format!("{name} has the new key"), async || {
            self.live(name).is_some_and(|live| live["AuthKey"] == key)
        })
        .await;
    }

    /// The key is in force, the status says so, and a check finds nothing to do.
    async fn rests_with(&self, name: &str, key: &str, sets: usize) {
        self.key_is_set(name, key).await;
        self.ready(name, "").await;
        self.check_now(name, &format!("after Set {sets}")).await;
        let status = self.status(name).await;
        assert_eq!(self.sets(name), sets, "{name}: {status}");
        assert_eq!(self.live(name).unwrap()["AuthKey"], key, "{name}");
        assert!(status.get("differences").is_none(), "{name}: {status}");
        let reason = harness::ready_reason(&self.vmc(name).await).to_owned();
        assert!(["Applied", "InSync"].contains(&reason.as_str()), "{name}: {status}");
        assert!(!status.to_string().contains(key), "{name}: {status}");
    }

    async fn patch_spec(&self, name: &str, spec: Value) {
        let patch = json!({ "spec": spec });
        self.patch(name, &patch).await;
    }
}

#[tokio::test]
async fn every_way_to_change_the_key_is_one_set_however_keys_are_shown() {
    for form in ShowKey::ALL {
        let stage = Stage::set().await;
        stage.endpoint.world().behaviour.key = form;
        let both = [("authKey", "First1234"), ("next", "Third1234")];
        stage.secret("sign", &both).await;
        stage.secret("other", &[("authKey", "Fourth123")]).await;
        let _operator = stage.operator(&["--check-interval", "1h"]).await;
        for policy in POLICIES {
            stage.apply(&stage.signed(&policy.to_lowercase(), policy)).await;
        }
        for policy in POLICIES {
            stage.rests_with(&policy.to_lowercase(), "First1234", 1).await;
        }
        stage
            .secret("sign", &[("authKey", "Second123"), ("next", "Third1234")])
            .await;
        for policy in POLICIES {
            stage.rests_with(&policy.to_lowercase(), "Second123", 2).await;
        }
        for policy in POLICIES {
            let name = policy.to_lowercase();
            let with = |secret: &str, key: &str| stage.signed(&name, policy).auth(secret, key);
            stage.apply(&with("sign", "next")).await;
            stage.rests_with(&name, "Third1234", 3).await;
            stage.apply(&with("other", "authKey")).await;
            stage.rests_with(&name, "Fourth123", 4).await;
            let secret = stage.status(&name).await["applied"]["authKeySecret"].clone();
            assert_eq!(
                (&secret["name"], &secret["key"]),
                (&json!("other"), &json!("authKey")),
                "{form:?}"
            );
        }
    }
}

/// Whatever kept it from being applied, it is applied as soon as that is possible.
#[tokio::test]
async fn a_key_that_changed_while_nothing_could_be_applied_is_not_lost() {
    for form in FORMS {
        let stage = Stage::set().await;
        stage.endpoint.world().behaviour.key = form;
        stage.secret("sign", &[("authKey", "First1234")]).await;
        let operator = stage.operator(&["--check-interval", "1h"]).await;
        for policy in POLICIES {
            for kept in ["stalled", "suspended", "observing", "down"] {
                let name = format!("{kept}-{}", policy.to_lowercase());
                let own = format!("ak-{name}");
                stage.access_key(&own, KEY_ID, KEY_SECRET).await;
                stage.apply(&stage.signed(&name, policy).secret(&own)).await;
                stage.ready(&name, "").await;
            }
        }
        for policy in POLICIES {
            let name = |kept: &str| format!("{kept}-{}", policy.to_lowercase());
            let own = format!("ak-{}", name("stalled"));
            stage.delete_secret(&own).await;
            stage.check_now(&name("stalled"), "stall").await;
            stage.not_ready(&name("stalled"), "SecretNotFound").await;
            stage.patch_spec(&name("suspended"), json!({ "suspend": true })).await;
            stage.suspended(&name("suspended")).await;
            let observe = json!({ "managementPolicy": "Observe" });
            stage.patch_spec(&name("observing"), observe).await;
            stage.ready(&name("observing"), "Observed").await;
        }
        stage.secret("sign", &[("authKey", "Second123")]).await;
        for policy in POLICIES {
            let name = |kept: &str| format!("{kept}-{}", policy.to_lowercase());
            stage.key_is_set(&name("down"), "Second123").await;
            // They have seen the new version, and could do nothing.
            for kept in ["stalled", "observing"] {
                stage.check_now(&name(kept), "seen").await;
            }
            for kept in ["stalled", "suspended", "observing"] {
                assert_eq!(
                    stage.live(&name(kept)).unwrap()["AuthKey"],
                    "First1234",
                    "{kept} {form:?}"
                );
            }
        }
        assert!(operator.sigterm_and_wait().await.unwrap().success());
        stage.secret("sign", &[("authKey", "Third1234")]).await;
        let _operator = stage.operator(&["--check-interval", "1h"]).await;
        for policy in POLICIES {
            let name = |kept: &str| format!("{kept}-{}", policy.to_lowercase());
            let own = format!("ak-{}", name("stalled"));
            stage.access_key(&own, KEY_ID, KEY_SECRET).await;
            stage.patch_spec(&name("suspended"), json!({ "suspend": false })).await;
            let back = json!({ "managementPolicy": policy });
            stage.patch_spec(&name("observing"), back).await;
            for kept in ["stalled", "suspended", "observing"] {
                stage.rests_with(&name(kept), "Third1234", 2).await;
            }
            stage.rests_with(&name("down"), "Third1234", 3).await;
        }
    }
}

#[tokio::test]
async fn a_key_that_changed_in_a_conflict_is_applied_when_its_resource_takes_over() {
    for form in FORMS {
        let stage = Stage::set().await;
        stage.endpoint.world().behaviour.key = form;
        stage.secret("sign", &[("authKey", "First1234")]).await;
        stage.secret("theirs", &[("authKey", "Owner1234")]).await;
        let _operator = stage.operator(&["--check-interval", "1h"]).await;
        stage.apply(&stage.http("owner").auth("theirs", "authKey")).await;
        stage.ready("owner", "Applied").await;
        stage.older("owner").await;
        let waits = stage.signed("waits", "Enforce").app_id(&crate::stage::app("owner"));
        stage.apply(&waits).await;
        stage.not_ready("waits", "Conflict").await;
        stage.secret("sign", &[("authKey", "Second123")]).await;
        stage.check_now("waits", "seen").await;
        let keep = json!({ "deletionPolicy": "Retain" });
        stage.patch_spec("owner", keep).await;
        stage.delete("owner").await;
        stage.ready("waits", "").await;
        assert_eq!(stage.live("owner").unwrap()["AuthKey"], "Second123", "{form:?}");
    }
}

/// Ready=True must not rest on a guess: what cannot be seen is set once.
#[tokio::test]
async fn adoption_sets_a_key_that_is_hidden_once_and_one_that_is_shown_never() {
    for form in ShowKey::ALL {
        let stage = Stage::set().await;
        stage.endpoint.world().behaviour.key = form;
        stage.secret("sign", &[("authKey", "Adopted123")]).await;
        let there = [
            ("CallbackType", "HTTP"),
            ("CallbackURL", URL),
            ("EventTypeList", "FileUploadComplete"),
            ("AuthSwitch", "on"),
        ];
        for (name, key) in [("same", "Adopted123"), ("guess", "Another123")] {
            let mut fields = there.to_vec();
            fields.push(("AuthKey", key));
            stage.tamper(name, &fields);
        }
        let _operator = stage.operator(&["--check-interval", "1h"]).await;
        for name in ["same", "guess"] {
            stage.apply(&stage.signed(name, "Enforce")).await;
        }
        let hidden = usize::from(form != ShowKey::Clear);
        stage.rests_with("same", "Adopted123", hidden).await;
        stage.rests_with("guess", "Adopted123", 1).await;
    }
}

/// Another form than the key is no drift, however it looks, and so ends in no contest.
#[tokio::test]
async fn no_form_of_our_own_key_is_fought() {
    for form in ShowKey::ALL {
        let stage = Stage::set().await;
        stage.endpoint.world().behaviour.key = form;
        // A key with asterisks is a key.
        stage.secret("sign", &[("authKey", "St*r****1x")]).await;
        let _operator = stage.operator(&["--check-interval", "1s"]).await;
        stage.apply(&stage.signed("calm", "Enforce")).await;
        stage.ready("calm", "").await;
        let gets = stage.gets("calm");
        until("three more checks", async || stage.gets("calm") >= gets + 3).await;
        stage.rests_with("calm", "St*r****1x", 1).await;
        let form_word = match form {
            ShowKey::Clear => "Clear",
            ShowKey::Hidden => "Absent",
            _ => "Masked",
        };
        assert_eq!(
            stage.status("calm").await["reportedAs"]["authKeyForm"],
            form_word,
            "{form:?}"
        );
    }
}

#[tokio::test]
async fn a_foreign_key_is_drift_where_keys_are_shown() {
    let stage = Stage::set().await;
    stage.secret("sign", &[("authKey", "First1234")]).await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    for policy in POLICIES {
        let name = policy.to_lowercase();
        stage.apply(&stage.signed(&name, policy)).await;
        stage.ready(&name, "Applied").await;
        // With asterisks, and yet no mask.
        stage.tamper(&name, &[("AuthKey", "For**ign1")]);
        stage.check_now(&name, "look").await;
    }
    stage.ready("enforce", "DriftCorrected").await;
    assert_eq!(stage.live("enforce").unwrap()["AuthKey"], "First1234");
    stage.ready("applyonly", "Drifted").await;
    assert_eq!(stage.live("applyonly").unwrap()["AuthKey"], "For**ign1");
    // Our own key goes before theirs, also where theirs is only reported.
    stage.secret("sign", &[("authKey", "Second123")]).await;
    stage.rests_with("enforce", "Second123", 3).await;
    stage.rests_with("applyonly", "Second123", 2).await;
}

/// A status of version 0.1 has no record of the key that was applied.
#[tokio::test]
async fn a_status_without_the_record_makes_no_needless_set() {
    for form in FORMS {
        let stage = Stage::set().await;
        stage.endpoint.world().behaviour.key = form;
        stage.secret("sign", &[("authKey", "First1234")]).await;
        stage.secret("turn", &[("authKey", "First1234")]).await;
        let args = ["--check-interval", "1h"];
        let operator = stage.operator(&args).await;
        for name in ["same", "rotated"] {
            let secret = if name == "same" { "sign" } else { "turn" };
            stage.apply(&stage.http(name).auth(secret, "authKey")).await;
            stage.ready(name, "Applied").await;
        }
        assert!(operator.sigterm_and_wait().await.unwrap().success());
        for name in ["same", "rotated"] {
            let old = json!({ "status": {
                "applied": { "authKeySecret": null }, "reportedAs": null,
            }});
            let patch = kube::api::Patch::Merge(&old);
            let params = kube::api::PatchParams::default();
            stage
                .cluster
                .vmcs(&stage.ns)
                .patch_status(name, &params, &patch)
                .await
                .unwrap();
        }
        stage.secret("turn", &[("authKey", "Second123")]).await;
        let _operator = stage.operator(&args).await;
        stage.rests_with("rotated", "Second123", 2).await;
        stage.check_now("same", "upgraded").await;
        // Where a text like a key is shown, only a Set tells how ours is shown.
        stage
            .rests_with("same", "First1234", if form == ShowKey::LikeAKey { 2 } else { 1 })
            .await;
        assert!(
            stage.status("same").await["applied"]["authKeySecret"].is_object(),
            "{form:?}"
        );
    }
}
