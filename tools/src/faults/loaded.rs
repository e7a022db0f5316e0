//! Scripts in files.

use std::fs;
use std::path::{Path, PathBuf};

use super::judged::EXPECTED_FAILURES;
use crate::output::Failure;

/// What files of scripts are called.
const ENDING: &str = "toml";

/// The scripts that a path names: the file itself, or all of a folder in the order of their names.
///
/// # Errors
/// A path that cannot be read, and a folder without a script.
pub fn files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unread = |error| Failure::Usage(format!("{} cannot be read: {error}", path.display()));
    if !fs::metadata(path).map_err(unread)?.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(unread)? {
        let file = entry.map_err(unread)?.path();
        let is_script = file.extension().is_some_and(|ending| ending == ENDING)
            && file.file_name().is_some_and(|name| name != EXPECTED_FAILURES);
        if is_script {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(Failure::Usage(format!("{} has no script (NAME.toml)", path.display())));
    }
    files.sort_by_key(|file| name(file));
    Ok(files)
}

/// The name of a script: that of its file, without the ending.
pub fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(".toml").unwrap_or(&name);
    name.strip_suffix(".fault").unwrap_or(name).to_string()
}

/// What a script says of itself: the comment at its beginning, as one line.
pub fn title(text: &str) -> Option<String> {
    let comment = text.lines().map(str::trim).take_while(|line| line.starts_with('#'));
    let words: Vec<&str> = comment.map(|line| line.trim_start_matches('#').trim()).collect();
    let title = words.join(" ").trim().to_string();
    // The first sentence.
    let end = title.find(". ").map_or(title.len(), |at| at + 1);
    let title = title[..end].trim_end_matches('.').to_string();
    (!title.is_empty()).then_some(title)
}

/// Names a text so that two reports can be told to be about the same: FNV-1a.
pub fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::super::judged::ExpectedFailures;
    use super::*;

    #[test]
    fn names_and_titles_come_from_the_file() {
        assert_eq!(name(Path::new("scripts/faults/lost-syns.toml")), "lost-syns");
        assert_eq!(name(Path::new("lossy.fault.toml")), "lossy");
        let text = "# Every SYN is lost.\n# It takes\n# 21 s. More.\nversion = 1\n# no title\n";
        assert_eq!(title(text).as_deref(), Some("Every SYN is lost"));
        assert_eq!(title("# one\n# sentence\n\n# other").as_deref(), Some("one sentence"));
        assert_eq!(title("version = 1\n# late"), None);
        assert_eq!(title(""), None);
    }

    #[test]
    fn the_list_of_expected_failures_beside_the_scripts_is_there_and_empty() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/faults");
        assert!(folder.join(EXPECTED_FAILURES).is_file());
        let list = ExpectedFailures::beside(&folder.join("any.toml")).unwrap();
        assert_eq!(list.names().count(), 0);
        // It is no script itself.
        assert!(files(&folder).unwrap().iter().all(|file| !file.ends_with(EXPECTED_FAILURES)));
    }

    #[test]
    fn another_text_has_another_hash() {
        // The test vectors of the function's authors.
        assert_eq!(hash(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(hash("foobar"), 0x8594_4171_f739_67e8);
    }
}
