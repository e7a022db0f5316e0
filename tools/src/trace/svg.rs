//! A picture as text: SVG without scripts, style sheets or references to anything.

use std::fmt::Write;

/// Where a text is fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// At its beginning.
    Start,
    /// In its middle.
    Middle,
    /// At its end.
    End,
}

/// A picture that grows.
#[derive(Debug, Default)]
pub(crate) struct Svg {
    body: String,
}

/// The width of a character of a monospace font, by its size. No usual one is wider.
pub(crate) const ADVANCE: f64 = 0.61;

/// The fonts, of which every system has the last.
const FONTS: &str = "DejaVu Sans Mono, Menlo, Consolas, monospace";

impl Svg {
    /// The whole document.
    pub(crate) fn document(&self, width: f64, height: f64, title: &str) -> String {
        let (width, height) = (px(width), px(height));
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"{FONTS}\" role=\"img\">\n\
             <title>{}</title>\n{}</svg>\n",
            escape(title),
            self.body,
        )
    }

    /// Puts another picture on top.
    pub(crate) fn append(&mut self, other: &Self) {
        self.body.push_str(&other.body);
    }

    /// Opens a group, whose class says what is in it.
    pub(crate) fn open(&mut self, class: &str, attributes: &str) {
        let space = if attributes.is_empty() { "" } else { " " };
        let _ = writeln!(self.body, "<g class=\"{class}\"{space}{attributes}>");
    }

    /// Closes the group.
    pub(crate) fn close(&mut self) {
        self.body.push_str("</g>\n");
    }

    /// A rectangle.
    pub(crate) fn rect(&mut self, [x, y, width, height]: [f64; 4], attributes: &str) {
        let (x, y, width, height) = (px(x), px(y), px(width.max(0.0)), px(height.max(0.0)));
        let _ = writeln!(
            self.body,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" {attributes}/>"
        );
    }

    /// A straight line.
    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), attributes: &str) {
        let (x1, y1, x2, y2) = (px(from.0), px(from.1), px(to.0), px(to.1));
        let _ = writeln!(
            self.body,
            "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" {attributes}/>"
        );
    }

    /// A path; nothing when it is empty.
    pub(crate) fn path(&mut self, class: &str, path: &Path, attributes: &str) {
        if !path.data.is_empty() {
            let data = &path.data;
            let _ = writeln!(self.body, "<path class=\"{class}\" d=\"{data}\" {attributes}/>");
        }
    }

    /// A light ground for a text that lies on lines.
    pub(crate) fn backing(&mut self, at: (f64, f64), anchor: Anchor, size: f64, text: &str) {
        let wide = width(text, size) + 3.0;
        let left = match anchor {
            Anchor::Start => at.0 - 1.5,
            Anchor::Middle => at.0 - wide / 2.0,
            Anchor::End => at.0 - wide + 1.5,
        };
        let place = [left, at.1 - size * 0.85, wide, size * 1.1];
        self.rect(place, &format!("fill=\"{}\" fill-opacity=\"0.85\"", super::theme::CARD));
    }

    /// A text of one line.
    pub(crate) fn text(&mut self, at: (f64, f64), anchor: Anchor, attributes: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let (x, y) = (px(at.0), px(at.1));
        let space = if attributes.is_empty() { "" } else { " " };
        let text = escape(text);
        let _ = writeln!(
            self.body,
            "<text x=\"{x}\" y=\"{y}\"{anchor}{space}{attributes}>{text}</text>"
        );
    }
}

/// The data of a path.
#[derive(Debug, Clone, Default)]
pub(crate) struct Path {
    data: String,
}

impl Path {
    /// Lifts the pen to here.
    pub(crate) fn move_to(&mut self, x: f64, y: f64) {
        let _ = write!(self.data, "M{} {}", px(x), px(y));
    }

    /// Draws to here.
    pub(crate) fn line_to(&mut self, x: f64, y: f64) {
        let _ = write!(self.data, "L{} {}", px(x), px(y));
    }

    /// Draws a line.
    pub(crate) fn stroke(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.move_to(from.0, from.1);
        self.line_to(to.0, to.1);
    }

    /// Draws a cross around here.
    pub(crate) fn cross(&mut self, x: f64, y: f64, half: f64) {
        self.stroke((x - half, y - half), (x + half, y + half));
        self.stroke((x - half, y + half), (x + half, y - half));
    }

    /// Draws a closed shape.
    pub(crate) fn polygon(&mut self, corners: &[(f64, f64)]) {
        for (index, &(x, y)) in corners.iter().enumerate() {
            if index == 0 { self.move_to(x, y) } else { self.line_to(x, y) }
        }
        self.data.push('Z');
    }

    /// Draws a square around here.
    pub(crate) fn square(&mut self, x: f64, y: f64, half: f64) {
        let (left, right, top, bottom) = (x - half, x + half, y - half, y + half);
        self.polygon(&[(left, top), (right, top), (right, bottom), (left, bottom)]);
    }

    /// Draws the head of an arrow that comes from `from` and ends at `to`.
    pub(crate) fn arrow_head(&mut self, from: (f64, f64), to: (f64, f64), size: f64) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = dx.hypot(dy).max(f64::MIN_POSITIVE);
        let (ux, uy) = (dx / length, dy / length);
        let base = (to.0 - ux * size, to.1 - uy * size);
        let half = size * 0.4;
        self.polygon(&[
            to,
            (base.0 - uy * half, base.1 + ux * half),
            (base.0 + uy * half, base.1 - ux * half),
        ]);
    }
}

/// How wide a text of this size is.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * ADVANCE
}

/// The text, or its beginning and an ellipsis where it has more characters than `most`.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_string();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// A coordinate with one decimal. What is no number, or beyond any picture, is at its edge.
pub(crate) fn px(value: f64) -> String {
    let value = if value.is_nan() { 0.0 } else { value.clamp(-1e6, 1e7) };
    let rounded = (value * 10.0).round() / 10.0;
    // No negative zero.
    format!("{}", rounded + 0.0)
}

/// Text as XML. Characters that XML 1.0 does not have (section 2.2) become replacement characters.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => {
                escaped.push('\u{fffd}');
            }
            other => escaped.push(other),
        }
    }
    escaped
}
