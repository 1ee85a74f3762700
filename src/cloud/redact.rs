use super::encode;

/// What stands in place of a secret.
const REDACTED: &str = "(redacted)";
/// Texts of the service are cut here: they end in the status, in events and logs.
const LONGEST: usize = 300;

/// The one place where a text of the service is made fit to be shown: it may echo what was sent, in several spellings.
pub(super) fn redact(text: &str, secrets: &[&str]) -> String {
    // What the service says it signed holds every parameter, so nothing from there on is shown.
    let lower = text.to_ascii_lowercase();
    let cut = ["stringtosign", "string to sign", "canonicalrequest"]
        .iter()
        .filter_map(|word| lower.find(word))
        .min();
    let mut shown = match cut.and_then(|at| text.get(..at)) {
        Some(head) => format!("{head}…"),
        None => text.to_owned(),
    };
    let mut spellings: Vec<String> = Vec::new();
    for secret in secrets.iter().filter(|s| !s.is_empty()) {
        let once = encode(secret);
        spellings.extend([(*secret).to_owned(), encode(&once), once, secret.replace(' ', "+")]);
    }
    // Longer ones first, so that one that holds another is replaced whole.
    spellings.sort_by_key(|s| std::cmp::Reverse(s.len()));
    for spelling in &spellings {
        shown = shown.replace(spelling.as_str(), REDACTED);
    }
    shown
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST)
        .collect()
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
