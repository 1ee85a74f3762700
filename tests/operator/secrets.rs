//! Contract 3, "Secrets", and the rule that no secret is ever shown.

use harness::until;
use vod_endpoint::{Fault, How, KEY_ID, KEY_SECRET};

use crate::stage::{Stage, app};

#[tokio::test]
async fn one_created_later_is_acted_on_at_once() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage
        .apply(&stage.http("early").secret("late").auth("sign", "authKey"))
        .await;
    stage.not_ready("early", "SecretNotFound").await;
    stage.secret("late", &[("accessKeyId", KEY_ID)]).await;
    stage.secret("sign", &[("other", "x")]).await;
    stage.not_ready("early", "SecretKeyMissing").await;
    stage.access_key("late", KEY_ID, KEY_SECRET).await;
    stage.secret("sign", &[("authKey", "tooweak")]).await;
    stage.not_ready("early", "InvalidAuthKey").await;
    assert!(stage.calls("early").is_empty(), "caught before any call");
    stage.secret("sign", &[("authKey", "Strong123\n")]).await;
    stage.ready("early", "Applied").await;
    let live = stage.live("early").unwrap();
    assert_eq!(
        (live["AuthSwitch"].as_str(), live["AuthKey"].as_str()),
        ("on", "Strong123")
    );
}

#[tokio::test]
async fn a_rotated_key_is_one_set_and_a_touched_secret_none() {
    let stage = Stage::set().await;
    stage.secret("sign", &[("authKey", "First1234")]).await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.apply(&stage.http("rotate").auth("sign", "authKey")).await;
    stage.ready("rotate", "Applied").await;
    stage.secret("sign", &[("authKey", "Second1234")]).await;
    until("the new key is set", async || {
        stage.live("rotate").unwrap()["AuthKey"] == "Second1234"
    })
    .await;
    assert_eq!(stage.sets("rotate"), 2);
    let gets = stage.gets("rotate");
    stage
        .secret("sign", &[("authKey", "Second1234"), ("unrelated", "x")])
        .await;
    until("the touched Secret was looked at", async || stage.gets("rotate") > gets).await;
    stage.check_now("rotate", "after").await;
    assert_eq!(stage.sets("rotate"), 2);
}

#[tokio::test]
async fn a_masked_key_is_set_again_when_its_secret_changes() {
    let stage = Stage::set().await;
    stage.endpoint.world().behaviour.key = vod_endpoint::ShowKey::Masked;
    stage.secret("sign", &[("authKey", "First1234")]).await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.apply(&stage.http("masked").auth("sign", "authKey")).await;
    stage.ready("masked", "Applied").await;
    stage.secret("sign", &[("authKey", "Second1234")]).await;
    until("the new key is set", async || {
        stage.live("masked").unwrap()["AuthKey"] == "Second1234"
    })
    .await;
    stage.check_now("masked", "after").await;
    assert_eq!(stage.sets("masked"), 2, "a masked key is not drift");
}

#[tokio::test]
async fn refused_credentials_stall_and_recover_by_the_secret() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.access_key("alibaba-cloud", KEY_ID, "WrongSecret").await;
    stage.apply(&stage.http("wrong")).await;
    stage.not_ready("wrong", "InvalidCredentials").await;
    let status = stage.status("wrong").await;
    assert_eq!(status["lastError"]["code"], "SignatureDoesNotMatch");
    assert!(status["lastError"]["requestId"].is_string());
    stage.access_key("alibaba-cloud", KEY_ID, KEY_SECRET).await;
    stage.ready("wrong", "Applied").await;
    assert!(stage.status("wrong").await.get("lastError").is_none());
}

#[tokio::test]
async fn denied_permission_and_refused_parameters_stall() {
    let stage = Stage::set().await;
    {
        let mut world = stage.endpoint.world();
        world.faults.push(Fault::code(403, "Forbidden.RAM").app(&app("denied")));
        world.faults.push(
            Fault::code(400, "InvalidParameter")
                .app(&app("refused"))
                .action("SetMessageCallback"),
        );
    }
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.apply(&stage.http("denied")).await;
    stage.apply(&stage.http("refused")).await;
    stage.not_ready("denied", "PermissionDenied").await;
    stage.not_ready("refused", "InvalidSpec").await;
    stage.condition("denied", ("Stalled", "True", "PermissionDenied")).await;
}

/// Every way in which a secret could get out, at trace level, with a service that echoes all it was sent.
#[tokio::test]
async fn no_secret_is_shown_anywhere() {
    for signature in ["acs3", "hmac-sha1"] {
        let stage = Stage::set().await;
        let (key, secret) = ("SesameOpen42", KEY_SECRET);
        stage.secret("sign", &[("authKey", key)]).await;
        let echo = |status: u16, code: &str| {
            Fault::always(How::Code {
                status,
                code: code.into(),
                message: "you sent {echo}".into(),
                headers: vec![],
            })
        };
        for (name, fault) in [
            ("garbage", Fault::always(How::Garbage { status: 200 })),
            ("spec", echo(400, "InvalidParameter")),
            ("denied", echo(403, "Forbidden.RAM")),
            ("busy", echo(400, "Throttling.User")),
            ("down", echo(503, "ServiceUnavailable")),
            ("wrong", echo(400, "SignatureDoesNotMatch")),
        ] {
            stage.fault(fault.app(&app(name)).times(3));
        }
        let operator = stage
            .operator(&["--check-interval", "2s", "--signature", signature])
            .await;
        for name in ["garbage", "spec", "denied", "busy", "down", "wrong", "fine"] {
            stage.apply(&stage.http(name).auth("sign", "authKey")).await;
        }
        for name in ["garbage", "spec", "denied", "busy", "down", "wrong", "fine"] {
            stage.ready(name, "").await;
        }
        stage.tamper("fine", &[("AuthKey", "Someone5Else")]);
        until("the key is corrected", async || {
            stage.live("fine").unwrap()["AuthKey"] == key
        })
        .await;
        let mut shown = operator.logs().join("\n");
        shown += &operator.get("/metrics").await.unwrap().1;
        for vmc in stage
            .cluster
            .vmcs(&stage.ns)
            .list(&kube::api::ListParams::default())
            .await
            .unwrap()
        {
            shown += &serde_json::to_string(&vmc).unwrap();
            let events = stage.events(vmc.metadata.name.as_deref().unwrap()).await;
            shown += &format!("{events:?}");
        }
        assert!(shown.len() > 5000, "there was something to search");
        for secret in [key, secret, KEY_ID, "Someone5Else"] {
            assert!(!shown.contains(secret), "{secret} is shown ({signature})");
        }
    }
}

#[tokio::test]
async fn a_secret_of_another_namespace_is_not_found() {
    let stage = Stage::set().await;
    let other = stage.cluster.namespace("vod").await.unwrap();
    let data = [("accessKeyId", KEY_ID), ("accessKeySecret", KEY_SECRET)];
    stage.cluster.secret(&other, "elsewhere", &data).await.unwrap();
    let _operator = stage
        .operator(&["--watch-namespace", &other, "--check-interval", "1h"])
        .await;
    stage.apply(&stage.http("cross").secret("elsewhere")).await;
    stage.not_ready("cross", "SecretNotFound").await;
    assert!(stage.endpoint.world().calls().is_empty());
}

#[tokio::test]
async fn a_switched_off_key_is_still_needed_and_sent() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    let http = serde_json::json!({
        "url": crate::stage::URL, "auth": { "enabled": false, "keySecretRef": { "name": "sign" } },
    });
    stage.apply(&stage.http("off").field("http", http)).await;
    stage.not_ready("off", "SecretNotFound").await;
    stage.secret("sign", &[("authKey", "Switched0ff")]).await;
    stage.ready("off", "Applied").await;
    let live = stage.live("off").unwrap();
    assert_eq!(
        (live["AuthSwitch"].as_str(), live["AuthKey"].as_str()),
        ("off", "Switched0ff")
    );
}

/// At rest nobody reads Secrets: their values are needed only when something is done.
#[tokio::test]
async fn values_are_read_only_when_they_are_needed() {
    let stage = Stage::set_apart().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.applied("rest").await;
    let reads = || {
        let log = stage.plane.audit_log().unwrap();
        let of_secrets = log
            .iter()
            .filter(|e| e.resource == "secrets" && e.namespace == stage.ns);
        of_secrets.filter(|e| e.verb == "get").count()
    };
    until("the one read is in the log", async || reads() == 1).await;
    // Other Secrets come and go.
    for n in 0..5 {
        stage.secret(&format!("other{n}"), &[("x", "y")]).await;
    }
    stage.applied("second").await;
    until("the second one's read is in the log", async || reads() == 2).await;
}
