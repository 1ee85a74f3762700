//! `status`: the cluster's resources, the worst first.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::cli::command;
use crate::stage::{Stage, done};

fn words(status: &str, reason: &str, generation: i64) -> Value {
    let condition = json!({
        "type": "Ready", "status": status, "reason": reason, "message": format!("{reason} in \u{1b}[31mwords"),
        "lastTransitionTime": "2026-01-02T00:00:00Z", "observedGeneration": generation,
    });
    json!({ "observedGeneration": generation, "conditions": [condition] })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worst_comes_first_with_its_fix() {
    let stage = Stage::set().await;
    let nothing = done(stage.command(&["status", "--namespace", &stage.ns])).await;
    assert_eq!((nothing.code, nothing.stdout.as_str()), (0, ""), "{nothing:?}");
    assert!(nothing.stderr.contains(&stage.ns), "{nothing:?}");

    for (name, status, reason) in [
        ("well", "True", "Applied"),
        ("paused", "Unknown", "Suspended"),
        ("broken", "False", "SecretNotFound"),
    ] {
        stage.apply(&stage.http(name)).await;
        stage.say(name, words(status, reason, 1)).await;
    }
    let shown = done(stage.command(&["status", "-n", &stage.ns])).await;
    assert_eq!((shown.code, shown.stderr.as_str()), (1, ""), "{shown:?}");
    let lines: Vec<&str> = shown.stdout.lines().collect();
    assert!(lines[0].starts_with("NAME ") && lines[0].contains("SINCE"), "{shown:?}");
    assert!(lines[1].starts_with("broken "), "{shown:?}");
    assert_eq!(lines[2], "  SecretNotFound in [31mwords");
    assert!(lines[3].starts_with("  Fix: Create the Secret"), "{shown:?}");
    assert!(lines[4].starts_with("paused "), "{shown:?}");
    assert!(lines[7].starts_with("well "), "{shown:?}");
    assert_eq!(lines[9], "3 resources, 2 not Ready");
    assert!(
        !shown.stdout.contains('\u{1b}'),
        "no colours where nobody sees them: {shown:?}"
    );

    let everywhere = done(stage.command(&["status", "-A", "-o", "json"])).await;
    let report: Value = serde_json::from_str(&everywhere.stdout).unwrap();
    let ours: Vec<&Value> = report["resources"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["namespace"] == stage.ns.as_str())
        .collect();
    assert_eq!(ours[0]["reason"], "SecretNotFound");
    assert_eq!(ours[0]["since"], "2026-01-02T00:00:00Z");
    assert!(ours[0]["fix"].as_str().unwrap().starts_with("Create the Secret"));
    assert!(report["notReady"].as_u64().unwrap() >= 2);

    // What the words are about counts: a change that nobody has looked at is not Ready.
    stage.cluster.delete_vmc(&stage.ns, "broken").await.unwrap();
    stage.cluster.delete_vmc(&stage.ns, "paused").await.unwrap();
    let well = done(stage.command(&["status", "-n", &stage.ns])).await;
    assert_eq!(well.code, 0, "{well:?}");
    stage.apply(&stage.http("well").events(["TranscodeComplete"])).await;
    let changed = done(stage.command(&["status", "-n", &stage.ns, "-o", "yaml"])).await;
    assert_eq!(changed.code, 1, "{changed:?}");
    assert!(changed.stdout.contains("reason: Progressing"), "{changed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn watching_shows_each_change() {
    let stage = Stage::set().await;
    stage.apply(&stage.http("watched")).await;
    stage.say("watched", words("False", "Conflict", 1)).await;
    let mut child = stage
        .command(&["status", "-n", &stage.ns, "--watch", "-o", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = move || -> (Value, _) {
        let line = lines.next().unwrap().unwrap();
        (serde_json::from_str(&line).unwrap(), ())
    };
    let (first, ()) = next();
    assert_eq!(first["resources"][0]["reason"], "Conflict");
    stage.say("watched", words("True", "Applied", 1)).await;
    let (second, ()) = next();
    assert_eq!(
        (&second["resources"][0]["reason"], &second["notReady"]),
        (&json!("Applied"), &json!(0))
    );
    stage.cluster.delete_vmc(&stage.ns, "watched").await.unwrap();
    let (third, ()) = next();
    assert_eq!(third["total"], 0);
    // Nobody reads any more: the next change ends it, and its exit code is of what was there then.
    drop(next);
    stage.apply(&stage.http("late")).await;
    let status = tokio::task::spawn_blocking(move || child.wait().unwrap())
        .await
        .unwrap();
    assert_eq!(status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_cannot_be_asked_is_one_clear_line() {
    let stage = Stage::set().await;
    let home = stage.dir.path("");
    let without = |kubeconfig: &str| {
        let mut command = command(&["status"]);
        command.env("HOME", &home).env("KUBECONFIG", kubeconfig);
        command
    };
    done(without(&stage.dir.path("missing")))
        .await
        .is_refused(3, "no cluster was found");
    let gone = std::fs::read_to_string(stage.plane.kubeconfig_path()).unwrap();
    let port = stage.plane.port().to_string();
    let gone = gone.replace(&port, &harness::free_port().unwrap().to_string());
    let gone = stage.dir.write("gone", &gone);
    done(without(&gone)).await.is_refused(3, "did not answer");

    let account = serde_json::json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": { "namespace": stage.ns, "name": "nobody" },
    });
    stage.cluster.apply_object(&account).await.unwrap();
    let nobody = stage
        .plane
        .service_account_kubeconfig(&stage.ns, "nobody")
        .await
        .unwrap();
    let mut refused = stage.command(&["status"]);
    refused.env("KUBECONFIG", nobody);
    done(refused).await.is_refused(3, "you may not read");
    assert_eq!(done(stage.command(&["status", "-A", "-n", "x"])).await.code, 2);
}
