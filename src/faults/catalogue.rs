//! The kinds of faults as a table for people: what the README shows.

use super::{Group, KINDS};

/// Every kind with what it does and how it is written, as Markdown.
///
/// ```
/// assert!(podsim::faults::catalogue().contains("| `PowerLoss` | Machines lose power"));
/// ```
pub fn catalogue() -> String {
    let mut text = String::new();
    let mut group: Option<Group> = None;
    for info in KINDS {
        if group != Some(info.group) {
            group = Some(info.group);
            let title: &str = info.group.into();
            let gap = if text.is_empty() { "" } else { "\n" };
            text += &format!("{gap}**{title}**\n\n| kind | what it does | as it is written |\n|---|---|---|\n");
        }
        text += &format!("| `{}` | {} | `{}` |\n", info.name, info.says.trim(), info.example.replace('|', "\\|"));
    }
    text
}
