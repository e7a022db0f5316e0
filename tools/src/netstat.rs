//! `tapsock netstat`: the sockets of a running stack, in the columns of netstat(8).

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use crate::control;
use crate::output::{self, Failure, Ink, Paint};

/// What `tapsock netstat` takes.
#[derive(Debug, Args)]
pub struct NetstatArgs {
    /// The socket that --control or TAPSOCK_CONTROL named
    socket: PathBuf,

    /// Show it again every so many seconds, with the rates of that time, until the program ends
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true,
          default_missing_value = "1", value_parser = clap::value_parser!(u32).range(1..=3600))]
    watch: Option<u32>,

    /// List no more sockets than this
    #[arg(long, value_name = "COUNT", default_value_t = 1000,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    most: u32,
}

/// What the stack answers.
#[derive(Debug, Clone, Default, Deserialize)]
struct Report {
    now: f64,
    total: usize,
    sockets: Vec<Socket>,
    counters: BTreeMap<String, u64>,
    dropped: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Socket {
    proto: String,
    local: String,
    remote: Option<String>,
    state: Option<String>,
    recv_q: u64,
    send_q: u64,
    age: Option<f64>,
    bytes_in: u64,
    bytes_out: u64,
    bytes_retransmitted: u64,
    rtt: Option<f64>,
    cause: Option<String>,
}

/// The verb.
///
/// # Errors
/// [`Failure::Usage`] when nobody serves the socket; [`Failure::Told`] when the stack gives no
/// answer that is understood.
pub fn main(args: &NetstatArgs, as_json: bool) -> Result<(), Failure> {
    let request = json!({"do": "netstat", "most": args.most});
    let mut before = None;
    loop {
        let answered = control::ask(&args.socket, &request);
        let text = match answered {
            // Whoever was watched has ended, which is how watching ends.
            Err(_) if before.is_some() => return Ok(()),
            answered => answered?,
        };
        let report: Report = serde_json::from_str(&text).map_err(|_| {
            let why = serde_json::from_str(&text)
                .ok()
                .and_then(|answer: serde_json::Value| Some(answer["error"].as_str()?.to_string()));
            let name = args.socket.display();
            Failure::Told(
                why.unwrap_or_else(|| format!("{name} gave no answer that is understood")),
            )
        })?;
        if as_json {
            output::line(&text)?;
        } else {
            let terminal = std::io::stdout().is_terminal();
            if before.is_some() {
                // The screen from its top, or one report behind the other.
                output::line(if terminal { "\x1b[H\x1b[2J" } else { "" })?;
            }
            for line in lines(&report, before.as_ref(), Paint::stdout()) {
                output::line(&line)?;
            }
        }
        let Some(seconds) = args.watch else { return Ok(()) };
        before = Some(report);
        thread::sleep(Duration::from_secs(seconds.into()));
    }
}

/// A report as a table. Rates are those since `before`, or else since the connection began.
fn lines(report: &Report, before: Option<&Report>, paint: Paint) -> Vec<String> {
    let known: BTreeMap<_, _> = before
        .into_iter()
        .flat_map(|report| &report.sockets)
        .map(|socket| ((&socket.proto, &socket.local, &socket.remote), socket))
        .collect();
    let since = before.map(|before| report.now - before.now);
    let width = |name: &str, pick: fn(&Socket) -> &str| {
        let longest = report.sockets.iter().map(|socket| pick(socket).chars().count()).max();
        longest.unwrap_or(0).max(name.len())
    };
    let (local, remote) = ("Local Address", "Foreign Address");
    let (left, right) = (width(local, |it| &it.local), width(remote, remote_name));
    let mut all = vec![paint.paint(
        Ink::Strong,
        &format!(
            "Proto Recv-Q Send-Q {local:left$} {remote:right$} {:12} {:>8} {:>8} {:>8} {:>9}",
            "State", "In/s", "Out/s", "Retrans", "RTT"
        ),
    )];
    for socket in &report.sockets {
        let earlier = known.get(&(&socket.proto, &socket.local, &socket.remote));
        let rate = |pick: fn(&Socket) -> u64| {
            let (length, bytes) = match (earlier, since) {
                // A four-tuple that was used again began anew.
                (Some(earlier), Some(since)) if pick(earlier) <= pick(socket) => {
                    (since, pick(socket) - pick(earlier))
                }
                _ => (socket.age?, pick(socket)),
            };
            (length > 0.0).then(|| scaled(bytes as f64 / length))
        };
        let numbers = socket.age.is_some();
        let number = |text: Option<String>| text.filter(|_| numbers).unwrap_or_else(|| "-".into());
        all.push(format!(
            "{:5} {:>6} {:>6} {:left$} {:right$} {:12} {:>8} {:>8} {:>8} {:>9}",
            socket.proto,
            scaled(socket.recv_q as f64),
            scaled(socket.send_q as f64),
            socket.local,
            remote_name(socket),
            socket.state.as_deref().unwrap_or_default(),
            number(rate(|socket| socket.bytes_in)),
            number(rate(|socket| socket.bytes_out)),
            number(Some(scaled(socket.bytes_retransmitted as f64))),
            number(socket.rtt.map(|rtt| format!("{rtt:.2} ms"))),
        ));
        if let Some(cause) = &socket.cause {
            all.push(paint.paint(Ink::Dim, &format!("      {cause}")));
        }
    }
    let listed = report.sockets.len();
    if listed < report.total {
        let more = report.total - listed;
        all.push(format!("and {more} more of {}; --most lists them", report.total));
    }
    let mut block =
        |title: &str, counts: &BTreeMap<String, u64>, old: Option<&BTreeMap<_, u64>>| {
            if counts.is_empty() {
                return;
            }
            all.push(String::new());
            all.push(paint.paint(Ink::Strong, title));
            for (name, count) in counts {
                let new = old.map(|old| count - old.get(name).copied().unwrap_or(0).min(*count));
                let new = new.filter(|&new| new > 0).map(|new| format!("  +{new}"));
                all.push(format!("  {name:24} {count:>12}{}", new.unwrap_or_default()));
            }
        };
    block("Counted", &report.counters, before.map(|before| &before.counters));
    block("Dropped on arrival", &report.dropped, before.map(|before| &before.dropped));
    all
}

fn remote_name(socket: &Socket) -> &str {
    socket.remote.as_deref().unwrap_or("*:*")
}

/// A number of bytes in five characters at the most, in units of 1000.
fn scaled(bytes: f64) -> String {
    let mut rest = bytes;
    for unit in ["", "k", "M", "G"] {
        if rest < 999.5 {
            return if unit.is_empty() || rest >= 99.95 {
                format!("{rest:.0}{unit}")
            } else {
                format!("{rest:.1}{unit}")
            };
        }
        rest /= 1000.0;
    }
    format!("{rest:.0}T")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(now: f64, bytes_in: u64) -> Report {
        let answer = json!({
            "ok": true, "now": now, "total": 4, "sockets": [
                {"proto": "tcp", "local": "0.0.0.0:80", "remote": null, "state": "LISTEN", "recv_q": 2,
                 "send_q": 0, "age": null, "bytes_in": 0, "bytes_out": 0, "bytes_retransmitted": 0,
                 "rtt": null, "cause": null},
                {"proto": "tcp", "local": "10.77.0.2:49152", "remote": "10.77.0.1:7000",
                 "state": "ESTABLISHED", "recv_q": 0, "send_q": 65536, "age": 4.0,
                 "bytes_in": bytes_in, "bytes_out": 40, "bytes_retransmitted": 1460, "rtt": 0.25,
                 "cause": null},
                {"proto": "tcp", "local": "10.77.0.2:49153", "remote": "10.77.0.1:9", "state": "CLOSED",
                 "recv_q": 0, "send_q": 0, "age": null, "bytes_in": 0, "bytes_out": 0,
                 "bytes_retransmitted": 0, "rtt": null, "cause": "refused by frame 4"},
            ],
            "counters": {"frames_in": 7}, "dropped": {"tcp-checksum": 1},
        });
        serde_json::from_value(answer).unwrap()
    }

    #[test]
    fn sockets_are_a_table_with_averages() {
        let table = [
            "Proto Recv-Q Send-Q Local Address   Foreign Address State            In/s    Out/s  Retrans       RTT",
            "tcp        2      0 0.0.0.0:80      *:*             LISTEN              -        -        -         -",
            "tcp        0  65.5k 10.77.0.2:49152 10.77.0.1:7000  ESTABLISHED      2.0M       10     1.5k   0.25 ms",
            "tcp        0      0 10.77.0.2:49153 10.77.0.1:9     CLOSED              -        -        -         -",
            "      refused by frame 4",
            "and 1 more of 4; --most lists them",
            "",
            "Counted",
            "  frames_in                           7",
            "",
            "Dropped on arrival",
            "  tcp-checksum                        1",
        ];
        assert_eq!(lines(&report(9.0, 8_000_000), None, Paint::NONE), table);
    }

    #[test]
    fn rates_are_those_since_the_last_report() {
        let (before, after) = (report(9.0, 1_000_000), report(11.0, 1_003_000));
        let lines = lines(&after, Some(&before), Paint::NONE);
        assert!(lines[2].contains(" 1.5k        0 "), "{}", lines[2]);
        let anew = super::lines(&report(11.0, 500), Some(&before), Paint::NONE);
        assert!(anew[2].contains("  125  "), "{}", anew[2]);
    }

    #[test]
    fn numbers_have_five_characters_at_the_most() {
        for (bytes, text) in [
            (0.0, "0"),
            (999.4, "999"),
            (999.6, "1.0k"),
            (65536.0, "65.5k"),
            (99_940.0, "99.9k"),
            (99_960.0, "100k"),
            (999_600.0, "1.0M"),
            (3.2e10, "32.0G"),
            (5e15, "5000T"),
        ] {
            assert_eq!(scaled(bytes), text, "{bytes}");
        }
    }
}
