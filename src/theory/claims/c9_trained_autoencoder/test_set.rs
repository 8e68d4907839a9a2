//! The test pictures of a case, and the errors of a map on them.

use ndarray::{Array1, Array2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::case::Case;
use super::registration::Registration;
use crate::error::{Error, Result};
use crate::theory::algebra::{norm, square_norm};
use crate::theory::bits;
use crate::theory::manifold::{grey_to_rgb, mean_of_channels};
use crate::theory::pictures::Layout;
use crate::theory::resemblance::CorruptedSample;
use crate::theory::robust_fit::AffineSpace;

/// What is measured of f on every picture: a square, or an inner product with the same for the identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// `‖f(x̂) - x‖²`.
    Target,
    /// `‖f(x̂) - π(x̂)‖²`.
    Projection,
    /// The part of f(x̂) - x that is normal to the affine hull of D.
    HullNormal,
    /// The part in the hull (in all of Rⁿ where D has no small hull) that is normal to T at π(x̂).
    Radial,
    /// The part in T at π(x̂).
    Tangential,
    /// `‖f(f(x̂)) - f(x̂)‖²`.
    Twice,
    /// `‖f(x) - x‖²`.
    Fixed,
    /// `⟨f(x̂) - x, x̂ - x⟩`.
    TargetWithIdentity,
    /// `⟨f(x̂) - π(x̂), x̂ - π(x̂)⟩`.
    ProjectionWithIdentity,
}

const PARTS: usize = 9;
/// Number of pictures that are shown, and of those that they are taken from.
const SHOWN: usize = 3;
const CANDIDATES: usize = 12;

/// The parts for each picture.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Errors(#[serde(with = "bits::matrix")] Array2<f64>);

impl Errors {
    /// One part of every picture.
    pub(super) fn part(&self, part: Part) -> Array1<f64> {
        self.0.column(part as usize).to_owned()
    }

    /// Root of the sum of a part over that of the same part of `reference`.
    pub(super) fn relative(&self, part: Part, reference: &Self) -> f64 {
        (self.part(part).sum() / reference.part(part).sum()).sqrt()
    }

    /// Root of the sum of a part over that of the corruption.
    pub(super) fn of_corruption(&self, part: Part, identity: &Self) -> f64 {
        (self.part(part).sum() / identity.part(Part::Target).sum()).sqrt()
    }
}

/// One picture with its nearest point.
pub(super) struct Picture {
    pub(super) sample: CorruptedSample,
    pub(super) projection: Array1<f64>,
    tangent: Array2<f64>,
}

/// The pictures of a case, in the layout of the network.
pub(super) struct TestSet {
    pub(super) pictures: Vec<Picture>,
    hull: Option<AffineSpace>,
    layout: Layout,
}

impl TestSet {
    pub(super) fn new(case: &Case, registration: &Registration) -> Result<Self> {
        let layout = case.budget.kind.layout();
        let source = case.corrupted_pictures(registration, layout, registration.seeds.test)?;
        let picture = |sample: CorruptedSample| {
            let projection = source.manifold().project_point(&sample.corrupted)?;
            let tangent = source.manifold().tangent_basis(&projection)?;
            Ok(Picture { sample, projection, tangent })
        };
        let samples = source.samples(registration.pictures.test)?;
        let pictures = samples.into_par_iter().map(picture).collect::<Result<_>>()?;
        let (_, hull) = case.world.manifold(case.budget.side, registration.pictures.amplitude)?;
        Ok(Self { pictures, hull, layout })
    }

    /// Whether D has an affine hull that is smaller than Rⁿ.
    pub(super) fn has_hull(&self) -> bool {
        self.hull.is_some()
    }

    /// All x̂.
    pub(super) fn corrupted(&self) -> Vec<Array1<f64>> {
        self.pictures.iter().map(|picture| picture.sample.corrupted.clone()).collect()
    }

    /// A map of grey pictures, as one of the layout: an RGB picture is replaced by the mean of its channels.
    pub(super) fn lifted(&self, grey: impl Fn(&Array1<f64>) -> Result<Array1<f64>>, y: &Array1<f64>) -> Result<Array1<f64>> {
        match self.layout {
            Layout::Grey => grey(y),
            Layout::Rgb => Ok(grey_to_rgb(&grey(&mean_of_channels(y))?)),
        }
    }

    /// The errors of f, which maps many points.
    ///
    /// # Errors
    /// Those of `f`; a result of another length or that is not finite.
    pub(super) fn errors(&self, f: impl Fn(&[Array1<f64>]) -> Result<Vec<Array1<f64>>>) -> Result<Errors> {
        let targets: Vec<_> = self.pictures.iter().map(|picture| picture.sample.target.clone()).collect();
        let once = f(&self.corrupted())?;
        let (twice, fixed) = (f(&once)?, f(&targets)?);
        let rows = self.pictures.par_iter().zip(&once).zip(&twice).zip(&fixed).map(|(((picture, once), twice), fixed)| {
            let mut parts = self.parts(picture, once)?;
            parts[Part::Twice as usize] = square_norm(&(twice - once));
            parts[Part::Fixed as usize] = square_norm(&(fixed - &picture.sample.target));
            Ok(parts)
        });
        table(rows.collect::<Result<Vec<_>>>()?)
    }

    /// The errors of results on x̂ alone; the parts that need more are 0.
    pub(super) fn errors_of(&self, results: &[Array1<f64>]) -> Result<Errors> {
        let rows = self.pictures.par_iter().zip(results).map(|(picture, result)| self.parts(picture, result));
        table(rows.collect::<Result<Vec<_>>>()?)
    }

    fn parts(&self, picture: &Picture, result: &Array1<f64>) -> Result<[f64; PARTS]> {
        let Picture { sample: CorruptedSample { target, corrupted, .. }, projection, tangent } = picture;
        if result.len() != target.len() || result.iter().any(|value| !value.is_finite()) {
            return Err(Error::argument(format!(
                "C9: a map returned {} values for {}, or some are not finite",
                result.len(),
                target.len()
            )));
        }
        let error = result - target;
        let in_hull = match &self.hull {
            Some(hull) => self.lifted(|y| Ok(hull.project(y)), &(target + &error))? - target,
            None => error.clone(),
        };
        let along = tangent.dot(&tangent.t().dot(&error));
        let (from_projection, off_projection) = (result - projection, corrupted - projection);
        let mut parts = [0.0; PARTS];
        parts[Part::Target as usize] = square_norm(&error);
        parts[Part::Projection as usize] = square_norm(&from_projection);
        parts[Part::HullNormal as usize] = square_norm(&(&error - &in_hull));
        parts[Part::Radial as usize] = square_norm(&(&in_hull - &along));
        parts[Part::Tangential as usize] = square_norm(&along);
        parts[Part::TargetWithIdentity as usize] = error.dot(&(corrupted - target));
        parts[Part::ProjectionWithIdentity as usize] = from_projection.dot(&off_projection);
        Ok(parts)
    }

    /// The numbers of the pictures that are shown: of the first ones, those with the largest corruption, so that something is to
    /// be seen.
    pub(super) fn shown(&self) -> Vec<usize> {
        let size = |index: &usize| norm(&(&self.pictures[*index].sample.corrupted - &self.pictures[*index].sample.target));
        let mut order: Vec<usize> = (0..self.pictures.len().min(CANDIDATES)).collect();
        order.sort_by(|a, b| size(b).total_cmp(&size(a)));
        order.truncate(SHOWN);
        order
    }
}

fn table(rows: Vec<[f64; PARTS]>) -> Result<Errors> {
    let count = rows.len();
    let values = rows.into_iter().flatten().collect();
    Ok(Errors(Array2::from_shape_vec((count, PARTS), values).map_err(|error| Error::shape("errors", error))?))
}

/// A part for several trainings: `[trainings, pictures]`.
pub(super) fn stacked(errors: &[&Errors], part: Part) -> Array2<f64> {
    let mut stacked = Array2::zeros((errors.len(), errors.first().map_or(0, |errors| errors.0.nrows())));
    stacked.axis_iter_mut(Axis(0)).zip(errors).for_each(|(mut row, errors)| row.assign(&errors.0.column(part as usize)));
    stacked
}
