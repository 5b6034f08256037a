//! The command line of podsim.

use podsim::scenario::recorded::RecordedCase;
use podsim::simulation::Run;
use podsim::trace::Recording;
use std::sync::Arc;

fn main() {
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
