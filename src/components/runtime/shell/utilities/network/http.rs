//! `wget` and `curl`.

use super::super::super::process::Context;
use super::super::super::request::{NetworkError, Query, Reply};
use super::super::Outcome;
use super::super::flags::{Flags, Spec};
use super::{CONNECT_PATIENCE, Purpose, ask, reason, seconds};
use crate::components::url::Url;
use crate::engine::SimDuration;

#[derive(Debug, Clone)]
pub(super) enum Output {
    Stdout,
    File(String),
    Nowhere,
}

#[derive(Debug, Clone)]
pub(super) struct CurlFlags {
    silent: bool,
    shows_error: bool,
    fails: bool,
    headers: bool,
    pub only_headers: bool,
    format: Option<String>,
    pub retries: u64,
    pub retry_delay: SimDuration,
    pub retries_refused: bool,
}

pub(in super::super) fn wget(context: &mut Context<'_, '_>) -> Outcome {
    let spec = Spec {
        letters: "qO:T:t:Sscnv:P:U:",
        long: &[
            ("quiet", 'q'),
            ("output-document", 'O'),
            ("timeout", 'T'),
            ("tries", 't'),
            ("spider", 's'),
            ("server-response", 'S'),
            ("no-check-certificate", 'n'),
            ("no-verbose", 'q'),
            ("header", 'P'),
            ("post-data", 'P'),
            ("user-agent", 'U'),
            ("continue", 'c'),
        ],
        permutes: true,
    };
    // `-nv` is one flag.
    let words = context.arguments().into_iter().map(|word| if word == "-nv" { "-q".to_owned() } else { word });
    let flags = match Flags::parse(words.collect(), &spec) {
        Ok(flags) => flags,
        Err(flag) => return Outcome::Unsupported(format!("wget {flag}")),
    };
    let Some(text) = flags.operands.first() else {
        context.complain("missing URL");
        return Outcome::Ended(1);
    };
    let Some(url) = Url::parse(text) else {
        context.complain(format_args!("not an http or ftp url: {text}"));
        return Outcome::Ended(1);
    };
    let output = match flags.value('O') {
        _ if flags.has('s') => Output::Nowhere,
        Some("-") => Output::Stdout,
        Some(path) => Output::File(path.to_owned()),
        None => {
            let name = url.path.split('?').next().and_then(|path| path.rsplit('/').next()).unwrap_or("");
            Output::File(if name.is_empty() { "index.html".to_owned() } else { name.to_owned() })
        }
    };
    let patience = flags.value('T').and_then(seconds).unwrap_or(CONNECT_PATIENCE);
    let query = query(&url, if flags.has('s') { "HEAD" } else { "GET" });
    let purpose = Purpose::Wget { url, output, quiet: flags.has('q'), headers: flags.has('S') };
    ask(context, query, patience, purpose)
}

fn status_text(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Unknown",
    }
}

/// Puts a body where the flags say; false if that fails.
fn store(context: &mut Context<'_, '_>, output: &Output, body: &[u8]) -> bool {
    match output {
        Output::Nowhere => true,
        Output::Stdout => {
            context.print(body);
            true
        }
        Output::File(path) => {
            let full = context.path(path);
            let mut files = context.files();
            match files.truncate(&full).and_then(|()| files.append(&full, body)) {
                Ok(()) => true,
                Err(error) => {
                    context.complain_of_file(path, error);
                    false
                }
            }
        }
    }
}

pub(super) fn wget_answer(
    context: &mut Context<'_, '_>,
    url: &Url,
    output: &Output,
    quiet: bool,
    headers: bool,
    result: Result<Reply, NetworkError>,
) -> i32 {
    let Url { host, port, .. } = url;
    let mut say = String::new();
    let status = match result {
        Err(NetworkError::NameNotFound | NetworkError::NoNameServer) => {
            context.complain(format_args!("bad address '{host}'"));
            return 1;
        }
        Err(error) => {
            if !quiet {
                say = format!("Connecting to {host}:{port} ({host}:{port})\n");
            }
            let what = match error {
                NetworkError::TimedOut => "download timed out".to_owned(),
                other => format!("can't connect to remote host ({host}): {}", reason(other)),
            };
            say += &format!("wget: {what}\n");
            1
        }
        Ok(reply) => {
            let address = reply.addresses.first().unwrap_or(host);
            if !quiet {
                say = format!("Connecting to {host}:{port} ({address}:{port})\n");
            }
            if headers {
                say += &format!("  HTTP/1.1 {} {}\n", reply.status, status_text(reply.status));
            }
            if reply.status >= 400 {
                say +=
                    &format!("wget: server returned error: HTTP/1.1 {} {}\n", reply.status, status_text(reply.status));
                1
            } else {
                // What the server said is told before the file is opened (`download_one_url`).
                let _ = context.own.write(2, say.as_bytes(), context.system);
                say.clear();
                if !store(context, output, &reply.body) {
                    return 1;
                }
                if let (false, Output::File(path)) = (quiet, output) {
                    say += &format!("saving to '{path}'\n'{path}' saved\n");
                }
                0
            }
        }
    };
    let _ = context.own.write(2, say.as_bytes(), context.system);
    status
}

pub(in super::super) fn curl(context: &mut Context<'_, '_>) -> Outcome {
    let long = [
        ("silent", 's'),
        ("show-error", 'S'),
        ("fail", 'f'),
        ("output", 'o'),
        ("write-out", 'w'),
        ("max-time", 'm'),
        ("connect-timeout", 'c'),
        ("insecure", 'k'),
        ("location", 'L'),
        ("head", 'I'),
        ("include", 'i'),
        ("request", 'X'),
        ("header", 'H'),
        ("data", 'd'),
        ("data-raw", 'd'),
        ("user", 'u'),
        ("user-agent", 'A'),
        ("verbose", 'v'),
        ("retry", 'r'),
        ("retry-delay", 'y'),
        ("retry-connrefused", 'R'),
        ("retry-all-errors", 'R'),
        ("cacert", 'E'),
        ("cert", 'E'),
        ("key", 'E'),
        ("remote-name", 'O'),
        ("globoff", 'g'),
        ("http1.1", 'g'),
        ("no-progress-meter", 's'),
    ];
    let letters = "sSfo:w:m:c:kLIiX:H:d:u:A:vr:y:RE:Og4";
    let flags = match Flags::parse(context.arguments(), &Spec { letters, long: &long, permutes: true }) {
        Ok(flags) => flags,
        Err(flag) => return Outcome::Unsupported(format!("curl {flag}")),
    };
    let Some(text) = flags.operands.first() else {
        context.complain("try 'curl --help' for more information");
        return Outcome::Ended(2);
    };
    let Some(url) = Url::parse(text) else {
        context.complain(format_args!("(3) URL rejected: {text}"));
        return Outcome::Ended(3);
    };
    let output = match flags.value('o') {
        Some("/dev/null") => Output::Nowhere,
        Some("-") => Output::Stdout,
        Some(path) => Output::File(path.to_owned()),
        None if flags.has('O') => Output::File(url.path.rsplit('/').next().unwrap_or("index.html").to_owned()),
        None => Output::Stdout,
    };
    let method = flags.value('X').unwrap_or(match () {
        () if flags.has('I') => "HEAD",
        () if flags.has('d') => "POST",
        () => "GET",
    });
    let limits = flags.value('m').and_then(seconds).into_iter().chain(flags.value('c').and_then(seconds));
    let patience = limits.min().unwrap_or(CONNECT_PATIENCE);
    let asked = query(&url, method);
    let purpose = Purpose::Curl {
        url: url.clone(),
        output,
        flags: CurlFlags {
            silent: flags.has('s'),
            shows_error: flags.has('S'),
            fails: flags.has('f'),
            headers: flags.has('i') || flags.has('I'),
            only_headers: flags.has('I'),
            format: flags.value('w').map(str::to_owned),
            retries: flags.value('r').and_then(|value| value.parse().ok()).unwrap_or(0),
            retry_delay: flags.value('y').and_then(seconds).unwrap_or(SimDuration::from_secs(1)),
            retries_refused: flags.has('R'),
        },
    };
    ask(context, asked, patience, purpose)
}

pub(super) fn curl_answer(
    context: &mut Context<'_, '_>,
    url: &Url,
    output: &Output,
    flags: &CurlFlags,
    result: Result<Reply, NetworkError>,
) -> i32 {
    let Url { host, port, .. } = url;
    let (status, code, message) = match result {
        Ok(reply) => {
            let fails = flags.fails && reply.status >= 400;
            if flags.headers && !fails {
                context.print(format!("HTTP/1.1 {} {}\r\n\r\n", reply.status, status_text(reply.status)));
            }
            if !fails && !flags.only_headers && !store(context, output, &reply.body) {
                return 23;
            }
            let message = format!("(22) The requested URL returned error: {}", reply.status);
            (if fails { 22 } else { 0 }, reply.status, message)
        }
        Err(NetworkError::NameNotFound | NetworkError::NoNameServer) => {
            (6, 0, format!("(6) Could not resolve host: {host}"))
        }
        Err(NetworkError::TimedOut) => (28, 0, "(28) Connection timed out".to_owned()),
        Err(NetworkError::Refused | NetworkError::Unreachable) => {
            (7, 0, format!("(7) Failed to connect to {host} port {port}: Connection refused"))
        }
    };
    if status != 0 && (!flags.silent || flags.shows_error) {
        context.complain(message);
    }
    if let Some(format) = &flags.format {
        let text =
            format.replace("%{http_code}", &format!("{code:03}")).replace("%{response_code}", &format!("{code:03}"));
        context.print(super::super::super::format::unescape(&text).0);
    }
    status
}

/// What is asked of the network for a page.
fn query(url: &Url, method: &str) -> Query {
    Query::Http {
        method: method.to_owned(),
        secure: url.secure,
        host: url.host.clone(),
        port: url.port,
        path: url.path.clone(),
    }
}
