//! `make bench`: what the operator costs, each figure beside its floor and, where one was built, beside a plain
//! operator for the same resource, measured in the same run. On a shared machine the ratios say more than the times.

mod figure;
mod plot;
mod process;
mod ready_watch;
mod report;
mod sections;
mod sizes;
mod stage;
mod subject;

use std::process::ExitCode;

use crate::report::Report;
use crate::sections::Section;
use crate::sizes::Sizes;
use crate::subject::Subject;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

#[tokio::main]
async fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    match run(&names).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures every subject in each section in turn, so that both meet the same machine. `false` when something could
/// not be measured.
async fn run(names: &[String]) -> Result<bool> {
    let sections = Section::chosen(names)?;
    let subjects = Subject::all()?;
    let sizes = Sizes::from_environment()?;
    let mut report = Report::new(&subjects);
    for section in sections {
        for round in 0..sizes.rounds {
            // Whoever comes second finds a warmer machine: they take turns.
            let mut order: Vec<&Subject> = subjects.iter().collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for subject in order {
                eprintln!("bench: {section:?}, {}, round {}", subject.name, round + 1);
                match section.measure(subject, &sizes).await {
                    Ok(figures) => report.add(subject, figures),
                    Err(error) => report.failed(section, subject, &error),
                }
            }
        }
    }
    println!("{report}");
    Ok(report.is_complete())
}
