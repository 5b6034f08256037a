//! `[[ expression ]]`.

use super::super::syntax::{TestExpression, Word};
use super::cursor::{META, Parsed, Parser};
use super::word::Context;

const BINARY: [&str; 14] = ["==", "=", "!=", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef", "<", ">"];

impl Parser<'_> {
    /// After `[[`: to the closing `]]`.
    pub(super) fn test_expression(&mut self) -> Parsed<TestExpression> {
        let expression = self.test_or()?;
        self.expect_word("]]")?;
        Ok(expression)
    }

    fn test_or(&mut self) -> Parsed<TestExpression> {
        let mut left = self.test_and()?;
        loop {
            self.skip_lines()?;
            if !self.eat("||") {
                return Ok(left);
            }
            left = TestExpression::Or(Box::new(left), Box::new(self.test_and()?));
        }
    }

    fn test_and(&mut self) -> Parsed<TestExpression> {
        let mut left = self.nested(Self::test_primary)?;
        loop {
            self.skip_lines()?;
            if !self.eat("&&") {
                return Ok(left);
            }
            left = TestExpression::And(Box::new(left), Box::new(self.nested(Self::test_primary)?));
        }
    }

    fn test_primary(&mut self) -> Parsed<TestExpression> {
        self.skip_lines()?;
        if self.eat_word("!") {
            return Ok(TestExpression::Not(Box::new(self.nested(Self::test_primary)?)));
        }
        if self.eat("(") {
            let inner = self.nested(Self::test_or)?;
            self.skip_lines()?;
            self.expect(")")?;
            return Ok(inner);
        }
        let operator = self.rest().split(META).next().unwrap_or_default();
        if operator.len() == 2 && operator.starts_with('-') && operator.as_bytes()[1].is_ascii_alphabetic() {
            let after = self.rest()[2..].trim_start_matches([' ', '\t']);
            if !after.starts_with("]]") && !after.starts_with('=') {
                let operator = operator.to_owned();
                self.eat(&operator);
                return Ok(TestExpression::Unary(operator, self.test_word()?));
            }
        }
        let left = self.test_word()?;
        self.skip_blanks();
        if self.eat_word("=~") {
            self.skip_blanks();
            let pieces = self.pieces(Context::Regex, &[])?;
            return Ok(TestExpression::Binary(left, "=~".to_owned(), Word { pieces, braces: None }));
        }
        let operator = BINARY.iter().find(|operator| match **operator {
            "<" | ">" => self.starts_with(operator),
            _ => self.sees_word(operator),
        });
        match operator {
            Some(operator) => {
                self.eat(operator);
                Ok(TestExpression::Binary(left, (*operator).to_owned(), self.test_word()?))
            }
            None => Ok(TestExpression::Word(left)),
        }
    }

    fn test_word(&mut self) -> Parsed<Word> {
        self.skip_blanks();
        if self.sees_word("]]") {
            return Err(self.unexpected());
        }
        self.word()
    }
}
