//! The syntax of `awk` programs.

use super::super::super::format::unescape;
use super::super::super::regex::extended;
use super::value::FUNCTIONS;
use regex_lite::Regex;

/// How deep expressions and statements may nest.
const MAX_DEPTH: usize = 40;

#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub pattern: Pattern,
    pub action: Vec<Statement>,
}

#[derive(Debug, Clone)]
pub(super) enum Pattern {
    Begin,
    End,
    Always,
    Condition(Expression),
    Range(Expression, Expression),
}

#[derive(Debug, Clone)]
pub(super) enum Statement {
    Print(Vec<Expression>),
    Printf(Vec<Expression>),
    Expression(Expression),
    If(Expression, Vec<Statement>, Vec<Statement>),
    Next,
    Exit(Option<Expression>),
}

#[derive(Debug, Clone)]
pub(super) enum Expression {
    Number(f64),
    Text(String),
    Regex(Regex),
    Variable(String),
    Field(Box<Expression>),
    Assign(Option<char>, Box<Expression>, Box<Expression>),
    Step { target: Box<Expression>, by: f64, before: bool },
    Not(Box<Expression>),
    Negate(Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Choose(Box<Expression>, Box<Expression>, Box<Expression>),
    Arithmetic(char, Box<Expression>, Box<Expression>),
    Compare(&'static str, Box<Expression>, Box<Expression>),
    Match(bool, Box<Expression>, Box<Expression>),
    Join(Box<Expression>, Box<Expression>),
    Call(String, Vec<Expression>),
}

type Parsed<T> = Result<T, String>;

/// Parses a program.
pub(super) fn program(text: &str) -> Parsed<Vec<Rule>> {
    let mut parser = Parser { rest: text, depth: 0, in_print: false };
    let mut rules = Vec::new();
    loop {
        parser.skip_lines();
        if parser.rest.is_empty() {
            return Ok(rules);
        }
        let pattern = match () {
            () if parser.rest.starts_with('{') => Pattern::Always,
            () if parser.word("BEGIN") => Pattern::Begin,
            () if parser.word("END") => Pattern::End,
            () => {
                let condition = parser.expression()?;
                if parser.eat(",") {
                    Pattern::Range(condition, parser.expression()?)
                } else {
                    Pattern::Condition(condition)
                }
            }
        };
        parser.blanks();
        let action = if parser.rest.starts_with('{') { parser.block()? } else { vec![Statement::Print(Vec::new())] };
        rules.push(Rule { pattern, action });
    }
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
    /// Within `print`, where `>` is a redirection.
    in_print: bool,
}

impl<'a> Parser<'a> {
    fn blanks(&mut self) {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t']);
            match self.rest.strip_prefix("\\\n") {
                Some(rest) => self.rest = rest,
                None => return,
            }
        }
    }

    fn skip_lines(&mut self) {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r', ';']);
            if !self.rest.starts_with('#') {
                return;
            }
            self.rest = self.rest.find('\n').map_or("", |end| &self.rest[end..]);
        }
    }

    fn eat(&mut self, token: &str) -> bool {
        self.blanks();
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, token: &str) -> Parsed<()> {
        if self.eat(token) { Ok(()) } else { Err(format!("`{token}` is missing")) }
    }

    fn word(&mut self, word: &str) -> bool {
        self.blanks();
        let follows = |rest: &&str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let rest = self.rest.strip_prefix(word).filter(follows);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn name(&mut self) -> &'a str {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = self.rest.find(|c: char| !is_part(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        name
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MAX_DEPTH {
            return Err("nested too deep".to_owned());
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    fn block(&mut self) -> Parsed<Vec<Statement>> {
        self.expect("{")?;
        let mut statements = Vec::new();
        loop {
            self.skip_lines();
            if self.eat("}") {
                return Ok(statements);
            }
            statements.push(self.deeper(Self::statement)?);
        }
    }

    fn body(&mut self) -> Parsed<Vec<Statement>> {
        self.rest = self.rest.trim_start();
        if self.rest.starts_with('{') { self.block() } else { Ok(vec![self.deeper(Self::statement)?]) }
    }

    fn statement(&mut self) -> Parsed<Statement> {
        if self.word("print") {
            return Ok(Statement::Print(self.printed()?));
        }
        if self.word("printf") {
            return Ok(Statement::Printf(self.printed()?));
        }
        if self.word("next") {
            return Ok(Statement::Next);
        }
        if self.word("exit") {
            let ends = self.ends();
            return Ok(Statement::Exit(if ends { None } else { Some(self.expression()?) }));
        }
        if self.word("if") {
            self.expect("(")?;
            let condition = self.expression()?;
            self.expect(")")?;
            let then = self.body()?;
            let before = self.rest;
            self.skip_lines();
            if self.word("else") {
                return Ok(Statement::If(condition, then, self.body()?));
            }
            self.rest = before;
            return Ok(Statement::If(condition, then, Vec::new()));
        }
        for keyword in ["for", "while", "do", "function", "getline", "delete", "return"] {
            if self.word(keyword) {
                return Err(keyword.to_owned());
            }
        }
        Ok(Statement::Expression(self.expression()?))
    }

    fn ends(&mut self) -> bool {
        self.blanks();
        self.rest.is_empty() || self.rest.starts_with(['\n', ';', '}', '#'])
    }

    fn printed(&mut self) -> Parsed<Vec<Expression>> {
        if self.ends() {
            return Ok(Vec::new());
        }
        let before = self.rest;
        // `print (a, b)` and `print (a) b` start alike.
        if self.eat("(") {
            let items = self.list();
            if let Ok(items) = items
                && self.eat(")")
                && self.ends()
            {
                return Ok(items);
            }
            self.rest = before;
        }
        self.in_print = true;
        let items = self.list();
        self.in_print = false;
        let items = items?;
        if self.ends() { Ok(items) } else { Err("print to a file or a command".to_owned()) }
    }

    fn list(&mut self) -> Parsed<Vec<Expression>> {
        let mut items = vec![self.expression()?];
        while self.eat(",") {
            self.rest = self.rest.trim_start();
            items.push(self.expression()?);
        }
        Ok(items)
    }

    fn expression(&mut self) -> Parsed<Expression> {
        self.deeper(|parser| {
            let condition = parser.or()?;
            if parser.eat("?") {
                let then = parser.expression()?;
                parser.expect(":")?;
                let otherwise = parser.expression()?;
                return Ok(Expression::Choose(Box::new(condition), Box::new(then), Box::new(otherwise)));
            }
            if matches!(condition, Expression::Variable(_) | Expression::Field(_)) {
                for operator in ["+=", "-=", "*=", "/=", "%=", "^="] {
                    if parser.eat(operator) {
                        let right = parser.expression()?;
                        return Ok(Expression::Assign(operator.chars().next(), Box::new(condition), Box::new(right)));
                    }
                }
                parser.blanks();
                if parser.rest.starts_with('=') && !parser.rest.starts_with("==") {
                    parser.eat("=");
                    let right = parser.expression()?;
                    return Ok(Expression::Assign(None, Box::new(condition), Box::new(right)));
                }
            }
            Ok(condition)
        })
    }

    fn or(&mut self) -> Parsed<Expression> {
        let mut left = self.and()?;
        while self.eat("||") {
            self.rest = self.rest.trim_start();
            left = Expression::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed<Expression> {
        let mut left = self.matching()?;
        while self.eat("&&") {
            self.rest = self.rest.trim_start();
            left = Expression::And(Box::new(left), Box::new(self.matching()?));
        }
        Ok(left)
    }

    fn matching(&mut self) -> Parsed<Expression> {
        let mut left = self.comparison()?;
        loop {
            self.blanks();
            let negated = self.rest.starts_with("!~");
            if !self.eat("!~") && !self.eat("~") {
                return Ok(left);
            }
            left = Expression::Match(negated, Box::new(left), Box::new(self.comparison()?));
        }
    }

    fn comparison(&mut self) -> Parsed<Expression> {
        let left = self.join()?;
        for operator in ["<=", ">=", "==", "!=", "<", ">"] {
            if self.in_print && operator.starts_with('>') {
                continue;
            }
            if self.eat(operator) {
                return Ok(Expression::Compare(operator, Box::new(left), Box::new(self.join()?)));
            }
        }
        Ok(left)
    }

    /// Two expressions side by side are joined.
    fn join(&mut self) -> Parsed<Expression> {
        let mut left = self.sum()?;
        loop {
            self.blanks();
            let starts = |c: char| c.is_ascii_alphanumeric() || matches!(c, '"' | '$' | '_' | '(' | '.' | '!');
            let stops = self.rest.starts_with("!=") || self.rest.starts_with("!~") || self.rest.starts_with("in ");
            if !self.rest.starts_with(starts) || stops {
                return Ok(left);
            }
            left = Expression::Join(Box::new(left), Box::new(self.sum()?));
        }
    }

    fn sum(&mut self) -> Parsed<Expression> {
        let mut left = self.product()?;
        loop {
            self.blanks();
            let operator = self.rest.chars().next();
            let assigns = self.rest.get(1..).is_some_and(|rest| rest.starts_with('='));
            let Some(operator @ ('+' | '-')) = operator.filter(|_| !assigns) else { return Ok(left) };
            self.rest = &self.rest[1..];
            left = Expression::Arithmetic(operator, Box::new(left), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Parsed<Expression> {
        let mut left = self.unary()?;
        loop {
            self.blanks();
            let operator = self.rest.chars().next();
            let assigns = self.rest.get(1..).is_some_and(|rest| rest.starts_with('='));
            let Some(operator @ ('*' | '/' | '%' | '^')) = operator.filter(|_| !assigns) else { return Ok(left) };
            self.rest = &self.rest[1..];
            left = Expression::Arithmetic(operator, Box::new(left), Box::new(self.unary()?));
        }
    }

    fn unary(&mut self) -> Parsed<Expression> {
        self.deeper(|parser| {
            parser.blanks();
            if parser.eat("++") {
                return Ok(Expression::Step { target: Box::new(parser.unary()?), by: 1.0, before: true });
            }
            if parser.eat("--") {
                return Ok(Expression::Step { target: Box::new(parser.unary()?), by: -1.0, before: true });
            }
            if parser.eat("!") {
                return Ok(Expression::Not(Box::new(parser.unary()?)));
            }
            if parser.eat("-") {
                return Ok(Expression::Negate(Box::new(parser.unary()?)));
            }
            parser.eat("+");
            let operand = parser.primary()?;
            if matches!(operand, Expression::Variable(_) | Expression::Field(_)) {
                for (token, by) in [("++", 1.0), ("--", -1.0)] {
                    if parser.rest.starts_with(token) {
                        parser.eat(token);
                        return Ok(Expression::Step { target: Box::new(operand), by, before: false });
                    }
                }
            }
            Ok(operand)
        })
    }

    fn primary(&mut self) -> Parsed<Expression> {
        self.blanks();
        match self.rest.chars().next() {
            Some('(') => {
                self.rest = &self.rest[1..];
                let printing = std::mem::take(&mut self.in_print);
                let inner = self.expression();
                self.in_print = printing;
                let inner = inner?;
                self.expect(")")?;
                Ok(inner)
            }
            Some('$') => {
                self.rest = &self.rest[1..];
                let number = self.deeper(Self::primary)?;
                Ok(Expression::Field(Box::new(number)))
            }
            Some('"') => Ok(Expression::Text(unescape(self.delimited('"')?).0)),
            Some('/') => Ok(Expression::Regex(extended(&self.delimited('/')?.replace("\\/", "/"), false)?)),
            Some(c) if c.is_ascii_digit() || c == '.' => {
                let is_part = |c: char| c.is_ascii_digit() || c == '.';
                let end = self.rest.find(|c: char| !is_part(c)).unwrap_or(self.rest.len());
                let (digits, rest) = self.rest.split_at(end);
                self.rest = rest;
                digits.parse().map(Expression::Number).map_err(|_| format!("the number {digits}"))
            }
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                let name = self.name().to_owned();
                if self.rest.starts_with('[') {
                    return Err("an array".to_owned());
                }
                if FUNCTIONS.contains(&name.as_str()) {
                    let mut arguments = Vec::new();
                    if self.rest.starts_with('(') {
                        self.rest = &self.rest[1..];
                        if !self.eat(")") {
                            arguments = self.list()?;
                            self.expect(")")?;
                        }
                    }
                    return match name.as_str() {
                        "system" => Err("system".to_owned()),
                        _ => Ok(Expression::Call(name, arguments)),
                    };
                }
                if self.rest.starts_with('(') || matches!(name.as_str(), "getline" | "in" | "split" | "function") {
                    return Err(name);
                }
                Ok(Expression::Variable(name))
            }
            Some(c) => Err(format!("unexpected `{c}`")),
            None => Err("an unfinished program".to_owned()),
        }
    }

    /// What stands between two delimiters, escapes untouched.
    fn delimited(&mut self, delimiter: char) -> Parsed<&'a str> {
        let inner = &self.rest[1..];
        let mut escaped = false;
        for (at, c) in inner.char_indices() {
            if c == delimiter && !escaped {
                self.rest = &inner[at + 1..];
                return Ok(&inner[..at]);
            }
            escaped = c == '\\' && !escaped;
        }
        Err(format!("an unfinished {delimiter}"))
    }
}
