//! Faults by script: rules that break the network on purpose, exactly and repeatably.
//!
//! A [`Script`] has [`Rule`]s, which look at frames, [`Event`]s, which happen by the clock, and a
//! link [`Model`] for each direction. An [`Engine`] carries it out. It knows frames and time, no
//! files and no devices, and needs no heap: rules are constants or owned, and all its [`Memory`]
//! may be the caller's. [`link::fault`](crate::link::fault) puts an engine around any link.
//!
//! # What happens to a frame, in this order
//!
//! 1. While the link is down it is lost. A frame larger than the MTU that a script set is lost.
//! 2. The rules see it from top to bottom. What they change adds up, and rules see what those
//!    above them changed. The first that drops or swallows it ends this, unless the rule says
//!    [`Then::Continue`].
//! 3. The link model.
//!
//! Copies do not meet the rules unless the rule that made them says [`Rematch::Yes`]. Forged
//! frames meet neither rules nor the link model. A frame that could not be held back because no
//! memory was left is lost and counted.
//!
//! # Exactness
//!
//! Every rule counts what it matched and how many times it fired ([`Engine::hits`]), and an
//! [`Observer`] is told about every frame which rules saw it and why each did or did not act.
//! Every rule has random numbers of its own, which follow from the seed, its name and the
//! direction, so that adding a rule does not change what the others do. In virtual time they also
//! follow from which of the frames that the rule matches it is ([`Decide::Stream`]); on a real
//! network, where the order of frames differs between runs, from what the frame is and how many
//! times it was sent ([`Decide::Hash`]). The decisions of a run, of which the observer hears, can
//! be made again, all or a part of them ([`Forced`]).
//!
//! Scripts are also texts, files and single lines: see `fault::text`, which needs `std`.
//!
//! ```
//! use tapsock_stack::fault::{
//!     ACK, Action, Engine, Flags, Match, Memory, Model, Proto, Rule, SYN, Script, When,
//! };
//! use tapsock_stack::time::Instant;
//!
//! const RULES: &[Rule] = &[Rule::new("lose-1st-synack")
//!     .on(Match {
//!         proto: Some(Proto::Tcp),
//!         flags: Some(Flags::Some { set: SYN | ACK, clear: 0 }),
//!         ..Match::RX
//!     })
//!     .when(When::nth(1).per_flow())
//!     .does(&[Action::Drop])
//!     .expecting(1, 1)];
//!
//! let script = Script::new(7).with_rules(RULES);
//! let engine = Engine::new(script, Memory::growable(1, 16, 64, 1518), Instant::ZERO).unwrap();
//! assert!(engine.is_active());
//! assert!(!engine.hits(0).unwrap().holds(), "it has not fired yet");
//! ```

mod apply;
mod decide;
mod dist;
mod edit;
mod effect;
mod engine;
mod flow;
mod forge;
mod line;
mod live;
mod matching;
mod memory;
mod model;
mod pool;
mod record;
mod rule;
mod script;
mod short;
mod state;
#[cfg(feature = "std")]
pub mod text;
mod view;
mod when;

#[cfg(all(test, feature = "std"))]
mod tests;

pub use apply::{Answer, Hook, HookCall};
pub use dist::Distribution;
pub use engine::Engine;
pub use flow::FlowState;
pub use memory::{Fixed, Memory};
pub use model::{Chance, Delay, Limit, Loss, Model, Overtaking, Rate};
pub use pool::{Made, Slot, Source};
pub use record::{Both, Counters, Effect, Hits, Observer, Record, Verdict, Why};
pub use rule::{
    ACK, AckOf, Action, Actions, Checksums, Conn, Ecn, Event, EventAct, FIN, Field, Flags, Forge,
    IcmpFault, Lengths, LinkFault, Match, NeighborFault, Outcome, PSH, Part, Pattern, Ports, Proto,
    QuoteSeq, RST, Rematch, Rule, SYN, Seq, Side, Span, Switch, TcpOption, Then, URG, port, ports,
};
pub use script::{Carriage, Decide, Firing, Forced, Items, Script, ScriptError};
pub use short::{Name, Short};
pub use state::{RuleState, Sizes};
pub use view::View;
pub use when::{Count, Scope, When};

pub(crate) use engine::Passage;
