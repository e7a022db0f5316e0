//! Rows for people, for programs, for the README, and as a picture.

pub(super) mod json;
pub(super) mod picture;
pub(super) mod table;

use std::fs;
use std::path::Path;

use super::figures::Comparison;
use super::machine::Machine;
use super::runner::{Pace, Row};
use crate::output::{self, Failure, Paint};

/// How rows are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Table,
    Json,
    Markdown,
}

/// Shows rows one after the other and remembers them.
pub(super) struct Report {
    format: Format,
    paint: Paint,
    machine: Machine,
    pace: Pace,
    rows: Vec<Row>,
}

impl Report {
    pub(super) fn new(format: Format, machine: Machine, pace: Pace) -> Result<Self, Failure> {
        let paint = Paint::stdout();
        match format {
            Format::Table => output::line(&table::head(paint))?,
            Format::Markdown => output::line(&table::markdown_head())?,
            Format::Json => {}
        }
        Ok(Self { format, paint, machine, pace, rows: Vec::new() })
    }

    /// Shows a row.
    pub(super) fn row(&mut self, row: Row) -> Result<(), Failure> {
        match self.format {
            Format::Table => {
                for line in table::row(&row, self.paint) {
                    output::line(&line)?;
                }
            }
            Format::Markdown => output::line(&table::markdown_row(&row))?,
            Format::Json => output::json(&json::Line::of(&row))?,
        }
        self.rows.push(row);
        Ok(())
    }

    /// Says on what machine it was and draws the picture. What must hold and does not is a failure,
    /// where the rounds were long enough to say so.
    pub(super) fn end(self, svg: Option<&Path>) -> Result<(), Failure> {
        let Self { format, paint: _, machine, pace, rows } = self;
        let sentence = machine.sentence();
        match format {
            Format::Table => output::line(&format!("\n{}", table::foot(&sentence, pace)))?,
            Format::Markdown => output::line(&format!("\n{sentence}."))?,
            Format::Json => {}
        }
        if let Some(path) = svg {
            write(path, &picture::draw(&rows, &sentence))?;
        }
        let missed = rows.iter().any(|row| !pace.quick && row.holds() == Some(false));
        let failed = rows.iter().any(|row| row.trouble.is_some());
        if missed || failed { Err(Failure::Failed) } else { Ok(()) }
    }
}

fn write(path: &Path, svg: &str) -> Result<(), Failure> {
    if path == Path::new("-") {
        return output::line(svg.trim_end());
    }
    fs::write(path, svg).map_err(|error| {
        Failure::Usage(format!(
            "{} cannot be written ({error}); give --svg a file that can",
            path.display()
        ))
    })
}

/// Shows which figures there are.
pub(super) fn list(comparisons: &[Comparison], as_json: bool) -> Result<(), Failure> {
    for figure in comparisons.iter().flat_map(|one| &one.figures) {
        if as_json {
            output::json(&json::Listed::of(figure))?;
        } else {
            output::line(&table::listed(figure))?;
        }
    }
    Ok(())
}
