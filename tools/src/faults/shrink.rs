//! Makes a failing run smaller: which of its decisions are enough to fail in the same way?
//!
//! The run is made once and its decisions are kept: every firing of a rule, everything that chance
//! did on the link, every event, and what is certain about the link. Delta debugging (A. Zeller
//! and R. Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002) then looks for a
//! part from which nothing can be left out. What is left is written as a script: a firing as the
//! number of the frame, a loss as a rule that drops it. Every step is shown by a run.

use tapsock_stack::event::CauseKind;
use tapsock_stack::fault::{
    Action, Carriage, Chance, Checksums, Count, Delay, EventAct, Firing, Limit, Match, Model, Name,
    Part, Rule, Scope, Short, When,
};
use tapsock_stack::link::Direction;
use tapsock_stack::time::Duration;
use wsa::config::Configuration;

use super::decisions::Decisions;
use super::expect::Ending;
use super::run::{Case, Run, Watching, watched};
use crate::output::Failure;
use crate::stage::Medium;

/// What became of a failing run.
#[derive(Debug)]
pub struct Shrunk {
    /// The smallest case that was found. Unless [`Shrunk::is_script`], it has
    /// [forced](Case::forced) decisions.
    pub case: Case,
    /// What comes of it.
    pub run: Run,
    /// Decisions, events and properties of the link before and after.
    pub parts: (usize, usize),
    /// How many runs it took.
    pub runs: usize,
    /// Nothing can be left out. Otherwise the runs were used up before that was known.
    pub is_minimal: bool,
    /// It fails without forced decisions, so that it can be written as a script.
    pub is_script: bool,
}

/// Why there is nothing to make smaller.
#[derive(Debug)]
pub enum Unshrinkable {
    /// All expectations hold.
    Holds(Box<Run>),
    /// The expectation holds, and only the hits of a rule are not as they must be.
    OnlyHits(Box<Run>),
    /// It could not be run.
    Failed(Failure),
}

impl From<Failure> for Unshrinkable {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What two runs that fail in the same way have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Manner {
    ending: Ending,
    call: &'static str,
    kind: Option<CauseKind>,
}

impl Manner {
    fn of(run: &Run) -> Self {
        Self { ending: run.ending, call: run.call, kind: run.cause.map(|cause| cause.kind) }
    }
}

/// A property of the link that is no matter of chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Property {
    Rate,
    Delay,
    Queue,
}

const PROPERTIES: [Property; 3] = [Property::Rate, Property::Delay, Property::Queue];

impl Property {
    fn is_in(self, model: &Model) -> bool {
        match self {
            Self::Rate => model.rate.is_some(),
            Self::Delay => model.delay != Model::IDEAL.delay,
            Self::Queue => model.queue != Limit::None,
        }
    }

    fn take_from(self, model: &mut Model) {
        match self {
            Self::Rate => model.rate = None,
            Self::Delay => model.delay = Delay::fixed(Duration::ZERO),
            Self::Queue => model.queue = Limit::None,
        }
    }
}

/// What may be left out.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Atom {
    Firing(Firing),
    Lane(Carriage),
    Event(usize),
    Link(Direction, Property),
}

impl Atom {
    /// Atoms of a group are first left out together.
    fn group(&self) -> (u8, usize) {
        match self {
            Self::Firing(firing) => (0, firing.rule.into()),
            Self::Lane(one) => (1, usize::from(one.direction == Direction::Outbound)),
            Self::Event(_) => (2, 0),
            Self::Link(..) => (3, 0),
        }
    }
}

/// Makes runs and counts them.
struct Lab<'c> {
    seed: u64,
    configuration: &'c Configuration,
    manner: Manner,
    runs: usize,
    most: usize,
}

impl Lab<'_> {
    fn spent(&self) -> bool {
        self.runs >= self.most
    }

    /// The run of `case`, if it fails in the same way.
    fn fails(&mut self, case: &Case) -> Option<Run> {
        if self.spent() {
            return None;
        }
        self.runs += 1;
        // A case that cannot be run, as a rule that another one names is missing, fails otherwise.
        let run = quickly(case, self.seed, self.configuration).ok()?;
        let expected = case.expect.as_ref().is_none_or(|expect| !expect.judge(&run).is_empty());
        (expected && Manner::of(&run) == self.manner).then_some(run)
    }
}

/// Makes a failing run smaller, in virtual time and in at most `most` runs.
///
/// # Errors
/// [`Unshrinkable`] when the run does not fail, or cannot be made.
pub fn shrink(
    case: &Case,
    seed: u64,
    configuration: &Configuration,
    most: usize,
) -> Result<Shrunk, Unshrinkable> {
    let first = quickly(case, seed, configuration)?;
    if first.holds() {
        return Err(Unshrinkable::Holds(Box::new(first)));
    }
    if case.expect.as_ref().is_none_or(|expect| expect.judge(&first).is_empty()) {
        return Err(Unshrinkable::OnlyHits(Box::new(first)));
    }
    let manner = Manner::of(&first);
    let mut lab = Lab { seed, configuration, manner, runs: 1, most };
    let mut case = case.clone();
    for rule in &mut case.rules {
        // What is left of a rule need not fire as many times as the whole.
        rule.expect = None;
    }
    let whole = atoms(&case, &first.decisions);
    let mut kept = whole.clone();
    let mut test = |atoms: &[Atom]| lab.fails(&forced(&case, atoms)).is_some();
    leave_out_groups(&mut kept, &mut test);
    minimize(&mut kept, &mut test);
    let parts = (whole.len(), kept.len());

    let smallest = forced(&case, &kept);
    let mut best = None;
    for written in scripts(&smallest, &kept) {
        if let Some(run) = lab.fails(&written) {
            best = Some(simplified(&mut lab, written, run));
            break;
        }
    }
    let is_minimal = !lab.spent();
    let is_script = best.is_some();
    let (case, run) = match best {
        Some(best) => best,
        None => {
            let run = quickly(&smallest, seed, configuration)?;
            (smallest, run)
        }
    };
    Ok(Shrunk { case, run, parts, runs: lab.runs, is_minimal, is_script })
}

fn quickly(case: &Case, seed: u64, configuration: &Configuration) -> Result<Run, Failure> {
    watched(case, "", Watching::Nothing, Medium::Simulated, seed, configuration)
}

fn atoms(case: &Case, decisions: &Decisions) -> Vec<Atom> {
    let mut atoms: Vec<Atom> = decisions.firings.iter().copied().map(Atom::Firing).collect();
    atoms.extend(decisions.lanes.iter().copied().map(Atom::Lane));
    atoms.extend((0..case.events.len()).map(Atom::Event));
    for (direction, model) in [(Direction::Outbound, &case.tx), (Direction::Inbound, &case.rx)] {
        let properties = PROPERTIES.into_iter().filter(|property| property.is_in(model));
        atoms.extend(properties.map(|property| Atom::Link(direction, property)));
    }
    atoms
}

/// The case with these decisions, events and properties alone.
fn forced(case: &Case, atoms: &[Atom]) -> Case {
    let mut part = case.clone();
    let mut decisions = Decisions::default();
    let mut events = Vec::new();
    for atom in atoms {
        match *atom {
            Atom::Firing(firing) => decisions.firings.push(firing),
            Atom::Lane(one) => decisions.lanes.push(one),
            Atom::Event(index) => events.extend(case.events.get(index)),
            Atom::Link(..) => {}
        }
    }
    decisions.sort();
    for (direction, model) in
        [(Direction::Outbound, &mut part.tx), (Direction::Inbound, &mut part.rx)]
    {
        for property in PROPERTIES {
            if !atoms.contains(&Atom::Link(direction, property)) {
                property.take_from(model);
            }
        }
    }
    part.events = events;
    part.forced = Some(decisions);
    part
}

/// Leaves out what belongs together, as long as it fails.
fn leave_out_groups(kept: &mut Vec<Atom>, test: &mut impl FnMut(&[Atom]) -> bool) {
    let mut groups: Vec<_> = kept.iter().map(Atom::group).collect();
    groups.dedup();
    // Halves of all groups first: most rules of a long script have nothing to do with it.
    let mut size = groups.len().div_ceil(2).max(1);
    loop {
        let mut at = 0;
        while at < groups.len() {
            let end = groups.len().min(at + size);
            let out = &groups[at..end];
            let rest: Vec<Atom> =
                kept.iter().filter(|atom| !out.contains(&atom.group())).copied().collect();
            if rest.len() < kept.len() && test(&rest) {
                *kept = rest;
                groups.drain(at..end);
            } else {
                at = end;
            }
        }
        if size == 1 {
            return;
        }
        size = size.div_ceil(2);
    }
}

/// Leaves out ever smaller pieces until no single one can be spared.
fn minimize(kept: &mut Vec<Atom>, test: &mut impl FnMut(&[Atom]) -> bool) {
    let mut pieces = 2;
    while kept.len() > 1 || pieces == 2 {
        let size = kept.len().div_ceil(pieces).max(1);
        let mut shorter = false;
        let mut at = 0;
        while at < kept.len() {
            let end = kept.len().min(at + size);
            let rest = [&kept[..at], &kept[end..]].concat();
            if test(&rest) {
                *kept = rest;
                shorter = true;
            } else {
                at = end;
            }
        }
        if size == 1 && !shorter {
            return;
        }
        pieces = if shorter { 2.max(pieces - 1) } else { pieces * 2 }.min(kept.len().max(2));
        if kept.is_empty() {
            return;
        }
    }
}

/// The ways to write what is left without forced decisions, the plainest first.
fn scripts(forced: &Case, atoms: &[Atom]) -> Vec<Case> {
    let mut rules = Vec::new();
    for (index, rule) in forced.rules.iter().enumerate() {
        let fires = |atom: &Atom| match atom {
            Atom::Firing(firing) if usize::from(firing.rule) == index => Some(firing.matched),
            _ => None,
        };
        let numbers: Vec<u64> = atoms.iter().filter_map(fires).collect();
        if numbers.is_empty() {
            continue;
        }
        let when = counted(&numbers).map_or(rule.when, |count| When { count, ..When::ALWAYS });
        rules.push(Rule { when, ..*rule });
    }
    let is_kept = |name: &Name| rules.iter().any(|rule| rule.name == *name);
    let mut events = forced.events.clone();
    events.retain(|event| match event.act {
        EventAct::Switch(name, _) => is_kept(&name),
        _ => true,
    });
    let mut written = Case { rules, events, forced: None, ..forced.clone() };
    let original = (written.tx, written.rx);
    for model in [&mut written.tx, &mut written.rx] {
        *model = Model { rate: model.rate, delay: model.delay, queue: model.queue, ..Model::IDEAL };
    }
    let lanes: Vec<Carriage> = atoms
        .iter()
        .filter_map(|atom| match atom {
            Atom::Lane(one) => Some(*one),
            _ => None,
        })
        .collect();
    let by_chance = Case { tx: original.0, rx: original.1, ..written.clone() };
    written.rules.extend(rules_of(&lanes));
    if lanes.is_empty() { vec![written] } else { vec![written, by_chance] }
}

/// These numbers, as `when` says them; `None` for too many.
fn counted(numbers: &[u64]) -> Option<Count> {
    let numbers: Option<Vec<u32>> =
        numbers.iter().map(|number| u32::try_from(*number).ok()).collect();
    let numbers = numbers?;
    let (first, last) = (*numbers.first()?, *numbers.last()?);
    if first == last {
        return Some(Count::Nth(first));
    }
    if (last - first) as usize + 1 == numbers.len() {
        return Some(if first == 1 { Count::First(last) } else { Count::Range(first, last) });
    }
    Short::of(0, &numbers).map(Count::Among)
}

/// Rules that do what chance did on the link.
fn rules_of(lanes: &[Carriage]) -> Vec<Rule> {
    type Wanted = (&'static str, fn(&Chance) -> bool, Action);
    let kinds: [Wanted; 3] = [
        ("lost", |chance| chance.lost, Action::Drop),
        (
            "copied",
            |chance| chance.copied && !chance.lost,
            Action::Duplicate { copies: 1, delay: Duration::ZERO },
        ),
        (
            "corrupt",
            |chance| chance.corrupt && !chance.lost,
            Action::Corrupt { at: Part::Any, bits: 1, checksums: Checksums::Leave },
        ),
    ];
    let mut rules = Vec::new();
    // What is lost is not counted by the rules below, so that losses come last.
    for (kind, is_it, action) in kinds.into_iter().rev() {
        for (side, direction, base) in
            [("tx", Direction::Outbound, Match::TX), ("rx", Direction::Inbound, Match::RX)]
        {
            let numbers: Vec<u64> = lanes
                .iter()
                .filter(|one| one.direction == direction && is_it(&one.chance))
                .map(|one| one.number)
                .collect();
            for (index, piece) in numbers.chunks(16).enumerate() {
                let name = format!("{kind}-on-{side}-{}", index + 1);
                let (Some(name), Some(count)) = (Name::new(&name), counted(piece)) else {
                    continue;
                };
                let when = When { count, scope: Scope::Rule, ..When::ALWAYS };
                rules.push(Rule::named(name).on(base).when(when).does(&[action]));
            }
        }
    }
    rules
}

/// Leaves out actions of rules, and rules that do nothing.
fn simplified(lab: &mut Lab<'_>, mut case: Case, mut run: Run) -> (Case, Run) {
    for index in (0..case.rules.len()).rev() {
        for action in (0..case.rules[index].actions.len()).rev() {
            let mut actions = case.rules[index].actions.to_vec();
            if actions.len() == 1 {
                break;
            }
            actions.remove(action);
            let mut smaller = case.clone();
            smaller.rules[index] = smaller.rules[index].does(&actions);
            if let Some(fails) = lab.fails(&smaller) {
                (case, run) = (smaller, fails);
            }
        }
    }
    (case, run)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn firing(matched: u64) -> Atom {
        Atom::Firing(Firing { rule: 0, matched })
    }

    fn minimal(all: u64, wanted: &[u64]) -> (Vec<Atom>, usize) {
        let mut kept: Vec<Atom> = (1..=all).map(firing).collect();
        let mut tests = 0;
        minimize(&mut kept, &mut |atoms: &[Atom]| {
            tests += 1;
            wanted.iter().all(|matched| atoms.contains(&firing(*matched)))
        });
        (kept, tests)
    }

    #[test]
    fn what_is_left_cannot_be_made_smaller() {
        for wanted in [&[1][..], &[100], &[50], &[1, 100], &[3, 4, 77], &[]] {
            let (kept, tests) = minimal(100, wanted);
            assert_eq!(kept, wanted.iter().copied().map(firing).collect::<Vec<_>>());
            assert!(tests < 150, "{tests} tests for {wanted:?}");
        }
        assert_eq!(minimal(1, &[1]).0, [firing(1)]);
        assert_eq!(minimal(0, &[]).0, []);
    }

    #[test]
    fn numbers_are_said_in_the_shortest_way() {
        assert_eq!(counted(&[3]), Some(Count::Nth(3)));
        assert_eq!(counted(&[1, 2, 3]), Some(Count::First(3)));
        assert_eq!(counted(&[2, 3]), Some(Count::Range(2, 3)));
        assert_eq!(counted(&[2, 4]), Short::of(0, &[2, 4]).map(Count::Among));
        let even = |count: u64| (1..=count).map(|number| 2 * number).collect::<Vec<_>>();
        assert!(counted(&even(16)).is_some());
        assert_eq!(counted(&even(17)), None);
        assert_eq!(counted(&[u64::from(u32::MAX) + 1]), None);
        assert_eq!(counted(&[]), None);
    }
}
