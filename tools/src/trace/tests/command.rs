//! The verb: what it prints, writes and refuses.

use std::fs;
use std::path::PathBuf;

use super::file::two_sides;
use super::scene::{self, Tcp};
use crate::cli::{TraceArgs, TraceSide};
use crate::output::{Failure, Paint};
use crate::trace::{analyse, capture, chosen, flow, list, main, shown_side};

/// A directory that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("tapsock-trace-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn args(file: PathBuf, svg: Option<PathBuf>) -> TraceArgs {
    TraceArgs { file, svg, list: false, flow: None, side: None, packets: 60 }
}

/// The sentence of a failure of usage, in which the file is called FILE.
fn refused(args: &TraceArgs) -> String {
    let Err(Failure::Usage(sentence)) = main(args, false) else { panic!("{args:?}") };
    assert!(!sentence.contains('\n'), "{sentence}");
    sentence.replace(&args.file.display().to_string(), "FILE")
}

/// Two connections: one that is refused, then one that sends.
fn two_flows() -> Vec<u8> {
    let other = |mut frame: Vec<u8>, at: usize| {
        frame[at..at + 2].copy_from_slice(&[0x1f, 0x90]);
        frame
    };
    let mut file = super::file::File::new(false).interface("eth0", 1, None);
    let none = super::file::Options::default;
    file.packet(0, 0, &other(Tcp::new(0, "S", 7, 0).frame(), 36), &none());
    file.packet(0, 9, &other(Tcp::new(1, "RA", 0, 8).frame(), 34), &none());
    file.packet(0, 20, &Tcp::new(0, "S", 100, 0).frame(), &none());
    file.packet(0, 21, &Tcp::new(1, "SA", 500, 101).frame(), &none());
    file.packet(0, 22, &Tcp::new(0, "A", 101, 501).len(10).frame(), &none());
    file.packet(0, 23, &Tcp::new(0, "A", 101, 501).len(10).frame(), &none());
    file.bytes
}

#[test]
fn the_list_is_an_aligned_table() {
    let capture = capture::read(&two_flows()).unwrap();
    let flows = flow::sort(&capture);
    assert_eq!(
        list::table(&analyse(&flows, None), Paint::NONE),
        [
            "flow  from           to             packets  bytes  retrans  began      ended",
            "   1  10.0.0.1:1000  10.0.0.2:8080        2      0        0  SYN        RST from 10.0.0.2:8080",
            "   2  10.0.0.1:1000  10.0.0.2:80          4     20        1  handshake  open",
        ]
    );
}

#[test]
fn the_list_in_json_has_both_directions() {
    let capture = capture::read(&two_flows()).unwrap();
    let flows = flow::sort(&capture);
    let flows = analyse(&flows, None);
    let objects = flows.iter().map(|(flow, analysis)| list::object(flow, analysis));
    let lines: Vec<String> = objects.map(|it| serde_json::to_string(&it).unwrap()).collect();
    assert_eq!(
        lines[1],
        r#"{"flow":2,"from":"10.0.0.1:1000","to":"10.0.0.2:80","packets":4,"bytes":[20,0],"began":"handshake","ended":"open","retransmissions":[1,0],"first_ns":20000,"last_ns":23000}"#
    );
}

#[test]
fn the_flow_is_that_with_the_most_packets_or_the_one_asked_for() {
    let capture = capture::read(&two_flows()).unwrap();
    let flows = flow::sort(&capture);
    let flows = analyse(&flows, None);
    assert_eq!(chosen(&flows, None).unwrap().0.number, 2);
    assert_eq!(chosen(&flows, Some(1)).unwrap().0.number, 1);
    assert_eq!(chosen(&flows, Some(2)).unwrap().0.number, 2);
    for number in [0, 3] {
        let sentence = format!("has no flow {number}; --flow takes 1 to 2, which --list shows");
        assert_eq!(chosen(&flows, Some(number)).unwrap_err(), sentence);
    }
    // Of two with as many packets, the first that began with a SYN.
    let mut file = scene::of(&[(0, Tcp::new(0, "A", 1, 1)), (9, Tcp::new(0, "S", 900, 0))]);
    let capture = capture::read(&file).unwrap();
    let flows = flow::sort(&capture);
    assert_eq!(flows.flows.len(), 2);
    assert_eq!(chosen(&analyse(&flows, None), None).unwrap().0.number, 2);
    file.clear();
}

#[test]
fn a_picture_is_written() {
    let folder = Folder::new("written");
    let file = folder.file("a.pcapng", &two_sides(&scene::lossy(3, 5000)));
    let out = folder.0.join("out.svg");
    for side in [None, Some(TraceSide::Stack), Some(TraceSide::Wire)] {
        main(&TraceArgs { side, ..args(file.clone(), Some(out.clone())) }, false).unwrap();
        let svg = fs::read_to_string(&out).unwrap();
        let name = if side == Some(TraceSide::Wire) { "the wire" } else { "the stack" };
        assert!(svg.contains(&format!("a.pcapng, flow 1 of 1, {name}&#39;s side")), "{side:?}");
    }
}

#[test]
fn the_default_side_is_the_stack_where_there_is_one() {
    let both = capture::read(&two_sides(&scene::lossy(3, 5000))).unwrap();
    assert_eq!(shown_side(&both, None), Ok(Some(capture::Side::Stack)));
    let one = capture::read(&two_flows()).unwrap();
    assert_eq!(shown_side(&one, None), Ok(None));
    let sentence = "has no interface named \"wire\"; leave --side out";
    assert_eq!(shown_side(&one, Some(TraceSide::Wire)).unwrap_err(), sentence);
}

#[test]
fn every_refusal_is_one_sentence() {
    let folder = Folder::new("refused");
    let out = folder.0.join("out.svg");
    let with = |file: PathBuf| args(file, Some(out.clone()));

    let missing = refused(&with(folder.0.join("nothing")));
    assert!(missing.starts_with("FILE cannot be read ("), "{missing}");
    assert!(missing.ends_with("; name a capture"), "{missing}");

    let text = folder.file("text", b"hello, this is no capture");
    assert_eq!(
        refused(&with(text)),
        "FILE is not a capture (it begins with neither a pcapng nor a pcap header); give a pcapng \
         or pcap file"
    );

    let mut arp = super::file::File::new(false).interface("eth0", 1, None);
    let mut frame = vec![0; 42];
    frame[12..14].copy_from_slice(&[8, 6]);
    arp.packet(0, 0, &frame, &super::file::Options::default());
    let arp = folder.file("arp", &arp.bytes);
    let no_tcp = "FILE has no TCP in its 1 packet; give a capture of a connection";
    assert_eq!(refused(&with(arp)), no_tcp);

    let good = folder.file("good", &two_flows());
    let mut asked = with(good.clone());
    asked.flow = Some(9);
    assert_eq!(refused(&asked), "FILE has no flow 9; --flow takes 1 to 2, which --list shows");
    let mut asked = with(good.clone());
    asked.side = Some(TraceSide::Stack);
    assert_eq!(refused(&asked), "FILE has no interface named \"stack\"; leave --side out");

    let unwritable = folder.0.join("no/such/folder.svg");
    let sentence = refused(&args(good, Some(unwritable.clone())));
    assert!(sentence.starts_with(&format!("{} cannot be written (", unwritable.display())));
    assert!(sentence.ends_with("; name another file for --svg"), "{sentence}");
    assert!(!out.exists());
}

#[test]
fn a_capture_that_is_cut_off_is_drawn_and_says_so() {
    let folder = Folder::new("cut");
    let mut bytes = two_flows();
    bytes.truncate(bytes.len() - 5);
    let (file, out) = (folder.file("cut.pcapng", &bytes), folder.0.join("out.svg"));
    main(&args(file, Some(out.clone())), false).unwrap();
    let svg = fs::read_to_string(out).unwrap();
    assert!(svg.contains("not the whole file is drawn: it is cut off behind packet 5"));
}

#[test]
fn the_capture_is_not_drawn_over() {
    let path = std::env::temp_dir().join(format!("tapsock-trace-over-{}", std::process::id()));
    fs::write(&path, two_flows()).unwrap();
    let told = refused(&args(path.clone(), Some(path.clone())));
    let kept = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert!(told.contains("would be written over"), "{told}");
    assert_eq!(kept, two_flows());
}
