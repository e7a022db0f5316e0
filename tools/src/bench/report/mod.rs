//! Rows for people, for programs, for the README, and as a picture.

pub(super) mod json;
pub(super) mod picture;
pub(super) mod table;

use std::path::{Path, PathBuf};
use std::{fs, io};

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
    svg: Option<PathBuf>,
}

impl Report {
    /// A picture is drawn to `svg` at the end. What goes to standard output is that alone, then.
    ///
    /// # Errors
    /// [`Failure::Usage`] for a picture that cannot be written, or that would stand among rows.
    pub(super) fn new(
        format: Format,
        svg: Option<PathBuf>,
        machine: Machine,
        pace: Pace,
    ) -> Result<Self, Failure> {
        let aside = svg.as_deref() == Some(Path::new("-"));
        if aside && format != Format::Table {
            return Err(Failure::Usage(
                "--svg - and the rows would both stand on standard output; give --svg a file"
                    .into(),
            ));
        }
        if let Some(path) = svg.as_deref().filter(|_| !aside) {
            // Before minutes are spent on what has no place.
            let opened = fs::File::options().append(true).create(true).open(path);
            opened.map_err(|error| unwritable(path, &error))?;
        }
        let paint = if aside { Paint::stderr() } else { Paint::stdout() };
        let report = Self { format, paint, machine, pace, rows: Vec::new(), svg };
        match format {
            Format::Table => report.line(&table::head(paint))?,
            Format::Markdown => report.line(&table::markdown_head())?,
            Format::Json => {}
        }
        Ok(report)
    }

    /// A line for people, beside the picture if that has standard output.
    fn line(&self, line: &str) -> Result<(), Failure> {
        if self.svg.as_deref() == Some(Path::new("-")) {
            output::note(line);
            return Ok(());
        }
        output::line(line)
    }

    /// Shows a row.
    pub(super) fn row(&mut self, row: Row) -> Result<(), Failure> {
        match self.format {
            Format::Table => {
                for line in table::row(&row, self.paint) {
                    self.line(&line)?;
                }
            }
            Format::Markdown => self.line(&table::markdown_row(&row))?,
            Format::Json => output::json(&json::Line::of(&row))?,
        }
        self.rows.push(row);
        Ok(())
    }

    /// Says on what machine it was and draws the picture. What must hold and does not is a failure,
    /// where the rounds were long enough to say so.
    pub(super) fn end(self) -> Result<(), Failure> {
        let sentence = self.machine.sentence();
        match self.format {
            Format::Table => self.line(&format!("\n{}", table::foot(&sentence, self.pace)))?,
            Format::Markdown => self.line(&format!("\n{sentence}."))?,
            Format::Json => {}
        }
        let Self { pace, rows, svg, .. } = self;
        if let Some(path) = svg {
            write(&path, &picture::draw(&rows, &sentence))?;
        }
        let missed = rows.iter().any(|row| !pace.quick && row.holds() == Some(false));
        let troubles = rows.iter().filter_map(|row| row.trouble.as_ref());
        let failed = troubles.filter(|trouble| !trouble.is_excused()).count() > 0;
        if missed || failed { Err(Failure::Failed) } else { Ok(()) }
    }
}

fn write(path: &Path, svg: &str) -> Result<(), Failure> {
    if path == Path::new("-") {
        return output::line(svg.trim_end());
    }
    fs::write(path, svg).map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let path = path.display();
    Failure::Usage(format!("{path} cannot be written ({error}); give --svg a file that can"))
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
