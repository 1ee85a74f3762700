//! A way to a server that a test can close: what a cut cable, or a machine that hangs, is to one client alone.

use std::net::SocketAddr;

use control_plane::{Error, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What happens to what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// It is passed on.
    Open,
    /// Connections are closed, open ones and new ones.
    Refused,
    /// Connections stay, and nothing passes, in either direction.
    Silent,
}

/// A loopback port that leads to another one, for as long as this lives. It belongs to the runtime it was made in.
#[derive(Debug)]
pub struct Gate {
    port: u16,
    way: watch::Sender<Way>,
    task: JoinHandle<()>,
}

impl Gate {
    /// A gate before the server at a loopback port.
    pub async fn before(server: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .map_err(Error::io("cannot open a gate"))?;
        let port = listener.local_addr().map_err(Error::io("cannot open a gate"))?.port();
        let (way, ways) = watch::channel(Way::Open);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(converse(
                    client,
                    SocketAddr::from(([127, 0, 0, 1], server)),
                    ways.clone(),
                ));
            }
        });
        Ok(Self { port, way, task })
    }

    /// Where clients connect.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Closes all connections, and each new one.
    pub fn refuse(&self) {
        self.way.send_replace(Way::Refused);
    }

    /// Lets nothing pass and closes nothing: clients can only notice by waiting.
    pub fn silence(&self) {
        self.way.send_replace(Way::Silent);
    }

    /// Passes everything on again, also what was held back by [`Self::silence`].
    pub fn open(&self) {
        self.way.send_replace(Way::Open);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn converse(client: TcpStream, server: SocketAddr, ways: watch::Receiver<Way>) {
    let mut until_refused = ways.clone();
    let both = async {
        // A connection that is opened in silence is not answered before it ends.
        let mut opened = ways.clone();
        if opened.wait_for(|way| *way != Way::Silent).await.is_err() {
            return;
        }
        let Ok(server) = TcpStream::connect(server).await else {
            return;
        };
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        tokio::select! {
            () = pass(from_client, to_server, ways.clone()) => {}
            () = pass(from_server, to_client, ways.clone()) => {}
        }
    };
    tokio::select! {
        biased;
        // An error means that the gate itself is gone.
        _ = until_refused.wait_for(|way| *way == Way::Refused) => {}
        () = both => {}
    }
}

async fn pass(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin, mut ways: watch::Receiver<Way>) {
    let mut chunk = vec![0; 1 << 14];
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        if ways.wait_for(|way| *way != Way::Silent).await.is_err() {
            return;
        }
        let Some(read) = chunk.get(..length) else { return };
        if to.write_all(read).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// A server that repeats what it hears.
    async fn echo() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        port
    }

    async fn say(stream: &mut TcpStream, word: &[u8; 3]) -> bool {
        let mut heard = [0; 3];
        stream.write_all(word).await.is_ok() && stream.read_exact(&mut heard).await.is_ok() && heard == *word
    }

    #[tokio::test]
    async fn passes_holds_back_and_refuses() {
        let gate = Gate::before(echo().await).await.unwrap();
        let connect = async || TcpStream::connect(("127.0.0.1", gate.port())).await.unwrap();
        let mut stream = connect().await;
        assert!(say(&mut stream, b"one").await);

        gate.silence();
        let nothing = timeout(Duration::from_millis(200), say(&mut stream, b"two")).await;
        assert!(nothing.is_err(), "an answer came through");
        gate.open();
        let mut late = [0; 3];
        stream.read_exact(&mut late).await.unwrap();
        assert_eq!(&late, b"two", "held back, not lost");

        gate.refuse();
        assert!(!say(&mut stream, b"six").await, "the old connection");
        assert!(!say(&mut connect().await, b"six").await, "a new connection");
        gate.open();
        assert!(say(&mut connect().await, b"ten").await);
    }
}
