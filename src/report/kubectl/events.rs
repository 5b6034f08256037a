//! `kubectl events`.
//!
//! Follows kubectl 1.36 `pkg/cmd/events/events.go` and `event_printer.go`. Left out: `--watch`.

use super::describe::{Context, parts::event_age};
use super::error::Error;
use super::fields::{Fields, namespace};
use super::flags::{Arguments, Flag};
use super::resources;
use super::table::escape_terminal;
use super::tabwriter::TabWriter;
use super::{Objects, Printed, go, go_sort, yaml};
use jiff::Timestamp;
use serde_json::{Value, json};

const FLAGS: &[Flag] = &[
    Flag::value("for", None),
    Flag::value("types", None),
    Flag::value("output", Some('o')),
    Flag::value("chunk-size", None),
    Flag::switch("all-namespaces", Some('A')),
    Flag::switch("no-headers", None),
    Flag::switch("watch", Some('w')),
];

/// Runs `kubectl events` with the arguments behind the verb.
pub fn run(args: &[String], objects: &Objects, now: Timestamp) -> Printed {
    let arguments = Arguments::parse(args, FLAGS, "events");
    arguments.and_then(|arguments| events(&arguments, objects, now)).unwrap_or_else(Printed::error)
}

fn events(arguments: &Arguments, objects: &Objects, now: Timestamp) -> Result<Printed, Error> {
    let target = arguments.value("for").filter(|target| !target.is_empty()).map(Target::parse).transpose()?;
    let types = arguments.values("types");
    if types.iter().any(|t| !t.eq_ignore_ascii_case("normal") && !t.eq_ignore_ascii_case("warning")) {
        return Err(Error::client("valid --types are Normal or Warning"));
    }
    let everywhere = arguments.is_on("all-namespaces");
    let all = objects.of_kind("v1", "Event", None);
    let mut found: Vec<&Value> = all
        .filter(|event| everywhere || namespace(event) == arguments.namespace())
        .filter(|event| target.as_ref().is_none_or(|target| target.is_meant_by(event)))
        .filter(|event| types.is_empty() || types.iter().any(|t| t.eq_ignore_ascii_case(event.text("type"))))
        .collect();
    if found.is_empty() {
        let place = if everywhere { String::new() } else { format!(" in {} namespace", arguments.namespace()) };
        return Ok(Printed { stderr: format!("No events found{place}.\n"), ..Printed::default() });
    }
    go_sort::sort_by_key(&mut found, |event| last_seen(event));
    let stdout = match arguments.value("output").unwrap_or("") {
        "" => table(&found, arguments, &Context { objects, now, show_events: false }),
        output @ ("json" | "yaml") => {
            let list = json!({"apiVersion": "v1", "items": found, "kind": "EventList", "metadata": {}});
            if output == "json" { go::json(&list, "    ") + "\n" } else { yaml::document(&list) }
        }
        "name" => found.iter().map(|event| format!("event/{}\n", event.text("metadata.name"))).collect(),
        other => {
            let other = go::quoted(other);
            return Err(Error::client(format!("unable to match a printer suitable for the output format {other}")));
        }
    };
    Ok(Printed { stdout, ..Printed::default() })
}

/// Whom the events must be about.
struct Target {
    kind: &'static str,
    api_version: String,
    name: String,
}

impl Target {
    fn parse(text: &str) -> Result<Self, Error> {
        match *text.split('/').collect::<Vec<_>>() {
            [_] => Err(Error::client("--for must be in resource/name form")),
            [kind, name] => {
                let resource = resources::find(kind)?;
                Ok(Self { kind: resource.kind, api_version: resource.api_version(), name: name.to_owned() })
            }
            _ => Err(Error::client("arguments in resource/name form may not have more than one slash")),
        }
    }

    fn is_meant_by(&self, event: &Value) -> bool {
        let object = event.at("involvedObject");
        object.text("name") == self.name
            && object.text("kind") == self.kind
            && object.text("apiVersion") == self.api_version
    }
}

/// The time by which events are sorted.
fn last_seen(event: &Value) -> Option<Timestamp> {
    if event.has("series") {
        return event.time("series.lastObservedTime");
    }
    event.time("lastTimestamp").or(event.time("eventTime"))
}

fn table(events: &[&Value], arguments: &Arguments, context: &Context<'_>) -> String {
    let everywhere = arguments.is_on("all-namespaces");
    let mut text = String::new();
    if !arguments.is_on("no-headers") {
        text += if everywhere { "NAMESPACE\t" } else { "" };
        text += "LAST SEEN\tTYPE\tREASON\tOBJECT\tMESSAGE\n";
    }
    for event in events {
        if everywhere {
            text += &format!("{}\t", namespace(event));
        }
        let object = event.at("involvedObject");
        let [kind, reason, message] = ["type", "reason", "message"].map(|f| escape_terminal(event.text(f).trim()));
        let object = escape_terminal(&format!("{}/{}", object.text("kind"), object.text("name")));
        text += &format!("{}\t{kind}\t{reason}\t{object}\t{message}\n", event_age(context, event));
    }
    TabWriter::TABLE.align(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_sorted_and_filtered() {
        let event = |name: &str, kind: &str, object: &str, last: &str| {
            json!({
                "apiVersion": "v1", "kind": "Event", "metadata": {"namespace": "default", "name": name},
                "type": kind, "reason": name, "message": "m", "firstTimestamp": last, "lastTimestamp": last,
                "involvedObject": {"apiVersion": "v1", "kind": "Pod", "name": object},
            })
        };
        let objects = Objects::new([
            event("A", "Warning", "x", "2026-01-01T00:00:30Z"),
            event("B", "Normal", "y", "2026-01-01T00:00:10Z"),
        ]);
        let now = "2026-01-01T00:01:00Z".parse().expect("a time");
        for (args, expected) in [
            (
                vec![],
                "LAST SEEN   TYPE      REASON   OBJECT   MESSAGE\n\
                 50s         Normal    B        Pod/y    m\n\
                 30s         Warning   A        Pod/x    m\n",
            ),
            (vec!["--for=pod/x", "--no-headers"], "30s   Warning   A     Pod/x   m\n"),
            (vec!["--types", "normal", "--no-headers"], "50s   Normal   B     Pod/y   m\n"),
            (vec!["-n", "other"], ""),
        ] {
            let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
            assert_eq!(run(&args, &objects, now).stdout, expected, "{args:?}");
        }
    }
}
