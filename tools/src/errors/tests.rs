use std::collections::{BTreeMap, BTreeSet};

use super::*;

fn configuration(profile: ProfileChoice) -> Configuration {
    let mut configuration = Configuration::default();
    configuration.profile = profile;
    configuration
}

fn outcomes(configuration: &Configuration) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    run(Medium::Simulated, configuration, 7, |outcome| {
        outcomes.push(outcome.clone());
        Ok(())
    })
    .unwrap();
    outcomes
}

fn assert_all_ok(configuration: &Configuration) {
    for outcome in outcomes(configuration) {
        let Outcome { row, expected, got, evidence, .. } = &outcome;
        let (code, case) = (row.error.code(), row.case);
        assert!(outcome.ok, "{code} {case}: {got}, {expected} due; {}", evidence.summary);
    }
}

/// The codes of WSAConnect's error table, and of send after a datagram disconnect.
const CODES: [i32; 22] = [
    10093, 10050, 10048, 10004, 10036, 10037, 10049, 10047, 10061, 10014, 10022, 10056, 10051,
    10065, 10055, 10038, 10045, 10043, 10060, 10035, 10013, 10057,
];

#[test]
fn every_code_of_the_table_has_a_row_on_both_media() {
    for medium in [Medium::Simulated, Medium::Tap] {
        let codes: BTreeSet<i32> = rows(medium).map(|row| row.error.code()).collect();
        assert_eq!(codes, CODES.into_iter().collect());
    }
}

#[test]
fn every_row_has_a_name_of_its_own_and_fits_the_table() {
    let mut slugs = BTreeMap::new();
    for row in rows(Medium::Simulated) {
        assert!(row.case.len() < 51, "{}", row.case);
        assert!(slugs.insert(row.slug(), row.case).is_none(), "{}", row.slug());
    }
}

#[test]
fn all_rows_hold_as_documented() {
    assert_all_ok(&configuration(ProfileChoice::Documented));
}

#[test]
fn all_rows_hold_as_on_windows() {
    assert_all_ok(&configuration(ProfileChoice::Windows));
}

#[test]
fn all_rows_hold_with_every_timing() {
    for timing in [TimingChoice::Win7, TimingChoice::Rfc6298, TimingChoice::Test] {
        for profile in [ProfileChoice::Documented, ProfileChoice::Windows] {
            let mut configuration = configuration(profile);
            configuration.timing = timing;
            assert_all_ok(&configuration);
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let configuration = configuration(ProfileChoice::Documented);
    let (first, second) = (outcomes(&configuration), outcomes(&configuration));
    for (one, other) in first.iter().zip(&second) {
        assert_eq!(one.recording, other.recording, "{}", one.row.case);
        assert_eq!(one.evidence, other.evidence);
    }
}

#[test]
fn with_faults_the_rows_that_they_reach_come_out_otherwise() {
    let mut broken = configuration(ProfileChoice::Documented);
    broken.fault = vec!["rx tcp flags=+RST drop".parse().unwrap()];
    let (whole, broken) = (outcomes(&configuration(ProfileChoice::Documented)), outcomes(&broken));
    let changed: Vec<(&str, i32, i32)> = whole
        .iter()
        .zip(&broken)
        .filter(|(whole, broken)| whole.got != broken.got)
        .map(|(whole, broken)| (whole.row.case, whole.got, broken.got))
        .collect();
    assert!(!changed.is_empty());
    assert!(changed.iter().all(|&(_, got, _)| got == 10061), "{changed:?}");
    assert!(changed.iter().all(|&(_, _, got)| got == 10060), "{changed:?}");
    assert!(broken.iter().all(|outcome| outcome.ok || outcome.row.error.code() == 10061));
}
