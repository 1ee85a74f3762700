//! A way to the API server that knows its requests: a test can hold some back, have others refused, and end watches.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use control_plane::{Error, Result};
use futures::StreamExt;
use kube::Client;
use parking_lot::Mutex;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

const LARGEST_BODY: usize = 4 << 20;

/// What is done with the requests whose address holds all of some words.
#[derive(Clone, Debug)]
struct Rule {
    words: Vec<String>,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// They wait until the rule is gone.
    Hold,
    /// They are answered with this code, so many times.
    Refuse(u16, Times),
    /// They pass, and so many answers wait until the rule is gone.
    HoldAnswer(Times),
}

/// How many times a rule still applies.
#[derive(Clone, Debug)]
struct Times(Arc<Mutex<usize>>);

impl Times {
    fn new(times: usize) -> Self {
        Self(Arc::new(Mutex::new(times)))
    }

    fn one_less(&self) -> bool {
        let mut left = self.0.lock();
        let one_less = left.checked_sub(1);
        *left = one_less.unwrap_or(0);
        one_less.is_some()
    }
}

/// A request that came through.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The method and the address with its query.
    pub what: String,
    /// When, since the proxy was made.
    pub at: Duration,
}

struct Shared {
    client: Client,
    rules: watch::Sender<Vec<Rule>>,
    asked: Mutex<Vec<Asked>>,
    cut: Notify,
    start: Instant,
}

/// A plain HTTP port on which the API server answers as to the client's user, for as long as this lives.
pub struct ApiProxy {
    port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl ApiProxy {
    /// A proxy that asks as `client`.
    pub async fn of(client: Client) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .map_err(Error::io("cannot open a proxy"))?;
        let port = listener.local_addr().map_err(Error::io("cannot open a proxy"))?.port();
        let shared = Arc::new(Shared {
            client,
            rules: watch::Sender::new(Vec::new()),
            asked: Mutex::default(),
            cut: Notify::new(),
            start: Instant::now(),
        });
        let routes = Router::new().fallback(pass).with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, routes).await;
        });
        Ok(Self { port, shared, task })
    }

    /// Writes a kubeconfig that leads here.
    pub fn kubeconfig(&self, folder: &Path) -> Result<PathBuf> {
        let document = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{ "name": "test", "cluster": { "server": format!("http://127.0.0.1:{}", self.port) } }],
            "users": [{ "name": "test", "user": {} }],
            "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test" } }],
        });
        let path = folder.join(format!("proxy-{}.kubeconfig", self.port));
        std::fs::write(&path, document.to_string()).map_err(Error::file("write", &path))?;
        Ok(path)
    }

    /// Requests whose address holds all `words` wait until [`Self::pass_all`].
    pub fn hold(&self, words: &[&str]) {
        self.rule(words, What::Hold);
    }

    /// The next `times` requests whose address holds all `words` are answered with `code`.
    pub fn refuse(&self, words: &[&str], code: u16, times: usize) {
        self.rule(words, What::Refuse(code, Times::new(times)));
    }

    /// The next `times` requests whose address holds all `words` are passed on, and their answers held back until
    /// [`Self::pass_all`].
    pub fn hold_answers(&self, words: &[&str], times: usize) {
        self.rule(words, What::HoldAnswer(Times::new(times)));
    }

    fn rule(&self, words: &[&str], what: What) {
        let words = words.iter().map(ToString::to_string).collect();
        self.shared.rules.send_modify(|rules| rules.push(Rule { words, what }));
    }

    /// Requests that [`Self::hold`] of the same words holds back pass on.
    pub fn pass(&self, words: &[&str]) {
        let ends = |rule: &Rule| matches!(rule.what, What::Hold) && rule.words == words;
        self.shared.rules.send_modify(|rules| rules.retain(|rule| !ends(rule)));
    }

    /// All rules are gone, and what was held passes.
    pub fn pass_all(&self) {
        self.shared.rules.send_modify(Vec::clear);
    }

    /// Ends all answers that are not complete: those to watches.
    pub fn end_watches(&self) {
        self.shared.cut.notify_waiters();
    }

    /// The requests so far whose address holds all `words`, those held included.
    pub fn asked(&self, words: &[&str]) -> Vec<Asked> {
        let asked = self.shared.asked.lock();
        let meant = asked
            .iter()
            .filter(|asked| words.iter().all(|word| asked.what.contains(word)));
        meant.cloned().collect()
    }
}

impl Drop for ApiProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let what = format!("{} {}", request.method(), request.uri());
    let asked = Asked {
        what: what.clone(),
        at: shared.start.elapsed(),
    };
    shared.asked.lock().push(asked);
    let held = |rules: &Vec<Rule>| rules.iter().any(|rule| rule.holds(&what));
    // An error means that the proxy itself is gone.
    let mut rules = shared.rules.subscribe();
    let refused = match rules.wait_for(|rules| !held(rules)).await {
        Ok(rules) => rules.iter().find_map(|rule| rule.refuses(&what)),
        Err(_) => return StatusCode::BAD_GATEWAY.into_response(),
    };
    if let Some(code) = refused {
        return refusal(code);
    }
    let held = shared.rules.borrow().iter().any(|rule| rule.holds_answer(&what));
    let answer = forward(&shared, request).await;
    if held {
        let _ = rules.wait_for(Vec::is_empty).await;
    }
    match answer {
        Ok(response) => response,
        Err(error) => (StatusCode::BAD_GATEWAY, error).into_response(),
    }
}

impl Rule {
    fn means(&self, what: &str) -> bool {
        self.words.iter().all(|word| what.contains(word))
    }

    fn holds(&self, what: &str) -> bool {
        matches!(self.what, What::Hold) && self.means(what)
    }

    fn refuses(&self, what: &str) -> Option<u16> {
        let What::Refuse(code, left) = &self.what else {
            return None;
        };
        if !self.means(what) {
            return None;
        }
        left.one_less().then_some(*code)
    }

    fn holds_answer(&self, what: &str) -> bool {
        matches!(&self.what, What::HoldAnswer(left) if self.means(what) && left.one_less())
    }
}

fn refusal(code: u16) -> Response {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": "Test", "message": "refused by the test",
    });
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (code, [(header::CONTENT_TYPE, "application/json")], status.to_string()).into_response()
}

async fn forward(shared: &Arc<Shared>, request: Request) -> Result<Response, String> {
    let (mut parts, body) = request.into_parts();
    parts.headers.remove(header::HOST);
    let body = to_bytes(body, LARGEST_BODY).await.map_err(|error| error.to_string())?;
    let request = axum::http::Request::from_parts(parts, kube::client::Body::from(body.to_vec()));
    let response = shared.client.send(request).await.map_err(|error| error.to_string())?;
    let (parts, body) = response.into_parts();
    let shared = Arc::clone(shared);
    let cut = async move { shared.cut.notified().await };
    let body = Body::new(body).into_data_stream().take_until(Box::pin(cut));
    Ok(Response::from_parts(parts, Body::from_stream(body)))
}
