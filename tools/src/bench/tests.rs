use serde_json::{Value, json};

use super::figures::{self, Bound, Figure};
use super::report::{json, picture, table};
use super::runner::{Pace, Row, Side, order};
use super::statistics::{Summary, quantile, ratio};
use super::trouble::Trouble;
use super::*;
use crate::output::Paint;

fn figure(bound: Option<Bound>) -> Figure {
    Figure {
        name: "speed_veth".into(),
        what: "how fast".into(),
        unit: "Gbit/s",
        peer: Some("kernel, veth"),
        bound,
        index: 0,
    }
}

fn names(comparisons: &[Comparison]) -> Vec<&str> {
    comparisons.iter().flat_map(|one| &one.figures).map(|figure| &*figure.name).collect()
}

#[test]
fn a_median_is_the_middle_one_or_between_the_two_in_the_middle() {
    let summary = |runs: &[f64]| Summary::of(runs).map(|it| (it.median, it.min, it.max));
    assert_eq!(summary(&[3.0, 1.0, 9.0]), Some((3.0, 1.0, 9.0)));
    assert_eq!(summary(&[4.0, 1.0, 2.0, 9.0]), Some((3.0, 1.0, 9.0)));
    assert_eq!(summary(&[7.0]), Some((7.0, 7.0, 7.0)));
    assert_eq!(summary(&[]), None);
}

#[test]
fn runs_are_wide_from_more_than_half_of_their_median_on() {
    let wide = |runs: &[f64]| Summary::of(runs).unwrap().is_wide();
    assert!(!wide(&[8.0, 10.0, 13.0]));
    assert!(wide(&[8.0, 10.0, 13.1]));
    assert!(!wide(&[0.0, 0.0]));
}

#[test]
fn the_ratio_is_that_of_each_round() {
    // The ratio of the medians would be 1.
    let ratios = ratio(&[10.0, 20.0, 30.0], &[20.0, 10.0, 60.0]).unwrap();
    assert_eq!((ratios.median, ratios.min, ratios.max), (0.5, 0.5, 2.0));
    assert_eq!(ratio(&[1.0], &[]), None);
    assert_eq!(ratio(&[1.0], &[0.0]), None);
}

#[test]
fn a_quantile_is_a_value_that_was_there() {
    let mut values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
    assert_eq!(quantile(&mut values, 0.5), Some(50.0));
    assert_eq!(quantile(&mut values, 0.99), Some(99.0));
    assert_eq!(quantile(&mut values, 1.0), Some(100.0));
    assert_eq!(quantile(&mut [2.0], 0.01), Some(2.0));
    assert_eq!(quantile(&mut [], 0.5), None);
}

#[test]
fn the_sides_take_turns_in_being_first() {
    assert_eq!(order(0), [Side::Own, Side::Peer]);
    assert_eq!(order(1), [Side::Peer, Side::Own]);
    assert_eq!(order(2), order(0));
}

#[test]
fn a_bound_holds_up_to_its_number() {
    for (own, bound, holds) in [
        (4.0, Bound::AtLeast(2.0), true),
        (3.99, Bound::AtLeast(2.0), false),
        (2.4, Bound::AtMost(1.2), true),
        (2.41, Bound::AtMost(1.2), false),
    ] {
        let row = Row::new(figure(Some(bound)), vec![own], vec![2.0]);
        assert_eq!(row.holds(), Some(holds), "{own} {bound}");
    }
    assert_eq!(Row::new(figure(None), vec![1.0], vec![2.0]).holds(), None);
    // What could not be measured does not hold.
    assert_eq!(Row::new(figure(Some(Bound::AtMost(9.0))), vec![], vec![]).holds(), Some(false));
}

#[test]
fn a_bound_without_a_peer_is_about_the_value() {
    let alone = Figure { peer: None, ..figure(Some(Bound::AtMost(1500.0))) };
    let row = |value| Row::new(alone.clone(), vec![value], vec![]);
    assert_eq!(row(1500.0).holds(), Some(true));
    assert_eq!(row(1501.0).holds(), Some(false));
}

#[test]
fn a_line_of_json_says_everything() {
    let mut row =
        Row::new(figure(Some(Bound::AtLeast(0.4))), vec![1.0, 2.0, 6.0], vec![4.0, 4.0, 4.0]);
    row.repeated = true;
    assert_eq!(
        serde_json::to_value(json::Line::of(&row)).unwrap(),
        json!({
            "figure": "speed_veth", "what": "how fast", "unit": "Gbit/s",
            "value": 2.0, "min": 1.0, "max": 6.0,
            "peer": "kernel, veth", "peer_value": 4.0, "peer_min": 4.0, "peer_max": 4.0,
            "ratio": 0.5, "ratio_min": 0.25, "ratio_max": 1.5,
            "ratio_of": "median of the ratios of the rounds",
            "bound": ">=", "must": 0.4, "holds": true, "wide": true, "repeated": true,
            "note": null, "trouble": null, "runs": {"own": [1.0, 2.0, 6.0], "peer": [4.0, 4.0, 4.0]},
        })
    );
    let mut row = Row::new(figure(None), vec![], vec![]);
    row.trouble = Some(Trouble::new("nobody answers"));
    row.note = Some("by day".into());
    let value = serde_json::to_value(json::Line::of(&row)).unwrap();
    assert_eq!(value["value"], Value::Null);
    assert_eq!(value["ratio"], Value::Null);
    assert_eq!(value["bound"], Value::Null);
    assert_eq!(value["holds"], Value::Null);
    assert_eq!(value["trouble"], "nobody answers");
    assert_eq!(value["note"], "by day");
}

#[test]
fn a_row_of_the_table_says_ratio_must_and_verdict() {
    let row = Row::new(figure(Some(Bound::AtLeast(0.4))), vec![1.9, 2.0, 2.1], vec![4.0; 3]);
    assert_eq!(
        table::row(&row, Paint::NONE),
        [
            "speed_veth                          2.00       4.00 Gbit/s   0.50 [0.47..0.53]    \
             >= 0.4    holds",
            "  how fast, against kernel, veth, ours 1.90..2.10",
        ]
    );
    let mut row = Row::new(figure(Some(Bound::AtLeast(0.6))), vec![1.0, 2.0, 2.1], vec![4.0; 3]);
    row.repeated = true;
    let lines = table::row(&row, Paint::NONE);
    assert!(lines[0].ends_with("MISSES"), "{lines:?}");
    assert_eq!(
        lines[1..],
        [
            "  how fast, against kernel, veth, ours 1.00..2.10; the runs spread, ours by 55 %; \
             repeated once, and",
            "  all rounds count",
        ]
    );
    let mut row = Row::new(figure(None), vec![], vec![]);
    row.trouble = Some(Trouble::new("nobody answers"));
    let lines = table::row(&row, Paint::NONE);
    assert_eq!(lines[2], "  nobody answers");
}

#[test]
fn numbers_have_three_digits_that_mean_something() {
    for (value, text) in [
        (0.123, "0.12"),
        (9.994, "9.99"),
        (12.34, "12.3"),
        (123.4, "123"),
        (1234.5, "1,234"),
        (1_234_567.0, "1,234,567"),
        (-1234.0, "-1,234"),
    ] {
        assert_eq!(table::number(value), text);
    }
}

#[test]
fn the_table_for_the_readme_marks_what_misses() {
    let row = |bound| {
        table::markdown_row(&Row::new(figure(Some(bound)), vec![1.0, 2.0, 3.0], vec![4.0; 3]))
    };
    assert_eq!(
        row(Bound::AtLeast(0.4)),
        "| how fast (`speed_veth`) | 2.00 Gbit/s | kernel, veth | 4.00 Gbit/s | \
         **0.50** [0.25..0.75] | >= 0.4 |"
    );
    assert!(row(Bound::AtLeast(0.6)).ends_with("| >= 0.6, missed |"));
}

#[test]
fn figures_are_chosen_by_name_or_by_the_beginning_of_names() {
    let chosen = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        choose(figures::all(), &words).map(|all| names(&all).join(" "))
    };
    assert_eq!(chosen(&["udp_rtt_veth"]).unwrap(), "udp_rtt_veth");
    assert_eq!(
        chosen(&["udp_rtt"]).unwrap(),
        "udp_rtt_veth udp_rtt_smoltcp udp_rtt_spin_veth udp_rtt_spin_smoltcp"
    );
    assert_eq!(
        chosen(&["tcp_rtt_p99", "connect_1_veth"]).unwrap(),
        "connect_1_veth tcp_rtt_p99_veth tcp_rtt_p99_smoltcp"
    );
    assert_eq!(chosen(&[]).unwrap(), names(&figures::all()).join(" "));
    for bad in ["speed", "udp_rtt_vethe", ""] {
        let Err(Failure::Usage(sentence)) = chosen(&["connect", bad]) else { panic!("{bad}") };
        assert!(sentence.contains(&format!("{bad:?}")), "{sentence}");
    }
}

#[test]
fn names_are_unique_and_what_is_measured_together_has_a_number_each() {
    let all = figures::all();
    let mut sorted = names(&all);
    sorted.sort_unstable();
    let count = sorted.len();
    sorted.dedup();
    assert_eq!(sorted.len(), count);
    for comparison in &all {
        assert!(comparison.figures.iter().all(|figure| figure.index < comparison.measured));
    }
}

#[test]
fn what_must_hold_is_what_was_promised() {
    let all = figures::all();
    let figures = all.iter().flat_map(|one| &one.figures);
    let musts: Vec<String> =
        figures.filter_map(|figure| Some(format!("{} {}", figure.name, figure.bound?))).collect();
    assert_eq!(
        musts,
        [
            "bulk_tx_smoltcp >= 4",
            "bulk_tx_veth >= 0.4",
            "bulk_rx_smoltcp >= 2.5",
            "bulk_rx_veth >= 0.4",
            "bulk_idle_1000 >= 0.85",
            "connect_1_veth >= 0.9",
            "connect_16_veth >= 1.2",
            "udp_rtt_veth <= 1.2",
            "goodput_loss_smoltcp >= 3",
            "packet_cost_100k <= 1.3",
            "idle_links <= 1.05",
            "idle_connection_bytes <= 1500",
            "idle_connection_bytes_used <= 3000",
        ]
    );
}

#[test]
fn every_loss_is_measured_in_virtual_time_and_against_the_kernel() {
    let all = figures::all();
    let names: Vec<&str> =
        names(&all).into_iter().filter(|name| name.starts_with("goodput_loss")).collect();
    assert_eq!(
        names,
        [
            "goodput_loss_0_1ms_smoltcp",
            "goodput_loss_0.1_1ms_smoltcp",
            "goodput_loss_smoltcp",
            "goodput_loss_3_1ms_smoltcp",
            "goodput_loss_0_20ms_smoltcp",
            "goodput_loss_0.1_20ms_smoltcp",
            "goodput_loss_1_20ms_smoltcp",
            "goodput_loss_3_20ms_smoltcp",
            "goodput_loss_0_1ms_kernel",
            "goodput_loss_0.1_1ms_kernel",
            "goodput_loss_1_1ms_kernel",
            "goodput_loss_3_1ms_kernel",
            "goodput_loss_0_20ms_kernel",
            "goodput_loss_0.1_20ms_kernel",
            "goodput_loss_1_20ms_kernel",
            "goodput_loss_3_20ms_kernel",
        ]
    );
}

#[test]
fn what_the_kernel_is_measured_in_stock_smoltcp_is_measured_in_too() {
    let all = figures::all();
    let all = names(&all);
    for name in all.iter().filter_map(|name| name.strip_suffix("_veth")) {
        // No loop has blocking threads or lends out its rings.
        let own_way = name.ends_with("_threads") || name.ends_with("_in_place");
        let stock = format!("{name}_smoltcp");
        assert_eq!(all.contains(&&*stock), !own_way, "{stock}");
    }
}

#[test]
fn more_rounds_where_something_must_hold_and_as_many_as_are_asked_for() {
    let pace = Pace { rounds: None, seconds: 0.5, quick: false };
    let all = figures::all();
    let find = |name: &str| all.iter().find(|one| one.figures[0].name == name).unwrap();
    assert_eq!(pace.rounds(find("bulk_tx_veth")), 9);
    assert_eq!(pace.rounds(find("accept_veth")), 5);
    assert_eq!(Pace { rounds: Some(3), ..pace }.rounds(find("bulk_tx_veth")), 3);
}

#[test]
fn every_connection_of_a_rig_carries_data() {
    let mut rig = cable::Rig::bare().unwrap();
    rig.connect(3).unwrap();
    rig.transfer(2, 10).unwrap();
    let before = rig.packets();
    rig.messages(0, 6).unwrap();
    assert!(rig.packets() >= before + 12);
    assert_eq!(rig.connections.len(), 3);
}

#[test]
fn what_is_around_the_cable_is_named() {
    let around = |text: &str| text.parse::<cable::Around>();
    assert_eq!(around("none"), Ok(cable::Around::Bare));
    assert_eq!(around("idle"), Ok(cable::Around::Idle));
    assert_eq!(around("0"), Ok(cable::Around::Rules(0)));
    assert_eq!(around("100"), Ok(cable::Around::Rules(100)));
    assert_eq!(around("fires"), Ok(cable::Around::Fires));
    assert_eq!(
        around("some"),
        Err("\"some\" is not none, idle, fires or a number of rules, such as 100".into())
    );
    for around in ["none", "idle", "2", "fires"] {
        assert!(cable::counted(around.parse().unwrap(), 20).unwrap() > 40);
    }
}

#[test]
fn packets_whose_instructions_are_counted_pass() {
    for what in ["transmit", "receive", "demux"] {
        cable::packets(what.parse().unwrap(), 3, 10).unwrap();
    }
    let unknown = "send".parse().map(|what| cable::packets(what, 1, 1).is_ok());
    assert_eq!(unknown, Err("\"send\" is not transmit, receive or demux".into()));
}

#[test]
fn the_picture_is_xml_that_refers_to_nothing_and_turns_costs_around() {
    let fast = Row::new(figure(Some(Bound::AtLeast(0.4))), vec![8.0; 3], vec![4.0; 3]);
    let cost = Figure { unit: "us", name: "time_veth".into(), ..figure(Some(Bound::AtMost(1.2))) };
    let slow = Row::new(cost, vec![8.0; 3], vec![4.0; 3]);
    let alone = Row::new(Figure { peer: None, ..figure(None) }, vec![1.0], vec![]);
    let svg = picture::draw(&[fast, slow, alone], "a machine & its <kernel>");
    let document = roxmltree::Document::parse(&svg).unwrap();
    assert!(!svg.contains("href"));
    let rows: Vec<_> =
        document.descendants().filter(|node| node.attribute("class") == Some("row")).collect();
    assert_eq!(rows.len(), 2, "what has no peer has no ratio");
    let bar = |row: &roxmltree::Node<'_, '_>| {
        let rect = row.descendants().find(|node| node.has_tag_name("rect")).unwrap();
        let number = |name| rect.attribute(name).unwrap().parse::<f64>().unwrap();
        (number("x"), number("x") + number("width"), rect.attribute("fill").unwrap().to_string())
    };
    let ((from, _, good), (_, to, bad)) = (bar(&rows[0]), bar(&rows[1]));
    assert_eq!(from, to, "both begin at the line in the middle");
    assert_ne!(good, bad);
    assert_eq!(picture::draw(&[], "nothing").matches("class=\"row\"").count(), 0);
}
