//! Changes to the rules of an engine that runs.

use smoltcp::time::Instant;

#[cfg(feature = "alloc")]
use super::engine::Core;
use super::engine::Engine;
use super::record::{Counters, Record};
use super::rule::Switch;
#[cfg(feature = "alloc")]
use super::rule::{Action, EventAct, Rule};
#[cfg(feature = "alloc")]
use super::script::{Script, ScriptError};
#[cfg(feature = "alloc")]
use super::state::RuleState;
use super::state::begin;

impl Engine<'_> {
    /// Appends a rule, which begins to count now, and gives its index.
    ///
    /// # Errors
    /// What is wrong with it; [`ScriptError::TooManyRules`] when there is no memory for it. The
    /// script is as it was.
    #[cfg(feature = "alloc")]
    pub fn add(&mut self, rule: Rule, now: Instant) -> Result<usize, ScriptError> {
        let index = self.rules.len();
        if self.core.states.len() <= index {
            return Err(ScriptError::TooManyRules);
        }
        let mut rules = self.rules.to_vec();
        rules.push(rule);
        let events = alloc::vec::Vec::from(&*self.events);
        let script = Script::new(self.seed).with_rules(rules).with_events(events);
        if index + script.events.len() + 1 >= usize::from(u16::MAX) {
            return Err(ScriptError::TooLong);
        }
        script.check_rule(index, &rule)?;
        let after = rule.when.after_rule.and_then(|name| script.rule(&name));
        if let Some(state) = self.core.states.get_mut(index) {
            *state = begin(&rule, after, self.seed, now);
        }
        self.core.forget_counts(index);
        self.switched_on += usize::from(rule.switch == Switch::On);
        self.rules = script.rules;
        Ok(index)
    }

    /// Takes the rule with this index away; those below it move up by one. Frames that it holds
    /// back or has forged go on at their time.
    ///
    /// # Errors
    /// [`ScriptError::InUse`] while another rule or an event to come refers to it by its name. The
    /// script is as it was. Nothing happens when there is no such rule.
    #[cfg(feature = "alloc")]
    pub fn remove(&mut self, rule: usize) -> Result<(), ScriptError> {
        let Some(Rule { name, .. }) = self.rules.get(rule).copied() else { return Ok(()) };
        let others = self.rules.iter().enumerate().filter(|(index, _)| *index != rule);
        let needed = others.into_iter().any(|(_, other)| {
            other.when.after_rule == Some(name)
                || other
                    .actions
                    .iter()
                    .any(|action| matches!(action, Action::Hold { until, .. } if *until == name))
        });
        let switched = self
            .events
            .iter()
            .any(|event| matches!(event.act, EventAct::Switch(switched, _) if switched == name));
        if needed || switched {
            return Err(ScriptError::InUse(name));
        }
        self.switch(rule, Switch::Off);
        let mut rules = self.rules.to_vec();
        rules.remove(rule);
        self.rules = rules.into();
        self.core.remove_rule(rule, self.events.len());
        Ok(())
    }

    /// Whether the rule with this index is switched on.
    pub fn is_on(&self, rule: usize) -> bool {
        rule < self.rules.len()
            && self.core.states.get(rule).is_some_and(|state| state.switch == Switch::On)
    }

    /// Tells the observer that somebody has changed the rules while the engine runs. Whoever does
    /// so and wants captures and logs to know calls this as well; the engine makes no use of
    /// `text`.
    pub fn note(&mut self, now: Instant, text: &str) {
        self.core.tell(&Record::Change { now, text });
    }

    /// Sets the counts of all rules to zero, and their random numbers to the beginning. Whether
    /// they are switched on stays as it is.
    pub fn reset(&mut self, now: Instant) {
        let seed = self.seed;
        for (index, rule) in self.rules.iter().enumerate() {
            if let Some(state) = self.core.states.get_mut(index) {
                let (switch, after) = (state.switch, Some(state.after));
                *state = begin(rule, after, seed, now);
                state.switch = switch;
            }
        }
        self.core.counts.fill(0);
    }
}

#[cfg(feature = "alloc")]
impl Core<'_> {
    /// Forgets what is known about a rule and moves up those below it. `events` come before the
    /// rules in the numbers of triggers.
    fn remove_rule(&mut self, rule: usize, events: usize) {
        self.states.copy_within(rule + 1.., rule);
        if let Some(last) = self.states.last_mut() {
            *last = RuleState::EMPTY;
        }
        let moved = |index: u16| if usize::from(index) > rule { index - 1 } else { index };
        for state in self.states.iter_mut().filter(|state| state.after != u16::MAX) {
            state.after = moved(state.after);
        }
        let flows = self.flows.len();
        self.counts.copy_within((rule + 1) * flows.., rule * flows);
        let last = self.counts.len().saturating_sub(flows);
        if let Some(counts) = self.counts.get_mut(last..) {
            counts.fill(0);
        }
        self.pool.remove_rule(rule, events);
    }

    fn forget_counts(&mut self, rule: usize) {
        let flows = self.flows.len();
        if let Some(counts) = self.counts.get_mut(rule * flows..(rule + 1) * flows) {
            counts.fill(0);
        }
    }
}

impl Counters {
    /// Every counter with its name, in the order of their declaration.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let Self {
            entered,
            left,
            dropped,
            lost,
            overflowed,
            exhausted,
            too_large,
            down,
            copied,
            forged,
            forgotten,
        } = *self;
        [
            ("entered", entered),
            ("left", left),
            ("dropped", dropped),
            ("lost", lost),
            ("overflowed", overflowed),
            ("exhausted", exhausted),
            ("too-large", too_large),
            ("down", down),
            ("copied", copied),
            ("forged", forged),
            ("forgotten", forgotten),
        ]
        .into_iter()
    }
}
