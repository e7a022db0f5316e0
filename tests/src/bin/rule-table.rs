//! `rule-table SCRIPT`: writes the rules of a fault script as the table of an image.

use std::process::ExitCode;

use tapsock_stack::fault::text::Document;
use tapsock_tests::rule_table;

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: rule-table SCRIPT");
        return ExitCode::from(2);
    };
    let table = std::fs::read_to_string(&path)
        .map_err(|why| format!("{path} cannot be read: {why}"))
        .and_then(|text| Document::parse(&text).map_err(|why| why.in_file(&path).to_string()))
        .and_then(|document| rule_table(&document));
    match table {
        Ok(table) => {
            print!("// Made from {path} by the program rule-table.\n\n{table}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("rule-table: {why}");
            ExitCode::FAILURE
        }
    }
}
