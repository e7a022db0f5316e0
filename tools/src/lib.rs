//! What the command line is made of, for the tests as well.
//!
//! From the outside in: [`cli`] says which verbs and flags there are and what the exit status
//! means; [`errors`], [`connect`], [`listen`], [`faults`], [`run`], [`control`], [`netstat`], [`trace`],
//! [`explain`] and [`mod@bench`] are the verbs. They share [`settings`], the one configuration as flags; [`stage`],
//! the simulated and the real network in which errors and faults are played; [`namespace`], a
//! private network with the kernel in it; [`session`], a process on the configured link; [`join`],
//! which joins a socket to standard input and output; [`frames`] and [`describe`], which turn what
//! passed a link into lines for people; [`timeline`], what a fault script did in such lines;
//! [`output`], the terminal; and [`http`], the file server behind `listen --serve`.

pub mod bench;
pub mod cli;
pub mod connect;
pub mod control;
pub mod describe;
pub mod errors;
pub mod explain;
pub mod faults;
pub mod frames;
pub mod http;
pub mod join;
pub mod listen;
pub mod namespace;
pub mod netstat;
pub mod output;
pub mod report;
pub mod run;
pub mod session;
pub mod settings;
pub mod stage;
pub mod timeline;
pub mod trace;
