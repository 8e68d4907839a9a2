//! File names from mathematical titles: signs in plain letters.

/// Signs and how they are spelled.
const SPELLED: [(&str, &str); 12] = [
    ("‖", "||"),
    ("−", "-"),
    ("–", "-"),
    ("·", "*"),
    ("×", "x"),
    ("≤", "<="),
    ("≥", ">="),
    ("→", "->"),
    ("∞", "inf"),
    ("√", "sqrt"),
    ("⊥", "perp"),
    ("ᵀ", "^T"),
];
const GREEK: &str = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma sigma tau upsilon phi chi \
                     psi omega";
const SUPERSCRIPTS: &str = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const SUBSCRIPTS: &str = "₀₁₂₃₄₅₆₇₈₉";
const COMBINING_HAT: char = '\u{302}';
/// Letters of a file name.
const LONGEST: usize = 60;

/// `text` with Greek letters as words, indices and powers as digits, and common signs spelled out. The hat of x̂ stays, and so
/// does what has no spelling.
fn spelled(text: &str) -> String {
    text.chars().map(spelling).collect()
}

fn spelling(sign: char) -> String {
    let digit = |digits: &str| digits.chars().position(|digit| digit == sign);
    let greek = |first: char| (sign as usize).checked_sub(first as usize).and_then(|index| GREEK.split_whitespace().nth(index));
    if let Some((_, words)) = SPELLED.iter().find(|(from, _)| from.chars().eq([sign])) {
        (*words).to_owned()
    } else if let Some(digit) = digit(SUPERSCRIPTS) {
        format!("^{digit}")
    } else if let Some(digit) = digit(SUBSCRIPTS) {
        digit.to_string()
    } else if let Some(name) = greek('α') {
        name.to_owned()
    } else if let Some(name) = greek('Α') {
        name[..1].to_uppercase() + &name[1..]
    } else {
        sign.to_string()
    }
}

/// `text` as the stem of a file: lower-case letters, digits and `_`, never empty; `x̂` is `x_hat`.
pub fn file_stem(text: &str) -> String {
    let spelled = spelled(&text.replace(COMBINING_HAT, " hat ")).to_lowercase();
    let words: Vec<&str> =
        spelled.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let stem: String = words.join("_").chars().take(LONGEST).collect();
    if stem.is_empty() { "unnamed".to_owned() } else { stem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_become_letters() {
        assert_eq!(spelled("‖π(x̂) − x‖² ≤ 2mΔ², σ → 0"), "||pi(x̂) - x||^2 <= 2mDelta^2, sigma -> 0");
        assert_eq!(spelled("λ₁ ω Ω é"), "lambda1 omega Omega é");
    }

    #[test]
    fn file_names_are_plain() {
        assert_eq!(file_stem("‖E[x|y] - π(y)‖, slope 2.00"), "e_x_y_pi_y_slope_2_00");
        assert_eq!(file_stem("../x̂/\\"), "x_hat");
        assert_eq!((file_stem("").as_str(), file_stem("日本").as_str()), ("unnamed", "unnamed"));
        assert_eq!(file_stem(&"long ".repeat(50)).len(), 60);
    }
}
