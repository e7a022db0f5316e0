//! The whole picture: title, graph, legend, ladder.

use std::collections::BTreeSet;

use super::analysis::Analysis;
use super::capture::{Capture, Side};
use super::flow::{Flow, Flows};
use super::graph::{self, Graph, Used};
use super::ladder::Ladder;
use super::scale::{counted, short_bytes, short_time};
use super::svg::{Anchor, Path, Svg, shortened, width};
use super::theme::{self, CARD, FAULT, INK, SOFT};

/// What is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Picture<'t> {
    /// The file's name.
    pub file: &'t str,
    /// The capture.
    pub capture: &'t Capture,
    /// All its flows.
    pub flows: &'t Flows,
    /// The one that is drawn.
    pub flow: &'t Flow,
    /// What it did on the side that the graph shows.
    pub analysis: &'t Analysis,
    /// The ladder shows at most this many packets of its beginning, and of its end.
    pub packets: usize,
}

const HEADING: f64 = 17.0;

impl Picture<'_> {
    /// The picture as SVG.
    pub(super) fn svg(&self) -> String {
        let Self { capture, flows, flow, analysis, packets, .. } = *self;
        let ladder = Ladder::new(capture, flow, &flows.controls, analysis, packets);
        let mut touched: BTreeSet<usize> = flow.entries.iter().map(|entry| entry.packet).collect();
        touched.extend(flows.controls.iter().map(|(index, _)| *index));
        let windows = graph::windows(capture, &touched);
        let errors = self.errors();
        let graph = Graph { flow, analysis, windows: &windows, errors: &errors };

        let mut svg = Svg::default();
        let mut used = Used::new();
        let mut y = self.title(&mut svg);
        let panels = graph.panels();
        for &from in &panels {
            let height = match analysis.tracks[from].bytes {
                0 => 140.0,
                _ if self.is_main(from) => 380.0,
                _ => 220.0,
            };
            y = graph.draw(&mut svg, from, y, height, &mut used) + 8.0;
        }
        y = legend(&mut svg, y, &used) + 18.0;
        svg.line((30.0, y), (theme::WIDTH - 30.0, y), &format!("stroke=\"{}\"", theme::GRID));
        y = ladder.draw(&mut svg, y + 4.0) + 26.0;

        let mut whole = Svg::default();
        whole.rect([0.0, 0.0, theme::WIDTH, y], &format!("class=\"card\" fill=\"{CARD}\""));
        whole.append(&svg);
        whole.document(theme::WIDTH, y, &self.heading())
    }

    /// Whether this end sent at least as much as the other.
    fn is_main(&self, from: usize) -> bool {
        self.analysis.tracks[from].bytes >= self.analysis.tracks[1 - from].bytes
    }

    /// ICMP errors about the flow: each once, where it was first seen.
    fn errors(&self) -> Vec<(i64, String)> {
        let mut seen = BTreeSet::new();
        let mut errors = Vec::new();
        for (index, control) in &self.flow.errors {
            let packet = &self.capture.packets[*index];
            let id = packet.id.map_or((packet.number, false), |id| (id, true));
            if seen.insert(id) {
                errors.push((packet.at, control.text.clone()));
            }
        }
        errors
    }

    fn heading(&self) -> String {
        format!("{} > {}", self.flow.ends[0], self.flow.ends[1])
    }

    fn title(&self, svg: &mut Svg) -> f64 {
        let Self { flow, analysis, .. } = self;
        let bold = format!("font-size=\"{HEADING}\" font-weight=\"bold\" fill=\"{INK}\"");
        svg.text((30.0, 36.0), Anchor::Start, &bold, &self.heading());
        let side = match analysis.side {
            Side::Stack => "the stack's side",
            Side::Wire => "the wire's side",
            Side::Interface(_) => "",
        };
        let most = 100 - side.chars().count();
        let file = shortened(self.file, most);
        let line = format!("{file}, flow {} of {}", flow.number, self.flows.flows.len());
        let line = if side.is_empty() { line } else { format!("{line}, {side}") };
        let soft = format!("font-size=\"12\" fill=\"{SOFT}\"");
        svg.text((30.0, 56.0), Anchor::Start, &soft, &line);

        let last = flow.entries.last().map_or(0, |entry| entry.at);
        let first = flow.entries.first().map_or(0, |entry| entry.at);
        let bytes = analysis.tracks[0].bytes.saturating_add(analysis.tracks[1].bytes);
        let again = analysis.tracks[0].retransmissions + analysis.tracks[1].retransmissions;
        let line = format!(
            "{}, {}, {} in {}; began: {}; ended: {}",
            counted(analysis.packets, "packet"),
            short_bytes(bytes),
            counted(again, "retransmission"),
            short_time(last.saturating_sub(first)),
            analysis.began,
            analysis.ended,
        );
        svg.text((30.0, 74.0), Anchor::Start, &soft, &line);
        if let Some(damage) = &self.capture.damage {
            let red = format!("font-size=\"12\" fill=\"{}\"", theme::RETRANSMISSION);
            let line = format!("not the whole file is drawn: {damage}");
            svg.text((30.0, 92.0), Anchor::Start, &red, &line);
            return 110.0;
        }
        92.0
    }
}

/// What each kind of mark means, those that the graph has.
fn legend(svg: &mut Svg, top: f64, used: &Used) -> f64 {
    let all = [
        ("segment", "data", theme::SEGMENT),
        ("retransmission", "retransmission", theme::RETRANSMISSION),
        ("out-of-order", "out of order", theme::OUT_OF_ORDER),
        ("probe", "keep-alive or probe", theme::PROBE),
        ("ack", "acknowledged", theme::ACK),
        ("duplicate", "duplicate ACK", theme::ACK),
        ("window", "receive window", theme::WINDOW),
        ("zero-window", "zero window", theme::WINDOW),
        ("sack", "SACK block", theme::SACK),
        ("syn-fin", "SYN, FIN", INK),
        ("rst", "RST", theme::RETRANSMISSION),
        ("icmp", "ICMP error", theme::CONTROL),
        ("lost", "lost to a fault", FAULT),
        ("touched", "touched by a fault", FAULT),
        ("fault", "while a fault acted", FAULT),
    ];
    svg.open("legend", &format!("font-size=\"11\" fill=\"{INK}\""));
    let (mut x, mut y) = (110.0, top);
    for (class, text, colour) in all.into_iter().filter(|(class, _, _)| used.contains(class)) {
        let wide = 26.0 + width(text, 11.0) + 18.0;
        if x + wide > theme::WIDTH - 30.0 {
            (x, y) = (110.0, y + 18.0);
        }
        symbol(svg, class, colour, x + 10.0, y);
        svg.text((x + 24.0, y + 4.0), Anchor::Start, "", text);
        x += wide;
    }
    svg.close();
    y
}

fn symbol(svg: &mut Svg, class: &str, colour: &str, x: f64, y: f64) {
    let mut path = Path::default();
    let line = |width: f64| format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"");
    let filled = format!("fill=\"{colour}\"");
    let attributes = match class {
        "segment" | "retransmission" | "out-of-order" | "probe" => {
            path.stroke((x, y - 6.0), (x, y + 6.0));
            path.stroke((x - 2.0, y - 6.0), (x + 2.0, y - 6.0));
            path.stroke((x - 2.0, y + 6.0), (x + 2.0, y + 6.0));
            line(2.0)
        }
        "sack" => {
            path.stroke((x, y - 6.0), (x, y + 6.0));
            line(2.0)
        }
        "ack" | "window" => {
            path.move_to(x - 9.0, y + 3.0);
            path.line_to(x, y + 3.0);
            path.line_to(x, y - 3.0);
            path.line_to(x + 9.0, y - 3.0);
            line(1.4)
        }
        "duplicate" => {
            path.stroke((x - 9.0, y), (x + 9.0, y));
            path.stroke((x, y - 4.0), (x, y + 4.0));
            line(1.4)
        }
        "zero-window" => {
            path.polygon(&[(x, y - 5.0), (x + 5.0, y), (x, y + 5.0), (x - 5.0, y)]);
            filled
        }
        "syn-fin" => {
            path.polygon(&[(x - 4.0, y + 4.0), (x + 4.0, y + 4.0), (x, y - 4.0)]);
            filled
        }
        "rst" | "lost" => {
            path.cross(x, y, 4.5);
            line(2.2)
        }
        "icmp" => {
            path.stroke((x, y - 7.0), (x, y + 7.0));
            format!("{} stroke-dasharray=\"5 3\"", line(1.0))
        }
        "touched" => {
            path.square(x, y, 3.5);
            line(2.0)
        }
        _ => {
            svg.rect(
                [x - 8.0, y - 6.0, 16.0, 12.0],
                &format!("fill=\"{colour}\" fill-opacity=\"0.2\""),
            );
            return;
        }
    };
    svg.path("symbol", &path, &attributes);
}
