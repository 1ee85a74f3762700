//! Whether a resource goes only because its CRD goes: then nobody asked for the setting to be removed.
//!
//! Kubernetes deletes every resource of a CRD that is deleted, by mistake or not. The resources are lost then; what they have set
//! need not be.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIResourceList, ObjectMeta, Time};
use kube::{Api, Client, CustomResourceExt, Resource};

use crate::api::VodMessageCallback;

/// How long discovery may be behind the CRD's deletion.
const DISCOVERY_LAG: Duration = Duration::from_secs(1);

/// Asks the API server, each time: a deletion is rare, and an answer from before it proves nothing. An operator that may not look at
/// the CRD (in namespaced mode) sees in the discovery document, which is everybody's to read, whether resources can still be made.
///
/// # Errors
/// Any other trouble with the API server: what is not known must not cost a setting.
pub async fn is_going(client: &Client, resource: &VodMessageCallback) -> kube::Result<bool> {
    let Some(deleted) = &resource.metadata.deletion_timestamp else {
        return Ok(false);
    };
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    match crds.get_metadata_opt(VodMessageCallback::crd_name()).await {
        Ok(crd) => Ok(goes(crd.map(|crd| crd.metadata).as_ref(), deleted)),
        Err(kube::Error::Api(answer)) if answer.code == 403 => {
            tokio::time::sleep(DISCOVERY_LAG).await;
            is_closed(client).await
        }
        Err(error) => Err(error),
    }
}

/// Of a CRD that is being deleted, discovery says that its resources can no longer be created. Where it may not be read
/// either, a deletion is taken for what it usually is.
async fn is_closed(client: &Client) -> kube::Result<bool> {
    let version = VodMessageCallback::api_version(&());
    match client.list_api_group_resources(&version).await {
        Ok(served) => Ok(!can_be_created(&served)),
        Err(kube::Error::Api(answer)) if answer.code == 403 => Ok(false),
        Err(error) => Err(error),
    }
}

fn can_be_created(served: &APIResourceList) -> bool {
    let plural = VodMessageCallback::plural(&());
    let ours = served.resources.iter().find(|resource| resource.name == plural);
    ours.is_some_and(|resource| resource.verbs.iter().any(|verb| verb == "create"))
}

/// The CRD is gone, is being deleted, or was made anew after the resource was asked to go.
fn goes(crd: Option<&ObjectMeta>, deleted: &Time) -> bool {
    crd.is_none_or(|crd| {
        let made_anew = crd.creation_timestamp.as_ref().is_some_and(|made| made.0 > deleted.0);
        crd.deletion_timestamp.is_some() || made_anew
    })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    fn at(second: i64) -> Time {
        Time(Timestamp::from_second(second).unwrap())
    }

    fn crd(made: i64, deleted: Option<i64>) -> ObjectMeta {
        ObjectMeta {
            creation_timestamp: Some(at(made)),
            deletion_timestamp: deleted.map(at),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn it_goes_when_it_is_deleted_gone_or_made_anew() {
        let deleted = at(100);
        assert!(goes(None, &deleted));
        assert!(goes(Some(&crd(1, Some(99))), &deleted));
        assert!(goes(Some(&crd(1, Some(101))), &deleted), "whichever was first");
        assert!(goes(Some(&crd(101, None)), &deleted), "made after the deletion");
    }

    #[test]
    fn it_stays_when_it_was_there_before() {
        assert!(!goes(Some(&crd(1, None)), &at(100)));
        // Times are whole seconds: one that was made, used and deleted from within a second is no sign.
        assert!(!goes(Some(&crd(100, None)), &at(100)));
    }
}
