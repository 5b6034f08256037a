//! Where files come from: a scenario names others, and only the caller knows what a name means.

use std::collections::BTreeMap;
use std::fmt;

/// Something that knows files by the names that people give them.
pub trait Files {
    /// The content of a file.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError>;
}

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileError {
    /// There is none of this name.
    Missing,
    /// It is a directory.
    Directory,
    /// The machine says so.
    Other(String),
}

impl FileError {
    /// What would do.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Missing => "name a file that exists, relative to the file that names it",
            Self::Directory => "name a file in it",
            Self::Other(_) => "make the file readable",
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("no such file"),
            Self::Directory => f.write_str("a directory"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for FileError {}

/// Files by name: for tests, and for scenarios that a program makes.
impl<T: AsRef<[u8]>> Files for BTreeMap<&str, T> {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        self.get(path).map(|content| content.as_ref().to_vec()).ok_or(FileError::Missing)
    }
}

/// The name of a file that another one names: relative to it, unless it is absolute.
pub(super) fn beside(file: &str, named: &str) -> String {
    let absolute = named.starts_with(['/', '\\']) || named.as_bytes().get(1) == Some(&b':');
    let folder = file.rfind(['/', '\\']).map_or("", |slash| &file[..=slash]);
    let joined = if absolute { named.to_owned() } else { format!("{folder}{named}") };
    plain(&joined)
}

/// A name without detours, so that two ways to a file are one.
pub(super) fn plain(path: &str) -> String {
    let root = if path.starts_with('/') { "/" } else { "" };
    let mut steps: Vec<&str> = Vec::new();
    for step in path.split('/') {
        match (step, steps.last()) {
            ("" | ".", _) => {}
            ("..", Some(last)) if *last != ".." => drop(steps.pop()),
            _ => steps.push(step),
        }
    }
    let path = format!("{root}{}", steps.join("/"));
    if path.is_empty() { ".".to_owned() } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_relative_to_the_file_that_names_them() {
        for (file, named, expected) in [
            ("a.ron", "b.yaml", "b.yaml"),
            ("x/a.ron", "./b.yaml", "x/b.yaml"),
            ("x/a.ron", "../b.yaml", "b.yaml"),
            ("x/y/a.ron", "../z/./b.yaml", "x/z/b.yaml"),
            ("../a.ron", "../b.yaml", "../../b.yaml"),
            ("/x/a.ron", "b.yaml", "/x/b.yaml"),
            ("x/a.ron", "/b.yaml", "/b.yaml"),
        ] {
            assert_eq!(beside(file, named), expected, "{file} {named}");
        }
    }
}
