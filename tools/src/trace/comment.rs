//! What the comments of a recording say about faults, as the stack's tapes write them
//! ([`tapsock_stack::link::tape`]).
//!
//! The story of a packet is a list behind semicolons: `rule=lose fired=1 verdict=drop; frame=4`
//! where it entered, `delayed 40 ms by rule=slow` where it left. Comments of other programs say
//! nothing here.

/// What was done to a packet, and by whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// The rule, `link-model`, `an event`, or `link`.
    pub(super) name: String,
    /// For which time the rule fired.
    pub(super) fired: Option<u64>,
    /// What it did, in the recording's words.
    pub(super) what: String,
    /// Whether the packet itself went no further.
    pub(super) loss: bool,
    /// Whether the packet was made by the rule.
    pub(super) forged: bool,
}

impl Mark {
    /// For people: `lose (1): drop`.
    pub(super) fn words(&self) -> String {
        let fired = self.fired.map_or(String::new(), |fired| format!(" ({fired})"));
        let colon = if self.what.is_empty() { "" } else { ": " };
        format!("{}{fired}{colon}{}", self.name, self.what)
    }
}

/// Verdicts after which a packet goes no further.
const LOSSES: [&str; 8] =
    ["drop", "lost", "overflow", "exhausted", "too-large", "down", "merge", "swallowed"];

/// The marks of a packet. That the link model delays it is none: that is how its link is.
pub(super) fn marks(comments: &[String]) -> Vec<Mark> {
    let is_link = |part: &&str| part.starts_with("link-model delay=");
    parts(comments).filter(|part| !is_link(part)).filter_map(mark).collect()
}

/// What is told where a packet left, such as `changed by rule=bits (corrupt)`. For how long it was
/// delayed its times say.
pub(super) fn asides(comments: &[String]) -> Vec<&str> {
    let told = |part: &&str| {
        ["changed by ", "copy ", "second part "].iter().any(|begin| part.starts_with(begin))
    };
    parts(comments).filter(told).collect()
}

/// What a note says about a frame that was held back and lost after all: its identifier, and how.
pub(super) fn lost_later(note: &str) -> Option<(u64, Mark)> {
    let (_, rest) = note.strip_prefix("lost on its way ")?.split_once("id=")?;
    let (id, rest) = rest.split_once(' ')?;
    // Not a copy of it, which is another frame.
    let told = rest.strip_prefix("the frame: ")?;
    Some((id.parse().ok()?, mark(told)?))
}

/// Whether the link is up from this note on.
pub(super) fn link_up(note: &str) -> Option<bool> {
    match note {
        "link up" | "link=up" => Some(true),
        "link down" | "link=down" => Some(false),
        _ => None,
    }
}

/// The text of a note that stands at the next packet: `at 0.010000 s: link down`.
pub(super) fn note_of(comment: &str) -> Option<&str> {
    let (time, text) = comment.strip_prefix("at ")?.split_once(" s: ")?;
    time.parse::<f64>().ok()?;
    Some(text)
}

fn parts(comments: &[String]) -> impl Iterator<Item = &str> {
    let stories = comments.iter().filter(|comment| note_of(comment).is_none());
    stories.flat_map(|story| story.split(['\n', ';'])).map(str::trim)
}

fn mark(part: &str) -> Option<Mark> {
    if let Some(rest) = part.strip_prefix("on a copy: ") {
        return mark(rest).map(|mark| Mark {
            loss: false,
            what: format!("{} (copy)", mark.what),
            ..mark
        });
    }
    // A copy of it that was lost is another frame.
    if part.starts_with("a copy by ") || part.starts_with("second part by ") {
        return None;
    }
    if let Some(rest) = part.strip_prefix("forged by ") {
        let name = rest.strip_prefix("rule=").and_then(|rest| rest.split(' ').next());
        let name = name.unwrap_or("an event").to_string();
        return Some(Mark { name, what: "forged".into(), forged: true, ..Mark::default() });
    }
    let (name, rest) = if let Some(rest) = part.strip_prefix("rule=") {
        value(rest)
    } else if let Some(rest) = part.strip_prefix("link-model") {
        ("link-model", rest)
    } else if let Some(rest) = part.strip_prefix("an event") {
        ("an event", rest)
    } else if part.starts_with("verdict=") {
        ("link", part)
    } else {
        return None;
    };
    let mut mark = Mark { name: name.to_string(), ..Mark::default() };
    let mut words = Vec::new();
    for word in rest.split(' ').filter(|word| !word.is_empty()) {
        if let Some(fired) = word.strip_prefix("fired=") {
            mark.fired = fired.parse().ok();
        } else if let Some(verdict) = word.strip_prefix("verdict=") {
            mark.loss |= LOSSES.contains(&verdict.trim_end_matches(','));
            words.push(verdict);
        } else {
            words.push(word);
        }
    }
    mark.what = words.join(" ");
    Some(mark)
}

/// A value, which may stand in quotes, and what follows it.
fn value(text: &str) -> (&str, &str) {
    if let Some(quoted) = text.strip_prefix('"')
        && let Some(parts) = quoted.split_once('"')
    {
        return parts;
    }
    text.split_once(' ').unwrap_or((text, ""))
}
