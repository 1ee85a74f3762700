//! `vod-operator import`: what the service holds, as manifests ready to commit.

mod key_file;
mod manifest;
mod names;
mod setting;

use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;
use zeroize::Zeroizing;

use self::manifest::{object, secret_yaml, yaml};
use self::names::{is_valid, names};
use self::setting::{Found, Imported, Wish, import};
use super::credentials::Own;
use super::service::Service;
use super::{Exit, Failure, Outcome, Output, check, warn};
use crate::cli::{ImportArgs, OutputFormat};
use crate::domain::{AppId, LiveSetting, Region};
use crate::manifests::Source;

/// The app whose setting is meant where none is named.
const DEFAULT_APP: &str = "app-1000000";

/// Reads the settings and prints them as manifests.
///
/// # Errors
/// A wrong command line, or credentials that cannot be had. A single setting that cannot be read is said on the way.
pub async fn run(args: &ImportArgs) -> Outcome {
    judge(args)?;
    let service = Service::new(args.service.clone())?;
    let own = Own::find(&args.account).await?;
    let settings = settings(args);
    let names = names(args.name.as_deref(), &settings);
    let mut exit = Exit::Done;
    let mut all = Vec::new();
    for ((region, app), name) in settings.into_iter().zip(names) {
        let live = match live(&service, &own, &region, &app).await {
            Ok(Some(live)) => live,
            Ok(None) => {
                warn(format!("{region}, {app}: nothing is set"));
                continue;
            }
            Err(failure) => {
                warn(format!("error: {region}, {app}: {failure}"));
                exit = Exit::Unknown;
                continue;
            }
        };
        let wish = Wish {
            name,
            namespace: args.namespace.clone(),
            credentials: credentials_name(args),
            with_auth_key: args.with_auth_key.is_some(),
        };
        match import(
            &Found {
                region: region.clone(),
                app: app.clone(),
                live,
            },
            wish,
        ) {
            Ok(imported) => {
                if let Some(refused) = refused(&imported)? {
                    warn(refused);
                    exit = exit.max(Exit::Findings);
                }
                all.push(imported);
            }
            Err(unsayable) => {
                warn(format!("error: {region}, {app}: {unsayable}"));
                exit = exit.max(Exit::Findings);
            }
        }
    }
    if let Some(path) = &args.with_auth_key {
        write_keys(path, &all)?;
    }
    for imported in &all {
        for remark in &imported.remarks {
            warn(format!("{}: {}", imported.wish.name, remark.words()));
        }
    }
    print(args.output.output, &all)?;
    Ok(exit)
}

/// What the command line alone can tell.
fn judge(args: &ImportArgs) -> Result<(), Failure> {
    let refused =
        |flag: &str, value: &str, why: &str| Err(Failure::usage(format!("invalid value '{value}' for {flag}: {why}")));
    for region in &args.region {
        let sound = region
            .get(..2)
            .is_some_and(|s| s.bytes().all(|b| b.is_ascii_lowercase()))
            && region.get(2..3) == Some("-")
            && region.len() > 3
            && region
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !sound {
            return refused("--region", region, "write it like cn-shanghai");
        }
    }
    for app in &args.app_id {
        let sound =
            (1..=64).contains(&app.chars().count()) && !app.contains(|c: char| c.is_whitespace() || c.is_control());
        if !sound {
            return refused(
                "--app-id",
                app,
                "use 1 to 64 characters without white space, such as app-1000000",
            );
        }
    }
    let label = |name: &str| is_valid(name) && !name.contains('.') && name.len() <= 63;
    if let Some(name) = args.name.as_deref().filter(|name| !is_valid(name) || name.len() > 100) {
        return refused(
            "--name",
            name,
            "use at most 100 of a-z, 0-9, - and ., beginning and ending with a letter or digit",
        );
    }
    if let Some(name) = args.namespace.as_deref().filter(|name| !label(name)) {
        return refused(
            "--namespace",
            name,
            "use 1 to 63 of a-z, 0-9 and -, with neither end a -",
        );
    }
    if let Some(name) = args.credentials.as_deref().filter(|name| !is_valid(name)) {
        return refused(
            "--credentials",
            name,
            "use the name of a Secret of the resource's namespace",
        );
    }
    args.with_auth_key.as_deref().map_or(Ok(()), key_file::refuse_unusable)
}

/// Each setting once: some regions are served by another one's endpoint and have its setting.
fn settings(args: &ImportArgs) -> Vec<(Region, AppId)> {
    let default = [DEFAULT_APP.to_owned()];
    let apps = if args.app_id.is_empty() {
        &default[..]
    } else {
        &args.app_id
    };
    let mut settings: Vec<(Region, AppId)> = Vec::new();
    for region in args.region.iter().cloned().map(Region) {
        for app in apps.iter().cloned().map(AppId) {
            let same = |(r, a): &&(Region, AppId)| r.setting_region() == region.setting_region() && *a == app;
            match settings.iter().find(same) {
                None => settings.push((region.clone(), app)),
                Some((before, _)) if *before != region => {
                    warn(format!(
                        "{region}, {app}: this is the setting of {before}, which serves both regions"
                    ));
                }
                Some(_) => {}
            }
        }
    }
    settings
}

/// The Secret that the resource names: the one that the caller's own credentials are from will do, where it is in the
/// same namespace.
fn credentials_name(args: &ImportArgs) -> Option<String> {
    args.credentials.clone().or_else(|| {
        let (namespace, name) = args.account.credentials_secret.as_deref()?.split_once('/')?;
        (args.namespace.as_deref() == Some(namespace)).then(|| name.to_owned())
    })
}

async fn live(service: &Service, own: &Own, region: &Region, app: &AppId) -> Result<Option<LiveSetting>, Failure> {
    let credentials = own.credentials(service, region).await?;
    let account = service.account(&credentials, region).await.map_err(Failure::unknown)?;
    service
        .live(&credentials, &account, region, app)
        .await
        .map_err(Failure::unknown)
}

/// What the API server would refuse of a manifest: the service holds what the schema does not allow.
fn refused(imported: &Imported) -> Result<Option<String>, Failure> {
    let source = Source {
        name: imported.wish.name.clone(),
        text: yaml(imported),
        in_directory: false,
        order: 0,
    };
    let report = check::check(&[source])?;
    let lines = report.to_text();
    Ok((!report.findings.is_empty())
        .then(|| format!("error: the API server would refuse the manifest: {}", lines.trim_end())))
}

fn write_keys(path: &Path, all: &[Imported]) -> Result<(), Failure> {
    let mut text = Zeroizing::new(String::new());
    let secrets = all
        .iter()
        .filter_map(|imported| Some((imported, imported.secret.as_ref()?)));
    for (count, (imported, secret)) in secrets.enumerate() {
        if count > 0 {
            text.push_str("---\n");
        }
        text.push_str(&secret_yaml(imported, secret));
    }
    if text.is_empty() {
        warn(format!(
            "the service shows no AuthKey, so {} is not written",
            path.display()
        ));
        return Ok(());
    }
    key_file::write(path, &text)?;
    warn(format!(
        "{} holds the AuthKey: keep it out of Git, or encrypt it there",
        path.display()
    ));
    Ok(())
}

fn print(format: OutputFormat, all: &[Imported]) -> Result<(), Failure> {
    let mut text = String::new();
    for (count, imported) in all.iter().enumerate() {
        let separator = if count > 0 { "---\n" } else { "" };
        let _ = write!(text, "{separator}{}", yaml(imported));
    }
    match format {
        OutputFormat::Text | OutputFormat::Yaml => Output::stdout().text(&text),
        OutputFormat::Json => {
            let items: Vec<_> = all.iter().map(object).collect();
            let list = json!({ "apiVersion": "v1", "kind": "List", "items": items });
            Output::stdout().result(format, "", &list)
        }
    }
}
