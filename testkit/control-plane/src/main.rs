//! Starts a control plane for trying things out by hand, and keeps it until Ctrl-C.
//! `control-plane build` only sees to it that its programs are there.

use std::env;
use std::process::ExitCode;

use control_plane::{Binaries, ControlPlane};

#[tokio::main]
async fn main() -> ExitCode {
    match env::args().nth(1).as_deref() {
        None => serve().await,
        Some("build") => match Binaries::locate() {
            Ok(_) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        },
        Some(other) => {
            eprintln!("unknown argument {other:?}; usage: control-plane [build]");
            ExitCode::from(2)
        }
    }
}

async fn serve() -> ExitCode {
    let plane = match ControlPlane::start().await {
        Ok(plane) => plane,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    // The only line on stdout, so that a script can `export` it.
    println!("KUBECONFIG={}", plane.kubeconfig_path().display());
    eprintln!(
        "kube-apiserver is ready at {}; logs are in {}; Ctrl-C ends it",
        plane.url(),
        plane.folder().display()
    );
    match stop_asked().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot wait for signals: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn stop_asked() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
