//! The way to the API server: which cluster, through which proxy, and with how much patience.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use kube::client::ClientBuilder;
use tower::limit::ConcurrencyLimitLayer;

/// Why there is no access to a cluster.
#[derive(Debug, thiserror::Error)]
#[error("no access to a cluster: set KUBECONFIG, or run in a Pod ({0})")]
pub struct NoCluster(String);

/// Access by `KUBECONFIG`, or by the Pod's ServiceAccount.
///
/// # Errors
/// Neither leads to a cluster.
pub async fn configured() -> Result<kube::Config, NoCluster> {
    let failed = |error: &dyn std::fmt::Display| NoCluster(without_passwords(&error.to_string()));
    if std::env::var_os("KUBECONFIG").is_some_and(|path| !path.is_empty()) {
        let config = kube::Config::from_kubeconfig(&kube::config::KubeConfigOptions::default()).await;
        let mut config = config.map_err(|e| failed(&e))?;
        pass_by_proxy(&mut config);
        Ok(config)
    } else {
        kube::Config::incluster().map_err(|e| failed(&e))
    }
}

/// A proxy of the environment does not lead back to this machine, nor to what `NO_PROXY` names; kubectl passes it by, too.
/// kube asks `NO_PROXY` about the proxy's own address, not about the cluster's. What a kubeconfig itself names is left alone.
pub fn pass_by_proxy(config: &mut kube::Config) {
    let environment = proxies_of_the_environment();
    if config.proxy_url.is_none() || environment.contains(&config.proxy_url) {
        let leads_there = leads_to(&Matcher::from_env(), &config.cluster_url);
        config.proxy_url = environment.into_iter().flatten().next().filter(|_| leads_there);
    }
}

fn leads_to(proxies: &Matcher, url: &Uri) -> bool {
    !is_local(url) && proxies.intercept(url).is_some()
}

fn is_local(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Where kube looks for one; what a kubeconfig itself names is not among them.
fn proxies_of_the_environment() -> Vec<Option<Uri>> {
    let values = ["HTTPS_PROXY", "https_proxy"].map(std::env::var);
    values.into_iter().flatten().map(|value| value.parse().ok()).collect()
}

/// A client with so much patience for an answer, or for the next piece of one. Each request `at_once` with others takes
/// a connection of its own, which costs both sides more than waiting does.
///
/// # Errors
/// The access cannot be used.
pub fn client(mut config: kube::Config, patience: Duration, at_once: Option<usize>) -> Result<kube::Client, NoCluster> {
    config.read_timeout = Some(patience);
    // The time that a connection was idle before it was used again is nobody's delay.
    config.reset_reader_on_write = true;
    // kube's own retry of 429, 503 and 504 sleeps for up to minutes, in silence and under whatever the caller holds.
    config.default_retry = false;
    let client = ClientBuilder::try_from(config).map_err(|error| NoCluster(without_passwords(&error.to_string())))?;
    Ok(match at_once {
        None => client.build(),
        Some(many) => client.with_layer(&ConcurrencyLimitLayer::new(many)).build(),
    })
}

/// Words that may quote a proxy's address, without whose it is.
fn without_passwords(words: &str) -> String {
    let mut parts = words.split("://");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let ends = |c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'' | ')' | ',');
        let authority = part.find(ends).unwrap_or(part.len());
        let host = part.get(..authority).and_then(|authority| authority.rfind('@'));
        shown.push_str("://");
        shown.push_str(host.and_then(|at| part.get(at + 1..)).unwrap_or(part));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxys_password_is_not_quoted() {
        let words = "unsupported: socks5://me:p@ss@proxy:1080/, http://plain/a@b and https://x:y@z";
        let shown = "unsupported: socks5://proxy:1080/, http://plain/a@b and https://z";
        assert_eq!(without_passwords(words), shown);
    }

    #[test]
    fn this_machine_is_reached_without_a_proxy() {
        for (url, local) in [
            ("https://127.0.0.1:6443", true),
            ("https://[::1]:6443/", true),
            ("https://localhost", true),
            ("https://10.0.0.1:6443", false),
            ("https://localhost.example.com", false),
        ] {
            assert_eq!(is_local(&url.parse().unwrap()), local, "{url}");
        }
    }

    #[test]
    fn what_no_proxy_names_is_reached_without_one() {
        // The proxy's own name is among them, which says nothing about the cluster.
        let proxies = Matcher::builder()
            .https("http://proxy.corp.example:3128")
            .no(".cluster.example,10.0.0.0/8,proxy.corp.example")
            .build();
        for (url, through) in [
            ("https://api.cluster.example:6443", false),
            ("https://10.1.2.3:6443", false),
            ("https://127.0.0.1:6443", false),
            ("https://192.0.2.1:6443", true),
            ("https://api.elsewhere.example", true),
        ] {
            assert_eq!(leads_to(&proxies, &url.parse().unwrap()), through, "{url}");
        }
        assert!(!leads_to(
            &Matcher::builder().build(),
            &"https://192.0.2.1".parse().unwrap()
        ));
    }
}
