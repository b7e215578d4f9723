//! `GET /metrics`: bytes by proxy and direction under Toxiproxy's names, and what each toxic has
//! touched, in Prometheus' text form.

use std::fmt::Write;
use std::sync::Arc;

use crate::wire::proxy::Proxy;

/// The type of the text.
pub(super) const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A counter: its name, and what it counts.
type Counter = (&'static str, &'static str);

const RECEIVED: Counter = (
    "toxiproxy_proxy_received_bytes_total",
    "The total number of bytes received on a given proxy link in a given direction",
);
const SENT: Counter = (
    "toxiproxy_proxy_sent_bytes_total",
    "The total number of bytes sent on a given proxy link in a given direction",
);
const ACCEPTED: Counter = ("loadrun_proxy_connections_total", "Connections accepted from clients");
const REFUSED: Counter =
    ("loadrun_proxy_refused_total", "Connections whose server refused or could not be reached");
const ELIGIBLE: Counter =
    ("loadrun_toxic_eligible_total", "Connections that were there while the toxic was");
const TOUCHED: Counter = ("loadrun_toxic_touched_total", "Connections the toxic has disturbed");

/// All counters of all proxies, each family in one piece.
pub(super) fn show(proxies: &[(String, Arc<Proxy>)]) -> String {
    let mut families: [(Counter, String); 6] =
        [RECEIVED, SENT, ACCEPTED, REFUSED, ELIGIBLE, TOUCHED].map(|name| (name, String::new()));
    let mut add = |counter: Counter, labels: &str, value: u64| {
        if let Some((_, lines)) = families.iter_mut().find(|(known, _)| known.0 == counter.0) {
            // Writing to a string cannot fail.
            let _ = writeln!(lines, "{}{{{labels}}} {value}", counter.0);
        }
    };
    for (name, proxy) in proxies {
        let place = format!(
            r#"proxy="{}",listener="{}",upstream="{}""#,
            escaped(name),
            proxy.address(),
            escaped(&proxy.upstream())
        );
        let passed = proxy.passed();
        for (direction, received, sent) in [
            ("upstream", passed.from_clients, passed.upstream),
            ("downstream", passed.from_server, passed.downstream),
        ] {
            let labels = format!(r#"direction="{direction}",{place}"#);
            add(RECEIVED, &labels, received);
            add(SENT, &labels, sent);
        }
        add(ACCEPTED, &place, passed.accepted);
        add(REFUSED, &place, passed.refused);
        for (toxic, touched) in proxy.toxics() {
            let labels = format!(
                r#"proxy="{}",toxic="{}",type="{}""#,
                escaped(name),
                escaped(&toxic.name),
                toxic.kind.name()
            );
            add(ELIGIBLE, &labels, touched.eligible);
            add(TOUCHED, &labels, touched.connections);
        }
    }
    let mut text = String::new();
    for ((name, about), lines) in families.iter().filter(|(_, lines)| !lines.is_empty()) {
        let _ = write!(text, "# HELP {name} {about}\n# TYPE {name} counter\n{lines}");
    }
    text
}

/// The value of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}
