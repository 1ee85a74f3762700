//! The vod-operator binary: parses, chooses, and turns the outcome into an exit code.

use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use vod_operator::cli::{COMMIT, Cli, Command, Config, RunArgs, VERSION};
use vod_operator::commands::{self, Exit, Failure, Outcome, Output};
use vod_operator::telemetry;

/// Bad flags or variables.
const USAGE: u8 = 2;

/// Threads for the work, whatever the machine: a second one goes on while the first is busy with a long list.
const WORKERS: usize = 2;
/// An unoptimised build's futures are large, and worker threads have a quarter of the main thread's stack.
const STACK: usize = 8 << 20;

fn main() -> ExitCode {
    // kube and reqwest share one TLS stack, which wants to know its cryptography once. Somebody else's choice is as
    // good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // clap ends the process itself with code 2 on words it does not know, and 0 after --help and --version.
    match Cli::parse().command {
        Command::Run(args) => run(*args),
        Command::Crd => ended(crd()),
        Command::Import(args) => ended(commands::block_on(commands::import::run(&args))),
        Command::Plan(args) => ended(commands::block_on(commands::plan::run(&args))),
        Command::Status(args) => ended(commands::block_on(commands::status::run(&args))),
        Command::Check(args) => ended(commands::check::run(&args)),
        Command::Callback(command) => ended(commands::block_on(commands::callback::run(command))),
        Command::Completion(args) => ended(commands::completion::run(&args)),
        Command::Manual(args) => ended(commands::manual::run(&args)),
    }
}

fn ended(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            complain(&failure);
            failure.exit().into()
        }
    }
}

fn crd() -> Outcome {
    let yaml = vod_operator::api::crd_yaml().map_err(Failure::unknown)?;
    Output::stdout().text(&yaml)?;
    Ok(Exit::Done)
}

fn run(args: RunArgs) -> ExitCode {
    let config = match Config::from_process(args) {
        Ok(config) => config,
        Err(bad) => {
            complain(&bad);
            return ExitCode::from(USAGE);
        }
    };
    if let Err(error) = telemetry::init(config.log_format, &config.log_filter) {
        return failed(&error);
    }
    tracing::info!(version = VERSION, commit = COMMIT, "starting");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // It waits more than it computes; a thread for each core of a big node would only cost memory.
        .worker_threads(WORKERS)
        .thread_stack_size(STACK)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    match runtime.block_on(vod_operator::run::run(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &dyn fmt::Display) -> ExitCode {
    complain(error);
    ExitCode::FAILURE
}

/// To standard error, which may be closed: no reason to panic either.
fn complain(words: &dyn fmt::Display) {
    let _ = writeln!(std::io::stderr(), "error: {words}");
}
