//! The program on a TAP device, with the Linux kernel and its programs as the peer.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tapsock_tests::{Kernel, Pattern, serve_http};

/// How long the kernel's sockets wait.
const PATIENCE: Duration = Duration::from_secs(20);

fn tapsock(kernel: &Kernel, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapsock-under-test"));
    command.args(words).args(["--link", &format!("tap:{}", kernel.device())]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A program that listens, until it is dropped.
struct Listening {
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Listening {
    fn start(kernel: &Kernel, words: &[&str]) -> Self {
        let mut child = tapsock(kernel, words).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        log.read_line(&mut line).unwrap();
        assert!(line.starts_with("listening on "), "{line}");
        Self { child, log }
    }

    /// Ctrl-C, and what was still said.
    fn interrupt(&mut self) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        // The shell's own word: the program of this name is not everywhere.
        let kill = Command::new("sh").args(["-c", "kill -INT \"$0\"", &pid]).status();
        assert!(kill.unwrap().success());
        let mut log = String::new();
        self.log.read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs the program with this standard input.
fn fed(mut command: Command, input: &[u8]) -> Output {
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // What nobody reads cannot be written.
    let writer = thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

#[test]
fn every_row_holds_on_a_device() {
    // The program makes its namespaces itself; this one only tells whether that is permitted.
    let Some(_kernel) = Kernel::start() else { return };
    for profile in ["documented", "windows"] {
        let output = Command::new(env!("CARGO_BIN_EXE_tapsock-under-test"))
            .args(["errors", "--tap", "--json", "--profile", profile])
            .output()
            .unwrap();
        let rows = text(&output.stdout);
        for line in rows.lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            assert_eq!(row["ok"], true, "{line}");
        }
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(rows.lines().count() > 60);
    }
}

#[test]
fn curl_downloads_what_is_served() {
    let Some(kernel) = Kernel::start() else { return };
    // Where the kernel is the peer its programs are wanted too: no curl is a failure, no skip.
    let curl = Command::new("curl").arg("--version").output();
    assert!(curl.is_ok(), "curl cannot be run; run: scripts/setup");
    let directory = std::env::temp_dir().join(format!("tapsock-serve-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let mut body = Vec::new();
    Pattern::new(5, 10_000_000).read_to_end(&mut body).unwrap();
    fs::write(directory.join("file"), &body).unwrap();
    let path = directory.display().to_string();
    let mut server = Listening::start(&kernel, &["listen", "8080", "--serve", &path]);
    for place in ["10.77.0.2:8080", "[fd77::2]:8080"] {
        let file = format!("http://{place}/file");
        let output = Command::new("curl").args(["-sSg", &file, &file]).output().unwrap();
        assert_eq!(text(&output.stderr), "");
        assert!(output.stdout == [&body[..], &body].concat(), "{} bytes", output.stdout.len());
        let missing = format!("http://{place}/none");
        let output =
            Command::new("curl").args(["-sg", "-w", "%{http_code}", &missing]).output().unwrap();
        assert_eq!(text(&output.stdout), "404 Not Found\n404");
    }
    let (status, log) = server.interrupt();
    assert_eq!(status, Some(0));
    assert!(log.contains("\"GET /file HTTP/1.1\" 200, 10000000 bytes"), "{log}");
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn many_connections_are_served_at_once() {
    let Some(kernel) = Kernel::start() else { return };
    let _server = Listening::start(&kernel, &["listen", "7", "--echo"]);
    let mut streams: Vec<TcpStream> = (0..100).map(|_| connect("10.77.0.2:7")).collect();
    for (number, stream) in streams.iter_mut().enumerate() {
        stream.write_all(format!("I am {number}").as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
    }
    for (number, stream) in streams.iter_mut().enumerate().rev() {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, format!("I am {number}"));
    }
}

#[test]
fn datagrams_are_sent_back_to_both_families() {
    let Some(kernel) = Kernel::start() else { return };
    let mut server = Listening::start(&kernel, &["listen", "7", "--udp", "--echo"]);
    for (own, peer) in [("10.77.0.1:0", "10.77.0.2:7"), ("[fd77::1]:0", "[fd77::2]:7")] {
        let socket = kernel.udp(own);
        let mut buffer = [0; 100];
        socket.send_to(b"hello", peer).unwrap();
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from.to_string().as_str()), (&b"hello"[..], peer));
        // Nobody waits for this answer; others still get theirs.
        let gone = UdpSocket::bind(own).unwrap();
        gone.send_to(b"bye", peer).unwrap();
        drop(gone);
    }
    assert_eq!(server.interrupt().0, Some(0));
}

#[test]
fn a_file_is_downloaded_from_the_kernel() {
    let Some(kernel) = Kernel::start() else { return };
    let mut body = Vec::new();
    Pattern::new(6, 5_000_000).read_to_end(&mut body).unwrap();
    for place in ["10.77.0.1:8000", "[fd77::1]:8000"] {
        kernel.tcp_server(place, serve_http(body.clone()));
        for more in [&[][..], &["--nonblocking"]] {
            let words = [&["connect", place][..], more].concat();
            let output = fed(tapsock(&kernel, &words), b"GET / HTTP/1.0\r\n\r\n");
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{said}");
            assert!(output.stdout.ends_with(&body), "{} bytes", output.stdout.len());
            assert!(said.contains("[SYN,ACK]") && said.contains("success"), "{said}");
        }
    }
}

#[test]
fn the_end_of_the_input_closes_one_direction() {
    let Some(kernel) = Kernel::start() else { return };
    let listener = TcpListener::bind("10.77.0.1:9000").unwrap();
    let peer = thread::spawn(move || {
        let (mut stream, from) = listener.accept().unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        stream.write_all(format!("{} bytes", all.len()).as_bytes()).unwrap();
        from.port()
    });
    let words = ["connect", "10.77.0.1:9000", "--bind", "10.77.0.2:4321"];
    let output = fed(tapsock(&kernel, &words), &[7; 3_000_000]);
    assert_eq!(text(&output.stdout), "3000000 bytes");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(peer.join().unwrap(), 4321);
}

#[test]
fn the_packets_that_decide_are_shown() {
    let Some(kernel) = Kernel::start() else { return };
    let capture = std::env::temp_dir().join(format!("tapsock-{}.pcapng", std::process::id()));
    let path = capture.display().to_string();
    let words = ["connect", "10.77.0.1:9", "--json", "--capture", &path];
    let output = fed(tapsock(&kernel, &words), b"");
    assert_eq!(output.status.code(), Some(1));
    let events: Vec<Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (result, packets) = events.split_last().unwrap();
    assert_eq!(result["name"], "WSAECONNREFUSED");
    let frame = result["frame"].as_u64().unwrap();
    let cited = packets.iter().find(|packet| packet["number"] == frame).unwrap();
    assert_eq!(cited["direction"], "in");
    assert!(cited["summary"].as_str().unwrap().contains("[RST,ACK]"), "{cited}");
    let frames = tapsock_tools::frames::read(&fs::read(&capture).unwrap());
    let line = tapsock_tools::describe::frame(&frames[frame as usize - 1].bytes);
    assert_eq!(cited["summary"], line);
    fs::remove_file(&capture).unwrap();
}

#[test]
fn two_programs_are_joined_through_their_standard_streams() {
    let Some(kernel) = Kernel::start() else { return };
    let mut server = Listening::start(&kernel, &["listen", "5000"]);
    let mut stream = connect("10.77.0.2:5000");
    stream.write_all(b"question").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut heard = Vec::new();
    let mut stdout = server.child.stdout.take().unwrap();
    // The peer's FIN ends the program, and what it was told is delivered.
    server.child.stdin.take().unwrap().write_all(b"answer").unwrap();
    stdout.read_to_end(&mut heard).unwrap();
    assert_eq!(heard, b"question");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

#[test]
fn datagrams_are_exchanged_over_a_connected_socket() {
    let Some(kernel) = Kernel::start() else { return };
    let socket = kernel.udp("10.77.0.1:9000");
    let peer = thread::spawn(move || {
        let mut buffer = [0; 100];
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        let stranger = UdpSocket::bind("10.77.0.1:9001").unwrap();
        stranger.send_to(b"not for you", from).unwrap();
        socket.send_to(b"for you", from).unwrap();
        buffer[..length].to_vec()
    });
    let output = fed(tapsock(&kernel, &["connect", "10.77.0.1:9000", "--udp"]), b"hello");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "for you");
    assert_eq!(peer.join().unwrap(), b"hello");
}

#[test]
fn a_closed_port_is_told_to_a_datagram_socket_too() {
    let Some(kernel) = Kernel::start() else { return };
    let output = fed(tapsock(&kernel, &["connect", "10.77.0.1:9", "--udp"]), b"anybody?");
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("WSAECONNRESET (10054)") && said.contains("ICMP 3/3"), "{said}");
}

#[test]
fn the_sockets_of_a_program_that_listens_are_shown() {
    let Some(kernel) = Kernel::start() else { return };
    let socket = std::env::temp_dir().join(format!("tapsock-netstat-{}", std::process::id()));
    let path = socket.display().to_string();
    let netstat = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tapsock-under-test"));
        command.args(["netstat", &path]).args(words);
        command
    };
    let mut server = Listening::start(&kernel, &["listen", "7", "--echo", "--control", &path]);
    let mut stream = connect("10.77.0.2:7");
    let mut echoed = [0; 5];
    stream.write_all(b"first").unwrap();
    stream.read_exact(&mut echoed).unwrap();
    let port = stream.local_addr().unwrap().port();
    let output = netstat(&[]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    let line = |about: &str| {
        let line = shown.lines().find(|line| line.contains(about));
        line.unwrap_or_else(|| panic!("{shown}")).split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(line("LISTEN")[..3], ["tcp", "0", "0"]);
    let remote = format!("10.77.0.1:{port}");
    assert_eq!(line("ESTABLISHED")[..6], ["tcp", "0", "0", "10.77.0.2:7", &remote, "ESTABLISHED"]);
    assert!(line("frames_in").len() == 2 && line("segments").len() == 2);

    let output = netstat(&["--json", "--most", "1"]).output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&answer["total"], answer["sockets"].as_array().unwrap().len()), (&2.into(), 1));
    // Watching ends with the program.
    let mut watching = netstat(&["--watch=1"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 5];
    watching.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"Proto");
    drop(stream);
    assert_eq!(server.interrupt().0, Some(0));
    assert_eq!(watching.wait().unwrap().code(), Some(0));
    let gone = netstat(&[]).output().unwrap();
    assert_eq!(gone.status.code(), Some(2));
    assert!(text(&gone.stderr).contains("TAPSOCK_CONTROL="), "{}", text(&gone.stderr));
}

#[test]
fn rules_come_and_go_while_a_program_listens() {
    let Some(kernel) = Kernel::start() else { return };
    let socket = std::env::temp_dir().join(format!("tapsock-live-{}", std::process::id()));
    let path = socket.display().to_string();
    let control = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_tapsock-under-test"))
            .args(["control", &path, "--json"])
            .args(words)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let events = std::env::temp_dir().join(format!("tapsock-live-{}.jsonl", std::process::id()));
    let log = events.display().to_string();
    let words = ["listen", "7", "--echo", "--control", &path, "--events", &log];
    let mut server = Listening::start(&kernel, &words);
    let mut stream = connect("10.77.0.2:7");
    let mut echoed = [0; 5];
    stream.write_all(b"first").unwrap();
    stream.read_exact(&mut echoed).unwrap();
    assert_eq!(&echoed, b"first");

    let rule = "name=mute tx tcp payload=\"> 0\" drop";
    assert_eq!(control(&["add", rule])["name"], "mute");
    stream.write_all(b"again").unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(stream.read_exact(&mut echoed).is_err(), "the rule drops what is sent back");
    let listed = control(&["list"]);
    assert!(listed["rules"][0]["fired"].as_u64().unwrap() > 0, "{listed}");
    control(&["remove", "mute"]);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.read_exact(&mut echoed).unwrap();
    assert_eq!(&echoed, b"again");
    assert!(control(&["stats"])["counters"]["dropped"].as_u64().unwrap() > 0);

    let (status, _) = server.interrupt();
    assert_eq!(status, Some(0));
    assert!(!socket.exists(), "the socket is taken away at the end");
    let log = fs::read_to_string(&events).unwrap();
    let told = |what: &str| log.lines().filter(|line| line.contains(what)).count();
    assert_eq!(told("add name=mute") + told("remove mute"), 2, "{log}");
    assert_eq!(told("\"totals\""), 1);

    // The session as a script.
    let output = Command::new(env!("CARGO_BIN_EXE_tapsock-under-test"))
        .args(["faults", "script"])
        .arg(&events)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let script: wsa::start::FaultDocument = text(&output.stdout).parse().unwrap();
    let [mute] = &script.rules[..] else { panic!("{script}") };
    assert_eq!((mute.name.as_str(), script.events.len()), ("mute", 2));
    fs::remove_file(&events).unwrap();
}

#[test]
fn a_program_runs_in_a_network_of_its_own_and_its_faults_are_reported() {
    // The program makes its namespace itself; this one only tells whether that is permitted.
    let Some(_kernel) = Kernel::start() else { return };
    let run = |fault: &str, program: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_tapsock-under-test"))
            .args(["run", "--timing", "test", "--fault", fault, "--"])
            .args(program)
            .output()
            .unwrap()
    };
    let connect = [env!("CARGO_BIN_EXE_tapsock-under-test"), "connect", "10.77.0.1:9"];
    let output = run("name=no-reset rx tcp flags=+RST drop expect=4", &connect);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("WSAETIMEDOUT (10060)"), "{said}");
    assert!(said.contains("** rule=no-reset fired=4 verdict=drop"), "{said}");
    let row = said.lines().find(|line| line.starts_with("no-reset")).unwrap();
    let words: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(words, ["no-reset", "4", "4", "4", "PASS"]);

    // An expectation that does not hold is a failure of a program that ended well.
    let listed = ["sh", "-c", "\"$0\" connect 10.77.0.1:9 2>/dev/null; exit 0", connect[0]];
    let output = run("name=never rx udp drop", &listed);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("NEVER FIRED"));
    for (program, status) in [("exit 7", 7), ("kill -TERM $$", 143)] {
        let output = run("rx udp drop", &["sh", "-c", program]);
        assert_eq!(output.status.code(), Some(status), "{program}");
    }
}

#[test]
fn what_rules_did_not_do_and_what_could_not_be_recorded_is_a_failure() {
    let Some(kernel) = Kernel::start() else { return };
    let _socket = kernel.udp("10.77.0.1:9000");
    let connect = |words: &[&str]| {
        let words = [&["connect", "10.77.0.1:9000", "--udp"], words].concat();
        let output = fed(tapsock(&kernel, &words), b"");
        (output.status.code(), text(&output.stderr))
    };
    let (status, said) = connect(&["--fault", "name=never tx tcp dport=77 drop"]);
    assert!(status == Some(1) && said.contains("NEVER FIRED"), "{status:?} {said}");
    let (status, said) = connect(&["--fault", "name=never tx tcp dport=77 drop expect=0"]);
    assert!(status == Some(0) && said.contains("PASS"), "{status:?} {said}");
    for recording in [
        &["--capture", "/dev/full"][..],
        &["--events", "/dev/full"],
        &["--capture", "/dev/full", "--fault", "name=never rx tcp drop expect=0"],
    ] {
        let (status, said) = connect(recording);
        assert_eq!(status, Some(1), "{recording:?} {said}");
        assert!(said.contains("/dev/full is incomplete: No space left"), "{said}");
    }
    let loopback = Command::new(env!("CARGO_BIN_EXE_tapsock-under-test"))
        .args(["connect", "127.0.0.1:9", "--link", "loopback", "--fault", "rx tcp drop"])
        .output()
        .unwrap();
    assert_eq!(loopback.status.code(), Some(2));
    assert!(text(&loopback.stderr).contains("loopback has none"));
}
