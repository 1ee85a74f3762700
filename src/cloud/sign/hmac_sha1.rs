use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use super::percent::encode;

/// The signature of the older RPC style (HMAC-SHA1), base64: over the method and all parameters but `Signature`, sorted
/// and encoded as [`super::percent::canonical_query`] makes them.
pub fn signature(method: &str, canonical_query: &str, access_key_secret: &str) -> String {
    let to_sign = format!("{method}&%2F&{}", encode(canonical_query));
    let key = zeroize::Zeroizing::new(format!("{access_key_secret}&"));
    // HMAC takes keys of any length, so this cannot fail.
    let bytes = Hmac::<Sha1>::new_from_slice(key.as_bytes())
        .map(|mac| mac.chain_update(to_sign).finalize().into_bytes().to_vec())
        .unwrap_or_default();
    STANDARD.encode(bytes)
}
