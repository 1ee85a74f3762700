use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

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

    let (health, stop) = (Health::new(Duration::from_secs(300)), CancellationToken::new());
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
    health.task_died("reconciles");
    let unwell = ask(address, &request("/healthz")).await;
    assert!(
        unwell.starts_with("HTTP/1.1 503") && unwell.contains("the task that reconciles ended by itself"),
        "{unwell}"
    );

    stop.cancel();
    server.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
    assert_eq!(slow.read(&mut [0; 16]).await.unwrap(), 0, "closed with the rest");
}

async fn served() -> (SocketAddr, CancellationToken) {
    let listener = bind(SocketAddr::from(([0, 0, 0, 0], 0))).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let health = Health::new(Duration::from_secs(300));
    health.set_standby();
    let stop = CancellationToken::new();
    tokio::spawn(serve(listener, Arc::new(Metrics::new()), health, stop.clone()));
    (SocketAddr::from(([127, 0, 0, 1], port)), stop)
}

/// A connection from another address of this machine.
async fn from(host: u8, to: SocketAddr) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, host], 0))).unwrap();
    socket.connect(to).await.unwrap()
}

#[tokio::test]
async fn hostile_connections_in_any_number_do_not_keep_a_probe_out() {
    let (address, stop) = served().await;
    let mut hostile = Vec::new();
    for number in 0..4 * MOST_CONNECTIONS {
        // Many from one peer, some from others; some say nothing, some begin a request.
        let mut stream = from(if number % 3 == 0 { 3 } else { 2 }, address).await;
        if number % 2 == 0 {
            stream.write_all(b"GET /metrics HTTP/1.1\r\nx: ").await.unwrap();
        }
        hostile.push(stream);
        if number % 64 == 0 {
            let mut probe = from(9, address).await;
            probe.write_all(request("/healthz").as_bytes()).await.unwrap();
            let mut answer = String::new();
            probe.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{number}: {answer}");
            // Also from where the others come from.
            assert!(ask(address, &request("/readyz")).await.starts_with("HTTP/1.1 200"));
        }
    }
    let mut first = hostile.remove(0);
    assert_eq!(first.read(&mut [0; 16]).await.unwrap_or(0), 0, "the oldest gave way");
    stop.cancel();
}

#[tokio::test]
async fn a_head_without_end_is_refused_before_it_costs_much() {
    let (address, stop) = served().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
    let line = format!("x: {}\r\n", "y".repeat(1000));
    let mut sent = 0;
    // The other side stops reading and closes.
    while sent < 64 * MOST_BUFFERED && stream.write_all(line.as_bytes()).await.is_ok() {
        sent += line.len();
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert!(sent < 64 * MOST_BUFFERED, "{sent} bytes were taken");
    stop.cancel();
}

#[tokio::test]
async fn pages_that_nobody_reads_are_bounded_in_number() {
    let metrics = Arc::new(Metrics::new());
    let scrapes = Scrapes {
        metrics,
        pages: Arc::new(Semaphore::new(1)),
    };
    let ask = async || scrape(State(scrapes.clone()), HeaderMap::new()).await;
    let unread = ask().await;
    assert_eq!(ask().await.status(), StatusCode::SERVICE_UNAVAILABLE);
    let page = axum::body::to_bytes(unread.into_body(), usize::MAX).await.unwrap();
    assert!(page.starts_with(b"# HELP"));
    assert_eq!(ask().await.status(), StatusCode::OK, "once it is read");
}

#[tokio::test(start_paused = true)]
async fn connections_that_idle_or_read_slowly_end() {
    let (address, stop) = served().await;
    let mut idle = TcpStream::connect(address).await.unwrap();
    assert_eq!(idle.read(&mut [0; 16]).await.unwrap(), 0);
    // One that goes on and on.
    let mut busy = TcpStream::connect(address).await.unwrap();
    let mut answers = 0;
    let keep_alive = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    while busy.write_all(keep_alive.as_bytes()).await.is_ok() && busy.read(&mut [0; 512]).await.is_ok_and(|n| n > 0) {
        answers += 1;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(answers < 1000, "it never ends");
    }
    assert!(answers > 5, "{answers}");
    stop.cancel();
}

#[tokio::test]
async fn any_ipv6_address_stands_for_ipv4_too() {
    if !std::fs::read_to_string("/proc/net/if_inet6").is_ok_and(|addresses| !addresses.is_empty()) {
        return;
    }
    let listener = bind("[::]:0".parse().unwrap()).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let stop = CancellationToken::new();
    let health = Health::new(Duration::from_secs(300));
    tokio::spawn(serve(listener, Arc::new(Metrics::new()), health, stop.clone()));
    for host in ["127.0.0.1", "[::1]"] {
        let address = format!("{host}:{port}").parse().unwrap();
        assert!(
            ask(address, &request("/healthz")).await.starts_with("HTTP/1.1 200"),
            "{host}"
        );
    }
    stop.cancel();
}
