//! Mathematical notation: the indices and powers of plain text (`P_T`, `R^d`, `1e-5`) as HTML and as SVG.

use super::html::escape;
use super::number::superscript;

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Plain(String),
    Index(String),
    Power(String),
}

/// `text` as HTML; line breaks stay.
pub(super) fn html(text: &str) -> String {
    text.split('\n').map(html_line).collect::<Vec<_>>().join("\n")
}

fn html_line(text: &str) -> String {
    let markup = |part: Part| match part {
        Part::Plain(text) => escape(&text),
        Part::Index(text) => format!("<sub>{}</sub>", escape(&text)),
        Part::Power(text) => format!("<sup>{}</sup>", escape(&text)),
    };
    parts(text).into_iter().map(markup).collect()
}

/// `text` as the content of an SVG text element of any font size.
pub(super) fn svg(text: &str) -> String {
    let mut offset = 0;
    let mut markup = |part: Part| {
        let (text, wanted, size) = match part {
            Part::Plain(text) => (text, 0, ""),
            Part::Index(text) => (text, 3, r#" font-size="75%""#),
            Part::Power(text) => (text, -4, r#" font-size="75%""#),
        };
        let (text, shift) = (escape(&text), wanted - offset);
        offset = wanted;
        if shift == 0 && size.is_empty() { text } else { format!(r#"<tspan dy="{shift}"{size}>{text}</tspan>"#) }
    };
    parts(text).into_iter().map(&mut markup).collect()
}

fn parts(text: &str) -> Vec<Part> {
    let letters: Vec<char> = text.chars().collect();
    let (mut parts, mut plain, mut at) = (Vec::new(), String::new(), 0);
    while at < letters.len() {
        let before = &letters[..at];
        let script = match letters[at] {
            '_' if can_bear_index(before) => group(&letters[at + 1..]).map(|(text, len)| (Part::Index(text), len)),
            '^' if before.last().is_some_and(|&letter| !letter.is_whitespace()) => {
                group(&letters[at + 1..]).map(|(text, len)| (Part::Power(text), len))
            }
            'e' => exponent(before, &letters[at + 1..]).map(|(text, len)| (Part::Plain(text), len)),
            _ => None,
        };
        match script {
            Some((Part::Plain(power), len)) => {
                // 1e-5 is 10⁻⁵, 2e-5 is 2×10⁻⁵.
                let is_one =
                    plain.ends_with('1') && !plain.trim_end_matches('1').ends_with(|c: char| c.is_ascii_digit() || c == '.');
                if is_one && plain.len() - plain.trim_end_matches('1').len() == 1 {
                    plain.pop();
                } else {
                    plain.push('×');
                }
                plain.push_str(&format!("10{power}"));
                at += 1 + len;
            }
            Some((part, len)) => {
                parts.extend((!plain.is_empty()).then(|| Part::Plain(std::mem::take(&mut plain))));
                parts.push(part);
                at += 1 + len;
            }
            None => {
                plain.push(letters[at]);
                at += 1;
            }
        }
    }
    parts.extend((!plain.is_empty()).then_some(Part::Plain(plain)));
    parts
}

/// Whether an index may follow: after a single letter, a norm or a bracket, but not inside names such as `claim_id`.
fn can_bear_index(before: &[char]) -> bool {
    let mut backwards = before.iter().rev().filter(|letter| !is_mark(**letter));
    match (backwards.next(), backwards.next()) {
        (Some('‖' | ')' | ']'), _) => true,
        (Some(last), None) => last.is_alphabetic(),
        (Some(last), Some(other)) => last.is_alphabetic() && !other.is_ascii_alphanumeric() && *other != '_',
        _ => false,
    }
}

/// The text of an index or power and its length in `letters`: a group in braces or parentheses, or letters and digits.
fn group(letters: &[char]) -> Option<(String, usize)> {
    let close = match letters.first()? {
        '{' => '}',
        '(' => ')',
        _ => {
            let is_part =
                |letter: &&char| letter.is_ascii_digit() || is_mark(**letter) || (letter.is_alphabetic() && **letter != 'ᵀ');
            let text: String = letters.iter().take_while(is_part).collect();
            let len = text.chars().count();
            return (len > 0).then_some((text, len));
        }
    };
    let end = letters.iter().position(|&letter| letter == close)?;
    Some((letters[1..end].iter().collect(), end + 1))
}

/// The power of ten of a number such as `1e-5`, as superscript digits, and its length in `after`.
fn exponent(before: &[char], after: &[char]) -> Option<(String, usize)> {
    let sign = usize::from(after.first() == Some(&'-'));
    let digits = after[sign..].iter().take_while(|letter| letter.is_ascii_digit()).count();
    let is_number = before.last().is_some_and(char::is_ascii_digit) && digits > 0;
    is_number.then(|| (after[..sign + digits].iter().map(|&letter| superscript(letter)).collect(), sign + digits))
}

/// Whether a character is a combining mark, such as the hat of x̂.
fn is_mark(letter: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_and_powers_become_html() {
        for (text, expected) in [
            ("‖J_f - P_T‖_F² ≤ 1e-5", "‖J<sub>f</sub> - P<sub>T</sub>‖<sub>F</sub>² ≤ 10⁻⁵"),
            ("I_{n/2}(κ), λ_min, P_S̄ e", "I<sub>n/2</sub>(κ), λ<sub>min</sub>, P<sub>S̄</sub> e"),
            ("step 2.5e-7, (k/N)^(2/d) in R^d", "step 2.5×10⁻⁷, (k/N)<sup>2/d</sup> in R<sup>d</sup>"),
            ("control_rejected, c9_control_*, claim_id", "control_rejected, c9_control_*, claim_id"),
            ("x̂_i < W_RCAE", "x̂<sub>i</sub> &lt; W<sub>RCAE</sub>"),
            ("_ ^ e5 a_ 11e3", "_ ^ e5 a_ 11×10³"),
        ] {
            assert_eq!(html(text), expected);
        }
    }

    #[test]
    fn svg_returns_to_the_baseline() {
        assert_eq!(svg("P_T e"), r#"P<tspan dy="3" font-size="75%">T</tspan><tspan dy="-3"> e</tspan>"#);
        assert_eq!(svg("a < b"), "a &lt; b");
    }
}
