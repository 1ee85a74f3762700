//! Where etcd, kube-apiserver and kubectl come from.
//!
//! `KUBEBUILDER_ASSETS`, when set, names a folder that holds them. Otherwise they are built with
//! `go build` from the versions pinned in `testkit/tools/control-plane`, once, into `.tools/bin`.

use std::env;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::error::{Error, Result};
use crate::keys::hex;

/// The name of each binary, the Go package it is built from, and what Go calls it.
const PACKAGES: [(&str, &str, &str); 3] = [
    ("etcd", "go.etcd.io/etcd/server/v3", "server"),
    (
        "kube-apiserver",
        "k8s.io/kubernetes/cmd/kube-apiserver",
        "kube-apiserver",
    ),
    ("kubectl", "k8s.io/kubernetes/cmd/kubectl", "kubectl"),
];
const STAMP: &str = "control-plane.stamp";

/// The paths of the control plane's programs.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// etcd.
    pub etcd: PathBuf,
    /// kube-apiserver.
    pub api_server: PathBuf,
    /// kubectl.
    pub kubectl: PathBuf,
}

/// The top folder of the repository: `VOD_OPERATOR_ROOT`, else where this crate was compiled.
pub fn repo_root() -> PathBuf {
    match env::var_os("VOD_OPERATOR_ROOT") {
        Some(root) if !root.is_empty() => PathBuf::from(root),
        _ => Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .unwrap_or(Path::new("."))
            .to_owned(),
    }
}

impl Binaries {
    /// Finds the programs, building them first when they are missing or their pins have changed.
    /// The first build takes minutes; other processes that need them wait for it. Blocks.
    pub fn locate() -> Result<Self> {
        match env::var_os("KUBEBUILDER_ASSETS") {
            Some(folder) if !folder.is_empty() => Self::provided(Path::new(&folder)),
            _ => Self::built(&repo_root()),
        }
    }

    fn in_folder(folder: &Path) -> Self {
        Self {
            etcd: folder.join("etcd"),
            api_server: folder.join("kube-apiserver"),
            kubectl: folder.join("kubectl"),
        }
    }

    fn provided(folder: &Path) -> Result<Self> {
        match missing(folder).as_slice() {
            [] => Ok(Self::in_folder(folder)),
            names => Err(Error::Binaries(format!(
                "KUBEBUILDER_ASSETS is {}, which lacks {}; fetch them with setup-envtest, or unset it to build them",
                folder.display(),
                names.join(", ")
            ))),
        }
    }

    fn built(root: &Path) -> Result<Self> {
        let folder = root.join(".tools/bin");
        fs::create_dir_all(&folder).map_err(Error::file("create", &folder))?;
        // Beside the binaries and not in the worktree: the folder may be shared by a link.
        let lock_path = folder.join("control-plane.lock");
        let lock = File::create(&lock_path).map_err(Error::file("create", &lock_path))?;
        // Held until `lock` is dropped, also when this process dies.
        lock.lock().map_err(Error::file("lock", &lock_path))?;

        let pins = Pins::read(&root.join("testkit/tools/control-plane"))?;
        let stamp = folder.join(STAMP);
        let current = fs::read_to_string(&stamp).is_ok_and(|found| found.trim() == pins.fingerprint);
        let names = if current {
            missing(&folder)
        } else {
            PACKAGES.iter().map(|(name, ..)| *name).collect()
        };
        if !names.is_empty() {
            let _ = fs::remove_file(&stamp);
            pins.build(&folder, &names)?;
            fs::write(&stamp, format!("{}\n", pins.fingerprint)).map_err(Error::file("write", &stamp))?;
        }
        Ok(Self::in_folder(&folder))
    }
}

fn missing(folder: &Path) -> Vec<&'static str> {
    PACKAGES
        .iter()
        .map(|(name, ..)| *name)
        .filter(|name| !folder.join(name).is_file())
        .collect()
}

/// What is built, and how.
struct Pins {
    module: PathBuf,
    ldflags: String,
    fingerprint: String,
}

impl Pins {
    fn read(module: &Path) -> Result<Self> {
        let read = |name: &str| {
            let path = module.join(name);
            fs::read_to_string(&path).map_err(Error::file("read", &path))
        };
        let (go_mod, go_sum) = (read("go.mod")?, read("go.sum")?);
        let version = kubernetes_version(&go_mod).ok_or_else(|| {
            Error::Binaries(format!(
                "{}: no version of k8s.io/kubernetes in go.mod",
                module.display()
            ))
        })?;
        let ldflags = ldflags(version);
        let packages = PACKAGES.map(|(name, package, _)| (name, package));
        let recipe = format!("CGO_ENABLED=0 -trimpath {ldflags} {packages:?}\n{go_mod}\n{go_sum}");
        let fingerprint = hex(ring::digest::digest(&ring::digest::SHA256, recipe.as_bytes()).as_ref());
        Ok(Self {
            module: module.to_owned(),
            ldflags,
            fingerprint,
        })
    }

    /// All in one `go build`, so that the linking of one goes on beside the compiling of the next.
    fn build(&self, folder: &Path, names: &[&str]) -> Result<()> {
        let wanted = PACKAGES.iter().filter(|(name, ..)| names.contains(name));
        let list = names.join(", ");
        eprintln!("  go build {list} (once; about 5 minutes on 2 cores with an empty cache) …");
        let start = Instant::now();
        // Renamed into place when whole: a running binary cannot be overwritten, and half of one must not be run.
        let unfinished = tempfile::tempdir_in(folder).map_err(Error::file("create a folder in", folder))?;
        let status = Command::new("go")
            .current_dir(&self.module)
            .env("CGO_ENABLED", "0")
            .env("GOFLAGS", "-mod=readonly")
            .env("GOWORK", "off")
            .args(["build", "-trimpath", "-ldflags", &self.ldflags, "-o"])
            .arg(unfinished.path().join(""))
            .args(wanted.clone().map(|(_, package, _)| package))
            .status()
            .map_err(|error| match error.kind() {
                ErrorKind::NotFound => Error::Binaries(format!(
                    "go is missing: the tests' control plane ({list}) is built with it. Install Go, or set \
                     KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver and kubectl"
                )),
                _ => Error::Binaries(format!("cannot run go: {error}")),
            })?;
        if !status.success() {
            return Err(Error::Binaries(format!(
                "go build of {list} failed ({status}); its words are above"
            )));
        }
        for (name, _, built) in wanted {
            let target = folder.join(name);
            fs::rename(unfinished.path().join(built), &target).map_err(Error::file("write", &target))?;
        }
        eprintln!("  built in {:.0} s", start.elapsed().as_secs_f64());
        Ok(())
    }
}

/// The version of the requirement `k8s.io/kubernetes vX.Y.Z` in a go.mod.
fn kubernetes_version(go_mod: &str) -> Option<&str> {
    go_mod.lines().find_map(|line| {
        let mut words = line.trim().trim_start_matches("require ").split_whitespace();
        (words.next()? == "k8s.io/kubernetes")
            .then(|| words.next())
            .flatten()
            .filter(|word| word.starts_with('v'))
    })
}

/// Without these the server reports no version that clients can parse.
fn ldflags(version: &str) -> String {
    let mut numbers = version.trim_start_matches('v').split('.');
    let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    format!(
        "-s -w -X k8s.io/component-base/version.gitVersion={version} \
         -X k8s.io/client-go/pkg/version.gitVersion={version} \
         -X k8s.io/component-base/version.gitMajor={major} -X k8s.io/component-base/version.gitMinor={minor}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_comes_from_the_pins() {
        let go_mod = "replace k8s.io/api => k8s.io/api v0.37.2\nrequire (\n\tk8s.io/kubernetes v1.37.2 // indirect\n)";
        assert_eq!(kubernetes_version(go_mod), Some("v1.37.2"));
        assert_eq!(kubernetes_version("tool (\n\tk8s.io/kubernetes/cmd/kubectl\n)"), None);
        assert!(ldflags("v1.37.2").ends_with("gitMajor=1 -X k8s.io/component-base/version.gitMinor=37"));
    }

    #[test]
    fn a_folder_without_the_programs_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("etcd"), "").unwrap();
        let message = Binaries::provided(folder.path()).unwrap_err().to_string();
        assert!(message.contains("lacks kube-apiserver, kubectl"), "{message}");
    }

    #[test]
    fn the_repository_is_found() {
        assert!(repo_root().join("testkit/tools/control-plane/go.mod").is_file());
    }
}
