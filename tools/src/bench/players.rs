//! Processes that play a part, and what is said between them and the benchmark: a line each way.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use std::{env, thread};

use super::trouble::Trouble;

/// This program once more, with a part. Ends when it is dropped.
#[derive(Debug)]
pub(super) struct Player {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Player {
    /// Starts one in the namespace of the calling thread.
    pub(super) fn start(part: &str) -> Result<Self, Trouble> {
        let this = env::current_exe().map_err(Trouble::of("finding this program"))?;
        let mut child = Command::new(this)
            .args(["bench", "--part", part])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Trouble::of("starting this program once more"))?;
        let input = child.stdin.take();
        let (sender, lines) = channel();
        if let Some(output) = child.stdout.take() {
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    // Whoever does not listen any more has an error to report.
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        Ok(Self { child, input, lines })
    }

    /// Says a line to it.
    pub(super) fn say(&mut self, line: &str) -> Result<(), Trouble> {
        let Some(input) = &mut self.input else { return Ok(()) };
        writeln!(input, "{line}").map_err(Trouble::of("talking to a part of the benchmark"))
    }

    /// The next line that it says.
    pub(super) fn hear(&self, patience: Duration) -> Result<String, Trouble> {
        self.lines.recv_timeout(patience).map_err(|_| {
            let seconds = patience.as_secs();
            Trouble::new(format!("a part of the benchmark ended, or said nothing for {seconds} s"))
        })
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        // The end of its input is its end; one that has no time to see that is ended.
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
