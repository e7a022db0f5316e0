//! A Unix socket that takes requests as lines and answers each with one line.

use std::format;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::string::String;
use std::thread::{self, JoinHandle};
use std::vec::Vec;
use std::{fs, mem};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};

/// The most clients at a time; who comes on top of them is sent away.
const CLIENTS: usize = 16;
/// The longest request, in bytes. Who sends a longer one is sent away.
const LONGEST: usize = 64 * 1024;
/// The most bytes of answers that wait for a client to read them; then its requests wait.
const UNREAD: usize = 1024 * 1024;

/// Serves until it is dropped, which removes the socket.
#[derive(Debug)]
pub(super) struct Server {
    path: PathBuf,
    stop: OwnedFd,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on a new socket at `path`, which only this user may use.
    ///
    /// # Errors
    /// What the system says; [`io::ErrorKind::AddrInUse`] when something is there that is not
    /// the socket of a program that has ended.
    pub(super) fn start(
        path: &Path,
        answer: impl FnMut(&str) -> String + Send + 'static,
    ) -> io::Result<Self> {
        let listener = listen(path)?;
        listener.set_nonblocking(true)?;
        let stop = eventfd(0, EventfdFlags::CLOEXEC)?;
        let stopped = stop.try_clone()?;
        let thread = thread::Builder::new()
            .name("tapsock-control".into())
            .spawn(move || serve(&listener, &stopped, answer))?;
        Ok(Self { path: path.into(), stop, thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It only fails when the counter is full, and then the thread ends as well.
        let _ = rustix::io::write(&self.stop, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            // A panic there was reported where it happened.
            let _ = thread.join();
        }
        // Somebody may have taken it away already.
        let _ = fs::remove_file(&self.path);
    }
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let is_socket = fs::symlink_metadata(path)?.file_type().is_socket();
            let refused = UnixStream::connect(path).err().map(|error| error.kind());
            if !is_socket || refused != Some(io::ErrorKind::ConnectionRefused) {
                return Err(error);
            }
            fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        bound => bound?,
    };
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

struct Client {
    stream: UnixStream,
    request: Vec<u8>,
    answers: Vec<u8>,
    /// It sends nothing more.
    finished: bool,
}

fn serve(listener: &UnixListener, stop: &OwnedFd, mut answer: impl FnMut(&str) -> String) {
    let mut clients: Vec<Client> = Vec::new();
    loop {
        let mut waits =
            Vec::from([PollFd::new(stop, PollFlags::IN), PollFd::new(listener, PollFlags::IN)]);
        waits.extend(clients.iter().map(|client| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, !client.finished && client.answers.len() < UNREAD);
            flags.set(PollFlags::OUT, !client.answers.is_empty());
            PollFd::from_borrowed_fd(client.stream.as_fd(), flags)
        }));
        match poll(&mut waits, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                log::warn!("the control socket is given up: {error}");
                return;
            }
        }
        let ready: Vec<bool> = waits.iter().map(|wait| !wait.revents().is_empty()).collect();
        drop(waits);
        if ready[0] {
            return;
        }
        if ready[1]
            && let Ok((stream, _)) = listener.accept()
            && stream.set_nonblocking(true).is_ok()
            && clients.len() < CLIENTS
        {
            let (request, answers) = (Vec::new(), Vec::new());
            clients.push(Client { stream, request, answers, finished: false });
        }
        let mut ready = ready.into_iter().skip(2);
        clients.retain_mut(|client| {
            // Who has just come has nothing to say yet.
            !ready.next().unwrap_or(false) || client.serve(&mut answer).is_ok()
        });
    }
}

impl Client {
    /// Takes what is there and gives what there is room for. An error ends the client.
    fn serve(&mut self, answer: &mut impl FnMut(&str) -> String) -> io::Result<()> {
        let mut buffer = [0; 4096];
        while !self.finished && self.answers.len() < UNREAD {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.finished = true,
                Ok(length) => self.take(&buffer[..length], answer)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        while !self.answers.is_empty() {
            match self.stream.write(&self.answers) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(length) => drop(self.answers.drain(..length)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.finished && self.answers.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8], answer: &mut impl FnMut(&str) -> String) -> io::Result<()> {
        self.request.extend_from_slice(bytes);
        while let Some(end) = self.request.iter().position(|&byte| byte == b'\n') {
            let rest = self.request.split_off(end + 1);
            let line = mem::replace(&mut self.request, rest);
            let line = String::from_utf8_lossy(&line);
            let line = line.trim();
            if !line.is_empty() {
                self.answers.extend_from_slice(answer(line).as_bytes());
                self.answers.push(b'\n');
            }
        }
        if self.request.len() > LONGEST {
            let why = format!("a request has at most {LONGEST} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(())
    }
}
