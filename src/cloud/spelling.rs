//! Finds a text in another, however it is escaped there: percent-encoded, also more than once, as JSON or as HTML, each
//! character in its own way.

/// A character in HTML takes no more than this, with a zero or two too many.
const LONGEST_ENTITY: usize = 10;

/// So often a text may have been escaped again. Whoever writes longer runs of escapes echoes nothing, and must not cost much.
const MOST_ROUNDS: usize = 8;

/// Replaces each occurrence of `secret` in `text`.
pub(super) fn replace(text: &str, secret: &str, by: &str) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(tail) = spelled_at(rest, secret).and_then(|end| rest.get(end..)) {
            replaced.push_str(by);
            rest = tail;
        } else {
            let mut chars = rest.chars();
            replaced.extend(chars.next());
            rest = chars.as_str();
        }
    }
    replaced
}

/// Where `secret` ends if `text` begins with it.
fn spelled_at(text: &str, secret: &str) -> Option<usize> {
    let text = text.as_bytes();
    // What is escaped may look like what is not, so all ways are followed.
    let mut ends = vec![0];
    for byte in secret.bytes() {
        let mut next: Vec<usize> = Vec::new();
        for at in ends {
            let Some(rest) = text.get(at..) else { continue };
            next.extend(spellings(rest, byte).map(|length| at + length));
        }
        next.sort_unstable();
        next.dedup();
        ends = next;
        if ends.is_empty() {
            return None;
        }
    }
    ends.last().copied()
}

/// How long `byte` is at the beginning of `text`, in each way that it may be spelled.
fn spellings(text: &[u8], byte: u8) -> impl Iterator<Item = usize> + '_ {
    let plain = text
        .first()
        .is_some_and(|first| *first == byte || (byte == b' ' && *first == b'+'));
    let ways = [plain.then_some(1), json(text, byte)].into_iter().flatten();
    ways.chain(percent(text, byte)).chain(html(text, byte))
}

/// `%2F`, and `%252F` of one that was encoded again.
fn percent(text: &[u8], byte: u8) -> impl Iterator<Item = usize> + '_ {
    let rounds = std::iter::successors(text.strip_prefix(b"%"), |rest| rest.strip_prefix(b"25"));
    rounds.take(MOST_ROUNDS).filter_map(move |rest| {
        let code = hex(rest.get(..2)?)?;
        (code == u32::from(byte)).then_some(text.len() - rest.len() + 2)
    })
}

/// `\"`, `\u0022`, and both with the backslashes of another round.
fn json(text: &[u8], byte: u8) -> Option<usize> {
    let slashes = text.iter().take(4 * MOST_ROUNDS).take_while(|c| **c == b'\\').count();
    if slashes == 0 {
        return None;
    }
    let rest = text.get(slashes..)?;
    if byte == b'\\' && slashes > 1 {
        return Some(2);
    }
    if rest.first() == Some(&byte) && (byte != b'u' || slashes > 1) {
        return Some(slashes + 1);
    }
    let digits = rest.strip_prefix(b"u")?.get(..4)?;
    (hex(digits)? == u32::from(byte)).then_some(slashes + 5)
}

/// `&amp;`, `&#38;`, `&#x26;`, and those of another round, `&amp;quot;`.
fn html(text: &[u8], byte: u8) -> impl Iterator<Item = usize> + '_ {
    let rounds = std::iter::successors(text.strip_prefix(b"&"), |rest| rest.strip_prefix(b"amp;"));
    rounds.take(MOST_ROUNDS).filter_map(move |rest| {
        let end = rest.iter().take(LONGEST_ENTITY).position(|c| *c == b';')?;
        let code = entity(std::str::from_utf8(rest.get(..end)?).ok()?)?;
        (code == u32::from(byte)).then_some(text.len() - rest.len() + end + 1)
    })
}

fn entity(name: &str) -> Option<u32> {
    let code = match name {
        "amp" => b'&',
        "lt" => b'<',
        "gt" => b'>',
        "quot" => b'"',
        "apos" => b'\'',
        number => {
            let number = number.strip_prefix('#')?;
            return match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok(),
                None => number.parse().ok(),
            };
        }
    };
    Some(u32::from(code))
}

fn hex(digits: &[u8]) -> Option<u32> {
    let digits = std::str::from_utf8(digits)
        .ok()
        .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_way_to_escape_is_known() {
        let secret = r#"a/b+c="d&e\f'"#;
        let table = [
            ("as it is", secret),
            ("percent, lower case", "a%2fb%2bc%3d%22d%26e%5cf%27"),
            ("percent, slash left", "a/b%2Bc%3D%22d%26e%5Cf'"),
            (
                "percent, three times",
                "a%25252Fb%25252Bc%25253D%252522d%252526e%25255Cf%252527",
            ),
            ("JSON", r#"a/b+c=\"d&e\\f'"#),
            ("JSON, by number", r#"a\u002fb\u002Bc=\u0022d\u0026e\u005cf\u0027"#),
            ("HTML", "a/b+c=&quot;d&amp;e\\f&#39;"),
            ("HTML, twice", "a/b+c=&amp;quot;d&amp;amp;e\\f&amp;#x27;"),
        ];
        for (case, text) in table {
            assert_eq!(replace(&format!("<{text}>"), secret, "*"), "<*>", "{case}");
        }
        for text in ["Ab%2512cd", "Ab%252512cd", "Ab%12cd"] {
            assert_eq!(replace(text, "Ab%12cd", "*"), "*", "{text}");
        }
        assert_eq!(replace("zAb%251", "Ab%1", "*"), "z*");
        assert_eq!(replace(r"<a\\\\uXy1>", r"a\uXy1", "*"), "<*>");
        for other in ["", "a", "a%2", "a%2G", "&#;", "&;", "\\u00", "%25"] {
            assert_eq!(replace(other, secret, "*"), other);
        }
    }

    /// Each of these would be gone through as often as it is long, squared.
    #[test]
    fn a_long_run_of_escapes_costs_no_more_than_other_text() {
        for (run, secret) in [("\\", "secret"), ("%25", "%secret"), ("&amp;", "&secret")] {
            let text = run.repeat(400_000);
            assert_eq!(replace(&text, secret, "*"), text);
        }
    }

    fn spelled(byte: u8, way: u8) -> String {
        let c = char::from(byte);
        match way {
            1 => format!("%{byte:02X}"),
            2 => format!("%{byte:02x}"),
            3 => format!("%25{byte:02X}"),
            4 => format!("\\u{byte:04x}"),
            5 => format!("&#{byte};"),
            6 => format!("&#x{byte:X};"),
            7 if byte == b'&' => "&amp;".to_owned(),
            8 if byte == b'"' || byte == b'\\' => format!("\\{c}"),
            _ => c.to_string(),
        }
    }

    proptest! {
        #[test]
        fn no_mixture_of_spellings_hides_a_secret(secret in "[ -~]{4,40}", ways in proptest::collection::vec(0..9u8, 40)) {
            let text: String = secret.bytes().zip(ways).map(|(byte, way)| spelled(byte, way)).collect();
            let shown = replace(&format!("é{text}ü"), &secret, "\u{1}");
            prop_assert_eq!(shown.matches('\u{1}').count(), 1, "{}", text);
            prop_assert!(!shown.contains(&text));
        }

        #[test]
        fn any_text_is_gone_through(text in ".{0,80}", secret in ".{1,10}") {
            let _ = replace(&text, &secret, "*");
        }
    }
}
