//! What a plain scalar means. As kubectl reads it (sigs.k8s.io/yaml, which follows YAML 1.1): `yes` and `on` are
//! booleans and `0755` is octal, however surprising, because that is what reaches the API server.

use serde_json::Number;

use super::Content;

/// A number that JSON, and so the API server, cannot be sent.
#[derive(Debug)]
pub(super) struct NotJson;

/// The meaning of unquoted `text`.
pub(super) fn plain(text: &str) -> Result<Content, NotJson> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Content::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Content::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Content::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Err(NotJson),
        _ if matches!(text.trim_start_matches(['+', '-']), ".inf" | ".Inf" | ".INF") => return Err(NotJson),
        _ if text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => {
            number(text).map_or_else(|| Content::Text(text.to_owned()), Content::Number)
        }
        _ => Content::Text(text.to_owned()),
    })
}

fn number(text: &str) -> Option<Number> {
    let digits = text.replace('_', "");
    whole(&digits).or_else(|| float(&digits))
}

fn whole(text: &str) -> Option<Number> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (base, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, digits.get(2..)?),
        [b'0', b'o' | b'O', ..] => (8, digits.get(2..)?),
        [b'0', b'b' | b'B', ..] => (2, digits.get(2..)?),
        [b'0', _, ..] => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let number = u64::from_str_radix(digits, base).ok()?;
    if negative {
        0_i64.checked_sub_unsigned(number).map(Number::from)
    } else {
        Some(Number::from(number))
    }
}

fn float(text: &str) -> Option<Number> {
    // Rust also reads "inf", "nan" and "infinity", which YAML writes differently.
    let written_in_digits = text.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
    let number: f64 = text.parse().ok().filter(|_| written_in_digits)?;
    Number::from_f64(number)
}

#[cfg(test)]
mod tests {
    use super::super::{Node, Position};
    use super::*;
    use serde_json::{Value, json};

    fn meaning(text: &str) -> Option<Value> {
        let at = Position { line: 1, column: 1 };
        plain(text).ok().map(|content| Node { at, content }.to_json())
    }

    #[test]
    fn plain_scalars_mean_what_kubectl_sends() {
        for (text, value) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("yes", json!(true)),
            ("Off", json!(false)),
            ("10", json!(10)),
            ("-5", json!(-5)),
            ("+5", json!(5)),
            ("0755", json!(493)),
            ("0x1F", json!(31)),
            ("0b11", json!(3)),
            ("1_000", json!(1000)),
            ("18446744073709551615", json!(u64::MAX)),
            ("1.5", json!(1.5)),
            ("1e3", json!(1000.0)),
            ("10m", json!("10m")),
            ("1.2.3", json!("1.2.3")),
            ("2026-01-02", json!("2026-01-02")),
            ("-", json!("-")),
            ("+-1", json!("+-1")),
            ("08", json!(8.0)),
            ("yEs", json!("yEs")),
            ("-inf", json!("-inf")),
            ("app-1000000", json!("app-1000000")),
        ] {
            assert_eq!(meaning(text), Some(value), "{text}");
        }
        for text in [".nan", "-.inf"] {
            assert_eq!(meaning(text), None, "{text}");
        }
    }
}
