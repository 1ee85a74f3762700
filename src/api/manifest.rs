use kube::CustomResourceExt;

use super::VodMessageCallback;
use super::status::NOT_SEEN_YET;

/// The CustomResourceDefinition as YAML: what `vod-operator crd` prints and `crds/` holds.
///
/// # Errors
/// When the CRD cannot be written as YAML, which would be a mistake of ours.
pub fn crd_yaml() -> Result<String, serde_saphyr::ser::Error> {
    let mut crd = serde_json::to_value(VodMessageCallback::crd()).unwrap_or_default();
    if let Some(versions) = crd.pointer_mut("/spec/versions") {
        kubernetes_formats_only(versions);
        versions
            .as_array_mut()
            .into_iter()
            .flatten()
            .for_each(in_progress_from_the_start);
    }
    serde_saphyr::to_string(&crd)
}

/// Gives a new object's status a generation that is surely not its own, as Flux's CRDs do: kstatus then reads it as in
/// progress before anybody has written a status.
fn in_progress_from_the_start(version: &mut serde_json::Value) {
    if let Some(serde_json::Value::Object(status)) = version.pointer_mut("/schema/openAPIV3Schema/properties/status") {
        status.insert(
            "default".into(),
            serde_json::json!({ "observedGeneration": NOT_SEEN_YET }),
        );
    }
}

/// Drops what Kubernetes does not know: formats of other worlds, and `null` as an empty value.
fn kubernetes_formats_only(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(map) => {
            if map
                .get("format")
                .is_some_and(|f| f.as_str().is_some_and(|f| f.starts_with("uint")))
            {
                map.remove("format");
            }
            map.values_mut().for_each(kubernetes_formats_only);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(kubernetes_formats_only),
        _ => {}
    }
}
