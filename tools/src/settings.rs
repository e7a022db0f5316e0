//! The configuration as flags of every verb.

use clap::Args;
use wsa::config::{ConfigError, Configuration, Given, Setting};

/// Flags that every verb takes. Each has a `TAPSOCK_*` variable and a name in the file as well.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Configuration")]
pub struct Settings {
    /// A TOML file with these settings; TAPSOCK_CONFIG names one as well
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<String>,

    /// loopback, private, or tap:NAME [default: private, a network namespace of its own]
    #[arg(long, global = true, value_name = "LINK")]
    link: Option<String>,

    /// An address of the stack with its prefix; repeatable [default: 10.77.0.2/24, fd77::2/64]
    #[arg(long, global = true, value_name = "ADDRESS/PREFIX")]
    address: Vec<String>,

    /// The router to everything else; one a family
    #[arg(long, global = true, value_name = "ADDRESS")]
    gateway: Vec<String>,

    /// "PREFIX via ROUTER", or PREFIX for what is on the link; repeatable
    #[arg(long, global = true, value_name = "ROUTE")]
    route: Vec<String>,

    /// The Ethernet address [default: derived from the seed and the addresses]
    #[arg(long, global = true, value_name = "ADDRESS")]
    mac: Option<String>,

    /// The largest IP packet in bytes, 1280 to 65521 [default: 1500]
    #[arg(long, global = true, value_name = "BYTES")]
    mtu: Option<String>,

    /// on: the kernel completes checksums and cuts and joins segments where it can; off: every
    /// frame is as on a wire [default: on]
    #[arg(long, global = true, value_name = "ON/OFF")]
    offload: Option<String>,

    /// How long a waiting call looks at the link before it sleeps, in microseconds, 0 to 10000
    /// [default: 0]
    #[arg(long, global = true, value_name = "MICROSECONDS")]
    spin: Option<String>,

    /// A name server, which nothing asks yet; repeatable
    #[arg(long, global = true, value_name = "ADDRESS")]
    dns: Vec<String>,

    /// documented or windows: whose codes to give where the two differ [default: documented]
    #[arg(long, global = true, value_name = "PROFILE")]
    profile: Option<String>,

    /// win10, win7, rfc6298 or test: the schedule of connection attempts [default: win10]
    #[arg(long, global = true, value_name = "TIMING")]
    timing: Option<String>,

    /// What everything random is derived from [default: unpredictable]
    #[arg(long, global = true, value_name = "NUMBER", allow_hyphen_values = true)]
    seed: Option<String>,

    /// Where captures are written, as pcapng: a file, or for errors a directory
    #[arg(long, global = true, value_name = "PATH")]
    capture: Option<String>,

    /// Break the link as this fault script says; tapsock faults check FILE says what is wrong
    /// with it
    #[arg(long, global = true, value_name = "FILE")]
    faults: Option<String>,

    /// Break the link by one more rule, such as "tx tcp dport=80 nth=3 drop"; repeatable
    #[arg(long, global = true, value_name = "RULE")]
    fault: Vec<String>,

    /// Where what the faults did is written, one JSON object a line
    #[arg(long, global = true, value_name = "FILE")]
    events: Option<String>,

    /// A Unix socket through which tapsock control lists and changes the rules
    #[arg(long, global = true, value_name = "PATH")]
    control: Option<String>,
}

impl Settings {
    /// These flags together with the environment and the file.
    ///
    /// # Errors
    /// One sentence for the first value that is wrong.
    pub fn read(&self) -> Result<Configuration, ConfigError> {
        Configuration::read(&self.given())
    }

    /// The texts of these flags.
    pub fn given(&self) -> Given {
        let Self {
            config,
            link,
            address,
            gateway,
            route,
            mac,
            mtu,
            offload,
            spin,
            dns,
            profile,
            timing,
            seed,
            capture,
            faults,
            fault,
            events,
            control,
        } = self;
        let mut given = Given::new();
        given.file.clone_from(config);
        given.flag(Setting::Link, link);
        given.flag(Setting::Address, address);
        given.flag(Setting::Gateway, gateway);
        given.flag(Setting::Route, route);
        given.flag(Setting::Mac, mac);
        given.flag(Setting::Mtu, mtu);
        given.flag(Setting::Offload, offload);
        given.flag(Setting::Spin, spin);
        given.flag(Setting::Dns, dns);
        given.flag(Setting::Profile, profile);
        given.flag(Setting::Timing, timing);
        given.flag(Setting::Seed, seed);
        given.flag(Setting::Capture, capture);
        given.flag(Setting::Faults, faults);
        given.flag(Setting::Fault, fault);
        given.flag(Setting::Events, events);
        given.flag(Setting::Control, control);
        given
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser, Subcommand};

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        settings: Settings,
        #[command(subcommand)]
        verb: Verb,
    }

    #[derive(Subcommand, PartialEq, Debug)]
    enum Verb {
        Act,
    }

    #[test]
    fn every_setting_is_a_flag_of_every_verb() {
        Program::command().debug_assert();
        for setting in Setting::ALL {
            let flag = format!("--{setting}");
            for words in [["tapsock", "act", &flag, "x"], ["tapsock", &flag, "x", "act"]] {
                let program = Program::try_parse_from(words).unwrap();
                assert_eq!(program.verb, Verb::Act);
                let mut expected = Given::new();
                expected.flag(setting, ["x"]);
                assert_eq!(program.settings.given(), expected, "{flag}");
            }
        }
    }

    #[test]
    fn lists_are_repeated_flags() {
        let words = ["tapsock", "act", "--address", "10.0.0.2/24", "--address", "fd00::2/64"];
        let settings = Program::try_parse_from(words).unwrap().settings;
        assert_eq!(settings.address, ["10.0.0.2/24", "fd00::2/64"]);
        let again = Program::try_parse_from(["tapsock", "act", "--mtu", "1400", "--mtu", "1500"]);
        assert!(again.is_err());
    }
}
