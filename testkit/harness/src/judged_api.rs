//! A way to the API server on which a test sees every request, and decides what becomes of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State;
use axum::http::{HeaderName, Request, Response, StatusCode, header};
use control_plane::{ControlPlane, Error, Result};
use futures::StreamExt;
use kube::Client;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// More than any request or answer of a test.
const MOST: usize = 64 << 20;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiRequest {
    /// The method.
    pub method: String,
    /// The path, with its query.
    pub path: String,
    /// What was sent.
    pub body: String,
}

impl ApiRequest {
    /// Whether it changes something.
    pub fn is_write(&self) -> bool {
        self.method != "GET"
    }

    /// Whether it is a watch.
    pub fn is_watch(&self) -> bool {
        self.path.contains("watch=true") || self.path.contains("watch=1")
    }

    /// Whether it asks for a whole collection.
    pub fn is_list(&self) -> bool {
        let path = self.path.split('?').next().unwrap_or_default();
        let names = ["vodmessagecallbacks", "secrets", "events", "leases"];
        !self.is_write() && !self.is_watch() && names.iter().any(|name| path.ends_with(name))
    }
}

/// What becomes of a request.
pub enum Verdict {
    /// It is passed on, and so is its answer.
    Pass,
    /// It is passed on a while later.
    Late(Duration),
    /// It is answered with that status, and not passed on.
    Refuse(u16),
    /// It is not passed on, and never answered.
    Silence,
    /// It is passed on; the answer breaks off.
    BreakOff,
    /// It is passed on; the answer, of a watch above all, breaks off after a while.
    BreakOffAfter(Duration),
    /// A watch is told that it asks for too old a version.
    Expired,
    /// This is done first, and the request never answered.
    Before(Box<dyn FnOnce() + Send>),
    /// It is passed on, and this done in the place of answering.
    After(Box<dyn FnOnce() + Send>),
}

/// Decides about each request, in the order in which they come.
pub type Judge = Box<dyn FnMut(&ApiRequest) -> Verdict + Send>;

/// A plain HTTP port that leads to an API server, as its administrator. It belongs to the runtime it was made in.
pub struct JudgedApi {
    kubeconfig: PathBuf,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    client: Client,
    judge: Mutex<Judge>,
    written: Mutex<Vec<ApiRequest>>,
}

impl JudgedApi {
    /// A way to that control plane on which everything passes.
    pub async fn before(plane: &ControlPlane) -> Result<Self> {
        let failed = || Error::io("cannot open a way to the API server");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed())?;
        let port = listener.local_addr().map_err(failed())?.port();
        let kubeconfig = plane.folder().join(format!("proxy-{port}.kubeconfig"));
        write_kubeconfig(&kubeconfig, port)?;
        let shared = Arc::new(Shared {
            client: plane.client().await?,
            judge: Mutex::new(Box::new(|_| Verdict::Pass)),
            written: Mutex::default(),
        });
        let service = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            // It ends when the task is aborted.
            let _ = axum::serve(listener, service).await;
        });
        Ok(Self {
            kubeconfig,
            shared,
            task,
        })
    }

    /// The kubeconfig of whoever goes this way.
    pub fn kubeconfig_path(&self) -> &Path {
        &self.kubeconfig
    }

    /// Who decides from now on.
    pub fn judge(&self, judge: impl FnMut(&ApiRequest) -> Verdict + Send + 'static) {
        *self.shared.judge.lock() = Box::new(judge);
    }

    /// Everything passes from now on.
    pub fn open(&self) {
        self.judge(|_| Verdict::Pass);
    }

    /// Every request so far that would change something, with what it said.
    pub fn written(&self) -> Vec<ApiRequest> {
        self.shared.written.lock().clone()
    }
}

impl Drop for JudgedApi {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn write_kubeconfig(path: &Path, port: u16) -> Result<()> {
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: proxy\n\
         clusters: [{{name: proxy, cluster: {{server: \"http://127.0.0.1:{port}\"}}}}]\n\
         users: [{{name: proxy, user: {{}}}}]\n\
         contexts: [{{name: proxy, context: {{cluster: proxy, user: proxy}}}}]\n"
    );
    fs::write(path, text).map_err(Error::file("write", path))
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MOST).await else {
        return status(StatusCode::BAD_REQUEST);
    };
    let seen = ApiRequest {
        method: parts.method.to_string(),
        path: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    if seen.is_write() {
        shared.written.lock().push(seen.clone());
    }
    let verdict = (shared.judge.lock())(&seen);
    let passed_on = async || pass_on(&shared.client, &parts, body.clone()).await;
    match verdict {
        Verdict::Pass => passed_on().await,
        Verdict::Late(by) => {
            tokio::time::sleep(by).await;
            passed_on().await
        }
        Verdict::Refuse(code) => refusal(code),
        Verdict::Silence => std::future::pending().await,
        Verdict::BreakOff => broken_off(passed_on().await, Duration::ZERO),
        Verdict::BreakOffAfter(by) => broken_off(passed_on().await, by),
        Verdict::Expired => expired(),
        Verdict::Before(act) => {
            act();
            std::future::pending().await
        }
        Verdict::After(act) => {
            let answer = passed_on().await;
            // Complete: a watch would never be.
            let _ = to_bytes(answer.into_body(), MOST).await;
            act();
            std::future::pending().await
        }
    }
}

async fn pass_on(client: &Client, parts: &axum::http::request::Parts, body: Bytes) -> Response<Body> {
    // These are about one connection, or about who asks.
    const OWN: [HeaderName; 5] = [
        header::HOST,
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::AUTHORIZATION,
    ];
    let mut request = Request::new(kube::client::Body::from(body));
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = parts.uri.clone();
    let kept = parts.headers.iter().filter(|(name, _)| !OWN.contains(name));
    request
        .headers_mut()
        .extend(kept.map(|(name, value)| (name.clone(), value.clone())));
    match client.send(request).await {
        Ok(answer) => answer.map(Body::new),
        Err(_) => status(StatusCode::BAD_GATEWAY),
    }
}

fn status(code: StatusCode) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = code;
    answer
}

/// In the API server's own words.
fn refusal(code: u16) -> Response<Body> {
    let reason = match code {
        409 => "Conflict",
        410 => "Expired",
        429 => "TooManyRequests",
        504 => "Timeout",
        _ => "InternalError",
    };
    let mut answer = Response::new(Body::from(words(code, reason)));
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Ok(kind) = "application/json".parse() {
        answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    answer
}

fn words(code: u16, reason: &str) -> String {
    format!(
        "{{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{{}},\"status\":\"Failure\",\
         \"message\":\"a failure was asked for\",\"reason\":\"{reason}\",\"code\":{code}}}"
    )
}

fn expired() -> Response<Body> {
    let event = format!("{{\"type\":\"ERROR\",\"object\":{}}}\n", words(410, "Expired"));
    let mut answer = Response::new(Body::from(event));
    if let Ok(kind) = "application/json".parse() {
        answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    answer
}

/// The connection ends before the answer does.
fn broken_off(answer: Response<Body>, by: Duration) -> Response<Body> {
    let (mut parts, body) = answer.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    let end = futures::stream::once(async { Err(axum::Error::new("broken off")) });
    let part = body.into_data_stream().take_until(tokio::time::sleep(by));
    Response::from_parts(parts, Body::from_stream(part.chain(end)))
}
