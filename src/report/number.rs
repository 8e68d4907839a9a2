//! Numbers for readers.

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
    let mut result = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            result.push('\u{202f}');
        }
        result.push(digit);
    }
    result
}

/// A digit or minus sign as superscript.
pub(super) fn superscript(character: char) -> char {
    match character {
        '0' => '⁰',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '4' => '⁴',
        '5' => '⁵',
        '6' => '⁶',
        '7' => '⁷',
        '8' => '⁸',
        '9' => '⁹',
        '-' => '⁻',
        other => other,
    }
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
}
