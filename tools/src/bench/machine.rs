//! On what machine numbers were taken.

use std::env;
use std::fs;
use std::thread;

use serde::Serialize;

/// What a reader has to know.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Machine {
    cpu: String,
    cores: usize,
    kernel: String,
    build: &'static str,
    /// The load average of the last minute, before anything was measured.
    load: String,
    command: String,
}

impl Machine {
    /// This one.
    pub(super) fn look() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let cpu = field(&read("/proc/cpuinfo"), "model name")
            .unwrap_or_else(|| env::consts::ARCH.to_string());
        let kernel = read("/proc/sys/kernel/osrelease").trim().to_string();
        let load = read("/proc/loadavg").split(' ').next().unwrap_or_default().to_string();
        let words = env::args().skip(1).collect::<Vec<_>>().join(" ");
        Self {
            cpu,
            cores: thread::available_parallelism().map_or(1, usize::from),
            kernel,
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
            load,
            command: format!("tapsock {words}"),
        }
    }

    /// One sentence.
    pub(super) fn sentence(&self) -> String {
        let Self { cpu, cores, kernel, build, load, command } = self;
        let nothing = if *build == "debug" { ", so these numbers mean nothing" } else { "" };
        format!(
            "{cpu}, {cores} cores, Linux {kernel}; {build} build{nothing}; load average {load} \
             before; {command}"
        )
    }
}

fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_string())
}
