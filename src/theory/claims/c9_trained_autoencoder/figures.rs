//! Galleries, signatures, and what repetition does.

use ndarray::Array1;

use super::case::World;
use super::outcome::Outcome;
use super::test_set::{Errors, Part};
use super::trial::{MEASURED, VariantTrial};
use crate::error::Result;
use crate::theory::figure::{AxisSpec, Colours, Content, Figure, GalleryImage, GalleryRow, Series};
use crate::theory::manifold::mean_of_channels;
use crate::theory::statistics::mean;

/// All figures of these outcomes.
pub(super) fn all(outcomes: &[Outcome]) -> Result<Vec<Figure>> {
    let mut figures = vec![];
    for world in World::ALL {
        let own: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.case.world == world).collect();
        if own.is_empty() {
            continue;
        }
        figures.push(gallery(world, &own));
        figures.push(errors(world, &own));
        figures.push(signature(world, &own));
        figures.extend(own.iter().find(|outcome| !outcome.variants().is_empty()).map(|outcome| repetition(world, outcome)));
    }
    Ok(figures)
}

/// Some pictures, restored by the first training of the first two networks.
fn gallery(world: World, outcomes: &[&Outcome]) -> Figure {
    let rows = outcomes
        .iter()
        .take(2)
        .flat_map(|outcome| outcome.set.shown().into_iter().enumerate().map(|(row, index)| shown(outcome, row, index)));
    Figure {
        stem: format!("c9_gallery_{}", world.name()),
        title: format!("Corrupted {} restored by a trained network", world.name()),
        caption: "Of the first twelve test pictures those with the largest corruption. π is exact; f is the first training; the change is dark \
                  where f darkens and pale where it brightens."
            .into(),
        content: Content::Gallery(rows.collect()),
    }
}

fn shown(outcome: &Outcome, row: usize, index: usize) -> GalleryRow {
    let (side, picture) = (outcome.case.budget.side, &outcome.set.pictures[index]);
    let grey = |values: &Array1<f64>| if values.len() == side * side { values.clone() } else { mean_of_channels(values) };
    let image = |caption: &str, values: &Array1<f64>| GalleryImage::grey(caption, side, &grey(values));
    let restored = outcome.first().shown.row(row).to_owned();
    let change =
        GalleryImage { colours: Colours::Signed { limit: 0.5 }, ..image("f(x̂)-x̂", &(&restored - &picture.sample.corrupted)) };
    GalleryRow {
        label: format!("{} {side} px", outcome.case.budget.kind.name()),
        images: vec![
            image("x", &picture.sample.target),
            image("x̂", &picture.sample.corrupted),
            image("π(x̂)", &picture.projection),
            image("f(x̂)", &restored),
            change,
        ],
    }
}

/// Names of the networks as categories, and a value of each: the mean over trainings, with the smallest and the largest.
fn over_networks(name: &str, outcomes: &[&Outcome], value: impl Fn(&Outcome) -> Vec<f64>) -> Series {
    let values: Vec<Vec<f64>> = outcomes.iter().map(|outcome| value(outcome)).collect();
    let points = (1..).map(f64::from).zip(values.iter().map(|values| mean(values))).collect();
    Series { spread: values.iter().map(|values| range(values)).collect(), ..Series::dots(name, points) }
}

/// The smallest and the largest value.
fn range(values: &[f64]) -> (f64, f64) {
    (values.iter().copied().fold(f64::INFINITY, f64::min), values.iter().copied().fold(f64::NEG_INFINITY, f64::max))
}

fn networks(outcomes: &[&Outcome]) -> AxisSpec {
    let name = |outcome: &&Outcome| format!("{}, {} px", outcome.case.budget.kind.name(), outcome.case.budget.side);
    AxisSpec::categories("network", outcomes.iter().map(name).collect())
}

/// ‖f(x̂)-x‖ beside the references.
fn errors(world: World, outcomes: &[&Outcome]) -> Figure {
    let relative = |errors: &Errors, outcome: &Outcome| errors.of_corruption(Part::Target, &outcome.references.identity);
    let each = |errors: Vec<&Errors>, outcome: &Outcome| errors.into_iter().map(|one| relative(one, outcome)).collect::<Vec<_>>();
    let mut series = vec![
        over_networks("f", outcomes, |outcome| each(outcome.subjects(), outcome)),
        over_networks("π", outcomes, |outcome| vec![relative(&outcome.references.projection, outcome)]),
        over_networks("ridge regression", outcomes, |outcome| vec![relative(&outcome.references.ridge, outcome)]),
        over_networks("PCA", outcomes, |outcome| vec![relative(&outcome.references.principal, outcome)]),
        over_networks("f on clean pictures", outcomes, |outcome| {
            outcome.subjects().iter().map(|own| own.of_corruption(Part::Fixed, &outcome.references.identity)).collect()
        }),
    ];
    if outcomes.iter().all(|outcome| !outcome.plain().is_empty()) {
        series.push(over_networks("plain autoencoder", outcomes, |outcome| each(outcome.plain(), outcome)));
    }
    Figure {
        stem: format!("c9_errors_{}", world.name()),
        title: format!("What is left of the corruption, {}", world.name()),
        caption: "Means over the trainings, with the smallest and the largest. f* has 0. The plain autoencoder is the same network, trained longer without \
                  corruption."
            .into(),
        content: Content::chart([networks(outcomes), AxisSpec::linear("‖f(x̂)-x‖ / ‖x̂-x‖")], series),
    }
}

/// The three parts of the error, each over the same part of the corruption.
fn signature(world: World, outcomes: &[&Outcome]) -> Figure {
    let share = |part: Part| {
        move |outcome: &Outcome| {
            outcome.subjects().iter().map(|own| own.relative(part, &outcome.references.identity)).collect::<Vec<_>>()
        }
    };
    let projection = over_networks("tangential, π", outcomes, |outcome| {
        vec![outcome.references.projection.relative(Part::Tangential, &outcome.references.identity)]
    });
    let has_hull = outcomes.iter().all(|outcome| outcome.set.has_hull());
    let mut series = vec![over_networks("tangential", outcomes, share(Part::Tangential)), projection];
    series.push(over_networks(if has_hull { "radial" } else { "normal" }, outcomes, share(Part::Radial)));
    if has_hull {
        series.push(over_networks("normal to the hull", outcomes, share(Part::HullNormal)));
    }
    Figure {
        stem: format!("c9_signature_{}", world.name()),
        title: format!("Which part of the corruption is left, {}", world.name()),
        caption: "Parts of f(x̂)-x at π(x̂), each over the same part of x̂-x. The identity leaves 1 of each; a projector onto the affine hull leaves 1 \
                  radially and tangentially; π leaves the tangential part; f* leaves nothing."
            .into(),
        content: Content::chart([networks(outcomes), AxisSpec::linear("part of the error / part of x̂-x")], series),
    }
}

/// The tangential part of the error after each repetition.
fn repetition(world: World, outcome: &Outcome) -> Figure {
    let variants = outcome.variants();
    let curve = |name: &str, of: fn(&VariantTrial) -> &Vec<Errors>, part: Part, reference: &Errors| {
        let values =
            |place: usize| variants.iter().map(move |variant| of(variant)[place].relative(part, reference)).collect::<Vec<_>>();
        let places = 0..MEASURED.len();
        let points = places.clone().map(|place| (MEASURED[place] as f64, mean(&values(place)))).collect();
        Series { spread: places.map(|place| range(&values(place))).collect(), ..Series::line(name, points) }
    };
    let references = &outcome.references;
    let last = MEASURED[MEASURED.len() - 1] as f64;
    Figure {
        stem: format!("c9_repetition_{}", world.name()),
        title: format!("Repetition restores what lies along D, {}", world.name()),
        caption: format!(
            "{}: f applied again to w x̂ + (1-w) z, where z is its last result and w a gate that closes where the two differ. Tangential part of the \
             error over that of π; with the range over the trainings.",
            outcome.case.name()
        ),
        content: Content::chart(
            [AxisSpec::linear("repetitions"), AxisSpec::linear("‖P_T(f(x̂)-x)‖ / ‖P_T(π(x̂)-x)‖")],
            vec![
                curve("trained to be repeated", |variant| &variant.repeated, Part::Tangential, &references.projection),
                curve("f as it is", |variant| &variant.reused, Part::Tangential, &references.projection),
                Series::dashed("π", vec![(0.0, 1.0), (last, 1.0)]),
            ],
        ),
    }
}
