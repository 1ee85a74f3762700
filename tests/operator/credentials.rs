//! Contract 4: every way to credentials, against the endpoint's STS and metadata service, expiry included.

use harness::{Vmc, until};
use serde_json::json;
use vod_endpoint::{ACCOUNT, KEY_ID, KEY_SECRET};

use crate::stage::Stage;

const ROLE: &str = "acs:ram::1234567890123456:role/vod-callback";

fn ambient(stage: &Stage, name: &str) -> Vmc {
    stage.http(name).without("credentials")
}

#[tokio::test]
async fn ambient_credentials_must_be_allowed() {
    let stage = Stage::set().await;
    let _operator = stage
        .builder(&["--check-interval", "1h"])
        .env("ALIBABA_CLOUD_ACCESS_KEY_ID", KEY_ID)
        .start()
        .await
        .unwrap();
    stage.apply(&ambient(&stage, "own")).await;
    stage.apply(&stage.http("empty").field("credentials", json!({}))).await;
    stage.not_ready("own", "AmbientCredentialsDisabled").await;
    stage.not_ready("empty", "AmbientCredentialsDisabled").await;
    assert!(stage.endpoint.world().calls().is_empty());
}

/// The operator's own credentials are for the namespaces it is told.
#[tokio::test]
async fn ambient_credentials_are_for_the_namespaces_listed() {
    let stage = Stage::set().await;
    let elsewhere = stage
        .builder(&["--ambient-credentials", "--ambient-namespace", "elsewhere"])
        .env("ALIBABA_CLOUD_ACCESS_KEY_ID", KEY_ID)
        .env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", KEY_SECRET)
        .start()
        .await
        .unwrap();
    stage.apply(&ambient(&stage, "listed")).await;
    stage.not_ready("listed", "AmbientCredentialsDisabled").await;
    assert!(stage.endpoint.world().calls().is_empty());
    elsewhere.sigterm_and_wait().await.unwrap();
    let _here = stage
        .builder(&["--ambient-credentials", "--ambient-namespace", &stage.ns])
        .env("ALIBABA_CLOUD_ACCESS_KEY_ID", KEY_ID)
        .env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", KEY_SECRET)
        .start()
        .await
        .unwrap();
    // What it waited for are the flags, and those changed with the start.
    stage.ready("listed", "Applied").await;
    stage.apply(&ambient(&stage, "own")).await;
    stage.ready("own", "Applied").await;
}

#[tokio::test]
async fn from_the_environment_and_a_role_on_top() {
    let stage = Stage::set().await;
    stage
        .endpoint
        .world()
        .external_ids
        .insert(ROLE.into(), "partner-7".into());
    stage.endpoint.world().lifetime = 8;
    let _operator = stage
        .builder(&["--check-interval", "1s", "--ambient-credentials"])
        .env("ALIBABA_CLOUD_ACCESS_KEY_ID", KEY_ID)
        .env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", KEY_SECRET)
        .start()
        .await
        .unwrap();
    stage.apply(&ambient(&stage, "own")).await;
    stage.ready("own", "Applied").await;
    let role = json!({ "assumeRole": { "roleArn": ROLE, "externalId": "partner-7", "sessionName": "test-session" } });
    stage.apply(&stage.http("role").field("credentials", role)).await;
    stage.ready("role", "Applied").await;
    assert_eq!(stage.status("role").await["accountId"], ACCOUNT);
    assert!(stage.calls("role").iter().all(|c| c.key_id.starts_with("STS.")));
    let assumed = || {
        stage
            .endpoint
            .world()
            .calls()
            .iter()
            .filter(|c| c.action == "AssumeRole")
            .count()
    };
    until("the temporary credentials were renewed twice", async || assumed() >= 3).await;
    let expired = stage
        .endpoint
        .world()
        .calls()
        .iter()
        .filter(|c| c.code.starts_with("InvalidSecurityToken"))
        .count();
    assert_eq!(expired, 0, "renewed ahead of their end");
    let wrong = json!({ "assumeRole": { "roleArn": ROLE, "externalId": "somebody-else" } });
    stage.apply(&stage.http("stranger").field("credentials", wrong)).await;
    stage.not_ready("stranger", "PermissionDenied").await;
}

#[tokio::test]
async fn a_role_on_a_secrets_key_and_a_revoked_token() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1s"]).await;
    let role = json!({ "secretRef": { "name": "alibaba-cloud" }, "assumeRole": { "roleArn": ROLE } });
    stage.apply(&stage.http("role").field("credentials", role)).await;
    stage.ready("role", "Applied").await;
    // Temporary keys whose end has come early: new ones are fetched without anybody's help.
    stage
        .endpoint
        .world()
        .keys
        .values_mut()
        .filter(|k| k.token.is_some())
        .for_each(|k| k.expires = Some(1));
    stage.tamper("role", &[("EventTypeList", "")]);
    until("drift is corrected with new credentials", async || {
        !stage.live("role").unwrap()["EventTypeList"].is_empty()
    })
    .await;
}

#[tokio::test]
async fn by_the_clusters_token_read_again_each_time() {
    let stage = Stage::set().await;
    let file = std::env::temp_dir().join(format!("vod-operator-token-{}", std::process::id()));
    std::fs::write(&file, "example.first.token\n").unwrap();
    {
        let mut world = stage.endpoint.world();
        world.oidc_tokens.insert("example.first.token".into());
        world.lifetime = 4;
    }
    let _operator = stage
        .builder(&["--check-interval", "1s", "--ambient-credentials"])
        .env("ALIBABA_CLOUD_ROLE_ARN", ROLE)
        .env(
            "ALIBABA_CLOUD_OIDC_PROVIDER_ARN",
            "acs:ram::1234567890123456:oidc-provider/ack",
        )
        .env("ALIBABA_CLOUD_OIDC_TOKEN_FILE", file.as_os_str())
        .start()
        .await
        .unwrap();
    stage.apply(&ambient(&stage, "rrsa")).await;
    stage.ready("rrsa", "Applied").await;
    {
        let mut world = stage.endpoint.world();
        world.oidc_tokens.clear();
        world.oidc_tokens.insert("example.second.token".into());
    }
    std::fs::write(&file, "example.second.token").unwrap();
    let renewed = || {
        let world = stage.endpoint.world();
        world
            .calls()
            .iter()
            .filter(|c| c.action == "AssumeRoleWithOIDC" && c.code == "OK")
            .any(|c| c.parameters["OIDCToken"].contains("second"))
    };
    until("the new token was used", async || renewed()).await;
    stage.check_now("rrsa", "after").await;
    stage.ready("rrsa", "Applied").await;
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn by_the_instances_role() {
    for v1 in [false, true] {
        let stage = Stage::set().await;
        {
            let mut world = stage.endpoint.world();
            world.ecs_role = Some("vod-callback".into());
            world.imds_v1 = v1;
        }
        let metadata = stage.endpoint.addresses().metadata.clone();
        let args = [
            "--check-interval",
            "1h",
            "--ambient-credentials",
            "--metadata-endpoint",
            metadata.as_str(),
        ];
        let operator = stage.operator(&args).await;
        stage.apply(&ambient(&stage, "ecs")).await;
        if v1 {
            stage.not_ready("ecs", "ServiceUnavailable").await;
            drop(operator);
            let _operator = stage
                .builder(&args)
                .env("ALIBABA_CLOUD_IMDSV1_DISABLED", "false")
                .start()
                .await
                .unwrap();
            stage.ready("ecs", "").await;
        } else {
            stage.ready("ecs", "Applied").await;
        }
        assert!(stage.calls("ecs").iter().all(|c| c.key_id.starts_with("STS.")));
    }
}

#[tokio::test]
async fn credentials_that_move_to_another_account_leave_the_old_setting() {
    let stage = Stage::set().await;
    stage
        .endpoint
        .world()
        .add_key("OtherAccountsKey", "OtherAccountsSecret", "6543210987654321");
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.applied("moved").await;
    stage
        .access_key("alibaba-cloud", "OtherAccountsKey", "OtherAccountsSecret")
        .await;
    until("the new account has it", async || {
        stage.status("moved").await["accountId"] == "6543210987654321"
    })
    .await;
    assert!(stage.live("moved").is_some());
    stage.event("moved", "AccountChanged").await;
    assert_eq!(stage.sets("moved"), 2);
}

#[tokio::test]
async fn a_temporary_key_in_a_secret_goes_with_its_token() {
    for signature in ["acs3", "hmac-sha1"] {
        let stage = Stage::set().await;
        let key = vod_endpoint::AccessKey {
            secret: "ExampleTemporarySecret".into(),
            account: ACCOUNT.into(),
            token: Some("ExampleSecurityToken".into()),
            ..Default::default()
        };
        stage
            .endpoint
            .world()
            .keys
            .insert("STS.ExampleTemporaryKey".into(), key);
        stage
            .access_key("alibaba-cloud", "STS.ExampleTemporaryKey", "ExampleTemporarySecret")
            .await;
        let _operator = stage
            .operator(&["--check-interval", "1h", "--signature", signature])
            .await;
        stage.apply(&stage.http("token")).await;
        stage.not_ready("token", "InvalidCredentials").await;
        stage
            .secret(
                "alibaba-cloud",
                &[
                    ("accessKeyId", "STS.ExampleTemporaryKey"),
                    ("accessKeySecret", "ExampleTemporarySecret"),
                    ("securityToken", "ExampleSecurityToken"),
                ],
            )
            .await;
        stage.ready("token", "Applied").await;
    }
}

/// A refusal of STS is remembered for a while, so that many who need the role do not ask all at once; who was told of it
/// so, and did not ask, does not wait for its next check.
#[tokio::test]
async fn a_refusal_that_others_were_told_is_asked_anew_soon() {
    let stage = Stage::set().await;
    let refused = vod_endpoint::Fault::code(403, "NoPermission").action("AssumeRole");
    stage.fault(refused);
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    let role = json!({ "secretRef": { "name": "alibaba-cloud" }, "assumeRole": { "roleArn": ROLE } });
    let vmc = |name: &str| stage.http(name).field("credentials", role.clone());
    stage.apply(&vmc("asks")).await;
    stage.not_ready("asks", "PermissionDenied").await;
    let asked = || {
        let world = stage.endpoint.world();
        world.calls().iter().filter(|c| c.action == "AssumeRole").count()
    };
    // With each it is remembered for longer.
    let mut n = 0;
    until("four refusals", async || {
        n += 1;
        stage.check_now("asks", &n.to_string()).await;
        asked() >= 4
    })
    .await;
    stage.endpoint.world().faults.clear();
    stage.apply(&vmc("is-told")).await;
    stage.check_now("asks", "mended").await;
    stage.ready("is-told", "Applied").await;
    stage.ready("asks", "Applied").await;
}

/// Many resources need the same temporary credentials: they are fetched once.
#[tokio::test]
async fn one_fetch_serves_all_who_wait_for_it() {
    let stage = Stage::set().await;
    let late = vod_endpoint::Fault::always(vod_endpoint::How::Delay { ms: 500 }).action("AssumeRole");
    stage.fault(late.after());
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    let role = json!({ "secretRef": { "name": "alibaba-cloud" }, "assumeRole": { "roleArn": ROLE } });
    for n in 0..10 {
        stage
            .apply(&stage.http(&format!("many{n}")).field("credentials", role.clone()))
            .await;
    }
    for n in 0..10 {
        stage.ready(&format!("many{n}"), "Applied").await;
    }
    let world = stage.endpoint.world();
    let count = |action: &str| world.calls().iter().filter(|c| c.action == action).count();
    assert_eq!((count("AssumeRole"), count("GetCallerIdentity")), (1, 1));
}
