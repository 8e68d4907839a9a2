//! The quick form of every claim: each check holds, each control fails the same check.

use orthoscope::theory::claim::{Effort, Setting};
use orthoscope::theory::{claims, figure::Content, runner};

/// Measures the claim `id` on this number of threads.
fn measured(id: &str, threads: usize) -> runner::Finding {
    let claims = claims::find(&[id]).unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let findings = pool.install(|| runner::run(&claims, &Setting::new(0, Effort::Quick).unwrap(), |_| {}).unwrap());
    assert_eq!(findings.len(), 1, "{id}");
    findings.into_iter().next().unwrap()
}

/// Fails for each check of the claim `id` that does not hold or whose control passes, and for a bit that depends on the number of
/// threads.
fn check(id: &str) {
    let (finding, other) = (&measured(id, 1), measured(id, 3));
    assert_eq!(finding.evidence.checks, other.evidence.checks, "{id} depends on the number of threads");
    assert_eq!(finding.evidence.figures, other.evidence.figures, "{id} depends on the number of threads");
    let wrong: Vec<_> =
        finding.evidence.checks.iter().filter(|check| !check.passed() || check.control_rejected() == Some(false)).collect();
    assert!(wrong.is_empty(), "{id}: {wrong:#?}");
    assert!(finding.evidence.holds(), "{id} has no check or no control");
    for check in &finding.evidence.checks {
        assert!(!check.because.is_empty() && check.tolerance >= 0.0, "{id}: a tolerance without a reason: {}", check.quantity);
        assert!(check.control.is_some(), "{id}: no control of its own: {}", check.quantity);
        assert!(check.can_fail(), "{id}: notices no fault: {}", check.quantity);
    }
    check_figures(id, finding);
}

/// Whether the map of claims lists a figure, or `cN_word_*` for it.
fn is_in_the_map(stem: &str) -> bool {
    let map = include_str!("../../paper/claims.md");
    let pattern = stem.splitn(3, '_').take(2).collect::<Vec<_>>().join("_");
    map.contains(&format!("`{stem}`")) || map.contains(&format!("`{pattern}_*`"))
}

/// Figures have the prefix of their claim and are not empty.
fn check_figures(id: &str, finding: &runner::Finding) {
    let prefix = format!("{}_", id.to_lowercase());
    for figure in &finding.evidence.figures {
        assert!(figure.stem.starts_with(&prefix), "{} is not a figure of {id}", figure.stem);
        assert!(is_in_the_map(&figure.stem), "paper/claims.md does not list {}", figure.stem);
        assert!(!figure.title.is_empty() && !figure.caption.is_empty(), "{} has no title or no caption", figure.stem);
        let is_drawn = match &figure.content {
            Content::Chart(chart) => !chart.series.is_empty() && chart.series.iter().all(|series| !series.points.is_empty()),
            Content::Gallery(rows) => rows.iter().all(|row| !row.images.is_empty()) && !rows.is_empty(),
        };
        assert!(is_drawn, "{} is empty", figure.stem);
    }
}

#[test]
fn c1_geometry() {
    check("C1");
}

#[test]
fn c2_least_contraction() {
    check("C2");
}

#[test]
fn c3_linear_models() {
    check("C3");
}

#[test]
fn c4_denoising() {
    check("C4");
}

#[test]
fn c5_contractive() {
    check("C5");
}

#[test]
fn c6_partial_corruption() {
    check("C6");
}

#[test]
fn c7_conservation() {
    check("C7");
}

#[test]
fn c8_discrete_textures() {
    check("C8");
}

#[test]
fn c9_trained_autoencoder() {
    check("C9");
}

#[test]
fn c10_idempotence_and_orthogonality() {
    check("C10");
}

#[test]
fn c11_score_is_distance() {
    check("C11");
}

#[test]
fn c12_smooth_optimum() {
    check("C12");
}

#[test]
fn c13_no_derivative() {
    check("C13");
}

#[test]
fn c14_sparse_projection() {
    check("C14");
}

#[test]
fn c15_kept_noise() {
    check("C15");
}

#[test]
fn c16_augmentation() {
    check("C16");
}

#[test]
fn there_are_sixteen_claims_each_with_a_statement_and_a_control() {
    let ids: Vec<_> = claims::ALL.iter().map(|claim| claim.id.to_owned()).collect();
    assert_eq!(ids, (1..=16).map(|number| format!("C{number}")).collect::<Vec<_>>());
    for claim in claims::ALL {
        assert!(!claim.title.is_empty() && claim.statement.contains("Control"), "{}", claim.id);
    }
}

#[test]
fn unknown_claims_list_the_known_ones() {
    let error = claims::find(&["C7", "C17"]).err().unwrap().to_string();
    assert!(error.contains("`C17`") && error.contains("C1, C2") && error.contains("C16"), "{error}");
    let found: Vec<_> = claims::find(&["c7", "C2", "C7"]).unwrap().iter().map(|claim| claim.id).collect();
    assert_eq!(found, ["C2", "C7"], "in order, each once, in any case");
}
