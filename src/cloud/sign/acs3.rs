use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// What a signature of version 3 (ACS3-HMAC-SHA256) covers: the vendor's page "V3 request structure and signature".
pub struct Acs3Request<'a> {
    /// `POST`
    pub method: &'a str,
    /// `/`, but for a gateway's own.
    pub path: &'a str,
    /// Sorted and encoded, as [`super::percent::canonical_query`] makes it.
    pub canonical_query: &'a str,
    /// The headers to sign, names in lower case, in any order.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body's SHA-256 in hex, as in the header `x-acs-content-sha256`.
    pub body_sha256: &'a str,
}

/// The `Authorization` header.
pub fn authorization(request: &Acs3Request<'_>, access_key_id: &str, access_key_secret: &str) -> String {
    let mut headers: Vec<_> = request.headers.to_vec();
    headers.sort_unstable_by_key(|(name, _)| *name);
    let canonical_headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}:{}\n", value.trim()))
        .collect();
    let signed = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let canonical = format!(
        "{}\n{}\n{}\n{canonical_headers}\n{signed}\n{}",
        request.method, request.path, request.canonical_query, request.body_sha256
    );
    let to_sign = format!("ACS3-HMAC-SHA256\n{}", hex(&Sha256::digest(canonical)));
    let signature = hex(&hmac(access_key_secret.as_bytes(), to_sign.as_bytes()));
    format!("ACS3-HMAC-SHA256 Credential={access_key_id},SignedHeaders={signed},Signature={signature}")
}

/// The SHA-256 of `body` in hex.
pub(in crate::cloud) fn sha256_hex(body: &[u8]) -> String {
    hex(&Sha256::digest(body))
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    // HMAC takes keys of any length, so this cannot fail.
    Hmac::<Sha256>::new_from_slice(key)
        .map(|mac| mac.chain_update(message).finalize().into_bytes().to_vec())
        .unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
