//! How the service shows an AuthKey. Its documentation shows the key in clear; that it always does is not promised, so
//! every form counts: the key itself, nothing, a mask, or a text of a third kind such as a hash. What is remembered is
//! the form, never the text: a hash or a part of a key would help to guess it.

use super::AuthKey;

/// The form in which the service shows a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyForm {
    /// The key itself.
    Clear,
    /// Some other text, the same or not for every key: it says nothing about which key is set.
    Masked,
    /// It is left out.
    Absent,
}

/// What an answer tells about the key that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyView {
    /// It is this very key.
    Equal,
    /// Nothing: it is shown masked or not at all.
    Hidden(KeyForm),
    /// It is another key.
    Foreign,
}

/// Judges what an answer shows (`shown`) against the key that is wanted, knowing how the service showed a key right
/// after it was last set by us (`form`).
///
/// The key itself is equal whatever it looks like, also with a `*` in it. Any other text that the service would not take
/// for a key is a mask. One that it would take is another key where keys are shown in clear, a mask where ours was shown
/// as another text too, and where nothing is known a mask only if it is our key with a part blotted out.
pub fn key_view(wanted: &AuthKey, shown: Option<&str>, form: Option<KeyForm>) -> KeyView {
    let Some(shown) = shown.filter(|text| !text.trim().is_empty()) else {
        return KeyView::Hidden(KeyForm::Absent);
    };
    if shown == wanted.expose() {
        return KeyView::Equal;
    }
    let like_a_key = AuthKey::parse(shown.as_bytes()).is_ok();
    let masked = match form {
        _ if !like_a_key => true,
        Some(KeyForm::Masked) => true,
        Some(KeyForm::Clear) => false,
        Some(KeyForm::Absent) | None => is_blotted(wanted.expose(), shown),
    };
    if masked {
        KeyView::Hidden(KeyForm::Masked)
    } else {
        KeyView::Foreign
    }
}

/// Whether `shown` is `key` with one stretch replaced by asterisks, such as `Ab****yz`.
fn is_blotted(key: &str, shown: &str) -> bool {
    let (Some(first), Some(last)) = (shown.find('*'), shown.rfind('*')) else {
        return false;
    };
    let (Some(start), Some(stars), Some(end)) = (shown.get(..first), shown.get(first..=last), shown.get(last + 1..))
    else {
        return false;
    };
    stars.bytes().all(|b| b == b'*') && key.starts_with(start) && key.ends_with(end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(text: &str) -> AuthKey {
        AuthKey::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_an_answer_tells_about_the_key_is_a_table() {
        use KeyForm::{Absent, Clear, Masked};
        use KeyView::{Equal, Foreign, Hidden};
        let forms = [None, Some(Clear), Some(Masked), Some(Absent)];
        // the key, what is shown, and what that tells where nothing is known, after clear, after masked, after absent
        let table = [
            ("Abcd1xyz", None, [Hidden(Absent); 4]),
            ("Abcd1xyz", Some(""), [Hidden(Absent); 4]),
            ("Abcd1xyz", Some("  "), [Hidden(Absent); 4]),
            ("Abcd1xyz", Some("Abcd1xyz"), [Equal; 4]),
            ("Ab*d1xyz", Some("Ab*d1xyz"), [Equal; 4]),
            ("Abcd1xyz", Some("*"), [Hidden(Masked); 4]),
            ("Abcd1xyz", Some(&"*".repeat(32)), [Hidden(Masked); 4]),
            ("Abcd1xyz", Some(&"*".repeat(99)), [Hidden(Masked); 4]),
            ("Abcd1xyz", Some("xxxxxx"), [Hidden(Masked); 4]),
            ("Abcd1xyz", Some("Ab****yz"), [Hidden(Masked); 4]),
            ("Abcd1xyz", Some("(redacted)"), [Hidden(Masked); 4]),
            (
                "Abcd1xyz",
                Some("9e107d9d372bb6826bd81d3542a419d6"),
                [Hidden(Masked); 4],
            ),
            // These would do as keys, so it depends.
            (
                "Abcd1xyz",
                Some("Abc****1xyz"),
                [Hidden(Masked), Foreign, Hidden(Masked), Hidden(Masked)],
            ),
            (
                "Abcd1xyz",
                Some("Ab**1**z"),
                [Foreign, Foreign, Hidden(Masked), Foreign],
            ),
            (
                "Abcd1xyz",
                Some("Abcd1***"),
                [Hidden(Masked), Foreign, Hidden(Masked), Hidden(Masked)],
            ),
            (
                "Abcd1xyz",
                Some("nhB9nTcrtoJr2B01QqQZ1g=="),
                [Foreign, Foreign, Hidden(Masked), Foreign],
            ),
            (
                "Abcd1xyz",
                Some("Other2key"),
                [Foreign, Foreign, Hidden(Masked), Foreign],
            ),
            (
                "Abcd1xyz",
                Some("Oth*r2key"),
                [Foreign, Foreign, Hidden(Masked), Foreign],
            ),
        ];
        for (wanted, shown, told) in table {
            for (form, expected) in forms.into_iter().zip(told) {
                assert_eq!(
                    key_view(&key(wanted), shown, form),
                    expected,
                    "{shown:?} after {form:?}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn a_key_is_always_itself_and_never_foreign_where_keys_are_masked(
            text in "[A-Z][a-z*]{1,8}[0-9][!-~]{0,8}", other in "[ -~]{0,40}", form in 0..4usize,
        ) {
            let form = [None, Some(KeyForm::Clear), Some(KeyForm::Masked), Some(KeyForm::Absent)][form];
            prop_assume!(AuthKey::parse(text.as_bytes()).is_ok());
            let wanted = key(&text);
            prop_assert_eq!(key_view(&wanted, Some(&text), form), KeyView::Equal);
            prop_assert_ne!(key_view(&wanted, Some(&other), Some(KeyForm::Masked)), KeyView::Foreign);
            // Another sound key is never missed where keys are shown in clear.
            if other != text && AuthKey::parse(other.as_bytes()).is_ok() {
                prop_assert_eq!(key_view(&wanted, Some(&other), Some(KeyForm::Clear)), KeyView::Foreign);
            }
        }
    }
}
