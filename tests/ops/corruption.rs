//! The kernels make the same training batches as the host, bit for bit, for any config and schedule.

use std::sync::Arc;

use ndarray::Array3;
use orthoscope::Result;
use orthoscope::backend::{Cuda, Storage};
use orthoscope::data::corruption::{
    Aspect, Blend, Colours, CorruptionConfig, Deformation, Distribution, Foreground, ForegroundMethod, KeptNoise, ObjectSide,
    Patches, RegionWeight, Shape, Size, Softness, Source, Weights,
};
use orthoscope::data::{AugmentConfig, Batch, Family, GenerateOptions, Image, TrainingSet, row_major};
use orthoscope::model::{Architecture, Autoencoder};
use orthoscope::ops::{Backend, CorruptionSpec, Pick, Picks};
use orthoscope::rng::{Purpose, Stream};
use orthoscope::train::{Batches, ObjectiveConfig, OptimiserConfig, Recipe, Trainer};

use super::common::*;
use crate::Open;

on_cuda!(
    default,
    every_source_alone,
    ranges_at_their_ends,
    many_patches,
    a_thousand_patches_with_the_finest_fields,
    a_set_without_textures,
    clean_images_and_kept_noise,
    rotated_crops,
    opacities_of_every_patch,
    perlin_shapes,
    weights_of_changed_pixels,
    patches_on_the_object,
    grey_patches,
    seeds_and_steps_use_all_their_bits,
    the_number_of_patches_at_once_does_not_change_the_result,
    operands_that_do_not_fit_are_rejected,
    training_on_resident_images_equals_training_on_host_batches
);

/// Calls that reach every kernel of the operation.
pub const EXERCISES: &[Exercise] =
    &[exercise!("corruption", Tiled, every_call), exercise!("corruption, naive", Naive, every_call)];

/// A spec whose fields all have different values.
pub fn spec_value() -> SpecValue {
    SpecValue::of(&CorruptionSpec {
        seed: [1, 2],
        n: 3,
        side: 4,
        images: 5,
        textures: 6,
        clean: 0.25,
        patches_min: 7,
        patches_max: 8,
        patches_at_once: 9,
        size_distribution: 1,
        size: [0.1, 0.2],
        size_bounds: [0.21, 0.22],
        aspect: [0.3, 0.4],
        weights: [1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5],
        blend_probability: 0.5,
        blend_distribution: 14,
        blend: [0.6, 0.7],
        softness: [0.8, 0.9],
        deformation: [1.1, 1.2],
        region_threshold: 1.3,
        kept_noise: [1.35, 1.36],
        perlin: 1.41,
        perlin_union: 1.42,
        perlin_intersection: 1.43,
        perlin_exponents: 12,
        perlin_threshold: 1.44,
        region_slope: 1.45,
        region_midpoint: 1.46,
        seamless_scale: [1.47, 1.48],
        membranes: 16,
        on_object: 15,
        grey: 17,
        gradient_nodes: 13,
        mask_nodes_per_unit: 1.4,
        mask_side: 10,
        replacement_side: 11,
        taps: std::array::from_fn(|tap| 20.0 + tap as f32),
    })
}

/// Images in a batch: more than one, and not a power of two.
const COUNT: usize = 3;
/// Schedules of the emulator; 0 is index order.
const SCHEDULES: [u64; 4] = [0, 1, 2206, 11723];

/// An image of independent random pixels, in which every shift or change of value is visible.
fn picture(height: usize, width: usize, number: u32) -> Image {
    let mut stream = Stream::new(99, Purpose::Test, 0, number);
    Image::from_shape_simple_fn((height, width, 3), || stream.uniform())
}

/// Crops of 24 pixels from images of several sizes, with every augmentation, and textures of several sizes.
fn training_set(corruption: CorruptionConfig) -> TrainingSet {
    let cloth = GenerateOptions { family: Family::Cloth, size: 40, train: 1, good: 0, defects_per_kind: 1, seed: 3 };
    TrainingSet {
        images: vec![picture(24, 24, 0), picture(31, 57, 1), cloth.train_image(0).unwrap(), picture(40, 25, 2)],
        textures: vec![picture(1, 1, 3), picture(7, 30, 4), picture(64, 5, 5)],
        size: 24,
        augment: AugmentConfig { flip_horizontal: true, flip_vertical: true, quarter_turns: true, ..AugmentConfig::default() },
        corruption,
        objects: Default::default(),
        seed: 0x1234_5678_9ABC_DEF0,
    }
}

fn only(source: Source) -> CorruptionConfig {
    let weight = |of: Source| f32::from(u8::from(of == source));
    let weights = Weights {
        texture: weight(Source::Texture),
        other_image: weight(Source::OtherImage),
        constant: weight(Source::Constant),
        brightness: weight(Source::Brightness),
        noise: weight(Source::Noise),
        elastic: weight(Source::Elastic),
        structure: weight(Source::Structure),
        seamless: weight(Source::Seamless),
    };
    CorruptionConfig { weights, ..CorruptionConfig::default() }
}

/// The batch of `step` as the device makes it.
fn device_batch(backend: &Cuda, set: &TrainingSet, step: u64) -> Batch {
    checked_device_batch(backend, set, step).unwrap()
}

/// As [`device_batch`], or the error that the emulator reports.
fn checked_device_batch(backend: &Cuda, set: &TrainingSet, step: u64) -> Result<Batch> {
    let resident = set.resident(backend, COUNT)?.expect("the emulator has its own memory");
    let [image_shape, region_shape] = resident.shapes()?;
    let picks = backend.upload(&set.picks(step, COUNT).elements::<f32>())?;
    let mut buffers = [image_shape, image_shape, region_shape].map(|shape| backend.alloc(shape.len()).unwrap());
    let [corrupted, images, region] = buffers.each_mut();
    resident.batch(&picks, orthoscope::ops::Batch { corrupted, images, region })?;
    Batch::new(image_shape, region_shape, buffers.map(|buffer| backend.download(&buffer).unwrap()))
}

#[track_caller]
fn assert_same_bits(what: &str, found: &[f32], wanted: &[f32]) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    let different = found.iter().zip(wanted).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
    if let Some(first) = found.iter().zip(wanted).position(|(a, b)| a.to_bits() != b.to_bits()) {
        let (found, wanted) = (found[first], wanted[first]);
        panic!(
            "{what}: {different} elements differ, the first is number {first}: {found:e} on the device, {wanted:e} on the host"
        );
    }
}

#[track_caller]
fn assert_same_batch(what: &str, found: &Batch, wanted: &Batch) {
    assert_eq!(found.shapes().unwrap(), wanted.shapes().unwrap());
    assert_same_bits(&format!("x, {what}"), &row_major(&found.target), &row_major(&wanted.target));
    assert_same_bits(&format!("M, {what}"), &row_major(&found.region), &row_major(&wanted.region));
    assert_same_bits(&format!("x̂, {what}"), &row_major(&found.corrupted), &row_major(&wanted.corrupted));
}

/// Steps 0, 5 and 70000 under every schedule.
fn check(open: &Open, what: &str, set: &TrainingSet) {
    for step in [0, 5, 70_000] {
        let wanted = set.batch(step, COUNT).unwrap();
        for schedule in SCHEDULES {
            let found = device_batch(&open(schedule), set, step);
            assert_same_batch(&format!("{what}, step {step}, schedule {schedule}"), &found, &wanted);
        }
    }
}

fn default(open: &Open) {
    check(open, "default", &training_set(CorruptionConfig::default()));
}

fn every_source_alone(open: &Open) {
    for source in Source::ALL {
        let mut config = only(source);
        // Enough pixels of every source at every step.
        config.patches.min = 3;
        config.size.min = 0.3;
        let set = training_set(config);
        let wanted = set.batch(0, COUNT).unwrap();
        assert_ne!(wanted.corrupted, wanted.target, "{source:?}");
        check(open, source.key(), &set);
    }
}

fn ranges_at_their_ends(open: &Open) {
    let usual = CorruptionConfig::default();
    let whole = Size { min: 0.5, max: 1.0, distribution: Distribution::Uniform, ..Size::default() };
    for (what, config) in [
        ("uniform sizes", CorruptionConfig { size: whole.clone(), ..usual.clone() }),
        (
            "gamma sizes",
            CorruptionConfig { size: Size { distribution: Distribution::Gamma, ..Size::default() }, ..usual.clone() },
        ),
        ("bounded", CorruptionConfig { size: Size { max_height: 0.2, max_width: 0.4, ..Size::default() }, ..usual.clone() }),
        (
            "faint",
            CorruptionConfig { blend: Blend { probability: 1.0, min: 1e-3, max: 0.2, ..Blend::default() }, ..usual.clone() },
        ),
        ("hard edges", CorruptionConfig { softness: Softness { min: 0.0, max: 0.0 }, ..usual.clone() }),
        ("soft edges", CorruptionConfig { softness: Softness { min: 1.0, max: 1.0 }, region_threshold: 0.9, ..usual.clone() }),
        (
            "flat, out of the image",
            CorruptionConfig { size: whole.clone(), aspect: Aspect { min: 0.1, max: 0.1 }, ..usual.clone() },
        ),
        ("tall, out of the image", CorruptionConfig { size: whole, aspect: Aspect { min: 10.0, max: 10.0 }, ..usual.clone() }),
        ("round", CorruptionConfig { deformation: Deformation { min: 0.0, max: 0.0, smoothing: 10.0 }, ..usual.clone() }),
        ("torn", CorruptionConfig { deformation: Deformation { min: 1.0, max: 1.0, smoothing: 0.1 }, ..usual.clone() }),
        ("often nothing", CorruptionConfig { patches: Patches { min: 0, max: 1 }, ..usual.clone() }),
        ("nothing", CorruptionConfig { patches: Patches { min: 0, max: 0 }, ..usual.clone() }),
    ] {
        check(open, what, &training_set(config));
    }
}

fn many_patches(open: &Open) {
    let config = CorruptionConfig { patches: Patches { min: 20, max: 40 }, ..CorruptionConfig::default() };
    let set = training_set(config);
    let wanted = set.batch(1, COUNT).unwrap();
    assert_same_batch("up to 40 patches", &device_batch(&open(7), &set, 1), &wanted);
}

fn a_thousand_patches_with_the_finest_fields(open: &Open) {
    let mut config = CorruptionConfig { patches: Patches { min: 990, max: 1000 }, ..CorruptionConfig::default() };
    config.deformation.smoothing = 0.05;
    config.size.max = 0.1;
    let set = training_set(config);
    let backend = open(8);
    assert_same_batch("1000 patches", &device_batch(&backend, &set, 3), &set.batch(3, COUNT).unwrap());
    // 32 MiB of fields, and little else.
    assert!(backend.peak_bytes() < 33 << 20, "{} bytes", backend.peak_bytes());
}

fn a_set_without_textures(open: &Open) {
    let set = TrainingSet { textures: Vec::new(), ..training_set(CorruptionConfig::default()) };
    assert_same_batch("no textures", &device_batch(&open(3), &set, 2), &set.batch(2, COUNT).unwrap());
    let set = TrainingSet { corruption: only(Source::Texture), ..set };
    assert_same_batch("no source", &device_batch(&open(3), &set, 2), &set.batch(2, COUNT).unwrap());
}

fn clean_images_and_kept_noise(open: &Open) {
    let kept_noise = KeptNoise { min: 0.01, max: 0.1 };
    for (clean, kept_noise) in [(0.5, KeptNoise::default()), (0.0, kept_noise.clone()), (1.0, kept_noise)] {
        let what = format!("clean {clean}, noise up to {}", kept_noise.max);
        check(open, &what, &training_set(CorruptionConfig { clean, kept_noise, ..CorruptionConfig::default() }));
    }
    let no_patches = Patches { min: 0, max: 0 };
    let config =
        CorruptionConfig { patches: no_patches, kept_noise: KeptNoise { min: 0.2, max: 0.2 }, ..CorruptionConfig::default() };
    check(open, "noise alone", &training_set(config));
}

fn opacities_of_every_patch(open: &Open) {
    for distribution in [Distribution::Uniform, Distribution::LogUniform] {
        let blend = Blend { probability: 1.0, min: 0.2, max: 1.0, distribution };
        check(
            open,
            &format!("{distribution:?} opacity"),
            &training_set(CorruptionConfig { blend, ..CorruptionConfig::default() }),
        );
    }
}

fn perlin_shapes(open: &Open) {
    let patches = Patches { min: 3, max: 5 };
    for shape in [
        Shape { perlin: 1.0, ..Shape::default() },
        Shape { perlin: 0.5, union: 0.5, intersection: 0.5, cells: 64, threshold: 0.1 },
        Shape { perlin: 1.0, union: 1.0, intersection: 0.0, cells: 1, threshold: 0.0 },
    ] {
        let set =
            training_set(CorruptionConfig { patches: patches.clone(), shape: shape.clone(), ..CorruptionConfig::default() });
        check(open, &format!("{shape:?}"), &set);
        let wanted = set.batch(0, COUNT).unwrap();
        for patches_at_once in [1, 2] {
            let spec = CorruptionSpec { patches_at_once, ..spec_of(&set) };
            let [image, region] = wanted.shapes().unwrap();
            let found = Batch::new(image, region, batch_with(&open(9), &set, &spec, 0).unwrap()).unwrap();
            assert_same_batch(&format!("{patches_at_once} patches at once of {shape:?}"), &found, &wanted);
        }
    }
}

fn weights_of_changed_pixels(open: &Open) {
    for (slope, midpoint) in [(1.0 / 12.0, 24.0), (1.0, 3.0), (10.0, 255.0)] {
        let config = CorruptionConfig { region_weight: RegionWeight { slope, midpoint }, ..CorruptionConfig::default() };
        check(open, &format!("weights of slope {slope}"), &training_set(config));
    }
}

/// Random images have a broad histogram; every augmentation is on, and rotated crops are interpolated.
fn patches_on_the_object(open: &Open) {
    for (method, object, threshold) in [
        (ForegroundMethod::Otsu, ObjectSide::Auto, 0.5),
        (ForegroundMethod::Threshold, ObjectSide::Brighter, 0.8),
        (ForegroundMethod::Threshold, ObjectSide::Darker, 0.001),
    ] {
        let foreground = Foreground { method, threshold, object };
        let shape = Shape { perlin: 0.3, ..Shape::default() };
        let set = training_set(CorruptionConfig { foreground, shape, ..CorruptionConfig::default() });
        let set = TrainingSet { augment: AugmentConfig { rotation: 10.0, ..set.augment.clone() }, ..set };
        check(open, &format!("{method:?} {object:?}"), &set);
        let changed = set.batch(5, COUNT).unwrap();
        assert_eq!(changed.corrupted == changed.target, threshold == 0.001, "{method:?} {object:?}");
    }
}

fn grey_patches(open: &Open) {
    let grey = |image: &Image| Image::from_shape_fn(image.dim(), |(row, column, _)| image[[row, column, 0]]);
    let patches = Patches { min: 3, max: 5 };
    for source in Source::ALL {
        let kept_noise = KeptNoise { min: 0.01, max: 0.1 };
        let set = training_set(CorruptionConfig { colours: Colours::Grey, patches: patches.clone(), kept_noise, ..only(source) });
        let [images, textures] = [&set.images, &set.textures].map(|all| all.iter().map(grey).collect());
        let set = TrainingSet { images, textures, ..set };
        check(open, &format!("grey {}", source.key()), &set);
    }
}

fn rotated_crops(open: &Open) {
    for rotation in [5.0, 45.0] {
        let set = training_set(CorruptionConfig::default());
        let set = TrainingSet { augment: AugmentConfig { rotation, ..set.augment.clone() }, ..set };
        check(open, &format!("rotated by up to {rotation} degrees"), &set);
    }
}

fn seeds_and_steps_use_all_their_bits(open: &Open) {
    for seed in [0, 1, u64::from(u32::MAX), 1 << 32, u64::MAX] {
        let set = TrainingSet { seed, ..training_set(CorruptionConfig::default()) };
        for step in [0, 65_535, 65_536, (1 << 24) + 1, u64::from(u32::MAX), (1 << 32) + 9] {
            let found = device_batch(&open(5), &set, step);
            assert_same_batch(&format!("seed {seed}, step {step}"), &found, &set.batch(step, COUNT).unwrap());
        }
    }
}

/// The batch for any spec, made directly with a sampler and not through [`TrainingSet::resident`].
fn batch_with(backend: &Cuda, set: &TrainingSet, spec: &CorruptionSpec, step: u64) -> orthoscope::Result<[Vec<f32>; 3]> {
    let pictures: Vec<_> = set.images.iter().chain(&set.textures).map(|image| image.view()).collect();
    let sampler = backend.sampler(&pictures)?.expect("the emulator has its own memory");
    let picks = backend.upload(&set.picks(step, COUNT).elements::<f32>())?;
    let lengths = [spec.image_len(), spec.image_len(), spec.region_len()];
    let mut buffers = lengths.map(|len| backend.alloc(len).unwrap());
    let [corrupted, images, region] = buffers.each_mut();
    sampler.batch(spec, &picks, orthoscope::ops::Batch { corrupted, images, region })?;
    Ok(buffers.map(|buffer| backend.download(&buffer).unwrap()))
}

fn spec_of(set: &TrainingSet) -> CorruptionSpec {
    set.corruption.spec(set.seed, COUNT, set.size, set.images.len(), set.textures.len()).unwrap()
}

fn the_number_of_patches_at_once_does_not_change_the_result(open: &Open) {
    let set = training_set(CorruptionConfig { patches: Patches { min: 4, max: 7 }, ..CorruptionConfig::default() });
    let wanted = set.batch(6, COUNT).unwrap();
    for patches_at_once in [1, 2, 3, 6, 7, 20] {
        let spec = CorruptionSpec { patches_at_once, ..spec_of(&set) };
        let [image, region] = wanted.shapes().unwrap();
        let found = Batch::new(image, region, batch_with(&open(9), &set, &spec, 6).unwrap()).unwrap();
        assert_same_batch(&format!("{patches_at_once} patches at once"), &found, &wanted);
    }
}

#[test]
fn picks_keep_all_32_bits() {
    let pick = Pick {
        image: 0x1234_5678,
        top: u32::MAX,
        left: 65_536,
        flip_rows: true,
        flip_columns: false,
        turns: 3,
        half_tangent: 1.0,
        object: [-1.0, 2.0],
    };
    let picks = Picks { step: (1 << 24) + 1, slots: vec![pick, Pick { flip_columns: true, ..Pick::default() }] };
    let halves =
        [1.0, 256.0, 22136.0, 4660.0, 65535.0, 65535.0, 0.0, 1.0, 3.0, 0.0, 1.0, 0.0, 0.0, 16256.0, 0.0, 49024.0, 0.0, 16384.0];
    let rest = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    assert_eq!(picks.elements::<f32>(), [&halves[..], &rest].concat());
    assert_eq!(picks.elements::<f64>().len(), Picks::len(2));
}

fn operands_that_do_not_fit_are_rejected(open: &Open) {
    let (backend, set) = (open(1), training_set(CorruptionConfig::default()));
    let spec = spec_of(&set);
    let resident = set.resident(&backend, COUNT).unwrap().unwrap();
    let lengths = [resident.picks_len(), spec.image_len(), spec.image_len(), spec.region_len()];
    for short in 0..4 {
        let mut lengths = lengths;
        lengths[short] -= 1;
        let [picks, corrupted, x, region] = &mut lengths.map(|len| backend.zeros(len).unwrap());
        let refused = resident.batch(picks, orthoscope::ops::Batch { corrupted, images: x, region }).unwrap_err().to_string();
        assert!(refused.contains(&lengths[short].to_string()), "{refused}");
    }
    let other = CorruptionSpec { textures: 9, ..spec };
    let refused = batch_with(&backend, &set, &other, 0).unwrap_err().to_string();
    assert_eq!(refused, "corruption: 6 patches at once of 4 images and 9 textures, the device holds 7 pictures");
    assert!(batch_with(&backend, &set, &CorruptionSpec { patches_at_once: 0, ..spec }, 0).is_err());
    for shape in [(2, 3, 1), (0, 3, 3)] {
        assert!(backend.sampler(&[Array3::zeros(shape).view()]).is_err(), "{shape:?}");
    }
}

fn training_on_resident_images_equals_training_on_host_batches(open: &Open) {
    let recipe = Recipe {
        architecture: Architecture::Autoencoder(Autoencoder { model: 2, width: 3, dilations: vec![1, 2] }),
        objective: ObjectiveConfig::default(),
        optimiser: OptimiserConfig { steps: 5, batch: COUNT, warmup_steps: 2, ema_decay: 0.9, ..OptimiserConfig::default() },
        seed: 5,
    };
    let (backend, set) = (open(1), training_set(CorruptionConfig::default()));
    let set = Arc::new(set);
    let mut batches = Batches::new(&backend, Arc::clone(&set), COUNT, 5).unwrap();
    assert!(!batches.prepare(0), "the host makes the batches");
    let [mut host, mut device] = [(); 2].map(|()| Trainer::new(&backend, recipe.clone()).unwrap());
    for step in 0..5 {
        let mut batch = set.batch(step, COUNT).unwrap().into();
        let wanted = host.advance(&mut batch).unwrap().loss;
        // One host batch in between: the recording for the other batches must not be replayed for it.
        let found = device.advance(if step == 3 { &mut batch } else { &mut batches }).unwrap().loss;
        assert_eq!(found, wanted, "step {step}");
    }
    let [host, device] = [host, device].map(|trainer| trainer.checkpoint("config").unwrap().encode().unwrap());
    assert!(host == device, "the weights differ");
}

/// Two crops with a patch of every source.
fn every_call<B: Engine>(cuda: &B) -> Result<Vec<f32>> {
    let picture = |number| {
        let mut stream = Stream::new(4, Purpose::Test, 1, number);
        Image::from_shape_simple_fn((40, 48, 3), || stream.uniform())
    };
    let patches = Patches { min: 5, max: 8 };
    let set = TrainingSet {
        images: vec![picture(0), picture(1)],
        textures: vec![picture(2)],
        size: 24,
        augment: AugmentConfig { flip_horizontal: true, flip_vertical: true, quarter_turns: true, ..AugmentConfig::default() },
        corruption: CorruptionConfig {
            patches,
            kept_noise: KeptNoise { min: 0.01, max: 0.05 },
            shape: Shape { perlin: 0.5, union: 0.3, intersection: 0.3, ..Shape::default() },
            region_weight: RegionWeight { slope: 0.1, midpoint: 20.0 },
            weights: Weights { structure: 0.3, seamless: 0.3, ..Weights::default() },
            ..CorruptionConfig::default()
        },
        objects: Default::default(),
        seed: 5,
    };
    let resident = set.resident(cuda, 2)?.expect("a device with its own memory");
    let picks = cuda.upload(&set.picks(1, 2).elements::<f32>())?;
    let (image, region) = (2 * 24 * 24 * 3, 2 * 24 * 24);
    let [mut corrupted, mut target, mut mask] = [cuda.alloc(image)?, cuda.alloc(image)?, cuda.alloc(region)?];
    let batch = orthoscope::ops::Batch { corrupted: &mut corrupted, images: &mut target, region: &mut mask };
    resident.batch(&picks, batch)?;
    let mut bench = Bench::new(cuda);
    bench.keep(&[&corrupted, &target, &mask])?;
    Ok(bench.found)
}
