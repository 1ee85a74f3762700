use std::time::Duration;

use reqwest::header::HeaderMap;

/// No hint is followed for longer.
const LONGEST: Duration = Duration::from_secs(300);

/// How long the service asks to wait: `x-acs-retry-after` (milliseconds, as the official SDKs read it) and `TimeLeft`
/// (milliseconds) of the `x-ratelimit-*` headers; of several the longest counts.
pub(super) fn retry_hint(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let after = text("x-acs-retry-after").and_then(|v| v.trim().parse::<u64>().ok());
    let left = |name: &str| {
        let mut parts = text(name)?.split(',').filter_map(|part| part.trim().split_once(':'));
        parts
            .find(|(key, _)| key.trim().eq_ignore_ascii_case("TimeLeft"))?
            .1
            .trim()
            .parse::<u64>()
            .ok()
    };
    [after, left("x-ratelimit-user-api"), left("x-ratelimit-user")]
        .into_iter()
        .flatten()
        .filter(|millis| *millis > 0)
        .max()
        .map(|millis| Duration::from_millis(millis).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(headers: &[(&'static str, &'static str)]) -> Option<u128> {
        let map = headers
            .iter()
            .map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap()))
            .collect();
        retry_hint(&map).map(|d| d.as_millis())
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
        assert_eq!(hint(&[("x-acs-retry-after", "99999999999")]), Some(300_000));
        for bad in ["-5", "soon", "", "0", "1.5"] {
            assert_eq!(hint(&[("x-acs-retry-after", bad)]), None, "{bad:?}");
        }
        assert_eq!(hint(&[("x-ratelimit-user", "garbage,,:,TimeLeft")]), None);
    }
}
