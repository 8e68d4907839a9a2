//! The card of an audit agrees with the truth where the truth is known.

use std::ops::Range;

use ndarray::{Array1, Array2, ArrayRef2, Axis, concatenate};
use orthoscope::Result;
use orthoscope::audit::{Card, Finding, LowRank, Map, Network, Options, Quantity, Samples, audit, leading};
use orthoscope::backend::Cpu;
use orthoscope::model::{Architecture, Autoencoder, Parameters};
use orthoscope::rng::{Purpose, Stream};
use orthoscope::theory::algebra::{gaussian_matrix, orthonormal_basis, projector};
use orthoscope::theory::manifold::{Gratings, Manifold, Rendered, Sphere};

/// π of a manifold. Its Jacobian is symmetric everywhere, because π is the gradient of ½‖y‖² - ½ dist²(y).
struct Projection<'a>(&'a dyn Manifold);

impl Map for Projection<'_> {
    fn apply(&mut self, points: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        let rows = points.rows().into_iter().map(|row| self.0.project_point(&row.to_owned())).collect::<Result<Vec<_>>>()?;
        Ok(stacked(&rows))
    }

    fn vjp(&mut self, x: &Array1<f64>, directions: &ArrayRef2<f64>) -> Result<Option<Array2<f64>>> {
        self.jvp(x, directions).map(Some)
    }
}

/// f(x) = a + A (x - a).
struct Affine {
    offset: Array1<f64>,
    matrix: Array2<f64>,
}

impl Map for Affine {
    fn apply(&mut self, points: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        Ok((points.to_owned() - &self.offset).dot(&self.matrix.t()) + &self.offset)
    }

    fn vjp(&mut self, _: &Array1<f64>, directions: &ArrayRef2<f64>) -> Result<Option<Array2<f64>>> {
        Ok(Some(directions.dot(&self.matrix)))
    }
}

/// A map without vector-Jacobian products.
struct Forward<F>(F);

impl<F: FnMut(f64) -> f64> Map for Forward<F> {
    fn apply(&mut self, points: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        Ok(points.mapv(&mut self.0))
    }
}

fn stacked(rows: &[Array1<f64>]) -> Array2<f64> {
    concatenate(Axis(0), &rows.iter().map(|row| row.view().insert_axis(Axis(0))).collect::<Vec<_>>()).unwrap()
}

fn stream(index: u32) -> Stream {
    Stream::new(5, Purpose::Test, 0, index)
}

/// Points with a corruption of a quarter of the coordinates that replaces them by values near ½.
fn samples(points: Array2<f64>, reference: Array2<f64>) -> Samples<'static> {
    let corrupt = |points: &Array2<f64>, index: u32| {
        let mut stream = stream(index);
        let region = region(points.dim(), &mut stream);
        let mut corrupted = points.clone();
        corrupted.indexed_iter_mut().for_each(|(at, value)| {
            let other = 0.5 + 0.1 * stream.normal();
            *value = if region[at] { other } else { *value };
        });
        (corrupted, region)
    };
    let (corrupted, region) = corrupt(&points, 1);
    let (corrupted_reference, _) = corrupt(&reference, 2);
    let originals = points.clone();
    let errors = move |index: usize, numbers: Range<usize>| {
        let copies = stacked(&vec![originals.row(index).to_owned(); numbers.len()]);
        Ok(corrupt(&copies, (1000 * (1 + index) + numbers.start) as u32).0 - &copies)
    };
    Samples { images: points, corrupted, region, reference, corrupted_reference, errors: Box::new(errors) }
}

/// For each row a run of a quarter of the columns.
fn region((rows, columns): (usize, usize), stream: &mut Stream) -> Array2<bool> {
    let length = columns.div_ceil(4);
    let starts: Vec<usize> = (0..rows).map(|_| stream.below((columns - length + 1) as u32) as usize).collect();
    Array2::from_shape_fn((rows, columns), |(row, column)| (starts[row]..starts[row] + length).contains(&column))
}

fn sampled(manifold: &dyn Manifold, count: usize, index: u32) -> Array2<f64> {
    let mut stream = stream(index);
    stacked(&(0..count).map(|_| manifold.sample(&mut stream)).collect::<Vec<_>>())
}

fn card(map: &mut dyn Map, samples: &Samples<'_>) -> Card {
    let options = Options { probes: 32, singular_values: 5, seed: 1 };
    audit(map, samples, None, options, &|| ()).unwrap()
}

fn value(finding: &Finding) -> f64 {
    finding.value().unwrap_or_else(|| panic!("{finding:?}"))
}

#[track_caller]
fn near(finding: &Finding, expected: f64, tolerance: f64) {
    let value = value(finding);
    assert!((value - expected).abs() <= tolerance, "{value} instead of {expected} ± {tolerance}");
}

/// Everything that a card says of π: d from probes, differences and neighbours.
fn check_projection(manifold: &dyn Manifold, reference: usize) {
    let samples = samples(sampled(manifold, 6, 10), sampled(manifold, reference, 11));
    let card = card(&mut Projection(manifold), &samples);
    let of = |quantity| card.map.get(quantity);
    let d = manifold.dimension() as f64;
    near(of(Quantity::Residual), 0.0, 1e-4);
    near(of(Quantity::Idempotence), 0.0, 1e-3);
    // 6 · 32 probes: tr zᵀPz has a variance of at most 2d each.
    let noise = 4.0 * (2.0 * d / 192.0).sqrt();
    near(of(Quantity::Trace), d, noise);
    near(of(Quantity::Frobenius), d, noise);
    near(of(Quantity::Asymmetry), 0.0, 0.05);
    near(of(Quantity::IdempotenceJacobian), 0.0, 0.05);
    near(&card.local_dimension, d, 0.5);
    near(&card.dimension, d, 0.35);
    near(of(Quantity::TangentAngle), 0.0, 8.0);
    near(of(Quantity::TangentProjector), 0.0, 0.3);
    for (place, finding) in card.map.singular_values.iter().enumerate() {
        near(finding, if place < manifold.dimension() { 1.0 } else { 0.0 }, 0.03);
    }
    let identity = &card.baselines["identity"];
    near(identity.get(Quantity::Trace), manifold.ambient() as f64, 1e-9);
    near(identity.get(Quantity::Error), 1.0, 1e-12);
    near(identity.get(Quantity::ChangeOff), 0.0, 0.0);
    // The identity differs from P_T by the projector onto the n-d normal directions.
    near(identity.get(Quantity::TangentProjector), (manifold.ambient() as f64 - d).sqrt(), 0.3);
}

#[test]
fn the_projection_onto_a_sphere_has_the_card_of_a_projection() {
    check_projection(&Sphere::new(3, 1.0).unwrap(), 1500);
}

#[test]
fn the_projection_onto_gratings_has_the_card_of_a_projection() {
    check_projection(&Gratings::standard(8, 2).unwrap(), 1500);
}

#[test]
fn the_projection_onto_disks_has_the_card_of_a_projection() {
    check_projection(&Rendered::disk(12).unwrap(), 1500);
}

/// On gratings principal components project orthogonally, too, but onto 2d dimensions: a card must tell both apart.
#[test]
fn principal_components_are_a_projection_but_not_onto_the_tangent_space() {
    let gratings = Gratings::standard(8, 2).unwrap();
    let samples = samples(sampled(&gratings, 6, 10), sampled(&gratings, 1500, 11));
    let mut hull = LowRank::principal_components(&samples.reference).unwrap();
    assert_eq!(hull.rank(), 4);
    let card = card(&mut hull, &samples);
    let of = |quantity| card.map.get(quantity);
    near(of(Quantity::Residual), 0.0, 1e-9);
    near(of(Quantity::Asymmetry), 0.0, 1e-9);
    near(of(Quantity::IdempotenceJacobian), 0.0, 1e-9);
    near(of(Quantity::Trace), 4.0, 0.5);
    near(of(Quantity::TangentProjector), 2.0_f64.sqrt(), 0.2);
    assert!(card.map == card.baselines["PCA 4"], "the baseline is the same map");
}

/// Theorem A: where coordinates are corrupted with different strength, the best smooth map is an oblique projector. The card must
/// tell it from the orthogonal one.
#[test]
fn the_oblique_projector_is_told_from_the_orthogonal_one() {
    let (n, d) = (10, 2);
    let basis = orthonormal_basis(&gaussian_matrix(&mut stream(20), n, d));
    let plane = |count, index| gaussian_matrix(&mut stream(index), count, d).dot(&basis.t());
    let strength = |column: usize| 0.05 * 1.5_f64.powi(column as i32);
    let noise = move |index: u32, count: usize| {
        let mut noise = gaussian_matrix(&mut stream(index), count, n);
        noise.indexed_iter_mut().for_each(|((_, column), value)| *value *= strength(column));
        noise
    };
    let (images, reference) = (plane(6, 21), plane(600, 22));
    let samples = Samples {
        corrupted: &images + &noise(23, 6),
        region: Array2::from_elem(images.dim(), true),
        corrupted_reference: &reference + &noise(24, 600),
        images,
        reference,
        errors: Box::new(move |index, numbers| Ok(noise((1000 * (1 + index) + numbers.start) as u32, numbers.len()))),
    };
    // C is diagonal, so C⁻¹T is T with scaled rows.
    let scaled = Array2::from_shape_fn((n, d), |(row, column)| basis[[row, column]] / strength(row).powi(2));
    let inner = basis.t().dot(&scaled);
    let determinant = inner[[0, 0]] * inner[[1, 1]] - inner[[0, 1]] * inner[[1, 0]];
    let inverse =
        Array2::from_shape_fn((2, 2), |(i, j)| if i == j { inner[[1 - i, 1 - j]] } else { -inner[[i, j]] } / determinant);
    let best = basis.dot(&inverse).dot(&scaled.t());
    let card_of = |matrix| card(&mut Affine { offset: Array1::zeros(n), matrix }, &samples).map;
    let [oblique, orthogonal] = [best, projector(&basis)].map(card_of);
    // C comes from 40 n copies: an error near √(d n / 40 n) = 0.22.
    near(oblique.get(Quantity::ObliqueProjector), 0.0, 0.4);
    near(orthogonal.get(Quantity::TangentProjector), 0.0, 1e-6);
    let apart = value(orthogonal.get(Quantity::ObliqueProjector));
    assert!(apart > 0.8, "{apart}");
    near(oblique.get(Quantity::TangentProjector), apart, 0.3);
    near(oblique.get(Quantity::IdempotenceJacobian), 0.0, 1e-6);
    assert!(value(oblique.get(Quantity::Asymmetry)) > 0.5);
    near(orthogonal.get(Quantity::Asymmetry), 0.0, 1e-6);
    assert!(value(oblique.get(Quantity::Error)) < value(orthogonal.get(Quantity::Error)));
}

#[test]
fn leading_singular_values_are_those_of_the_matrix() {
    let left = orthonormal_basis(&gaussian_matrix(&mut stream(40), 30, 6));
    let right = orthonormal_basis(&gaussian_matrix(&mut stream(41), 30, 6));
    let values = [3.0, 2.0, 1.5, 1.0, 0.5, 0.1];
    let matrix = (&left * &Array1::from(values.to_vec())).dot(&right.t());
    let mut map = Affine { offset: Array1::zeros(30), matrix };
    let found = leading(&mut map, &Array1::zeros(30), 4, 0, 0).unwrap().unwrap();
    found.values.iter().zip(values).for_each(|(found, value)| assert!((found - value).abs() < 1e-6, "{found} {value}"));
    let overlap = left.t().dot(&found.left);
    (0..4).for_each(|k| assert!((overlap[[k, k]].abs() - 1.0).abs() < 1e-4, "{overlap}"));
    assert!(leading(&mut map, &Array1::zeros(30), 0, 0, 0).is_err() && leading(&mut map, &Array1::zeros(30), 31, 0, 0).is_err());
}

/// Of a spectrum that falls slowly, a value is either right or called a lower bound.
#[test]
fn singular_values_that_have_not_converged_are_lower_bounds() {
    let n = 300;
    let value = |place: usize| 1.0 - 0.001 * place as f64;
    let matrix = Array2::from_diag(&(0..n).map(value).collect::<Array1<f64>>());
    let mut map = Affine { offset: Array1::zeros(n), matrix };
    let found = leading(&mut map, &Array1::zeros(n), 2, 0, 0).unwrap().unwrap();
    for place in 0..2 {
        let gap = value(place) - found.values[place];
        assert!(
            gap > -1e-9 && (gap < 0.01 || !found.has_converged[place]),
            "{place}: {} {:?}",
            found.values,
            found.has_converged
        );
    }
    // A block that spans everything is exact.
    let all = leading(&mut map, &Array1::zeros(n), n - 2, 0, 0).unwrap().unwrap();
    assert!(all.has_converged.iter().all(|&has| has) && (all.values[0] - 1.0).abs() < 1e-9);
}

/// The spectrum of a real network falls slowly, too.
#[test]
fn leading_singular_values_of_a_network_are_those_of_its_jacobian() {
    let backend = Cpu::default();
    let architecture = Architecture::Autoencoder(Autoencoder { model: 2, width: 4, dilations: vec![1, 2] });
    let parameters = Parameters::initialise(&backend, &architecture, 4).unwrap();
    let mut network = Network::new(&backend, &parameters, &[16, 8, 3]).unwrap();
    let n = 16 * 8 * 3;
    let x = gaussian_matrix(&mut stream(53), 1, n).row(0).to_owned();
    let found = leading(&mut network, &x, 6, 0, 0).unwrap().unwrap();
    let jacobian = network.jvp(&x, &Array2::eye(n)).unwrap();
    let exact = orthoscope::theory::algebra::symmetric_eigen(&jacobian.dot(&jacobian.t())).unwrap().values;
    for place in 0..6 {
        let truth = exact[place].sqrt();
        assert!(found.has_converged[place], "{place}: {} of {truth}", found.values[place]);
        assert!((found.values[place] / truth - 1.0).abs() < 0.01, "{place}: {} instead of {truth}", found.values[place]);
    }
}

/// Pixels rounded to 8 bits look like further dimensions as soon as the images are about as close as the rounding moves them.
#[test]
fn the_dimension_of_rounded_images_is_right_or_undetermined() {
    let circle = Gratings::standard(16, 1).unwrap();
    for count in [60, 256, 1000] {
        let rounded = sampled(&circle, count, 12).mapv(|value| (255.0 * value).round() / 255.0);
        match orthoscope::audit::dimension::two_nearest(&rounded, 0) {
            Finding::Estimate { low, high, .. } => assert!(low <= 1.1 && high >= 0.9, "{count}: {low} to {high}"),
            Finding::AtLeast { low, .. } => panic!("{count}: at least {low}"),
            Finding::Undetermined(why) => assert!(why.contains("depends on the scale"), "{why}"),
        }
        assert!(
            orthoscope::audit::dimension::two_nearest(&sampled(&circle, count, 12), 0)
                .value()
                .is_some_and(|d| (d - 1.0).abs() < 0.3)
        );
    }
}

/// A program's products with J and Jᵀ are not believed.
#[test]
fn products_that_contradict_the_map_are_refused() {
    struct Wrong {
        map: Affine,
        pushed: f64,
        pulled: f64,
    }
    impl Map for Wrong {
        fn apply(&mut self, points: &ArrayRef2<f64>) -> Result<Array2<f64>> {
            self.map.apply(points)
        }

        fn jvp(&mut self, x: &Array1<f64>, directions: &ArrayRef2<f64>) -> Result<Array2<f64>> {
            Ok(self.pushed * self.map.jvp(x, directions)?)
        }

        fn vjp(&mut self, x: &Array1<f64>, directions: &ArrayRef2<f64>) -> Result<Option<Array2<f64>>> {
            Ok(self.map.vjp(x, directions)?.map(|products| self.pulled * products))
        }

        fn has_jvp(&self) -> bool {
            true
        }
    }
    let gratings = Gratings::standard(8, 2).unwrap();
    let samples = samples(sampled(&gratings, 6, 10), sampled(&gratings, 30, 11));
    let matrix = gaussian_matrix(&mut stream(62), 64, 64) / 8.0;
    let audited = |pushed: f64, pulled: f64| {
        let map = Affine { offset: Array1::zeros(64), matrix: matrix.clone() };
        audit(&mut Wrong { map, pushed, pulled }, &samples, None, Options::default(), &|| ()).map_err(|error| error.to_string())
    };
    audited(1.0, 1.0).unwrap();
    let text = audited(1.0, -3.0).unwrap_err();
    assert!(text.contains("not those of the transpose"), "{text}");
    for wrong in [-1.0, 2.0, 0.5] {
        let text = audited(wrong, 1.0).unwrap_err();
        assert!(text.contains("they differ from differences of f by"), "{text}");
    }
}

#[test]
fn equal_images_leave_open_what_needs_different_ones() {
    let samples = samples(Array2::from_elem((6, 64), 0.5), Array2::from_elem((30, 64), 0.5));
    let card = card(&mut Forward(|value| 0.5 * value), &samples);
    near(card.map.get(Quantity::Trace), 32.0, 1e-6);
    for finding in [&card.dimension, &card.local_dimension] {
        assert!(matches!(finding, Finding::Undetermined(why) if why.contains("different")), "{finding:?}");
    }
    assert_eq!(card.baselines.keys().collect::<Vec<_>>(), ["identity"]);
}

/// With few points the neighbours are far apart, and curvature looks like further dimensions. The card must not give wrong
/// tangents then.
#[test]
fn tangents_that_the_points_do_not_show_are_undetermined() {
    for (side, d, reference) in [(16, 2, 256), (8, 3, 1500), (8, 4, 1500)] {
        let gratings = Gratings::standard(side, d).unwrap();
        let samples = samples(sampled(&gratings, 5, 10), sampled(&gratings, reference, 11));
        let card = card(&mut Projection(&gratings), &samples);
        match &card.local_dimension {
            Finding::Estimate { .. } => {
                near(&card.local_dimension, d as f64, 0.5);
                near(card.map.get(Quantity::TangentAngle), 0.0, 12.0);
            }
            other => assert!(
                other.why().is_some_and(|why| !why.is_empty()) && card.map.get(Quantity::TangentProjector).why().is_some()
            ),
        }
    }
}

/// The norm of J - Jᵀ without products with Jᵀ.
#[test]
fn asymmetry_is_found_without_the_transpose() {
    struct Forwards(Affine);
    impl Map for Forwards {
        fn apply(&mut self, points: &ArrayRef2<f64>) -> Result<Array2<f64>> {
            self.0.apply(points)
        }
    }
    let gratings = Gratings::standard(8, 2).unwrap();
    let samples = samples(sampled(&gratings, 6, 10), sampled(&gratings, 30, 11));
    let matrix = gaussian_matrix(&mut stream(60), 64, 64) / 8.0;
    let truth = (&matrix - &matrix.t()).iter().map(|value| value * value).sum::<f64>().sqrt();
    let mut map = Forwards(Affine { offset: Array1::zeros(64), matrix });
    let found = card(&mut map, &samples).map;
    near(found.get(Quantity::Asymmetry), truth, 0.06 * truth);
}

#[test]
fn differences_of_rough_maps_are_not_taken_for_derivatives() {
    let gratings = Gratings::standard(8, 2).unwrap();
    let samples = samples(sampled(&gratings, 6, 10), sampled(&gratings, 30, 11));
    let why = |map: &mut dyn Map| {
        let measures = card(map, &samples).map;
        near(measures.get(Quantity::ChangeOff), 0.0, 0.05);
        let why = measures.get(Quantity::Trace).why().unwrap().to_owned();
        assert_eq!(measures.no_singular_values(), Some(why.as_str()));
        why
    };
    let rounded = why(&mut Forward(|value: f64| (255.0 * value).round() / 255.0));
    assert!(rounded.contains("twice the step disagree by"), "{rounded}");
    let mut noise = stream(61);
    let noisy = why(&mut Forward(move |value: f64| value + 1e-3 * noise.normal()));
    assert!(noisy.contains("different values for the same image"), "{noisy}");
}

#[test]
fn a_map_without_products_leaves_open_what_needs_them() {
    let gratings = Gratings::standard(8, 2).unwrap();
    let samples = samples(sampled(&gratings, 6, 10), sampled(&gratings, 1500, 11));
    let card = card(&mut Forward(|value| 0.5 * value), &samples);
    let of = |quantity| card.map.get(quantity);
    near(of(Quantity::Trace), 32.0, 1e-6);
    near(of(Quantity::Frobenius), 16.0, 1e-6);
    near(of(Quantity::Asymmetry), 0.0, 1e-3);
    near(of(Quantity::IdempotenceJacobian), 2.0, 1e-6);
    assert!(card.map.singular_values.is_empty());
    assert!(matches!(of(Quantity::TangentAngle), Finding::Undetermined(why) if why.contains("vector-Jacobian")));
    let json = serde_json::to_value(&card).unwrap();
    assert!(json["singular_values"]["value"].is_null() && json["singular_values"]["why"].is_string(), "{json}");
    assert_eq!(json["per_image"]["trace"].as_array().unwrap().len(), 6);
    assert_eq!(json["baselines"]["identity"]["trace"]["value"], 64.0);
}

/// Derivatives at one point come from one recording, whatever was asked before.
#[test]
fn the_derivatives_of_a_network_are_adjoint_and_do_not_depend_on_earlier_ones() {
    let backend = Cpu::default();
    let architecture = Architecture::Autoencoder(Autoencoder { model: 2, width: 2, dilations: vec![1, 2] });
    let parameters = Parameters::initialise(&backend, &architecture, 4).unwrap();
    let fresh = || Network::new(&backend, &parameters, &[16, 8, 3]).unwrap();
    let n = 16 * 8 * 3;
    let points = gaussian_matrix(&mut stream(50), 2, n);
    let (v, u) = (gaussian_matrix(&mut stream(51), 10, n), gaussian_matrix(&mut stream(52), 10, n));
    let mut used = fresh();
    for row in [0, 1, 0] {
        let x = points.row(row).to_owned();
        let (pushed, pulled) = (used.jvp(&x, &v).unwrap(), used.vjp(&x, &u).unwrap().unwrap());
        assert_eq!(pushed, fresh().jvp(&x, &v).unwrap());
        assert_eq!(pulled, fresh().vjp(&x, &u).unwrap().unwrap());
        for k in 0..10 {
            let (a, b) = (u.row(k).dot(&pushed.row(k)), pulled.row(k).dot(&v.row(k)));
            let scale = u.row(k).dot(&u.row(k)).sqrt() * pushed.row(k).dot(&pushed.row(k)).sqrt();
            assert!((a - b).abs() < 1e-5 * scale, "{a} {b}");
        }
        assert_eq!(used.jvp(&x, &v.slice(ndarray::s![..3, ..])).unwrap(), pushed.slice(ndarray::s![..3, ..]));
    }
    assert!(Network::new(&backend, &parameters, &[15, 8, 3]).is_err(), "a side that is no multiple of 8");
}

#[test]
fn few_images_leave_dimension_and_tangents_open() {
    let gratings = Gratings::standard(8, 2).unwrap();
    let samples = samples(sampled(&gratings, 6, 10), sampled(&gratings, 12, 11));
    let card = card(&mut Projection(&gratings), &samples);
    for finding in [&card.dimension, &card.local_dimension, card.map.get(Quantity::TangentProjector)] {
        assert!(matches!(finding, Finding::Undetermined(why) if why.contains("12")), "{finding:?}");
    }
    near(card.map.get(Quantity::Trace), 2.0, 0.6);
}

#[test]
fn what_cannot_be_audited_is_refused_in_a_sentence() {
    let gratings = Gratings::standard(8, 2).unwrap();
    let few = samples(sampled(&gratings, 4, 10), sampled(&gratings, 12, 11));
    let says = |map: &mut dyn Map, samples: &Samples<'_>, options, part: &str| {
        let error = audit(map, samples, None, options, &|| ()).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    says(&mut Forward(|value| value), &few, Options::default(), "at least 5 images for its intervals, got 4");
    let enough = samples(sampled(&gratings, 6, 10), sampled(&gratings, 30, 11));
    says(&mut Forward(|value| value), &enough, Options { probes: 0, ..Options::default() }, "at least one probe");
    let mut wrong = samples(sampled(&gratings, 6, 10), sampled(&gratings, 30, 11));
    wrong.corrupted = wrong.corrupted.slice(ndarray::s![.., ..60]).to_owned();
    says(&mut Forward(|value| value), &wrong, Options::default(), "64 values");
    struct Short;
    impl Map for Short {
        fn apply(&mut self, points: &ArrayRef2<f64>) -> Result<Array2<f64>> {
            Ok(Array2::zeros((points.nrows(), 3)))
        }
    }
    says(&mut Short, &enough, Options::default(), "f(x) must be 6 points of 64 values, got 6 of 3");
    says(&mut Forward(|value| value / 0.0), &enough, Options::default(), "not finite");
    let mut bad = samples(sampled(&gratings, 6, 10), sampled(&gratings, 30, 11));
    bad.images[[2, 3]] = f64::NAN;
    says(&mut Forward(|value| value), &bad, Options::default(), "image 2 has values that are not finite");
}
