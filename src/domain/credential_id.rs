use std::fmt;

use sha2::{Digest, Sha256};

/// Which credential: who it is and which secret it is, so that a known AccessKey ID with another secret is somebody
/// else. Credentials that are renewed by themselves (a role's) stay the same one. It gives nothing away of either.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CredentialId([u8; 32]);

impl CredentialId {
    /// Of an AccessKey.
    pub fn of_key(access_key_id: &str, access_key_secret: &str, security_token: Option<&str>) -> Self {
        Self::hash(&[
            "key",
            access_key_id,
            access_key_secret,
            security_token.unwrap_or_default(),
        ])
    }

    /// Of something that is known by what it is, such as a role for a ServiceAccount; `kind` keeps the kinds apart.
    pub fn of_parts(kind: &str, parts: &[&str]) -> Self {
        Self::hash(&[&[kind], parts].concat())
    }

    /// Of what was got with this one.
    pub fn with(&self, kind: &str, parts: &[&str]) -> Self {
        let base: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        Self::hash(&[&[kind, base.as_str()], parts].concat())
    }

    /// Each part with its length, so that no two lists of parts are one text.
    fn hash(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }
}

impl fmt::Debug for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialId(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_secret_token_or_role_is_another_credential() {
        let key = |id, secret, token| CredentialId::of_key(id, secret, token);
        let one = key("id", "secret", None);
        assert_eq!(one, key("id", "secret", None));
        let others = [
            key("id", "guess", None),
            key("i", "dsecret", None),
            key("id", "secret", Some("token")),
            one.with("role", &["a", "b"]),
            one.with("role", &["a", "", "b"]),
            one.with("role", &["ab"]),
            CredentialId::of_parts("key", &["id", "secret"]),
        ];
        for (n, other) in others.iter().enumerate() {
            assert_ne!(one, *other, "{n}");
            assert!(others.iter().skip(n + 1).all(|another| another != other), "{n}");
        }
        assert_eq!(format!("{one:?}"), "CredentialId(redacted)");
    }
}
