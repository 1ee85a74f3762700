//! The Prometheus text that the operator serves, as values.

use std::collections::BTreeMap;

/// One line of a metrics page.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The metric's name, with `_total`, `_bucket`, `_sum` or `_count`.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

/// All samples of a metrics page.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metrics {
    /// The samples, in the page's order.
    pub samples: Vec<Sample>,
}

impl Metrics {
    /// Reads the text format (Prometheus or OpenMetrics). A line that cannot be read is an error.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let samples = lines
            .map(|line| sample(line).ok_or_else(|| format!("not a sample: {line}")))
            .collect::<Result<_, _>>()?;
        Ok(Self { samples })
    }

    /// The samples of that name that carry all these labels.
    pub fn matching<'a>(&'a self, name: &'a str, labels: &'a [(&str, &str)]) -> impl Iterator<Item = &'a Sample> {
        self.samples.iter().filter(move |sample| {
            sample.name == name
                && labels
                    .iter()
                    .all(|(key, value)| sample.labels.get(*key).is_some_and(|found| found == value))
        })
    }

    /// The sum over the samples of that name that carry all these labels; 0 when there is none, as
    /// for a counter that has not counted yet.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels).map(|sample| sample.value).sum()
    }

    /// Whether there is any sample of that name.
    pub fn has(&self, name: &str) -> bool {
        self.samples.iter().any(|sample| sample.name == name)
    }
}

fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (BTreeMap::new(), rest),
    };
    // A timestamp or an exemplar may follow.
    let value = rest.split_whitespace().next()?;
    let value = value.strip_prefix('+').unwrap_or(value).parse().ok()?;
    Some(Sample {
        name: name.to_owned(),
        labels,
        value,
    })
}

/// Reads `key="value",…}` and returns what follows it.
fn labels(mut rest: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (key, after) = rest.split_once("=\"")?;
        let (value, after) = quoted(after)?;
        labels.insert(key.trim().to_owned(), value);
        rest = after;
    }
}

/// Reads up to the closing quote and returns what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(index + 1..)?)),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# HELP calls Calls.\n# TYPE calls counter\n\
        calls_total{action=\"Set\",code=\"OK\"} 2\ncalls_total{action=\"Set\",code=\"a \\\"}, b\"} 1.5 1700000000\n\
        leader 1\nwait_bucket{le=\"+Inf\"} +Inf\n# EOF\n";

    #[test]
    fn reads_samples() {
        let metrics = Metrics::parse(PAGE).unwrap();
        assert_eq!(metrics.sum("calls_total", &[("action", "Set")]), 3.5);
        assert_eq!(metrics.sum("calls_total", &[("code", "a \"}, b")]), 1.5);
        assert_eq!(metrics.sum("calls_total", &[("code", "absent")]), 0.0);
        assert_eq!(metrics.sum("leader", &[]), 1.0);
        assert_eq!(metrics.sum("wait_bucket", &[("le", "+Inf")]), f64::INFINITY);
        assert!(metrics.has("leader") && !metrics.has("lead"));
    }

    #[test]
    fn names_a_line_it_cannot_read() {
        assert_eq!(Metrics::parse("a{b=\"c} 1"), Err("not a sample: a{b=\"c} 1".to_owned()));
    }
}
