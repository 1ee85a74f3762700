//! Manifests that are accepted and refused: the API server and `vod-operator check` must both say so.

use serde_json::{Value, json};

pub fn http() -> Value {
    json!({
        "region": "cn-shanghai", "credentials": { "secretRef": { "name": "s" } }, "callbackType": "HTTP",
        "http": { "url": "https://hooks.example.com/vod" }, "eventTypes": ["TranscodeComplete"],
    })
}

pub fn mns() -> Value {
    json!({
        "region": "cn-shanghai", "callbackType": "MNS", "eventTypes": [],
        "mns": { "endpoint": "http://1234567.mns.cn-shanghai.aliyuncs.com/", "queueName": "q" },
    })
}

/// `base` with `value` at `path`; null removes.
pub fn with(mut base: Value, path: &str, value: Value) -> Value {
    let (parent, key) = path.rsplit_once('/').unwrap();
    let at = base.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    if value.is_null() {
        at.remove(key)
    } else {
        at.insert(key.to_owned(), value)
    };
    base
}

/// `base` with a null that stays in the manifest, as a template may leave one.
fn with_null(mut base: Value, field: &str) -> Value {
    base[field] = Value::Null;
    base
}

fn url(text: &str) -> Value {
    with(http(), "/http/url", json!(text))
}

fn events(list: &[&str]) -> Value {
    with(http(), "/eventTypes", json!(list))
}

fn interval(text: &str) -> Value {
    with(http(), "/checkInterval", json!(text))
}

pub fn accepted() -> Vec<Value> {
    let auth = |a: Value| with(http(), "/http/auth", a);
    let mut all = vec![http(), mns()];
    all.extend(
        [
            "http://a",
            "https://a.b:8443/x?y=1,2&z=http://other",
            "https://[2001:db8::1]:80/",
            "http://10.0.0.1/~x@y",
            "http://a:1",
            "https://a.example.com:65535/x,y;z",
            "https://a.example.com/?next=https://b.example.com",
            "https://a.example.com/%E4%BD%A0?q=%20%2C",
        ]
        .map(url),
    );
    all.push(url(&format!("https://a.example.com/{}", "x".repeat(256 - 22))));
    all.extend([&[][..], &["ALL"], &["A", "B"], &["AIVideoTagComplete"], &["all", "A1"]].map(events));
    all.push(with(
        http(),
        "/eventTypes",
        json!((0..128).map(|i| format!("E{i}")).collect::<Vec<_>>()),
    ));
    all.push(events(&[&"a".repeat(64)]));
    all.extend(
        [
            "1m",
            "60s",
            "90s",
            "1h30m",
            "1.5h",
            "60000ms",
            "24h",
            "87600h",
            "1h1m1s1ms",
        ]
        .map(interval),
    );
    all.push(auth(json!({ "keySecretRef": { "name": "k" } })));
    all.push(auth(
        json!({ "enabled": false, "keySecretRef": { "name": "k", "key": "x" } }),
    ));
    all.push(with(http(), "/credentials", Value::Null));
    all.push(with(http(), "/credentials", json!({})));
    all.push(with(
        http(),
        "/credentials",
        json!({ "assumeRole": { "roleArn": "acs:ram::1:role/x" } }),
    ));
    let credentials = |c: Value| with(http(), "/credentials", c);
    for name in ["a", "alibaba-cloud", "a.b-c.d0", "0", &"n".repeat(253)] {
        all.push(credentials(json!({ "secretRef": { "name": name } })));
        all.push(credentials(
            json!({ "serviceAccountRef": { "name": name, "roleArn": "acs:ram::1:role/x" } }),
        ));
        all.push(auth(json!({ "keySecretRef": { "name": name } })));
    }
    for key in ["authKey", "auth_key-2.txt", ".hidden", "-", &"k".repeat(253)] {
        all.push(auth(json!({ "keySecretRef": { "name": "k", "key": key } })));
    }
    all.push(credentials(json!({
        "serviceAccountRef": {
            "name": "vod", "roleArn": "acs:ram::1:role/x", "oidcProviderArn": "acs:ram::1:oidc-provider/ack",
            "audience": "vod.example.com",
        },
        "assumeRole": { "roleArn": "acs:ram::2:role/y" },
    })));
    all.push(with(http(), "/appId", json!("a".repeat(64))));
    all.push(with(http(), "/appId", json!("a")));
    // A null is as good as an absence.
    all.push(with_null(http(), "appId"));
    all.push(with_null(http(), "mns"));
    all.push(with_null(mns(), "http"));
    all.push(with(mns(), "/mns/queueName", json!("q".repeat(256))));
    all.push(with(http(), "/region", json!("ap-southeast-1")));
    all.push(with(http(), "/region", json!("cn-unknown-99")));
    for (field, values) in [
        ("managementPolicy", vec!["Enforce", "ApplyOnly", "Observe"]),
        ("deletionPolicy", vec!["Delete", "Retain"]),
    ] {
        all.extend(values.into_iter().map(|v| with(http(), &format!("/{field}"), json!(v))));
    }
    all
}

/// What is refused, the field that is named, and a word of the fix.
pub fn refused() -> Vec<(Value, &'static str, &'static str)> {
    let u = "spec.http.url";
    let e = "spec.eventTypes";
    let i = "spec.checkInterval";
    let m = "spec.mns.endpoint";
    let mns_endpoint = |text: &str| with(mns(), "/mns/endpoint", json!(text));
    let app_id = |text: &str| with(http(), "/appId", json!(text));
    let queue = |text: &str| with(mns(), "/mns/queueName", json!(text));
    let q = "spec.mns.queueName";
    let mut refused = vec![
        (Value::Null, "spec", "Required"),
        (with_null(http(), "http"), "http is required", "add http.url"),
        (with_null(mns(), "mns"), "mns is required", "add mns.endpoint"),
        (with_null(http(), "eventTypes"), e, "Required"),
        (with_null(http(), "callbackType"), "spec.callbackType", "Required"),
        (
            with(http(), "/region", json!("cn-shanghai\n")),
            "spec.region",
            "must look like",
        ),
        (
            with(http(), "/region", json!(format!("cn-{}", "a".repeat(61)))),
            "spec.region",
            "63",
        ),
        (app_id("a\tb"), "spec.appId", "without white space"),
        (app_id("app\u{a0}1"), "spec.appId", "without white space"),
        (app_id("app\n"), "spec.appId", "without white space"),
        (queue("q\t"), q, "without white space"),
        (queue("q\u{a0}q"), q, "without white space"),
        (url("https://a.example.com:65536/"), u, "65535"),
        (url("https://a.example.com:/"), u, "port"),
        (url("https://a.example.com:-1/"), u, "port"),
        (url("https://:443/"), u, "name a host"),
        (url("https://?x=1"), u, "name a host"),
        (url("https://[2001:db8::1/"), u, "name a host"),
        (url("https:/a.example.com/"), u, "http:// or https://"),
        (url("//a.example.com/"), u, "http:// or https://"),
        (url("Https://a.example.com/"), u, "lower case"),
        (url("https://:@a.example.com/"), u, "user info"),
        (url("https://a.example.com/\u{a0}"), u, "printable ASCII"),
        (url("https://b\u{fc}cher.example.com/"), u, "printable ASCII"),
        (url("https://a.example.com/\t"), u, "white space"),
        (url("https://a.example.com/\u{7f}"), u, "printable ASCII"),
        (url("https://a.example.com https://b.example.com"), u, "white space"),
        (
            url("https://a.example.com/x|https://b.example.com"),
            u,
            "exactly one address",
        ),
        (
            url("https://a.example.com/x,HTTPS://b.example.com"),
            u,
            "exactly one address",
        ),
        (
            url("https://a.example.com/?x=1,https://b.example.com"),
            u,
            "exactly one address",
        ),
        (url("https://a.example.com/#"), u, "fragment"),
        (mns_endpoint("http://mns.example.com:65536/"), m, "absolute"),
        (mns_endpoint("http://mns.example.com/\u{a0}"), m, "white space"),
        (mns_endpoint(&format!("http://a/{}", "x".repeat(1024))), m, "1024"),
        (events(&["ALL", "ALL"]), e, "listed twice"),
        (events(&["Transcode-Complete"]), e, "letters and digits"),
        (events(&["Transcode_Complete"]), e, "letters and digits"),
        (events(&["Transcode\n"]), e, "letters and digits"),
        (
            with(
                http(),
                "/eventTypes",
                json!((0..129).map(|i| format!("E{i}")).collect::<Vec<_>>()),
            ),
            e,
            "128",
        ),
        (with(http(), "/eventTypes", json!([1])), e, "string"),
        (interval("abc"), i, "such as 90s"),
        (interval("1h 30m"), i, "such as 90s"),
        (interval("10M"), i, "such as 90s"),
        (interval("1m\n"), i, "such as 90s"),
        (interval("59.999s"), i, "at least 1m"),
        (interval("87600h1s"), i, "87600h"),
        (interval("999999h999999h999999h"), i, "87600h"),
        (interval("999999h999999h999999h999999h"), i, "87600h"),
        (interval(&"1m".repeat(17)), i, "32"),
        (with(http(), "/checkInterval", json!(600)), i, "string"),
        (
            with(http(), "/http/auth", json!({ "keySecretRef": {} })),
            "keySecretRef.name",
            "Required",
        ),
        (
            with(
                http(),
                "/http/auth",
                json!({ "keySecretRef": { "name": "k", "key": "" } }),
            ),
            "keySecretRef.key",
            "at least 1",
        ),
        (
            with(http(), "/credentials", json!({ "secretRef": {} })),
            "secretRef.name",
            "Required",
        ),
        (with(http(), "/http", Value::Null), "http is required", "add http.url"),
        (with(mns(), "/mns", Value::Null), "mns is required", "add mns.endpoint"),
        (
            with(http(), "/mns", mns()["mns"].clone()),
            "mns is only for",
            "remove mns",
        ),
        (
            with(mns(), "/http", http()["http"].clone()),
            "http is only for",
            "remove http",
        ),
        (
            with(http(), "/callbackType", json!("MNS")),
            "mns is required",
            "add mns",
        ),
        (
            with(http(), "/callbackType", json!("http")),
            "spec.callbackType",
            "\"HTTP\"",
        ),
        (
            with(http(), "/callbackType", Value::Null),
            "spec.callbackType",
            "Required",
        ),
        (with(http(), "/region", Value::Null), "spec.region", "Required"),
        (with(http(), "/eventTypes", Value::Null), e, "Required"),
        (with(http(), "/http/url", Value::Null), u, "Required"),
        (
            with(mns(), "/mns/queueName", Value::Null),
            "spec.mns.queueName",
            "Required",
        ),
        (with(mns(), "/mns/endpoint", Value::Null), m, "Required"),
        (
            with(http(), "/managementPolicy", json!("Ignore")),
            "spec.managementPolicy",
            "ApplyOnly",
        ),
        (
            with(http(), "/deletionPolicy", json!("Orphan")),
            "spec.deletionPolicy",
            "Retain",
        ),
        (with(http(), "/suspend", json!("yes")), "spec.suspend", "boolean"),
        (
            with(http(), "/region", json!("CN-shanghai")),
            "spec.region",
            "must look like cn-shanghai",
        ),
        (
            with(http(), "/region", json!("shanghai")),
            "spec.region",
            "must look like",
        ),
        (with(http(), "/region", json!("cn-")), "spec.region", "must look like"),
        (
            with(http(), "/region", json!("cn-shanghai.evil")),
            "spec.region",
            "must look like",
        ),
        (with(http(), "/region", json!("")), "spec.region", "at least 1"),
        (with(http(), "/appId", json!("")), "spec.appId", "at least 1"),
        (
            with(http(), "/appId", json!("a b")),
            "spec.appId",
            "without white space",
        ),
        (with(http(), "/appId", json!("a".repeat(65))), "spec.appId", "64"),
        (
            url(&format!("https://a.example.com/{}", "x".repeat(257 - 22))),
            u,
            "256",
        ),
        (url(""), u, "http:// or https://"),
        (url("hooks.example.com/vod"), u, "http:// or https://"),
        (url("/vod"), u, "http:// or https://"),
        (url("ftp://a.example.com"), u, "http:// or https://"),
        (url("HTTPS://a.example.com"), u, "lower case"),
        (url("https://"), u, "name a host"),
        (url("https:///path"), u, "name a host"),
        (url("https://a:99999/"), u, "65535"),
        (url("https://a:port/"), u, "65535"),
        (url("https://user@a.example.com/"), u, "user info"),
        (url("https://user:pw@a.example.com/"), u, "user info"),
        (url("https://a.example.com/a b"), u, "white space"),
        (url(" https://a.example.com/"), u, "white space"),
        (url("https://a.example.com/\n"), u, "white space"),
        (url("https://a.example.com/\u{e9}"), u, "printable ASCII"),
        (url("https://a.example.com/#top"), u, "fragment"),
        (
            url("https://a.example.com,https://b.example.com"),
            u,
            "exactly one address",
        ),
        (
            url("https://a.example.com/x;http://b.example.com"),
            u,
            "exactly one address",
        ),
        (url("https://a.example.com,b.example.com/x"), u, "exactly one address"),
        (
            url("https://a.example.com/https://b.example.com"),
            u,
            "exactly one address",
        ),
        (mns_endpoint(""), m, "absolute"),
        (mns_endpoint("mns.example.com"), m, "absolute"),
        (mns_endpoint("ftp://mns.example.com"), m, "absolute"),
        (mns_endpoint("HTTP://mns.example.com"), m, "absolute"),
        (mns_endpoint("http://"), m, "absolute"),
        (mns_endpoint("http://u:p@mns.example.com"), m, "user info"),
        (mns_endpoint("http://mns.example.com/ x"), m, "white space"),
        (mns_endpoint("http://mns.example.com/\u{7}"), m, "control characters"),
        (mns_endpoint("http://mns.example.com/#x"), m, "fragment"),
        (
            with(mns(), "/mns/queueName", json!("")),
            "spec.mns.queueName",
            "at least 1",
        ),
        (
            with(mns(), "/mns/queueName", json!("a b")),
            "spec.mns.queueName",
            "without white space",
        ),
        (
            with(mns(), "/mns/queueName", json!("q".repeat(257))),
            "spec.mns.queueName",
            "256",
        ),
        (events(&["ALL", "TranscodeComplete"]), e, "[ALL] alone"),
        (events(&["TranscodeComplete", "TranscodeComplete"]), e, "listed twice"),
        (events(&["Transcode Complete"]), e, "letters and digits"),
        (events(&["A,B"]), e, "letters and digits"),
        (events(&["\u{c4}rger"]), e, "letters and digits"),
        (events(&[""]), e, "at least 1"),
        (events(&[&"a".repeat(65)]), e, "64"),
        (with(http(), "/eventTypes", json!("ALL")), e, "array"),
        (interval("59s"), i, "at least 1m"),
        (interval("0s"), i, "at least 1m"),
        (interval("-5m"), i, "such as 90s"),
        (interval("10"), i, "such as 90s"),
        (interval("10 m"), i, "such as 90s"),
        (interval("1d"), i, "such as 90s"),
        (interval("soon"), i, "such as 90s"),
        (interval("999999h"), i, "87600h"),
        (interval(""), i, "at least 1"),
        (with(http(), "/http/auth", json!({})), "keySecretRef", "Required"),
        (
            with(http(), "/http/auth", json!({ "keySecretRef": { "name": "" } })),
            "keySecretRef.name",
            "at least 1",
        ),
        (
            with(http(), "/credentials", json!({ "secretRef": { "name": "" } })),
            "secretRef.name",
            "at least 1",
        ),
        (
            with(http(), "/credentials", json!({ "assumeRole": {} })),
            "roleArn",
            "Required",
        ),
    ];
    refused.extend(refused_names());
    refused.push((
        with(
            http(),
            "/credentials",
            json!({ "secretRef": { "name": "s" }, "serviceAccountRef": { "name": "a", "roleArn": "acs:ram::1:role/x" } }),
        ),
        "spec.credentials",
        "remove one of them",
    ));
    refused.push((
        with(http(), "/credentials", json!({ "serviceAccountRef": { "name": "a" } })),
        "roleArn",
        "Required",
    ));
    refused
}

/// Names that Kubernetes itself would not take: they would become part of an address.
fn refused_names() -> Vec<(Value, &'static str, &'static str)> {
    let mut all = Vec::new();
    for name in [
        "a b", "../x", "a/b", "..", ".", "-a", "a-", "A", "a_b", "a?b", "a.", "a%2fb", "ä", "a\n",
    ] {
        all.push((
            with(http(), "/credentials", json!({ "secretRef": { "name": name } })),
            "spec.credentials.secretRef.name",
            "one that a Secret can have",
        ));
        all.push((
            with(
                http(),
                "/credentials",
                json!({ "serviceAccountRef": { "name": name, "roleArn": "acs:ram::1:role/x" } }),
            ),
            "spec.credentials.serviceAccountRef.name",
            "one that a ServiceAccount can have",
        ));
        all.push((
            with(http(), "/http/auth", json!({ "keySecretRef": { "name": name } })),
            "spec.http.auth.keySecretRef.name",
            "one that a Secret can have",
        ));
    }
    for key in ["a b", "../x", "a/b", "..", ".", "..a", "ä", "a\n"] {
        all.push((
            with(
                http(),
                "/http/auth",
                json!({ "keySecretRef": { "name": "k", "key": key } }),
            ),
            "spec.http.auth.keySecretRef.key",
            "one that a Secret can have",
        ));
    }
    all
}
