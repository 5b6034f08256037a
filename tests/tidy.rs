//! The small things that reviewers should not have to look for.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of some kinds below a folder, with its path from the root.
fn files(folder: &str, ends: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if ends.iter().any(|end| path.extension().is_some_and(|have| have == *end)) {
                found.push((name_of(&path), fs::read_to_string(&path).expect("a text")));
            }
        }
    }
    found.sort();
    found
}

fn name_of(path: &Path) -> String {
    let steps: PathBuf = path.strip_prefix(root()).expect("a path below the root").to_owned();
    steps.display().to_string().replace('\\', "/")
}

fn rust() -> Vec<(String, String)> {
    ["src", "tests", "benches", "examples"].into_iter().flat_map(|folder| files(folder, &["rs"])).collect()
}

/// Asserts that no line of some files is complained of.
fn every_line(files: &[(String, String)], complaint: impl Fn(&str, &str) -> Option<String>) {
    let mut complaints = Vec::new();
    for (name, text) in files {
        for (number, line) in text.lines().enumerate() {
            complaints.extend(complaint(name, line).map(|complaint| format!("{name}:{}: {complaint}", number + 1)));
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn every_file_of_code_says_what_it_is_for() {
    let silent: Vec<String> =
        rust().into_iter().filter(|(_, text)| !text.starts_with("//! ")).map(|(name, _)| name).collect();
    assert!(silent.is_empty(), "without a first line of documentation: {silent:?}");
}

#[test]
fn texts_are_clean() {
    let mut texts = rust();
    texts.extend(files("scenarios", &["ron", "yaml", "json"]));
    every_line(&texts, |name, line| {
        // Code is the formatter's business; texts and tables are as long as they are.
        let comment = line.trim_start().starts_with("//");
        let may = line.contains("https://") || line.starts_with("//! |");
        if line.chars().count() > 120 && name.ends_with(".rs") && comment && !may {
            return Some("more than 120 columns".to_owned());
        }
        (line.ends_with(' ') && !line.contains('"')).then(|| "a blank at the end".to_owned())
    });
    for (name, text) in &texts {
        assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{name} ends with one line break");
        assert!(!text.contains('\r'), "{name} has carriage returns");
    }
}

#[test]
fn nothing_is_left_for_later() {
    // Put together, so that this file does not complain of itself.
    let words = [
        ["TO", "DO"].concat(),
        ["FIX", "ME"].concat(),
        ["XX", "X:"].concat(),
        ["todo", "!("].concat(),
        ["dbg", "!("].concat(),
    ];
    every_line(&rust(), |_, line| words.iter().find(|word| line.contains(*word)).map(|word| format!("says {word}")));
}

#[test]
fn only_the_command_line_touches_the_machine() {
    let words = [
        "std::fs",
        "std::env",
        "std::time::Instant",
        "std::time::SystemTime",
        "SystemTime::now",
        "Instant::now",
        "std::net::Tcp",
    ];
    let below: Vec<(String, String)> = files("src", &["rs"])
        .into_iter()
        .filter(|(name, _)| !name.starts_with("src/cli/") && name != "src/main.rs")
        .collect();
    every_line(&below, |_, line| {
        let code = line.split("//").next().unwrap_or_default();
        words.iter().find(|word| code.contains(*word)).map(|word| format!("uses {word}"))
    });
}

/// The rooms, and what none of their files may name.
const CLOSED: &[(&str, &[&str])] = &[
    (
        "src/engine/",
        &["crate::api", "crate::components", "crate::simulation", "crate::scenario", "crate::trace", "crate::report"],
    ),
    ("src/api/", &["crate::components", "crate::simulation", "crate::scenario", "crate::trace", "crate::report"]),
    ("src/components/", &["crate::trace", "crate::report"]),
    ("src/simulation/", &["crate::report", "crate::cli"]),
    ("src/report/", &["crate::components::kubelet", "crate::components::controllers", "crate::components::scheduler"]),
];

#[test]
fn rooms_know_only_the_rooms_before_them() {
    // A decision is explained by the scheduler itself; the report prints what it says.
    let exempt = "src/report/decision.rs";
    for (room, closed) in CLOSED {
        let files: Vec<_> = files(room, &["rs"]).into_iter().filter(|(name, _)| name != exempt).collect();
        every_line(&files, |_, line| {
            let code = line.split("//").next().unwrap_or_default();
            closed.iter().find(|other| code.contains(*other)).map(|other| format!("{room} names {other}"))
        });
    }
}

#[test]
fn the_engine_has_never_heard_of_kubernetes() {
    let words = ["pod", "kube", "container", "node", "yaml"];
    every_line(&files("src/engine", &["rs"]), |_, line| {
        let code = line.split("//").next().unwrap_or_default().replace("podsim", "").to_lowercase();
        let spoken: BTreeSet<&str> = code.split(|c: char| !c.is_alphabetic()).collect();
        words.iter().find(|word| spoken.contains(**word)).map(|word| format!("says {word}"))
    });
}

#[test]
fn the_front_door_is_clear() {
    let known = [
        "CHANGELOG.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "README.md",
        "benches",
        "conformance",
        "examples",
        "reports",
        "scenarios",
        "src",
        "target",
        "tests",
    ];
    for entry in fs::read_dir(root()).expect("a folder").flatten() {
        let name = entry.file_name().into_string().expect("a plain name");
        assert!(name.starts_with('.') || known.contains(&name.as_str()), "{name} has no place at the top");
    }
}

#[test]
fn the_changelog_and_the_readme_are_up_to_date() {
    let read = |name: &str| fs::read_to_string(root().join(name)).expect("a text");
    let (version, changelog, readme) = (env!("CARGO_PKG_VERSION"), read("CHANGELOG.md"), read("README.md"));
    assert!(changelog.contains(&format!("## {version}")), "CHANGELOG.md has no section {version}");
    for command in ["cargo run --release -- run scenarios/quickstart.ron", "cargo test"] {
        assert!(readme.contains(command), "README.md does not say {command}");
    }
    for part in readme.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        let local = !part.starts_with("http") && !part.starts_with('#');
        assert!(!local || root().join(part).exists(), "README.md links to {part}, which is not there");
    }
}
