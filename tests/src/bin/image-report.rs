//! What an image of `tests/embedded` consists of, read from its debug information.
//!
//! `image-report sizes IMAGE...` says how many bytes of code and read-only data each part has.
//! `image-report totals IMAGE` gives five numbers for the program `sizes`: bytes of code and read-only
//! data without the image's own, of variables beside the sockets' buffers, of rings, of packets that
//! wait in sockets, and of the stack's and the process's own state.
//! `image-report panics IMAGE FOLDER...` lists the calls of functions that panic, by the innermost
//! function outside the core library, inlined ones included, and fails if one of them stands in a
//! FOLDER, other than in [`ALLOWED`].

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use addr2line::Loader;
use object::{Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};

/// What may panic, and no packet leads to: an engine that is entered from within itself, which is a
/// mistake in a program that no error could be returned for.
const ALLOWED: &str = "entered_twice";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["sizes", ref images @ ..] if !images.is_empty() => sizes(images),
        ["totals", image] => totals(image),
        ["panics", image, ref folders @ ..] if !folders.is_empty() => panics(image, folders),
        _ => {
            eprintln!("usage: image-report sizes IMAGE... | totals IMAGE | panics IMAGE FOLDER...");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("image-report: {why}");
            ExitCode::FAILURE
        }
    }
}

/// The parts of an image, by where their source stands. The first that fits counts.
const PARTS: [(&str, &str); 6] = [
    ("fault engine", "/stack/src/fault/"),
    ("fault engine", "/stack/src/link/fault.rs"),
    ("stack", "/stack/src/"),
    ("wsa", "/wsa/src/"),
    ("smoltcp", "/smoltcp-"),
    (IMAGE, "/tests/embedded/src/"),
];
const IMAGE: &str = "the image itself: start, driver, program";
const OTHERS: &str = "core and small crates";

fn part(file: &str) -> &'static str {
    if file.starts_with("src/") {
        // Of the package that was built itself.
        return IMAGE;
    }
    let fits = |(_, path): &&(&str, &str)| file.contains(path) && !is_core(file);
    PARTS.iter().find(fits).map_or(OTHERS, |(name, _)| name)
}

fn is_core(file: &str) -> bool {
    file.contains("/library/core/") || file.contains("/library/compiler-builtins/")
}

/// The source file, the line and the function of an address: of the innermost frame outside core.
fn innermost(loader: &Loader, address: u64) -> Option<(String, u32, String)> {
    let mut frames = loader.find_frames(address).ok()?;
    while let Ok(Some(frame)) = frames.next() {
        let Some(location) = frame.location else { continue };
        let Some(file) = location.file else { continue };
        if is_core(file) {
            continue;
        }
        let name =
            frame.function.and_then(|name| name.demangle().ok().map(|name| name.to_string()));
        // Line tables alone name only what was inlined.
        let name = name.or_else(|| {
            Some(format!("{:#}", rustc_demangle::demangle(loader.find_symbol(address)?)))
        });
        return Some((file.to_string(), location.line.unwrap_or(0), name.unwrap_or_default()));
    }
    None
}

/// How many bytes of code each part has.
fn attributed(loader: &Loader, section: &object::Section<'_, '_>) -> BTreeMap<&'static str, u64> {
    let mut parts = BTreeMap::new();
    let addresses = section.address()..section.address() + section.size();
    for address in addresses.step_by(2) {
        let found = innermost(loader, address);
        *parts.entry(found.map_or(OTHERS, |(file, ..)| part(&file))).or_insert(0) += 2;
    }
    parts
}

fn sizes(images: &[&str]) -> Result<bool> {
    for image in images {
        let data = fs::read(image).map_err(|why| format!("{image}: {why}"))?;
        let file = object::File::parse(&*data)?;
        let loader = Loader::new(image).map_err(|why| format!("{image}: {why}"))?;
        let mut parts = BTreeMap::new();
        let mut rest = BTreeMap::new();
        for section in file.sections() {
            let (name, size) = (section.name()?.to_string(), section.size());
            match section.kind() {
                SectionKind::Text => parts = attributed(&loader, &section),
                SectionKind::ReadOnlyData | SectionKind::ReadOnlyString => {
                    *rest.entry("read-only data").or_insert(0) += size;
                }
                SectionKind::Data => *rest.entry("initialized data").or_insert(0) += size,
                SectionKind::UninitializedData => *rest.entry("zeroed data").or_insert(0) += size,
                _ if name == ".vectors" => *rest.entry("read-only data").or_insert(0) += size,
                _ => {}
            }
        }
        println!("{image}");
        let code: u64 = parts.values().sum();
        for (name, size) in &parts {
            println!("  {size:>7}  {name}");
        }
        println!("  {code:>7}  code");
        for (name, size) in &rest {
            println!("  {size:>7}  {name}");
        }
        for symbol in file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Data) {
            if symbol.size() >= 1024 {
                let name = rustc_demangle::demangle(symbol.name()?);
                println!("           of which {} {name:#}", symbol.size());
            }
        }
    }
    Ok(true)
}

/// Places that the pool of packets keeps from datagrams in sockets, and the bytes of one.
const SPARE: u64 = 2;
const FRAME: u64 = 1514;

fn totals(image: &str) -> Result<bool> {
    let data = fs::read(image).map_err(|why| format!("{image}: {why}"))?;
    let file = object::File::parse(&*data)?;
    let loader = Loader::new(image).map_err(|why| format!("{image}: {why}"))?;
    let (mut code, mut memory) = (0, 0);
    for section in file.sections() {
        match section.name()? {
            ".text" => {
                code += section.size();
                code -= attributed(&loader, &section).get(IMAGE).copied().unwrap_or(0);
            }
            ".rodata" | ".vectors" => code += section.size(),
            // It stands in both: as what it begins with, and as memory.
            ".data" => (code, memory) = (code + section.size(), memory + section.size()),
            ".bss" => memory += section.size(),
            _ => {}
        }
    }
    let table = file.section_by_name(".report").ok_or("the image has no section .report")?;
    let numbers: Vec<u64> = table
        .data()?
        .chunks_exact(4)
        .filter_map(|number| Some(u64::from(u32::from_le_bytes(number.try_into().ok()?))))
        .collect();
    let [rings, packets, _, stack, process, _] = numbers[..] else {
        return Err("the section .report is not of six numbers".into());
    };
    let datagrams = packets - SPARE * FRAME;
    println!("{code} {} {rings} {datagrams} {}", memory - rings - datagrams, stack + process);
    Ok(true)
}

/// Whether a function of the core library only ever panics.
fn panics_only(name: &str) -> bool {
    let name = name.trim_start_matches('<');
    name.starts_with("core::")
        && (name.starts_with("core::panicking::")
            || name.ends_with("_fail")
            || name.ends_with("_failed")
            || name.contains("_fail::")
            || name.contains("_fail_rt")
            || name.contains("::panic_"))
}

/// Where a Thumb instruction at `at` of `code`, which stands at `address`, branches to, if it is one
/// of the two that reach far: BL and B.W (ARMv7-M, A7.7.12 and A7.7.18).
fn branch(code: &[u8], at: usize, address: u64) -> Option<u64> {
    let half =
        |at: usize| Some(u32::from(u16::from_le_bytes(code.get(at..at + 2)?.try_into().ok()?)));
    let (high, low) = (half(at)?, half(at + 2)?);
    let far = high & 0xf800 == 0xf000 && matches!(low & 0xd000, 0xd000 | 0x9000);
    if !far {
        return None;
    }
    let sign = high >> 10 & 1;
    let (j1, j2) = (low >> 13 & 1, low >> 11 & 1);
    let (i1, i2) = (1 ^ j1 ^ sign, 1 ^ j2 ^ sign);
    let offset =
        (sign << 24) | (i1 << 23) | (i2 << 22) | ((high & 0x3ff) << 12) | ((low & 0x7ff) << 1);
    // 25 bits with a sign, from the instruction's address and 4.
    let offset = i64::from((offset << 7) as i32 >> 7);
    (address + 4).checked_add_signed(offset)
}

/// Whether an instruction has four bytes.
fn is_wide(code: &[u8], at: usize) -> bool {
    code.get(at + 1).is_some_and(|high| high >> 3 >= 0b11101)
}

fn panics(image: &str, folders: &[&str]) -> Result<bool> {
    let data = fs::read(image).map_err(|why| format!("{image}: {why}"))?;
    let file = object::File::parse(&*data)?;
    let loader = Loader::new(image).map_err(|why| format!("{image}: {why}"))?;
    let mut targets = BTreeSet::new();
    // Where data stands among the code, by the mapping symbols $d and $t (AAELF32).
    let mut kinds = BTreeMap::new();
    let mut functions = Vec::new();
    for symbol in file.symbols() {
        let name = symbol.name()?;
        match name.split('.').next() {
            Some("$d") => {
                kinds.insert(symbol.address(), false);
            }
            Some("$t") => {
                kinds.insert(symbol.address(), true);
            }
            _ => {}
        }
        if symbol.kind() == SymbolKind::Text {
            let start = symbol.address() & !1;
            functions.push((start, symbol.size()));
            if panics_only(&format!("{:#}", rustc_demangle::demangle(name))) {
                targets.insert(start);
            }
        }
    }
    let text = file.section_by_name(".text").ok_or("there is no .text")?;
    let (base, code) = (text.address(), text.data()?);
    let mut found = BTreeMap::new();
    for (start, size) in functions {
        if targets.contains(&start) || start < base {
            continue;
        }
        let mut at = (start - base) as usize;
        let end = at + size as usize;
        while at < end {
            let address = base + at as u64;
            let is_code = kinds.range(..=address).next_back().is_none_or(|(_, code)| *code);
            if !is_code {
                at += 2;
                continue;
            }
            if let Some(target) = branch(code, at, address).filter(|to| targets.contains(to)) {
                let callee = loader.find_symbol(target).unwrap_or("?");
                let callee = format!("{:#}", rustc_demangle::demangle(callee));
                let (file, line, function) = innermost(&loader, address)
                    .unwrap_or_else(|| ("core".into(), 0, String::new()));
                *found.entry((file, line, function, callee)).or_insert(0) += 1;
            }
            at += if is_wide(code, at) { 4 } else { 2 };
        }
    }
    let (mut ours, mut allowed) = (0, 0);
    let mut by_part: BTreeMap<&str, usize> = BTreeMap::new();
    for ((file, line, function, callee), count) in &found {
        *by_part.entry(part(file)).or_default() += count;
        if folders.iter().any(|folder| Path::new(file).starts_with(folder) || file.contains(folder))
        {
            if function.ends_with(ALLOWED) {
                allowed += count;
                continue;
            }
            ours += count;
            println!("{file}:{line}: {function} calls {callee}, {count} times");
        }
    }
    for (part, count) in by_part {
        println!("{count:>5} calls that panic in {part}");
    }
    println!("{ours} calls that panic stand in {}", folders.join(" or "));
    println!("{allowed} calls in {ALLOWED}, which is for a program's mistake and not for packets");
    Ok(ours == 0)
}
