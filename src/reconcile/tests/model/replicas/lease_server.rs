use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::{Method, Request, Response, StatusCode};
use k8s_openapi::api::coordination::v1::Lease;
use kube::client::Body;
use parking_lot::Mutex;
use rand::RngExt;
use serde_json::json;
use tokio::time::Instant;

use super::network::{one_way, over_the_network};
use super::script::Trouble;
use super::world::Shared;

/// The API server, as far as the Lease is concerned: one object that is written by compare-and-swap.
#[derive(Clone, Default)]
pub(super) struct LeaseServer(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    lease: Option<Lease>,
    version: u64,
}

impl LeaseServer {
    /// Who holds it, and the number of the term.
    pub(super) fn holder(&self) -> (Option<String>, i32) {
        let held = self.0.lock();
        let spec = held.lease.as_ref().and_then(|lease| lease.spec.as_ref());
        let holder = spec.and_then(|spec| spec.holder_identity.clone());
        (holder, spec.and_then(|spec| spec.lease_transitions).unwrap_or(0))
    }

    fn answer(&self, method: &Method, body: &[u8]) -> Response<Body> {
        let mut held = self.0.lock();
        let current = held.lease.as_ref().map(|lease| lease.metadata.resource_version.clone());
        if method == Method::GET {
            return held.lease.as_ref().map_or_else(|| refusal(404, "NotFound"), said);
        }
        let mut lease: Lease = serde_json::from_slice(body).unwrap();
        match (method == Method::POST, current) {
            (true, Some(_)) => return refusal(409, "AlreadyExists"),
            (false, None) => return refusal(404, "NotFound"),
            (false, Some(version)) if version != lease.metadata.resource_version => return refusal(409, "Conflict"),
            (true, None) | (false, Some(_)) => {}
        }
        held.version += 1;
        lease.metadata.resource_version = Some(held.version.to_string());
        held.lease = Some(lease.clone());
        said(&lease)
    }
}

fn said(lease: &Lease) -> Response<Body> {
    Response::new(Body::from(serde_json::to_vec(lease).unwrap()))
}

fn refusal(code: u16, reason: &str) -> Response<Body> {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": reason});
    let mut response = Response::new(Body::from(serde_json::to_vec(&status).unwrap()));
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response
}

/// A replica's way to the API server, which fails at times.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) server: LeaseServer,
    pub(super) world: Shared,
    pub(super) troubles: Arc<[(Instant, Instant, Trouble)]>,
}

impl Way {
    pub(super) fn client(self) -> kube::Client {
        kube::Client::new(self, "ops")
    }

    fn trouble(&self) -> Option<Trouble> {
        let now = Instant::now();
        let mut troubles = self.troubles.iter();
        let present = troubles.find(|(from, until, _)| *from <= now && now < *until);
        present.map(|(_, _, trouble)| *trouble)
    }
}

impl tower::Service<Request<Body>> for Way {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let trouble = self.trouble();
        let (there, back) = {
            let random = &mut self.world.lock().random;
            // One in fifty is as slow as to be given up, or nearly.
            let slow = if random.random_ratio(1, 50) { 120 } else { 1 };
            (one_way(random) * slow, one_way(random) * slow)
        };
        let server = self.server.clone();
        Box::pin(async move {
            let method = request.method().clone();
            let body = request.into_body().collect_bytes().await.unwrap();
            match trouble {
                Some(Trouble::Swallowed) => std::future::pending().await,
                Some(Trouble::Refused) => Ok(over_the_network(there, back, || refusal(500, "InternalError")).await),
                Some(Trouble::Unanswered) => {
                    let never = Duration::from_secs(3600);
                    Ok(over_the_network(there, never, move || server.answer(&method, &body)).await)
                }
                None => Ok(over_the_network(there, back, move || server.answer(&method, &body)).await),
            }
        })
    }
}
