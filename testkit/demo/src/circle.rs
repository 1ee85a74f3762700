//! The circle from a setting to a receiver and back: what a team does that adopts the operator, with the binary's own
//! commands.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use harness::Vmc;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use vod_endpoint::{ACCOUNT, Delivery};

use crate::Result;
use crate::stage::{NS, Stage, kubectl, operator_binary};
use crate::steps::{REGION, applied, say, seen};

const NAME: &str = "circle";
const APP: &str = "app-circle";
const EVENT: &str = "TranscodeComplete";
const OLD: &str = "ExampleOldKey1";
const NEW: &str = "ExampleNewKey2";

pub async fn play(stage: &Stage) -> Result<()> {
    let files = Files::new()?;
    let (old, new) = (files.key("old.txt", OLD)?, files.key("new.txt", NEW)?);
    let url = free_address()?;
    let mut both = Receiver::start(&url, &[&old, &new]).await?;
    deliver(stage, &url, &mut both, &old).await?;
    rotate(stage, &mut both, &new).await?;
    drop(both);
    old_key_is_refused(&url, &old, &new).await?;
    let manifest = import(stage, &files).await?;
    plan(stage, &manifest, 0, "0 to set", "nothing would change").await?;
    edit(stage, &manifest).await?;
    kubectl(&stage.plane, &["-n", NS, "delete", "vmc", NAME, "--timeout=60s"]).await?;
    Ok(())
}

async fn deliver(stage: &Stage, url: &str, receiver: &mut Receiver, old: &str) -> Result<()> {
    say("`callback listen` waits for callbacks; a resource with an AuthKey sends them there; an event happens.");
    stage.cluster.secret(NS, "circle-auth-key", &[("authKey", OLD)]).await?;
    let vmc = Vmc::http(NS, NAME, url)
        .app_id(APP)
        .events([EVENT])
        .auth("circle-auth-key", "authKey");
    stage.cluster.apply_vmc(&vmc).await?;
    stage.cluster.wait_ready(NS, NAME).await?;
    is_delivered(&event(stage).await)?;
    receiver.verified_with(old).await?;
    seen("the event was delivered, signed, and verified");
    Ok(())
}

async fn rotate(stage: &Stage, receiver: &mut Receiver, new: &str) -> Result<()> {
    say("The AuthKey is rotated while the receiver believes both.");
    stage.cluster.secret(NS, "circle-auth-key", &[("authKey", NEW)]).await?;
    harness::eventually("the endpoint holds the new key", async || {
        let world = stage.endpoint.world();
        let setting = world.setting(ACCOUNT, REGION, APP);
        setting.is_some_and(|setting| setting.get("AuthKey").is_some_and(|key| key == NEW))
    })
    .await?;
    is_delivered(&event(stage).await)?;
    receiver.verified_with(new).await?;
    seen("the next event was signed with the new key, and none was lost");
    Ok(())
}

async fn old_key_is_refused(url: &str, old: &str, new: &str) -> Result<()> {
    say("The receiver drops the old key; `callback send` tries both.");
    let _receiver = Receiver::start(url, &[new]).await?;
    let send = async |key: &str| {
        run(
            &[
                "callback",
                "send",
                "--url",
                url,
                "--event",
                EVENT,
                "--auth-key-file",
                key,
            ],
            &[],
        )
        .await
    };
    send(old).await?.must(1, "X-VOD-SIGNATURE fits none of the AuthKeys")?;
    seen("the old key is refused, and the receiver says why");
    send(new).await?.must(0, "delivered")?;
    seen("the new key is accepted");
    Ok(())
}

async fn import(stage: &Stage, files: &Files) -> Result<PathBuf> {
    say("`import` writes the live setting as a manifest, without the AuthKey.");
    let secret = format!("{NS}/alibaba-cloud");
    let args = [
        "import",
        "--region",
        REGION,
        "--app-id",
        APP,
        "--name",
        NAME,
        "--namespace",
        NS,
        "--credentials-secret",
        &secret,
    ];
    let imported = run(&args, &environment(stage))
        .await?
        .must(0, &format!("name: {NAME}"))?;
    if imported.stdout.contains(NEW) {
        return Err("the AuthKey is in the manifest".into());
    }
    let manifest = files.0.join("circle.yaml");
    std::fs::write(&manifest, &imported.stdout)?;
    run(&["check", "-f", &manifest.display().to_string()], &[])
        .await?
        .must(0, "")?;
    seen("`check` finds nothing wrong with it");
    Ok(manifest)
}

async fn edit(stage: &Stage, manifest: &Path) -> Result<()> {
    say("The manifest is edited: one more event.");
    let edited = std::fs::read_to_string(manifest)?.replace("eventTypes:\n", "eventTypes:\n    - SnapshotComplete\n");
    std::fs::write(manifest, &edited)?;
    plan(stage, manifest, 1, "1 to set", "one setting would change").await?;
    kubectl(
        &stage.plane,
        &[
            "apply",
            "--server-side",
            "--force-conflicts",
            "-f",
            &manifest.display().to_string(),
        ],
    )
    .await?;
    applied(stage, NAME, "applied: the service holds both events", |_| {
        let world = stage.endpoint.world();
        let setting = world.setting(ACCOUNT, REGION, APP);
        setting.is_some_and(|setting| {
            setting
                .get("EventTypeList")
                .is_some_and(|list| list.contains("SnapshotComplete"))
        })
    })
    .await?;
    stage.cluster.wait_ready(NS, NAME).await?;
    plan(stage, manifest, 0, "0 to set", "nothing would change").await
}

async fn plan(stage: &Stage, manifest: &Path, code: i32, words: &str, meaning: &str) -> Result<()> {
    let planned = run(&["plan", "-f", &manifest.display().to_string()], &environment(stage)).await?;
    print!("{}", indented(&planned.stdout));
    planned.must(code, words)?;
    seen(&format!("`plan` says that {meaning}, with exit code {code}"));
    Ok(())
}

async fn event(stage: &Stage) -> Delivery {
    stage.endpoint.deliver(ACCOUNT, REGION, APP, EVENT).await
}

fn is_delivered(delivery: &Delivery) -> Result<()> {
    if delivery.delivered {
        Ok(())
    } else {
        Err(format!("the event was not delivered: {delivery:?}").into())
    }
}

fn indented(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.map(|line| format!("    {line}\n")).collect()
}

fn environment(stage: &Stage) -> [(&'static str, String); 3] {
    [
        ("KUBECONFIG", stage.plane.kubeconfig_path().display().to_string()),
        ("VOD_OPERATOR_VOD_ENDPOINT", stage.endpoint.url()),
        ("VOD_OPERATOR_STS_ENDPOINT", stage.endpoint.url()),
    ]
}

/// What a command of the binary did.
struct Done {
    command: String,
    code: i32,
    stdout: String,
    stderr: String,
}

impl Done {
    fn must(self, code: i32, words: &str) -> Result<Self> {
        if self.code == code && self.stdout.contains(words) {
            return Ok(self);
        }
        Err(format!(
            "{} ended with {}: {}{}",
            self.command, self.code, self.stdout, self.stderr
        )
        .into())
    }
}

async fn run(args: &[&str], environment: &[(&str, String)]) -> Result<Done> {
    let output = Command::new(operator_binary()?)
        .args(args)
        .envs(environment.iter().cloned())
        .stdin(Stdio::null())
        .output()
        .await?;
    Ok(Done {
        command: format!("vod-operator {}", args.join(" ")),
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout)?,
        stderr: String::from_utf8(output.stderr)?,
    })
}

/// A `callback listen` that ends when dropped.
struct Receiver {
    _process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Receiver {
    async fn start(url: &str, keys: &[&str]) -> Result<Self> {
        let address = url.trim_start_matches("http://").trim_end_matches("/vod");
        let mut command = Command::new(operator_binary()?);
        command.args(["callback", "listen", "--listen", address, "--url", url, "-o", "json"]);
        for key in keys {
            command.args(["--auth-key-file", key]);
        }
        let mut process = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stderr = process.stderr.take().ok_or("no stderr")?;
        let told = BufReader::new(stderr).lines().next_line().await?.unwrap_or_default();
        if !told.starts_with("listening on ") {
            return Err(told.into());
        }
        let stdout = process.stdout.take().ok_or("no stdout")?;
        Ok(Self {
            _process: process,
            lines: BufReader::new(stdout).lines(),
        })
    }

    async fn verified_with(&mut self, key_file: &str) -> Result<()> {
        let line = self.lines.next_line().await?.ok_or("the receiver has ended")?;
        let event: Value = serde_json::from_str(&line)?;
        if event["status"] == 200 && event["authKeyFile"] == key_file && event["eventType"] == EVENT {
            Ok(())
        } else {
            Err(format!("the receiver says: {line}").into())
        }
    }
}

/// An address that nobody listens on. The signature covers the URL, so it must be known before anybody listens.
fn free_address() -> Result<String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    Ok(format!("http://{}/vod", listener.local_addr()?))
}

/// A directory of our own, removed when dropped.
struct Files(PathBuf);

impl Files {
    fn new() -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("vod-operator-demo-{}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        Ok(Self(dir))
    }

    /// A key that only its owner can read.
    fn key(&self, name: &str, key: &str) -> Result<String> {
        use std::io::Write as _;
        let path = self.0.join(name);
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)?;
        file.write_all(key.as_bytes())?;
        Ok(path.display().to_string())
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
