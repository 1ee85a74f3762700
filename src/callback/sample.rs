use serde_json::{Map, Value};

/// An event as the service's documentation describes it.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Its `EventType`.
    pub event_type: &'static str,
    /// The page of help.aliyun.com or www.alibabacloud.com that names its fields, after `/help/en/vod/user-guide/`.
    pub page: &'static str,
    /// Its other fields but `EventTime`, as JSON. The values are ours.
    fields: &'static str,
}

impl Sample {
    /// That of an event type.
    pub fn of(event_type: &str) -> Option<&'static Self> {
        SAMPLES.iter().find(|sample| sample.event_type == event_type)
    }

    /// The body that the service would send at `time`, written like `2026-01-02T03:04:05Z`.
    pub fn body(&self, time: &str) -> String {
        let mut body = Map::new();
        body.insert("EventTime".to_owned(), time.into());
        body.insert("EventType".to_owned(), self.event_type.into());
        let fields: Map<String, Value> = serde_json::from_str(self.fields).unwrap_or_default();
        body.extend(fields);
        Value::Object(body).to_string()
    }
}

const fn sample(event_type: &'static str, page: &'static str, fields: &'static str) -> Sample {
    Sample {
        event_type,
        page,
        fields,
    }
}

/// One for each event type that is delivered: `AIComplete` only subscribes to the three that begin with `AI`.
pub const SAMPLES: [Sample; 22] = [
    sample(
        "FileUploadComplete",
        "fileuploadcomplete",
        r#"{"Status":"success","VideoId":"examplevideo0001","Size":1439213,"FileUrl":"https://example.com/media/example.mp4","Extend":"{\"order\":\"1\"}"}"#,
    ),
    sample(
        "ImageUploadComplete",
        "imageuploadcomplete",
        r#"{"Status":"success","ImageId":"exampleimage0001","Size":105520,"FileURL":"https://example.com/media/example.jpg","AppId":"app-1000000"}"#,
    ),
    sample(
        "AttachedMediaUploadComplete",
        "attachedmediauploadcomplete",
        r#"{"Status":"success","AttachedMediaId":"exampleattached0001","Size":14333,"FileURL":"https://example.com/media/example.png"}"#,
    ),
    sample(
        "UploadByURLComplete",
        "uploadbyurlcomplete-1",
        r#"{"Status":"success","VideoId":"examplevideo0001","JobId":"examplejob0001","SourceURL":"https://example.com/source.mp4","Size":"123456"}"#,
    ),
    sample(
        "VideoAnalysisComplete",
        "videoanalysiscomplete",
        r#"{"Status":"success","VideoId":"examplevideo0001","Duration":"12","Height":"360","Width":"640","Fps":"30","Bitrate":"499","Size":"1234568"}"#,
    ),
    sample(
        "StreamTranscodeComplete",
        "streamtranscodecomplete",
        r#"{"Status":"success","VideoId":"examplevideo0001","Bitrate":"925","Definition":"LD","Duration":15.0,"Encrypt":false,"FileUrl":"https://example.com/media/example-ld.mp4","Format":"mp4","Fps":"30","Height":960,"Width":540,"Size":1815321,"JobId":"examplejob0001"}"#,
    ),
    sample(
        "TranscodeComplete",
        "transcodecomplete",
        r#"{"Status":"success","VideoId":"examplevideo0001","StreamInfos":[{"Status":"success","Bitrate":"925","Definition":"LD","Duration":15,"Encrypt":false,"FileUrl":"https://example.com/media/example-ld.mp4","Format":"mp4","Fps":"30","Height":960,"Width":540,"Size":1815321,"JobId":"examplejob0001"}]}"#,
    ),
    sample(
        "SnapshotComplete",
        "snapshotcomplete",
        r#"{"Status":"success","VideoId":"examplevideo0001","SubType":"SpecifiedTime","CoverUrl":"https://example.com/media/example-cover.jpg","SnapshotInfos":[{"Status":"success","SnapshotType":"CoverSnapshot","SnapshotCount":1,"SnapshotFormat":"example-{Count}.jpg","SnapshotRegular":"https://example.com/media/example-{Count}.jpg","JobId":"examplejob0001"}]}"#,
    ),
    sample(
        "DynamicImageComplete",
        "dynamicimagecomplete",
        r#"{"Status":"success","VideoId":"examplevideo0001","JobId":"examplejob0001","DynamicImageJobInfo":[{"JobId":"examplejob0001","Status":"success","FileURL":"https://example.com/media/example.gif","FileSize":"34567","Fps":"5","Height":"360","Width":"640"}]}"#,
    ),
    sample(
        "AddLiveRecordVideoComplete",
        "addliverecordvideocomplete",
        r#"{"Status":"success","VideoId":"examplevideo0001","StreamName":"example","DomainName":"live.example.com","AppName":"example","RecordStartTime":"2026-01-02T03:00:00Z","RecordEndTime":"2026-01-02T04:00:00Z"}"#,
    ),
    sample(
        "LiveRecordVideoComposeStart",
        "liverecordvideocomposestart",
        r#"{"Status":"success","VideoId":"examplevideo0001","StreamName":"example","DomainName":"live.example.com","AppName":"example"}"#,
    ),
    sample(
        "CreateAuditComplete",
        "createauditcomplete",
        r#"{"Status":"success","MediaId":"examplevideo0001","SubType":"video","AuditStatus":"Normal","CreationTime":"2026-01-02T03:04:05Z","Auditor":"example"}"#,
    ),
    sample(
        "ProduceMediaComplete",
        "producemediacomplete",
        r#"{"Status":"success","MediaId":"examplevideo0001","ProjectId":"exampleproject0001"}"#,
    ),
    sample(
        "DeleteMediaComplete",
        "deletemediacomplete",
        r#"{"Status":"success","MediaId":"examplevideo0001","MediaType":"video","DeleteType":"all"}"#,
    ),
    sample(
        "MediaBaseChangeComplete",
        "mediabasechangecomplete",
        r#"{"Status":"success","MediaType":"video","MediaId":"examplevideo0001","OperateMode":"update","MediaContent":"{\"Title\":{\"OldValue\":\"old\",\"NewValue\":\"new\"}}"}"#,
    ),
    sample(
        "UpdateMediaStorageClassComplete",
        "updatemediastorageclasscomplete",
        r#"{"Status":"Success","MediaId":"examplevideo0001","Scope":"All","StorageClass":"Archive","TriggerBy":"API"}"#,
    ),
    sample(
        "RestoreMediaComplete",
        "restoremediacomplete",
        r#"{"Status":"Success","MediaId":"examplevideo0001","RestoreExpiration":"2026-02-02T03:04:05Z"}"#,
    ),
    sample(
        "SubmitMediaRefreshComplete",
        "submitmediarefreshcomplete",
        r#"{"Status":"success","MediaRefreshJobId":"examplejob0001","MediaId":"examplevideo0001","TaskType":"Refresh","SuccessPlayUrls":"https://example.com/media/example-ld.mp4","TaskIds":"exampletask0001","FilterPolicy":"{\"MediaIds\":\"examplevideo0001\"}"}"#,
    ),
    sample(
        "WorkflowTaskComplete",
        "workflow-task-completion",
        r#"{"Status":"Succeed","WorkflowId":"exampleworkflow0001","VideoId":"examplevideo0001","TaskId":"exampletask0001","ActivityResults":"{\"Transcode\":{\"Status\":\"Succeed\"}}","TaskInput":"{\"VideoId\":\"examplevideo0001\"}","CreateTime":"2026-01-02T03:00:00Z","ModifiedTime":"2026-01-02T03:04:05Z","FinishTime":"2026-01-02T03:04:05Z","UserId":"1234567890123456"}"#,
    ),
    sample(
        "AIMediaAuditComplete",
        "aimediaauditcomplete",
        r#"{"Status":"success","JobId":"examplejob0001","MediaId":"examplevideo0001","Code":"0","Message":"OK","Data":{"AbnormalModules":"","Label":"normal","Suggestion":"pass"}}"#,
    ),
    sample(
        "AIMediaDNAComplete",
        "aimediadnacomplete",
        r#"{"Status":"success","JobId":"examplejob0001","MediaId":"examplevideo0001","Code":"0","Message":"OK","CompleteTime":"2026-01-02T03:04:05Z","Data":"{\"VideoDNA\":[]}"}"#,
    ),
    sample(
        "AIVideoTagComplete",
        "aivideotagcomplete",
        r#"{"Status":"success","JobId":"examplejob0001","MediaId":"examplevideo0001","Code":"0","Message":"OK","Data":"{\"Keyword\":[]}"}"#,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event_types;
    use std::collections::BTreeSet;

    #[test]
    fn each_documented_event_type_has_a_sample_with_its_fields() {
        let mut named = BTreeSet::new();
        for sample in SAMPLES {
            let body: Map<String, Value> = serde_json::from_str(&sample.body("2026-01-02T03:04:05Z")).unwrap();
            assert_eq!(body["EventType"], sample.event_type);
            assert!(body.len() > 3 && body["Status"].is_string(), "{body:?}");
            assert!(!sample.page.is_empty());
            named.insert(sample.event_type);
        }
        let documented = event_types::documented().filter(|name| *name != event_types::AI_COMPLETE);
        assert_eq!(named, documented.collect());
    }
}
