//! The README's second example, run as it is printed: the blocks of commands between their marks,
//! in a shell, in a fresh network namespace.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use tapsock_tests::Kernel;
use tapsock_tools::namespace;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The commands of the block behind `<!-- readme: NAME -->`.
fn block(name: &str) -> String {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let mark = format!("<!-- readme: {name} -->\n```sh\n");
    let Some((_, rest)) = readme.split_once(&mark) else { panic!("no block {name}") };
    rest.split_once("```").unwrap().0.to_string()
}

/// A shell in the top folder. The test is root in its namespace, so that sudo means nothing; and as a
/// word of the shell's it is no file, which another test might be writing.
fn shell(commands: &str) -> Command {
    let commands = format!("sudo() {{ \"$@\"; }}\n{commands}");
    let mut shell = Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", &commands]).current_dir(root());
    shell
}

/// What runs in another terminal, until it goes out of scope.
struct Terminal(Child);

impl Terminal {
    fn open(commands: &str) -> Self {
        // A group of its own, so that all of it can be ended.
        let mut shell = shell(commands);
        let shell = shell.process_group(0).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = shell.spawn().unwrap();
        // It may have to build first. The rest of what it says is of no interest, but read.
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let listens = said.any(|line| line.unwrap().starts_with("listening on "));
        thread::spawn(move || said.for_each(drop));
        let terminal = Self(child);
        assert!(listens, "{commands}");
        terminal
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The shell's own word: the program of this name is not everywhere.
        let group = format!("-{}", self.0.id());
        let _ = Command::new("sh").args(["-c", "kill -- \"$0\"", &group]).status();
        let _ = self.0.wait();
    }
}

/// What the commands print.
fn printed(commands: &str) -> Output {
    let output = shell(commands).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn curl_fetches_a_file_as_printed() {
    let Some(kernel) = Kernel::start() else { return };
    // The README makes its own device; the one that every test has is in its way.
    kernel.remove_device();
    let made = shell(&block("setup")).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let _serving = Terminal::open(&block("serve"));

    let output = printed(&block("fetch"));
    let readme = fs::read(root().join("README.md")).unwrap();
    // Two commands, one a family.
    assert!(output.stdout == [&readme[..], &readme[..]].concat());
}

#[test]
fn a_bridge_of_two_as_printed() {
    let Some(kernel) = Kernel::start() else { return };
    kernel.remove_device();
    let made = shell(&block("bridge")).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for device in ["tapsock0", "tapsock1", "tapbridge"] {
        assert!(namespace::ip(&format!("link show dev {device}")).is_ok(), "{device}");
    }
    let _serving = Terminal::open(&block("bridge-serve"));
    let output = printed(&format!("echo over the bridge | {}", block("bridge-connect").trim()));
    let back = String::from_utf8_lossy(&output.stdout);
    assert!(back.contains("over the bridge"), "{back}");
}

/// The program that scripts/test-embedded builds.
#[test]
fn the_program_for_a_microcontroller_is_the_one_that_is_built() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let program = fs::read_to_string(root().join("tests/embedded/src/bin/hello.rs")).unwrap();
    let block = format!("<!-- readme: microcontroller -->\n```rust,ignore\n{program}```\n");
    assert!(readme.contains(&block), "README.md has another program than tests/embedded");
}
