//! The configuration of kube-state-metrics and its alerts (`deploy/monitoring`) name only what the CRD and the code have.

use std::collections::BTreeSet;
use std::fs;

use k8s_openapi::jiff::Timestamp;
use kube::CustomResourceExt;
use kube::core::Resource;
use serde_json::Value;
use vod_operator::api::VodMessageCallback;
use vod_operator::status::{Outcome, Reason, conditions};

use crate::repository;

fn read(path: &str) -> Value {
    serde_saphyr::from_str(&fs::read_to_string(repository(path)).unwrap()).unwrap()
}

fn words(list: &Value) -> Vec<&str> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect()
}

/// The schema at `path` below `schema`, through the items of lists, as kube-state-metrics walks it.
fn at<'a>(schema: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(schema, |schema, part| {
        let object = schema.get("items").unwrap_or(schema);
        object.get("properties")?.get(part)
    })
}

/// Kubernetes' own fields, of which the CRD says nothing.
const METADATA: [&str; 4] = ["namespace", "name", "generation", "deletionTimestamp"];

fn exists(schema: &Value, path: &[&str]) -> bool {
    match path {
        ["metadata", field] => METADATA.contains(field),
        _ => at(schema, path).is_some(),
    }
}

fn resources() -> Vec<Value> {
    let config = read("deploy/monitoring/kube-state-metrics.yaml");
    config["spec"]["resources"].as_array().unwrap().clone()
}

#[test]
fn every_path_is_a_field_of_the_crd() {
    let crd = serde_json::to_value(VodMessageCallback::crd()).unwrap();
    let schema = crd.pointer("/spec/versions/0/schema/openAPIV3Schema").unwrap();
    let [resource] = resources().try_into().unwrap();
    let kind = &resource["groupVersionKind"];
    assert_eq!(kind["group"], VodMessageCallback::group(&()).as_ref());
    assert_eq!(kind["version"], VodMessageCallback::version(&()).as_ref());
    assert_eq!(kind["kind"], VodMessageCallback::kind(&()).as_ref());
    for path in resource["labelsFromPath"].as_object().unwrap().values() {
        assert!(exists(schema, &words(path)), "{path}");
    }
    let mut paths = 0;
    for metric in resource["metrics"].as_array().unwrap() {
        let each = &metric["each"];
        let details = each.get("info").or_else(|| each.get("gauge")).unwrap();
        let root = details.get("path").map(words).unwrap_or_default();
        let labels = details.get("labelsFromPath").and_then(Value::as_object);
        let below = labels.into_iter().flat_map(|labels| labels.values()).map(words);
        // A metric without labels of its own is about the path itself.
        for path in std::iter::once(Vec::new()).chain(below) {
            let whole = [root.clone(), path].concat();
            assert!(
                whole.is_empty() || exists(schema, &whole),
                "{}: {whole:?}",
                metric["name"]
            );
            paths += 1;
        }
    }
    assert!(paths > 10, "only {paths} paths were found");
    assert!(!exists(schema, &["status", "noSuchField"]));
    assert!(!exists(schema, &["status", "conditions", "noSuchField"]));
}

/// What stands between quotes after `label=` or one of its kin.
fn values_of(label: &str, text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for operator in ["=~\"", "!~\"", "!=\"", "=\""] {
        let begin = format!("{label}{operator}");
        for rest in text.split(&begin).skip(1) {
            let value = rest.split('"').next().unwrap();
            found.extend(value.split('|').map(str::to_owned));
        }
    }
    found
}

#[test]
fn its_alerts_name_metrics_conditions_and_reasons_that_exist() {
    let text = fs::read_to_string(repository("deploy/monitoring/alerts.yaml")).unwrap();
    let [resource] = resources().try_into().unwrap();
    let prefix = resource["metricNamePrefix"].as_str().unwrap();
    let metrics: BTreeSet<String> = resource["metrics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|metric| format!("{prefix}_{}", metric["name"].as_str().unwrap()))
        .collect();
    let used: BTreeSet<String> = text
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with(prefix))
        .map(str::to_owned)
        .collect();
    assert!(!used.is_empty() && used.is_subset(&metrics), "{used:?}");

    let types: BTreeSet<String> = Reason::ALL
        .iter()
        .copied()
        .flat_map(|reason| conditions(&[], &Outcome::new(reason, ""), 1, Timestamp::UNIX_EPOCH))
        .map(|condition| condition.type_)
        .collect();
    let named = values_of("type", &text);
    assert!(!named.is_empty() && named.is_subset(&types), "{named:?}");
    let reasons: BTreeSet<String> = Reason::ALL.iter().map(|reason| reason.as_str().to_owned()).collect();
    let named = values_of("reason", &text);
    assert!(!named.is_empty() && named.is_subset(&reasons), "{named:?}");
}

/// The chart's alerts go by the states of `vod_operator_resources`: every reason that is not well has one.
#[test]
fn every_reason_that_is_not_well_is_alerted_on() {
    let text = fs::read_to_string(repository("deploy/chart/files/alerts.yaml")).unwrap();
    let states = values_of("state", &text);
    for reason in Reason::ALL.iter().copied() {
        let quiet = reason.is_ready() && reason != Reason::Drifted || reason == Reason::Suspended;
        assert_eq!(states.contains(reason.as_str()), !quiet, "{}", reason.as_str());
    }
    let known: BTreeSet<String> = Reason::ALL.iter().map(|reason| reason.as_str().to_owned()).collect();
    let unknown: Vec<&String> = states
        .iter()
        .filter(|state| !known.contains(*state) && *state != "Deleting")
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
