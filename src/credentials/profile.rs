//! The profiles of the vendor's own command-line tool, `~/.aliyun/config.json`: names and modes as in the tool's
//! `config/profile.go` (aliyun-cli 3).

use std::path::{Path, PathBuf};

use serde::Deserialize;
use zeroize::Zeroizing;

use super::{AssumeRole, Credentials};

/// Where the tool keeps its profiles, below the home directory.
const FILE: &str = ".aliyun/config.json";
/// The profile where the file names none.
const DEFAULT: &str = "default";
/// Some editors begin a file with it.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// What a profile stands for.
#[derive(Clone, Debug)]
pub enum Profile {
    /// An AccessKey, with its token where it is a temporary one (modes `AK` and `StsToken`).
    Key(Credentials),
    /// A role to assume with an AccessKey (mode `RamRoleArn`).
    Role {
        /// The key.
        key: Credentials,
        /// The role.
        role: AssumeRole,
    },
    /// The role of the ECS instance (mode `EcsRamRole`), by name where one is given.
    EcsRole(Option<String>),
}

/// A profile that was read, and what the user should know of its file.
#[derive(Clone, Debug)]
pub struct Found {
    /// What it stands for.
    pub profile: Profile,
    /// Others may read the file: the words of a warning.
    pub warning: Option<String>,
}

/// Why a profile cannot be used. It names fields, never values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// There is no home directory to look in.
    #[error("there is no home directory to look for {FILE} in: set HOME")]
    NoHome,
    /// There is no such file.
    #[error("{0} does not exist: run `aliyun configure`, or name other credentials")]
    NoFile(PathBuf),
    /// It cannot be read.
    #[error("{0} cannot be read: {1}")]
    Unreadable(PathBuf, String),
    /// It is not what the tool writes.
    #[error(
        "{file} is not a configuration of the aliyun command-line tool (line {line}, column {column}): correct it, or run `aliyun configure`"
    )]
    Broken {
        /// The file.
        file: PathBuf,
        /// Where.
        line: usize,
        /// Where in it.
        column: usize,
    },
    /// There is no such profile.
    #[error("{file} has no profile {name:?}; it has: {there}")]
    NoProfile {
        /// The file.
        file: PathBuf,
        /// The name that was asked for.
        name: String,
        /// Those that it has.
        there: String,
    },
    /// Something is missing or malformed in it.
    #[error(
        "profile {name:?} (mode {mode}): {field} is missing or holds what it cannot: run `aliyun configure --profile {name} --mode {mode}`"
    )]
    Incomplete {
        /// The profile.
        name: String,
        /// Its mode.
        mode: &'static str,
        /// The field.
        field: &'static str,
    },
    /// A mode that is not supported here.
    #[error("profile {name:?} has mode {mode:?}; supported are AK, StsToken, RamRoleArn and EcsRamRole")]
    Mode {
        /// The profile.
        name: String,
        /// Its mode.
        mode: String,
    },
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    current: String,
    #[serde(default)]
    profiles: Vec<Written>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Written {
    name: String,
    mode: String,
    access_key_id: Zeroizing<String>,
    access_key_secret: Zeroizing<String>,
    sts_token: Zeroizing<String>,
    ram_role_name: String,
    ram_role_arn: String,
    ram_session_name: String,
    external_id: String,
}

/// Whether there is a file to read profiles from.
pub fn exists(var: impl Fn(&str) -> Option<String>) -> bool {
    path(var).is_ok_and(|path| path.exists())
}

/// Reads a profile by name, else the one that the file calls its current one.
///
/// # Errors
/// When there is none, or it cannot be used.
pub fn read(var: impl Fn(&str) -> Option<String>, name: Option<&str>) -> Result<Found, ProfileError> {
    read_file(&path(var)?, name)
}

fn path(var: impl Fn(&str) -> Option<String>) -> Result<PathBuf, ProfileError> {
    let home = var("HOME")
        .filter(|home| !home.is_empty())
        .ok_or(ProfileError::NoHome)?;
    Ok(Path::new(&home).join(FILE))
}

fn read_file(path: &Path, name: Option<&str>) -> Result<Found, ProfileError> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            ProfileError::NoFile(path.to_owned())
        } else {
            ProfileError::Unreadable(path.to_owned(), error.to_string())
        }
    })?;
    // The library's words may quote the text, which holds secrets.
    let file: File =
        serde_json::from_str(text.trim_start_matches(BYTE_ORDER_MARK)).map_err(|error| ProfileError::Broken {
            file: path.to_owned(),
            line: error.line(),
            column: error.column(),
        })?;
    let wanted = match name {
        Some(name) => name,
        None if file.current.is_empty() => DEFAULT,
        None => file.current.as_str(),
    };
    let Some(written) = file.profiles.iter().find(|profile| profile.name == wanted) else {
        let there: Vec<&str> = file.profiles.iter().map(|profile| profile.name.as_str()).collect();
        return Err(ProfileError::NoProfile {
            file: path.to_owned(),
            name: wanted.to_owned(),
            there: if there.is_empty() {
                "none".to_owned()
            } else {
                there.join(", ")
            },
        });
    };
    Ok(Found {
        profile: written.profile()?,
        warning: readable_by_others(path),
    })
}

impl Written {
    fn profile(&self) -> Result<Profile, ProfileError> {
        let is = |mode: &str| self.mode.eq_ignore_ascii_case(mode);
        if is("AK") {
            Ok(Profile::Key(self.key("AK", None)?))
        } else if is("StsToken") {
            let token = self.text("StsToken", "sts_token", &self.sts_token)?;
            Ok(Profile::Key(self.key("StsToken", Some(token))?))
        } else if is("RamRoleArn") {
            let mode = "RamRoleArn";
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            // The tool takes a token beside the key here too.
            let role = AssumeRole {
                role_arn: self.text(mode, "ram_role_arn", &self.ram_role_arn)?.to_owned(),
                external_id: some(&self.external_id),
                session_name: some(&self.ram_session_name).unwrap_or_else(|| crate::NAME.to_owned()),
            };
            let token = Some(self.sts_token.as_str()).filter(|token| !token.is_empty());
            let key = self.key(mode, token)?;
            Ok(Profile::Role { key, role })
        } else if is("EcsRamRole") {
            Ok(Profile::EcsRole(
                (!self.ram_role_name.is_empty()).then(|| self.ram_role_name.clone()),
            ))
        } else {
            Err(ProfileError::Mode {
                name: self.name.clone(),
                mode: self.mode.clone(),
            })
        }
    }

    fn key(&self, mode: &'static str, token: Option<&str>) -> Result<Credentials, ProfileError> {
        let id = self.text(mode, "access_key_id", &self.access_key_id)?;
        let secret = self.text(mode, "access_key_secret", &self.access_key_secret)?;
        Ok(Credentials::of_key(id, secret, token))
    }

    /// A value that can be part of a request's headers.
    fn text<'a>(&self, mode: &'static str, field: &'static str, value: &'a str) -> Result<&'a str, ProfileError> {
        let value = value.trim();
        if value.is_empty() || !value.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(ProfileError::Incomplete {
                name: self.name.clone(),
                mode,
                field,
            });
        }
        Ok(value)
    }
}

#[cfg(unix)]
fn readable_by_others(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    let file = path.display();
    (mode & 0o077 != 0).then(|| format!("{file} holds AccessKeys and others may read it: run `chmod 600 {file}`"))
}

#[cfg(not(unix))]
fn readable_by_others(_: &Path) -> Option<String> {
    None
}

#[cfg(test)]
mod tests;
