//! What a launch costs: the formulas of its kernel, as they stand in the kernel's header, with the launch's own numbers put in.
//!
//! A formula is a sum of products of whole numbers and names. Factors stand side by side; `/`, `^`, brackets and `padded(c)`, which
//! is `c` channels in whole chunks, are all there is beside them.

use std::borrow::Cow;

use super::kernel::Kernel;
use crate::backend::{Unit, Work};
use crate::error::{Error, Result};

/// Channels of a chunk of 16 bytes of bf16; scratch buffers of bf16 have whole chunks.
pub(crate) const CHUNK: usize = 8;

/// Channels in scratch buffers of bf16.
pub(crate) fn padded(channels: usize) -> usize {
    channels.next_multiple_of(CHUNK)
}

/// Numbers by the names that formulas know them by.
pub(crate) type Numbers = Vec<(Cow<'static, str>, u64)>;

impl Kernel {
    /// Operations and bytes of a launch.
    ///
    /// # Errors
    /// A formula has a name that the launch does not know, or does not fit in 64 bits.
    pub(crate) fn work(&self, numbers: &[(Cow<'static, str>, u64)]) -> Result<Work> {
        let of = |formula| {
            evaluate(formula, numbers).map_err(|reason| Error::argument(format!("kernel `{}`: `{formula}` {reason}", self.name)))
        };
        let work = Work::new(of(self.flops)?, of(self.bytes)?);
        Ok(if self.unit == Unit::Matrix { Work { matrix: work.flops, ..work } } else { work })
    }
}

/// The value of a formula, or why it has none.
fn evaluate(formula: &str, numbers: &[(Cow<'static, str>, u64)]) -> Result<u64, String> {
    let mut reader = Reader { rest: formula, numbers };
    let value = reader.sum()?;
    if reader.peek().is_some() {
        return Err(format!("ends before `{}`", reader.rest));
    }
    Ok(value)
}

/// Reads a formula from left to right.
struct Reader<'a> {
    rest: &'a str,
    numbers: &'a [(Cow<'static, str>, u64)],
}

impl Reader<'_> {
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn take(&mut self, sign: char) -> bool {
        let found = self.peek() == Some(sign);
        if found {
            self.rest = &self.rest[sign.len_utf8()..];
        }
        found
    }

    fn sum(&mut self) -> Result<u64, String> {
        let mut total = self.product()?;
        while self.take('+') {
            total = fits(total.checked_add(self.product()?))?;
        }
        Ok(total)
    }

    fn product(&mut self) -> Result<u64, String> {
        let mut value = self.power()?;
        while self.peek().is_some_and(|next| !"+)".contains(next)) {
            value = if self.take('/') {
                value.checked_div(self.power()?).ok_or("divides by 0")?
            } else {
                fits(value.checked_mul(self.power()?))?
            };
        }
        Ok(value)
    }

    fn power(&mut self) -> Result<u64, String> {
        let base = self.factor()?;
        if !self.take('^') {
            return Ok(base);
        }
        let exponent = self.factor()?;
        fits(u32::try_from(exponent).ok().and_then(|exponent| base.checked_pow(exponent)))
    }

    /// A number, a name, or something in brackets.
    fn factor(&mut self) -> Result<u64, String> {
        if self.take('(') {
            let value = self.sum()?;
            return if self.take(')') { Ok(value) } else { Err("has a bracket that does not close".into()) };
        }
        let end = self.rest.find(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match word {
            "" => Err(format!("lacks a factor before `{rest}`")),
            "padded" => Ok(padded(self.factor()? as usize) as u64),
            _ if word.starts_with(|first: char| first.is_ascii_digit()) => fits(word.parse().ok()),
            _ => self.number(word),
        }
    }

    fn number(&self, name: &str) -> Result<u64, String> {
        let known = self.numbers.iter().find(|(known, _)| *known == name);
        known.map(|(_, value)| *value).ok_or_else(|| format!("has a name that the launch does not know, {name}"))
    }
}

fn fits(value: Option<u64>) -> Result<u64, String> {
    value.ok_or_else(|| "does not fit in 64 bits".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: [(Cow<'static, str>, u64); 4] =
        [(Cow::Borrowed("n"), 3), (Cow::Borrowed("c_in"), 5), (Cow::Borrowed("side"), 7), (Cow::Borrowed("huge"), u64::MAX)];

    #[test]
    fn formulas_have_values() {
        for (formula, value) in [
            ("0", 0),
            ("n", 3),
            ("2 n c_in", 30),
            ("4 (n c_in + 2 n) + 8 n", 108),
            ("100 n side^2", 14_700),
            ("8 c_in + 4 c_in / n", 46),
            ("2 n padded(c_in) side", 336),
            ("side^(n + 1) / side", 343),
            ("padded(2 c_in)", 16),
        ] {
            assert_eq!(evaluate(formula, &NUMBERS), Ok(value), "{formula}");
        }
    }

    #[test]
    fn what_has_no_value_says_why() {
        for (formula, reason) in [
            ("2 rows", "has a name that the launch does not know, rows"),
            ("2 (n", "has a bracket that does not close"),
            ("n )", "ends before `)`"),
            ("2 +", "lacks a factor before ``"),
            ("2 * n", "lacks a factor before `* n`"),
            ("n / (0)", "divides by 0"),
            ("huge + n", "does not fit in 64 bits"),
            ("huge n", "does not fit in 64 bits"),
            ("n^huge", "does not fit in 64 bits"),
            ("99999999999999999999", "does not fit in 64 bits"),
        ] {
            assert_eq!(evaluate(formula, &NUMBERS), Err(reason.to_owned()), "{formula}");
        }
    }
}
