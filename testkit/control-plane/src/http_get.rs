//! The smallest HTTP client that reads a health or metrics page from a loopback port.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const BOUND: Duration = Duration::from_secs(5);

/// GETs `http://address/path`; the status code and the body.
pub async fn http_get(address: &str, path: &str) -> io::Result<(u16, String)> {
    tokio::time::timeout(BOUND, exchange(address, path))
        .await
        .map_err(|_| {
            io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no answer from {address}{path} in {BOUND:?}"),
            )
        })?
}

async fn exchange(address: &str, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    // HTTP/1.0: the answer is never chunked and ends where the connection does.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept: */*\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    parse(&String::from_utf8_lossy(&answer)).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{address}{path} does not answer in HTTP"),
        )
    })
}

fn parse(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split_whitespace().nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn reads_status_and_body() {
        assert_eq!(
            parse("HTTP/1.1 503 Not Ready\r\nA: b\r\n\r\nno\r\n\r\n!"),
            Some((503, "no\r\n\r\n!".to_owned()))
        );
        assert_eq!(parse("SSH-2.0\r\n\r\n"), None);
    }
}
