//! What one flag's value may look like. Every function answers with the value, or with what is wrong about the text.

use std::net::SocketAddr;
use std::time::Duration;

use crate::cloud::{EndpointNetwork, EndpointTemplate, EndpointUrl, SignatureStyle};
use crate::domain::GoDuration;
use crate::telemetry::LogFormat;

/// More calls a second than the service allows anyone; a larger number is a slip.
const MOST_QPS: u32 = 1000;
/// More reconciles at once would only hold more memory: the calls are spaced anyway.
const MOST_CONCURRENCY: u32 = 10_000;

const LEAST_WATCH: Duration = Duration::from_secs(5);
const MOST_WATCH: Duration = Duration::from_secs(3600);

pub(super) fn signature(text: &str) -> Result<SignatureStyle, String> {
    match text {
        "acs3" => Ok(SignatureStyle::Acs3),
        "hmac-sha1" => Ok(SignatureStyle::HmacSha1),
        _ => Err("use acs3 or hmac-sha1".to_owned()),
    }
}

pub(super) fn endpoint_network(text: &str) -> Result<EndpointNetwork, String> {
    match text {
        "public" => Ok(EndpointNetwork::Public),
        "vpc" => Ok(EndpointNetwork::Vpc),
        _ => Err("use public or vpc".to_owned()),
    }
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("use text or json".to_owned()),
    }
}

pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("use true or false".to_owned()),
    }
}

pub(super) fn qps(text: &str) -> Result<u32, String> {
    whole_number(text, MOST_QPS)
}

pub(super) fn concurrency(text: &str) -> Result<u16, String> {
    let number = whole_number(text, MOST_CONCURRENCY)?;
    u16::try_from(number).map_err(|_| format!("use a whole number from 1 to {MOST_CONCURRENCY}"))
}

fn whole_number(text: &str, most: u32) -> Result<u32, String> {
    match text.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(format!("use a whole number from 1 to {most}")),
    }
}

/// Any duration, also none at all.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    text.parse::<GoDuration>()
        .map(|duration| duration.0)
        .map_err(|_| "use a duration like 90s, 10m or 1h30m, of at most ten years".to_owned())
}

/// An interval: none at all would be a busy loop.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("use a duration above zero".to_owned()),
        some => Ok(some),
    }
}

/// Shorter ones would keep the API server busy; longer ones would find a dead connection too late.
pub(super) fn watch_timeout(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        sound if (LEAST_WATCH..=MOST_WATCH).contains(&sound) => Ok(sound),
        _ => Err("use a duration from 5s to 1h".to_owned()),
    }
}

pub(super) fn socket_addr(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "use an address and a port, like 0.0.0.0:8080 or [::]:8080".to_owned())
}

/// A namespace's name: an RFC 1123 label, as the API server demands.
pub(super) fn namespace(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let sound =
        (1..=63).contains(&text.len()) && text.chars().all(allowed) && !text.starts_with('-') && !text.ends_with('-');
    if sound {
        Ok(text.to_owned())
    } else {
        Err("use a namespace's name: 1 to 63 of a-z, 0-9 and -, with neither end a -".to_owned())
    }
}

/// A comma-separated list of namespaces, as a variable holds it. A stray comma is forgiven, but not a list that names
/// nobody: taken for "all", it would give away what it was meant to keep.
pub(super) fn namespaces(text: &str) -> Result<Vec<String>, String> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    let names = items.map(namespace).collect::<Result<Vec<_>, _>>()?;
    if names.is_empty() {
        return Err("name at least one namespace, or leave it out for all of them".to_owned());
    }
    Ok(names)
}

/// An object's name: an RFC 1123 subdomain, as the API server demands.
pub(super) fn object_name(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let sound_label = |label: &str| {
        !label.is_empty() && label.chars().all(allowed) && !label.starts_with('-') && !label.ends_with('-')
    };
    if text.len() <= 253 && text.split('.').all(sound_label) {
        Ok(text.to_owned())
    } else {
        Err("use an object's name: at most 253 of a-z, 0-9, - and ., each part with neither end a -".to_owned())
    }
}

/// The ARN of an OIDC provider of RAM: `acs:ram::<account>:oidc-provider/<name>`.
pub(super) fn oidc_provider_arn(text: &str) -> Result<String, String> {
    let wrong = || "use an ARN like acs:ram::1234567890123456:oidc-provider/my-cluster".to_owned();
    let (account, name) = text
        .strip_prefix("acs:ram::")
        .and_then(|rest| rest.split_once(":oidc-provider/"))
        .ok_or_else(wrong)?;
    let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let digits = !account.is_empty() && account.chars().all(|c| c.is_ascii_digit());
    if digits && (1..=128).contains(&name.len()) && name.chars().all(sound) {
        Ok(text.to_owned())
    } else {
        Err(wrong())
    }
}

pub(super) fn endpoint_template(text: &str) -> Result<EndpointTemplate, String> {
    EndpointTemplate::parse(text).map_err(|invalid| invalid.to_string())
}

pub(super) fn endpoint(text: &str) -> Result<EndpointUrl, String> {
    EndpointUrl::parse(text).map_err(|invalid| invalid.to_string())
}

/// A callback URL, as the CRD takes it. The text stays as it is: signatures cover it to the letter.
pub(super) fn callback_url(text: &str) -> Result<String, String> {
    let scheme = text.starts_with("http://") || text.starts_with("https://");
    let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
    let url = reqwest::Url::parse(text).ok().filter(|_| scheme && printable);
    match url {
        Some(url) if url.username().is_empty() && url.password().is_none() && url.fragment().is_none() => {
            Ok(text.to_owned())
        }
        _ => Err("use an absolute http:// or https:// address without user info, fragment and white space".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans() {
        for text in ["true", "1", "yes", "on", "TRUE", "On"] {
            assert_eq!(boolean(text), Ok(true), "{text}");
        }
        for text in ["false", "0", "no", "off", "False"] {
            assert_eq!(boolean(text), Ok(false), "{text}");
        }
        for text in ["", "2", "y", "truee", " true"] {
            assert!(boolean(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn watch_timeouts() {
        for (text, sound) in [
            ("5s", true),
            ("2m", true),
            ("1h", true),
            ("4s", false),
            ("61m", false),
            ("0s", false),
        ] {
            assert_eq!(watch_timeout(text).is_ok(), sound, "{text}");
        }
    }

    #[test]
    fn numbers() {
        for (text, expected) in [("1", Some(1)), ("15", Some(15)), ("1000", Some(1000))] {
            assert_eq!(qps(text).ok(), expected, "{text}");
        }
        for text in ["0", "-1", "1.5", "1001", "", "many", "99999999999999999999", " 1"] {
            assert!(qps(text).is_err(), "{text:?}");
        }
        assert_eq!(concurrency("10000"), Ok(10_000));
        assert!(concurrency("0").is_err());
        assert!(concurrency("10001").is_err());
    }

    #[test]
    fn intervals_are_above_zero_and_a_grace_need_not_be() {
        assert_eq!(interval("200ms"), Ok(Duration::from_millis(200)));
        for text in ["0s", "0", "", "10", "1d", "-1s"] {
            assert!(interval(text).is_err(), "{text:?}");
        }
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
    }

    #[test]
    fn endpoints() {
        for text in [
            "http://127.0.0.1:8080",
            "https://vod.{region}.example.com/",
            "http://[::1]:80",
            "https://gw/{region}/vod",
        ] {
            assert_eq!(endpoint_template(text).as_ref().map(EndpointTemplate::as_str), Ok(text));
        }
        for text in [
            "",
            "vod.example.com",
            "HTTP://vod",
            "ftp://vod",
            "http://",
            "http:///path",
            "https://user:pass@vod",
            "https://vod .com",
            "https://vod/#x",
            "https://vod/?a=b",
            "https://{Region}.x",
            "https://vöd",
            "http://vod:99999",
        ] {
            assert!(endpoint_template(text).is_err(), "{text:?}");
        }
        assert!(endpoint("http://{region}.x").is_err());
    }

    #[test]
    fn callback_urls_stay_as_they_are_written() {
        for text in ["http://a", "https://a.example.com:8443/x?y=1,2", "http://127.0.0.1:80"] {
            assert_eq!(callback_url(text).as_deref(), Ok(text));
        }
        for text in [
            "",
            "a.example.com",
            "HTTP://a",
            "ftp://a",
            "http://",
            "http://u:p@a",
            "http://a/#x",
            "http://a b",
        ] {
            assert!(callback_url(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn namespace_names() {
        assert_eq!(
            namespaces("a, b-1,,").as_deref(),
            Ok(&["a".to_owned(), "b-1".to_owned()][..])
        );
        for text in ["A", "-a", "a-", "a_b", "a.b", &"a".repeat(64)] {
            assert!(namespaces(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_list_that_names_no_namespace_is_refused() {
        for text in [",", " ", " , ,", "\t"] {
            assert!(namespaces(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn object_names() {
        for text in ["a", "vod-operator", "team-a.vod", "0"] {
            assert!(object_name(text).is_ok(), "{text}");
        }
        for text in [
            "",
            ".",
            "a..b",
            "A",
            "a/b",
            "-a",
            "a-",
            "a.-b",
            "a b",
            "~",
            &"a".repeat(254),
        ] {
            assert!(object_name(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn arns_of_oidc_providers() {
        assert!(oidc_provider_arn("acs:ram::1234567890123456:oidc-provider/ack-rrsa-c1").is_ok());
        for text in [
            "",
            "acs:ram::1234567890123456:role/vod",
            "acs:ram::me:oidc-provider/x",
            "acs:ram:::oidc-provider/x",
            "acs:ram::1:oidc-provider/",
            "acs:ram::1:oidc-provider/a b",
            " acs:ram::1:oidc-provider/x",
        ] {
            assert!(oidc_provider_arn(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn addresses() {
        for text in ["0.0.0.0:8080", "[::]:1", "127.0.0.1:0"] {
            assert!(socket_addr(text).is_ok(), "{text}");
        }
        for text in ["8080", ":8080", "localhost:80", "1.2.3.4", "1.2.3.4:70000"] {
            assert!(socket_addr(text).is_err(), "{text}");
        }
    }
}
