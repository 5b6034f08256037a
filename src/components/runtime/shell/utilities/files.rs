//! Utilities that make, move and remove files.

use super::super::process::Context;
use super::Outcome;
use super::flags::{Flags, Spec};
use crate::components::runtime::filesystem::{FileError, Kind, absolute, base_name};

fn flags(context: &Context<'_, '_>, letters: &str, long: &[(&str, char)]) -> Result<Flags, Outcome> {
    let spec = Spec { letters, long, permutes: true };
    let name = context.command.base_name();
    Flags::parse(context.arguments(), &spec).map_err(|flag| Outcome::Unsupported(format!("{name} {flag}")))
}

/// Does something with each operand; the exit code is 1 if it failed for one.
fn each(
    context: &mut Context<'_, '_>,
    operands: &[String],
    words: [&str; 2],
    mut act: impl FnMut(&mut Context<'_, '_>, &str) -> Result<(), FileError>,
) -> Outcome {
    if operands.is_empty() {
        context.complain("missing operand");
        return Outcome::Ended(1);
    }
    let mut status = 0;
    for operand in operands {
        let path = context.path(operand);
        if let Err(error) = act(context, &path) {
            context.complain_of(words, operand, error);
            status = 1;
        }
    }
    Outcome::Ended(status)
}

macro_rules! try_flags {
    ($context:expr, $letters:expr, $long:expr) => {
        match flags($context, $letters, $long) {
            Ok(flags) => flags,
            Err(outcome) => return outcome,
        }
    };
}

pub(super) fn touch(context: &mut Context<'_, '_>) -> Outcome {
    let flags = try_flags!(context, "acmhd:t:r:", &[("no-create", 'c'), ("date", 'd'), ("reference", 'r')]);
    let creates = !flags.has('c');
    let words = ["%", "cannot touch '%'"];
    each(context, &flags.operands, words, |context, path| match context.files().metadata(path) {
        None if !creates => Ok(()),
        Some(_) | None => context.files().touch(path),
    })
}

pub(super) fn mkdir(context: &mut Context<'_, '_>) -> Outcome {
    let flags = try_flags!(context, "pm:v", &[("parents", 'p'), ("mode", 'm'), ("verbose", 'v')]);
    let parents = flags.has('p');
    each(context, &flags.operands, ["can't create directory '%'"; 2], |context, path| match parents {
        true => context.files().create_directories(path),
        false => context.files().create_directory(path),
    })
}

pub(super) fn rmdir(context: &mut Context<'_, '_>) -> Outcome {
    let flags = try_flags!(context, "pv", &[("ignore-fail-on-non-empty", 'i')]);
    let words = ["'%'", "failed to remove '%'"];
    each(context, &flags.operands, words, |context, path| context.files().remove_directory(path))
}

pub(super) fn rm(context: &mut Context<'_, '_>) -> Outcome {
    let long = [("force", 'f'), ("recursive", 'r'), ("verbose", 'v'), ("dir", 'd')];
    let flags = try_flags!(context, "rRfivd", &long);
    let (recursive, force) = (flags.has('r') || flags.has('R'), flags.has('f'));
    if force && flags.operands.is_empty() {
        return Outcome::Ended(0);
    }
    each(context, &flags.operands, ["can't remove '%'"; 2], |context, path| {
        let mut files = context.files();
        match if recursive { files.remove_all(path) } else { files.remove_file(path) } {
            Err(FileError::NotFound | FileError::NotADirectory) if force => Ok(()),
            other => other,
        }
    })
}

/// The sources and the place for each, as `cp`, `mv` and `ln` take their operands.
fn targets(context: &mut Context<'_, '_>, flags: &Flags) -> Result<Vec<(String, String)>, Outcome> {
    let mut sources = flags.operands.clone();
    let target = match flags.value('t') {
        Some(directory) => directory.to_owned(),
        None if sources.len() >= 2 => sources.pop().unwrap_or_default(),
        None => {
            context.complain("missing operand");
            return Err(Outcome::Ended(1));
        }
    };
    let full = context.path(&target);
    let is_directory = context.files().metadata(&full).is_some_and(|metadata| metadata.kind == Kind::Directory);
    if (sources.len() > 1 || target.ends_with('/')) && !is_directory {
        context.complain(format_args!("target '{target}' is not a directory"));
        return Err(Outcome::Ended(1));
    }
    let into = |source: &String| if is_directory { absolute(&full, base_name(source)) } else { full.clone() };
    // `cp -r a/. b` copies what is in `a`.
    let merged = |source: &String| source.ends_with("/.") || source == ".";
    Ok(sources.iter().map(|it| (it.clone(), if merged(it) { full.clone() } else { into(it) })).collect())
}

pub(super) fn cp(context: &mut Context<'_, '_>) -> Outcome {
    let long = [
        ("recursive", 'r'),
        ("archive", 'a'),
        ("force", 'f'),
        ("verbose", 'v'),
        ("no-clobber", 'n'),
        ("target-directory", 't'),
        ("preserve", 'p'),
    ];
    let flags = try_flags!(context, "rRafpvnuLPHdTt:", &long);
    let recursive = ['r', 'R', 'a'].iter().any(|letter| flags.has(*letter));
    let pairs = match targets(context, &flags) {
        Ok(pairs) => pairs,
        Err(outcome) => return outcome,
    };
    let mut status = 0;
    for (source, target) in pairs {
        let from = context.path(&source);
        let kind = context.files().metadata(&from).map(|metadata| metadata.kind);
        let exists = context.files().metadata(&target).is_some();
        let result = match kind {
            // What only an unknown image has is copied as what it is: unknown.
            None if context.system.may_be_in_image(&from) => {
                context.files().create_opaque(&target).map_err(|error| format!("can't create '{target}': {error}"))
            }
            None => {
                context.misses(&source);
                Err(format!("can't stat '{source}': {}", FileError::NotFound))
            }
            Some(Kind::Directory) if !recursive => {
                Err(context.words(["omitting directory '%'", "-r not specified; omitting directory '%'"], &source))
            }
            Some(_) if exists && flags.has('n') => Ok(()),
            Some(_) => {
                let what = context.words(["can't create '%'", "can't create regular file '%'"], &target);
                let full = context.words(["write error", "error writing '%'"], &target);
                context.files().copy(&from, &target).map_err(|error| match error {
                    FileError::NoSpace => format!("{full}: {error}"),
                    _ => format!("{what}: {error}"),
                })
            }
        };
        if let Err(message) = result {
            context.complain(message);
            status = 1;
        }
    }
    Outcome::Ended(status)
}

pub(super) fn mv(context: &mut Context<'_, '_>) -> Outcome {
    let flags = try_flags!(context, "fivnTt:", &[("force", 'f'), ("no-clobber", 'n'), ("target-directory", 't')]);
    let pairs = match targets(context, &flags) {
        Ok(pairs) => pairs,
        Err(outcome) => return outcome,
    };
    let mut status = 0;
    for (source, target) in pairs {
        let from = context.path(&source);
        let result = context.files().rename(&from, &target);
        if let Err(error) = result {
            context.misses(&source);
            let what = match error {
                _ if context.is_busybox() => format!("can't rename '{source}'"),
                FileError::NotFound => format!("can't stat '{source}'"),
                _ => format!("can't move '{source}' to '{target}'"),
            };
            context.complain(format_args!("{what}: {error}"));
            status = 1;
        }
    }
    Outcome::Ended(status)
}

pub(super) fn ln(context: &mut Context<'_, '_>) -> Outcome {
    let flags = try_flags!(context, "sfnvrTt:", &[("symbolic", 's'), ("force", 'f'), ("no-dereference", 'n')]);
    let pairs = match targets(context, &flags) {
        Ok(pairs) => pairs,
        Err(outcome) => return outcome,
    };
    let mut status = 0;
    for (source, target) in pairs {
        // `-n` replaces a link to a directory instead of following it.
        let plain = flags.operands.last().map(|last| context.path(last)).unwrap_or_default();
        let links = context.files().link_metadata(&plain).is_some_and(|metadata| metadata.kind == Kind::Symlink);
        let target = if flags.has('n') && links { plain } else { target };
        let from = context.path(&source);
        let mut files = context.files();
        if flags.has('f') && files.link_metadata(&target).is_some() {
            let _ = files.remove_file(&target);
        }
        let result = match flags.has('s') {
            true => files.create_symlink(&source, &target),
            false => files.copy(&from, &target),
        };
        if let Err(error) = result {
            context.complain(format_args!("{target}: {error}"));
            status = 1;
        }
    }
    Outcome::Ended(status)
}

pub(super) fn chmod(context: &mut Context<'_, '_>) -> Outcome {
    // A mode may start with a dash: `chmod -x file`.
    let arguments: Vec<String> = context.arguments();
    let is_flag = |word: &&String| matches!(word.as_str(), "-R" | "-v" | "-f" | "-c" | "--recursive");
    let recursive = arguments.iter().any(|word| word == "-R" || word == "--recursive");
    let mut operands = arguments.iter().filter(|word| !is_flag(word)).cloned();
    let mode = operands.next().unwrap_or_default();
    let executable = match u32::from_str_radix(&mode, 8) {
        Ok(bits) => Some(bits & 0o111 != 0),
        Err(_) if mode.contains('x') => Some(!mode.contains("-x")),
        Err(_) => None,
    };
    let operands: Vec<String> = operands.collect();
    let words = ["%", "cannot access '%'"];
    each(context, &operands, words, |context, path| change_mode(context, path, executable, recursive))
}

fn change_mode(
    context: &mut Context<'_, '_>,
    path: &str,
    executable: Option<bool>,
    recursive: bool,
) -> Result<(), FileError> {
    let kind = context.files().metadata(path).ok_or(FileError::NotFound)?.kind;
    if let (Kind::File, Some(executable)) = (kind, executable) {
        context.files().set_executable(path, executable)?;
    }
    if recursive && kind == Kind::Directory {
        for name in context.files().list(path)? {
            change_mode(context, &absolute(path, &name), executable, recursive)?;
        }
    }
    Ok(())
}

pub(super) fn install(context: &mut Context<'_, '_>) -> Outcome {
    let flags = try_flags!(context, "dm:o:g:Dvct:", &[("directory", 'd'), ("mode", 'm')]);
    if flags.has('d') {
        return each(context, &flags.operands, ["can't create directory '%'"; 2], |context, path| {
            context.files().create_directories(path)
        });
    }
    let pairs = match targets(context, &flags) {
        Ok(pairs) => pairs,
        Err(outcome) => return outcome,
    };
    let mut status = 0;
    for (source, target) in pairs {
        let from = context.path(&source);
        let mut files = context.files();
        let copied = files.copy(&from, &target).and_then(|()| files.set_executable(&target, true));
        if let Err(error) = copied {
            context.complain(format_args!("{target}: {error}"));
            status = 1;
        }
    }
    Outcome::Ended(status)
}

/// `cmp` and `diff`, as far as they are asked whether two files are the same.
pub(super) fn compare(context: &mut Context<'_, '_>) -> Outcome {
    let name = context.command.base_name().to_owned();
    let flags = try_flags!(context, "sqlrubw", &[("quiet", 's'), ("silent", 's'), ("brief", 'q')]);
    let [left, right] = flags.operands.as_slice() else { return Outcome::Unsupported(name) };
    let mut contents = Vec::new();
    for operand in [left, right] {
        let path = context.path(operand);
        let read = context.files().read(&path).map(|content| content.bytes.to_vec());
        match read {
            Ok(bytes) => contents.push(bytes),
            Err(error) => {
                context.complain_of_file(operand, error);
                return Outcome::Ended(2);
            }
        }
    }
    match (contents[0] == contents[1], name.as_str()) {
        (true, _) => Outcome::Ended(0),
        (false, "cmp") if flags.has('s') => Outcome::Ended(1),
        (false, "diff") if flags.has('q') => {
            context.print(format!("Files {left} and {right} differ\n"));
            Outcome::Ended(1)
        }
        (false, _) => Outcome::Unsupported(format!("{name} of files that differ")),
    }
}

pub(super) fn mktemp(context: &mut Context<'_, '_>) -> Outcome {
    let flags = try_flags!(context, "dqup:t", &[("directory", 'd'), ("tmpdir", 'p')]);
    let letters = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let template = flags.operands.first().cloned().unwrap_or_else(|| "tmp.XXXXXX".to_owned());
    let start = template.trim_end_matches('X').len();
    let random: String = (start..template.len())
        .map(|_| char::from(letters[context.system.random() as usize / 7 % letters.len()]))
        .collect();
    let name = format!("{}{random}", &template[..start]);
    let temporary = flags.value('p').or(context.variable("TMPDIR")).unwrap_or("/tmp").to_owned();
    let relative = flags.operands.is_empty() || flags.has('p') || flags.has('t');
    let shown = if relative { absolute(&temporary, &name) } else { name };
    let path = context.path(&shown);
    let mut files = context.files();
    let made = if flags.has('d') { files.create_directory(&path) } else { files.truncate(&path) };
    match made {
        Ok(()) => {
            context.print(format!("{shown}\n"));
            Outcome::Ended(0)
        }
        Err(error) => {
            context.complain(format_args!("{shown}: {error}"));
            Outcome::Ended(1)
        }
    }
}
