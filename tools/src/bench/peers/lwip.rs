//! lwIP as Debian builds it: a small program of ours over its raw API, which is compiled when it is
//! first needed and leaves no file behind.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::{env, io, process};

use super::super::lab::{Family, Way};
use super::super::trouble::Trouble;

const SOURCE: &str = include_str!("lwip.c");

/// The program, which has no name any more.
static PROGRAM: OnceLock<Result<File, Trouble>> = OnceLock::new();

/// lwIP on the plain TAP device.
pub(in crate::bench) struct Lwip {
    child: Child,
}

impl Lwip {
    /// Connects to the kernel at this address, and sends without end, or receives.
    pub(in crate::bench) fn start(to: SocketAddr, sends: bool) -> Result<Self, Trouble> {
        let program = PROGRAM.get_or_init(compile).as_ref().map_err(Clone::clone)?;
        let child = Command::new(format!("/proc/{}/fd/{}", process::id(), program.as_raw_fd()))
            .arg(Way::Plain.device())
            .args([Way::Plain.own(Family::V4), to.ip()].map(|ip| ip.to_string()))
            .arg(to.port().to_string())
            .arg(if sends { "tx" } else { "rx" })
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(Trouble::of("starting lwIP"))?;
        Ok(Self { child })
    }

    /// Calls `ready` when the connection is established, and keeps the number of bytes that were
    /// received, until `stop`.
    pub(in crate::bench) fn run(
        mut self,
        stop: &AtomicBool,
        ready: impl FnOnce(),
        counted: &AtomicU64,
    ) -> Result<(), Trouble> {
        let ended = || Trouble::new("lwIP ended early");
        let output = self.child.stdout.take().ok_or_else(ended)?;
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        if lines.next().as_deref() != Some("ready") {
            return Err(Trouble::new("lwIP could not connect to the kernel"));
        }
        ready();
        for line in lines {
            counted.store(line.parse().unwrap_or(0), Ordering::Relaxed);
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
        }
        Err(ended())
    }
}

impl Drop for Lwip {
    fn drop(&mut self) {
        // It has nothing to put in order.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn compile() -> Result<File, Trouble> {
    let missing = |what: &str| {
        Trouble::left_out(format!(
            "{what} is missing; run: sudo apt-get install gcc pkg-config liblwip-dev"
        ))
    };
    let flags = Command::new("pkg-config").args(["--cflags", "--libs", "lwip"]).output();
    let flags = flags.map_err(|_| missing("pkg-config"))?;
    if !flags.status.success() {
        return Err(missing("lwIP"));
    }
    let path = env::temp_dir().join(format!("tapsock-bench-lwip-{}", process::id()));
    let compiled = compile_to(&path, &String::from_utf8_lossy(&flags.stdout));
    let opened = compiled.and_then(|()| File::open(&path));
    // What is open can be run without a name.
    let _ = fs::remove_file(&path);
    opened.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => missing("cc"),
        _ => Trouble::of("compiling the program for lwIP")(error),
    })
}

fn compile_to(path: &std::path::Path, flags: &str) -> io::Result<()> {
    let mut compiler = Command::new("cc")
        .args(["-O2", "-x", "c", "-", "-o"])
        .arg(path)
        .args(flags.split_whitespace())
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut input) = compiler.stdin.take() {
        input.write_all(SOURCE.as_bytes())?;
    }
    let output = compiler.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let first = said.lines().find(|line| line.contains("error")).unwrap_or("no reason was given");
    Err(io::Error::other(first.to_string()))
}
