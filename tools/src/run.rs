//! `tapsock run`: a program that uses the library, in a network of its own, and what the faults
//! did to it.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::{env, fs, io, process};

use clap::Args;
use wsa::config::{Configuration, Given, LinkChoice, Setting};

use crate::namespace::{self, DEVICE};
use crate::output::Failure;
use crate::report;

/// What `tapsock run` takes.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// The verb. Gives the exit status: the program's own, 128 and the number of the signal that
/// ended it, or 1 when it ended well although an expectation about a rule does not hold.
///
/// # Errors
/// [`Failure::Usage`] when there is no such program; [`Failure::Environment`] without the right to
/// make a namespace and a device.
pub fn main(
    args: &RunArgs,
    given: &Given,
    configuration: &Configuration,
    json: bool,
) -> Result<u8, Failure> {
    let environment = |error: &dyn std::fmt::Display| Failure::Environment(error.to_string());
    let mut command = command(args);
    command.envs(given.variables());
    if configuration.link == LinkChoice::Private {
        namespace::enter()
            .and_then(|()| {
                namespace::make_tap(DEVICE, configuration.mtu, &configuration.kernel_side())
            })
            .and_then(|()| namespace::forward())
            .map_err(|error| environment(&error))?;
        command.env(Setting::Link.variable(), format!("tap:{DEVICE}"));
    }
    // What the library writes there is what the report is made of.
    let events = match &configuration.events {
        Some(path) => Events { path: path.clone(), keep: true },
        None => {
            let name = format!("tapsock-run-{}.jsonl", process::id());
            Events { path: env::temp_dir().join(name), keep: false }
        }
    };
    let _ = fs::remove_file(&events.path);
    command.env(Setting::Events.variable(), &events.path);

    // The program gets Ctrl-C from the terminal as well; this one stays for the report.
    ctrlc::set_handler(|| {})
        .map_err(|error| Failure::Environment(format!("signals cannot be handled: {error}")))?;
    let status = command.status().map_err(|error| missing(args, &error))?;
    let code = code(status);
    let holds = report::of_events(&events.path, json, code)?;
    Ok(if code == 0 && !holds { 1 } else { code })
}

fn command(args: &RunArgs) -> Command {
    let mut words = args.command.iter();
    // clap has seen to it that there is one.
    let mut command = Command::new(words.next().cloned().unwrap_or_default());
    command.args(words);
    command
}

fn missing(args: &RunArgs, error: &io::Error) -> Failure {
    let name = args.command.first().map(|name| name.to_string_lossy()).unwrap_or_default();
    Failure::Usage(match error.kind() {
        io::ErrorKind::NotFound => format!("there is no program {name}; give its path"),
        io::ErrorKind::PermissionDenied => format!("{name} is no program that may be run"),
        _ => format!("{name} cannot be run: {error}"),
    })
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| Some(128 + status.signal()?));
    // Linux has no others.
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

struct Events {
    path: PathBuf,
    keep: bool,
}

impl Drop for Events {
    fn drop(&mut self) {
        if !self.keep {
            // There is none when the program never started a stack.
            let _ = fs::remove_file(&self.path);
        }
    }
}
