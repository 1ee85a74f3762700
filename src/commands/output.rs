use std::fmt;
use std::io::{self, ErrorKind, Write};

use serde::Serialize;

use super::Failure;
use crate::cli::OutputFormat;

/// Where results go. A reader that has seen enough (`| head`) is no error: what follows is dropped.
pub struct Output<W> {
    writer: W,
    closed: bool,
}

impl Output<io::Stdout> {
    /// The process's own.
    pub fn stdout() -> Self {
        Self::to(io::stdout())
    }
}

impl<W: Write> Output<W> {
    /// Writes to `writer`.
    pub fn to(writer: W) -> Self {
        Self { writer, closed: false }
    }

    /// Whether nobody reads any more. What runs until it is stopped ends then.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Writes `text` as it is.
    ///
    /// # Errors
    /// When it cannot be written, for another reason than a closed pipe.
    pub fn text(&mut self, text: &str) -> Result<(), Failure> {
        if self.closed {
            return Ok(());
        }
        match self
            .writer
            .write_all(text.as_bytes())
            .and_then(|()| self.writer.flush())
        {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            Err(error) => Err(Failure::unknown(format!("cannot write the result: {error}"))),
        }
    }

    /// Writes one result: `text` for people, or `value` for programs.
    ///
    /// # Errors
    /// As [`Self::text`].
    pub fn result(&mut self, format: OutputFormat, text: &str, value: &impl Serialize) -> Result<(), Failure> {
        match format {
            OutputFormat::Text => self.text(text),
            OutputFormat::Json => {
                let json = serde_json::to_string_pretty(value).map_err(Failure::unknown)?;
                self.text(&format!("{json}\n"))
            }
            OutputFormat::Yaml => self.text(&yaml(value)?),
        }
    }

    /// Writes one of many results that come over time: a line of text, a line of JSON, or a YAML document.
    ///
    /// # Errors
    /// As [`Self::text`].
    pub fn event(&mut self, format: OutputFormat, line: &str, value: &impl Serialize) -> Result<(), Failure> {
        match format {
            OutputFormat::Text => self.text(&format!("{line}\n")),
            OutputFormat::Json => {
                let json = serde_json::to_string(value).map_err(Failure::unknown)?;
                self.text(&format!("{json}\n"))
            }
            OutputFormat::Yaml => self.text(&format!("---\n{}", yaml(value)?)),
        }
    }
}

fn yaml(value: &impl Serialize) -> Result<String, Failure> {
    let mut text = serde_saphyr::to_string(value).map_err(Failure::unknown)?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// A word beside the result, to stderr, which may be closed.
pub fn warn(words: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{words}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A pipe whose reader went away after `left` writes.
    struct Pipe {
        left: usize,
        error: ErrorKind,
        written: Vec<u8>,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.left = self.left.checked_sub(1).ok_or(self.error)?;
            self.written.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn pipe(left: usize, error: ErrorKind) -> Output<Pipe> {
        Output::to(Pipe {
            left,
            error,
            written: Vec::new(),
        })
    }

    #[test]
    fn a_closed_pipe_is_no_error_and_a_full_disk_is() {
        let mut output = pipe(1, ErrorKind::BrokenPipe);
        for _ in 0..3 {
            output.text("x").unwrap();
        }
        assert!(output.is_closed());
        assert_eq!(output.writer.written, b"x");
        assert!(pipe(0, ErrorKind::StorageFull).text("x").is_err());
    }

    #[test]
    fn each_format_says_the_same() {
        for (format, once, streamed) in [
            (OutputFormat::Text, "words", "words\n"),
            (OutputFormat::Json, "{\n  \"a\": 1\n}\n", "{\"a\":1}\n"),
            (OutputFormat::Yaml, "a: 1\n", "---\na: 1\n"),
        ] {
            let mut output = pipe(1, ErrorKind::BrokenPipe);
            output.result(format, "words", &json!({ "a": 1 })).unwrap();
            assert_eq!(String::from_utf8(output.writer.written).unwrap(), once);
            let mut output = pipe(1, ErrorKind::BrokenPipe);
            output.event(format, "words", &json!({ "a": 1 })).unwrap();
            assert_eq!(String::from_utf8(output.writer.written).unwrap(), streamed);
        }
    }
}
