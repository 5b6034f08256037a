//! Amounts of resources as Kubernetes writes them (`100m`, `1536Mi`, `1e3`), with its arithmetic and its corner cases.
//!
//! Follows apimachinery 1.36 `pkg/api/resource` (`quantity.go`, `amount.go`, `suffix.go`, `math.go`, `scale_int.go`):
//! what parses, which written forms are kept as they are, how sums choose a format, and what [`Quantity::value`] and
//! [`Quantity::milli_value`] return for amounts that do not fit an `i64`.

use super::decimal::Decimal;
use serde_json::Value;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// An amount of a resource, and the format in which it wants to be written.
///
/// Equality and order look at the amount alone: `1Gi` equals `1024Mi`.
///
/// ```
/// use podsim::api::Quantity;
/// let mut memory: Quantity = "1.5Gi".parse()?;
/// assert_eq!(memory.to_string(), "1536Mi");
/// memory.add(&"512Mi".parse()?);
/// assert_eq!((memory.to_string(), memory.value()), ("2Gi".to_owned(), 2 << 30));
/// # Ok::<(), podsim::api::ParseQuantityError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Quantity {
    amount: Amount,
    format: QuantityFormat,
    /// The text it was read from, where that is kept.
    written: Option<Box<str>>,
}

/// The three ways of writing a quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QuantityFormat {
    /// Powers of 1024: `12Mi`.
    BinarySI,
    /// Powers of 1000: `12M`.
    DecimalSI,
    /// Scientific: `12e6`.
    DecimalExponent,
}

/// Why a text is no quantity; displayed as the API server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ParseQuantityError {
    /// Not a number followed by a suffix.
    Format,
    /// The number has no digits.
    Numeric,
    /// No such suffix.
    Suffix,
}

impl fmt::Display for ParseQuantityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Format => {
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
            }
            Self::Numeric => "unable to parse numeric part of quantity",
            Self::Suffix => "unable to parse quantity's suffix",
        })
    }
}

impl std::error::Error for ParseQuantityError {}

/// `value × 10^exponent` while that fits, else a decimal of any length.
#[derive(Debug, Clone)]
enum Amount {
    Small { value: i64, exponent: i32 },
    Large(Decimal),
}

const NANO: i32 = -9;
const MILLI: i32 = -3;
/// The most decimal digits that always fit an `i64`.
const SMALL_DIGITS: i32 = 18;

impl Quantity {
    /// Nothing, in decimal format.
    pub const ZERO: Self = Self::new(0, QuantityFormat::DecimalSI);

    /// So many whole units.
    pub const fn new(value: i64, format: QuantityFormat) -> Self {
        Self { amount: Amount::Small { value, exponent: 0 }, format, written: None }
    }

    /// So many thousandths.
    pub const fn from_milli(value: i64, format: QuantityFormat) -> Self {
        Self { amount: Amount::Small { value, exponent: MILLI }, format, written: None }
    }

    /// Reads a JSON value as the API server does: strings without surrounding blanks, numbers as they stand.
    pub fn from_json(value: &Value) -> Result<Self, ParseQuantityError> {
        match value {
            Value::Null => Ok(Self::ZERO),
            Value::String(text) => text.trim().parse(),
            other => other.to_string().parse(),
        }
    }

    /// The format in which it wants to be written.
    pub fn format(&self) -> QuantityFormat {
        self.format
    }

    /// −1, 0 or 1.
    pub fn sign(&self) -> i32 {
        match &self.amount {
            Amount::Small { value, .. } => value.signum() as i32,
            Amount::Large(decimal) => decimal.sign(),
        }
    }

    /// Is it nothing?
    pub fn is_zero(&self) -> bool {
        self.sign() == 0
    }

    /// Whole units, rounded up; what Go's `Value()` returns, which for amounts beyond `i64` is not the amount.
    pub fn value(&self) -> i64 {
        self.scaled_value(0)
    }

    /// Thousandths, rounded up; what Go's `MilliValue()` returns, which for amounts beyond `i64` is not the amount.
    pub fn milli_value(&self) -> i64 {
        self.scaled_value(MILLI)
    }

    /// Whole units, rounded away from zero; amounts beyond `i64` become its limits.
    pub fn saturating_value(&self) -> i64 {
        self.saturating_at(0)
    }

    /// Thousandths, rounded away from zero; amounts beyond `i64` become its limits.
    pub fn saturating_milli_value(&self) -> i64 {
        self.saturating_at(MILLI)
    }

    fn saturating_at(&self, exponent: i32) -> i64 {
        if let Amount::Small { value, exponent: own } = self.amount {
            return if own < exponent {
                divided_up(value, exponent - own).0
            } else {
                let limit = if value < 0 { i64::MIN } else { i64::MAX };
                multiplied(value, own - exponent).unwrap_or(limit)
            };
        }
        let (most, least) = (Decimal::new(i64::MAX, exponent), Decimal::new(i64::MIN, exponent));
        let amount = self.decimal();
        if amount.compare(&most) != Ordering::Less {
            i64::MAX
        } else if amount.compare(&least) != Ordering::Greater {
            i64::MIN
        } else {
            amount.rounded_up(exponent).low_bits()
        }
    }

    fn scaled_value(&self, exponent: i32) -> i64 {
        match &self.amount {
            Amount::Small { value, exponent: own } if *own < exponent => divided_up(*value, exponent - own).0,
            Amount::Small { value, exponent: own } => multiplied(*value, own - exponent).unwrap_or(0),
            Amount::Large(decimal) => decimal_scaled_value(decimal, exponent),
        }
    }

    fn decimal(&self) -> Decimal {
        match &self.amount {
            Amount::Small { value, exponent } => Decimal::new(*value, *exponent),
            Amount::Large(decimal) => decimal.clone(),
        }
    }

    /// Adds `other`; a quantity of nothing takes over its format.
    pub fn add(&mut self, other: &Self) {
        self.written = None;
        if self.is_zero() {
            self.format = other.format;
        }
        self.amount = sum_of_small(&self.amount, &other.amount)
            .unwrap_or_else(|| Amount::Large(self.decimal().plus(&other.decimal())));
    }

    /// Subtracts `other`; a quantity of nothing takes over its format.
    pub fn sub(&mut self, other: &Self) {
        self.add(&other.clone().negated());
    }

    /// The amount with the other sign.
    pub fn negated(self) -> Self {
        let amount = match self.amount {
            Amount::Small { value, exponent } => match value.checked_neg() {
                Some(value) => Amount::Small { value, exponent },
                None => Amount::Large(Decimal::new(value, exponent).negated()),
            },
            Amount::Large(decimal) => Amount::Large(decimal.negated()),
        };
        Self { amount, format: self.format, written: None }
    }

    /// How it is written: number and suffix.
    fn canonical(&self) -> String {
        if self.is_zero() {
            return "0".to_owned();
        }
        let amount = self.decimal();
        let in_binary = || {
            // Small and broken amounts would be rounded, so they are written in decimal instead.
            let large = amount.compare(&Decimal::new(-1024, 0)) != Ordering::Greater
                || amount.compare(&Decimal::new(1024, 0)) != Ordering::Less;
            let whole = amount.rounded_up(0);
            (large && whole.compare(&amount) == Ordering::Equal).then_some(whole)
        };
        let format = self.format;
        if format == QuantityFormat::BinarySI
            && let Some(whole) = in_binary()
        {
            let (number, times) = whole.without_factors(1024);
            return number + binary_suffix(times * 10);
        }
        let (mut number, zeros) = amount.without_factors(10);
        let mut exponent = amount.exponent().wrapping_add(zeros);
        while exponent % 3 != 0 {
            number.push('0');
            exponent -= 1;
        }
        match format {
            QuantityFormat::DecimalExponent if exponent != 0 => format!("{number}e{exponent}"),
            QuantityFormat::DecimalExponent => number,
            QuantityFormat::BinarySI | QuantityFormat::DecimalSI => number + decimal_suffix(exponent),
        }
    }
}

/// Go's `scaledValue`, wrapping where it wraps: the digits of `decimal` counted in `10^exponent`, rounded up.
fn decimal_scaled_value(decimal: &Decimal, exponent: i32) -> i64 {
    let places = i64::from(exponent) - i64::from(decimal.exponent());
    if places <= 0 {
        // Powers of ten beyond i64 come from a float there; on amd64 the conversion gives the smallest integer.
        let factor = 10i64.checked_pow(places.unsigned_abs() as u32).unwrap_or(i64::MIN);
        return decimal.low_bits().wrapping_mul(factor);
    }
    let below_max = decimal.sign() < 0 || decimal.unscaled().is_some_and(|n| n < i64::MAX);
    if below_max && places < 19 {
        let divisor = 10i64.pow(places as u32);
        let bits = decimal.low_bits();
        return bits / divisor + i64::from(bits % divisor != 0);
    }
    let (floor, exact) = decimal.floor_low_bits(places as usize);
    floor.wrapping_add(i64::from(!exact))
}

/// `value × 10^places`, unless it overflows.
fn multiplied(value: i64, places: i32) -> Option<i64> {
    if value == 0 {
        return Some(0);
    }
    value.checked_mul(10i64.checked_pow(places.unsigned_abs())?)
}

/// `value ÷ 10^places`, rounded away from zero; was it exact?
fn divided_up(value: i64, places: i32) -> (i64, bool) {
    let Some(divisor) = 10i64.checked_pow(places.unsigned_abs()) else {
        return (value.signum(), value == 0);
    };
    let exact = value % divisor == 0;
    (value / divisor + if exact { 0 } else { value.signum() }, exact)
}

fn sum_of_small(a: &Amount, b: &Amount) -> Option<Amount> {
    let (Amount::Small { value: a, exponent: ae }, Amount::Small { value: b, exponent: be }) = (a, b) else {
        return None;
    };
    let (value, exponent) = match (*a, *b) {
        (a, 0) => (a, *ae),
        (0, b) => (b, *be),
        (a, b) if ae > be => (multiplied(a, ae.checked_sub(*be)?)?.checked_add(b)?, *be),
        (a, b) => (multiplied(b, be.checked_sub(*ae)?)?.checked_add(a)?, *ae),
    };
    Some(Amount::Small { value, exponent })
}

/// A quantity taken apart, not yet checked.
struct Parts<'a> {
    negative: bool,
    /// Sign, digits and point as written.
    number: &'a str,
    whole: &'a str,
    fraction: &'a str,
    suffix: &'a str,
}

/// Splits number and suffix. Lenient in the ways of the original: a number may lack its digits, or have a bare point.
fn split(text: &str) -> Result<Parts<'_>, ParseQuantityError> {
    let negative = text.starts_with('-');
    let sign = usize::from(text.starts_with(['-', '+']));
    let zeros = run_of(&text[sign..], |c| c == b'0');
    let start = sign + zeros;
    if start == text.len() {
        return Ok(Parts { negative, number: "0", whole: "0", fraction: "", suffix: "" });
    }
    let mut end = start + run_of(&text[start..], |c| c.is_ascii_digit());
    let digits = &text[start..end];
    let whole = if digits.is_empty() { "0" } else { digits };
    let mut fraction = "";
    if text[end..].starts_with('.') {
        let length = run_of(&text[end + 1..], |c| c.is_ascii_digit());
        fraction = &text[end + 1..end + 1 + length];
        end += 1 + length;
    }
    let suffix = &text[end..];
    let letters = run_of(suffix, |c| b"eEinumkKMGTP".contains(&c));
    let signed = letters + usize::from(suffix[letters..].starts_with(['-', '+']));
    let length = signed + run_of(&suffix[signed..], |c| c.is_ascii_digit());
    if length != suffix.len() {
        return Err(ParseQuantityError::Format);
    }
    Ok(Parts { negative, number: &text[..end], whole, fraction, suffix })
}

/// How many bytes at the start satisfy `wanted`.
fn run_of(text: &str, wanted: impl Fn(u8) -> bool) -> usize {
    text.bytes().take_while(|&c| wanted(c)).count()
}

fn suffix_meaning(suffix: &str) -> Option<(QuantityFormat, i32)> {
    use QuantityFormat::{BinarySI, DecimalExponent, DecimalSI};
    if let Some((_, exponent)) = DECIMAL_SUFFIXES.iter().find(|(name, _)| *name == suffix) {
        return Some((DecimalSI, *exponent));
    }
    if let Some((_, exponent)) = BINARY_SUFFIXES.iter().find(|(name, _)| *name == suffix) {
        return Some((BinarySI, *exponent));
    }
    // Go's conversion to int32 wraps.
    let exponent = suffix.strip_prefix(['e', 'E'])?.parse::<i64>().ok()?;
    Some((DecimalExponent, exponent as i32))
}

const DECIMAL_SUFFIXES: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY_SUFFIXES: [(&str, i32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];

/// Beyond the last suffix there is none: the original then writes the bare number, `1000E` becomes `1`.
fn decimal_suffix(exponent: i32) -> &'static str {
    DECIMAL_SUFFIXES.iter().find(|(_, e)| *e == exponent).map_or("", |(name, _)| name)
}

fn binary_suffix(exponent: i32) -> &'static str {
    BINARY_SUFFIXES.iter().find(|(_, e)| *e == exponent).map_or("", |(name, _)| name)
}

impl FromStr for Quantity {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, ParseQuantityError> {
        if text.is_empty() {
            return Err(ParseQuantityError::Format);
        }
        let parts = split(text)?;
        let (format, exponent) = suffix_meaning(parts.suffix).ok_or(ParseQuantityError::Suffix)?;
        if let Some(quantity) = small(text, &parts, format, exponent) {
            return Ok(quantity);
        }
        large(&parts, format, exponent)
    }
}

/// The common case: the digits and the binary factor fit an `i64`.
fn small(text: &str, parts: &Parts<'_>, format: QuantityFormat, suffix_exponent: i32) -> Option<Quantity> {
    let length = |digits: &str| digits.len() as i32;
    let (spare, exponent, factor) = match format {
        QuantityFormat::BinarySI if !parts.fraction.is_empty() => return None,
        QuantityFormat::BinarySI => {
            (15 - length(parts.whole) - suffix_exponent * 3 / 10 - 1, 0, 1i64.checked_shl(suffix_exponent as u32)?)
        }
        QuantityFormat::DecimalSI | QuantityFormat::DecimalExponent => {
            let digits = length(parts.whole) + length(parts.fraction);
            (SMALL_DIGITS - digits, suffix_exponent.wrapping_sub(length(parts.fraction)), 1)
        }
    };
    if spare < 0 || exponent < NANO {
        return None;
    }
    let digits = format!("{}{}", parts.whole, parts.fraction);
    let number: i64 = digits.parse().ok()?;
    let value = number.checked_mul(factor)?;
    let value = if parts.negative { -value } else { value };
    let keeps_text = match format {
        QuantityFormat::BinarySI => number & 7 != 0,
        QuantityFormat::DecimalSI | QuantityFormat::DecimalExponent => {
            exponent % 3 == 0 && !digits.ends_with("000") && !digits.starts_with('0')
        }
    };
    let written = keeps_text.then(|| text.into());
    Some(Quantity { amount: Amount::Small { value, exponent }, format, written })
}

/// Everything else: rounded up to nano units, and binary amounts capped at the largest `i64`.
fn large(parts: &Parts<'_>, format: QuantityFormat, suffix_exponent: i32) -> Result<Quantity, ParseQuantityError> {
    let number = Decimal::parse(parts.number).ok_or(ParseQuantityError::Numeric)?;
    let mut format = format;
    let mut amount = match format {
        QuantityFormat::BinarySI => number.shifted_left(suffix_exponent as u32),
        QuantityFormat::DecimalSI | QuantityFormat::DecimalExponent => number.shift(suffix_exponent),
    };
    let negative = amount.sign() < 0;
    if negative {
        amount = amount.negated();
    }
    if amount.sign() != 0 {
        amount = amount.rounded_up(NANO);
    }
    if format == QuantityFormat::BinarySI {
        let most = Decimal::new(i64::MAX, 0);
        if amount.compare(&most) == Ordering::Greater {
            amount = most;
        }
        if amount.sign() > 0 && amount.compare(&Decimal::new(1, 0)) == Ordering::Less {
            format = QuantityFormat::DecimalSI;
        }
    }
    if negative {
        amount = amount.negated();
    }
    Ok(Quantity { amount: Amount::Large(amount), format, written: None })
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.written {
            Some(text) => f.pad(text),
            None => f.pad(&self.canonical()),
        }
    }
}

impl Default for Quantity {
    fn default() -> Self {
        Self::ZERO
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.amount, &other.amount) {
            (Amount::Small { value: a, exponent: ae }, Amount::Small { value: b, exponent: be }) if ae == be => {
                a.cmp(b)
            }
            _ => self.decimal().compare(&other.decimal()),
        }
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Quantity {}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(text: &str) -> Quantity {
        text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn quantities_have_one_canonical_form_with_a_few_exceptions() {
        // (written, printed, value, milli value)
        for (text, printed, value, milli) in [
            ("0", "0", 0, 0),
            ("-", "0", 0, 0),
            ("100m", "100m", 1, 100),
            ("0.5", "500m", 1, 500),
            ("1000", "1k", 1000, 1_000_000),
            ("1024", "1024", 1024, 1_024_000),
            ("-1.5", "-1500m", -2, -1500),
            ("1.5Gi", "1536Mi", 3 << 29, 1_610_612_736_000),
            ("+2Gi", "+2Gi", 2 << 30, 2_147_483_648_000),
            ("2.001Gi", "2148557389824m", 2_148_557_390, 2_148_557_389_824),
            ("0.5Ki", "512", 512, 512_000),
            ("1.", "1.", 1, 1000),
            ("0.1n", "1n", 1, 1),
            ("1e3", "1e3", 1000, 1_000_000),
            ("15e2", "1500", 1500, 1_500_000),
            ("1000E", "1", 0, 0),
            ("8Ei", "9223372036854775807", i64::MAX, -1000),
        ] {
            let q = quantity(text);
            assert_eq!((q.to_string().as_str(), q.value(), q.milli_value()), (printed, value, milli), "{text}");
        }
    }

    #[test]
    fn values_beyond_the_integers_saturate_on_request() {
        for (text, value, milli) in [
            ("10E", i64::MAX, i64::MAX),
            ("-10E", i64::MIN, i64::MIN),
            ("7Ei", 7 << 60, i64::MAX),
            ("1500m", 2, 1500),
            ("-1.0001Ki", -1025, -1_024_103),
        ] {
            let q = quantity(text);
            assert_eq!((q.saturating_value(), q.saturating_milli_value()), (value, milli), "{text}");
        }
    }

    #[test]
    fn sums_keep_the_format_of_the_first_amount_that_is_something() {
        for (parts, sum) in [
            (["500m", "500m"], "1"),
            (["1Gi", "512Mi"], "1536Mi"),
            (["1G", "1Gi"], "2073741824"),
            (["0Gi", "100m"], "100m"),
            (["9E", "9E"], "18E"),
            (["4", "-1500m"], "2500m"),
        ] {
            let mut total = Quantity::ZERO;
            for part in parts {
                total.add(&quantity(part));
            }
            assert_eq!(total.to_string(), sum, "{parts:?}");
        }
        let mut left = quantity("1Gi");
        left.sub(&quantity("1536Mi"));
        assert_eq!(left.to_string(), "-512Mi");
    }

    #[test]
    fn amounts_compare_whatever_their_format() {
        assert_eq!(quantity("1Gi"), quantity("1024Mi"));
        assert_eq!(quantity("1e3"), quantity("1k"));
        let ascending = ["-1", "0", "1n", "999m", "1", "1k", "1Ki", "1M", "1Mi", "8Ei", "10E"];
        assert!(ascending.map(quantity).is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn what_is_no_quantity_is_refused_in_the_words_of_the_server() {
        use ParseQuantityError::{Format, Numeric, Suffix};
        for (text, error) in [
            ("", Format),
            ("1 ", Format),
            ("1GB", Format),
            ("١", Format),
            ("1mi", Suffix),
            ("--1", Suffix),
            ("1e", Suffix),
            ("e-10", Numeric),
        ] {
            assert_eq!(text.parse::<Quantity>().err(), Some(error), "{text:?}");
        }
        assert_eq!(Quantity::from_json(&serde_json::json!(" 1 ")).map(|q| q.value()), Ok(1));
        assert_eq!(Quantity::from_json(&serde_json::json!(true)), Err(Format));
    }
}
