//! Stops what this process started when this process itself goes without a chance to do so.
//!
//! Rust drops no statics, and nobody can act on their own `SIGKILL`. So one small shell per process
//! reads a pipe whose only writing end is ours: when the pipe closes, for whatever reason, it kills
//! the processes still on its list, by their ids, and removes their folders.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::OnceLock;

use parking_lot::Mutex;

use crate::error::{Error, Result};

// Signals of the terminal are ignored: Ctrl-C is for the parent, whose end the pipe tells anyway.
// The wait before removing folders is bounded, since a zombie nobody reaps looks alive for ever.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
pids=' '
set --
while read -r verb arg; do
  case $verb in
    guard) pids="$pids$arg " ;;
    release) case $pids in *" $arg "*) pids="${pids%% "$arg" *} ${pids#* "$arg" }" ;; esac ;;
    folder) set -- "$@" "$arg" ;;
  esac
done
for pid in $pids; do kill -KILL "$pid" 2>/dev/null; done
for pid in $pids; do
  tries=0
  while [ "$tries" -lt 40 ] && kill -0 "$pid" 2>/dev/null; do sleep 0.05; tries=$((tries + 1)); done
done
for folder in "$@"; do rm -rf -- "$folder"; done
"#;

static PIPE: OnceLock<Mutex<Option<ChildStdin>>> = OnceLock::new();

/// Has the process killed when this process ends.
pub(crate) fn guard(pid: u32) -> Result<()> {
    tell(&format!("guard {pid}\n"))
}

/// Takes a process that has ended off the list. Best effort: it only matters for a reused id.
pub(crate) fn release(pid: u32) {
    let _ = tell(&format!("release {pid}\n"));
}

/// Has the folder removed when this process ends.
pub(crate) fn folder(path: &Path) -> Result<()> {
    tell(&format!("folder {}\n", path.display()))
}

fn tell(line: &str) -> Result<()> {
    let mut pipe = PIPE.get_or_init(|| Mutex::new(None)).lock();
    if pipe.is_none() {
        *pipe = Some(start()?);
    }
    match pipe.as_mut() {
        Some(pipe) => pipe
            .write_all(line.as_bytes())
            .map_err(Error::io("cannot reach the watchdog")),
        None => Ok(()),
    }
}

fn start() -> Result<ChildStdin> {
    // No output of its own: an inherited stdout would keep a reader of the test's output waiting.
    let mut child = Command::new("sh")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(Error::io("cannot start the watchdog (sh)"))?;
    child
        .stdin
        .take()
        .ok_or_else(|| Error::Process("the watchdog has no stdin".to_owned()))
}
