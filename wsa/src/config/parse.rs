//! From texts to typed values, once.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::format;
use std::path::PathBuf;
use std::string::{String, ToString};
use std::vec::Vec;

use tapsock_stack::config::Route;
use tapsock_stack::fault::Rule;
use tapsock_stack::fault::text::TextError;
use tapsock_stack::time::Duration;
use tapsock_stack::wire::{EthernetAddress, IpAddress, IpCidr};

use super::source::{ConfigError, Given, Origin, Setting, Texts};
use super::{Configuration, LinkChoice, OffloadChoice, ProfileChoice, TimingChoice};

/// The smallest MTU: what IPv6 requires of every link (RFC 8200 section 5).
const MTU_MIN: usize = 1280;
/// The largest MTU that a TAP device takes.
const MTU_MAX: usize = 65521;
/// The longest that a waiting call spins, in microseconds: who waits longer does not gain from it.
const SPIN_MAX: u64 = 10_000;
/// The longest name of a Unix socket, in bytes (unix(7)).
const SOCKET_NAME_MAX: usize = 107;
/// The longest name of a network device on Linux, in bytes.
const DEVICE_NAME_MAX: usize = 15;

/// What a text ought to be, in words that follow "must be".
type Expected = String;

pub(super) fn configuration(given: &Given) -> Result<Configuration, ConfigError> {
    let defaults = Configuration::default();
    let mut made = Configuration {
        link: one(given, Setting::Link, link)?.unwrap_or_default(),
        addresses: defaults.addresses,
        gateways: list(given, Setting::Gateway, unicast)?.unwrap_or_default(),
        routes: list(given, Setting::Route, route)?.unwrap_or_default(),
        mac: one(given, Setting::Mac, mac)?,
        mtu: one(given, Setting::Mtu, mtu)?.unwrap_or(defaults.mtu),
        offload: one(given, Setting::Offload, offload)?.unwrap_or_default(),
        spin: one(given, Setting::Spin, spin)?.unwrap_or(defaults.spin),
        dns: list(given, Setting::Dns, unicast)?.unwrap_or_default(),
        profile: one(given, Setting::Profile, profile)?.unwrap_or_default(),
        timing: one(given, Setting::Timing, timing)?.unwrap_or_default(),
        seed: one(given, Setting::Seed, seed)?,
        capture: one(given, Setting::Capture, |text| path(text, "the name of a file"))?,
        faults: one(given, Setting::Faults, |text| path(text, "the name of a fault script"))?,
        fault: rules(given)?,
        events: one(given, Setting::Events, |text| path(text, "the name of a file"))?,
        control: one(given, Setting::Control, socket)?,
    };
    match list(given, Setting::Address, own_address)? {
        Some(addresses) => made.addresses = addresses,
        None if made.link == LinkChoice::Loopback => made.addresses.clear(),
        None => {}
    }
    check_addresses(given, &made)?;
    check_gateways(given, &made)?;
    check_routes(given, &made)?;
    Ok(made)
}

/// The value of a name that takes one.
fn one<T>(
    given: &Given,
    setting: Setting,
    parse: impl Fn(&str) -> Result<T, Expected>,
) -> Result<Option<T>, ConfigError> {
    let Some(texts) = given.texts(setting) else { return Ok(None) };
    match texts.texts.as_slice() {
        [text] => match parse(text) {
            Ok(value) => Ok(Some(value)),
            Err(expected) => Err(wrong(setting, text, &texts.origin, expected)),
        },
        several => {
            let shown = several.join(", ");
            Err(wrong(setting, &shown, &texts.origin, "one value".to_string()))
        }
    }
}

/// The values of a name that takes any number.
fn list<T>(
    given: &Given,
    setting: Setting,
    parse: impl Fn(&str) -> Result<T, Expected>,
) -> Result<Option<Vec<T>>, ConfigError> {
    let Some(Texts { texts, origin }) = given.texts(setting) else { return Ok(None) };
    let mut values = Vec::with_capacity(texts.len());
    for text in texts {
        match parse(text) {
            Ok(value) => values.push(value),
            Err(expected) => return Err(wrong(setting, text, origin, expected)),
        }
    }
    Ok(Some(values))
}

fn wrong(setting: Setting, text: &str, origin: &Origin, expected: Expected) -> ConfigError {
    ConfigError::Value { setting, text: text.to_string(), origin: origin.clone(), expected }
}

/// An error about value number `at` of `setting`, found only when all values were known.
fn wrong_at(given: &Given, setting: Setting, at: usize, expected: Expected) -> ConfigError {
    let (text, origin) = match given.texts(setting) {
        Some(texts) => (texts.texts.get(at).map_or("", String::as_str), texts.origin.clone()),
        None => ("", Origin::Default),
    };
    wrong(setting, text, &origin, expected)
}

fn link(text: &str) -> Result<LinkChoice, Expected> {
    match text {
        "private" => return Ok(LinkChoice::Private),
        "loopback" => return Ok(LinkChoice::Loopback),
        _ => {}
    }
    let usable = |name: &&str| {
        (1..=DEVICE_NAME_MAX).contains(&name.len())
            && !matches!(*name, "." | "..")
            && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/' && byte != b':')
    };
    match text.strip_prefix("tap:").filter(usable) {
        Some(name) => Ok(LinkChoice::Tap(name.to_string())),
        None => Err("loopback, private, or tap:NAME with the name of a device".to_string()),
    }
}

fn own_address(text: &str) -> Result<IpCidr, Expected> {
    let expected =
        || "a unicast address with its prefix, as 10.77.0.2/24 or fd77::2/64".to_string();
    let cidr = prefix(text).ok_or_else(expected)?;
    let address = IpAddr::from(cidr.address());
    let whole = cidr.prefix_len() + 1 >= width(address);
    let usable = is_unicast(address)
        && !address.is_loopback()
        && cidr.prefix_len() > 0
        && (whole || !is_edge(cidr));
    if usable { Ok(cidr) } else { Err(expected()) }
}

fn unicast(text: &str) -> Result<IpAddress, Expected> {
    match text.parse() {
        Ok(address) if is_unicast(address) => Ok(address.into()),
        _ => Err("a unicast address, as 10.77.0.1 or fd77::1".to_string()),
    }
}

fn route(text: &str) -> Result<Route, Expected> {
    let expected = || {
        "a prefix, as 10.9.0.0/16, or a prefix and a router, as \"10.9.0.0/16 via 10.77.0.1\""
            .to_string()
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let (destination, gateway) = match words.as_slice() {
        [destination] => (*destination, None),
        [destination, "via", gateway] => (*destination, Some(*gateway)),
        _ => return Err(expected()),
    };
    let destination = prefix(destination).filter(has_no_host_bits).ok_or_else(expected)?;
    let gateway = match gateway {
        Some(text) => Some(unicast(text).map_err(|_| expected())?),
        None => None,
    };
    match gateway {
        Some(gateway) if gateway.version() != destination.address().version() => Err(expected()),
        _ => Ok(Route { destination, gateway }),
    }
}

fn mac(text: &str) -> Result<EthernetAddress, Expected> {
    let expected = || "a unicast Ethernet address, as 02:00:00:00:00:02".to_string();
    let mut bytes = [0; 6];
    let mut parts = text.split(if text.contains('-') { '-' } else { ':' });
    for byte in &mut bytes {
        let part = parts.next().filter(|part| part.len() == 2).ok_or_else(expected)?;
        // from_str_radix takes a sign as well.
        if !part.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(expected());
        }
        *byte = u8::from_str_radix(part, 16).map_err(|_| expected())?;
    }
    let address = EthernetAddress(bytes);
    let usable = parts.next().is_none() && address.is_unicast() && bytes != [0; 6];
    if usable { Ok(address) } else { Err(expected()) }
}

fn mtu(text: &str) -> Result<usize, Expected> {
    match text.parse() {
        Ok(mtu) if (MTU_MIN..=MTU_MAX).contains(&mtu) => Ok(mtu),
        _ => Err(format!("a whole number from {MTU_MIN} to {MTU_MAX}")),
    }
}

fn spin(text: &str) -> Result<Duration, Expected> {
    match text.parse() {
        Ok(micros) if micros <= SPIN_MAX => Ok(Duration::from_micros(micros)),
        _ => Err(format!("a whole number of microseconds from 0 to {SPIN_MAX}")),
    }
}

fn offload(text: &str) -> Result<OffloadChoice, Expected> {
    match text {
        "on" => Ok(OffloadChoice::On),
        "off" => Ok(OffloadChoice::Off),
        _ => Err("on or off".to_string()),
    }
}

fn profile(text: &str) -> Result<ProfileChoice, Expected> {
    match text {
        "documented" => Ok(ProfileChoice::Documented),
        "windows" => Ok(ProfileChoice::Windows),
        _ => Err("documented or windows".to_string()),
    }
}

fn timing(text: &str) -> Result<TimingChoice, Expected> {
    match text {
        "win10" => Ok(TimingChoice::Win10),
        "win7" => Ok(TimingChoice::Win7),
        "rfc6298" => Ok(TimingChoice::Rfc6298),
        "test" => Ok(TimingChoice::Test),
        _ => Err("win10, win7, rfc6298 or test".to_string()),
    }
}

fn seed(text: &str) -> Result<u64, Expected> {
    let digits = |text: &str| text.bytes().all(|digit| digit.is_ascii_hexdigit());
    let parsed = match text.strip_prefix("0x") {
        Some(hex) if digits(hex) => u64::from_str_radix(hex, 16).ok(),
        None if digits(text) => text.parse().ok(),
        _ => None,
    };
    parsed.ok_or_else(|| format!("a whole number from 0 to {}, or 0x and hex digits", u64::MAX))
}

fn path(text: &str, what: &str) -> Result<PathBuf, Expected> {
    if text.is_empty() { Err(what.to_string()) } else { Ok(PathBuf::from(text)) }
}

fn socket(text: &str) -> Result<PathBuf, Expected> {
    if text.is_empty() || text.len() > SOCKET_NAME_MAX || text.contains('\0') {
        return Err(format!("the name of a socket, of at most {SOCKET_NAME_MAX} bytes"));
    }
    Ok(PathBuf::from(text))
}

fn rules(given: &Given) -> Result<Vec<Rule>, ConfigError> {
    let Some(Texts { texts, origin }) = given.texts(Setting::Fault) else { return Ok(Vec::new()) };
    let rule = |text: &String| {
        text.parse().map_err(|error: TextError| ConfigError::Rule {
            origin: origin.clone(),
            why: error.to_string(),
        })
    };
    texts.iter().map(rule).collect()
}

fn check_addresses(given: &Given, made: &Configuration) -> Result<(), ConfigError> {
    for (at, own) in made.addresses.iter().enumerate() {
        if made.addresses[..at].iter().any(|other| other.address() == own.address()) {
            return Err(wrong_at(given, Setting::Address, at, "given once only".to_string()));
        }
        if made.link == LinkChoice::Private && neighbor_of(*own).is_none() {
            let expected = "in a prefix that leaves the kernel's side an address".to_string();
            return Err(wrong_at(given, Setting::Address, at, expected));
        }
    }
    Ok(())
}

fn check_gateways(given: &Given, made: &Configuration) -> Result<(), ConfigError> {
    for (at, gateway) in made.gateways.iter().enumerate() {
        if made.gateways[..at].iter().any(|other| other.version() == gateway.version()) {
            let expected = "the only one of its family".to_string();
            return Err(wrong_at(given, Setting::Gateway, at, expected));
        }
        check_router(given, made, Setting::Gateway, at, *gateway)?;
    }
    Ok(())
}

fn check_routes(given: &Given, made: &Configuration) -> Result<(), ConfigError> {
    for (at, route) in made.routes.iter().enumerate() {
        if made.routes[..at].iter().any(|other| other.destination == route.destination) {
            let expected = "the only one to its prefix".to_string();
            return Err(wrong_at(given, Setting::Route, at, expected));
        }
        if let Some(router) = route.gateway {
            check_router(given, made, Setting::Route, at, router)?;
        }
    }
    Ok(())
}

/// A router is reached over the link, so it is in the prefix of one of the stack's addresses.
fn check_router(
    given: &Given,
    made: &Configuration,
    setting: Setting,
    at: usize,
    router: IpAddress,
) -> Result<(), ConfigError> {
    let own = made.addresses.iter().any(|own| own.address() == router);
    let on_link = made.addresses.iter().any(|own| own.contains_addr(&router));
    if on_link && !own {
        return Ok(());
    }
    let mut prefixes = String::new();
    for own in &made.addresses {
        let separator = if prefixes.is_empty() { "" } else { " or " };
        prefixes.push_str(&format!("{separator}{own}"));
    }
    let expected = if prefixes.is_empty() {
        "left out where the stack has no address".to_string()
    } else {
        let by = if setting == Setting::Route { "by " } else { "" };
        format!("{by}a neighbor of the stack, which is {prefixes}")
    };
    Err(wrong_at(given, setting, at, expected))
}

/// The first address of the prefix of `own` that is neither `own` nor the prefix itself; `None`
/// where there is no other.
pub(super) fn neighbor_of(own: IpCidr) -> Option<IpCidr> {
    let address = IpAddr::from(own.address());
    let prefix_len = own.prefix_len();
    let host_bits = u32::from(width(address) - prefix_len);
    if host_bits == 0 {
        return None;
    }
    let network = bits(address) >> host_bits << host_bits;
    // RFC 3021 and RFC 6164: both addresses of a prefix of two are usable.
    let first = if host_bits == 1 { network } else { network + 1 };
    let other = if first == bits(address) { first + 1 } else { first };
    Some(IpCidr::new(from_bits(other, address).into(), prefix_len))
}

/// An address, a slash and a prefix length.
fn prefix(text: &str) -> Option<IpCidr> {
    let (address, len) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let plain = !len.is_empty() && len.bytes().all(|digit| digit.is_ascii_digit());
    let len: u8 = len.parse().ok().filter(|&len| plain && len <= width(address))?;
    Some(IpCidr::new(address.into(), len))
}

fn is_unicast(address: IpAddr) -> bool {
    let special = address.is_unspecified() || address.is_multicast();
    match address {
        IpAddr::V4(address) => !special && !address.is_broadcast() && address.octets()[0] < 240,
        IpAddr::V6(address) => !special && address.to_ipv4_mapped().is_none(),
    }
}

/// Whether the address is the prefix itself, or the broadcast address of an IPv4 prefix.
fn is_edge(cidr: IpCidr) -> bool {
    let address = IpAddr::from(cidr.address());
    let host_bits = u32::from(width(address) - cidr.prefix_len());
    let host = bits(address) & !(u128::MAX.checked_shl(host_bits).unwrap_or(0));
    let all_ones = !(u128::MAX.checked_shl(host_bits).unwrap_or(0));
    host == 0 || (address.is_ipv4() && host == all_ones)
}

fn has_no_host_bits(cidr: &IpCidr) -> bool {
    let address = IpAddr::from(cidr.address());
    let host_bits = u32::from(width(address) - cidr.prefix_len());
    bits(address) & !(u128::MAX.checked_shl(host_bits).unwrap_or(0)) == 0
}

/// How many bits an address of this family has.
fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The address with these bits, of the family of `like`. Bits that do not fit are cut.
fn from_bits(bits: u128, like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::from_bits((bits & u128::from(u32::MAX)) as u32).into(),
        IpAddr::V6(_) => Ipv6Addr::from_bits(bits).into(),
    }
}
