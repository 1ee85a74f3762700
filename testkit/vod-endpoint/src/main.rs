//! The local endpoint as a program: prints its addresses as one line of JSON and stays until it is stopped.
//!
//! `vod-endpoint [--listen ADDRESS] [--control ADDRESS] [REGION…]`: without addresses on free ports that only this
//! machine reaches. With `--listen`, as in `deploy/demo`, the path tells the region: `http://HOST:PORT/cn-shanghai`.

use std::net::SocketAddr;
use std::process::ExitCode;

use vod_endpoint::Endpoint;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(why) => {
            eprintln!("vod-endpoint: {why}");
            return ExitCode::from(2);
        }
    };
    let regions: Vec<&str> = arguments.regions.iter().map(String::as_str).collect();
    let started = Endpoint::start_at(&regions, arguments.listen, arguments.control).await;
    let endpoint = match started {
        Ok(endpoint) => endpoint,
        Err(error) => {
            eprintln!("vod-endpoint: no port could be had: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("{}", serde_json::to_string(endpoint.addresses()).unwrap_or_default());
    tokio::select! {
        () = std::future::pending() => {}
        () = asked_to_stop() => {}
    }
    ExitCode::SUCCESS
}

/// The first process of a container ends by no signal that it does not handle.
async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            terminate.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

struct Arguments {
    listen: SocketAddr,
    control: SocketAddr,
    regions: Vec<String>,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let (mut listen, mut control, mut regions) = (loopback, loopback, Vec::new());
        while let Some(word) = words.next() {
            let mut address = || {
                let value = words.next().unwrap_or_default();
                let wrong = |_| format!("{word} {value}: use an address and a port, such as 0.0.0.0:8080");
                value.parse::<SocketAddr>().map_err(wrong)
            };
            match word.as_str() {
                "--listen" => listen = address()?,
                "--control" => control = address()?,
                flag if flag.starts_with('-') => {
                    return Err(format!(
                        "unknown flag {flag}; usage: vod-endpoint [--listen ADDRESS] [--control ADDRESS] [REGION…]"
                    ));
                }
                _ => regions.push(word),
            }
        }
        if regions.is_empty() {
            regions.push("cn-shanghai".into());
        }
        Ok(Self {
            listen,
            control,
            regions,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Arguments, String> {
        Arguments::parse(words.iter().map(|word| (*word).to_owned()))
    }

    #[test]
    fn without_words_it_is_one_region_on_ports_of_this_machine_alone() {
        let parsed = parse(&[]).unwrap();
        assert!(parsed.listen.ip().is_loopback() && parsed.control.ip().is_loopback());
        assert_eq!(parsed.regions, ["cn-shanghai"]);
    }

    #[test]
    fn addresses_and_regions_are_told_apart_and_a_mistake_is_named() {
        let parsed = parse(&[
            "--listen",
            "0.0.0.0:8080",
            "ap-southeast-1",
            "--control",
            "0.0.0.0:8081",
        ])
        .unwrap();
        assert_eq!((parsed.listen.port(), parsed.control.port()), (8080, 8081));
        assert_eq!(parsed.regions, ["ap-southeast-1"]);
        assert!(parse(&["--listen", "8080"]).is_err_and(|why| why.starts_with("--listen 8080")));
        assert!(parse(&["--listen"]).is_err());
        assert!(parse(&["--port", "1"]).is_err_and(|why| why.contains("--port")));
    }
}
