use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::config::flag;
use super::{BadValue, OutputArgs, values};

/// The sub-commands of `callback`.
#[derive(Clone, Debug, Subcommand)]
pub enum CallbackCommand {
    /// Receive callbacks, verify and print them
    Listen(ListenArgs),
    /// Send a sample event to your receiver, signed as the service signs
    Send(SendArgs),
}

/// The flags of `callback listen`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = LISTEN_HELP)]
pub struct ListenArgs {
    /// Address and port to listen on, such as 127.0.0.1:8080
    #[arg(long, value_name = "ADDR")]
    pub listen: String,
    /// The callback URL exactly as it is set at the service: the signature covers it
    #[arg(long, value_name = "URL")]
    pub url: String,
    /// File with an AuthKey; repeatable, while a key is being rotated [default: none, nothing is verified]
    #[arg(long = "auth-key-file", value_name = "FILE")]
    pub auth_key_files: Vec<PathBuf>,
    /// Certificate chain in PEM: listen with TLS
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of the certificate in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// How far X-VOD-TIMESTAMP may be from this machine's clock
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    pub clock_window: String,
    #[command(flatten)]
    #[allow(missing_docs, reason = "its own type says it")]
    pub output: OutputArgs,
}

/// The flags of `callback send`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = SEND_HELP)]
pub struct SendArgs {
    /// The callback URL of your receiver, exactly as it is set at the service: the signature covers it
    #[arg(long, value_name = "URL")]
    pub url: String,
    /// Event type of the sample, such as TranscodeComplete
    #[arg(long, value_name = "TYPE")]
    pub event: String,
    /// File with the AuthKey [default: none, the event is not signed]
    #[arg(long, value_name = "FILE")]
    pub auth_key_file: Option<PathBuf>,
    /// File with the JSON to send instead of the sample, or - for stdin
    #[arg(long, value_name = "FILE")]
    pub body: Option<PathBuf>,
    /// Where to send it, if that is not --url itself (a port-forward, a machine behind the gateway)
    #[arg(long, value_name = "URL")]
    pub to: Option<String>,
    /// Certificates in PEM to trust besides those of the system
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// How long the receiver may take; the service waits 5s
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    pub timeout: String,
    #[command(flatten)]
    #[allow(missing_docs, reason = "its own type says it")]
    pub output: OutputArgs,
}

impl ListenArgs {
    /// Where to listen.
    ///
    /// # Errors
    /// When it is no address.
    pub fn address(&self) -> Result<SocketAddr, BadValue> {
        flag("listen", &self.listen, values::socket_addr)
    }

    /// The callback URL.
    ///
    /// # Errors
    /// When it is none.
    pub fn callback_url(&self) -> Result<String, BadValue> {
        flag("url", &self.url, values::callback_url)
    }

    /// How far a timestamp may be from this machine's clock.
    ///
    /// # Errors
    /// When it is no duration above zero.
    pub fn window(&self) -> Result<Duration, BadValue> {
        flag("clock-window", &self.clock_window, values::interval)
    }
}

impl SendArgs {
    /// The callback URL, and where to send to.
    ///
    /// # Errors
    /// When one of them is no URL.
    pub fn urls(&self) -> Result<(String, String), BadValue> {
        let url = flag("url", &self.url, values::callback_url)?;
        let to = self.to.as_deref().map(|to| flag("to", to, values::callback_url));
        Ok((url.clone(), to.transpose()?.unwrap_or(url)))
    }

    /// How long to wait for the answer.
    ///
    /// # Errors
    /// When it is no duration above zero.
    pub fn patience(&self) -> Result<Duration, BadValue> {
        flag("timeout", &self.timeout, values::interval)
    }

    /// The event type, judged by `known`.
    ///
    /// # Errors
    /// What `known` says of it.
    pub fn event_type<T>(&self, known: impl FnOnce(&str) -> Result<T, String>) -> Result<T, BadValue> {
        flag("event", &self.event, known)
    }
}

const LISTEN_HELP: &str = "\
Examples:
  # Behind a gateway that ends TLS
  vod-operator callback listen --listen 127.0.0.1:8080 --url https://hooks.example.com/vod --auth-key-file key.txt

  # While the key is being rotated, with TLS of its own
  vod-operator callback listen --listen 0.0.0.0:8443 --url https://hooks.example.com:8443/vod \\
    --auth-key-file old.txt --auth-key-file new.txt --tls-cert tls.crt --tls-key tls.key

Each request is answered with 200, or with 403 and the reason. Ctrl-C ends it.";

const SEND_HELP: &str = "\
Examples:
  # A signed sample of one event
  vod-operator callback send --url https://hooks.example.com/vod --event TranscodeComplete --auth-key-file key.txt

  # The same through a port-forward: signed for --url, sent elsewhere
  vod-operator callback send --url https://hooks.example.com/vod --to http://127.0.0.1:8080/vod \\
    --event FileUploadComplete --auth-key-file key.txt

HTTPS_PROXY, HTTP_PROXY and NO_PROXY are obeyed; a redirect is not followed, as the service follows none.
Exit code: 0 the receiver answered 200, 1 it answered something else, 2 wrong usage, 3 there was no answer.";
