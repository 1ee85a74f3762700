use super::super::text::{summary, text};
use super::*;
use crate::domain::REDACTED;

fn difference(field: Field, observed: &str, desired: &str) -> FieldDifference {
    FieldDifference {
        field,
        desired: desired.into(),
        observed: observed.into(),
    }
}

fn item(name: &str, verdict: Verdict) -> Item {
    Item {
        namespace: "media".into(),
        name: name.into(),
        source: None,
        region: "cn-shanghai".into(),
        app_id: "app-1".into(),
        account: None,
        verdict,
    }
}

#[test]
fn event_types_are_told_one_by_one_where_both_sides_name_them() {
    let lines = |from, to| -> Vec<(Option<String>, Option<String>)> {
        let all = change(&difference(Field::EventTypes, from, to));
        all.into_iter().map(|c| (c.from, c.to)).collect()
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(lines("A, B", "B,C"), [(some("A"), None), (None, some("C"))]);
    assert_eq!(lines("ALL", "A,B"), [(some("ALL"), some("A,B"))]);
    assert_eq!(lines("", "A,B"), [(None, some("A,B"))]);
    assert_eq!(lines("A", ""), [(some("A"), None)]);
}

#[test]
fn it_reads_like_the_plans_that_people_know() {
    let found = [
        difference(
            Field::Url,
            "https://old.example.com/\u{1b}[2J",
            "https://hooks.example.com/vod",
        ),
        difference(Field::AuthKey, REDACTED, REDACTED),
        difference(Field::EventTypes, "A,B", "A,C"),
        difference(Field::AuthEnabled, "", "on"),
    ];
    let change = Plan::Set(Cause::Change);
    let report = Report::of(vec![
        item("changed", Verdict::of_plan(&change, &found)),
        item("gone", Verdict::of_cleanup(&Cleanup::Delete)),
        item("stuck", Verdict::stall(Reason::Conflict, "belongs to\nanother")),
    ]);
    assert_eq!(
        text(&report),
        r#"~ media/changed (cn-shanghai, app-1): set, since the spec or its AuthKey changed
    ~ http.url                "https://old.example.com/\u{1b}[2J" → "https://hooks.example.com/vod"
    ~ http.auth.keySecretRef  (redacted) → (redacted)
    - eventTypes              "B"
    + eventTypes              "C"
    + http.auth.enabled       "on"
- media/gone (cn-shanghai, app-1): deleted with its resource
! media/stuck (cn-shanghai, app-1): Conflict: belongs to another

Plan: 1 to set, 1 to delete, 0 unchanged, 1 stalled.
"#
    );
    assert!(report.summary.has_findings());
}

#[test]
fn the_kinds_are_counted_and_only_some_are_findings() {
    let unchanged = Report::of(vec![
        item("a", Verdict::none("no change")),
        item("b", Verdict::unknown("?")),
    ]);
    assert!(!unchanged.summary.has_findings());
    assert_eq!(
        summary(&unchanged.summary),
        "Plan: 0 to set, 0 to delete, 1 unchanged, 1 not found out."
    );
    let observed = [difference(Field::Url, "a", "b")];
    let observed = Report::of(vec![item(
        "a",
        Verdict::of_plan(&Plan::ReportObserved(observed.to_vec()), &[]),
    )]);
    assert!(
        observed.summary.has_findings(),
        "a difference that is only told is one all the same"
    );
}

#[test]
fn programs_read_stable_names() {
    let found = [difference(Field::Url, "", "b")];
    let report = Report::of(vec![item("a", Verdict::of_plan(&Plan::Set(Cause::Change), &found))]);
    assert_eq!(
        serde_json::to_value(&report).unwrap(),
        serde_json::json!({
            "resources": [{
                "namespace": "media",
                "name": "a",
                "region": "cn-shanghai",
                "appId": "app-1",
                "action": "set",
                "message": "set, since the spec or its AuthKey changed",
                "changes": [{ "field": "http.url", "to": "b" }],
            }],
            "summary": { "set": 1, "delete": 0, "differ": 0, "unchanged": 0, "stall": 0, "refuse": 0, "unknown": 0 },
        })
    );
}
