use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::one_line;
use crate::manifests::{Position, Source};

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file, or `<stdin>`.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// Kind, namespace and name of the object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource: String,
    /// The path of the field, such as `spec.http.url`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What to do; the message of a rule ends with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// The file's place among the files.
    #[serde(skip)]
    pub(super) order: usize,
}

impl Finding {
    pub(super) fn new(source: &Source, at: Position, resource: &str, field: &str, message: String) -> Self {
        Self {
            file: source.name.clone(),
            line: at.line,
            column: at.column,
            resource: resource.to_owned(),
            field: field.to_owned(),
            message,
            fix: None,
            order: source.order,
        }
    }

    pub(super) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// As compilers write it, so that editors and CI systems find the place. What a stranger's manifest says stays in its line:
    /// some CI systems take a line for a command.
    fn to_line(&self) -> String {
        let mut line = format!("{}:{}:{}: ", self.file, self.line, self.column);
        for part in [&self.resource, &self.field]
            .into_iter()
            .filter(|part| !part.is_empty())
        {
            line.push_str(part);
            line.push_str(": ");
        }
        line.push_str(&self.message);
        if let Some(fix) = self.fix.as_ref().filter(|fix| !self.message.ends_with(fix.as_str())) {
            line.push_str(": ");
            line.push_str(fix);
        }
        one_line(&line) + "\n"
    }
}

/// What was found in all files.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// How many resources were checked.
    pub checked: usize,
    /// How many objects of other kinds were passed over, by kind.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub skipped: BTreeMap<String, usize>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

impl Report {
    pub(super) fn add(&mut self, finding: Finding) {
        // A Secret that two resources name is judged for both, and told once.
        let place = |f: &Finding| (f.order, f.line, f.column, f.resource.clone(), f.field.clone());
        let secret = finding.resource.starts_with("Secret ");
        if !secret || !self.findings.iter().any(|known| place(known) == place(&finding)) {
            self.findings.push(finding);
        }
    }

    pub(super) fn skip(&mut self, kind: &str) {
        *self.skipped.entry(kind.to_owned()).or_default() += 1;
    }

    /// Each finding in a line.
    pub fn to_text(&self) -> String {
        self.findings.iter().map(Finding::to_line).collect()
    }

    /// One line, for stderr.
    pub(super) fn summary(&self) -> String {
        let mut summary = format!(
            "{} checked, {}",
            count(self.checked, "VodMessageCallback"),
            match self.findings.len() {
                0 => "no finding".to_owned(),
                n => count(n, "finding"),
            }
        );
        if !self.skipped.is_empty() {
            let skipped: Vec<String> = self.skipped.iter().map(|(kind, n)| count(*n, kind)).collect();
            summary.push_str(&format!("; skipped: {}", one_line(&skipped.join(", "))));
        }
        summary
    }
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
