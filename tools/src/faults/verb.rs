//! The verbs: check, list, run, replay, shrink.

use std::collections::BTreeMap;
use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use wsa::config::{Configuration, LinkChoice, Setting};

use super::document::{Loaded, document};
use super::judged::{ExpectedFailures, Judged};
use super::loaded::{files, name};
use super::recorded::{self, Recorded};
use super::report::{self, Detail, Report};
use super::run::run;
use super::scenario::Program;
use super::session::{self, Session};
use super::shrink::{Unshrinkable, shrink};
use crate::cli::{self, FaultsCommand};
use crate::namespace;
use crate::output::{self, Failure};
use crate::stage::Medium;

/// How many scripts are run at a time in real time: they mostly wait.
const WORKERS: usize = 4;

/// The verb.
///
/// # Errors
/// What ends the program with another status than 0: [`Failure::Failed`] when an expectation does
/// not hold, [`Failure::Usage`] for a script that is wrong.
pub fn main(
    command: &FaultsCommand,
    configuration: &Configuration,
    json: bool,
) -> Result<(), Failure> {
    let others = [Setting::Faults, Setting::Fault, Setting::Events, Setting::Control];
    cli::refuse(configuration, "faults", &others)?;
    match command {
        FaultsCommand::Check { paths } => check(paths),
        FaultsCommand::List { folder } => list(folder, json),
        FaultsCommand::Run { paths, tap, twin, record } => {
            let medium = if *tap { Medium::Tap } else { Medium::Simulated };
            let twin = if *twin { Twin::AsWell } else { Twin::No };
            run_all(paths, medium, twin, record.as_deref(), configuration, json)
        }
        FaultsCommand::Replay { file } => replay(file, configuration, json),
        FaultsCommand::Script { file } => script(file),
        FaultsCommand::Shrink { file, runs } => shrink_file(file, *runs, configuration),
    }
}

/// Whether the script is also run without its faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Twin {
    AsWell,
    No,
}

fn all_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut all = Vec::new();
    for path in paths {
        all.extend(files(path)?);
    }
    Ok(all)
}

fn check(paths: &[PathBuf]) -> Result<(), Failure> {
    let mut wrong = 0;
    let all = all_files(paths)?;
    for path in &all {
        match Loaded::read(path) {
            Ok(loaded) => {
                for warning in loaded.warnings() {
                    let warning = warning.in_file(path.display().to_string());
                    output::line(&format!("warning: {}", warning.to_string().trim_end()))?;
                }
            }
            Err(failure) => {
                wrong += 1;
                output::note(failure.sentence().unwrap_or_default().trim_end());
            }
        }
    }
    let count = all.len();
    let plural = if count == 1 { "script" } else { "scripts" };
    if wrong > 0 {
        return Err(Failure::Usage(format!("{wrong} of {count} {plural} cannot be run")));
    }
    output::line(&format!("{count} {plural} can be run"))
}

fn list(folder: &Path, json: bool) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for path in files(folder)? {
        let loaded = Loaded::read(&path)?;
        let scenario = loaded.document.scenario.clone().unwrap_or_default().summary();
        let expect = loaded.document.expect.clone().unwrap_or_default().summary();
        rows.push([loaded.name, loaded.title.unwrap_or_default(), scenario, expect]);
    }
    report::list(&rows, json)
}

/// One script to be run.
struct Job {
    loaded: Loaded,
    reason: Option<String>,
    seed: u64,
}

fn run_all(
    paths: &[PathBuf],
    medium: Medium,
    twin: Twin,
    record: Option<&Path>,
    configuration: &Configuration,
    json: bool,
) -> Result<(), Failure> {
    if medium == Medium::Tap && configuration.link != LinkChoice::Private {
        return Err(Failure::Usage(
            "faults run --tap makes a device of its own; run it without --link".into(),
        ));
    }
    let all = all_files(paths)?;
    let is_one = all.len() == 1 && paths.iter().all(|path| !path.is_dir());
    if record.is_some() && !is_one {
        return Err(Failure::Usage("--record is for one script; name its file".into()));
    }
    for path in [configuration.capture.as_deref(), record].into_iter().flatten() {
        output::refuse_input(path, &all)?;
    }
    if configuration.capture.is_some()
        && let Some((one, other)) = same_name(&all)
    {
        return Err(Failure::Usage(format!(
            "{} and {} would have the same capture, as files are named after scripts; run them \
             one after the other",
            one.display(),
            other.display()
        )));
    }
    let mut jobs = Vec::new();
    let mut lists: BTreeMap<PathBuf, ExpectedFailures> = BTreeMap::new();
    for path in all {
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        let list = match lists.get(&folder) {
            Some(list) => list.clone(),
            None => lists.entry(folder).or_insert(ExpectedFailures::beside(&path)?).clone(),
        };
        let loaded = Loaded::read(&path)?;
        let reason = list.reason(&loaded.name).map(str::to_string);
        let said = configuration.seed.or(loaded.document.seed);
        let seed = said.unwrap_or_else(|| cli::seed(configuration));
        jobs.push(Job { loaded, reason, seed });
    }
    let directory = configuration.capture.as_deref().filter(|_| !is_one);
    if let Some(directory) = directory {
        fs::create_dir_all(directory).map_err(|error| unwritable(directory, &error))?;
    }
    let detail = match (json, is_one) {
        (true, _) => Detail::Json,
        (false, true) => Detail::All,
        (false, false) => Detail::Failures,
    };
    let longest = jobs.iter().map(|job| job.loaded.name.chars().count()).max().unwrap_or(0);
    let mut report = Report::new(medium, detail, longest);
    jobs.retain(|job| {
        let stays = medium == Medium::Simulated || !job.loaded.is_virtual();
        if !stays {
            report.skip(&job.loaded.name);
        }
        stays
    });
    if medium == Medium::Tap {
        // While this process has one thread: the scripts' own namespaces are inside this one.
        namespace::enter().map_err(|error| Failure::Environment(error.to_string()))?;
    }
    each(&jobs, medium, twin, configuration, |job, judged| {
        if let Some(path) = &configuration.capture {
            let path = match directory {
                Some(directory) => directory.join(format!("{}.pcapng", judged.name)),
                None => path.clone(),
            };
            fs::write(&path, &judged.run.capture).map_err(|error| unwritable(&path, &error))?;
        }
        if let Some(path) = record {
            let lines = recorded::lines(&job.loaded, &judged.run, job.seed, medium)?;
            fs::write(path, lines).map_err(|error| unwritable(path, &error))?;
        }
        report.script(judged)
    })?;
    report.end()
}

/// Two scripts of the same name.
fn same_name(all: &[PathBuf]) -> Option<(&Path, &Path)> {
    let mut seen: BTreeMap<String, &Path> = BTreeMap::new();
    all.iter().find_map(|path| Some((seen.insert(name(path), path)?, path.as_path())))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Usage(format!("{} cannot be written ({error}); name another place", path.display()))
}

/// Runs scripts and hands each outcome on, in order: in virtual time one after the other, in real
/// time several at a time, each in a thread and a namespace of its own.
fn each(
    jobs: &[Job],
    medium: Medium,
    twin: Twin,
    configuration: &Configuration,
    mut act: impl FnMut(&Job, &Judged) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if medium == Medium::Simulated {
        for job in jobs {
            act(job, &judged(job, medium, twin, configuration)?)?;
        }
        return Ok(());
    }
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..WORKERS.min(jobs.len()) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // A thread of its own, as the namespace is a thread's.
                    let done = thread::scope(|scope| {
                        scope.spawn(|| judged(job, medium, twin, configuration)).join()
                    });
                    let done = done.unwrap_or_else(|_| {
                        Err(Failure::Told(format!("running {} ended in a panic", job.loaded.name)))
                    });
                    if sender.send((job.loaded.name.clone(), done)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut waiting: BTreeMap<String, Judged> = BTreeMap::new();
        let mut shown = 0;
        let show = || -> Result<(), Failure> {
            for (name, done) in receiver {
                waiting.insert(name, done?);
                while let Some(job) = jobs.get(shown)
                    && let Some(judged) = waiting.remove(&job.loaded.name)
                {
                    act(job, &judged)?;
                    shown += 1;
                }
            }
            Ok(())
        };
        let ended = show();
        // After an error the workers find nothing more to do.
        next.store(jobs.len(), Ordering::Relaxed);
        ended
    })
}

fn judged(
    job: &Job,
    medium: Medium,
    twin: Twin,
    configuration: &Configuration,
) -> Result<Judged, Failure> {
    let Job { loaded, reason, seed } = job;
    let named = |failure| match failure {
        Failure::Usage(text) => Failure::Usage(format!("{}: {text}", loaded.name)),
        Failure::Told(text) => Failure::Told(format!("{}: {text}", loaded.name)),
        other => other,
    };
    let case = loaded.case();
    let first = run(&case, &loaded.text, medium, *seed, configuration).map_err(named)?;
    let twin = match twin {
        Twin::AsWell => {
            // Without faults all is the same in virtual time, and quick.
            let medium = match case.scenario.program {
                Program::Command(_) => medium,
                _ => Medium::Simulated,
            };
            let twin = run(&case.twin(), "", medium, *seed, configuration);
            Some(twin.map_err(named)?)
        }
        Twin::No => None,
    };
    Ok(Judged {
        name: loaded.name.clone(),
        title: loaded.title.clone(),
        verdict: Judged::verdict(&first, twin.as_ref(), reason.as_deref()),
        run: first,
        reason: reason.clone(),
        twin,
        seed: *seed,
        hash: loaded.hash(),
    })
}

/// Prints the script of a live session.
fn script(file: &Path) -> Result<(), Failure> {
    let Session { document, lost } = session::read(file)?;
    for sentence in lost {
        output::note(&format!("tapsock: not all of the session is in the script: {sentence}"));
    }
    output::line(document.to_string().trim_end())
}

fn replay(file: &Path, configuration: &Configuration, json: bool) -> Result<(), Failure> {
    if let Some(path) = &configuration.capture {
        output::refuse_input(path, &[file.to_path_buf()])?;
    }
    let Recorded { loaded, seed, medium, decisions, result } = Recorded::read(file)?;
    if medium == Medium::Tap {
        namespace::enter().map_err(|error| Failure::Environment(error.to_string()))?;
    }
    let mut case = loaded.case();
    case.forced = Some(decisions);
    let run = run(&case, &loaded.text, medium, seed, configuration)?;
    let (ending, call, _) = &result;
    let is_same = run.ending == *ending && run.call == call.as_str();
    if let Some(path) = &configuration.capture {
        fs::write(path, &run.capture).map_err(|error| unwritable(path, &error))?;
    }
    let outcome = run.outcome();
    let mut report =
        Report::new(medium, if json { Detail::Json } else { Detail::All }, loaded.name.len());
    report.script(&Judged {
        name: loaded.name.clone(),
        title: loaded.title.clone(),
        verdict: Judged::verdict(&run, None, None),
        run,
        reason: None,
        twin: None,
        seed,
        hash: loaded.hash(),
    })?;
    if is_same {
        output::note("replayed: the result is the recorded one");
        return Ok(());
    }
    Err(Failure::Told(format!("the record has {ending} by {call}, but the replay: {outcome}")))
}

fn shrink_file(file: &Path, runs: usize, configuration: &Configuration) -> Result<(), Failure> {
    let loaded = Loaded::read(file)?;
    let said = configuration.seed.or(loaded.document.seed);
    let seed = said.unwrap_or_else(|| cli::seed(configuration));
    if std::io::stderr().is_terminal() {
        output::note(&format!(
            "shrinking {} with seed {seed}, in at most {runs} runs",
            loaded.name
        ));
    }
    let shrunk = match shrink(&loaded.case(), seed, configuration, runs) {
        Ok(shrunk) => shrunk,
        Err(Unshrinkable::Holds(run)) => {
            return Err(Failure::Usage(format!(
                "with seed {seed} all expectations hold ({}), so there is nothing to shrink; give \
                 --seed another number",
                run.outcome()
            )));
        }
        Err(Unshrinkable::OnlyHits(run)) => {
            return Err(Failure::Usage(format!(
                "what does not hold is about rules and not about the result, which no smaller \
                 script shows: {}",
                run.failures.join("; ")
            )));
        }
        Err(Unshrinkable::Failed(failure)) => return Err(failure),
    };
    report::shrunk(shrunk.parts, shrunk.runs, shrunk.is_minimal, &shrunk.run);
    if !shrunk.is_script {
        return Err(Failure::Told(
            "what is left depends on decisions that no rule can say; record the run with faults \
             run --record to keep them"
                .into(),
        ));
    }
    let text = document(&shrunk.case, seed).to_string();
    // What is printed is what was shown to fail.
    let again = Loaded::parse("the smaller script", &loaded.name, text.clone())?;
    let run = run(&again.case(), &again.text, Medium::Simulated, seed, configuration)?;
    if run.holds() || run.ending != shrunk.run.ending {
        return Err(Failure::Told(format!(
            "the smaller script does not fail as a text: {}; please report this",
            run.outcome()
        )));
    }
    let title = loaded.title.as_deref().unwrap_or(&loaded.name);
    output::line(&format!("# What is left of: {title}.\n{}", text.trim_end()))
}
