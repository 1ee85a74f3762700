//! One control plane: its life, its outages, and the ways in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client};
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::audit::{self, AuditEntry};
use crate::binaries::Binaries;
use crate::components::{self, Files, Ports};
use crate::error::{Error, Result};
use crate::http_get::http_get;
use crate::keys::random_token;
use crate::process::Process;
use crate::{kubeconfig, watchdog};

const POLL: Duration = Duration::from_millis(50);
/// Generous: a start takes two seconds, but the machine may be busy with a compiler.
const READY_BOUND: Duration = Duration::from_secs(120);

/// What a control plane is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Keep an audit log of every request, for [`ControlPlane::audit_log`]. On by default.
    pub audit: bool,
    /// More flags for kube-apiserver, for instance `--enable-admission-plugins=…`.
    pub api_server_flags: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            audit: true,
            api_server_flags: Vec::new(),
        }
    }
}

/// A running control plane. Dropping it stops its processes and removes its folder.
#[derive(Debug)]
pub struct ControlPlane {
    // In the order they must go: the folder last.
    api_server: Mutex<Option<Arc<Process>>>,
    etcd: Mutex<Option<Arc<Process>>>,
    binaries: Binaries,
    options: Options,
    ports: Ports,
    admin_token: String,
    files: Files,
    folder: TempDir,
}

/// The control plane that the tests of one binary share. It ends with the process.
///
/// Tests keep out of each other's way by namespaces of their own; a test that stops a component,
/// or needs a cluster-wide list to itself, starts its own.
pub async fn shared() -> Result<&'static ControlPlane> {
    static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
    // Statics are not dropped: the watchdog does what `Drop` would.
    SHARED.get_or_try_init(ControlPlane::start).await
}

impl ControlPlane {
    /// Starts a control plane and waits until it is ready.
    pub async fn start() -> Result<Self> {
        Self::start_with(Options::default()).await
    }

    /// Starts a control plane and waits until it is ready.
    pub async fn start_with(options: Options) -> Result<Self> {
        let binaries = tokio::task::spawn_blocking(Binaries::locate)
            .await
            .map_err(|error| Error::Process(format!("looking for the control plane's programs failed: {error}")))??;
        let mut attempts = 3;
        loop {
            attempts -= 1;
            match Self::attempt(binaries.clone(), options.clone()).await {
                // Between the choice of a port and its use somebody else may take it.
                Err(error) if attempts > 0 && error.to_string().contains("address already in use") => {}
                other => return other,
            }
        }
    }

    async fn attempt(binaries: Binaries, options: Options) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("control-plane-")
            .tempdir()
            .map_err(Error::io("cannot create a temporary folder"))?;
        watchdog::folder(folder.path())?;
        let admin_token = random_token()?;
        let plane = Self {
            api_server: Mutex::default(),
            etcd: Mutex::default(),
            binaries,
            options,
            ports: Ports::choose()?,
            files: Files::prepare(folder.path(), &admin_token)?,
            admin_token,
            folder,
        };
        plane.spawn_etcd()?;
        // The two come up side by side: the API server tries again until etcd answers.
        plane.spawn_api_server()?;
        plane.wait_ready().await?;
        Ok(plane)
    }

    /// The kubeconfig of the administrator.
    pub fn kubeconfig_path(&self) -> PathBuf {
        self.files.path("admin.kubeconfig")
    }

    /// The address of the API server.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.ports.api_server)
    }

    /// The folder with logs, keys and data.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The port of the API server, the same over all its restarts.
    pub fn port(&self) -> u16 {
        self.ports.api_server
    }

    /// Writes a kubeconfig of the administrator that leads to another loopback port, behind which something passes
    /// on what it gets.
    pub fn kubeconfig_through(&self, port: u16) -> Result<PathBuf> {
        let path = self.files.path(&format!("through-{port}.kubeconfig"));
        kubeconfig::write(&path, port, &self.certificate()?, "admin", &self.admin_token)?;
        Ok(path)
    }

    /// A client for the administrator. Make one in every test: a client belongs to the runtime it
    /// was made in, and each `#[tokio::test]` has its own.
    pub async fn client(&self) -> Result<Client> {
        kubeconfig::client(&self.kubeconfig_path()).await
    }

    /// A client for the user of any kubeconfig of this control plane.
    pub async fn client_for(&self, kubeconfig: &Path) -> Result<Client> {
        kubeconfig::client(kubeconfig).await
    }

    /// Writes a kubeconfig for an existing service account, with a token of the TokenRequest API:
    /// its holder may do exactly what RBAC gives the account.
    pub async fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client().await?, namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                expiration_seconds: Some(24 * 3600),
                ..Default::default()
            },
            ..Default::default()
        };
        let what = format!("no token for service account {namespace}/{name}");
        let answer = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await
            .map_err(Error::kube(what.clone()))?;
        let token = answer.status.ok_or_else(|| Error::Invalid(what))?.token;
        let path = self.files.path(&format!("{namespace}.{name}.kubeconfig"));
        kubeconfig::write(&path, self.ports.api_server, &self.certificate()?, name, &token)?;
        Ok(path)
    }

    /// Runs kubectl as the administrator.
    pub async fn kubectl(&self, args: &[&str]) -> Result<Kubectl> {
        self.kubectl_with_input(args, "").await
    }

    /// Runs kubectl as the administrator, with something on its stdin (`apply -f -`).
    pub async fn kubectl_with_input(&self, args: &[&str], input: &str) -> Result<Kubectl> {
        let input_path = self.files.path(&format!("stdin-{}", random_token()?));
        fs::write(&input_path, input).map_err(Error::file("write", &input_path))?;
        let stdin = fs::File::open(&input_path).map_err(Error::file("read", &input_path))?;
        let _ = fs::remove_file(&input_path);
        let mut command = Command::new(&self.binaries.kubectl);
        command
            .env_clear()
            // kubectl caches what it discovers under the home folder.
            .env("HOME", self.folder())
            .env("KUBECONFIG", self.kubeconfig_path())
            .args(args)
            .stdin(Stdio::from(stdin));
        let output = tokio::task::spawn_blocking(move || command.output())
            .await
            .map_err(|error| Error::Process(format!("kubectl: {error}")))?
            .map_err(Error::file("run", &self.binaries.kubectl))?;
        Ok(Kubectl {
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Every request the API server has answered so far, oldest first. An entry is written just
    /// after its answer is sent, so wait for one that must be there.
    pub fn audit_log(&self) -> Result<Vec<AuditEntry>> {
        let path = self.files.audit_log();
        Ok(audit::parse(
            &fs::read_to_string(&path).map_err(Error::file("read", &path))?,
        ))
    }

    /// The log of a component, `etcd` or `kube-apiserver`.
    pub fn component_log(&self, component: &str) -> Result<String> {
        let path = self.files.log(component);
        fs::read_to_string(&path).map_err(Error::file("read", &path))
    }

    /// The ids of the running processes.
    pub fn pids(&self) -> Vec<u32> {
        [&self.etcd, &self.api_server]
            .into_iter()
            .filter_map(|slot| Some(slot.lock().as_ref()?.pid()))
            .collect()
    }

    /// Stops the API server; clients are refused from then on.
    pub fn stop_api_server(&self) -> Result<()> {
        stop(&self.api_server)
    }

    /// Starts the API server again, on the same port and with the same data, and waits until it is ready.
    pub async fn start_api_server(&self) -> Result<()> {
        self.spawn_api_server()?;
        self.wait_ready().await
    }

    /// Freezes the API server: connections stay open, and nothing is answered.
    pub fn pause_api_server(&self) -> Result<()> {
        running(&self.api_server)?.pause()
    }

    /// Lets a frozen API server go on.
    pub fn resume_api_server(&self) -> Result<()> {
        running(&self.api_server)?.resume()
    }

    /// Stops etcd; the API server stays and answers with errors.
    pub fn stop_etcd(&self) -> Result<()> {
        stop(&self.etcd)
    }

    /// Starts etcd again, on the same port and with the same data, and waits until all is ready.
    pub async fn start_etcd(&self) -> Result<()> {
        self.spawn_etcd()?;
        self.wait_ready().await
    }

    /// Freezes etcd.
    pub fn pause_etcd(&self) -> Result<()> {
        running(&self.etcd)?.pause()
    }

    /// Lets a frozen etcd go on.
    pub fn resume_etcd(&self) -> Result<()> {
        running(&self.etcd)?.resume()
    }

    fn spawn_etcd(&self) -> Result<()> {
        let process = components::start_etcd(&self.binaries, &self.files, self.ports)?;
        *self.etcd.lock() = Some(Arc::new(process));
        Ok(())
    }

    fn spawn_api_server(&self) -> Result<()> {
        let Options {
            audit,
            api_server_flags,
        } = &self.options;
        let process = components::start_api_server(&self.binaries, &self.files, self.ports, *audit, api_server_flags)?;
        *self.api_server.lock() = Some(Arc::new(process));
        Ok(())
    }

    /// Waits until every component that should run is ready.
    async fn wait_ready(&self) -> Result<()> {
        let start = Instant::now();
        loop {
            for slot in [&self.etcd, &self.api_server] {
                if let Some(process) = slot.lock().as_ref()
                    && let Some(status) = process.exited()?
                {
                    return Err(self.failure(&format!("{} ended ({status}) instead of starting", process.name())));
                }
            }
            let seen = match self.ready().await {
                Ok(()) => return Ok(()),
                Err(seen) => seen,
            };
            if start.elapsed() > READY_BOUND {
                return Err(self.failure(&format!("the control plane is not ready after {READY_BOUND:?}: {seen}")));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn ready(&self) -> Result<()> {
        if self.etcd.lock().is_some() {
            let address = format!("127.0.0.1:{}", self.ports.etcd);
            let (status, body) = http_get(&address, "/health").await.map_err(Error::io("etcd"))?;
            if status != 200 {
                return Err(Error::Process(format!("etcd: {status} {body}")));
            }
        }
        if self.api_server.lock().is_some() {
            let (path, certificate) = (self.kubeconfig_path(), self.certificate()?);
            kubeconfig::write(&path, self.ports.api_server, &certificate, "admin", &self.admin_token)?;
            let request = http::Request::get("/readyz")
                .body(Vec::new())
                .map_err(|error| Error::Invalid(format!("/readyz: {error}")))?;
            let client = self.client().await?;
            let answer = tokio::time::timeout(Duration::from_secs(5), client.request_text(request)).await;
            answer
                .map_err(|_| Error::Timeout("kube-apiserver does not answer".to_owned()))?
                .map_err(Error::kube("kube-apiserver"))?;
        }
        Ok(())
    }

    fn certificate(&self) -> Result<Vec<u8>> {
        let path = self.files.server_certificate();
        fs::read(&path).map_err(Error::file("read", &path))
    }

    fn failure(&self, what: &str) -> Error {
        let tails = ["etcd", "kube-apiserver"].map(|component| self.files.log_tail(component));
        Error::Process(format!("{what}\n{}", tails.join("\n")))
    }
}

/// What kubectl said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kubectl {
    /// Whether it exited with 0.
    pub success: bool,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

fn running(slot: &Mutex<Option<Arc<Process>>>) -> Result<Arc<Process>> {
    slot.lock()
        .clone()
        .ok_or_else(|| Error::Process("it is not running".to_owned()))
}

/// At once, as in a crash: an orderly end of the API server takes ten seconds, in which it still answers.
fn stop(slot: &Mutex<Option<Arc<Process>>>) -> Result<()> {
    let process = slot.lock().take();
    process.map_or(Ok(()), |process| process.kill().map(drop))
}
