use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::string::String;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

use serde_json::json;
use tapsock_stack::fault::{Memory, Record, Script};

use super::*;

fn engine() -> Engine<'static> {
    Engine::new(Script::new(7), Memory::growable(4, 4, 4, 1600), Instant::ZERO).unwrap()
}

fn perform_line(engine: &mut Engine<'static>, line: &str) -> String {
    answer(engine, Instant::from_millis(1500), request(line))
}

fn ask(engine: &mut Engine<'static>, request: &Value) -> Value {
    serde_json::from_str(&perform_line(engine, &request.to_string())).unwrap()
}

#[test]
fn rules_come_are_switched_and_go() {
    let mut engine = engine();
    let add = |text: &str| json!({"do": "add", "rule": text});
    let added = ask(&mut engine, &add("name=lose tx tcp dport=80 nth=3 drop"));
    assert_eq!(added, json!({"ok": true, "name": "lose"}));
    assert_eq!(ask(&mut engine, &add("name=other rx drop"))["ok"], true);
    assert_eq!(ask(&mut engine, &json!({"do": "disable", "name": "lose"})), json!({"ok": true}));
    let listed = ask(&mut engine, &json!({"do": "list"}));
    let first = &listed["rules"][0];
    assert_eq!((&first["name"], &first["on"]), (&json!("lose"), &json!(false)));
    let line = first["rule"].as_str().unwrap();
    assert_eq!(line.parse::<Rule>().unwrap(), engine.rules()[0], "what is listed can be added");
    assert_eq!(listed["rules"][1]["on"], true);

    assert_eq!(ask(&mut engine, &json!({"do": "enable", "name": "lose"}))["ok"], true);
    assert!(engine.is_on(0));
    assert_eq!(ask(&mut engine, &json!({"do": "remove", "name": "lose"}))["ok"], true);
    assert_eq!(engine.rules().len(), 1);
    assert_eq!(ask(&mut engine, &json!({"do": "reset"}))["ok"], true);
}

#[test]
fn a_pause_and_what_was_done_show() {
    let mut engine = engine();
    assert_eq!(ask(&mut engine, &json!({"do": "pause"}))["ok"], true);
    let stats = ask(&mut engine, &json!({"do": "stats"}));
    assert_eq!(stats["paused"], true);
    assert_eq!((&stats["now"], &stats["link"]), (&json!(1.5), &json!("up")));
    assert_eq!(stats["counters"]["dropped"], 0);
    assert_eq!(ask(&mut engine, &json!({"do": "resume"}))["ok"], true);
    assert!(!engine.is_paused());
}

#[test]
fn what_is_refused_has_changed_nothing_and_says_why() {
    let mut engine = engine();
    ask(&mut engine, &json!({"do": "add", "rule": "name=lose tx drop"}));
    for (request, why) in [
        (json!({"do": "dance"}), "dance"),
        (json!({"do": "add"}), "rule"),
        (json!({"do": "pause", "rule": "x"}), "rule"),
        (json!(["list"]), "not a request"),
        (json!({"do": "add", "rule": "tx fly"}), "fly"),
        (json!({"do": "add", "rule": "name=lose rx drop"}), "two rules"),
        (json!({"do": "remove", "name": "gone"}), "there are: lose"),
        (json!({"do": "enable", "name": "gone"}), "no rule \"gone\""),
    ] {
        let answer = ask(&mut engine, &request);
        assert_eq!(answer["ok"], false, "{request}");
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains(why), "{request}: {error}");
    }
    assert_eq!(engine.rules().len(), 1);
    let text = perform_line(&mut engine, "no JSON at all");
    assert!(text.starts_with(r#"{"ok":false,"#), "{text}");
}

#[test]
fn the_observer_hears_of_each_change_and_of_no_question() {
    use std::sync::{Arc, Mutex};

    let heard = Arc::new(Mutex::new(Vec::<String>::new()));
    let mut engine = engine();
    let tell = Arc::clone(&heard);
    engine.observe(move |record: &Record<'_>| {
        if let Record::Change { text, .. } = record {
            tell.lock().unwrap().push(text.to_string());
        }
    });
    for request in [
        json!({"do": "add", "rule": "name=lose tx drop"}),
        json!({"do": "list"}),
        json!({"do": "disable", "name": "lose"}),
        json!({"do": "enable", "name": "lose"}),
        json!({"do": "enable", "name": "gone"}),
        json!({"do": "pause"}),
        json!({"do": "stats"}),
        json!({"do": "resume"}),
        json!({"do": "reset"}),
        json!({"do": "remove", "name": "lose"}),
    ] {
        ask(&mut engine, &request);
    }
    let heard = heard.lock().unwrap();
    let rule = heard[0].strip_prefix("add ").unwrap().parse::<Rule>().unwrap();
    assert_eq!(rule.name.as_str(), "lose");
    assert_eq!(
        heard[1..],
        ["disable lose", "enable lose", "pause", "resume", "reset", "remove lose"]
    );
}

/// A name for a socket that no other test has.
fn unused() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    env::temp_dir().join(format!("tapsock-control-{}-{number}", process::id()))
}

fn echo(path: &Path) -> Server {
    Server::start(path, |line| format!("<{line}>")).unwrap()
}

#[test]
fn each_line_is_answered_in_order_for_each_client() {
    let path = unused();
    let server = echo(&path);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let clients: Vec<UnixStream> = (0..3).map(|_| UnixStream::connect(&path).unwrap()).collect();
    for (number, client) in clients.iter().enumerate() {
        let mut client = client;
        client.write_all(format!("{number} a\n\n{number} b\r\n{number} c").as_bytes()).unwrap();
    }
    for (number, client) in clients.iter().enumerate() {
        let mut lines = BufReader::new(client).lines();
        assert_eq!(lines.next().unwrap().unwrap(), format!("<{number} a>"));
        assert_eq!(lines.next().unwrap().unwrap(), format!("<{number} b>"));
    }
    drop(server);
    assert!(!path.exists());
}

#[test]
fn who_talks_without_end_or_comes_as_the_seventeenth_is_sent_away() {
    let path = unused();
    let _server = echo(&path);
    let mut talker = UnixStream::connect(&path).unwrap();
    // Whether all of it is taken before the end shows does not matter.
    let _ = talker.write_all(&[b'x'; 3 * 64 * 1024]);
    let mut line = String::new();
    let read = BufReader::new(&talker).read_line(&mut line);
    assert!(read.is_err() || line.is_empty(), "{line}");

    let mut clients: Vec<UnixStream> = Vec::new();
    for number in 0..17 {
        let mut client = UnixStream::connect(&path).unwrap();
        // Refused ones may be gone before they have written.
        let _ = client.write_all(b"hello\n");
        let mut line = String::new();
        let _ = BufReader::new(&client).read_line(&mut line);
        assert_eq!(line == "<hello>\n", number < 16, "client {number}: {line:?}");
        clients.push(client);
    }
}

#[test]
fn the_socket_of_a_program_that_has_ended_is_replaced_and_others_are_not() {
    let path = unused();
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let server = echo(&path);
    let refused = Server::start(&path, |line| line.into()).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
    drop(server);

    fs::write(&path, "a file").unwrap();
    let refused = Server::start(&path, |line| line.into()).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
    assert_eq!(fs::read_to_string(&path).unwrap(), "a file");
    fs::remove_file(&path).unwrap();
}
