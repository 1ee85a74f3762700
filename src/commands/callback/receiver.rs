//! The HTTP side of `callback listen`: bounded in every direction, since it listens to the internet.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use k8s_openapi::jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::received::{Received, body};
use crate::callback::{SIGNATURE_HEADER, TIMESTAMP_HEADER, Verifier};

/// A peer that takes longer for the TLS handshake, for a request's head, or for its body is cut off.
const PATIENCE: Duration = Duration::from_secs(10);
/// No connection lives longer.
const CONNECTION_LIFETIME: Duration = Duration::from_secs(300);
/// More are closed at once.
const MOST_CONNECTIONS: usize = 512;
/// The longest head of a request.
const LARGEST_HEAD: usize = 16 << 10;
/// The largest body; a message in a queue has at most 64 KiB.
const LARGEST_BODY: usize = 256 << 10;
/// After a failed accept (out of file descriptors): not at once again, not never.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// How long a stop waits for requests in flight, and then for what is to be printed.
pub(super) const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// How long it waits for a connection without one: a request may have arrived that nobody has looked at yet.
const STOP_MOMENT: Duration = Duration::from_millis(200);

/// What a receiver needs to know.
pub(super) struct Receiver {
    /// Absent: nothing is verified.
    pub(super) verifier: Option<Verifier>,
    /// The files of the verifier's keys, in their order.
    pub(super) key_files: Vec<String>,
    /// Who prints what comes in.
    pub(super) told: mpsc::Sender<Received>,
    /// What was answered while the printer was too far behind.
    pub(super) unprinted: AtomicUsize,
}

/// Serves until `stop`, then finishes what is in flight.
pub(super) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    receiver: Arc<Receiver>,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            continue;
        };
        let connection = connection(stream, peer, tls.clone(), Arc::clone(&receiver), stop.clone());
        connections.spawn(async move {
            let _ = tokio::time::timeout(CONNECTION_LIFETIME, connection).await;
            drop(place);
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// One peer's requests, and how many of them are being answered.
struct Peer {
    receiver: Arc<Receiver>,
    address: SocketAddr,
    in_flight: AtomicUsize,
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    receiver: Arc<Receiver>,
    stop: CancellationToken,
) {
    let peer = Arc::new(Peer {
        receiver,
        address,
        in_flight: AtomicUsize::new(0),
    });
    let Some(tls) = tls else {
        return converse(stream, &peer, &stop).await;
    };
    // Who does not speak TLS, or takes too long, is nobody's business.
    let handshake = tokio::time::timeout(PATIENCE, tls.accept(stream));
    if let Some(Ok(Ok(stream))) = stop.run_until_cancelled(handshake).await {
        converse(stream, &peer, &stop).await;
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, peer: &Arc<Peer>, stop: &CancellationToken) {
    let routes = Router::new().fallback(receive).with_state(Arc::clone(peer));
    let conversation = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    tokio::pin!(conversation);
    tokio::select! {
        _ = conversation.as_mut() => return,
        () = stop.cancelled() => conversation.as_mut().graceful_shutdown(),
    }
    let moment = tokio::time::timeout(STOP_MOMENT, conversation.as_mut()).await;
    if moment.is_err() && peer.in_flight.load(Ordering::Relaxed) > 0 {
        let _ = tokio::time::timeout(STOP_PATIENCE, conversation).await;
    }
}

async fn receive(State(peer): State<Arc<Peer>>, request: Request) -> Response {
    peer.in_flight.fetch_add(1, Ordering::Relaxed);
    let response = answer(&peer, request).await;
    peer.in_flight.fetch_sub(1, Ordering::Relaxed);
    response
}

async fn answer(peer: &Peer, request: Request) -> Response {
    let receiver = &peer.receiver;
    let (head, body_stream) = request.into_parts();
    let read = tokio::time::timeout(PATIENCE, to_bytes(Body::new(body_stream), LARGEST_BODY)).await;
    let (bytes, judged) = match read {
        Ok(Ok(bytes)) => {
            let judged = receiver.judge(&head.method, &head.headers);
            (bytes, judged)
        }
        Ok(Err(_)) => {
            let why = format!("the body is larger than {} KiB, or broke off", LARGEST_BODY >> 10);
            (Default::default(), Err(why))
        }
        Err(_) => {
            let why = format!("the body took longer than {} s", PATIENCE.as_secs());
            (Default::default(), Err(why))
        }
    };
    let (body, event_type) = body(&bytes);
    let (status, refused, auth_key_file) = match judged {
        Ok(file) => (StatusCode::OK, None, file),
        // Whatever it is, the service takes only 200 for an answer.
        Err(why) => (StatusCode::FORBIDDEN, Some(why), None),
    };
    let answer = refused.as_deref().map_or("ok\n".to_owned(), |why| format!("{why}\n"));
    let received = Received {
        time: format!("{:.0}", Timestamp::now()),
        peer: peer.address.to_string(),
        request: format!("{} {}", head.method, head.uri.path()),
        status: status.as_u16(),
        auth_key_file,
        refused,
        event_type,
        body,
    };
    // Senders are answered also while nobody reads what is printed.
    if receiver.told.try_send(received).is_err() {
        receiver.unprinted.fetch_add(1, Ordering::Relaxed);
    }
    (status, answer).into_response()
}

impl Receiver {
    /// The file of the key that fits, or why a request is not believed.
    fn judge(&self, method: &Method, headers: &HeaderMap) -> Result<Option<String>, String> {
        if method != Method::POST {
            return Err(format!("a callback is a POST, not a {method}"));
        }
        let Some(verifier) = &self.verifier else {
            return Ok(None);
        };
        // One that is there but no text fits nothing.
        let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("no text"));
        let now = u64::try_from(Timestamp::now().as_second()).unwrap_or_default();
        match verifier.verify(header(TIMESTAMP_HEADER), header(SIGNATURE_HEADER), now) {
            Ok(key) => Ok(self.key_files.get(key).cloned()),
            Err(refusal) => Err(refusal.to_string()),
        }
    }
}
