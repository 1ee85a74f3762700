//! A request as it came over the wire, taken apart by hand: what is signed are these very bytes.

use std::collections::BTreeMap;

/// What a handler needs of a request.
pub(crate) struct Raw {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    pub peer: String,
}

impl Raw {
    /// Query and form parameters, decoded.
    pub fn parameters(&self) -> BTreeMap<String, String> {
        let mut all: BTreeMap<String, String> = pairs(&self.query).collect();
        if self
            .header("content-type")
            .starts_with("application/x-www-form-urlencoded")
        {
            all.extend(pairs(&String::from_utf8_lossy(&self.body)));
        }
        all
    }

    pub fn query_parameters(&self) -> BTreeMap<String, String> {
        pairs(&self.query).collect()
    }

    /// The operation.
    pub fn action(&self) -> String {
        let from_header = self.header("x-acs-action");
        if from_header.is_empty() {
            self.parameters().remove("Action").unwrap_or_default()
        } else {
            from_header.to_owned()
        }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    text.split('&').filter(|part| !part.is_empty()).map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (decode(name), decode(value))
    })
}

/// Percent-decoding, with `+` as a space as the gateway reads it.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16)).unwrap_or(0);
                let value = digit(rest.next()) * 16 + digit(rest.next());
                bytes.push(u8::try_from(value).unwrap_or(b'?'));
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
