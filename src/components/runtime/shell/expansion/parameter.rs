//! `$name` and `${name...}`: POSIX XCU 2.6.2.

use super::super::parser::is_name;
use super::super::syntax::{Occurrence, Operation, Parameter, ParameterName, Piece, Word};
use super::fields::Fields;
use super::{Expander, Stop};

/// What a parameter stands for.
enum Value {
    Unset,
    One(String),
    /// `$@`, `$*`, `${array[@]}`: several, perhaps joined when quoted.
    Many {
        texts: Vec<String>,
        joined: bool,
    },
}

impl Value {
    /// Whether an operation like `:-` counts it as missing.
    fn is_missing(&self, empty_too: bool) -> bool {
        match self {
            Self::Unset => true,
            Self::One(text) => empty_too && text.is_empty(),
            Self::Many { texts, .. } => texts.is_empty() || (empty_too && texts.iter().all(String::is_empty)),
        }
    }

    fn map(self, change: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Unset => Self::One(change("")),
            Self::One(text) => Self::One(change(&text)),
            Self::Many { texts, joined } => {
                Self::Many { texts: texts.iter().map(|text| change(text)).collect(), joined }
            }
        }
    }
}

impl Expander<'_> {
    /// Whether double quotes hold nothing but a list of no parameters.
    pub(super) fn is_empty_list(&mut self, inner: &[Piece]) -> bool {
        let [Piece::Parameter(parameter)] = inner else { return false };
        let many = matches!(
            parameter.name,
            ParameterName::All { joined: false } | ParameterName::Elements { joined: false, .. }
        );
        many && matches!(parameter.operation, Operation::Value | Operation::Substring { .. })
            && matches!(self.value(&parameter.name), Ok(Value::Many { texts, .. }) if texts.is_empty())
    }

    pub(super) fn parameter(&mut self, parameter: &Parameter, quoted: bool, out: &mut Fields) -> Result<(), Stop> {
        let name = match parameter.indirect {
            true => &self.referred(&parameter.name)?,
            false => &parameter.name,
        };
        let value = match &parameter.operation {
            Operation::Default { .. }
            | Operation::Alternative { .. }
            | Operation::Assign { .. }
            | Operation::Demand { .. }
            | Operation::Length
            | Operation::Keys => self.value(name)?,
            Operation::Value
            | Operation::RemovePrefix { .. }
            | Operation::RemoveSuffix { .. }
            | Operation::Replace { .. }
            | Operation::Substring { .. }
            | Operation::ChangeCase { .. } => self.set_value(name)?,
        };
        let value = match &parameter.operation {
            Operation::Value => value,
            Operation::Length => self.length(name, value)?,
            Operation::Keys => self.keys(name),
            Operation::Default { empty_too, word } => {
                if value.is_missing(*empty_too) {
                    return self.operand(word, quoted, out);
                }
                value
            }
            Operation::Alternative { empty_too, word } => {
                if !value.is_missing(*empty_too) {
                    return self.operand(word, quoted, out);
                }
                Value::One(String::new())
            }
            Operation::Assign { empty_too, word } => {
                if value.is_missing(*empty_too) {
                    self.assign(name, word)?
                } else {
                    value
                }
            }
            Operation::Demand { empty_too, word } => {
                if value.is_missing(*empty_too) {
                    return Err(self.demanded(name, word));
                }
                value
            }
            Operation::RemovePrefix { longest, pattern } => {
                let pattern = self.pattern(pattern)?;
                value.map(|text| pattern.without_prefix(text, *longest))
            }
            Operation::RemoveSuffix { longest, pattern } => {
                let pattern = self.pattern(pattern)?;
                value.map(|text| pattern.without_suffix(text, *longest))
            }
            Operation::Replace { which, pattern, text } => self.replace(value, *which, pattern, text)?,
            Operation::Substring { offset, length } => self.substring(name, value, offset, length.as_ref())?,
            Operation::ChangeCase { upper, all } => value.map(|text| change_case(text, *upper, *all)),
        };
        self.emit(value, quoted, out);
        Ok(())
    }

    fn emit(&mut self, value: Value, quoted: bool, out: &mut Fields) {
        match value {
            Value::Unset => {}
            Value::One(text) if quoted => out.add(&text, true),
            Value::One(text) => out.split(&text),
            Value::Many { texts, joined: true } if quoted => {
                let separator = self.environment.variables.get("IFS").unwrap_or(" ").chars().next();
                let separator = separator.map(String::from).unwrap_or_default();
                out.add(&texts.join(&separator), true);
            }
            Value::Many { texts, .. } => {
                for (at, text) in texts.iter().enumerate() {
                    if at > 0 {
                        out.end();
                    }
                    if quoted { out.add(text, true) } else { out.split(text) }
                }
            }
        }
    }

    /// The value of a parameter that may be unset.
    fn value(&mut self, name: &ParameterName) -> Result<Value, Stop> {
        let one = |text: Option<String>| text.map_or(Value::Unset, Value::One);
        Ok(match name {
            ParameterName::Variable(name) => one(self.variable(name)),
            ParameterName::Element(name, index) => {
                let index = self.arithmetic(index)?;
                one(self.environment.variables.element(name, index).map(str::to_owned))
            }
            ParameterName::Elements { name, joined } => {
                let elements = self.environment.variables.elements(name);
                Value::Many { texts: elements.into_iter().map(|(_, text)| text.to_owned()).collect(), joined: *joined }
            }
            ParameterName::Positional(number) => one(self.environment.positional.get(number - 1).cloned()),
            ParameterName::All { joined } => {
                Value::Many { texts: self.environment.positional.to_vec(), joined: *joined }
            }
            ParameterName::Special(special) => one(self.special(*special)),
        })
    }

    /// The value of a parameter; under `set -u` it must be set.
    fn set_value(&mut self, name: &ParameterName) -> Result<Value, Stop> {
        let value = self.value(name)?;
        if matches!(value, Value::Unset) && self.environment.options.unset_is_error {
            let what = match self.environment.dialect {
                super::Dialect::Bash => "unbound variable",
                super::Dialect::BusyBox | super::Dialect::Dash => "parameter not set",
            };
            return Err(Stop::Fail(format!("{}: {what}", shown(name))));
        }
        Ok(value)
    }

    fn variable(&mut self, name: &str) -> Option<String> {
        if let Some(text) = self.environment.variables.get(name) {
            return Some(text.to_owned());
        }
        match (name, self.environment.dialect) {
            ("PWD", _) => Some(self.environment.directory.clone()),
            ("PPID", _) => Some("0".to_owned()),
            ("LINENO", _) => Some("1".to_owned()),
            ("OPTIND", _) => Some("1".to_owned()),
            ("RANDOM", super::Dialect::Bash | super::Dialect::BusyBox) => {
                self.random = self.random.wrapping_mul(1_103_515_245).wrapping_add(12_345);
                Some((self.random >> 16 & 0x7fff).to_string())
            }
            ("SECONDS", super::Dialect::Bash) => Some(self.seconds.to_string()),
            ("BASH_VERSION", super::Dialect::Bash) => Some("5.2.15(1)-release".to_owned()),
            ("UID" | "EUID", super::Dialect::Bash) => Some("0".to_owned()),
            _ => None,
        }
    }

    fn special(&self, special: char) -> Option<String> {
        match special {
            '#' => Some(self.environment.positional.len().to_string()),
            '?' => Some(self.environment.status.to_string()),
            '-' => Some(self.environment.options.letters()),
            '$' => Some(self.environment.shell_pid.to_string()),
            '!' => self.environment.last_background.map(|pid| pid.to_string()),
            _ => Some(self.environment.name.to_string()),
        }
    }

    fn referred(&mut self, name: &ParameterName) -> Result<ParameterName, Stop> {
        match self.value(name)? {
            Value::One(text) if is_name(&text) => Ok(ParameterName::Variable(text)),
            Value::One(_) | Value::Unset | Value::Many { .. } => {
                Err(Stop::Fail(format!("{}: invalid indirect expansion", shown(name))))
            }
        }
    }

    fn length(&mut self, name: &ParameterName, value: Value) -> Result<Value, Stop> {
        let length = match value {
            Value::Unset if self.environment.options.unset_is_error => {
                self.set_value(name)?;
                0
            }
            Value::Unset => 0,
            Value::One(text) => text.chars().count(),
            Value::Many { texts, .. } => texts.len(),
        };
        Ok(Value::One(length.to_string()))
    }

    fn keys(&self, name: &ParameterName) -> Value {
        let ParameterName::Elements { name, joined } = name else { return Value::Unset };
        let elements = self.environment.variables.elements(name);
        Value::Many { texts: elements.into_iter().map(|(index, _)| index.to_string()).collect(), joined: *joined }
    }

    fn assign(&mut self, name: &ParameterName, word: &Word) -> Result<Value, Stop> {
        let text = self.text(word)?;
        match name {
            ParameterName::Variable(name) => {
                self.environment.assign(name, text.clone()).map_err(Stop::Wrong)?;
                Ok(Value::One(text))
            }
            ParameterName::Element(name, index) => {
                let index = self.arithmetic(index)?;
                self.environment.variables.set_element(name, index, text.clone()).map_err(Stop::Wrong)?;
                Ok(Value::One(text))
            }
            ParameterName::Elements { .. }
            | ParameterName::Positional(_)
            | ParameterName::All { .. }
            | ParameterName::Special(_) => Err(Stop::Fail(format!("{}: bad variable name", shown(name)))),
        }
    }

    fn demanded(&mut self, name: &ParameterName, word: &Word) -> Stop {
        match self.text(word) {
            Ok(text) if text.is_empty() => Stop::Fail(format!("{}: parameter null or not set", shown(name))),
            Ok(text) => Stop::Fail(format!("{}: {text}", shown(name))),
            Err(stop) => stop,
        }
    }

    fn replace(&mut self, value: Value, which: Occurrence, pattern: &Word, text: &Word) -> Result<Value, Stop> {
        let pattern = self.pattern(pattern)?;
        let text = self.text(text)?;
        Ok(value.map(|subject| match which {
            Occurrence::First => pattern.replace(subject, &text, false),
            Occurrence::All => pattern.replace(subject, &text, true),
            Occurrence::Prefix => {
                let rest = pattern.without_prefix(subject, true);
                if rest.len() == subject.len() && !pattern.matches("") { rest } else { format!("{text}{rest}") }
            }
            Occurrence::Suffix => {
                let rest = pattern.without_suffix(subject, true);
                if rest.len() == subject.len() && !pattern.matches("") { rest } else { format!("{rest}{text}") }
            }
        }))
    }

    fn substring(
        &mut self,
        name: &ParameterName,
        value: Value,
        offset: &Word,
        length: Option<&Word>,
    ) -> Result<Value, Stop> {
        let offset = self.arithmetic(offset)?;
        let length = length.map(|length| self.arithmetic(length)).transpose()?;
        Ok(match value {
            Value::Many { texts, joined } => {
                // `${@:1}` counts from `$1`; arrays count from 0.
                let first = i64::from(matches!(name, ParameterName::All { .. }) && offset > 0);
                let range = range(texts.len(), offset - first, length);
                Value::Many { texts: texts[range].to_vec(), joined }
            }
            Value::Unset | Value::One(_) => value.map(|text| {
                let chars: Vec<char> = text.chars().collect();
                chars[range(chars.len(), offset, length)].iter().collect()
            }),
        })
    }
}

/// The part of `count` things that starts at `offset` (from the end if negative) and has this length (or ends so far
/// from the end if negative).
fn range(count: usize, offset: i64, length: Option<i64>) -> std::ops::Range<usize> {
    let count = count as i64;
    let start = if offset < 0 { offset.saturating_add(count) } else { offset };
    if start < 0 {
        return 0..0;
    }
    let start = start.min(count);
    let end = match length {
        None => count,
        Some(length) if length < 0 => count.saturating_add(length),
        Some(length) => start.saturating_add(length),
    };
    start as usize..end.clamp(start, count) as usize
}

fn change_case(text: &str, upper: bool, all: bool) -> String {
    let change = |c: char| if upper { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    text.chars().enumerate().map(|(at, c)| if all || at == 0 { change(c) } else { c }).collect()
}

fn shown(name: &ParameterName) -> String {
    match name {
        ParameterName::Variable(name) | ParameterName::Element(name, _) | ParameterName::Elements { name, .. } => {
            name.clone()
        }
        ParameterName::Positional(number) => number.to_string(),
        ParameterName::All { joined } => if *joined { "*" } else { "@" }.to_owned(),
        ParameterName::Special(special) => special.to_string(),
    }
}
