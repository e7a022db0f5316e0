//! One configuration for every program: flags, `TAPSOCK_*` variables and a TOML file, with the
//! same names.
//!
//! | name | what it says | where none is given |
//! |---|---|---|
//! | `link` | `loopback`, `tap:NAME` or `private` | `private`: a network namespace of its own |
//! | `address` | addresses of the stack with their prefix | 10.77.0.2/24 and fd77::2/64; none on `loopback` |
//! | `gateway` | the router, at most one a family | none |
//! | `route` | `PREFIX via ROUTER`, or `PREFIX` for what is on the link | none |
//! | `mac` | the Ethernet address | derived from the seed and the addresses |
//! | `mtu` | the largest IP packet, in bytes | 1500 |
//! | `offload` | `on`: the kernel completes checksums and cuts and joins segments, as a network card does, where it can; `off`: every frame is as on a wire | `on` |
//! | `spin` | how long a waiting call looks at the link before it sleeps, in microseconds, at most 10000: it saves the time of waking up, for as much of a processor | 0 |
//! | `dns` | name servers | none |
//! | `profile` | `documented` or `windows` | `documented` |
//! | `timing` | `win10`, `win7`, `rfc6298` or `test` | `win10` |
//! | `seed` | everything random comes from it | unpredictable |
//! | `capture` | where captures of the link are written | nowhere |
//! | `faults` | a fault script for the link ([`fault::text`](tapsock_stack::fault::text)) | none |
//! | `fault` | rules in their one-line form, behind those of the script | none |
//! | `events` | where the script's events are written, one JSON object a line | nowhere |
//! | `control` | a Unix socket for [live control](crate::control) | none |
//!
//! A flag goes before a variable, a variable before the file, the file before the default, each
//! name for itself. Lists (`address`, `gateway`, `route`, `dns`, `fault`) are repeated flags,
//! arrays in the file, and in a variable separated by commas, rules by semicolons; a list replaces
//! the list of the source behind it.
//!
//! [`Configuration::resolve`] is a pure function of the three texts; [`Configuration::read`] is
//! the one place that looks at the environment and the file system.

mod file;
mod parse;
mod source;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::string::{String, ToString};
use std::vec::Vec;
use std::{env, fs};

use tapsock_stack::config::{Config, LoneFin, Route, SynTiming};
use tapsock_stack::fault::Rule;
use tapsock_stack::time::Duration;
use tapsock_stack::wire::{EthernetAddress, IpAddress, IpCidr, Ipv4Address, Ipv6Address};

use crate::profile::Profile;

pub use self::source::{ConfigError, Given, Origin, Setting};

/// The kernel's side of a private namespace, and of the device that `scripts/tap up` makes.
pub const KERNEL_V4: IpCidr = IpCidr::new(IpAddress::Ipv4(Ipv4Address::new(10, 77, 0, 1)), 24);
/// The kernel's side of a private namespace, IPv6.
pub const KERNEL_V6: IpCidr =
    IpCidr::new(IpAddress::Ipv6(Ipv6Address::new(0xfd77, 0, 0, 0, 0, 0, 0, 1)), 64);
/// The stack's address where none is given.
pub const STACK_V4: IpCidr = IpCidr::new(IpAddress::Ipv4(Ipv4Address::new(10, 77, 0, 2)), 24);
/// The stack's IPv6 address where none is given.
pub const STACK_V6: IpCidr =
    IpCidr::new(IpAddress::Ipv6(Ipv6Address::new(0xfd77, 0, 0, 0, 0, 0, 0, 2)), 64);
/// The rings of a connection each way, in bytes, where the program names no others: several
/// superframes each, and few enough for a processor's second-level cache. Memory is only taken where
/// bytes have been.
const RING: usize = 256 << 10;
/// The MTU where none is given, in bytes.
pub const DEFAULT_MTU: usize = 1500;

/// Where frames come from and go to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum LinkChoice {
    /// A TAP device in a network namespace that is made for this program alone.
    #[default]
    Private,
    /// No device: the stack talks to itself.
    Loopback,
    /// The TAP device of this name, which exists or may be made.
    Tap(String),
}

/// Whether the kernel works for the stack on a TAP device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OffloadChoice {
    /// It completes checksums, and cuts and joins segments, as a network card does. A kernel that
    /// cannot, and a link that faults are to break just now, have frames as on a wire.
    #[default]
    On,
    /// Every frame is as on a wire.
    Off,
}

/// Which codes a call answers with where the documentation and Windows differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProfileChoice {
    /// What is documented.
    #[default]
    Documented,
    /// What Windows does.
    Windows,
}

/// The schedule of a connection attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimingChoice {
    /// Windows 10 and later: gives up after 21 s.
    #[default]
    Win10,
    /// Windows 7: gives up after 21 s, with fewer SYNs.
    Win7,
    /// RFC 6298 with six repetitions.
    Rfc6298,
    /// Gives up after 300 ms, for tests in real time.
    Test,
}

impl ProfileChoice {
    /// The profile itself.
    pub const fn profile(self) -> Profile {
        match self {
            Self::Documented => Profile::DOCUMENTED,
            Self::Windows => Profile::WINDOWS,
        }
    }
}

impl TimingChoice {
    /// The schedule itself.
    pub const fn syn(self) -> SynTiming {
        match self {
            Self::Win10 => SynTiming::WINDOWS_10,
            Self::Win7 => SynTiming::WINDOWS_7,
            Self::Rfc6298 => SynTiming::RFC_6298,
            Self::Test => SynTiming::TEST,
        }
    }
}

/// What all sources together say, checked: addresses are unicast and differ, gateways are on the
/// link, numbers are in range.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Configuration {
    /// Where frames go.
    pub link: LinkChoice,
    /// The stack's own addresses, each with the prefix that is on the link.
    pub addresses: Vec<IpCidr>,
    /// The routers for everything else, at most one a family.
    pub gateways: Vec<IpAddress>,
    /// Routes beside those that addresses and gateways imply.
    pub routes: Vec<Route>,
    /// The Ethernet address; see [`Configuration::hardware_address`] for where none is given.
    pub mac: Option<EthernetAddress>,
    /// The largest IP packet that a frame carries, in bytes, 1280 to 65521.
    pub mtu: usize,
    /// Whether the kernel works for the stack on a TAP device.
    pub offload: OffloadChoice,
    /// How long a call that waits looks at the link before it sleeps.
    pub spin: Duration,
    /// Name servers, in the order in which they are asked.
    pub dns: Vec<IpAddress>,
    /// Documented or actual behaviour.
    pub profile: ProfileChoice,
    /// The schedule of connection attempts.
    pub timing: TimingChoice,
    /// What everything random is derived from; `None` for a seed that the caller draws.
    pub seed: Option<u64>,
    /// Where captures are written: a file, or a directory where a program writes several.
    pub capture: Option<PathBuf>,
    /// A fault script for the link.
    pub faults: Option<PathBuf>,
    /// Rules behind those of the script.
    pub fault: Vec<Rule>,
    /// Where the events of the script are written.
    pub events: Option<PathBuf>,
    /// The socket for live control.
    pub control: Option<PathBuf>,
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            link: LinkChoice::default(),
            addresses: Vec::from([STACK_V4, STACK_V6]),
            gateways: Vec::new(),
            routes: Vec::new(),
            mac: None,
            mtu: DEFAULT_MTU,
            offload: OffloadChoice::default(),
            spin: Duration::ZERO,
            dns: Vec::new(),
            profile: ProfileChoice::default(),
            timing: TimingChoice::default(),
            seed: None,
            capture: None,
            faults: None,
            fault: Vec::new(),
            events: None,
            control: None,
        }
    }
}

impl Configuration {
    /// What the flags, the environment and the file named by `--config` or `TAPSOCK_CONFIG` say.
    ///
    /// # Errors
    /// One sentence for the first value that is wrong, or for a file that cannot be read.
    pub fn read(flags: &Given) -> Result<Self, ConfigError> {
        let mut environment = Vec::new();
        for (name, value) in env::vars_os() {
            let Some(name) = name.to_str().filter(|name| name.starts_with(source::PREFIX)) else {
                continue;
            };
            let value = value
                .into_string()
                .map_err(|_| ConfigError::NotText { variable: name.to_string() })?;
            environment.push((name.to_string(), value));
        }
        let path = flags.file.clone().or_else(|| {
            let named = environment.iter().find(|(name, _)| name == source::FILE_VARIABLE);
            named.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
        });
        let text = match &path {
            Some(path) => Some(fs::read_to_string(path).map_err(|error| {
                ConfigError::Unreadable { file: path.clone(), why: error.to_string() }
            })?),
            None => None,
        };
        let file = path.as_deref().zip(text.as_deref());
        Self::resolve(flags, environment, file)
    }

    /// What these texts say: `flags` before `environment` (names with values, of which only those
    /// that begin with `TAPSOCK_` count) before `file` (its name for messages, and its text)
    /// before the defaults.
    ///
    /// # Errors
    /// One sentence for the first value that is wrong, with its name, the value and what is
    /// expected.
    pub fn resolve(
        flags: &Given,
        environment: impl IntoIterator<Item = (String, String)>,
        file: Option<(&str, &str)>,
    ) -> Result<Self, ConfigError> {
        let mut given = source::from_environment(environment)?;
        given.prefer(flags);
        if let Some((name, text)) = file {
            let mut behind = file::read(name, text)?;
            behind.prefer(&given);
            given = behind;
        }
        parse::configuration(&given)
    }

    /// The addresses of the kernel's side of a private namespace: for each address of the stack
    /// the first other one of its prefix.
    pub fn kernel_side(&self) -> Vec<IpCidr> {
        self.addresses.iter().filter_map(|&own| parse::neighbor_of(own)).collect()
    }

    /// All routes: those given, and one to everything by each gateway.
    pub fn all_routes(&self) -> impl Iterator<Item = Route> + '_ {
        let defaults = self.gateways.iter().map(|&gateway| {
            let everything = match gateway {
                IpAddress::Ipv4(_) => IpCidr::new(Ipv4Address::UNSPECIFIED.into(), 0),
                IpAddress::Ipv6(_) => IpCidr::new(Ipv6Address::UNSPECIFIED.into(), 0),
            };
            Route { destination: everything, gateway: Some(gateway) }
        });
        self.routes.iter().copied().chain(defaults)
    }

    /// The Ethernet address: the one given, or a locally administered one that differs between
    /// stacks with different seeds or addresses.
    pub fn hardware_address(&self, seed: u64) -> EthernetAddress {
        if let Some(mac) = self.mac {
            return mac;
        }
        // FNV-1a over what distinguishes one stack from another. Nothing secret is protected by it.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut mix = |bytes: &[u8]| {
            for &byte in bytes {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        };
        mix(&seed.to_be_bytes());
        for own in &self.addresses {
            match own.address() {
                IpAddress::Ipv4(address) => mix(&address.octets()),
                IpAddress::Ipv6(address) => mix(&address.octets()),
            }
        }
        let [.., a, b, c, d, e] = hash.to_be_bytes();
        EthernetAddress([0x02, a, b, c, d, e])
    }

    /// What the stack is made with. `seed` is [`Configuration::seed`], or drawn where none is
    /// given.
    pub fn stack(&self, seed: u64) -> Config {
        let mut config = Config::new(self.hardware_address(seed), seed);
        config.syn = self.timing.syn();
        config.lone_fin = LoneFin::Delayed;
        (config.receive_buffer, config.transmit_buffer) = (RING, RING);
        if self.timing == TimingChoice::Test {
            config.time_wait = Duration::from_secs(1);
        }
        config
    }
}
