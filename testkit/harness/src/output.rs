//! The lines a child process writes, kept in memory.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;

/// What a child has written so far, on both its outputs, line by line.
#[derive(Debug, Default)]
pub(crate) struct Output {
    lines: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Output {
    /// Reads the pipe to its end in a thread of its own; threads, since a test's runtime may be
    /// gone or busy while the child must not block on a full pipe. With `echo`, each line also
    /// goes to stderr after that word.
    pub(crate) fn read(&mut self, pipe: impl Read + Send + 'static, echo: Option<String>) {
        let lines = Arc::clone(&self.lines);
        self.readers.push(thread::spawn(move || {
            let mut reader = BufReader::new(pipe);
            let mut bytes = Vec::new();
            while reader.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
                let line = String::from_utf8_lossy(&bytes)
                    .trim_end_matches(['\n', '\r'])
                    .to_owned();
                bytes.clear();
                if let Some(echo) = &echo {
                    eprintln!("{echo}{line}");
                }
                lines.lock().push(line);
            }
        }));
    }

    /// The lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().clone()
    }

    /// The last lines, for a message.
    pub(crate) fn tail(&self, count: usize) -> String {
        let lines = self.lines.lock();
        lines
            .get(lines.len().saturating_sub(count)..)
            .unwrap_or_default()
            .join("\n")
    }

    /// Whether everything the child wrote has been read.
    pub(crate) fn is_complete(&self) -> bool {
        self.readers.iter().all(JoinHandle::is_finished)
    }
}
