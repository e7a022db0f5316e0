use std::collections::VecDeque;
use std::os::unix::fs::symlink;

use super::*;

/// A peer that has said everything in advance.
struct Peer {
    says: VecDeque<Vec<u8>>,
    hears: Vec<u8>,
}

impl Read for Peer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(mut piece) = self.says.pop_front() else { return Ok(0) };
        let length = piece.len().min(buffer.len());
        buffer[..length].copy_from_slice(&piece[..length]);
        if length < piece.len() {
            self.says.push_front(piece.split_off(length));
        }
        Ok(length)
    }
}

impl Write for Peer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hears.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A directory with some files, and a secret beside it.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let base = std::env::temp_dir().join(format!("tapsock-http-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&base);
        fs::create_dir_all(base.join("root/sub")).unwrap();
        fs::write(base.join("secret.txt"), "secret").unwrap();
        fs::write(base.join("root/hello.txt"), "hello world").unwrap();
        fs::write(base.join("root/a b.html"), "<p>").unwrap();
        fs::write(base.join("root/sub/index.html"), "index").unwrap();
        symlink(base.join("secret.txt"), base.join("root/out")).unwrap();
        symlink(base.join("root/hello.txt"), base.join("root/in.txt")).unwrap();
        Self(base)
    }

    fn talk(&self, pieces: &[&str]) -> (String, Vec<Served>) {
        let root = Root::new(&self.0.join("root")).unwrap();
        let says = pieces.iter().map(|piece| piece.as_bytes().to_vec()).collect();
        let mut peer = Peer { says, hears: Vec::new() };
        let mut served = Vec::new();
        serve(&mut peer, &root, |one| served.push(one.clone())).unwrap();
        (String::from_utf8(peer.hears).unwrap(), served)
    }

    fn get(&self, target: &str) -> (u16, String) {
        let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
        let (answer, served) = self.talk(&[&request]);
        let body = answer.split_once("\r\n\r\n").unwrap().1.to_string();
        (served[0].status, body)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_file_comes_with_its_length_and_type() {
    let place = Place::new("file");
    let (answer, served) = place.talk(&["GET /hello.txt HTTP/1.1\r\nHost: x\r\n\r\n"]);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\r\nContent-Length: 11\r\n"), "{answer}");
    assert!(answer.contains("\r\nContent-Type: text/plain; charset=utf-8\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nhello world"), "{answer}");
    let request = "GET /hello.txt HTTP/1.1".to_string();
    assert_eq!(served, [Served { request, status: 200, bytes: 11 }]);
}

#[test]
fn head_has_the_length_and_no_body() {
    let place = Place::new("head");
    let (answer, served) = place.talk(&["HEAD /hello.txt HTTP/1.0\r\n\r\n"]);
    assert!(answer.contains("\r\nContent-Length: 11\r\n") && answer.ends_with("\r\n\r\n"));
    assert_eq!((served[0].status, served[0].bytes), (200, 0));
}

#[test]
fn names_are_decoded_and_directories_have_an_index() {
    let place = Place::new("names");
    assert_eq!(place.get("/a%20b.html?x=1"), (200, "<p>".into()));
    assert_eq!(place.get("/sub/"), (200, "index".into()));
    assert_eq!(place.get("/sub"), (200, "index".into()));
    assert_eq!(place.get("/./hello.txt"), (200, "hello world".into()));
    assert_eq!(place.get("http://x/hello.txt"), (200, "hello world".into()));
    assert_eq!(place.get("/in.txt").0, 200);
    assert_eq!(place.get("/hello.txt/").0, 404);
    assert_eq!(place.get("/missing").0, 404);
    assert_eq!(place.get("/").0, 404);
}

#[test]
fn nothing_outside_of_the_directory_is_served() {
    let place = Place::new("escape");
    for target in [
        "/../secret.txt",
        "/sub/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "//../secret.txt",
        "/out",
        "/sub/../out",
    ] {
        let (status, body) = place.get(target);
        assert_eq!((status, body.contains("secret")), (404, false), "{target}");
    }
    let absolute = place.0.join("secret.txt");
    assert_eq!(place.get(&format!("/{}", absolute.display())).0, 404);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let place = Place::new("sense");
    for (request, status) in [
        ("GET /hello.txt\r\n\r\n", 400),
        ("GET  /hello.txt HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET hello.txt HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /%+1 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /%f HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: one\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        ("GET / FTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        ("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    ] {
        let (answer, served) = place.talk(&[request]);
        assert_eq!(served[0].status, status, "{request:?}");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert_eq!(answer.contains("\r\nAllow: GET, HEAD\r\n"), status == 405);
    }
    let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(HEAD_LIMIT));
    assert_eq!(place.talk(&[&long]).1[0].status, 431);
}

#[test]
fn a_connection_is_kept_until_somebody_closes_it() {
    let place = Place::new("keep");
    let get = "GET /hello.txt HTTP/1.1\r\nHost: x\r\n\r\n";
    let close = "GET /hello.txt HTTP/1.1\r\nHost: x\r\nConnection: Close\r\n\r\n";
    let old = "GET /hello.txt HTTP/1.0\r\n\r\n";
    let kept = "GET /hello.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    let body = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
    assert_eq!(place.talk(&[get, get, get]).1.len(), 3);
    assert_eq!(place.talk(&[&[get, get].concat(), "\r\n", get]).1.len(), 3);
    assert_eq!(place.talk(&[get, close, get]).1.len(), 2);
    assert_eq!(place.talk(&[old, get]).1.len(), 1);
    assert_eq!(place.talk(&[kept, kept]).1.len(), 2);
    assert_eq!(place.talk(&[body, get]).1.len(), 1);
}

#[test]
fn requests_come_in_any_pieces() {
    let place = Place::new("pieces");
    let request = "GET /hello.txt HTTP/1.1\nHost: x\n\n";
    let pieces: Vec<&str> = (0..request.len()).map(|at| &request[at..=at]).collect();
    assert_eq!(place.talk(&pieces).1[0].status, 200);
    assert!(place.talk(&[&request[..20]]).1.is_empty());
    assert!(place.talk(&[]).1.is_empty());
}

#[test]
fn dates_are_those_of_http() {
    assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(http_date(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
    assert_eq!(http_date(1_709_251_199), "Thu, 29 Feb 2024 23:59:59 GMT");
}
