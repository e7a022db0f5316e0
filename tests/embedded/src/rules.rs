// Made from tests/embedded/faults/lose-1st-synack.toml by the program rule-table.

use tapsock_stack::fault::{Action, Flags, Match, Proto, Rule, Scope, Span, When, ports};
use tapsock_stack::link::Direction;

pub(crate) const RULES: &[Rule] = &[
    Rule::new("lose-1st-synack")
        .on(Match {
            dir: Some(Direction::Inbound),
            proto: Some(Proto::Tcp),
            flags: Some(Flags::Some { set: 18, clear: 0 }),
            sport: ports(&[Span { first: 7004, last: 7004 }]),
            ..Match::ANY
        })
        .when(When { scope: Scope::Rule, ..When::nth(1) })
        .does(&[Action::Drop])
        .expecting(1, 1),
];
