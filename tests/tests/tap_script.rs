//! `scripts/tap`, in a network namespace of the test's own.

use std::path::Path;
use std::process::{Command, Output};

use tapsock_stack::link::tap::Tap;
use tapsock_tests::Kernel;

fn script(arguments: &[&str]) -> Command {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/tap");
    let mut command = Command::new("bash");
    command.arg(path).args(arguments);
    command
}

/// What a program said, without the spaces that align it.
fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&text).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn ip(arguments: &str) -> String {
    said(&Command::new("ip").args(arguments.split(' ')).output().unwrap())
}

fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    said(&output)
}

#[test]
fn a_device_belongs_to_the_caller_and_the_host_is_behind_it() {
    let Some(kernel) = Kernel::start() else { return };
    kernel.remove_device();
    // sudo says who called it. In a user namespace only root exists, so root it is there.
    let (owner, name) = if is_mapped(65534) { ("65534", "nobody") } else { ("0", "root") };
    // The second time there is nothing to do.
    for _ in 0..2 {
        let sentence = succeed(script(&["up", "mine0"]).env("SUDO_UID", owner));
        assert_eq!(
            sentence,
            format!(
                "mine0 is up and belongs to uid {owner}; the host is 10.77.0.1 and fd77::1 \
                 behind it"
            )
        );
    }
    let shown = ip("-details link show dev mine0");
    assert!(shown.contains("tun type tap"), "{shown}");
    assert!(shown.contains(&format!("persist on user {name}")), "{shown}");
    let addresses = ip("-brief address show dev mine0");
    assert!(addresses.contains("10.77.0.1/24 fd77::1/64"), "{addresses}");

    for _ in 0..2 {
        assert_eq!(succeed(&mut script(&["down", "mine0"])), "");
        assert!(ip("link show dev mine0").contains("does not exist"));
    }
}

#[test]
fn two_devices_share_a_bridge_which_goes_with_the_last_one() {
    let Some(kernel) = Kernel::start() else { return };
    kernel.remove_device();
    for device in ["one0", "two0"] {
        succeed(&mut script(&["up", device, "both0"]));
        assert!(ip("link show master both0").contains(device));
    }
    let addresses = ip("-brief address show dev both0");
    assert!(addresses.contains("10.77.0.1/24 fd77::1/64"), "{addresses}");
    succeed(&mut script(&["down", "one0", "both0"]));
    assert!(ip("link show dev both0").contains("state"));
    succeed(&mut script(&["down", "two0", "both0"]));
    assert!(ip("link show dev both0").contains("does not exist"));
}

#[test]
fn the_host_has_its_addresses_once_when_a_device_becomes_a_port() {
    let Some(kernel) = Kernel::start() else { return };
    kernel.remove_device();
    succeed(&mut script(&["up", "port0"]));
    succeed(&mut script(&["up", "port0", "bridge0"]));
    assert!(!ip("-brief address show dev port0").contains("10.77.0.1"));
    assert!(ip("-brief address show dev bridge0").contains("10.77.0.1/24 fd77::1/64"));
}

#[test]
fn what_cannot_be_had_is_left_alone_with_one_sentence() {
    let Some(kernel) = Kernel::start() else { return };
    let fails = |arguments: &[&str], sentence: &str| {
        let output = script(arguments).output().unwrap();
        assert_eq!(said(&output), format!("scripts/tap: {sentence}"));
        assert_eq!(output.status.code(), Some(1));
    };
    fails(&["up", "lo"], "lo exists and is no TAP device; choose another name");
    fails(&["down", "lo"], "lo exists and is no TAP device; choose another name");
    let _held = Tap::open(kernel.device()).unwrap();
    let busy = "is in use; end the process that has it open first";
    fails(&["down", kernel.device()], &format!("{} {busy}", kernel.device()));

    if is_mapped(65534) {
        succeed(script(&["up", "theirs0"]).env("SUDO_UID", "65534"));
        let output = script(&["up", "theirs0"]).env("SUDO_UID", "0").output().unwrap();
        assert!(said(&output).contains("theirs0 belongs to another user; remove it first: sudo"));
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn without_root_one_sentence_has_the_sudo_form() {
    if !is_mapped(65534) {
        eprintln!("skipped: only root can become nobody");
        return;
    }
    // The script by way of standard input: its file may be where nobody may not look.
    let text = std::fs::File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/tap"));
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "bash", "-s", "--", "up", "x0"])
        .stdin(text.unwrap())
        .current_dir("/")
        .output()
        .unwrap();
    assert_eq!(said(&output), "scripts/tap: making a TAP device needs root; run: sudo bash up x0");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_wrong_word_is_answered_with_the_usage() {
    for arguments in [&[][..], &["sideways"], &["up", "a", "b", "c"]] {
        let output = script(arguments).output().unwrap();
        assert_eq!(said(&output), "usage: scripts/tap up|down [NAME [BRIDGE]]");
        assert_eq!(output.status.code(), Some(2));
    }
}

/// Whether this user exists in the user namespace of the test.
fn is_mapped(user: u64) -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.lines().any(|line| {
        let numbers: Vec<u64> = line.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        matches!(numbers[..], [first, _, count] if (first..first + count).contains(&user))
    })
}
