use clap::Parser;

use super::*;
use crate::cli::{Cli, Command};

fn gather(words: &[&str], variables: &[(&str, &str)]) -> Result<Config, BadValue> {
    let cli = Cli::try_parse_from(["vod-operator", "run"].iter().chain(words)).expect("the words are well formed");
    let Command::Run(args) = cli.command else {
        panic!("asked for run")
    };
    Config::gather(*args, &|name| {
        let found = variables.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| OsString::from(value))
    })
}

#[test]
fn defaults_are_the_contract_s() {
    let config = gather(&[], &[]).unwrap();
    let expected = Config {
        watch_namespaces: BTreeSet::new(),
        vod_endpoint: None,
        sts_endpoint: None,
        metadata_endpoint: None,
        signature: SignatureStyle::Acs3,
        endpoint_network: EndpointNetwork::Public,
        vod_qps: 15,
        check_interval: Duration::from_secs(600),
        deletion_grace: Duration::from_secs(300),
        ambient_credentials: false,
        ambient_namespaces: BTreeSet::new(),
        oidc_provider_arn: None,
        leader_elect: false,
        lease_namespace: "default".to_owned(),
        lease_name: "vod-operator".to_owned(),
        concurrency: 64,
        metrics_addr: "0.0.0.0:8080".parse().unwrap(),
        metrics_per_resource: false,
        log_format: None,
        log_filter: telemetry::Filter::default(),
        secret_watch: true,
        watch_timeout: Duration::from_secs(120),
    };
    assert_eq!(config, expected);
}

#[test]
fn every_flag_is_also_a_variable() {
    let table = [
        ("watch-namespace", "media"),
        ("vod-endpoint", "http://127.0.0.1:9000"),
        ("sts-endpoint", "https://sts.{region}.example.com"),
        ("metadata-endpoint", "http://127.0.0.1:9001"),
        ("signature", "hmac-sha1"),
        ("endpoint-network", "vpc"),
        ("vod-qps", "7"),
        ("check-interval", "2s"),
        ("deletion-grace", "0s"),
        ("ambient-credentials", "true"),
        ("ambient-namespace", "media"),
        ("oidc-provider-arn", "acs:ram::1234567890123456:oidc-provider/c1"),
        ("leader-elect", "on"),
        ("lease-namespace", "ops"),
        ("lease-name", "team-a"),
        ("concurrency", "3"),
        ("metrics-addr", "127.0.0.1:0"),
        ("metrics-per-resource", "yes"),
        ("log-format", "json"),
        ("secret-watch", "no"),
        ("watch-timeout", "30s"),
    ];
    let default = gather(&[], &[]).unwrap();
    for (flag, value) in table {
        let variable = format!("VOD_OPERATOR_{}", flag.to_uppercase().replace('-', "_"));
        let written = gather(&[&format!("--{flag}={value}")], &[]).unwrap();
        assert_ne!(written, default, "{flag}");
        assert_eq!(gather(&[], &[(&variable, value)]).unwrap(), written, "{variable}");
        // An empty variable is no variable.
        assert_eq!(gather(&[], &[(&variable, "")]).unwrap(), default, "{variable}");
        // The flag wins, and a bad variable behind it does not matter.
        let both = gather(&[&format!("--{flag}={value}")], &[(&variable, "~")]).unwrap();
        assert_eq!(both, written, "{flag}");
        // A bad one is named, with what it said.
        for (words, variables, name) in [
            (vec![format!("--{flag}=~bad~")], vec![], format!("--{flag}")),
            (vec![], vec![(variable.as_str(), "~bad~")], variable.clone()),
        ] {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let message = gather(&words, &variables).unwrap_err().to_string();
            assert!(
                message.starts_with(&format!("invalid value '~bad~' for {name}: ")),
                "{message}"
            );
        }
    }
    let flags = <Cli as clap::CommandFactory>::command();
    let run = flags.find_subcommand("run").unwrap();
    let known: Vec<&str> = run
        .get_arguments()
        .filter_map(|arg| arg.get_long())
        .filter(|flag| *flag != "help")
        .collect();
    assert_eq!(
        known.len(),
        table.len(),
        "a flag that this table does not know: {known:?}"
    );
}

#[test]
fn namespaces_from_flags_and_from_the_variable() {
    let flags = gather(&["--watch-namespace=b", "--watch-namespace=a"], &[]).unwrap();
    let variable = gather(&[], &[("VOD_OPERATOR_WATCH_NAMESPACE", "a,b")]).unwrap();
    assert_eq!(flags.watch_namespaces, variable.watch_namespaces);
    assert_eq!(Vec::from_iter(flags.watch_namespaces), ["a", "b"]);
    let flags = gather(&["--ambient-namespace=b", "--ambient-namespace=a"], &[]).unwrap();
    assert_eq!(Vec::from_iter(flags.ambient_namespaces), ["a", "b"]);
}

/// Taken for "none", it would mean all namespaces.
#[test]
fn a_list_of_namespaces_that_names_none_is_bad() {
    for variable in ["VOD_OPERATOR_WATCH_NAMESPACE", "VOD_OPERATOR_AMBIENT_NAMESPACE"] {
        for value in [",", " ", ", ,"] {
            let bad = gather(&[], &[(variable, value)]).unwrap_err();
            assert_eq!((bad.given.name.as_str(), bad.given.value.as_str()), (variable, value));
        }
    }
    for flag in ["--watch-namespace=", "--watch-namespace=,", "--ambient-namespace= "] {
        assert!(gather(&[flag], &[]).is_err(), "{flag}");
    }
}

#[test]
fn the_pod_s_namespace_wins() {
    let flag = "--lease-namespace=flag";
    let pod = ("POD_NAMESPACE", "pod");
    for (words, variables, expected) in [
        (&[flag][..], &[pod][..], "pod"),
        (&[flag], &[], "flag"),
        (&[], &[pod], "pod"),
        (&[flag], &[("POD_NAMESPACE", "")], "flag"),
    ] {
        assert_eq!(gather(words, variables).unwrap().lease_namespace, expected);
    }
    let bad = gather(&[], &[("POD_NAMESPACE", "Not_One")]).unwrap_err();
    assert!(bad.to_string().contains("POD_NAMESPACE"), "{bad}");
}

#[test]
fn rust_log_is_judged_too() {
    for sound in [
        "info,vod_operator=debug",
        "warn",
        "off",
        "DEBUG",
        "vod_operator=trace, info",
    ] {
        assert!(gather(&[], &[("RUST_LOG", sound)]).is_ok(), "{sound}");
    }
    for mistaken in ["warning", "verbose", "info,vod_operator"] {
        let bad = gather(&[], &[("RUST_LOG", mistaken)]).unwrap_err().to_string();
        assert!(bad.contains("RUST_LOG") && bad.contains(mistaken), "{bad}");
    }
    let bad = gather(&[], &[("RUST_LOG", "vod_operator=loud")])
        .unwrap_err()
        .to_string();
    assert!(
        bad.starts_with("invalid value 'vod_operator=loud' for RUST_LOG: "),
        "{bad}"
    );
}

#[test]
fn variables_that_kubernetes_sets_for_a_service_of_our_name_are_nobody_s_business() {
    let service = [
        ("VOD_OPERATOR_SERVICE_HOST", "10.0.0.1"),
        ("VOD_OPERATOR_PORT", "tcp://10.0.0.1:80"),
    ];
    assert!(gather(&[], &service).is_ok());
}

#[test]
fn a_message_shows_no_password_and_does_not_run_on() {
    let bad = gather(&["--vod-endpoint=https://me:secret@vod.example.com"], &[])
        .unwrap_err()
        .to_string();
    assert!(!bad.contains("secret") && bad.contains("@vod.example.com"), "{bad}");
    let long = gather(&[&format!("--vod-qps={}", "9".repeat(5000))], &[])
        .unwrap_err()
        .to_string();
    assert!(long.len() < 400, "{}", long.len());
}

#[test]
fn a_value_with_a_hyphen_is_refused_by_its_flag_s_name() {
    for (words, name) in [
        (["--vod-qps", "-1"], "--vod-qps"),
        (["--check-interval", "-5m"], "--check-interval"),
        (["--concurrency", "--leader-elect"], "--concurrency"),
    ] {
        let bad = gather(&words, &[]).unwrap_err();
        assert_eq!((bad.given.name.as_str(), bad.given.value.as_str()), (name, words[1]));
    }
}

#[test]
fn half_of_rrsa_is_refused_and_the_variable_named() {
    let half = [
        ("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1234567890123456:role/vod"),
        (
            "ALIBABA_CLOUD_OIDC_PROVIDER_ARN",
            "acs:ram::1234567890123456:oidc-provider/ack",
        ),
    ];
    let told = gather(&[], &half).unwrap_err().to_string();
    assert!(told.contains("for ALIBABA_CLOUD_OIDC_TOKEN_FILE"), "{told}");
}
