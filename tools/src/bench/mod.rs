//! `tapsock bench`: every figure beside its peers, in one run.
//!
//! `figures` lists what is measured and how, each as a `Comparison`: a way to measure our own
//! side and one to measure the peer's. `runner` plays the two in turn, round by round, so that both
//! meet the same machine; `statistics` makes a row of the runs; `report` shows rows as a table, as
//! JSON, as Markdown and as a picture. `lab` is the network namespaces and devices that everything
//! happens in, and `peers` is who is measured there: our own stack, the Linux kernel, stock
//! smoltcp. `relay` is what loses and delays their frames, in virtual time and by the clock.

mod cable;
mod figures;
mod lab;
mod machine;
mod part;
mod peers;
mod players;
mod relay;
mod report;
mod runner;
mod statistics;
#[cfg(test)]
mod tests;
mod trouble;

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::Args;
use wsa::config::{Configuration, Setting};

use self::figures::Comparison;
use self::report::{Format, Report};
use self::runner::{Pace, Runner};
use crate::output::{self, Failure, INTERRUPTED};

/// What `tapsock bench` takes.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Which figures, by name or by the beginning of names [default: all]
    #[arg(value_name = "FIGURE")]
    figures: Vec<String>,

    /// Show the figures that there are in place of measuring them
    #[arg(long)]
    list: bool,

    /// Few and short rounds: shows that everything works, and proves nothing
    #[arg(long)]
    quick: bool,

    /// Rounds for each figure [default: 5, and 9 where something must hold]
    #[arg(long, value_name = "N", value_parser = some_rounds)]
    rounds: Option<usize>,

    /// How long each side is measured in a round [default: 0.5]
    #[arg(long, value_name = "SECONDS", value_parser = some_seconds)]
    seconds: Option<f64>,

    /// Draw the ratios as a picture; - for standard output
    #[arg(long, value_name = "OUT")]
    svg: Option<PathBuf>,

    /// What this program does as a part of its own benchmark
    #[arg(long, value_name = "PART", hide = true)]
    part: Option<String>,

    /// The table as Markdown
    #[arg(long, conflicts_with = "list")]
    markdown: bool,
}

/// Rounds that show whether something works.
const QUICK_ROUNDS: usize = 2;
/// Seconds for each side of a round then.
const QUICK_SECONDS: f64 = 0.05;
/// Seconds for each side of a round where nothing is said: long beside a scheduler's slice, and
/// short enough for a table within a quarter of an hour.
const SECONDS: f64 = 0.5;

fn some_rounds(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=1000).contains(number));
    number.ok_or_else(|| "it must be a number from 1 to 1000".to_string())
}

fn some_seconds(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.01..=60.0).contains(number));
    number.ok_or_else(|| "it must be a number of seconds from 0.01 to 60".to_string())
}

/// The verb.
///
/// # Errors
/// [`Failure::Usage`] for a figure that there is not, [`Failure::Environment`] without the right to
/// make namespaces and devices, [`Failure::Failed`] when something that must hold does not.
pub(super) fn main(
    args: &BenchArgs,
    configuration: &Configuration,
    json: bool,
) -> Result<(), Failure> {
    if let Some(part) = &args.part {
        return part::play(part);
    }
    let none = [Setting::Faults, Setting::Fault, Setting::Events, Setting::Control];
    crate::cli::refuse(configuration, "bench", &none)?;
    let chosen = choose(figures::all(), &args.figures)?;
    if args.list {
        return report::list(&chosen, json);
    }
    let format = match (json, args.markdown) {
        (true, true) => {
            return Err(Failure::Usage("--json and --markdown exclude each other".into()));
        }
        (true, false) => Format::Json,
        (false, true) => Format::Markdown,
        (false, false) => Format::Table,
    };
    let pace = Pace {
        rounds: args.rounds.or(args.quick.then_some(QUICK_ROUNDS)),
        seconds: args.seconds.unwrap_or(if args.quick { QUICK_SECONDS } else { SECONDS }),
        quick: args.quick,
    };
    if cfg!(debug_assertions) && !args.quick {
        output::note("tapsock: this is a debug build, whose numbers mean nothing; use --release");
    }
    // While this process has one thread.
    let lab = lab::Lab::new().map_err(|trouble| Failure::Environment(trouble.to_string()))?;
    // It makes a thread.
    ctrlc::set_handler(interrupted)
        .map_err(|error| Failure::Environment(format!("signals cannot be handled: {error}")))?;
    let mut report = Report::new(format, args.svg.clone(), machine::Machine::look(), pace)?;
    let mut runner = Runner::new(&chosen, pace);
    // One after the other they go, and what they keep goes with them.
    for comparison in chosen {
        for row in runner.run(&comparison, &lab) {
            runner.suspend(|| report.row(row))?;
        }
    }
    runner.end();
    report.end()
}

/// Ctrl-C, or another request to end. The parts that this process has started end with it, and so do
/// the namespaces.
fn interrupted() {
    // Behind what is left of the progress bar.
    let begin = if io::stderr().is_terminal() { "\n" } else { "" };
    output::note(&format!(
        "{begin}tapsock: the benchmark was interrupted; what is not shown was not measured"
    ));
    std::process::exit(INTERRUPTED);
}

/// Those that `names` name, in the order of the list; all where nothing is named. A name that is no
/// figure's stands for all that begin with it.
fn choose(mut all: Vec<Comparison>, names: &[String]) -> Result<Vec<Comparison>, Failure> {
    let known: Vec<&str> =
        all.iter().flat_map(|one| &one.figures).map(|figure| &*figure.name).collect();
    for name in names {
        if name.is_empty() || !known.iter().any(|known| known.starts_with(name.as_str())) {
            return Err(Failure::Usage(format!(
                "there is no figure {name:?}; run tapsock bench --list for the names"
            )));
        }
    }
    let (whole, beginnings): (Vec<String>, Vec<String>) =
        names.iter().cloned().partition(|name| known.contains(&name.as_str()));
    if !names.is_empty() {
        for comparison in &mut all {
            comparison.keep(|figure| {
                whole.iter().any(|name| name == figure)
                    || beginnings.iter().any(|name| figure.starts_with(name.as_str()))
            });
        }
        all.retain(|comparison| !comparison.figures.is_empty());
    }
    Ok(all)
}
