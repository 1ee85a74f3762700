//! The operator's keeper, tried on a shell script that takes its place.

use std::os::unix::process::ExitStatusExt;

use harness::{Operator, Result};

// Files of the repository: one written by the test could be busy when another test forks meanwhile.
const WAITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scripts/waits");
const REFUSES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scripts/refuses");

#[tokio::test]
async fn starts_clean_is_heard_and_stops() -> Result<()> {
    let operator = Operator::builder(WAITS)
        .kubeconfig("/admin.kubeconfig")
        .vod_endpoint("http://127.0.0.1:1")
        .metrics_address("127.0.0.1:2")
        .args(["--concurrency", "1"])
        .env("RUST_LOG", "debug")
        .spawn()?;
    operator.wait_for_log("waiting").await?;
    let arguments = operator.wait_for_log("arguments").await?;
    let expected = "run --metrics-addr 127.0.0.1:2 --vod-endpoint http://127.0.0.1:1 --concurrency 1";
    assert_eq!(arguments, format!("arguments: {expected}"));
    // PWD and the like are the shell's own.
    let variables = operator.wait_for_log("variables").await?;
    assert!(
        variables.contains("KUBECONFIG") && variables.contains("RUST_LOG"),
        "{variables}"
    );
    assert!(
        !variables.contains("HOME") && !variables.contains("CARGO"),
        "{variables}"
    );
    assert!(!operator.readyz().await);

    operator.freeze()?;
    operator.sigterm()?;
    assert_eq!(operator.exited()?, None);
    operator.thaw()?;
    assert_eq!(operator.wait_exit().await?.code(), Some(3));
    assert_eq!(operator.logs().last().map(String::as_str), Some("stopping"));
    Ok(())
}

#[tokio::test]
async fn is_killed() -> Result<()> {
    let operator = Operator::builder(WAITS).spawn()?;
    operator.wait_for_log("waiting").await?;
    operator.kill().await?;
    assert_eq!(operator.exited()?.and_then(|status| status.signal()), Some(9));
    Ok(())
}

#[tokio::test]
async fn an_early_end_is_told_with_its_last_words() {
    let error = Operator::builder(REFUSES).start().await.unwrap_err().to_string();
    assert!(
        error.contains("exit status: 2") && error.ends_with("bad flag"),
        "{error}"
    );
}
