//! The table.

use std::fmt;

use crate::Error;
use crate::figure::{Figure, Target, percentile};
use crate::sections::Section;
use crate::subject::Subject;

/// One row: a figure of each subject, one value a round.
struct Row {
    sample: Figure,
    ours: Vec<f64>,
    peer: Vec<f64>,
}

/// All rows, in the order they were first measured.
pub struct Report {
    rows: Vec<Row>,
    failures: Vec<String>,
    with_peer: bool,
}

impl Report {
    /// An empty one.
    pub fn new(subjects: &[Subject]) -> Self {
        Self {
            rows: Vec::new(),
            failures: Vec::new(),
            with_peer: subjects.iter().any(|subject| !subject.ours),
        }
    }

    /// Adds what was measured.
    pub fn add(&mut self, subject: &Subject, figures: Vec<Figure>) {
        for figure in figures {
            eprintln!("  {}: {} {}", figure.what, number(figure.value), figure.unit);
            let known = self.rows.iter().position(|row| row.sample.what == figure.what);
            let at = known.unwrap_or_else(|| {
                self.rows.push(Row {
                    sample: figure.clone(),
                    ours: Vec::new(),
                    peer: Vec::new(),
                });
                self.rows.len() - 1
            });
            if let Some(row) = self.rows.get_mut(at) {
                let values = if subject.ours { &mut row.ours } else { &mut row.peer };
                values.push(figure.value);
            }
        }
    }

    /// Notes what could not be measured.
    pub fn failed(&mut self, section: Section, subject: &Subject, error: &Error) {
        let failure = format!("{section:?}, {}: {error}", subject.name);
        eprintln!("bench: {failure}");
        self.failures.push(failure);
    }

    /// Whether everything could be measured.
    pub fn is_complete(&self) -> bool {
        self.failures.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.with_peer {
            writeln!(f, "| | ours | peer | ours / peer | floor | ours / floor | target |")?;
            writeln!(f, "|---|---:|---:|---:|---:|---:|---|")?;
        } else {
            writeln!(f, "| | ours | floor | ours / floor | target |")?;
            writeln!(f, "|---|---:|---:|---:|---|")?;
        }
        for row in &self.rows {
            writeln!(f, "{}", row.line(self.with_peer))?;
        }
        for failure in &self.failures {
            writeln!(f, "\nNot measured: {failure}")?;
        }
        Ok(())
    }
}

impl Row {
    fn line(&self, with_peer: bool) -> String {
        let (ours, peer) = (median(&self.ours), median(&self.peer));
        let unit = self.sample.unit;
        let what = if unit.is_empty() {
            self.sample.what.clone()
        } else {
            format!("{}, {unit}", self.sample.what)
        };
        let shown = |value: Option<f64>| value.map(number).unwrap_or_default();
        let ratio = |to: Option<f64>| match (ours, to) {
            (Some(ours), Some(to)) if to > 0.0 => format!("{:.2}", ours / to),
            _ => String::new(),
        };
        let target = self.target(ours, peer);
        let beside_peer = if with_peer {
            format!(" {} | {} |", shown(peer), ratio(peer))
        } else {
            String::new()
        };
        let floor = self.sample.floor;
        format!(
            "| {what} | {} |{beside_peer} {} | {} | {target} |",
            shown(ours),
            shown(floor),
            ratio(floor)
        )
    }

    fn target(&self, ours: Option<f64>, peer: Option<f64>) -> String {
        let Some(target) = self.sample.target else {
            return String::new();
        };
        let (words, bound) = match target {
            Target::OfPeer(share) => (format!("{share} of the peer"), peer.map(|peer| peer * share)),
            Target::OfFloor(share) => (
                format!("{share} of the floor"),
                self.sample.floor.map(|floor| floor * share),
            ),
            Target::AtMost(value) => (number(value), Some(value)),
        };
        match (ours, bound) {
            (Some(ours), Some(bound)) if ours <= bound => format!("{words}: met"),
            (Some(_), Some(_)) => format!("{words}: **missed**"),
            _ => words,
        }
    }
}

fn median(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| percentile(values, 0.5))
}

/// Three digits that matter.
fn number(value: f64) -> String {
    if value == value.round() || value.abs() >= 100.0 {
        format!("{value:.0}")
    } else if value.abs() >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn subjects() -> [Subject; 2] {
        [("ours", true), ("peer", false)].map(|(name, ours)| Subject {
            name,
            binary: PathBuf::new(),
            crd: PathBuf::new(),
            ours,
        })
    }

    #[test]
    fn a_row_holds_both_and_their_ratio_and_says_whether_the_target_is_met() {
        let [ours, peer] = subjects();
        let mut report = Report::new(&[ours.clone(), peer.clone()]);
        let figure = |value| Figure::new("stop", "ms", value).target(Target::OfPeer(0.95));
        report.add(&ours, vec![figure(5.0)]);
        report.add(&ours, vec![figure(7.0)]);
        report.add(&ours, vec![figure(100.0)]);
        report.add(&peer, vec![figure(8.0)]);
        let table = report.to_string();
        assert!(
            table.contains("| stop, ms | 7 | 8 | 0.88 |  |  | 0.95 of the peer: met |"),
            "{table}"
        );
    }

    #[test]
    fn without_a_peer_only_the_floor_stands_beside() {
        let [ours, _] = subjects();
        let mut report = Report::new(std::slice::from_ref(&ours));
        let figure = Figure::new("bulk", "s", 22.0).floor(20.0).target(Target::OfFloor(1.05));
        report.add(&ours, vec![figure]);
        let table = report.to_string();
        assert!(
            table.contains("| bulk, s | 22 | 20 | 1.10 | 1.05 of the floor: **missed** |"),
            "{table}"
        );
    }
}
