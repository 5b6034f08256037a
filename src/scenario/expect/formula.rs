//! Formulas: what an expectation wants, and of which objects.

use super::value::{Comparison, Field, Value};
use crate::api::{Event, Kind, Object, Selector};
use crate::components::runtime::{Glob, TRAFFIC};
use crate::engine::SimDuration;
use crate::scenario::error::Place;
use regex_lite::Regex;

/// An expectation, ready to be watched.
#[derive(Debug, Clone)]
pub struct Expectation {
    /// As it was written.
    pub text: String,
    /// Where.
    pub place: Place,
    /// What it wants when.
    pub clause: Clause,
    /// The facts that its formulas are made of.
    pub atoms: Vec<Atom>,
}

/// What is wanted when.
#[derive(Debug, Clone)]
pub enum Clause {
    /// At some instant of a window.
    Eventually(Formula, Window),
    /// At every instant of a window.
    Always(Formula, Window),
    /// At no instant of a window.
    Never(Formula, Window),
    /// At one instant.
    At(Formula, SimDuration),
    /// For the first time within a span.
    First(Formula, SimDuration, SimDuration),
    /// One before the other.
    Before(Formula, Formula),
    /// At the end.
    End(Formula),
}

/// A span of a run.
#[derive(Debug, Clone, Default)]
pub struct Window {
    /// When it begins, counted from the start or from `after`.
    pub from: SimDuration,
    /// How long it is.
    pub within: Option<SimDuration>,
    /// When it ends, counted from the start.
    pub until: Option<SimDuration>,
    /// What must have held first.
    pub after: Option<Formula>,
}

impl Expectation {
    /// Whether it asks for a refusal in these words.
    pub fn asks_for_refusal(&self, said: &str) -> bool {
        let asks = |atom: &Atom| matches!(&atom.question, Question::Refused { message, .. } if message.accepts(said));
        self.atoms.iter().any(asks)
    }

    /// The objects that it asks about, each with whether it is otherwise than wanted.
    pub fn subjects(&self, list: &dyn Fn(Kind) -> Vec<Object>) -> Vec<(Object, bool)> {
        let mut wanted = Vec::new();
        match &self.clause {
            Clause::Never(formula, _) => formula.wanted(false, &mut wanted),
            Clause::Eventually(formula, _)
            | Clause::Always(formula, _)
            | Clause::At(formula, _)
            | Clause::First(formula, ..)
            | Clause::End(formula) => formula.wanted(true, &mut wanted),
            Clause::Before(first, second) => {
                first.wanted(true, &mut wanted);
                second.wanted(true, &mut wanted);
            }
        }
        let mut subjects = Vec::new();
        for (atom, wanted) in wanted {
            let Question::Objects { selection, predicate, quantifier } = &self.atoms[atom].question else { continue };
            let wanted = wanted != matches!(quantifier, Quantifier::None);
            let meant = list(selection.kind).into_iter().filter(|object| selection.holds(object));
            subjects
                .extend(meant.map(|object| (predicate.accepts(&object) != wanted, object)).map(|(odd, o)| (o, odd)));
        }
        subjects
    }
}

/// A combination of facts.
#[derive(Debug, Clone)]
pub enum Formula {
    /// The n-th fact.
    Atom(usize),
    /// Not.
    Not(Box<Formula>),
    /// Each of them.
    And(Vec<Formula>),
    /// One of them.
    Or(Vec<Formula>),
}

impl Formula {
    /// Whether it holds, given the facts.
    pub fn holds(&self, facts: &dyn Fn(usize) -> bool) -> bool {
        match self {
            Self::Atom(atom) => facts(*atom),
            Self::Not(inner) => !inner.holds(facts),
            Self::And(parts) => parts.iter().all(|part| part.holds(facts)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(facts)),
        }
    }

    /// The facts that it is made of, each with whether it is wanted or is not.
    fn wanted(&self, wanted: bool, found: &mut Vec<(usize, bool)>) {
        match self {
            Self::Atom(atom) => found.push((*atom, wanted)),
            Self::Not(inner) => inner.wanted(!wanted, found),
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.wanted(wanted, found)),
        }
    }

    /// The facts that it is made of.
    pub fn atoms(&self, found: &mut Vec<usize>) {
        match self {
            Self::Atom(atom) => found.push(*atom),
            Self::Not(inner) => inner.atoms(found),
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.atoms(found)),
        }
    }
}

/// A fact that a formula is made of.
#[derive(Debug, Clone)]
pub struct Atom {
    /// As it was written.
    pub text: String,
    /// What it asks.
    pub question: Question,
}

/// What a fact asks.
#[derive(Debug, Clone)]
pub enum Question {
    /// Of objects.
    Objects {
        /// Which.
        selection: Selection,
        /// What of each.
        predicate: Predicate,
        /// How many.
        quantifier: Quantifier,
    },
    /// Of Kubernetes Events.
    Events {
        /// Which.
        pattern: EventPattern,
        /// How often in all.
        count: Comparison,
    },
    /// Of refused calls.
    Refused {
        /// About which object.
        selection: Option<Selection>,
        /// The server's words.
        message: TextPattern,
    },
    /// Of Services whose requests go to pods that have died.
    Misrouted {
        /// Which Services.
        selection: Selection,
    },
}

/// Objects of a kind.
#[derive(Debug, Clone)]
pub struct Selection {
    /// The kind.
    pub kind: Kind,
    /// The namespace; any if absent, and for kinds without.
    pub namespace: Option<Glob>,
    /// The name.
    pub name: Glob,
    /// The labels.
    pub labels: Option<Selector>,
}

impl Selection {
    /// Whether an object is among them.
    pub fn holds(&self, object: &Object) -> bool {
        let meta = object.meta();
        object.kind() == self.kind
            && (self.kind != Kind::Other || object.kind_name() == *TRAFFIC)
            && self.names(&meta.namespace, &meta.name)
            && self.labels.as_ref().is_none_or(|labels| labels.matches(&meta.labels))
    }

    /// Whether a namespace and a name are of one of them.
    pub fn names(&self, namespace: &str, name: &str) -> bool {
        self.namespace.as_ref().is_none_or(|wanted| wanted.matches(namespace)) && self.name.matches(name)
    }
}

/// What is asked of one object.
#[derive(Debug, Clone)]
pub enum Predicate {
    /// A value, compared.
    Compare(Field, Comparison),
    /// Not.
    Not(Box<Predicate>),
    /// Each of them.
    And(Vec<Predicate>),
    /// One of them.
    Or(Vec<Predicate>),
}

impl Predicate {
    /// Whether an object meets it.
    pub fn accepts(&self, object: &Object) -> bool {
        match self {
            Self::Compare(field, comparison) => comparison.accepts(&field.of(object)),
            Self::Not(inner) => !inner.accepts(object),
            Self::And(parts) => parts.iter().all(|part| part.accepts(object)),
            Self::Or(parts) => parts.iter().any(|part| part.accepts(object)),
        }
    }

    /// The first value that it looks at.
    pub fn value(&self, object: &Object) -> Value {
        match self {
            Self::Compare(field, _) => field.of(object),
            Self::Not(inner) => inner.value(object),
            Self::And(parts) | Self::Or(parts) => parts.first().map_or(Value::Absent, |part| part.value(object)),
        }
    }
}

/// How many of the objects.
#[derive(Debug, Clone)]
pub enum Quantifier {
    /// The only one.
    One,
    /// At least one.
    Any,
    /// Each, and there is one.
    All,
    /// None.
    None,
    /// So many.
    Count(Comparison),
}

impl Quantifier {
    /// Whether so many of all are as wanted.
    pub fn accepts(&self, meeting: usize, all: usize) -> bool {
        match self {
            Self::One | Self::Any => meeting > 0,
            Self::All => meeting == all && all > 0,
            Self::None => meeting == 0,
            Self::Count(comparison) => comparison.accepts(&Value::Int(meeting as i64)),
        }
    }
}

/// A text that is looked for.
#[derive(Debug, Clone)]
pub enum TextPattern {
    /// Any.
    Any,
    /// One that matches a pattern of a shell as a whole.
    Like(Glob),
    /// One that a regular expression matches somewhere.
    Matches(Regex),
}

impl TextPattern {
    /// Whether a text is meant.
    pub fn accepts(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Like(glob) => glob.matches(text),
            Self::Matches(regex) => regex.is_match(text),
        }
    }
}

/// Kubernetes Events.
#[derive(Debug, Clone)]
pub struct EventPattern {
    /// About what.
    pub about: Option<Selection>,
    /// The reason.
    pub reason: Glob,
    /// The message.
    pub message: TextPattern,
}

impl EventPattern {
    /// Whether an event is meant.
    pub fn accepts(&self, event: &Event) -> bool {
        let about = |selection: &Selection| {
            selection.kind.as_str() == event.involved.kind.as_str()
                && selection.names(&event.involved.namespace, &event.involved.name)
        };
        self.about.as_ref().is_none_or(about)
            && self.reason.matches(&event.reason)
            && self.message.accepts(&event.message)
    }
}
