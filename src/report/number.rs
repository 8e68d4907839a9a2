//! Numbers for readers.

/// Digits as superscripts; the position of a digit is its value.
pub(super) const SUPERSCRIPTS: &str = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/// `value` with about `digits` significant digits: `0.0123`, `20 000`, `3×10⁻⁵`; `–` for NaN. Thousands are separated by narrow
/// spaces; trailing zeros of the fraction are dropped.
pub(super) fn readable(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return "–".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "∞" } else { "−∞" }.to_owned();
    }
    let size = value.abs();
    let text = if size == 0.0 {
        "0".to_owned()
    } else if (1e-3..1e7).contains(&size) {
        decimal(size, digits)
    } else {
        scientific(size, digits)
    };
    if value < 0.0 { format!("−{text}") } else { text }
}

/// A positive value in the largest multiple of its unit that is not more than it, from 1 to 10¹²: `27.6 GB`.
pub(super) fn prefixed(value: f64, digits: usize, unit: &str) -> String {
    let multiples = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    let (multiple, prefix) = multiples.into_iter().find(|(multiple, _)| value >= *multiple).unwrap_or((1.0, ""));
    format!("{} {prefix}{unit}", readable(value / multiple, digits))
}

fn decimal(size: f64, digits: usize) -> String {
    let before_point = (size.log10().floor() as i32 + 1).max(1);
    let decimals = (digits as i32 - if size < 1.0 { size.log10().floor() as i32 + 1 } else { before_point }).max(0);
    let text = format!("{size:.*}", decimals as usize);
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = fraction.trim_end_matches('0');
    let whole = group_thousands(whole);
    if fraction.is_empty() { whole } else { format!("{whole}.{fraction}") }
}

fn scientific(size: f64, digits: usize) -> String {
    let text = format!("{size:.*e}", digits.saturating_sub(1));
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let mantissa = if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    let power: String = exponent.chars().map(superscript).collect();
    if mantissa == "1" { format!("10{power}") } else { format!("{mantissa}×10{power}") }
}

/// Numbers of five or more digits in groups of three.
fn group_thousands(whole: &str) -> String {
    if whole.len() < 5 {
        return whole.to_owned();
    }
    let (first, rest) = whole.split_at((whole.len() - 1) % 3 + 1);
    let groups = (0..rest.len()).step_by(3).map(|start| &rest[start..start + 3]);
    [first].into_iter().chain(groups).collect::<Vec<_>>().join("\u{202f}")
}

/// A digit or minus sign as superscript.
pub(super) fn superscript(character: char) -> char {
    let digit = character.to_digit(10).and_then(|digit| SUPERSCRIPTS.chars().nth(digit as usize));
    digit.unwrap_or(if character == '-' { '⁻' } else { character })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_readers() {
        let expected = [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (0.5, "0.5"),
            (0.012_345, "0.0123"),
            (12.345, "12.3"),
            (-2.0, "−2"),
            (1234.0, "1234"),
            (20_000.0, "20\u{202f}000"),
            (1_234_567.0, "1\u{202f}234\u{202f}567"),
            (3e-5, "3×10⁻⁵"),
            (1e-8, "10⁻⁸"),
            (1.5e9, "1.5×10⁹"),
            (f64::NAN, "–"),
            (f64::NEG_INFINITY, "−∞"),
        ];
        for (value, text) in expected {
            assert_eq!(readable(value, 3), text, "{value}");
        }
    }

    #[test]
    fn units_get_the_prefix_that_fits() {
        let expected =
            [(0.0, "0 B"), (999.0, "999 B"), (1e3, "1 kB"), (710_400.0, "710 kB"), (2.76e10, "27.6 GB"), (5e15, "5000 TB")];
        for (value, text) in expected {
            assert_eq!(prefixed(value, 3, "B"), text);
        }
    }
}
