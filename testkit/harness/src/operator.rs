//! The operator as a child process.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use control_plane::http_get::http_get;
use control_plane::{Error, Process, Result, free_port};

use crate::metrics::Metrics;
use crate::output::Output;
use crate::wait::{DEFAULT_BOUND, eventually, wait_until};

const TAIL: usize = 60;

/// How an operator is started.
#[derive(Debug, Clone)]
pub struct OperatorBuilder {
    binary: PathBuf,
    name: String,
    kubeconfig: Option<PathBuf>,
    metrics_address: Option<String>,
    args: Vec<OsString>,
    variables: Vec<(String, OsString)>,
    echo: bool,
}

impl OperatorBuilder {
    /// What the process is called in messages, when a test runs several.
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Whom it acts as, and where: the kubeconfig of a control plane's administrator or service account.
    pub fn kubeconfig(mut self, path: impl Into<PathBuf>) -> Self {
        self.kubeconfig = Some(path.into());
        self
    }

    /// `--vod-endpoint`.
    pub fn vod_endpoint(self, url: impl AsRef<str>) -> Self {
        self.args(["--vod-endpoint", url.as_ref()])
    }

    /// `--sts-endpoint`.
    pub fn sts_endpoint(self, url: impl AsRef<str>) -> Self {
        self.args(["--sts-endpoint", url.as_ref()])
    }

    /// `--metrics-addr`; without it a free loopback port is taken.
    pub fn metrics_address(mut self, address: impl Into<String>) -> Self {
        self.metrics_address = Some(address.into());
        self
    }

    /// More arguments of `run`.
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// One more environment variable; of this process's own only `PATH` is passed on.
    pub fn env(mut self, key: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((key.to_owned(), value.into()));
        self
    }

    /// Copies the operator's lines to stderr as they come.
    pub fn echo(mut self) -> Self {
        self.echo = true;
        self
    }

    /// Starts `vod-operator run` and does not wait for anything.
    pub fn spawn(self) -> Result<Operator> {
        let metrics_address = match self.metrics_address {
            Some(address) => address,
            None => format!("127.0.0.1:{}", free_port()?),
        };
        let mut command = Command::new(&self.binary);
        command.env_clear().env("PATH", env::var_os("PATH").unwrap_or_default());
        if let Some(kubeconfig) = &self.kubeconfig {
            command.env("KUBECONFIG", kubeconfig);
        }
        command
            .envs(self.variables)
            .args(["run", "--metrics-addr", &metrics_address])
            .args(&self.args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let process = Process::spawn(&self.name, &mut command)?;
        let mut output = Output::default();
        let echo = self.echo.then(|| format!("{}: ", self.name));
        let (stdout, stderr) = process.with_child(|child| (child.stdout.take(), child.stderr.take()));
        if let Some(stdout) = stdout {
            output.read(stdout, echo.clone());
        }
        if let Some(stderr) = stderr {
            output.read(stderr, echo);
        }
        Ok(Operator {
            process,
            output,
            metrics_address,
        })
    }

    /// Starts `vod-operator run` and waits until it says that it is ready.
    pub async fn start(self) -> Result<Operator> {
        let operator = self.spawn()?;
        operator.wait_ready().await?;
        Ok(operator)
    }
}

/// A running operator, killed when this is dropped. In a test that panics its last lines are printed.
#[derive(Debug)]
pub struct Operator {
    process: Process,
    output: Output,
    metrics_address: String,
}

impl Operator {
    /// An operator of that binary; in tests `env!("CARGO_BIN_EXE_vod-operator")`.
    pub fn builder(binary: impl AsRef<Path>) -> OperatorBuilder {
        OperatorBuilder {
            binary: binary.as_ref().to_owned(),
            name: "vod-operator".to_owned(),
            kubeconfig: None,
            metrics_address: None,
            args: Vec::new(),
            variables: Vec::new(),
            echo: false,
        }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Where `/metrics`, `/healthz` and `/readyz` are.
    pub fn metrics_address(&self) -> &str {
        &self.metrics_address
    }

    /// All lines it has written so far, of both outputs.
    pub fn logs(&self) -> Vec<String> {
        self.output.lines()
    }

    /// How many lines contain the text.
    pub fn logged(&self, text: &str) -> usize {
        self.logs().iter().filter(|line| line.contains(text)).count()
    }

    /// Waits for a line that contains the text, also an earlier one, and returns it.
    pub async fn wait_for_log(&self, text: &str) -> Result<String> {
        eventually(&format!("a log line with {text:?}"), async || {
            let found = self.logs().into_iter().find(|line| line.contains(text));
            found.ok_or_else(|| format!("\n{}", self.output.tail(TAIL)))
        })
        .await
    }

    /// What `/metrics` says.
    pub async fn metrics(&self) -> Result<Metrics> {
        let (status, body) = self.get("/metrics").await?;
        if status != 200 {
            return Err(Error::Invalid(format!("/metrics answers {status}: {body}")));
        }
        Metrics::parse(&body).map_err(Error::Invalid)
    }

    /// Whether `/healthz` answers with 200.
    pub async fn healthz(&self) -> bool {
        self.get("/healthz").await.is_ok_and(|(status, _)| status == 200)
    }

    /// Whether `/readyz` answers with 200.
    pub async fn readyz(&self) -> bool {
        self.get("/readyz").await.is_ok_and(|(status, _)| status == 200)
    }

    /// GETs a page of the metrics address; the status code and the body.
    pub async fn get(&self, path: &str) -> Result<(u16, String)> {
        http_get(&self.metrics_address, path)
            .await
            .map_err(Error::io(format!("{} {path}", self.process.name())))
    }

    /// Waits until `/readyz` answers with 200; fails at once when the process ends instead.
    pub async fn wait_ready(&self) -> Result<()> {
        let what = format!("{} to be ready", self.process.name());
        let ended = eventually(&what, async || match self.process.exited() {
            Ok(Some(status)) => Ok(Some(status)),
            Err(error) => Err(error.to_string()),
            Ok(None) if self.readyz().await => Ok(None),
            Ok(None) => Err(format!("\n{}", self.output.tail(TAIL))),
        });
        match ended.await? {
            None => Ok(()),
            Some(status) => {
                self.drain().await;
                let (name, tail) = (self.process.name(), self.output.tail(TAIL));
                Err(Error::Process(format!(
                    "{name} ended ({status}) instead of getting ready:\n{tail}"
                )))
            }
        }
    }

    /// How it ended; `None` while it runs.
    pub fn exited(&self) -> Result<Option<ExitStatus>> {
        self.process.exited()
    }

    /// Waits until it ends by itself; its lines are complete then.
    pub async fn wait_exit(&self) -> Result<ExitStatus> {
        let status = self.process.wait(DEFAULT_BOUND).await?;
        self.drain().await;
        Ok(status)
    }

    /// Sends `SIGTERM`, as the kubelet does, and waits until it ends.
    pub async fn sigterm_and_wait(&self) -> Result<ExitStatus> {
        self.process.terminate()?;
        self.wait_exit().await
    }

    /// Sends `SIGTERM` and does not wait.
    pub fn sigterm(&self) -> Result<()> {
        self.process.terminate()
    }

    /// Kills it (`SIGKILL`): no lease is released, nothing is finished.
    pub async fn kill(&self) -> Result<()> {
        self.process.kill()?;
        self.drain().await;
        Ok(())
    }

    /// Kills it (`SIGKILL`) before this returns, from anywhere; its last lines may still be on their way.
    pub fn kill_at_once(&self) -> Result<()> {
        self.process.kill().map(drop)
    }

    /// Freezes it (`SIGSTOP`), as a machine that hangs.
    pub fn freeze(&self) -> Result<()> {
        self.process.pause()
    }

    /// Lets it go on (`SIGCONT`).
    pub fn thaw(&self) -> Result<()> {
        self.process.resume()
    }

    /// The ended process's last lines may still be in the pipes.
    async fn drain(&self) {
        let _ = wait_until("the end of the output", Duration::from_secs(2), async || {
            self.output.is_complete()
        })
        .await;
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "--- last lines of {} ---\n{}",
                self.process.name(),
                self.output.tail(TAIL)
            );
        }
    }
}
