//! `kubectl get -o go-template=…`: the templates of Go, on decoded JSON.
//!
//! Follows Go's `text/template` and cli-runtime 1.36 `pkg/printers/template.go`. Numbers of objects are floats there,
//! so that `eq .spec.replicas 3` is an error in both. Left out: methods (JSON has none) and `call`.

mod exec;
mod format;
mod functions;
mod lexer;
mod parser;

use parser::Node;
use serde_json::Value;
use std::collections::BTreeMap;

/// The name that kubectl gives to every template.
const NAME: &str = "output";

/// A template that was read.
#[derive(Debug, Clone)]
pub struct Template {
    source: String,
    nodes: Vec<Node>,
    defined: BTreeMap<String, Vec<Node>>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// Go's words for what is wrong with it.
    pub fn parse(source: &str) -> Result<Self, String> {
        let (nodes, defined) = parser::parse(source)?;
        Ok(Self { source: source.to_owned(), nodes, defined })
    }

    /// The text as given.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Prints an object; with an error comes what was printed until then.
    ///
    /// # Errors
    /// Go's words for what went wrong.
    pub fn print(&self, object: &Value) -> Result<String, (String, String)> {
        exec::execute(self, object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn print(template: &str) -> Result<String, String> {
        let object = json!({
            "metadata": {"name": "web", "labels": {"b": "2", "a": "1"}},
            "spec": {"replicas": 3, "user": 1_000_650_000, "paused": null, "ratio": 0.5,
                "containers": [{"name": "app", "image": "nginx"}, {"name": "log"}]},
            "data": {"key": "aGVsbG8="},
        });
        Template::parse(template)?.print(&object).map_err(|(_, error)| error)
    }

    #[test]
    fn templates_print_as_those_of_go() {
        for (template, expected) in [
            ("{{.metadata.name}}\n", "web\n"),
            ("{{.spec.replicas}} {{.spec.user}} {{.spec.ratio}}", "3 1.00065e+09 0.5"),
            ("{{.nothing}} {{.a.b.c}} {{.spec.paused}}", "<no value> <no value> <no value>"),
            ("{{.metadata.labels}}", "map[a:1 b:2]"),
            ("{{range .spec.containers}}{{.name}}={{.image}} {{end}}", "app=nginx log=<no value> "),
            ("{{range $i, $c := .spec.containers}}{{if $i}}, {{end}}{{$c.name}}{{end}}", "app, log"),
            ("{{range $k, $v := .metadata.labels}}{{$k}}{{$v}}{{end}}", "a1b2"),
            ("{{range .none}}x{{else}}empty{{end}}", "empty"),
            ("{{with .spec}}{{.replicas}}{{$.metadata.name}}{{end}}", "3web"),
            ("{{if and .spec (not .none)}}yes{{else if .x}}no{{else}}never{{end}}", "yes"),
            ("a {{- /* comment */ -}} b {{ \"x\" -}} \n c", "ab xc"),
            (
                "{{len .spec.containers}} {{index .spec.containers 1 \"name\"}} {{index .metadata.labels \"z\"}}",
                "2 log <no value>",
            ),
            ("{{printf \"%-5s|%5.2f|%q|%v\" .metadata.name .spec.ratio \"a\" true}}", "web  | 0.50|\"a\"|true"),
            ("{{printf \"%d %s\" .spec.replicas 3}}", "%!d(float64=3) %!s(int=3)"),
            ("{{print 1 2 \"x\" 3 true}}|{{println \"a\" 1}}", "1 2x3 true|a 1\n"),
            ("{{.data.key | base64decode}} {{\"a&b\" | html}}", "hello a&amp;b"),
            ("{{$x := 1}}{{range .spec.containers}}{{$x = 2}}{{end}}{{$x}}", "2"),
            ("{{define \"t\"}}<{{.}}>{{end}}{{template \"t\" .metadata.name}}", "<web>"),
            ("{{range .spec.containers}}{{.name}}{{break}}{{end}}", "app"),
            ("{{range .spec.containers}}{{if .image}}{{continue}}{{end}}{{.name}}{{end}}", "log"),
            ("{{if eq .metadata.name \"a\" \"web\"}}{{if gt 2 1}}ok{{end}}{{end}}", "ok"),
            ("{{(index .spec.containers 0).name}} {{`raw`}} {{exists . \"spec\" \"none\"}}", "app raw false"),
            ("{{slice \"abcdef\" 1 3}} {{urlquery \"a b&c\"}}", "bc a+b%26c"),
        ] {
            assert_eq!(print(template).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_as_go_says_it() {
        for (template, expected) in [
            ("{{if eq .spec.replicas 3}}x{{end}}", "error calling eq: incompatible types for comparison"),
            ("{{index .spec.containers 7}}", "error calling index: index out of range: 7"),
            ("{{.metadata.name.x}}", "can't evaluate field x in type interface {}"),
            ("{{len 3}}", "error calling len: len of type int"),
            ("{{range .metadata.name}}{{end}}", "range can't iterate over web"),
            ("{{.a", "template: output:1: unclosed action"),
            ("{{if .a}}", "template: output:1: unexpected EOF"),
            ("{{end}}", "template: output:1: unexpected {{end}}"),
            ("\n{{foo .a}}", "template: output:2: function \"foo\" not defined"),
            ("{{$x}}", "template: output:1: undefined variable \"$x\""),
        ] {
            let error = print(template).expect_err(template);
            assert!(error.ends_with(expected), "{template}: {error}");
        }
        let error = print("a\n{{eq .spec.replicas 3}}").expect_err("a float is no integer");
        assert!(error.starts_with("template: output:2:2: executing \"output\" at <eq .spec.replicas 3>: "), "{error}");
    }
}
