//! Galleries, residual against distance, error against n.

use ndarray::Array1;

use crate::error::Result;
use crate::theory::figure::{AxisSpec, Colours, Content, Figure, GalleryImage, GalleryRow, Series};
use crate::theory::manifold::mean_of_channels;
use crate::theory::resemblance::Measures;
use crate::theory::statistics::log_log_slope;

use super::bench::{Outcome, Side};
use super::case::{Net, World};

/// All figures of these outcomes.
pub(super) fn all(outcomes: &[Outcome]) -> Result<Vec<Figure>> {
    let mut figures = vec![];
    for world in World::ALL {
        let own: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.case.world == world).collect();
        let Some(side) = own.iter().map(|outcome| outcome.case.side).max() else { continue };
        let largest: Vec<_> = own.iter().filter(|outcome| outcome.case.side == side).copied().collect();
        figures.push(gallery(world, &largest));
        figures.push(residuals(world, largest[0]));
        if own.len() > Net::ALL.len() {
            let under = "the corruption of training, a fixed fraction of the image and not in general position";
            figures.push(trend(world, &own, ["corruption", under], |outcome| &outcome.subject.trained_on)?);
            let under = "white noise on a square, in general position and unlike the corruption of training";
            figures.push(trend(world, &own, ["noise", under], |outcome| &outcome.subject.noise)?);
            figures.push(with_and_without(world, &own));
        }
    }
    Ok(figures)
}

/// A few samples of each network.
fn gallery(world: World, outcomes: &[&Outcome]) -> Figure {
    let each = if outcomes.len() == 1 { 3 } else { 1 };
    let rows = outcomes.iter().flat_map(|outcome| (0..each).map(|index| row(outcome, index))).collect();
    let list = |pick: fn(&Outcome) -> &Measures| {
        let one = |outcome: &&Outcome| format!("{} {:.2}", outcome.case.net.name(), pick(outcome).to_target());
        outcomes.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    Figure {
        stem: format!("c9_gallery_{}", world.name()),
        title: format!("Corrupted {} restored by trained networks", world.name()),
        caption: format!(
            "π is exact, f is trained with corruption, and f₀ (the control) is the same network trained without. Errors \
             ‖f(x̂)-x‖/‖x̂-x‖ over all samples: {}; of f₀: {}.",
            list(|outcome| &outcome.subject.trained_on),
            list(|outcome| &outcome.control.trained_on)
        ),
        content: Content::Gallery(rows),
    }
}

fn row(outcome: &Outcome, index: usize) -> GalleryRow {
    let (sample, projected) = &outcome.shown[index];
    let [own, plain] = [&outcome.subject.images[index], &outcome.control.images[index]];
    let side = outcome.case.side;
    let picture = |caption: &str, values: &Array1<f64>| {
        let values = if values.len() == side * side { values.clone() } else { mean_of_channels(values) };
        GalleryImage::grey(caption, side, &values)
    };
    let difference =
        GalleryImage { colours: Colours::Signed { limit: 0.5 }, ..picture("f(x̂)-x̂", &(own - &sample.corrupted)) };
    GalleryRow {
        label: outcome.case.net.name().into(),
        images: vec![
            picture("x", &sample.target),
            picture("x̂", &sample.corrupted),
            picture("π(x̂)", projected),
            picture("f(x̂)", own),
            difference,
            picture("f₀(x̂)", plain),
        ],
    }
}

/// The score against the distance that it estimates.
fn residuals(world: World, outcome: &Outcome) -> Figure {
    let points = |measures: &Measures| measures.samples.iter().map(|lengths| (lengths.distance, lengths.residual)).collect();
    let [own, plain] = [&outcome.subject, &outcome.control].map(|side| &side.trained_on);
    let farthest = own.samples.iter().map(|lengths| lengths.distance).fold(0.0, f64::max);
    Figure {
        stem: format!("c9_residual_{}", world.name()),
        title: format!("Residual against true distance, {}", outcome.case.name()),
        caption: format!(
            "Each dot is an unseen sample. Residual / distance is {:.3} trained with corruption and {:.3} without; for π it is 1 (dashed).",
            own.residual_of_distance(),
            plain.residual_of_distance()
        ),
        content: Content::chart(
            [AxisSpec::linear("true distance ‖x̂-π(x̂)‖"), AxisSpec::linear("residual ‖x̂-f(x̂)‖")],
            vec![
                Series::dots("f, trained with corruption", points(own)),
                Series::dots("f₀, trained without", points(plain)),
                Series::dashed("π", vec![(0.0, 0.0), (farthest, farthest)]),
            ],
        ),
    }
}

/// `value` of each of these outcomes of one network, against the number of pixels.
fn curve(outcomes: &[&Outcome], net: Net, value: impl Fn(&Outcome) -> f64) -> Vec<(f64, f64)> {
    let own = outcomes.iter().filter(|outcome| outcome.case.net == net);
    own.map(|outcome| (outcome.pixels(), value(outcome))).collect()
}

/// Error against the number of pixels, with fitted slopes, under a corruption with this short name and description.
fn trend(world: World, outcomes: &[&Outcome], [name, under]: [&str; 2], measures: fn(&Outcome) -> &Measures) -> Result<Figure> {
    let exact = curve(outcomes, Net::Mlp, |outcome| measures(outcome).projection_to_target());
    let dimension = outcomes[0].subject.noise.dimension as f64;
    let theory = exact.iter().map(|&(n, _)| (n, (dimension / n).sqrt())).collect();
    let mut slopes = vec![format!("π {:.2}", log_log_slope(&exact)?)];
    let mut series = vec![Series::dashed("√(d/n)", theory), Series::line("π", exact)];
    for net in Net::ALL {
        let points = curve(outcomes, net, |outcome| measures(outcome).to_target());
        slopes.push(format!("{} {:.2}", net.name(), log_log_slope(&points)?));
        series.push(Series::line(net.name(), points));
    }
    Ok(Figure {
        stem: format!("c9_trend_{name}_{}", world.name()),
        title: format!("Relative error against n, {}, {name}", world.name()),
        caption: format!(
            "Error under {under}. Fitted slopes in n: {}. C7 predicts -½ only for π, in general position and within the reach.",
            slopes.join(", ")
        ),
        content: Content::chart([AxisSpec::log("pixels n"), AxisSpec::log("‖f(x̂)-x‖ / ‖x̂-x‖")], series),
    })
}

/// Training with corruption compared with training without.
fn with_and_without(world: World, outcomes: &[&Outcome]) -> Figure {
    let curve = |net: Net, side: fn(&Outcome) -> &Side| curve(outcomes, net, |outcome| side(outcome).trained_on.to_target());
    let axes = [AxisSpec::log("pixels n"), AxisSpec::log("‖f(x̂)-x‖ / ‖x̂-x‖")];
    let with = Net::ALL.map(|net| Series::line(format!("{}, with", net.name()), curve(net, |outcome| &outcome.subject)));
    let without = Net::ALL.map(|net| Series::dashed(format!("{}, without", net.name()), curve(net, |outcome| &outcome.control)));
    Figure {
        stem: format!("c9_control_{}", world.name()),
        title: format!("Trained with corruption and without, {}", world.name()),
        caption: "Error on unseen corrupted images, of networks trained with corruption (lines) and of the same networks trained as plain \
                  autoencoders, the control (dashes). They differ where corruption in training matters."
            .into(),
        content: Content::chart(axes, with.into_iter().chain(without).collect()),
    }
}
