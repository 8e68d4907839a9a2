//! File names from mathematical titles.

use super::number::SUPERSCRIPTS;

/// Signs that are spelled out; all others that are not letters or digits separate words.
const SPELLED: [(char, &str); 6] = [('×', "x"), ('∞', "inf"), ('√', "sqrt"), ('⊥', "perp"), ('ᵀ', " t"), ('\u{302}', " hat ")];
const GREEK: &str = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma sigma tau upsilon phi chi \
                     psi omega";
/// As [`SUPERSCRIPTS`].
const SUBSCRIPTS: &str = "₀₁₂₃₄₅₆₇₈₉";
/// Letters of a file name.
const LONGEST: usize = 60;

/// A sign in plain letters: Greek letters as words, indices and powers as digits.
fn spelled(sign: char) -> String {
    let digit = |digits: &str| digits.chars().position(|digit| digit == sign);
    let greek = |first: char| (sign as usize).checked_sub(first as usize).and_then(|index| GREEK.split_whitespace().nth(index));
    if let Some((_, words)) = SPELLED.iter().find(|(from, _)| *from == sign) {
        (*words).to_owned()
    } else if let Some(digit) = digit(SUPERSCRIPTS) {
        format!(" {digit}")
    } else if let Some(digit) = digit(SUBSCRIPTS) {
        digit.to_string()
    } else {
        greek('α').or_else(|| greek('Α')).map_or_else(|| sign.to_string(), str::to_owned)
    }
}

/// `text` as the stem of a file: lower-case letters, digits and `_`, never empty; `x̂` is `x_hat`.
pub fn file_stem(text: &str) -> String {
    let spelled = text.chars().map(spelled).collect::<String>().to_lowercase();
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
        assert_eq!(file_stem("‖π(x̂) − x‖² ≤ 2mΔ², σ → 0"), "pi_x_hat_x_2_2mdelta_2_sigma_0");
        assert_eq!(file_stem("λ₁·ω×Ω – √n ≥ ∞, T⊥ Jᵀ é"), "lambda1_omegaxomega_sqrtn_inf_tperp_j_t");
    }

    #[test]
    fn file_names_are_plain() {
        assert_eq!(file_stem("‖E[x|y] - π(y)‖, slope 2.00"), "e_x_y_pi_y_slope_2_00");
        assert_eq!(file_stem("../x̂/\\"), "x_hat");
        assert_eq!((file_stem("").as_str(), file_stem("日本").as_str()), ("unnamed", "unnamed"));
        assert_eq!(file_stem(&"long ".repeat(50)).len(), 60);
    }
}
