//! The plan as text for people: pure.

use std::fmt::Write as _;

use super::item::{Action, Change, Item, Report, Summary};
use crate::domain::one_line;

/// What would be done, field by field, and a line that sums it up.
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    for item in &report.resources {
        one(&mut text, item);
    }
    if !report.resources.is_empty() {
        text.push('\n');
    }
    let _ = writeln!(text, "{}", summary(&report.summary));
    text
}

fn one(text: &mut String, item: &Item) {
    let sign = match item.verdict.action {
        Action::Set => "~",
        Action::Delete => "-",
        Action::Differ => "≠",
        Action::None => "=",
        Action::Stall | Action::Refuse => "!",
        Action::Unknown => "?",
    };
    let reason = item
        .verdict
        .reason
        .map(|reason| format!("{reason}: "))
        .unwrap_or_default();
    let (name, region, app) = (item.full_name(), &item.region, &item.app_id);
    let head = format!("{sign} {name} ({region}, {app}): {reason}{}", item.verdict.message);
    let _ = writeln!(text, "{}", one_line(&head));
    let width = item
        .verdict
        .changes
        .iter()
        .map(|c| c.field.len())
        .max()
        .unwrap_or_default();
    for change in &item.verdict.changes {
        let _ = writeln!(text, "    {}", line(change, width));
    }
}

fn line(change: &Change, width: usize) -> String {
    let field = change.field;
    match (&change.from, &change.to) {
        (Some(from), Some(to)) => format!("~ {field:width$}  {} → {}", quoted(from), quoted(to)),
        (None, Some(to)) => format!("+ {field:width$}  {}", quoted(to)),
        (Some(from), None) => format!("- {field:width$}  {}", quoted(from)),
        (None, None) => format!("~ {field:width$}"),
    }
}

/// `(redacted)` is no value.
fn quoted(value: &str) -> String {
    if value == crate::domain::REDACTED {
        value.to_owned()
    } else {
        format!("{value:?}")
    }
}

/// The last line.
pub fn summary(summary: &Summary) -> String {
    let mut words = format!(
        "Plan: {} to set, {} to delete, {} unchanged",
        summary.set, summary.delete, summary.unchanged
    );
    for (count, what) in [
        (summary.differ, "left as found"),
        (summary.stall, "stalled"),
        (summary.refuse, "refused by the API server"),
        (summary.unknown, "not found out"),
    ] {
        if count > 0 {
            let _ = write!(words, ", {count} {what}");
        }
    }
    words.push('.');
    words
}
