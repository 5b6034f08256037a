//! The grammar of expectations.

use super::formula::{
    Atom, Clause, EventPattern, Expectation, Formula, Predicate, Quantifier, Question, Selection, TextPattern, Window,
};
use super::observation::{Observation, Subject, Summary, is_uncompared_count};
use super::value::{
    CONDITION_FIELDS, CONTAINER_FIELDS, Comparison, Field, NODE_FIELDS, POD_FIELDS, Step, TAINT_FIELDS, Value,
};
use crate::api::{Kind, Name, Operator, Requirement, Selector};
use crate::components::runtime::Glob;
use crate::engine::SimDuration;
use crate::scenario::error::{Place, Problems, suggestion};
use crate::scenario::names::{self, Makeable};
use crate::scenario::outline::Placed;
use regex_lite::Regex;
use std::cmp::Ordering;

/// The deepest nesting of parentheses and `not`.
const DEPTH: usize = 50;

/// Reads an expectation and checks that what it names can be. What is wrong is noted.
pub(in crate::scenario) fn parse(
    text: &Placed<String>,
    duration: SimDuration,
    makeable: &Makeable,
    problems: &mut Problems,
) -> Option<Expectation> {
    let (clause, atoms) = read(text, duration, makeable, problems, Parser::clause)?;
    Some(Expectation { text: text.value.clone(), place: text.place, clause, atoms })
}

/// Reads what is measured of a run: `time(deployment(web).availableReplicas < 2 from 1m until 5m)`.
pub(in crate::scenario) fn parse_observation(
    text: &Placed<String>,
    duration: SimDuration,
    makeable: &Makeable,
    problems: &mut Problems,
) -> Option<Observation> {
    let ((summary, formula, from, until), atoms) = read(text, duration, makeable, problems, Parser::observation)?;
    let subject = Subject::new(text, text.place, Clause::End(formula), atoms, summary.wants_formula());
    Some(Observation { text: text.value.clone(), summary, subject, from, until })
}

/// Reads a text as a whole. What is wrong is noted.
fn read<'t, T>(
    text: &'t Placed<String>,
    duration: SimDuration,
    makeable: &'t Makeable,
    problems: &mut Problems,
    rule: impl FnOnce(&mut Parser<'t>) -> Parsed<T>,
) -> Option<(T, Vec<Atom>)> {
    let mut parser =
        Parser { text, at: 0, depth: 0, atoms: Vec::new(), makeable, duration, numbers: false, unknown: Vec::new() };
    let parsed = rule(&mut parser);
    let failed = !parser.unknown.is_empty();
    for wrong in parser.unknown {
        problems.add(place_of(text, wrong.at), wrong.found, wrong.remedy);
    }
    match parsed {
        Ok(read) => (!failed).then_some((read, parser.atoms)),
        Err(wrong) => {
            problems.add(place_of(text, wrong.at), wrong.found, wrong.remedy);
            None
        }
    }
}

/// The place of a byte of an expectation.
fn place_of(text: &Placed<String>, at: usize) -> Place {
    let before = text.get(..at).unwrap_or(text);
    let mut place = text.place;
    match before.rsplit_once('\n') {
        Some((lines, last)) => {
            place.position.line += lines.matches('\n').count() as u32 + 1;
            place.position.column = last.chars().count() as u32 + 1;
        }
        None => place.position.column += before.chars().count() as u32,
    }
    place
}

/// What is wrong, and where.
struct Wrong {
    at: usize,
    found: String,
    remedy: String,
}

type Parsed<T> = Result<T, Wrong>;

fn wrong<T>(at: usize, found: impl Into<String>, remedy: impl Into<String>) -> Parsed<T> {
    Err(Wrong { at, found: found.into(), remedy: remedy.into() })
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
    atoms: Vec<Atom>,
    makeable: &'t Makeable,
    duration: SimDuration,
    /// Whether a count may be compared with nothing.
    numbers: bool,
    /// Names that nothing makes: the sentence is well formed all the same.
    unknown: Vec<Wrong>,
}

/// A selection as written, perhaps with the container that is meant.
struct Reference {
    selection: Selection,
    container: Option<Name>,
    /// Whether it may be several objects.
    several: bool,
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// The word that stands here, without moving.
    fn word(&self) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_alphanumeric() || "_-*?".contains(c))).unwrap_or(rest.len());
        &rest[..end]
    }

    fn takes_word(&mut self, word: &str) -> bool {
        self.blanks();
        let found = self.word() == word;
        if found {
            self.at += word.len();
            self.blanks();
        }
        found
    }

    fn takes(&mut self, token: &str) -> bool {
        self.blanks();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn expect(&mut self, token: &str) -> Parsed<()> {
        if self.takes(token) {
            return Ok(());
        }
        wrong(self.at, self.found(), format!("{token:?} is expected here"))
    }

    /// What stands here, for people.
    fn found(&self) -> String {
        let rest = self.rest().trim_start();
        match (rest.chars().next(), self.word()) {
            (None, _) => "the end of the expectation".to_owned(),
            (Some(c), "") => format!("{c:?}"),
            (Some(_), word) => format!("{word:?}"),
        }
    }

    fn clause(&mut self) -> Parsed<Clause> {
        self.blanks();
        let clause = if self.takes_word("eventually") {
            let formula = self.formula()?;
            Clause::Eventually(formula, self.window()?)
        } else if self.takes_word("always") {
            let formula = self.formula()?;
            Clause::Always(formula, self.window()?)
        } else if self.takes_word("never") {
            let formula = self.formula()?;
            Clause::Never(formula, self.window()?)
        } else if self.takes_word("at") {
            let at = self.span()?;
            let _ = self.takes(":") || self.takes(",");
            Clause::At(self.formula()?, at)
        } else if self.takes_word("first") {
            let formula = self.formula()?;
            self.keyword("between")?;
            let from = self.span()?;
            self.keyword("and")?;
            let to = self.span()?;
            if to < from {
                return wrong(self.at, format!("between {from} and {to}"), "put the earlier time first");
            }
            Clause::First(formula, from, to)
        } else {
            let formula = self.formula()?;
            if self.takes_word("before") {
                Clause::Before(formula, self.formula()?)
            } else if self.takes_word("at") {
                Clause::At(formula, self.span()?)
            } else {
                Clause::End(formula)
            }
        };
        self.blanks();
        if self.rest().is_empty() {
            return Ok(clause);
        }
        let known = match clause {
            Clause::Eventually(..) | Clause::Always(..) | Clause::Never(..) => {
                &["and", "or", "from", "within", "until", "after"][..]
            }
            Clause::End(_) => &["and", "or", "before", "at"][..],
            _ => &["and", "or"][..],
        };
        let hint = match (&clause, self.word()) {
            (Clause::End(_), "within" | "until" | "from" | "after") => {
                "begin with eventually, always or never to give a window".to_owned()
            }
            (_, word) => suggestion(word, known.iter().copied()),
        };
        wrong(self.at, format!("{} after the end of the formula", self.found()), hint)
    }

    /// `mean(FORMULA OR NUMBER from A until B)`.
    fn observation(&mut self) -> Parsed<(Summary, Formula, SimDuration, Option<SimDuration>)> {
        self.blanks();
        let (start, word) = (self.at, self.word());
        let Some((_, summary)) = Summary::ALL.into_iter().find(|(name, _)| *name == word) else {
            return wrong(start, self.found(), suggestion(word, Summary::ALL.iter().map(|(name, _)| *name)));
        };
        self.at += word.len();
        self.expect("(")?;
        self.blanks();
        let inner = self.at;
        self.numbers = true;
        let formula = self.formula()?;
        let alone = self.atoms.len() == 1 && matches!(formula, Formula::Atom(_));
        if self.atoms.iter().any(|atom| is_uncompared_count(atom) && (summary.wants_formula() || !alone)) {
            return wrong(inner, "a count that is compared with nothing", "write count(…) >= 3");
        }
        let is_tally = |atom: &Atom| matches!(atom.question, Question::Events { count: Comparison::Holds, .. });
        if summary.wants_formula() && alone && self.atoms.iter().any(is_tally) {
            return wrong(inner, "a number", format!("{word}(…) takes a formula: compare it, such as >= 3"));
        }
        let unseen = |atom: &Atom| matches!(atom.question, Question::Refused { .. } | Question::Misrouted { .. });
        if self.atoms.iter().any(unseen) {
            let remedy = "expect it in the scenario, and measure held";
            return wrong(inner, "refused(…) or misrouted(…), which are not measured", remedy);
        }
        let (mut from, mut until) = (SimDuration::ZERO, None);
        loop {
            if self.takes_word("from") {
                from = self.span()?;
            } else if self.takes_word("until") {
                until = Some(self.span()?);
            } else {
                break;
            }
        }
        if until.is_some_and(|until| until <= from) {
            return wrong(inner, "a window that ends before it begins", "put the earlier time first");
        }
        self.expect(")")?;
        self.blanks();
        if !self.rest().is_empty() {
            return wrong(self.at, format!("{} after the closing parenthesis", self.found()), "end here");
        }
        Ok((summary, formula, from, until))
    }

    fn keyword(&mut self, word: &str) -> Parsed<()> {
        if self.takes_word(word) {
            return Ok(());
        }
        wrong(self.at, self.found(), format!("the word {word} is expected here"))
    }

    fn window(&mut self) -> Parsed<Window> {
        let mut window = Window::default();
        loop {
            if self.takes_word("from") {
                window.from = self.span()?;
            } else if self.takes_word("within") {
                window.within = Some(self.span()?);
            } else if self.takes_word("until") {
                window.until = Some(self.span()?);
            } else if self.takes_word("after") {
                window.after = Some(self.formula()?);
            } else {
                return Ok(window);
            }
        }
    }

    /// A span of time that lies within the run.
    fn span(&mut self) -> Parsed<SimDuration> {
        self.blanks();
        let at = self.at;
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '.' || c == '-')).unwrap_or(rest.len());
        self.at += end;
        match rest[..end].parse::<SimDuration>() {
            Ok(span) if span <= self.duration => Ok(span),
            Ok(span) => {
                let found = format!("{span}, which is after the end at {}", self.duration);
                wrong(at, found, "choose an earlier time or a longer duration")
            }
            Err(error) => {
                let text = error.to_string();
                let (found, remedy) = text.split_once("; ").unwrap_or((&text, "write it like 90s"));
                wrong(at, found, remedy)
            }
        }
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > DEPTH {
            return wrong(self.at, format!("a formula nested more than {DEPTH} deep"), "nest less");
        }
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn formula(&mut self) -> Parsed<Formula> {
        let mut parts = vec![self.conjunction()?];
        while self.takes_word("or") {
            parts.push(self.conjunction()?);
        }
        Ok(if parts.len() == 1 { parts.swap_remove(0) } else { Formula::Or(parts) })
    }

    fn conjunction(&mut self) -> Parsed<Formula> {
        let mut parts = vec![self.negation()?];
        while self.takes_word("and") {
            parts.push(self.negation()?);
        }
        Ok(if parts.len() == 1 { parts.swap_remove(0) } else { Formula::And(parts) })
    }

    fn negation(&mut self) -> Parsed<Formula> {
        if self.takes_word("not") {
            return self.deeper(Self::negation).map(|inner| Formula::Not(Box::new(inner)));
        }
        if self.takes("(") {
            let inner = self.deeper(Self::formula)?;
            self.expect(")")?;
            return Ok(inner);
        }
        self.atom()
    }

    fn atom(&mut self) -> Parsed<Formula> {
        self.blanks();
        let start = self.at;
        let word = self.word();
        let question = match word {
            "any" | "all" | "none" | "count" => self.quantified(word)?,
            "event" | "events" => self.events()?,
            "refused" => self.refused()?,
            "misrouted" => self.misrouted()?,
            _ => self.object()?,
        };
        let text = self.text[start..self.at].trim().to_owned();
        self.atoms.push(Atom { text, question });
        Ok(Formula::Atom(self.atoms.len() - 1))
    }

    fn quantified(&mut self, word: &str) -> Parsed<Question> {
        self.at += word.len();
        self.expect("(")?;
        let reference = self.reference()?;
        let predicate = if self.takes_word("where") {
            self.predicate(&reference)?
        } else {
            match self.path(&reference)? {
                Some(field) => Predicate::Compare(field, self.comparison()?),
                None => Predicate::Compare(Field::Existence, Comparison::Holds),
            }
        };
        self.expect(")")?;
        let quantifier = match word {
            "any" => Quantifier::Any,
            "all" => Quantifier::All,
            "none" => Quantifier::None,
            _ => {
                let at = self.at;
                let comparison = self.comparison()?;
                if matches!(comparison, Comparison::Holds) && !self.numbers {
                    return wrong(at, "a count that is compared with nothing", "write count(…) >= 3");
                }
                Quantifier::Count(comparison)
            }
        };
        Ok(Question::Objects { selection: reference.selection, predicate, quantifier })
    }

    fn object(&mut self) -> Parsed<Question> {
        let start = self.at;
        let reference = self.reference()?;
        if reference.several {
            let remedy = "say how many: any(…), all(…), none(…) or count(…) >= 3";
            return wrong(start, "a formula about several objects", remedy);
        }
        let predicate = match self.path(&reference)? {
            Some(field) => Predicate::Compare(field, self.comparison()?),
            None => Predicate::Compare(Field::Existence, Comparison::Holds),
        };
        Ok(Question::Objects { selection: reference.selection, predicate, quantifier: Quantifier::One })
    }

    fn predicate(&mut self, of: &Reference) -> Parsed<Predicate> {
        let mut parts = vec![self.predicate_conjunction(of)?];
        while self.takes_word("or") {
            parts.push(self.predicate_conjunction(of)?);
        }
        Ok(if parts.len() == 1 { parts.swap_remove(0) } else { Predicate::Or(parts) })
    }

    fn predicate_conjunction(&mut self, of: &Reference) -> Parsed<Predicate> {
        let mut parts = vec![self.predicate_negation(of)?];
        while self.takes_word("and") {
            parts.push(self.predicate_negation(of)?);
        }
        Ok(if parts.len() == 1 { parts.swap_remove(0) } else { Predicate::And(parts) })
    }

    fn predicate_negation(&mut self, of: &Reference) -> Parsed<Predicate> {
        if self.takes_word("not") {
            return self.deeper(|parser| parser.predicate_negation(of)).map(|inner| Predicate::Not(Box::new(inner)));
        }
        if self.takes("(") {
            let inner = self.deeper(|parser| parser.predicate(of))?;
            self.expect(")")?;
            return Ok(inner);
        }
        self.blanks();
        let at = self.at;
        let field = self.field(of)?;
        let _ = at;
        Ok(Predicate::Compare(field, self.comparison()?))
    }

    /// `kind(…)`.
    fn reference(&mut self) -> Parsed<Reference> {
        self.blanks();
        let at = self.at;
        let word = self.word();
        let is_container = matches!(word, "container" | "containers");
        let kind = match word {
            "container" | "containers" => Ok(Kind::Pod),
            "traffic" => Ok(Kind::Other),
            word => names::kind(word),
        };
        let after = self.at + word.len();
        if word.is_empty() || !self.text[after..].starts_with('(') {
            let remedy = "name an object with a value, such as pod(web).ready, or an event(…)";
            return wrong(at, self.found(), remedy);
        }
        let kind = match kind {
            Ok(kind) => kind,
            Err((found, remedy)) => return wrong(at, found, remedy),
        };
        self.at = after + 1;
        let inside_at = self.at;
        let inside = self.inside()?;
        self.selection(kind, is_container, inside, inside_at)
    }

    /// The text up to the closing parenthesis, which is passed.
    fn inside(&mut self) -> Parsed<&'t str> {
        let (start, mut open) = (self.at, 1);
        for (offset, c) in self.rest().char_indices() {
            match c {
                '(' => open += 1,
                ')' => open -= 1,
                _ => {}
            }
            if open == 0 {
                self.at = start + offset + 1;
                return Ok(&self.text[start..start + offset]);
            }
        }
        wrong(start.saturating_sub(1), "'(' that is never closed", "close it with ')'")
    }

    fn selection(&mut self, kind: Kind, is_container: bool, inside: &str, at: usize) -> Parsed<Reference> {
        let mut text = inside.trim();
        let at = at + (inside.len() - inside.trim_start().len());
        let mut namespace = kind.is_namespaced().then(|| "default".to_owned());
        if let Some(rest) = text.strip_prefix("-A") {
            (text, namespace) = (rest.trim(), None);
        } else if let Some(rest) = text.strip_prefix("-n ") {
            let rest = rest.trim_start();
            let (name, rest) = rest.split_once([' ', ',']).unwrap_or((rest, ""));
            (text, namespace) = (rest.trim_start_matches([' ', ',']), Some(name.to_owned()));
        }
        let mut container = None;
        if is_container {
            let Some((pod, name)) = text.rsplit_once('/') else {
                return wrong(at, format!("the container {text:?}"), "write container(pod/name)");
            };
            (text, container) = (pod, Some(name));
        }
        let by_labels = text.contains(['=', '!']) || text.contains(" in ") || text.contains(" notin ");
        if by_labels {
            let labels = match label_selector(text) {
                Ok(labels) => Some(labels),
                Err(found) => return wrong(at, found, "write labels like app=web,tier!=db,env in (a,b)"),
            };
            let namespace = namespace.map(|namespace| self.glob(at, &namespace)).transpose()?;
            let selection = Selection { kind, namespace, name: Glob::any(), labels };
            return Ok(Reference { selection, container: container.map(Name::new), several: true });
        }
        let mut name = text;
        if let Some((within, rest)) = text.split_once('/') {
            if !kind.is_namespaced() {
                return wrong(at, format!("the {kind} {text:?}"), "this kind has no namespaces: write the name alone");
            }
            (namespace, name) = (if within == "*" { None } else { Some(within.to_owned()) }, rest);
        }
        let name = if name.is_empty() && inside.trim().is_empty() { "*" } else { name };
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '/') {
            return wrong(at, format!("the name {text:?}"), "write a name, namespace/name, or labels like app=web");
        }
        let checked = match container {
            Some(container) => self.makeable.check_container(namespace.as_deref(), name, container),
            None if kind == Kind::Other => self.makeable.check_traffic(name),
            None => self.makeable.check_object(kind, namespace.as_deref(), name),
        };
        if let Err((found, remedy)) = checked {
            self.unknown.push(Wrong { at, found, remedy });
        }
        let several = [Some(name), namespace.as_deref()].iter().flatten().any(|text| text.contains(['*', '?', '[']))
            || kind.is_namespaced() && namespace.is_none();
        let selection = Selection {
            kind,
            namespace: namespace.map(|namespace| self.glob(at, &namespace)).transpose()?,
            name: self.glob(at, name)?,
            labels: None,
        };
        Ok(Reference { selection, container: container.map(Name::new), several })
    }

    fn glob(&self, at: usize, text: &str) -> Parsed<Glob> {
        text.parse().or_else(|error: String| wrong(at, error, "patterns are made of *, ? and [ab]"))
    }

    /// `.value` after a reference.
    fn path(&mut self, of: &Reference) -> Parsed<Option<Field>> {
        if !self.rest().starts_with('.') {
            return match of.container {
                Some(_) => wrong(self.at, "a container without a value", "write container(pod/name).restarts == 3"),
                None => Ok(None),
            };
        }
        self.at += 1;
        self.field(of).map(Some)
    }

    /// The text of a dotted path: names, `(…)` and `[…]`.
    fn path_text(&mut self) -> &'t str {
        let (mut open, rest) = (0, self.rest());
        let end = rest
            .char_indices()
            .find(|(_, c)| {
                match c {
                    '(' | '[' => open += 1,
                    ')' | ']' if open > 0 => {
                        open -= 1;
                        return false;
                    }
                    _ => {}
                }
                open == 0 && !(c.is_alphanumeric() || "._-/$\\".contains(*c))
            })
            .map_or(rest.len(), |(at, _)| at);
        self.at += end;
        &rest[..end]
    }

    fn field(&mut self, of: &Reference) -> Parsed<Field> {
        self.blanks();
        let at = self.at;
        let text = self.path_text();
        if text.is_empty() {
            return wrong(at, self.found(), "name a value, such as ready or phase");
        }
        let known = |text: &str, known: &[&'static str]| known.iter().copied().find(|name| *name == text);
        if let Some(container) = of.container {
            return match known(text, &CONTAINER_FIELDS) {
                Some(field) => Ok(Field::Container(container, field)),
                None => wrong(at, format!("the value {text:?} of a container"), suggestion(text, CONTAINER_FIELDS)),
            };
        }
        if let Some((what, rest)) = text.split_once('(')
            && let Some((key, after)) = rest.split_once(')')
            && matches!(what, "condition" | "taint")
        {
            let after = after.strip_prefix('.').unwrap_or(after);
            let fields: &[&'static str] = if what == "taint" { &TAINT_FIELDS } else { &CONDITION_FIELDS };
            let Some(field) = (if after.is_empty() { Some(fields[0]) } else { known(after, fields) }) else {
                return wrong(
                    at,
                    format!("the value {after:?} of a {what}"),
                    suggestion(after, fields.iter().copied()),
                );
            };
            let key = Name::new(key.trim());
            return Ok(if what == "taint" { Field::Taint(key, field) } else { Field::Condition(key, field) });
        }
        let first = text.split(['.', '[']).next().unwrap_or_default();
        let in_object = matches!(first, "spec" | "status" | "metadata" | "data" | "apiVersion" | "kind");
        let (fields, special): (&[&'static str], &str) = match of.selection.kind {
            Kind::Pod => (&POD_FIELDS, "condition(TYPE), status.…, spec.…"),
            Kind::Node => (&NODE_FIELDS, "condition(TYPE), taint(KEY), status.…, spec.…"),
            _ => (&[], ""),
        };
        match known(text, fields) {
            Some(field) if of.selection.kind == Kind::Pod => return Ok(Field::Pod(field)),
            Some(field) => return Ok(Field::Node(field)),
            None if !in_object && !fields.is_empty() => {
                let remedy = suggestion(text, fields.iter().copied().chain([special]));
                return wrong(at, format!("the value {text:?} of a {}", of.selection.kind), remedy);
            }
            None => {}
        }
        let path = if in_object { text.to_owned() } else { format!("status.{text}") };
        match steps(&path) {
            Some(steps) => Ok(Field::Path(steps)),
            None => wrong(at, format!("the path {text:?}"), "write it like status.conditions[type=Ready].status"),
        }
    }

    fn comparison(&mut self) -> Parsed<Comparison> {
        use Ordering::{Equal, Greater, Less};
        self.blanks();
        for (token, orders) in
            [("<=", &[Less, Equal][..]), (">=", &[Greater, Equal]), ("<", &[Less]), (">", &[Greater])]
        {
            if self.takes(token) {
                self.blanks();
                let at = self.at;
                return match self.value()? {
                    Value::Int(number) => Ok(Comparison::Order(orders, number)),
                    other => wrong(at, format!("{other} after {token}"), "compare with a whole number"),
                };
            }
        }
        if self.takes("==") {
            return Ok(Comparison::Equal(self.value()?, true));
        }
        if self.takes("!=") {
            return Ok(Comparison::Equal(self.value()?, false));
        }
        if self.takes("=") {
            return wrong(self.at - 1, "'='", "write == to compare");
        }
        if self.takes_word("like") {
            let at = self.at;
            let text = self.quoted()?;
            return Ok(Comparison::Like(self.glob(at, &text)?));
        }
        if self.takes_word("matches") {
            return Ok(Comparison::Matches(self.regex()?));
        }
        Ok(Comparison::Holds)
    }

    fn value(&mut self) -> Parsed<Value> {
        self.blanks();
        if self.rest().starts_with('\'') {
            return self.quoted().map(Value::Text);
        }
        let (at, rest) = (self.at, self.rest());
        let end = rest.find(|c: char| c.is_whitespace() || "(),".contains(c)).unwrap_or(rest.len());
        self.at += end;
        let text = &rest[..end];
        match text {
            "" => wrong(at, self.found(), "a value is expected: a number, a word, or a text in single quotes"),
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => match text.parse::<i64>() {
                Ok(number) => Ok(Value::Int(number)),
                Err(_) if text.chars().all(|c| c.is_ascii_digit()) => wrong(
                    at,
                    format!("the number {}", &text[..text.len().min(40)]),
                    "write a number of at most 18 digits",
                ),
                Err(_) => Ok(Value::Text(text.to_owned())),
            },
        }
    }

    /// A text in single quotes; a quote within is written twice.
    fn quoted(&mut self) -> Parsed<String> {
        self.blanks();
        let at = self.at;
        if !self.takes("'") {
            return wrong(at, self.found(), "write a text in single quotes");
        }
        let mut text = String::new();
        let mut rest = self.rest().char_indices().peekable();
        while let Some((offset, c)) = rest.next() {
            if c != '\'' {
                text.push(c);
            } else if rest.next_if(|(_, c)| *c == '\'').is_some() {
                text.push('\'');
            } else {
                self.at += offset + 1;
                return Ok(text);
            }
        }
        wrong(at, "a text that is never closed", "close it with a single quote")
    }

    fn regex(&mut self) -> Parsed<Regex> {
        self.blanks();
        let at = self.at;
        if !self.takes("/") {
            return wrong(at, self.found(), "write a regular expression between slashes: /^Back-off/");
        }
        let mut text = String::new();
        let mut rest = self.rest().char_indices().peekable();
        while let Some((offset, c)) = rest.next() {
            match c {
                '\\' if rest.next_if(|(_, c)| *c == '/').is_some() => text.push('/'),
                '\\' => {
                    text.push(c);
                    text.extend(rest.next().map(|(_, c)| c));
                }
                '/' => {
                    self.at += offset + 1;
                    return Regex::new(&text).or_else(|error| {
                        wrong(at, format!("the regular expression /{text}/: {error}"), "correct the expression")
                    });
                }
                c => text.push(c),
            }
        }
        wrong(at, "a regular expression that is never closed", "close it with a slash")
    }

    /// `event(object, Reason, 'message')`, each of them optional, and `.count` with a comparison.
    fn events(&mut self) -> Parsed<Question> {
        self.at += self.word().len();
        self.expect("(")?;
        let mut pattern = EventPattern { about: None, reason: Glob::any(), message: TextPattern::Any };
        loop {
            self.blanks();
            let at = self.at;
            if self.rest().starts_with(['\'', '/']) {
                pattern.message = self.pattern()?;
            } else if self.text[at + self.word().len()..].starts_with('(') {
                pattern.about = Some(self.reference()?.selection);
            } else if self.word().is_empty() {
                return wrong(at, self.found(), "write event(pod(web), BackOff, 'message*')");
            } else {
                let word = self.word();
                self.at += word.len();
                pattern.reason = self.glob(at, word)?;
            }
            if !self.takes(",") {
                break;
            }
        }
        self.expect(")")?;
        let mut count = Comparison::Order(&[Ordering::Greater], 0);
        if self.rest().starts_with(".count") {
            self.at += ".count".len();
            count = self.comparison()?;
        } else if self.rest().starts_with('.') {
            return wrong(self.at, self.found(), "the value of an event is its count: event(…).count >= 3");
        }
        Ok(Question::Events { pattern, count })
    }

    fn pattern(&mut self) -> Parsed<TextPattern> {
        if self.rest().starts_with('/') {
            return self.regex().map(TextPattern::Matches);
        }
        let at = self.at;
        let text = self.quoted()?;
        Ok(TextPattern::Like(self.glob(at, &text)?))
    }

    /// `refused(object, 'message')`.
    fn refused(&mut self) -> Parsed<Question> {
        self.at += self.word().len();
        self.expect("(")?;
        let (mut selection, mut message) = (None, TextPattern::Any);
        loop {
            self.blanks();
            if self.rest().starts_with(['\'', '/']) {
                message = self.pattern()?;
            } else {
                selection = Some(self.reference()?.selection);
            }
            if !self.takes(",") {
                break;
            }
        }
        self.expect(")")?;
        Ok(Question::Refused { selection, message })
    }

    /// `misrouted(service(web))`.
    fn misrouted(&mut self) -> Parsed<Question> {
        self.at += self.word().len();
        self.expect("(")?;
        self.blanks();
        let at = self.at;
        let selection = self.reference()?.selection;
        if selection.kind != Kind::Service || selection.labels.is_some() {
            return wrong(at, "what no requests are sent to", "name a Service, such as misrouted(service(web))");
        }
        self.expect(")")?;
        Ok(Question::Misrouted { selection })
    }
}

/// A label selector as kubectl takes it.
fn label_selector(text: &str) -> Result<Selector, String> {
    let mut requirements = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        // Commas within parentheses belong to a set.
        let mut open = false;
        let end = rest
            .char_indices()
            .find(|(_, c)| {
                open = (open || *c == '(') && *c != ')';
                *c == ',' && !open
            })
            .map_or(rest.len(), |(at, _)| at);
        requirements.push(requirement(rest[..end].trim()).ok_or_else(|| format!("the label {:?}", &rest[..end]))?);
        rest = rest.get(end + 1..).unwrap_or_default().trim_start();
    }
    Ok(Selector(requirements.into()))
}

fn requirement(text: &str) -> Option<Requirement> {
    let one = |key: &str, operator, value: &str| {
        let key = Some(key.trim()).filter(|key| !key.is_empty() && !key.contains(char::is_whitespace))?;
        Some(Requirement { key: Name::new(key), operator, values: vec![Name::new(value.trim())].into() })
    };
    if let Some((key, value)) = text.split_once("!=") {
        return one(key, Operator::NotIn, value);
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return one(key, Operator::In, value);
    }
    for (word, operator) in [(" notin ", Operator::NotIn), (" in ", Operator::In)] {
        if let Some((key, set)) = text.split_once(word) {
            let set = set.trim().strip_prefix('(')?.strip_suffix(')')?;
            let values = set.split(',').map(|value| Name::new(value.trim())).collect::<Vec<_>>().into();
            return Some(Requirement { key: Name::new(key.trim()), operator, values });
        }
    }
    let (key, operator) = match text.strip_prefix('!') {
        Some(key) => (key, Operator::DoesNotExist),
        None => (text, Operator::Exists),
    };
    let key = Some(key.trim()).filter(|key| !key.is_empty() && !key.contains(char::is_whitespace))?;
    Some(Requirement { key: Name::new(key), operator, values: Vec::new().into() })
}

/// The steps of a dotted path; `\.` is a dot within a name.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let (inside, after) = inside.split_once(']')?;
            steps.push(match inside.split_once('=') {
                Some((field, value)) => Step::Where(field.trim().to_owned(), value.trim().to_owned()),
                None => Step::Index(inside.trim().parse().ok()?),
            });
            rest = after;
            continue;
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
        let mut name = String::new();
        let mut end = rest.len();
        let mut characters = rest.char_indices();
        while let Some((at, c)) = characters.next() {
            match c {
                '\\' => name.extend(characters.next().map(|(_, c)| c)),
                '.' | '[' => {
                    end = at;
                    break;
                }
                c => name.push(c),
            }
        }
        if name.is_empty() {
            return None;
        }
        steps.push(Step::Field(name));
        rest = &rest[end..];
    }
    (!steps.is_empty()).then_some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::lower;
    use proptest::prelude::*;
    use serde_json::json;

    fn makeable() -> Makeable {
        let mut makeable = Makeable::default();
        for name in ["web", "db"] {
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
                "spec": {"containers": [{"name": "app", "image": "i"}]}});
            makeable.add(&lower(&pod).expect("a pod").object);
        }
        makeable.add_node("node-1".into());
        makeable
    }

    fn check(text: &str) -> Result<Expectation, String> {
        let mut problems = Problems::default();
        let placed = Placed::new(Place::start_of("f"), text.to_owned());
        let parsed = parse(&placed, SimDuration::from_mins(10), &makeable(), &mut problems);
        parsed.ok_or_else(|| problems.to_string())
    }

    #[test]
    fn sentences_are_read() {
        for text in [
            "eventually pod(web).ready within 40s",
            "pod(web).phase == Succeeded",
            "at 2m: container(web/app).restarts == 3",
            "container(web/app).lastState.reason == OOMKilled at 90s",
            "always count(pods(app=web,tier notin (a, b)) where ready and not terminating) >= 2 from 30s until 2m",
            "never any(pods(web*) where phase == Failed or restarts > 3) after pod(db).ready",
            "first event(pod(web), Killing, 'Container app failed*') between 40s and 45s",
            "event(pod(web), BackOff, /Back-off \\d+/).count >= 3",
            "pod(db).ready before pod(web).ready",
            "not (pod(web) and pod(default/db)) or node(node-1).condition(Ready).reason == KubeletReady",
            "node(node-1).taint(node.kubernetes.io/unreachable) == NoExecute",
            "service(web).spec.clusterIP like '10.96.*'",
            "pod(web).status.containerStatuses[name=app].state.waiting.reason == CrashLoopBackOff",
            "pod(web).condition(PodScheduled).message matches /0\\/3 nodes/",
            "refused(pod(web), '*exceeded quota*')",
            "never misrouted(service(web))",
            "count(nodes() where ready) == 1",
            "all(pods(*/*))",
        ] {
            if let Err(error) = check(text) {
                panic!("{text}: {error}");
            }
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, expected) in [
            ("pod(wep).ready", "f:1:5: the pod \"wep\", which no manifest makes; did you mean web?"),
            ("pod(web).redy", "f:1:10: the value \"redy\" of a Pod; did you mean ready?"),
            ("container(web/ap).ready", "f:1:11: the container \"ap\", which the pod does not have; did you mean app?"),
            (
                "pods(app=web).ready",
                "f:1:1: a formula about several objects; say how many: any(…), all(…), none(…) or count(…) >= 3",
            ),
            (
                "eventualy pod(web)",
                "f:1:1: \"eventualy\"; name an object with a value, such as pod(web).ready, or an event(…)",
            ),
            (
                "pod(web).ready within 40s",
                "f:1:16: \"within\" after the end of the formula; begin with eventually, always or never to give a window",
            ),
            (
                "eventually pod(web).ready within 11m",
                "f:1:34: 11m, which is after the end at 10m; choose an earlier time or a longer duration",
            ),
            (
                "eventually pod(web).ready within 40",
                "f:1:34: \"40\" is not a duration; write it like 250ms, 90s, 5m or 1h30m",
            ),
            (
                "event(pod(web), X, /(/)",
                "f:1:20: the regular expression /(/: found open group without closing ')'; correct the expression",
            ),
            (
                "event(pod(web), X, '[')",
                "f:1:20: \"[\" is not a pattern: Pattern syntax error near position 0: invalid range pattern; patterns are made of *, ? and [ab]",
            ),
            ("pod(web).restarts = 3", "f:1:19: '='; write == to compare"),
            ("pod(web).restarts > x", "f:1:21: x after >; compare with a whole number"),
            ("pdo(web).ready", "f:1:1: the kind \"pdo\"; did you mean pod?"),
            ("node(node-2).ready", "f:1:6: the node \"node-2\", which is in no pool; did you mean node-1?"),
            ("pod(web", "f:1:4: '(' that is never closed; close it with ')'"),
            (
                "",
                "f:1:1: the end of the expectation; name an object with a value, such as pod(web).ready, or an event(…)",
            ),
        ] {
            assert_eq!(check(text).expect_err("wrong"), expected, "{text}");
        }
    }

    fn observed(text: &str) -> Result<Observation, String> {
        let mut problems = Problems::default();
        let placed = Placed::new(Place::start_of("f"), text.to_owned());
        let parsed = parse_observation(&placed, SimDuration::from_mins(10), &makeable(), &mut problems);
        parsed.ok_or_else(|| problems.to_string())
    }

    #[test]
    fn observations_are_read() {
        for (text, is_share, is_time) in [
            ("time(pod(web).ready from 1m until 5m)", false, true),
            ("first(pod(web).ready and not pod(db).ready)", false, true),
            ("mean(pod(web).restarts)", false, false),
            ("max(count(pods(*) where ready))", false, false),
            ("min(pod(web).ready == true)", true, false),
            ("last(count(pods(*) where ready) >= 2)", true, false),
            ("last(event(pod(web), BackOff).count)", false, false),
            ("max(event(pod(web), BackOff))", true, false),
            ("mean(pod(web))", false, false),
        ] {
            let observation = observed(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((observation.is_share(), observation.is_time()), (is_share, is_time), "{text}");
            assert!(Observation::is_meant(text));
        }
        for (text, expected) in [
            ("time(count(pods(*)))", "f:1:6: a count that is compared with nothing; write count(…) >= 3"),
            ("mean(count(pods(*)) and pod(web))", "f:1:6: a count that is compared with nothing; write count(…) >= 3"),
            ("mean(pod(wep).ready)", "f:1:10: the pod \"wep\", which no manifest makes; did you mean web?"),
            (
                "mean(pod(web).ready from 3m until 2m)",
                "f:1:6: a window that ends before it begins; put the earlier time first",
            ),
            ("mean(pod(web).ready", "f:1:20: the end of the expectation; \")\" is expected here"),
            ("mean(pod(web).ready) of x", "f:1:22: \"of\" after the closing parenthesis; end here"),
            ("first(event(pod(web), X).count)", "f:1:7: a number; first(…) takes a formula: compare it, such as >= 3"),
            (
                "time(refused(pod(web)))",
                "f:1:6: refused(…) or misrouted(…), which are not measured; expect it in the scenario, and measure held",
            ),
        ] {
            assert_eq!(observed(text).expect_err("wrong"), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_observations_are_read_or_refused(text in "(time|mean|max)\\([a-z().,='/ *0-9<>-]{0,50}") {
            let _ = observed(&text);
        }

        #[test]
        fn arbitrary_sentences_are_read_or_refused(text in "[a-z().,='/ *0-9<>\\[\\]-]{0,60}") {
            let _ = check(&text);
        }

        #[test]
        fn arbitrary_texts_are_read_or_refused(text in "\\PC{0,40}") {
            let _ = check(&text);
        }
    }
}
