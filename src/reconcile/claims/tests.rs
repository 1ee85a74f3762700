use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::quota::Urgency;
use crate::service::Places;

fn resource(spec: serde_json::Value) -> VodMessageCallback {
    let object = serde_json::json!({
        "apiVersion": "vod-operator.dev/v1alpha1",
        "kind": "VodMessageCallback",
        "metadata": { "name": "r", "namespace": "ns", "generation": 3 },
        "spec": {
            "region": "cn-shanghai", "callbackType": "HTTP", "http": { "url": "https://hooks.example.com/vod" },
            "eventTypes": [], "credentials": spec,
        },
    });
    serde_json::from_value(object).unwrap()
}

fn of_secret() -> VodMessageCallback {
    resource(serde_json::json!({ "secretRef": { "name": "keys" } }))
}

fn read(version: &str) -> Vec<ObservedSecret> {
    let secret = |name: &str, version: &str| ObservedSecret {
        name: name.to_owned(),
        resource_version: version.to_owned(),
    };
    vec![secret("other", "5"), secret("keys", version)]
}

fn status(account: Option<&str>, generation: i64, version: &str) -> VodMessageCallbackStatus {
    VodMessageCallbackStatus {
        account_id: account.map(str::to_owned),
        observed_generation: Some(generation),
        observed_secrets: read(version),
        ..VodMessageCallbackStatus::default()
    }
}

#[test]
fn a_status_proves_an_account_only_for_the_same_secret_and_the_same_spec() {
    let proves = |status: VodMessageCallbackStatus, version| {
        let mut resource = of_secret();
        resource.status = Some(status);
        proven_by_status(&resource, version).map(|id| id.0)
    };
    let one = || status(Some("1"), 3, "7");
    assert_eq!(proves(one(), Some("7")).as_deref(), Some("1"));
    assert_eq!(proves(one(), Some("8")), None, "another Secret");
    assert_eq!(proves(one(), None), None, "it is not known which Secret");
    assert_eq!(
        proves(status(Some("1"), 2, "7"), Some("7")),
        None,
        "another spec, so maybe another role"
    );
    assert_eq!(proves(status(None, 3, "7"), Some("7")), None);
    let mut own = resource(serde_json::json!({}));
    own.status = Some(one());
    assert_eq!(
        proven_by_status(&own, Some("7")),
        None,
        "the operator's own credentials have no version"
    );
}

/// Whatever an attempt comes to, a restarted operator takes no account for proven that these credentials did not prove.
#[test]
fn the_account_in_a_status_always_goes_with_the_secret_that_proved_it() {
    let after = |learned| {
        let (resource, before) = (of_secret(), status(Some("1"), 3, "7"));
        let evidence = evidence(&resource, &before, read("8"), learned);
        let account = match evidence.account {
            Edit::Keep => before.account_id,
            Edit::Clear => None,
            Edit::To(id) => Some(id),
        };
        let version = version_of(&evidence.secrets, "keys").map(str::to_owned);
        assert_eq!(version_of(&evidence.secrets, "other"), Some("5"));
        (account, version.unwrap())
    };
    let gone = |version: &str| (None, version.to_owned());
    let account = |id: &str, version: &str| (Some(id.to_owned()), version.to_owned());
    assert_eq!(after(Learned::Account("2".to_owned())), account("2", "8"));
    assert_eq!(
        after(Learned::Refused),
        gone("8"),
        "the status names no account for refused credentials"
    );
    assert_eq!(after(Learned::Unnamed), gone("8"));
    assert_eq!(
        after(Learned::Nothing),
        account("1", "7"),
        "looked at again after a restart"
    );
}

#[test]
fn an_outage_of_sts_does_not_take_a_known_account_away() {
    let evidence = evidence(&of_secret(), &status(Some("1"), 3, "7"), read("7"), Learned::Unnamed);
    assert_eq!(evidence.account, Edit::Keep);
}

#[test]
fn a_secret_that_was_never_good_is_recorded_all_the_same() {
    let evidence = evidence(
        &of_secret(),
        &VodMessageCallbackStatus::default(),
        read("8"),
        Learned::Nothing,
    );
    assert_eq!(version_of(&evidence.secrets, "keys"), Some("8"));
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_place_is_no_silence_of_those_who_are_asked() {
    let places = Places::new(1);
    let place = places.try_take(Urgency::Change).unwrap();
    let turn = Turn::new(Arc::clone(&places), place, Urgency::Change, CancellationToken::new());
    let others_work = async {
        places.freed().await;
        let place = places.try_take(Urgency::Change).unwrap();
        sleep(PATIENCE * 2).await;
        drop(place);
    };
    let answered = AtomicUsize::new(0);
    let ask = |_| async {
        turn.away(sleep(PATIENCE / 5)).await;
        answered.fetch_add(1, Ordering::Relaxed);
    };
    let asked = stream::iter((0..AT_ONCE * 2).map(ask));
    let asked = asked.buffer_unordered(AT_ONCE).collect::<()>();
    let (in_time, ()) = tokio::join!(in_time(&turn, asked), others_work);
    assert!(in_time, "{} of {} answered", answered.into_inner(), AT_ONCE * 2);
}
