//! `$((expression))`: C's integer arithmetic on 64 bits, wrapping, with variables.

use super::parser::is_name;
use super::variables::Variables;

/// How deep parentheses and variables that hold expressions may nest.
const MAX_DEPTH: usize = 40;

/// Binary operators by how strongly they bind; assignments and `?:` come apart from these.
const BINARY: [(&str, u8); 19] = [
    ("||", 1),
    ("&&", 2),
    ("==", 6),
    ("!=", 6),
    ("<<", 8),
    (">>", 8),
    ("<=", 7),
    (">=", 7),
    ("**", 11),
    ("|", 3),
    ("^", 4),
    ("&", 5),
    ("<", 7),
    (">", 7),
    ("+", 9),
    ("-", 9),
    ("*", 10),
    ("/", 10),
    ("%", 10),
];

/// The value of an expression. An empty one is 0.
pub(super) fn evaluate(text: &str, variables: &mut Variables) -> Result<i64, String> {
    evaluate_at(text, variables, 0)
}

fn evaluate_at(text: &str, variables: &mut Variables, depth: usize) -> Result<i64, String> {
    let mut evaluator = Evaluator { text, at: 0, variables, skipping: 0, pending: None, depth };
    evaluator.blanks();
    if evaluator.at == text.len() {
        return Ok(0);
    }
    let value = evaluator.comma()?;
    if evaluator.at == text.len() { Ok(value) } else { Err(evaluator.error()) }
}

struct Evaluator<'a> {
    text: &'a str,
    at: usize,
    variables: &'a mut Variables,
    /// Above zero while a branch is read that `&&`, `||` or `?:` does not take: nothing is assigned there.
    skipping: usize,
    /// A variable that was read to see whether it is assigned to, and is not: the next operand.
    pending: Option<Place>,
    depth: usize,
}

/// What can be assigned to.
#[derive(Debug)]
struct Place {
    name: String,
    index: Option<i64>,
}

impl Evaluator<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn eat(&mut self, token: &str) -> bool {
        let eats = self.rest().starts_with(token);
        if eats {
            self.at += token.len();
            self.blanks();
        }
        eats
    }

    fn error(&self) -> String {
        format!("arithmetic syntax error in `{}`", self.text.trim())
    }

    fn comma(&mut self) -> Result<i64, String> {
        let mut value = self.assignment()?;
        while self.eat(",") {
            value = self.assignment()?;
        }
        Ok(value)
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        if self.depth >= MAX_DEPTH {
            return Err("arithmetic nested too deep".to_owned());
        }
        self.depth += 1;
        let value = parse(self);
        self.depth -= 1;
        value
    }

    fn assignment(&mut self) -> Result<i64, String> {
        self.deeper(|this| {
            if let Some(place) = this.place()? {
                for operator in ["<<=", ">>=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "="] {
                    if this.rest().starts_with(operator) && !(operator == "=" && this.rest().starts_with("==")) {
                        this.eat(operator);
                        let right = this.assignment()?;
                        let value = match operator.trim_end_matches('=') {
                            "" => right,
                            binary => {
                                let left = this.read(&place)?;
                                this.apply(binary, left, right)?
                            }
                        };
                        return this.write(&place, value);
                    }
                }
                this.pending = Some(place);
            }
            this.conditional()
        })
    }

    fn conditional(&mut self) -> Result<i64, String> {
        let condition = self.binary(1)?;
        if !self.eat("?") {
            return Ok(condition);
        }
        let left = self.skip_unless(condition != 0, Self::comma)?;
        if !self.eat(":") {
            return Err(self.error());
        }
        let right = self.skip_unless(condition == 0, Self::assignment)?;
        Ok(if condition != 0 { left } else { right })
    }

    fn skip_unless(
        &mut self,
        taken: bool,
        parse: impl FnOnce(&mut Self) -> Result<i64, String>,
    ) -> Result<i64, String> {
        self.skipping += usize::from(!taken);
        let value = parse(self);
        self.skipping -= usize::from(!taken);
        value
    }

    fn operator(&self) -> Option<(&'static str, u8)> {
        let rest = self.rest();
        let found = BINARY.into_iter().find(|(token, _)| rest.starts_with(token))?;
        let assigns = rest[found.0.len()..].starts_with('=') && !matches!(found.0, "==" | "!=" | "<=" | ">=");
        if assigns { None } else { Some(found) }
    }

    fn binary(&mut self, at_least: u8) -> Result<i64, String> {
        let mut left = self.unary()?;
        while let Some((token, strength)) = self.operator().filter(|(_, strength)| *strength >= at_least) {
            self.eat(token);
            left = match token {
                "&&" => {
                    let right = self.skip_unless(left != 0, |this| this.binary(strength + 1))?;
                    i64::from(left != 0 && right != 0)
                }
                "||" => {
                    let right = self.skip_unless(left == 0, |this| this.binary(strength + 1))?;
                    i64::from(left != 0 || right != 0)
                }
                "**" => {
                    let right = self.deeper(|this| this.binary(strength))?;
                    self.apply(token, left, right)?
                }
                _ => {
                    let right = self.binary(strength + 1)?;
                    self.apply(token, left, right)?
                }
            };
        }
        Ok(left)
    }

    fn apply(&self, token: &str, left: i64, right: i64) -> Result<i64, String> {
        Ok(match token {
            "/" | "%" if right == 0 && self.skipping == 0 => return Err("divide by zero".to_owned()),
            "/" | "%" if right == 0 => 0,
            "/" => left.wrapping_div(right),
            "%" => left.wrapping_rem(right),
            "**" if right < 0 => return Err("exponent less than 0".to_owned()),
            "**" => left.wrapping_pow(u32::try_from(right).unwrap_or(u32::MAX)),
            "+" => left.wrapping_add(right),
            "-" => left.wrapping_sub(right),
            "*" => left.wrapping_mul(right),
            "<<" => left.wrapping_shl(right as u32),
            ">>" => left.wrapping_shr(right as u32),
            "&" => left & right,
            "|" => left | right,
            "^" => left ^ right,
            "==" => i64::from(left == right),
            "!=" => i64::from(left != right),
            "<" => i64::from(left < right),
            ">" => i64::from(left > right),
            "<=" => i64::from(left <= right),
            ">=" => i64::from(left >= right),
            _ => return Err(self.error()),
        })
    }

    fn unary(&mut self) -> Result<i64, String> {
        self.deeper(|this| {
            if this.pending.is_some() {
                return this.primary();
            }
            let step = match () {
                () if this.eat("++") => 1,
                () if this.eat("--") => -1,
                () => 0,
            };
            if step != 0 {
                let Some(place) = this.place()? else {
                    return this.unary(); // `--1`: two signs, not a decrement.
                };
                let value = this.read(&place)?.wrapping_add(step);
                return this.write(&place, value);
            }
            match () {
                () if this.eat("!") => Ok(i64::from(this.unary()? == 0)),
                () if this.eat("~") => Ok(!this.unary()?),
                () if this.eat("-") => Ok(this.unary()?.wrapping_neg()),
                () if this.eat("+") => this.unary(),
                () => this.primary(),
            }
        })
    }

    fn primary(&mut self) -> Result<i64, String> {
        let place = match self.pending.take() {
            Some(place) => Some(place),
            None if self.eat("(") => {
                let value = self.comma()?;
                return if self.eat(")") { Ok(value) } else { Err(self.error()) };
            }
            None => self.place()?,
        };
        if let Some(place) = place {
            let value = self.read(&place)?;
            let step = match () {
                () if self.eat("++") => 1,
                () if self.eat("--") => -1,
                () => return Ok(value),
            };
            self.write(&place, value.wrapping_add(step))?;
            return Ok(value);
        }
        let length = self.rest().find(|c: char| !c.is_ascii_alphanumeric() && c != '#').unwrap_or(self.rest().len());
        let digits = &self.rest()[..length];
        let value = number(digits).ok_or_else(|| self.error())?;
        self.at += length;
        self.blanks();
        Ok(value)
    }

    fn place(&mut self) -> Result<Option<Place>, String> {
        let rest = self.rest();
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let name = rest[..length].to_owned();
        if !is_name(&name) {
            return Ok(None);
        }
        self.at += length;
        let mut index = None;
        if self.rest().starts_with('[') {
            self.eat("[");
            index = Some(self.comma()?);
            if !self.eat("]") {
                return Err(self.error());
            }
        }
        self.blanks();
        Ok(Some(Place { name, index }))
    }

    fn read(&mut self, place: &Place) -> Result<i64, String> {
        let text = match place.index {
            Some(index) => self.variables.element(&place.name, index),
            None => self.variables.get(&place.name),
        };
        let Some(text) = text.map(|text| text.trim().to_owned()) else { return Ok(0) };
        match number(text.strip_prefix('-').unwrap_or(&text)) {
            Some(value) if text.starts_with('-') => Ok(value.wrapping_neg()),
            Some(value) => Ok(value),
            None if self.depth >= MAX_DEPTH => Err("arithmetic nested too deep".to_owned()),
            None => evaluate_at(&text, self.variables, self.depth + 1),
        }
    }

    fn write(&mut self, place: &Place, value: i64) -> Result<i64, String> {
        if self.skipping == 0 {
            let text = value.to_string();
            match place.index {
                Some(index) => self.variables.set_element(&place.name, index, text)?,
                None => self.variables.set(&place.name, text)?,
            }
        }
        Ok(value)
    }
}

/// A number as C and bash write it: decimal, `0` octal, `0x` hexadecimal, `base#digits`.
fn number(digits: &str) -> Option<i64> {
    match () {
        () if digits.starts_with("0x") || digits.starts_with("0X") => i64::from_str_radix(&digits[2..], 16).ok(),
        () if digits.len() > 1 && digits.starts_with('0') => i64::from_str_radix(digits, 8).ok(),
        () => match digits.split_once('#') {
            Some((base, digits)) => {
                let base = base.parse::<u32>().ok().filter(|base| (2..=36).contains(base))?;
                i64::from_str_radix(digits, base).ok()
            }
            None if digits.starts_with(|c: char| c.is_ascii_digit()) => digits.parse().ok(),
            None => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_have_cs_values() {
        let mut variables = Variables::default();
        variables.set("x", "5".to_owned()).unwrap();
        variables.set("sum", "x + 1".to_owned()).unwrap();
        for (text, expect) in [
            ("", 0),
            (" 1 + 2 * 3 ", 7),
            ("(1 + 2) * 3", 9),
            ("10 - 3 - 2", 5),
            ("7 / 2 + 7 % 2", 4),
            ("-7 / 2", -3),
            ("2 ** 3 ** 2", 512),
            ("1 << 4 | 1", 17),
            ("x", 5),
            ("sum * 2", 12),
            ("unset_one", 0),
            ("x > 4 && x < 6", 1),
            ("x == 5 ? 10 : 20", 10),
            ("0 || 0", 0),
            ("!x", 0),
            ("~0", -1),
            ("- -1", 1),
            ("0x10 + 010 + 2#101", 29),
            ("y = x + 1, y * 2", 12),
            ("y += 4", 10),
            ("y++ + ++y", 22),
            ("y--", 12),
            ("y", 11),
            ("0 && (y = 99)", 0),
            ("y", 11),
            ("1 ? 2 : (y = 99)", 2),
            ("y", 11),
            ("9223372036854775807 + 1", i64::MIN),
            ("1 <= 1", 1),
            ("a[2] = 7, a[1 + 1]", 7),
        ] {
            assert_eq!(evaluate(text, &mut variables), Ok(expect), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let mut variables = Variables::default();
        variables.set("me", "me + 1".to_owned()).unwrap();
        for text in ["1 +", "1 / 0", "5 % 0", "1 2", "09", ")", "(1", "a[", "me", "2 ** -1", "@"] {
            assert!(evaluate(text, &mut variables).is_err(), "{text}");
        }
        let deep = ["(", "- ", "1?", "a=", "a["];
        for text in deep.map(|part| part.repeat(10_000)) {
            assert!(evaluate(&text, &mut variables).is_err());
        }
    }
}
