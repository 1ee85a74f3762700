use std::fmt::Write as _;
use std::time::Duration;

use md5::{Digest as _, Md5};
use subtle::ConstantTimeEq as _;

use crate::domain::AuthKey;

/// Carries when the callback was sent, in seconds since 1970.
pub const TIMESTAMP_HEADER: &str = "X-VOD-TIMESTAMP";
/// Carries [`signature`].
pub const SIGNATURE_HEADER: &str = "X-VOD-SIGNATURE";

/// What the service writes into `X-VOD-SIGNATURE`: the MD5 of `url|timestamp|key` in lower-case hexadecimal digits,
/// where `url` is the callback URL to the letter as it is set at the service (help page "HTTP callback
/// authentication"). The body is not part of it.
///
/// ```
/// let url = "https://www.example.com/your/callback";
/// let signature = vod_operator::callback::signature(url, "1519375990", "test123");
/// assert_eq!(signature, "c72b60894140fa98920f1279219b7ed4");
/// ```
pub fn signature(url: &str, timestamp: &str, key: &str) -> String {
    let mut hash = Md5::new();
    for part in [url, "|", timestamp, "|", key] {
        hash.update(part);
    }
    hash.finalize().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Why a callback is not believed, and what to look at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum Refusal {
    #[error("{0} is missing: no AuthKey is in force at the service, or a proxy drops the header")]
    Missing(&'static str),
    #[error("X-VOD-TIMESTAMP is not a time in seconds since 1970")]
    NotATime,
    #[error("X-VOD-TIMESTAMP is {seconds} s {side}, more than {window} s are not believed: compare the clocks")]
    Clock {
        seconds: u64,
        side: &'static str,
        window: u64,
    },
    #[error(
        "X-VOD-SIGNATURE fits none of the AuthKeys: another key is in force at the service, or another URL than this side verifies"
    )]
    Signature,
}

/// Verifies callbacks that are sent to one URL.
#[derive(Clone, Debug)]
pub struct Verifier {
    /// The callback URL, to the letter as it is set at the service.
    pub url: String,
    /// The AuthKeys that are believed: two of them while a key is being rotated.
    pub keys: Vec<AuthKey>,
    /// How far the timestamp may be from this side's clock.
    pub window: Duration,
}

impl Verifier {
    /// Judges the two headers of a callback at `now`, in seconds since 1970, and tells which of the keys it fits.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn verify(&self, timestamp: Option<&str>, signed: Option<&str>, now: u64) -> Result<usize, Refusal> {
        let timestamp = timestamp.ok_or(Refusal::Missing(TIMESTAMP_HEADER))?;
        let signed = signed.ok_or(Refusal::Missing(SIGNATURE_HEADER))?;
        if !timestamp.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Refusal::NotATime);
        }
        let sent: u64 = timestamp.parse().map_err(|_| Refusal::NotATime)?;
        let (seconds, window) = (now.abs_diff(sent), self.window.as_secs());
        if seconds > window {
            let side = if sent < now { "in the past" } else { "in the future" };
            return Err(Refusal::Clock { seconds, side, window });
        }
        // All keys are tried, each in constant time: how long it takes tells nothing about any of them.
        let mut fits = None;
        for (n, key) in self.keys.iter().enumerate() {
            let expected = signature(&self.url, timestamp, key.expose());
            if bool::from(expected.as_bytes().ct_eq(signed.as_bytes())) {
                fits = Some(n);
            }
        }
        fits.ok_or(Refusal::Signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://hooks.example.com/vod";

    fn verifier(keys: &[&str]) -> Verifier {
        Verifier {
            url: URL.to_owned(),
            keys: keys.iter().map(|key| AuthKey::parse(key.as_bytes()).unwrap()).collect(),
            window: Duration::from_secs(300),
        }
    }

    /// Help page "HTTP callback authentication"; it prints the last four digits as stars.
    #[test]
    fn the_vendors_published_example() {
        let signed = signature("https://www.example.com/your/callback", "1519375990", "test123");
        assert_eq!(signed, "c72b60894140fa98920f1279219b7ed4");
    }

    #[test]
    fn any_of_the_keys_will_do_while_one_is_being_rotated() {
        let both = verifier(&["OldKey1", "NewKey2"]);
        for (n, key) in ["OldKey1", "NewKey2"].iter().enumerate() {
            let signed = signature(URL, "1000000000", key);
            assert_eq!(both.verify(Some("1000000000"), Some(&signed), 1_000_000_100), Ok(n));
        }
    }

    #[test]
    fn what_is_not_believed_says_why() {
        let verifier = verifier(&["OldKey1"]);
        let good = signature(URL, "1000000000", "OldKey1");
        let clock = |seconds, side| Refusal::Clock {
            seconds,
            side,
            window: 300,
        };
        for (timestamp, signed, now, why) in [
            (
                None,
                Some(good.as_str()),
                1_000_000_000,
                Refusal::Missing(TIMESTAMP_HEADER),
            ),
            (
                Some("1000000000"),
                None,
                1_000_000_000,
                Refusal::Missing(SIGNATURE_HEADER),
            ),
            (Some(""), Some(&good), 1_000_000_000, Refusal::NotATime),
            (Some("+1000000000"), Some(&good), 1_000_000_000, Refusal::NotATime),
            (
                Some("99999999999999999999"),
                Some(&good),
                1_000_000_000,
                Refusal::NotATime,
            ),
            (
                Some("1000000000"),
                Some(&good),
                1_000_000_301,
                clock(301, "in the past"),
            ),
            (
                Some("1000000000"),
                Some(&good),
                999_999_699,
                clock(301, "in the future"),
            ),
            (Some("1000000001"), Some(&good), 1_000_000_000, Refusal::Signature),
            (
                Some("1000000000"),
                Some(&good.to_uppercase()),
                1_000_000_000,
                Refusal::Signature,
            ),
            (Some("1000000000"), Some(""), 1_000_000_000, Refusal::Signature),
        ] {
            assert_eq!(
                verifier.verify(timestamp, signed, now),
                Err(why),
                "{timestamp:?} {signed:?}"
            );
        }
        let elsewhere = signature("https://hooks.example.com/vod/", "1000000000", "OldKey1");
        let refused = verifier.verify(Some("1000000000"), Some(&elsewhere), 1_000_000_000);
        assert_eq!(refused, Err(Refusal::Signature), "the URL counts to the letter");
    }
}
