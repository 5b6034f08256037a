//! The primaries of `test`, `[` and `[[`.

use super::variables::Variables;
use crate::components::runtime::filesystem::{Files, Kind, absolute};

/// What conditions ask about.
pub(super) struct Facts<'a> {
    pub files: &'a Files<'a>,
    pub directory: &'a str,
    pub variables: &'a Variables,
}

/// Evaluates `test` on its operands: POSIX XCU test, with `-a`, `-o` and parentheses.
pub(super) fn test(operands: &[String], facts: &Facts<'_>) -> Result<bool, String> {
    match operands {
        [] => Ok(false),
        [one] => Ok(!one.is_empty()),
        [not, one] if not == "!" => Ok(one.is_empty()),
        [left, operator, right] if is_binary(operator) => binary(left, operator, right, facts),
        [not, rest @ ..] if not == "!" && rest.len() <= 3 => Ok(!test(rest, facts)?),
        [operator, operand] => {
            unary(operator, operand, facts).ok_or_else(|| format!("{operator}: unary operator expected"))
        }
        _ => {
            let mut parser = Parser { operands, at: 0, facts };
            let value = parser.or(0)?;
            match parser.operands.get(parser.at) {
                None => Ok(value),
                Some(extra) => Err(format!("{extra}: unexpected operator")),
            }
        }
    }
}

/// More than three operands: a little grammar.
struct Parser<'a, 'f> {
    operands: &'a [String],
    at: usize,
    facts: &'a Facts<'f>,
}

impl Parser<'_, '_> {
    fn eat(&mut self, token: &str) -> bool {
        let eats = self.operands.get(self.at).is_some_and(|operand| operand == token);
        self.at += usize::from(eats);
        eats
    }

    fn or(&mut self, depth: usize) -> Result<bool, String> {
        let mut value = self.and(depth)?;
        while self.eat("-o") {
            value |= self.and(depth)?;
        }
        Ok(value)
    }

    fn and(&mut self, depth: usize) -> Result<bool, String> {
        let mut value = self.primary(depth)?;
        while self.eat("-a") {
            value &= self.primary(depth)?;
        }
        Ok(value)
    }

    fn primary(&mut self, depth: usize) -> Result<bool, String> {
        if depth > 40 {
            return Err("too many arguments".to_owned());
        }
        if let [left, operator, right, ..] = &self.operands[self.at..]
            && is_binary(operator)
        {
            self.at += 3;
            return binary(left, operator, right, self.facts);
        }
        if self.eat("!") {
            return Ok(!self.primary(depth + 1)?);
        }
        if self.eat("(") {
            let value = self.or(depth + 1)?;
            return if self.eat(")") { Ok(value) } else { Err("missing )".to_owned()) };
        }
        if let [operator, operand, ..] = &self.operands[self.at..]
            && let Some(value) = unary(operator, operand, self.facts)
        {
            self.at += 2;
            return Ok(value);
        }
        let operand = self.operands.get(self.at).ok_or("argument expected")?;
        self.at += 1;
        Ok(!operand.is_empty())
    }
}

fn is_binary(operator: &str) -> bool {
    matches!(
        operator,
        "=" | "==" | "!=" | "<" | ">" | "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" | "-nt" | "-ot" | "-ef"
    )
}

/// The value of a unary primary; `None` if there is none of this name.
pub(super) fn unary(operator: &str, operand: &str, facts: &Facts<'_>) -> Option<bool> {
    let path = || absolute(facts.directory, operand);
    let is = |kind: Kind| facts.files.metadata(&path()).is_some_and(|metadata| metadata.kind == kind);
    Some(match operator {
        "-n" => !operand.is_empty(),
        "-z" => operand.is_empty(),
        "-r" => !operand.is_empty() && facts.files.metadata(&path()).is_some_and(|metadata| metadata.readable),
        "-e" | "-a" | "-w" | "-O" | "-G" => !operand.is_empty() && facts.files.metadata(&path()).is_some(),
        "-f" => !operand.is_empty() && is(Kind::File),
        "-d" => !operand.is_empty() && is(Kind::Directory),
        "-c" => is(Kind::Device),
        "-h" | "-L" => facts.files.link_metadata(&path()).is_some_and(|metadata| metadata.kind == Kind::Symlink),
        "-s" => facts.files.metadata(&path()).is_some_and(|metadata| metadata.length > 0),
        "-x" => facts.files.metadata(&path()).is_some_and(|metadata| metadata.executable),
        "-v" => facts.variables.get(operand).is_some(),
        "-b" | "-g" | "-k" | "-p" | "-S" | "-t" | "-u" | "-N" => false,
        _ => return None,
    })
}

/// The value of a binary primary.
pub(super) fn binary(left: &str, operator: &str, right: &str, facts: &Facts<'_>) -> Result<bool, String> {
    let modified = |path: &str| facts.files.metadata(&absolute(facts.directory, path)).map(|it| it.modified);
    let number = |text: &str| text.trim().parse::<i64>().map_err(|_| format!("{text}: integer expression expected"));
    Ok(match operator {
        "=" | "==" => left == right,
        "!=" => left != right,
        "<" => left < right,
        ">" => left > right,
        "-eq" => number(left)? == number(right)?,
        "-ne" => number(left)? != number(right)?,
        "-lt" => number(left)? < number(right)?,
        "-le" => number(left)? <= number(right)?,
        "-gt" => number(left)? > number(right)?,
        "-ge" => number(left)? >= number(right)?,
        "-nt" => modified(left) > modified(right),
        "-ot" => modified(left) < modified(right),
        "-ef" => {
            let canonical = |path: &str| facts.files.canonical(&absolute(facts.directory, path)).ok();
            canonical(left).is_some() && canonical(left) == canonical(right)
        }
        _ => return Err(format!("{operator}: unexpected operator")),
    })
}
