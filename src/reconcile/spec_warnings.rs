//! What is accepted but worth a word: each is told once for a generation, as a Warning event.

use super::pass::Pass;
use crate::api::VodMessageCallbackSpec;
use crate::domain::event_types;
use crate::events::{EventReason, Notice};
use crate::status::{Reason, ready_reason};

/// What is worth a word about the spec; after a restart what the stored status already speaks of has been told. That it
/// waits, or that work is under way, is said before anything else is.
pub fn untold(pass: &Pass) -> Vec<Notice> {
    let told = pass.resource.status.as_ref().is_some_and(|status| {
        let reason = ready_reason(&status.conditions);
        status.observed_generation == pass.resource.metadata.generation
            && !matches!(reason, Some(Reason::Progressing | Reason::Throttled))
    });
    if told {
        Vec::new()
    } else {
        warnings(&pass.resource.spec)
    }
}

fn warnings(spec: &VodMessageCallbackSpec) -> Vec<Notice> {
    let mut words = Vec::new();
    let unlisted = event_types::unlisted(&spec.event_types);
    if !unlisted.is_empty() {
        let names = unlisted.join(", ");
        let note =
            format!("eventTypes: {names} is not in the documented list; check the spelling. It is sent as it is");
        words.push(Notice::warning(EventReason::UnlistedEventType, note));
    }
    let single = event_types::single_ai(&spec.event_types);
    if !single.is_empty() {
        let names = single.join(", ");
        let note =
            format!("eventTypes: the service subscribes to AI events through AIComplete; use it instead of {names}");
        words.push(Notice::warning(EventReason::SingleAiEventType, note));
    }
    if let Some(mns) = &spec.mns
        && mns.endpoint.contains("-internal")
    {
        let note = "mns.endpoint is not a public endpoint (-internal): the service needs the public one";
        words.push(Notice::warning(EventReason::InternalMnsEndpoint, note));
    }
    if let Some(http) = &spec.http
        && let Some(host) = host_of(&http.url)
        && is_out_of_reach(host)
    {
        let note = format!("http.url: the service cannot reach {host}, a private, loopback or cluster-local host");
        words.push(Notice::warning(EventReason::UnreachableUrl, note));
    }
    words
}

fn host_of(url: &str) -> Option<&str> {
    let rest = url.split_once("://")?.1;
    let authority = rest.split(['/', '?', '#']).next()?;
    if let Some(bracketed) = authority.strip_prefix('[') {
        return bracketed.split(']').next();
    }
    authority.split(':').next()
}

fn is_out_of_reach(host: &str) -> bool {
    use std::net::IpAddr;
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => is_local_v4(ip),
        Ok(IpAddr::V6(ip)) => {
            ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
                || ip.to_ipv4_mapped().is_some_and(is_local_v4)
        }
        Err(_) => {
            let name = host.trim_end_matches('.').to_ascii_lowercase();
            let local = ["localhost", "local", "svc", "internal", "lan", "intranet", "home.arpa"];
            !name.contains('.') || local.iter().any(|end| name.ends_with(&format!(".{end}")))
        }
    }
}

fn is_local_v4(ip: std::net::Ipv4Addr) -> bool {
    let [a, b, ..] = ip.octets();
    let shared = a == 100 && (64..128).contains(&b);
    ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || shared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        let far = [
            "https://hooks.example.com/vod",
            "http://8.8.8.8/",
            "http://[2001:4860:4860::8888]:80/x",
        ];
        let near = [
            "http://localhost:8080/",
            "http://receiver/",
            "http://receiver.media.svc.cluster.local/x",
            "http://receiver.media.svc:80",
            "https://10.1.2.3/",
            "https://172.16.0.1?x",
            "http://192.168.1.1",
            "http://127.0.0.1:1/",
            "http://169.254.1.1/",
            "http://100.100.100.200/",
            "http://[::1]:80/",
            "http://[fd00::1]/",
            "http://[::ffff:10.0.0.1]/",
            "http://box.LOCAL./",
        ];
        for url in far {
            assert!(!is_out_of_reach(host_of(url).unwrap()), "{url}");
        }
        for url in near {
            assert!(is_out_of_reach(host_of(url).unwrap()), "{url}");
        }
    }
}
