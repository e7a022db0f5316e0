//! `tapsock errors`: every row of WSAConnect's error table, provoked and proved.
//!
//! A row is one way to one code. It is provoked only by public Winsock calls and by what is on
//! the wire, in a network of its own, either simulated in virtual time or on a TAP device with
//! the Linux kernel as the peer. It is ok when the code is the selected profile's and the
//! evidence holds: the cited frame is in the recording, the requests that nobody answered are in
//! it and no answer is, or no frame passed at all.

mod evidence;
mod provoke;
mod report;
mod row;
mod simulated;
mod stage;
mod tap;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use tapsock_stack::config::SynTiming;
use tapsock_stack::time::Duration;
use wsa::config::{Configuration, LinkChoice, ProfileChoice, Setting, TimingChoice};
use wsa::start::read_faults;

pub use self::evidence::Evidence;
pub use self::row::Row;
pub use crate::stage::Medium;

use self::row::{Pace, ROWS, Scene};
use self::simulated::SimulatedStage;
use self::stage::Stage;
use crate::cli::{self, ErrorsArgs};
use crate::frames::{self, Frame};
use crate::namespace;
use crate::output::Failure;
use crate::report::Report;
use crate::session::of_start;

/// What became of a row.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The row.
    pub row: &'static Row,
    /// The code that the profile calls for; 0 for success.
    pub expected: i32,
    /// The code that came back; 0 for success.
    pub got: i32,
    /// What proves it.
    pub evidence: Evidence,
    /// Everything that passed the link, as pcapng. Frame N of the evidence is frame N of it.
    pub recording: Vec<u8>,
    /// How the rules of a fault script have fared in it.
    pub faults: Report,
    /// Whether the code is the expected one and the evidence holds.
    pub ok: bool,
}

/// All rows that can be provoked on this medium, in the order of WSAConnect's documentation.
pub fn rows(medium: Medium) -> impl Iterator<Item = &'static Row> {
    ROWS.iter().filter(move |row| medium == Medium::Simulated || row.scene == Scene::Anywhere)
}

/// Provokes every row and hands each outcome to `each` as soon as it is there.
///
/// Of the configuration the profile, the timing, the MAC, the MTU and the faults count; everything
/// random is derived from `seed`.
///
/// # Errors
/// What `each` gives; a [`Failure`] where a row's network cannot be had.
pub fn run(
    medium: Medium,
    configuration: &Configuration,
    seed: u64,
    mut each: impl FnMut(&Outcome) -> Result<(), Failure>,
) -> Result<(), Failure> {
    match medium {
        Medium::Simulated => {
            let faults = read_faults(configuration).map_err(|error| of_start(&error))?;
            for (number, row) in rows(medium).enumerate() {
                let seed = seed.wrapping_add(number as u64);
                let mut config = configuration.stack(seed);
                config.syn = syn_timing(row, configuration.timing);
                let faults = faults.as_ref().map(|document| document.script(seed));
                let stage = SimulatedStage::new(config, configuration.mtu, faults)?;
                each(&outcome(&stage, row, configuration.profile)?)?;
            }
            Ok(())
        }
        Medium::Tap => tap::run(configuration, seed, each),
    }
}

/// The schedule of a row's attempt, where `choice` is asked for.
fn syn_timing(row: &Row, choice: TimingChoice) -> SynTiming {
    match (row.pace, choice) {
        (Pace::Patient, TimingChoice::Test) => TimingChoice::Win10.syn(),
        (Pace::Any | Pace::Patient, choice) => choice.syn(),
    }
}

/// The frames of a recording with the stack's times.
fn frames_of(recording: &[u8], epoch: Duration) -> Vec<Frame> {
    let mut frames = frames::read(recording);
    for frame in &mut frames {
        frame.at -= epoch;
    }
    frames
}

/// Provokes a row on a stage that nothing has happened on yet.
fn outcome(
    stage: &impl Stage,
    row: &'static Row,
    profile: ProfileChoice,
) -> Result<Outcome, Failure> {
    stage.process().set_profile(profile.profile());
    let came = provoke::provoke(stage, row)?;
    let recording = stage.recording();
    let frames = frames_of(&recording, stage.epoch());
    let mut evidence = evidence::find(row.proof(profile), &came, &frames);
    if let Some(wrong) = came.wrong {
        evidence.holds = false;
        evidence.summary = wrong;
    }
    let expected = row.expected(profile);
    let ok = came.got == expected && evidence.holds;
    let faults = stage.faults();
    Ok(Outcome { row, expected, got: came.got, evidence, recording, faults, ok })
}

/// The verb.
///
/// # Errors
/// What ends the program with another status than 0: [`Failure::Failed`] when a row does not hold.
pub fn main(args: &ErrorsArgs, configuration: &Configuration, json: bool) -> Result<(), Failure> {
    let medium = if args.tap { Medium::Tap } else { Medium::Simulated };
    cli::refuse(configuration, "errors", &[Setting::Events, Setting::Control])?;
    // Before any row is shown.
    let faults = read_faults(configuration).map_err(|error| of_start(&error))?;
    let said = faults.and_then(|document| document.seed);
    let directory = configuration.capture.as_deref();
    if let Some(directory) = directory {
        fs::create_dir_all(directory).map_err(|error| unwritable(directory, &error))?;
    }
    if args.tap {
        if configuration.link != LinkChoice::Private {
            return Err(Failure::Usage(
                "errors --tap makes a device of its own; run it without --link".into(),
            ));
        }
        // While this process has one thread: the rows' own namespaces are inside this one.
        namespace::enter().map_err(|error| Failure::Environment(error.to_string()))?;
    }
    let mut report = report::Report::new(medium, configuration.profile, json)?;
    let seed = said.filter(|_| configuration.seed.is_none());
    let seed = seed.unwrap_or_else(|| cli::seed(configuration));
    let mut rules = Report::default();
    run(medium, configuration, seed, |outcome| {
        rules.add(&outcome.faults);
        let file = match directory {
            Some(directory) => write_capture(directory, outcome, configuration.profile)?,
            None => None,
        };
        report.row(outcome, file.as_deref())
    })?;
    let ended = report.end();
    rules.show(json)?;
    ended.and(if rules.holds() { Ok(()) } else { Err(Failure::Failed) })
}

/// Writes the recording of a row that the network decides. It may be empty: then that is the
/// proof.
fn write_capture(
    directory: &Path,
    outcome: &Outcome,
    profile: ProfileChoice,
) -> Result<Option<PathBuf>, Failure> {
    if !outcome.row.is_network(profile) {
        return Ok(None);
    }
    let path = directory.join(format!("{}.pcapng", outcome.row.slug()));
    fs::write(&path, &outcome.recording).map_err(|error| unwritable(&path, &error))?;
    Ok(Some(path))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Usage(format!(
        "{} cannot be written ({error}); give --capture a directory that can",
        path.display()
    ))
}
