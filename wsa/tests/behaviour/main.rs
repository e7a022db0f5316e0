//! What Winsock calls do, against simulated hosts in virtual time.
//!
//! Expected values are the literal numbers of the Windows headers, not the crate's names for
//! them, so that a wrong name fails too.

mod outcome;
mod scene;
