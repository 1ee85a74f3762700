use std::collections::BTreeMap;

use k8s_openapi::ByteString;

use crate::cloud::Credentials;

/// A Secret that does not hold an AccessKey. Names keys only, never values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IncompleteSecret {
    /// A key is absent or empty.
    #[error("key {0} is missing or empty: add it")]
    Missing(&'static str),
    /// A value cannot be part of an AccessKey.
    #[error("key {0} holds characters that no AccessKey has: store it as plain ASCII text")]
    Malformed(&'static str),
}

/// Takes an AccessKey from a Secret's values; white space around them, which editors leave, is trimmed.
///
/// # Errors
/// Which key is missing or malformed.
pub fn from_secret_data(data: &BTreeMap<String, ByteString>) -> Result<Credentials, IncompleteSecret> {
    let value = |key: &'static str| -> Result<Option<&str>, IncompleteSecret> {
        let Some(bytes) = data.get(key) else { return Ok(None) };
        let text = std::str::from_utf8(&bytes.0)
            .map_err(|_| IncompleteSecret::Malformed(key))?
            .trim();
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(IncompleteSecret::Malformed(key));
        }
        Ok(Some(text).filter(|t| !t.is_empty()))
    };
    let id = value("accessKeyId")?.ok_or(IncompleteSecret::Missing("accessKeyId"))?;
    let secret = value("accessKeySecret")?.ok_or(IncompleteSecret::Missing("accessKeySecret"))?;
    let token = value("securityToken")?;
    Ok(Credentials::of_key(id, secret, token))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn data(pairs: &[(&str, &[u8])]) -> BTreeMap<String, ByteString> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), ByteString(v.to_vec())))
            .collect()
    }

    #[test]
    fn what_a_secret_must_hold() {
        let good = from_secret_data(&data(&[("accessKeyId", b"id\n"), ("accessKeySecret", b" sec+ret/= ")])).unwrap();
        assert_eq!(good.access_key_secret.expose_secret(), "sec+ret/=");
        assert!(good.security_token.is_none());
        let token = [
            ("accessKeyId", &b"id"[..]),
            ("accessKeySecret", b"s"),
            ("securityToken", b"tok\n"),
        ];
        assert_eq!(
            from_secret_data(&data(&token))
                .unwrap()
                .security_token
                .unwrap()
                .expose_secret(),
            "tok"
        );
        use IncompleteSecret::{Malformed, Missing};
        type Row<'a> = (&'a [(&'a str, &'a [u8])], IncompleteSecret);
        let bad: [Row<'_>; 5] = [
            (&[], Missing("accessKeyId")),
            (&[("accessKeyId", b"id")], Missing("accessKeySecret")),
            (
                &[("accessKeyId", b"id"), ("accessKeySecret", b" \n")],
                Missing("accessKeySecret"),
            ),
            (
                &[("accessKeyId", b"i d"), ("accessKeySecret", b"s")],
                Malformed("accessKeyId"),
            ),
            (
                &[("accessKeyId", b"id"), ("accessKeySecret", b"\xff\xfe")],
                Malformed("accessKeySecret"),
            ),
        ];
        for (pairs, expected) in bad {
            assert_eq!(from_secret_data(&data(pairs)).unwrap_err(), expected);
        }
    }
}
