//! A network namespace of the program's own, with the Linux kernel as the peer in it.
//!
//! In this order: [`enter`] at the start of `main`, before any thread exists; [`make_tap`] for the
//! device and the kernel's side of it; then whatever the run needs, such as [`forward`] and
//! [`add_route`]. Nothing outside the namespace changes, and all of it ends with the process.
//!
//! The kernel's side is configured with `ip` from iproute2: what it does can be typed by hand.

use std::fs::{self, OpenOptions};
use std::process::Command;
use std::{env, fmt, io};

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};
use tapsock_stack::wire::IpCidr;

/// The device through which TAP interfaces are made.
const TUN: &str = "/dev/net/tun";
/// The name of the device in a private namespace.
pub const DEVICE: &str = "tapsock0";

/// Why there is no namespace, no device, or no route. Displayed as one sentence that says what to
/// do.
#[derive(Debug)]
#[non_exhaustive]
pub enum NamespaceError {
    /// Neither the caller nor a user namespace has the right to configure a network.
    NoAdmin(io::Error),
    /// `/dev/net/tun` cannot be opened.
    NoTun(io::Error),
    /// A user namespace cannot be entered by a process that has threads already.
    Threads,
    /// `ip` could not be run.
    NoIp(io::Error),
    /// `ip` refused.
    Ip {
        /// Its arguments.
        arguments: String,
        /// What it said.
        said: String,
    },
    /// A setting of the kernel could not be changed.
    Setting {
        /// The file under `/proc/sys`.
        path: String,
        /// Why not.
        why: io::Error,
    },
}

impl fmt::Display for NamespaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAdmin(why) => write!(
                f,
                "user namespaces grant no CAP_NET_ADMIN here ({}); run: {}",
                words(why),
                as_root()
            ),
            Self::NoTun(why) if why.kind() == io::ErrorKind::NotFound => {
                write!(f, "{TUN} is missing; run: sudo modprobe tun")
            }
            Self::NoTun(why) => {
                write!(f, "{TUN} cannot be opened ({}); run: {}", words(why), as_root())
            }
            Self::Threads => f.write_str(
                "a user namespace must be entered before any thread starts; run the program with \
                 scripts/netns-run",
            ),
            Self::NoIp(why) => {
                write!(f, "the program ip cannot be run ({}); run: scripts/setup", words(why))
            }
            Self::Ip { arguments, said } => write!(f, "ip {arguments} failed: {said}"),
            Self::Setting { path, why } => {
                write!(f, "{path} cannot be written ({})", words(why))
            }
        }
    }
}

impl std::error::Error for NamespaceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoAdmin(why) | Self::NoTun(why) | Self::NoIp(why) => Some(why),
            Self::Setting { why, .. } => Some(why),
            Self::Threads | Self::Ip { .. } => None,
        }
    }
}

/// The text of an error of the operating system without its number.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_string()
}

/// The running command with sudo before it, as a shell reads it. The program's whole path: sudo
/// does not look where the caller's shell does.
fn as_root() -> String {
    let mut words = vec!["sudo".to_string()];
    words.extend(env::current_exe().ok().map(|path| quoted(&path.to_string_lossy())));
    words.extend(env::args_os().skip(1).map(|word| quoted(&word.to_string_lossy())));
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,+@%[]".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Moves this thread, and with it all threads and programs that it starts from now on, into a new
/// network namespace, in which only the loopback device exists and is up.
///
/// With the right to do so (as root, usually) directly; otherwise as root of a new user namespace,
/// which is possible only while the process has one thread. When this fails the process is of no
/// use for networking any more and ought to end.
///
/// # Errors
/// [`NamespaceError::NoAdmin`], [`NamespaceError::Threads`] or [`NamespaceError::NoTun`].
pub fn enter() -> Result<(), NamespaceError> {
    match unshare(CloneFlags::CLONE_NEWNET) {
        Ok(()) => {}
        Err(Errno::EPERM) => enter_as_user()?,
        Err(error) => return Err(NamespaceError::NoAdmin(error.into())),
    }
    OpenOptions::new().read(true).write(true).open(TUN).map_err(NamespaceError::NoTun)?;
    // A user namespace may be granted and yet be without rights: some systems confine them.
    ip("link set dev lo up").map_err(|error| match error {
        NamespaceError::Ip { said, .. } => NamespaceError::NoAdmin(io::Error::other(said)),
        other => other,
    })
}

fn enter_as_user() -> Result<(), NamespaceError> {
    // The ids must be read before: in the new namespace nobody is mapped yet.
    let (user, group) = (geteuid(), getegid());
    match unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET) {
        Ok(()) => {}
        // The kernel's answer to a process with several threads.
        Err(Errno::EINVAL) => return Err(NamespaceError::Threads),
        Err(error) => return Err(NamespaceError::NoAdmin(error.into())),
    }
    // setgroups has to be given up before an unprivileged group map (user_namespaces(7)).
    for (file, map) in [
        ("uid_map", format!("0 {user} 1")),
        ("setgroups", "deny".to_string()),
        ("gid_map", format!("0 {group} 1")),
    ] {
        fs::write(format!("/proc/self/{file}"), map).map_err(NamespaceError::NoAdmin)?;
    }
    Ok(())
}

/// Makes the TAP device `name` with this MTU and gives the kernel these addresses on it.
///
/// The kernel is kept quiet and honest: it says nothing of itself over IPv6, and it does not
/// withhold ICMP errors by its rate limits.
///
/// # Errors
/// Any [`NamespaceError`] of `ip` or of a setting.
pub fn make_tap(name: &str, mtu: usize, kernel_side: &[IpCidr]) -> Result<(), NamespaceError> {
    set("net/ipv4/icmp_ratelimit", "0")?;
    set("net/ipv6/icmp/ratelimit", "0")?;
    ip(&format!("tuntap add dev {name} mode tap"))?;
    set(&format!("net/ipv6/conf/{name}/router_solicitations"), "0")?;
    ip(&format!("link set dev {name} mtu {mtu} addrgenmode none"))?;
    for address in kernel_side {
        add_address(name, *address)?;
    }
    set_up(name, true)
}

/// Gives the kernel an address on this device.
///
/// # Errors
/// Those of `ip`.
pub fn add_address(name: &str, address: IpCidr) -> Result<(), NamespaceError> {
    // Duplicate address detection would make the address wait for a second.
    let nodad = if matches!(address, IpCidr::Ipv6(_)) { " nodad" } else { "" };
    ip(&format!("address add {address} dev {name}{nodad}"))
}

/// Switches the kernel's side of a device on or off.
///
/// # Errors
/// Those of `ip`.
pub fn set_up(name: &str, up: bool) -> Result<(), NamespaceError> {
    ip(&format!("link set dev {name} {}", if up { "up" } else { "down" }))
}

/// Takes a device away for good, also from a program that has it open.
///
/// # Errors
/// Those of `ip`.
pub fn remove(name: &str) -> Result<(), NamespaceError> {
    ip(&format!("link delete dev {name}"))
}

/// Makes the kernel forward packets, so that it answers as a router for what it has no way to.
///
/// # Errors
/// [`NamespaceError::Setting`].
pub fn forward() -> Result<(), NamespaceError> {
    set("net/ipv4/ip_forward", "1")?;
    set("net/ipv6/conf/all/forwarding", "1")
}

/// What the kernel does with packets to a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Says nothing.
    Blackhole,
    /// Answers host unreachable: ICMP 3/1, ICMPv6 1/0.
    Unreachable,
    /// Answers prohibited: ICMP 3/13, ICMPv6 1/1.
    Prohibit,
    /// Answers as if it had no route: ICMP 3/0, ICMPv6 1/0.
    Throw,
}

impl Fate {
    const fn word(self) -> &'static str {
        match self {
            Self::Blackhole => "blackhole",
            Self::Unreachable => "unreachable",
            Self::Prohibit => "prohibit",
            Self::Throw => "throw",
        }
    }
}

/// Gives packets to `prefix` this fate. Takes effect for what the stack sends through the kernel
/// once [`forward`] was called.
///
/// # Errors
/// Those of `ip`.
pub fn add_route(fate: Fate, prefix: IpCidr) -> Result<(), NamespaceError> {
    ip(&format!("route add {} {prefix}", fate.word()))
}

/// Runs `ip` with these words as its arguments.
///
/// # Errors
/// [`NamespaceError::NoIp`] and [`NamespaceError::Ip`].
pub fn ip(arguments: &str) -> Result<(), NamespaceError> {
    let output = Command::new("ip")
        .args(arguments.split_whitespace())
        .output()
        .map_err(NamespaceError::NoIp)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().next().unwrap_or("it gave no reason").to_string();
    Err(NamespaceError::Ip { arguments: arguments.to_string(), said })
}

/// Writes a setting of the kernel, which for everything under `net` is one of the namespace of
/// the calling thread.
///
/// # Errors
/// [`NamespaceError::Setting`].
pub fn set(setting: &str, value: &str) -> Result<(), NamespaceError> {
    let path = format!("/proc/sys/{setting}");
    fs::write(&path, value).map_err(|why| NamespaceError::Setting { path, why })
}
