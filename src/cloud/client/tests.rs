//! Against a raw TCP server, for what a well-behaved endpoint cannot show.

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::super::ErrorClass;
use super::*;

#[derive(Default)]
struct Seen(Mutex<Vec<String>>);

impl CallObserver for Seen {
    fn observed(&self, _: &'static str, code: &str, _: Duration) {
        self.0.lock().push(code.to_owned());
    }
}

fn credentials() -> Credentials {
    Credentials::of_key("ExampleId", "ExampleSecret", Some("ExampleToken"))
}

/// Answers each connection with the next of `answers`, then closes it; `None` never answers.
async fn server(answers: Vec<Option<Vec<u8>>>) -> EndpointUrl {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = EndpointUrl::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = vec![0; 8192];
            let _ = stream.read(&mut buffer).await;
            match answer {
                Some(bytes) => {
                    let _ = stream.write_all(&bytes).await;
                }
                None => {
                    tokio::spawn(async move {
                        tokio::time::sleep(Duration::from_secs(60)).await;
                        drop(stream);
                    });
                }
            }
        }
    });
    url
}

fn http(status: &str, headers: &str, body: &str) -> Option<Vec<u8>> {
    let length = body.len();
    Some(
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
            .into_bytes(),
    )
}

const API: Action = Action {
    version: "1",
    action: "SetMessageCallback",
};

async fn call(answers: Vec<Option<Vec<u8>>>, style: SignatureStyle) -> (Result<Response, CallError>, Vec<String>) {
    let parameters = [("AuthKey", Zeroizing::new("Sesame123".to_owned()))];
    made(answers, style, async |client, url| {
        client.call(&url, API, &parameters, &credentials()).await
    })
    .await
}

/// What comes of a call, and the codes that the observer was told.
async fn made(
    answers: Vec<Option<Vec<u8>>>,
    style: SignatureStyle,
    make: impl AsyncFnOnce(CloudClient, EndpointUrl) -> Result<Response, CallError>,
) -> (Result<Response, CallError>, Vec<String>) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = server(answers).await;
    let seen = Arc::new(Seen::default());
    let options = ClientOptions {
        signature: style,
        connect_timeout: Duration::from_secs(2),
        call_timeout: Duration::from_secs(3),
    };
    let client = CloudClient::new(&options, Arc::clone(&seen) as Arc<dyn CallObserver>).unwrap();
    let result = make(client, url).await;
    let codes = seen.0.lock().clone();
    (result, codes)
}

#[tokio::test]
async fn every_way_to_answer_badly_is_an_error_with_a_word_for_it() {
    let big = format!("{{\"x\":\"{}\"}}", "y".repeat(2 << 20));
    let half = Some(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"Req".to_vec());
    let table = vec![
        ("no answer", None, "Timeout", ErrorClass::Transient, true),
        ("half an answer", half, "Broken", ErrorClass::Transient, true),
        (
            "not HTTP",
            Some(b"hello".to_vec()),
            "Broken",
            ErrorClass::Transient,
            true,
        ),
        (
            "not JSON",
            http("200 OK", "", "<html>"),
            "Garbage",
            ErrorClass::Transient,
            true,
        ),
        (
            "nothing",
            http("200 OK", "", ""),
            "Garbage",
            ErrorClass::Transient,
            true,
        ),
        (
            "a gateway",
            http("502 Bad Gateway", "", "<html>"),
            "ServerError",
            ErrorClass::Transient,
            true,
        ),
        (
            "too much",
            http("200 OK", "", &big),
            "TooLarge",
            ErrorClass::Transient,
            true,
        ),
        (
            "elsewhere",
            http("302 Found", "location: http://127.0.0.1:1/\r\n", ""),
            "Redirect",
            ErrorClass::Transient,
            true,
        ),
        (
            "an error in a 200",
            http("200 OK", "", r#"{"Code":"InternalError"}"#),
            "InternalError",
            ErrorClass::Transient,
            false,
        ),
        (
            "throttled behind another code",
            http(
                "400 Bad Request",
                "x-acs-retry-after: 1500\r\n",
                r#"{"Code":"Strange"}"#,
            ),
            "Strange",
            ErrorClass::Throttling,
            false,
        ),
        (
            "how the quota stands, beside another error",
            http(
                "400 Bad Request",
                "x-ratelimit-user: Limit:100,Remain:99,TimeLeft:800,Reset:1\r\n",
                r#"{"Code":"InvalidParameter"}"#,
            ),
            "InvalidParameter",
            ErrorClass::Spec,
            false,
        ),
    ];
    for (case, answer, code, class, lost) in table {
        let (result, codes) = call(vec![answer], SignatureStyle::Acs3).await;
        let error = result.err().unwrap_or_else(|| panic!("{case} must be an error"));
        assert_eq!(
            (error.code.as_str(), error.class, error.lost_answer),
            (code, class, lost),
            "{case}: {error}"
        );
        assert_eq!(codes, [code], "{case}");
    }
}

#[tokio::test]
async fn a_clock_that_is_off_is_mended_once() {
    let refused = || {
        http(
            "400 Bad Request",
            "date: Wed, 01 Jan 2020 00:00:00 GMT\r\n",
            r#"{"Code":"InvalidTimeStamp.Expired"}"#,
        )
    };
    let good = http("200 OK", "", r#"{"RequestId":"1"}"#);
    let (result, codes) = call(vec![refused(), good.clone()], SignatureStyle::Acs3).await;
    assert_eq!(result.unwrap().request_id.as_deref(), Some("1"));
    assert_eq!(codes, ["InvalidTimeStamp.Expired", "OK"]);
    let (result, codes) = call(vec![refused(), refused(), refused()], SignatureStyle::HmacSha1).await;
    assert_eq!(result.unwrap_err().class, ErrorClass::Credentials);
    assert_eq!(codes.len(), 2, "once, not for ever");
    let unsigned = async |client: CloudClient, url| client.call_unsigned(&url, API, &[]).await;
    for (last, ends_well) in [(good.clone(), true), (refused(), false)] {
        let (result, codes) = made(vec![refused(), last, refused()], SignatureStyle::Acs3, unsigned).await;
        assert_eq!((result.is_ok(), codes.len()), (ends_well, 2), "{codes:?}");
    }
}

#[tokio::test]
async fn a_call_that_is_waited_for_less_long_is_counted_all_the_same() {
    let hurried = async |client: CloudClient, url| {
        let client = client.patient_for(Duration::from_millis(50));
        client.call(&url, API, &[], &credentials()).await
    };
    let began = Instant::now();
    let (result, codes) = made(vec![None], SignatureStyle::Acs3, hurried).await;
    assert!(began.elapsed() < Duration::from_secs(2), "less than others");
    assert_eq!(
        (result.unwrap_err().code.as_str(), codes),
        ("Timeout", vec!["Timeout".to_owned()])
    );
}

#[tokio::test]
async fn nothing_that_the_service_echoes_shows_a_secret() {
    let echo = "Sesame123 ExampleSecret ExampleToken ExampleId";
    for style in [SignatureStyle::Acs3, SignatureStyle::HmacSha1] {
        for code in [
            "InvalidParameter",
            "SignatureDoesNotMatch",
            "Throttling",
            "InternalError",
        ] {
            let body = format!(
                r#"{{"Code":"{code}","Message":"you sent {echo} server StringToSign is [{echo}]","RequestId":"{echo}"}}"#
            );
            let (result, _) = call(vec![http("400 Bad Request", "", &body)], style).await;
            let shown = format!("{:?} {}", result.as_ref().unwrap_err(), result.as_ref().unwrap_err());
            for secret in echo.split(' ') {
                assert!(!shown.contains(secret), "{secret} in {shown}");
            }
        }
    }
}

#[tokio::test]
async fn nobody_there_is_not_a_lost_answer() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = EndpointUrl::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let client = CloudClient::new(&ClientOptions::default(), Arc::new(Seen::default())).unwrap();
    let error = client.call(&url, API, &[], &credentials()).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.lost_answer), ("Connect", false));
}
