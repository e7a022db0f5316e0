//! The time-sequence graph, as users of tcptrace and Wireshark know it.

use std::collections::{BTreeMap, BTreeSet};

use super::analysis::{Analysis, Kind, Track};
use super::capture::{Capture, Side};
use super::comment;
use super::flow::{Entry, Flow};
use super::scale::{Scale, counted, grouped, short_bytes};
use super::svg::{Anchor, Path, Svg, shortened, width};
use super::theme::{self, AXIS, FAULT, GRID, INK, SOFT};

/// Left of it stand the numbers of the sequence axis.
const LEFT: f64 = 110.0;
const RIGHT: f64 = theme::WIDTH - 30.0;
/// Height of the strip that shows when a rule acted.
const LANE: f64 = 15.0;
/// What a window is called in which the link was down. No rule has a space in its name.
const LINK_DOWN: &str = "link down";
/// More rules than this are counted, not shown.
const LANES: usize = 12;
/// From here on marks that would lie on each other become one.
const THIN: usize = 20_000;
/// How far the next name of a rule is from the last, where nothing was lost.
const NAMED_AGAIN: f64 = 160.0;
/// The least height of a mark that must not be missed.
const LEAST: f64 = 6.0;
/// Size of the labels within the graph.
const SMALL: f64 = 10.0;

/// When a rule, the link model or an event acted.
#[derive(Debug, Clone)]
pub(super) struct Window {
    /// Its name.
    pub name: String,
    /// When it touched packets, in nanoseconds.
    pub times: Vec<i64>,
    /// From when to when it is shaded.
    pub from: i64,
    /// The end of that.
    pub to: i64,
}

/// What faults did to the packets of the picture, in the order of their first acts. `packets` are
/// indices into the capture.
pub(super) fn windows(capture: &Capture, packets: &BTreeSet<usize>) -> Vec<Window> {
    let mut by_name: BTreeMap<String, Window> = BTreeMap::new();
    let mut links = Vec::new();
    let mut down: Option<i64> = None;
    for (at, up) in link_changes(capture) {
        if up {
            links.extend(down.take().map(|from| (from, at)));
        } else {
            down = down.or(Some(at));
        }
    }
    let end = capture.packets.last().map_or(0, |packet| packet.at);
    for (index, packet) in capture.packets.iter().enumerate() {
        if !packets.contains(&index) {
            continue;
        }
        for mark in comment::marks(&packet.comments) {
            let (name, at, times) = (mark.name, packet.at, Vec::new());
            let window =
                by_name.entry(name.clone()).or_insert(Window { name, times, from: at, to: at });
            window.times.push(at);
            window.to = window.to.max(at);
        }
    }
    links.extend(down.map(|from| (from, end)));
    let mut windows: Vec<Window> = by_name.into_values().collect();
    let link = |(from, to)| Window { name: LINK_DOWN.into(), times: Vec::new(), from, to };
    windows.extend(links.into_iter().map(link));
    windows.sort_by(|a, b| (a.from, &a.name).cmp(&(b.from, &b.name)));
    windows
}

/// When the link went up and down: by the notes of the recording, or where it has none, by those
/// that stand at the next packets.
fn link_changes(capture: &Capture) -> Vec<(i64, bool)> {
    let notes = capture.notes.iter();
    let changes: Vec<_> =
        notes.filter_map(|note| Some((note.at, comment::link_up(&note.text)?))).collect();
    if !changes.is_empty() {
        return changes;
    }
    let comments = capture.packets.iter().flat_map(|packet| {
        packet
            .comments
            .iter()
            .map(|comment| (packet.at, comment::note_of(comment).unwrap_or(comment)))
    });
    comments.filter_map(|(at, text)| Some((at, comment::link_up(text)?))).collect()
}

/// What a graph shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Graph<'t> {
    /// The flow.
    pub flow: &'t Flow,
    /// What it did on the side that is shown.
    pub analysis: &'t Analysis,
    /// What faults did.
    pub windows: &'t [Window],
    /// The ICMP errors about it: when, and what they say.
    pub errors: &'t [(i64, String)],
}

/// Kinds of marks, for the legend.
pub(super) type Used = BTreeSet<&'static str>;

impl Graph<'_> {
    /// The ends whose data is worth a panel: those that sent any, or the first.
    pub(super) fn panels(&self) -> Vec<usize> {
        let with_data: Vec<usize> =
            [0, 1].into_iter().filter(|&end| self.analysis.tracks[end].bytes > 0).collect();
        if with_data.is_empty() { vec![0] } else { with_data }
    }

    /// Draws the panel of what `from` sent, from `top` downwards; gives where it ends.
    pub(super) fn draw(
        &self,
        svg: &mut Svg,
        from: usize,
        top: f64,
        height: f64,
        used: &mut Used,
    ) -> f64 {
        let panel = Panel::new(self, from, top, height);
        svg.open("graph", &format!("data-from=\"{}\"", self.flow.ends[from]));
        panel.draw(svg, used);
        svg.close();
        panel.bottom + 48.0
    }
}

/// One direction of a graph.
struct Panel<'t> {
    graph: &'t Graph<'t>,
    from: usize,
    track: &'t Track,
    top: f64,
    bottom: f64,
    header: f64,
    time: Scale,
    sequence: Scale,
    /// The highest window, where it is beyond the top.
    beyond: Option<i64>,
}

impl<'t> Panel<'t> {
    fn new(graph: &'t Graph<'t>, from: usize, top: f64, height: f64) -> Self {
        let track = &graph.analysis.tracks[from];
        let header = top;
        let lanes = graph.windows.len().min(LANES) + usize::from(graph.windows.len() > LANES);
        let top = top + 26.0 + LANE * lanes as f64;
        let bottom = top + height;

        let mut times: Vec<i64> = graph.entries().map(|entry| entry.at).collect();
        times.extend(graph.errors.iter().map(|(at, _)| *at));
        let first = times.iter().copied().min().unwrap_or(0) as f64 / 1e9;
        let last = times.iter().copied().max().unwrap_or(0) as f64 / 1e9;
        let margin = ((last - first) * 0.02).max(1e-6);
        let time = Scale::new(first - margin, last + 2.0 * margin, LEFT, RIGHT);

        // Forged numbers far away are at the edge; they must not squeeze everything else.
        let sent = track.sent.iter().filter(|sent| !graph.flow.entries[sent.entry].segment.rst);
        let lost = graph.entries().filter(|entry| entry.from == from && !entry.segment.rst);
        let known = sent.map(|sent| (sent.seq, sent.end)).chain(lost.map(|e| (e.seq, e.end())));
        let known: Vec<(i64, i64)> = known.filter(|&(seq, _)| seq.abs() < 1 << 40).collect();
        let low = known.iter().map(|&(seq, _)| seq).min().unwrap_or(0);
        let high = known.iter().map(|&(_, end)| end).max().unwrap_or(1).max(low + 1);
        let edges = track.acknowledged.iter();
        let edges = edges.map(|told| told.ack.saturating_add(told.window as i64));
        let window = edges.filter(|&edge| edge < 1 << 40).max().unwrap_or(high);
        // A window far above the data would press the data flat.
        let most = high + (high - low).max(8);
        let beyond = (window > most).then_some(window);
        let top_value = window.min(most).max(high) as f64;
        let below = (top_value - low as f64) * 0.04;
        let sequence = Scale::new(low as f64 - below, top_value + below, bottom, top);
        Self { graph, from, track, top, bottom, header, time, sequence, beyond }
    }

    fn x(&self, at: i64) -> f64 {
        self.time.clamped(at as f64 / 1e9)
    }

    fn y(&self, seq: i64) -> f64 {
        self.sequence.clamped(seq as f64)
    }

    fn draw(&self, svg: &mut Svg, used: &mut Used) {
        let mut labels = Labels::new(self.top, self.bottom);
        self.title(svg);
        self.axes(svg);
        self.shade(svg, used);
        self.lines(svg, used);
        self.segments(svg, used);
        self.events(svg, used, &mut labels);
        self.faults(svg, used, &mut labels);
        labels.draw(svg, self.bottom);
    }

    fn title(&self, svg: &mut Svg) {
        let [from, to] = [self.from, 1 - self.from].map(|end| self.graph.flow.ends[end]);
        let Track { bytes, segments, retransmissions, .. } = self.track;
        let text = format!(
            "{from} > {to}: {} in {}, {}",
            short_bytes(*bytes),
            counted(*segments, "segment"),
            counted(*retransmissions, "retransmission"),
        );
        let attributes = format!("font-size=\"12\" font-weight=\"bold\" fill=\"{INK}\"");
        svg.text((LEFT, self.header + 12.0), Anchor::Start, &attributes, &text);
        if let Some(beyond) = self.beyond {
            let text = format!("receive window beyond the top, up to {}", grouped(beyond.into()));
            let attributes = format!("font-size=\"10\" fill=\"{}\"", theme::WINDOW);
            svg.text((RIGHT, self.header + 12.0), Anchor::End, &attributes, &text);
        }
    }

    fn axes(&self, svg: &mut Svg) {
        let (top, bottom) = (self.top, self.bottom);
        svg.open("axes", &format!("font-size=\"11\" fill=\"{SOFT}\""));
        let mut grid = Path::default();
        let ticks = self.sequence.ticks((bottom - top) / 40.0, 1.0);
        for value in ticks {
            let y = self.sequence.place(value);
            grid.stroke((LEFT, y), (RIGHT, y));
            svg.text((LEFT - 8.0, y + 4.0), Anchor::End, "", &grouped(value as i128));
        }
        // Microseconds are the finest that captures of others have.
        let ticks = self.time.ticks(11.0, 1e-6);
        let decimals = (-ticks.step.log10().floor()).clamp(0.0, 6.0) as usize;
        for value in ticks {
            let x = self.time.place(value);
            grid.stroke((x, top), (x, bottom));
            let text = format!("{:.decimals$}", value + 0.0);
            svg.text((x, bottom + 15.0), Anchor::Middle, "", &text);
        }
        svg.path("grid", &grid, &format!("fill=\"none\" stroke=\"{GRID}\""));
        let frame = [LEFT, top, RIGHT - LEFT, bottom - top];
        svg.rect(frame, &format!("fill=\"none\" stroke=\"{AXIS}\""));
        let middle = (LEFT + RIGHT) / 2.0;
        let text = "time since the first packet of the capture (s)";
        svg.text((middle, bottom + 31.0), Anchor::Middle, "", text);
        let (x, y) = (22.0, (top + bottom) / 2.0);
        let turned = format!("transform=\"rotate(-90 {x} {})\"", super::svg::px(y));
        let name = if bottom - top < 200.0 { "bytes" } else { "relative sequence number (bytes)" };
        svg.text((x, y), Anchor::Middle, &turned, name);
        svg.close();
    }

    /// When faults acted: a strip for each rule, and a shade on the graph.
    fn shade(&self, svg: &mut Svg, used: &mut Used) {
        let windows = self.graph.windows;
        if windows.is_empty() {
            return;
        }
        used.insert("fault");
        svg.open("faults", "");
        let mut ticks = Path::default();
        for (lane, window) in windows.iter().take(LANES).enumerate() {
            let y = self.header + 21.0 + LANE * lane as f64;
            let (from, to) = (self.x(window.from), self.x(window.to));
            let (from, to) = (from - 1.5, to + 1.5);
            let colour = if window.name == LINK_DOWN { SOFT } else { FAULT };
            let shade = format!("class=\"shade\" fill=\"{colour}\" fill-opacity=\"0.10\"");
            svg.rect([from, self.top, to - from, self.bottom - self.top], &shade);
            let bar = format!("fill=\"{colour}\" fill-opacity=\"0.25\"");
            svg.rect([from, y, to - from, LANE - 4.0], &bar);
            for &at in &window.times {
                ticks.stroke((self.x(at), y), (self.x(at), y + LANE - 4.0));
            }
            let count = match window.times.len() {
                0 => String::new(),
                count => format!(" ({count}x)"),
            };
            let text = format!("{}{count}", shortened(&window.name, 48));
            let attributes = format!("font-size=\"{SMALL}\" fill=\"{colour}\"");
            let y = y + LANE - 6.0;
            if to + 6.0 + width(&text, SMALL) < RIGHT {
                svg.text((to + 5.0, y), Anchor::Start, &attributes, &text);
            } else if from - 6.0 - width(&text, SMALL) > LEFT {
                svg.text((from - 5.0, y), Anchor::End, &attributes, &text);
            } else {
                svg.text(((from + to) / 2.0, y), Anchor::Middle, &attributes, &text);
            }
        }
        if windows.len() > LANES {
            let y = self.header + 21.0 + LANE * LANES as f64 + LANE - 6.0;
            let text = format!("and {}", counted((windows.len() - LANES) as u64, "more rule"));
            let attributes = format!("font-size=\"{SMALL}\" fill=\"{FAULT}\"");
            svg.text((LEFT, y), Anchor::Start, &attributes, &text);
        }
        svg.path("touched", &ticks, &format!("fill=\"none\" stroke=\"{FAULT}\""));
        svg.close();
    }

    /// The line of acknowledgments and that of the window above it.
    fn lines(&self, svg: &mut Svg, used: &mut Used) {
        let told = &self.track.acknowledged;
        if told.is_empty() {
            return;
        }
        used.insert("ack");
        used.insert("window");
        let ack = self.steps(told.iter().map(|told| (told.at, told.ack)));
        let edge =
            |told: &super::analysis::Acknowledged| told.ack.saturating_add(told.window as i64);
        let window = self.steps(told.iter().map(|told| (told.at, edge(told))));
        let stroke = |colour| format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.4\"");
        svg.path("window", &window, &stroke(theme::WINDOW));
        svg.path("ack", &ack, &stroke(theme::ACK));

        let mut duplicates = Path::default();
        let mut sacked = Path::default();
        let mut thin = Thin::new(self.marks());
        for told in told {
            let (x, y) = (self.x(told.at), self.y(told.ack));
            if told.duplicate > 0 && thin.keeps(x, y, y) {
                used.insert("duplicate");
                duplicates.stroke((x, y - 4.0), (x, y + 4.0));
            }
            for &(from, to) in &self.graph.flow.entries[told.entry].sack {
                let (low, high) = (self.y(from), self.y(to));
                if thin.keeps(x, low, high) {
                    used.insert("sack");
                    sacked.stroke((x, low.max(high + 1.0)), (x, high));
                }
            }
        }
        svg.path("duplicate", &duplicates, &stroke(theme::ACK));
        let attributes = "fill=\"none\" stroke-width=\"2\" stroke-opacity=\"0.75\"";
        svg.path("sack", &sacked, &format!("{attributes} stroke=\"{}\"", theme::SACK));
    }

    /// A line that keeps its height until the next value.
    fn steps(&self, values: impl Iterator<Item = (i64, i64)>) -> Path {
        let mut path = Path::default();
        let mut last: Option<(f64, f64)> = None;
        for (at, value) in values {
            let (x, y) = (self.x(at), self.y(value));
            match last {
                None => path.move_to(x, y),
                // What cannot be told apart needs no step.
                Some((_, height)) if (y - height).abs() < 0.05 => continue,
                Some((before, height)) => {
                    if x - before > 0.05 {
                        path.line_to(x, height);
                    }
                    path.line_to(x, y);
                }
            }
            last = Some((x, y));
        }
        if let Some((_, height)) = last {
            let end = self.graph.entries().map(|entry| entry.at).max().unwrap_or(0);
            path.line_to(self.x(end), height);
        }
        path
    }

    fn marks(&self) -> usize {
        self.track.sent.len() + self.track.acknowledged.len()
    }

    fn segments(&self, svg: &mut Svg, used: &mut Used) {
        let mut paths: BTreeMap<&'static str, (Path, Path)> = BTreeMap::new();
        let mut thin = Thin::new(self.marks());
        for sent in &self.track.sent {
            let entry = &self.graph.flow.entries[sent.entry];
            if entry.segment.length == 0 && sent.kind != Kind::KeepAlive {
                continue;
            }
            let class = match sent.kind {
                Kind::New => "segment",
                Kind::Retransmission => "retransmission",
                Kind::OutOfOrder => "out-of-order",
                Kind::KeepAlive | Kind::WindowProbe => "probe",
            };
            let (x, low, high) = (self.x(sent.at), self.y(sent.seq), self.y(sent.end));
            if !thin.keeps(x, low, high) && class == "segment" {
                continue;
            }
            used.insert(class);
            let (bars, ends) = paths.entry(class).or_default();
            let short = (LEAST - (low - high)).max(0.0) / 2.0;
            match class {
                "segment" => bars.stroke((x, low.max(high + 1.0)), (x, high)),
                // These must be seen, also among thousands.
                _ => bars.stroke((x, low + short), (x, high - short)),
            }
            // tcptrace's arrows at both ends, where there is room for them.
            if low - high >= 5.0 {
                ends.stroke((x - 2.0, low), (x + 2.0, low));
                ends.stroke((x - 2.0, high), (x + 2.0, high));
            }
        }
        // What is special lies on top.
        let ordered = ["segment", "probe", "out-of-order", "retransmission"];
        for (class, (bars, ends)) in ordered.iter().filter_map(|class| paths.get_key_value(class)) {
            let (colour, thick) = match *class {
                "retransmission" => (theme::RETRANSMISSION, 2.6),
                "out-of-order" => (theme::OUT_OF_ORDER, 2.6),
                "probe" => (theme::PROBE, 2.6),
                _ => (theme::SEGMENT, 2.0),
            };
            let stroke = format!("fill=\"none\" stroke=\"{colour}\"");
            svg.path(class, bars, &format!("{stroke} stroke-width=\"{thick}\""));
            svg.path("ends", ends, &format!("{stroke} stroke-width=\"1\""));
        }
    }

    /// SYN, FIN and RST of both, closed windows, ICMP errors.
    fn events(&self, svg: &mut Svg, used: &mut Used, labels: &mut Labels) {
        let mut marks = Path::default();
        let mut resets = Path::default();
        let mut closed = Path::default();
        let mut previous: Option<bool> = None;
        let mut last_ack = 0;
        let side = self.graph.analysis.side;
        let mut again = Path::default();
        let repeated = self.repeated();
        let entries = self.graph.flow.entries.iter().enumerate();
        for (index, entry) in entries.filter(|(_, entry)| entry.side == side) {
            let own = entry.from == self.from;
            let segment = &entry.segment;
            let name = match (segment.syn, segment.fin, segment.rst) {
                (_, _, true) => "RST",
                (true, _, _) if segment.ack.is_some() => "SYN ACK",
                (true, _, _) => "SYN",
                (_, true, _) => "FIN",
                _ => "",
            };
            let height = match (own, entry.ack) {
                (true, _) => entry.end(),
                (false, Some(ack)) => ack,
                (false, None) => last_ack,
            };
            let height = if own && segment.syn { entry.seq } else { height };
            let (x, y) = (self.x(entry.at), self.y(height));
            if !own
                && !segment.rst
                && !segment.syn
                && let Some(ack) = entry.ack
            {
                last_ack = ack;
                let is_closed = segment.window == 0;
                if is_closed && previous != Some(true) {
                    used.insert("zero-window");
                    closed.polygon(&[(x, y - 5.0), (x + 5.0, y), (x, y + 5.0), (x - 5.0, y)]);
                    labels.put((x, y), "zero window", theme::WINDOW);
                }
                previous = Some(is_closed);
            }
            if name.is_empty() {
                continue;
            }
            if segment.rst {
                used.insert("rst");
                resets.cross(x, y, 4.5);
                labels.put((x, y), name, theme::RETRANSMISSION);
                continue;
            }
            used.insert("syn-fin");
            let triangle = [(x - 4.0, y + 4.0), (x + 4.0, y + 4.0), (x, y - 4.0)];
            if repeated.contains(&index) {
                again.polygon(&triangle);
                labels.put((x, y), &format!("{name} again"), theme::RETRANSMISSION);
            } else {
                marks.polygon(&triangle);
                labels.put((x, y), name, INK);
            }
        }
        svg.path("syn-fin", &marks, &format!("fill=\"{INK}\""));
        let red = theme::RETRANSMISSION;
        svg.path("syn-fin-again", &again, &format!("fill=\"{red}\""));
        svg.path("rst", &resets, &format!("fill=\"none\" stroke=\"{red}\" stroke-width=\"2.4\""));
        svg.path("zero-window", &closed, &format!("fill=\"{}\"", theme::WINDOW));
        for (at, text) in self.graph.errors {
            used.insert("icmp");
            let x = self.x(*at);
            let attributes = "stroke-dasharray=\"5 3\"";
            let line = format!("class=\"icmp\" stroke=\"{}\" {attributes}", theme::CONTROL);
            svg.line((x, self.top), (x, self.bottom), &line);
            labels.put((x, self.top + 16.0), text, theme::CONTROL);
        }
    }

    /// The entries that are retransmissions.
    fn repeated(&self) -> BTreeSet<usize> {
        let sent = self.graph.analysis.tracks.iter().flat_map(|track| &track.sent);
        let again = sent.filter(|sent| sent.kind == Kind::Retransmission);
        again.map(|sent| sent.entry).collect()
    }

    /// What faults did to single packets, on either side.
    fn faults(&self, svg: &mut Svg, used: &mut Used, labels: &mut Labels) {
        let mut lost = Path::default();
        let mut touched = Path::default();
        let mut told = BTreeSet::new();
        let mut named = BTreeMap::new();
        for entry in self.graph.entries() {
            let Some(mark) = entry.lost().or(entry.marks.first()) else { continue };
            // What is a bare acknowledgment lies on the line of acknowledgments.
            let own = entry.segment.span() > 0 || entry.segment.rst;
            let height = match (own, entry.from == self.from, entry.ack) {
                (true, true, _) => (entry.seq.saturating_add(entry.end())) / 2,
                (_, false, Some(ack)) => ack,
                _ => continue,
            };
            let (x, y) = (self.x(entry.at), self.y(height));
            let id = self.graph.id(entry);
            if entry.lost().is_some() {
                used.insert("lost");
                lost.cross(x, y, 4.5);
            } else if told.contains(&id) {
                continue;
            } else {
                used.insert("touched");
                touched.square(x, y, 3.5);
            }
            if !told.insert(id) {
                continue;
            }
            // Where a rule touches everything, its name stands only now and then.
            let name = mark.name.as_str();
            let near = named.get(name).is_some_and(|&last: &f64| (x - last).abs() < NAMED_AGAIN);
            if entry.lost().is_some() || !near {
                named.insert(name, x);
                labels.put((x, y), &shortened(name, 32), FAULT);
            }
        }
        let stroke = format!("fill=\"none\" stroke=\"{FAULT}\" stroke-width=\"2\"");
        svg.path("lost-packet", &lost, &stroke);
        svg.path("touched-packet", &touched, &stroke);
    }
}

impl Graph<'_> {
    /// What is on the side that is shown, and what was lost before it reached it.
    fn entries(&self) -> impl Iterator<Item = &Entry> {
        let side = self.analysis.side;
        self.flow.entries.iter().filter(move |entry| entry.side == side || entry.lost().is_some())
    }

    /// Of several records of one touched packet only one has a label.
    fn id(&self, entry: &Entry) -> (i64, i64, usize) {
        (entry.seq, entry.ack.unwrap_or(0), if entry.side == Side::Wire { 0 } else { entry.packet })
    }
}

/// Leaves out marks that would lie on others, where there are very many.
struct Thin {
    taken: Option<BTreeSet<(i64, i64, i64)>>,
}

impl Thin {
    fn new(marks: usize) -> Self {
        Self { taken: (marks > THIN).then(BTreeSet::new) }
    }

    fn keeps(&mut self, x: f64, low: f64, high: f64) -> bool {
        let Some(taken) = &mut self.taken else { return true };
        taken.insert((x as i64, low as i64, high as i64))
    }
}

/// Labels that do not lie on each other.
struct Labels {
    top: f64,
    bottom: f64,
    places: Vec<[f64; 4]>,
    dropped: usize,
    pending: Vec<((f64, f64), Anchor, String, &'static str)>,
}

impl Labels {
    fn new(top: f64, bottom: f64) -> Self {
        Self { top, bottom, places: Vec::new(), dropped: 0, pending: Vec::new() }
    }

    /// Puts a label near a mark, where there is room.
    fn put(&mut self, at: (f64, f64), text: &str, colour: &'static str) {
        let (wide, high) = (width(text, SMALL), SMALL + 1.0);
        // Beyond this many the graph would be text.
        if self.places.len() < 400 {
            for row in 0..6 {
                let further = 11.5 * f64::from(row);
                // Not at the height of the mark, where lines are that it lies on.
                for (dx, dy, anchor) in [
                    (6.0, -4.0 - further, Anchor::Start),
                    (6.0, 12.0 + further, Anchor::Start),
                    (-6.0, -4.0 - further, Anchor::End),
                    (-6.0, 12.0 + further, Anchor::End),
                ] {
                    let (x, y) = (at.0 + dx, at.1 + dy);
                    let left = if anchor == Anchor::End { x - wide } else { x };
                    let place = [left - 2.0, y - high + 2.0, left + wide + 2.0, y + 2.0];
                    if self.is_free(&place) {
                        self.places.push(place);
                        self.pending.push(((x, y), anchor, text.to_string(), colour));
                        return;
                    }
                }
            }
        }
        self.dropped += 1;
    }

    fn is_free(&self, place: &[f64; 4]) -> bool {
        place[0] >= LEFT + 1.0
            && place[2] <= RIGHT - 1.0
            && place[1] >= self.top + 1.0
            && place[3] <= self.bottom - 1.0
            && self.places.iter().all(|other| {
                place[2] < other[0]
                    || other[2] < place[0]
                    || place[3] < other[1]
                    || other[3] < place[1]
            })
    }

    fn draw(&self, svg: &mut Svg, bottom: f64) {
        svg.open("labels", &format!("font-size=\"{SMALL}\""));
        for (at, anchor, text, colour) in &self.pending {
            svg.backing(*at, *anchor, SMALL, text);
            svg.text(*at, *anchor, &format!("fill=\"{colour}\""), text);
        }
        if self.dropped > 0 {
            let text = format!("{} labels had no room", self.dropped);
            svg.text((RIGHT, bottom + 31.0), Anchor::End, &format!("fill=\"{SOFT}\""), &text);
        }
        svg.close();
    }
}
