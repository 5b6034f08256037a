//! Scripts and the trees that they parse into.

use super::*;
use proptest::prelude::*;

#[test]
fn what_people_write_is_accepted() {
    for text in [
        "",
        "\n # only a comment\n",
        "a; b & c && d || ! e | f\n\ng",
        "if a; then b; elif c; then d; else e; fi",
        "while :; do sleep 1; done",
        "until nslookup db; do echo waiting; sleep 2; done;",
        "for i in 1 2 $x \"$@\"; do echo $i; done",
        "for i\ndo echo; done",
        "for ((i=0; i<3; i++)); do echo $i; done",
        "case $x in a|b) c;; (*) d; esac",
        "case x in a) ;; esac",
        "case $1 in\n  start)\n    a\n    ;;\n  *) b ;;\nesac",
        "f() { a; }; g () (b); function h { c; }",
        "{ a; b; } > x 2>&1 < y",
        "(a; b) | (c)",
        "a=1 b=\"x y\" c",
        "a=(1 2 \"3 4\"); a+=(5); a[2]=x; echo ${a[$i]} ${a[@]} ${#a[@]}",
        "echo a\\\nb 'c' \"d $e ${f:-g h} $(i \"j\") `k \\`l\\`` $((1 + m))\" $'\\n' ~ ~/x",
        "cat <<E\nhello $x\nE\necho after",
        "cat <<-'E' | grep x\n\thello\n\tE\nb",
        "cat <<< \"$x\"; a &> f; b >& f; c 2>/dev/null; d >|f; e <>f; f 3>&-",
        "[[ -f x && ( $a == b* || ! $c =~ ^(x|y)$ ) ]]",
        "((i++)); ((a < b)) && c",
        "((a); (b))",
        "x=$( (a) ); y=$((1+(2*3))); z=$(($(b)))",
        "echo {1..3} a{b,c}d {x} {}",
        "echo # comment\necho a#b",
        "x=$(cat <<E\nin\nE\n)",
        "while read -r a; do b; done < <(c)",
        "trap 'exit 0' TERM; wait $!",
        "echo ${x%.*} ${x##*/} ${#x} ${x/a/b} ${x//a} ${x:1:2} ${x^^} ${!x} ${1} ${10} $# $? $$ $! $- $@ $*",
        "time sleep 1",
        "echo if then; echo done fi",
    ] {
        let result = parse(text);
        assert!(result.is_ok(), "{text:?}: {}", result.unwrap_err());
    }
}

#[test]
fn what_is_wrong_or_not_played_is_named() {
    for (text, what) in [
        ("if true; fi", "line 1: syntax error: unexpected `fi`"),
        ("a\nb\n)", "line 3: syntax error: unexpected `)`"),
        ("while true; do a", "line 1: syntax error: unexpected end of script"),
        ("echo 'a", "line 1: syntax error: unterminated quoted string"),
        ("echo \"a", "line 1: syntax error: unterminated quoted string"),
        ("echo $(a", "line 1: syntax error: unexpected end of script"),
        ("echo ${a", "line 1: syntax error: bad substitution"),
        ("echo ${a b}", "line 1: syntax error: bad substitution"),
        ("; a", "line 1: syntax error: unexpected `;`"),
        ("a && ", "line 1: syntax error: unexpected end of script"),
        ("select x in a; do b; done", "line 1: select"),
        ("a > >(b)", "line 1: process substitution for output"),
        ("f() a", "line 1: syntax error: a function without a compound command"),
        ("}", "line 1: syntax error: unexpected `}`"),
    ] {
        assert_eq!(parse(text).map(|_| ()).unwrap_err().what, what, "{text:?}");
    }
}

#[test]
fn deep_nesting_is_refused_in_time() {
    for opener in [
        "(",
        "((",
        "$(",
        "$((",
        "${a:-",
        "\"$(",
        "`",
        "{ ",
        "if ",
        "case x in x) ",
        "[[ (",
        "f() {",
        "!",
        "a <<E$((",
        "echo {",
    ] {
        for count in [10, 1_000, 30_000] {
            let text = opener.repeat(count);
            let _ = parse(&text).map(|_| ());
            let _ = parse(&format!("echo {text}")).map(|_| ());
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in ".{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn any_soup_of_tokens_is_parsed_or_refused(tokens in prop::collection::vec(prop::sample::select(&[
        "(", ")", "((", "))", "{", "}", "if", "then", "fi", "else", "while", "do", "done", "case", "esac", "in", "for",
        "x", "[[", "]]", "!", "&&", "||", "|", "&", ";", ";;", "\n", "$(", "`", "\"", "'", "${", "$((", "<<E", "E\n",
        ">", "<", "a=(", "=", "f()", "-f", "~", "#", "\\", "$x", ":-", "/", "*", "[", "]", " ", " ", "é",
    ][..]), 0..60)) {
        let _ = parse(&tokens.concat());
    }
}
