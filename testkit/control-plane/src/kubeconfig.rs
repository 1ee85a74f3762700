//! Kubeconfig files that stand on their own: certificate and token are inside.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde_json::json;

use crate::error::{Error, Result};

/// Writes a kubeconfig for one user of the API server at `port`.
pub(crate) fn write(path: &Path, port: u16, ca_pem: &[u8], user: &str, token: &str) -> Result<()> {
    let document = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{ "name": "test", "cluster": {
            "server": format!("https://127.0.0.1:{port}"),
            "certificate-authority-data": STANDARD.encode(ca_pem),
        }}],
        "users": [{ "name": user, "user": { "token": token } }],
        "contexts": [{ "name": "test", "context": { "cluster": "test", "user": user } }],
    });
    // JSON is YAML too. Renamed into place: a restart writes it again while others read it.
    let unfinished = path.with_extension("new");
    write_private(&unfinished, format!("{document:#}\n").as_bytes())?;
    fs::rename(&unfinished, path).map_err(Error::file("write", path))
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(content))
        .map_err(Error::file("write", path))
}

/// A client for the user of a kubeconfig. It belongs to the runtime it is made in.
pub(crate) async fn client(path: &Path) -> Result<Client> {
    let invalid = |error: kube::config::KubeconfigError| Error::Invalid(format!("{}: {error}", path.display()));
    let kubeconfig = Kubeconfig::read_from(path).map_err(invalid)?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(invalid)?;
    // A proxy of the environment does not lead to a loopback address.
    config.proxy_url = None;
    Client::try_from(config).map_err(Error::kube("cannot make a client"))
}
