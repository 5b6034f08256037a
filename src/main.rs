//! The command line of podsim.

mod cli;

use clap::Parser;
use podsim::scenario::recorded::RecordedCase;
use podsim::simulation::Run;
use podsim::trace::Recording;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    // A folder of recorded cases instead of a command: until `podsim conformance` reads them.
    if std::env::args().nth(1).is_some_and(|first| std::path::Path::new(&first).is_dir()) {
        run_recorded_cases();
        return ExitCode::SUCCESS;
    }
    cli::Cli::parse().run()
}

fn run_recorded_cases() {
    let args: Vec<String> = std::env::args().collect();
    let (corpus, out, pattern, seeds) = (&args[1], &args[2], &args[3], args[4].parse::<u64>().unwrap());
    let pattern = glob::Pattern::new(pattern).unwrap();
    let mut cases: Vec<_> = std::fs::read_dir(corpus).unwrap().flatten().filter(|e| e.path().is_dir()).collect();
    cases.sort_by_key(|e| e.file_name());
    for case in cases {
        let name = case.file_name().into_string().unwrap();
        if !pattern.matches(&name) {
            continue;
        }
        let read = |file: &str| std::fs::read(case.path().join(file)).unwrap();
        let parsed = match RecordedCase::parse(&read("manifest.yaml"), &read("behavior.yaml")) {
            Ok(parsed) => parsed,
            Err(error) => {
                eprintln!("{name}: {error}");
                continue;
            }
        };
        let dir = std::path::Path::new(out).join(&name);
        std::fs::create_dir_all(&dir).unwrap();
        for seed in 1..=seeds {
            let mut run = Run::new(Arc::new(parsed.plan(seed)), seed);
            let mut recording = Recording::new(&name, parsed.duration(), seed, run.cluster());
            run.run(&mut recording);
            std::fs::write(dir.join(format!("recording-{seed}.jsonl")), recording.into_lines().join("\n") + "\n")
                .unwrap();
        }
    }
}
