//! The ratios as bars on a logarithmic scale: as fast as the peer is the line in the middle, twice
//! as fast is as far to the one side as half as fast is to the other. Where less is better the
//! ratio is turned around, so that longer to the right is always better.

use std::fmt::Write;

use super::super::figures::{Bound, Figure};
use super::super::runner::Row;
use super::super::statistics::Summary;
use super::table::number;
use crate::output;
use crate::trace::svg::{Anchor, Svg, shortened, width};
use crate::trace::theme::{AXIS, CARD, GRID, INK, SOFT};

/// Width of the picture.
const WIDTH: f64 = 1280.0;
/// The edge around everything.
const EDGE: f64 = 28.0;
/// Where bars begin and end.
const LEFT: f64 = 470.0;
const RIGHT: f64 = 1030.0;
/// Where the values stand.
const VALUES: f64 = 1050.0;
/// Of a row, and of the bar in it.
const ROW: f64 = 38.0;
const BAR: f64 = 14.0;
/// Above the first row.
const TOP: f64 = 112.0;
/// Below the last row.
const BOTTOM: f64 = 34.0;
const LINE: f64 = 16.0;
/// The least that the scale shows to either side.
const LEAST: f64 = 2.0;

const BETTER: &str = "#1a7f37";
const WORSE: &str = "#bf6a02";
const MISSED: &str = "#d1242f";

/// Whether less is better.
fn is_cost(figure: &Figure) -> bool {
    matches!(figure.bound, Some(Bound::AtMost(_)))
        || matches!(figure.unit, "us" | "ns" | "bytes" | "instr.")
}

/// A row as it is drawn: how many times better than the peer, with the range and the must.
struct Bar<'r> {
    row: &'r Row,
    better: Summary,
    must: Option<f64>,
}

impl<'r> Bar<'r> {
    fn of(row: &'r Row) -> Option<Self> {
        let ratio = row.ratio().filter(|ratio| ratio.min > 0.0 && ratio.max.is_finite())?;
        let must = row.figure.bound.map(Bound::number);
        if !is_cost(&row.figure) {
            return Some(Self { row, better: ratio, must });
        }
        let Summary { median, min, max } = ratio;
        let better = Summary { median: 1.0 / median, min: 1.0 / max, max: 1.0 / min };
        Some(Self { row, better, must: must.map(|must| 1.0 / must) })
    }
}

/// From a ratio to a place.
struct Scale {
    /// The greatest ratio that is shown, either way.
    most: f64,
}

impl Scale {
    fn new(bars: &[Bar<'_>]) -> Self {
        let far = |value: f64| value.max(1.0 / value);
        let medians = bars.iter().map(|bar| far(bar.better.median));
        let musts = bars.iter().filter_map(|bar| bar.must).map(far);
        let most = medians.chain(musts).fold(LEAST, f64::max);
        // Up to the next power of two, and room for the end of the bar.
        Self { most: most.log2().ceil().clamp(1.0, 6.0).exp2() * 1.15 }
    }

    fn x(&self, ratio: f64) -> f64 {
        let part = (ratio.ln() / self.most.ln()).clamp(-1.0, 1.0);
        f64::midpoint(LEFT, RIGHT) + part * (RIGHT - LEFT) / 2.0
    }

    fn ticks(&self) -> Vec<f64> {
        let doublings = self.most.log2().floor() as i32;
        let step = if doublings > 5 { 2 } else { 1 };
        let up = (0..=doublings).step_by(step).skip(1);
        let far = up.flat_map(|power| [f64::from(power).exp2(), f64::from(-power).exp2()]);
        [1.0].into_iter().chain(far).collect()
    }
}

/// The picture. The same rows give the same picture.
pub(in crate::bench) fn draw(rows: &[Row], machine: &str) -> String {
    let bars: Vec<Bar<'_>> = rows.iter().filter_map(Bar::of).collect();
    let scale = Scale::new(&bars);
    let end = TOP + ROW * bars.len().max(1) as f64;
    let foot = output::wrap(machine, 150);
    let height = end + BOTTOM + LINE * foot.len() as f64 + EDGE;
    let mut svg = Svg::default();
    svg.rect([0.0, 0.0, WIDTH, height], &format!("fill=\"{CARD}\""));
    head(&mut svg);
    for tick in scale.ticks() {
        let (x, middle) = (scale.x(tick), tick == 1.0);
        let stroke = if middle { AXIS } else { GRID };
        svg.line((x, TOP - 6.0), (x, end), &format!("stroke=\"{stroke}\""));
        let fill = format!("font-size=\"12\" fill=\"{}\"", if middle { INK } else { SOFT });
        let text = if tick < 1.0 { format!("÷{}", 1.0 / tick) } else { format!("×{tick}") };
        svg.text((x, TOP - 12.0), Anchor::Middle, &fill, if middle { "equal" } else { &text });
    }
    for (number, bar) in bars.iter().enumerate() {
        one(&mut svg, &scale, bar, TOP + ROW * number as f64);
    }
    for (number, line) in foot.iter().enumerate() {
        let y = end + BOTTOM + LINE * number as f64;
        svg.text((EDGE, y), Anchor::Start, &format!("font-size=\"12\" fill=\"{SOFT}\""), line);
    }
    svg.document(WIDTH, height, "tapsock bench: ratios to the peers")
}

fn head(svg: &mut Svg) {
    let title = format!("font-size=\"20\" font-weight=\"bold\" fill=\"{INK}\"");
    svg.text((EDGE, 42.0), Anchor::Start, &title, "tapsock beside its peers");
    let soft = format!("font-size=\"13\" fill=\"{SOFT}\"");
    let words = "how many times better (right) or worse (left) than the peer, the median of the \
                 rounds; thin: from the worst round to the best";
    svg.text((EDGE, 64.0), Anchor::Start, &soft, words);
    let columns = format!("font-size=\"12\" fill=\"{SOFT}\"");
    svg.text((VALUES, TOP - 12.0), Anchor::Start, &columns, "ratio, ours : the peer's");
    let mut x = EDGE + 470.0;
    for (fill, words) in
        [(BETTER, "at least as good"), (WORSE, "less good"), (MISSED, "less than it must be")]
    {
        svg.rect([x, 32.0, 12.0, 12.0], &format!("fill=\"{fill}\""));
        svg.text((x + 18.0, 42.0), Anchor::Start, &soft, words);
        x += 40.0 + words.len() as f64 * 8.0;
    }
    svg.path("must", &marker(x + 6.0, 38.0), &format!("fill=\"{INK}\""));
    svg.text((x + 18.0, 42.0), Anchor::Start, &soft, "what it must be");
}

/// A small diamond.
fn marker(x: f64, y: f64) -> crate::trace::svg::Path {
    let mut path = crate::trace::svg::Path::default();
    path.polygon(&[(x, y - 6.0), (x + 5.0, y), (x, y + 6.0), (x - 5.0, y)]);
    path
}

fn one(svg: &mut Svg, scale: &Scale, bar: &Bar<'_>, top: f64) {
    let Bar { row, better, must } = bar;
    let Figure { name, what, unit, peer, bound: _, index: _ } = &row.figure;
    let middle = top + ROW / 2.0;
    svg.open("row", "");
    let strong = format!("font-size=\"13\" fill=\"{INK}\"");
    let soft = format!("font-size=\"11\" fill=\"{SOFT}\"");
    svg.text((LEFT - 14.0, middle - 2.0), Anchor::End, &strong, name);
    if let Some(peer) = peer {
        let end = LEFT - 22.0 - width(name, 13.0);
        svg.text((end, middle - 2.0), Anchor::End, &soft, &format!("against {peer}:"));
    }
    svg.text((LEFT - 14.0, middle + 12.0), Anchor::End, &soft, &shortened(what, 78));
    let fill = match row.holds() {
        Some(false) => MISSED,
        _ if better.median >= 1.0 => BETTER,
        _ => WORSE,
    };
    let (from, to) = (scale.x(1.0), scale.x(better.median));
    let place = [from.min(to), middle - BAR / 2.0, (to - from).abs().max(1.5), BAR];
    svg.rect(place, &format!("fill=\"{fill}\""));
    let (least, greatest) = (scale.x(better.min), scale.x(better.max));
    let thin = format!("stroke=\"{INK}\" stroke-opacity=\"0.55\"");
    svg.line((least, middle), (greatest, middle), &thin);
    for end in [least, greatest] {
        svg.line((end, middle - 4.0), (end, middle + 4.0), &thin);
    }
    if let Some(must) = must {
        let outline = format!("fill=\"{INK}\" stroke=\"{CARD}\" stroke-width=\"1.5\"");
        svg.path("must", &marker(scale.x(*must), middle), &outline);
    }
    let mut text = String::new();
    let value = |side: Option<Summary>| side.map_or("-".into(), |side| number(side.median));
    let _ = write!(text, "{} : {} {unit}", value(row.value()), value(row.peer_value()));
    let ratio = row.ratio().map_or_else(String::new, |ratio| number(ratio.median));
    svg.text(
        (VALUES, middle + 4.5),
        Anchor::Start,
        &format!("{strong} font-weight=\"bold\""),
        &ratio,
    );
    svg.text((VALUES + 56.0, middle + 4.5), Anchor::Start, &soft, &text);
    svg.close();
}
