//! Finds a text in another, however it is escaped there: percent-encoded, also more than once, as JSON or as HTML, each
//! character in its own way.

/// A character in HTML takes no more than this, with a zero or two too many.
const LONGEST_ENTITY: usize = 10;

/// So often a text may have been escaped again. Whoever writes longer runs of escapes echoes nothing, and must not cost much.
const MOST_ROUNDS: usize = 8;

/// The first `most` characters of `text`, with `by` for each occurrence of a secret; of several at one place the first
/// of `secrets` counts. What comes after these is not looked at: it may be long, and is not shown.
pub(super) fn replace(text: &str, secrets: &[impl AsRef<str>], by: &str, most: usize) -> String {
    let mut replaced = String::new();
    let (mut rest, mut shown) = (text, 0);
    while shown < most && !rest.is_empty() {
        let end = secrets.iter().find_map(|secret| spelled_at(rest, secret.as_ref()));
        if let Some(tail) = end.and_then(|end| rest.get(end..)) {
            replaced.extend(by.chars().take(most - shown));
            shown += by.chars().count();
            rest = tail;
        } else {
            let mut chars = rest.chars();
            replaced.extend(chars.next());
            shown += 1;
            rest = chars.as_str();
        }
    }
    replaced
}

/// Where `secret` ends if `text` begins with it.
fn spelled_at(text: &str, secret: &str) -> Option<usize> {
    // What is escaped may look like what is not, so all ways are followed.
    let mut ends = vec![0];
    for c in secret.chars() {
        ends = continued(text.as_bytes(), &ends, |rest| spellings(rest, c).collect());
        if ends.is_empty() {
            return None;
        }
    }
    ends.last().copied()
}

/// Where one of `ends` ends with what may follow there, given as lengths.
fn continued(text: &[u8], ends: &[usize], following: impl Fn(&[u8]) -> Vec<usize>) -> Vec<usize> {
    let mut next = Vec::new();
    for &at in ends {
        let lengths = text.get(at..).map(&following).unwrap_or_default();
        next.extend(lengths.into_iter().map(|length| at + length));
    }
    next.sort_unstable();
    next.dedup();
    next
}

/// How long `c` is at the beginning of `text`, in each way that it may be spelled.
fn spellings(text: &[u8], c: char) -> impl Iterator<Item = usize> {
    let mut utf8 = [0; 4];
    let bytes = c.encode_utf8(&mut utf8).bytes();
    let by_bytes = bytes.fold(vec![0], |ends, byte| {
        continued(text, &ends, |rest| {
            let ways = plain(rest, byte).into_iter().chain(percent(rest, byte));
            // A byte that was taken for a character of its own.
            let latin = (byte >= 0x80).then(|| char::from(byte));
            let ways = ways.chain(latin.and_then(|c| json(rest, c)));
            ways.chain(latin.into_iter().flat_map(|c| html(rest, c))).collect()
        })
    });
    by_bytes.into_iter().chain(json(text, c)).chain(html(text, c))
}

fn plain(text: &[u8], byte: u8) -> Option<usize> {
    let first = *text.first()?;
    (first == byte || (byte == b' ' && first == b'+')).then_some(1)
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
fn json(text: &[u8], c: char) -> Option<usize> {
    let slashes = slashes(text)?;
    let rest = text.get(slashes..)?;
    if c == '\\' && slashes > 1 {
        return Some(2);
    }
    if rest.first().copied().map(char::from) == Some(c) && c.is_ascii() && (c != 'u' || slashes > 1) {
        return Some(slashes + 1);
    }
    let (first, first_length) = json_number(text)?;
    if first == u32::from(c) {
        return Some(first_length);
    }
    let (second, second_length) = json_number(text.get(first_length..)?)?;
    let pair = [u16::try_from(first).ok()?, u16::try_from(second).ok()?];
    let read = char::decode_utf16(pair).next()?.ok()?;
    (read == c).then_some(first_length + second_length)
}

fn slashes(text: &[u8]) -> Option<usize> {
    let count = text.iter().take(4 * MOST_ROUNDS).take_while(|c| **c == b'\\').count();
    (count > 0).then_some(count)
}

fn json_number(text: &[u8]) -> Option<(u32, usize)> {
    let slashes = slashes(text)?;
    let digits = text.get(slashes..)?.strip_prefix(b"u")?.get(..4)?;
    Some((hex(digits)?, slashes + 5))
}

/// `&amp;`, `&#38;`, `&#x26;`, and those of another round, `&amp;quot;`.
fn html(text: &[u8], c: char) -> impl Iterator<Item = usize> + '_ {
    let rounds = std::iter::successors(text.strip_prefix(b"&"), |rest| rest.strip_prefix(b"amp;"));
    rounds.take(MOST_ROUNDS).filter_map(move |rest| {
        let end = rest.iter().take(LONGEST_ENTITY).position(|c| *c == b';')?;
        let code = entity(std::str::from_utf8(rest.get(..end)?).ok()?)?;
        (code == u32::from(c)).then_some(text.len() - rest.len() + end + 1)
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

    fn replaced(text: &str, secret: &str) -> String {
        replace(text, &[secret], "*", usize::MAX)
    }

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
            assert_eq!(replaced(&format!("<{text}>"), secret), "<*>", "{case}");
        }
        for text in ["Ab%2512cd", "Ab%252512cd", "Ab%12cd"] {
            assert_eq!(replaced(text, "Ab%12cd"), "*", "{text}");
        }
        assert_eq!(replaced("zAb%251", "Ab%1"), "z*");
        assert_eq!(replaced(r"<a\\\\uXy1>", r"a\uXy1"), "<*>");
        for other in ["", "a", "a%2", "a%2G", "&#;", "&;", "\\u00", "%25"] {
            assert_eq!(replaced(other, secret), other);
        }
    }

    #[test]
    fn characters_of_any_language_are_known_by_their_numbers() {
        let secret = "Aé1中😀";
        for text in [
            secret,
            "A%C3%A91%e4%b8%ad%F0%9F%98%80",
            "A%25C3%25A91中%F0%9F%98%80",
            r"A\u00e91\u4e2d\ud83d\uDE00",
            r"A\\u00e91\\u4e2d\\ud83d\\ude00",
            "A&#233;1&#20013;&#128512;",
            r"A\u00c3\u00a91&#228;\u00b8\u00ad%F0&#159;\u0098&#128;",
            "A&#xe9;1&amp;#x4E2D;&#x1F600;",
        ] {
            assert_eq!(replaced(&format!("<{text}>"), secret), "<*>", "{text}");
        }
        assert_eq!(replaced(r"\u00e9\u00", "éé"), r"\u00e9\u00");
        assert_eq!(replaced(r"\ud83d\u0041", "😀"), r"\ud83d\u0041");
    }

    #[test]
    fn what_is_not_shown_is_not_looked_at() {
        let secrets = ["secret", "sec"];
        assert_eq!(replace("a secret, a sec", &secrets, "***", usize::MAX), "a ***, a ***");
        assert_eq!(replace("a secret, a sec", &secrets, "***", 7), "a ***, ");
        assert_eq!(replace("a secret", &secrets, "***", 4), "a **");
        assert_eq!(replace("a secret", &secrets, "***", 2), "a ");
    }

    /// Each of these would be gone through as often as it is long, squared.
    #[test]
    fn a_long_run_of_escapes_costs_no_more_than_other_text() {
        for (run, secret) in [("\\", "secret"), ("%25", "%secret"), ("&amp;", "&secret")] {
            let text = run.repeat(20_000);
            assert_eq!(replaced(&text, secret), text);
        }
    }

    fn spelled(c: char, way: u8) -> String {
        let (number, bytes, units) = (u32::from(c), c.to_string(), &mut [0; 2]);
        match way {
            1 => bytes.bytes().map(|byte| format!("%{byte:02X}")).collect(),
            2 => bytes.bytes().map(|byte| format!("%{byte:02x}")).collect(),
            3 => bytes.bytes().map(|byte| format!("%25{byte:02X}")).collect(),
            4 => c
                .encode_utf16(units)
                .iter()
                .map(|unit| format!("\\u{unit:04x}"))
                .collect(),
            5 => format!("&#{number};"),
            6 => format!("&#x{number:X};"),
            7 if c == '&' => "&amp;".to_owned(),
            8 if c == '"' || c == '\\' => format!("\\{c}"),
            _ => c.to_string(),
        }
    }

    proptest! {
        #[test]
        fn no_mixture_of_spellings_hides_a_secret(secret in "[ -~é中😀]{4,40}", ways in proptest::collection::vec(0..9u8, 40)) {
            let text: String = secret.chars().zip(ways).map(|(c, way)| spelled(c, way)).collect();
            let shown = replace(&format!("<{text}>"), &[&secret], "\u{1}", usize::MAX);
            prop_assert_eq!(shown.matches('\u{1}').count(), 1, "{}", text);
            prop_assert!(!shown.contains(&text));
        }

        #[test]
        fn any_text_is_gone_through(text in ".{0,80}", secret in ".{1,10}") {
            let _ = replaced(&text, &secret);
        }
    }
}
