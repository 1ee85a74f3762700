//! Both styles of signature, ours and the endpoint's, which was written apart from it: the same for any request.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use vod_operator::cloud::{Acs3Request, acs3_authorization, canonical_query, hmac_sha1_signature};

fuzz_target!(|input: (BTreeMap<String, String>, String, String)| {
    let (parameters, value, secret) = input;
    let query = canonical_query(parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let theirs = vod_endpoint::sign_rpc("POST", &parameters, &secret);
    assert_eq!(hmac_sha1_signature("POST", &query, &secret), theirs);

    // Headers as the operator sends them: names in lower case, values of one line.
    let value: String = value.chars().filter(|c| c.is_ascii_graphic()).collect();
    let headers = BTreeMap::from([("host", "vod.example.com"), ("x-acs-action", value.as_str())]);
    let list: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, *value)).collect();
    let request = Acs3Request {
        method: "POST",
        path: "/",
        canonical_query: &query,
        headers: &list,
        body_sha256: "",
    };
    let owned = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let theirs = vod_endpoint::sign_acs3("POST", "/", &parameters, &owned, "", &secret);
    assert!(acs3_authorization(&request, "ExampleAccessKeyId", &secret).ends_with(&format!("Signature={theirs}")));
});
