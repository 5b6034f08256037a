//! The utilities that scripts call: what coreutils, BusyBox and their kin do, as far as logs and exit codes show it.

mod awk;
mod clock;
mod cut;
mod expression;
mod files;
mod filter;
mod find;
mod flags;
mod follow;
mod grep;
mod identity;
mod init;
mod input;
mod listen;
mod listing;
mod network;
mod processes;
mod sed;
mod sort;
mod text;
mod volume;
mod wrappers;

use super::process::{Context, Task};
use super::request::Command;
use super::world::is_init;

pub(super) use input::script_from_input;

/// What starting a utility came to.
pub(super) enum Outcome {
    /// It has finished.
    Ended(i32),
    /// It needs time, or input that is not there yet.
    Task(Box<dyn Task>),
    /// It runs another command in its place.
    Becomes(Command),
    /// The host runs it, as this command line.
    Hosted(Command),
    /// This use of it is not played.
    Unsupported(String),
}

/// Starts a utility.
pub(super) type Utility = fn(&mut Context<'_, '_>) -> Outcome;

/// The utility of a name, without directory.
pub(super) fn find(name: &str) -> Option<Utility> {
    Some(match name {
        "true"
        | "sync"
        | "chown"
        | "chgrp"
        | "sysctl"
        | "stty"
        | "reset"
        | "clear"
        | "renice"
        | "mount"
        | "umount"
        | "setcap"
        | "ldconfig"
        | "update-ca-certificates"
        | "mkfifo"
        | "chattr"
        | "logger"
        // What they change is not kept track of.
        | "tar"
        | "gzip"
        | "gunzip"
        | "ip"
        | "ifconfig"
        | "route"
        | "adduser"
        | "addgroup"
        | "useradd"
        | "groupadd" => |_| Outcome::Ended(0),
        "false" => |_| Outcome::Ended(1),
        "sleep" | "usleep" => clock::sleep,
        "date" => clock::date,
        "timeout" => clock::timeout,
        "uptime" => clock::uptime,
        "touch" => files::touch,
        "mkdir" => files::mkdir,
        "rmdir" => files::rmdir,
        "rm" | "unlink" => files::rm,
        "cp" => files::cp,
        "mv" => files::mv,
        "ln" => files::ln,
        "chmod" => files::chmod,
        "install" => files::install,
        "mktemp" => files::mktemp,
        "truncate" | "fallocate" => volume::truncate,
        "dd" => volume::dd,
        "du" => volume::du,
        "df" => volume::df,
        "ls" => listing::ls,
        "stat" => listing::stat,
        "readlink" | "realpath" => listing::readlink,
        "find" => find::find,
        "cat" | "tac" | "rev" | "nl" | "wc" | "uniq" | "base64" | "md5sum" | "sha1sum" | "sha256sum" | "tee"
        | "head" | "fold" | "paste" | "more" | "less" | "sponge" | "dos2unix" | "shuf" | "column" => text::start,
        "tail" => follow::tail,
        "grep" | "egrep" | "fgrep" => grep::grep,
        "sed" => sed::sed,
        "awk" | "gawk" | "mawk" => awk::awk,
        "cut" => cut::cut,
        "tr" => cut::tr,
        "sort" => sort::sort,
        "seq" => expression::seq,
        "expr" => expression::expr,
        "basename" => expression::basename,
        "dirname" => expression::dirname,
        "echo" => expression::echo,
        "printf" => expression::printf,
        "test" | "[" => expression::test,
        "pwd" => expression::pwd,
        "yes" => expression::yes,
        "which" => expression::which,
        "cmp" | "diff" => files::compare,
        // Known, and not played: to call them missing would be wrong.
        "getopt" | "comm" | "join" | "zcat" | "bzip2" | "xz" | "unzip" | "od"
        | "hexdump" | "xxd" | "strings" | "split" | "bc" | "dc" | "top" | "watch" | "telnet" | "ftp"
        | "netstat" | "ss" | "lsof" | "fuser" | "cksum" | "su" | "crond" | "vi" | "ed" | "tsort" | "sha512sum"
        | "mountpoint" | "taskset" => |context| Outcome::Unsupported(context.command.base_name().to_owned()),
        "printenv" => identity::printenv,
        "hostname" => identity::hostname,
        "id" => identity::id,
        "whoami" => identity::whoami,
        "uname" | "arch" => identity::uname,
        "nproc" => identity::nproc,
        "free" => identity::free,
        "env" => wrappers::env,
        "nohup" | "nice" | "setsid" | "time" | "stdbuf" | "ionice" | "unbuffer" | "chroot" | "gosu" | "su-exec"
        | "sudo" | "flock" => wrappers::prefix,
        "busybox" | "toybox" => wrappers::busybox,
        name if is_init(name) => init::init,
        "xargs" => wrappers::xargs,
        "ps" => processes::ps,
        "pgrep" | "pidof" => processes::pgrep,
        "pkill" | "killall" => processes::pkill,
        "kill" => processes::kill,
        "nslookup" | "host" | "dig" => network::lookup,
        "getent" => network::getent,
        "nc" | "ncat" | "netcat" => network::nc,
        "httpd" => listen::httpd,
        "wget" => network::wget,
        "curl" => network::curl,
        "ping" | "ping6" => network::ping,
        _ => return None,
    })
}
