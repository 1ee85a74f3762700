//! The vod-operator binary.
fn main() {
    print!("{}", vod_operator::api::crd_yaml().unwrap_or_default());
}
