//! `cd` and `pwd`.

use super::super::environment::Dialect;
use super::super::interpreter::Interpreter;
use super::super::process::{Own, System};
use super::{Outcome, Progress};
use crate::components::runtime::filesystem::{Kind, absolute};

pub(super) fn change(
    shell: &mut Interpreter,
    words: &[String],
    _: &mut Progress,
    own: &mut Own,
    system: &mut System<'_>,
) -> Outcome {
    let environment = &shell.environment;
    let target = words[1..].iter().find(|word| !matches!(word.as_str(), "-L" | "-P" | "--"));
    let (target, prints) = match target.map(String::as_str) {
        None => (environment.home().to_owned(), false),
        Some("-") => (environment.variables.get("OLDPWD").unwrap_or(&environment.directory).to_owned(), true),
        Some(path) => (path.to_owned(), false),
    };
    let path = absolute(&environment.directory, &target);
    let error = match system.world.files().metadata(&path).map(|metadata| metadata.kind) {
        Some(Kind::Directory) => {
            let old = std::mem::replace(&mut shell.environment.directory, path.clone());
            if prints {
                let _ = own.write(1, format!("{path}\n").as_bytes(), system);
            }
            let assigned = shell.environment.assign("OLDPWD", old);
            return match assigned.and_then(|()| shell.environment.assign("PWD", path)) {
                Ok(()) => Outcome::Status(0),
                Err(_) => Outcome::Status(1),
            };
        }
        Some(_) => "Not a directory",
        None => "No such file or directory",
    };
    match shell.environment.dialect {
        Dialect::Bash => {
            shell.complain(&format!("cd: {target}: {error}"), own, system);
            Outcome::Status(1)
        }
        Dialect::BusyBox => {
            shell.complain(&format!("cd: can't cd to {target}: {error}"), own, system);
            Outcome::Status(2)
        }
        Dialect::Dash => {
            shell.complain(&format!("cd: can't cd to {target}"), own, system);
            Outcome::Status(2)
        }
    }
}

pub(super) fn print(
    shell: &mut Interpreter,
    _: &[String],
    _: &mut Progress,
    own: &mut Own,
    system: &mut System<'_>,
) -> Outcome {
    let _ = own.write(1, format!("{}\n", shell.environment.directory).as_bytes(), system);
    Outcome::Status(0)
}
