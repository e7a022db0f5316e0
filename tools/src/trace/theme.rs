//! Colours and measures of the picture. The colours can be told apart by people who see no
//! difference between red and green, and lie on a white card of their own.

/// Width of the picture.
pub(crate) const WIDTH: f64 = 1280.0;

/// The card.
pub(crate) const CARD: &str = "#ffffff";
/// Text, and what is most important.
pub(crate) const INK: &str = "#1b1f24";
/// Text of less importance.
pub(crate) const SOFT: &str = "#57606a";
/// Frames.
pub(crate) const AXIS: &str = "#8c959f";
/// Lines to read values by.
pub(crate) const GRID: &str = "#e6e9ed";

/// New data.
pub(crate) const SEGMENT: &str = "#2f3b4b";
/// Data once more, and resets.
pub(crate) const RETRANSMISSION: &str = "#d1242f";
/// Data that was overtaken.
pub(crate) const OUT_OF_ORDER: &str = "#e08600";
/// Keep-alives and window probes.
pub(crate) const PROBE: &str = "#0a7ea4";
/// Acknowledgments.
pub(crate) const ACK: &str = "#1a7f37";
/// The receive window.
pub(crate) const WINDOW: &str = "#bf6a02";
/// Selective acknowledgments.
pub(crate) const SACK: &str = "#8250df";
/// What faults did.
pub(crate) const FAULT: &str = "#bf2a86";
/// ICMP, ARP and neighbor discovery.
pub(crate) const CONTROL: &str = "#7a5a2e";
