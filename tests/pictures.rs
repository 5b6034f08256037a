//! The pictures and samples that the README shows are what the program makes today.
//!
//! `UPDATE_GOLDEN=1 cargo test --test pictures` makes them again; look at them before they are kept.

use std::fs;
use std::path::Path;
use std::process::Command;

/// A command, and which of the files that it writes are shown under which name.
struct Sample {
    arguments: &'static [&'static str],
    shown: &'static [(&'static str, &'static str)],
}

const SAMPLES: &[Sample] = &[
    Sample { arguments: &["run", "scenarios/quickstart.ron"], shown: &[("timeline.svg", "quickstart.svg")] },
    Sample { arguments: &["run", "scenarios/crash-loop.ron"], shown: &[("restarts.svg", "restarts.svg")] },
    Sample {
        arguments: &["plan", "scenarios/three-nodes.json", "scenarios/manifests/quickstart.yaml"],
        shown: &[("plan.md", "plan.md"), ("headroom.svg", "plan-headroom.svg")],
    },
];

const STUDY: Sample =
    Sample { arguments: &["sweep", "scenarios/studies/probe-period.ron"], shown: &[("sweep.svg", "sweep.svg")] };

/// Makes a sample; what it shows and is not what is kept, unless that is made anew.
fn differences(sample: &Sample) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_podsim"));
    let made = command.current_dir(root).args(sample.arguments).arg("--quiet").arg("--out").arg(folder.path()).output();
    assert!(made.expect("the program").stderr.is_empty(), "{:?}", sample.arguments);
    let mut differ = Vec::new();
    for (written, shown) in sample.shown {
        let new = fs::read_to_string(folder.path().join(written)).expect(written);
        let kept = root.join("reports").join(shown);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(kept, new).expect(shown);
        } else if fs::read_to_string(kept).ok() != Some(new) {
            differ.push(format!("reports/{shown} is not what podsim {} makes", sample.arguments.join(" ")));
        }
    }
    differ
}

#[test]
fn the_readme_shows_what_the_program_makes() {
    let differ: Vec<String> = SAMPLES.iter().flat_map(differences).collect();
    assert!(differ.is_empty(), "{}\nUPDATE_GOLDEN=1 makes them again", differ.join("\n"));
}

#[test]
#[ignore = "takes a minute: cargo test --release --test pictures -- --ignored"]
fn the_readme_shows_the_study_that_the_program_makes() {
    assert_eq!(differences(&STUDY), [] as [String; 0]);
}
