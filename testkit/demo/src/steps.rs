//! The story, a step at a time.

use control_plane::repo_root;
use harness::eventually;
use serde_json::{Value, json};
use vod_endpoint::{ACCOUNT, Fault, How, KEY_ID, KEY_SECRET};

use crate::Result;
use crate::stage::{NS, Stage, kubectl};

const APP: &str = "app-1000000";
pub const REGION: &str = "cn-shanghai";

pub async fn play(stage: &Stage) -> Result<()> {
    apply(stage).await?;
    change(stage).await?;
    rotate(stage).await?;
    drift(stage).await?;
    rival(stage).await?;
    throttled(stage).await?;
    refused(stage).await?;
    delete(stage).await
}

pub fn say(words: &str) {
    println!("\n• {words}");
}

pub fn seen(words: &str) {
    println!("  ✓ {words}");
}

fn sets(stage: &Stage, app: &str) -> usize {
    stage.endpoint.world().count("SetMessageCallback", app)
}

fn held(stage: &Stage, field: &str) -> String {
    let world = stage.endpoint.world();
    world
        .setting(ACCOUNT, REGION, APP)
        .and_then(|s| s.get(field).cloned())
        .unwrap_or_default()
}

pub async fn applied(stage: &Stage, name: &str, words: &str, done: impl Fn(&Value) -> bool) -> Result<()> {
    eventually(words, async || {
        let found = stage.cluster.vmc(NS, name).await.ok().flatten();
        found.is_some_and(|vmc| done(&vmc))
    })
    .await?;
    seen(words);
    Ok(())
}

async fn apply(stage: &Stage) -> Result<()> {
    say("Two Secrets and the two example manifests are applied with kubectl.");
    let id = format!("--from-literal=accessKeyId={KEY_ID}");
    let secret = format!("--from-literal=accessKeySecret={KEY_SECRET}");
    kubectl(
        &stage.plane,
        &["-n", NS, "create", "secret", "generic", "alibaba-cloud", &id, &secret],
    )
    .await?;
    let key = "--from-literal=authKey=Example1AuthKey";
    kubectl(
        &stage.plane,
        &["-n", NS, "create", "secret", "generic", "vod-callback-auth", key],
    )
    .await?;
    for example in ["http.yaml", "mns.yaml"] {
        let path = repo_root().join("deploy/examples").join(example);
        kubectl(&stage.plane, &["apply", "-f", &path.display().to_string()]).await?;
    }
    kubectl(
        &stage.plane,
        &[
            "-n",
            NS,
            "wait",
            "--for=condition=Ready",
            "vmc",
            "--all",
            "--timeout=60s",
        ],
    )
    .await?;
    seen("kubectl wait --for=condition=Ready returned for both");
    print!(
        "{}",
        kubectl(&stage.plane, &["-n", NS, "get", "vmc", "-o", "wide"]).await?
    );
    applied(
        stage,
        "media-events",
        "the status holds the RequestId of the one SetMessageCallback",
        |vmc| {
            let world = stage.endpoint.world();
            let set = world
                .calls()
                .iter()
                .find(|c| c.action == "SetMessageCallback" && c.app() == APP);
            set.is_some_and(|set| vmc["status"]["requestId"] == set.request_id.as_str())
        },
    )
    .await
}

async fn change(stage: &Stage) -> Result<()> {
    say("The spec changes: another list of events.");
    let before = sets(stage, APP);
    let patch = r#"{"spec":{"eventTypes":["ALL"]}}"#;
    kubectl(
        &stage.plane,
        &["-n", NS, "patch", "vmc", "media-events", "--type=merge", "-p", patch],
    )
    .await?;
    eventually("the endpoint holds ALL", async || held(stage, "EventTypeList") == "ALL").await?;
    applied(
        stage,
        "media-events",
        "Ready at the new generation, with one more SetMessageCallback",
        |vmc| {
            harness::ready_reason(vmc) == "Applied"
                && vmc["status"]["observedGeneration"] == vmc["metadata"]["generation"]
                && sets(stage, APP) == before + 1
        },
    )
    .await
}

async fn rotate(stage: &Stage) -> Result<()> {
    say("The AuthKey is rotated in its Secret.");
    stage
        .cluster
        .secret(NS, "vod-callback-auth", &[("authKey", "Example2AuthKey")])
        .await?;
    eventually("the endpoint holds the new key", async || {
        held(stage, "AuthKey") == "Example2AuthKey"
    })
    .await?;
    seen("the endpoint holds the new key; no log, event or status shows it");
    Ok(())
}

async fn drift(stage: &Stage) -> Result<()> {
    say("Somebody changes the callback URL in the console.");
    stage.endpoint.world().put_setting(
        ACCOUNT,
        REGION,
        APP,
        &[("CallbackURL", "https://elsewhere.example.com/")],
    );
    applied(
        stage,
        "media-events",
        "corrected at the next check: reason DriftCorrected",
        |vmc| harness::ready_reason(vmc) == "DriftCorrected" && !held(stage, "CallbackURL").contains("elsewhere"),
    )
    .await?;
    let event = stage.cluster.wait_event(NS, "media-events", "DriftDetected").await?;
    seen(&format!("event DriftDetected: {}", event.note.unwrap_or_default()));
    Ok(())
}

async fn rival(stage: &Stage) -> Result<()> {
    say("A second resource names the same account, region and app.");
    let rival = harness::Vmc::http(NS, "rival", "https://rival.example.com/vod")
        .app_id("app-demo")
        .events(["ALL"]);
    let owner = harness::Vmc::http(NS, "owner", "https://owner.example.com/vod")
        .app_id("app-demo")
        .events(["ALL"]);
    stage.cluster.apply_vmc(&owner).await?;
    stage.cluster.wait_ready(NS, "owner").await?;
    // Creation times are whole seconds: within one the uid would decide which is the older.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    stage.cluster.apply_vmc(&rival).await?;
    applied(
        stage,
        "rival",
        "the younger one is Stalled, reason Conflict, and names the owner",
        |vmc| {
            harness::ready_reason(vmc) == "Conflict" && vmc["status"]["conditions"].to_string().contains("media/owner")
        },
    )
    .await?;
    say("The owner is deleted.");
    kubectl(&stage.plane, &["-n", NS, "delete", "vmc", "owner", "--timeout=60s"]).await?;
    applied(stage, "rival", "the other takes over at once", |vmc| {
        harness::ready_reason(vmc) == "Applied"
    })
    .await
}

async fn throttled(stage: &Stage) -> Result<()> {
    say("The service throttles this account for a while.");
    let busy = How::Code {
        status: 400,
        code: "Throttling.User".into(),
        message: String::new(),
        headers: vec![("x-acs-retry-after".into(), "1000".into())],
    };
    stage.endpoint.world().faults.push(Fault::always(busy).times(4));
    eventually("the throttled answers are used up", async || {
        stage.endpoint.world().faults.is_empty()
    })
    .await?;
    applied(
        stage,
        "media-events",
        "it waited as long as it was asked to, and stayed Ready",
        |vmc| harness::condition(vmc, "Ready").is_some_and(|c| c["status"] == json!("True")),
    )
    .await
}

async fn refused(stage: &Stage) -> Result<()> {
    say("A manifest with a mistake is applied.");
    let manifest = harness::Vmc::http(NS, "wrong", "https://user:password@hooks.example.com/vod").to_yaml();
    let answer = stage.plane.kubectl_with_input(&["apply", "-f", "-"], &manifest).await?;
    if answer.success || !answer.stderr.contains("url must not hold user info") {
        return Err("the API server took a URL with user info".into());
    }
    println!("  {}", answer.stderr.trim());
    seen("refused by the API server, naming the field and the fix");
    Ok(())
}

async fn delete(stage: &Stage) -> Result<()> {
    say("The resource is deleted.");
    kubectl(
        &stage.plane,
        &["-n", NS, "delete", "vmc", "media-events", "--timeout=60s"],
    )
    .await?;
    if !held(stage, "CallbackType").is_empty() {
        return Err("the setting is still there".into());
    }
    seen("DeleteMessageCallback was called, the setting and the resource are gone");
    Ok(())
}

/// Whatever happened before.
pub fn no_secret_is_logged(stage: &Stage) -> Result<()> {
    let logs = stage.operator.logs().join("\n");
    if [
        KEY_SECRET,
        "Example1AuthKey",
        "Example2AuthKey",
        "ExampleOldKey1",
        "ExampleNewKey2",
    ]
    .iter()
    .any(|secret| logs.contains(secret))
    {
        return Err("a secret is in the operator's log".into());
    }
    seen("no secret is in the operator's log");
    Ok(())
}
