//! The files of this machine.

use podsim::scenario::{FileError, Files};
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

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
    write_each(folder, files.into_iter().map(|(name, bytes)| whole(name, bytes)))
}

/// What writes a file.
pub type Content<'a> = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()> + 'a>;

/// A file that is in memory.
pub fn whole<'a>(name: impl Into<String>, bytes: impl AsRef<[u8]> + 'a) -> (String, Content<'a>) {
    (name.into(), Box::new(move |to| to.write_all(bytes.as_ref())))
}

/// The same of files that are not in memory, or only one after the other.
pub fn write_each<'a>(folder: &Path, files: impl IntoIterator<Item = (String, Content<'a>)>) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut parts = Parts::default();
    for (name, content) in files {
        let part = folder.join(format!(".{name}.part"));
        let mut file = BufWriter::new(fs::File::create(&part)?);
        parts.0.push((part, folder.join(name)));
        content(&mut file)?;
        file.flush()?;
    }
    parts.0.iter().try_for_each(|(part, whole)| fs::rename(part, whole))
}

/// Removes pictures that an earlier run left in a folder and that this one did not make again: beside what is new they
/// would be taken for it.
pub fn remove_stale_pictures(folder: &Path, possible: &[&str], made: &[String]) -> io::Result<()> {
    let names = possible.iter().flat_map(|svg| {
        let png = svg.strip_suffix(".svg").map(|stem| format!("{stem}.png"));
        std::iter::once((*svg).to_owned()).chain(png)
    });
    for name in names.filter(|name| !made.contains(name)) {
        match fs::remove_file(folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Files that are being written, and what they are to be: what is not finished goes, whatever happens.
#[derive(Default)]
struct Parts(Vec<(PathBuf, PathBuf)>);

impl Drop for Parts {
    fn drop(&mut self) {
        for (part, _) in &self.0 {
            // What is not there any more needs no removal.
            let _ = fs::remove_file(part);
        }
    }
}
