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

/// What holds for all connections at a moment.
#[derive(Clone, Copy, Debug)]
struct State {
    way: Way,
    /// Connections with a smaller number are lost: nothing passes on them any more, and nobody is told.
    lost_before: u64,
}

/// A loopback port that leads to another one, for as long as this lives. It belongs to the runtime it was made in.
#[derive(Debug)]
pub struct Gate {
    port: u16,
    state: watch::Sender<State>,
    task: JoinHandle<()>,
}

impl Gate {
    /// A gate before the server at a loopback port.
    pub async fn before(server: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .map_err(Error::io("cannot open a gate"))?;
        let port = listener.local_addr().map_err(Error::io("cannot open a gate"))?.port();
        let start = State {
            way: Way::Open,
            lost_before: 0,
        };
        let (state, states) = watch::channel(start);
        let counter = state.clone();
        let server = SocketAddr::from(([127, 0, 0, 1], server));
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // Each is younger than whatever was lost before it.
                let born = counter.borrow().lost_before;
                tokio::spawn(converse(client, server, born, states.clone()));
            }
        });
        Ok(Self { port, state, task })
    }

    /// Where clients connect.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Closes all connections, and each new one.
    pub fn refuse(&self) {
        self.state.send_modify(|state| state.way = Way::Refused);
    }

    /// Lets nothing pass and closes nothing: clients can only notice by waiting.
    pub fn silence(&self) {
        self.state.send_modify(|state| state.way = Way::Silent);
    }

    /// Lets nothing pass any more on the connections there are, and closes none of them; new ones are passed on. So
    /// does a load balancer that forgets connections.
    pub fn lose_connections(&self) {
        self.state.send_modify(|state| state.lost_before += 1);
    }

    /// Passes everything on again, also what was held back by [`Self::silence`].
    pub fn open(&self) {
        self.state.send_modify(|state| state.way = Way::Open);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn converse(client: TcpStream, server: SocketAddr, born: u64, states: watch::Receiver<State>) {
    let mut until_refused = states.clone();
    let both = async {
        // A connection that is opened in silence is not answered before that ends.
        let mut states = states.clone();
        if !passable(&mut states, born).await {
            return;
        }
        let Ok(server) = TcpStream::connect(server).await else {
            return;
        };
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        tokio::select! {
            () = pass(from_client, to_server, born, states.clone()) => {}
            () = pass(from_server, to_client, born, states.clone()) => {}
        }
    };
    tokio::select! {
        biased;
        // An error means that the gate itself is gone.
        _ = until_refused.wait_for(|state| state.way == Way::Refused) => {}
        () = both => {}
    }
}

/// Waits until something may pass on a connection; `false` when the gate is gone.
async fn passable(states: &mut watch::Receiver<State>, born: u64) -> bool {
    let passes = |state: &State| state.way != Way::Silent && state.lost_before <= born;
    states.wait_for(passes).await.is_ok()
}

async fn pass(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    born: u64,
    mut states: watch::Receiver<State>,
) {
    let mut chunk = vec![0; 1 << 14];
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        if !passable(&mut states, born).await {
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

        gate.lose_connections();
        let nothing = timeout(Duration::from_millis(200), say(&mut stream, b"odd")).await;
        assert!(nothing.is_err(), "an answer came through");
        assert!(say(&mut connect().await, b"new").await);

        gate.refuse();
        assert!(!say(&mut stream, b"six").await, "the old connection");
        assert!(!say(&mut connect().await, b"six").await, "a new connection");
        gate.open();
        assert!(say(&mut connect().await, b"ten").await);
    }
}
