//! `[[ expression ]]`.

use super::super::arithmetic;
use super::super::condition::{self, Facts};
use super::super::environment::Environment;
use super::super::expansion::{Expander, Stop};
use super::super::regex;
use super::super::syntax::TestExpression;

impl Expander<'_> {
    /// The value of an expression: words are not split, the right side of `==` is a pattern.
    pub(super) fn test(&mut self, expression: &TestExpression) -> Result<bool, Stop> {
        match expression {
            TestExpression::Not(inner) => Ok(!self.test(inner)?),
            TestExpression::And(left, right) => Ok(self.test(left)? && self.test(right)?),
            TestExpression::Or(left, right) => Ok(self.test(left)? || self.test(right)?),
            TestExpression::Word(word) => Ok(!self.text(word)?.is_empty()),
            TestExpression::Unary(operator, word) => {
                let operand = self.text(word)?;
                self.facts(|facts| condition::unary(operator, &operand, facts))
                    .ok_or_else(|| Stop::Unsupported(format!("[[ {operator} ]]")))
            }
            TestExpression::Binary(left, operator, right) => {
                let left = self.text(left)?;
                match operator.as_str() {
                    "=" | "==" => Ok(self.pattern(right)?.matches(&left)),
                    "!=" => Ok(!self.pattern(right)?.matches(&left)),
                    "=~" => {
                        let pattern = self.marked(right)?.regex();
                        self.regex(&left, &pattern)
                    }
                    "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" => {
                        let right = self.text(right)?;
                        let (left, right) = (self.number(&left)?, self.number(&right)?);
                        let (left, right) = (left.to_string(), right.to_string());
                        self.facts(|facts| condition::binary(&left, operator, &right, facts)).map_err(Stop::Wrong)
                    }
                    _ => {
                        let right = self.text(right)?;
                        self.facts(|facts| condition::binary(&left, operator, &right, facts)).map_err(Stop::Wrong)
                    }
                }
            }
        }
    }

    fn number(&mut self, text: &str) -> Result<i64, Stop> {
        arithmetic::evaluate(text, &mut self.environment.variables).map_err(Stop::Wrong)
    }

    fn regex(&mut self, text: &str, pattern: &str) -> Result<bool, Stop> {
        let regex = regex::extended(pattern, false).map_err(Stop::Unsupported)?;
        let groups: Vec<String> = match regex.captures(text) {
            Some(captures) => {
                captures.iter().map(|group| group.map_or("", |group| group.as_str()).to_owned()).collect()
            }
            None => Vec::new(),
        };
        let matches = !groups.is_empty();
        self.environment.variables.set_array("BASH_REMATCH", groups, false).map_err(Stop::Wrong)?;
        Ok(matches)
    }

    fn facts<T>(&self, ask: impl FnOnce(&Facts<'_>) -> T) -> T {
        let Environment { directory, variables, .. } = &*self.environment;
        ask(&Facts { files: &self.files, directory, variables })
    }
}
