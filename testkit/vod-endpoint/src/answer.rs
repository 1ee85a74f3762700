//! Answers, as the gateway words them.

use serde_json::{Value, json};

/// What is sent back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub code: String,
    pub body: Value,
    pub headers: Vec<(String, String)>,
}

impl Answer {
    pub fn ok(body: Value) -> Self {
        Self {
            status: 200,
            code: "OK".into(),
            body,
            headers: Vec::new(),
        }
    }

    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let body = json!({ "HostId": "vod.local", "Code": code, "Message": message, "Recommend": "" });
        Self {
            status,
            code: code.into(),
            body,
            headers: Vec::new(),
        }
    }

    pub fn with_request_id(mut self, id: &str) -> Self {
        if let Some(map) = self.body.as_object_mut() {
            map.entry("RequestId").or_insert_with(|| Value::from(id));
        }
        self
    }
}

/// In the shape the gateway uses.
pub(crate) fn request_id() -> String {
    let n: u128 = rand::random();
    let hex = format!("{n:032X}");
    let part = |a: usize, b: usize| hex.get(a..b).unwrap_or_default().to_owned();
    format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}
