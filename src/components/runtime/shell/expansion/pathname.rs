//! Pathname expansion against the files in memory: POSIX XCU 2.6.6.

use super::super::pattern::{Marked, Pattern};
use crate::components::runtime::filesystem::{Files, absolute};

/// More matches than this are not worth having.
const MAX_MATCHES: usize = 10_000;

/// The paths that a pattern matches, in order; the pattern's own text if there are none.
pub(super) fn expand(files: &Files<'_>, directory: &str, pattern: &Marked) -> Vec<String> {
    let parts = pattern.split_path();
    let mut found = vec![String::new()];
    for (at, part) in parts.iter().enumerate() {
        let last = at + 1 == parts.len();
        let mut next = Vec::new();
        for base in &found {
            if !part.is_pattern() {
                next.push(format!("{base}{}", part.text()));
                continue;
            }
            let pattern = Pattern::new(part);
            let names = files.list(&absolute(directory, base)).unwrap_or_default();
            next.extend(names.iter().filter(|name| pattern.matches_name(name)).map(|name| format!("{base}{name}")));
        }
        next.truncate(MAX_MATCHES);
        if part.is_pattern() || last {
            next.retain(|path| path.is_empty() || files.link_metadata(&absolute(directory, path)).is_some());
        }
        if !last {
            next.iter_mut().for_each(|path| path.push('/'));
        }
        found = next;
    }
    if found.is_empty() { vec![pattern.text()] } else { found }
}
