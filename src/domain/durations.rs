use std::time::Duration;

/// A duration written as Go writes it: `90s`, `10m`, `1h30m`, `1.5h`, `300ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoDuration(pub Duration);

/// Text that is not a Go-style duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration of at most ten years; write it like 90s, 10m or 1h30m")]
pub struct InvalidDuration(pub String);

/// Longer than this is taken as a slip: ten years.
const LONGEST_SECONDS: f64 = 10.0 * 365.0 * 86_400.0;

impl std::str::FromStr for GoDuration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        let invalid = || InvalidDuration(text.chars().take(40).collect());
        if text == "0" {
            return Ok(Self(Duration::ZERO));
        }
        let mut rest = text;
        let mut seconds = 0.0_f64;
        while !rest.is_empty() {
            let digits = rest
                .find(|c: char| !(c.is_ascii_digit() || c == '.'))
                .ok_or_else(invalid)?;
            let (number, tail) = rest.split_at(digits);
            let unit_len = tail
                .find(|c: char| c.is_ascii_digit() || c == '.')
                .unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(unit_len);
            let scale = match unit {
                "ns" => 1e-9,
                "us" | "µs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return Err(invalid()),
            };
            seconds += number.parse::<f64>().map_err(|_| invalid())? * scale;
            rest = tail;
        }
        if text.is_empty() || !seconds.is_finite() || seconds > LONGEST_SECONDS {
            return Err(invalid());
        }
        Duration::try_from_secs_f64(seconds).map(Self).map_err(|_| invalid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_style() {
        let table = [
            ("90s", 90_000),
            ("10m", 600_000),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            ("300ms", 300),
            ("0", 0),
            ("0s", 0),
        ];
        for (text, millis) in table {
            assert_eq!(
                text.parse::<GoDuration>().unwrap().0,
                Duration::from_millis(millis),
                "{text}"
            );
        }
        for bad in [
            "",
            "10",
            "m",
            "10 m",
            "-1s",
            "1d",
            "1h30",
            "1..5h",
            ".s",
            "∞h",
            "9999999999h",
            "1e3s",
        ] {
            assert!(bad.parse::<GoDuration>().is_err(), "{bad:?}");
        }
    }
}
