//! The score of decisions: recorded and simulated fields, compared one by one.
//!
//! The same rules as `compare_scheduler.py` beside the corpus: a case passes when all graded fields that the recording
//! has are equal; lists whose order is random in reality are compared as sets.

use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

const FILTER_SCORE: &[&str] = &[
    "nodeOrder",
    "gated",
    "preFilter",
    "nodes",
    "topScore",
    "topNodes",
    "selectedSerial",
    "fitError",
    "failedSchedulingMessage",
    "unschedulablePlugins",
    "postFilter",
    "schedulerError",
];
const PREEMPTION: &[&str] = &["eligible", "nodes", "potentialNodes", "candidates", "winners", "postFilter", "fitError"];
const SEQUENCE: &[&str] = &["nodeOrder", "steps"];
const NODE: &[&str] = &["name", "feasible", "plugin", "code", "reasons", "scores", "total", "excludedByPreFilter"];
const CANDIDATE: &[&str] = &["node", "nodeName", "name", "victims", "numPDBViolations"];
const STEP: &[&str] =
    &["pod", "startIndex", "nextStartIndex", "evaluatedNodes", "feasibleNodes", "selected", "fitError"];
const RESULT: &[&str] = &["code", "plugin", "reasons", "nodeNames", "nominatedNode"];
const SETS: &[&str] = &["reasons", "topNodes", "unschedulablePlugins", "winners", "potentialNodes", "nodeNames"];

/// What the cases of one group came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Group {
    /// How many there are.
    pub cases: usize,
    /// How many are right in every field.
    pub passed: usize,
    /// The mean share of fields that are right.
    pub share: f64,
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The case.
    pub case: String,
    /// The field.
    pub field: String,
    /// As recorded.
    pub real: Value,
    /// As simulated; null if it is missing.
    pub simulated: Value,
}

/// The score of a corpus, group by group.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Score {
    /// All groups together.
    pub summary: Group,
    /// The groups by name.
    pub groups: BTreeMap<String, Group>,
    /// The first difference of each case that has any.
    #[serde(skip)]
    pub differences: Vec<Difference>,
}

impl Score {
    /// Compares one case.
    pub fn note(&mut self, group: &str, family: &str, case: &str, real: &Value, simulated: Option<&Value>) {
        let (want, have) = (graded(family, real), simulated.map(|simulated| graded(family, simulated)));
        let have = have.unwrap_or_default();
        let wrong: Vec<&String> = want.iter().filter(|(k, v)| have.get(*k) != Some(v)).map(|(key, _)| key).collect();
        let right = if simulated.is_some() { 1.0 - wrong.len() as f64 / want.len().max(1) as f64 } else { 0.0 };
        for row in [self.groups.entry(group.to_owned()).or_default(), &mut self.summary] {
            row.share = (row.share * row.cases as f64 + right) / (row.cases + 1) as f64;
            row.cases += 1;
            row.passed += usize::from(wrong.is_empty() && simulated.is_some());
        }
        if let Some(field) = wrong.first() {
            self.differences.push(Difference {
                case: case.to_owned(),
                field: (*field).clone(),
                real: want[*field].clone(),
                simulated: have.get(*field).cloned().unwrap_or_default(),
            });
        }
    }
}

/// The graded fields of an expectation, lists of nodes and steps one by one.
fn graded(family: &str, expect: &Value) -> BTreeMap<String, Value> {
    let all: Vec<&str>;
    let fields = match family {
        "filter-score" => FILTER_SCORE,
        "preemption" => PREEMPTION,
        "sequence" => SEQUENCE,
        _ => {
            all = expect.as_object().into_iter().flatten().map(|(field, _)| field.as_str()).collect();
            &all
        }
    };
    let mut graded = BTreeMap::new();
    for field in fields {
        let Some(value) = expect.get(field) else { continue };
        match normal(field, value) {
            Value::Array(elements) if matches!(*field, "nodes" | "steps") => {
                let numbered = elements.into_iter().enumerate().map(|(n, element)| (format!("{field}[{n}]"), element));
                graded.extend(numbered);
            }
            value => drop(graded.insert((*field).to_owned(), value)),
        }
    }
    graded
}

fn pick(value: &Value, fields: &[&str]) -> Value {
    let Some(object) = value.as_object() else { return value.clone() };
    let picked = fields.iter().filter_map(|field| Some(((*field).to_owned(), normal(field, object.get(*field)?))));
    Value::Object(picked.collect())
}

fn normal(field: &str, value: &Value) -> Value {
    match (field, value) {
        ("nodes", Value::Array(nodes)) => nodes.iter().map(|node| pick(node, NODE)).collect(),
        ("steps", Value::Array(steps)) => steps.iter().map(|step| pick(step, STEP)).collect(),
        ("candidates", Value::Array(candidates)) => {
            let mut picked: Vec<Value> = candidates.iter().map(|candidate| pick(candidate, CANDIDATE)).collect();
            picked.sort_by_key(ToString::to_string);
            Value::Array(picked)
        }
        ("preFilter" | "postFilter", Value::Object(_)) => pick(value, RESULT),
        (_, Value::Array(elements)) if SETS.contains(&field) => {
            let mut sorted = elements.clone();
            sorted.sort_by_key(ToString::to_string);
            Value::Array(sorted)
        }
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn cases_pass_when_every_graded_field_is_equal() {
        let real = json!({"nodeOrder": ["a"], "nodes": [{"name": "a", "feasible": false, "reasons": ["x", "y"],
            "allFailingPlugins": ["P"]}], "skippedFilterPlugins": ["Q"]});
        let mut score = Score::default();
        let same = json!({"nodeOrder": ["a"], "nodes": [{"name": "a", "feasible": false, "reasons": ["y", "x"]}]});
        score.note("g", "filter-score", "one", &real, Some(&same));
        let other = json!({"nodeOrder": ["b"], "nodes": [{"name": "a", "feasible": false, "reasons": ["y", "x"]}]});
        score.note("g", "filter-score", "two", &real, Some(&other));
        score.note("g", "filter-score", "three", &real, None);
        assert_eq!((score.summary.cases, score.summary.passed), (3, 1));
        assert_eq!(score.summary.share, 0.5);
        assert_eq!(score.differences[0].field, "nodeOrder");
    }
}
