//! Selectors of devices: the part of CEL that manifests use.
//!
//! `device.driver`, `device.attributes["domain"].name` and `device.capacity["domain"].name`; logic, comparisons, sums,
//! `in`, lists, `has`, `quantity`, `semver`, and functions of texts. What is not known is an error that says so: no
//! device matches by mistake. Follows `staging/src/k8s.io/dynamic-resource-allocation/cel` (`DeviceMatches`).

use crate::api::{AttributeValue, Device, Name, Quantity};
use std::cmp::Ordering;

/// An expression that was read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Selector(Expr);

#[derive(Debug, Clone, PartialEq)]
enum Expr {
    Literal(Value),
    Ident(String),
    List(Vec<Expr>),
    Not(Box<Expr>),
    Negative(Box<Expr>),
    Binary(&'static str, Box<Expr>, Box<Expr>),
    Either(Box<Expr>, Box<Expr>, Box<Expr>),
    Member(Box<Expr>, String),
    Index(Box<Expr>, Box<Expr>),
    Call(Option<Box<Expr>>, String, Vec<Expr>),
}

#[derive(Debug, Clone)]
enum Value {
    Bool(bool),
    Int(i64),
    Text(String),
    Version(Version),
    Amount(Quantity),
    List(Vec<Value>),
    Device,
    /// All attributes, or those of a domain.
    Attributes(Option<String>),
    /// All capacities, or those of a domain.
    Capacity(Option<String>),
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Version(a), Self::Version(b)) => a.cmp(b).is_eq(),
            (Self::Amount(a), Self::Amount(b)) => a.cmp(b).is_eq(),
            (Self::List(a), Self::List(b)) => a == b,
            _ => false,
        }
    }
}

/// A semantic version: numbers, and what comes before the release.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version([u64; 3], Vec<String>);

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let text = text.split_once('+').map_or(text, |(version, _)| version);
        let (numbers, before) = text.split_once('-').map_or((text, None), |(numbers, rest)| (numbers, Some(rest)));
        let numbers: Option<Vec<u64>> = numbers.split('.').map(|number| number.parse().ok()).collect();
        let numbers = <[u64; 3]>::try_from(numbers?).ok()?;
        Some(Self(numbers, before.iter().flat_map(|rest| rest.split('.')).map(str::to_owned).collect()))
    }

    fn cmp(&self, other: &Self) -> Ordering {
        let part = |a: &String, b: &String| match (a.parse::<u64>(), b.parse::<u64>()) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => a.cmp(b),
        };
        self.0.cmp(&other.0).then_with(|| match (self.1.is_empty(), other.1.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => {
                let differs = self.1.iter().zip(&other.1).map(|(a, b)| part(a, b)).find(|order| order.is_ne());
                differs.unwrap_or_else(|| self.1.len().cmp(&other.1.len()))
            }
        })
    }
}

type Outcome<T> = Result<T, String>;

impl Selector {
    /// Reads an expression.
    pub(super) fn parse(text: &str) -> Outcome<Self> {
        let mut parser = Parser { tokens: tokens(text)?, at: 0 };
        let read = parser.ternary()?;
        match parser.tokens.get(parser.at) {
            None => Ok(Self(read)),
            Some(token) => Err(format!("Syntax error: unexpected {token:?}")),
        }
    }

    /// Whether a device of a driver matches.
    pub(super) fn matches(&self, driver: Name, device: &Device) -> Outcome<bool> {
        match (Subject { driver, device }).value(&self.0)? {
            Value::Bool(matches) => Ok(matches),
            _ => Err("expression must evaluate to bool".to_owned()),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Number(i64),
    Text(String),
    Sign(&'static str),
}

const SIGNS: [&str; 25] = [
    "||", "&&", "==", "!=", "<=", ">=", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":", ".", ",", "(", ")", "[", "]",
    "{", "}", "|",
];

fn tokens(text: &str) -> Outcome<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = if first == '"' || first == '\'' {
            text_token(rest, first)?
        } else if first.is_ascii_digit() {
            let length = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let number = rest[..length].parse().map_err(|_| format!("Syntax error: number {}", &rest[..length]))?;
            (Token::Number(number), length)
        } else if first.is_ascii_alphabetic() || first == '_' {
            let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
            (Token::Word(rest[..length].to_owned()), length)
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            let sign = sign.ok_or_else(|| format!("Syntax error: token recognition error at: '{first}'"))?;
            (Token::Sign(sign), sign.len())
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

fn text_token(rest: &str, quote: char) -> Outcome<(Token, usize)> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((_, 't')) => text.push('\t'),
                Some((_, c @ ('\\' | '"' | '\'' | '`'))) => text.push(c),
                _ => return Err("Syntax error: an escape that is not supported here".to_owned()),
            },
            c if c == quote => return Ok((Token::Text(text), at + c.len_utf8())),
            c => text.push(c),
        }
    }
    Err("Syntax error: a text without end".to_owned())
}

/// Operators that take two sides, loosest first.
const LEVELS: [&[&str]; 5] =
    [&["||"], &["&&"], &["==", "!=", "<=", ">=", "<", ">", "in"], &["+", "-"], &["*", "/", "%"]];

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn eat(&mut self, sign: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Sign(have)) if *have == sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Outcome<()> {
        if self.eat(sign) { Ok(()) } else { Err(format!("Syntax error: {sign:?} is missing")) }
    }

    fn ternary(&mut self) -> Outcome<Expr> {
        let condition = self.binary(0)?;
        if !self.eat("?") {
            return Ok(condition);
        }
        let yes = self.ternary()?;
        self.expect(":")?;
        let no = self.ternary()?;
        Ok(Expr::Either(condition.into(), yes.into(), no.into()))
    }

    fn binary(&mut self, level: usize) -> Outcome<Expr> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        loop {
            let operator = match self.tokens.get(self.at) {
                Some(Token::Sign(sign)) => operators.iter().find(|one| *one == sign),
                Some(Token::Word(word)) => operators.iter().find(|one| *one == word),
                _ => None,
            };
            let Some(operator) = operator else { return Ok(left) };
            self.at += 1;
            let right = self.binary(level + 1)?;
            left = Expr::Binary(operator, left.into(), right.into());
        }
    }

    fn unary(&mut self) -> Outcome<Expr> {
        if self.eat("!") {
            return Ok(Expr::Not(self.unary()?.into()));
        }
        if self.eat("-") {
            return Ok(Expr::Negative(self.unary()?.into()));
        }
        let mut expression = self.primary()?;
        loop {
            if self.eat(".") {
                let Some(Token::Word(name)) = self.tokens.get(self.at).cloned() else {
                    return Err("Syntax error: a name is missing after \".\"".to_owned());
                };
                self.at += 1;
                expression = if self.eat("(") {
                    Expr::Call(Some(expression.into()), name, self.list(")")?)
                } else {
                    Expr::Member(expression.into(), name)
                };
            } else if self.eat("[") {
                let index = self.ternary()?;
                self.expect("]")?;
                expression = Expr::Index(expression.into(), index.into());
            } else {
                return Ok(expression);
            }
        }
    }

    fn list(&mut self, end: &str) -> Outcome<Vec<Expr>> {
        let mut all = Vec::new();
        while !self.eat(end) {
            if !all.is_empty() {
                self.expect(",")?;
            }
            all.push(self.ternary()?);
        }
        Ok(all)
    }

    fn primary(&mut self) -> Outcome<Expr> {
        let token = self.tokens.get(self.at).cloned().ok_or("Syntax error: the expression ends too early")?;
        self.at += 1;
        match token {
            Token::Number(number) => Ok(Expr::Literal(Value::Int(number))),
            Token::Text(text) => Ok(Expr::Literal(Value::Text(text))),
            Token::Word(word) if word == "true" || word == "false" => Ok(Expr::Literal(Value::Bool(word == "true"))),
            Token::Word(word) if self.eat("(") => Ok(Expr::Call(None, word, self.list(")")?)),
            Token::Word(word) if word == "device" => Ok(Expr::Ident(word)),
            Token::Word(word) => Err(format!("undeclared reference to '{word}' (in container '')")),
            Token::Sign("(") => {
                let inner = self.ternary()?;
                self.expect(")")?;
                Ok(inner)
            }
            Token::Sign("[") => Ok(Expr::List(self.list("]")?)),
            Token::Sign(sign) => Err(format!("Syntax error: unexpected {sign:?}")),
        }
    }
}

/// The device that is asked about.
#[derive(Clone, Copy)]
struct Subject<'a> {
    driver: Name,
    device: &'a Device,
}

fn no_overload() -> String {
    "no such overload".to_owned()
}

impl Subject<'_> {
    fn value(&self, expression: &Expr) -> Outcome<Value> {
        match expression {
            Expr::Literal(value) => Ok(value.clone()),
            Expr::Ident(_) => Ok(Value::Device),
            Expr::List(all) => all.iter().map(|one| self.value(one)).collect::<Outcome<_>>().map(Value::List),
            Expr::Not(inner) => Ok(Value::Bool(!self.bool(inner)?)),
            Expr::Negative(inner) => match self.value(inner)? {
                Value::Int(number) => Ok(Value::Int(-number)),
                _ => Err(no_overload()),
            },
            Expr::Either(condition, yes, no) => self.value(if self.bool(condition)? { yes } else { no }),
            Expr::Binary(operator @ ("||" | "&&"), left, right) => {
                // What decides alone decides, also beside an error.
                let decides = *operator == "||";
                match (self.bool(left), self.bool(right)) {
                    (Ok(one), _) | (_, Ok(one)) if one == decides => Ok(Value::Bool(decides)),
                    (_, Ok(one)) if one == decides => Ok(Value::Bool(decides)),
                    (Ok(_), Ok(_)) => Ok(Value::Bool(!decides)),
                    (Err(error), _) | (_, Err(error)) => Err(error),
                }
            }
            Expr::Binary(operator, left, right) => binary(operator, self.value(left)?, self.value(right)?),
            Expr::Member(of, name) => self.member(&self.value(of)?, name),
            Expr::Index(of, index) => match (self.value(of)?, self.value(index)?) {
                (Value::List(all), Value::Int(at)) => {
                    let found = usize::try_from(at).ok().and_then(|at| all.get(at).cloned());
                    found.ok_or_else(|| format!("index out of bounds: {at}"))
                }
                (of @ (Value::Attributes(_) | Value::Capacity(_)), Value::Text(name)) => self.member(&of, &name),
                _ => Err(no_overload()),
            },
            Expr::Call(None, name, arguments) if name == "has" => match arguments.as_slice() {
                [Expr::Member(of, name)] => Ok(Value::Bool(self.member(&self.value(of)?, name).is_ok())),
                _ => Err("invalid argument to has() macro".to_owned()),
            },
            Expr::Call(of, name, arguments) => {
                let mut all = Vec::new();
                for one in of.iter().map(|of| &**of).chain(arguments) {
                    all.push(self.value(one)?);
                }
                call(of.is_some(), name, &all)
            }
        }
    }

    fn bool(&self, expression: &Expr) -> Outcome<bool> {
        match self.value(expression)? {
            Value::Bool(value) => Ok(value),
            _ => Err(no_overload()),
        }
    }

    fn member(&self, of: &Value, name: &str) -> Outcome<Value> {
        let full = |domain: &str| [Name::new(&format!("{domain}/{name}")), Name::new(name)];
        // What has no domain is in that of the driver.
        let is_own = |domain: &str| domain == self.driver.as_str();
        let missing = || format!("no such key: {name}");
        match of {
            Value::Device => match name {
                "driver" => Ok(Value::Text(self.driver.to_string())),
                "attributes" => Ok(Value::Attributes(None)),
                "capacity" => Ok(Value::Capacity(None)),
                "allowMultipleAllocations" => Ok(Value::Bool(false)),
                _ => Err(format!("undefined field '{name}'")),
            },
            Value::Attributes(None) => Ok(Value::Attributes(Some(name.to_owned()))),
            Value::Capacity(None) => Ok(Value::Capacity(Some(name.to_owned()))),
            Value::Attributes(Some(domain)) => {
                let [long, short] = full(domain);
                let all = &self.device.attributes;
                let found = all.get(&long).or_else(|| all.get(&short).filter(|_| is_own(domain)));
                match found.ok_or_else(missing)? {
                    AttributeValue::Bool(value) => Ok(Value::Bool(*value)),
                    AttributeValue::Int(value) => Ok(Value::Int(*value)),
                    AttributeValue::String(text) => Ok(Value::Text(text.to_string())),
                    AttributeValue::Version(text) => Version::parse(text)
                        .map(Value::Version)
                        .ok_or_else(|| format!("parse semantic version: {text}")),
                }
            }
            Value::Capacity(Some(domain)) => {
                let [long, short] = full(domain);
                let all = &self.device.capacity;
                let found = all.get(&long).or_else(|| all.get(&short).filter(|_| is_own(domain)));
                let text = found.ok_or_else(missing)?;
                text.parse().map(Value::Amount).map_err(|_| format!("no quantity: {text}"))
            }
            _ => Err(no_overload()),
        }
    }
}

fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

fn binary(operator: &str, left: Value, right: Value) -> Outcome<Value> {
    let compared = |holds: fn(Ordering) -> bool| {
        order(&left, &right).map(|order| Value::Bool(holds(order))).ok_or_else(no_overload)
    };
    match operator {
        "==" => Ok(Value::Bool(left == right)),
        "!=" => Ok(Value::Bool(left != right)),
        "<" => compared(Ordering::is_lt),
        "<=" => compared(Ordering::is_le),
        ">" => compared(Ordering::is_gt),
        ">=" => compared(Ordering::is_ge),
        "in" => match right {
            Value::List(all) => Ok(Value::Bool(all.contains(&left))),
            _ => Err(format!("\"in\" is not supported here but for lists: {right:?}")),
        },
        _ => match (operator, left, right) {
            ("+", Value::Text(a), Value::Text(b)) => Ok(Value::Text(a + &b)),
            (operator, Value::Int(a), Value::Int(b)) => {
                let result = match operator {
                    "+" => a.checked_add(b),
                    "-" => a.checked_sub(b),
                    "*" => a.checked_mul(b),
                    "/" | "%" if b == 0 => return Err("division by zero".to_owned()),
                    "/" => a.checked_div(b),
                    _ => a.checked_rem(b),
                };
                result.map(Value::Int).ok_or_else(|| "integer overflow".to_owned())
            }
            _ => Err(no_overload()),
        },
    }
}

fn call(is_method: bool, name: &str, arguments: &[Value]) -> Outcome<Value> {
    let sign = |order: Ordering| Value::Int(order as i64);
    Ok(match (is_method, name, arguments) {
        (false, "quantity", [Value::Text(text)]) => Value::Amount(text.parse().map_err(|error| format!("{error}"))?),
        (false, "isQuantity", [Value::Text(text)]) => Value::Bool(text.parse::<Quantity>().is_ok()),
        (false, "semver", [Value::Text(text)]) => {
            Value::Version(Version::parse(text).ok_or_else(|| format!("invalid semantic version {text:?}"))?)
        }
        (false, "isSemver", [Value::Text(text)]) => Value::Bool(Version::parse(text).is_some()),
        (_, "size", [Value::Text(text)]) => Value::Int(text.chars().count() as i64),
        (_, "size", [Value::List(all)]) => Value::Int(all.len() as i64),
        (true, "compareTo", [Value::Amount(a), Value::Amount(b)]) => sign(a.cmp(b)),
        (true, "isGreaterThan", [Value::Amount(a), Value::Amount(b)]) => Value::Bool(a.cmp(b).is_gt()),
        (true, "isLessThan", [Value::Amount(a), Value::Amount(b)]) => Value::Bool(a.cmp(b).is_lt()),
        (true, "compareTo", [Value::Version(a), Value::Version(b)]) => sign(a.cmp(b)),
        (true, "isGreaterThan", [Value::Version(a), Value::Version(b)]) => Value::Bool(a.cmp(b).is_gt()),
        (true, "isLessThan", [Value::Version(a), Value::Version(b)]) => Value::Bool(a.cmp(b).is_lt()),
        (true, "major", [Value::Version(version)]) => Value::Int(version.0[0] as i64),
        (true, "minor", [Value::Version(version)]) => Value::Int(version.0[1] as i64),
        (true, "patch", [Value::Version(version)]) => Value::Int(version.0[2] as i64),
        (true, "startsWith", [Value::Text(text), Value::Text(part)]) => Value::Bool(text.starts_with(part.as_str())),
        (true, "endsWith", [Value::Text(text), Value::Text(part)]) => Value::Bool(text.ends_with(part.as_str())),
        (true, "contains", [Value::Text(text), Value::Text(part)]) => Value::Bool(text.contains(part.as_str())),
        (true, "matches", [Value::Text(text), Value::Text(pattern)]) => {
            let pattern = regex_lite::Regex::new(pattern).map_err(|error| format!("{error}"))?;
            Value::Bool(pattern.is_match(text))
        }
        (true, "lowerAscii", [Value::Text(text)]) => Value::Text(text.to_ascii_lowercase()),
        (true, "upperAscii", [Value::Text(text)]) => Value::Text(text.to_ascii_uppercase()),
        _ => return Err(format!("the function '{name}' is not supported here with these arguments")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn expressions_select_devices() {
        let device = Device {
            name: Name::new("gpu-0"),
            nodes: None,
            attributes: BTreeMap::from([
                (Name::new("model"), AttributeValue::String("A100".into())),
                (Name::new("other.example/index"), AttributeValue::Int(3)),
                (Name::new("driverVersion"), AttributeValue::Version("1.10.2".into())),
            ]),
            capacity: BTreeMap::from([(Name::new("memory"), "40Gi".into())]),
        };
        let table = [
            (r#"device.driver == "gpu.example.com""#, Ok(true)),
            (r#"device.attributes["gpu.example.com"].model == 'A100'"#, Ok(true)),
            (r#"device.attributes["gpu.example.com"].model in ["H100", "B200"]"#, Ok(false)),
            (r#"device.attributes["other.example"].index + 1 > 3 && !false"#, Ok(true)),
            (r#"device.attributes["other.example"].model == "A100""#, Err("no such key: model")),
            (r#"has(device.attributes["other.example"].model) || device.driver.startsWith("gpu.")"#, Ok(true)),
            (r#"device.capacity["gpu.example.com"].memory.compareTo(quantity("40Gi")) >= 0"#, Ok(true)),
            (r#"device.capacity["gpu.example.com"].memory.isGreaterThan(quantity("40Gi"))"#, Ok(false)),
            (r#"device.attributes["gpu.example.com"].driverVersion.compareTo(semver("1.9.0")) > 0"#, Ok(true)),
            (r#"device.attributes["x"].y == 1 || true"#, Ok(true)),
            (r#"device.attributes["gpu.example.com"].model.matches("^A[0-9]+$") ? true : false"#, Ok(true)),
            ("device.driver", Err("expression must evaluate to bool")),
        ];
        for (text, expected) in table {
            let found = Selector::parse(text).expect(text).matches(Name::new("gpu.example.com"), &device);
            assert_eq!(found, expected.map_err(str::to_owned), "{text}");
        }
        for text in ["node.name == 'a'", "device.driver ==", "(true", "'open", "true true"] {
            assert!(Selector::parse(text).is_err(), "{text}");
        }
    }
}
