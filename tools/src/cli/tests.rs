use super::*;

fn parse(words: &[&str]) -> Result<Cli, clap::Error> {
    Cli::try_parse_from([&["tapsock"], words].concat())
}

fn status(words: &[&str]) -> u8 {
    run([&["tapsock"], words].concat().iter().map(OsString::from))
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_verb_takes_json_and_seed() {
    let faults = ["check", "list", "run", "replay", "shrink"].map(|verb| ["faults", verb, "x"]);
    let [check, list, run, replay, shrink] = &faults;
    let verbs: [&[&str]; 9] = [
        &["errors"],
        &["connect", "1.2.3.4:5"],
        &["listen", "80"],
        &["trace", "a.pcapng", "--list"],
        check,
        list,
        run,
        replay,
        shrink,
    ];
    for verb in verbs {
        let cli = parse(&[verb, &["--json", "--seed", "7"]].concat()).unwrap();
        assert!(cli.json);
        assert_eq!(cli.settings.read().unwrap().seed, Some(7));
    }
}

#[test]
fn addresses_are_addresses_with_a_port() {
    for good in ["10.77.0.1:80", "[fd77::1]:80", "0.0.0.0:0"] {
        assert!(parse(&["connect", good]).is_ok(), "{good}");
    }
    for bad in ["10.77.0.1", "fd77::1:80", "localhost:80", "1.2.3.4:65536", ""] {
        assert!(parse(&["connect", bad]).is_err(), "{bad}");
    }
}

#[test]
fn one_service_at_a_time_and_files_only_over_tcp() {
    assert!(parse(&["listen", "80", "--echo"]).is_ok());
    assert!(parse(&["listen", "80", "--echo", "--discard"]).is_err());
    assert!(parse(&["listen", "80", "--serve", ".", "--udp"]).is_err());
    assert!(parse(&["listen", "0"]).is_err());
}

#[test]
fn a_trace_needs_a_place_for_the_picture_or_is_a_list() {
    let Verb::Trace(args) = parse(&["trace", "a", "--svg", "b"]).unwrap().verb else { panic!() };
    assert_eq!((args.packets, args.flow, args.side, args.list), (60, None, None, false));
    for good in [&["--list"][..], &["--svg", "-", "--side", "wire", "--flow", "3"]] {
        assert!(parse(&[&["trace", "a"], good].concat()).is_ok(), "{good:?}");
    }
    for good in ["1", "100000"] {
        assert!(parse(&["trace", "a", "--svg", "b", "--packets", good]).is_ok(), "{good}");
    }
    for bad in [&[][..], &["--list", "--svg", "b"], &["--svg", "b", "--side", "peer"]] {
        assert!(parse(&[&["trace", "a"], bad].concat()).is_err(), "{bad:?}");
    }
    for bad in ["0", "100001", "many"] {
        assert!(parse(&["trace", "a", "--svg", "b", "--packets", bad]).is_err(), "{bad}");
    }
    assert_eq!(status(&["trace", "/nothing/there", "--list"]), 2);
}

#[test]
fn a_wrong_command_line_is_status_2_and_one_sentence() {
    assert_eq!(status(&["frobnicate"]), 2);
    assert_eq!(status(&[]), 2);
    assert_eq!(status(&["connect"]), 2);
    assert_eq!(status(&["connect", "nowhere"]), 2);
    assert_eq!(status(&["errors", "--mtu", "12"]), 2);
    for words in [&["connect"][..], &["connect", "nowhere"], &["errors", "--frobnicate"]] {
        let failure = told(&parse(words).unwrap_err()).unwrap_err();
        let sentence = failure.sentence().unwrap();
        assert!(!sentence.contains('\n'), "{sentence}");
    }
}

#[test]
fn a_script_that_cannot_be_read_is_status_2() {
    for verb in ["check", "run", "replay", "shrink"] {
        assert_eq!(status(&["faults", verb, "/nowhere.toml"]), 2);
    }
    assert_eq!(status(&["faults"]), 2);
    assert_eq!(status(&["faults", "run"]), 2);
    assert_eq!(status(&["faults", "run", "x", "--tap", "--link", "loopback"]), 2);
    assert_eq!(status(&["faults", "run", "../scripts/faults", "--record", "/tmp/x"]), 2);
}

#[test]
fn settings_that_a_verb_has_no_use_for_are_refused_and_not_missed() {
    for words in [
        &["errors", "--control", "/s"][..],
        &["errors", "--events", "/e"],
        &["faults", "list", "--fault", "rx drop"],
        &["faults", "list", "--faults", "a.toml"],
    ] {
        assert_eq!(status(words), 2, "{words:?}");
    }
}

#[test]
fn manual_pages_and_completions_cover_all_verbs() {
    let directory = std::env::temp_dir().join(format!("tapsock-man-{}", std::process::id()));
    manual(&directory).unwrap();
    for page in [
        "tapsock.1",
        "tapsock-errors.1",
        "tapsock-connect.1",
        "tapsock-listen.1",
        "tapsock-trace.1",
        "tapsock-faults-run.1",
    ] {
        let page = fs::read_to_string(directory.join(page)).unwrap();
        assert!(page.contains("Exit status"), "{page}");
    }
    fs::remove_dir_all(&directory).unwrap();

    let mut script = Vec::new();
    clap_complete::generate(Shell::Bash, &mut Cli::command(), "tapsock", &mut script);
    let script = String::from_utf8(script).unwrap();
    assert!(
        ["errors", "connect", "listen", "shrink", "--capture"]
            .iter()
            .all(|word| script.contains(word))
    );
}
