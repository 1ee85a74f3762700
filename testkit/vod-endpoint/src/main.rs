//! The local endpoint as a program: prints its addresses as one line of JSON and stays until it is stopped.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let mut regions: Vec<String> = std::env::args().skip(1).collect();
    if regions.is_empty() {
        regions.push("cn-shanghai".into());
    }
    let names: Vec<&str> = regions.iter().map(String::as_str).collect();
    let endpoint = match vod_endpoint::Endpoint::start_for(&names).await {
        Ok(endpoint) => endpoint,
        Err(error) => {
            eprintln!("vod-endpoint: no port could be had: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("{}", serde_json::to_string(endpoint.addresses()).unwrap_or_default());
    std::future::pending::<()>().await;
    ExitCode::SUCCESS
}
