//! `callback listen` and `callback send`, against each other and against what the internet sends.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, ChildStderr, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};
use vod_operator::callback::{SAMPLES, signature};

use crate::cli::{Dir, Done, command, run, run_with};

const URL: &str = "https://hooks.example.com/vod";
/// Longer than anything here takes; who waits for it in vain fails.
const LONG: Duration = Duration::from_secs(60);

/// A `callback listen` that runs until it is dropped.
struct Listener {
    process: Child,
    /// `http://127.0.0.1:12345`
    address: String,
    lines: mpsc::Receiver<String>,
}

impl Listener {
    fn start(args: &[&str]) -> Self {
        let mut process = command(&[&["callback", "listen", "--listen", "127.0.0.1:0", "--url", URL], args].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = String::new();
        BufReader::new(process.stderr.take().unwrap())
            .read_line(&mut told)
            .unwrap();
        let address = told.split(' ').nth(2).unwrap_or_else(|| panic!("{told}")).to_owned();
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            process,
            address,
            lines,
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address.split("//").nth(1).unwrap()).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream
    }

    /// Sends `request` as it is; the whole answer, until the other side closes.
    fn raw(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        // It may be cut off before all is written.
        let _ = stream.write_all(request);
        answer(stream)
    }

    /// Posts `body` with the headers.
    fn post(&self, headers: &[(&str, &str)], body: &str) -> String {
        let headers: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let length = body.len();
        self.raw(
            format!(
                "POST /vod HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
            )
            .as_bytes(),
        )
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(LONG).unwrap()
    }

    fn event(&self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }

    fn send(&self, args: &[&str]) -> Done {
        run(&[&["callback", "send", "--url", URL, "--to", &self.address], args].concat())
    }

    fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        assert!(
            std::process::Command::new("kill")
                .args([name, &id])
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn answer(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn key_file(dir: &Dir, name: &str, key: &str) -> String {
    let path = dir.write(name, key);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn now() -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

#[test]
fn a_signed_sample_of_each_event_is_received_and_verified() {
    let dir = Dir::new();
    let key = key_file(&dir, "key.txt", "ExampleKey1\n");
    let listener = Listener::start(&["--auth-key-file", &key, "-o", "json"]);
    for sample in SAMPLES {
        let sent = listener.send(&["--event", sample.event_type, "--auth-key-file", &key, "-o", "json"]);
        assert_eq!((sent.code, sent.stderr.as_str()), (0, ""), "{sent:?}");
        let told: Value = serde_json::from_str(&sent.stdout).unwrap();
        assert_eq!((&told["status"], &told["verdict"]), (&json!(200), &json!("delivered")));
        let event = listener.event();
        assert_eq!(
            (&event["status"], &event["eventType"]),
            (&json!(200), &json!(sample.event_type))
        );
        assert_eq!(
            (&event["authKeyFile"], &event["body"]["EventType"]),
            (&json!(key), &json!(sample.event_type))
        );
    }
}

/// First both keys are believed, then only the new one.
#[test]
fn a_key_can_be_rotated_without_losing_an_event() {
    let dir = Dir::new();
    let (old, new) = (
        key_file(&dir, "old.txt", "OldKey1"),
        key_file(&dir, "new.txt", "NewKey2"),
    );
    let event = ["--event", "TranscodeComplete", "--auth-key-file"];
    let both = Listener::start(&["--auth-key-file", &old, "--auth-key-file", &new]);
    for key in [&old, &new] {
        assert_eq!(both.send(&[&event[..], &[key]].concat()).code, 0);
        let line = both.line();
        assert!(
            line.contains(&format!("verified with {key}")) && line.contains(" 200 TranscodeComplete from "),
            "{line}"
        );
    }
    let only_new = Listener::start(&["--auth-key-file", &new]);
    let refused = only_new.send(&[&event[..], &[&old]].concat());
    assert_eq!(refused.code, 1);
    assert!(
        refused.stdout.contains("403 in ") && refused.stdout.contains("the receiver says: X-VOD-SIGNATURE fits none")
    );
    assert!(only_new.line().contains(" 403 TranscodeComplete from "));
    for shown in ["OldKey1", "NewKey2"] {
        assert!(!refused.stdout.contains(shown), "{refused:?}");
    }
}

#[test]
fn what_is_not_believed_is_refused_with_why() {
    let dir = Dir::new();
    let key = key_file(&dir, "key.txt", "ExampleKey1");
    let listener = Listener::start(&["--auth-key-file", &key, "--clock-window", "1m", "-o", "json"]);
    let body = r#"{"EventType":"TranscodeComplete"}"#;
    let time = now().to_string();
    let old = (now() - 120).to_string();
    let good = signature(URL, &time, "ExampleKey1");
    let old_signature = signature(URL, &old, "ExampleKey1");
    let other_url = signature("https://hooks.example.com/other", &time, "ExampleKey1");
    let (stamp, sign) = ("X-VOD-TIMESTAMP", "X-VOD-SIGNATURE");
    for (headers, status, why) in [
        (vec![(stamp, time.as_str()), (sign, &good)], 200, ""),
        (vec![], 403, "X-VOD-TIMESTAMP is missing"),
        (vec![(stamp, &time)], 403, "X-VOD-SIGNATURE is missing"),
        (vec![(stamp, "soon"), (sign, &good)], 403, "is not a time"),
        (
            vec![(stamp, &old), (sign, &old_signature)],
            403,
            "s in the past, more than 60 s are not believed",
        ),
        (
            vec![(stamp, &time), (sign, &other_url)],
            403,
            "another URL than this side verifies",
        ),
    ] {
        let answer = listener.post(&headers, body);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(why),
            "{why}: {answer}"
        );
        let event = listener.event();
        assert_eq!(
            (&event["status"], &event["body"]["EventType"]),
            (&json!(status), &json!("TranscodeComplete"))
        );
        assert!(event["refused"].as_str().unwrap_or_default().contains(why), "{event}");
        assert!(
            !event.to_string().contains("ExampleKey1") && !event.to_string().contains(&good),
            "{event}"
        );
    }
    let get = listener.raw(b"GET /vod HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(
        get.starts_with("HTTP/1.1 403 ") && get.contains("a callback is a POST, not a GET"),
        "{get}"
    );
    assert_eq!(listener.event()["status"], 403);
    // A header that is there is not called missing, whatever is in it.
    let head = "POST /vod HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n";
    let odd = [
        format!("{head}X-VOD-TIMESTAMP: {}\r\nX-VOD-SIGNATURE: ", now()).as_bytes(),
        b"\xff\r\n\r\n{}",
    ]
    .concat();
    let odd = listener.raw(&odd);
    assert!(odd.starts_with("HTTP/1.1 403 ") && !odd.contains("is missing"), "{odd}");
}

#[test]
fn without_a_key_everything_is_taken_and_nothing_is_called_verified() {
    let listener = Listener::start(&[]);
    let answer = listener.post(&[], "not json \u{1b}[31m\n");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let line = listener.line();
    assert!(
        line.contains("not verified: no --auth-key-file: not json \\u{1b}[31m\\n"),
        "{line}"
    );
    let sent = listener.send(&["--event", "SnapshotComplete"]);
    assert!(
        sent.code == 0 && sent.stdout.starts_with("SnapshotComplete (not signed) to "),
        "{sent:?}"
    );
}

#[test]
fn bodies_and_heads_are_bounded_and_slow_peers_are_cut_off() {
    let listener = Listener::start(&["-o", "json"]);
    let large = listener.post(&[], &"x".repeat(300 << 10));
    assert!(
        large.starts_with("HTTP/1.1 403 ") && large.contains("larger than 256 KiB"),
        "{large}"
    );
    assert_eq!(listener.event()["status"], 403);
    let head = listener.post(&[("x-long", &"x".repeat(64 << 10))], "");
    assert!(head.is_empty() || head.starts_with("HTTP/1.1 431 "), "{head}");
    // Silent; half a head; half a body.
    let peers = [
        &b""[..],
        b"POST /vod HTTP/1.1\r\nhost: x\r\n",
        b"POST /vod HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{",
    ]
    .map(|start| {
        let mut stream = listener.connect();
        stream.write_all(start).unwrap();
        stream
    });
    let answers = peers.map(answer);
    assert!(answers[2].starts_with("HTTP/1.1 403 "), "{answers:?}");
    assert_eq!(listener.event()["status"], 403);
    // Whoever speaks properly is heard meanwhile and afterwards.
    assert!(listener.post(&[], "{}").starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_stop_is_orderly_and_finishes_what_is_in_flight() {
    for name in ["-TERM", "-INT"] {
        let mut listener = Listener::start(&[]);
        let silent = listener.connect();
        let mut in_flight = listener.connect();
        let head = "POST /vod HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n";
        in_flight.write_all(head.as_bytes()).unwrap();
        // The listener asks for the body: it is at work on this request.
        let mut asked = [0; 25];
        in_flight.read_exact(&mut asked).unwrap();
        assert!(asked.starts_with(b"HTTP/1.1 100 Continue"));
        listener.signal(name);
        // Who has asked nothing is not waited for, and whoever has is.
        assert_eq!(answer(silent), "");
        in_flight.write_all(b"{}").unwrap();
        assert!(answer(in_flight).starts_with("HTTP/1.1 200 "), "{name}");
        assert!(listener.line().contains(" 200 "));
        assert_eq!(listener.process.wait().unwrap().code(), Some(0), "{name}");
    }
}

/// A listener that prints into `writer`, what it says beside that, and the first line of it.
fn listening_into(writer: std::io::PipeWriter) -> (Child, BufReader<ChildStderr>, String) {
    let mut process = command(&["callback", "listen", "--listen", "127.0.0.1:0", "--url", URL])
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(process.stderr.take().unwrap());
    let mut told = String::new();
    stderr.read_line(&mut told).unwrap();
    (process, stderr, told)
}

#[test]
fn a_reader_that_goes_away_ends_the_listener_without_an_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let (mut process, mut stderr, told) = listening_into(writer);
    let address = told.split(' ').nth(2).unwrap();
    run(&[
        "callback",
        "send",
        "--url",
        URL,
        "--to",
        address,
        "--event",
        "SnapshotComplete",
    ]);
    assert_eq!(process.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}

/// A reader that pauses, such as a pager: senders are answered all the same, and a stop is a stop.
#[test]
fn a_reader_that_does_not_read_holds_nobody_up() {
    let (reader, writer) = std::io::pipe().unwrap();
    let (mut process, mut stderr, told) = listening_into(writer);
    let address = told.split("http://").nth(1).unwrap().split(' ').next().unwrap();
    let body = format!("{{\"EventType\": \"{}\"}}", "x".repeat(4000));
    let request = format!(
        "POST /vod HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    // More than a pipe and all that waits to be printed can hold.
    for n in 0..1200 {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        assert!(answer(stream).starts_with("HTTP/1.1 200 "), "request {n}");
    }
    let id = process.id().to_string();
    let stopped = std::process::Command::new("kill").args(["-TERM", &id]).status();
    assert!(stopped.unwrap().success());
    assert_eq!(process.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("requests were answered but not printed"), "{rest}");
    drop(reader);
}

/// A certificate for 127.0.0.1 of a private CA: the CA's, the server's and its key, as files.
fn certificates(dir: &Dir) -> [String; 3] {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    ca.distinguished_name.push(rcgen::DnType::CommonName, "private CA");
    let ca_certificate = ca.self_signed(&ca_key).unwrap();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let server = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let server = server.signed_by(&key, &issuer).unwrap();
    [
        dir.write("ca.crt", &ca_certificate.pem()),
        dir.write("tls.crt", &server.pem()),
        key_file(dir, "tls.key", &key.serialize_pem()),
    ]
}

#[test]
fn tls_is_spoken_and_a_private_ca_can_be_trusted() {
    let dir = Dir::new();
    let [ca, certificate, key] = certificates(&dir);
    let listener = Listener::start(&["--tls-cert", &certificate, "--tls-key", &key]);
    assert!(listener.address.starts_with("https://"));
    let event = ["--event", "TranscodeComplete"];
    let trusted = listener.send(&[&event[..], &["--ca-file", &ca]].concat());
    assert_eq!(trusted.code, 0, "{trusted:?}");
    assert!(listener.line().contains(" 200 TranscodeComplete "));
    listener.send(&event).is_refused(3, "no answer from https://127.0.0.1");
    let own = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = dir.write("own.crt", &authority.self_signed(&own).unwrap().pem());
    let own = key_file(&dir, "own.key", &own.serialize_pem());
    Listener::start(&["--tls-cert", &authority, "--tls-key", &own])
        .send(&[&event[..], &["--ca-file", &authority]].concat())
        .is_refused(3, "make it with the extension basicConstraints=CA:FALSE");
    // Who does not speak TLS is nobody's business.
    assert!(!listener.raw(b"POST / HTTP/1.1\r\n\r\n").contains("200"));
    let empty = dir.write("empty.pem", "");
    run(&[
        "callback",
        "send",
        "--url",
        URL,
        "--event",
        "SnapshotComplete",
        "--ca-file",
        &empty,
    ])
    .is_refused(2, &format!("there is no PEM certificate in {empty}"));
    let listen = ["callback", "listen", "--listen", "127.0.0.1:0", "--url", URL];
    run(&[&listen[..], &["--tls-cert", &empty, "--tls-key", &key]].concat()).is_refused(2, "no PEM certificate in");
    run(&[
        &listen[..],
        &[
            "--tls-cert",
            &certificate,
            "--tls-key",
            &key_file(&dir, "none.key", "x"),
        ],
    ]
    .concat())
    .is_refused(2, "there is no PEM private key in");
    let others = key_file(&dir, "other.key", &rcgen::KeyPair::generate().unwrap().serialize_pem());
    run(&[&listen[..], &["--tls-cert", &certificate, "--tls-key", &others]].concat())
        .is_refused(2, "do not fit together");
}

/// Answers one request with `head` and `body`, and tells what it was sent.
fn receiver(head: &'static str, body: &'static str) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/vod", listener.local_addr().unwrap());
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let mut request = String::new();
        let mut buffer = [0; 4096];
        while !request.ends_with('}') {
            let read = stream.read(&mut buffer).unwrap();
            assert!(read > 0, "{request}");
            request.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
        if !head.is_empty() {
            let length = body.len();
            write!(stream, "HTTP/1.1 {head}\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
            let _ = stream.shutdown(Shutdown::Write);
        }
        // Silent: until the other side has had enough.
        let _ = stream.read(&mut buffer);
        request
    });
    (address, served)
}

#[test]
fn send_tells_what_the_service_would_make_of_the_answer() {
    for (head, body, code, words) in [
        ("200 OK", "thanks", 0, "200 in "),
        ("204 No Content", "", 1, "204 in "),
        (
            "302 Found\r\nlocation: https://elsewhere.example.com/",
            "",
            1,
            "follows no redirect (to https://elsewhere",
        ),
        ("500 Oh", "a\u{1b}b", 1, "the receiver says: a\\u{1b}b"),
    ] {
        let (address, served) = receiver(head, body);
        let sent = run(&["callback", "send", "--url", &address, "--event", "DeleteMediaComplete"]);
        assert_eq!(sent.code, code, "{sent:?}");
        assert!(sent.stdout.contains(words), "{words}: {sent:?}");
        let request = served.join().unwrap();
        assert!(
            request.starts_with("POST /vod HTTP/1.1\r\n") && request.contains("\"EventType\":\"DeleteMediaComplete\"")
        );
    }
    let (address, served) = receiver("", "");
    let args = [
        "callback",
        "send",
        "--url",
        &address,
        "--event",
        "DeleteMediaComplete",
        "--timeout",
        "200ms",
    ];
    run(&args).is_refused(3, "nothing came within 200 ms");
    served.join().unwrap();
}

/// As a shell writes it, and as a Pod's Secret is mounted.
#[test]
fn a_key_file_that_others_can_read_works_with_a_warning() {
    let dir = Dir::new();
    let key = key_file(&dir, "key.txt", "ExampleKey1\n");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (address, served) = receiver("200 OK", "thanks, ExampleKey1, or Example%4bey1");
    let args = ["--event", "DeleteMediaComplete", "--auth-key-file", &key];
    let sent = run(&[&["callback", "send", "--url", &address][..], &args].concat());
    assert_eq!(sent.code, 0, "{sent:?}");
    let warning = format!("everybody on this machine can read {key}: chmod 600 {key}");
    assert!(sent.stderr.contains(&warning), "{sent:?}");
    assert!(
        sent.stdout
            .contains("the receiver says: thanks, (redacted), or (redacted)\n"),
        "{sent:?}"
    );
    assert!(served.join().unwrap().to_lowercase().contains("x-vod-signature: "));
}

#[test]
fn send_signs_for_the_url_and_sends_what_it_is_given() {
    let dir = Dir::new();
    let key = key_file(&dir, "key.txt", "ExampleKey1");
    let body = r#"{"EventType":"NewThingComplete"}"#;
    let (address, served) = receiver("200 OK", "");
    let args = [
        "callback",
        "send",
        "--url",
        URL,
        "--to",
        &address,
        "--event",
        "NewThingComplete",
        "--body",
        "-",
        "--auth-key-file",
        &key,
    ];
    let sent = run_with(&args, body);
    assert_eq!(
        (sent.code, sent.stdout.starts_with("NewThingComplete (signed) to ")),
        (0, true),
        "{sent:?}"
    );
    let request = served.join().unwrap();
    let header = |name: &str| {
        let line = request
            .lines()
            .find(|line| line.to_lowercase().starts_with(name))
            .unwrap();
        line.split_once(": ").unwrap().1.to_owned()
    };
    assert_eq!(
        header("x-vod-signature"),
        signature(URL, &header("x-vod-timestamp"), "ExampleKey1")
    );
    assert!(request.ends_with(body), "{request}");
}

/// A proxy of the environment is obeyed, but for this machine's own addresses.
#[test]
fn send_goes_through_the_proxy_of_the_environment() {
    let (proxy, served) = receiver("200 OK", "via the proxy");
    let proxy = proxy.trim_end_matches("/vod").to_owned();
    let args = [
        "callback",
        "send",
        "--url",
        "http://hooks.example.com/vod",
        "--event",
        "SnapshotComplete",
    ];
    let sent: Done = command(&args)
        .env("HTTP_PROXY", &proxy)
        .env("http_proxy", &proxy)
        .output()
        .unwrap()
        .into();
    assert_eq!(sent.code, 0, "{sent:?}");
    assert!(
        served
            .join()
            .unwrap()
            .starts_with("POST http://hooks.example.com/vod HTTP/1.1\r\n")
    );
}

#[test]
fn bad_input_is_one_clear_line_with_the_right_code() {
    let dir = Dir::new();
    let listen =
        |args: &[&str]| run(&[&["callback", "listen", "--listen", "127.0.0.1:0", "--url", URL], args].concat());
    let missing = dir.path("missing.txt");
    listen(&["--auth-key-file", &missing]).is_refused(3, &format!("cannot read {missing}: no such file"));
    let empty = key_file(&dir, "empty.txt", "\n");
    listen(&["--auth-key-file", &empty]).is_refused(2, &format!("the AuthKey file {empty} is empty"));
    let weak = key_file(&dir, "weak.txt", "secretword");
    let refused = listen(&["--auth-key-file", &weak]);
    refused.is_refused(2, "the AuthKey must be 1 to 32 bytes long");
    assert!(!refused.stderr.contains("secretword"));
    listen(&["--clock-window", "soon"]).is_refused(2, "invalid value 'soon' for --clock-window");
    // A certificate without its key.
    assert_eq!(listen(&["--tls-cert", &weak]).code, 2);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().map(|address| (taken, address.to_string())).unwrap();
    run(&["callback", "listen", "--listen", &taken.1, "--url", URL]).is_refused(
        3,
        &format!("cannot listen on --listen {}: address already in use", taken.1),
    );
    run(&["callback", "listen", "--listen", "8080", "--url", URL]).is_refused(2, "--listen: use an address and a port");
    run(&[
        "callback",
        "listen",
        "--listen",
        "127.0.0.1:0",
        "--url",
        "hooks.example.com",
    ])
    .is_refused(2, "for --url");

    let send = |args: &[&str]| run(&[&["callback", "send"], args].concat());
    let refused = send(&["--url", "https://user:secretword@x/", "--event", "SnapshotComplete"]);
    refused.is_refused(2, "for --url: use an absolute");
    assert!(!refused.stderr.contains("secretword"));
    send(&["--url", URL, "--event", "Nope"]).is_refused(2, "use one of FileUploadComplete, ");
    send(&["--url", URL, "--event", "AIComplete"]).is_refused(2, "it subscribes to AIMediaAuditComplete");
    let text = dir.write("body.txt", "no json");
    send(&["--url", URL, "--event", "X", "--body", &text]).is_refused(2, &format!("--body {text} is not JSON"));
    send(&["--url", "http://127.0.0.1:1/", "--event", "SnapshotComplete"])
        .is_refused(3, "no answer from http://127.0.0.1:1/: Connection refused");
}
