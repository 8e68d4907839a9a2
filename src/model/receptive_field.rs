//! Which pixels of the input a pixel of the output depends on, computed from the graph of a network.

use super::Architecture;
use super::graph::{Graph, Role};
use crate::error::{Error, Result};

/// The receptive field of a network along one side of an image, in pixels. Both sides have the same.
///
/// Pixel p of the output depends on no pixel of the input outside `p - before ..= p + after`, and some pixel depends on either
/// end. Near the border the zeros of the padding, at every layer, take the place of pixels outside the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceptiveField {
    /// An input that is moved by this many pixels gives an output that is moved by as many: the product of the poolings.
    pub stride: usize,
    /// Pixels before the output pixel, towards the top and the left.
    pub before: usize,
    /// Pixels behind it.
    pub after: usize,
}

impl ReceptiveField {
    /// The receptive field of a network of convolutions.
    ///
    /// # Errors
    /// A fully connected network, where every output depends on every input; an invalid architecture.
    pub fn of(architecture: &Architecture) -> Result<Self> {
        let graph = Graph::of(architecture, architecture.smallest_input()?)?;
        let none = || Error::argument(format!("{architecture} has no receptive field"));
        let stride = stride(&graph).ok_or_else(none)?;
        let (mut before, mut after) = (0, 0);
        // How far a pixel sees depends on its place between the pixels that the poolings join.
        for place in 0..stride as i64 {
            let [first, last] = read_by(&graph, place).ok_or_else(none)?;
            before = before.max(place - first);
            after = after.max(last - place);
        }
        Ok(Self { stride, before: before as usize, after: after as usize })
    }
}

/// The product of the poolings on the way to the smallest layer; none if a layer is fully connected.
fn stride(graph: &Graph) -> Option<usize> {
    let mut strides: Vec<usize> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let own = node.inputs.iter().map(|input| input.map_or(1, |at| strides[at])).max().unwrap_or(1);
        strides.push(match node.role {
            Role::MaxPool => 2 * own,
            Role::Upsample => own / 2,
            Role::Convolution(_) | Role::StackedDilated(_) | Role::ConvexCombination => own,
            Role::Linear => return None,
        });
    }
    strides.into_iter().max()
}

/// The first and the last pixel of the input that a pixel of the output depends on, in an image without borders.
fn read_by(graph: &Graph, place: i64) -> Option<[i64; 2]> {
    let mut read: Vec<Option<[i64; 2]>> = vec![None; graph.nodes.len()];
    let mut of_input = None;
    *read.last_mut()? = Some([place; 2]);
    for (at, node) in graph.nodes.iter().enumerate().rev() {
        let Some([first, last]) = read[at] else { continue };
        let wider = |by: usize| [first - by as i64, last + by as i64];
        let below = match &node.role {
            Role::Convolution(kernel) => wider(kernel / 2),
            Role::StackedDilated(dilations) => wider(dilations.iter().copied().max().unwrap_or(0)),
            Role::ConvexCombination => wider(0),
            Role::MaxPool => [2 * first, 2 * last + 1],
            // Output pixel o lies at (o + 1/2)/2 - 1/2, between two pixels of the input.
            Role::Upsample => [(first - 1).div_euclid(2), (last + 1).div_euclid(2)],
            Role::Linear => return None,
        };
        for input in &node.inputs {
            let known = match input {
                Some(at) => &mut read[*at],
                None => &mut of_input,
            };
            *known = Some(known.map_or(below, |known| [known[0].min(below[0]), known[1].max(below[1])]));
        }
    }
    of_input
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Reference;
    use crate::model::{Autoencoder, Parameters};
    use crate::shape::Shape;
    use crate::tape::Tensor;
    use std::collections::HashMap;

    fn network(model: u8, dilations: &[usize]) -> Architecture {
        Architecture::Autoencoder(Autoencoder { model, width: 1, dilations: dilations.to_vec() })
    }

    /// The rows of f of a long thin image, with positive weights. So every pixel that is read has an influence that nothing
    /// cancels, and what is brighter is never hidden by a maximum.
    fn output(architecture: &Architecture, rows: usize, bright: Option<usize>) -> Vec<Vec<f64>> {
        let backend = Reference::<f64>::default();
        let drawn = Parameters::initialise(&backend, architecture, 5).unwrap().to_values(&backend).unwrap();
        let positive: HashMap<_, _> =
            drawn.into_iter().map(|(name, values)| (name, values.mapv(|value| 0.5 * value.abs()))).collect();
        let parameters = Parameters::from_values(&backend, architecture, &positive).unwrap();
        let shape = Shape::new(&[1, rows, 8, 3]).unwrap();
        let value = |k: usize| if bright == Some(k / 24) { 20.0 } else { 0.2 + 0.01 * ((k * 7) % 5) as f64 };
        let values: Vec<f64> = (0..shape.len()).map(value).collect();
        let mut tape = crate::tape::Tape::new(backend);
        let y = parameters.output(&mut tape, Tensor::from_f64(&backend, shape, &values).unwrap()).unwrap();
        let y = tape.host(y).unwrap();
        y.chunks_exact(24).map(<[f64]>::to_vec).collect()
    }

    #[test]
    fn the_field_is_what_perturbations_find() {
        for (model, dilations) in [(1, vec![1]), (2, vec![1]), (2, vec![2, 1])] {
            let architecture = network(model, &dilations);
            let graph = Graph::of(&architecture, architecture.smallest_input().unwrap()).unwrap();
            let rows = 8 * (16 + 10 * dilations[0]);
            let usual = output(&architecture, rows, None);
            for bright in rows / 2..rows / 2 + 8 {
                let found = output(&architecture, rows, Some(bright));
                let changed: Vec<usize> = (0..rows).filter(|&row| found[row] != usual[row]).collect();
                let reads = |row: &usize| {
                    let [first, last] = read_by(&graph, *row as i64).unwrap();
                    (first..=last).contains(&(bright as i64))
                };
                let expected: Vec<usize> = (0..rows).filter(reads).collect();
                assert!(expected[0] > 0 && *expected.last().unwrap() < rows - 1, "the image is too short");
                assert_eq!(changed, expected, "{architecture}, row {bright}");
            }
        }
    }

    #[test]
    fn the_field_of_the_paper_and_its_stride() {
        for model in [1, 2] {
            let found = ReceptiveField::of(&Architecture::autoencoder(model, 4).unwrap()).unwrap();
            assert_eq!(found.stride, 8);
            // Four dilations of 32 at an eighth of the resolution are 1024 pixels.
            assert_eq!((found.before, found.after), (1073, 1073));
            let near = ReceptiveField::of(&network(model, &[1])).unwrap();
            assert_eq!(found.before - near.before, 4 * 31 * 8);
        }
        let error = ReceptiveField::of(&Architecture::mlp(4, &[3]).unwrap()).unwrap_err().to_string();
        assert!(error.contains("has no receptive field"), "{error}");
    }
}
