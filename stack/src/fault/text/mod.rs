//! The language of fault scripts: TOML files, and rules on one line.
//!
//! This page is its reference. A [`Document`] is a file, a [`Rule`](super::Rule) is also what one
//! line says (`"tx tcp nth=3 drop".parse()`), and both are written again by `Display`. What is
//! unknown is refused everywhere: a [`TextError`] has the sentence, the line and carets below the
//! value that is wrong. What is allowed but hardly meant is found by [`Document::lint`].
//!
//! ```
//! use tapsock_stack::fault::text::Document;
//!
//! let text = r#"
//! version = 1
//! seed = 0x5eed
//! profile = "3g"
//!
//! [link.tx]
//! delay = { mean = "40 ms", jitter = "10 ms", dist = "normal", correlation = 0.25 }
//! queue = { limit = "64 KiB", policy = "drop-tail" }
//!
//! [[rule]]
//! name = "lose-1st-synack"
//! match = { dir = "rx", proto = "tcp", flags = "+SYN +ACK", sport = [80, "8000..=8010"] }
//! when = { nth = 1, scope = "flow" }
//! do = "drop"
//! expect = { hits = 1 }
//!
//! [[event]]
//! at = "5 s"
//! do = { link = "down", for = "800 ms" }
//! "#;
//! let script: Document = text.parse()?;
//! assert_eq!(script.lint(), []);
//! assert_eq!(script.rules[0].to_string(), "name=lose-1st-synack rx tcp \
//!     sport=[80,8000..=8010] flags=+SYN+ACK nth=1 scope=flow drop expect=1");
//! assert_eq!(script.to_string().parse(), Ok(script));
//!
//! let wrong = "version = 1\n[[rule]]\nname = \"r\"\ndo = { delay = 40 }\n";
//! assert_eq!(wrong.parse::<Document>().unwrap_err().to_string(), "\
//! line 4, column 16: delay needs a unit after 40, as in \"40 ms\"
//!   |
//! 4 | do = { delay = 40 }
//!   |                ^^");
//! # Ok::<(), tapsock_stack::fault::text::TextError>(())
//! ```
//!
//! # Values
//!
//! | value | examples |
//! |---|---|
//! | time | `"40 ms"` `"2 s"` `"1.5 s"` `"100 us"` `"2 min"` `"1 h"`; microseconds are the finest |
//! | rate | `"64 kbit/s"` `"2 Mbit/s"` `"1 Gbit/s"`, also tc's `"2 mbit"`, and `"1 MB/s"` |
//! | size | `1500` `"1500 B"` `"1 kB"` `"1 MB"` `"64 KiB"` `"1 MiB"` |
//! | share | `0.01` or `"1 %"` |
//! | range | `5` `"> 0"` `">= 100"` `"< 10"` `"<= 9"` `"5..=9"` `"5-9"` `"5..10"` |
//! | ports | `80`, `"8000..=8010"`, `[80, "8000..=8010"]`, `"80,443"`: at most eight |
//! | flags | `"+SYN -ACK"`: SYN and no ACK, the others do not matter. `"=RST"`: RST alone |
//! | address | `"10.0.0.0/8"` `"fd00::/8"`; without prefix that one address |
//! | name | any text of 1 to 48 bytes without control characters |
//! | MAC | `"02:00:00:00:00:01"` |
//!
//! Whole numbers may be in base 16 (`0x5eed`) and have underscores.
//!
//! # The file
//!
//! | key | value | default |
//! |---|---|---|
//! | `version` | `1` | none: it must be there |
//! | `seed` | a number of 64 bits; beyond 63 of them as a text, `"0x..."` | the caller's choice |
//! | `clock` | `"virtual"` or `"real"` | the caller's choice |
//! | `decide` | `"stream"` or `"hash"`: see [`Decide`](super::Decide) | `hash` with a real clock |
//! | `profile` | a link by name: see [`Profile`] | an ideal link |
//! | `[link]`, `[link.tx]`, `[link.rx]` | what the link does both ways, to what the stack sends, and to what it receives, over the profile | the profile |
//! | `[scenario]`, `[expect]` | what runs and what must come of it: types of whoever reads the script | none |
//! | `[[rule]]` | a rule; frames meet them from top to bottom | none |
//! | `[[event]]` | an event, in the order of their times | none |
//!
//! # `[link]`
//!
//! The words are those of tc-netem(8); see [`Model`](super::Model) for what comes after what.
//!
//! | key | value | default |
//! |---|---|---|
//! | `rate` | a rate, or `"unlimited"` | unlimited |
//! | `delay` | a time, or `{ mean, jitter, dist, correlation }` with `dist` one of `uniform`, `normal`, `pareto`, `paretonormal` | 0, `uniform` |
//! | `loss` | a share, `{ prob, correlation }`, `{ model = "gilbert-elliott", p, r, good, bad }`, or `"none"`; `good` and `bad` are the shares lost in either state | none; `good` 0, `bad` 1 |
//! | `duplicate` | a share | 0 |
//! | `corrupt` | a share, of which one bit is turned over | 0 |
//! | `reorder` | a share that is not delayed, `{ prob, gap }`, or `"none"` | none; `gap` 1 |
//! | `queue` | `"64 KiB"` or `"100 packets"`, also as `{ limit, policy = "drop-tail" }`, or `"none"` | none |
//!
//! # `[[rule]]`
//!
//! | key | value | default |
//! |---|---|---|
//! | `name` | unique among rules and events | none: it must be there |
//! | `match` | a table: which frames, see below | all |
//! | `when` | a table: which of those, see below | all |
//! | `do` | an action, or a list of up to four | none: it must be there |
//! | `then` | `"as-usual"`, `"continue"`, `"stop"`: whether the rules below see the frame | `as-usual`: unless it is dropped, swallowed or replaced |
//! | `rematch` | `true`: copies that the rule makes meet the rules | `false` |
//! | `switch` | `"on"`, `"off"`: how it begins | `on` |
//! | `expect` | a range, how many times it must fire; or `{ hits, outcome }` with `outcome` one of `challenge-ack`, `rst`, `retransmission`, `silence` | any number |
//!
//! # `match`
//!
//! A frame must have all that is asked.
//!
//! | key | value |
//! |---|---|
//! | `dir` | `"rx"`: towards the stack, `"tx"`: from it |
//! | `ethertype` | `"ipv4"`, `"ipv6"`, `"arp"` or a number |
//! | `proto` | `"tcp"`, `"udp"`, `"icmp"`, `"icmp6"`, `"arp"`, `"nd"`, `"ip-frag"`, or the number of a protocol over IP |
//! | `src`, `dst` | addresses of IP and ARP |
//! | `sport`, `dport` | ports of TCP and UDP |
//! | `flags` | TCP flags: FIN SYN RST PSH ACK URG ECE CWR |
//! | `conn` | `"handshake"`, `"established"`, `"closing"`, `"closed"`: the state that the frame brings its TCP connection to, see [`Conn`](super::Conn) |
//! | `seq`, `ack` | ranges, relative as in Wireshark: a SYN has 0 |
//! | `win` | a range, in bytes, scaled |
//! | `payload`, `length` | ranges: bytes behind the TCP or UDP header, which nothing else has, and bytes of the IP packet |
//! | `contains` | bytes in the payload, of any protocol: a text, or `{ hex = "de ad" }`; at most 64 |
//! | `option` | a TCP option: `mss`, `window-scale`, `sack-permitted`, `sack`, `timestamps` (`ts`), `md5`, `user-timeout`, `auth`, `mptcp`, `fast-open`, or its kind |
//! | `icmp-type` | `echo-request`, `echo-reply`, `unreachable`, `time-exceeded`, `redirect`, `packet-too-big`, `source-quench`, `parameter-problem`, `neighbor-solicitation`, ... or a number; a name that means different numbers in both families needs `proto` beside it |
//! | `icmp-code` | a name of the type's codes, such as `port`, `admin-prohibited`, `hop-limit`, or a number |
//! | `ecn` | `"not-ect"`, `"ect1"`, `"ect0"`, `"ce"` |
//! | `ttl` | a range: time to live or hop limit |
//! | `fragment`, `retransmission`, `out-of-order` | `true` or `false` |
//! | `flow` | the number of its flow, `3` or `"#3"`; the first is 1 |
//! | `tag` | the number that `set-tag` gave to its flow |
//!
//! # `when`
//!
//! | key | value | default |
//! |---|---|---|
//! | `prob` | a share of those frames that everything else lets through | 1 |
//! | `nth` | one number or up to sixteen, `[3, 7, 9]`; the first frame is 1 | |
//! | `first`, `every`, `after` | the first so many, each so-many-eth, all behind so many | |
//! | `range` | from which to which number, `"5..=9"` | |
//! | `scope` | `"rule"`, `"flow"`, `"dir"`: what these count in | `rule` |
//! | `from`, `until` | times since the beginning | |
//! | `after-rule` | the name of a rule that must have fired; also `after = { rule = "x" }` | |
//! | `after-bytes` | a size: so much payload must have gone before in the flow and direction | |
//! | `cooldown` | a time in which it does not fire again | |
//! | `budget` | how many times it fires in all | |
//!
//! Of `nth`, `first`, `every`, `after` and `range` there is one. They count the frames for which
//! `from`, `until`, `after-rule` and `after-bytes` hold, so that without these, in the scope of the
//! rule, a frame's number is that of [`Record::Rule`](super::Record::Rule). A rule that lists the
//! numbers on which it fired by chance does the same to the same frames.
//!
//! # `do`
//!
//! An action is a word, a key with its value, or a key with a table of fields. Fields in brackets
//! may also stand beside the key: `{ delay = "40 ms", jitter = "10 ms" }`.
//!
//! | action | value or fields | default |
//! |---|---|---|
//! | `drop` | | |
//! | `pass` | nothing is done; the rule counts | |
//! | `delay` | `mean` (\[`jitter`\], \[`dist`\], \[`correlation`\]) | as for `[link]` |
//! | `reorder` | `prob`, `gap`: how many later frames overtake it, \[`limit`\]: the longest it waits | 1, 1, `"1 s"` |
//! | `duplicate` | `n`: how many more, `delay`: between two | 1, 0 |
//! | `corrupt` | `at`: `any`, `ip`, `transport`, `payload` or the number of a byte; `bits`; `fix-checksums` | `any`, 1, `false` |
//! | `truncate` | `to`: bytes of the frame that stay; `fix-lengths` | `false` |
//! | `rate` | a rate, which the frames of the rule share | |
//! | `hold-until` | the name of a rule or event; \[`limit`\]: the longest | for ever |
//! | `blackhole` | \[`for`\]: a time in which all that matches is lost | for ever |
//! | `mark-ecn` | as `ecn` in `match`; `mark-ecn-ce` is the same with `ce` | `ce` |
//! | `set-ttl`, `set-win`, `set-mss` | a number | |
//! | `strip-option` | as `option` in `match` | |
//! | `split` | bytes of payload of the first part | |
//! | `merge` | the longest that a segment waits for the next | |
//! | `forge-rst`, `forge-syn`, `forge-fin` | `to`: `stack` or `peer`; `seq`: `exact`, `in-window`, `out-of-window`, `random` | `stack`, `exact` |
//! | `forge-ack` | `to`; one of `dup-ack`: how many, and `ack-beyond`: how many bytes that were never sent | `stack`, one `dup-ack` |
//! | `forge-icmp` | `type`: `unreachable` with `code`, `frag-needed` (or `packet-too-big`) with `mtu`, `time-exceeded` with `code`, `source-quench`; `from`: an address; `quote-seq`: `in-flight` or `stale` | from the frame's destination, `in-flight`; `hop-limit` |
//! | `neighbor` | `silence`, `wrong-mac` (\[`mac`\]), `conflict` (\[`mac`\]), `flood` (\[`count`\]); `arp` and `nd` are other names of it, and all mean both | `02:00:00:00:de:ad`, 100 |
//! | `link` | `up`, or `down` (\[`for`\]) | for ever |
//! | `flap` | `period`, `count` | 1 |
//! | `mtu` | bytes of an IP packet, or `"link"` for the link's own | |
//! | `set-tag` | a number for the frame's flow | |
//! | `hook` | a number for the program's own closure | |
//!
//! A `code` of `unreachable` by name has a number in either family: `net` 0 and 0, `host` (or
//! `address`) 1 and 3, `protocol` 2 and 0, `port` 3 and 4, `source-route-failed` 5 and 0,
//! `net-unknown` 6 and 0, `host-unknown` 7 and 0, `host-isolated` 8 and 0, `net-prohibited` 9 and 1,
//! `host-prohibited` 10 and 1, `net-tos` 11 and 0, `host-tos` 12 and 0, `admin-prohibited` 13 and 1,
//! `host-precedence-violation` 14 and 1, `precedence-cutoff` 15 and 1, `no-route` 1 and 0,
//! `beyond-scope` 1 and 2, `policy-failed` 13 and 5, `reject-route` 13 and 6: where only one family
//! has the name, the other has what translators put there (RFC 7915). A number is the same in both;
//! `{ icmp = 13, icmp6 = 1 }` says each.
//!
//! # `[[event]]`
//!
//! | key | value | default |
//! |---|---|---|
//! | `at` | when, since the beginning | none: it must be there |
//! | `name` | for `hold-until`; unique among rules and events | nobody refers to it |
//! | `do` | one of `link`, `flap`, `mtu`, `neighbor` (\[`for`\]), as for rules; `release`: what is held until this event goes on; `switch-on`, `switch-off` with the name of a rule | none: it must be there |
//!
//! # On one line
//!
//! `name=late tx tcp dport=80 flags=+SYN prob=0.01 delay=40ms jitter=10ms expect=>=1`
//!
//! All words of a rule stand side by side: those of `match`, of `when`, the actions, then `then`,
//! `rematch`, `switch`, `expect` for the hits and `outcome`. `tx`, `rx` and the protocols stand
//! without key, what is `true` without value. Values have no spaces, or quotes around them; lists
//! are `[80,443]`, tables `{to=60,fix-lengths=true}`. What stands beside an action follows it.
//! Without `name`, a rule is named after its own text.

mod document;
mod error;
mod line;
mod lint;
mod names;
mod node;
mod profile;
mod read;
mod value;
mod words;
mod write;

#[cfg(test)]
mod tests;

pub use document::{Clock, Document, Nothing, Source};
pub use error::TextError;
pub use lint::{Lint, Warning};
pub use profile::Profile;
