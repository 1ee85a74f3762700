use serde_json::{Value, json};

use super::*;

/// A resource of generation 3 whose status holds `status`.
fn resource(name: &str, status: Value) -> Listed {
    let object = json!({
        "apiVersion": "vod-operator.dev/v1alpha1",
        "kind": "VodMessageCallback",
        "metadata": { "name": name, "namespace": "media", "generation": 3, "creationTimestamp": "2026-01-01T00:00:00Z" },
        "spec": {
            "region": "cn-shanghai",
            "callbackType": "HTTP",
            "http": { "url": "https://hooks.example.com/vod" },
            "eventTypes": [],
        },
        "status": status,
    });
    crate::commands::cluster::read(serde_json::from_value(object).unwrap())
}

fn condition(type_: &str, status: &str, reason: &str, since: &str) -> Value {
    json!({
        "type": type_, "status": status, "reason": reason, "message": format!("{reason} in words"),
        "lastTransitionTime": since, "observedGeneration": 3,
    })
}

fn ready(status: &str, reason: &str) -> Value {
    let conditions = [condition("Ready", status, reason, "2026-01-02T00:00:00Z")];
    json!({ "observedGeneration": 3, "conditions": conditions })
}

fn row(listed: &Listed) -> Row {
    Row::of(listed)
}

#[test]
fn the_worst_comes_first_and_the_older_trouble_before_the_newer() {
    let mut drifted = ready("True", "Drifted");
    drifted["differences"] = json!([{ "field": "http.url", "desired": "a", "observed": "b" }]);
    let mut failing = ready("True", "InSync");
    let in_sync = condition("InSync", "Unknown", "ServiceUnavailable", "2026-01-03T00:00:00Z");
    failing["conditions"].as_array_mut().unwrap().push(in_sync);
    let mut older = ready("False", "Conflict");
    older["conditions"][0]["lastTransitionTime"] = json!("2026-01-01T00:00:00Z");
    let listed = [
        resource("well", ready("True", "Applied")),
        resource("drifted", drifted),
        resource("suspended", ready("Unknown", "Suspended")),
        resource("new", json!({ "observedGeneration": -1 })),
        resource("under-way", ready("Unknown", "Progressing")),
        resource("failing", failing),
        resource("waiting", ready("False", "Throttled")),
        resource("stalled", ready("False", "SecretNotFound")),
        resource("older", older),
        crate::commands::cluster::read(
            serde_json::from_value(json!({
                "apiVersion": "vod-operator.dev/v1alpha1", "kind": "VodMessageCallback",
                "metadata": { "name": "unreadable", "namespace": "media" }, "spec": { "callbackType": "FAX" },
            }))
            .unwrap(),
        ),
    ];
    let mut rows: Vec<Row> = listed.iter().map(row).collect();
    worst_first(&mut rows);
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "unreadable",
            "older",
            "stalled",
            "waiting",
            "failing",
            "new",
            "under-way",
            "suspended",
            "drifted",
            "well"
        ]
    );
    let well: Vec<&str> = rows.iter().filter(|r| r.is_ready()).map(|r| r.name.as_str()).collect();
    assert_eq!(well, ["failing", "drifted", "well"]);
    let silent: Vec<&str> = rows
        .iter()
        .filter(|r| !r.needs_words())
        .map(|r| r.name.as_str())
        .collect();
    assert_eq!(silent, ["well"]);
}

/// The words of an earlier generation say nothing about this one.
#[test]
fn a_change_that_nobody_has_looked_at_is_not_ready() {
    let mut before = ready("True", "Applied");
    before["observedGeneration"] = json!(2);
    let row = row(&resource("changed", before));
    assert_eq!((row.ready, row.reason.as_str()), ("Unknown", "Progressing"));
    assert!(row.message.contains("No operator has looked at it"));
}

#[test]
fn checks_that_fail_are_told_with_their_own_fix() {
    let mut status = ready("True", "InSync");
    let in_sync = condition("InSync", "Unknown", "PermissionDenied", "2026-01-03T00:00:00Z");
    status["conditions"].as_array_mut().unwrap().push(in_sync);
    let row = row(&resource("failing", status));
    assert!(row.is_ready());
    assert_eq!(row.fix, Reason::PermissionDenied.fix());
    assert_eq!(row.checks_failing.unwrap().since.to_string(), "2026-01-03T00:00:00Z");
}

/// Written by other versions of the operator, too.
#[test]
fn a_reason_of_the_future_is_shown_as_it_is() {
    let row = row(&resource("future", ready("False", "Brandnew")));
    assert_eq!((row.reason.as_str(), row.fix), ("Brandnew", None));
    assert_eq!(row.tone(), Tone::Bad);
}

#[test]
fn the_last_drift_stays_in_sight() {
    let mut status = ready("True", "InSync");
    status["lastDrift"] = json!({
        "time": "2026-01-02T03:04:05Z", "outcome": "corrected",
        "differences": [
            { "field": "http.url", "desired": "a", "observed": "b" },
            { "field": "eventTypes", "desired": "ALL", "observed": "" },
        ],
    });
    let row = row(&resource("drifted", status));
    let now = "2026-01-02T05:04:05Z".parse().unwrap();
    let text = super::super::text::table(&[row], false, now, super::super::text::Colours::Off);
    assert!(text.contains("2h ago, corrected: http.url, eventTypes"), "{text}");
}
