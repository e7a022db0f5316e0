//! `tapsock faults`: fault scripts with the scenario that they name, and whether their
//! expectations hold.

mod command;
mod decisions;
mod document;
mod expect;
mod judged;
mod loaded;
mod peer;
mod program;
mod recorded;
mod report;
mod run;
mod scenario;
mod session;
mod shrink;
mod simulated;
mod tap;
#[cfg(test)]
mod tests;
mod units;
mod verb;

pub use self::decisions::Decisions;
pub use self::document::{Loaded, Text, case, document};
pub use self::expect::{Ending, Expect, Tcp, Texts};
pub use self::judged::{EXPECTED_FAILURES, ExpectedFailures, Judged, Verdict};
pub use self::loaded::{files, hash, name, title};
pub use self::recorded::{Recorded, lines};
pub use self::run::{Case, Hits, Run, run};
pub use self::scenario::{KeepAlive, Profile, Program, Scenario, Timing, Way};
pub use self::shrink::{Shrunk, Unshrinkable, shrink};
pub use self::units::{Size, Time};
pub use self::verb::main;
pub use crate::stage::{Ip, Medium, Party};
