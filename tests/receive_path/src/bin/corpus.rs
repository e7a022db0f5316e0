//! Packs and unpacks corpora, and shows inputs as scripts.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, io};

use tapsock_receive_path::pack::{self, Entry};
use tapsock_receive_path::{operation, play, seeds};

const USAGE: &str = "usage: corpus unpack PACK DIRECTORY   writes each input to a file of its name
       corpus pack DIRECTORY PACK     packs the files, and the scripts written by hand
       corpus show FILE               prints the script that a file is
       corpus play FILE               plays it and prints what was reached";

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["unpack", pack, directory] => unpack(Path::new(pack), Path::new(directory)),
        ["pack", directory, pack] => repack(Path::new(directory), Path::new(pack)),
        ["show", file] => fs::read(file).and_then(|input| show(&input)),
        ["play", file] => fs::read(file).map(|input| println!("{:#?}", play(&input))),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("corpus: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The committed inputs, and the scripts of today.
fn unpack(pack: &Path, directory: &Path) -> io::Result<()> {
    let text = fs::read_to_string(pack)?;
    let entries = pack::read(&text).map_err(io::Error::other)?;
    for Entry { name, input } in entries.into_iter().chain(seeds::entries()) {
        fs::write(directory.join(name), input)?;
    }
    Ok(())
}

fn repack(directory: &Path, pack: &Path) -> io::Result<()> {
    let mut entries = seeds::entries();
    let mut found = Vec::new();
    for file in fs::read_dir(directory)? {
        let file = file?;
        let input = fs::read(file.path())?;
        if entries.iter().all(|entry| entry.input != input) {
            found.push(Entry { name: file.file_name().to_string_lossy().into_owned(), input });
        }
    }
    found.sort();
    entries.extend(found);
    fs::write(pack, pack::write(&entries))?;
    println!("{} inputs", entries.len());
    Ok(())
}

fn show(input: &[u8]) -> io::Result<()> {
    let (setting, script) = input.split_first().map_or((&0, input), |parts| parts);
    let mut out = io::stdout().lock();
    writeln!(out, "setting {setting}")?;
    for operation in operation::read(script) {
        writeln!(out, "{operation:?}")?;
    }
    Ok(())
}
