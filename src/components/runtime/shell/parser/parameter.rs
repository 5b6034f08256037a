//! `$name` and `${...}`.

use super::super::syntax::{Occurrence, Operation, Parameter, ParameterName, Word};
use super::cursor::{Parsed, Parser};
use super::word::Context;

impl Parser<'_> {
    /// After `$`: a name, one digit, or one special character.
    pub(super) fn short_parameter(&mut self) -> Parameter {
        let name = match self.peek() {
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                ParameterName::Variable(self.take_while(|c| c.is_ascii_alphanumeric() || c == '_').to_owned())
            }
            Some(_) | None => self.special_parameter(),
        };
        Parameter { name, indirect: false, operation: Operation::Value }
    }

    fn special_parameter(&mut self) -> ParameterName {
        match self.next() {
            Some('@') => ParameterName::All { joined: false },
            Some('*') => ParameterName::All { joined: true },
            Some(digit @ '1'..='9') => ParameterName::Positional(digit as usize - '0' as usize),
            Some(other) => ParameterName::Special(other),
            None => ParameterName::Special('$'),
        }
    }

    /// After `${`: to the closing brace.
    pub(super) fn braced_parameter(&mut self, quoted: bool) -> Parsed<Parameter> {
        let length = self.starts_with("#") && !self.starts_with("#}") && !self.starts_with("#:");
        if length {
            self.eat("#");
        }
        let indirect = self.starts_with("!") && !self.starts_with("!}") && !self.starts_with("!:");
        if indirect {
            self.eat("!");
        }
        let name = self.parameter_name()?;
        if length {
            self.expect("}")?;
            return Ok(Parameter { name, indirect: false, operation: Operation::Length });
        }
        if indirect && matches!(name, ParameterName::Elements { .. }) && self.eat("}") {
            return Ok(Parameter { name, indirect: false, operation: Operation::Keys });
        }
        let operation = self.operation(quoted)?;
        self.expect("}").map_err(|_| self.error("syntax error: bad substitution"))?;
        Ok(Parameter { name, indirect, operation })
    }

    fn parameter_name(&mut self) -> Parsed<ParameterName> {
        match self.peek() {
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                let name = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_').to_owned();
                match () {
                    () if self.eat("[@]") => Ok(ParameterName::Elements { name, joined: false }),
                    () if self.eat("[*]") => Ok(ParameterName::Elements { name, joined: true }),
                    () if self.eat("[") => Ok(ParameterName::Element(name, self.arithmetic_part("]")?)),
                    () => Ok(ParameterName::Variable(name)),
                }
            }
            Some(c) if c.is_ascii_digit() => match self.take_while(|c| c.is_ascii_digit()).parse() {
                Ok(0) => Ok(ParameterName::Special('0')),
                Ok(number @ 1..100_000) => Ok(ParameterName::Positional(number)),
                Ok(_) | Err(_) => Err(self.error("syntax error: bad substitution")),
            },
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => Ok(self.special_parameter()),
            Some(_) | None => Err(self.error("syntax error: bad substitution")),
        }
    }

    fn operation(&mut self, quoted: bool) -> Parsed<Operation> {
        let context = if quoted { Context::QuotedOperand } else { Context::Operand };
        let empty_too = [":-", ":=", ":?", ":+"].iter().any(|operator| self.starts_with(operator)) && self.eat(":");
        let operation = match self.peek() {
            Some('-') => Operation::Default { empty_too, word: self.operand(context)? },
            Some('=') => Operation::Assign { empty_too, word: self.operand(context)? },
            Some('?') => Operation::Demand { empty_too, word: self.operand(context)? },
            Some('+') => Operation::Alternative { empty_too, word: self.operand(context)? },
            Some('#') => {
                let longest = self.starts_with("##") && self.eat("#");
                Operation::RemovePrefix { longest, pattern: self.operand(Context::Operand)? }
            }
            Some('%') => {
                let longest = self.starts_with("%%") && self.eat("%");
                Operation::RemoveSuffix { longest, pattern: self.operand(Context::Operand)? }
            }
            Some('/') => self.replacement()?,
            Some(':') => {
                self.next();
                self.substring()?
            }
            Some(c @ ('^' | ',')) => {
                self.next();
                let all = self.peek() == Some(c) && self.next().is_some();
                Operation::ChangeCase { upper: c == '^', all }
            }
            Some(_) | None => Operation::Value,
        };
        Ok(operation)
    }

    /// Takes the operator's last character, then the word up to the closing brace.
    fn operand(&mut self, context: Context) -> Parsed<Word> {
        self.next();
        Ok(Word { pieces: self.pieces(context, &[])?, braces: None })
    }

    fn replacement(&mut self) -> Parsed<Operation> {
        self.next();
        let which = match () {
            () if self.eat("/") => Occurrence::All,
            () if self.eat("#") => Occurrence::Prefix,
            () if self.eat("%") => Occurrence::Suffix,
            () => Occurrence::First,
        };
        let pattern = Word { pieces: self.pieces(Context::Operand, &['/'])?, braces: None };
        let text = if self.eat("/") { self.pieces(Context::Operand, &[])? } else { Vec::new() };
        Ok(Operation::Replace { which, pattern, text: Word { pieces: text, braces: None } })
    }

    fn substring(&mut self) -> Parsed<Operation> {
        let offset = Word { pieces: self.pieces(Context::QuotedOperand, &[':'])?, braces: None };
        let length = if self.eat(":") {
            Some(Word { pieces: self.pieces(Context::QuotedOperand, &[])?, braces: None })
        } else {
            None
        };
        Ok(Operation::Substring { offset, length })
    }
}
