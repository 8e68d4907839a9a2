//! Properties of the complete corruption for any config.

use super::*;
use crate::rng::{Purpose, Stream};
use ndarray::Axis;
use proptest::prelude::*;
use rayon::prelude::*;

/// A picture of independent random pixels, in which every shift or change is visible.
fn picture(height: usize, width: usize, number: u32) -> Image {
    let mut stream = Stream::new(99, Purpose::Test, 0, number);
    Image::from_shape_simple_fn((height, width, 3), || stream.uniform())
}

fn only(source: Source) -> Weights {
    let weight = |of: Source| if of == source { 1.0 } else { 0.0 };
    Weights {
        texture: weight(Source::Texture),
        other_image: weight(Source::OtherImage),
        constant: weight(Source::Constant),
        brightness: weight(Source::Brightness),
        noise: weight(Source::Noise),
        elastic: weight(Source::Elastic),
    }
}

fn check_laws(config: &CorruptionConfig, x: &Image, found: &Corrupted) -> Result<(), TestCaseError> {
    let (height, width, _) = x.dim();
    prop_assert_eq!(found.image.dim(), x.dim());
    let pixels = found.image.lanes(Axis(2)).into_iter().zip(x.lanes(Axis(2)));
    for ((&m, &region), (after, before)) in found.mask.iter().zip(&found.region).zip(pixels) {
        prop_assert!((0.0..=1.0).contains(&m));
        prop_assert!(after.iter().all(|v| (0.0..=1.0).contains(v)));
        prop_assert_eq!(region, if m > config.region_threshold { 1.0 } else { 0.0 });
        if m == 0.0 {
            prop_assert_eq!(after, before);
        }
    }
    let count = found.patches.len() as u32;
    prop_assert!((config.patches.min..=config.patches.max).contains(&count));
    prop_assert_eq!(found.region.iter().any(|&m| m == 1.0), count > 0);
    for patch in &found.patches {
        let (row, column) = (patch.top + patch.height as i32 / 2, patch.left + patch.width as i32 / 2);
        prop_assert!((0..height as i32).contains(&row) && (0..width as i32).contains(&column));
        // The union is at least each of its masks, and each mask is 1 at its centre.
        prop_assert_eq!(found.mask[[row as usize, column as usize]], 1.0);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn laws_hold_for_any_config_and_size(
        seed in any::<u64>(), step in any::<u32>(), index in any::<u32>(),
        (height, width) in (1usize..40, 1usize..40),
        (fewest, more) in (0u32..4, 0u32..4),
        size in 0.01f32..1.0, softness in 0.0f32..1.0, deformation in 0.0f32..1.0, smoothing in 0.1f32..3.0,
        threshold in 0.0f32..0.9, aspect in 0.1f32..10.0,
    ) {
        let mut config = CorruptionConfig { region_threshold: threshold, ..CorruptionConfig::default() };
        config.patches = Patches { min: fewest, max: fewest + more };
        config.size = Size { min: 0.01, max: size, distribution: Distribution::Uniform };
        config.aspect = Aspect { min: aspect, max: aspect };
        config.softness = Softness { min: 0.0, max: softness };
        config.deformation = Deformation { min: 0.0, max: deformation, smoothing };
        let x = picture(height, width, 0);
        let (textures, images) = ([picture(1, 1, 1), picture(7, 30, 2)], [x.clone(), picture(3, 50, 3)]);
        let sources = Sources { textures: &textures, images: &images };
        let found = corrupt(&config, seed, step, index, &x, &sources).unwrap();
        check_laws(&config, &x, &found)?;
    }
}

#[test]
fn clean_images_are_the_wanted_fraction_and_have_no_patch() {
    let x = picture(8, 8, 0);
    let config = CorruptionConfig { clean: 0.3, ..CorruptionConfig::default() };
    let clean = |index| corrupt(&config, 1, 2, index, &x, &Sources::default()).unwrap();
    let found: Vec<Corrupted> = (0..2000).map(clean).filter(|sample| sample.patches.is_empty()).collect();
    // Five standard deviations: 5 sqrt(0.3 · 0.7 / 2000).
    assert!((found.len() as f64 / 2000.0 - 0.3).abs() < 0.052, "{}", found.len());
    assert!(found.iter().all(|sample| sample.image == x && sample.mask.sum() == 0.0));
}

#[test]
fn kept_noise_is_the_same_in_input_and_target_and_leaves_the_patches_alone() {
    let x = Image::from_elem((24, 24, 3), 0.5);
    let quiet = CorruptionConfig::default();
    let noisy = CorruptionConfig { kept_noise: KeptNoise { min: 0.02, max: 0.02 }, ..quiet.clone() };
    let draw = |config: &CorruptionConfig| corrupt(config, 3, 4, 5, &x, &Sources::default()).unwrap();
    let (without, with) = (draw(&quiet), draw(&noisy));
    assert_eq!((&without.mask, &without.patches), (&with.mask, &with.patches));
    assert_eq!(without.target, x);
    let (input, target) = (&with.image - &without.image, &with.target - &x);
    assert!(input.iter().zip(&target).all(|(a, b)| (a - b).abs() < 1e-6));
    let variance = target.iter().map(|&noise| f64::from(noise * noise)).sum::<f64>() / target.len() as f64;
    // Five standard errors: 5 sqrt(2 / 1728).
    assert!((variance / 4e-4 - 1.0).abs() < 0.17, "{variance}");
    for ((&m, after), kept) in with.mask.iter().zip(with.image.lanes(Axis(2))).zip(with.target.lanes(Axis(2))) {
        assert!(m > 0.0 || after == kept);
    }
}

#[test]
fn a_sample_does_not_depend_on_others_or_on_threads() {
    let (x, textures, images) = (picture(32, 48, 0), [picture(20, 20, 1)], [picture(32, 48, 2)]);
    let sources = Sources { textures: &textures, images: &images };
    let draw = |index: u32| corrupt(&CorruptionConfig::default(), 5, 7, index, &x, &sources).unwrap();
    let alone = draw(13);
    let forward: Vec<Corrupted> = (0..24).map(draw).collect();
    let threads: Vec<Corrupted> = (0..24).into_par_iter().rev().map(draw).collect();
    assert_eq!(alone, forward[13]);
    assert!(forward.iter().eq(threads.iter().rev()));
    assert_ne!(forward[0], forward[1]);
    let other = |seed, step| corrupt(&CorruptionConfig::default(), seed, step, 13, &x, &sources).unwrap();
    assert_ne!(alone, other(6, 7));
    assert_ne!(alone, other(5, 8));
}

#[test]
fn every_source_alone_changes_pixels() {
    let (x, textures) = (picture(40, 40, 0), [picture(20, 20, 1)]);
    // The only other image is the image itself, which must not be used at the same position.
    let images = [x.clone()];
    let sources = Sources { textures: &textures, images: &images };
    for source in Source::ALL {
        let config = CorruptionConfig { weights: only(source), ..CorruptionConfig::default() };
        for index in 0..20 {
            let found = corrupt(&config, 1, 0, index, &x, &sources).unwrap();
            assert!(found.patches.iter().all(|patch| patch.source == source), "{source:?}");
            let pixels = found.image.lanes(Axis(2)).into_iter().zip(x.lanes(Axis(2)));
            let region = found.region.iter().filter(|&&m| m == 1.0).count();
            let changed = pixels.filter(|(a, b)| a != b).count();
            assert!(changed * 10 >= region * 9, "{source:?}: {changed} pixels of {region} changed in image {index}");
        }
    }
}

#[test]
fn white_and_black_regions_change_brightness() {
    let config = CorruptionConfig { weights: only(Source::Brightness), ..CorruptionConfig::default() };
    for value in [0.0, 1.0] {
        let x = Image::from_elem((24, 24, 3), value);
        for index in 0..20 {
            let found = corrupt(&config, 2, 0, index, &x, &Sources::default()).unwrap();
            assert_ne!(found.image, x, "image {index} of value {value}");
        }
    }
}

#[test]
fn a_faint_patch_has_a_full_mask_and_a_small_change() {
    let mut config = CorruptionConfig { weights: only(Source::Constant), ..CorruptionConfig::default() };
    config.patches = Patches { min: 1, max: 1 };
    let x = picture(32, 32, 0);
    let with = |min: f32, max: f32, probability: f32| {
        let blend = Blend { probability, min, max };
        corrupt(&CorruptionConfig { blend, ..config.clone() }, 3, 0, 0, &x, &Sources::default()).unwrap()
    };
    let (strong, faint) = (with(0.25, 0.25, 0.0), with(0.25, 0.25, 1.0));
    assert_eq!((strong.patches[0].opacity, faint.patches[0].opacity), (1.0, 0.25));
    assert_eq!(strong.mask, faint.mask);
    for ((s, f), x) in strong.image.iter().zip(&faint.image).zip(&x) {
        assert!(((f - x) - 0.25 * (s - x)).abs() < 1e-6, "{x} became {s} or {f}");
    }
}

/// x̂ = M ⊙ y + M̄ ⊙ x exactly, for a known y.
#[test]
fn one_constant_patch_satisfies_the_equation() {
    let mut config = CorruptionConfig { weights: only(Source::Constant), ..CorruptionConfig::default() };
    config.patches = Patches { min: 1, max: 1 };
    config.blend.probability = 0.0;
    let x = picture(32, 32, 0);
    for index in 0..10 {
        let found = corrupt(&config, 4, 0, index, &x, &Sources::default()).unwrap();
        let patch = &found.patches[0];
        // M is 1 at the centre, so the constant can be read there.
        let centre = [patch.top + patch.height as i32 / 2, patch.left + patch.width as i32 / 2].map(|place| place as usize);
        for ((row, column, c), &found_value) in found.image.indexed_iter() {
            let (m, y) = (found.mask[[row, column]], found.image[[centre[0], centre[1], c]]);
            let want = m * y + (1.0 - m) * x[[row, column, c]];
            assert!((found_value - want).abs() < 1e-6);
        }
    }
}

#[test]
fn the_mask_is_the_union_of_the_patches() {
    let mut config = CorruptionConfig { patches: Patches { min: 4, max: 6 }, ..CorruptionConfig::default() };
    config.size.min = 0.6;
    config.softness.min = 0.6;
    let (x, address) = (picture(32, 32, 0), Address { seed: 6, step: 1, index: 2 });
    let found = corrupt(&config, 6, 1, 2, &x, &Sources::default()).unwrap();
    let patches = plan(&config, address, [32, 32], &Sources::default()).patches;
    let masks: Vec<Mask> = patches.iter().map(|patch| Mask::new(address, patch, config.deformation.smoothing)).collect();
    let mut overlaps = 0;
    for ((row, column), &m) in found.mask.indexed_iter() {
        let single = patches.iter().zip(&masks).map(|(patch, mask)| {
            let p = [0, 1].map(|axis| {
                let place = [row, column][axis] as f32;
                (place - patch.centre[axis] as f32) / patch.radius[axis] as f32
            });
            if p.iter().any(|v| v.abs() > 1.0) { 0.0 } else { mask.at(p) }
        });
        let single: Vec<f32> = single.collect();
        let want = 1.0 - single.iter().map(|m| 1.0 - m).product::<f32>();
        assert!((m - want).abs() < 1e-6, "row {row}, column {column}: {m}, want {want} of {single:?}");
        overlaps += usize::from(single.iter().filter(|m| (0.1..0.9).contains(*m)).count() > 1);
    }
    assert!(overlaps > 5, "only {overlaps} pixels tell a union from a maximum");
}

#[test]
fn the_weight_of_sources_without_pictures_goes_to_the_others() {
    let x = picture(24, 24, 0);
    let textures = [picture(9, 9, 1)];
    let chosen = |weights: Weights, sources: &Sources<'_>| {
        let config = CorruptionConfig { weights, ..CorruptionConfig::default() };
        let draw = |index| corrupt(&config, 8, 0, index, &x, sources).unwrap().patches;
        (0..100).flat_map(draw).map(|patch| patch.source).collect::<Vec<_>>()
    };
    let count = |chosen: &[Source], source| chosen.iter().filter(|&&found| found == source).count();
    let all = chosen(Weights::default(), &Sources::default());
    assert_eq!(count(&all, Source::Texture) + count(&all, Source::OtherImage), 0);
    // Constant and brightness share 0.4 of the 0.6 that is left; five standard errors.
    let share = (count(&all, Source::Constant) + count(&all, Source::Brightness)) as f64 / all.len() as f64;
    assert!((share - 2.0 / 3.0).abs() < 5.0 * (2.0 / 9.0 / all.len() as f64).sqrt(), "{share}");
    let some = chosen(Weights::default(), &Sources { textures: &textures, images: &[] });
    assert!(count(&some, Source::Texture) > 0 && count(&some, Source::OtherImage) == 0);
    let none = chosen(only(Source::Texture), &Sources::default());
    assert_eq!(count(&none, Source::Constant), none.len());
}

#[test]
fn the_default_config_has_the_expected_statistics() {
    let (x, config) = (picture(48, 48, 0), CorruptionConfig::default());
    let (n, mut patches, mut area, mut faint, mut small) = (500, 0, 0.0, 0, 0);
    for index in 0..n {
        let found = corrupt(&config, 21, 0, index, &x, &Sources::default()).unwrap();
        patches += found.patches.len();
        area += found.region.iter().sum::<f32>() / (48.0 * 48.0) / n as f32;
        faint += found.patches.iter().filter(|patch| patch.opacity < 1.0).count();
        small += found.patches.iter().filter(|patch| patch.height * patch.width < 81).count();
    }
    let mean = patches as f32 / n as f32;
    // Uniform on 1..=6: mean 3.5, standard error sqrt(35 / 12 / 500) = 0.076.
    assert!((mean - 3.5).abs() < 0.38, "{mean} patches");
    // 3.5 ellipses of 0.65² π/4 of a box of mean area 0.092 are 0.107; the image border and overlaps take the rest.
    assert!((0.05..0.085).contains(&area), "corrupted area {area}");
    let (faint, small) = (faint as f32 / patches as f32, small as f32 / patches as f32);
    assert!((faint - 0.5).abs() < 0.06, "faint {faint}");
    // Sides below 9 of 2.4 to 33.6 pixels: ln(9 / 2.4) / ln(14) is one half; odd sides make it a little less.
    assert!((0.38..0.52).contains(&small), "small {small}");
}

#[test]
fn a_bad_config_is_rejected() {
    let mut config = CorruptionConfig::default();
    config.blend.max = 2.0;
    let error = corrupt(&config, 0, 0, 0, &picture(8, 8, 0), &Sources::default()).unwrap_err().to_string();
    assert_eq!(error, "config key `corruption.blend.max`: 2 is outside [0.001, 1]");
}

/// Guards the order of the random numbers: changing it changes the result of every seed. An independent Python implementation of
/// the module docs, with exact Philox and powers in double precision, gives the same boxes.
#[test]
fn patches_match_golden_values() {
    let (textures, images) = ([picture(9, 9, 1)], [picture(9, 9, 2)]);
    let sources = Sources { textures: &textures, images: &images };
    let draw = |index| corrupt(&CorruptionConfig::default(), 2206, 11723, index, &picture(96, 128, 0), &sources).unwrap();
    let boxes: Vec<_> = (0..3)
        .flat_map(|index| draw(index).patches)
        .map(|patch| (patch.top, patch.left, patch.height, patch.width, patch.source.key(), patch.opacity < 1.0))
        .collect();
    let want = [
        (3, -1, 5, 9, "texture", false),
        (16, 118, 39, 17, "constant", true),
        (72, 3, 19, 13, "brightness", false),
        (9, 15, 51, 89, "texture", false),
        (52, 69, 47, 77, "brightness", false),
        (26, 96, 9, 5, "noise", false),
        (25, 78, 25, 61, "elastic", false),
        (75, 35, 7, 5, "texture", true),
        (53, -21, 37, 59, "texture", false),
        (44, 51, 33, 39, "other_image", true),
        (44, 110, 9, 3, "constant", true),
        (14, 16, 15, 25, "texture", false),
    ];
    assert_eq!(boxes, want);
}

#[test]
fn replacements_are_what_the_mask_blends_in() {
    let x = picture(48, 40, 7);
    let others = [picture(50, 44, 8)];
    let sources = Sources { textures: &others, images: &others };
    for source in Source::ALL {
        let config = CorruptionConfig {
            weights: only(source),
            patches: Patches { min: 1, max: 1 },
            blend: Blend { probability: 1.0, min: 0.6, max: 0.6 },
            ..CorruptionConfig::default()
        };
        let (found, y) = corrupt_with_replacements(&config, 3, 0, 5, &x, &sources).unwrap();
        assert_eq!(found, corrupt(&config, 3, 0, 5, &x, &sources).unwrap());
        let patch = &found.patches[0];
        for ((row, column, c), &value) in y.indexed_iter() {
            let inside = |at: usize, first: i32, extent: u32| (first..first + extent as i32).contains(&(at as i32));
            let is_in_box = inside(row, patch.top, patch.height) && inside(column, patch.left, patch.width);
            assert_eq!(value.is_nan(), !is_in_box, "{row}, {column}");
            if is_in_box {
                let want = x[[row, column, c]] + found.mask[[row, column]] * patch.opacity * (value - x[[row, column, c]]);
                let got = found.image[[row, column, c]];
                assert!((got - want.clamp(0.0, 1.0)).abs() < 1e-6, "{source:?} at {row}, {column}: {got}, want {want}");
            }
        }
    }
}
