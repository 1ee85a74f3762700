//! The vod-operator binary.
fn main() {}
