//! The rows as text for people: pure.

use std::fmt::Write as _;

use k8s_openapi::jiff::Timestamp;

use super::row::{Row, Tone};
use crate::domain::one_line;

/// Whether colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// On a terminal.
    On,
    /// Elsewhere, or where the user does not want them.
    Off,
}

impl Colours {
    /// On a terminal that can show them, unless `NO_COLOR` is set to anything.
    pub fn of(is_terminal: bool, variable: impl Fn(&str) -> Option<String>) -> Self {
        let unwanted = variable("NO_COLOR").is_some_and(|v| !v.is_empty());
        let incapable = variable("TERM").is_some_and(|term| term == "dumb");
        if is_terminal && !unwanted && !incapable {
            Self::On
        } else {
            Self::Off
        }
    }

    fn paint(self, text: &str, tone: Tone) -> String {
        let code = match tone {
            _ if self == Self::Off => return text.to_owned(),
            Tone::Bad => 31,
            Tone::Between => 33,
            Tone::Well => 32,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// The table, with what there is to say of each row below it, and a last line that sums it up.
pub fn table(rows: &[Row], with_namespace: bool, now: Timestamp, colours: Colours) -> String {
    let mut lines = vec![["NAMESPACE", "NAME", "READY", "REASON", "SINCE", "LAST DRIFT"].map(str::to_owned)];
    lines.extend(rows.iter().map(|row| cells(row, now)));
    if !with_namespace {
        lines.iter_mut().for_each(|[namespace, ..]| namespace.clear());
    }
    let widths = widths(&lines);
    let mut text = String::new();
    let mut rows = rows.iter();
    for (index, line) in lines.iter().enumerate() {
        let row = if index == 0 { None } else { rows.next() };
        write_line(&mut text, line, widths, row.map(Row::tone), colours);
        if let Some(row) = row.filter(|row| row.needs_words()) {
            words(&mut text, row, now);
        }
    }
    text
}

/// How many there are, and how many are not Ready.
pub fn summary(rows: &[Row]) -> String {
    let bad = rows.iter().filter(|row| !row.is_ready()).count();
    match (rows.len(), bad) {
        (1, 0) => "1 resource, Ready".to_owned(),
        (1, _) => "1 resource, not Ready".to_owned(),
        (all, 0) => format!("{all} resources, all Ready"),
        (all, bad) => format!("{all} resources, {bad} not Ready"),
    }
}

fn cells(row: &Row, now: Timestamp) -> [String; 6] {
    let reason = if row.deleting {
        format!("{}, deleting", row.reason)
    } else {
        row.reason.clone()
    };
    let drift = row.last_drift.as_ref().map_or_else(
        || "-".to_owned(),
        |drift| {
            format!(
                "{} ago, {}: {}",
                age(drift.time, now),
                drift.outcome,
                drift.fields.join(", ")
            )
        },
    );
    [
        one_line(&row.namespace),
        one_line(&row.name),
        row.ready.to_owned(),
        one_line(&reason),
        row.since.map_or_else(|| "-".to_owned(), |since| age(since, now)),
        one_line(&drift),
    ]
}

fn widths(lines: &[[String; 6]]) -> [usize; 6] {
    let mut widths = [0; 6];
    for line in lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    widths
}

fn write_line(text: &mut String, line: &[String; 6], widths: [usize; 6], tone: Option<Tone>, colours: Colours) {
    let mut column = 0;
    let mut gap = 0;
    for (cell, width) in line.iter().zip(widths) {
        column += 1;
        if width == 0 {
            continue;
        }
        // READY and REASON carry the colour.
        let shown = match tone {
            Some(tone) if column == 3 || column == 4 => colours.paint(cell, tone),
            _ => cell.clone(),
        };
        let _ = write!(text, "{:gap$}{shown}", "");
        gap = width - cell.chars().count() + 3;
    }
    text.push('\n');
}

fn words(text: &mut String, row: &Row, now: Timestamp) {
    if !row.message.is_empty() {
        let _ = writeln!(text, "  {}", one_line(&row.message));
    }
    if let Some(failing) = &row.checks_failing {
        let _ = writeln!(
            text,
            "  Checks have failed for {} ({}): {}",
            age(failing.since, now),
            one_line(&failing.reason),
            one_line(&failing.message)
        );
    }
    if let Some(fix) = row.fix {
        let _ = writeln!(text, "  Fix: {fix}");
    }
}

/// How long ago, in one unit, as kubectl says it.
pub fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(since).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_one_unit() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        for (ago, expected) in [
            (-5, "0s"),
            (119, "119s"),
            (120, "2m"),
            (7199, "119m"),
            (7200, "2h"),
            (172_800, "2d"),
        ] {
            let since = Timestamp::from_second(1_000_000 - ago).unwrap();
            assert_eq!(age(since, now), expected, "{ago}");
        }
    }

    #[test]
    fn colours_only_where_they_are_wanted() {
        let of = |terminal, pairs: &[(&str, &str)]| {
            Colours::of(terminal, |name| {
                pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
            })
        };
        assert_eq!(of(true, &[]), Colours::On);
        assert_eq!(of(true, &[("TERM", "xterm"), ("NO_COLOR", "")]), Colours::On);
        assert_eq!(of(false, &[]), Colours::Off);
        assert_eq!(of(true, &[("NO_COLOR", "1")]), Colours::Off);
        assert_eq!(of(true, &[("TERM", "dumb")]), Colours::Off);
    }
}
