//! A small HTTP/1.1 file server (RFC 9110, RFC 9112) over anything that reads and writes.
//!
//! GET and HEAD of the files below one directory; nothing outside of it, neither by `..` nor
//! through a symbolic link. Connections are kept alive as HTTP asks. What it does not know it
//! refuses with the status that says so.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The longest head of a request, in bytes.
const HEAD_LIMIT: usize = 16 * 1024;
/// The most requests on one connection.
const REQUESTS: usize = 1000;
/// Bytes that are sent in one call.
const CHUNK: usize = 64 * 1024;

/// The directory that is served.
#[derive(Debug, Clone)]
pub struct Root {
    path: PathBuf,
}

impl Root {
    /// Serves what is below `path`.
    ///
    /// # Errors
    /// When there is no such directory or it cannot be read.
    pub fn new(path: &Path) -> io::Result<Self> {
        let path = path.canonicalize()?;
        fs::read_dir(&path)?;
        Ok(Self { path })
    }

    /// The directory, without symbolic links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file that a request's target names: below the root, whatever links there are, and a
    /// regular file.
    fn open(&self, target: &Target) -> Option<(PathBuf, File, u64)> {
        let mut path = self.path.join(&target.path);
        if path.is_dir() {
            path.push("index.html");
        }
        let path = path.canonicalize().ok()?;
        if !path.starts_with(&self.path) {
            return None;
        }
        // Opening a pipe would wait for its writer: look before.
        let before = fs::metadata(&path).ok()?;
        if !before.is_file() || target.names_directory && !path.ends_with("index.html") {
            return None;
        }
        let file = File::open(&path).ok()?;
        let length = file.metadata().ok()?.len();
        Some((path, file, length))
    }
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Served {
    /// The request line, or what there was of it.
    pub request: String,
    /// The status.
    pub status: u16,
    /// Bytes of the body that were sent.
    pub bytes: u64,
}

/// Serves one connection until either side has enough. `log` is told of every request.
///
/// # Errors
/// Those of the stream. A request that makes no sense is answered and is no error.
pub fn serve(
    stream: &mut (impl Read + Write),
    root: &Root,
    mut log: impl FnMut(&Served),
) -> io::Result<()> {
    let mut waiting = Vec::new();
    for turn in 1..=REQUESTS {
        let head = match read_head(stream, &mut waiting)? {
            Head::Whole(head) => head,
            Head::None => return Ok(()),
            Head::TooLong => {
                let response = Response::error(431);
                log(&response.send(stream, "", Keep::Close, Body::Whole)?);
                return Ok(());
            }
        };
        let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line).trim_end().to_string();
        let (response, body, keep) = match Request::parse(&head) {
            Ok(request) => {
                let keep = if turn == REQUESTS { Keep::Close } else { request.keep };
                (request.answer(root), request.body(), keep)
            }
            Err(status) => (Response::error(status), Body::Whole, Keep::Close),
        };
        log(&response.send(stream, &line, keep, body)?);
        if keep == Keep::Close {
            return Ok(());
        }
    }
    Ok(())
}

enum Head {
    Whole(Vec<u8>),
    /// The peer has closed its side between two requests, or within one.
    None,
    TooLong,
}

/// Reads up to and including the empty line that ends a head; what comes behind it waits for the
/// next turn.
fn read_head(stream: &mut impl Read, waiting: &mut Vec<u8>) -> io::Result<Head> {
    let mut chunk = [0; 2048];
    loop {
        // An empty line before a request is to be ignored (RFC 9112 2.2).
        let blank = waiting.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        waiting.drain(..blank);
        if let Some(end) = end_of_head(waiting) {
            let rest = waiting.split_off(end);
            return Ok(Head::Whole(std::mem::replace(waiting, rest)));
        }
        if waiting.len() > HEAD_LIMIT {
            return Ok(Head::TooLong);
        }
        match stream.read(&mut chunk) {
            Ok(0) => return Ok(Head::None),
            Ok(length) => waiting.extend_from_slice(&chunk[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Where the head ends; a line may end with a bare LF (RFC 9112 2.2).
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let mut line = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte != b'\n' {
            continue;
        }
        let text = &bytes[line..at];
        if line > 0 && (text.is_empty() || text == b"\r") {
            return Some(at + 1);
        }
        line = at + 1;
    }
    None
}

/// Whether the connection stays after a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    Alive,
    Close,
}

/// Whether a response is sent with its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Whole,
    /// In answer to HEAD: only its length.
    Length,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Head,
    Other,
}

struct Request {
    method: Method,
    target: Result<Target, u16>,
    keep: Keep,
}

/// A path below the root.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    path: PathBuf,
    /// It ends with a slash, which no file does.
    names_directory: bool,
}

impl Request {
    /// The request in a whole head, or the status that answers it.
    fn parse(head: &[u8]) -> Result<Self, u16> {
        let head = std::str::from_utf8(head).map_err(|_| 400_u16)?;
        let mut lines = head.lines();
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(400);
        };
        if method.is_empty() || !method.bytes().all(is_token) {
            return Err(400);
        }
        let newer = match version.as_bytes() {
            b"HTTP/1.1" => true,
            b"HTTP/1.0" => false,
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
                if major.is_ascii_digit() && minor.is_ascii_digit() =>
            {
                if *major != b'1' {
                    return Err(505);
                }
                true
            }
            _ => return Err(400),
        };
        let fields = Fields::read(lines)?;
        // RFC 9112 3.2: exactly one Host, from HTTP/1.1 on.
        if fields.hosts > 1 || newer && fields.hosts == 0 {
            return Err(400);
        }
        let asked = if newer { !fields.close } else { fields.keep_alive };
        // A body is not read, so nothing can follow it on this connection.
        let keep = if asked && !fields.has_body { Keep::Alive } else { Keep::Close };
        let method = match method {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            _ => Method::Other,
        };
        Ok(Self { method, target: Target::parse(target), keep })
    }

    fn body(&self) -> Body {
        if self.method == Method::Head { Body::Length } else { Body::Whole }
    }

    fn answer(&self, root: &Root) -> Response {
        if self.method == Method::Other {
            return Response { allow: true, ..Response::error(405) };
        }
        match &self.target {
            Err(status) => Response::error(*status),
            Ok(target) => match root.open(target) {
                Some((path, file, length)) => Response {
                    status: 200,
                    kind: kind_of(&path),
                    length,
                    content: Content::File(file),
                    allow: false,
                },
                None => Response::error(404),
            },
        }
    }
}

/// What counts among the fields of a head.
#[derive(Default)]
struct Fields {
    hosts: usize,
    close: bool,
    keep_alive: bool,
    has_body: bool,
}

impl Fields {
    fn read<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Self, u16> {
        let mut fields = Self::default();
        for line in lines.take_while(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').ok_or(400_u16)?;
            // No space before the colon, no line that continues the last (RFC 9112 5.1, 5.2).
            if name.is_empty() || !name.bytes().all(is_token) {
                return Err(400);
            }
            let value = value.trim_matches([' ', '\t']);
            if name.eq_ignore_ascii_case("host") {
                fields.hosts += 1;
            } else if name.eq_ignore_ascii_case("connection") {
                for option in value.split(',').map(|option| option.trim_matches([' ', '\t'])) {
                    fields.close |= option.eq_ignore_ascii_case("close");
                    fields.keep_alive |= option.eq_ignore_ascii_case("keep-alive");
                }
            } else if name.eq_ignore_ascii_case("content-length") {
                let length: u64 = value.parse().map_err(|_| 400_u16)?;
                fields.has_body |= length > 0;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                fields.has_body = true;
            }
        }
        Ok(fields)
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

impl Target {
    /// The path in `/path?query` or `http://host/path`; the status for anything else.
    fn parse(text: &str) -> Result<Self, u16> {
        let path = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => {
                rest.find('/').map_or("/", |at| &rest[at..])
            }
            _ => text,
        };
        let path = path.split(['?', '#']).next().unwrap_or_default();
        if !path.starts_with('/') {
            return Err(400);
        }
        let decoded = percent_decoded(path).ok_or(400_u16)?;
        let names_directory = decoded.ends_with('/');
        let mut below = PathBuf::new();
        for component in Path::new(decoded.trim_start_matches('/')).components() {
            match component {
                Component::Normal(name) => below.push(name),
                Component::CurDir => {}
                Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                    return Err(404);
                }
            }
        }
        Ok(Self { path: below, names_directory })
    }
}

/// `text` with its %XX replaced; `None` where one is incomplete, or the result is no text or
/// holds control characters.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &rest[2..];
    }
    let text = String::from_utf8(bytes).ok()?;
    (!text.contains(char::is_control)).then_some(text)
}

enum Content {
    Text(String),
    File(File),
}

struct Response {
    status: u16,
    kind: &'static str,
    length: u64,
    content: Content,
    allow: bool,
}

impl Response {
    fn error(status: u16) -> Self {
        let text = format!("{status} {}\n", reason(status));
        let length = text.len() as u64;
        let kind = "text/plain; charset=utf-8";
        Self { status, kind, length, content: Content::Text(text), allow: false }
    }

    fn send(
        self,
        stream: &mut impl Write,
        request: &str,
        keep: Keep,
        body: Body,
    ) -> io::Result<Served> {
        let Self { status, kind, length, content, allow } = self;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut head = format!(
            "HTTP/1.1 {status} {}\r\nDate: {}\r\nServer: tapsock\r\n\
             Content-Type: {kind}\r\nContent-Length: {length}\r\n",
            reason(status),
            http_date(now),
        );
        if allow {
            head.push_str("Allow: GET, HEAD\r\n");
        }
        let connection = if keep == Keep::Close { "close" } else { "keep-alive" };
        head.push_str(&format!("Connection: {connection}\r\n\r\n"));
        let mut message = head.into_bytes();
        let mut sent = 0;
        if body == Body::Length {
            stream.write_all(&message)?;
        } else {
            match content {
                Content::Text(text) => {
                    message.extend_from_slice(text.as_bytes());
                    stream.write_all(&message)?;
                    sent = length;
                }
                Content::File(file) => sent = send_file(stream, message, file, length)?,
            }
        }
        stream.flush()?;
        Ok(Served { request: request.to_string(), status, bytes: sent })
    }
}

/// Sends the head and exactly `length` bytes of the file, the first of them together.
fn send_file(
    stream: &mut impl Write,
    mut message: Vec<u8>,
    file: File,
    length: u64,
) -> io::Result<u64> {
    let mut file = BufReader::with_capacity(CHUNK, file).take(length);
    let mut sent = 0;
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = file.read(&mut chunk)?;
        message.extend_from_slice(&chunk[..read]);
        sent += read as u64;
        if !message.is_empty() {
            stream.write_all(&message)?;
            message.clear();
        }
        if sent == length {
            return Ok(sent);
        }
        if read == 0 {
            // The length was promised; only closing says that it is not kept.
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter"));
        }
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        431 => "Request Header Fields Too Large",
        505 => "HTTP Version Not Supported",
        _ => "Error",
    }
}

fn kind_of(path: &Path) -> &'static str {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "html" | "htm" => "text/html; charset=utf-8",
        "txt" | "md" | "rs" | "toml" | "log" => "text/plain; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "svg" => "image/svg+xml",
        "pdf" => "application/pdf",
        _ => "application/octet-stream",
    }
}

/// A date as HTTP writes it (RFC 9110 5.6.7), from seconds since 1970.
fn http_date(seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, second) = (seconds / 86400, seconds % 86400);
    // Years that begin in March have their leap day at the end; eras of 400 years are all alike.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 2, 0) } else { (month - 10, 1) };
    format!(
        "{}, {date:02} {} {} {:02}:{:02}:{:02} GMT",
        DAYS[(days % 7) as usize],
        MONTHS[month as usize],
        era * 400 + year + carry,
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests;
