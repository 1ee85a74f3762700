//! Signature verification, written against the vendor's documentation and apart from the client's code.

use std::collections::BTreeMap;

use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::request::Raw;

/// Who signed a request, and how, as it claims.
pub(crate) struct Claimed {
    pub style: &'static str,
    pub key_id: String,
    pub token: Option<String>,
    pub timestamp: String,
    pub nonce: String,
    signature: String,
    signed_headers: Vec<String>,
}

/// Reads the claim; None when the request is not signed.
pub(crate) fn claimed(raw: &Raw) -> Option<Claimed> {
    if let Some(rest) = raw.header("authorization").strip_prefix("ACS3-HMAC-SHA256 ") {
        let part = |name: &str| {
            rest.split(',')
                .find_map(|p| p.trim().strip_prefix(name)?.strip_prefix('='))
                .unwrap_or_default()
                .to_owned()
        };
        return Some(Claimed {
            style: "acs3",
            key_id: part("Credential"),
            token: raw.headers.get("x-acs-security-token").cloned(),
            timestamp: raw.header("x-acs-date").to_owned(),
            nonce: raw.header("x-acs-signature-nonce").to_owned(),
            signature: part("Signature"),
            signed_headers: part("SignedHeaders").split(';').map(str::to_owned).collect(),
        });
    }
    let all = raw.parameters();
    let get = |name: &str| all.get(name).cloned();
    Some(Claimed {
        style: "hmac-sha1",
        key_id: get("AccessKeyId")?,
        token: get("SecurityToken"),
        timestamp: get("Timestamp").unwrap_or_default(),
        nonce: get("SignatureNonce").unwrap_or_default(),
        signature: get("Signature")?,
        signed_headers: Vec::new(),
    })
}

/// Whether the signature is that of `secret` over what came.
pub(crate) fn is_genuine(raw: &Raw, claimed: &Claimed, secret: &str) -> bool {
    if claimed.style == "hmac-sha1" {
        let mut all = raw.parameters();
        all.remove("Signature");
        return sign_rpc(&raw.method, &all, secret) == claimed.signature;
    }
    // Every header that steers the request must be covered, and the body be the one whose hash was signed.
    let must = |name: &String| name == "host" || name.starts_with("x-acs-");
    let covered = raw
        .headers
        .keys()
        .filter(|n| must(n))
        .all(|n| claimed.signed_headers.contains(n));
    let body = hex(&Sha256::digest(&raw.body));
    if !covered || raw.header("x-acs-content-sha256") != body {
        return false;
    }
    let headers: BTreeMap<String, String> = claimed
        .signed_headers
        .iter()
        .map(|n| (n.clone(), raw.header(n).to_owned()))
        .collect();
    sign_acs3(&raw.method, &raw.path, &raw.query_parameters(), &headers, &body, secret) == claimed.signature
}

/// The signature of the older style.
pub fn sign_rpc(method: &str, parameters: &BTreeMap<String, String>, secret: &str) -> String {
    let to_sign = format!("{method}&%2F&{}", escape(&joined(parameters)));
    let mac = Hmac::<Sha1>::new_from_slice(format!("{secret}&").as_bytes()).map(|m| m.chain_update(to_sign).finalize());
    mac.map(|m| base64::engine::general_purpose::STANDARD.encode(m.into_bytes()))
        .unwrap_or_default()
}

/// The signature of version 3 over `headers` (lower-case names).
pub fn sign_acs3(
    method: &str,
    path: &str,
    query: &BTreeMap<String, String>,
    headers: &BTreeMap<String, String>,
    body_sha256: &str,
    secret: &str,
) -> String {
    let lines: String = headers.iter().map(|(n, v)| format!("{n}:{}\n", v.trim())).collect();
    let names = headers.keys().cloned().collect::<Vec<_>>().join(";");
    let request = format!("{method}\n{path}\n{}\n{lines}\n{names}\n{body_sha256}", joined(query));
    let to_sign = format!("ACS3-HMAC-SHA256\n{}", hex(&Sha256::digest(request)));
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map(|m| m.chain_update(to_sign).finalize());
    mac.map(|m| hex(&m.into_bytes())).unwrap_or_default()
}

fn joined(parameters: &BTreeMap<String, String>) -> String {
    parameters
        .iter()
        .map(|(n, v)| format!("{}={}", escape(n), escape(v)))
        .collect::<Vec<_>>()
        .join("&")
}

fn escape(text: &str) -> String {
    let keep = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    text.bytes()
        .map(|b| {
            if keep(b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
