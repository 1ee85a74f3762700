//! Contract 5: what the process tells to those who run it: metrics, one log line for each change, and bad flags.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use harness::until;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use vod_endpoint::{Fault, How};

use crate::stage::{Stage, app};

#[tokio::test]
async fn metrics_are_the_contracts_with_bounded_labels() {
    let stage = Stage::set().await;
    let down = Fault::code(503, "ServiceUnavailable")
        .app(&app("late"))
        .action("SetMessageCallback");
    stage.fault(down.times(1));
    let operator = stage.operator(&["--check-interval", "1s"]).await;
    stage.apply(&stage.http("late")).await;
    stage.apply(&stage.http("drift")).await;
    stage.apply(&stage.http("report").management_policy("ApplyOnly")).await;
    for name in ["late", "drift", "report"] {
        stage.ready(name, "").await;
    }
    for name in ["drift", "report"] {
        stage.tamper(name, &[("EventTypeList", "")]);
    }
    let sum = async |name: &str, labels: &[(&str, &str)]| operator.metrics().await.unwrap().sum(name, labels);
    for (name, labels) in [
        ("vod_operator_reconcile_total", &[("result", "ok")][..]),
        ("vod_operator_reconcile_total", &[("result", "transient")]),
        ("vod_operator_reconcile_duration_seconds_count", &[]),
        (
            "vod_operator_api_requests_total",
            &[("action", "SetMessageCallback"), ("code", "OK")],
        ),
        (
            "vod_operator_api_requests_total",
            &[("action", "SetMessageCallback"), ("code", "ServiceUnavailable")],
        ),
        (
            "vod_operator_api_requests_total",
            &[("action", "GetCallerIdentity"), ("code", "OK")],
        ),
        (
            "vod_operator_api_request_duration_seconds_count",
            &[("action", "GetMessageCallback")],
        ),
        ("vod_operator_quota_wait_seconds_count", &[]),
        ("vod_operator_resources", &[("state", "Drifted")]),
        ("vod_operator_drift_total", &[("outcome", "corrected")]),
        ("vod_operator_drift_total", &[("outcome", "reported")]),
        ("vod_operator_leader", &[]),
    ] {
        until(&format!("{name} {labels:?}"), async || sum(name, labels).await > 0.5).await;
    }
    let (_, page) = operator.get("/metrics").await.unwrap();
    for word in ["drift\"", "report\"", &stage.ns, vod_endpoint::ACCOUNT, "app-"] {
        assert!(
            !page.contains(word),
            "{word} is a label: resources must not make new series"
        );
    }
    // What happened, counted by the endpoint too.
    let sets = sum(
        "vod_operator_api_requests_total",
        &[("action", "SetMessageCallback"), ("code", "OK")],
    )
    .await;
    let seen = ["late", "drift", "report"]
        .map(|name| stage.sets(name))
        .iter()
        .sum::<usize>();
    assert_eq!(format!("{sets:.0}"), seen.to_string());
}

/// By name only where asked, and only while they are not Ready.
#[tokio::test]
async fn resources_that_are_not_ready_have_a_series_where_asked() {
    let stage = Stage::set().await;
    let operator = stage
        .operator(&["--check-interval", "1h", "--metrics-per-resource"])
        .await;
    stage.apply(&stage.http("well")).await;
    stage.apply(&stage.http("lacking").secret("missing")).await;
    stage.ready("well", "Applied").await;
    stage.not_ready("lacking", "SecretNotFound").await;
    let series = async || {
        let metrics = operator.metrics().await.unwrap();
        let all = metrics.matching("vod_operator_resource_ready", &[]);
        all.map(|sample| (sample.labels.clone(), format!("{:.0}", sample.value)))
            .collect::<Vec<_>>()
    };
    let labels = [
        ("namespace", stage.ns.as_str()),
        ("name", "lacking"),
        ("reason", "SecretNotFound"),
    ];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let expected = vec![(labels, "0".to_owned())];
    until("one series", async || series().await == expected).await;
    stage
        .access_key("missing", vod_endpoint::KEY_ID, vod_endpoint::KEY_SECRET)
        .await;
    stage.ready("lacking", "Applied").await;
    until("none", async || series().await.is_empty()).await;
}

/// Who, which fields, the RequestId: one line of JSON for each change, and none for what changes nothing.
#[tokio::test]
async fn each_change_is_one_line_of_the_log() {
    let stage = Stage::set().await;
    let operator = stage
        .builder(&["--check-interval", "1s", "--log-format", "json"])
        .env("RUST_LOG", "info")
        .start()
        .await
        .unwrap();
    stage.apply(&stage.http("log")).await;
    stage.ready("log", "").await;
    stage.tamper("log", &[("CallbackURL", "https://other.example.com/")]);
    until("it is corrected", async || stage.sets("log") == 2).await;
    stage.ready("log", "InSync").await;
    stage.delete("log").await;
    let lines: Vec<Value> = operator
        .logs()
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
        .collect();
    let changes: Vec<&Value> = lines.iter().filter(|l| l.get("request_id").is_some()).collect();
    let made = stage.calls("log");
    let made: Vec<_> = made.iter().filter(|c| c.action != "GetMessageCallback").collect();
    assert_eq!((changes.len(), made.len()), (3, 3), "{changes:#?}");
    for (line, call) in changes.iter().zip(&made) {
        assert_eq!(
            (&line["action"], &line["request_id"]),
            (&call.action.as_str().into(), &call.request_id.as_str().into())
        );
        assert_eq!(line["resource"], format!("{}/log", stage.ns));
    }
    assert!(changes[1]["fields"].to_string().contains("http.url"), "{}", changes[1]);
}

#[test]
fn bad_flags_and_variables_end_with_2_and_are_named() {
    for (args, variable, named) in [
        (&["--vod-qps", "0"][..], None, "--vod-qps"),
        (&["--check-interval", "soon"], None, "--check-interval"),
        (&[], Some(("VOD_OPERATOR_SIGNATURE", "md5")), "VOD_OPERATOR_SIGNATURE"),
        (
            &[],
            Some(("VOD_OPERATOR_WATCH_NAMESPACE", ",")),
            "VOD_OPERATOR_WATCH_NAMESPACE",
        ),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vod-operator"));
        command.env_clear().arg("run").args(args).envs(variable);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        let value = variable.map_or_else(|| args[1], |(_, value)| value);
        assert!(said.contains(named) && said.contains(value), "{said}");
    }
}

/// An HTTP proxy that leads every CONNECT to one port; it counts them.
async fn connect_proxy(server: u16, asked: Arc<AtomicUsize>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let asked = Arc::clone(&asked);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await.unwrap_or(0));
                }
                if !head.starts_with(b"CONNECT kubernetes:") {
                    return;
                }
                asked.fetch_add(1, Ordering::Relaxed);
                let mut server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    port
}

#[tokio::test]
async fn a_proxy_leads_to_the_api_server_but_not_back_to_this_machine() {
    let stage = Stage::set().await;
    let nobody = format!("http://127.0.0.1:{}", control_plane::free_port().unwrap());
    let local = stage.builder(&[]).env("HTTPS_PROXY", nobody).start().await.unwrap();
    stage.applied("local").await;
    drop(local);
    // A name that only the proxy can lead to.
    let kubeconfig = std::fs::read_to_string(stage.plane.kubeconfig_path()).unwrap();
    let folder = stage.plane.folder().join("proxied.kubeconfig");
    std::fs::write(&folder, kubeconfig.replace("https://127.0.0.1", "https://kubernetes")).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let proxy = connect_proxy(stage.plane.port(), Arc::clone(&asked)).await;
    let _proxied = stage
        .builder(&[])
        .kubeconfig(folder)
        .env("HTTPS_PROXY", format!("http://127.0.0.1:{proxy}"))
        .start()
        .await
        .unwrap();
    stage.applied("proxied").await;
    assert!(asked.load(Ordering::Relaxed) > 0);
}

/// From the moment it answers probes it stops in order, and it is not ready before its caches are filled.
#[tokio::test]
async fn a_stop_right_after_the_start_is_orderly() {
    let stage = Stage::set().await;
    for args in [&[][..], &["--leader-elect"]] {
        for _ in 0..4 {
            let operator = stage
                .builder(args)
                .env("POD_NAMESPACE", stage.ns.as_str())
                .spawn()
                .unwrap();
            until("it answers", async || operator.get("/healthz").await.is_ok()).await;
            let status = operator.sigterm_and_wait().await.unwrap();
            assert!(status.success(), "{status} {:#?}", operator.logs());
            let left = operator.logged("did not end in time");
            assert_eq!(left, 0, "nothing had begun that it could have waited for");
        }
    }
}

#[tokio::test]
async fn a_stop_finishes_the_call_in_flight() {
    let stage = Stage::set().await;
    let late = Fault::always(How::Delay { ms: 1500 })
        .action("SetMessageCallback")
        .after();
    stage.fault(late);
    let operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.apply(&stage.http("flight")).await;
    until("the Set is on its way", async || stage.sets("flight") == 1).await;
    assert!(operator.sigterm_and_wait().await.unwrap().success());
    let vmc = stage.ready("flight", "Applied").await;
    assert_eq!(
        vmc["status"]["requestId"],
        stage.calls("flight")[1].request_id,
        "its answer was waited for and told"
    );
    assert!(vmc["status"]["reported"].is_object(), "and read back");
}
