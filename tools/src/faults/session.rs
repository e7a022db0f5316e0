//! The script of a live session: what a stack ran with, and what was changed while it ran, as
//! rules that events switch on and off at the times of the changes. A rule that is switched off
//! counts nothing, so that chance decides about the same frames as in the session.

use std::path::Path;

use serde_json::Value;
use tapsock_stack::fault::{Action, Event, EventAct, Model, Name, Rule, Switch};
use tapsock_stack::time::Duration;
use wsa::start::FaultDocument;

use crate::output::Failure;

/// A script, and what of the session it cannot say, a sentence each.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) document: FaultDocument,
    pub(super) lost: Vec<String>,
}

/// A rule of the session that is there now.
#[derive(Debug, Clone)]
struct Present {
    /// What the session calls it.
    name: String,
    /// Its index among the rules of the script.
    index: usize,
    on: bool,
}

/// Reads the events that a stack has written.
///
/// # Errors
/// [`Failure::Usage`] when they are none, or say what no stack writes.
pub(super) fn read(path: &Path) -> Result<Session, Failure> {
    let named = |why: &str| Failure::Usage(format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(path)
        .map_err(|error| named(&format!("it cannot be read ({error}); name another file")))?;
    of_events(&text).map_err(|why| named(&why))
}

fn of_events(text: &str) -> Result<Session, String> {
    let mut session: Option<Making> = None;
    for (number, line) in text.lines().enumerate() {
        // A program that was killed may leave half a line.
        let Ok(event) = serde_json::from_str::<Value>(line) else { continue };
        match event["what"].as_str() {
            // Of several stacks the last one counts, as in the report.
            Some("begin") => session = Some(Making::new(&event)?),
            Some("live") => {
                let Some(session) = &mut session else { continue };
                let change = event["text"].as_str().unwrap_or_default();
                let at = Duration::from_micros(micros(&event["t"]));
                session.change(at, change).map_err(|why| format!("line {}: {why}", number + 1))?;
            }
            _ => {}
        }
    }
    match session {
        Some(session) => Ok(session.done()),
        None => Err("no stack has written it; give the file that --events or TAPSOCK_EVENTS \
                     named"
            .into()),
    }
}

fn micros(seconds: &Value) -> u64 {
    // Saturates; a stack writes no negative times.
    (seconds.as_f64().unwrap_or_default() * 1e6).round() as u64
}

struct Making {
    document: FaultDocument,
    present: Vec<Present>,
    paused: bool,
    lost: Vec<String>,
}

impl Making {
    fn new(begin: &Value) -> Result<Self, String> {
        let script = begin["script"].as_str().unwrap_or_default();
        let mut document = if script.is_empty() {
            FaultDocument::default()
        } else {
            FaultDocument::parse(script).map_err(|error| format!("the script in it: {error}"))?
        };
        let seed = begin["seed"].as_str().and_then(|seed| seed.strip_prefix("0x"));
        document.seed = seed.and_then(|seed| u64::from_str_radix(seed, 16).ok()).or(document.seed);
        let present = document.rules.iter().enumerate().map(|(index, rule)| Present {
            name: rule.name.to_string(),
            index,
            on: rule.switch == Switch::On,
        });
        Ok(Self { present: present.collect(), document, paused: false, lost: Vec::new() })
    }

    fn change(&mut self, at: Duration, change: &str) -> Result<(), String> {
        let (verb, about) = change.split_once(' ').unwrap_or((change, ""));
        match verb {
            "add" => {
                let rule: Rule = about.parse().map_err(|error| format!("{error}"))?;
                let (name, on) = (rule.name.to_string(), rule.switch == Switch::On);
                let index = self.append(rule)?;
                if on && !self.paused {
                    self.switch(at, index, Switch::On);
                }
                self.present.push(Present { name, index, on });
            }
            "remove" => {
                let place = self.find(about)?;
                let Present { index, on, .. } = self.present.remove(place);
                if on && !self.paused {
                    self.switch(at, index, Switch::Off);
                }
            }
            "enable" | "disable" => {
                let place = self.find(about)?;
                let switch = if verb == "enable" { Switch::On } else { Switch::Off };
                let present = &mut self.present[place];
                present.on = switch == Switch::On;
                let index = present.index;
                if !self.paused {
                    self.switch(at, index, switch);
                }
            }
            "pause" | "resume" => self.pause(at, verb == "pause"),
            "reset" => self.reset(at)?,
            _ => return Err(format!("a stack does not say \"{change}\"")),
        }
        Ok(())
    }

    fn find(&self, name: &str) -> Result<usize, String> {
        let place = self.present.iter().position(|rule| rule.name == name);
        place.ok_or_else(|| format!("there was no rule \"{name}\" at that time"))
    }

    /// A rule that waits to be switched on. It gets another name where an earlier one has its own.
    fn append(&mut self, rule: Rule) -> Result<usize, String> {
        let name = self.free(rule.name)?;
        if name != rule.name && rule.when.prob < 1.0 {
            // Its random numbers follow from its name.
            self.lost.push(format!(
                "the second rule \"{}\" has another name, \"{name}\", and so other luck",
                rule.name
            ));
        }
        self.document.rules.push(Rule { name, switch: Switch::Off, ..rule });
        Ok(self.document.rules.len() - 1)
    }

    fn free(&self, wanted: Name) -> Result<Name, String> {
        let taken = |name: &Name| {
            self.document.rules.iter().any(|rule| rule.name == *name)
                || self.document.events.iter().any(|event| event.name == *name)
        };
        if !taken(&wanted) {
            return Ok(wanted);
        }
        let candidates = (2..10_000).filter_map(|number| {
            let end = format!("-{number}");
            let mut begin = wanted.as_str();
            while begin.len() + end.len() > Name::LONGEST {
                begin = &begin[..begin.len() - begin.chars().next_back()?.len_utf8()];
            }
            Name::new(&format!("{begin}{end}"))
        });
        let mut candidates = candidates.filter(|name| !taken(name));
        candidates.next().ok_or_else(|| format!("there are too many rules \"{wanted}\""))
    }

    fn switch(&mut self, at: Duration, index: usize, switch: Switch) {
        let act = EventAct::Switch(self.document.rules[index].name, switch);
        let events = &mut self.document.events;
        let place = events.partition_point(|event| event.at <= at);
        events.insert(place, Event { name: Name::NONE, at, act });
    }

    fn pause(&mut self, at: Duration, pause: bool) {
        if self.paused == pause {
            return;
        }
        self.paused = pause;
        let switch = if pause { Switch::Off } else { Switch::On };
        for index in
            self.present.iter().filter(|rule| rule.on).map(|rule| rule.index).collect::<Vec<_>>()
        {
            self.switch(at, index, switch);
        }
        let FaultDocument { tx, rx, events, .. } = &self.document;
        let others = events.iter().any(|event| !matches!(event.act, EventAct::Switch(..)));
        if pause && (*tx != Model::IDEAL || *rx != Model::IDEAL || others) {
            self.lost
                .push(format!("the pause at {at} held back the link model and the events as well"));
        }
    }

    /// All rules begin anew: they end, and others of their kind go on.
    fn reset(&mut self, at: Duration) -> Result<(), String> {
        let mut renamed = Vec::new();
        for place in 0..self.present.len() {
            let Present { index, on, .. } = self.present[place];
            let old = self.document.rules[index];
            let fresh = self.append(old)?;
            if on && !self.paused {
                self.switch(at, index, Switch::Off);
                self.switch(at, fresh, Switch::On);
            }
            self.present[place].index = fresh;
            renamed.push((old.name, self.document.rules[fresh].name));
        }
        let new_name =
            |name: Name| renamed.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| *new);
        for Present { index, .. } in &self.present {
            let rule = &mut self.document.rules[*index];
            rule.when.after_rule = rule.when.after_rule.map(new_name);
            for place in 0..rule.actions.len() {
                if let Action::Hold { until, limit } = rule.actions[place] {
                    let hold = Action::Hold { until: new_name(until), limit };
                    let mut actions = rule.actions.to_vec();
                    actions[place] = hold;
                    *rule = rule.does(&actions);
                }
            }
        }
        Ok(())
    }

    fn done(self) -> Session {
        Session { document: self.document, lost: self.lost }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tapsock_stack::config::SynTiming;
    use tapsock_stack::fault::Engine;
    use tapsock_stack::link::capture::SharedBuffer;
    use tapsock_stack::sim::{Conditions, Pair};
    use tapsock_stack::time::Instant;
    use wsa::Error;
    use wsa::constants::{AF_INET, SOCK_STREAM};
    use wsa::engine::stepped::Simulated;

    use super::*;

    fn events(script: &str, changes: &[(f64, &str)]) -> String {
        let begin = serde_json::json!({"what": "begin", "seed": "0x7", "script": script});
        let changes = changes
            .iter()
            .map(|(at, text)| serde_json::json!({"t": at, "what": "live", "text": text}));
        let lines: Vec<String> =
            [begin].into_iter().chain(changes).map(|line| line.to_string()).collect();
        lines.join("\n")
    }

    /// The rules of the script on a line each, and its events.
    fn shown(changes: &[(f64, &str)]) -> (Vec<String>, Vec<(u64, String, Switch)>) {
        let script =
            "version = 1\n[[rule]]\nname = \"old\"\nmatch = { dir = \"rx\" }\ndo = \"drop\"\n";
        let Session { document, lost } = of_events(&events(script, changes)).unwrap();
        assert_eq!(lost, [""; 0]);
        assert_eq!(document.seed, Some(7));
        // It is a script that can be read again.
        let again: FaultDocument = document.to_string().parse().unwrap();
        assert_eq!((&again.rules, &again.events), (&document.rules, &document.events));
        let rules = document.rules.iter().map(ToString::to_string).collect();
        let events = document.events.iter().map(|event| match event.act {
            EventAct::Switch(name, switch) => (event.at.total_millis(), name.to_string(), switch),
            other => panic!("{other:?}"),
        });
        (rules, events.collect())
    }

    fn line(text: &str) -> Rule {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_added_begins_then_and_what_is_removed_ends() {
        let (rules, events) = shown(&[
            (1.5, "add name=lose tx tcp drop"),
            (2.0, "remove old"),
            (3.0, "remove lose"),
            (4.0, "add name=lose tx udp drop"),
        ]);
        let off = |text| Rule { switch: Switch::Off, ..line(text) };
        assert_eq!(
            rules.iter().map(|rule| line(rule)).collect::<Vec<_>>(),
            [
                line("name=old rx drop"),
                off("name=lose tx tcp drop"),
                off("name=lose-2 tx udp drop"),
            ]
        );
        let at = |at, name: &str, switch| (at, name.to_string(), switch);
        assert_eq!(
            events,
            [
                at(1500, "lose", Switch::On),
                at(2000, "old", Switch::Off),
                at(3000, "lose", Switch::Off),
                at(4000, "lose-2", Switch::On),
            ]
        );
    }

    #[test]
    fn switches_and_pauses_are_events_and_a_pause_keeps_what_is_off() {
        let (_, events) = shown(&[
            (1.0, "add name=lose tx tcp drop"),
            (2.0, "disable lose"),
            (3.0, "pause"),
            (4.0, "enable lose"),
            (5.0, "resume"),
        ]);
        let (lose, old) = ("lose".to_string(), "old".to_string());
        assert_eq!(
            events,
            [
                (1000, lose.clone(), Switch::On),
                (2000, lose.clone(), Switch::Off),
                (3000, old.clone(), Switch::Off),
                (5000, old, Switch::On),
                (5000, lose, Switch::On),
            ]
        );
    }

    #[test]
    fn after_a_reset_the_same_rules_begin_anew_and_refer_to_each_other() {
        let (rules, events) = shown(&[
            (1.0, "add name=then tx after-rule=old nth=2 drop"),
            (2.0, "reset"),
            (3.0, "remove then"),
        ]);
        let rules: Vec<Rule> = rules.iter().map(|rule| line(rule)).collect();
        let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
        assert_eq!(names, ["old", "then", "old-2", "then-2"]);
        let after = |rule: &Rule| rule.when.after_rule.map(|name| name.to_string());
        assert_eq!(after(&rules[1]).as_deref(), Some("old"));
        assert_eq!(after(&rules[3]).as_deref(), Some("old-2"));
        let at = |at, name: &str, switch| (at, name.to_string(), switch);
        assert_eq!(
            events,
            [
                at(1000, "then", Switch::On),
                at(2000, "old", Switch::Off),
                at(2000, "old-2", Switch::On),
                at(2000, "then", Switch::Off),
                at(2000, "then-2", Switch::On),
                at(3000, "then-2", Switch::Off),
            ]
        );
    }

    /// What can be changed, and when, in milliseconds.
    type Changes = &'static [(u64, &'static str)];

    /// Connects to a closed port again and again over a link that `document` breaks. With
    /// `changes` the rules are changed meanwhile, as through the control socket. What the log says,
    /// what the calls gave, and everything that the peer's end of the network saw.
    fn play(document: &FaultDocument, changes: Changes) -> (String, Vec<i32>, Vec<u8>) {
        let pair = Pair::configured(3, Conditions::GOOD, |config| config.syn = SynTiming::TEST);
        let (log, wire) = (SharedBuffer::new(), SharedBuffer::new());
        let _faults = pair.client.faults(document.script(7)).unwrap();
        let _logging = pair.client.event_log(log.clone(), &document.to_string()).unwrap();
        pair.server.capture(wire.clone());
        for &(at, change) in changes {
            let host = pair.client.clone();
            pair.world.after(Duration::from_millis(at), move |_| {
                host.with(|stack, now| make(stack.link_mut().faults().unwrap(), now, change));
            });
        }
        let process = Simulated::process(pair.client.clone());
        process.wsa_startup(0x0202);
        let to: SocketAddr = "10.0.0.2:9".parse().unwrap();
        let codes = (0..40).map(|_| {
            let s = process.socket(AF_INET, SOCK_STREAM, 0).unwrap();
            let code = process.connect_to(s, to).map_or_else(Error::code, |()| 0);
            process.closesocket(s).unwrap();
            pair.world.run_for(Duration::from_millis(50));
            code
        });
        let codes = codes.collect();
        (String::from_utf8(log.to_vec()).unwrap(), codes, wire.to_vec())
    }

    /// As the control socket does it.
    fn make(engine: &mut Engine<'static>, now: Instant, change: &str) {
        let (verb, about) = change.split_once(' ').unwrap_or((change, ""));
        let rule = engine.rule(about);
        match verb {
            "add" => drop(engine.add(line(about), now).unwrap()),
            "remove" => engine.remove(rule.unwrap()).unwrap(),
            "enable" => engine.switch(rule.unwrap(), Switch::On),
            "disable" => engine.switch(rule.unwrap(), Switch::Off),
            "pause" => engine.pause(true),
            "resume" => engine.pause(false),
            "reset" => engine.reset(now),
            other => panic!("{other}"),
        }
        engine.note(now, change);
    }

    #[test]
    fn the_script_of_a_session_does_what_was_done_in_it() {
        let script = "version = 1\n[[rule]]\nname = \"old\"\nmatch = { dir = \"rx\", \
                      proto = \"tcp\" }\nwhen = { every = 5 }\ndo = \"drop\"\n";
        let document: FaultDocument = script.parse().unwrap();
        let changes: Changes = &[
            (300, "add name=lose rx tcp prob=0.5 drop"),
            (900, "disable old"),
            (1300, "pause"),
            (1700, "resume"),
            (2100, "enable old"),
            (3300, "remove lose"),
        ];
        let (log, codes, wire) = play(&document, changes);
        assert!(codes.contains(&10061), "{codes:?}");
        let session = of_events(&log).unwrap();
        assert_eq!(session.lost, [""; 0]);
        let (_, again, same) = play(&session.document, &[]);
        assert_eq!(again, codes);
        assert!(same == wire, "the peer saw the same frames at the same times");
        let (_, _, other) = play(&document, &[]);
        assert!(other != wire, "the changes mattered");
    }

    #[test]
    fn a_pause_that_a_script_cannot_say_is_told() {
        let text = events("version = 1\nlink = { delay = \"5 ms\" }\n", &[(1.0, "pause")]);
        assert_eq!(of_events(&text).unwrap().lost.len(), 1);
    }

    #[test]
    fn a_random_rule_that_begins_anew_is_told() {
        let changes = [(1.0, "add name=a tx prob=0.5 drop"), (2.0, "add name=b tx drop")];
        for (last, told) in [("reset", 1), ("remove a", 0)] {
            let text = events("", &[&changes[..], &[(3.0, last)]].concat());
            assert_eq!(of_events(&text).unwrap().lost.len(), told, "{last}");
        }
    }

    #[test]
    fn what_no_stack_writes_is_refused_with_the_line() {
        for (text, why) in [
            (String::new(), "no stack has written it"),
            (events("", &[(1.0, "remove gone")]), "line 2: there was no rule \"gone\""),
            (events("", &[(1.0, "dance")]), "line 2: a stack does not say"),
            (events("", &[(1.0, "add tx fly")]), "there is no word \"fly\""),
            (events("nonsense", &[]), "the script in it"),
        ] {
            let told = of_events(&text).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }

    #[test]
    fn a_name_that_is_too_long_for_a_number_is_cut_between_letters() {
        let long = "ü".repeat(24);
        let add = format!("add name={long} tx drop");
        let remove = format!("remove {long}");
        let text = events("", &[(1.0, &add), (2.0, &remove), (3.0, &add)]);
        let rules = of_events(&text).unwrap().document.rules;
        assert_eq!(rules[1].name.as_str(), format!("{}-2", "ü".repeat(23)));
    }
}
