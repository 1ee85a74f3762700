use std::time::Duration;

use reqwest::header::HeaderMap;

/// No hint is followed for longer.
const LONGEST: Duration = Duration::from_secs(300);

/// How long the service asks to wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RetryHint {
    /// `x-acs-retry-after`, in milliseconds as the official SDKs read it, which makes any answer a throttled one.
    pub(super) asked: Option<Duration>,
    /// The longest `TimeLeft`, in milliseconds, of the `x-ratelimit-*` headers. It tells how a quota stands, so it only
    /// counts where the answer is a throttled one.
    quota: Option<Duration>,
}

impl RetryHint {
    /// For a throttled answer: the longer of the two.
    pub(super) fn when_throttled(self) -> Option<Duration> {
        self.asked.max(self.quota)
    }
}

/// Reads the hints of an answer.
pub(super) fn retry_hint(headers: &HeaderMap) -> RetryHint {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let after = text("x-acs-retry-after").and_then(millis);
    let left = |name: &str| {
        let mut parts = text(name)?.split(',').filter_map(|part| part.trim().split_once(':'));
        let (_, left) = parts.find(|(key, _)| key.trim().eq_ignore_ascii_case("TimeLeft"))?;
        millis(left)
    };
    let capped = |millis: Option<u64>| {
        let some = millis.filter(|millis| *millis > 0);
        some.map(|millis| Duration::from_millis(millis).min(LONGEST))
    };
    RetryHint {
        asked: capped(after),
        quota: capped(left("x-ratelimit-user-api").max(left("x-ratelimit-user"))),
    }
}

/// A number too large for its type is a long wait, too.
fn millis(text: &str) -> Option<u64> {
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(headers: &[(&'static str, &'static str)]) -> Option<u128> {
        let map = headers
            .iter()
            .map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap()))
            .collect();
        retry_hint(&map).when_throttled().map(|d| d.as_millis())
    }

    #[test]
    fn the_longest_counts() {
        assert_eq!(hint(&[]), None);
        assert_eq!(hint(&[("x-acs-retry-after", "1500")]), Some(1500));
        assert_eq!(
            hint(&[("x-ratelimit-user", "Limit:1,Remain:0,TimeLeft:2000,Reset:1234")]),
            Some(2000)
        );
        assert_eq!(
            hint(&[("x-acs-retry-after", "100"), ("x-ratelimit-user-api", "TimeLeft: 900")]),
            Some(900)
        );
        for long in ["99999999999", "18446744073709551616", "99999999999999999999999"] {
            assert_eq!(hint(&[("x-acs-retry-after", long)]), Some(300_000), "{long}");
        }
        for bad in ["-5", "soon", "", "0", "1.5"] {
            assert_eq!(hint(&[("x-acs-retry-after", bad)]), None, "{bad:?}");
        }
        assert_eq!(hint(&[("x-ratelimit-user", "garbage,,:,TimeLeft")]), None);
        assert_eq!(
            hint(&[
                ("x-ratelimit-user", "TimeLeft:300"),
                ("x-ratelimit-user-api", "TimeLeft:20")
            ]),
            Some(300)
        );
    }
}
