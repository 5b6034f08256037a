//! A little `awk`: patterns, `BEGIN` and `END`, fields, variables, `print` and `printf`, `if`, expressions and the
//! common functions. Loops, arrays and functions of one's own are not played.

mod parse;
mod value;

use super::super::parser::is_name;
use super::super::process::Context;
use super::Outcome;
use super::filter::{Flow, LineFilter, Lines, run};
use super::flags::{Flags, Spec};
use parse::{Expression, Pattern, Rule, Statement};
use std::collections::BTreeMap;
use value::Value;

/// A program on its input.
#[derive(Debug, Clone)]
struct Awk {
    rules: Vec<Rule>,
    /// For each rule with a range, whether the input is inside.
    inside: Vec<bool>,
    variables: BTreeMap<String, Value>,
    line: String,
    fields: Vec<String>,
    begun: bool,
    exited: Option<i32>,
}

/// How a statement was left.
enum Left {
    Normally,
    Next,
    Exit(i32),
}

pub(super) fn awk(context: &mut Context<'_, '_>) -> Outcome {
    let flags = match Flags::parse(context.arguments(), &Spec { letters: "F:v:f:", long: &[], permutes: false }) {
        Ok(flags) => flags,
        Err(flag) => return Outcome::Unsupported(format!("awk {flag}")),
    };
    let mut operands = flags.operands.clone();
    if flags.has('f') || operands.is_empty() {
        return Outcome::Unsupported("awk -f".to_owned());
    }
    let text = operands.remove(0);
    let rules = match parse::program(&text) {
        Ok(rules) => rules,
        Err(what) => return Outcome::Unsupported(format!("awk '{text}': {what}")),
    };
    let mut variables = BTreeMap::from([
        ("FS".to_owned(), Value::text(" ")),
        ("OFS".to_owned(), Value::text(" ")),
        ("ORS".to_owned(), Value::text("\n")),
        ("NR".to_owned(), Value::Number(0.0)),
        ("FNR".to_owned(), Value::Number(0.0)),
        ("NF".to_owned(), Value::Number(0.0)),
    ]);
    for assignment in flags.values('v') {
        let (name, value) = assignment.split_once('=').unwrap_or((assignment, ""));
        variables.insert(name.to_owned(), Value::input(&super::super::format::unescape(value).0));
    }
    if let Some(separator) = flags.value('F') {
        variables.insert("FS".to_owned(), Value::text(&super::super::format::unescape(separator).0));
    }
    // `name=value` among the files assigns; here already before the first of them.
    operands.retain(|operand| match operand.split_once('=').filter(|(name, _)| is_name(name)) {
        Some((name, value)) => {
            variables.insert(name.to_owned(), Value::input(&super::super::format::unescape(value).0));
            false
        }
        None => true,
    });
    let only_begin = rules.iter().all(|rule| matches!(rule.pattern, Pattern::Begin));
    let inside = vec![false; rules.len()];
    let mut awk = Awk { rules, inside, variables, line: String::new(), fields: Vec::new(), begun: false, exited: None };
    if only_begin {
        let mut out = Vec::new();
        awk.begin_all(&mut out);
        context.print(out);
        return Outcome::Ended(awk.exited.unwrap_or(0));
    }
    run(context, operands, Lines::boxed(awk), 2)
}

impl Awk {
    fn begin_all(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.begun, true) {
            self.run_rules(|pattern| matches!(pattern, Pattern::Begin), out);
        }
    }

    /// Runs the rules of a kind. Each rule is looked at when it is its turn.
    fn run_rules(&mut self, kind: impl Fn(&Pattern) -> bool, out: &mut Vec<u8>) {
        let rules = std::mem::take(&mut self.rules);
        for (at, rule) in rules.iter().enumerate() {
            if !kind(&rule.pattern) || !self.applies(at, &rule.pattern) {
                continue;
            }
            match self.run(&rule.action, out) {
                Left::Normally => {}
                Left::Next => break,
                Left::Exit(status) => {
                    self.exited = Some(status);
                    break;
                }
            }
        }
        self.rules = rules;
    }

    fn applies(&mut self, at: usize, pattern: &Pattern) -> bool {
        match pattern {
            Pattern::Begin | Pattern::End | Pattern::Always => true,
            Pattern::Condition(condition) => self.value(condition).is_true(),
            Pattern::Range(from, to) => {
                let applies = self.inside[at] || self.value(from).is_true();
                self.inside[at] = applies && !self.value(to).is_true();
                applies
            }
        }
    }

    fn run(&mut self, statements: &[Statement], out: &mut Vec<u8>) -> Left {
        for statement in statements {
            match statement {
                Statement::Print(items) => {
                    let texts: Vec<String> = items.iter().map(|item| self.value(item).to_text()).collect();
                    let line = if items.is_empty() { self.line.clone() } else { texts.join(&self.text_of("OFS")) };
                    out.extend_from_slice((line + &self.text_of("ORS")).as_bytes());
                }
                Statement::Printf(items) => {
                    let mut texts = items.iter().map(|item| self.value(item).to_text()).collect::<Vec<String>>();
                    if !texts.is_empty() {
                        let template = texts.remove(0);
                        out.extend_from_slice(super::super::format::printf(&template, &texts).0.as_bytes());
                    }
                }
                Statement::Expression(expression) => {
                    self.value(expression);
                }
                Statement::If(condition, then, otherwise) => {
                    let branch = if self.value(condition).is_true() { then } else { otherwise };
                    match self.run(branch, out) {
                        Left::Normally => {}
                        left => return left,
                    }
                }
                Statement::Next => return Left::Next,
                Statement::Exit(status) => {
                    let status = status.as_ref().map_or(0.0, |status| self.value(status).to_number());
                    return Left::Exit(status as i32);
                }
            }
        }
        Left::Normally
    }

    fn text_of(&self, name: &str) -> String {
        self.variables.get(name).map(Value::to_text).unwrap_or_default()
    }

    fn read(&mut self, line: &str) {
        self.line = line.to_owned();
        self.fields = value::split(line, &self.text_of("FS"));
        self.variables.insert("NF".to_owned(), Value::Number(self.fields.len() as f64));
    }

    fn field(&self, number: f64) -> Value {
        match number as usize {
            0 => Value::input(&self.line),
            number => self.fields.get(number - 1).map_or(Value::Missing, |field| Value::input(field)),
        }
    }

    fn assign(&mut self, target: &Expression, value: &Value) {
        match target {
            Expression::Variable(name) => {
                self.variables.insert(name.clone(), value.clone());
            }
            Expression::Field(number) => {
                let number = self.value(number).to_number() as usize;
                if number == 0 {
                    self.read(&value.to_text());
                } else if number < 10_000 {
                    if self.fields.len() < number {
                        self.fields.resize(number, String::new());
                    }
                    self.fields[number - 1] = value.to_text();
                    self.line = self.fields.join(&self.text_of("OFS"));
                    self.variables.insert("NF".to_owned(), Value::Number(self.fields.len() as f64));
                }
            }
            _ => {}
        }
    }

    fn value(&mut self, expression: &Expression) -> Value {
        match expression {
            Expression::Number(number) => Value::Number(*number),
            Expression::Text(text) => Value::Text(text.clone()),
            Expression::Regex(regex) => Value::truth(regex.is_match(&self.line)),
            Expression::Variable(name) => self.variables.get(name).cloned().unwrap_or(Value::Missing),
            Expression::Field(number) => {
                let number = self.value(number).to_number();
                self.field(number)
            }
            Expression::Assign(operator, target, right) => {
                let right = self.value(right);
                let value = match operator {
                    None => right,
                    Some(operator) => value::arithmetic(*operator, &self.value(target), &right),
                };
                self.assign(target, &value);
                value
            }
            Expression::Step { target, by, before } => {
                let old = self.value(target).to_number();
                self.assign(target, &Value::Number(old + by));
                Value::Number(if *before { old + by } else { old })
            }
            Expression::Not(inner) => Value::truth(!self.value(inner).is_true()),
            Expression::Negate(inner) => Value::Number(-self.value(inner).to_number()),
            Expression::And(left, right) => Value::truth(self.value(left).is_true() && self.value(right).is_true()),
            Expression::Or(left, right) => Value::truth(self.value(left).is_true() || self.value(right).is_true()),
            Expression::Choose(condition, then, otherwise) => {
                if self.value(condition).is_true() {
                    self.value(then)
                } else {
                    self.value(otherwise)
                }
            }
            Expression::Arithmetic(operator, left, right) => {
                let left = self.value(left);
                value::arithmetic(*operator, &left, &self.value(right))
            }
            Expression::Compare(order, left, right) => {
                let left = self.value(left);
                Value::truth(value::compare(order, &left, &self.value(right)))
            }
            Expression::Match(negated, left, right) => {
                let subject = self.value(left).to_text();
                let matches = match &**right {
                    Expression::Regex(regex) => regex.is_match(&subject),
                    other => {
                        let pattern = self.value(other).to_text();
                        super::super::regex::extended(&pattern, false).is_ok_and(|regex| regex.is_match(&subject))
                    }
                };
                Value::truth(matches != *negated)
            }
            Expression::Join(left, right) => {
                let left = self.value(left).to_text();
                Value::Text(left + &self.value(right).to_text())
            }
            Expression::Call(name, arguments) => self.call(name, arguments),
        }
    }

    fn call(&mut self, name: &str, arguments: &[Expression]) -> Value {
        if matches!(name, "sub" | "gsub") {
            let [pattern, text, rest @ ..] = arguments else { return Value::Missing };
            let whole = Expression::Field(Box::new(Expression::Number(0.0)));
            let target = rest.first().unwrap_or(&whole).clone();
            let subject = self.value(&target).to_text();
            let text = self.value(text).to_text().replace('$', "$$").replace('&', "${0}");
            let regex = match pattern {
                Expression::Regex(regex) => regex.clone(),
                other => match super::super::regex::extended(&self.value(other).to_text(), false) {
                    Ok(regex) => regex,
                    Err(_) => return Value::Number(0.0),
                },
            };
            let most = if name == "sub" { 1 } else { 0 };
            let count = regex.find_iter(&subject).count().min(if most == 1 { 1 } else { usize::MAX });
            if count > 0 {
                let changed = regex.replacen(&subject, most, text.as_str()).into_owned();
                self.assign(&target, &Value::Text(changed));
            }
            return Value::Number(count as f64);
        }
        let values: Vec<Value> = arguments.iter().map(|argument| self.value(argument)).collect();
        value::call(name, &values, &self.line)
    }
}

impl LineFilter for Awk {
    fn begin(&mut self, name: &str, out: &mut Vec<u8>) {
        self.variables.insert("FILENAME".to_owned(), Value::text(name));
        self.variables.insert("FNR".to_owned(), Value::Number(0.0));
        self.begin_all(out);
    }

    fn line(&mut self, line: &str, out: &mut Vec<u8>) -> Flow {
        if self.exited.is_some() {
            return Flow::Enough;
        }
        for name in ["NR", "FNR"] {
            let number = self.variables.get(name).map_or(0.0, Value::to_number) + 1.0;
            self.variables.insert(name.to_owned(), Value::Number(number));
        }
        self.read(line);
        let every = |pattern: &Pattern| !matches!(pattern, Pattern::Begin | Pattern::End);
        self.run_rules(every, out);
        if self.exited.is_some() { Flow::Enough } else { Flow::More }
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> i32 {
        self.begin_all(out);
        let exited = self.exited;
        self.run_rules(|pattern| matches!(pattern, Pattern::End), out);
        self.exited.or(exited).unwrap_or(0)
    }
}
