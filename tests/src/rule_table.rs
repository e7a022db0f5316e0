//! Fault scripts as Rust constants, for images that cannot read text.

use std::fmt::Write as _;

use tapsock_stack::fault::text::Document;
use tapsock_stack::fault::{
    Action, Count, Flags, Match, Ports, Proto, Rule, Scope, Script, Span, When,
};
use tapsock_stack::link::Direction;

/// The rules of a script as the source text of a Rust constant `RULES`.
///
/// Tables know the words that the images use: which way, TCP or UDP, ports and flags; which frames
/// of those; drop; and how many hits are expected.
///
/// # Errors
/// A sentence that names the rule which says something else.
pub fn rule_table(document: &Document) -> Result<String, String> {
    let mut text = String::from(
        "use tapsock_stack::fault::{Action, Flags, Match, Proto, Rule, Scope, Span, When, ports};\n\
         use tapsock_stack::link::Direction;\n\n\
         pub(crate) const RULES: &[Rule] = &[\n",
    );
    let Script { rules, events, tx, rx, .. } = document.script(0);
    let ideal = Script::new(0);
    if !events.is_empty() || tx != ideal.tx || rx != ideal.rx {
        return Err("a table has rules only, neither events nor a link".into());
    }
    for rule in rules.iter() {
        let (source, plain) = entry(rule);
        // Whatever the table does not say is missing in the rule that it makes.
        if plain != *rule {
            return Err(format!("the rule '{}' says more than a table can", rule.name));
        }
        text.push_str(&source);
    }
    text.push_str("];\n");
    Ok(text)
}

/// A rule's text, and the rule that it stands for.
fn entry(rule: &Rule) -> (String, Rule) {
    let Match { dir, proto, sport, dport, flags, .. } = rule.matches;
    let proto = proto.filter(|proto| matches!(proto, Proto::Tcp | Proto::Udp));
    let count = match rule.when.count {
        count @ Count::Nth(_) => count,
        _ => Count::Any,
    };
    let mut plain = Rule::named(rule.name)
        .on(Match { dir, proto, sport, dport, flags, ..Match::ANY })
        .when(When { count, scope: rule.when.scope, ..When::ALWAYS })
        .does(&[Action::Drop]);
    let mut text = format!("    Rule::new({:?})\n        .on(Match {{\n", rule.name.to_string());
    let mut field = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = writeln!(text, "            {name}: Some({value}),");
        }
    };
    field(
        "dir",
        dir.map(|dir| match dir {
            Direction::Inbound => "Direction::Inbound".into(),
            Direction::Outbound => "Direction::Outbound".into(),
        }),
    );
    field("proto", proto.map(|proto| format!("Proto::{proto:?}")));
    field(
        "flags",
        flags.map(|flags| match flags {
            Flags::Some { set, clear } => format!("Flags::Some {{ set: {set}, clear: {clear} }}"),
            Flags::Exactly(flags) => format!("Flags::Exactly({flags})"),
        }),
    );
    for (name, ports) in [("sport", sport), ("dport", dport)] {
        if let Some(ports) = ports {
            let _ = writeln!(text, "            {name}: ports(&[{}]),", spans(&ports));
        }
    }
    text.push_str("            ..Match::ANY\n        })\n");
    match count {
        Count::Nth(number) => {
            let scope = match rule.when.scope {
                Scope::Flow => "Flow",
                Scope::Rule => "Rule",
                Scope::Dir => "Dir",
            };
            let _ = writeln!(
                text,
                "        .when(When {{ scope: Scope::{scope}, ..When::nth({number}) }})"
            );
        }
        _ => plain.when.scope = When::ALWAYS.scope,
    }
    text.push_str("        .does(&[Action::Drop])");
    if let Some(Span { first, last }) = rule.expect {
        plain = plain.expecting(first, last);
        let _ = write!(text, "\n        .expecting({first}, {last})");
    }
    text.push_str(",\n");
    (text, plain)
}

fn spans(ports: &Ports) -> String {
    let span = |Span { first, last }: &Span| format!("Span {{ first: {first}, last: {last} }}");
    ports.iter().map(span).collect::<Vec<_>>().join(", ")
}
