//! What Winsock calls do, against simulated hosts in virtual time.
//!
//! Expected values are the literal numbers of the Windows headers, not the crate's names for
//! them, so that a wrong name fails too.

mod addresses;
mod async_select;
mod attempt;
mod binding;
mod blocking;
mod buffers;
mod calls;
mod closing;
mod creating;
mod data_and_qos;
mod datagram;
#[cfg(feature = "embedded")]
mod embedded;
mod event_select;
mod events;
mod every_transfer;
mod failure;
mod in_place;
mod inheritance;
mod ioctls;
mod ip_options;
mod keep_alive;
mod ladder;
mod listening;
mod many;
mod mtu;
mod net;
mod option_matrix;
mod options;
mod outcome;
mod poll;
mod process;
mod readiness_matrix;
mod scene;
mod select;
mod sequences;
mod shutdown;
mod stepped;
mod thousand;
mod tiny;
mod transfer;
mod unreadable;
mod vectored;
