//! Colours and measures of the picture. The colours can be told apart by people who see no
//! difference between red and green, and lie on a white card of their own.

/// Width of the picture.
pub(super) const WIDTH: f64 = 1280.0;

/// The card.
pub(super) const CARD: &str = "#ffffff";
/// Text, and what is most important.
pub(super) const INK: &str = "#1b1f24";
/// Text of less importance.
pub(super) const SOFT: &str = "#57606a";
/// Frames.
pub(super) const AXIS: &str = "#8c959f";
/// Lines to read values by.
pub(super) const GRID: &str = "#e6e9ed";

/// New data.
pub(super) const SEGMENT: &str = "#2f3b4b";
/// Data once more, and resets.
pub(super) const RETRANSMISSION: &str = "#d1242f";
/// Data that was overtaken.
pub(super) const OUT_OF_ORDER: &str = "#e08600";
/// Keep-alives and window probes.
pub(super) const PROBE: &str = "#0a7ea4";
/// Acknowledgments.
pub(super) const ACK: &str = "#1a7f37";
/// The receive window.
pub(super) const WINDOW: &str = "#bf6a02";
/// Selective acknowledgments.
pub(super) const SACK: &str = "#8250df";
/// What faults did.
pub(super) const FAULT: &str = "#bf2a86";
/// ICMP, ARP and neighbor discovery.
pub(super) const CONTROL: &str = "#7a5a2e";
