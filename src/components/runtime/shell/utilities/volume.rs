//! Utilities about sizes: `dd`, `truncate`, `fallocate`, `du`, `df`. Big files are counted, not stored.

use super::super::process::Context;
use super::Outcome;
use super::flags::{Flags, Spec, size};
use crate::components::runtime::filesystem::{FileError, Kind, absolute};

pub(super) fn truncate(context: &mut Context<'_, '_>) -> Outcome {
    let spec = Spec { letters: "s:l:cnx", long: &[("size", 's'), ("length", 'l')], permutes: true };
    let name = context.command.base_name().to_owned();
    let flags = match Flags::parse(context.arguments(), &spec) {
        Ok(flags) => flags,
        Err(flag) => return Outcome::Unsupported(format!("{name} {flag}")),
    };
    let Some(length) = flags.value('s').or(flags.value('l')).and_then(size) else {
        return Outcome::Unsupported(format!("{name} without a plain size"));
    };
    let mut status = 0;
    for operand in &flags.operands {
        let path = context.path(operand);
        let result = match name.as_str() {
            "truncate" => context.files().set_len_with_hole(&path, length),
            _ => context.files().set_len(&path, length),
        };
        if let Err(error) = result {
            context.complain_of_file(operand, error);
            status = 1;
        }
    }
    Outcome::Ended(status)
}

pub(super) fn dd(context: &mut Context<'_, '_>) -> Outcome {
    let arguments = context.arguments();
    let operand =
        |name: &str| arguments.iter().find_map(|word| word.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')));
    let block = operand("bs").map_or(Some(512), size);
    let count = operand("count").map(size);
    let (Some(block), Some(input)) = (block, operand("if")) else {
        return Outcome::Unsupported("dd from standard input".to_owned());
    };
    let length = match (count, matches!(input, "/dev/zero" | "/dev/urandom" | "/dev/random")) {
        (Some(Some(count)), true) => block.saturating_mul(count),
        (_, true) => return super::clock::forever(),
        (count, false) => {
            let path = context.path(input);
            match context.files().metadata(&path) {
                Some(metadata) => metadata.length.min(block.saturating_mul(count.flatten().unwrap_or(u64::MAX))),
                None => {
                    context.complain_of_file(input, "No such file or directory");
                    return Outcome::Ended(1);
                }
            }
        }
    };
    let output = match operand("of") {
        Some(output) => output.to_owned(),
        None => return Outcome::Unsupported("dd to standard output".to_owned()),
    };
    let path = context.path(&output);
    let copied = match input.starts_with("/dev/") {
        true => context.files().set_len(&path, length),
        false => {
            let from = context.path(input);
            context.files().copy(&from, &path)
        }
    };
    let mut read = length / block.max(1);
    let mut written = read;
    match copied {
        Ok(()) => {}
        Err(error @ FileError::NoSpace) => {
            context.complain_of(["error writing '%'", "error writing '%'"], &output, error);
            written = context.files().metadata(&path).map_or(0, |metadata| metadata.length) / block.max(1);
            read = written + 1;
        }
        Err(error) => {
            context.complain_of_file(&output, error);
            return Outcome::Ended(1);
        }
    }
    let report = format!("{read}+0 records in\n{written}+0 records out\n");
    let _ = context.own.write(2, report.as_bytes(), context.system);
    Outcome::Ended(i32::from(copied.is_err()))
}

pub(super) fn du(context: &mut Context<'_, '_>) -> Outcome {
    let spec = Spec { letters: "shakmcxbd:", long: &[("summarize", 's'), ("bytes", 'b')], permutes: true };
    let flags = match Flags::parse(context.arguments(), &spec) {
        Ok(flags) => flags,
        Err(flag) => return Outcome::Unsupported(format!("du {flag}")),
    };
    let operands = if flags.operands.is_empty() { vec![".".to_owned()] } else { flags.operands.clone() };
    let mut status = 0;
    for operand in operands {
        let path = context.path(&operand);
        match length(context, &path) {
            Some(bytes) => {
                let shown = match () {
                    () if flags.has('b') => bytes.to_string(),
                    () if flags.has('h') => human(bytes),
                    () if flags.has('m') => bytes.div_ceil(1 << 20).to_string(),
                    () => bytes.div_ceil(1024).to_string(),
                };
                context.print(format!("{shown}\t{operand}\n"));
            }
            None => {
                context.complain(format_args!("{operand}: No such file or directory"));
                status = 1;
            }
        }
    }
    Outcome::Ended(status)
}

/// The bytes of a file, or of all files below a directory.
fn length(context: &mut Context<'_, '_>, path: &str) -> Option<u64> {
    let metadata = context.files().link_metadata(path)?;
    if metadata.kind != Kind::Directory {
        return Some(metadata.length);
    }
    let names = context.files().list(path).ok()?;
    names.iter().map(|name| length(context, &absolute(path, name))).try_fold(4096u64, |sum, it| Some(sum + it?))
}

/// A size as `-h` shows it.
pub(super) fn human(bytes: u64) -> String {
    let units = ["", "K", "M", "G", "T"];
    let mut scale = 0;
    while scale + 1 < units.len() && bytes >> (10 * (scale + 1)) > 0 {
        scale += 1;
    }
    let tenths = (bytes as u128 * 10).div_ceil(1 << (10 * scale));
    if scale > 0 && tenths < 100 {
        format!("{}.{}{}", tenths / 10, tenths % 10, units[scale])
    } else {
        format!("{}{}", tenths.div_ceil(10), units[scale])
    }
}

pub(super) fn df(context: &mut Context<'_, '_>) -> Outcome {
    context.print(
        "Filesystem           1K-blocks      Used Available Use% Mounted on\n\
         overlay              104857600  20971520  83886080  20% /\n",
    );
    let files = context.files();
    let line = |(path, size, used): (&str, u64, u64)| {
        let percent = (used * 100).div_ceil(size.max(1));
        format!(
            "tmpfs{:>25}{:>10}{:>10}{percent:>4}% {path}\n",
            size / 1024,
            used / 1024,
            (size - used.min(size)) / 1024
        )
    };
    let lines: String = files.in_memory().into_iter().map(line).collect();
    context.print(lines);
    Outcome::Ended(0)
}
