//! Lists, pipelines and commands.

use super::super::syntax::{
    Arm, AssignedValue, Assignment, Body, Chain, Command, Connector, Item, List, Pipeline, Redirection,
    RedirectionKind, Word,
};
use super::cursor::{Announced, META, Parsed, Parser, is_name};
use std::sync::{Arc, OnceLock};

/// The words that end a list where a command could start.
const CLOSERS: [&str; 8] = ["then", "else", "elif", "fi", "do", "done", "esac", "}"];

/// The commands whose arguments may be assignments.
const DECLARATIONS: [&str; 6] = ["export", "readonly", "local", "declare", "typeset", "alias"];

impl Parser<'_> {
    /// Commands up to something that cannot start one.
    pub(super) fn list(&mut self) -> Parsed<List> {
        let mut items = Vec::new();
        loop {
            self.skip_lines()?;
            let closes = CLOSERS.iter().any(|word| self.sees_word(word));
            if closes || self.peek().is_none_or(|c| c == ')') || self.starts_with(";;") || self.starts_with(";&") {
                return Ok(List(items));
            }
            let chain = Arc::new(self.chain()?);
            self.skip_blanks();
            let background = self.peek() == Some('&') && !self.starts_with("&&");
            let separated = background || (self.peek() == Some(';') && !self.starts_with(";;"));
            if separated && !self.starts_with(";&") {
                self.next();
            }
            items.push(Item { chain, background });
            if !separated && self.peek() != Some('\n') {
                return Ok(List(items));
            }
        }
    }

    /// A list that must have a command in it.
    fn body(&mut self) -> Parsed<Arc<List>> {
        let list = self.nested(Self::list)?;
        if list.0.is_empty() { Err(self.unexpected()) } else { Ok(Arc::new(list)) }
    }

    fn chain(&mut self) -> Parsed<Chain> {
        let mut pipelines = vec![(Connector::First, Arc::new(self.pipeline()?))];
        loop {
            self.skip_blanks();
            let connector = match () {
                () if self.eat("&&") => Connector::And,
                () if self.eat("||") => Connector::Or,
                () => return Ok(Chain(pipelines)),
            };
            self.skip_lines()?;
            pipelines.push((connector, Arc::new(self.pipeline()?)));
        }
    }

    fn pipeline(&mut self) -> Parsed<Pipeline> {
        let mut negated = false;
        self.skip_blanks();
        while self.eat_word("!") {
            negated = !negated;
            self.skip_blanks();
        }
        if self.eat_word("time") {
            self.skip_blanks();
            self.eat_word("-p");
        }
        let mut stages = vec![];
        loop {
            let mut command = self.nested(Self::command)?;
            self.skip_blanks();
            let piped = self.peek() == Some('|') && !self.starts_with("||");
            if piped {
                self.next();
                if self.eat("&") {
                    command.redirections.push(duplicate(2, "1"));
                }
                self.skip_lines()?;
            }
            stages.push(Arc::new(command));
            if !piped {
                return Ok(Pipeline { negated, stages });
            }
        }
    }

    fn command(&mut self) -> Parsed<Command> {
        self.skip_blanks();
        let before = self.substitutions;
        let (body, redirections) = self.command_parts()?;
        // The text of a here-document is not read yet.
        let waits = |it: &Redirection| matches!(it.kind, RedirectionKind::HereDocument(_));
        let substitutes = self.substitutions > before || redirections.iter().any(waits);
        Ok(Command { body, redirections, substitutes })
    }

    fn command_parts(&mut self) -> Parsed<(Body, Vec<Redirection>)> {
        let body = match self.compound()? {
            Some(body) => body,
            None => return self.simple_command(),
        };
        let mut redirections = Vec::new();
        loop {
            self.skip_blanks();
            match self.redirection()? {
                Some(redirection) => redirections.push(redirection),
                None => return Ok((body, redirections)),
            }
        }
    }

    fn compound(&mut self) -> Parsed<Option<Body>> {
        let body = match () {
            () if self.starts_with("((") && self.closes_as_arithmetic(2) => {
                self.eat("((");
                Body::Arithmetic(self.arithmetic_text()?)
            }
            () if self.eat("(") => {
                let list = self.body()?;
                self.skip_lines()?;
                self.expect(")")?;
                Body::Subshell(list)
            }
            () if self.eat_word("{") => {
                let list = self.body()?;
                self.expect_word("}")?;
                Body::Group(list)
            }
            () if self.eat_word("if") => self.if_clause()?,
            () if self.eat_word("while") => self.loop_clause(false)?,
            () if self.eat_word("until") => self.loop_clause(true)?,
            () if self.eat_word("for") => self.for_clause()?,
            () if self.eat_word("case") => self.case_clause()?,
            () if self.eat_word("[[") => Body::Test(self.nested(Self::test_expression)?),
            () if self.eat_word("select") => return Err(self.error("select")),
            () if self.eat_word("coproc") => return Err(self.error("coproc")),
            () if self.eat_word("function") => {
                self.skip_blanks();
                let name = self.take_while(|c| !META.contains(&c)).to_owned();
                self.skip_blanks();
                if self.eat("(") {
                    self.skip_blanks();
                    self.expect(")")?;
                }
                self.function(name)?
            }
            () => return Ok(None),
        };
        Ok(Some(body))
    }

    fn if_clause(&mut self) -> Parsed<Body> {
        let mut arms = Vec::new();
        loop {
            let condition = self.body()?;
            self.expect_word("then")?;
            arms.push((condition, self.body()?));
            self.skip_lines()?;
            if !self.eat_word("elif") {
                break;
            }
        }
        let otherwise = if self.eat_word("else") { Some(self.body()?) } else { None };
        self.expect_word("fi")?;
        Ok(Body::If { arms, otherwise })
    }

    fn loop_clause(&mut self, until: bool) -> Parsed<Body> {
        let condition = self.body()?;
        Ok(Body::Loop { until, condition, body: self.do_group()? })
    }

    fn do_group(&mut self) -> Parsed<Arc<List>> {
        self.expect_word("do")?;
        let body = self.body()?;
        self.expect_word("done")?;
        Ok(body)
    }

    fn for_clause(&mut self) -> Parsed<Body> {
        self.skip_blanks();
        if self.eat("((") {
            return self.for_arithmetic();
        }
        let name = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_').to_owned();
        if !is_name(&name) {
            return Err(self.unexpected());
        }
        self.skip_lines()?;
        let mut words = None;
        if self.eat_word("in") {
            let mut found = Vec::new();
            self.skip_blanks();
            while self.peek().is_some_and(|c| !META.contains(&c)) {
                found.push(self.word()?);
                self.skip_blanks();
            }
            words = Some(found);
        }
        self.eat(";");
        Ok(Body::For { name, words, body: self.do_group()? })
    }

    fn for_arithmetic(&mut self) -> Parsed<Body> {
        let start = self.arithmetic_part(";")?;
        let condition = self.arithmetic_part(";")?;
        let update = self.arithmetic_part("))")?;
        self.skip_blanks();
        self.eat(";");
        Ok(Body::ForArithmetic { start, condition, update, body: self.do_group()? })
    }

    fn case_clause(&mut self) -> Parsed<Body> {
        self.skip_blanks();
        let subject = self.word()?;
        self.expect_word("in")?;
        let mut arms = Vec::new();
        loop {
            self.skip_lines()?;
            if self.eat_word("esac") {
                return Ok(Body::Case { subject, arms });
            }
            self.eat("(");
            let mut patterns = Vec::new();
            loop {
                self.skip_blanks();
                patterns.push(self.word()?);
                self.skip_blanks();
                if !self.eat("|") {
                    break;
                }
            }
            self.expect(")")?;
            let body = Arc::new(self.nested(Self::list)?);
            self.skip_lines()?;
            let falls_through = self.starts_with(";&");
            if self.starts_with(";;&") {
                return Err(self.error("`;;&` in case"));
            }
            arms.push(Arm { patterns, body, falls_through });
            if !self.eat(";;") && !self.eat(";&") && !self.sees_word("esac") {
                return Err(self.unexpected());
            }
        }
    }

    fn function(&mut self, name: String) -> Parsed<Body> {
        self.skip_lines()?;
        let command = self.nested(Self::command)?;
        if matches!(command.body, Body::Simple { .. }) {
            return Err(self.error("syntax error: a function without a compound command"));
        }
        Ok(Body::Function { name, body: Arc::new(command) })
    }

    fn simple_command(&mut self) -> Parsed<(Body, Vec<Redirection>)> {
        let (mut assignments, mut words, mut redirections) = (Vec::new(), Vec::<Word>::new(), Vec::new());
        let mut arrays = Vec::new();
        loop {
            self.skip_blanks();
            if let Some(redirection) = self.redirection()? {
                redirections.push(redirection);
                continue;
            }
            if self.peek().is_none_or(|c| META.contains(&c)) {
                break;
            }
            let declares = words.first().and_then(Word::as_plain).is_some_and(|name| DECLARATIONS.contains(&name));
            if words.is_empty()
                && let Some(assignment) = self.assignment()?
            {
                assignments.push(assignment);
                continue;
            }
            if declares && let Some(word) = self.declaration(&mut arrays)? {
                words.push(word);
                continue;
            }
            words.push(self.word()?);
            let opens = self.rest().trim_start_matches([' ', '\t']).starts_with('(');
            if let ([word], true, true) = (words.as_slice(), opens, assignments.is_empty()) {
                let name = word.as_plain().map(str::to_owned);
                self.skip_blanks();
                self.eat("(");
                self.skip_blanks();
                self.expect(")")?;
                let name = name.ok_or_else(|| self.unexpected())?;
                return Ok((self.function(name)?, redirections));
            }
        }
        if assignments.is_empty() && words.is_empty() && redirections.is_empty() {
            return Err(self.unexpected());
        }
        let body = Body::Simple { assignments, words };
        if arrays.is_empty() {
            return Ok((body, redirections));
        }
        let elements = Body::Simple { assignments: arrays, words: Vec::new() };
        Ok((Body::Group(Arc::new(List(vec![alone(body), alone(elements)]))), redirections))
    }

    /// `name=value` as an argument of `export` and its like: one field, however the value expands. The elements of an
    /// array are assigned by a command of their own, afterwards.
    fn declaration(&mut self, arrays: &mut Vec<Assignment>) -> Parsed<Option<Word>> {
        let start = self.at;
        let Some(assignment) = self.assignment()? else { return Ok(None) };
        let AssignedValue::Scalar(value) = assignment.value else {
            let name = Word::plain(&assignment.name);
            arrays.push(assignment);
            return Ok(Some(name));
        };
        if assignment.append || assignment.index.is_some() {
            self.at = start;
            return Ok(None);
        }
        let mut pieces = vec![super::Piece::Plain(format!("{}=", assignment.name))];
        pieces.push(super::Piece::DoubleQuoted(value.pieces));
        Ok(Some(Word { pieces, braces: None }))
    }

    fn assignment(&mut self) -> Parsed<Option<Assignment>> {
        let start = self.at;
        let name = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_').to_owned();
        if !is_name(&name) {
            self.at = start;
            return Ok(None);
        }
        let mut index = None;
        if self.starts_with("[") {
            let close = self.rest().bytes().take(256).position(|byte| byte == b']');
            let after = close.map(|at| &self.rest()[at + 1..]);
            if after.is_some_and(|rest| rest.starts_with('=') || rest.starts_with("+=")) {
                self.eat("[");
                index = Some(self.arithmetic_part("]")?);
            }
        }
        let append = self.starts_with("+=");
        if !self.eat("+=") && !self.eat("=") {
            self.at = start;
            return Ok(None);
        }
        let value = match self.peek() {
            Some('(') => {
                self.eat("(");
                let mut items = Vec::new();
                loop {
                    self.skip_lines()?;
                    if self.eat(")") {
                        break AssignedValue::Array(items);
                    }
                    if self.starts_with("[") {
                        return Err(self.error("an array with explicit indices"));
                    }
                    items.push(self.word()?);
                }
            }
            None => AssignedValue::Scalar(Word::default()),
            Some(c) if META.contains(&c) => AssignedValue::Scalar(Word::default()),
            Some(_) => AssignedValue::Scalar(self.word()?),
        };
        Ok(Some(Assignment { name, index, append, value }))
    }

    fn redirection(&mut self) -> Parsed<Option<Redirection>> {
        let start = self.at;
        let number = self.take_while(|c| c.is_ascii_digit());
        if !self.starts_with("<") && !self.starts_with(">") {
            self.at = start;
            if self.starts_with("&>") {
                self.eat("&>");
                let append = self.eat(">");
                let target = self.target()?;
                return Ok(Some(Redirection { descriptor: 1, kind: RedirectionKind::Both { target, append } }));
            }
            return Ok(None);
        }
        let descriptor = |default: usize| if number.is_empty() { Ok(default) } else { number.parse::<usize>() };
        let (default, kind) = match () {
            () if self.eat("<<<") => (0, RedirectionKind::HereString(self.target()?)),
            () if self.eat("<<") => (0, RedirectionKind::HereDocument(self.announce()?)),
            () if self.eat("<&") => (0, RedirectionKind::Duplicate(self.target()?)),
            () if self.eat("<>") => (0, RedirectionKind::ReadWrite(self.target()?)),
            () if self.eat("<") => {
                self.skip_blanks();
                if self.eat("<(") {
                    let list = self.body()?;
                    self.skip_lines()?;
                    self.expect(")")?;
                    (0, RedirectionKind::ReadFrom(list))
                } else {
                    (0, RedirectionKind::Read(self.target()?))
                }
            }
            () if self.eat(">>") => (1, RedirectionKind::Append(self.target()?)),
            () if self.eat(">|") => (1, RedirectionKind::Write(self.target()?)),
            () if self.eat(">&") => {
                let target = self.target()?;
                let duplicates = target.as_literal().is_none_or(|text| {
                    text == "-" || text.trim_end_matches('-').parse::<usize>().is_ok() || !number.is_empty()
                });
                if duplicates {
                    (1, RedirectionKind::Duplicate(target))
                } else {
                    (1, RedirectionKind::Both { target, append: false })
                }
            }
            () => {
                self.expect(">")?;
                (1, RedirectionKind::Write(self.target()?))
            }
        };
        match descriptor(default) {
            Ok(descriptor @ 0..256) => Ok(Some(Redirection { descriptor, kind })),
            Ok(_) | Err(_) => Err(self.error("a descriptor above 255")),
        }
    }

    fn target(&mut self) -> Parsed<Word> {
        self.skip_blanks();
        if self.starts_with(">(") {
            return Err(self.error("process substitution for output"));
        }
        match self.peek() {
            None => Err(self.unexpected()),
            Some(c) if META.contains(&c) => Err(self.unexpected()),
            Some(_) => self.word(),
        }
    }

    fn announce(&mut self) -> Parsed<Arc<OnceLock<Word>>> {
        let strips_tabs = self.eat("-");
        self.skip_blanks();
        let start = self.at;
        let end = self.word()?.as_literal().ok_or_else(|| self.error("an expansion as end of a here-document"))?;
        // Any quoting of the end word makes the text literal.
        let expands = !self.since(start).contains(['\'', '"', '\\']);
        let text = Arc::new(OnceLock::new());
        self.announced.push(Announced { end, strips_tabs, expands, text: Arc::clone(&text) });
        Ok(text)
    }
}

fn duplicate(descriptor: usize, target: &str) -> Redirection {
    Redirection { descriptor, kind: RedirectionKind::Duplicate(Word::plain(target)) }
}

/// A command as an item of a list.
fn alone(body: Body) -> Item {
    let command = Command { body, redirections: Vec::new(), substitutes: true };
    let pipeline = Pipeline { negated: false, stages: vec![Arc::new(command)] };
    Item { chain: Arc::new(Chain(vec![(Connector::First, Arc::new(pipeline))])), background: false }
}
