//! What the cluster asks of the process: its metrics, whether it lives, whether it is ready.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::stream;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::health::Health;
use crate::metrics::{self, Metrics};

mod places;

use places::Places;

/// A client that takes longer to send a request's head is dropped, also one that holds a connection idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that is older than this ends with the answer under way.
const LIFETIME: Duration = Duration::from_secs(20);
/// A client that reads its last answer more slowly than this is dropped.
const LAST_ANSWER: Duration = Duration::from_secs(10);
/// So many connections cost a few megabytes at most; see [`Places`] for who goes when there are more.
const MOST_CONNECTIONS: usize = 256;
/// A probe's head has some 200 bytes, Prometheus' some 600. hyper's own limit is 400 KiB a connection.
const MOST_BUFFERED: usize = 16 << 10;
/// So many pages of metrics are held at once for those who read them; probes need none.
const MOST_PAGES: usize = 16;
/// A page goes out in pieces, so that one that is read slowly is seen to be.
const PIECE: usize = 16 << 10;
/// After a failed accept (out of file descriptors): not at once again, not never.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Takes the address. First thing in a run, so that two processes on one address are told at once.
///
/// # Errors
/// Naming the address.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("cannot listen on --metrics-addr {address}: {error}"),
        )
    })
}

/// Serves until `stop`. Failures of single connections are nobody's business.
pub async fn serve(listener: TcpListener, metrics: Arc<Metrics>, health: Health, stop: CancellationToken) {
    let routes = routes(metrics, health);
    let places = Arc::new(Places::new(MOST_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (place, displaced) = places.take(peer.ip());
        let (routes, stop) = (routes.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = displaced.cancelled() => {}
                () = converse(stream, routes) => {}
            }
            drop(place);
        });
    }
}

async fn converse(stream: TcpStream, routes: Router) {
    let conversation = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MOST_BUFFERED)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    let mut conversation = std::pin::pin!(conversation);
    // What goes wrong here is the client's.
    if tokio::time::timeout(LIFETIME, conversation.as_mut()).await.is_err() {
        conversation.as_mut().graceful_shutdown();
        let _ = tokio::time::timeout(LAST_ANSWER, conversation).await;
    }
}

fn routes(metrics: Arc<Metrics>, health: Health) -> Router {
    let probes = Router::new()
        .route(
            "/healthz",
            get(async |State(health): State<Health>| probe(health.healthy())),
        )
        .route(
            "/readyz",
            get(async |State(health): State<Health>| probe(health.ready())),
        )
        .with_state(health);
    Router::new()
        .route("/metrics", get(scrape))
        .with_state(Scrapes {
            metrics,
            pages: Arc::new(Semaphore::new(MOST_PAGES)),
        })
        .merge(probes)
}

#[derive(Clone)]
struct Scrapes {
    metrics: Arc<Metrics>,
    pages: Arc<Semaphore>,
}

/// In the format that is asked for: Prometheus asks for OpenMetrics, a person with curl does not.
async fn scrape(State(scrapes): State<Scrapes>, headers: HeaderMap) -> Response {
    let Ok(permit) = scrapes.pages.try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many read the metrics now\n").into_response();
    };
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let (format, text) = if accept.is_some_and(|accept| accept.contains("application/openmetrics-text")) {
        (metrics::OPENMETRICS, scrapes.metrics.encode())
    } else {
        (metrics::PLAIN, scrapes.metrics.encode_plain())
    };
    let headers = [
        (header::CONTENT_TYPE, format.to_owned()),
        (header::CONTENT_LENGTH, text.len().to_string()),
    ];
    // The permit lives as long as there is something left to send.
    let pieces = stream::unfold((Bytes::from(text), permit), async |(mut rest, permit)| {
        let piece = rest.split_to(rest.len().min(PIECE));
        (!piece.is_empty()).then_some((Ok::<_, Infallible>(piece), (rest, permit)))
    });
    (headers, Body::from_stream(pieces)).into_response()
}

fn probe(state: Result<(), String>) -> impl IntoResponse {
    match state {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

#[cfg(test)]
mod tests;
