//! The scripts of `scripts/faults`, each with its twin without faults, in virtual time and against
//! the kernel.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::thread;

use tapsock_tests::Kernel;
use tapsock_tools::faults::{
    Case, Ending, ExpectedFailures, Loaded, Medium, Program, Run, Time, files, name, run,
};
use wsa::Error;
use wsa::config::Configuration;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/faults")
}

fn scripts() -> Vec<Loaded> {
    let files = files(&folder()).unwrap();
    files.iter().map(|path| Loaded::read(path).unwrap_or_else(|error| panic!("{error}"))).collect()
}

fn expected_failures() -> ExpectedFailures {
    ExpectedFailures::beside(&folder().join("any")).unwrap()
}

fn played(loaded: &Loaded, medium: Medium, seed: u64) -> Run {
    run(&loaded.case(), &loaded.text, medium, seed, &Configuration::default())
        .unwrap_or_else(|error| panic!("{}: {error}", loaded.name))
}

/// What is wrong with a run, where it is not expected to fail.
fn complaint(loaded: &Loaded, run: &Run) -> Option<String> {
    let Loaded { name, .. } = loaded;
    match (run.holds(), expected_failures().reason(name)) {
        (true, None) | (false, Some(_)) => None,
        (true, Some(reason)) => Some(format!("{name} holds, although: {reason}")),
        (false, None) => Some(format!("{name}: {}: {:?}", run.outcome(), run.failures)),
    }
}

#[test]
fn every_script_holds_in_virtual_time() {
    let scripts = scripts();
    let complaints: Vec<String> = scripts
        .iter()
        .filter_map(|loaded| {
            let seed = loaded.document.seed.expect("a script of the library has a seed");
            complaint(loaded, &played(loaded, Medium::Simulated, seed))
        })
        .collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[test]
fn no_script_holds_without_its_faults() {
    for loaded in scripts() {
        let twin = loaded.case().twin();
        let run = run(&twin, "", Medium::Simulated, 1, &Configuration::default()).unwrap();
        let expect = twin.expect.expect("a script of the library expects something");
        assert!(!expect.judge(&run).is_empty(), "{}: {}", loaded.name, run.outcome());
    }
}

#[test]
fn the_same_seed_gives_the_same_capture() {
    for loaded in scripts() {
        let [one, other] = [1, 2].map(|_| played(&loaded, Medium::Simulated, 99).capture);
        assert!(one == other, "{}", loaded.name);
        let another = played(&loaded, Medium::Simulated, 98).capture;
        assert!(another != one, "{}", loaded.name);
    }
}

/// On a seed of its choosing a script shows what it shows; on others it must not be luck.
#[test]
fn exact_scripts_hold_with_any_seed() {
    for loaded in scripts() {
        let case = loaded.case();
        let by_chance = case.rules.iter().any(|rule| rule.when.prob < 1.0)
            || [case.tx, case.rx].iter().any(|model| {
                model.loss != tapsock_stack::fault::Loss::None
                    || model.corrupt > 0.0
                    || model.duplicate > 0.0
                    || model.reorder.is_some()
            });
        if by_chance {
            continue;
        }
        for seed in [0, 2, 77, u64::MAX] {
            let complaint = complaint(&loaded, &played(&loaded, Medium::Simulated, seed));
            assert_eq!(complaint, None, "seed {seed}");
        }
    }
}

#[test]
fn each_script_says_what_it_is_for_and_that_it_fails_where_it_is_listed() {
    let scripts = scripts();
    for loaded in &scripts {
        let title = loaded.title.as_deref().unwrap_or_default();
        assert!((20..120).contains(&title.len()), "{}: {title:?}", loaded.name);
    }
    let names: BTreeSet<String> = files(&folder()).unwrap().iter().map(|path| name(path)).collect();
    for listed in expected_failures().names() {
        assert!(names.contains(listed), "{listed} is listed as failing, but does not exist");
    }
}

/// The codes with which the network can end a WSAConnect, and a connection afterwards.
#[test]
fn every_code_that_the_network_decides_has_a_script() {
    let shown: BTreeSet<i32> = scripts()
        .iter()
        .filter_map(|loaded| match loaded.document.expect.as_ref()?.result? {
            Ending::Code(error) => Some(error.code()),
            _ => None,
        })
        .collect();
    for error in [
        Error::WSAECONNREFUSED,
        Error::WSAETIMEDOUT,
        Error::WSAENETUNREACH,
        Error::WSAEHOSTUNREACH,
        Error::WSAENETDOWN,
        Error::WSAECONNRESET,
        Error::WSAENETRESET,
    ] {
        assert!(shown.contains(&error.code()), "{error}");
    }
}

/// Those whose clock permits it, several at a time, each in a namespace of its own.
#[test]
fn every_script_holds_against_the_kernel() {
    // This thread's own namespace is not used: it shows whether there may be any.
    let Some(_kernel) = Kernel::start() else { return };
    let scripts: Vec<Loaded> =
        scripts().into_iter().filter(|loaded| !loaded.is_virtual()).collect();
    assert!(scripts.len() > 50);
    let mut complaints = Vec::new();
    for some in scripts.chunks(8) {
        thread::scope(|scope| {
            let runs: Vec<_> = some
                .iter()
                .map(|loaded| scope.spawn(move || played(loaded, Medium::Tap, 5)))
                .collect();
            for (loaded, run) in some.iter().zip(runs) {
                complaints.extend(complaint(loaded, &run.join().unwrap()));
            }
        });
    }
    assert!(complaints.is_empty(), "{complaints:#?}");
}

/// Each row of WSAConnect's table that the network decides is on TAP as well, unless it takes 21 s.
#[test]
fn only_what_takes_long_is_left_to_virtual_time() {
    for loaded in scripts().iter().filter(|loaded| loaded.is_virtual()) {
        let expect = loaded.document.expect.as_ref().unwrap();
        let least = expect.not_before.map_or(0, |time| time.0.secs());
        assert!(least >= 5, "{} takes {least} s", loaded.name);
    }
    let programs = scripts();
    let runs = |program: Program| {
        programs
            .iter()
            .any(|loaded| loaded.document.scenario.as_ref().is_some_and(|it| it.program == program))
    };
    assert!(runs(Program::Connect) && runs(Program::Transfer));
    assert!(runs(Program::Listen) && runs(Program::Datagram));
}

#[test]
fn a_command_of_the_users_is_broken_by_the_script_as_well() {
    let Some(_kernel) = Kernel::start() else { return };
    let script = |result: &str, program: &str, arguments: &str| {
        let text = format!(
            "version = 1\nseed = 4\n[scenario]\nprogram = [\"{program}\", {arguments}]\n\
             limit = \"8 s\"\n[expect]\nresult = \"{result}\"\n[[rule]]\nname = \"refuse\"\n\
             match = {{ dir = \"tx\", proto = \"tcp\", flags = \"+SYN -ACK\" }}\n\
             do = [\"forge-rst\", \"drop\"]\nexpect = {{ hits = 1 }}\n"
        );
        Loaded::parse("command.toml", "command", text).unwrap()
    };
    let tapsock = env!("CARGO_BIN_EXE_tapsock-under-test");
    let connect = "\"connect\", \"10.77.0.1:7777\"";
    let loaded = script("exit 1", tapsock, connect);
    let on_tap = |loaded: &Loaded, case: &Case| {
        let configuration = Configuration::default();
        run(case, &loaded.text, Medium::Tap, 4, &configuration)
    };
    let refused = on_tap(&loaded, &loaded.case()).unwrap();
    assert_eq!((refused.ending, &refused.failures), (Ending::Exited(1), &Vec::new()));
    assert_eq!(refused.hits[0].fired, 1);
    assert!(!refused.capture.is_empty() && !refused.events.is_empty());
    let twin = on_tap(&loaded, &loaded.case().twin()).unwrap();
    assert_eq!(twin.ending, Ending::Exited(0));

    let asleep = script("blocked", "sleep", "\"60\"");
    let mut case = asleep.case();
    case.rules.clear();
    case.scenario.limit = Some(Time(tapsock_stack::time::Duration::from_millis(100)));
    assert_eq!(on_tap(&asleep, &case).unwrap().ending, Ending::Blocked);
    case.scenario.program = Program::Command(vec!["/nowhere/program".into()]);
    let missing = on_tap(&asleep, &case).unwrap_err().to_string();
    assert_eq!(missing, "there is no program /nowhere/program; give its path");
    // In virtual time there is no program of its own.
    let told = run(&case, "", Medium::Simulated, 4, &Configuration::default());
    assert!(told.unwrap_err().to_string().contains("only runs on a TAP device"));
}
