//! A link that a constant table of rules breaks, in memory that is all on the program's stack.

use tapsock_stack::fault::{
    Action, Answer, Delay, Distribution, Engine, Fixed, Hook, HookCall, Match, Memory, Observer,
    Record, Rule, Script, When,
};
use tapsock_stack::link::fault::Fault;
use tapsock_stack::link::{Link, LinkError};
use tapsock_stack::time::{Duration, Instant};

const RULES: [Rule; 3] = [
    Rule::new("lose-1st").on(Match::TX).when(When::nth(1)).does(&[Action::Drop]).expecting(1, 1),
    Rule::new("ask").on(Match::TX).does(&[Action::Hook(1)]),
    Rule::new("delay").on(Match::TX).when(When::prob(1.0)).does(&[Action::Delay(Delay {
        mean: Duration::from_millis(50),
        jitter: Duration::from_millis(1),
        dist: Distribution::Normal,
        correlation: 0.0,
    })]),
];

/// Counts what it is given.
#[derive(Debug, Default)]
struct Wire {
    sent: usize,
}

impl Link for Wire {
    fn mtu(&self) -> usize {
        1500
    }
    fn is_up(&self) -> bool {
        true
    }
    fn receive(&mut self, _: Instant, _: &mut [u8]) -> Result<Option<usize>, LinkError> {
        Ok(None)
    }
    fn transmit(&mut self, _: Instant, _: &[u8]) -> Result<(), LinkError> {
        self.sent += 1;
        Ok(())
    }
}

/// Gives the number of the step that went wrong.
pub(crate) fn faults(step: i32) -> Result<(), i32> {
    let mut memory = Fixed::<3, 4, 4, 128>::new();
    let mut records = 0;
    let mut observer = |_: &Record<'_>| records += 1;
    let mut hook = |_: &HookCall<'_>, _: &mut [u8]| Answer::Pass;
    run(&mut memory, &mut observer, &mut hook, step)?;
    if records > 0 { Ok(()) } else { Err(step + 4) }
}

fn run<'a>(
    memory: &'a mut Fixed<3, 4, 4, 128>,
    observer: &'a mut (dyn Observer + Send + 'a),
    hook: &'a mut (dyn Hook + Send + 'a),
    step: i32,
) -> Result<(), i32> {
    let script = Script::new(1).with_rules(&RULES);
    let engine = Engine::new(script, Memory::fixed(memory), Instant::ZERO)
        .map_err(|_| step)?
        .observed_by(observer)
        .hooked_by(hook);
    let mut link = Fault::new(Wire::default(), engine);
    for _ in 0..3 {
        link.transmit(Instant::ZERO, &[0; 60]).map_err(|_| step + 1)?;
    }
    if link.link().sent != 0 || link.poll_at().is_none() {
        return Err(step + 2);
    }
    let _ = link.receive(Instant::from_millis(60), &mut [0; 128]);
    let held = link.engine().report().all(|hits| hits.holds());
    if link.link().sent != 2 || link.poll_at().is_some() || !held {
        return Err(step + 3);
    }
    Ok(())
}
