//! Words become nodes: pipelines, conditions, loops and definitions.

use super::functions;
use super::lexer::{Piece, Word, WordKind, line_of, pieces};
use crate::report::kubectl::go;
use std::collections::BTreeMap;

/// A part of a template.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    Text(String),
    /// `{{pipeline}}`
    Print(Pipeline),
    /// `{{if}}`, `{{with}}`
    Branch {
        sets_dot: bool,
        pipeline: Pipeline,
        then: Vec<Node>,
        otherwise: Vec<Node>,
    },
    /// `{{range}}`
    Range {
        pipeline: Pipeline,
        body: Vec<Node>,
        otherwise: Vec<Node>,
    },
    /// `{{template}}`
    Template {
        name: String,
        pipeline: Option<Pipeline>,
        start: usize,
    },
    Break,
    Continue,
}

/// Commands, each of which gets what the one before came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pipeline {
    /// The variables that it sets.
    pub variables: Vec<String>,
    /// Whether they are new.
    pub declares: bool,
    pub commands: Vec<Command>,
}

/// A value, or a function with its arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    pub operands: Vec<Operand>,
    /// Where it begins and ends in the template.
    pub start: usize,
    pub end: usize,
}

/// Something that has a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    Dot,
    Nil,
    Bool(bool),
    Text(String),
    Integer(i64),
    Float(f64),
    Field(Vec<String>),
    Variable(String, Vec<String>),
    Function(String),
    Nested(Pipeline, Vec<String>),
}

type Defined = BTreeMap<String, Vec<Node>>;

/// Why a list of nodes ends.
enum End {
    Template,
    Closed,
    /// `{{else}}` with what follows the word.
    Else(Vec<Word>, usize),
}

/// Reads a template: its nodes, and the templates that it defines.
pub fn parse(source: &str) -> Result<(Vec<Node>, Defined), String> {
    let parsed = pieces(source).and_then(|pieces| {
        let mut parser = Parser {
            source,
            pieces: pieces.into_iter(),
            defined: Defined::new(),
            variables: vec!["$".to_owned()],
            loops: 0,
            line: 1,
        };
        match parser.nodes()? {
            (nodes, End::Template) => Ok((nodes, parser.defined)),
            (_, End::Closed) => Err(parser.fail("unexpected {{end}}")),
            (_, End::Else(..)) => Err(parser.fail("unexpected {{else}}")),
        }
    });
    parsed.map_err(|error| format!("template: {}:{error}", super::NAME))
}

struct Parser<'a> {
    source: &'a str,
    pieces: std::vec::IntoIter<Piece>,
    defined: Defined,
    variables: Vec<String>,
    loops: usize,
    line: usize,
}

impl Parser<'_> {
    fn fail(&self, what: &str) -> String {
        format!("{}: {what}", self.line)
    }

    /// The nodes up to the end of what they are in.
    fn nodes(&mut self) -> Result<(Vec<Node>, End), String> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let (words, line) = match piece {
                Piece::Text(text) if text.is_empty() => continue,
                Piece::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Piece::Action { words, line } => (words, line),
            };
            self.line = line;
            let keyword = match words.first().map(|word| &word.kind) {
                Some(WordKind::Identifier(name)) => name.clone(),
                _ => String::new(),
            };
            let rest = || words[1..].to_vec();
            match keyword.as_str() {
                "end" => return Ok((nodes, End::Closed)),
                "else" => return Ok((nodes, End::Else(rest(), line))),
                "if" | "with" => nodes.push(self.branch(keyword == "with", &rest())?),
                "range" => nodes.push(self.range(&rest())?),
                "break" | "continue" if self.loops == 0 => {
                    return Err(self.fail(&format!("{{{{{keyword}}}}} outside {{{{range}}}}")));
                }
                "break" => nodes.push(Node::Break),
                "continue" => nodes.push(Node::Continue),
                "define" | "block" => nodes.extend(self.define(&rest(), keyword == "block")?),
                "template" => nodes.push(self.template(&rest())?),
                _ => {
                    let pipeline = self.pipeline(&words, "command")?;
                    nodes.push(Node::Print(pipeline));
                }
            }
        }
        Ok((nodes, End::Template))
    }

    fn branch(&mut self, sets_dot: bool, words: &[Word]) -> Result<Node, String> {
        let known = self.variables.len();
        let pipeline = self.pipeline(words, if sets_dot { "with" } else { "if" })?;
        let (then, end) = self.nodes()?;
        let otherwise = self.otherwise(end, sets_dot)?;
        self.variables.truncate(known);
        Ok(Node::Branch { sets_dot, pipeline, then, otherwise })
    }

    /// What follows `{{else}}`; `{{else if …}}` is a branch that ends with the one around it.
    fn otherwise(&mut self, end: End, sets_dot: bool) -> Result<Vec<Node>, String> {
        match end {
            End::Closed => Ok(Vec::new()),
            End::Template => Err(self.fail("unexpected EOF")),
            End::Else(words, line) => {
                self.line = line;
                let keyword = if sets_dot { "with" } else { "if" };
                match words.first().map(|word| &word.kind) {
                    None => match self.nodes()? {
                        (nodes, End::Closed) => Ok(nodes),
                        (_, End::Template) => Err(self.fail("unexpected EOF")),
                        (_, End::Else(..)) => Err(self.fail("expected end; found {{else}}")),
                    },
                    Some(WordKind::Identifier(name)) if name == keyword => {
                        Ok(vec![self.branch(sets_dot, &words[1..])?])
                    }
                    Some(_) => Err(self.fail("unexpected words in else")),
                }
            }
        }
    }

    fn range(&mut self, words: &[Word]) -> Result<Node, String> {
        let known = self.variables.len();
        let pipeline = self.pipeline(words, "range")?;
        self.loops += 1;
        let (body, end) = self.nodes()?;
        self.loops -= 1;
        let otherwise = self.otherwise(end, false)?;
        self.variables.truncate(known);
        Ok(Node::Range { pipeline, body, otherwise })
    }

    fn define(&mut self, words: &[Word], used_here: bool) -> Result<Option<Node>, String> {
        let Some((Word { kind: WordKind::Text(name), start, .. }, rest)) = words.split_first() else {
            return Err(self.fail("a definition needs a name in quotes"));
        };
        let pipeline = if used_here { Some(self.pipeline(rest, "block clause")?) } else { None };
        let outer = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let (nodes, end) = self.nodes()?;
        self.variables = outer;
        if !matches!(end, End::Closed) {
            return Err(self.fail("unexpected EOF"));
        }
        self.defined.insert(name.clone(), nodes);
        Ok(used_here.then(|| Node::Template { name: name.clone(), pipeline, start: *start }))
    }

    fn template(&mut self, words: &[Word]) -> Result<Node, String> {
        let Some((Word { kind: WordKind::Text(name), start, .. }, rest)) = words.split_first() else {
            return Err(self.fail("unexpected words in template clause"));
        };
        let pipeline = if rest.is_empty() { None } else { Some(self.pipeline(rest, "template clause")?) };
        Ok(Node::Template { name: name.clone(), pipeline, start: *start })
    }

    /// `$a, $b := command | command`
    fn pipeline(&mut self, words: &[Word], context: &str) -> Result<Pipeline, String> {
        let mut pipeline = Pipeline::default();
        let mut rest = words;
        let variable = |word: &Word| match &word.kind {
            WordKind::Variable(name) => Some(name.clone()),
            _ => None,
        };
        let is_mark = |word: Option<&Word>, mark: &str| matches!(word, Some(Word { kind: WordKind::Mark(have), .. }) if *have == mark);
        let mut named = Vec::new();
        while let Some(name) = rest.get(named.len() * 2).and_then(variable) {
            named.push(name);
            if !is_mark(rest.get(named.len() * 2 - 1), ",") {
                break;
            }
        }
        let sign = (named.len() * 2).checked_sub(1).and_then(|place| rest.get(place));
        if !named.is_empty() && (is_mark(sign, ":=") || is_mark(sign, "=")) {
            if named.len() > 2 || named.len() == 2 && context != "range" {
                return Err(self.fail(&format!("too many declarations in {context}")));
            }
            pipeline.declares = is_mark(sign, ":=");
            rest = &rest[named.len() * 2..];
            pipeline.variables = named;
        }
        pipeline.commands = self.commands(rest, context)?;
        if pipeline.declares {
            self.variables.extend(pipeline.variables.iter().cloned());
        } else {
            pipeline.variables.iter().try_for_each(|name| self.check_variable(name))?;
        }
        Ok(pipeline)
    }

    fn check_variable(&self, name: &String) -> Result<(), String> {
        if self.variables.contains(name) {
            return Ok(());
        }
        Err(self.fail(&format!("undefined variable {}", go::quoted(name))))
    }

    fn commands(&mut self, words: &[Word], context: &str) -> Result<Vec<Command>, String> {
        let mut commands = Vec::new();
        let mut depth = 0i32;
        let parts = words.split(|word| {
            depth += match word.kind {
                WordKind::Mark("(") => 1,
                WordKind::Mark(")") => -1,
                _ => 0,
            };
            depth == 0 && word.kind == WordKind::Mark("|")
        });
        let parts: Vec<&[Word]> = parts.collect();
        for part in parts {
            let (Some(first), Some(last)) = (part.first(), part.last()) else {
                let what = if words.is_empty() { "missing value for" } else { "empty command in" };
                return Err(self.fail(&format!("{what} {context}")));
            };
            let operands = self.operands(part)?;
            commands.push(Command { operands, start: first.start, end: last.end });
        }
        Ok(commands)
    }

    fn operands(&mut self, words: &[Word]) -> Result<Vec<Operand>, String> {
        let mut operands = Vec::new();
        let mut at = 0;
        while let Some(word) = words.get(at) {
            at += 1;
            let mut operand = match &word.kind {
                WordKind::Dot => Operand::Dot,
                WordKind::Field(name) => Operand::Field(vec![name.clone()]),
                WordKind::Variable(name) => {
                    self.check_variable(name)?;
                    Operand::Variable(name.clone(), Vec::new())
                }
                WordKind::Identifier(name) => match name.as_str() {
                    "true" => Operand::Bool(true),
                    "false" => Operand::Bool(false),
                    "nil" => Operand::Nil,
                    name if functions::is_known(name) => Operand::Function(name.to_owned()),
                    name => {
                        let line = line_of(self.source, word.start);
                        return Err(format!("{line}: function {} not defined", go::quoted(name)));
                    }
                },
                WordKind::Text(text) => Operand::Text(text.clone()),
                WordKind::Integer(number) => Operand::Integer(*number),
                WordKind::Float(number) => Operand::Float(*number),
                WordKind::Mark("(") => {
                    let mut depth = 1;
                    let end = words[at..].iter().position(|word| {
                        depth += match word.kind {
                            WordKind::Mark("(") => 1,
                            WordKind::Mark(")") => -1,
                            _ => 0,
                        };
                        depth == 0
                    });
                    let end = end.ok_or_else(|| self.fail("unclosed left paren"))? + at;
                    let nested = self.pipeline(&words[at..end], "parenthesized pipeline")?;
                    at = end + 1;
                    Operand::Nested(nested, Vec::new())
                }
                WordKind::Mark(mark) => return Err(self.fail(&format!("unexpected {} in operand", go::quoted(mark)))),
            };
            // Fields that follow without a blank belong to it.
            while let Some(Word { kind: WordKind::Field(name), spaced: false, .. }) = words.get(at) {
                match &mut operand {
                    Operand::Field(names) | Operand::Variable(_, names) | Operand::Nested(_, names) => {
                        names.push(name.clone());
                    }
                    _ => return Err(self.fail(&format!("unexpected <.{name}> in operand"))),
                }
                at += 1;
            }
            operands.push(operand);
        }
        Ok(operands)
    }
}
