//! The listeners: one for each region, one for the metadata service, one to steer by.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Method, Response, Uri};
use parking_lot::{Mutex, MutexGuard};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::answer::{Answer, request_id};
use crate::delivery::{self, Delivery, Destination};
use crate::faults::{Fault, How};
use crate::request::Raw;
use crate::world::World;
use crate::{control, metadata, sts};

/// Shared by all listeners.
pub(crate) type Shared = Arc<Mutex<World>>;

/// Where a call is when an [`Observer`] is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It has arrived, and nothing was done about it.
    Arrived,
    /// It was carried out, and not answered yet.
    CarriedOut,
}

/// Is asked about each call, by its operation, at each moment; `false`: there will be no answer, and at
/// [`Moment::Arrived`] nothing is done either.
pub type Observer = Arc<dyn Fn(&str, Moment) -> bool + Send + Sync>;

/// Where everything listens.
#[derive(Clone, Debug, Serialize)]
pub struct Addresses {
    /// By region.
    pub vod: BTreeMap<String, String>,
    /// For `--metadata-endpoint`.
    pub metadata: String,
    /// For steering.
    pub control: String,
}

/// A running endpoint; it stops when dropped.
pub struct Endpoint {
    world: Shared,
    addresses: Addresses,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Endpoint {
    /// Starts one for `cn-shanghai` on free loopback ports.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> std::io::Result<Self> {
        Self::start_for(&["cn-shanghai"]).await
    }

    /// Starts one with an address for each region; the first also answers for regions named in the `Host` header.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start_for(regions: &[&str]) -> std::io::Result<Self> {
        Self::start_at(regions, ANY, ANY).await
    }

    /// Starts one that other machines reach: VOD at `vod`, where the path tells the region, and the steering at
    /// `control`.
    ///
    /// # Errors
    /// When a port cannot be had.
    pub async fn start_at(regions: &[&str], vod_at: SocketAddr, control_at: SocketAddr) -> std::io::Result<Self> {
        let world = Shared::default();
        let mut tasks = Vec::new();
        let mut vod = BTreeMap::new();
        let mut at = vod_at;
        for region in regions {
            let (url, task) = listen(at, service(Arc::clone(&world), (*region).to_owned())).await?;
            vod.insert((*region).to_owned(), url);
            tasks.push(task);
            // Only the first has a place of its own.
            at = ANY;
        }
        let (metadata, task) = listen(ANY, metadata_service(Arc::clone(&world))).await?;
        tasks.push(task);
        let (control, task) = listen(control_at, control::service(Arc::clone(&world))).await?;
        tasks.push(task);
        Ok(Self {
            world,
            addresses: Addresses { vod, metadata, control },
            tasks,
        })
    }

    /// Its state, to look at and to change.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock()
    }

    /// The address of the first region; STS answers there too.
    pub fn url(&self) -> String {
        self.addresses.vod.values().next().cloned().unwrap_or_default()
    }

    /// Has the service deliver an event of `event_type` by the setting in force, as it does after real work.
    pub async fn deliver(&self, account: &str, region: &str, app: &str, event_type: &str) -> Delivery {
        deliver(&self.world, [account, region, app], event_type, None).await
    }

    /// All addresses.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }
}

/// A free port that only this machine reaches.
const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Delivers `body`, or one that only says what happened.
pub(crate) async fn deliver(
    world: &Shared,
    [account, region, app]: [&str; 3],
    event_type: &str,
    body: Option<String>,
) -> Delivery {
    let lock = || world.lock();
    let now = || lock().now();
    let body = body.unwrap_or_else(|| {
        let time = sts::time(u64::try_from(now()).unwrap_or_default());
        serde_json::json!({ "EventTime": time, "EventType": event_type, "Status": "success", "VideoId": "examplevideo0001" })
            .to_string()
    });
    let destination = delivery::destination(lock().setting(account, region, app), event_type, &body);
    match destination {
        Err(why) => Delivery {
            not_sent: Some(why),
            ..Delivery::default()
        },
        Ok(Destination::Queue(message)) => {
            lock().messages.push(message);
            Delivery {
                delivered: true,
                ..Delivery::default()
            }
        }
        Ok(Destination::Http { url, key }) => delivery::post(&url, key.as_deref(), &body, now).await,
    }
}

async fn listen(at: SocketAddr, service: Router) -> std::io::Result<(String, JoinHandle<()>)> {
    let listener = TcpListener::bind(at).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let service = service.into_make_service_with_connect_info::<SocketAddr>();
    let task = tokio::spawn(async move {
        // It ends when the task is aborted.
        let _ = axum::serve(listener, service).await;
    });
    Ok((url, task))
}

fn service(world: Shared, region: String) -> Router {
    Router::new().fallback(vod).with_state((world, region))
}

fn metadata_service(world: Shared) -> Router {
    Router::new()
        .fallback(async |State(world): State<Shared>, peer, method, uri, headers, body| {
            let raw = raw(peer, &method, &uri, &headers, &body);
            let (status, body) = metadata::handle(&mut world.lock(), &raw);
            respond(status, &[], Body::from(body))
        })
        .with_state(world)
}

fn raw(peer: ConnectInfo<SocketAddr>, method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Raw {
    let text = |v: &axum::http::HeaderValue| v.to_str().unwrap_or_default().to_owned();
    Raw {
        method: method.as_str().to_owned(),
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        headers: headers.iter().map(|(n, v)| (n.as_str().to_owned(), text(v))).collect(),
        body: body.to_vec(),
        peer: peer.0.to_string(),
    }
}

async fn vod(
    State((world, region)): State<(Shared, String)>,
    peer: ConnectInfo<SocketAddr>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let raw = raw(peer, &method, &uri, &headers, &body);
    let region = match raw.header("host").split_once(".localhost") {
        Some((named, _)) => named.to_owned(),
        // A gateway that tells regions by their path.
        None if raw.path.len() > 1 => raw.path.trim_matches('/').to_owned(),
        None => region,
    };
    let id = request_id();
    let (one_way, observer) = {
        let world = world.lock();
        (world.round_trip / 2, world.observer.clone())
    };
    on_the_way(one_way).await;
    let observed = async |moment: Moment| {
        // The world is not locked: who observes may want to look at it.
        let goes_on = observer.as_ref().is_none_or(|observer| observer(&raw.action(), moment));
        if !goes_on {
            std::future::pending::<()>().await;
        }
    };
    observed(Moment::Arrived).await;
    let (judged, date) = {
        let mut world = world.lock();
        let judged = world.handle(&raw, &region, &id);
        (judged, http_date(u64::try_from(world.now()).unwrap_or_default()))
    };
    observed(Moment::CarriedOut).await;
    let Some(fault) = judged.fault else {
        on_the_way(one_way).await;
        return send(judged.answer, &id, &date);
    };
    spoil(&world, &raw, judged.seq, fault, judged.answer, &id, &date).await
}

/// What is sent takes its time; the quota is counted where it arrives.
async fn on_the_way(one_way: Duration) {
    if !one_way.is_zero() {
        tokio::time::sleep(one_way).await;
    }
}

async fn spoil(
    world: &Shared,
    raw: &Raw,
    seq: u64,
    fault: Fault,
    answer: Answer,
    id: &str,
    date: &str,
) -> Response<Body> {
    let outcome = |status: u16, code: &str| {
        world.lock().set_outcome(seq, status, code);
    };
    match fault.failure.0 {
        How::Code {
            status,
            code,
            message,
            headers,
        } => {
            outcome(status, &code);
            let everything = format!("{} {:?} {}", raw.query, raw.headers, String::from_utf8_lossy(&raw.body));
            let decoded = format!("{everything} {:?}", raw.parameters());
            let message = message.replace("{echo}", &decoded);
            let message = if message.is_empty() {
                "A failure was asked for."
            } else {
                &message
            };
            send(
                Answer {
                    headers,
                    ..Answer::error(status, &code, message)
                },
                id,
                date,
            )
        }
        How::Hang => {
            outcome(0, "(hang)");
            std::future::pending().await
        }
        How::Reset => {
            outcome(0, "(reset)");
            let parts = futures::stream::iter([Ok("{\"Req"), Err(std::io::Error::other("reset"))]);
            respond(
                200,
                &[("content-type".into(), "application/json".into())],
                Body::from_stream(parts),
            )
        }
        How::Redirect => {
            outcome(302, "(redirect)");
            respond(302, &[("location".into(), "http://127.0.0.1:9/".into())], Body::empty())
        }
        How::Garbage { status } => {
            outcome(status, "(garbage)");
            respond(
                status,
                &[("content-type".into(), "text/html".into())],
                Body::from("<html>bad gateway</html>"),
            )
        }
        How::Huge => {
            outcome(200, "(huge)");
            let chunk = Bytes::from(vec![b' '; 1 << 16]);
            let parts = futures::stream::iter((0..4096).map(move |_| Ok::<_, std::io::Error>(chunk.clone())));
            respond(200, &[], Body::from_stream(parts))
        }
        How::Slow => {
            outcome(200, "(slow)");
            let parts = futures::stream::unfold(0, |n| async move {
                tokio::time::sleep(Duration::from_millis(500)).await;
                (n < 240).then_some((Ok::<_, std::io::Error>(" "), n + 1))
            });
            respond(200, &[], Body::from_stream(parts))
        }
        How::Empty => {
            outcome(200, "(empty)");
            respond(200, &[], Body::empty())
        }
        How::Delay { ms } => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            send(answer, id, date)
        }
    }
}

fn send(answer: Answer, id: &str, date: &str) -> Response<Body> {
    let answer = answer.with_request_id(id);
    let mut headers = answer.headers;
    headers.push(("content-type".into(), "application/json;charset=utf-8".into()));
    headers.push(("date".into(), date.into()));
    respond(answer.status, &headers, Body::from(answer.body.to_string()))
}

fn respond(status: u16, headers: &[(String, String)], body: Body) -> Response<Body> {
    let mut builder = Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(name, value);
    }
    builder.body(body).unwrap_or_default()
}

/// As the `Date` header has it.
fn http_date(seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let days = seconds / 86_400;
    let (year, month, day) = sts::civil(days);
    let pick = |from: &[&'static str], n: u64| from.get(usize::try_from(n).unwrap_or(0)).copied().unwrap_or_default();
    let s = seconds % 86_400;
    let (weekday, month) = (pick(&DAYS, days % 7), pick(&MONTHS, month.saturating_sub(1)));
    format!(
        "{weekday}, {day:02} {month} {year} {:02}:{:02}:{:02} GMT",
        s / 3600,
        s / 60 % 60,
        s % 60
    )
}
