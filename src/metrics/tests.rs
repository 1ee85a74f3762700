use super::*;

fn has(text: &str, line: &str) {
    assert!(text.lines().any(|found| found == line), "{line} is not among:\n{text}");
}

#[test]
fn names_are_the_contract_s() {
    let metrics = Metrics::new();
    metrics.reconciled("ok", Duration::from_millis(20));
    metrics.api_call("SetMessageCallback", "Throttling.User", Duration::from_secs(1));
    metrics.quota_waited(Duration::from_millis(1));
    metrics.drift("corrected");
    metrics.set_leader(true);
    metrics.released("DeletionGrace");
    metrics.watch_failed("secrets");
    let text = metrics.encode();
    has(&text, r#"vod_operator_reconcile_total{result="ok"} 1"#);
    has(&text, "vod_operator_reconcile_duration_seconds_count 1");
    has(
        &text,
        r#"vod_operator_api_requests_total{action="SetMessageCallback",code="Throttling.User"} 1"#,
    );
    has(
        &text,
        r#"vod_operator_api_request_duration_seconds_count{action="SetMessageCallback"} 1"#,
    );
    has(&text, "vod_operator_quota_wait_seconds_count 1");
    has(&text, r#"vod_operator_drift_total{outcome="corrected"} 1"#);
    has(&text, "vod_operator_leader 1");
    has(&text, r#"vod_operator_released_total{reason="DeletionGrace"} 1"#);
    has(&text, r#"vod_operator_watch_errors_total{watch="secrets"} 1"#);
    has(
        &text,
        &format!(
            r#"vod_operator_build_info{{version="{}",commit="{}"}} 1"#,
            cli::VERSION,
            cli::COMMIT
        ),
    );
    assert!(
        text.ends_with("# EOF\n"),
        "a scraper refuses a text that may be cut off"
    );
}

#[test]
fn the_plain_format_names_counters_in_full() {
    let text = Metrics::new().encode_plain();
    has(&text, "# TYPE vod_operator_reconcile_total counter");
    has(
        &text,
        "# HELP vod_operator_reconcile_total Reconciles, by how they ended.",
    );
    has(&text, r#"vod_operator_reconcile_total{result="ok"} 0"#);
    has(&text, "# TYPE vod_operator_leader gauge");
    assert!(!text.contains("EOF"));
}

#[test]
fn known_values_start_at_zero() {
    let text = Metrics::new().encode();
    for line in [
        r#"vod_operator_reconcile_total{result="requeue"} 0"#,
        r#"vod_operator_reconcile_total{result="permission"} 0"#,
        r#"vod_operator_api_requests_total{action="DeleteMessageCallback",code="OK"} 0"#,
        r#"vod_operator_drift_total{outcome="contested"} 0"#,
        r#"vod_operator_watch_errors_total{watch="resources"} 0"#,
        r#"vod_operator_watch_silence_seconds{watch="secrets"} 0"#,
        r#"vod_operator_resources{state="Applied"} 0"#,
        r#"vod_operator_resources{state="Deleting"} 0"#,
        "vod_operator_checks_failing 0",
        "vod_operator_observed_drift 0",
        "vod_operator_leader 0",
    ] {
        has(&text, line);
    }
}

#[test]
fn states_that_vanish_go_to_zero() {
    let metrics = Metrics::new();
    metrics.set_states(&BTreeMap::from([("Ready", 2), ("Stalled", 1)]));
    metrics.set_states(&BTreeMap::from([("Ready", 3)]));
    let text = metrics.encode();
    has(&text, r#"vod_operator_resources{state="Ready"} 3"#);
    has(&text, r#"vod_operator_resources{state="Stalled"} 0"#);
}

#[test]
fn codes_are_bounded_in_number_and_form() {
    let metrics = Metrics::new();
    for n in 0..1000 {
        metrics.api_call("GetMessageCallback", &format!("Code.{n}"), Duration::ZERO);
    }
    for odd in ["", "two words", "a\"b", "line\nbreak", &"x".repeat(65)] {
        metrics.api_call("GetMessageCallback", odd, Duration::ZERO);
    }
    let text = metrics.encode();
    let series = text
        .lines()
        .filter(|line| line.starts_with(r#"vod_operator_api_requests_total{action="GetMessageCallback""#));
    assert_eq!(series.count(), MOST_CODES + 2, "the codes, OK and other");
    has(
        &text,
        r#"vod_operator_api_requests_total{action="GetMessageCallback",code="other"} 905"#,
    );
}

fn not_ready(name: &str, reason: &'static str) -> NotReady {
    NotReady {
        namespace: "media".to_owned(),
        name: name.to_owned(),
        reason,
    }
}

#[test]
fn resources_that_are_not_ready_have_a_series_while_they_are_not() {
    let metrics = Metrics::new();
    assert!(!metrics.encode().contains("vod_operator_resource_ready"));
    let now = Mutex::new(vec![not_ready("a", "Conflict"), not_ready("b", "InvalidSpec")]);
    let now = Arc::new(now);
    let told = Arc::clone(&now);
    metrics.ask_at_reading(move || Present {
        not_ready: told.lock().clone(),
        ..Present::default()
    });
    assert_eq!(metrics.encode().matches("vod_operator_resource_ready{").count(), 2);
    *now.lock() = vec![not_ready("a", "InvalidSpec")];
    let text = metrics.encode();
    has(&text, "# TYPE vod_operator_resource_ready gauge");
    has(
        &text,
        r#"vod_operator_resource_ready{namespace="media",name="a",reason="InvalidSpec"} 0"#,
    );
    assert_eq!(text.matches("vod_operator_resource_ready{").count(), 1, "{text}");
}

#[test]
fn who_no_longer_leads_says_nothing_of_resources() {
    let metrics = Metrics::new();
    metrics.ask_at_reading(|| Present {
        states: BTreeMap::from([("Applied", 2), (DELETING, 1)]),
        checks_failing: 1,
        observed_drift: 2,
        watch_silence: BTreeMap::from([("resources", Duration::from_secs(40))]),
        not_ready: vec![not_ready("a", "Conflict")],
    });
    let text = metrics.encode();
    has(&text, r#"vod_operator_resources{state="Applied"} 2"#);
    has(&text, "vod_operator_checks_failing 1");
    has(&text, "vod_operator_observed_drift 2");
    assert!(text.contains("vod_operator_resource_ready"));
    metrics.clear_resources();
    let text = metrics.encode();
    has(&text, r#"vod_operator_resources{state="Applied"} 0"#);
    has(&text, r#"vod_operator_resources{state="Deleting"} 0"#);
    has(&text, "vod_operator_checks_failing 0");
    has(&text, "vod_operator_observed_drift 0");
    assert!(!text.contains("vod_operator_resource_ready"));
}

#[test]
fn a_silent_watch_is_told_by_its_kind() {
    let metrics = Metrics::new();
    metrics.set_watch_silence(&BTreeMap::from([("resources", Duration::from_secs(40))]));
    let text = metrics.encode();
    has(&text, r#"vod_operator_watch_silence_seconds{watch="resources"} 40"#);
    has(&text, r#"vod_operator_watch_silence_seconds{watch="secrets"} 0"#);
}
