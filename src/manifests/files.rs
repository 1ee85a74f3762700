use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The largest file that is read: what is larger is no manifest.
const MOST_BYTES: u64 = 16 << 20;
/// As kubectl: other files of a directory are passed over.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// A file's name, as messages give it, and its text. No `Debug`: it may be a Secret's.
pub struct Source {
    /// The path as it was given, or `<stdin>`.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// Whether nobody named it: it was found in a directory.
    pub in_directory: bool,
    /// Its place among all that were read.
    pub order: usize,
}

/// What could not be read. One line.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ReadError {
    #[error("cannot read {name}: {}", in_words(error))]
    Io { name: String, error: io::Error },
    #[error("cannot read {name}: it is larger than 16 MiB")]
    TooLarge { name: String },
    #[error("cannot read {name}: it is not UTF-8 text")]
    NotText { name: String },
    #[error("there is no manifest in {name}: no file ends in .yaml, .yml or .json{}", hint(*deeper))]
    NoManifests { name: String, deeper: bool },
    #[error("stdin (-) can be read once only")]
    StdinTwice,
    #[error("nothing came on stdin (-): see what should have written it")]
    StdinEmpty,
}

/// Without "(os error 2)".
fn in_words(error: &io::Error) -> String {
    let words = error.to_string();
    words.split(" (os error").next().unwrap_or_default().to_lowercase()
}

fn hint(deeper: bool) -> &'static str {
    if deeper {
        "; use -R to read the directories within it"
    } else {
        ""
    }
}

/// Reads files, directories and stdin (`-`), in the order given; a directory's files by name.
///
/// # Errors
/// The first that cannot be read, or a directory without manifests.
pub fn read(filenames: &[PathBuf], recursive: bool) -> Result<Vec<Source>, ReadError> {
    let mut sources = Vec::new();
    let is_stdin = |path: &&PathBuf| path.as_os_str() == "-";
    if filenames.iter().filter(is_stdin).count() > 1 {
        return Err(ReadError::StdinTwice);
    }
    for path in filenames {
        if is_stdin(&path) {
            let stdin = source("<stdin>".to_owned(), io::stdin().lock(), sources.len())?;
            // Whatever should have written it has failed, and a pipe does not say so.
            if stdin.text.trim().is_empty() {
                return Err(ReadError::StdinEmpty);
            }
            sources.push(stdin);
        } else if path.is_dir() {
            directory(path, recursive, &mut sources)?;
        } else {
            sources.push(file(path, sources.len())?);
        }
    }
    Ok(sources)
}

fn directory(dir: &Path, recursive: bool, sources: &mut Vec<Source>) -> Result<(), ReadError> {
    let mut found = Vec::new();
    let deeper = list(dir, recursive, &mut found)?;
    if found.is_empty() {
        return Err(ReadError::NoManifests {
            name: dir.display().to_string(),
            deeper: deeper && !recursive,
        });
    }
    for path in found {
        sources.push(Source {
            in_directory: true,
            ..file(&path, sources.len())?
        });
    }
    Ok(())
}

/// Puts the manifests of `dir` into `found`; whether there are directories within it.
fn list(dir: &Path, recursive: bool, found: &mut Vec<PathBuf>) -> Result<bool, ReadError> {
    let failed = |error| ReadError::Io {
        name: dir.display().to_string(),
        error,
    };
    let mut within = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        within.push(entry.map_err(failed)?);
    }
    within.sort_by_key(fs::DirEntry::file_name);
    let mut deeper = false;
    for entry in within {
        let path = entry.path();
        // A link to a directory is not followed: it may lead back.
        if entry.file_type().map_err(failed)?.is_dir() {
            deeper = true;
            if recursive {
                list(&path, recursive, found)?;
            }
        } else if path
            .extension()
            .and_then(OsStr::to_str)
            .is_some_and(|e| EXTENSIONS.contains(&e))
        {
            found.push(path);
        }
    }
    Ok(deeper)
}

fn file(path: &Path, order: usize) -> Result<Source, ReadError> {
    let name = path.display().to_string();
    match fs::File::open(path) {
        Ok(file) => source(name, file, order),
        Err(error) => Err(ReadError::Io { name, error }),
    }
}

fn source(name: String, reader: impl Read, order: usize) -> Result<Source, ReadError> {
    let mut bytes = Vec::new();
    match reader.take(MOST_BYTES + 1).read_to_end(&mut bytes) {
        Err(error) => Err(ReadError::Io { name, error }),
        Ok(_) if bytes.len() as u64 > MOST_BYTES => Err(ReadError::TooLarge { name }),
        Ok(_) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Source {
                name,
                text,
                in_directory: false,
                order,
            }),
            Err(_) => Err(ReadError::NotText { name }),
        },
    }
}
