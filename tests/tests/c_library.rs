//! libwsa as C and C++ programs see it: built by `scripts/build-c`, found by pkg-config, run on
//! loopback and on a TAP device with the kernel as the peer.
//!
//! The library is built with `--debug`, which takes the workspace's own profile for tests; what is
//! checked here does not depend on how far it is optimized.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use tapsock_tests::{Kernel, Pattern, echo, sha256};

/// Warnings are errors.
const WARNINGS: &str = "-Wall -Wextra -Wpedantic -Werror";
/// Each program is compiled by both.
const COMPILERS: [&str; 2] = ["gcc -std=c11", "g++ -x c++ -std=c++17"];

fn root() -> &'static Path {
    // The tests are a folder of the workspace.
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn scratch() -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("c");
    fs::create_dir_all(&path).unwrap();
    path
}

/// Where the library is, built once for all tests.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let prefix = scratch().join("prefix");
        let mut build = Command::new(root().join("scripts/build-c"));
        succeed(build.arg("--debug").arg(&prefix));
        prefix
    })
}

fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}{err}", output.status);
    output
}

/// A shell command in the folder of the C programs, with the library in sight of pkg-config.
fn shell(command: &str) -> Output {
    let mut shell = Command::new("sh");
    shell.args(["-ec", command]).current_dir(root().join("tests/c"));
    shell.env("PKG_CONFIG_PATH", library().join("lib/pkgconfig"));
    succeed(&mut shell)
}

/// The programs that this run of the tests has made.
static MADE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// The program made of these sources.
fn compile(compiler: &str, options: &str, sources: &[&str]) -> PathBuf {
    let language = if compiler.starts_with("g++") { "cpp" } else { "c" };
    let mode = options.split_whitespace().next().unwrap_or("").replace(['-', '='], "_");
    let name = format!("{}{mode}-{language}", sources.join("+").replace(".c", ""));
    let program = scratch().join(name);
    let mut made = MADE.lock().unwrap();
    if made.contains(&program) {
        return program;
    }
    shell(&format!(
        "{compiler} {WARNINGS} {options} {} -o {} $(pkg-config --cflags --libs wsa) -lpthread",
        sources.join(" "),
        program.display(),
    ));
    made.push(program.clone());
    program
}

/// A program on this link.
fn on(link: &str, program: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.arg("60").arg(program).env("TAPSOCK_LINK", link);
    command
}

fn on_tap(kernel: &Kernel, program: &Path) -> Command {
    on(&format!("tap:{}", kernel.device()), program)
}

/// What both clients of `pair.c` print.
const MET: &[u8] = b"from one thread to another\nand once more, with events\n";

#[test]
fn a_server_and_clients_meet_in_one_program() {
    for compiler in COMPILERS {
        let sources = ["client.c", "event-client.c", "select-server.c", "pair.c"];
        let program = compile(compiler, "-DWITHOUT_MAIN", &sources);
        let output = succeed(&mut on("loopback", &program));
        assert_eq!(output.stdout, MET);
    }
}

#[test]
fn clients_talk_to_the_kernel() {
    let Some(kernel) = Kernel::start() else { return };
    let server = kernel.tcp_server("10.77.0.1:0", echo);
    let port = server.address().port().to_string();
    for source in ["client", "event-client"] {
        for compiler in COMPILERS {
            let program = compile(compiler, "", &[&format!("{source}.c")]);
            let mut client = on_tap(&kernel, &program);
            let output = succeed(client.args(["10.77.0.1", &port, "to the kernel"]));
            assert_eq!(output.stdout, b"to the kernel");
        }
        let program = compile(COMPILERS[0], "", &[&format!("{source}.c")]);
        let refused = on_tap(&kernel, &program).args(["10.77.0.1", "9", "x"]).output().unwrap();
        assert_eq!(refused.status.code(), Some(1));
        let line = format!("{source}: connect: error 10061\n");
        assert_eq!(String::from_utf8_lossy(&refused.stderr), line);
    }
}

#[test]
fn a_c_program_runs_in_a_network_of_its_own_that_a_script_breaks() {
    // The program makes its namespace itself; this one only tells whether that is permitted.
    let Some(_kernel) = Kernel::start() else { return };
    let program = compile(COMPILERS[0], "", &["client.c"]);
    let script = scratch().join("prohibited.fault.toml");
    let rule = "[[rule]]\nname = \"prohibited\"\nmatch = { dir = \"tx\", flags = \"+SYN\" }\n\
                do = [\"drop\", { forge-icmp = { type = \"unreachable\", code = \"admin-prohibited\" } }]\n\
                expect = { hits = \"1..\" }\n";
    fs::write(&script, format!("version = 1\nseed = 7\n\n{rule}")).unwrap();
    let capture = scratch().join("prohibited.pcapng");
    let output = Command::new(env!("CARGO_BIN_EXE_tapsock-under-test"))
        .args(["run", "--timing", "test", "--faults"])
        .arg(&script)
        .arg("--capture")
        .arg(&capture)
        .arg("--")
        .arg(&program)
        .args(["10.77.0.1", "9", "x"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    // Without the script it is the kernel's RST: 10061.
    assert!(said.starts_with("client: connect: error 10065\n"), "{said}");
    let row = said.lines().find(|line| line.starts_with("prohibited")).unwrap();
    assert!(row.ends_with("PASS") && said.contains("seed 0x7"), "{said}");
    let recorded = fs::read(&capture).unwrap();
    let carries = |text: &[u8]| recorded.windows(text.len()).any(|window| window == text);
    assert!(carries(b"admin-prohibited") && carries(b"forged by rule=prohibited"));
}

#[test]
fn a_select_server_serves_clients_of_the_kernel_side_by_side() {
    let Some(kernel) = Kernel::start() else { return };
    for compiler in COMPILERS {
        let program = compile(compiler, "", &["select-server.c"]);
        let mut server = on_tap(&kernel, &program);
        server.args(["10.77.0.2", "7000", "3"]).stdout(Stdio::piped());
        let mut server = server.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "7000\n");
        let mut clients: Vec<_> =
            (0..3).map(|_| kernel.tcp_client("10.77.0.2:7000").unwrap()).collect();
        // The first to connect is the last to speak: nobody waits for anybody.
        for (seed, client) in clients.iter_mut().enumerate().rev() {
            let mut sent = Vec::new();
            Pattern::new(seed as u64, 100_000).read_to_end(&mut sent).unwrap();
            let mut writer = client.try_clone().unwrap();
            let bytes = sent.clone();
            let writing = std::thread::spawn(move || {
                writer.write_all(&bytes).unwrap();
                writer.shutdown(Shutdown::Write).unwrap();
            });
            let mut received = Vec::new();
            client.read_to_end(&mut received).unwrap();
            writing.join().unwrap();
            assert!(received == sent, "{} of {} bytes", received.len(), sent.len());
        }
        assert!(server.wait().unwrap().success());
    }
}

#[test]
fn what_was_sent_arrives_although_main_returns_at_once() {
    let Some(kernel) = Kernel::start() else { return };
    let program = compile(COMPILERS[0], "", &["send-and-return.c"]);
    let expected = sha256(Pattern::new(4, 10_000_000)).unwrap();
    // Without cleanup, and with a thread that waits in recv, it is the same.
    for mode in [None, Some("idle")] {
        let (address, received) = kernel.tcp_once("10.77.0.1:0", sha256);
        let mut sender = on_tap(&kernel, &program);
        sender.args(["10.77.0.1", &address.port().to_string()]).args(mode);
        succeed(&mut sender);
        // The end of the stream is the FIN: a reset would be an error.
        assert_eq!(received.join().unwrap().unwrap(), expected, "{mode:?}");
    }
}

#[test]
fn the_wait_at_the_end_is_limited() {
    let Some(kernel) = Kernel::start() else { return };
    let program = compile(COMPILERS[0], "", &["send-and-return.c"]);
    // Whoever connects and never reads keeps the sender for ten seconds, and not longer.
    let (done, end) = std::sync::mpsc::channel::<()>();
    let (address, deaf) = kernel.tcp_once("10.77.0.1:0", move |stream| {
        let _ = end.recv();
        drop(stream);
        Ok(())
    });
    let began = Instant::now();
    let mut sender = on_tap(&kernel, &program);
    succeed(sender.args(["10.77.0.1", &address.port().to_string()]));
    let seconds = began.elapsed().as_secs();
    assert!((9..30).contains(&seconds), "{seconds} s");
    drop(done);
    deaf.join().unwrap().unwrap();
}

#[test]
fn a_child_has_no_stack_and_its_parent_goes_on() {
    let Some(kernel) = Kernel::start() else { return };
    let server = kernel.tcp_server("10.77.0.1:0", echo);
    let program = compile(COMPILERS[0], "", &["fork.c"]);
    let port = server.address().port().to_string();
    let output = succeed(on_tap(&kernel, &program).args(["10.77.0.1", &port]));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}

#[test]
fn a_datagram_tells_where_it_went_and_how() {
    for compiler in COMPILERS {
        let program = compile(compiler, "", &["packet-info.c"]);
        let output = succeed(on("loopback", &program).arg("127.0.0.1"));
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "hello from 127.0.0.1, flags 0\n\
             destination 127.0.0.1, interface 1\n\
             hop limit 9\n",
        );
    }
}

#[test]
fn bad_input_gets_the_documented_code() {
    for compiler in COMPILERS {
        let program = compile(compiler, "", &["bad-input.c"]);
        let output = succeed(&mut on("loopback", &program));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "0 wrong\n");
    }
}

#[test]
fn address_sanitizer_finds_nothing() {
    let program = compile(COMPILERS[0], "-fsanitize=address,undefined", &["bad-input.c"]);
    // Who is traced cannot look for leaks; the process is one on purpose.
    let mut command = on("loopback", &program);
    let output =
        succeed(command.env("ASAN_OPTIONS", "detect_leaks=0:detect_stack_use_after_return=1"));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0 wrong\n");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn the_systems_sockets_stay_what_they_are() {
    for compiler in COMPILERS {
        let program = compile(compiler, "", &["both.c", "both-posix.c"]);
        succeed(&mut on("loopback", &program));
    }
}

#[test]
fn a_program_may_have_the_library_in_itself() {
    let program = scratch().join("pair-static");
    let build = |link: &str| {
        shell(&format!(
            "gcc -std=c11 {WARNINGS} -DWITHOUT_MAIN client.c event-client.c select-server.c \
             pair.c -o {} $(pkg-config --cflags wsa) {link}",
            program.display(),
        ));
        succeed(&mut on("loopback", &program))
    };
    // Beside the system's shared libraries, and without a single one.
    let libraries = "$(pkg-config --variable=libdir wsa)/libwsa.a";
    let others = "$(pkg-config --static --libs-only-l wsa | sed s/-lwsa//)";
    assert_eq!(build(&format!("{libraries} {others}")).stdout, MET);
    assert_eq!(build("-static $(pkg-config --static --libs wsa)").stdout, MET);
    shell(&format!("! readelf --program-headers {} | grep INTERP", program.display()));
}

#[test]
fn a_program_of_windows_need_not_be_spelled_otherwise() {
    for compiler in COMPILERS {
        let program = compile(compiler, "", &["windows.c"]);
        let output = succeed(&mut on("loopback", &program));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "0 wrong\n");
    }
}

#[test]
fn a_failure_says_what_decided_it() {
    let Some(kernel) = Kernel::start() else { return };
    let program = compile(COMPILERS[0], "", &["evidence.c"]);
    let line = |address: &str| {
        let output = succeed(on_tap(&kernel, &program).args([address, "9"]));
        String::from_utf8(output.stdout).unwrap()
    };
    let refused = line("10.77.0.1");
    assert!(refused.starts_with("error 10061, refused: frame "), "{refused}");
    assert!(refused.contains(": 10.77.0.1:9 > 10.77.0.2:"), "{refused}");
    assert!(refused.contains(" [RST,ACK] "), "{refused}");
    let silent = line("10.77.0.9");
    let said = "error 10065, host unreachable: silence: 3 ARP requests to 10.77.0.9 unanswered in ";
    assert!(silent.starts_with(said), "{silent}");
}

#[test]
fn pkg_config_says_plain_paths() {
    let plain = |options: &str| {
        let output = shell(&format!("pkg-config {options} wsa"));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let prefix = library().display();
    assert_eq!(plain("--cflags"), format!("-I{prefix}/include"));
    assert_eq!(plain("--libs"), format!("-L{prefix}/lib -Wl,-rpath,{prefix}/lib -lwsa"));
    // Whoever moves the folder says so.
    let moved = scratch().join("moved folder");
    let _ = fs::remove_dir_all(&moved);
    fs::create_dir_all(moved.join("lib/pkgconfig")).unwrap();
    fs::copy(library().join("lib/pkgconfig/wsa.pc"), moved.join("lib/pkgconfig/wsa.pc")).unwrap();
    let mut asked = Command::new("pkg-config");
    asked.args(["--define-prefix", "--variable=includedir", "wsa"]);
    let output = succeed(asked.env("PKG_CONFIG_PATH", moved.join("lib/pkgconfig")));
    let said = String::from_utf8(output.stdout).unwrap().replace('\\', "");
    assert_eq!(said.trim(), moved.join("include").to_str().unwrap());
}

#[test]
fn a_wrong_configuration_is_one_line_and_a_code() {
    let program = compile(COMPILERS[0], "", &["client.c"]);
    let lines = |command: &mut Command| {
        let output = command.args(["127.0.0.1", "1", "x"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let wrong = lines(&mut on("tape:0", &program));
    let (line, rest) = wrong.split_once('\n').unwrap();
    assert!(line.starts_with("libwsa: ") && line.contains("tape:0"), "{line}");
    assert_eq!(rest, "client: WSAStartup: error 10091\n");
    for (variable, value) in
        [("TAPSOCK_CONFIG", "/nowhere.toml"), ("TAPSOCK_SEED", "x"), ("TAPSOCK_LINK", "tap:")]
    {
        let text = lines(on("loopback", &program).env(variable, value));
        assert!(text.starts_with("libwsa: ") && text.lines().count() == 2, "{variable}: {text}");
    }
    // A file says what the variables do not.
    let file = scratch().join("loopback.toml");
    fs::write(&file, "link = \"loopback\"\n").unwrap();
    let mut command = on("", &program);
    command.env_remove("TAPSOCK_LINK").env("TAPSOCK_CONFIG", &file);
    assert_eq!(lines(&mut command), "client: connect: error 10061\n");
}

#[test]
fn the_script_says_what_is_wrong_in_one_line() {
    let script = root().join("scripts/build-c");
    let help = succeed(Command::new(&script).arg("--help"));
    assert!(help.stdout.starts_with(b"Builds the C library"));
    for (arguments, complaint) in [
        (&["--fast"][..], "there is no option --fast"),
        (&["one", "two"][..], "one PREFIX only"),
        (&[""][..], "PREFIX is empty"),
    ] {
        let output = Command::new(&script).args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains(complaint), "{text}");
    }
}
