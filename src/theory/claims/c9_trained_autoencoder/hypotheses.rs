//! H1 to H7 of `paper/c9.toml`, and what holds for the references.

use std::cell::RefCell;
use std::collections::HashMap;

use ndarray::{Array1, Array2, Axis};

use super::constants::NUMBER;
use super::outcome::Outcome;
use super::registration::Registration;
use super::second_moment::BestJacobian;
use super::test_set::{Errors, Part, stacked};
use super::trial::{MEASURED, VariantTrial};
use crate::error::{Error, Result};
use crate::theory::claim::{Check, Setting};
use crate::theory::hierarchical::{Estimate, Resampling, RootRatio, holm};

/// Tail of the interval that is reported beside each verdict: 95 %.
const REPORTED: f64 = 0.025;

/// What a hypothesis says about a ratio.
#[derive(Clone, Copy)]
enum Limit {
    Below(f64),
    /// The ratio differs from 1 by less than this.
    Within(f64),
}

/// A hypothesis for one case.
struct Statement<'a> {
    case: String,
    ratio: RootRatio,
    control: (String, RootRatio),
    /// What is wrong with the subject, with its size as ε, and the ratio then.
    fault: (&'static str, Faulty<'a>),
}

/// The ratio of a subject with a fault of this size.
type Faulty<'a> = Box<dyn Fn(f64) -> Result<RootRatio> + 'a>;

/// All checks.
pub(super) fn checks(registration: &Registration, outcomes: &[Outcome], setting: &Setting) -> Result<Vec<Check>> {
    let bench = Bench { registration, setting, resamplings: RefCell::default() };
    let limits = &registration.hypotheses;
    let with_plain: Vec<&Outcome> = outcomes.iter().filter(|outcome| !outcome.plain().is_empty()).collect();
    let with_variants: Vec<&Outcome> = outcomes.iter().filter(|outcome| !outcome.variants().is_empty()).collect();
    let families: [(&str, &str, Limit, Vec<Statement<'_>>); 7] = [
        ("H1", "‖f(x̂)-x‖ / ‖L(x̂)-x‖", Limit::Below(limits.target), each(outcomes, |one| against_linear(one, Part::Target))?),
        (
            "H2",
            "‖f(x̂)-π‖ / ‖L(x̂)-π‖",
            Limit::Below(limits.projection),
            each(outcomes, |one| against_linear(one, Part::Projection))?,
        ),
        ("H3", "‖P_T(f(x̂)-x)‖ / ‖P_T(π-x)‖", Limit::Within(limits.tangential), each(outcomes, tangential)?),
        ("H4", "‖f(f(x̂))-f(x̂)‖ / plain's", Limit::Below(limits.idempotence), each(with_plain, idempotence)?),
        ("H5", "‖(J-P_T)C^½‖ / ‖(J-J_C)C^½‖", Limit::Below(limits.jacobian), each(with_variants.iter().copied(), jacobian)?),
        ("H6", "‖(J-P_T)C^½‖ with noise / without", Limit::Below(limits.noise), each(with_variants.iter().copied(), noise)?),
        (
            "H7",
            "‖P_T(z_k-x)‖ / ‖P_T(f(x̂)-x)‖",
            Limit::Below(limits.repetition),
            each(with_variants, |one| repetition(one, registration))?,
        ),
    ];
    let restorable = outcomes.iter().filter_map(|outcome| Some((outcome, outcome.references.restored?)));
    let mut checks = restorable.map(|(outcome, errors)| restored(registration, outcome, errors)).collect::<Result<Vec<_>>>()?;
    for (id, quantity, limit, statements) in families {
        checks.extend(bench.verdicts([id, quantity], limit, statements)?);
    }
    Ok(checks)
}

fn each<'a>(
    outcomes: impl IntoIterator<Item = &'a Outcome>,
    of: impl Fn(&'a Outcome) -> Result<Statement<'a>>,
) -> Result<Vec<Statement<'a>>> {
    outcomes.into_iter().map(of).collect()
}

struct Bench<'a> {
    registration: &'a Registration,
    setting: &'a Setting,
    /// By numbers of trainings and pictures: the same samples for all ratios of one size.
    resamplings: RefCell<HashMap<[usize; 2], Resampling>>,
}

impl Bench<'_> {
    /// One check for each case. What is measured is the end of the one-sided interval at the level of Holm's procedure, so that
    /// the check holds iff the hypothesis is confirmed there.
    fn verdicts(&self, [id, quantity]: [&str; 2], limit: Limit, statements: Vec<Statement<'_>>) -> Result<Vec<Check>> {
        let estimates: Vec<Estimate> = statements.iter().map(|statement| self.estimate(&statement.ratio)).collect();
        let probabilities: Vec<f64> = estimates.iter().map(|estimate| probability(estimate, limit)).collect();
        let levels = holm(&probabilities, self.registration.statistics.level);
        let verdict = |(place, statement): (usize, Statement<'_>)| {
            let (estimate, level) = (&estimates[place], levels[place]);
            let of = |ratio: &RootRatio| end(&self.estimate(ratio), limit, level);
            let because = format!(
                "{:.3}, 95 %: {:.3} to {:.3}; p = {:.1e}; level {level:.4} (Holm, {} cases); paper/c9.toml {}",
                estimate.value,
                estimate.lower(REPORTED),
                estimate.upper(REPORTED),
                probabilities[place],
                levels.len(),
                self.registration.digest
            );
            let name = format!("{id}: {quantity}, {}", statement.case);
            let check = match limit {
                Limit::Below(limit) => Check::at_most(name, limit, end(estimate, Limit::Below(limit), level), 0.0, because),
                Limit::Within(limit) => {
                    Check::at_most(format!("{name}, off 1"), 0.0, end(estimate, Limit::Within(limit), level), limit, because)
                }
            };
            let (control, ratio) = &statement.control;
            let (fault, with_fault) = &statement.fault;
            check.empirical().control(control.clone(), of(ratio)).notices(*fault, |size| Ok(of(&with_fault(size)?)))
        };
        statements.into_iter().enumerate().map(verdict).collect()
    }

    fn estimate(&self, ratio: &RootRatio) -> Estimate {
        let mut known = self.resamplings.borrow_mut();
        let resampling = known.entry(ratio.size()).or_insert_with(|| {
            Resampling::new(&mut self.setting.stream(NUMBER, 0), self.registration.statistics.resamples, ratio.size())
        });
        ratio.estimate(resampling)
    }
}

/// p of the hypothesis that the limit is not kept.
fn probability(estimate: &Estimate, limit: Limit) -> f64 {
    match limit {
        Limit::Below(limit) => estimate.probability_at(limit),
        // Both one-sided tests must reject.
        Limit::Within(limit) => estimate.probability_at(1.0 + limit).max(estimate.probability_from(1.0 - limit)),
    }
}

/// The end of the one-sided interval that is compared with the limit.
fn end(estimate: &Estimate, limit: Limit, level: f64) -> f64 {
    match limit {
        Limit::Below(_) => estimate.upper(level),
        Limit::Within(_) => (estimate.upper(level) - 1.0).max(1.0 - estimate.lower(level)),
    }
}

/// f against the better linear map. Control: ½(x̂ + f(x̂)).
fn against_linear(outcome: &Outcome, part: Part) -> Result<Statement<'_>> {
    let references = &outcome.references;
    let (linear, mixed) = match part {
        Part::Target => (&references.linear, Part::TargetWithIdentity),
        _ => (&references.linear_to_projection, Part::ProjectionWithIdentity),
    };
    let subjects = outcome.subjects();
    let (own, below) = (stacked(&subjects, part), repeated(linear, part, subjects.len()));
    let (inner, identity) = (stacked(&subjects, mixed), repeated(&references.identity, part, subjects.len()));
    let control = ("½(x̂ + f(x̂))".to_owned(), RootRatio::new(stacked(&outcome.halfway(), part), below.clone())?);
    let ratio = RootRatio::new(own.clone(), below.clone())?;
    let faulty = move |share: f64| {
        let above = &own * (1.0 - share).powi(2) + &inner * (2.0 * share * (1.0 - share)) + &identity * share.powi(2);
        // Rounding can take a square below 0.
        RootRatio::new(above.mapv(|value| value.max(0.0)), below.clone())
    };
    let fault = "the share ε of the identity in f";
    Ok(Statement { case: outcome.case.name(), ratio, control, fault: (fault, Box::new(faulty)) })
}

/// The network removes what π removes and restores nothing that π does not. Control: π repeated once, on the way to f*.
fn tangential(outcome: &Outcome) -> Result<Statement<'_>> {
    let subjects = outcome.subjects();
    let own = stacked(&subjects, Part::Tangential);
    let below = repeated(&outcome.references.projection, Part::Tangential, subjects.len());
    let once = repeated(&outcome.references.repeated, Part::Tangential, subjects.len());
    let control = ("π repeated once".to_owned(), RootRatio::new(once, below.clone())?);
    let ratio = RootRatio::new(own.clone(), below.clone())?;
    let faulty = move |share: f64| RootRatio::new(&own * (1.0 - share).powi(2), below.clone());
    Ok(Statement { case: outcome.case.name(), ratio, control, fault: ("the share ε of f* in f", Box::new(faulty)) })
}

/// f against the plain autoencoder. Control: f halfway back to x̂.
fn idempotence(outcome: &Outcome) -> Result<Statement<'_>> {
    let [own, halfway, below] =
        [outcome.subjects(), outcome.halfway(), outcome.plain()].map(|errors| stacked(&errors, Part::Twice));
    let ratio = RootRatio::new(own.clone(), below.clone())?;
    let control = ("½(x̂ + f(x̂))".to_owned(), RootRatio::new(halfway.clone(), below.clone())?);
    let faulty = move |share: f64| RootRatio::new(&own * (1.0 - share) + &halfway * share, below.clone());
    let fault = "the share ε of the control in the squared error";
    Ok(Statement { case: outcome.case.name(), ratio, control, fault: (fault, Box::new(faulty)) })
}

/// The distances of one kind for each training and point: to J_C (0) or P_T (1).
fn distances(variants: &[&VariantTrial], of: impl Fn(&VariantTrial) -> &Array2<f64>, to: usize) -> Array2<f64> {
    let points = variants.first().map_or(0, |first| of(first).nrows());
    let mut all = Array2::zeros((variants.len(), points));
    all.axis_iter_mut(Axis(0)).zip(variants).for_each(|(mut row, variant)| row.assign(&of(variant).column(to)));
    all
}

/// The Jacobian on D against P_T and J_C. Control: J_C, estimated from other corruptions.
fn jacobian(outcome: &Outcome) -> Result<Statement<'_>> {
    let variants = outcome.variants();
    let [best, orthogonal, inner] = [0, 1, 2].map(|part: usize| distances(&variants, |variant| &variant.jacobian, part));
    let ratio = RootRatio::new(orthogonal.clone(), best.clone())?;
    let other = outcome.best.as_ref().map_or_else(|| Array2::zeros((0, 3)), BestJacobian::distances_of_other);
    let row = |part: usize| other.column(part).to_owned().insert_axis(Axis(0));
    let control = ("J_C, estimated from other corruptions".to_owned(), RootRatio::new(row(1), row(0))?);
    let faulty = move |share: f64| {
        let above = &orthogonal - &inner * (2.0 * share) + &best * share.powi(2);
        // Rounding can take a square below 0.
        RootRatio::new(above.mapv(|value| value.max(0.0)), &best * (1.0 - share).powi(2))
    };
    Ok(Statement { case: outcome.case.name(), ratio, control, fault: ("the share ε of J_C in J", Box::new(faulty)) })
}

/// Noise takes the Jacobian towards P_T. Control: towards J_C.
fn noise(outcome: &Outcome) -> Result<Statement<'_>> {
    let variants = outcome.variants();
    let with = |to: usize| distances(&variants, |variant| &variant.noisy_jacobian, to);
    let without = |to: usize| distances(&variants, |variant| &variant.jacobian, to);
    let (above, below) = (with(1), without(1));
    let control = ("the same for J_C".to_owned(), RootRatio::new(with(0), without(0))?);
    let ratio = RootRatio::new(above.clone(), below.clone())?;
    let inverse = &below * &below / above.mapv(|value| value.max(f64::MIN_POSITIVE));
    let faulty = move |share: f64| RootRatio::new(&above * (1.0 - share) + &inverse * share, below.clone());
    Ok(Statement { case: outcome.case.name(), ratio, control, fault: ("the share ε of the inverse effect", Box::new(faulty)) })
}

/// Repetition restores what f does not. Control: the network trained with repetitions, applied once.
fn repetition<'a>(outcome: &'a Outcome, registration: &Registration) -> Result<Statement<'a>> {
    let wanted = registration.variants.repetitions;
    let place = MEASURED.iter().position(|&number| number == wanted);
    let place = place.ok_or_else(|| Error::format(format!("paper/c9.toml: {wanted} repetitions are not measured")))?;
    let after = |place: usize| {
        let errors: Vec<&Errors> = outcome.variants().iter().map(|variant| &variant.repeated[place]).collect();
        stacked(&errors, Part::Tangential)
    };
    let (above, below) = (after(place), stacked(&outcome.subjects(), Part::Tangential));
    let ratio = RootRatio::new(above.clone(), below.clone())?;
    let control = ("the same network applied once".to_owned(), RootRatio::new(after(0), below.clone())?);
    let faulty = move |share: f64| RootRatio::new(&above * (1.0 - share) + &below * share, below.clone());
    Ok(Statement { case: outcome.case.name(), ratio, control, fault: ("the share ε of f", Box::new(faulty)) })
}

/// The same for every training.
fn repeated(errors: &Errors, part: Part, count: usize) -> Array2<f64> {
    let row: Array1<f64> = errors.part(part);
    row.broadcast((count, row.len())).map_or_else(|| Array2::zeros((0, 0)), |rows| rows.to_owned())
}

/// f*, computed by reweighting, restores x. Control: π on the same pictures.
fn restored(registration: &Registration, outcome: &Outcome, [own, projection]: [f64; 2]) -> Result<Check> {
    let quantity = format!("‖f*(x̂)-x‖ / ‖x̂-x‖, f* by repeating π, {}", outcome.case.name());
    let because =
        format!("a gate that has not closed quite, and regions larger than (H) allows; paper/c9.toml {}", registration.digest);
    Check::at_most(quantity, 0.0, own, registration.restored.limit, because)
        .control("π", projection)
        .notices("the share ε of the squared error of π", |share| {
            Ok(((1.0 - share) * own.powi(2) + share * projection.powi(2)).sqrt())
        })
}

#[cfg(test)]
mod tests {
    use super::super::linear::LinearMaps;
    use super::*;
    use crate::theory::claim::Effort;

    /// The whole way of the full form with next to no training: every hypothesis gets a verdict, every control a value.
    #[test]
    fn every_hypothesis_is_measured_in_the_full_form() {
        let setting = Setting::new(7, Effort::Full).unwrap();
        let mut registration = Registration::of(&setting).unwrap();
        registration.shrink();
        let case = registration.cases(Effort::Full).remove(0);
        let linear = LinearMaps::new(&case, &registration).unwrap();
        let outcome = Outcome::new(case, &registration, &setting, &linear).unwrap();
        let outcomes = [outcome];
        let checks = checks(&registration, &outcomes, &setting).unwrap();
        let starts: Vec<String> = checks.iter().map(|check| check.quantity.chars().take(2).collect()).collect();
        assert_eq!(starts[1..], ["H1", "H2", "H3", "H4", "H5", "H6", "H7"]);
        for check in &checks {
            assert!(check.measured.is_finite() && check.control.as_ref().unwrap().measured.is_finite(), "{check:?}");
            assert!(check.because.contains(&registration.digest) && check.can_fail(), "{check:?}");
        }
        // f* restores x; an untrained network is no better than a linear map.
        assert!(checks[0].passed() && checks[0].control_rejected() == Some(true), "{:?}", checks[0]);
        assert!(!checks[1].passed() && !checks[2].passed());
        assert_eq!(checks[5].control_rejected(), Some(true), "{:?}", checks[5]);
        // All four kinds of figures, each a valid one.
        let figures = super::super::figures::all(&outcomes).unwrap();
        let stems: Vec<&str> = figures.iter().map(|figure| figure.stem.as_str()).collect();
        assert_eq!(stems, ["c9_gallery_gratings", "c9_errors_gratings", "c9_signature_gratings", "c9_repetition_gratings"]);
        assert!(figures.iter().all(|figure| figure.check_stem().is_ok()));
    }
}
