//! Studies: a scenario, what of it is varied, how often each variant is run, and what is measured.
//!
//! ```text
//! Study(
//!     scenario: "../quickstart.ron",
//!     vary: {"nodes[0].count": [2, 3, 5], "deployment/shop:spec.replicas": [3, 6]},
//!     replications: 20,
//!     measure: ["ready.p99", "restarts", "time(deployment(shop).availableReplicas < 3 from 1m)"],
//! )
//! ```

use super::error::{Place, Problem, Problems, suggestion};
use super::expect::{self, Observation};
use super::files::{Files, beside};
use super::load::Scenario;
use super::outline::{self, Body, Node, Placed, Shape};
use super::setting::{Literal, Setting};
use crate::api::Name;
use serde::Deserialize;

/// So often each variant is run if nothing is said.
const REPLICATIONS: u32 = 20;
/// What is measured if nothing is said.
const MEASURES: [&str; 4] = ["ready.mean", "ready.p99", "restarts", "held"];
/// More variants than this are a mistake.
const MOST_VARIANTS: usize = 100_000;

/// A study that has been read and checked.
#[derive(Debug, Clone)]
pub struct Study {
    /// The file of the study.
    pub name: String,
    /// What is varied: the path of each field, as written.
    pub parameters: Vec<String>,
    /// Every combination of their values, the last parameter changing fastest.
    pub variants: Vec<Variant>,
    /// How often each variant is run at first.
    pub replications: u32,
    /// When it is run more often.
    pub precision: Option<Precision>,
    /// The first seed; replication n of every variant has the n-th from there on.
    pub first_seed: u64,
    /// What is measured, as written.
    pub measures: Vec<Placed<String>>,
    /// Those of them that are written in the words of expectations.
    pub observations: Vec<Observation>,
}

/// One combination of values.
#[derive(Debug, Clone)]
pub struct Variant {
    /// The values as they are written, one for each parameter.
    pub values: Vec<String>,
    /// The scenario with these values.
    pub scenario: Scenario,
}

/// More replications until a measure is known well enough.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Precision {
    /// Which measure.
    pub of: Placed<String>,
    /// Half the width of its 95 % interval, as a share of its mean.
    pub relative: Placed<f64>,
    /// At most so many replications.
    pub at_most: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename = "Study", default, deny_unknown_fields)]
struct StudyFile {
    scenario: Option<Placed<String>>,
    replications: Option<Placed<u32>>,
    precision: Option<Precision>,
    first_seed: Option<u64>,
    measure: Vec<Placed<String>>,
}

impl Study {
    /// Reads a study, and the scenario of each of its variants.
    ///
    /// # Errors
    /// Everything that is wrong with the study or with any variant.
    pub fn load(path: &str, files: &dyn Files) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let study = Self::read(path, files, &mut problems);
        problems.or(study)
    }

    fn read(path: &str, files: &dyn Files, problems: &mut Problems) -> Option<Self> {
        let start = Place::start_of(path);
        let content = match files.read(path) {
            Ok(content) => content,
            Err(error) => {
                problems.add(start, format!("{path}: {error}"), error.remedy());
                return None;
            }
        };
        let text = String::from_utf8_lossy(&content);
        let file = Name::new(path);
        let (node, errors) = outline::parse(&text);
        problems.extend(errors.into_iter().map(|e| Problem::new(Place { file, position: e.at }, e.found, e.remedy)));
        let mut node = node?;
        let parameters = vary(&mut node, file, problems)?;
        let mut wrong = Vec::new();
        let own = outline::read::<StudyFile>(&node, file, &mut wrong);
        problems.extend(wrong);
        let own = own?;
        let Some(scenario) = &own.scenario else {
            problems.add(start, "no scenario", "name one: scenario: \"quickstart.ron\"");
            return None;
        };
        let replications = own.replications.as_ref().map_or(REPLICATIONS, |wanted| wanted.value);
        if let Some(few) = own.replications.as_ref().filter(|wanted| wanted.value < 2) {
            problems.add(few.place, format!("{} replications", few.value), "an interval needs two at least");
        }
        let count = parameters.iter().map(|(_, values)| values.len()).product::<usize>();
        if count > MOST_VARIANTS {
            problems.add(start, format!("{count} variants"), format!("at most {MOST_VARIANTS} are run"));
            return None;
        }
        let named = beside(path, &scenario.value);
        let mut variants = Vec::new();
        for number in 0..count {
            match variant(&named, &parameters, number, files) {
                Ok(variant) => variants.push(variant),
                Err(wrong) => {
                    let chosen = combination(&parameters, number);
                    problems.extend(
                        blamed(&named, &chosen, file, files).unwrap_or_else(|| wrong.iter().cloned().collect()),
                    );
                    return None;
                }
            }
        }
        let measures = if own.measure.is_empty() {
            MEASURES.map(|measure| Placed::new(start, measure.to_owned())).into()
        } else {
            own.measure
        };
        if let Some(precision) = &own.precision {
            let known: Vec<&str> = measures.iter().map(|measure| measure.as_str()).collect();
            if !known.contains(&precision.of.as_str()) {
                let remedy = suggestion(&precision.of, known);
                problems.add(
                    precision.of.place,
                    format!("a precision of {:?}, which is not measured", precision.of.value),
                    remedy,
                );
            }
            if precision.relative.value.is_nan() || precision.relative.value <= 0.0 {
                let found = format!("the precision {}", precision.relative.value);
                problems.add(
                    precision.relative.place,
                    found,
                    "write a share such as 0.05: half the interval by the mean",
                );
            }
        }
        let observed = measures.iter().filter(|measure| Observation::is_meant(measure));
        let observations = observed
            .filter_map(|text| {
                let scenario = &variants.first()?.scenario;
                expect::parse_observation(text, scenario.duration, &scenario.makeable, problems)
            })
            .collect();
        Some(Self {
            name: path.to_owned(),
            parameters: parameters.into_iter().map(|(path, _)| path).collect(),
            variants,
            replications,
            precision: own.precision,
            first_seed: own.first_seed.unwrap_or(1),
            measures,
            observations,
        })
    }
}

/// The values of each parameter.
type Parameters = Vec<(String, Vec<Node>)>;

/// Takes `vary` out of a study: its values mean something only in the scenario.
fn vary(study: &mut Node, file: Name, problems: &mut Problems) -> Option<Parameters> {
    let Shape::Struct(_, Body::Fields(fields)) = &mut study.shape else { return Some(Vec::new()) };
    let Some(place) = fields.iter().position(|field| field.name == "vary") else { return Some(Vec::new()) };
    let field = fields.remove(place);
    let wrong = |at| Place { file, position: at };
    let remedy = "write lists of values by path: {\"nodes[0].count\": [2, 3]}";
    let Shape::Map(entries) = field.value.shape else {
        problems.add(wrong(field.value.at), "no map", remedy);
        return None;
    };
    let mut parameters = Vec::new();
    for (key, value) in entries {
        match (key.shape, value.shape) {
            (Shape::Text(path, at), Shape::List(values)) if !values.is_empty() => {
                if let Err(found) = Setting::of_node(&path, values[0].clone()) {
                    problems.add(wrong(at), found, "write it as nodes[0].count or deployment/web:spec.replicas");
                    return None;
                }
                parameters.push((path, values));
            }
            _ => {
                problems.add(wrong(value.at), "no list of values", remedy);
                return None;
            }
        }
    }
    Some(parameters)
}

/// What is wrong because of a value of the study, at that value; nothing if no value alone is to blame.
fn blamed(scenario: &str, chosen: &[(&str, &Node)], study: Name, files: &dyn Files) -> Option<Vec<Problem>> {
    // What is wrong without any of them is the scenario's own.
    Scenario::load(scenario, files).ok()?;
    chosen.iter().find_map(|(path, value)| {
        let setting = Setting::of_node(path, (*value).clone()).ok()?;
        let wrong = Scenario::load_with(scenario, &[setting], files).err()?;
        let place = Place { file: study, position: value.at };
        let with = format!("{path} = {}", Literal(value));
        let own = |problem: &Problem| {
            // At its beginning a file has nothing that is meant.
            let at =
                if problem.place == Place::start_of(scenario) { String::new() } else { format!("{}: ", problem.place) };
            Problem::new(place, format!("{with}: {at}{}", problem.found), problem.remedy.clone())
        };
        Some(wrong.iter().map(own).collect())
    })
}

/// The values of the n-th combination.
fn combination(parameters: &Parameters, number: usize) -> Vec<(&str, &Node)> {
    let mut left = number;
    let mut chosen: Vec<(&str, &Node)> = Vec::new();
    for (path, values) in parameters.iter().rev() {
        chosen.push((path, &values[left % values.len()]));
        left /= values.len();
    }
    chosen.reverse();
    chosen
}

/// The n-th combination.
fn variant(scenario: &str, parameters: &Parameters, number: usize, files: &dyn Files) -> Result<Variant, Problems> {
    let chosen = combination(parameters, number);
    let settings: Vec<Setting> = chosen
        .iter()
        .map(|(path, value)| Setting::of_node(path, (*value).clone()).expect("paths were checked"))
        .collect();
    let values = chosen.iter().map(|(_, value)| Literal(value).to_string()).collect();
    Ok(Variant { values, scenario: Scenario::load_with(scenario, &settings, files)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const SCENARIO: &str = r#"(nodes: [Pool(count: 3)], manifests: [File("web.yaml")])"#;
    const WEB: &str =
        "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: a, image: nginx}]}}";

    fn load(study: &str) -> Result<Study, String> {
        let files = BTreeMap::from([("s/study.ron", study), ("s/base.ron", SCENARIO), ("s/web.yaml", WEB)]);
        Study::load("s/study.ron", &files).map_err(|problems| problems.to_string())
    }

    #[test]
    fn every_combination_is_a_variant() {
        let study = load(
            r#"Study(scenario: "base.ron", vary: {"nodes[0].count": [1, 2], "pod/web:spec.priority": [5, 6, 7]})"#,
        )
        .expect("a good study");
        let values: Vec<String> = study.variants.iter().map(|variant| variant.values.join(" ")).collect();
        assert_eq!(values, ["1 5", "1 6", "1 7", "2 5", "2 6", "2 7"]);
        let nodes: Vec<usize> = study.variants.iter().map(|v| v.scenario.plan(1).nodes.len()).collect();
        assert_eq!(nodes, [1, 1, 1, 2, 2, 2]);
    }

    #[test]
    fn what_is_wrong_is_placed() {
        for (study, problem) in [
            ("Study()", "s/study.ron:1:1: no scenario"),
            (r#"Study(scenario: "none.ron")"#, "none.ron: no such file"),
            (
                r#"Study(scenario: "base.ron", vary: {"nodes[7].count": [1]})"#,
                "s/study.ron:1:55: nodes[7].count = 1: the scenario has no nodes[7].count",
            ),
            (
                r#"Study(scenario: "base.ron", vary: {"pod/db:spec.priority": [1]})"#,
                "no manifest has pod/db:spec.priority",
            ),
            (r#"Study(scenario: "base.ron", vary: {"nodes[0].count": 3})"#, "no list of values"),
            (r#"Study(scenario: "base.ron", replications: 1)"#, "s/study.ron:1:43: 1 replications"),
            (
                r#"Study(scenario: "base.ron", vary: {"nodes[0].count": [2, "x"]})"#,
                "s/study.ron:1:58: nodes[0].count = x: s/base.ron:1:22: the text \"x\"; write a whole number",
            ),
            (
                r#"Study(scenario: "base.ron", measure: ["held"], precision: Some((of: "hel", relative: 0.1, at_most: 9)))"#,
                "s/study.ron:1:70: a precision of \"hel\", which is not measured; did you mean held?",
            ),
            (
                r#"Study(scenario: "base.ron", measure: ["held"], precision: Some((of: "held", relative: -0.1, at_most: 9)))"#,
                "the precision -0.1; write a share such as 0.05",
            ),
            (
                r#"Study(scenario: "base.ron", measure: ["mean(pod(wep).ready)"])"#,
                "s/study.ron:1:49: the pod \"wep\", which no manifest makes; did you mean web?",
            ),
        ] {
            let told = load(study).expect_err(study);
            assert!(told.contains(problem), "{told}");
        }
    }
}
