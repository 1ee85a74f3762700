//! vod-operator.
