//! Captures that are made here, and what must come of them.

mod analysis;
mod command;
mod file;
mod mutated;
mod picture;
mod reading;
mod scene;
