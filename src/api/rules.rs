//! The rules that the API server applies, each with the message that names the field and the fix.
#![allow(missing_docs, reason = "a rule's name and message say it all")]

/// A CEL expression and what the user is told when it is false.
pub type Rule = (&'static str, &'static str);

const NO_SPACE: &str = r"!self.matches('[\\s\\p{Z}\\p{C}]')";

const NO_FRAGMENT: &str = "!self.contains('#')";

const NO_USER_INFO: &str = "!self.matches('^[A-Za-z]+://[^/?#]*@')";

pub const HTTP_PRESENT: Rule = (
    "self.callbackType != 'HTTP' || has(self.http)",
    "http is required when callbackType is HTTP: add http.url",
);
pub const HTTP_ABSENT: Rule = (
    "self.callbackType == 'HTTP' || !has(self.http)",
    "http is only for callbackType HTTP: remove http, or set callbackType to HTTP",
);
pub const MNS_PRESENT: Rule = (
    "self.callbackType != 'MNS' || has(self.mns)",
    "mns is required when callbackType is MNS: add mns.endpoint and mns.queueName",
);
pub const MNS_ABSENT: Rule = (
    "self.callbackType == 'MNS' || !has(self.mns)",
    "mns is only for callbackType MNS: remove mns, or set callbackType to MNS",
);

pub const REGION_FORM: Rule = (
    r"self.matches('^[a-z]{2}-[a-z0-9-]+$')",
    "region must look like cn-shanghai or ap-southeast-1: two letters, a hyphen, then lower-case letters, digits and hyphens",
);
pub const REGION_IMMUTABLE: Rule = (
    "self == oldSelf",
    "region cannot be changed: delete this resource and create one for the other region",
);
pub const APP_ID_FORM: Rule = (
    NO_SPACE,
    "appId must be 1 to 64 characters without white space, such as app-1000000",
);
pub const APP_ID_IMMUTABLE: Rule = (
    "self == oldSelf",
    "appId cannot be changed: delete this resource and create one for the other app",
);
pub const EVENT_TYPES_ONCE: Rule = (
    "self.all(t, self.exists_one(u, u == t))",
    "eventTypes: an event type is listed twice: remove the repetition",
);
pub const ALL_ALONE: Rule = (
    "!('ALL' in self) || size(self) == 1",
    "eventTypes: ALL already means every event type: use [ALL] alone, or list the others without ALL",
);
pub const EVENT_TYPE_FORM: Rule = (
    "self.all(t, t.matches('^[A-Za-z0-9]{1,64}$'))",
    "eventTypes: each must be 1 to 64 ASCII letters and digits, such as FileUploadComplete, one name an item",
);

pub const INTERVAL_FORM: Rule = (
    r"self.matches('^([0-9]{1,6}([.][0-9]{1,9})?(h|m|s|ms|us|µs|ns))+$')",
    "checkInterval must be a duration such as 90s, 10m or 1h30m",
);
pub const INTERVAL_RANGE: Rule = (
    r"!self.matches('^([0-9]{1,6}([.][0-9]{1,9})?(h|m|s|ms|us|µs|ns))+$') || (duration(self) >= duration('1m') && duration(self) <= duration('87600h'))",
    "checkInterval must be at least 1m (and at most 87600h)",
);

pub const URL_SCHEME: Rule = (
    "self.matches('^https?://')",
    "url must be an absolute address that begins with http:// or https:// in lower case",
);
pub const URL_ASCII: Rule = (
    "self.matches('^[!-~]*$')",
    "url must be printable ASCII without white space: percent-encode everything else",
);
pub const URL_USER_INFO: Rule = (
    NO_USER_INFO,
    "url must not hold user info (user:password@): remove it and use http.auth for authentication",
);
pub const URL_FRAGMENT: Rule = (
    NO_FRAGMENT,
    "url must not hold a fragment: remove # and what follows it",
);
pub const URL_ONE: Rule = (
    "!self.matches('(?i)[,;|]+https?:/') && !self.matches('^[^?]*://[^?]*://') && !self.matches('^[A-Za-z]+://[^/?#]*[,;|]')",
    "url must be exactly one address: the service takes one for each region and app",
);
pub const URL_HOST: Rule = (
    r"self.matches('^[A-Za-z]+://([^/?#@]*@)?([A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?|\\[[0-9A-Fa-f:.]+\\])(:([0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?([/?#].*)?$')",
    "url must name a host, and a port up to 65535 if any, such as https://hooks.example.com/vod",
);

pub const ENDPOINT_SCHEME: Rule = (
    r"self.matches('^https?://([^/?#@]*@)?([A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?|\\[[0-9A-Fa-f:.]+\\])(:([0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?([/?#].*)?$')",
    "endpoint must be an absolute http:// or https:// address with a host, such as http://1234567.mns.cn-shanghai.aliyuncs.com/",
);
pub const ENDPOINT_SPACE: Rule = (
    NO_SPACE,
    "endpoint must not hold white space or control characters: remove them",
);
pub const ENDPOINT_USER_INFO: Rule = (
    NO_USER_INFO,
    "endpoint must not hold user info (user:password@): remove it",
);
pub const ENDPOINT_FRAGMENT: Rule = (
    NO_FRAGMENT,
    "endpoint must not hold a fragment: remove # and what follows it",
);
pub const QUEUE_NAME_FORM: Rule = (NO_SPACE, "queueName must be 1 to 256 characters without white space");

/// Kubernetes' own pattern for names of Secrets and ServiceAccounts: a DNS subdomain (RFC 1123).
const OBJECT_NAME: &str = r"self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')";

pub const SECRET_NAME: Rule = (
    OBJECT_NAME,
    "name must be one that a Secret can have: lower-case letters, digits, hyphens and dots, such as alibaba-cloud",
);
pub const SERVICE_ACCOUNT_NAME: Rule = (
    OBJECT_NAME,
    "name must be one that a ServiceAccount can have: lower-case letters, digits, hyphens and dots, such as vod-callback",
);
pub const SECRET_KEY: Rule = (
    "self.matches('^[-._a-zA-Z0-9]+$') && self != '.' && !self.startsWith('..')",
    "key must be one that a Secret can have: letters, digits, hyphens, underscores and dots, such as authKey",
);
pub const ONE_CREDENTIAL: Rule = (
    "!(has(self.secretRef) && has(self.serviceAccountRef))",
    "credentials must name either secretRef or serviceAccountRef, not both: remove one of them",
);
