//! The command line: verbs, flags, exit status.

use std::ffi::OsString;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use wsa::config::{Configuration, Setting};

use crate::bench::{self, BenchArgs};
use crate::control::{self, ControlArgs};
use crate::explain::ExplainArgs;
use crate::netstat::{self, NetstatArgs};
use crate::output::{self, Failure};
use crate::run::{self, RunArgs};
use crate::settings::Settings;
use crate::{connect, errors, explain, faults, listen, trace};

/// Exit status, for the end of every help text.
const STATUS: &str = "\
Exit status:
  0  all went as it should
  1  a row of the table or an expectation does not hold, or a connection failed
  2  the command line, a TAPSOCK_* variable, the file or a script is wrong
  3  the environment lacks something: a right, a device, a program";

/// Provoke, explain and run Winsock connects over a userspace stack
#[derive(Debug, Parser)]
#[command(name = "tapsock", version, after_help = STATUS, after_long_help = STATUS)]
#[command(max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,

    /// One JSON object a line in place of text
    #[arg(long, global = true)]
    json: bool,

    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Provoke every row of WSAConnect's error table and show the evidence
    ///
    /// Each row is provoked only by Winsock calls and by what is on the wire, in a network of its
    /// own. Without --tap these are simulated hosts in virtual time, where 21 seconds of silence
    /// take milliseconds; with it, a TAP device in a private namespace with the Linux kernel as
    /// the peer. A row is ok when the code is the selected profile's and the evidence holds.
    ///
    /// Of the configuration, --profile, --timing, --seed, --mac, --mtu, --faults and --fault count;
    /// the networks have addresses of their own. --capture names a directory, which gets one file for each row that
    /// the network decides; frame N of the evidence is frame N of that file. With --tap, rows that
    /// only await silence use the timing "test", and the row that needs an ICMP port unreachable
    /// is left out, as the kernel answers a closed port with a RST.
    #[command(after_help = STATUS, after_long_help = STATUS)]
    Errors(ErrorsArgs),

    /// Make one WSAConnect and explain it packet by packet
    ///
    /// Every packet until the result is shown on a time line, then the result, and for a failure
    /// what caused it. After a success standard input goes to the peer and what the peer sends
    /// to standard output, until the peer has closed its side; the end of the input closes ours.
    /// The explanation goes to standard error, with --json to standard output.
    #[command(after_help = STATUS, after_long_help = STATUS)]
    Connect(ConnectArgs),

    /// Listen on a port: echo, discard, or serve files over HTTP
    ///
    /// Ends with Ctrl-C. Without --echo, --discard or --serve, the first connection is joined to
    /// standard input and output.
    #[command(after_help = STATUS, after_long_help = STATUS)]
    Listen(ListenArgs),

    /// Run fault scripts: break the network on purpose, and see whether what was expected comes
    ///
    /// A script in TOML says what is broken ([[rule]], [[event]], [link]), what runs meanwhile
    /// ([scenario]) and what must come of it ([expect]). scripts/faults has one for each way in
    /// which a network can fail a WSAConnect, and for links as they are.
    ///
    /// In virtual time the same script and seed give the same packets; with --tap the Linux kernel
    /// is the peer. --seed replaces the script's seed. --capture names a file, or for several
    /// scripts a directory.
    #[command(after_help = STATUS, after_long_help = STATUS)]
    Faults {
        #[command(subcommand)]
        command: FaultsCommand,
    },

    /// Draw a connection of a capture: time-sequence graph and ladder diagram
    ///
    /// The picture is one SVG file that needs nothing else. Its graph shows sequence numbers over
    /// time as tcptrace and Wireshark do: segments, acknowledgments and the receive window above
    /// them, SACK blocks, retransmissions in red, and what faults did: lost and touched packets
    /// with the rule's name, and when each rule acted. Its ladder shows the packets one below the
    /// other, with the ARP, neighbor discovery and ICMP around them; long silences are cut short.
    ///
    /// FILE is pcapng, of this program or of others, or pcap. A capture with the interfaces
    /// "stack" and "wire" shows what happened to frames between the two. A file that is damaged is
    /// drawn as far as it can be read, and one line says so. Of the configuration nothing counts.
    #[command(after_help = STATUS, after_long_help = STATUS)]
    Trace(TraceArgs),

    /// Run a program that uses the library in a network of its own
    ///
    /// Makes a network namespace and a TAP device with the Linux kernel at the other end, which has
    /// the address 10.77.0.1, sets the TAPSOCK_* variables to what the flags here say, runs the
    /// program in the namespace, and reports at the end how the rules of --faults and --fault have
    /// fared. The exit status is the program's own (128 and the number of a signal that ended it),
    /// or 1 when it ended well but an expectation about a rule does not hold.
    #[command(after_help = STATUS, after_long_help = STATUS)]
    Run(RunArgs),

    /// Ask a running stack about its fault rules, and change them
    ///
    /// The stack's program was started with TAPSOCK_CONTROL or --control, which name the socket.
    /// With --json the answer is shown as it came.
    #[command(after_help = STATUS, after_long_help = STATUS)]
    Control(ControlArgs),

    /// Show the sockets of a running stack
    ///
    /// In the columns of netstat: queues, both ends and the state of every socket, with the bytes in a
    /// second (on average since it began, or since the last report with --watch), the bytes that were
    /// sent again, the round trip, and why it failed. Then what the stack has counted and dropped. The
    /// stack's program was started with TAPSOCK_CONTROL or --control, which name the socket. With
    /// --json the answer is shown as it came.
    #[command(after_help = STATUS, after_long_help = STATUS)]
    Netstat(NetstatArgs),

    /// Say what a fault script did to a packet of a capture, and why
    ///
    /// The capture must have both sides of a script, as --capture beside a script makes it; it
    /// carries the script, which is run again over the frames that entered it. So also the rules
    /// that did not act are told, with the reason. Without a number, the time line of the whole
    /// capture is shown.
    #[command(after_help = STATUS, after_long_help = STATUS)]
    Explain(ExplainArgs),

    /// Measure speed and scale beside the kernel and stock smoltcp, in one run
    ///
    /// Each figure is measured for this stack and for its peer in turn, round by round, so that
    /// both meet the same machine; only the ratio means something on a machine that does other
    /// things. Everything happens in network namespaces that end with the program. A FIGURE is a
    /// name of --list, or what several names begin with. Of the configuration nothing counts.
    #[command(after_help = STATUS, after_long_help = STATUS)]
    Bench(BenchArgs),

    /// Print a completion script for a shell
    #[command(after_help = STATUS, after_long_help = STATUS)]
    Completions {
        /// Whose script
        shell: Shell,
    },

    /// Write the manual pages into a directory
    #[command(after_help = STATUS, after_long_help = STATUS)]
    Man {
        /// The directory, which is made when it is missing
        directory: PathBuf,
    },
}

/// What `tapsock errors` takes.
#[derive(Debug, Args)]
pub struct ErrorsArgs {
    /// Use a TAP device in a private namespace, with the Linux kernel as the peer
    #[arg(long)]
    pub tap: bool,
}

/// What `tapsock faults` does.
#[derive(Debug, Subcommand)]
pub enum FaultsCommand {
    /// Say what is wrong with scripts, with the line and a caret
    #[command(after_help = STATUS, after_long_help = STATUS)]
    Check {
        /// Scripts, or folders of scripts
        #[arg(required = true, value_name = "FILE")]
        paths: Vec<PathBuf>,
    },

    /// Show what each script of a folder does and expects
    #[command(after_help = STATUS, after_long_help = STATUS)]
    List {
        /// The folder
        #[arg(default_value = "scripts/faults")]
        folder: PathBuf,
    },

    /// Run scripts and say whether what they expect comes
    ///
    /// One script is shown whole; of several, what does not hold. A rule that never fires fails
    /// the run unless it says expect.hits = 0. A script that expected-failures.toml in its folder
    /// names has to fail.
    #[command(after_help = STATUS, after_long_help = STATUS)]
    Run {
        /// Scripts, or folders of scripts
        #[arg(required = true, value_name = "FILE-or-FOLDER")]
        paths: Vec<PathBuf>,

        /// Use a TAP device in a private namespace, with the Linux kernel as the peer
        #[arg(long)]
        tap: bool,

        /// Run each script without its faults as well, which must fail
        #[arg(long)]
        twin: bool,

        /// Write the decisions of the run to a file, for faults replay
        #[arg(long, value_name = "FILE.jsonl")]
        record: Option<PathBuf>,
    },

    /// Make a recorded run again, decision by decision
    #[command(after_help = STATUS, after_long_help = STATUS)]
    Replay {
        /// What faults run --record has written
        #[arg(value_name = "FILE.jsonl")]
        file: PathBuf,
    },

    /// Print the script of a live session
    ///
    /// The file is what a stack has written because of --events or TAPSOCK_EVENTS. Events switch
    /// its rules on and off when somebody at the control socket added, removed or switched them, so
    /// that the session can be played again without anybody there.
    #[command(after_help = STATUS, after_long_help = STATUS)]
    Script {
        /// The events
        #[arg(value_name = "FILE.jsonl")]
        file: PathBuf,
    },

    /// Reduce a failing run to the smallest script that fails in the same way
    ///
    /// The script is printed to standard output, and was run before that. This happens in virtual
    /// time.
    #[command(after_help = STATUS, after_long_help = STATUS)]
    Shrink {
        /// The script
        file: PathBuf,

        /// How many runs it may take
        #[arg(long, value_name = "NUMBER", default_value_t = 1000)]
        runs: usize,
    },
}

/// What `tapsock connect` takes.
#[derive(Debug, Args)]
pub struct ConnectArgs {
    /// The peer.
    #[arg(value_name = "ADDR:PORT", value_parser = socket_address)]
    #[arg(help = "Where to: 10.77.0.1:80 or [fd77::1]:80")]
    pub to: SocketAddr,

    /// A datagram socket
    #[arg(long)]
    pub udp: bool,

    /// A non-blocking socket: WSAEWOULDBLOCK, then select
    #[arg(long)]
    pub nonblocking: bool,

    /// Bind the socket to this address and port first
    #[arg(long, value_name = "ADDR:PORT", value_parser = socket_address)]
    pub bind: Option<SocketAddr>,
}

/// What `tapsock listen` takes.
#[derive(Debug, Args)]
pub struct ListenArgs {
    /// The port, 1 to 65535
    #[arg(value_parser = port)]
    pub port: u16,

    /// Datagrams
    #[arg(long)]
    pub udp: bool,

    /// Send back what comes
    #[arg(long, group = "service")]
    pub echo: bool,

    /// Throw away what comes
    #[arg(long, group = "service")]
    pub discard: bool,

    /// Serve the files of this directory over HTTP
    #[arg(long, value_name = "DIR", group = "service", conflicts_with = "udp")]
    pub serve: Option<PathBuf>,
}

/// What `tapsock trace` takes.
#[derive(Debug, Args)]
pub struct TraceArgs {
    /// The capture: pcapng or pcap
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Where the picture goes; - for standard output
    #[arg(long, value_name = "OUT", required_unless_present = "list")]
    pub svg: Option<PathBuf>,

    /// Show the connections of the capture in place of drawing one
    #[arg(long, conflicts_with = "svg")]
    pub list: bool,

    /// Which connection, as numbered by --list [default: the one with the most packets]
    #[arg(long, value_name = "N")]
    pub flow: Option<usize>,

    /// Which side the graph shows [default: stack, where the capture has it]
    #[arg(long, value_name = "SIDE")]
    pub side: Option<TraceSide>,

    /// The ladder shows this many packets of the beginning, and as many of the end
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = some_packets)]
    pub packets: usize,
}

/// A side of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TraceSide {
    /// What the stack sent and received
    Stack,
    /// What was on the wire
    Wire,
}

fn some_packets(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|&number| (1..=100_000).contains(&number));
    number.ok_or_else(|| "it must be a number from 1 to 100000".to_string())
}

fn port(text: &str) -> Result<u16, String> {
    let number = text.parse().ok().filter(|&port| port != 0);
    number.ok_or_else(|| "it must be a number from 1 to 65535".to_string())
}

fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "it must be an address and a port, such as 10.77.0.1:80 or [fd77::1]:80".to_string()
    })
}

/// The command line of this process. Gives the exit status.
pub fn main() -> ExitCode {
    ExitCode::from(run(std::env::args_os()))
}

/// Runs a command line, of which the first word is the program's name, and gives the exit status.
pub fn run(words: impl IntoIterator<Item = OsString>) -> u8 {
    let result = match Cli::try_parse_from(words) {
        Ok(cli) => cli.run(),
        Err(error) => told(&error).map(|()| 0),
    };
    let failure = match result {
        Ok(status) => return status,
        Err(failure) => failure,
    };
    if let Some(sentence) = failure.sentence() {
        output::note(&format!("tapsock: {sentence}"));
    }
    failure.status()
}

/// What clap has to say: help and version are answers, the rest is one sentence.
fn told(error: &clap::Error) -> Result<(), Failure> {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            error.print().map_err(|error| output::of_stdout(&error))
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            Err(Failure::Usage("say what to do: run tapsock --help for the verbs".into()))
        }
        _ => {
            let text = error.to_string();
            let first: Vec<&str> =
                text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
            let first = first.join(" ");
            let first = first.strip_prefix("error: ").unwrap_or(&first);
            Err(Failure::Usage(format!("{first}; run tapsock --help for what is possible")))
        }
    }
}

impl Cli {
    /// Gives the exit status.
    fn run(self) -> Result<u8, Failure> {
        let Self { verb, json, settings } = self;
        let configured = || settings.read().map_err(|error| Failure::Usage(error.to_string()));
        match verb {
            Verb::Errors(args) => errors::main(&args, &configured()?, json),
            Verb::Connect(args) => connect::main(&args, &configured()?, json),
            Verb::Listen(args) => listen::main(&args, &configured()?, json),
            Verb::Faults { command } => faults::main(&command, &configured()?, json),
            Verb::Trace(args) => trace::main(&args, json),
            Verb::Run(args) => return run::main(&args, &settings.given(), &configured()?, json),
            Verb::Control(args) => control::main(&args, json),
            Verb::Netstat(args) => netstat::main(&args, json),
            Verb::Explain(args) => explain::main(&args, json),
            Verb::Bench(args) => bench::main(&args, &configured()?, json),
            Verb::Completions { shell } => completions(shell),
            Verb::Man { directory } => manual(&directory),
        }?;
        Ok(0)
    }
}

/// Refuses settings that mean nothing to a verb and would be missed.
///
/// # Errors
/// [`Failure::Usage`] for the first of `settings` that `configuration` has.
pub fn refuse(
    configuration: &Configuration,
    verb: &str,
    settings: &[Setting],
) -> Result<(), Failure> {
    let Configuration { faults, fault, events, control, .. } = configuration;
    for setting in settings {
        let given = match setting {
            Setting::Faults => faults.is_some(),
            Setting::Fault => !fault.is_empty(),
            Setting::Events => events.is_some(),
            Setting::Control => control.is_some(),
            _ => false,
        };
        if given {
            let variable = setting.variable();
            return Err(Failure::Usage(format!(
                "{verb} has no use for --{setting} or {variable}; leave it out"
            )));
        }
    }
    Ok(())
}

/// The seed that the configuration names, or one that nobody can guess.
pub fn seed(configuration: &Configuration) -> u64 {
    // The keys of a RandomState come from the operating system.
    configuration.seed.unwrap_or_else(|| std::hash::RandomState::new().build_hasher().finish())
}

fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tapsock", &mut script);
    output::line(String::from_utf8_lossy(&script).trim_end())
}

fn manual(directory: &Path) -> Result<(), Failure> {
    let refused = |error: std::io::Error| {
        Failure::Usage(format!(
            "the manual cannot be written to {} ({error}); name another directory",
            directory.display()
        ))
    };
    fs::create_dir_all(directory).map_err(refused)?;
    clap_mangen::generate_to(Cli::command(), directory).map_err(refused)
}

#[cfg(test)]
mod tests;
