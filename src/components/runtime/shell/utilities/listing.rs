//! `ls`, `stat`, `readlink`.

use super::super::process::Context;
use super::Outcome;
use super::flags::{Flags, Spec};
use super::volume::human;
use crate::components::runtime::filesystem::{FileError, Kind, Metadata, absolute};
use jiff::tz::TimeZone;

pub(super) fn ls(context: &mut Context<'_, '_>) -> Outcome {
    let spec = Spec {
        letters: "laA1dhRtrSFinpsXogC",
        long: &[("all", 'a'), ("almost-all", 'A'), ("directory", 'd'), ("human-readable", 'h'), ("color", 'C')],
        permutes: true,
    };
    let flags = match Flags::parse(context.arguments(), &spec) {
        Ok(flags) => flags,
        Err(flag) => return Outcome::Unsupported(format!("ls {flag}")),
    };
    let operands = if flags.operands.is_empty() { vec![".".to_owned()] } else { flags.operands.clone() };
    let mut status = 0;
    let (mut files, mut directories) = (Vec::new(), Vec::new());
    for operand in operands {
        let path = context.path(&operand);
        match context.files().metadata(&path).or_else(|| context.files().link_metadata(&path)) {
            Some(metadata) if metadata.kind == Kind::Directory && !flags.has('d') => directories.push((operand, path)),
            Some(_) => files.push((operand, path)),
            None => {
                context.misses(&operand);
                context.complain_of(["%", "cannot access '%'"], &operand, FileError::NotFound);
                status = if context.is_busybox() { 1 } else { 2 };
            }
        }
    }
    let several = files.len() + directories.len() > 1 || flags.has('R');
    let mut text = lines(context, &flags, &files);
    let mut at = 0;
    while at < directories.len() {
        let (shown, path) = directories[at].clone();
        at += 1;
        let mut names = context.files().list(&path).unwrap_or_default();
        if flags.has('a') {
            names.splice(0..0, [".".to_owned(), "..".to_owned()]);
        } else if !flags.has('A') {
            names.retain(|name| !name.starts_with('.'));
        }
        if several {
            text.push_str(&format!("{}{shown}:\n", if text.is_empty() { "" } else { "\n" }));
        }
        let entries: Vec<(String, String)> =
            names.into_iter().map(|name| (name.clone(), absolute(&path, &name))).collect();
        if flags.has('l') {
            text.push_str(&format!("total {}\n", entries.len() * 4));
        }
        if flags.has('R') {
            let is_directory = |context: &mut Context<'_, '_>, path: &str| {
                context.files().link_metadata(path).is_some_and(|metadata| metadata.kind == Kind::Directory)
            };
            let below: Vec<(String, String)> = entries
                .iter()
                .filter(|(name, path)| name != "." && name != ".." && is_directory(context, path))
                .map(|(name, path)| (format!("{shown}/{name}"), path.clone()))
                .collect();
            directories.splice(at..at, below);
        }
        text.push_str(&lines(context, &flags, &entries));
    }
    context.print(text);
    Outcome::Ended(status)
}

fn lines(context: &mut Context<'_, '_>, flags: &Flags, entries: &[(String, String)]) -> String {
    let describe = |context: &mut Context<'_, '_>, path: &str| context.files().link_metadata(path);
    let mut entries: Vec<(String, String, Option<Metadata>)> =
        entries.iter().map(|(name, path)| (name.clone(), path.clone(), describe(context, path))).collect();
    if flags.has('t') {
        entries.sort_by_key(|(_, _, metadata)| std::cmp::Reverse(metadata.map(|it| it.modified)));
    }
    if flags.has('S') {
        entries.sort_by_key(|(_, _, metadata)| std::cmp::Reverse(metadata.map(|it| it.length)));
    }
    if flags.has('r') {
        entries.reverse();
    }
    let mut text = String::new();
    for (name, path, metadata) in entries {
        match metadata.filter(|_| flags.has('l') || flags.has('n') || flags.has('o') || flags.has('g')) {
            Some(metadata) => text.push_str(&long_line(context, flags, &name, &path, metadata)),
            None => text.push_str(&name),
        }
        if flags.has('F') && metadata.is_some_and(|metadata| metadata.kind == Kind::Directory) {
            text.push('/');
        }
        text.push('\n');
    }
    text
}

fn mode(metadata: Metadata) -> String {
    let kind = match metadata.kind {
        Kind::Directory => 'd',
        Kind::Symlink => 'l',
        Kind::Device => 'c',
        Kind::File => '-',
    };
    let bit = |place: usize| if metadata.mode >> (8 - place) & 1 == 1 { ['r', 'w', 'x'][place % 3] } else { '-' };
    std::iter::once(kind).chain((0..9).map(bit)).collect()
}

fn long_line(context: &mut Context<'_, '_>, flags: &Flags, name: &str, path: &str, metadata: Metadata) -> String {
    let date = context.system.world.date(metadata.modified).to_zoned(TimeZone::UTC);
    let length = if flags.has('h') { human(metadata.length) } else { metadata.length.to_string() };
    let target = match metadata.kind {
        Kind::Symlink => context.files().read_link(path).map(|target| format!(" -> {target}")).unwrap_or_default(),
        Kind::File | Kind::Directory | Kind::Device => String::new(),
    };
    format!("{}    1 root     root     {length:>9} {} {name}{target}", mode(metadata), date.strftime("%b %e %H:%M"))
}

pub(super) fn stat(context: &mut Context<'_, '_>) -> Outcome {
    let flags =
        match Flags::parse(context.arguments(), &Spec { letters: "c:Lt", long: &[("format", 'c')], permutes: true }) {
            Ok(flags) => flags,
            Err(flag) => return Outcome::Unsupported(format!("stat {flag}")),
        };
    let mut status = 0;
    for operand in &flags.operands {
        let path = context.path(operand);
        let found = match flags.has('L') {
            true => context.files().metadata(&path),
            false => context.files().link_metadata(&path),
        };
        let Some(metadata) = found else {
            context.misses(operand);
            context.complain_of(["can't stat '%'", "can't statx '%'"], operand, FileError::NotFound);
            status = 1;
            continue;
        };
        let kind = match metadata.kind {
            Kind::File => "regular file",
            Kind::Directory => "directory",
            Kind::Symlink => "symbolic link",
            Kind::Device => "character special file",
        };
        let modified = context.system.world.date(metadata.modified);
        let text = match flags.value('c') {
            Some(format) => {
                let replaced = format
                    .replace("%n", operand)
                    .replace("%s", &metadata.length.to_string())
                    .replace("%F", kind)
                    .replace("%a", &format!("{:o}", metadata.mode))
                    .replace("%A", &mode(metadata))
                    .replace("%Y", &modified.as_second().to_string())
                    .replace("%u", "0")
                    .replace("%g", "0")
                    .replace("%U", "root")
                    .replace("%G", "root");
                replaced + "\n"
            }
            None => format!(
                "  File: {operand}\n  Size: {:<15} {kind}\nModify: {}\n",
                metadata.length,
                modified.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S.%9f +0000")
            ),
        };
        context.print(text);
    }
    Outcome::Ended(status)
}

pub(super) fn readlink(context: &mut Context<'_, '_>) -> Outcome {
    let follows = context.command.base_name() == "realpath";
    let spec = Spec { letters: "femnqs", long: &[], permutes: true };
    let flags = match Flags::parse(context.arguments(), &spec) {
        Ok(flags) => flags,
        Err(flag) => return Outcome::Unsupported(format!("readlink {flag}")),
    };
    let mut status = 0;
    for operand in &flags.operands {
        let path = context.path(operand);
        let files = context.files();
        let found = match follows || flags.has('f') || flags.has('e') || flags.has('m') {
            true => files.canonical(&path).or_else(|error| if flags.has('e') { Err(error) } else { Ok(path.clone()) }),
            false => files.read_link(&path),
        };
        match found {
            Ok(target) => context.print(format!("{target}\n")),
            Err(_) => status = 1,
        }
    }
    Outcome::Ended(status)
}
