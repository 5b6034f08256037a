//! A scenario in parts that can be left out: what finding the smallest one that still shows something needs.
//!
//! Included files are taken in, and every object of a manifest becomes a part of its own, so that what is left is one
//! file that runs by itself.

use super::error::{Place, Problem, Problems};
use super::files::{Files, beside};
use super::manifest;
use super::outline::{self, Body, Field, Node, Shape};
use super::setting::Literal;
use crate::api::Name;
use crate::engine::SimDuration;
use serde_json::Value;
use std::fmt::Write;

/// The lists whose elements can be left out.
const LISTS: [&str; 7] = ["manifests", "actions", "faults", "behaviors", "metrics", "nodes", "expect"];

/// Where an object says how many it wants.
const REPLICAS: &str = "/spec/replicas";

/// A scenario as a list of parts.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Fields that stay.
    fixed: Vec<(String, Node)>,
    /// Elements of lists, by list and in order.
    parts: Vec<(&'static str, Node)>,
}

impl Parts {
    /// Reads a scenario file, what it includes and the manifests that it names.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn load(path: &str, files: &dyn Files) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let mut own = Self { fixed: Vec::new(), parts: Vec::new() };
        own.take(path, files, &mut problems, 0);
        own.parts.sort_by_key(|(list, _)| LISTS.iter().position(|known| known == list));
        problems.or(Some(own))
    }

    /// How many parts there are.
    pub const fn len(&self) -> usize {
        self.parts.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The same with only one expectation, or none.
    #[must_use]
    pub fn expecting(mut self, expectation: Option<&str>) -> Self {
        self.parts.retain(|(list, node)| *list != "expect" || Some(Literal(node).to_string().as_str()) == expectation);
        self
    }

    /// The same with other faults, each as a scenario writes it, and watched for another time.
    #[must_use]
    pub fn struck_by(mut self, faults: &[String], duration: SimDuration) -> Self {
        self.parts.retain(|(list, _)| *list != "faults");
        self.parts.extend(faults.iter().filter_map(|text| Some(("faults", outline::parse(text).0?))));
        self.set_duration(duration);
        self.parts.sort_by_key(|(list, _)| LISTS.iter().position(|known| known == list));
        self
    }

    /// The same, watched for a shorter time; nothing if it is not shorter.
    #[must_use]
    pub fn lasting(&self, duration: SimDuration) -> Option<Self> {
        let known = self.fixed.iter().find(|(name, _)| name == "duration");
        let longest: Option<SimDuration> = known.and_then(|(_, node)| Literal(node).to_string().parse().ok());
        let mut shorter = self.clone();
        shorter.set_duration(duration);
        (duration < longest?).then_some(shorter)
    }

    /// How many there are of a part: machines of a pool, replicas of a workload.
    pub fn number(&self, part: usize) -> Option<u64> {
        match &self.parts[part] {
            ("nodes", node) => number_of(&mut node.clone(), "count")?.parse().ok(),
            ("manifests", node) => serde_json::from_str::<Value>(inner(node)?.1).ok()?.pointer(REPLICAS)?.as_u64(),
            _ => None,
        }
    }

    /// The same with another number of a part.
    #[must_use]
    pub fn with_number(&self, part: usize, number: u64) -> Self {
        let mut less = self.clone();
        let (list, node) = &mut less.parts[part];
        if *list == "nodes" {
            number_of(node, "count").into_iter().for_each(|text| *text = number.to_string());
        } else if let Some((_, text)) = inner(node)
            && let Ok(mut object) = serde_json::from_str::<Value>(text)
            && let Some(replicas) = object.pointer_mut(REPLICAS)
        {
            *replicas = number.into();
            *node = inline(node, &object);
        }
        less
    }

    /// Whether a part may be left out: what is expected stays.
    pub fn optional(&self) -> Vec<usize> {
        (0..self.parts.len()).filter(|part| self.parts[*part].0 != "expect").collect()
    }

    /// The scenario of some of the parts, as text; `fixed` names parts that are kept in any case.
    pub fn text(&self, kept: &[usize]) -> String {
        let mut text = String::from("Scenario(\n");
        for (name, node) in &self.fixed {
            writeln!(text, "    {name}: {},", Source(node)).expect("memory takes everything");
        }
        for list in LISTS {
            let mine = |part: usize| kept.contains(&part) || self.parts[part].0 == "expect";
            let nodes = self.parts.iter().enumerate().filter(|(place, (own, _))| *own == list && mine(*place));
            let nodes: Vec<&Node> = nodes.map(|(_, (_, node))| node).collect();
            if nodes.is_empty() {
                continue;
            }
            writeln!(text, "    {list}: [").expect("memory takes everything");
            for node in nodes {
                writeln!(text, "        {},", Source(node)).expect("memory takes everything");
            }
            text += "    ],\n";
        }
        text + ")\n"
    }

    fn set_duration(&mut self, duration: SimDuration) {
        self.fixed.retain(|(name, _)| name != "duration");
        let text = format!("\"{}ms\"", duration.as_nanos() / 1_000_000);
        self.fixed.extend(outline::parse(&text).0.map(|node| ("duration".to_owned(), node)));
    }

    fn take(&mut self, path: &str, files: &dyn Files, problems: &mut Problems, depth: usize) {
        let start = Place::start_of(path);
        let content = match files.read(path) {
            Ok(content) if depth < 32 => content,
            Ok(_) => return problems.add(start, "files that include each other", "leave one of them out"),
            Err(error) => return problems.add(start, format!("{path}: {error}"), error.remedy()),
        };
        let (node, errors) = outline::parse(&String::from_utf8_lossy(&content));
        let file = Name::new(path);
        let told = |e: outline::SyntaxError| Problem::new(Place { file, position: e.at }, e.found, e.remedy);
        problems.extend(errors.into_iter().map(told));
        let Some(Node { shape: Shape::Struct(_, Body::Fields(fields)), .. }) = node else { return };
        for Field { name, mut value, .. } in fields {
            if name != "manifests" {
                fill_in(&mut value, path, files, problems);
            }
            match (LISTS.iter().find(|list| **list == name), value.shape) {
                (_, Shape::List(nodes)) if name == "include" => {
                    for node in nodes {
                        self.take(&beside(path, &Literal(&node).to_string()), files, problems, depth + 1);
                    }
                }
                (Some(&"manifests"), Shape::List(nodes)) => {
                    for node in nodes {
                        self.objects(path, node, files, problems);
                    }
                }
                (Some(list), Shape::List(nodes)) => self.parts.extend(nodes.into_iter().map(|node| (*list, node))),
                (_, shape) => {
                    // What includes says it again, and then that counts.
                    self.fixed.retain(|(known, _)| *known != name);
                    self.fixed.push((name, Node { shape, ..value }));
                }
            }
        }
    }

    /// Every object of a manifest by itself.
    fn objects(&mut self, path: &str, node: Node, files: &dyn Files, problems: &mut Problems) {
        let text = match inner(&node) {
            Some(("File", named)) => match read(path, &node, named, files, problems) {
                Some(content) => content,
                None => return,
            },
            Some(("Inline", text)) => text.as_bytes().to_vec(),
            _ => return self.parts.push(("manifests", node)),
        };
        let Ok(documents) = manifest::load(&text) else { return self.parts.push(("manifests", node)) };
        for document in documents {
            self.parts.push(("manifests", inline(&node, &document.value)));
        }
    }
}

/// A file that a scenario names.
fn read(path: &str, node: &Node, named: &str, files: &dyn Files, problems: &mut Problems) -> Option<Vec<u8>> {
    match files.read(&beside(path, named)) {
        Ok(content) => Some(content),
        Err(error) => {
            let place = Place { file: Name::new(path), position: node.at };
            problems.add(place, format!("{named}: {error}"), error.remedy());
            None
        }
    }
}

/// Puts the files that a value names in their places, so that it stands by itself.
fn fill_in(node: &mut Node, path: &str, files: &dyn Files, problems: &mut Problems) {
    if let Some(("File", named)) = inner(node) {
        if let Some(content) = read(path, node, named, files, problems) {
            *node = inline_text(node, String::from_utf8_lossy(&content).into_owned());
        }
        return;
    }
    let mut fill_in = |node: &mut Node| fill_in(node, path, files, problems);
    match &mut node.shape {
        Shape::List(nodes) | Shape::Struct(_, Body::Tuple(nodes)) => nodes.iter_mut().for_each(fill_in),
        Shape::Map(entries) => entries.iter_mut().for_each(|(_, value)| fill_in(value)),
        Shape::Struct(_, Body::Fields(fields)) => fields.iter_mut().for_each(|field| fill_in(&mut field.value)),
        _ => {}
    }
}

/// An object as a manifest in the place of a value.
fn inline(place: &Node, object: &Value) -> Node {
    inline_text(place, format!("{object:#}"))
}

fn inline_text(place: &Node, text: String) -> Node {
    let at = |shape| Node { id: place.id, at: place.at, shape };
    let text = at(Shape::Text(text, place.at));
    at(Shape::Struct(Some("Inline".to_owned()), Body::Tuple(vec![text])))
}

/// A number among the fields of a struct.
fn number_of<'n>(node: &'n mut Node, name: &str) -> Option<&'n mut String> {
    let Shape::Struct(_, Body::Fields(fields)) = &mut node.shape else { return None };
    fields.iter_mut().find(|field| field.name == name).and_then(|field| match &mut field.value.shape {
        Shape::Number(text) => Some(text),
        _ => None,
    })
}

/// The word and the text of `File("…")` and the like.
fn inner(node: &Node) -> Option<(&str, &str)> {
    match &node.shape {
        Shape::Struct(Some(name), Body::Tuple(parts)) => match parts.as_slice() {
            [Node { shape: Shape::Text(text, _), .. }] => Some((name, text)),
            _ => None,
        },
        _ => None,
    }
}

/// A value as RON.
struct Source<'n>(&'n Node);

impl std::fmt::Display for Source<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let joined = |nodes: &[Node]| nodes.iter().map(|node| Source(node).to_string()).collect::<Vec<_>>().join(", ");
        match &self.0.shape {
            Shape::Bool(value) => write!(f, "{value}"),
            Shape::Number(text) => f.write_str(text),
            Shape::Char(letter) => write!(f, "{letter:?}"),
            Shape::Text(text, _) => quoted(f, text),
            Shape::List(nodes) => write!(f, "[{}]", joined(nodes)),
            Shape::Map(entries) => {
                let entry = |(key, value): &(Node, Node)| format!("{}: {}", Source(key), Source(value));
                write!(f, "{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
            }
            Shape::Struct(name, body) => {
                f.write_str(name.as_deref().unwrap_or_default())?;
                match body {
                    Body::Unit if name.is_some() => Ok(()),
                    Body::Unit => f.write_str("()"),
                    Body::Tuple(nodes) => write!(f, "({})", joined(nodes)),
                    Body::Fields(fields) => {
                        let field = |field: &Field| format!("{}: {}", field.name, Source(&field.value));
                        write!(f, "({})", fields.iter().map(field).collect::<Vec<_>>().join(", "))
                    }
                }
            }
        }
    }
}

/// A text in quotes, raw where it has lines or quotes of its own.
fn quoted(f: &mut std::fmt::Formatter<'_>, text: &str) -> std::fmt::Result {
    if !text.contains(['"', '\n', '\\']) {
        return write!(f, "\"{text}\"");
    }
    let mut fence = "#".to_owned();
    while text.contains(&format!("\"{fence}")) {
        fence.push('#');
    }
    write!(f, "r{fence}\"{text}\"{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use std::collections::BTreeMap;

    #[test]
    fn all_parts_together_are_the_same_run() {
        let base = r#"(images: {"a b": Image(size: "1Mi")}, nodes: [Pool(count: 2)], duration: "9m")"#;
        let scenario = r#"Scenario(include: ["base.ron"], duration: "1m", manifests: [File("pods.yaml")],
            actions: [(at: "30s", do: Delete(object: "pod/one")), (at: "40s", do: Apply(File("three.yaml")))], expect: ["pod(two)", "not pod(one)"])"#;
        let pod = |name: &str| {
            format!(
                "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{containers: [{{name: a, image: \"x:1\"}}]}}}}"
            )
        };
        let pods = format!("{}\n---\n{}", pod("one"), pod("two"));
        let three = pod("three");
        let files = [("s.ron", scenario), ("base.ron", base), ("pods.yaml", pods.as_str()), ("three.yaml", &three)];
        let files = BTreeMap::from(files);
        let parts = Parts::load("s.ron", &files).expect("good files");
        assert_eq!(parts.len(), 7, "two pods, a deletion and a third pod, a pool, two expectations");
        let load = |text: &str| Scenario::load("p.ron", &BTreeMap::from([("p.ron", text)])).expect("a good scenario");
        let whole = load(&parts.text(&(0..parts.len()).collect::<Vec<_>>()));
        let original = Scenario::load("s.ron", &files).expect("a good scenario");
        assert_eq!(whole.duration(), original.duration());
        assert_eq!(whole.expectations.len(), 2);
        let digest = |scenario: &Scenario| {
            let plan = std::sync::Arc::new(scenario.plan(1));
            let mut simulation = crate::simulation::Simulation::new(plan, 1, &scenario.expectations);
            simulation.run();
            simulation.digest()
        };
        assert_eq!(digest(&whole), digest(&original));
        let less = parts.expecting(Some("pod(two)"));
        // Without the first pod, and without its deletion, which would name a pod that nothing makes.
        let kept: Vec<usize> = less.optional().iter().copied().filter(|part| ![0, 2].contains(part)).collect();
        let some = load(&less.text(&kept));
        assert_eq!((some.expectations.len(), some.plan(1).nodes.len()), (1, 2));
    }
}
