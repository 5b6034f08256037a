//! A decimal number of any length: what a [`Quantity`](super::Quantity) falls back to when an `i64` is too small.
//!
//! Follows `gopkg.in/inf.v0` as far as quantities use it. Digits are kept in base ten, because nearly everything a
//! quantity does to a number (scale, round, drop zeros) moves a decimal point.

use std::cmp::Ordering;

/// `±digits × 10^exponent`, as written: `1.50` and `1.5` are equal but keep their own exponents.
#[derive(Debug, Clone)]
pub struct Decimal {
    negative: bool,
    /// Most significant first, without leading zeros; empty for zero.
    digits: Vec<u8>,
    exponent: i32,
}

impl Decimal {
    /// The number `value × 10^exponent`.
    pub fn new(value: i64, exponent: i32) -> Self {
        let digits = value.unsigned_abs().to_string().bytes().map(|c| c - b'0').collect();
        Self { negative: value < 0, digits, exponent }.trimmed()
    }

    /// Reads `[+-]digits[.digits]`, with at least one digit; anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let negative = text.starts_with('-');
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|c| c.wrapping_sub(b'0')).collect();
        if digits.is_empty() || digits.iter().any(|&d| d > 9) {
            return None;
        }
        Some(Self { negative, digits, exponent: -(fraction.len() as i32) }.trimmed())
    }

    fn trimmed(mut self) -> Self {
        let zeros = self.digits.iter().take_while(|&&d| d == 0).count();
        self.digits.drain(..zeros);
        self.negative &= !self.digits.is_empty();
        self
    }

    /// The power of ten that the last digit counts.
    pub fn exponent(&self) -> i32 {
        self.exponent
    }

    /// Moves the decimal point: multiplies by `10^places`.
    pub fn shift(mut self, places: i32) -> Self {
        self.exponent = self.exponent.wrapping_add(places);
        self
    }

    /// −1, 0 or 1.
    pub fn sign(&self) -> i32 {
        match (self.digits.is_empty(), self.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }

    /// The same number with the other sign.
    pub fn negated(mut self) -> Self {
        self.negative = !self.negative && !self.digits.is_empty();
        self
    }

    /// The integer that the digits spell, wrapped around to 64 bits.
    pub fn low_bits(&self) -> i64 {
        let magnitude = self.digits.iter().fold(0i64, |n, &d| n.wrapping_mul(10).wrapping_add(i64::from(d)));
        if self.negative { magnitude.wrapping_neg() } else { magnitude }
    }

    /// The integer that the digits spell, if it fits.
    pub fn unscaled(&self) -> Option<i64> {
        let fits = self.digits.len() <= 19;
        let magnitude = self.digits.iter().take(19).fold(0i128, |n, &d| n * 10 + i128::from(d));
        fits.then_some(if self.negative { -magnitude } else { magnitude }).and_then(|n| i64::try_from(n).ok())
    }

    /// Exactly so many decimal places (as `10^exponent`), rounded away from zero if any are lost.
    pub fn rounded_up(&self, exponent: i32) -> Self {
        let mut digits = self.digits.clone();
        let lost = i64::from(exponent) - i64::from(self.exponent);
        if lost <= 0 {
            if !digits.is_empty() {
                digits.extend(std::iter::repeat_n(0, lost.unsigned_abs() as usize));
            }
        } else {
            let kept = digits.len().saturating_sub(lost as usize);
            let inexact = digits[kept..].iter().any(|&d| d != 0);
            digits.truncate(kept);
            if inexact {
                increment(&mut digits);
            }
        }
        Self { negative: self.negative, digits, exponent }.trimmed()
    }

    /// The digits divided by `10^places`, rounded down to minus infinity and wrapped to 64 bits; was it exact?
    pub fn floor_low_bits(&self, places: usize) -> (i64, bool) {
        let kept = self.digits.len().saturating_sub(places);
        let exact = self.digits[kept..].iter().all(|&d| d == 0);
        let head = Self { negative: self.negative, digits: self.digits[..kept].to_vec(), exponent: 0 };
        let below = i64::from(self.negative && !exact);
        (head.low_bits().wrapping_sub(below), exact)
    }

    /// Multiplied by `2^power`.
    pub fn shifted_left(mut self, power: u32) -> Self {
        for _ in 0..power {
            let mut carry = 0;
            for digit in self.digits.iter_mut().rev() {
                let doubled = *digit * 2 + carry;
                (*digit, carry) = (doubled % 10, doubled / 10);
            }
            if carry > 0 {
                self.digits.insert(0, carry);
            }
        }
        self
    }

    /// The digits (with sign) after dividing out every factor of `factor`, and how many there were.
    pub fn without_factors(&self, factor: u32) -> (String, i32) {
        let (mut digits, mut times) = (self.digits.clone(), 0);
        while !digits.is_empty() {
            let mut remainder = 0;
            let quotient: Vec<u8> = digits
                .iter()
                .map(|&d| {
                    let n = remainder * 10 + u32::from(d);
                    remainder = n % factor;
                    (n / factor) as u8
                })
                .collect();
            if remainder != 0 {
                break;
            }
            digits = quotient.into_iter().skip_while(|&d| d == 0).collect();
            times += 1;
        }
        let sign = if self.negative { "-" } else { "" };
        let text: String = digits.iter().map(|&d| char::from(b'0' + d)).collect();
        (format!("{sign}{}", if text.is_empty() { "0" } else { &text }), times)
    }

    /// The exact sum.
    pub fn plus(&self, other: &Self) -> Self {
        let exponent = self.exponent.min(other.exponent);
        let (a, b) = (self.rounded_up(exponent), other.rounded_up(exponent));
        let (digits, negative) = if a.negative == b.negative {
            (add(&a.digits, &b.digits), a.negative)
        } else if compare(&a.digits, &b.digits) == Ordering::Less {
            (subtract(&b.digits, &a.digits), b.negative)
        } else {
            (subtract(&a.digits, &b.digits), a.negative)
        };
        Self { negative, digits, exponent }.trimmed()
    }

    /// Which number is larger.
    pub fn compare(&self, other: &Self) -> Ordering {
        let by_sign = self.sign().cmp(&other.sign());
        if by_sign != Ordering::Equal || self.digits.is_empty() {
            return by_sign;
        }
        // How far left of the decimal point each number starts; only then are the digits aligned and compared.
        let top = |d: &Self| d.digits.len() as i64 + i64::from(d.exponent);
        let by_size = top(self).cmp(&top(other)).then_with(|| {
            let length = self.digits.len().max(other.digits.len());
            let padded =
                |d: &Self| d.digits.iter().copied().chain(std::iter::repeat(0)).take(length).collect::<Vec<_>>();
            padded(self).cmp(&padded(other))
        });
        if self.negative { by_size.reverse() } else { by_size }
    }
}

fn increment(digits: &mut Vec<u8>) {
    for digit in digits.iter_mut().rev() {
        if *digit < 9 {
            *digit += 1;
            return;
        }
        *digit = 0;
    }
    digits.insert(0, 1);
}

fn compare(a: &[u8], b: &[u8]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn add(a: &[u8], b: &[u8]) -> Vec<u8> {
    let length = a.len().max(b.len()) + 1;
    let mut carry = 0;
    let mut sum: Vec<u8> = (0..length)
        .map(|i| {
            let n = digit_from_right(a, i) + digit_from_right(b, i) + carry;
            carry = n / 10;
            n % 10
        })
        .collect();
    sum.reverse();
    sum
}

/// `a − b`, where `a ≥ b`.
fn subtract(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let mut difference: Vec<u8> = (0..a.len())
        .map(|i| {
            let n = 10 + digit_from_right(a, i) - digit_from_right(b, i) - borrow;
            borrow = u8::from(n < 10);
            n % 10
        })
        .collect();
    difference.reverse();
    difference
}

fn digit_from_right(digits: &[u8], i: usize) -> u8 {
    digits.len().checked_sub(i + 1).map_or(0, |at| digits[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).expect("the tests write well-formed numbers")
    }

    #[test]
    fn sums_align_their_points() {
        for (a, b, sum) in [
            ("1", "1", "2"),
            ("999", "1", "1000"),
            ("1.5", "0.5", "2"),
            ("1", "-1.5", "-0.5"),
            ("-1", "1", "0"),
            ("99999999999999999999", "0.1", "99999999999999999999.1"),
        ] {
            assert_eq!(decimal(a).plus(&decimal(b)).compare(&decimal(sum)), Ordering::Equal, "{a} + {b}");
        }
    }

    #[test]
    fn numbers_compare_by_size_whatever_their_scale() {
        let ascending = ["-20", "-3.5", "-3.4", "0", "0.001", "1", "1.01", "9.9", "10", "100000000000000000000"];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(decimal(a).compare(&decimal(b)), i.cmp(&j), "{a} and {b}");
            }
        }
        assert_eq!(decimal("1.50").compare(&decimal("1.5")), Ordering::Equal);
    }

    #[test]
    fn rounding_goes_away_from_zero() {
        for (number, exponent, rounded) in [
            ("1.01", 0, "2"),
            ("-1.01", 0, "-2"),
            ("1.00", 0, "1"),
            ("99.9", 0, "100"),
            ("0.0001", -2, "0.01"),
            ("5", 2, "100"),
        ] {
            let got = decimal(number).rounded_up(exponent);
            assert_eq!((got.compare(&decimal(rounded)), got.exponent()), (Ordering::Equal, exponent), "{number}");
        }
    }

    #[test]
    fn factors_divide_out() {
        assert_eq!(decimal("1048576").without_factors(1024), ("1".to_owned(), 2));
        assert_eq!(decimal("-1500").without_factors(10), ("-15".to_owned(), 2));
        assert_eq!(decimal("0").without_factors(10), ("0".to_owned(), 0));
        assert_eq!(decimal("3").shifted_left(70).without_factors(1024), ("3".to_owned(), 7));
    }

    #[test]
    fn what_has_no_digits_is_no_number() {
        for text in ["", "-", "+", ".", "-.", "1.2.3", "1-2", "x"] {
            assert!(Decimal::parse(text).is_none(), "{text:?}");
        }
    }
}
