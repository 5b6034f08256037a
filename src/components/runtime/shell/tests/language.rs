//! The language, construct by construct. What is expected was compared with bash 5.2, dash 0.5.12 and BusyBox 1.35.

use super::super::Dialect::{self, Bash, BusyBox, Dash};
use super::harness::play;

/// Runs each script and compares its output and exit code.
fn check(dialect: Dialect, table: &[(&str, &str, i32)]) {
    for (script, output, code) in table {
        let (found, errors, status) = play(script, dialect);
        assert_eq!((found.as_str(), status), (*output, Some(*code)), "{script}\n{errors}");
    }
}

fn check_all(table: &[(&str, &str, i32)]) {
    for dialect in [BusyBox, Dash, Bash] {
        check(dialect, table);
    }
}

#[test]
fn lists_and_conditions() {
    check_all(&[
        ("echo a; echo b && echo c || echo d", "a\nb\nc\n", 0),
        ("false && echo a || echo b; false || { echo c; false; } || echo d", "b\nc\nd\n", 0),
        ("if false; then echo a; elif true; then echo b; else echo c; fi", "b\n", 0),
        ("if cat /nope 2>/dev/null; then :; else echo $?; fi", "1\n", 0),
        ("! true; echo $?; ! false; echo $?", "1\n0\n", 0),
        ("case abc in x) echo a;; a*c) echo b;; *) echo c;; esac", "b\n", 0),
        (
            "case '*' in '*') echo lit;; esac; case -x in -*) echo dash;; esac; case a in b) ;; esac; echo $?",
            "lit\ndash\n0\n",
            0,
        ),
        ("{ echo a; exit 3; }; echo b", "a\n", 3),
        ("(echo a; exit 3); echo $?", "a\n3\n", 0),
        ("exit 300", "", 44),
        ("# nothing\n", "", 0),
    ]);
}

#[test]
fn loops() {
    check_all(&[
        ("for i in 1 2 3; do echo $i; done", "1\n2\n3\n", 0),
        ("for i in; do echo no; done; echo $?", "0\n", 0),
        ("set -- a 'b c'; for i; do echo \"<$i>\"; done", "<a>\n<b c>\n", 0),
        ("i=0; while [ $i -lt 3 ]; do i=$((i+1)); [ $i = 2 ] && continue; echo $i; done", "1\n3\n", 0),
        ("until [ -f /r ]; do touch /r; echo once; done", "once\n", 0),
        ("for i in 1 2; do for j in a b; do [ $j = b ] && continue 2; echo $i$j; done; done", "1a\n2a\n", 0),
        ("while :; do while :; do break 2; done; done; echo out", "out\n", 0),
        ("while false; do :; done; echo $?; while true; do false; break; done; echo $?", "0\n0\n", 0),
        ("for x in a b; do echo $x; done > /f; cat /f", "a\nb\n", 0),
    ]);
}

#[test]
fn functions_and_parameters() {
    check_all(&[
        ("f() { echo \"$1 $#\"; return 3; }; f a b; echo $?", "a 2\n3\n", 0),
        ("f() { local x=5; y=6; echo $x; }; x=1; f; echo $x$y", "5\n16\n", 0),
        ("f() { echo $1; [ $1 -gt 0 ] && f $(($1 - 1)); }; f 2", "2\n1\n0\n", 1),
        ("f() (x=2; exit 4); x=1; f; echo $? $x", "4 1\n", 0),
        ("f() { for i in 1 2 3; do [ $i = 2 ] && return 7; echo $i; done; }; f; echo $?", "1\n7\n", 0),
        ("set -- a b c; shift; echo $1 $#; set -- -x; echo $1; set --; echo $#", "b 2\n-x\n0\n", 0),
        ("set -- 1 2 3 4 5 6 7 8 9 ten; echo ${10} $10", "ten 10\n", 0),
        ("f() { echo \"$v\"; }; v=5 f; echo \"[$v]\"", "5\n[]\n", 0),
        ("while getopts ab: o -a -b val rest; do echo $o $OPTARG; done; echo $OPTIND", "a\nb val\n4\n", 0),
    ]);
}

#[test]
fn expansions() {
    check_all(&[
        ("x='a b'; for i in $x \"$x\"; do echo \"<$i>\"; done", "<a>\n<b>\n<a b>\n", 0),
        (
            "set -- a 'b c'; for i in \"$@\"; do echo \"<$i>\"; done; for i in \"$*\"; do echo \"<$i>\"; done",
            "<a>\n<b c>\n<a b c>\n",
            0,
        ),
        ("set --; for i in \"$@\" \"\"; do echo \"<$i>\"; done", "<>\n", 0),
        ("echo ${x:-def} ${x:=set} $x ${x:+alt} [${y:+alt}] ${#x} ${x-no}", "def set set alt [] 3 set\n", 0),
        ("y=; echo \"${y-a}${y:-b}${y+c}${y:+d}\"", "bc\n", 0),
        ("p=/a/b/c.tar.gz; echo ${p%.*} ${p%%.*} ${p#*/} ${p##*/}", "/a/b/c.tar /a/b/c a/b/c.tar.gz c.tar.gz\n", 0),
        ("y='*'; z='a*b'; echo \"${z%\"$y\"b}\"", "a\n", 0),
        ("echo \"${x:-a   b}\" ${x:-a   b} ${x:-'c   d'}", "a   b a b c   d\n", 0),
        ("echo $(echo a; echo b) \"$(printf 'x\\n\\n')\" `echo c`", "a b x c\n", 0),
        ("echo \"$(echo \"in $(echo deep)\")\"", "in deep\n", 0),
        ("x=$(exit 5); echo $?; y=$(false) || echo failed", "5\nfailed\n", 0),
        ("IFS=:; x=a::b; set -- $x; echo $# $1 $3", "3 a b\n", 0),
        ("echo ~; HOME=/x; echo ~/y '~'", "/root\n/x/y ~\n", 0),
        ("cd /tmp; touch a1 a2 b; echo a* '?' ?1 [ab] z* a\\*", "a1 a2 ? a1 b z* a*\n", 0),
        ("cd /tmp; touch .h v; echo * .h*; set -f; echo *", "v .h\n*\n", 0),
        ("echo 'a\"b' \"c'd\" e\\ f \"g\\$h\\\"\" 'i'\"'\"'j'", "a\"b c'd e f g$h\" i'j\n", 0),
        (
            "echo $((1 + 2 * 3)) $(( (1+2)*3 )) $((7/2)) $((7%2)) $((3>2)); x=4; echo $((x*x)) $(($x+1))",
            "7 9 3 1 1\n16 5\n",
            0,
        ),
        ("i=0; echo $((i=i+1)) $(echo sub) $((i=i+1)); echo $i", "1 sub 2\n2\n", 0),
    ]);
    check(Bash, &[("echo ${nope:?gone}; echo no", "", 127), ("set -u; echo $nope; echo no", "", 127)]);
    check(Dash, &[("echo ${nope:?gone}; echo no", "", 2), ("set -u; echo $nope; echo no", "", 2)]);
}

#[test]
fn redirections() {
    check_all(&[
        ("echo a > /f; echo b >> /f; cat /f; cat < /f; wc -l < /f", "a\nb\na\nb\n2\n", 0),
        ("{ echo out; echo err >&2; } > /f 2>&1; cat /f", "out\nerr\n", 0),
        ("exec 3> /f; echo three >&3; exec 3>&-; cat /f", "three\n", 0),
        ("exec > /f; echo gone; exec > /dev/stdout; cat /f >&2", "", 0),
        ("cat <<E\n$((1+1)) \\$x `echo c`\nE\ncat <<'E'\n$x\nE\ncat <<-E\n\tt\n\tE", "2 $x c\n$x\nt\n", 0),
    ]);
    check(
        Bash,
        &[
            ("cat < /nope; echo $?; echo x > /nope/y || echo failed", "1\nfailed\n", 0),
            ("set -o pipefail; false | true; echo $?", "1\n", 0),
            ("cat <<< \"x y\"; read -r a b <<< '1 2 3'; echo \"$b\"; cat < <(echo from)", "x y\n2 3\nfrom\n", 0),
            ("f() { echo e >&2; }; f &> /f; cat /f; f |& cat", "e\ne\n", 0),
        ],
    );
}

#[test]
fn pipes_and_read() {
    check_all(&[
        ("echo a | cat | tr a b; false | true; echo $?; true | false; echo $?", "b\n0\n1\n", 0),
        ("printf '1\\n2\\n' | while read x; do echo \"<$x>\"; y=1; done; echo [$y]", "<1>\n<2>\n[]\n", 0),
        ("printf '1\\n2\\n' > /f; while read -r l; do echo \"<$l>\"; done < /f", "<1>\n<2>\n", 0),
        ("printf 'a\\nb\\n' > /f; exec 4< /f; read p <&4; read q <&4; echo $q$p", "ba\n", 0),
        ("yes | head -n 2; seq 100000 | tail -n 1; yes no | { read x; echo $x; }", "y\ny\n100000\nno\n", 0),
        ("echo a > /dev/null; echo b > /dev/stderr; echo c > /proc/1/fd/1", "c\n", 0),
        ("IFS== read -r k v <<E\na=b=c\nE\necho \"$k $v\"", "a b=c\n", 0),
    ]);
}

#[test]
fn options_end_scripts() {
    check_all(&[
        ("set -e; echo a; false; echo b", "a\n", 1),
        ("set -e; false || echo ok; if false; then :; fi; ! true; false && true; echo end", "ok\nend\n", 0),
        ("set -e; f() { false; echo in; }; f || echo out; f; echo no", "in\n", 1),
        ("set -e; x=$(false); echo no", "", 1),
        ("set -e; false | true; echo yes; (exit 4); echo no", "yes\n", 4),
        ("set -e; trap 'echo bye $?' EXIT; false", "bye 1\n", 1),
        ("set +e; false; echo on", "on\n", 0),
    ]);
    let (_, errors, _) = play("set -x; a='b c'; echo \"$a\" d", BusyBox);
    assert_eq!(errors, "+ a='b c'\n+ echo 'b c' d\n");
    check(
        Bash,
        &[("set -euo pipefail; echo a; x=$(echo b | grep c || true); echo [$x]; false | true; echo no", "a\n[]\n", 1)],
    );
    check(Dash, &[("set -o pipefail; echo no", "", 2)]);
}

#[test]
fn commands_that_change_what_runs() {
    check_all(&[
        ("eval 'x=5; echo $x'; y='echo a  b'; $y; eval \"$y\"", "5\na b\na b\n", 0),
        ("echo 'y=5; echo sourced' > /s; . /s; echo $y", "sourced\n5\n", 0),
        ("echo 'echo $0 $1; exit 9' > /s; sh /s arg; echo $?; chmod +x /s; /s z; echo $?", "/s arg\n9\n/s z\n9\n", 0),
        (
            "sh -c 'echo $0 $1' name one; sh -ec 'false; echo no'; echo $?; echo 'echo $1' | sh -s arg",
            "name one\n1\narg\n",
            0,
        ),
        ("exec echo replaced; echo no", "replaced\n", 0),
        ("nosuch; echo $?; /nosuch; echo $?; touch /x; /x; echo $?", "127\n127\n126\n", 0),
        ("export A=1; sh -c 'echo $A$B'; B=2 sh -c 'echo $A$B'; echo [$B]", "1\n12\n[]\n", 0),
        ("A=1 env | grep ^A=; env -i B=2 env", "A=1\nB=2\n", 0),
        ("x=1; unset x; echo [${x-unset}]; readonly r=1; (r=2) 2>/dev/null; echo $r", "[unset]\n1\n", 0),
        ("command -v nosuch || echo none; command -v f || f() { :; }; command -v f", "none\nf\n", 0),
        ("cd /tmp && pwd; cd ..; pwd; cd - > /dev/null; pwd; (cd /etc); pwd", "/tmp\n/\n/tmp\n/tmp\n", 0),
    ]);
}

#[test]
fn the_last_command_may_replace_the_shell() {
    use super::harness::Container;
    for (script, dialect, programs) in [
        ("server", BusyBox, "exec server"),
        ("server", Bash, "exec server"),
        ("server", Dash, "run server"),
        ("echo a; server -x", Bash, "exec server -x"),
        ("if true; then server; fi", BusyBox, "exec server"),
        ("if true; then server; fi", Bash, "run server"),
        ("trap 'echo' TERM; server", BusyBox, "run server"),
        ("server; echo after", BusyBox, "run server"),
        ("server &\nwait", Dash, "run server"),
        ("exec server", Dash, "exec server"),
        ("while :; do server; done", BusyBox, "run server"),
        ("exec env A=1 nice server", Dash, "exec server"),
    ] {
        let name = if dialect == Bash { "bash" } else { "sh" };
        let mut container = Container::new(&[name, "-c", script], dialect);
        container.run();
        assert_eq!(container.programs(), [programs], "{script}");
    }
    let mut container = Container::new(&["bash", "-c", "server || echo failed"], Bash);
    container.run().end_program(1).run();
    assert_eq!((container.output.as_str(), container.exit_code()), ("failed\n", Some(0)));
    let mut container = Container::new(&["sh", "-c", "exec server"], BusyBox);
    container.run().end_program(7).run();
    assert_eq!(container.exit_code(), Some(7));
}

#[test]
fn bash_has_more() {
    check(
        Bash,
        &[
            (
                "a=(x y 'z w'); echo ${a[0]} ${#a[@]}; for i in \"${a[@]}\"; do echo \"<$i>\"; done",
                "x 3\n<x>\n<y>\n<z w>\n",
                0,
            ),
            ("a=(1); a+=(2 3); a[1]=X; i=2; echo ${a[*]} ${a[$i]} ${a[i]} ${a[-1]} ${!a[@]}", "1 X 3 3 3 3 0 1 2\n", 0),
            (
                "x=hello; echo ${x/l/L} ${x//l/L} ${x:1:3} ${x: -2} ${x^} ${x^^} ${x/#he/HE}",
                "heLlo heLLo ell lo Hello HELLO HEllo\n",
                0,
            ),
            (
                "[[ abc == a* && ! -e /nope ]] && echo m; [[ abc =~ ^a(b)c$ ]] && echo ${BASH_REMATCH[1]}; [[ \
                 abc == 'a*' ]] || echo q",
                "m\nb\nq\n",
                0,
            ),
            (
                "for ((i=0; i<3; i++)); do echo $i; done; ((x=5)); ((0)) || echo $x; let y=3+4; echo $y",
                "0\n1\n2\n5\n7\n",
                0,
            ),
            ("echo {1..3} a{b,c}d {3..1} {01..03} {a} '{x,y}'", "1 2 3 abd acd 3 2 1 01 02 03 {a} {x,y}\n", 0),
            (
                "set -- a b c; echo \"${@:2}\" $'a\\tb' ; n=x; x=1; echo ${!n}; printf -v v '%03d' 7; echo $v",
                "b c a\tb\n1\n007\n",
                0,
            ),
            ("f() { local a=(1 2); declare -a b=(x); echo ${a[@]} ${b[0]}; }; f; echo [${a[0]}]", "1 2 x\n[]\n", 0),
            ("declare -x E=1; function g { local z=2; echo $z$E; }; g; echo [$z]", "21\n[]\n", 0),
        ],
    );
}

#[test]
fn the_shells_differ_where_logs_show_it() {
    for (script, busybox, dash, bash) in [
        ("echo -e 'a\\tb'; echo 'a\\tb'", "a\tb\na\\tb\n", "-e a\tb\na\tb\n", "a\tb\na\\tb\n"),
        ("echo -en 'x\\n'", "x\n", "-en x\n\n", "x\n"),
    ] {
        for (dialect, output) in [(BusyBox, busybox), (Dash, dash), (Bash, bash)] {
            assert_eq!(play(script, dialect).0, output, "{script} {dialect:?}");
        }
    }
    for (script, busybox, dash, bash) in [
        ("foo", "sh: foo: not found\n", "sh: 1: foo: not found\n", "bash: line 1: foo: command not found\n"),
        (
            "cat /x",
            "cat: can't open '/x': No such file or directory\n",
            "cat: /x: No such file or directory\n",
            "cat: /x: No such file or directory\n",
        ),
        (
            "> /x/y",
            "sh: can't create /x/y: nonexistent directory\n",
            "sh: 1: cannot create /x/y: Directory nonexistent\n",
            "bash: line 1: /x/y: No such file or directory\n",
        ),
    ] {
        for (dialect, errors) in [(BusyBox, busybox), (Dash, dash), (Bash, bash)] {
            assert_eq!(play(script, dialect).1, errors, "{script} {dialect:?}");
        }
    }
}

#[test]
fn what_is_not_played_is_named() {
    for (script, what) in [
        ("if true; fi", "sh: line 1: syntax error: unexpected `fi`"),
        ("select x in a; do :; done", "sh: line 1: select"),
        ("grep --colour x /f", "grep --colour"),
        ("echo a | awk '{ for (;;) print }'", "awk '{ for (;;) print }': for"),
        ("sha256sum /etc/hosts", "sha256sum"),
        ("f() { f; }; f", "functions nested without end"),
        ("declare -A m", "declare -A"),
    ] {
        assert_eq!(play(script, BusyBox), (String::new(), format!("UNSUPPORTED {what}"), None), "{script}");
    }
}
