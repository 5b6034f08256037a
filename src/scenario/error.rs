//! What is wrong with a scenario or a manifest: the place, what was found, what would do; all of it at once.

use super::manifest::{ManifestError, Position};
use crate::api::Name;
use std::fmt;

/// A place in one of the files that a scenario is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Place {
    /// The file, as it was named.
    pub file: Name,
    /// The place in it.
    pub position: Position,
}

impl Place {
    /// The beginning of a file.
    pub fn start_of(file: &str) -> Self {
        Self { file: Name::new(file), position: Position { line: 1, column: 1 } }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.position)
    }
}

/// One thing that is wrong.
///
/// Displayed on one line: `scenarios/oom.ron:14:22: what was found; what would do`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What was found.
    pub found: String,
    /// What would do.
    pub remedy: String,
}

impl Problem {
    /// Something that is wrong at a place.
    pub fn new(place: Place, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { place, found: found.into(), remedy: remedy.into() }
    }

    /// What is wrong with a manifest's text.
    pub fn of_manifest(file: Name, error: ManifestError) -> Self {
        let place = Place { file, position: error.position };
        Self { place, found: error.found, remedy: error.remedy }
    }

    /// The line of a text that a problem is about, with a mark under the place; empty where there is no such line.
    ///
    /// ```
    /// use podsim::scenario::{Place, Problem};
    /// let problem = Problem::new(Place::start_of("a.ron"), "a thing", "another thing");
    /// assert_eq!(problem.excerpt("thing one\n"), "  1 | thing one\n    | ^\n");
    /// ```
    pub fn excerpt(&self, text: &str) -> String {
        const WIDTH: usize = 100;
        let Position { line, column } = self.place.position;
        let Some(shown) = text.lines().nth(line.saturating_sub(1) as usize) else { return String::new() };
        let column = column.saturating_sub(1) as usize;
        let skipped = column.saturating_sub(WIDTH * 3 / 4);
        let clean = |c: char| if c.is_control() { ' ' } else { c };
        let shown: String = shown.chars().skip(skipped).take(WIDTH).map(clean).collect();
        let (number, mark) = (line.to_string(), " ".repeat(column - skipped));
        let margin = " ".repeat(number.len());
        format!("  {number} | {shown}\n  {margin} | {mark}^\n")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        write!(f, "{}: {}; {}", self.place, line(&self.found), line(&self.remedy))
    }
}

/// Everything that is wrong with a scenario, in order of files and places.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Notes one.
    pub fn add(&mut self, place: Place, found: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(Problem::new(place, found, remedy));
    }

    /// Notes one.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Notes several.
    pub fn extend(&mut self, problems: impl IntoIterator<Item = Problem>) {
        self.0.extend(problems);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them, in order of files and places.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// The value, if nothing is wrong.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn or<T>(mut self, value: Option<T>) -> Result<T, Self> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => {
                self.0.sort_by(|a, b| (a.place, &a.found).cmp(&(b.place, &b.found)));
                self.0.dedup();
                Err(self)
            }
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.0.iter().enumerate() {
            let separator = if number == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// What a mistyped word may have meant: `did you mean "replicas"?`, or the words there are.
pub(super) fn suggestion<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let close = |candidate: &&str| strsim::damerau_levenshtein(&word.to_lowercase(), &candidate.to_lowercase());
    let nearest = known.iter().copied().min_by_key(close).filter(|nearest| {
        let distance = close(nearest);
        distance <= 2.max(word.chars().count() / 3) && distance < nearest.chars().count()
    });
    match (nearest, known.as_slice()) {
        (Some(nearest), _) => format!("did you mean {nearest}?"),
        (None, []) => "leave it out".to_owned(),
        (None, [only]) => format!("write {only}"),
        (None, several) => {
            const MOST: usize = 30;
            let rest = if several.len() > MOST { ", …" } else { "" };
            format!("use one of {}{rest}", several[..several.len().min(MOST)].join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_almost_match_are_suggested() {
        let known = ["replicas", "workload", "image"];
        for (word, expected) in [
            ("replcias", "did you mean replicas?"),
            ("Workload", "did you mean workload?"),
            ("imgae", "did you mean image?"),
            ("zzz", "use one of replicas, workload, image"),
        ] {
            assert_eq!(suggestion(word, known), expected);
        }
        assert_eq!(suggestion("x", []), "leave it out");
    }

    #[test]
    fn problems_come_in_order_of_their_places() {
        let mut problems = Problems::default();
        let at = |line| Place { file: Name::new("a.ron"), position: Position { line, column: 2 } };
        problems.add(at(9), "b", "c");
        problems.add(at(3), "two\nlines", "c");
        let text = problems.or(Some(())).expect_err("two problems").to_string();
        assert_eq!(text, "a.ron:3:2: two lines; c\na.ron:9:2: b; c");
    }
}
