use ndarray::Array1;

use crate::error::{Error, Result};

/// A bright shape with soft edges. Lengths are in pixels; `softness` (s) is the width of the edge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// `σ((r² - |p - c|²) / (2 r s))`: the parameters are row and column of the centre c.
    Disk {
        /// r.
        radius: f64,
        /// s.
        softness: f64,
    },
    /// `σ((l² - v²) / (2 l s)) σ((w² - u²) / (2 w s))`, v along the bar, u across. The parameters are row and column of the
    /// centre and the angle to the rows, in radians, from -π/4 to π/4.
    Bar {
        /// l, half the length.
        half_length: f64,
        /// w, half the width.
        half_width: f64,
        /// s.
        softness: f64,
    },
}

impl Shape {
    /// Number of parameters.
    pub(super) fn dimension(&self) -> usize {
        match self {
            Self::Disk { .. } => 2,
            Self::Bar { .. } => 3,
        }
    }

    /// Checks that all lengths are above 0.
    pub(super) fn validate(&self) -> Result<()> {
        let lengths = match *self {
            Self::Disk { radius, softness } => vec![radius, softness],
            Self::Bar { half_length, half_width, softness } => vec![half_length, half_width, softness],
        };
        match lengths.iter().find(|length| !(length.is_finite() && **length > 0.0)) {
            Some(length) => Err(Error::argument(format!("rendered shapes: lengths must be above 0, got {length}"))),
            None => Ok(()),
        }
    }

    /// Minimum distance of the centre from the border, so that the shape fades out inside the image.
    pub(super) fn margin(&self) -> f64 {
        match *self {
            Self::Disk { radius, softness } => radius + 2.0 * softness,
            Self::Bar { half_length, softness, .. } => half_length + 2.0 * softness,
        }
    }

    /// Spacing of the coarse grid for each parameter, small enough to leave one start in the basin of every minimum: half of the
    /// smallest length, in pixels or, for the angle, at the end of the bar.
    pub(super) fn spacing(&self) -> [f64; 3] {
        match *self {
            Self::Disk { radius, .. } => [0.7 * radius; 3],
            Self::Bar { half_length, half_width, .. } => [half_width, half_width, half_width / half_length],
        }
    }

    /// Brightness in [0, 1] at `p` (row, column), and its derivatives with respect to the parameters; the third is 0 for a
    /// disk.
    pub(super) fn at(&self, p: [f64; 2], parameters: &Array1<f64>) -> (f64, [f64; 3]) {
        let offset = [p[0] - parameters[0], p[1] - parameters[1]];
        match *self {
            Self::Disk { radius, softness } => disk(offset, radius, softness),
            Self::Bar { half_length, half_width, softness } => bar(offset, parameters[2], [half_length, half_width], softness),
        }
    }
}

fn disk([down, right]: [f64; 2], radius: f64, softness: f64) -> (f64, [f64; 3]) {
    let value = logistic((radius * radius - down * down - right * right) / (2.0 * radius * softness));
    let slope = value * (1.0 - value) / (radius * softness);
    (value, [slope * down, slope * right, 0.0])
}

fn bar([down, right]: [f64; 2], angle: f64, [length, width]: [f64; 2], softness: f64) -> (f64, [f64; 3]) {
    let (sine, cosine) = angle.sin_cos();
    let (along, across) = (down * sine + right * cosine, down * cosine - right * sine);
    let edge = |half: f64, place: f64| logistic((half * half - place * place) / (2.0 * half * softness));
    let (ends, sides) = (edge(length, along), edge(width, across));
    // Derivatives of the logarithm with respect to `along` and `across`.
    let (by_along, by_across) = (-(1.0 - ends) * along / (length * softness), -(1.0 - sides) * across / (width * softness));
    let value = ends * sides;
    let by_row = -by_along * sine - by_across * cosine;
    let by_column = -by_along * cosine + by_across * sine;
    let by_angle = by_along * across - by_across * along;
    (value, [value * by_row, value * by_column, value * by_angle])
}

/// `1 / (1 + e^-t)`.
fn logistic(t: f64) -> f64 {
    1.0 / (1.0 + (-t).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::algebra::norm;
    use crate::theory::derivative::central_differences;
    use ndarray::{Axis, array};

    #[test]
    fn derivatives_agree_with_central_differences() {
        let shapes =
            [Shape::Disk { radius: 2.5, softness: 0.9 }, Shape::Bar { half_length: 3.0, half_width: 1.3, softness: 0.9 }];
        let place = array![6.3, 7.1, 0.4];
        for (shape, p) in shapes.iter().flat_map(|shape| (0..225).map(move |k| (shape, [f64::from(k / 15), f64::from(k % 15)]))) {
            let want = central_differences(&place, 1e-5, |place| Ok(array![shape.at(p, place).0])).unwrap();
            let found = Array1::from_iter(shape.at(p, &place).1).insert_axis(Axis(0));
            assert!(norm(&(found - want)) < 1e-9, "{shape:?} at {p:?}");
        }
    }
}
