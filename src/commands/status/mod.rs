//! `vod-operator status`: the cluster's resources, the worst first.

mod row;
mod text;
mod watch;

use std::io::IsTerminal as _;

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use self::row::{Row, worst_first};
use self::text::{Colours, summary, table};
use super::cluster::{Cluster, Listed, Scope};
use super::{Exit, Outcome, Output, warn};
use crate::cli::{OutputFormat, StatusArgs};

/// The result as programs read it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    /// The worst first.
    resources: &'a [Row],
    /// How many.
    total: usize,
    /// How many of them are not Ready.
    not_ready: usize,
}

impl<'a> Report<'a> {
    fn of(rows: &'a [Row]) -> Self {
        Self {
            resources: rows,
            total: rows.len(),
            not_ready: rows.iter().filter(|row| !row.is_ready()).count(),
        }
    }
}

/// Shows the resources, once or for as long as somebody reads.
///
/// # Errors
/// When the cluster cannot be asked.
pub async fn run(args: &StatusArgs) -> Outcome {
    let cluster = Cluster::find().await?;
    let scope = Scope::of(args.namespace.as_deref(), args.all_namespaces, &cluster);
    if args.watch {
        return watch::run(args, &cluster, &scope).await;
    }
    let rows = rows(&cluster.list(&scope).await?);
    if rows.is_empty() {
        warn(nothing(&scope));
    }
    let text = if rows.is_empty() {
        String::new()
    } else {
        shown(&rows, &scope, colours())
    };
    Output::stdout().result(args.output.output, &text, &Report::of(&rows))?;
    Ok(exit(&rows))
}

fn rows<'a>(listed: impl IntoIterator<Item = &'a Listed>) -> Vec<Row> {
    let mut rows: Vec<Row> = listed.into_iter().map(Row::of).collect();
    worst_first(&mut rows);
    rows
}

fn shown(rows: &[Row], scope: &Scope, colours: Colours) -> String {
    let table = table(rows, *scope == Scope::All, Timestamp::now(), colours);
    format!("{table}\n{}\n", summary(rows))
}

fn nothing(scope: &Scope) -> String {
    match scope {
        Scope::All => "there is no VodMessageCallback in any namespace".to_owned(),
        Scope::Namespace(name) => format!("there is no VodMessageCallback in namespace {name}"),
    }
}

fn exit(rows: &[Row]) -> Exit {
    if rows.iter().all(Row::is_ready) {
        Exit::Done
    } else {
        Exit::Findings
    }
}

fn colours() -> Colours {
    Colours::of(std::io::stdout().is_terminal(), |name| std::env::var(name).ok())
}

/// One of many reports over time.
fn write(
    output: &mut Output<std::io::Stdout>,
    format: OutputFormat,
    text: &str,
    rows: &[Row],
) -> Result<(), super::Failure> {
    match format {
        OutputFormat::Text => output.text(text),
        _ => output.event(format, "", &Report::of(rows)),
    }
}
