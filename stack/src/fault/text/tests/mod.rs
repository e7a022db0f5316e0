//! The language, read and written.

mod arbitrary;
mod examples;
mod lint;
mod mistakes;
mod names;
mod properties;
mod values;

use alloc::string::{String, ToString};

use super::*;
use crate::fault::*;

/// What a script that is wrong is told.
#[track_caller]
fn complaint(text: &str) -> String {
    match text.parse::<Document>() {
        Ok(document) => panic!("nothing is wrong with it: {document:?}"),
        Err(error) => error.to_string(),
    }
}

/// What a line that is wrong is told.
#[track_caller]
fn complaint_about_line(text: &str) -> String {
    match text.parse::<Rule>() {
        Ok(rule) => panic!("nothing is wrong with it: {rule:?}"),
        Err(error) => error.to_string(),
    }
}
