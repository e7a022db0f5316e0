//! What the command line is made of, for the tests as well.

pub mod namespace;
pub mod settings;
