//! `make demo`: the operator at work, on a control plane of its own, with the shipped permissions only. Each step is
//! said, done, and seen; one that is not seen ends the demo with a failure.

#![allow(
    clippy::indexing_slicing,
    reason = "only JSON values are indexed here, which cannot panic"
)]

mod circle;
mod stage;
mod steps;

use std::process::ExitCode;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n✗ {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let stage = stage::Stage::set().await?;
    steps::play(&stage).await?;
    circle::play(&stage).await?;
    steps::no_secret_is_logged(&stage)?;
    if std::env::var("KEEP").is_ok_and(|keep| keep == "1") {
        println!("\nIt stays up until Ctrl-C. In another terminal:");
        println!("  export KUBECONFIG={}", stage.plane.kubeconfig_path().display());
        println!("  kubectl get vmc -A");
        println!(
            "The local VOD endpoint is steered at {}",
            stage.endpoint.addresses().control
        );
        let _ = tokio::signal::ctrl_c().await;
    }
    println!("\nDone. Nothing is left running.");
    Ok(())
}
