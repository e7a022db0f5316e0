//! The ladder diagram: who said what to whom, one below the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use tapsock_stack::link::Direction;

use super::analysis::{self, Analysis, Kind};
use super::capture::{Capture, Side};
use super::comment::{self, Mark};
use super::flow::{Entry, Flow};
use super::packet::Control;
use super::scale::{counted, short_time};
use super::svg::{Anchor, Path, Svg, shortened};
use super::theme::{self, AXIS, CARD, FAULT, INK, SOFT};

/// Where the stack's line is, that of the wire, and that of the peer.
const LANES: [f64; 3] = [190.0, 550.0, 910.0];
/// Where remarks begin.
const REMARKS: f64 = LANES[2] + 22.0;
/// Height of a packet.
const ROW: f64 = 19.0;
/// Height that is left for an arrival.
const ARRIVAL: f64 = 9.0;
/// Height of a marked gap.
const GAP: f64 = 30.0;
/// How far from the wire a frame is lost.
const BEFORE: f64 = 40.0;
/// How much an arrow falls whose arrival nobody saw.
const SLANT: f64 = 6.0;
/// No more notes than this are shown.
const NOTES: usize = 200;
/// Size of what stands at the arrows.
const TEXT: f64 = 10.5;
/// A silence of this many nanoseconds is always marked.
const SILENCE: i64 = 500_000_000;
/// How long before and after a connection what is about its two ends belongs to it.
const AROUND: i64 = 4_000_000_000;

/// A frame from one lane to another.
#[derive(Debug, Clone)]
struct Journey {
    /// The frame's number in the file.
    number: u64,
    outbound: bool,
    /// When it left: the stack, or the wire towards the stack.
    left: Option<i64>,
    /// When it arrived on the other side of a fault.
    arrived: Vec<i64>,
    lost: Option<Mark>,
    label: String,
    remarks: Vec<String>,
    /// Whether a fault had to do with it.
    touched: bool,
    colour: &'static str,
}

impl Journey {
    fn begins(&self) -> i64 {
        self.left.or(self.arrived.first().copied()).unwrap_or(0)
    }
}

/// A packet on one side.
struct Record<'r> {
    /// Its index in the capture.
    packet: usize,
    outbound: bool,
    label: String,
    remark: Option<String>,
    colour: &'static str,
    marks: &'r [Mark],
}

/// A ladder diagram.
#[derive(Debug)]
pub(super) struct Ladder<'t> {
    capture: &'t Capture,
    flow: &'t Flow,
    /// Which of the flow's ends is on the left.
    left: usize,
    /// Whether both sides of the wire were recorded.
    both: bool,
    journeys: Vec<Journey>,
    /// What happened without a packet.
    notes: Vec<(i64, String)>,
    /// How many packets are left out, behind which of the others.
    omitted: Option<(usize, usize)>,
}

impl<'t> Ladder<'t> {
    /// The ladder of a flow, of which at most the first and the last `packets` packets are shown.
    pub(super) fn new(
        capture: &'t Capture,
        flow: &'t Flow,
        controls: &[(usize, Control)],
        analysis: &Analysis,
        packets: usize,
    ) -> Self {
        let is_on = |side| capture.packets.iter().any(|packet| packet.side == side);
        let both = is_on(Side::Stack) && is_on(Side::Wire);
        let left = flow.local.unwrap_or(0);
        let mut ladder = Self {
            capture,
            flow,
            left,
            both,
            journeys: Vec::new(),
            notes: Vec::new(),
            omitted: None,
        };
        ladder.collect(controls, analysis);
        ladder.journeys.sort_by_key(|journey| (journey.begins(), journey.number));
        let all = ladder.journeys.len();
        if all > packets.saturating_mul(2) {
            ladder.journeys.drain(packets..all - packets);
            ladder.omitted = Some((packets, all - 2 * packets));
        }
        ladder.collect_notes();
        ladder
    }

    fn collect(&mut self, controls: &[(usize, Control)], analysis: &Analysis) {
        let remarks = remarks(analysis);
        // Both records of one frame have one identifier.
        let mut by_id: BTreeMap<(u64, bool), usize> = BTreeMap::new();
        for (index, entry) in self.flow.entries.iter().enumerate() {
            let outbound = entry.from == self.left;
            let (remark, colour) = remarks.get(&index).cloned().unwrap_or_default();
            let colour = match colour {
                "" if entry.segment.rst => theme::RETRANSMISSION,
                "" => INK,
                colour => colour,
            };
            let label = label(entry, analysis);
            let (packet, marks) = (entry.packet, &entry.marks[..]);
            self.add(&mut by_id, Record { packet, outbound, label, remark, colour, marks });
        }
        let errors: BTreeSet<usize> = self.flow.errors.iter().map(|(index, _)| *index).collect();
        let addresses = self.flow.ends.map(|end| end.ip());
        let first = self.flow.entries.first().map_or(0, |entry| entry.at).saturating_sub(AROUND);
        let last = self.flow.entries.last().map_or(0, |entry| entry.at).saturating_add(AROUND);
        for (index, control) in controls {
            let packet = &self.capture.packets[*index];
            let about = if control.is_error {
                errors.contains(index)
            } else {
                (first..=last).contains(&packet.at)
                    && control.addresses.iter().any(|address| addresses.contains(address))
            };
            if !about {
                continue;
            }
            let outbound = match packet.direction {
                Some(direction) => direction == Direction::Outbound,
                None => control.source == Some(addresses[self.left]),
            };
            let mut label = control.text.clone();
            if let Some(source) = control.source
                && !addresses.contains(&source)
                && !label.contains(&source.to_string())
            {
                let _ = write!(label, " from {source}");
            }
            let marks = comment::marks(&packet.comments);
            let (packet, colour, marks) = (*index, theme::CONTROL, &marks[..]);
            self.add(&mut by_id, Record { packet, outbound, label, remark: None, colour, marks });
        }
    }

    /// The notes between the packets that are shown.
    fn collect_notes(&mut self) {
        let begins = |index: usize| self.journeys.get(index).map(Journey::begins);
        let first = begins(0).unwrap_or(0).saturating_sub(AROUND);
        let last = self.journeys.last().map_or(0, Journey::begins).saturating_add(AROUND);
        let hidden =
            self.omitted.and_then(|(behind, _)| Some((begins(behind - 1)?, begins(behind)?)));
        let notes = self.capture.notes.iter().filter(|note| {
            let told = ["event=", "link ", "live ", "refused"];
            told.iter().any(|begin| note.text.starts_with(begin))
                && (first..=last).contains(&note.at)
                && !hidden.is_some_and(|(from, to)| from < note.at && note.at < to)
        });
        self.notes = notes.take(NOTES).map(|note| (note.at, note.text.clone())).collect();
    }

    fn add(&mut self, by_id: &mut BTreeMap<(u64, bool), usize>, record: Record<'_>) {
        let Record { packet, outbound, label, remark, colour, marks } = record;
        let packet = &self.capture.packets[packet];
        // A frame begins at the stack on its way out, and on the wire on its way in.
        let begins = !self.both || (packet.side == Side::Wire) != outbound;
        let known = packet.id.filter(|_| self.both).and_then(|id| by_id.get(&(id, outbound)));
        let at = match known {
            Some(&at) => at,
            None => {
                let number = packet.number;
                self.journeys.push(Journey {
                    number,
                    outbound,
                    left: None,
                    arrived: Vec::new(),
                    lost: None,
                    label: label.clone(),
                    remarks: Vec::new(),
                    touched: false,
                    colour,
                });
                self.journeys.len() - 1
            }
        };
        if let Some(id) = packet.id {
            by_id.insert((id, outbound), at);
        }
        let journey = &mut self.journeys[at];
        // The parts of a segment that was split are shorter, as one knows.
        let split = journey.remarks.iter().any(|remark| remark.ends_with("split"));
        if journey.label != label && !begins && !split {
            journey.remarks.push(format!("now {label}"));
        }
        if begins && journey.left.is_none() {
            journey.left = Some(packet.at);
            if journey.label != label {
                journey.remarks.push(format!("now {}", journey.label));
                journey.label = label;
            }
        } else {
            journey.arrived.push(packet.at);
        }
        if colour != INK {
            journey.colour = colour;
        }
        let mut remarks: Vec<String> = remark.into_iter().collect();
        remarks.extend(marks.iter().map(Mark::words));
        journey.touched |= !marks.is_empty();
        // What was done is said where the frame entered, where it did.
        let asides = comment::asides(&packet.comments);
        let told = asides.iter().filter(|_| !journey.touched);
        remarks.extend(told.map(|aside| (*aside).to_string()));
        for remark in remarks {
            if !journey.remarks.contains(&remark) {
                journey.remarks.push(remark);
            }
        }
        if let Some(mark) = marks.iter().find(|mark| mark.loss) {
            journey.lost = Some(mark.clone());
        }
        if marks.iter().any(|mark| mark.forged) {
            journey.colour = FAULT;
        }
    }

    /// Draws it from `top` downwards; gives where it ends.
    pub(super) fn draw(&self, svg: &mut Svg, top: f64) -> f64 {
        svg.open("ladder", "");
        self.heads(svg, top);
        let rows = self.place(top + 38.0);
        let bottom = rows.bottom + 14.0;
        for (index, &x) in LANES.iter().enumerate() {
            if index != 1 || self.both {
                let stroke = format!("class=\"lane\" stroke=\"{AXIS}\" stroke-width=\"1.5\"");
                svg.line((x, top + 34.0), (x, bottom), &stroke);
            }
        }
        for (y, text) in &rows.gaps {
            let attributes = format!("class=\"gap\" fill=\"{CARD}\"");
            svg.rect([LANES[0] - 6.0, y - 9.0, LANES[2] - LANES[0] + 12.0, 18.0], &attributes);
            let attributes = format!("font-size=\"11\" fill=\"{SOFT}\"");
            let middle = (LANES[0] + LANES[2]) / 2.0;
            svg.text((middle, y + 4.0), Anchor::Middle, &attributes, text);
            let mut waves = Path::default();
            for x in LANES {
                if (x - LANES[1]).abs() > 1.0 {
                    waves.move_to(x - 6.0, y - 6.0);
                    waves.line_to(x + 6.0, y - 9.0);
                    waves.stroke((x - 6.0, y + 9.0), (x + 6.0, y + 6.0));
                }
            }
            svg.path("break", &waves, &format!("fill=\"none\" stroke=\"{AXIS}\""));
        }
        for ((at, text), y) in self.notes.iter().zip(&rows.notes) {
            let dashes = "stroke-dasharray=\"6 4\"";
            let line = format!("class=\"note\" stroke=\"{FAULT}\" {dashes}");
            svg.line((LANES[0] - 6.0, *y), (LANES[2] + 6.0, *y), &line);
            let (middle, text) = ((LANES[0] + LANES[2]) / 2.0, shortened(text, 100));
            svg.backing((middle, y + 3.5), Anchor::Middle, TEXT, &text);
            let attributes = format!("font-size=\"{TEXT}\" fill=\"{FAULT}\"");
            svg.text((middle, y + 3.5), Anchor::Middle, &attributes, &text);
            svg.text((LANES[0] - 16.0, y + 3.0), Anchor::End, &attributes, &seconds(*at));
        }
        for (journey, row) in self.journeys.iter().zip(&rows.rows) {
            self.arrows(svg, journey, row);
        }
        for (journey, row) in self.journeys.iter().zip(&rows.rows) {
            self.words(svg, journey, row);
        }
        svg.close();
        bottom
    }

    fn heads(&self, svg: &mut Svg, top: f64) {
        let ends = [self.left, 1 - self.left].map(|end| self.flow.ends[end].to_string());
        let names = match (self.both, self.flow.local) {
            (false, None) => ["", ""],
            _ => ["stack ", "peer "],
        };
        let [left, right] = [0, 1].map(|end| format!("{}{}", names[end], ends[end]));
        let attributes = format!("font-size=\"12\" font-weight=\"bold\" fill=\"{INK}\"");
        // A long IPv6 address needs the room up to the middle.
        let y = top + 22.0;
        svg.text((LANES[0] - 6.0, y), Anchor::Start, &attributes, &left);
        if self.both {
            svg.text((LANES[1], y), Anchor::Middle, &attributes, "wire");
        }
        svg.text((LANES[2] + 6.0, y), Anchor::End, &attributes, &right);
        let attributes = format!("font-size=\"11\" fill=\"{SOFT}\"");
        svg.text((LANES[0] - 16.0, y), Anchor::End, &attributes, "time (s)");
        svg.text((30.0, y), Anchor::Start, &attributes, "packet");
        svg.text((REMARKS, y), Anchor::Start, &attributes, "remarks");
    }

    /// Gives every packet its height. Time passes downwards; how fast depends on what happens.
    fn place(&self, top: f64) -> Rows {
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        enum Point {
            Note,
            Start,
            Arrival(usize),
        }
        let notes = self.notes.iter().enumerate();
        let mut points: Vec<(i64, usize, Point)> =
            notes.map(|(index, (at, _))| (*at, index, Point::Note)).collect();
        for (index, journey) in self.journeys.iter().enumerate() {
            points.push((journey.begins(), index, Point::Start));
            if journey.left.is_some() {
                let arrivals = journey.arrived.iter().enumerate();
                points.extend(arrivals.map(|(copy, &at)| (at, index, Point::Arrival(copy))));
            }
        }
        // A note comes before the packets of its time.
        points.sort_by_key(|&(at, index, point)| (at, point != Point::Note, index, point));
        let mut steps: Vec<i64> =
            points.windows(2).map(|two| two[1].0.saturating_sub(two[0].0)).collect();
        steps.retain(|&step| step > 0);
        steps.sort_unstable();
        let usual = steps.get(steps.len() / 2).copied().unwrap_or(1).max(1);
        let long = SILENCE.min(usual.saturating_mul(20).max(20_000_000));

        let mut rows = Rows { rows: Vec::new(), notes: Vec::new(), gaps: Vec::new(), bottom: top };
        rows.rows.resize(self.journeys.len(), Row::default());
        let mut y = top;
        let mut before: Option<i64> = None;
        let mut omitted = self.omitted;
        for (at, index, point) in points {
            let passed = before.map_or(0, |before| at.saturating_sub(before));
            before = Some(at);
            let hidden = omitted.take_if(|(behind, _)| index >= *behind && point == Point::Start);
            if let Some((_, count)) = hidden {
                let count = counted(count as u64, "packet");
                let text = format!("~ {count} not shown, {} ~", short_time(passed));
                rows.gaps.push((y + GAP * 0.65, text));
                y += GAP;
            } else if passed >= long {
                rows.gaps.push((y + GAP * 0.65, format!("~ {} ~", short_time(passed))));
                y += GAP;
            } else if passed > 0 {
                let times = passed as f64 / usual as f64;
                y += (4.0 * (1.0 + times).log2()).min(16.0);
            }
            match point {
                Point::Note => {
                    y += ROW;
                    rows.notes.push(y);
                }
                Point::Start => {
                    y += ROW;
                    rows.rows[index].start = y;
                }
                Point::Arrival(_) if at == self.journeys[index].begins() => {
                    let start = rows.rows[index].start;
                    rows.rows[index].arrivals.push(start);
                }
                Point::Arrival(_) => {
                    y += ARRIVAL;
                    rows.rows[index].arrivals.push(y);
                }
            }
        }
        rows.bottom = y + SLANT;
        rows
    }

    fn arrows(&self, svg: &mut Svg, journey: &Journey, row: &Row) {
        let mut lines = Path::default();
        let mut heads = Path::default();
        let mut arrow = |from: (f64, f64), to: (f64, f64)| {
            lines.stroke(from, to);
            heads.arrow_head(from, to, 8.0);
        };
        let mut cross = None;
        let [stack, wire, peer] = LANES;
        let (near, far) = if journey.outbound { (stack, peer) } else { (peer, stack) };
        let y = row.start;
        if !self.both {
            if journey.lost.is_some() {
                let middle = (near + far) / 2.0;
                arrow((near, y), (middle, y + SLANT / 2.0));
                cross = Some((middle, y + SLANT / 2.0));
            } else {
                arrow((near, y), (far, y + SLANT));
            }
        } else if journey.left.is_none() {
            // Nobody sent it: a fault made it.
            let middle = (stack + wire) / 2.0;
            let to = if journey.outbound { wire } else { stack };
            arrow((middle, y), (to, y));
            svg.rect([middle - 3.0, y - 3.0, 6.0, 6.0], &format!("fill=\"{FAULT}\""));
            if journey.outbound {
                arrow((wire, y), (peer, y));
            }
        } else {
            if !journey.outbound {
                arrow((peer, y), (wire, y));
            }
            let (from, to) = if journey.outbound { (stack, wire) } else { (wire, stack) };
            for &arrival in &row.arrivals {
                arrow((from, y), (to, arrival));
                if journey.outbound {
                    arrow((wire, arrival), (peer, arrival));
                }
            }
            if row.arrivals.is_empty() {
                let x = wire - BEFORE;
                arrow((from, y), (x, y));
                cross = Some((x, y));
            }
        }
        let class = if cross.is_some() { "arrow lost" } else { "arrow" };
        let colour = journey.colour;
        svg.path(class, &lines, &format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.2\""));
        svg.path("head", &heads, &format!("fill=\"{colour}\""));
        if let Some((x, y)) = cross {
            let mut path = Path::default();
            path.cross(x, y, 6.0);
            let attributes = format!("fill=\"none\" stroke=\"{FAULT}\" stroke-width=\"2.6\"");
            svg.path("cross", &path, &attributes);
        }
    }

    fn words(&self, svg: &mut Svg, journey: &Journey, row: &Row) {
        let [stack, wire, peer] = LANES;
        let y = row.start;
        let soft = format!("font-size=\"{TEXT}\" fill=\"{SOFT}\"");
        svg.text((LANES[0] - 16.0, y + 3.0), Anchor::End, &soft, &seconds(journey.begins()));
        let number = format!("#{}", journey.number);
        svg.text((30.0, y + 3.0), Anchor::Start, &soft, &number);

        let most = if self.both { 54 } else { 108 };
        let label = shortened(&journey.label, most);
        let (at, anchor) = match (self.both, journey.outbound) {
            (false, _) => (((stack + peer) / 2.0, y - 1.5), Anchor::Middle),
            (true, true) if journey.left.is_none() => ((wire + 7.0, y - 4.0), Anchor::Start),
            (true, true) => ((stack + 7.0, y - 4.0), Anchor::Start),
            (true, false) if journey.left.is_none() => ((stack + 12.0, y - 4.0), Anchor::Start),
            (true, false) => ((peer - 7.0, y - 4.0), Anchor::End),
        };
        if self.both {
            svg.backing(at, anchor, TEXT, &label);
        }
        svg.text(at, anchor, &format!("font-size=\"{TEXT}\" fill=\"{}\"", journey.colour), &label);

        let mut remarks = journey.remarks.clone();
        if let Some(mark) = &journey.lost {
            let blame = format!("class=\"blame\" font-size=\"{TEXT}\" fill=\"{FAULT}\"");
            if self.both {
                let text = shortened(&mark.words(), 54);
                remarks.retain(|remark| *remark != mark.words());
                let (x, anchor) = match journey.outbound {
                    true => (wire + 10.0, Anchor::Start),
                    false => (wire - BEFORE - 12.0, Anchor::End),
                };
                svg.text((x, y + 3.5), anchor, &blame, &text);
            }
        }
        if let (Some(left), [.., last]) = (journey.left, &journey.arrived[..])
            && *last > left
            && !remarks.iter().any(|remark| remark.contains("delay"))
        {
            remarks.push(format!("+{}", short_time(last - left)));
        }
        if journey.arrived.len() > 1 {
            remarks.push(format!("as {} frames", journey.arrived.len()));
        }
        if self.both && journey.left.is_none() && !journey.touched {
            remarks.push("on one side only".into());
        }
        let text = shortened(&remarks.join(", "), 53);
        if !text.is_empty() {
            let colour = match journey.colour {
                INK if journey.touched => FAULT,
                INK => SOFT,
                other => other,
            };
            let attributes = format!("font-size=\"{TEXT}\" fill=\"{colour}\"");
            svg.text((REMARKS, y + 3.0), Anchor::Start, &attributes, &text);
        }
    }
}

/// Where the packets are.
struct Rows {
    rows: Vec<Row>,
    notes: Vec<f64>,
    gaps: Vec<(f64, String)>,
    bottom: f64,
}

#[derive(Debug, Clone, Default)]
struct Row {
    start: f64,
    arrivals: Vec<f64>,
}

/// A time with microseconds.
fn seconds(nanos: i64) -> String {
    let micros = nanos / 1000;
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// What is to be remarked about entries, and in which colour they are drawn.
fn remarks(analysis: &Analysis) -> BTreeMap<usize, (Option<String>, &'static str)> {
    let mut remarks = BTreeMap::new();
    for track in &analysis.tracks {
        for sent in &track.sent {
            let (text, colour) = match sent.kind {
                Kind::New => continue,
                Kind::Retransmission => ("retransmission", theme::RETRANSMISSION),
                Kind::OutOfOrder => ("out of order", theme::OUT_OF_ORDER),
                Kind::KeepAlive => ("keep-alive", theme::PROBE),
                Kind::WindowProbe => ("window probe", theme::PROBE),
            };
            remarks.insert(sent.entry, (Some(text.to_string()), colour));
        }
        for told in &track.acknowledged {
            let text = match (told.duplicate, told.window) {
                (_, 0) => "zero window".to_string(),
                (0, _) => continue,
                (number, _) => format!("dup ack {number}"),
            };
            remarks.entry(told.entry).or_insert((Some(text), INK));
        }
    }
    remarks
}

/// A segment in short words.
fn label(entry: &Entry, analysis: &Analysis) -> String {
    let segment = &entry.segment;
    let mut words: Vec<String> = Vec::new();
    let flags =
        [(segment.syn, "SYN"), (segment.fin, "FIN"), (segment.rst, "RST"), (segment.psh, "PSH")];
    words.extend(flags.iter().filter(|(set, _)| *set).map(|(_, name)| (*name).to_string()));
    let bare = words.is_empty() && segment.length == 0;
    match entry.ack {
        Some(ack) if bare => words.push(format!("ACK {ack}")),
        Some(ack) => {
            if segment.syn || segment.rst {
                words.push("ACK".into());
            }
            words.push(format!("seq {}", entry.seq));
            if segment.length > 0 {
                words.push(format!("len {}", segment.length));
            }
            words.push(format!("ack {ack}"));
        }
        None => {
            words.push(format!("seq {}", entry.seq));
            if segment.length > 0 {
                words.push(format!("len {}", segment.length));
            }
        }
    }
    if !segment.rst {
        words.push(format!("win {}", analysis::window(entry, analysis.scales)));
    }
    if segment.syn {
        words.extend(segment.mss.map(|mss| format!("mss {mss}")));
        words.extend(segment.scale.map(|scale| format!("ws {scale}")));
        words.extend(segment.sack_permitted.then(|| "sack ok".to_string()));
    }
    let blocks: Vec<String> = entry.sack.iter().map(|(from, to)| format!("{from}-{to}")).collect();
    if !blocks.is_empty() {
        words.push(format!("sack {}", blocks.join(" ")));
    }
    words.join(" ")
}
