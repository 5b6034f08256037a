//! The files of this machine.

use podsim::scenario::{FileError, Files};
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// The longest file that is read.
const LONGEST: u64 = 256 << 20;

/// Files by their paths.
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        let path = if path.is_empty() { "." } else { path };
        let meta = fs::metadata(path).map_err(told)?;
        if meta.is_dir() {
            return Err(FileError::Directory);
        }
        if meta.len() > LONGEST {
            return Err(FileError::Other(format!("{} bytes, more than the {LONGEST} that are read", meta.len())));
        }
        fs::read(path).map_err(told)
    }
}

fn told(error: io::Error) -> FileError {
    match error.kind() {
        io::ErrorKind::NotFound => FileError::Missing,
        io::ErrorKind::IsADirectory => FileError::Directory,
        _ => FileError::Other(error.to_string()),
    }
}

/// Writes files into a folder, which is made if need be: each of them as a whole, and none before all are written out.
pub fn write_all<'a>(folder: &Path, files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> io::Result<()> {
    write_each(folder, &files.into_iter().map(|(name, bytes)| whole(name, bytes)).collect::<Vec<_>>())
}

/// A file that is in memory.
pub fn whole<'a>(name: &'a str, bytes: &'a [u8]) -> (&'a str, Content<'a>) {
    (name, Box::new(move |to| to.write_all(bytes)))
}

/// What writes a file.
pub type Content<'a> = Box<dyn Fn(&mut dyn Write) -> io::Result<()> + 'a>;

/// The same of files that need not be in memory.
pub fn write_each(folder: &Path, files: &[(&str, Content<'_>)]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let unfinished = |name: &str| folder.join(format!(".{name}.part"));
    let write = |(name, content): &(&str, Content<'_>)| {
        let mut file = BufWriter::new(fs::File::create(unfinished(name))?);
        content(&mut file)?;
        file.flush()
    };
    let written = files.iter().try_for_each(write);
    let moved =
        written.and_then(|()| files.iter().try_for_each(|(name, _)| fs::rename(unfinished(name), folder.join(name))));
    if moved.is_err() {
        for (name, _) in files {
            // What is not there any more needs no removal.
            let _ = fs::remove_file(unfinished(name));
        }
    }
    moved
}
