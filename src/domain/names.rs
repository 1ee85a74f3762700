//! Kubernetes' own patterns for names. What goes into an address is checked by them first, whatever the schema did.

/// Whether a Secret or a ServiceAccount can have this name (a DNS subdomain, RFC 1123).
pub fn is_object_name(name: &str) -> bool {
    let edge = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let label = |label: &str| {
        let bytes = label.as_bytes();
        bytes.first().is_some_and(|b| edge(*b))
            && bytes.last().is_some_and(|b| edge(*b))
            && bytes.iter().all(|b| edge(*b) || *b == b'-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubernetes_takes_as_a_name_and_nothing_that_changes_a_path() {
        for good in ["a", "alibaba-cloud", "a.b-c.d0", "0", &"a".repeat(253)] {
            assert!(is_object_name(good), "{good:?}");
        }
        for bad in [
            "",
            "a b",
            "../x",
            "a/b",
            "..",
            ".",
            "a.",
            ".a",
            "-a",
            "a-",
            "A",
            "a_b",
            "a?b",
            "a%2fb",
            "ä",
            "a\n",
            &"a".repeat(254),
        ] {
            assert!(!is_object_name(bad), "{bad:?}");
        }
    }
}
