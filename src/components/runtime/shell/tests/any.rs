//! Any script is played, or refused: none of them panics, hangs, or eats the memory.

use super::super::Dialect::{Bash, BusyBox, Dash};
use super::harness::Container;
use crate::engine::SimTime;
use proptest::prelude::*;

/// Runs a script for a minute of virtual time.
fn survives(script: &str) {
    for (name, dialect) in [("sh", BusyBox), ("sh", Dash), ("bash", Bash)] {
        let mut container = Container::new(&[name, "-c", script], dialect);
        let mut turns = 0;
        while turns < 200
            && let super::super::State::Waiting { until: Some(until) } = container.state
            && until <= SimTime::from_secs(60)
        {
            assert!(until >= container.now);
            container.now = until;
            container.resume();
            turns += 1;
        }
    }
}

const WORDS: &[&str] = &[
    "echo",
    "a",
    "$x",
    "\"$x y\"",
    "'q'",
    "x=1",
    "x=$((x+1))",
    "$(echo b)",
    "`echo c`",
    "${x:-d}",
    "${x%?}",
    "$((1/0))",
    "if",
    "then",
    "fi",
    "else",
    "while",
    "do",
    "done",
    "for",
    "i",
    "in",
    "case",
    "esac",
    ")",
    "(",
    "{",
    "}",
    ";",
    ";",
    "\n",
    "&&",
    "||",
    "|",
    "&",
    "!",
    ";;",
    "true",
    "false",
    ":",
    "break",
    "continue",
    "return",
    "exit 3",
    "sleep 1",
    "wait",
    "kill %1",
    "trap 'echo t' EXIT",
    "set -e",
    "set -u",
    "shift",
    "read x",
    "cat",
    "grep a",
    "sed s/a/b/",
    "awk '{print $1}'",
    "tail -f /f",
    "head -1",
    "yes",
    "seq 3",
    "xargs echo",
    "> /f",
    "< /f",
    ">> /f",
    "2>&1",
    "<<E",
    "E\n",
    "[ a = a ]",
    "[[ a == b ]]",
    "((x++))",
    "f()",
    "f",
    "eval",
    "exec",
    "cd /tmp",
    "rm -rf /",
    "*",
    "/*",
    "a[1]=2",
    "${a[@]}",
    "local y=1",
    "timeout 1",
    "nslookup db",
    "server",
    "date",
    "printf %s%d",
    "tr a b",
    "sort",
    "cut -f1",
    "find /",
    "{1..3}",
    "$@",
    "$*",
    "$!",
    "unset x",
    "export x",
    "-n",
    "local",
    "getopts ab o",
    "test",
    "env",
    "sh -c",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_text_runs_or_is_refused(script in ".{0,120}") {
        survives(&script);
    }

    #[test]
    fn any_words_run_or_are_refused(words in prop::collection::vec(prop::sample::select(WORDS), 0..24)) {
        survives(&words.join(" "));
    }

    #[test]
    fn any_arguments_are_taken_by_any_utility(
        name in prop::sample::select(&[
            "awk", "sed", "grep", "tr", "cut", "sort", "find", "date", "seq", "expr", "printf", "echo", "head", "tail",
            "xargs", "timeout", "env", "test", "cp", "mv", "ln", "ls", "stat", "dd", "wget", "curl", "nc", "ps", "kill",
            "read", "set", "trap", "shift", "getopts", "wc", "base64", "mktemp", "chmod", "truncate", "sleep",
            "nslookup",
        ][..]),
        arguments in prop::collection::vec("[-a-z0-9/=:%{}$.,\\\\ ]{0,12}", 0..5),
    ) {
        let words: Vec<String> = arguments.iter().map(|word| format!("'{word}'")).collect();
        survives(&format!("printf 'a b\\nc d\\n' | {name} {}; {name} {}", words.join(" "), words.join(" ")));
    }
}
