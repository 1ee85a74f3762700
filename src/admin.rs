//! What the cluster asks of the process: its metrics, whether it lives, whether it is ready.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::metrics::{self, Metrics};

/// A client that takes longer to send a request's head is dropped, also one that holds a connection idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// No connection lives longer: a client that reads its answer slowly is dropped, too.
const CONNECTION_LIFETIME: Duration = Duration::from_secs(300);
/// More are closed at once, so that nobody can make the process run out of file descriptors.
const MOST_CONNECTIONS: usize = 256;
/// After a failed accept (out of file descriptors): not at once again, not never.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// How long a watch may be silent.
#[derive(Clone, Copy, Debug)]
pub struct SilenceBounds {
    /// From its start to its first word; generous, since a large list takes its time.
    pub first: Duration,
    /// After that.
    pub later: Duration,
}

/// A watch that the work cannot go on without: while this lives, the process is unwell once the watch has been silent
/// for too long.
#[derive(Debug)]
pub struct Watch {
    health: Health,
    name: String,
}

impl Watch {
    /// The watch gave a sign of life.
    pub fn seen(&self) {
        self.health.seen_at(&self.name, Instant::now());
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.health.vitals().watches.remove(&self.name);
    }
}

/// The state of the process, as the probes tell it. Clones share it.
#[derive(Clone, Debug)]
pub struct Health {
    bounds: SilenceBounds,
    state: Arc<Mutex<Vitals>>,
}

#[derive(Debug, Default)]
struct Vitals {
    watches: BTreeMap<String, Watched>,
    died: Option<String>,
    part: Part,
}

/// The part that this process plays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    /// None yet.
    #[default]
    Starting,
    /// It would lead if the leader went.
    Standby,
    /// It leads, and its caches are being filled.
    Leading,
    /// It leads, and its caches hold what the cluster holds.
    Synced,
}

#[derive(Clone, Copy, Debug)]
struct Watched {
    last: Instant,
    heard: bool,
}

impl Health {
    /// A process that watches nothing yet and leads nothing: well, and not ready before it is known which part it has.
    pub fn new(bounds: SilenceBounds) -> Self {
        let state = Arc::default();
        Self { bounds, state }
    }

    fn vitals(&self) -> MutexGuard<'_, Vitals> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A watch of this name starts, and has to be heard of from now on.
    pub fn watch(&self, name: &str) -> Watch {
        self.watch_from(name, Instant::now())
    }

    fn watch_from(&self, name: &str, last: Instant) -> Watch {
        let watched = Watched { last, heard: false };
        self.vitals().watches.insert(name.to_owned(), watched);
        Watch {
            health: self.clone(),
            name: name.to_owned(),
        }
    }

    fn seen_at(&self, name: &str, last: Instant) {
        if let Some(watched) = self.vitals().watches.get_mut(name) {
            *watched = Watched { last, heard: true };
        }
    }

    /// A task without which the process is of no use ended.
    pub fn task_died(&self, name: &str) {
        self.vitals().died.get_or_insert_with(|| name.to_owned());
    }

    /// This process leads from now on; it is ready again once [`Health::set_synced`] is called.
    pub fn set_leading(&self) {
        self.vitals().part = Part::Leading;
    }

    /// This process no longer leads: a standby is ready.
    pub fn set_standby(&self) {
        self.vitals().part = Part::Standby;
    }

    /// The leader's caches hold what the cluster holds.
    pub fn set_synced(&self) {
        let mut vitals = self.vitals();
        if vitals.part == Part::Leading {
            vitals.part = Part::Synced;
        }
    }

    /// Whether a restart would not help.
    ///
    /// # Errors
    /// What is wrong.
    pub fn healthy(&self) -> Result<(), String> {
        self.healthy_at(Instant::now())
    }

    fn healthy_at(&self, now: Instant) -> Result<(), String> {
        let vitals = self.vitals();
        if let Some(task) = &vitals.died {
            return Err(format!("task {task} ended"));
        }
        for (name, watched) in &vitals.watches {
            let silent = now.saturating_duration_since(watched.last);
            let bound = if watched.heard {
                self.bounds.later
            } else {
                self.bounds.first
            };
            if silent > bound {
                return Err(format!("watch {name} has been silent for {}s", silent.as_secs()));
            }
        }
        Ok(())
    }

    /// Whether the process does its part: a standby does, a leader once its caches are filled.
    ///
    /// # Errors
    /// What is missing.
    pub fn ready(&self) -> Result<(), String> {
        let vitals = self.vitals();
        match (&vitals.died, vitals.part) {
            (Some(task), _) => Err(format!("task {task} ended")),
            (None, Part::Starting) => Err("starting".to_owned()),
            (None, Part::Leading) => Err("the caches are not filled yet".to_owned()),
            (None, Part::Standby | Part::Synced) => Ok(()),
        }
    }
}

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
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            continue;
        };
        let (routes, stop) = (routes.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                _ = tokio::time::timeout(CONNECTION_LIFETIME, converse(stream, routes)) => {}
            }
            drop(place);
        });
    }
}

async fn converse(stream: TcpStream, routes: Router) {
    let conversation = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    // What goes wrong here is the client's.
    let _ = conversation.await;
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
        .with_state(metrics)
        .merge(probes)
}

/// In the format that is asked for: Prometheus asks for OpenMetrics, a person with curl does not.
async fn scrape(State(metrics): State<Arc<Metrics>>, headers: HeaderMap) -> impl IntoResponse {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let (format, text) = if accept.is_some_and(|accept| accept.contains("application/openmetrics-text")) {
        (metrics::OPENMETRICS, metrics.encode())
    } else {
        (metrics::PLAIN, metrics.encode_plain())
    };
    ([(header::CONTENT_TYPE, format)], text)
}

fn probe(state: Result<(), String>) -> impl IntoResponse {
    match state {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    const BOUNDS: SilenceBounds = SilenceBounds {
        first: Duration::from_secs(300),
        later: Duration::from_secs(150),
    };

    #[test]
    fn a_silent_watch_is_unwell() {
        let health = Health::new(BOUNDS);
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(health.healthy_at(after(10_000)).is_ok(), "nothing is watched");
        let watch = health.watch_from("resources", start);
        assert!(health.healthy_at(after(299)).is_ok());
        assert!(health.healthy_at(after(301)).is_err());
        health.seen_at("resources", after(310));
        assert!(health.healthy_at(after(450)).is_ok());
        let why = health.healthy_at(after(470)).unwrap_err();
        assert_eq!(why, "watch resources has been silent for 160s");
        drop(watch);
        assert!(
            health.healthy_at(after(10_000)).is_ok(),
            "a term that is over watches nothing"
        );
        health.seen_at("resources", start);
        assert!(health.healthy_at(after(10_000)).is_ok(), "a late word starts nothing");
    }

    #[test]
    fn standbys_are_ready_and_leaders_once_synced() {
        let health = Health::new(BOUNDS);
        assert_eq!(health.ready().unwrap_err(), "starting");
        health.set_standby();
        assert!(health.ready().is_ok());
        health.set_synced();
        health.set_leading();
        assert!(health.ready().is_err());
        health.set_synced();
        assert!(health.ready().is_ok());
        health.set_standby();
        health.set_leading();
        assert!(health.ready().is_err(), "a new term fills its caches anew");
        health.set_standby();
        health.task_died("controller");
        assert_eq!(health.ready().unwrap_err(), "task controller ended");
        assert!(health.healthy().is_err());
    }

    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    fn request(path: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    }

    #[tokio::test]
    async fn serves_all_three_and_stops() {
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let address = listener.local_addr().unwrap();
        let taken = bind(address).await.unwrap_err();
        assert!(taken.to_string().contains(&address.to_string()), "{taken}");

        let (health, stop) = (Health::new(BOUNDS), CancellationToken::new());
        let server = tokio::spawn(serve(listener, Arc::new(Metrics::new()), health.clone(), stop.clone()));
        health.set_standby();
        // Somebody who never finishes the request holds nobody up.
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET /metr").await.unwrap();

        let plain = ask(address, &request("/metrics")).await;
        assert!(plain.contains("text/plain; version=0.0.4"), "{plain}");
        let open = "accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n\r\n";
        let metrics = ask(
            address,
            &request("/metrics").replace("\r\n\r\n", &format!("\r\n{open}")),
        )
        .await;
        assert!(
            metrics.contains("application/openmetrics-text; version=1.0.0"),
            "{metrics}"
        );
        assert!(metrics.ends_with("# EOF\n"), "{metrics}");
        assert!(ask(address, &request("/healthz")).await.starts_with("HTTP/1.1 200"));
        assert!(ask(address, &request("/readyz")).await.starts_with("HTTP/1.1 200"));
        assert!(ask(address, &request("/other")).await.starts_with("HTTP/1.1 404"));
        health.task_died("controller");
        let unwell = ask(address, &request("/healthz")).await;
        assert!(
            unwell.starts_with("HTTP/1.1 503") && unwell.contains("task controller ended"),
            "{unwell}"
        );

        stop.cancel();
        server.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
        assert_eq!(slow.read(&mut [0; 16]).await.unwrap(), 0, "closed with the rest");
    }
}
