//! The checks.

use crate::error::Result;
use crate::theory::claim::Row;
use crate::theory::resemblance::Measures;
use crate::theory::statistics::{larger, log_log_slope, smaller};

use super::bench::Outcome;
use super::case::{Net, World};

/// The limit of every length relative to the corruption, in the full form: at least half of it is undone.
const HALF: f64 = 0.5;

/// What is predicted by `‖π(x̂)-x‖/‖x̂-x‖` of the same samples.
const TO_PROJECTION: &str = "the optimum x is ‖π(x̂)-x‖ ≈ ‖P_T e‖ from π; beyond that, what training leaves, which is empirical";

const PLAIN: &str = "the same network trained without corruption";
const IDENTITY: &str = "the identity map";
const ANOTHER: &str = "another picture of D";
const REFLECTION: &str = "2π(x̂) - x̂";
const SHEARED: &str = "π(x̂) moved along T by δ(x̂)";

/// One small network.
pub(super) fn quick(outcome: &Outcome) -> Result<Vec<Row>> {
    let [own, plain] = [&outcome.subject, &outcome.control].map(|side| &side.trained_on);
    let at_most = |quantity: &str, value: fn(&Measures) -> f64, tolerance: f64, because: &'static str| {
        Row::at_most(quantity, 0.0, value(own), tolerance, because).control(PLAIN, value(plain))
    };
    let between = "0 for the optimum; 2000 steps leave 0.14 to 0.17, control 0.3 (seeds 0 to 2; control 0, 1)";
    let twice = "0 for the optimum; 0.07 found, control 0.15 (seeds 0 to 2; control 0, 1)";
    let kept = "0 for the optimum; 0.14 to 0.17 found, π itself 0.12, control 0.3 (seeds 0 to 2; control 0, 1)";
    let optimum = own.projection_to_target();
    let [near, angle] =
        [Measures::to_projection, Measures::tangential_cosine].map(|value: fn(&Measures) -> f64| (value(own), value(plain)));
    Ok(vec![
        at_most("‖f(x̂)-x‖ / ‖x̂-x‖", Measures::to_target, 0.23, between),
        Row::at_most("‖f(x̂)-π(x̂)‖ / ‖x̂-x‖", optimum, near.0, 0.08, TO_PROJECTION).control(PLAIN, near.1),
        at_most("‖f(f(x̂))-f(x̂)‖ / ‖x̂-x‖", Measures::idempotence, 0.11, twice),
        Row::at_most("cosine of x̂-f(x̂) to the tangent space", optimum, angle.0, 0.02, TO_PROJECTION).control(PLAIN, angle.1),
        at_most("‖(f(x̂)-x̂) off S‖ / ‖x̂-x‖", Measures::change_outside, 0.23, kept),
        Row::equal(
            "‖x̂-f(x̂)‖ / ‖x̂-π(x̂)‖",
            1.0,
            own.residual_of_distance(),
            0.03,
            "√(1 + 0.12²) = 1.007 for the optimum; within 0.003 of 1 (seeds 0 to 2)",
        )
        .control(SHEARED, outcome.wrong.sheared.residual_of_distance()),
        Row::at_least("rank correlation of ‖x̂-f(x̂)‖ and ‖x̂-π(x̂)‖", 1.0, own.rank_correlation()?, 0.005, "0.999 on seeds 0 to 2")
            .control(ANOTHER, outcome.wrong.another.rank_correlation()?),
    ])
}

/// Every case against its controls, then what C7 predicts for π.
pub(super) fn full(outcomes: &[Outcome]) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = outcomes.iter().flat_map(errors).collect();
    for world in World::ALL {
        for net in Net::ALL {
            let sizes: Vec<_> =
                outcomes.iter().filter(|outcome| outcome.case.world == world && outcome.case.net == net).collect();
            rows.extend(worst_of_sizes(&sizes)?);
        }
    }
    rows.push(slope(outcomes, World::Gratings)?);
    Ok(rows)
}

/// How much of the corruption is left.
fn errors(outcome: &Outcome) -> [Row; 2] {
    let (own, name) = (&outcome.subject.trained_on, outcome.case.name());
    let because = "0 for the optimum; a network that undoes less than half of the corruption does not resemble π";
    let error = Row::at_most(format!("‖f(x̂)-x‖ / ‖x̂-x‖, {name}"), 0.0, own.to_target(), HALF, because);
    let error = match plain_is_a_control(outcome) {
        true => error.control(PLAIN, outcome.control.trained_on.to_target()),
        false => error.control(IDENTITY, 1.0),
    };
    let quantity = format!("‖f(x̂)-π(x̂)‖ / ‖x̂-x‖, {name}");
    let distance = Row::at_most(quantity, own.projection_to_target(), own.to_projection(), 0.25, TO_PROJECTION);
    [error, distance.control(IDENTITY, outcome.wrong.another.relative(|sample| sample.distance))]
}

/// The plain autoencoder passes corruption through only where the network has skips: see the module's words.
fn plain_is_a_control(outcome: &Outcome) -> bool {
    outcome.case.net == Net::ModelII
}

/// The other measures, for the worst of three sizes, against the best of the control's.
fn worst_of_sizes(outcomes: &[&Outcome]) -> Result<[Row; 5]> {
    let subject = outcomes[0].case.subject();
    let worst = |value: fn(&Measures) -> f64| {
        outcomes.iter().map(|outcome| value(&outcome.subject.trained_on)).fold(f64::NEG_INFINITY, larger)
    };
    let at_most = |quantity: &str, value: fn(&Measures) -> f64, tolerance: f64, because: &'static str| {
        Row::at_most(format!("{quantity}, {subject}"), 0.0, worst(value), tolerance, because)
    };
    let mildest = |wrong: fn(&Outcome) -> &Measures, value: fn(&Measures) -> f64| {
        outcomes.iter().map(|outcome| value(wrong(outcome))).fold(f64::INFINITY, smaller)
    };
    let angle_beyond = |measures: &Measures| measures.tangential_cosine() - measures.projection_to_target();
    let off_one = |measures: &Measures| (measures.residual_of_distance() - 1.0).abs();
    let ranks =
        |of: fn(&Outcome) -> &Measures| outcomes.iter().map(|outcome| of(outcome).rank_correlation()).collect::<Result<Vec<_>>>();
    let rank = ranks(|outcome| &outcome.subject.trained_on)?.into_iter().fold(f64::INFINITY, smaller);
    let rank_of_another = ranks(|outcome| &outcome.wrong.another)?.into_iter().fold(f64::NEG_INFINITY, larger);
    let empirical = "0 for the optimum; how near a network comes is empirical";
    Ok([
        at_most("‖f(f(x̂))-f(x̂)‖ / ‖x̂-x‖", Measures::idempotence, HALF, empirical)
            .control(REFLECTION, mildest(|outcome| &outcome.wrong.reflection, Measures::idempotence)),
        Row::at_most(
            format!("cosine of x̂-f(x̂) to the tangent space less ‖π(x̂)-x‖ / ‖x̂-x‖, {subject}"),
            0.0,
            worst(angle_beyond),
            0.1,
            TO_PROJECTION,
        )
        .control(SHEARED, mildest(|outcome| &outcome.wrong.sheared, angle_beyond)),
        at_most("‖(f(x̂)-x̂) off S‖ / ‖x̂-x‖", Measures::change_outside, HALF, "0 for the optimum, 0.11 to 0.29 for π itself")
            .control(ANOTHER, mildest(|outcome| &outcome.wrong.another, Measures::change_outside)),
        at_most("|‖x̂-f(x̂)‖ / ‖x̂-π(x̂)‖ - 1|", off_one, 0.2, "√(1 + (‖P_T e‖/δ)²) - 1 for the optimum, at most 0.1")
            .control(SHEARED, mildest(|outcome| &outcome.wrong.sheared, off_one)),
        Row::at_least(
            format!("rank correlation of ‖x̂-f(x̂)‖ and ‖x̂-π(x̂)‖, {subject}"),
            1.0,
            rank,
            0.15,
            "the optimum orders all but pairs within ‖P_T e‖ as π does",
        )
        .control(ANOTHER, rank_of_another),
    ])
}

/// Error of π under white noise over the number of pixels.
fn slope(outcomes: &[Outcome], world: World) -> Result<Row> {
    let curve = |value: fn(&Outcome) -> f64| {
        let of_world = outcomes.iter().filter(|outcome| outcome.case.world == world && outcome.case.net == Net::Mlp);
        of_world.map(|outcome| (outcome.pixels(), value(outcome))).collect::<Vec<_>>()
    };
    let noise = curve(|outcome| outcome.subject.noise.projection_to_target());
    let smooth = curve(|outcome| outcome.subject.trained_on.projection_to_target());
    Ok(Row::equal(
        format!("slope of ‖π(x̂)-x‖/‖x̂-x‖ in n under white noise, {}", world.name()),
        -0.5,
        log_log_slope(&noise)?,
        0.1,
        "the exponent of C7.3, 128 samples at each of three n",
    )
    .control("the paper's corruption, not in general position", log_log_slope(&smooth)?))
}
