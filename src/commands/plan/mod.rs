//! `vod-operator plan`: what the operator would do, without doing it. The decision is the operator's own
//! ([`crate::reconcile::decide`]), on the same facts.

mod inputs;
mod item;
mod load;
mod owners;
mod secrets;
mod subject;
mod text;
mod verdict;

use std::collections::HashSet;

use self::inputs::Sources;
use self::item::{Item, Report, Verdict};
use self::load::{DEFAULT_NAMESPACE, Loaded, load};
use self::secrets::Secrets;
use self::subject::{Subject, of_cluster, of_files};
use super::cluster::{Cluster, Listed, Scope, Unlisted};
use super::credentials::Own;
use super::service::Service;
use super::{Exit, Failure, Outcome, Output, check, warn};
use crate::api::VodMessageCallback;
use crate::cli::{OutputFormat, PlanArgs};
use crate::manifests::{self, Source};
use crate::reconcile::secret_refs::referenced;

/// Plans, and prints the plan.
///
/// # Errors
/// A wrong command line, files that are no manifests, or a cluster that does not answer. What cannot be found out of a
/// single resource is a part of the plan.
pub async fn run(args: &PlanArgs) -> Outcome {
    let service = Service::new(args.service.clone())?;
    let from_files = !args.files.filenames.is_empty();
    let sources = manifests::read(&args.files.filenames, args.files.recursive).map_err(Failure::unknown)?;
    let cluster = match Cluster::find().await {
        Ok(cluster) => Some(cluster),
        Err(failure) if !from_files || Cluster::is_named() => return Err(failure),
        Err(_) => {
            warn("no cluster was found: the files are taken as if nothing of them were applied yet");
            None
        }
    };
    let namespace = args
        .namespace
        .clone()
        .or_else(|| cluster.as_ref().map(|c| c.namespace.clone()));
    if let Some(refused) = refused_by_the_schema(&sources)? {
        warn(refused.to_text().trim_end());
        warn("error: the API server would refuse this, so there is nothing to plan");
        if args.output.output != OutputFormat::Text {
            Output::stdout().result(args.output.output, "", &Report::of(refusals(&refused)))?;
        }
        return Ok(Exit::Findings);
    }
    let loaded = load(&sources, namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE))?;
    drop(sources);
    let stored = match &cluster {
        Some(cluster) => stored(cluster, args, from_files, &loaded).await?,
        None => Vec::new(),
    };
    let own = Own::find(&args.account).await?;
    let secrets = Secrets::new(loaded.secrets, cluster.clone());
    let (subjects, others) = if from_files {
        let (subjects, others) = of_files(loaded.resources, stored);
        with_users_of_changed_secrets(&secrets, subjects, others).await
    } else {
        let scope = cluster
            .as_ref()
            .map(|c| Scope::of(args.namespace.as_deref(), args.all_namespaces, c));
        of_cluster(stored, scope.as_ref())
    };
    if subjects.is_empty() {
        warn("there is no VodMessageCallback to plan");
    }
    let sources = Sources {
        service: &service,
        secrets: &secrets,
        own: &own,
    };
    let report = Report::of(verdict::plan(&sources, subjects, &others).await);
    let exit = exit(&report);
    Output::stdout().result(args.output.output, &text::text(&report), &report)?;
    Ok(exit)
}

/// Resources of the cluster whose Secret a file changes are planned too: applying the file reaches them.
async fn with_users_of_changed_secrets(
    secrets: &Secrets,
    mut subjects: Vec<Subject>,
    others: Vec<Subject>,
) -> (Vec<Subject>, Vec<Subject>) {
    let (mut users, mut rest) = (Vec::new(), Vec::new());
    for other in others {
        let changes = secrets
            .any_changes(&other.name.namespace, &referenced(&other.spec))
            .await;
        if changes { &mut users } else { &mut rest }.push(other);
    }
    users.sort_by(|a, b| a.name.cmp(&b.name));
    subjects.extend(users);
    (subjects, rest)
}

/// What `check` finds wrong with the resources of the files. Secrets are judged later, with those of the cluster; and
/// what is no YAML is told by whoever reads it.
fn refused_by_the_schema(sources: &[Source]) -> Result<Option<check::Report>, Failure> {
    let broken = |source: &Source| !check::is_passed_over(source) && manifests::parse(&source.text).1.is_some();
    if sources.iter().any(broken) {
        return Ok(None);
    }
    let mut report = check::check(sources)?;
    report
        .findings
        .retain(|finding| !finding.resource.starts_with("Secret "));
    Ok((!report.findings.is_empty()).then_some(report))
}

/// What is refused, a resource each, for programs.
fn refusals(refused: &check::Report) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for finding in &refused.findings {
        let (_, name) = finding.resource.rsplit_once(' ').unwrap_or_default();
        let (namespace, name) = name.split_once('/').unwrap_or(("", name));
        let message = format!("{}: {}", finding.field, finding.message);
        match items
            .last_mut()
            .filter(|item| item.namespace == namespace && item.name == name)
        {
            Some(item) => {
                item.verdict.message.push_str("; ");
                item.verdict.message.push_str(&message);
            }
            None => items.push(Item {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                source: Some(format!("{}:{}", finding.file, finding.line)),
                region: String::new(),
                app_id: String::new(),
                account: None,
                verdict: Verdict::refuse(message),
            }),
        }
    }
    items
}

fn exit(report: &Report) -> Exit {
    if report.summary.unknown > 0 {
        Exit::Unknown
    } else if report.summary.has_findings() {
        Exit::Findings
    } else {
        Exit::Done
    }
}

/// All resources of the cluster: those of other namespaces may own a setting. Where not all may be read, those that
/// may be.
async fn stored(
    cluster: &Cluster,
    args: &PlanArgs,
    from_files: bool,
    loaded: &Loaded,
) -> Result<Vec<VodMessageCallback>, Failure> {
    let listed = match cluster.list(&Scope::All).await {
        Ok(listed) => listed,
        Err(Unlisted::NoSuchKind(_)) if from_files => {
            warn("the cluster does not know VodMessageCallback yet: the files are taken as if nothing were applied");
            Vec::new()
        }
        Err(Unlisted::Forbidden(_)) if !args.all_namespaces => {
            let named = loaded.resources.iter().map(|r| &r.name).chain(loaded.secrets.keys());
            let mut namespaces: HashSet<String> = named.map(|name| name.namespace.clone()).collect();
            if !from_files {
                namespaces.insert(args.namespace.clone().unwrap_or_else(|| cluster.namespace.clone()));
            }
            let mut listed = Vec::new();
            for namespace in namespaces {
                listed.extend(cluster.list(&Scope::Namespace(namespace)).await?);
            }
            warn("you may not list all namespaces: a resource of another one that owns a setting would not be seen");
            listed
        }
        Err(unlisted) => return Err(unlisted.into()),
    };
    Ok(readable(listed))
}

fn readable(listed: Vec<Listed>) -> Vec<VodMessageCallback> {
    let one = |listed: Listed| match listed {
        Ok(resource) => Some(*resource),
        Err(super::cluster::Unreadable { name, why }) => {
            warn(format!("{name} cannot be read by this version of vod-operator: {why}"));
            None
        }
    };
    listed.into_iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_found_out_weighs_more_than_what_was() {
        use self::item::Action;
        let item = |action| Item {
            namespace: String::new(),
            name: String::new(),
            source: None,
            region: String::new(),
            app_id: String::new(),
            account: None,
            verdict: Verdict {
                action,
                ..Verdict::none("")
            },
        };
        for (actions, expected) in [
            (&[][..], Exit::Done),
            (&[Action::None], Exit::Done),
            (&[Action::None, Action::Set], Exit::Findings),
            (&[Action::Delete], Exit::Findings),
            (&[Action::Differ], Exit::Findings),
            (&[Action::Stall], Exit::Findings),
            (&[Action::Refuse], Exit::Findings),
            (&[Action::Set, Action::Unknown], Exit::Unknown),
        ] {
            assert_eq!(
                exit(&Report::of(actions.iter().map(|a| item(*a)).collect())),
                expected,
                "{actions:?}"
            );
        }
    }
}
