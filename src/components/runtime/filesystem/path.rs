//! Paths as text: made absolute, taken apart.

/// A path as seen from a working directory: absolute, without `.`, `..` and doubled slashes.
///
/// `..` is taken away by name, as `cd` does; the tree walk resolves symbolic links on what remains.
///
/// ```
/// use podsim::components::runtime::filesystem::absolute;
/// assert_eq!(absolute("/var", "log/../run//x/"), "/var/run/x");
/// assert_eq!(absolute("/var", "/../etc"), "/etc");
/// ```
pub fn absolute(directory: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let start = if path.starts_with('/') { "" } else { directory };
    for part in start.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    join(&parts)
}

/// The directory that holds a path: `/a` for `/a/b`, `/` for `/a`.
pub fn parent(path: &str) -> &str {
    match path.trim_end_matches('/').rfind('/') {
        Some(0) | None => "/",
        Some(at) => &path[..at],
    }
}

/// The last name of a path.
pub fn base_name(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    path.rfind('/').map_or(path, |at| &path[at + 1..])
}

/// The names of an absolute path.
pub(super) fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty())
}

/// An absolute path of names.
pub(super) fn join(names: &[&str]) -> String {
    if names.is_empty() { "/".to_owned() } else { names.iter().flat_map(|name| ["/", name]).collect() }
}

/// What follows `prefix` in `path`, if `path` lies at or below it.
pub fn below<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(prefix.trim_end_matches('/'))?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_apart() {
        for (path, directory, name) in [("/a/b", "/a", "b"), ("/a", "/", "a"), ("a", "/", "a"), ("/a/b/", "/a", "b")] {
            assert_eq!((parent(path), base_name(path)), (directory, name), "{path}");
        }
        for (path, prefix, rest) in [
            ("/a/b", "/a", Some("/b")),
            ("/a", "/a", Some("")),
            ("/ab", "/a", None),
            ("/a", "/", Some("/a")),
            ("/", "/", Some("/")),
        ] {
            assert_eq!(below(path, prefix), rest, "{path} below {prefix}");
        }
    }
}
