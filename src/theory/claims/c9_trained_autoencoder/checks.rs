//! The checks.

use crate::error::Result;
use crate::theory::claim::Check;
use crate::theory::resemblance::Measures;
use crate::theory::statistics::{larger, log_log_slope, smaller};

use super::bench::{Outcome, WrongMaps};
use super::case::{Case, Net, World};

/// The limit of every length relative to the corruption, in the full form: at least half of it is undone.
const HALF: f64 = 0.5;

/// What is predicted by `‖π(x̂)-x‖/‖x̂-x‖` of the same samples.
const TO_PROJECTION: &str = "the optimum x is ‖π(x̂)-x‖ ≈ ‖P_T e‖ from π; beyond that, what training leaves, which is empirical";

const PLAIN: &str = "the same network trained without corruption";
const IDENTITY: &str = "the identity map";
const ANOTHER: &str = "another picture of D";
const REFLECTION: &str = "2π(x̂) - x̂";
const SHEARED: &str = "π(x̂) moved along T by δ(x̂)";

/// What the small network's measures may be, set between those of network and control on seed 0 (quick: seeds 0 to 2).
struct Limits {
    target: f64,
    beyond_projection: f64,
    idempotence: f64,
    outside: f64,
}

impl Limits {
    /// Three times as many steps bring both network and control nearer to π.
    const QUICK: Self = Self { target: 0.23, beyond_projection: 0.08, idempotence: 0.11, outside: 0.23 };
    const FULL: Self = Self { target: 0.17, beyond_projection: 0.03, idempotence: 0.045, outside: 0.16 };
}

/// One small network.
pub(super) fn quick(outcome: &Outcome) -> Result<Vec<Check>> {
    small(outcome, &Limits::QUICK)
}

fn small(outcome: &Outcome, limits: &Limits) -> Result<Vec<Check>> {
    let [own, plain] = [&outcome.subject, &outcome.control].map(|side| &side.trained_on);
    let at_most = |quantity: &str, value: fn(&Measures) -> f64, tolerance: f64, because: &'static str| {
        Check::at_most(quantity, 0.0, value(own), tolerance, because).control(PLAIN, value(plain))
    };
    let between = "0 for the optimum; 2000 steps leave 0.14 to 0.17, control 0.3; 6000 steps 0.13, control 0.22";
    let twice = "0 for the optimum; 2000 steps leave 0.07, control 0.15; 6000 steps 0.04, control 0.06";
    let kept = "0 for the optimum, π itself 0.12; 2000 steps leave 0.14 to 0.17, control 0.3; 6000 steps 0.12, control 0.21";
    let optimum = own.projection_to_target();
    let [near, angle] =
        [Measures::to_projection, Measures::tangential_cosine].map(|value: fn(&Measures) -> f64| (value(own), value(plain)));
    Ok(vec![
        at_most("‖f(x̂)-x‖ / ‖x̂-x‖", Measures::to_target, limits.target, between),
        Check::at_most("‖f(x̂)-π(x̂)‖ / ‖x̂-x‖", optimum, near.0, limits.beyond_projection, TO_PROJECTION).control(PLAIN, near.1),
        at_most("‖f(f(x̂))-f(x̂)‖ / ‖x̂-x‖", Measures::idempotence, limits.idempotence, twice),
        Check::at_most("‖f(x)-x‖ / ‖x̂-x‖", 0.0, own.fixed_point(), 0.1, "0 for the optimum; 0.05 to 0.06 found (seeds 0 to 2)")
            .control(ANOTHER, outcome.wrong.another.fixed_point()),
        Check::at_most("cosine of x̂-f(x̂) to the tangent space", optimum, angle.0, 0.02, TO_PROJECTION).control(PLAIN, angle.1),
        at_most("‖(f(x̂)-x̂) off S‖ / ‖x̂-x‖", Measures::change_outside, limits.outside, kept),
        Check::equal(
            "‖x̂-f(x̂)‖ / ‖x̂-π(x̂)‖",
            1.0,
            own.residual_of_distance(),
            0.03,
            "√(1 + 0.12²) = 1.007 for the optimum; within 0.003 of 1 (seeds 0 to 2)",
        )
        .control(SHEARED, outcome.wrong.sheared.residual_of_distance()),
        Check::at_least(
            "rank correlation of ‖x̂-f(x̂)‖ and ‖x̂-π(x̂)‖",
            1.0,
            own.rank_correlation()?,
            0.005,
            "0.999 on seeds 0 to 2",
        )
        .control(ANOTHER, outcome.wrong.another.rank_correlation()?),
    ])
}

/// Every case against its controls, then what C7 predicts for π.
pub(super) fn full(outcomes: &[Outcome]) -> Result<Vec<Check>> {
    let mut rows = Vec::new();
    for outcome in outcomes {
        match outcome.case == Case::QUICK {
            true => rows.extend(small(outcome, &Limits::FULL)?),
            false => rows.extend(errors(outcome)),
        }
    }
    for world in World::ALL {
        for net in Net::ALL {
            let sizes: Vec<_> =
                outcomes.iter().filter(|outcome| outcome.case.world == world && outcome.case.net == net).collect();
            rows.extend(worst_of_sizes(&sizes));
            rows.push(worst_rank_of_sizes(&sizes)?);
        }
    }
    rows.push(slope(outcomes, World::Gratings)?);
    Ok(rows)
}

/// The part of the corruption that is left. The control is the same network trained without corruption if the network has skip
/// connections, through which a corruption can pass. A bottleneck alone removes what is not in the span of D (see the statement), so for
/// the other networks the control is the identity map.
fn errors(outcome: &Outcome) -> [Check; 2] {
    let (own, name) = (&outcome.subject.trained_on, outcome.case.name());
    let because = "0 for the optimum; a network that undoes less than half of the corruption does not resemble π";
    let error = Check::at_most(format!("‖f(x̂)-x‖ / ‖x̂-x‖, {name}"), 0.0, own.to_target(), HALF, because);
    let error = match outcome.case.net {
        Net::ModelII => error.control(PLAIN, outcome.control.trained_on.to_target()),
        Net::Mlp | Net::ModelI => error.control(IDENTITY, 1.0),
    };
    let quantity = format!("‖f(x̂)-π(x̂)‖ / ‖x̂-x‖, {name}");
    let distance = Check::at_most(quantity, own.projection_to_target(), own.to_projection(), 0.25, TO_PROJECTION);
    [error, distance.control(IDENTITY, own.relative(|sample| sample.distance))]
}

/// The measures that are lengths or angles, for the worst of three sizes, against the best of the control's.
fn worst_of_sizes(outcomes: &[&Outcome]) -> [Check; 5] {
    let subject = outcomes[0].case.subject();
    let at_most = |quantity: &str, value: fn(&Measures) -> f64, tolerance: f64, because: &'static str| {
        let worst = outcomes.iter().map(|outcome| value(&outcome.subject.trained_on)).fold(f64::NEG_INFINITY, larger);
        Check::at_most(format!("{quantity}, {subject}"), 0.0, worst, tolerance, because)
    };
    let mildest = |wrong: fn(&WrongMaps) -> &Measures, value: fn(&Measures) -> f64| {
        outcomes.iter().map(|outcome| value(wrong(&outcome.wrong))).fold(f64::INFINITY, smaller)
    };
    let empirical = "0 for the optimum; how near a network comes is empirical";
    [
        at_most("‖f(f(x̂))-f(x̂)‖ / ‖x̂-x‖", Measures::idempotence, HALF, empirical)
            .control(REFLECTION, mildest(|wrong| &wrong.reflection, Measures::idempotence)),
        at_most("‖f(x)-x‖ / ‖x̂-x‖", Measures::fixed_point, HALF, empirical)
            .control(ANOTHER, mildest(|wrong| &wrong.another, Measures::fixed_point)),
        at_most("cosine of x̂-f(x̂) to T less ‖π(x̂)-x‖ / ‖x̂-x‖", angle_beyond, 0.1, TO_PROJECTION)
            .control(SHEARED, mildest(|wrong| &wrong.sheared, angle_beyond)),
        at_most("‖(f(x̂)-x̂) off S‖ / ‖x̂-x‖", Measures::change_outside, HALF, empirical)
            .control(ANOTHER, mildest(|wrong| &wrong.another, Measures::change_outside)),
        at_most("|‖x̂-f(x̂)‖ / ‖x̂-π(x̂)‖ - 1|", residual_off, 0.2, "√(1 + (‖P_T e‖/δ)²) - 1 for the optimum, at most 0.1 here")
            .control(SHEARED, mildest(|wrong| &wrong.sheared, residual_off)),
    ]
}

fn angle_beyond(measures: &Measures) -> f64 {
    measures.tangential_cosine() - measures.projection_to_target()
}

fn residual_off(measures: &Measures) -> f64 {
    (measures.residual_of_distance() - 1.0).abs()
}

/// The rank correlation of residual and distance, for the worst of three sizes.
fn worst_rank_of_sizes(outcomes: &[&Outcome]) -> Result<Check> {
    let ranks =
        |of: fn(&Outcome) -> &Measures| outcomes.iter().map(|outcome| of(outcome).rank_correlation()).collect::<Result<Vec<_>>>();
    let own = ranks(|outcome| &outcome.subject.trained_on)?.into_iter().fold(f64::INFINITY, smaller);
    let another = ranks(|outcome| &outcome.wrong.another)?.into_iter().fold(f64::NEG_INFINITY, larger);
    let quantity = format!("rank correlation of ‖x̂-f(x̂)‖ and ‖x̂-π(x̂)‖, {}", outcomes[0].case.subject());
    Ok(Check::at_least(quantity, 1.0, own, 0.15, "the optimum orders all but pairs within ‖P_T e‖ as π does")
        .control(ANOTHER, another))
}

/// Error of π under white noise over the number of pixels.
fn slope(outcomes: &[Outcome], world: World) -> Result<Check> {
    let curve = |value: fn(&Outcome) -> f64| {
        let of_world = outcomes.iter().filter(|outcome| outcome.case.world == world && outcome.case.net == Net::Mlp);
        of_world.map(|outcome| (outcome.pixels(), value(outcome))).collect::<Vec<_>>()
    };
    let noise = curve(|outcome| outcome.subject.noise.projection_to_target());
    let smooth = curve(|outcome| outcome.subject.trained_on.projection_to_target());
    Ok(Check::equal(
        format!("slope of ‖π(x̂)-x‖/‖x̂-x‖ in n under white noise, {}", world.name()),
        -0.5,
        log_log_slope(&noise)?,
        0.1,
        "C7.3's exponent: π sees only the part of e in the planes of D, to which C7.2 applies although ‖e‖ > τ; 128 samples at each n",
    )
    .control("the paper's corruption, not in general position", log_log_slope(&smooth)?))
}
