//! What is measured: the operator of this repository, and the plain one beside it where it was built.

use std::path::{Path, PathBuf};

use control_plane::repo_root;

use crate::Result;

/// An operator for the resource.
#[derive(Clone, Debug)]
pub struct Subject {
    /// What the table calls it.
    pub name: &'static str,
    /// The program.
    pub binary: PathBuf,
    /// Its CRD.
    pub crd: PathBuf,
    /// Whether it is this repository's.
    pub ours: bool,
}

impl Subject {
    /// Ours, and what `BENCH_PEER` (its program) and `BENCH_PEER_CRD` name.
    pub fn all() -> Result<Vec<Self>> {
        let beside = std::env::current_exe()?.with_file_name("vod-operator");
        let mut all = vec![Self {
            name: "ours",
            binary: exists(beside)?,
            crd: repo_root().join("crds/vodmessagecallbacks.yaml"),
            ours: true,
        }];
        if let (Some(binary), Some(crd)) = (std::env::var_os("BENCH_PEER"), std::env::var_os("BENCH_PEER_CRD")) {
            all.push(Self {
                name: "peer",
                binary: exists(Path::new(&binary).to_owned())?,
                crd: exists(Path::new(&crd).to_owned())?,
                ours: false,
            });
        }
        Ok(all)
    }
}

fn exists(path: PathBuf) -> Result<PathBuf> {
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!("{} is missing: run `make bench`", path.display()).into())
    }
}
