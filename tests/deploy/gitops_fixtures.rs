//! The states of a resource that GitOps tools are tested with (`deploy/gitops/fixtures`, by `hack/chart-tests`), made by the code that writes
//! conditions, so that the two cannot drift apart.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use vod_operator::api::{Difference, LastError, VodMessageCallback, VodMessageCallbackStatus, crd_yaml};
use vod_operator::status::{Outcome, Reason, conditions, conditions_of_failing_checks};

use crate::repository;

/// What Argo CD's script, Flux's expressions and plain kstatus must say of a state.
struct Expectation(&'static str, &'static str, &'static str);

const HEALTHY: Expectation = Expectation("Healthy", "Current", "Current");
const WAITING: Expectation = Expectation("Progressing", "InProgress", "InProgress");
const STALLED: Expectation = Expectation("Degraded", "Failed", "Failed");

fn expected(reason: Reason) -> Expectation {
    match reason {
        Reason::Progressing | Reason::Throttled | Reason::ServiceUnavailable => WAITING,
        Reason::Applied | Reason::InSync | Reason::DriftCorrected | Reason::Drifted | Reason::Observed => HEALTHY,
        // kstatus has no word for it.
        Reason::Suspended => Expectation("Suspended", "Current", "InProgress"),
        // The Secret often comes in the same sync, a moment later: Flux waits until its timeout.
        Reason::SecretNotFound => Expectation("Degraded", "InProgress", "Failed"),
        Reason::SecretKeyMissing
        | Reason::InvalidAuthKey
        | Reason::InvalidCredentials
        | Reason::PermissionDenied
        | Reason::InvalidSpec
        | Reason::Conflict
        | Reason::Contested
        | Reason::AmbientCredentialsDisabled => STALLED,
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + seconds).unwrap()
}

/// The status of a resource of generation 2 for `reason`.
fn status(reason: Reason) -> VodMessageCallbackStatus {
    let mut outcome = Outcome::new(reason, format!("what the operator says of {}", reason.as_str()));
    let differs = matches!(reason, Reason::Drifted | Reason::Contested);
    let difference = Difference {
        field: "http.url".into(),
        desired: "https://hooks.example.com/vod".into(),
        observed: "https://elsewhere.example.com/vod".into(),
    };
    if reason == Reason::Suspended {
        outcome.message = "spec.suspend is true".into();
    }
    let failed = matches!(
        reason,
        Reason::Throttled
            | Reason::ServiceUnavailable
            | Reason::InvalidCredentials
            | Reason::PermissionDenied
            | Reason::InvalidSpec
    );
    VodMessageCallbackStatus {
        observed_generation: Some(2),
        conditions: conditions(&[], &outcome, 2, at(0)),
        differences: if differs { vec![difference] } else { Vec::new() },
        last_error: failed.then(last_error),
        ..VodMessageCallbackStatus::default()
    }
}

fn last_error() -> LastError {
    LastError {
        code: "ExampleCode".into(),
        message: "what the service answered".into(),
        request_id: Some("25818875-5F78-4AF6-D7393642CA58".into()),
        http_status: Some(400),
        time: Time(at(0)),
    }
}

/// The resource at `generation` with `status`, and whatever more its metadata has.
fn resource(generation: i64, more: &Value, status: &Value) -> Value {
    let mut resource = json!({
        "apiVersion": "vod-operator.dev/v1alpha1",
        "kind": "VodMessageCallback",
        "metadata": {
            "name": "media-events",
            "namespace": "media",
            "generation": generation,
            "uid": "5d9a7f0e-0000-4000-8000-000000000001",
        },
        "spec": {
            "region": "cn-shanghai",
            "appId": "app-1000000",
            "credentials": { "secretRef": { "name": "alibaba-cloud" } },
            "callbackType": "HTTP",
            "http": { "url": "https://hooks.example.com/vod" },
            "eventTypes": ["FileUploadComplete"],
            "managementPolicy": "Enforce",
            "deletionPolicy": "Delete",
            "suspend": false,
        },
    });
    for (key, value) in more.as_object().unwrap() {
        resource["metadata"][key] = value.clone();
    }
    if !status.is_null() {
        resource["status"] = status.clone();
    }
    // What is shown must be a resource of ours.
    serde_json::from_value::<VodMessageCallback>(resource.clone()).unwrap();
    resource
}

fn kebab(reason: Reason) -> String {
    let mut name = String::new();
    for c in reason.as_str().chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

/// What the API server gives to a new object as its status.
fn status_of_a_new_object() -> Value {
    let crd: Value = serde_saphyr::from_str(&crd_yaml().unwrap()).unwrap();
    crd.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/status/default")
        .cloned()
        .unwrap()
}

fn fixtures() -> BTreeMap<String, String> {
    let none = json!({});
    let value = |status: &VodMessageCallbackStatus| serde_json::to_value(status).unwrap();
    let mut all = BTreeMap::new();
    let mut add = |name: &str, Expectation(argocd, flux, kstatus): Expectation, resource: &Value| {
        let mut text = format!("# expect: argocd={argocd} flux={flux} kstatus={kstatus}\n");
        text.push_str("# Generated by the operator's own code: hack/render-gitops-fixtures.\n");
        write!(text, "{}", serde_saphyr::to_string(resource).unwrap()).unwrap();
        all.insert(format!("{name}.yaml"), text);
    };
    for reason in Reason::ALL.iter().copied() {
        let seen = resource(2, &none, &value(&status(reason)));
        add(&kebab(reason), expected(reason), &seen);
    }
    add("new", WAITING, &resource(1, &none, &status_of_a_new_object()));
    for (name, before) in [
        ("changed-after-ready", Reason::Applied),
        ("changed-after-stalled", Reason::InvalidSpec),
    ] {
        add(name, WAITING, &resource(3, &none, &value(&status(before))));
    }
    let mut checked = status(Reason::InSync);
    checked.last_error = Some(last_error());
    add("throttled-check", HEALTHY, &resource(2, &none, &value(&checked)));
    let mut unread = checked.clone();
    let failure = Reason::ServiceUnavailable;
    unread.conditions = conditions_of_failing_checks(&checked.conditions, failure, "no answer", at(60), at(120));
    add("checks-failing", HEALTHY, &resource(2, &none, &value(&unread)));
    let goes = json!({
        "deletionTimestamp": at(300).to_string(),
        "deletionGracePeriodSeconds": 0,
        "finalizers": [vod_operator::FINALIZER],
    });
    let terminating = Expectation("Progressing", "InProgress", "Terminating");
    add(
        "deleting",
        terminating,
        &resource(3, &goes, &value(&status(Reason::Applied))),
    );
    all
}

/// Written anew with `hack/render-gitops-fixtures`.
#[test]
fn the_fixtures_are_what_the_code_writes() {
    let folder = repository("deploy/gitops/fixtures");
    let made = fixtures();
    if std::env::var_os("WRITE_FIXTURES").is_some() {
        for entry in fs::read_dir(&folder).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        for (name, text) in &made {
            fs::write(folder.join(name), text).unwrap();
        }
    }
    let found: BTreeMap<String, String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let text = fs::read_to_string(entry.path()).unwrap();
            (entry.file_name().into_string().unwrap(), text)
        })
        .collect();
    let names = |all: &BTreeMap<String, String>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&made), "run hack/render-gitops-fixtures");
    for (name, text) in &made {
        assert!(
            found[name] == *text,
            "{name} is out of date: run hack/render-gitops-fixtures"
        );
    }
}
