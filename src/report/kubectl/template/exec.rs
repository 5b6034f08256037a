//! A template is executed on an object.

use super::functions::{self, Data};
use super::lexer::line_of;
use super::parser::{Command, Node, Operand, Pipeline};
use super::{NAME, Template};
use serde_json::Value;

/// The deepest that templates may use each other.
const DEEPEST: usize = 1_000;

/// Prints an object; with an error comes what was printed until then.
pub fn execute(template: &Template, object: &Value) -> Result<String, (String, String)> {
    let root = Data::of(object);
    let mut run = Run { template, out: String::new(), variables: vec![("$".to_owned(), root.clone())], depth: 0 };
    match run.walk(&template.nodes, &root) {
        Ok(_) => Ok(run.out),
        Err(error) => Err((run.out, error)),
    }
}

/// What becomes of the loop around some nodes.
enum Flow {
    On,
    Break,
    Continue,
}

struct Run<'a> {
    template: &'a Template,
    out: String,
    variables: Vec<(String, Data)>,
    depth: usize,
}

impl Run<'_> {
    fn fail(&self, start: usize, at: Option<usize>, what: &str) -> String {
        let source = self.template.source();
        let line_start = source[..start].rfind('\n').map_or(0, |end| end + 1);
        let place = format!("{}:{}", line_of(source, start), start - line_start);
        let context = at.map(|end| format!(" at <{}>", shortened(&source[start..end]))).unwrap_or_default();
        format!("template: {NAME}:{place}: executing {NAME:?}{context}: {what}")
    }

    fn walk(&mut self, nodes: &[Node], dot: &Data) -> Result<Flow, String> {
        for node in nodes {
            match node {
                Node::Text(text) => self.out += text,
                Node::Print(pipeline) => {
                    let value = self.pipeline(pipeline, dot)?;
                    if pipeline.variables.is_empty() {
                        self.out += &value.printed();
                    }
                }
                Node::Branch { sets_dot, pipeline, then, otherwise } => {
                    let known = self.variables.len();
                    let value = self.pipeline(pipeline, dot)?;
                    let flow = match (value.is_true(), sets_dot) {
                        (true, true) => self.walk(then, &value)?,
                        (true, false) => self.walk(then, dot)?,
                        (false, _) => self.walk(otherwise, dot)?,
                    };
                    self.variables.truncate(known);
                    if !matches!(flow, Flow::On) {
                        return Ok(flow);
                    }
                }
                Node::Range { pipeline, body, otherwise } => {
                    if let Some(flow) = self.range(pipeline, body, otherwise, dot)? {
                        return Ok(flow);
                    }
                }
                Node::Template { name, pipeline, start } => self.template(name, pipeline.as_ref(), *start, dot)?,
                Node::Break => return Ok(Flow::Break),
                Node::Continue => return Ok(Flow::Continue),
            }
        }
        Ok(Flow::On)
    }

    fn range(
        &mut self,
        pipeline: &Pipeline,
        body: &[Node],
        otherwise: &[Node],
        dot: &Data,
    ) -> Result<Option<Flow>, String> {
        let known = self.variables.len();
        let value = self.commands(&pipeline.commands, dot)?;
        let entries: Vec<(Data, Data)> = match &value {
            Data::Missing => Vec::new(),
            Data::Integer(count) => (0..*count).map(|n| (Data::Integer(n), Data::Integer(n))).collect(),
            Data::Json(Value::Array(items)) => {
                items.iter().enumerate().map(|(n, item)| (Data::Integer(n as i64), Data::of(item))).collect()
            }
            Data::Json(Value::Object(map)) => {
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_unstable_by_key(|(key, _)| *key);
                entries.into_iter().map(|(key, item)| (Data::text(key), Data::of(item))).collect()
            }
            other => {
                let (start, end) = span(pipeline);
                let what = format!("range can't iterate over {}", other.printed());
                return Err(self.fail(start, Some(end), &what));
            }
        };
        if entries.is_empty() {
            let flow = self.walk(otherwise, dot)?;
            self.variables.truncate(known);
            return Ok((!matches!(flow, Flow::On)).then_some(flow));
        }
        for (key, item) in entries {
            let values = if pipeline.variables.len() == 2 { vec![key, item.clone()] } else { vec![item.clone()] };
            for (name, value) in pipeline.variables.iter().zip(values) {
                self.set(name, value, pipeline.declares);
            }
            let flow = self.walk(body, &item)?;
            self.variables.truncate(known);
            if matches!(flow, Flow::Break) {
                break;
            }
        }
        Ok(None)
    }

    fn template(&mut self, name: &str, with: Option<&Pipeline>, start: usize, dot: &Data) -> Result<(), String> {
        let Some(nodes) = self.template.defined.get(name) else {
            return Err(self.fail(start, None, &format!("template {name:?} not defined")));
        };
        if self.depth == DEEPEST {
            return Err(self.fail(start, None, &format!("exceeded maximum template depth ({DEEPEST})")));
        }
        let dot = match with {
            Some(pipeline) => self.pipeline(pipeline, dot)?,
            None => Data::Missing,
        };
        let outer = std::mem::replace(&mut self.variables, vec![("$".to_owned(), dot.clone())]);
        self.depth += 1;
        self.walk(nodes, &dot)?;
        self.depth -= 1;
        self.variables = outer;
        Ok(())
    }

    fn set(&mut self, name: &str, value: Data, declares: bool) {
        let known = self.variables.iter_mut().rev().find(|(have, _)| have == name);
        match known.filter(|_| !declares) {
            Some((_, have)) => *have = value,
            None => self.variables.push((name.to_owned(), value)),
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Data) -> Result<Data, String> {
        let value = self.commands(&pipeline.commands, dot)?;
        for name in &pipeline.variables {
            self.set(name, value.clone(), pipeline.declares);
        }
        Ok(value)
    }

    fn commands(&mut self, commands: &[Command], dot: &Data) -> Result<Data, String> {
        let mut value = None;
        for command in commands {
            value = Some(self.command(command, dot, value)?);
        }
        Ok(value.unwrap_or(Data::Missing))
    }

    /// A command; `last` is what the one before came to, and is its last argument.
    fn command(&mut self, command: &Command, dot: &Data, last: Option<Data>) -> Result<Data, String> {
        let fail = |run: &Self, what: &str| run.fail(command.start, Some(command.end), what);
        let Some((first, arguments)) = command.operands.split_first() else { return Ok(Data::Missing) };
        let Operand::Function(name) = first else {
            if !arguments.is_empty() || last.is_some() {
                return Err(fail(self, "can't give argument to non-function"));
            }
            return self.operand(first, dot, command);
        };
        // These look at no more than they need.
        if matches!(name.as_str(), "and" | "or") {
            let mut value = Data::Missing;
            for argument in arguments {
                value = self.operand(argument, dot, command)?;
                if value.is_true() == (name == "or") {
                    return Ok(value);
                }
            }
            return Ok(last.unwrap_or(value));
        }
        let mut values = Vec::new();
        for argument in arguments {
            values.push(self.operand(argument, dot, command)?);
        }
        values.extend(last);
        functions::call(name, &values).map_err(|why| fail(self, &format!("error calling {name}: {why}")))
    }

    fn operand(&mut self, operand: &Operand, dot: &Data, command: &Command) -> Result<Data, String> {
        let fail = |run: &Self, what: String| run.fail(command.start, Some(command.end), &what);
        let (value, fields) = match operand {
            Operand::Dot => (dot.clone(), &[][..]),
            Operand::Nil => (Data::Missing, &[][..]),
            Operand::Bool(flag) => (Data::Json((*flag).into()), &[][..]),
            Operand::Text(text) => (Data::text(text), &[][..]),
            Operand::Integer(number) => (Data::Integer(*number), &[][..]),
            Operand::Float(number) => (Data::Json((*number).into()), &[][..]),
            Operand::Field(fields) => (dot.clone(), &fields[..]),
            Operand::Variable(name, fields) => {
                let found = self.variables.iter().rev().find(|(have, _)| have == name);
                (found.map_or(Data::Missing, |(_, value)| value.clone()), &fields[..])
            }
            Operand::Nested(pipeline, fields) => (self.pipeline(pipeline, dot)?, &fields[..]),
            Operand::Function(name) => {
                let called = functions::call(name, &[]);
                (called.map_err(|why| fail(self, format!("error calling {name}: {why}")))?, &[][..])
            }
        };
        fields.iter().try_fold(value, |value, field| {
            value.field(field).ok_or_else(|| fail(self, format!("can't evaluate field {field} in type interface {{}}")))
        })
    }
}

fn span(pipeline: &Pipeline) -> (usize, usize) {
    let (first, last) = (pipeline.commands.first(), pipeline.commands.last());
    (first.map_or(0, |command| command.start), last.map_or(0, |command| command.end))
}

/// Long nodes are shown by their beginning.
fn shortened(text: &str) -> String {
    let short: String = text.chars().take(20).collect();
    if text.chars().count() > 20 { format!("{short}...") } else { short }
}
