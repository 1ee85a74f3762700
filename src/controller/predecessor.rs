//! How long the first call waits where nobody is elected: no Lease tells when a predecessor called last, but what it
//! did shows in the resources.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use crate::api::VodMessageCallback;
use crate::quota::SECOND;
use crate::reconcile::finalizer;

/// What a predecessor left behind in the watched namespaces.
#[derive(Debug)]
pub(super) struct Predecessor {
    unlisted: usize,
    latest: Option<Timestamp>,
}

impl Predecessor {
    /// With so many namespaces, or one watch of all, to be listed.
    pub(super) fn new(namespaces: usize) -> Self {
        Self {
            unlisted: namespaces,
            latest: None,
        }
    }

    /// Another namespace was listed for the first time. Once all were, says for how long its calls may still count.
    pub(super) fn listed(
        &mut self,
        resources: impl Iterator<Item = VodMessageCallback>,
        now: Timestamp,
    ) -> Option<Duration> {
        let acted = resources.filter_map(|resource| acted(&resource));
        self.latest = acted.chain(self.latest).max();
        self.unlisted = self.unlisted.saturating_sub(1);
        (self.unlisted == 0).then(|| self.latest.map_or(Duration::ZERO, |latest| left(latest, now)))
    }
}

/// When something was last done for a resource, as far as it shows: in whole seconds, rounded down.
fn acted(resource: &VodMessageCallback) -> Option<Timestamp> {
    let status = resource.status.iter();
    let moved = status
        .clone()
        .flat_map(|status| &status.conditions)
        .map(|condition| condition.last_transition_time.0);
    let applied = status.filter_map(|status| Some(status.last_applied_time.as_ref()?.0));
    // It was taken up, and perhaps read, though nothing was said of it yet.
    let created = resource.metadata.creation_timestamp.as_ref();
    let begun = created.filter(|_| finalizer::is_on(resource)).map(|time| time.0);
    moved.chain(applied).chain(begun).max()
}

/// A call counts for a second, and its time is told to the second. A clock that is ahead of ours tells nothing.
fn left(latest: Timestamp, now: Timestamp) -> Duration {
    let counts = SECOND + Duration::from_secs(1);
    match Duration::try_from(now.duration_since(latest)) {
        Ok(age) => counts.saturating_sub(age).min(SECOND),
        Err(_) => SECOND,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resource(metadata: &serde_json::Value, status: &serde_json::Value) -> VodMessageCallback {
        serde_json::from_value(json!({
            "apiVersion": "vod-operator.dev/v1alpha1",
            "kind": "VodMessageCallback",
            "metadata": metadata,
            "spec": {"region": "cn-shanghai", "callbackType": "HTTP", "http": {"url": "https://hooks.example.com/"}, "eventTypes": []},
            "status": status,
        }))
        .unwrap()
    }

    fn applied(at: &str) -> VodMessageCallback {
        resource(&json!({"name": "one"}), &json!({"lastAppliedTime": at}))
    }

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    #[test]
    fn calls_of_the_last_second_are_waited_for_and_no_others() {
        for (then, now, left) in [
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z", 1000),
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:01.6Z", 400),
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:02Z", 0),
            ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z", 0),
            ("2026-01-01T00:00:07Z", "2026-01-01T00:00:00Z", 1000),
        ] {
            let silence = Predecessor::new(1).listed([applied(then)].into_iter(), at(now));
            assert_eq!(silence, Some(Duration::from_millis(left)), "{then} {now}");
        }
    }

    #[test]
    fn every_namespace_is_waited_for() {
        let now = at("2026-01-01T00:00:01.5Z");
        let mut predecessor = Predecessor::new(2);
        assert_eq!(
            predecessor.listed([applied("2026-01-01T00:00:00Z")].into_iter(), now),
            None
        );
        assert_eq!(
            predecessor.listed(std::iter::empty(), now),
            Some(Duration::from_millis(500))
        );
        assert_eq!(
            Predecessor::new(1).listed(std::iter::empty(), now),
            Some(Duration::ZERO)
        );
    }

    #[test]
    fn a_resource_that_was_taken_up_counts_and_a_new_one_does_not() {
        let now = at("2026-01-01T00:00:01Z");
        let (created, nothing) = ("2026-01-01T00:00:00Z", json!({}));
        let new = resource(&json!({"name": "one", "creationTimestamp": created}), &nothing);
        assert_eq!(Predecessor::new(1).listed([new].into_iter(), now), Some(Duration::ZERO));
        let finalizers = [crate::FINALIZER];
        let begun = json!({"name": "one", "creationTimestamp": created, "finalizers": finalizers});
        let begun = resource(&begun, &nothing);
        assert_eq!(Predecessor::new(1).listed([begun].into_iter(), now), Some(SECOND));
    }
}
