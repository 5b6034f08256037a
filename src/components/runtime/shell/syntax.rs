//! What a parsed script is made of. Parts that a frame of the interpreter points at are shared behind `Arc`.

use std::sync::{Arc, OnceLock};

/// Commands one after another.
#[derive(Debug, Default)]
pub(super) struct List(pub Vec<Item>);

/// One command line of a list.
#[derive(Debug)]
pub(super) struct Item {
    pub chain: Arc<Chain>,
    /// Ended with `&`.
    pub background: bool,
}

/// Pipelines joined by `&&` and `||`.
#[derive(Debug)]
pub(super) struct Chain(pub Vec<(Connector, Arc<Pipeline>)>);

/// When a pipeline of a chain runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Connector {
    /// It is the first.
    First,
    /// After success: `&&`.
    And,
    /// After failure: `||`.
    Or,
}

/// Commands joined by `|`.
#[derive(Debug)]
pub(super) struct Pipeline {
    /// Starts with `!`.
    pub negated: bool,
    pub stages: Vec<Arc<Command>>,
}

/// A command with its redirections.
#[derive(Debug)]
pub(super) struct Command {
    pub body: Body,
    pub redirections: Vec<Redirection>,
    /// Whether its words may hold a command substitution, for which expansion stops and starts over.
    pub substitutes: bool,
}

/// The kinds of commands.
#[derive(Debug)]
pub(super) enum Body {
    Simple { assignments: Vec<Assignment>, words: Vec<Word> },
    Group(Arc<List>),
    Subshell(Arc<List>),
    If { arms: Vec<(Arc<List>, Arc<List>)>, otherwise: Option<Arc<List>> },
    Loop { until: bool, condition: Arc<List>, body: Arc<List> },
    For { name: String, words: Option<Vec<Word>>, body: Arc<List> },
    ForArithmetic { start: Word, condition: Word, update: Word, body: Arc<List> },
    Case { subject: Word, arms: Vec<Arm> },
    Arithmetic(Word),
    Test(TestExpression),
    Function { name: String, body: Arc<Command> },
}

/// One arm of a `case`.
#[derive(Debug)]
pub(super) struct Arm {
    pub patterns: Vec<Word>,
    pub body: Arc<List>,
    /// Ended with `;&`: the next body runs too.
    pub falls_through: bool,
}

/// `name=value`, before a command or alone.
#[derive(Debug)]
pub(super) struct Assignment {
    pub name: String,
    /// `name[index]=value`.
    pub index: Option<Word>,
    /// `name+=value`.
    pub append: bool,
    pub value: AssignedValue,
}

/// What is assigned.
#[derive(Debug)]
pub(super) enum AssignedValue {
    Scalar(Word),
    Array(Vec<Word>),
}

/// A redirection of one descriptor.
#[derive(Debug)]
pub(super) struct Redirection {
    pub descriptor: usize,
    pub kind: RedirectionKind,
}

/// Where a descriptor is redirected.
#[derive(Debug)]
pub(super) enum RedirectionKind {
    /// `< word`
    Read(Word),
    /// `> word` and `>| word`
    Write(Word),
    /// `>> word`
    Append(Word),
    /// `<> word`
    ReadWrite(Word),
    /// `>& word`, `<& word`
    Duplicate(Word),
    /// `&> word`, `>& word`: output and errors; whether they are appended.
    Both { target: Word, append: bool },
    /// `<< end`: the text is known at the end of the line.
    HereDocument(Arc<OnceLock<Word>>),
    /// `<<< word`
    HereString(Word),
    /// `< <(list)`
    ReadFrom(Arc<List>),
}

/// A word: what becomes no, one or more fields.
#[derive(Debug, Clone, Default)]
pub(super) struct Word {
    pub pieces: Vec<Piece>,
    /// What bash's brace expansion makes of it, where it has braces: `{1..3}`, `{a,b}`.
    pub braces: Option<Vec<Word>>,
}

impl Command {
    /// Its command line, if it is a simple command that is the same whatever variables say.
    pub fn literal_line(&self) -> Option<String> {
        let Body::Simple { words, .. } = &self.body else { return None };
        let words: Option<Vec<String>> = words.iter().map(Word::as_literal).collect();
        words.filter(|words| !words.is_empty()).map(|words| words.join(" "))
    }
}

/// A part of a word.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    /// As written, unquoted: pattern characters are active.
    Plain(String),
    /// Quoted or escaped: nothing is active.
    Quoted(String),
    /// Within double quotes.
    DoubleQuoted(Vec<Piece>),
    /// `$name`, `${name...}`
    Parameter(Box<Parameter>),
    /// `$(list)` or backquotes.
    Substitution(Arc<List>),
    /// `$((expression))`
    Arithmetic(Word),
    /// `~` or `~user`
    Tilde(String),
}

/// A parameter with what is done to it.
#[derive(Debug, Clone)]
pub(super) struct Parameter {
    pub name: ParameterName,
    /// `${!name}`
    pub indirect: bool,
    pub operation: Operation,
}

/// Which parameter.
#[derive(Debug, Clone)]
pub(super) enum ParameterName {
    Variable(String),
    Element(String, Word),
    /// `${name[@]}`, or `${name[*]}` if joined.
    Elements {
        name: String,
        joined: bool,
    },
    Positional(usize),
    /// `$@`, or `$*` if joined.
    All {
        joined: bool,
    },
    /// `# ? - $ ! 0`
    Special(char),
}

/// What is done to a parameter.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    /// `${name}`
    Value,
    /// `${#name}`
    Length,
    /// `${!name[@]}`
    Keys,
    /// `${name:-word}`; without the colon only an unset parameter counts.
    Default { empty_too: bool, word: Word },
    /// `${name:=word}`
    Assign { empty_too: bool, word: Word },
    /// `${name:?word}`
    Demand { empty_too: bool, word: Word },
    /// `${name:+word}`
    Alternative { empty_too: bool, word: Word },
    /// `${name#pattern}`, `${name##pattern}`
    RemovePrefix { longest: bool, pattern: Word },
    /// `${name%pattern}`, `${name%%pattern}`
    RemoveSuffix { longest: bool, pattern: Word },
    /// `${name/pattern/text}`
    Replace { which: Occurrence, pattern: Word, text: Word },
    /// `${name:offset:length}`
    Substring { offset: Word, length: Option<Word> },
    /// `${name^}`, `${name^^}`, `${name,}`, `${name,,}`
    ChangeCase { upper: bool, all: bool },
}

/// Which occurrences `${name/pattern/text}` replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occurrence {
    First,
    All,
    Prefix,
    Suffix,
}

/// The expression of `[[ ]]`.
#[derive(Debug, Clone)]
pub(super) enum TestExpression {
    Not(Box<TestExpression>),
    And(Box<TestExpression>, Box<TestExpression>),
    Or(Box<TestExpression>, Box<TestExpression>),
    Unary(String, Word),
    Binary(Word, String, Word),
    Word(Word),
}

impl Word {
    /// A word without expansions.
    pub fn plain(text: &str) -> Self {
        Self { pieces: vec![Piece::Plain(text.to_owned())], braces: None }
    }

    /// The text of a word that is one plain piece.
    pub fn as_plain(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [Piece::Plain(text)] => Some(text),
            _ => None,
        }
    }

    /// The text of a word without expansions, with its quotes removed.
    pub fn as_literal(&self) -> Option<String> {
        literal(&self.pieces)
    }
}

fn literal(pieces: &[Piece]) -> Option<String> {
    pieces
        .iter()
        .map(|piece| match piece {
            Piece::Plain(text) | Piece::Quoted(text) => Some(text.clone()),
            Piece::DoubleQuoted(inner) => literal(inner),
            Piece::Parameter(_) | Piece::Substitution(_) | Piece::Arithmetic(_) | Piece::Tilde(_) => None,
        })
        .collect()
}
