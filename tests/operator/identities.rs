//! Contract 7: a ServiceAccount as identity, through the API server's own tokens, and what STS refuses, told as what it
//! is.

use harness::Operator;
use serde_json::{Value, json};
use vod_endpoint::{ACCOUNT, Fault, OidcTrust};

use crate::stage::{Stage, app};

const ROLE: &str = "acs:ram::1234567890123456:role/vod-callback";
const SECOND_ROLE: &str = "acs:ram::1234567890123456:role/second";
const PROVIDER: &str = "acs:ram::1234567890123456:oidc-provider/ack";

fn trust(stage: &Stage, role: &str, audience: &str, account: &str) {
    let trust = OidcTrust {
        provider: PROVIDER.into(),
        audience: audience.into(),
        subject: format!("system:serviceaccount:{}:{account}", stage.ns),
    };
    stage.endpoint.world().oidc_trust.insert(role.into(), trust);
}

async fn account(stage: &Stage, name: &str) {
    let yaml = format!(
        "{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: {name}, namespace: {}}}}}",
        stage.ns
    );
    stage.cluster.apply(&yaml).await.unwrap();
}

fn of(name: &str) -> Value {
    json!({ "serviceAccountRef": { "name": name, "roleArn": ROLE, "oidcProviderArn": PROVIDER } })
}

fn tokens(stage: &Stage) -> Vec<String> {
    let world = stage.endpoint.world();
    let asked = world.calls().iter().filter(|c| c.action == "AssumeRoleWithOIDC");
    asked.map(|c| c.parameters["OIDCToken"].clone()).collect()
}

fn parameter(stage: &Stage, action: &str, name: &str) -> Option<String> {
    let world = stage.endpoint.world();
    let mut calls = world.calls().iter().rev();
    calls.find(|c| c.action == action)?.parameters.get(name).cloned()
}

fn message(object: &Value) -> String {
    harness::condition(object, "Ready").unwrap()["message"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_service_accounts_token_stands_for_a_role_and_is_shown_nowhere() {
    let stage = Stage::set().await;
    account(&stage, "app").await;
    trust(&stage, ROLE, "sts.aliyuncs.com", "app");
    let operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.apply(&stage.http("sa").field("credentials", of("app"))).await;
    stage.ready("sa", "Applied").await;
    assert_eq!(stage.status("sa").await["accountId"], ACCOUNT);
    assert!(stage.calls("sa").iter().all(|c| c.key_id.starts_with("STS.")));
    let session = parameter(&stage, "AssumeRoleWithOIDC", "RoleSessionName").unwrap();
    assert_eq!(session, format!("vod-operator-{}", stage.ns));
    let tokens = tokens(&stage);
    assert_eq!(tokens.len(), 1, "one for many calls");
    let secret = tokens[0].rsplit('.').next().unwrap();
    assert_eq!(operator.logged(secret), 0, "the token is in the log");
    assert!(!stage.status("sa").await.to_string().contains(secret));
}

#[tokio::test]
async fn a_role_may_follow_and_the_audience_and_the_operators_provider_are_used() {
    let stage = Stage::set().await;
    account(&stage, "app").await;
    trust(&stage, ROLE, "vod.example.com", "app");
    let _operator = stage
        .operator(&["--check-interval", "1h", "--oidc-provider-arn", PROVIDER])
        .await;
    let credentials = json!({
        "serviceAccountRef": { "name": "app", "roleArn": ROLE, "audience": "vod.example.com" },
        "assumeRole": { "roleArn": SECOND_ROLE, "sessionName": "named" },
    });
    stage
        .apply(&stage.http("chain").field("credentials", credentials))
        .await;
    stage.ready("chain", "Applied").await;
    assert_eq!(parameter(&stage, "AssumeRole", "RoleArn").as_deref(), Some(SECOND_ROLE));
    assert_eq!(
        parameter(&stage, "AssumeRole", "RoleSessionName").as_deref(),
        Some("named")
    );
}

#[tokio::test]
async fn what_is_missing_for_a_service_account_is_named() {
    let stage = Stage::set().await;
    trust(&stage, ROLE, "sts.aliyuncs.com", "late");
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage
        .apply(&stage.http("absent").field("credentials", of("late")))
        .await;
    let told = message(&stage.not_ready("absent", "InvalidCredentials").await);
    assert!(
        told.contains("ServiceAccount late") && told.contains("create it"),
        "{told}"
    );
    let nowhere = json!({ "serviceAccountRef": { "name": "late", "roleArn": ROLE } });
    stage.apply(&stage.http("nowhere").field("credentials", nowhere)).await;
    let told = message(&stage.not_ready("nowhere", "InvalidCredentials").await);
    assert!(
        told.contains("oidcProviderArn") && told.contains("--oidc-provider-arn"),
        "{told}"
    );
    account(&stage, "late").await;
    stage.check_now("absent", "now it is there").await;
    stage.ready("absent", "Applied").await;
}

/// An operator that may do what the chart grants by default, and `more`.
async fn operator_with_rights(stage: &Stage, name: &str, more: &str) -> Operator {
    let kubeconfig = stage.service_account(name, "[get, list, watch]", more).await;
    let builder = stage.builder(&["--check-interval", "1h"]).kubeconfig(kubeconfig);
    builder.start().await.unwrap()
}

/// Tokens of ServiceAccounts are a right of their own, which the chart grants only when asked to.
#[tokio::test]
async fn without_the_right_to_ask_for_tokens_the_fix_is_told() {
    let stage = Stage::set().await;
    account(&stage, "app").await;
    trust(&stage, ROLE, "sts.aliyuncs.com", "app");
    let poor = operator_with_rights(&stage, "poor", "").await;
    stage.apply(&stage.http("right").field("credentials", of("app"))).await;
    let told = message(&stage.not_ready("right", "InvalidCredentials").await);
    assert!(
        told.contains("serviceaccounts/token") && told.contains("create"),
        "{told}"
    );
    drop(poor);
    let more = "- {apiGroups: [''], resources: [serviceaccounts/token], verbs: [create]}";
    let _rich = operator_with_rights(&stage, "rich", more).await;
    stage.check_now("right", "again").await;
    stage.ready("right", "Applied").await;
}

/// None of these is the user's `InvalidSpec`, which would send them to the callback's address.
#[tokio::test]
async fn what_sts_refuses_is_told_as_credentials_or_permission_with_the_field() {
    let stage = Stage::set().await;
    account(&stage, "app").await;
    trust(&stage, ROLE, "sts.aliyuncs.com", "somebody-else");
    stage.endpoint.world().missing_roles.insert(SECOND_ROLE.into());
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    let role = |arn: &str| json!({ "secretRef": { "name": "alibaba-cloud" }, "assumeRole": { "roleArn": arn } });
    let rows = [
        (
            "gone",
            role(SECOND_ROLE),
            "PermissionDenied",
            "assumeRole.roleArn",
            "EntityNotExist.Role",
        ),
        (
            "malformed",
            role("vod-callback"),
            "InvalidCredentials",
            "assumeRole.roleArn",
            "InvalidParameter.RoleArn",
        ),
        (
            "untrusted",
            of("app"),
            "PermissionDenied",
            "serviceAccountRef.roleArn",
            "AuthenticationFail.NoPermission",
        ),
    ];
    for (name, credentials, reason, field, code) in rows {
        stage.apply(&stage.http(name).field("credentials", credentials)).await;
        let found = stage.not_ready(name, reason).await;
        let told = message(&found);
        assert!(told.contains(field) && told.contains(code), "{name}: {told}");
        assert_eq!(found["status"]["lastError"]["code"], code, "{name}");
        assert!(found["status"].get("accountId").is_none(), "{name}");
    }
    assert!(
        stage
            .endpoint
            .world()
            .calls()
            .iter()
            .all(|c| !c.action.ends_with("Callback"))
    );
}

/// A clock that is off by an hour would otherwise take new credentials for expired ones, or expired ones for new.
#[tokio::test]
async fn the_life_of_temporary_credentials_goes_by_the_clock_of_sts() {
    let stage = Stage::set().await;
    {
        let mut world = stage.endpoint.world();
        world.clock_skew = -3600;
        world.lifetime = 3600;
    }
    let _operator = stage.operator(&["--check-interval", "1s"]).await;
    let role = json!({ "secretRef": { "name": "alibaba-cloud" }, "assumeRole": { "roleArn": ROLE } });
    stage.apply(&stage.http("skew").field("credentials", role)).await;
    stage.ready("skew", "Applied").await;
    let gets = stage.gets("skew");
    harness::until("several checks", async || stage.gets("skew") >= gets + 3).await;
    let world = stage.endpoint.world();
    let fetched = world
        .calls()
        .iter()
        .filter(|c| c.action == "AssumeRole" && c.code == "OK");
    assert_eq!(fetched.count(), 1);
}

/// The role's credentials and the operator's own, which they were got with, end early together.
#[tokio::test]
async fn a_role_on_credentials_of_the_operators_own_that_ended_early_is_had_again_at_once() {
    let stage = Stage::set().await;
    stage.endpoint.world().ecs_role = Some("node".into());
    let metadata = stage.endpoint.addresses().metadata.clone();
    let args = [
        "--check-interval",
        "1s",
        "--ambient-credentials",
        "--metadata-endpoint",
        &metadata,
    ];
    let _operator = stage.operator(&args).await;
    let role = json!({ "assumeRole": { "roleArn": ROLE } });
    stage.apply(&stage.http("own").field("credentials", role)).await;
    stage.ready("own", "Applied").await;
    let expire = |key: &mut vod_endpoint::AccessKey| key.expires = Some(1);
    stage
        .endpoint
        .world()
        .keys
        .values_mut()
        .filter(|k| k.token.is_some())
        .for_each(expire);
    stage.tamper("own", &[("EventTypeList", "")]);
    harness::until("drift is corrected with new credentials", async || {
        !stage.live("own").unwrap()["EventTypeList"].is_empty()
    })
    .await;
    let world = stage.endpoint.world();
    let refused = world
        .calls()
        .iter()
        .filter(|c| c.action == "AssumeRole" && c.code != "OK");
    assert!(refused.count() <= 1, "asked again with new ones");
}

/// Otherwise the operator would act as the node that it happens to run on.
#[tokio::test]
async fn half_of_rrsa_ends_the_process_at_its_start() {
    let stage = Stage::set().await;
    let builder = stage.builder(&["--ambient-credentials"]);
    let operator = builder.env("ALIBABA_CLOUD_ROLE_ARN", ROLE).spawn().unwrap();
    let status = operator.wait_exit().await.unwrap();
    assert_eq!(status.code(), Some(2));
    let said = operator.logs().join("\n");
    assert!(said.contains("ALIBABA_CLOUD_OIDC_PROVIDER_ARN"), "{said}");
}

/// A provider that only the operator's flags can name is looked for again when they do.
#[tokio::test]
async fn a_provider_that_the_operator_is_started_with_later_is_used_at_once() {
    let stage = Stage::set().await;
    account(&stage, "app").await;
    trust(&stage, ROLE, "sts.aliyuncs.com", "app");
    let without = stage.operator(&["--check-interval", "1h"]).await;
    let of_the_operator = json!({ "serviceAccountRef": { "name": "app", "roleArn": ROLE } });
    stage
        .apply(&stage.http("later").field("credentials", of_the_operator))
        .await;
    stage.not_ready("later", "InvalidCredentials").await;
    without.sigterm_and_wait().await.unwrap();
    let _with = stage
        .operator(&["--check-interval", "1h", "--oidc-provider-arn", PROVIDER])
        .await;
    stage.ready("later", "Applied").await;
}

/// An owner with these credentials, and a younger rival with an AccessKey of the same account.
async fn owner_and_rival(stage: &Stage, credentials: Value) {
    stage
        .apply(&stage.http("owner").field("credentials", credentials))
        .await;
    stage.ready("owner", "Applied").await;
    stage.older("owner").await;
    let url = json!({ "url": "https://hooks.example.com/rival" });
    stage
        .apply(&stage.http("rival").app_id(&app("owner")).field("http", url))
        .await;
    stage.not_ready("rival", "Conflict").await;
}

/// That STS is away just then says nothing against the role.
#[tokio::test]
async fn a_token_that_ended_early_while_sts_is_away_costs_neither_ready_nor_the_setting() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    let role = json!({ "secretRef": { "name": "alibaba-cloud" }, "assumeRole": { "roleArn": ROLE } });
    owner_and_rival(&stage, role).await;
    {
        let mut world = stage.endpoint.world();
        let temporary = world.keys.values_mut().filter(|key| key.token.is_some());
        temporary.for_each(|key| key.expires = Some(1));
        world
            .faults
            .push(Fault::code(503, "ServiceUnavailable").action("AssumeRole"));
    }
    stage.check_now("owner", "now").await;
    stage.ready("owner", "Applied").await;
    assert_eq!(stage.status("owner").await["accountId"], ACCOUNT);
    stage.check_now("rival", "now").await;
    stage.not_ready("rival", "Conflict").await;
    assert_eq!(stage.sets("owner"), 1);
    stage.endpoint.world().faults.clear();
    let gets = stage.gets("owner");
    harness::until("it is read again before its next check", async || {
        stage.gets("owner") > gets
    })
    .await;
}

/// Nobody refused it: it is away, and comes back.
#[tokio::test]
async fn an_owner_whose_service_account_is_gone_keeps_its_setting() {
    let stage = Stage::set().await;
    account(&stage, "app").await;
    trust(&stage, ROLE, "sts.aliyuncs.com", "app");
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    owner_and_rival(&stage, of("app")).await;
    let accounts: kube::Api<k8s_openapi::api::core::v1::ServiceAccount> =
        kube::Api::namespaced(stage.cluster.client(), &stage.ns);
    accounts
        .delete("app", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    // With another audience another token is asked for, which is not to be had.
    let other = json!({ "serviceAccountRef": { "name": "app", "roleArn": ROLE, "oidcProviderArn": PROVIDER, "audience": "other" } });
    stage.apply(&stage.http("owner").field("credentials", other)).await;
    stage.not_ready("owner", "InvalidCredentials").await;
    stage.check_now("rival", "now").await;
    stage.not_ready("rival", "Conflict").await;
    assert_eq!(stage.sets("owner"), 1);
}
