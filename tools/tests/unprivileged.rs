//! What a user without privilege is told, and that nothing is missing where the system is open.
//!
//! These tests are root's: they drop to the user nobody, in mount namespaces of their own, where the
//! machine looks as it is to look.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{self, Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tapsock");

/// A copy of the program that everybody may run, wherever the original is.
struct Copy {
    directory: PathBuf,
}

impl Copy {
    fn new(test: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("tapsock-{test}-{}", process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
        fs::copy(PROGRAM, directory.join("program")).unwrap();
        fs::set_permissions(directory.join("program"), fs::Permissions::from_mode(0o755)).unwrap();
        Self { directory }
    }

    fn program(&self) -> String {
        self.directory.join("program").display().to_string()
    }

    /// Runs the program as nobody in a mount namespace of its own, after a shell command has
    /// prepared it. What the program is started through stands behind `through`.
    fn run(&self, prepare: &str, through: &str) -> Output {
        let drop = "setpriv --reuid=65534 --regid=65534 --clear-groups";
        let directory = self.directory.display();
        let script =
            format!("cd '{directory}' && {prepare} && exec {through} {drop} \"$0\" errors --tap");
        Command::new("unshare")
            .args(["--mount", "sh", "-c", &script, &self.program()])
            .output()
            .unwrap()
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // What stays is a small directory for temporary files.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Whether this is the real root, who alone may become nobody.
fn is_root() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let ids: Vec<&str> = map.split_whitespace().collect();
    let status = Command::new("unshare").args(["--mount", "true"]).status();
    let root = ids == ["0", "0", "4294967295"] && status.is_ok_and(|status| status.success());
    if !root {
        eprintln!("skipped: only root can become nobody");
    }
    root
}

/// `/dev/net/tun` with these permissions.
fn device(mode: &str) -> String {
    format!("mknod -m {mode} tun c 10 200 && mount --bind tun /dev/net/tun")
}

fn sentence(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim_end().to_string()
}

#[test]
fn an_open_device_and_user_namespaces_are_enough() {
    if !is_root() {
        return;
    }
    let copy = Copy::new("open");
    let output = copy.run(&device("666"), "");
    assert_eq!(sentence(&output), "");
    assert!(output.status.success());
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(table.trim_end().ends_with("rows, all ok"), "{table}");
}

#[test]
fn a_closed_device_is_named_with_the_sudo_form() {
    if !is_root() {
        return;
    }
    let copy = Copy::new("closed");
    let output = copy.run(&device("600"), "");
    let program = copy.program();
    assert_eq!(
        sentence(&output),
        format!(
            "tapsock: /dev/net/tun cannot be opened (Permission denied); run: sudo {program} \
             errors --tap"
        )
    );
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn missing_user_namespaces_are_named_with_the_sudo_form() {
    if !is_root() {
        return;
    }
    let copy = Copy::new("confined");
    // The kernel gives nobody a user namespace whose root directory is not the machine's, here
    // another view of the same one (EPERM in unshare(2)). The device is open.
    let view = format!("{} && mkdir view && mount --rbind / view", device("666"));
    let output = copy.run(&view, "chroot view");
    let program = copy.program();
    assert_eq!(
        sentence(&output),
        format!(
            "tapsock: user namespaces grant no CAP_NET_ADMIN here (Operation not permitted); run: \
             sudo {program} errors --tap"
        )
    );
    assert_eq!(output.status.code(), Some(3));
}
