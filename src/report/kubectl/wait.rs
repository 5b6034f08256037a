//! `kubectl wait`: whether what is waited for has come, and what is said of it.
//!
//! Follows kubectl 1.36 `pkg/cmd/wait` (`wait.go`, `condition.go`, `json.go`, `delete.go`, `create.go`). Waiting itself
//! is whoever asks' business: [`look`] is asked again when something has changed.

use super::error::Error;
use super::fields::Fields;
use super::flags::{Arguments, Flag};
use super::jsonpath::{JsonPath, relaxed};
use super::resources::Resource;
use super::selection::select;
use super::{Objects, Printed, go};
use crate::engine::SimDuration;
use serde_json::Value;

const FLAGS: &[Flag] = &[
    Flag::value("for", None),
    Flag::value("timeout", None),
    Flag::value("selector", Some('l')),
    Flag::value("field-selector", None),
    Flag::value("output", Some('o')),
    Flag::switch("all", None),
    Flag::switch("all-namespaces", Some('A')),
];
/// `--timeout`, if nothing is said.
const PATIENCE: SimDuration = SimDuration::from_secs(30);

/// How long is waited, and how things stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// From the beginning on.
    pub timeout: SimDuration,
    /// What is printed now that all has come; nothing if it has not.
    pub met: Option<Printed>,
    /// What is printed if the time is over.
    pub over: Printed,
}

/// What is waited for.
enum Wanted {
    Deletion,
    Creation,
    Condition { kind: String, status: String },
    Path { path: JsonPath, value: Option<String> },
}

impl Wanted {
    fn parse(text: &str) -> Result<Self, Error> {
        let wrong = || Error::client(format!("unrecognized condition: {}", go::quoted(text)));
        match text.to_lowercase().as_str() {
            "delete" => return Ok(Self::Deletion),
            "create" => return Ok(Self::Creation),
            _ => {}
        }
        if let Some(condition) = text.strip_prefix("condition=") {
            let (kind, status) = condition.split_once('=').unwrap_or((condition, "true"));
            return Ok(Self::Condition { kind: kind.to_owned(), status: status.to_owned() });
        }
        let path = text.strip_prefix("jsonpath=").ok_or_else(wrong)?;
        // The braces may hold an equals sign of their own.
        let end = path.rfind('}').map_or(0, |end| end + 1);
        let (path, value) = path.split_at(if end == 0 { path.find('=').unwrap_or(path.len()) } else { end });
        let value = value
            .trim_start_matches(['\'', '"'])
            .strip_prefix('=')
            .map(|value| value.trim_matches(['\'', '"']).to_owned());
        let path = relaxed(path.trim_matches(['\'', '"'])).map_err(Error::client)?;
        let path = JsonPath::parse(&path).map_err(|error| Error::client(format!("error parsing jsonpath: {error}")))?;
        Ok(Self::Path { path: path.allow_missing_keys(), value })
    }

    fn is_met(&self, object: &Value) -> bool {
        match self {
            Self::Deletion => false,
            Self::Creation => true,
            Self::Condition { kind, status } => {
                let conditions = object["status"]["conditions"].as_array();
                let found = conditions.into_iter().flatten().find(|c| c.text("type").eq_ignore_ascii_case(kind));
                found.is_some_and(|condition| {
                    let observed = [condition, &object["status"]]
                        .into_iter()
                        .find_map(|place| place["observedGeneration"].as_i64());
                    let stale = observed.is_some_and(|seen| seen < object.int("metadata.generation"));
                    !stale && condition.text("status").eq_ignore_ascii_case(status)
                })
            }
            Self::Path { path, value } => {
                let found: Vec<Value> = path.find(object).unwrap_or_default().into_iter().flatten().collect();
                match (found.as_slice(), value) {
                    ([], _) => false,
                    (_, None) => true,
                    ([Value::String(text)], Some(wanted)) => text == wanted,
                    ([one], Some(wanted)) => *wanted == format!("{one}"),
                    (_, Some(_)) => false,
                }
            }
        }
    }
}

/// Looks how things stand for `kubectl wait` with the arguments behind the verb.
///
/// # Errors
/// What kubectl prints at once, because it cannot wait for that.
pub fn look(args: &[String], objects: &Objects) -> Result<Waiting, Printed> {
    stand(args, objects).map_err(Printed::error)
}

fn stand(args: &[String], objects: &Objects) -> Result<Waiting, Error> {
    let arguments = Arguments::parse(args, FLAGS, "wait")?;
    let wanted = Wanted::parse(arguments.value("for").unwrap_or_default())?;
    let timeout = match arguments.value("timeout").map(str::parse::<SimDuration>) {
        None => PATIENCE,
        Some(Ok(timeout)) => timeout,
        Some(Err(error)) => return Err(Error::client(format!("invalid argument for \"--timeout\" flag: {error}"))),
    };
    let selection = select(objects, &arguments)?;
    let (mut met, mut over) = (Printed::default(), Printed::default());
    let mut pending = 0;
    let name = |object: &Value| object.text("metadata.name").to_owned();
    for (resource, object) in selection.objects() {
        if wanted.is_met(object) {
            met.stdout += &format!("{} condition met\n", shown(resource, &name(object)));
        } else {
            pending += 1;
            let resource = resource.plural;
            over.fail(&Error::client(format!("timed out waiting for the condition on {resource}/{}", name(object))));
        }
    }
    over.stdout = met.stdout.clone();
    let missing = Error::all(selection.errors.clone());
    let nothing = selection.objects().next().is_none();
    match (&wanted, missing) {
        // What is gone is what was wanted.
        (Wanted::Deletion, _) => {}
        (Wanted::Creation, Some(error)) => {
            pending += 1;
            over.fail(&error);
        }
        (Wanted::Creation, None) if nothing => {
            pending += 1;
            over.fail(&Error::client("no matching resources found"));
        }
        (_, Some(error)) => return Err(error),
        (_, None) if nothing => return Err(Error::client("no matching resources found")),
        (_, None) => {}
    }
    Ok(Waiting { timeout, met: (pending == 0).then_some(met), over })
}

fn shown(resource: &Resource, name: &str) -> String {
    let kind = resource.lower_kind();
    format!("{kind}/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(ready: &str) -> Objects {
        Objects::new([json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "default", "name": "web", "generation": 2},
            "status": {"phase": "Running", "conditions": [
                {"type": "Ready", "status": ready, "observedGeneration": 2},
                {"type": "Initialized", "status": "True", "observedGeneration": 1},
            ]},
        })])
    }

    #[test]
    fn what_is_waited_for_has_come_or_not() {
        // (the flag, whether it has come for a pod that is ready)
        for (wanted, come) in [
            ("condition=Ready", true),
            ("condition=ready=true", true),
            ("condition=Ready=False", false),
            ("condition=Initialized", false),
            ("condition=Other", false),
            ("jsonpath={.status.phase}=Running", true),
            ("jsonpath='{.status.phase}'=Pending", false),
            ("jsonpath={.status.phase}", true),
            ("jsonpath={.status.conditions[?(@.type==\"Ready\")].status}=True", true),
            ("jsonpath={.status.reason}", false),
            ("delete", false),
            ("create", true),
        ] {
            let args: Vec<String> = ["pod/web", "--for", wanted].map(str::to_owned).to_vec();
            let waiting = look(&args, &pod("True")).expect(wanted);
            assert_eq!(waiting.met.is_some(), come, "{wanted}");
            if let Some(met) = waiting.met {
                assert_eq!(met.stdout, "pod/web condition met\n");
            } else {
                assert_eq!(waiting.over.stderr, "error: timed out waiting for the condition on pods/web\n");
            }
        }
    }

    #[test]
    fn nothing_to_wait_for_is_said_at_once() {
        let look =
            |words: &[&str]| look(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>(), &pod("True"));
        assert!(look(&["pod/other", "--for=delete"]).expect("it is gone").met.is_some());
        assert!(look(&["pod/other", "--for=create", "--timeout=5s"]).expect("it may come").met.is_none());
        let error = look(&["pod/other", "--for=condition=Ready"]).expect_err("there is none");
        assert_eq!(error.stderr, "Error from server (NotFound): pods \"other\" not found\n");
        let error = look(&["pod", "-l", "a=b", "--for=condition=Ready"]).expect_err("there is none");
        assert_eq!(error.stderr, "error: no matching resources found\n");
        assert_eq!(
            look(&["pod/web", "--for=x"]).expect_err("what is x").stderr,
            "error: unrecognized condition: \"x\"\n"
        );
    }
}
