//! Cost of a launch: evaluates the formulas in the kernel's header comment with the variables of the launch.
//!
//! A formula is a sum of products. A factor is a whole number, a variable or a formula in brackets; adjacent factors are
//! multiplied. There are also `/` and `^`.

use std::borrow::Cow;

use super::kernel::Kernel;
use crate::backend::{Unit, Work};
use crate::error::{Error, Result};

/// Names and values of the variables of formulas.
pub(crate) type Variables = Vec<(Cow<'static, str>, u64)>;

impl Kernel {
    /// Operations and bytes of a launch with these variables.
    ///
    /// # Errors
    /// A formula has an unknown variable or a value that does not fit in 64 bits.
    pub(crate) fn work(&self, variables: &[(Cow<'static, str>, u64)]) -> Result<Work> {
        let of = |formula| {
            evaluate(formula, variables)
                .map_err(|reason| Error::argument(format!("kernel `{}`: `{formula}` {reason}", self.name)))
        };
        let work = Work::new(of(self.flops)?, of(self.bytes)?);
        Ok(if self.unit == Unit::Matrix { Work { matrix: work.flops, ..work } } else { work })
    }
}

/// The value of a formula, or the reason why it has none.
fn evaluate(formula: &str, variables: &[(Cow<'static, str>, u64)]) -> Result<u64, String> {
    let mut parser = Parser { rest: formula, variables };
    let value = parser.sum()?;
    if parser.peek().is_some() {
        return Err(format!("ends before `{}`", parser.rest));
    }
    Ok(value)
}

/// Evaluates a formula from left to right by recursive descent.
struct Parser<'a> {
    rest: &'a str,
    variables: &'a [(Cow<'static, str>, u64)],
}

impl Parser<'_> {
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

    /// A number, a variable, or a formula in brackets.
    fn factor(&mut self) -> Result<u64, String> {
        if self.take('(') {
            let value = self.sum()?;
            return if self.take(')') { Ok(value) } else { Err("has an unclosed bracket".into()) };
        }
        let end = self.rest.find(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match word {
            "" => Err(format!("lacks a factor before `{rest}`")),
            _ if word.starts_with(|first: char| first.is_ascii_digit()) => fits(word.parse().ok()),
            _ => self.variable(word),
        }
    }

    fn variable(&self, name: &str) -> Result<u64, String> {
        let known = self.variables.iter().find(|(known, _)| *known == name);
        known.map(|(_, value)| *value).ok_or_else(|| format!("has the unknown variable {name}"))
    }
}

fn fits(value: Option<u64>) -> Result<u64, String> {
    value.ok_or_else(|| "does not fit in 64 bits".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const VARIABLES: [(Cow<'static, str>, u64); 4] =
        [(Cow::Borrowed("n"), 3), (Cow::Borrowed("c_in"), 5), (Cow::Borrowed("side"), 7), (Cow::Borrowed("huge"), u64::MAX)];

    #[test]
    fn formulas_are_evaluated() {
        for (formula, value) in [
            ("0", 0),
            ("n", 3),
            ("2 n c_in", 30),
            ("4 (n c_in + 2 n) + 8 n", 108),
            ("100 n side^2", 14_700),
            ("8 c_in + 4 c_in / n", 46),
            ("side^(n + 1) / side", 343),
        ] {
            assert_eq!(evaluate(formula, &VARIABLES), Ok(value), "{formula}");
        }
    }

    #[test]
    fn errors_say_why_a_formula_has_no_value() {
        for (formula, reason) in [
            ("2 rows", "has the unknown variable rows"),
            ("2 (n", "has an unclosed bracket"),
            ("n )", "ends before `)`"),
            ("2 +", "lacks a factor before ``"),
            ("2 * n", "lacks a factor before `* n`"),
            ("n / (0)", "divides by 0"),
            ("huge + n", "does not fit in 64 bits"),
            ("huge n", "does not fit in 64 bits"),
            ("n^huge", "does not fit in 64 bits"),
            ("99999999999999999999", "does not fit in 64 bits"),
        ] {
            assert_eq!(evaluate(formula, &VARIABLES), Err(reason.to_owned()), "{formula}");
        }
    }
}
