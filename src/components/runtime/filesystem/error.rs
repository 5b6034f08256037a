//! Why an operation on files failed, in the words of the C library.

use std::fmt;

/// Why an operation on files failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileError {
    /// ENOENT.
    NotFound,
    /// ENOTDIR.
    NotADirectory,
    /// EISDIR.
    IsADirectory,
    /// EEXIST.
    Exists,
    /// ENOTEMPTY.
    NotEmpty,
    /// EROFS: a read-only mount, or a read-only root file system.
    ReadOnly,
    /// EACCES: a file of root's that others may not read.
    Denied,
    /// EBUSY: a mount point cannot be removed or replaced.
    Busy,
    /// ELOOP.
    TooManyLinks,
    /// EINVAL.
    Invalid,
    /// ENAMETOOLONG: a path of more than 4096 bytes.
    NameTooLong,
    /// ENOSPC: a volume in memory is full, or a copy of more files than a simulation should hold.
    NoSpace,
}

impl fmt::Display for FileError {
    /// As `strerror` says it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "No such file or directory",
            Self::NotADirectory => "Not a directory",
            Self::IsADirectory => "Is a directory",
            Self::Exists => "File exists",
            Self::NotEmpty => "Directory not empty",
            Self::ReadOnly => "Read-only file system",
            Self::Denied => "Permission denied",
            Self::Busy => "Device or resource busy",
            Self::TooManyLinks => "Too many levels of symbolic links",
            Self::Invalid => "Invalid argument",
            Self::NameTooLong => "File name too long",
            Self::NoSpace => "No space left on device",
        })
    }
}

impl std::error::Error for FileError {}
