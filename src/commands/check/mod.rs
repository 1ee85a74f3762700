//! `vod-operator check`: what the API server would say of manifests, without asking it.
//!
//! The rules are the CRD's own: its schema and its CEL rules, as `vod-operator crd` prints them. What the CRD cannot
//! know, the keys of Secrets in the same files, is judged by the code that reads Secrets in the cluster.

mod cel;
mod finding;
mod metadata;
mod object;
mod schema;
mod secrets;

pub use finding::{Finding, Report};

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use kube::Resource as _;

use super::{Exit, Failure, Outcome, Output, warn};
use crate::api::VodMessageCallback;
use crate::cli::{CheckArgs, OutputFormat};
use crate::manifests::{self, Source};

/// Checks the files and prints what was found.
///
/// # Errors
/// When a file cannot be read, or the result cannot be written.
pub fn run(args: &CheckArgs) -> Outcome {
    let sources = manifests::read(&args.files.filenames, args.files.recursive).map_err(Failure::unknown)?;
    let report = check(&sources)?;
    Output::stdout().result(args.output.output, &report.to_text(), &report)?;
    if args.output.output == OutputFormat::Text {
        warn(report.summary());
    }
    Ok(if report.findings.is_empty() {
        Exit::Done
    } else {
        Exit::Findings
    })
}

/// A file of a directory that is no YAML: a template, or one that does not speak of our kind either.
pub(in crate::commands) fn is_passed_over(source: &Source) -> bool {
    let may_be_ours = source.text.contains(&*VodMessageCallback::group(&())) && !source.text.contains("{{");
    source.in_directory && !may_be_ours && manifests::parse(&source.text).1.is_some()
}

/// Of two manifests of one resource in a file the second would undo the first. Different files may be for different
/// clusters.
fn find_repeated(resources: &[object::Object<'_>], report: &mut Report) {
    let mut seen = HashMap::new();
    for resource in resources.iter().filter(|resource| !resource.name().is_empty()) {
        let place = format!("{}:{}", resource.source.name, resource.root.at.line);
        match seen.entry((resource.source.order, resource.namespace(), resource.name())) {
            Entry::Vacant(first) => {
                first.insert(place);
            }
            Entry::Occupied(first) => {
                let message = format!("the resource is in {} already", first.get());
                let finding = resource.finding(resource.root.at, "metadata.name", message);
                report.add(finding.fix("keep one of them"));
            }
        }
    }
}

/// Checks manifests against the CRD of this version.
///
/// # Errors
/// When the CRD itself cannot be understood, which would be a mistake of ours.
pub fn check(sources: &[Source]) -> Result<Report, Failure> {
    let schema = schema::Schema::of_the_crd().map_err(Failure::unknown)?;
    let mut report = Report::default();
    let mut resources = Vec::new();
    let mut secrets = Vec::new();
    for source in sources {
        let (documents, broken) = manifests::parse(&source.text);
        for document in documents {
            object::sort(source, document, &mut report, &mut resources, &mut secrets);
        }
        if broken.is_some() && is_passed_over(source) {
            report.skip("text file");
        } else if let Some(broken) = broken {
            report.add(Finding::new(
                source,
                broken.at,
                "",
                "",
                format!("broken YAML: {}", broken.why),
            ));
        }
    }
    for resource in &resources {
        resource.check(&schema, &mut report);
    }
    find_repeated(&resources, &mut report);
    secrets::check(&resources, &secrets, &mut report);
    report
        .findings
        .sort_by_key(|finding| (finding.order, finding.line, finding.column));
    Ok(report)
}
