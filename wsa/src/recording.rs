//! Files that are recorded into, and whether everything is in them.

use std::format;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::string::{String, ToString};
use std::sync::{Arc, Mutex, PoisonError};

/// What became of a recording. Clones are about the same one.
#[derive(Debug, Clone)]
pub struct Recording(Arc<State>);

#[derive(Debug)]
struct State {
    path: PathBuf,
    error: Mutex<Option<String>>,
}

/// The file of a recording. Without a buffer: however the program ends, what has passed is in it.
#[derive(Debug)]
pub struct RecordingFile {
    file: File,
    recording: Recording,
}

impl Recording {
    /// Creates a file, or empties it.
    ///
    /// # Errors
    /// What the system says.
    pub fn create(path: &Path) -> io::Result<(RecordingFile, Self)> {
        let recording = Self(Arc::new(State { path: path.into(), error: Mutex::new(None) }));
        let file = File::create(path)?;
        Ok((RecordingFile { file, recording: recording.clone() }, recording))
    }

    /// What is wrong with it, in a sentence; `None` while everything is in it.
    pub fn error(&self) -> Option<String> {
        let error = self.0.error.lock().unwrap_or_else(PoisonError::into_inner);
        let error = error.as_ref()?;
        Some(format!("{} is incomplete: {error}; name another file", self.0.path.display()))
    }

    fn keep(&self, error: &io::Error) {
        let mut kept = self.0.error.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get_or_insert_with(|| error.to_string());
    }
}

impl Write for RecordingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                self.recording.keep(error);
            }
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush().inspect_err(|error| self.recording.keep(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_remembered_and_said() {
        let (mut file, recording) = Recording::create(Path::new("/dev/full")).unwrap();
        assert_eq!(recording.error(), None);
        assert!(file.write_all(b"frame").is_err());
        let said = recording.error().unwrap();
        assert!(said.starts_with("/dev/full is incomplete: No space left"), "{said}");
    }

    #[test]
    fn what_could_be_written_is_no_error() {
        let (mut file, recording) = Recording::create(Path::new("/dev/null")).unwrap();
        file.write_all(b"frame").and_then(|()| file.flush()).unwrap();
        assert_eq!(recording.error(), None);
    }
}
