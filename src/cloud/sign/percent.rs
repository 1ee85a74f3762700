use std::fmt::Write as _;

/// The vendor's percent-encoding: everything but `A-Z a-z 0-9 - _ . ~` as upper-case `%XX` of its UTF-8 bytes.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Parameters sorted by raw name in byte order and joined as `name=value&…`, both encoded; an empty value keeps its `=`.
pub fn canonical_query<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut sorted: Vec<_> = parameters.into_iter().collect();
    sorted.sort_unstable();
    sorted
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect::<Vec<_>>()
        .join("&")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(text: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let [first, tail @ ..] = rest {
            if *first == b'%' {
                let hex = std::str::from_utf8(&tail[..2]).unwrap();
                bytes.push(u8::from_str_radix(hex, 16).unwrap());
                rest = &tail[2..];
            } else {
                bytes.push(*first);
                rest = tail;
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_vendors_exceptions() {
        assert_eq!(encode("a b*c~d/e+f'"), "a%20b%2Ac~d%2Fe%2Bf%27");
        assert_eq!(canonical_query([("b", ""), ("a", "1"), ("B", "x y")]), "B=x%20y&a=1&b=");
    }

    proptest! {
        #[test]
        fn what_is_encoded_can_be_decoded(text in "\\PC*") {
            let encoded = encode(&text);
            prop_assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~%".contains(&b)));
            prop_assert_eq!(decode(&encoded), text);
        }

        #[test]
        fn order_does_not_matter(mut pairs in proptest::collection::vec(("[A-Za-z]{1,8}", "\\PC{0,8}"), 0..8)) {
            let query = |pairs: &[(String, String)]| canonical_query(pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())));
            let one = query(&pairs);
            pairs.reverse();
            prop_assert_eq!(one, query(&pairs));
        }
    }
}
