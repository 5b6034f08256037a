//! Utilities that ask the network. The server `db` listens on port 80 once it is up.

use super::super::Dialect::{Bash, BusyBox};
use super::harness::Container;
use crate::engine::SimTime;

/// Runs a script while the server comes up after so many seconds, and returns output, exit code and end.
fn play(script: &str, server_up: u64) -> (String, Option<i32>, SimTime) {
    let mut container = Container::new(&["bash", "-c", script], Bash);
    container.server_up = SimTime::from_secs(server_up);
    container.run();
    (container.output.clone(), container.exit_code(), container.now)
}

#[test]
fn waiting_for_a_service_takes_as_long_as_it_takes() {
    for script in [
        "until nslookup db > /dev/null; do sleep 2; done",
        "until nc -z db 80; do sleep 2; done",
        "until nc -z -w 1 db 80; do sleep 2; done",
        "while ! wget -q -O- http://db/ > /dev/null 2>&1; do sleep 2; done",
        "until wget --spider -q http://db:80/health; do sleep 2; done",
        "until curl -sf http://db > /dev/null; do sleep 2; done",
        "until getent hosts db > /dev/null; do sleep 2; done",
        "until (echo > /dev/tcp/db/80) 2> /dev/null; do sleep 2; done",
        "until timeout 1 bash -c '</dev/tcp/db/80' 2> /dev/null; do sleep 2; done",
        "for i in $(seq 1 60); do nc -z db 80 && exit 0; sleep 2; done; exit 1",
        "until ping -c 1 db > /dev/null 2>&1; do sleep 2; done",
        "until [ \"$(curl -s -o /dev/null -w '%{http_code}' http://db/)\" = 200 ]; do sleep 2; done",
    ] {
        let (output, code, end) = play(script, 9);
        assert_eq!((output.as_str(), code), ("", Some(0)), "{script}");
        assert!(end >= SimTime::from_secs(10) && end < SimTime::from_millis(10_200), "{script}: {end}");
    }
}

#[test]
fn answers_are_printed_as_the_tools_do() {
    for (script, output, code) in [
        (
            "nslookup db",
            "Server:\t\t10.96.0.10\nAddress:\t10.96.0.10:53\n\nName:\tdb.default.svc.cluster.local\nAddress: \
             10.96.0.9\n\n",
            0,
        ),
        ("nslookup nope", "** server can't find nope: NXDOMAIN\n\n", 1),
        ("getent hosts db; getent hosts nope; echo $?", "10.96.0.9       db.default.svc.cluster.local\n2\n", 0),
        (
            "wget -qO- http://db/x; wget -O /f -q db; cat /f; wget http://nope 2>&1",
            "hello\nhello\nwget: bad address 'nope'\n",
            1,
        ),
        ("wget -S -O /dev/null http://db 2>&1 | awk '/^  HTTP/{print $2}'", "200\n", 0),
        ("wget -q http://db/page; cat page; wget -qO- db:81; echo $?", "hello\n1\n", 0),
        (
            "curl -s http://db/; curl -s -o /dev/null -w '%{http_code}\\n' db; curl -sS http://nope; echo $?",
            "hello\n200\n6\n",
            0,
        ),
        ("curl -s http://db:81; echo $?; nc -z db 81; echo $?", "7\n1\n", 0),
        (
            "(exec 3<>/dev/tcp/db/80) && echo open; (exec 3<>/dev/tcp/db/81) 2>/dev/null || echo closed",
            "open\nclosed\n",
            0,
        ),
    ] {
        let (found, status, _) = play(script, 0);
        assert_eq!((found.as_str(), status), (output, Some(code)), "{script}");
    }
}

#[test]
fn an_answer_that_never_comes_is_a_timeout() {
    let mut container = Container::new(&["sh", "-c", "nc -z -w 3 silent 80 || echo gave up"], BusyBox);
    container.run();
    assert_eq!((container.output.as_str(), container.now.as_millis() / 10), ("gave up\n", 300));
    // A program that hangs is stopped by `timeout`; its end comes as an answer.
    let mut container = Container::new(&["sh", "-c", "timeout 5 server; echo $?"], BusyBox);
    container.run();
    assert_eq!(
        (container.programs(), container.now.as_secs_f64() as u64),
        (vec!["run server".to_owned(), "signal TERM".to_owned()], 5)
    );
    container.calls.truncate(1);
    container.end_program(143).run();
    assert_eq!((container.output.as_str(), container.exit_code()), ("143\n", Some(0)));
}

#[test]
fn nc_says_what_those_of_busybox_and_openbsd_say() {
    for (dialect, line, errors, code) in [
        (BusyBox, "nc -z db 81", "", 1),
        (BusyBox, "nc -zv db 81", "", 1),
        (BusyBox, "nc -zvv db 81", "nc: db (db:81): Connection refused\n", 1),
        (BusyBox, "nc -zv db 80", "db (10.96.0.9:80) open\n", 0),
        (BusyBox, "nc -z nope 80", "nc: bad address 'nope'\n", 1),
        (BusyBox, "nc -z -w 3 silent 80", "nc: timed out\n", 1),
        (Bash, "nc -z db 81", "", 1),
        (Bash, "nc -zv db 81", "nc: connect to db port 81 (tcp) failed: Connection refused\n", 1),
        (Bash, "nc -zv -q 1 db 80", "Connection to db 80 port [tcp/*] succeeded!\n", 0),
    ] {
        let mut container = Container::new(&["sh", "-c", line], dialect);
        container.server_up = SimTime::ZERO;
        container.run();
        assert_eq!((container.errors.as_str(), container.exit_code()), (errors, Some(code)), "{line}");
    }
}
