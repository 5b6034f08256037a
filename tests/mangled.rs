//! Scenarios and manifests, mangled: the loaders say what is wrong with them, whatever it is, and never panic.

use podsim::scenario::{ManifestOptions, Scenario};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What gets into texts by mistake.
const JUNK: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "\"",
    "'",
    "\\",
    "\n",
    "\t",
    " ",
    "-",
    "#",
    "//",
    "/*",
    "*/",
    "---\n",
    "&a ",
    "*a",
    "!!binary ",
    "<<: ",
    "0",
    "-1",
    "1e99",
    "99999999999999999999",
    "null",
    "true",
    "NaN",
    "r#\"",
    "Some(",
    "None",
    "é",
    "\u{feff}",
    "\u{0}",
    "5m",
    "10 minutes",
    "%",
    "@",
    "|",
    ">",
    "?",
    "at ",
    "eventually ",
    "within ",
    " and ",
    "pod(",
    "*/*",
];

/// One mistake, at a place given in thousandths of the text.
#[derive(Debug, Clone)]
enum Mistake {
    Cut { at: usize, length: usize },
    Insert { at: usize, junk: usize },
    Repeat { at: usize, length: usize },
    Truncate { at: usize },
    Swap { at: usize, with: usize, length: usize },
}

fn mistake() -> impl Strategy<Value = Mistake> {
    let place = 0..1_000_usize;
    prop_oneof![
        (place.clone(), 1..40_usize).prop_map(|(at, length)| Mistake::Cut { at, length }),
        (place.clone(), 0..JUNK.len()).prop_map(|(at, junk)| Mistake::Insert { at, junk }),
        (place.clone(), 1..200_usize).prop_map(|(at, length)| Mistake::Repeat { at, length }),
        place.clone().prop_map(|at| Mistake::Truncate { at }),
        (place.clone(), place, 1..30_usize).prop_map(|(at, with, length)| Mistake::Swap { at, with, length }),
    ]
}

fn mangled(text: &str, mistakes: &[Mistake]) -> String {
    let mut text: Vec<char> = text.chars().collect();
    for mistake in mistakes {
        let place = |thousandths: usize| text.len() * thousandths / 1_000;
        let end = |from: usize, length: usize| (from + length).min(text.len());
        match *mistake {
            Mistake::Cut { at, length } => {
                let from = place(at);
                let end = end(from, length);
                text.drain(from..end);
            }
            Mistake::Insert { at, junk } => {
                let from = place(at);
                text.splice(from..from, JUNK[junk].chars());
            }
            Mistake::Repeat { at, length } => {
                let from = place(at);
                let part: Vec<char> = text[from..end(from, length)].to_vec();
                text.splice(from..from, part);
            }
            Mistake::Truncate { at } => text.truncate(place(at)),
            Mistake::Swap { at, with, length } => {
                let (from, with) = (place(at), place(with));
                let part: Vec<char> = text[with..end(with, length)].to_vec();
                let end = end(from, length);
                text.splice(from..end, part);
            }
        }
    }
    text.into_iter().collect()
}

/// The scenarios and manifests that come with podsim, by name.
fn originals() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut texts = BTreeMap::new();
    for (folder, prefix) in [(root.clone(), ""), (root.join("manifests"), "manifests/")] {
        for entry in fs::read_dir(&folder).expect("a folder").flatten().filter(|entry| entry.path().is_file()) {
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            texts.insert(name, fs::read_to_string(entry.path()).expect("a text"));
        }
    }
    texts
}

/// Loads a file among the others, and checks that whatever is wrong is placed within a file.
fn load(name: &str, files: &BTreeMap<String, String>) {
    let known: BTreeMap<&str, &str> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let loaded = if name.ends_with(".ron") {
        Scenario::load(name, &known)
    } else {
        Scenario::from_manifests(&[name.to_owned()], &ManifestOptions::default(), &known)
    };
    match loaded {
        Ok(scenario) => drop(scenario.plan(1)),
        Err(problems) => {
            assert!(!problems.is_empty());
            for problem in problems.iter() {
                let lines = files[problem.place.file.as_str()].lines().count() + 1;
                let line = problem.place.position.line as usize;
                assert!((1..=lines).contains(&line), "{problem} of {lines} lines");
                assert!(!problem.found.is_empty() && !problem.remedy.is_empty(), "{problem}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn mangled_files_are_read_or_refused(
        which in any::<prop::sample::Index>(),
        mistakes in prop::collection::vec(mistake(), 1..5),
    ) {
        let mut files = originals();
        let name = which.get(&files.keys().cloned().collect::<Vec<_>>()).clone();
        let text = mangled(&files[&name], &mistakes);
        files.insert(name.clone(), text);
        load(&name, &files);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        for name in ["a.ron", "a.yaml"] {
            load(name, &BTreeMap::from([(name.to_owned(), text.clone())]));
        }
    }
}

#[test]
fn what_comes_with_podsim_is_fine_before_it_is_mangled() {
    let files = originals();
    for name in files.keys() {
        load(name, &files);
    }
}
