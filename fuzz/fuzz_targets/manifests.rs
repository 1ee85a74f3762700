//! Whatever is in a manifest: `check` has findings or none, and no panic; durations and AuthKeys likewise.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vod_operator::commands::check::check;
use vod_operator::domain::{AuthKey, GoDuration};
use vod_operator::manifests::Source;

const HEAD: &str = "apiVersion: vod-operator.dev/v1alpha1\nkind: VodMessageCallback\nmetadata: {name: a}\nspec: ";

fuzz_target!(|text: &str| {
    let _ = text.parse::<GoDuration>();
    let _ = AuthKey::parse(text.as_bytes());
    for text in [text.to_owned(), format!("{HEAD}{text}")] {
        let source = Source {
            name: "fuzz.yaml".to_owned(),
            text,
            in_directory: false,
            order: 0,
        };
        assert!(check(&[source]).is_ok(), "the CRD itself can always be understood");
    }
});
