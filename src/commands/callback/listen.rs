use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::files;
use super::received::Received;
use super::receiver::{Receiver, STOP_PATIENCE, serve};
use crate::callback::Verifier;
use crate::cli::{ListenArgs, OutputFormat};
use crate::commands::{Exit, Failure, Outcome, Output, warn};

/// What waits to be printed; more is only answered.
const WAITING: usize = 1024;

/// Receives callbacks until it is stopped, or nobody reads what it prints.
///
/// # Errors
/// When a flag or file cannot be used, or the address cannot be had.
pub(super) async fn run(args: &ListenArgs) -> Outcome {
    let (address, url, window) = (args.address()?, args.callback_url()?, args.window()?);
    let keys = args.auth_key_files.iter().map(|path| files::auth_key(path));
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    let tls = tls(args)?;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| Failure::unknown(format!("cannot listen on --listen {address}: {}", in_words(&error))))?;
    let bound = listener.local_addr().unwrap_or(address);
    let scheme = if tls.is_some() { "https" } else { "http" };
    let verified = match keys.len() {
        0 => "nothing is verified without --auth-key-file".to_owned(),
        1 => "1 AuthKey".to_owned(),
        n => format!("{n} AuthKeys"),
    };
    // Its handlers are in place before anybody is told that it listens.
    let mut stopped = Stop::new()?;
    warn(format!(
        "listening on {scheme}://{bound} for {url} ({verified}); Ctrl-C ends it"
    ));
    let (told, events) = mpsc::channel(WAITING);
    let printed = print(events, args.output.output);
    let receiver = Arc::new(Receiver {
        verifier: (!keys.is_empty()).then_some(Verifier { url, keys, window }),
        key_files: args
            .auth_key_files
            .iter()
            .map(|path| path.display().to_string())
            .collect(),
        told,
        unprinted: AtomicUsize::new(0),
    });
    let stop = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, tls, Arc::clone(&receiver), stop.clone()));
    tokio::pin!(printed);
    let ended = tokio::select! {
        () = stopped.asked() => None,
        ended = &mut printed => Some(ended),
    };
    stop.cancel();
    let _ = serving.await;
    let unprinted = receiver.unprinted.load(Ordering::Relaxed);
    // With it the channel ends, and so does the printer.
    drop(receiver);
    let ended = match ended {
        Some(ended) => ended,
        // A reader that does not read must not keep the process alive.
        None => tokio::time::timeout(STOP_PATIENCE, printed).await.unwrap_or(Ok(Ok(()))),
    };
    if unprinted > 0 {
        warn(format!(
            "{unprinted} requests were answered but not printed: the output was not read in time"
        ));
    }
    ended.unwrap_or(Ok(())).map(|()| Exit::Done)
}

/// Prints in a thread of its own, which may wait for a reader as long as it likes. Tells when nobody reads any more, or
/// when there is nothing left to print.
fn print(mut events: mpsc::Receiver<Received>, format: OutputFormat) -> oneshot::Receiver<Result<(), Failure>> {
    let (ended, told) = oneshot::channel();
    std::thread::spawn(move || {
        let mut output = Output::stdout();
        let mut result = Ok(());
        while let Some(event) = events.blocking_recv() {
            result = output.event(format, &event.to_line(), &event);
            if result.is_err() || output.is_closed() {
                break;
            }
        }
        let _ = ended.send(result);
    });
    told
}

fn tls(args: &ListenArgs) -> Result<Option<TlsAcceptor>, Failure> {
    let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) else {
        return Ok(None);
    };
    let (chain, key) = (files::certificates(certificate)?, files::private_key(key)?);
    let mut config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| Failure::usage(format!("--tls-cert and --tls-key do not fit together: {error}")))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

fn in_words(error: &std::io::Error) -> String {
    let words = error.to_string();
    words.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// Ctrl-C, or what a supervisor sends.
struct Stop {
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 2],
    asked: bool,
}

impl Stop {
    fn new() -> Result<Self, Failure> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let handler = |kind| signal(kind).map_err(|error| Failure::unknown(format!("cannot be stopped: {error}")));
            Ok(Self {
                signals: [handler(SignalKind::interrupt())?, handler(SignalKind::terminate())?],
                asked: false,
            })
        }
        #[cfg(not(unix))]
        Ok(Self { asked: false })
    }

    /// Once: what comes later changes nothing.
    async fn asked(&mut self) {
        if self.asked {
            return std::future::pending().await;
        }
        #[cfg(unix)]
        {
            let [interrupt, terminate] = &mut self.signals;
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
        self.asked = true;
    }
}
