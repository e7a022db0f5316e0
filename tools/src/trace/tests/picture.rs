//! What a picture must show, read by an XML parser.

use roxmltree::{Document, Node};

use super::file::{File, Options, two_sides};
use super::scene::{self, Tcp};
use crate::trace::analysis;
use crate::trace::capture::{Side, read};
use crate::trace::flow::sort;
use crate::trace::picture::Picture;
use crate::trace::scale::{Scale, grouped, short_bytes, short_time};
use crate::trace::svg;

/// The picture of the first flow.
fn draw(file: &[u8], side: Side, packets: usize) -> String {
    let capture = read(file).unwrap();
    let flows = sort(&capture);
    let flow = &flows.flows[0];
    let analysis = &analysis::follow(flow, side);
    let file = "a <file> & \"more\".pcapng";
    Picture { file, capture: &capture, flows: &flows, flow, analysis, packets }.svg()
}

fn with_class<'d>(document: &'d Document<'_>, class: &str) -> Vec<Node<'d, 'd>> {
    let is = |node: &Node<'_, '_>| {
        node.attribute("class").is_some_and(|all| all.split(' ').any(|one| one == class))
    };
    document.descendants().filter(is).collect()
}

/// How many strokes the paths of a class have.
fn strokes(document: &Document<'_>, class: &str) -> usize {
    let paths = with_class(document, class);
    paths.iter().map(|path| path.attribute("d").unwrap().matches('M').count()).sum()
}

fn texts<'d>(document: &'d Document<'_>) -> Vec<&'d str> {
    let texts = document.descendants().filter(|node| node.has_tag_name("text"));
    texts.filter_map(|node| node.text()).collect()
}

fn says(document: &Document<'_>, text: &str) -> bool {
    texts(document).contains(&text)
}

#[test]
fn a_lossy_transfer_shows_each_kind_of_mark() {
    let svg = draw(&scene::lossy(7, 120_000), Side::Interface(0), 1000);
    let document = Document::parse(&svg).unwrap();
    let capture = read(&scene::lossy(7, 120_000)).unwrap();
    let flows = sort(&capture);
    let track = &analysis::follow(&flows.flows[0], Side::Interface(0)).tracks[0];
    let again = track.retransmissions as usize;
    assert_eq!(strokes(&document, "retransmission"), again);
    assert_eq!(strokes(&document, "segment"), track.segments as usize - again);
    assert_eq!(strokes(&document, "ack"), 1);
    assert_eq!(strokes(&document, "window"), 1);
    assert!(strokes(&document, "sack") > 1);
    assert!(strokes(&document, "duplicate") > 1);
    // SYN, SYN-ACK and two FINs.
    assert_eq!(strokes(&document, "syn-fin") + strokes(&document, "syn-fin-again"), 4);
    // Each packet, ARP included, has an arrow.
    assert_eq!(with_class(&document, "arrow").len(), capture.packets.len());
    for text in ["SYN", "SYN ACK", "FIN", "retransmission", "ARP who has 10.0.0.2?", "dup ack 1"] {
        assert!(says(&document, text), "{text}");
    }
    let red = with_class(&document, "retransmission")[0].attribute("stroke").unwrap();
    assert_eq!(red, "#d1242f");
}

#[test]
fn a_picture_needs_nothing_else_and_is_the_same_again() {
    let file = two_sides(&scene::lossy(3, 20_000));
    let svg = draw(&file, Side::Stack, 60);
    assert_eq!(svg, draw(&file, Side::Stack, 60));
    let document = Document::parse(&svg).unwrap();
    for node in document.descendants().filter(Node::is_element) {
        let name = node.tag_name().name();
        let known = ["svg", "title", "g", "rect", "line", "path", "text"];
        assert!(known.contains(&name), "{name}");
        for attribute in node.attributes() {
            let (name, value) = (attribute.name(), attribute.value());
            assert!(!name.contains("href") && !name.starts_with("on"), "{name}");
            assert!(!value.contains("url("), "{value}");
            assert!(!value.contains("NaN") && !value.contains("inf"), "{value}");
        }
    }
    assert!(document.root_element().attribute("font-family").unwrap().ends_with("monospace"));
    let card = with_class(&document, "card")[0];
    assert_eq!(card.attribute("width"), document.root_element().attribute("width"));
    assert_eq!(card.attribute("fill"), Some("#ffffff"));
    let whole = document.root_element().attribute("height").unwrap().parse::<f64>().unwrap();
    let lowest = document.descendants().filter_map(|node| node.attribute("y"));
    assert!(lowest.map(|y| y.parse::<f64>().unwrap()).all(|y| y <= whole));
    // The name of the file, and that of a rule, are no markup.
    assert!(texts(&document).iter().any(|text| text.starts_with("a <file> & \"more\".pcapng, ")));
    assert!(says(&document, "slow<&wire> (2): delay=30 ms"));
}

#[test]
fn both_sides_show_what_was_lost_in_between_and_to_whom() {
    let file = two_sides(&scene::lossy(3, 20_000));
    for side in [Side::Stack, Side::Wire] {
        let svg = draw(&file, side, 60);
        let document = Document::parse(&svg).unwrap();
        assert_eq!(with_class(&document, "lane").len(), 3);
        let lost = with_class(&document, "blame").len();
        assert!(lost >= 3);
        // A cross in the ladder for each, and one in the graph.
        assert_eq!(with_class(&document, "cross").len(), lost);
        assert_eq!(strokes(&document, "lost-packet"), 2 * lost);
        for text in [
            "lose-1st-syn (1): drop",
            "lose-acks (1): drop",
            "lose-1st-syn",
            "lose-1st-syn (1x)",
            "refuse: forged",
            "event=cut link down for 20 ms",
            "link down",
            "wire",
            "~ 3.0 s ~",
        ] {
            assert!(says(&document, text), "{side:?} {text}");
        }
        // Four rules and the link.
        assert_eq!(with_class(&document, "shade").len(), 5);
        let name = if side == Side::Stack { "the stack's side" } else { "the wire's side" };
        assert!(texts(&document).iter().any(|text| text.ends_with(name)));
    }
}

#[test]
fn what_a_script_did_is_named_as_the_stack_records_it() {
    let file = scene::taped();
    let capture = read(&file).unwrap();
    assert!(capture.notes.iter().any(|note| note.text == "link down"));
    let svg = draw(&file, Side::Stack, 1000);
    let document = Document::parse(&svg).unwrap();
    assert_eq!(with_class(&document, "lane").len(), 3);
    for text in [
        "lose-1st-syn (1): drop",
        "lose-1st-synack (1): drop",
        "lose (1): drop",
        "lose-1st-synack (1x)",
        "slow (2): delay=60 ms",
        "event=unplugged link down for 700 ms",
        "link down",
        "link up",
        "SYN again",
    ] {
        assert!(says(&document, text), "{text}");
    }
    for part in [
        "twice (1): copies=1",
        "as 2 frames",
        "bits (1): corrupt=changed",
        "split (1): split",
        "dup-acks: forged",
    ] {
        assert!(texts(&document).iter().any(|text| text.contains(part)), "{part}");
    }
    // Eight rules and the link. That the link delays everything is no fault.
    assert_eq!(with_class(&document, "shade").len(), 9);
    assert!(!svg.contains("link-model"));
    let lost = capture.packets.iter().filter(|packet| {
        packet.enters() && packet.comments.iter().any(|comment| comment.contains("verdict=drop"))
    });
    assert_eq!(with_class(&document, "cross").len(), lost.count());
}

#[test]
fn more_rules_than_have_room_are_counted() {
    let shades = |rules: usize| {
        let mut file = File::new(false).interface("eth0", 1, None);
        let names: Vec<String> =
            (0..rules).map(|rule| format!("rule=r{rule:02} fired=1")).collect();
        let comments: Vec<&str> = names.iter().map(String::as_str).collect();
        let options = Options { comments: &comments, ..Options::default() };
        file.packet(0, 0, &Tcp::new(0, "S", 7, 0).frame(), &options);
        let svg = draw(&file.bytes, Side::Interface(0), 60);
        let document = Document::parse(&svg).unwrap();
        (with_class(&document, "shade").len(), says(&document, "and 1 more rule"))
    };
    assert_eq!(shades(12), (12, false));
    assert_eq!(shades(13), (12, true));
}

#[test]
fn a_closed_window_is_marked() {
    let svg = draw(&scene::slow_reader(), Side::Interface(0), 60);
    let document = Document::parse(&svg).unwrap();
    assert!(strokes(&document, "zero-window") >= 1);
    assert!(says(&document, "zero window"));
    assert!(says(&document, "window probe"));
    assert!(strokes(&document, "probe") >= 1);
}

#[test]
fn silence_is_cut_short_from_half_a_second_on() {
    let gap = |millis: u64| {
        let segments = [0, 1, 2, 3, millis + 3].map(|at| (at, Tcp::new(0, "S", 77, 0)));
        let svg = draw(&scene::of(&segments), Side::Interface(0), 60);
        let document = Document::parse(&svg).unwrap();
        let gap = with_class(&document, "gap").len();
        (gap, says(&document, "SYN again"))
    };
    assert_eq!(gap(3000), (1, true));
    // Among steps of a millisecond 20 are a silence already.
    assert_eq!(gap(20).0, 1);
    assert_eq!(gap(19).0, 0);
}

#[test]
fn a_long_ladder_shows_its_beginning_and_its_end() {
    let segments: Vec<_> =
        (0..7).map(|at| (at, Tcp::new(0, "A", 1 + 10 * at as u32, 1).len(10))).collect();
    let file = scene::of(&segments);
    let arrows = |packets| {
        let svg = draw(&file, Side::Interface(0), packets);
        let document = Document::parse(&svg).unwrap();
        let told = texts(&document).iter().any(|text| text.contains("not shown"));
        (with_class(&document, "arrow").len(), told)
    };
    assert_eq!(arrows(4), (7, false));
    assert_eq!(arrows(3), (6, true));
    assert_eq!(arrows(1), (2, true));
    let svg = draw(&file, Side::Interface(0), 3);
    assert!(says(&Document::parse(&svg).unwrap(), "~ 1 packet not shown, 2.0 ms ~"));
}

#[test]
fn very_many_marks_are_thinned_out_and_retransmissions_are_not() {
    let mut file = File::new(false).interface("eth0", 1, None);
    let mut seq = 1u32;
    for index in 0..30_000u64 {
        let again = index % 1000 == 999;
        let at = if again { seq - 100 } else { seq };
        file.packet(0, index * 10, &Tcp::new(0, "A", at, 1).len(100).frame(), &Options::default());
        seq = at + 100;
    }
    let svg = draw(&file.bytes, Side::Interface(0), 60);
    let document = Document::parse(&svg).unwrap();
    assert_eq!(strokes(&document, "retransmission"), 30);
    let shown = strokes(&document, "segment");
    assert!((500..10_000).contains(&shown), "{shown}");
    assert!(svg.len() < 1_000_000, "{}", svg.len());
}

#[test]
fn forged_numbers_do_not_press_the_graph_flat() {
    let mut segments = vec![(0, Tcp::new(0, "S", 0, 0)), (1, Tcp::new(1, "SA", 0, 1))];
    segments.push((2, Tcp::new(0, "A", 1, 1).len(1000)));
    segments.push((3, Tcp::new(0, "R", 0x7000_0000, 0)));
    let svg = draw(&scene::of(&segments), Side::Interface(0), 60);
    let document = Document::parse(&svg).unwrap();
    assert!(says(&document, "1,000"), "a line of the grid");
    assert!(says(&document, "RST seq 1879048192"));
    assert_eq!(strokes(&document, "rst"), 2);
}

#[test]
fn icmp_errors_stand_in_graph_and_ladder() {
    let syn = Tcp::new(0, "S", 7, 0).frame();
    let mut icmp = Vec::new();
    let kind = etherparse::Icmpv4Type::DestinationUnreachable(
        etherparse::icmpv4::DestUnreachableHeader::Host,
    );
    let builder = etherparse::PacketBuilder::ethernet2([9; 6], [2; 6]);
    let builder = builder.ipv4([10, 0, 0, 254], [10, 0, 0, 1], 64).icmpv4(kind);
    builder.write(&mut icmp, &syn[14..42]).unwrap();
    let mut file = File::new(false).interface("eth0", 1, None);
    file.packet(0, 0, &syn, &Options::default());
    file.packet(0, 500, &icmp, &Options::default());
    let svg = draw(&file.bytes, Side::Interface(0), 60);
    let document = Document::parse(&svg).unwrap();
    assert_eq!(with_class(&document, "icmp").len(), 1);
    assert!(says(&document, "ICMP host unreachable (3/1) from 10.0.0.254"));
    assert!(
        texts(&document).iter().any(|text| text.ends_with("ended: ICMP host unreachable (3/1)"))
    );
}

#[test]
fn labels_of_a_graph_do_not_lie_on_each_other() {
    // Many SYNs at nearly the same place.
    let segments: Vec<_> = (0..60).map(|at| (at / 40, Tcp::new(0, "S", 77, 0))).collect();
    let svg = draw(&scene::of(&segments), Side::Interface(0), 60);
    let document = Document::parse(&svg).unwrap();
    let labels = with_class(&document, "labels")[0];
    let mut places: Vec<[f64; 4]> = Vec::new();
    let number = |node: &Node<'_, '_>, name| node.attribute(name).unwrap().parse::<f64>().unwrap();
    for text in labels.children().filter(|node| node.has_tag_name("text")) {
        let wide = svg::width(text.text().unwrap(), 10.0);
        let (x, y) = (number(&text, "x"), number(&text, "y"));
        if text.text().unwrap().ends_with("no room") {
            continue;
        }
        let left = if text.attribute("text-anchor") == Some("end") { x - wide } else { x };
        let place = [left, y - 8.0, left + wide, y];
        let apart = |other: &[f64; 4]| {
            place[2] <= other[0]
                || other[2] <= place[0]
                || place[3] <= other[1]
                || other[3] <= place[1]
        };
        assert!(places.iter().all(apart), "{place:?}");
        places.push(place);
    }
    assert!(places.len() > 10);
    assert!(texts(&document).iter().any(|text| text.ends_with("labels had no room")));
}

#[test]
fn characters_that_xml_lacks_are_replaced() {
    assert_eq!(
        svg::escape("a<b>&\"'\u{1}\u{ffff}\n"),
        "a&lt;b&gt;&amp;&quot;&#39;\u{fffd}\u{fffd}\u{fffd}"
    );
    assert_eq!(
        [svg::px(f64::NAN), svg::px(-0.01), svg::px(1.25), svg::px(f64::INFINITY)],
        ["0", "0", "1.3", "10000000"]
    );
    assert_eq!(svg::shortened("abcd", 4), "abcd");
    assert_eq!(svg::shortened("abcde", 4), "abc…");
}

#[test]
fn numbers_are_short_and_round() {
    let ticks: Vec<f64> = Scale::new(0.0, 9.3, 0.0, 1.0).ticks(5.0, 1.0).collect();
    assert_eq!(ticks, [0.0, 2.0, 4.0, 6.0, 8.0]);
    let ticks: Vec<f64> = Scale::new(0.0, 1.0, 0.0, 1.0).ticks(10.0, 1.0).collect();
    assert_eq!(ticks, [0.0, 1.0]);
    assert!(Scale::new(-1e300, 1e300, 0.0, 1.0).ticks(10.0, 1.0).count() <= 101);
    assert_eq!([grouped(999), grouped(-1_234_567)], ["999", "-1,234,567"]);
    let times =
        [999, 1500, 999_499, 999_500, 30_000_000, 999_800_000, 3_000_000_000].map(short_time);
    assert_eq!(times, ["999 ns", "1.5 us", "999 us", "1.0 ms", "30.0 ms", "1.0 s", "3.0 s"]);
    let bytes = [1, 9_999, 10_000, 9_999_999, 10_000_000].map(short_bytes);
    assert_eq!(bytes, ["1 byte", "9,999 bytes", "10.0 kB", "10000.0 kB", "10.0 MB"]);
}
