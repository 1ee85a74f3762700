use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// The key VOD signs its callbacks with. Redacted when printed, zeroed when dropped.
#[derive(Clone)]
pub struct AuthKey(SecretString);

/// An AuthKey that breaks the service's rule; it never carries the key itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the AuthKey must be 1 to 32 bytes long, with at least one ASCII upper-case letter, one lower-case letter and one digit, and no control characters"
)]
pub struct InvalidAuthKey;

impl AuthKey {
    /// Checks the service's rule (SetMessageCallback page: at most 32 characters with upper case, lower case
    /// and a digit). A trailing newline, which editors and `kubectl create secret` leave, is trimmed.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidAuthKey> {
        let text = std::str::from_utf8(bytes).map_err(|_| InvalidAuthKey)?;
        let text = text
            .strip_suffix('\n')
            .map_or(text, |t| t.strip_suffix('\r').unwrap_or(t));
        let has = |class: fn(&u8) -> bool| text.as_bytes().iter().any(class);
        let sound = (1..=32).contains(&text.len())
            && !text.chars().any(char::is_control)
            && has(u8::is_ascii_uppercase)
            && has(u8::is_ascii_lowercase)
            && has(u8::is_ascii_digit);
        if sound {
            Ok(Self(SecretString::from(text)))
        } else {
            Err(InvalidAuthKey)
        }
    }

    /// The key itself, for the one place that sends it and the one that compares it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for AuthKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthKey(redacted)")
    }
}

impl PartialEq for AuthKey {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for AuthKey {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_services_rule() {
        for good in [
            "Aa1",
            "Abc123\n",
            "Abc123\r\n",
            &format!("Aa1{}", "x".repeat(29)),
            "Aa1!~ _",
        ] {
            assert!(AuthKey::parse(good.as_bytes()).is_ok(), "{good:?} is a good key");
        }
        for bad in [
            "",
            "\n",
            "abc123",
            "ABC123",
            "Abcdef",
            &format!("Aa1{}", "x".repeat(30)),
            "Aa1\n\n",
            "ÀÉ1é",
            "Aa\u{1}1",
        ] {
            assert!(AuthKey::parse(bad.as_bytes()).is_err(), "{bad:?} breaks the rule");
        }
        assert!(AuthKey::parse(&[0xff, b'A', b'a', b'1']).is_err());
    }

    #[test]
    fn never_printed() {
        let key = AuthKey::parse(b"Visible123").unwrap();
        assert!(!format!("{key:?}").contains("Visible"));
    }
}
