use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::spelling;
use crate::domain::is_hidden;

/// What stands in place of a secret.
const REDACTED: &str = "(redacted)";
/// Texts of the service are cut here: they end in the status, in events and logs.
const LONGEST: usize = 300;

/// A text of the service, made fit to be shown: it may echo what was sent, in several spellings.
pub(super) fn redact(text: &str, secrets: &[&str]) -> String {
    // What the service says it signed holds every parameter, so nothing from there on is shown.
    let lower = text.to_ascii_lowercase();
    let cut = ["stringtosign", "string to sign", "canonicalrequest"]
        .iter()
        .filter_map(|word| lower.find(word))
        .min();
    let shown = match cut.and_then(|at| text.get(..at)) {
        Some(head) => format!("{head}…"),
        None => text.to_owned(),
    };
    let shown = conceal(&shown, secrets, LONGEST);
    shown.chars().map(|c| if is_hidden(c) { ' ' } else { c }).collect()
}

/// The first `most` characters of a text of somebody else's, without the secrets that were sent, however they are spelled.
pub fn conceal(text: &str, secrets: &[&str], most: usize) -> String {
    let secrets = secrets.iter().filter(|secret| !secret.is_empty());
    let mut told: Vec<Zeroizing<String>> = secrets
        .flat_map(|secret| {
            let base64 = [STANDARD_NO_PAD.encode(secret), URL_SAFE_NO_PAD.encode(secret)];
            [(*secret).to_owned()].into_iter().chain(base64).map(Zeroizing::new)
        })
        .collect();
    // Longer ones first, so that one that begins with another is replaced whole.
    told.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    spelling::replace(text, &told, REDACTED, most)
}

/// A code of the service, made fit for a metric's label: of the shape that codes have, or `Unknown`.
pub(super) fn code(text: &str) -> String {
    let sound = (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'_');
    if sound { text.to_owned() } else { "Unknown".to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cloud::encode;

    #[test]
    fn secrets_in_every_spelling() {
        let secret = "a b/c+d=";
        let text = format!("x {secret} y {} z {} \n w", encode(secret), encode(&encode(secret)));
        let shown = redact(&text, &[secret, ""]);
        assert_eq!(shown, "x (redacted) y (redacted) z (redacted)   w");
        assert_eq!(
            redact("wrong, server StringToSign is [GET&%2F&AuthKey]", &[]),
            "wrong, server …"
        );
        assert_eq!(redact(&"é".repeat(1000), &[]).chars().count(), LONGEST);
        assert_eq!(redact("a\u{202e}b\u{1b}c", &[]), "a b c");
        assert_eq!(
            redact("key YSBiL2MrZD0= was sent", &[secret]),
            "key (redacted)= was sent"
        );
    }

    /// An answer of 64 KiB that is all escapes, and a key that looks like them.
    #[test]
    fn only_what_is_shown_is_gone_through() {
        let secret = format!("Aa1{}", "\\".repeat(29));
        let text = format!("{secret}{}", "\\".repeat(1_000_000));
        assert!(redact(&text, &[&secret]).starts_with("(redacted)"));
        assert_eq!(
            redact(&"%25".repeat(1_000_000), &["%".repeat(32).as_str()]).len(),
            LONGEST
        );
    }

    #[test]
    fn codes() {
        assert_eq!(code("Throttling.User"), "Throttling.User");
        for bad in ["", "a b", "<html>", &"x".repeat(65)] {
            assert_eq!(code(bad), "Unknown");
        }
    }

    proptest! {
        #[test]
        fn a_secret_never_stays(before in "[a-z &%=]{0,80}", secret in "[A-Z0-9+/ ]{4,30}", after in "[a-z &%=]{0,80}") {
            let shown = redact(&format!("{before}{secret}{after}"), &[&secret]);
            prop_assert!(!shown.contains(&secret));
        }
    }
}
