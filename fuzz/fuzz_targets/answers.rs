//! Whatever the service answers: no panic, no hint beyond five minutes, and no secret in what is shown of it.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use vod_operator::cloud::fuzzing;

const SECRET: &str = "ExampleAccessKeySecret";

fuzz_target!(|input: (u16, Vec<(String, String)>, Vec<u8>, bool)| {
    let (status, headers, mut body, echoes) = input;
    if echoes {
        // The service repeats what it was sent, in the middle of anything.
        let at = body.len() / 2;
        body.splice(at..at, SECRET.bytes());
    }
    if let Err(error) = fuzzing::answer(status, &headers, &body, SECRET) {
        assert!(error.retry_after.is_none_or(|wait| wait <= Duration::from_secs(300)));
        assert!(!format!("{error} {error:?}").contains(SECRET));
    }
});
