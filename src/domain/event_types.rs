//! The event types that the service documents, and what is worth a word of warning about others.

use std::collections::BTreeSet;

/// Turns every event on.
pub const ALL: &str = "ALL";
/// The one subscription for all AI events.
pub const AI_COMPLETE: &str = "AIComplete";

/// Single AI events, which the service delivers under [`AI_COMPLETE`] (SetMessageCallback page).
const SINGLE_AI: [&str; 3] = ["AIMediaAuditComplete", "AIMediaDNAComplete", "AIVideoTagComplete"];

/// The vendor's index of event types (help page vod/user-guide/events, 2026), without the single AI ones.
const DOCUMENTED: [&str; 20] = [
    "FileUploadComplete",
    "ImageUploadComplete",
    "AttachedMediaUploadComplete",
    "UploadByURLComplete",
    "VideoAnalysisComplete",
    "StreamTranscodeComplete",
    "TranscodeComplete",
    "SnapshotComplete",
    "DynamicImageComplete",
    "AddLiveRecordVideoComplete",
    "LiveRecordVideoComposeStart",
    "CreateAuditComplete",
    "ProduceMediaComplete",
    "DeleteMediaComplete",
    "MediaBaseChangeComplete",
    "UpdateMediaStorageClassComplete",
    "RestoreMediaComplete",
    "SubmitMediaRefreshComplete",
    "WorkflowTaskComplete",
    AI_COMPLETE,
];

/// All that the documentation lists, without [`ALL`].
#[cfg(test)]
pub fn documented() -> impl Iterator<Item = &'static str> {
    DOCUMENTED.into_iter().chain(SINGLE_AI)
}

/// Those of `types` that the documentation does not list; the service adds new ones, so this is no error.
pub fn unlisted(types: &[String]) -> Vec<&str> {
    types
        .iter()
        .map(String::as_str)
        .filter(|t| *t != ALL && !DOCUMENTED.contains(t) && !SINGLE_AI.contains(t))
        .collect()
}

/// Those of `types` that name a single AI event.
pub fn single_ai(types: &[String]) -> Vec<&str> {
    types
        .iter()
        .map(String::as_str)
        .filter(|t| SINGLE_AI.contains(t))
        .collect()
}

/// An `EventTypeList` as a set: the service may order it as it likes.
pub fn as_set(list: &str) -> BTreeSet<&str> {
    list.split(',').map(str::trim).filter(|t| !t.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings() {
        let types = [
            "TranscodeComplete",
            "NewThingComplete",
            "AIVideoTagComplete",
            "AIComplete",
        ]
        .map(str::to_owned);
        assert_eq!(unlisted(&types), ["NewThingComplete"]);
        assert_eq!(single_ai(&types), ["AIVideoTagComplete"]);
        assert!(unlisted(&[ALL.to_owned()]).is_empty());
    }

    #[test]
    fn a_list_is_a_set() {
        assert_eq!(as_set("B, A,,A "), as_set("A,B"));
        assert!(as_set(" ").is_empty());
    }
}
