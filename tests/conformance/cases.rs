//! The recorded cases that travel with the project, unpacked.

use podsim::conformance::lifecycle::{self, CaseScore, Story, score};
use podsim::scenario::recorded::RecordedCase;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// A case: its two inputs, and its recordings.
#[derive(Default)]
pub struct Case {
    pub manifest: Vec<u8>,
    pub behavior: Vec<u8>,
    pub recordings: Vec<Story>,
}

/// The cases of a family, unpacked.
pub fn family(name: &str) -> BTreeMap<String, Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/kubernetes-1.36");
    let file = File::open(folder.join(format!("{name}.tar.zst"))).unwrap_or_else(|error| panic!("{name}: {error}"));
    let packed = ruzstd::decoding::StreamingDecoder::new(file).expect("a zstd frame");
    let mut archive = tar::Archive::new(packed);
    let mut cases: BTreeMap<String, Case> = BTreeMap::new();
    for entry in archive.entries().expect("an archive") {
        let mut entry = entry.expect("an entry");
        let path = entry.path().expect("a path").to_string_lossy().into_owned();
        let Some((case, file)) = path.split_once('/') else { continue };
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("the whole entry");
        let case = cases.entry(case.to_owned()).or_default();
        match file {
            "manifest.yaml" => case.manifest = bytes,
            "behavior.yaml" => case.behavior = bytes,
            _ => {
                let text = String::from_utf8(bytes).expect("a recording is text");
                case.recordings.push(Story::read(text.lines()).unwrap_or_else(|error| panic!("{path}:{error}")));
            }
        }
    }
    cases
}

impl Case {
    /// The case, to be run.
    pub fn parsed(&self) -> RecordedCase {
        RecordedCase::parse(&self.manifest, &self.behavior).expect("a case that can be run")
    }

    /// How close so many runs of it come to its recordings.
    pub fn scored(&self, name: &str, seeds: u64) -> CaseScore {
        let case = self.parsed();
        let runs: Vec<Story> = (1..=seeds).map(|seed| lifecycle::simulate(name, &case, seed)).collect();
        score(name, &self.recordings, &runs)
    }
}
