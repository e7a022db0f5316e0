use std::string::{String, ToString};
use std::vec::Vec;

use super::*;

/// The configuration that these flags, variables and file lines make together.
fn resolve(
    flags: &[(Setting, &str)],
    variables: &[(&str, &str)],
    file: Option<&str>,
) -> Result<Configuration, String> {
    let mut given = Given::new();
    for (setting, text) in flags {
        given.flag(*setting, [text]);
    }
    let environment = variables.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    Configuration::resolve(&given, environment, file.map(|text| ("tapsock.toml", text)))
        .map_err(|error| error.to_string())
}

fn by_flag(setting: Setting, text: &str) -> Result<Configuration, String> {
    resolve(&[(setting, text)], &[], None)
}

#[test]
fn nothing_given_means_a_private_namespace_with_both_families() {
    let made = resolve(&[], &[], None).unwrap();
    assert_eq!(made.link, LinkChoice::Private);
    let shown: Vec<String> = made.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["10.77.0.2/24", "fd77::2/64"]);
    assert_eq!(made.kernel_side(), [KERNEL_V4, KERNEL_V6]);
    assert_eq!(made.all_routes().count(), 0);
    assert_eq!(made.mtu, 1500);
    assert_eq!(made.profile, ProfileChoice::Documented);
    assert_eq!(made.timing, TimingChoice::Win10);
    assert_eq!((made.mac, made.seed, made.capture), (None, None, None));
    assert_eq!(made.dns, []);
}

#[test]
fn a_flag_goes_before_a_variable_before_the_file_before_the_default() {
    let file = "mtu = 1401\n";
    let variable = [("TAPSOCK_MTU", "1402")];
    let flag = [(Setting::Mtu, "1403")];
    for (flags, variables, file, expected) in [
        (&[][..], &[][..], None, 1500),
        (&[][..], &[][..], Some(file), 1401),
        (&[][..], &variable[..], Some(file), 1402),
        (&flag[..], &variable[..], Some(file), 1403),
        (&flag[..], &[][..], None, 1403),
    ] {
        assert_eq!(resolve(flags, variables, file).unwrap().mtu, expected);
    }
}

#[test]
fn flags_as_variables_mean_the_same() {
    let mut given = Given::new();
    given.flag(Setting::Address, ["10.1.0.2/24", "fd01::2/64"]);
    given.flag(Setting::Fault, ["name=a tx drop", "name=b rx dport=1,2 drop"]);
    given.flag(Setting::Mtu, ["1400"]);
    let variables: Vec<(String, String)> = given.variables().collect();
    assert_eq!(
        variables,
        [
            ("TAPSOCK_ADDRESS", "10.1.0.2/24,fd01::2/64"),
            ("TAPSOCK_MTU", "1400"),
            ("TAPSOCK_FAULT", "name=a tx drop;name=b rx dport=1,2 drop"),
        ]
        .map(|(name, value)| (name.to_string(), value.to_string()))
    );
    let by_flags = Configuration::resolve(&given, [], None).unwrap();
    assert_eq!(Configuration::resolve(&Given::new(), variables, None).unwrap(), by_flags);
    assert_eq!(by_flags.fault.len(), 2);

    given.file = Some("tapsock.toml".into());
    assert_eq!(given.variables().next().unwrap().0, "TAPSOCK_CONFIG");
}

#[test]
fn a_wrong_rule_is_shown_with_the_place() {
    let wrong = by_flag(Setting::Fault, "tx fly").unwrap_err();
    let lines: Vec<&str> = wrong.lines().collect();
    assert!(lines[0].starts_with("--fault: line 1, column 4: "), "{wrong}");
    assert_eq!(lines[2..], ["1 | tx fly", "  |    ^^^"]);
    let wrong = resolve(&[], &[("TAPSOCK_FAULT", "tx drop; rx")], None).unwrap_err();
    assert!(wrong.starts_with("TAPSOCK_FAULT: "), "{wrong}");
}

#[test]
fn each_name_has_its_own_precedence_and_a_list_replaces_a_list() {
    let file = "address = [\"10.1.0.2/24\", \"fd01::2/64\"]\nmtu = 1400\n";
    let made = resolve(&[(Setting::Address, "10.2.0.2/24")], &[], Some(file)).unwrap();
    assert_eq!(made.addresses.len(), 1);
    assert_eq!(made.addresses[0].to_string(), "10.2.0.2/24");
    assert_eq!(made.mtu, 1400);
}

#[test]
fn an_empty_variable_counts_as_none() {
    assert_eq!(resolve(&[], &[("TAPSOCK_MTU", "")], None).unwrap().mtu, 1500);
}

#[test]
fn all_sources_say_the_same_thing_alike() {
    let flags = [
        (Setting::Link, "tap:tapsock0"),
        (Setting::Address, "192.0.2.7/24"),
        (Setting::Address, "2001:db8::7/64"),
        (Setting::Gateway, "192.0.2.1"),
        (Setting::Gateway, "2001:db8::1"),
        (Setting::Route, "198.51.100.0/24 via 192.0.2.9"),
        (Setting::Route, "203.0.113.0/24"),
        (Setting::Mac, "02:00:00:00:00:07"),
        (Setting::Mtu, "9000"),
        (Setting::Offload, "off"),
        (Setting::Spin, "50"),
        (Setting::Dns, "192.0.2.53"),
        (Setting::Dns, "2001:db8::53"),
        (Setting::Profile, "windows"),
        (Setting::Timing, "rfc6298"),
        (Setting::Seed, "18446744073709551615"),
        (Setting::Capture, "out.pcapng"),
        (Setting::Faults, "lossy.toml"),
        (Setting::Fault, "name=a tx drop"),
        (Setting::Fault, "name=b rx drop"),
        (Setting::Events, "events.jsonl"),
        (Setting::Control, "control.socket"),
    ];
    let variables = [
        ("TAPSOCK_LINK", "tap:tapsock0"),
        ("TAPSOCK_ADDRESS", "192.0.2.7/24,2001:db8::7/64"),
        ("TAPSOCK_GATEWAY", "192.0.2.1, 2001:db8::1"),
        ("TAPSOCK_ROUTE", "198.51.100.0/24 via 192.0.2.9, 203.0.113.0/24"),
        ("TAPSOCK_MAC", "02-00-00-00-00-07"),
        ("TAPSOCK_MTU", "9000"),
        ("TAPSOCK_OFFLOAD", "off"),
        ("TAPSOCK_SPIN", "50"),
        ("TAPSOCK_DNS", "192.0.2.53,2001:db8::53"),
        ("TAPSOCK_PROFILE", "windows"),
        ("TAPSOCK_TIMING", "rfc6298"),
        ("TAPSOCK_SEED", "0xffffffffffffffff"),
        ("TAPSOCK_CAPTURE", "out.pcapng"),
        ("TAPSOCK_FAULTS", "lossy.toml"),
        ("TAPSOCK_FAULT", "name=a tx drop; name=b rx drop"),
        ("TAPSOCK_EVENTS", "events.jsonl"),
        ("TAPSOCK_CONTROL", "control.socket"),
    ];
    let file = r#"
        link = "tap:tapsock0"
        address = ["192.0.2.7/24", "2001:db8::7/64"]
        gateway = ["192.0.2.1", "2001:db8::1"]
        route = ["198.51.100.0/24 via 192.0.2.9", "203.0.113.0/24"]
        mac = "02:00:00:00:00:07"
        mtu = 9000
        offload = "off"
        spin = 50
        dns = ["192.0.2.53", "2001:db8::53"]
        profile = "windows"
        timing = "rfc6298"
        seed = "0xffffffffffffffff"
        capture = "out.pcapng"
        faults = "lossy.toml"
        fault = ["name=a tx drop", "name=b rx drop"]
        events = "events.jsonl"
        control = "control.socket"
    "#;
    let made = resolve(&flags, &[], None).unwrap();
    assert_eq!(made, resolve(&[], &variables, None).unwrap());
    assert_eq!(made, resolve(&[], &[], Some(file)).unwrap());

    assert_eq!(made.link, LinkChoice::Tap("tapsock0".to_string()));
    assert_eq!(made.mac, Some(EthernetAddress([2, 0, 0, 0, 0, 7])));
    assert_eq!((made.mtu, made.seed), (9000, Some(u64::MAX)));
    assert_eq!(made.offload, OffloadChoice::Off);
    assert_eq!(made.spin, Duration::from_micros(50));
    assert_eq!((made.profile, made.timing), (ProfileChoice::Windows, TimingChoice::Rfc6298));
    assert_eq!(made.capture, Some(PathBuf::from("out.pcapng")));
    let routes: Vec<(String, Option<String>)> = made
        .all_routes()
        .map(|route| (route.destination.to_string(), route.gateway.map(|via| via.to_string())))
        .collect();
    assert_eq!(
        routes,
        [
            ("198.51.100.0/24".to_string(), Some("192.0.2.9".to_string())),
            ("203.0.113.0/24".to_string(), None),
            ("0.0.0.0/0".to_string(), Some("192.0.2.1".to_string())),
            ("::/0".to_string(), Some("2001:db8::1".to_string())),
        ]
    );
}

#[test]
fn every_setting_has_its_row_here_and_its_name_in_the_file() {
    for setting in Setting::ALL {
        // An empty list and an empty text are both wrong values or none, never unknown names.
        let file = std::format!("{} = []\n", setting.name());
        if let Err(sentence) = resolve(&[], &[], Some(&file)) {
            assert!(sentence.contains("must be one value"), "{sentence}");
        }
        assert_eq!(setting.variable(), std::format!("TAPSOCK_{}", setting.name().to_uppercase()));
    }
}

#[test]
fn a_wrong_value_gives_its_name_the_value_and_what_is_expected() {
    const ADDRESS: &str = "a unicast address with its prefix, as 10.77.0.2/24 or fd77::2/64";
    const PLAIN: &str = "a unicast address, as 10.77.0.1 or fd77::1";
    const LINK: &str = "loopback, private, or tap:NAME with the name of a device";
    const MAC: &str = "a unicast Ethernet address, as 02:00:00:00:00:02";
    const MTU: &str = "a whole number from 1280 to 65521";
    const ROUTE: &str =
        "a prefix, as 10.9.0.0/16, or a prefix and a router, as \"10.9.0.0/16 via 10.77.0.1\"";
    const SEED: &str = "a whole number from 0 to 18446744073709551615, or 0x and hex digits";
    for (setting, text, expected) in [
        (Setting::Link, "", LINK),
        (Setting::Link, "tap", LINK),
        (Setting::Link, "tap:", LINK),
        (Setting::Link, "tap:a/b", LINK),
        (Setting::Link, "tap:..", LINK),
        (Setting::Link, "tap:a b", LINK),
        (Setting::Link, "tap:sixteen-bytes-ab", LINK),
        (Setting::Link, "eth0", LINK),
        (Setting::Address, "10.77.0.2", ADDRESS),
        (Setting::Address, "10.77.0.2/33", ADDRESS),
        (Setting::Address, "10.77.0.2/+4", ADDRESS),
        (Setting::Address, "10.77.0.2/0", ADDRESS),
        (Setting::Address, "10.77.0.0/24", ADDRESS),
        (Setting::Address, "10.77.0.255/24", ADDRESS),
        (Setting::Address, "127.0.0.1/8", ADDRESS),
        (Setting::Address, "224.0.0.1/24", ADDRESS),
        (Setting::Address, "255.255.255.255/32", ADDRESS),
        (Setting::Address, "0.0.0.0/8", ADDRESS),
        (Setting::Address, "fd77::/64", ADDRESS),
        (Setting::Address, "fd77::2/129", ADDRESS),
        (Setting::Address, "::1/128", ADDRESS),
        (Setting::Address, "ff02::1/64", ADDRESS),
        (Setting::Address, "::ffff:10.0.0.1/96", ADDRESS),
        (Setting::Address, "ten", ADDRESS),
        (Setting::Gateway, "10.77.0.1/24", PLAIN),
        (Setting::Gateway, "224.0.0.1", PLAIN),
        (Setting::Gateway, "0.0.0.0", PLAIN),
        (Setting::Dns, "dns.example", PLAIN),
        (Setting::Route, "10.9.0.0", ROUTE),
        (Setting::Route, "10.9.0.1/16", ROUTE),
        (Setting::Route, "10.9.0.0/16 via", ROUTE),
        (Setting::Route, "10.9.0.0/16 by 10.77.0.1", ROUTE),
        (Setting::Route, "10.9.0.0/16 via fd77::1", ROUTE),
        (Setting::Mac, "02:00:00:00:00", MAC),
        (Setting::Mac, "02:00:00:00:00:00:01", MAC),
        (Setting::Mac, "01:00:5e:00:00:01", MAC),
        (Setting::Mac, "00:00:00:00:00:00", MAC),
        (Setting::Mac, "02:00:00:00:00:+1", MAC),
        (Setting::Mtu, "1279", MTU),
        (Setting::Mtu, "65522", MTU),
        (Setting::Mtu, "big", MTU),
        (Setting::Offload, "yes", "on or off"),
        (Setting::Spin, "10001", "a whole number of microseconds from 0 to 10000"),
        (Setting::Spin, "-1", "a whole number of microseconds from 0 to 10000"),
        (Setting::Profile, "Windows", "documented or windows"),
        (Setting::Timing, "winxp", "win10, win7, rfc6298 or test"),
        (Setting::Seed, "-1", SEED),
        (Setting::Seed, "18446744073709551616", SEED),
        (Setting::Seed, "0xg", SEED),
        (Setting::Seed, "0x", SEED),
        (Setting::Capture, "", "the name of a file"),
        (Setting::Faults, "", "the name of a fault script"),
        (Setting::Events, "", "the name of a file"),
        (Setting::Control, "", "the name of a socket, of at most 107 bytes"),
    ] {
        let sentence = by_flag(setting, text).unwrap_err();
        assert_eq!(sentence, std::format!("--{setting} is {text:?} but must be {expected}"));
    }
}

#[test]
fn the_twins_at_the_edge_of_the_wrong_values_are_right() {
    for (setting, text) in [
        (Setting::Link, "tap:fifteen-bytes-a"),
        (Setting::Link, "loopback"),
        (Setting::Link, "private"),
        (Setting::Address, "10.77.0.1/24"),
        (Setting::Address, "10.77.0.254/24"),
        (Setting::Address, "10.77.0.0/31"),
        (Setting::Address, "fd77::ffff:ffff:ffff:ffff/64"),
        (Setting::Gateway, "10.77.0.1"),
        (Setting::Mtu, "1280"),
        (Setting::Mtu, "65521"),
        (Setting::Seed, "0"),
        (Setting::Route, "0.0.0.0/1 via 10.77.0.1"),
        (Setting::Route, "10.9.8.7/32"),
    ] {
        let made = by_flag(setting, text);
        assert!(made.is_ok(), "{setting} {text}: {made:?}");
    }
}

#[test]
fn what_contradicts_another_setting_is_wrong() {
    let both = "a neighbor of the stack, which is 10.77.0.2/24 or fd77::2/64";
    for (flags, expected) in [
        (
            &[(Setting::Address, "10.0.0.2/24"), (Setting::Address, "10.0.0.2/16")][..],
            "--address is \"10.0.0.2/16\" but must be given once only".to_string(),
        ),
        (
            &[(Setting::Address, "10.0.0.2/32")],
            "--address is \"10.0.0.2/32\" but must be in a prefix that leaves the kernel's side an \
             address"
                .to_string(),
        ),
        (
            &[(Setting::Gateway, "192.0.2.1")],
            std::format!("--gateway is \"192.0.2.1\" but must be {both}"),
        ),
        (
            &[(Setting::Gateway, "10.77.0.2")],
            std::format!("--gateway is \"10.77.0.2\" but must be {both}"),
        ),
        (
            &[(Setting::Gateway, "10.77.0.1"), (Setting::Gateway, "10.77.0.3")],
            "--gateway is \"10.77.0.3\" but must be the only one of its family".to_string(),
        ),
        (
            &[(Setting::Route, "10.9.0.0/16 via 10.8.0.1")],
            std::format!("--route is \"10.9.0.0/16 via 10.8.0.1\" but must be by {both}"),
        ),
        (
            &[(Setting::Route, "10.9.0.0/16"), (Setting::Route, "10.9.0.0/16 via 10.77.0.1")],
            "--route is \"10.9.0.0/16 via 10.77.0.1\" but must be the only one to its prefix"
                .to_string(),
        ),
        (
            &[(Setting::Link, "loopback"), (Setting::Gateway, "10.77.0.1")],
            "--gateway is \"10.77.0.1\" but must be left out where the stack has no address"
                .to_string(),
        ),
    ] {
        assert_eq!(resolve(flags, &[], None).unwrap_err(), expected);
    }
}

#[test]
fn the_sentence_says_where_the_value_stands() {
    let expected = "must be a whole number from 1280 to 65521";
    assert_eq!(
        resolve(&[], &[("TAPSOCK_MTU", "9")], None).unwrap_err(),
        std::format!("TAPSOCK_MTU is \"9\" but {expected}")
    );
    assert_eq!(
        resolve(&[], &[], Some("seed = 1\n\nmtu = 9\n")).unwrap_err(),
        std::format!("mtu in tapsock.toml, line 3, is \"9\" but {expected}")
    );
}

#[test]
fn names_that_mean_nothing_are_refused() {
    let sentence = resolve(&[], &[("TAPSOCK_ADRESS", "10.0.0.2/24")], None).unwrap_err();
    assert!(sentence.starts_with("TAPSOCK_ADRESS is not a setting; there are TAPSOCK_LINK, "));
    let sentence = resolve(&[], &[], Some("mtu = 1400\nadress = 1\n")).unwrap_err();
    assert!(sentence.starts_with("tapsock.toml, line 2: unknown field `adress`"), "{sentence}");
    // Variables of the tests, and of everybody else, are no settings.
    let others = [("TAPSOCK_REQUIRE_TAP", "1"), ("TAPSOCK_CONFIG", "x"), ("PATH", "/bin")];
    assert!(resolve(&[], &others, None).is_ok());
}

#[test]
fn a_file_that_is_not_toml_is_refused_with_its_line() {
    for (text, line) in
        [("mtu = 1400\nmtu = 1401\n", 2), ("seed = 1\nlink =\n", 2), ("mtu = true\n", 1)]
    {
        let sentence = resolve(&[], &[], Some(text)).unwrap_err();
        assert!(sentence.starts_with(&std::format!("tapsock.toml, line {line}: ")), "{sentence}");
        assert!(!sentence.contains('\n'), "{sentence}");
    }
    let sentence = resolve(&[], &[], Some("mtu = [1400, 1401]\n")).unwrap_err();
    assert_eq!(sentence, "mtu in tapsock.toml, line 1, is \"1400, 1401\" but must be one value");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let mut given = Given::new();
    given.file = Some("/nonexistent/tapsock.toml".to_string());
    let sentence = Configuration::read(&given).unwrap_err().to_string();
    assert!(
        sentence.starts_with("the configuration file /nonexistent/tapsock.toml cannot be read: "),
        "{sentence}"
    );
}

#[test]
fn the_kernel_takes_the_first_address_that_the_stack_leaves() {
    for (own, kernel) in [
        ("10.77.0.2/24", "10.77.0.1/24"),
        ("10.77.0.1/24", "10.77.0.2/24"),
        ("192.0.2.77/25", "192.0.2.1/25"),
        ("192.0.2.0/31", "192.0.2.1/31"),
        ("192.0.2.1/31", "192.0.2.0/31"),
        ("fd77::1/64", "fd77::2/64"),
        ("2001:db8::5:7/112", "2001:db8::5:1/112"),
    ] {
        let made = by_flag(Setting::Address, own).unwrap();
        let shown: Vec<String> = made.kernel_side().iter().map(ToString::to_string).collect();
        assert_eq!(shown, [kernel]);
    }
}

#[test]
fn the_loopback_alone_has_no_address_of_its_own() {
    assert_eq!(by_flag(Setting::Link, "loopback").unwrap().addresses, []);
    let both = [(Setting::Link, "loopback"), (Setting::Address, "10.0.0.2/32")];
    assert_eq!(resolve(&both, &[], None).unwrap().addresses.len(), 1);
}

#[test]
fn stacks_with_other_seeds_or_addresses_have_other_ethernet_addresses() {
    let first = resolve(&[], &[], None).unwrap();
    let second = by_flag(Setting::Address, "10.77.0.3/24").unwrap();
    let macs = [
        first.hardware_address(1),
        first.hardware_address(2),
        second.hardware_address(1),
        by_flag(Setting::Mac, "02:00:00:00:00:09").unwrap().hardware_address(1),
    ];
    assert_eq!(macs[0], first.hardware_address(1));
    assert!(macs.iter().all(|mac| mac.is_unicast() && mac.0[0] == 2));
    for (at, mac) in macs.iter().enumerate() {
        assert!(!macs[..at].contains(mac));
    }
    assert_eq!(first.stack(1).hardware_address, macs[0]);
    assert_eq!(first.stack(7).seed, 7);
}

#[test]
fn timing_names_the_schedules() {
    for (timing, first_step_ms, repeated) in
        [("win10", 1000, 4), ("win7", 3000, 2), ("rfc6298", 1000, 6), ("test", 20, 3)]
    {
        let syn = by_flag(Setting::Timing, timing).unwrap().stack(1).syn;
        assert_eq!(
            (syn.initial.total_millis(), syn.retries),
            (first_step_ms, repeated),
            "{timing}"
        );
    }
}

#[test]
fn profile_names_the_profiles() {
    for (name, profile) in [("documented", Profile::DOCUMENTED), ("windows", Profile::WINDOWS)] {
        assert_eq!(by_flag(Setting::Profile, name).unwrap().profile.profile(), profile);
    }
}

#[test]
fn the_longest_spin_is_taken() {
    assert_eq!(by_flag(Setting::Spin, "10000").unwrap().spin, Duration::from_millis(10));
    assert_eq!(resolve(&[], &[], None).unwrap().spin, Duration::ZERO);
}
