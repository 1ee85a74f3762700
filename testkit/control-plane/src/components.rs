//! How etcd and kube-apiserver are started.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::audit;
use crate::binaries::Binaries;
use crate::error::{Error, Result};
use crate::keys::SigningKeys;
use crate::kubeconfig::write_private;
use crate::process::{Process, free_port};

/// The loopback ports of one control plane, the same over all its restarts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) etcd: u16,
    etcd_peer: u16,
    pub(crate) api_server: u16,
}

impl Ports {
    pub(crate) fn choose() -> Result<Self> {
        Ok(Self {
            etcd: free_port()?,
            etcd_peer: free_port()?,
            api_server: free_port()?,
        })
    }
}

/// The files of one control plane.
#[derive(Debug)]
pub(crate) struct Files {
    folder: PathBuf,
}

impl Files {
    /// Writes what the API server reads: keys, the admin's token, the audit policy.
    pub(crate) fn prepare(folder: &Path, admin_token: &str) -> Result<Self> {
        let files = Self {
            folder: folder.to_owned(),
        };
        let keys = SigningKeys::generate()?;
        write_private(&files.path("service-account.key"), keys.private_pem.as_bytes())?;
        write_private(&files.path("service-account.pub"), keys.public_pem.as_bytes())?;
        write_private(
            &files.path("tokens.csv"),
            format!("{admin_token},admin,admin,\"system:masters\"\n").as_bytes(),
        )?;
        write_private(&files.path("audit-policy.yaml"), audit::POLICY.as_bytes())?;
        Ok(files)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The API server's own certificate and the one it is signed with; written as it starts.
    pub(crate) fn server_certificate(&self) -> PathBuf {
        self.path("certificates/apiserver.crt")
    }

    pub(crate) fn audit_log(&self) -> PathBuf {
        self.path("audit.log")
    }

    /// The last lines of a component's log.
    pub(crate) fn log_tail(&self, component: &str) -> String {
        const LINES: usize = 25;
        let log = fs::read_to_string(self.log(component)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines
            .get(lines.len().saturating_sub(LINES)..)
            .unwrap_or_default()
            .join("\n");
        format!("--- end of the log of {component} ---\n{tail}")
    }

    pub(crate) fn log(&self, component: &str) -> PathBuf {
        self.path(&format!("{component}.log"))
    }

    /// Starts a program whose output goes to a log file, appended over restarts.
    fn spawn(&self, name: &str, command: &mut Command) -> Result<Process> {
        let path = self.log(name);
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(Error::file("write", &path))?;
        let both = log.try_clone().map_err(Error::file("write", &path))?;
        Process::spawn(
            name,
            command
                .current_dir(&self.folder)
                .stdout(Stdio::from(log))
                .stderr(Stdio::from(both)),
        )
    }
}

pub(crate) fn start_etcd(binaries: &Binaries, files: &Files, ports: Ports) -> Result<Process> {
    let client = format!("http://127.0.0.1:{}", ports.etcd);
    let peer = format!("http://127.0.0.1:{}", ports.etcd_peer);
    let mut command = Command::new(&binaries.etcd);
    command
        .env_clear()
        .arg(format!("--data-dir={}", files.path("etcd").display()))
        .arg(format!("--listen-client-urls={client}"))
        .arg(format!("--advertise-client-urls={client}"))
        .arg(format!("--listen-peer-urls={peer}"))
        .arg(format!("--initial-advertise-peer-urls={peer}"))
        .arg(format!("--initial-cluster=default={peer}"))
        // The data lives as long as the test: no write has to survive the machine.
        .arg("--unsafe-no-fsync");
    files.spawn("etcd", &mut command)
}

pub(crate) fn start_api_server(
    binaries: &Binaries,
    files: &Files,
    ports: Ports,
    audit: bool,
    extra: &[String],
) -> Result<Process> {
    let mut command = Command::new(&binaries.api_server);
    command
        .env_clear()
        .arg(format!("--etcd-servers=http://127.0.0.1:{}", ports.etcd))
        .arg(format!("--secure-port={}", ports.api_server))
        .arg("--bind-address=127.0.0.1")
        // Without these two it looks for an address of the machine, and fails where there is no network.
        .arg("--advertise-address=127.0.0.1")
        .arg("--endpoint-reconciler-type=none")
        .arg(format!("--cert-dir={}", files.path("certificates").display()))
        .arg("--service-account-issuer=https://kubernetes.default.svc")
        .arg(format!(
            "--service-account-key-file={}",
            files.path("service-account.pub").display()
        ))
        .arg(format!(
            "--service-account-signing-key-file={}",
            files.path("service-account.key").display()
        ))
        .arg("--authorization-mode=RBAC")
        .arg(format!("--token-auth-file={}", files.path("tokens.csv").display()))
        .arg("--service-cluster-ip-range=10.0.0.0/24");
    if audit {
        command
            .arg(format!(
                "--audit-policy-file={}",
                files.path("audit-policy.yaml").display()
            ))
            .arg(format!("--audit-log-path={}", files.audit_log().display()))
            // One file: a rotated one would be missed by the reader.
            .arg("--audit-log-maxsize=4096");
    }
    files.spawn("kube-apiserver", command.args(extra))
}
