//! Both signature styles against vectors that the official SDKs made (all keys in them are made up), and the
//! endpoint's own verification against the same.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;
use vod_operator::cloud::{Acs3Request, acs3_authorization, canonical_query, hmac_sha1_signature};

type Map = BTreeMap<String, String>;

/// `map` with one value made longer by a letter.
fn changed(map: &Map, at: proptest::sample::Index) -> Map {
    let mut map = map.clone();
    let at = at.index(map.len());
    map.values_mut().skip(at).take(1).for_each(|value| value.push('x'));
    map
}

fn vectors(text: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(text).unwrap();
    file["vectors"].as_array().unwrap().clone()
}

fn map(value: &Value) -> BTreeMap<String, String> {
    let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    value
        .as_object()
        .map(|o| o.iter().map(|(k, v)| (k.clone(), text(v))).collect())
        .unwrap_or_default()
}

fn query_of(parameters: &BTreeMap<String, String>) -> String {
    canonical_query(parameters.iter().map(|(n, v)| (n.as_str(), v.as_str())))
}

fn acs3(vector: &Value, headers: &BTreeMap<String, String>) -> (String, String) {
    let input = &vector["input"];
    let secret = input["access_key_secret"].as_str().unwrap();
    let query = map(&vector["query_params"]);
    let body = headers["x-acs-content-sha256"].clone();
    let list: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let method = input["method"].as_str().unwrap();
    let canonical = query_of(&query);
    let request = Acs3Request {
        method,
        path: "/",
        canonical_query: &canonical,
        headers: &list,
        body_sha256: &body,
    };
    let ours = acs3_authorization(&request, input["access_key_id"].as_str().unwrap(), secret);
    let theirs = vod_endpoint::sign_acs3(method, "/", &query, headers, &body, secret);
    (ours, theirs)
}

#[test]
fn version_three_as_the_sdks_sign_it() {
    let all = vectors(include_str!("vectors/acs3.json"));
    let mut minimal = 0;
    for vector in &all {
        let name = vector["name"].as_str().unwrap();
        let headers = map(&vector["headers_without_authorization"]);
        let signed: Vec<&str> = vector["signed_headers"].as_str().unwrap().split(';').collect();
        let headers: BTreeMap<_, _> = headers
            .into_iter()
            .filter(|(n, _)| signed.contains(&n.as_str()))
            .collect();
        let (ours, theirs) = acs3(vector, &headers);
        assert_eq!(ours, vector["authorization"].as_str().unwrap(), "{name}");
        assert_eq!(theirs, vector["signature"].as_str().unwrap(), "{name}");
        let least = &vector["minimal_signed_headers"];
        if let Some(signature) = least["signature"].as_str() {
            minimal += 1;
            let (ours, theirs) = acs3(vector, &map(&least["headers"]));
            assert!(ours.ends_with(&format!("Signature={signature}")), "{name}, minimal");
            assert_eq!(theirs, signature, "{name}, minimal");
        }
    }
    assert!(all.len() >= 8 && minimal >= 8, "the vectors are there");
}

#[test]
fn the_older_style_as_the_sdks_sign_it() {
    let all = vectors(include_str!("vectors/hmac-sha1.json"));
    for vector in &all {
        let name = vector["name"].as_str().unwrap();
        let mut parameters = map(&vector["query_params_signed"]);
        parameters.extend(map(&vector["body_params_signed"]));
        let method = vector["input"]["method"].as_str().unwrap();
        let secret = vector["hmac_key"].as_str().unwrap().strip_suffix('&').unwrap();
        let query = query_of(&parameters);
        let signature = vector["signature"].as_str().unwrap();
        assert_eq!(query, vector["canonical_query_string"].as_str().unwrap(), "{name}");
        assert_eq!(hmac_sha1_signature(method, &query, secret), signature, "{name}");
        assert_eq!(vod_endpoint::sign_rpc(method, &parameters, secret), signature, "{name}");
    }
    assert!(all.len() >= 15, "the vectors are there");
}

proptest! {
    #[test]
    fn client_and_endpoint_agree_and_any_change_shows(
        parameters in proptest::collection::btree_map("[A-Za-z]{1,8}", "\\PC{0,12}", 1..6),
        secret in "[A-Za-z0-9]{8,30}", other in "[A-Za-z0-9]{31,32}", at in any::<proptest::sample::Index>(),
    ) {
        let query = query_of(&parameters);
        let signature = hmac_sha1_signature("POST", &query, &secret);
        prop_assert_eq!(&signature, &vod_endpoint::sign_rpc("POST", &parameters, &secret));
        prop_assert_ne!(&signature, &hmac_sha1_signature("POST", &query, &other));
        prop_assert_ne!(&signature, &hmac_sha1_signature("GET", &query, &secret));
        prop_assert_ne!(signature, hmac_sha1_signature("POST", &query_of(&changed(&parameters, at)), &secret));
    }

    #[test]
    fn version_three_shows_any_change_too(
        parameters in proptest::collection::btree_map("[A-Za-z]{1,8}", "\\PC{0,12}", 1..6),
        extra in proptest::collection::btree_map("x-acs-[a-z]{1,8}", "[!-~]{1,12}", 1..4),
        body in "[0-9a-f]{64}", secret in "[A-Za-z0-9]{8,30}", other in "[A-Za-z0-9]{31,32}",
        at in any::<proptest::sample::Index>(),
    ) {
        let sign = |parameters: &Map, headers: &Map, body: &str, secret: &str| {
            let list: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let request = Acs3Request {
                method: "POST",
                path: "/",
                canonical_query: &query_of(parameters),
                headers: &list,
                body_sha256: body,
            };
            acs3_authorization(&request, "ExampleAccessKeyId", secret)
        };
        let mut headers = extra;
        headers.insert("host".to_owned(), "vod.cn-shanghai.aliyuncs.com".to_owned());
        let genuine = sign(&parameters, &headers, &body, &secret);
        let theirs = vod_endpoint::sign_acs3("POST", "/", &parameters, &headers, &body, &secret);
        let end = format!("Signature={theirs}");
        prop_assert!(genuine.ends_with(&end));
        // Only the signature itself is compared: the rest of the header shows some changes anyway.
        let signature = |authorization: &str| authorization.rsplit('=').next().unwrap_or_default().to_owned();
        let genuine = signature(&genuine);

        prop_assert_ne!(&genuine, &signature(&sign(&parameters, &headers, &body, &other)));
        prop_assert_ne!(&genuine, &signature(&sign(&changed(&parameters, at), &headers, &body, &secret)));
        prop_assert_ne!(&genuine, &signature(&sign(&parameters, &changed(&headers, at), &body, &secret)));
        let flipped = body.replacen(char::is_alphanumeric, "g", 1);
        prop_assert_ne!(&genuine, &signature(&sign(&parameters, &headers, &flipped, &secret)));
        let mut fewer = headers.clone();
        fewer.remove("host");
        prop_assert_ne!(&genuine, &signature(&sign(&parameters, &fewer, &body, &secret)));
    }
}
