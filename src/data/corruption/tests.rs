//! Properties of the complete corruption for any config.

use super::mask::Mask;
use super::*;
use crate::rng::{Purpose, Stream};
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
        structure: weight(Source::Structure),
        seamless: weight(Source::Seamless),
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
        config.size = Size { min: 0.01, max: size, distribution: Distribution::Uniform, ..Size::default() };
        config.aspect = Aspect { min: aspect, max: aspect };
        config.softness = Softness { min: 0.0, max: softness };
        config.deformation = Deformation { min: 0.0, max: deformation, smoothing };
        let x = picture(height, width, 0);
        let (textures, images) = ([picture(1, 1, 1), picture(7, 30, 2)], [x.clone(), picture(3, 50, 3)]);
        let sources = Sources { textures: &textures, images: &images, ..Sources::default() };
        let found = corrupt(&config, Address { seed, step, index }, &x, &sources).unwrap();
        check_laws(&config, &x, &found)?;
    }
}

#[test]
fn clean_images_are_the_wanted_fraction_and_have_no_patch() {
    let x = picture(8, 8, 0);
    let config = CorruptionConfig { clean: 0.3, ..CorruptionConfig::default() };
    let clean = |index| corrupt(&config, Address { seed: 1, step: 2, index }, &x, &Sources::default()).unwrap();
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
    let draw =
        |config: &CorruptionConfig| corrupt(config, Address { seed: 3, step: 4, index: 5 }, &x, &Sources::default()).unwrap();
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
fn grey_images_stay_grey_and_patches_are_where_they_were() {
    let grey = |number| Image::from_shape_fn((40, 40, 3), |(row, column, _)| picture(40, 40, number)[[row, column, 0]]);
    let is_grey = |image: &Image| image.lanes(Axis(2)).into_iter().all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]);
    let (x, textures, images) = (grey(0), [grey(1)], [grey(0), grey(2)]);
    let sources = Sources { textures: &textures, images: &images, ..Sources::default() };
    for source in Source::ALL {
        let kept_noise = KeptNoise { min: 0.01, max: 0.1 };
        let config = CorruptionConfig { weights: only(source), kept_noise, ..CorruptionConfig::default() };
        let with = |colours, index| {
            let config = CorruptionConfig { colours, ..config.clone() };
            corrupt(&config, Address { seed: 1, step: 0, index }, &x, &sources).unwrap()
        };
        for index in 0..8 {
            let (any, own) = (with(Colours::Any, index), with(Colours::Grey, index));
            assert!(is_grey(&own.image) && is_grey(&own.target), "{source:?} {index}");
            assert!(!is_grey(&any.image), "{source:?} {index}: nothing to tell the two apart");
            assert_eq!((&own.mask, &own.patches), (&any.mask, &any.patches), "{source:?} {index}");
            assert!(own.image != x && own.patches.iter().all(|patch| patch.source == source));
        }
    }
}

#[test]
fn patches_are_grey_if_every_training_image_is() {
    let (grey, coloured) = (Image::from_elem((4, 4, 3), 0.3), picture(4, 4, 0));
    let decided =
        |colours, images: &[Image]| CorruptionConfig { colours, ..CorruptionConfig::default() }.for_images(images).colours;
    assert_eq!(decided(Colours::Auto, &[grey.clone(), grey.clone()]), Colours::Grey);
    assert_eq!(decided(Colours::Auto, &[grey.clone(), coloured.clone()]), Colours::Any);
    assert_eq!(decided(Colours::Auto, &[]), Colours::Any);
    assert_eq!(decided(Colours::Any, &[grey]), Colours::Any);
    assert_eq!(decided(Colours::Grey, &[coloured]), Colours::Grey);
}

#[test]
fn a_sample_does_not_depend_on_others_or_on_threads() {
    let (x, textures, images) = (picture(32, 48, 0), [picture(20, 20, 1)], [picture(32, 48, 2)]);
    let sources = Sources { textures: &textures, images: &images, ..Sources::default() };
    let draw = |index: u32| corrupt(&CorruptionConfig::default(), Address { seed: 5, step: 7, index }, &x, &sources).unwrap();
    let alone = draw(13);
    let forward: Vec<Corrupted> = (0..24).map(draw).collect();
    let threads: Vec<Corrupted> = (0..24).into_par_iter().rev().map(draw).collect();
    assert_eq!(alone, forward[13]);
    assert!(forward.iter().eq(threads.iter().rev()));
    assert_ne!(forward[0], forward[1]);
    let other = |seed, step| corrupt(&CorruptionConfig::default(), Address { seed, step, index: 13 }, &x, &sources).unwrap();
    assert_ne!(alone, other(6, 7));
    assert_ne!(alone, other(5, 8));
}

#[test]
fn every_source_alone_changes_pixels() {
    let (x, textures) = (picture(40, 40, 0), [picture(20, 20, 1)]);
    // The only other image is the image itself, which must not be used at the same position.
    let images = [x.clone()];
    let sources = Sources { textures: &textures, images: &images, ..Sources::default() };
    for source in Source::ALL {
        let config = CorruptionConfig { weights: only(source), ..CorruptionConfig::default() };
        for index in 0..20 {
            let found = corrupt(&config, Address { seed: 1, step: 0, index }, &x, &sources).unwrap();
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
            let found = corrupt(&config, Address { seed: 2, step: 0, index }, &x, &Sources::default()).unwrap();
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
        let blend = Blend { probability, min, max, ..Blend::default() };
        corrupt(&CorruptionConfig { blend, ..config.clone() }, Address { seed: 3, step: 0, index: 0 }, &x, &Sources::default())
            .unwrap()
    };
    let (strong, faint) = (with(0.25, 0.25, 0.0), with(0.25, 0.25, 1.0));
    assert_eq!((strong.patches[0].opacity, faint.patches[0].opacity), (1.0, 0.25));
    assert_eq!(strong.mask, faint.mask);
    for ((s, f), x) in strong.image.iter().zip(&faint.image).zip(&x) {
        assert!(((f - x) - 0.25 * (s - x)).abs() < 1e-6, "{x} became {s} or {f}");
    }
}

/// With probability 1 the opacity of every patch is uniform in [min, max).
#[test]
fn the_opacity_of_every_patch_can_be_random() {
    let x = picture(8, 8, 0);
    let opacities = |distribution| {
        let blend = Blend { probability: 1.0, min: 0.2, max: 1.0, distribution };
        let config = CorruptionConfig { blend, ..CorruptionConfig::default() };
        let draw = |index| corrupt(&config, Address { seed: 7, step: 1, index }, &x, &Sources::default()).unwrap().patches;
        (0..600).flat_map(draw).map(|patch| patch.opacity).collect::<Vec<_>>()
    };
    // The largest distance of the empirical distribution function from F, by Kolmogorov and Smirnov.
    let distance = |mut found: Vec<f32>, cumulative: &dyn Fn(f64) -> f64| {
        found.sort_by(f32::total_cmp);
        assert!(found.len() > 1800 && found[0] >= 0.2 && found[found.len() - 1] < 1.0);
        let count = found.len() as f64;
        let gap = |(k, &a): (usize, &f32)| (cumulative(f64::from(a)) - k as f64 / count).abs();
        count.sqrt() * found.iter().enumerate().map(gap).fold(0.0, f64::max)
    };
    // 1.95 is exceeded once in a thousand samples.
    let uniform = distance(opacities(Distribution::Uniform), &|a| (a - 0.2) / 0.8);
    let log_uniform = distance(opacities(Distribution::LogUniform), &|a| (a / 0.2).ln() / 5f64.ln());
    assert!(uniform < 1.95 && log_uniform < 1.95, "{uniform} and {log_uniform}");
}

/// `1 / (1 + exp(-k (d - d₀)))` of the change in grey levels, worked out for one constant patch.
#[test]
fn the_region_weight_is_the_logistic_of_the_change() {
    let x = Image::from_elem((24, 24, 3), 0.5);
    let plain = CorruptionConfig { weights: only(Source::Constant), ..CorruptionConfig::default() };
    let weighted = CorruptionConfig { region_weight: RegionWeight { slope: 1.0 / 3.0, midpoint: 7.0 }, ..plain.clone() };
    let mut between = 0;
    for index in 0..10 {
        let draw =
            |config: &CorruptionConfig| corrupt(config, Address { seed: 3, step: 4, index }, &x, &Sources::default()).unwrap();
        let (zero_one, found) = (draw(&plain), draw(&weighted));
        assert_eq!((&zero_one.image, &zero_one.mask), (&found.image, &found.mask));
        for (((row, column), &weight), &inside) in found.region.indexed_iter().zip(&zero_one.region) {
            let change = (0..3).map(|c| f64::from((found.image[[row, column, c]] - 0.5).abs())).sum::<f64>() * 255.0 / 3.0;
            let want = f64::from(inside) / (1.0 + (-(change - 7.0) / 3.0).exp());
            assert!((f64::from(weight) - want).abs() < 1e-5, "{weight} want {want} for a change of {change}");
            between += usize::from(weight > 0.1 && weight < 0.9);
        }
    }
    assert!(between > 20, "only {between} weights far from 0 and 1");
    // At the midpoint the weight is 1/2; a grey level of change is exactly 1/255.
    let half = Image::from_elem((1, 1, 3), 0.5);
    let config = CorruptionConfig { region_weight: RegionWeight { slope: 2.0, midpoint: 0.0 }, ..plain };
    assert_eq!(region(&config, &Plane::ones((1, 1)), &half, &half)[[0, 0]], 0.5);
}

/// NSA: half-width clip(0.03 + Gamma(2, 0.05)), so the side is clip(0.06 + Gamma(2, 0.1)), independently along both axes.
#[test]
fn gamma_sizes_have_the_moments_of_their_distribution() {
    let size = Size { min: 0.001, max: 1.0, distribution: Distribution::Gamma, ..Size::default() };
    let config = CorruptionConfig { size, ..CorruptionConfig::default() };
    let x = Image::zeros((1000, 2000, 3));
    let draw = |index| plan(&config, Address { seed: 2, step: 0, index }, &x, None, &Sources::default()).patches;
    let shares: Vec<[f64; 2]> =
        (0..1500).flat_map(draw).map(|patch| [patch.radius[0] as f64 / 500.0, patch.radius[1] as f64 / 1000.0]).collect();
    let count = shares.len() as f64;
    let mean = |value: &dyn Fn(&[f64; 2]) -> f64| shares.iter().map(value).sum::<f64>() / count;
    for axis in 0..2 {
        // Mean 0.06 + 2 · 0.1, variance 2 · 0.1²; radii are whole pixels, at most 0.002 less. Clipping at 1 changes 0.01 of the
        // mean at most.
        let average = mean(&|share| share[axis]);
        assert!((average - 0.259).abs() < 5.0 * (0.02 / count).sqrt() + 0.002, "{average}");
        // P(Gamma(2, 1) > 1) = 2/e.
        let above = mean(&|share| f64::from(u8::from(share[axis] > 0.16)));
        assert!((above - 2.0 / 1f64.exp()).abs() < 5.0 * (0.2 / count).sqrt() + 0.01, "{above}");
    }
    let product = mean(&|share| (share[0] - 0.259) * (share[1] - 0.259));
    assert!(product.abs() < 5.0 * 0.02 / count.sqrt(), "{product}");
}

#[test]
fn sizes_are_bounded_along_each_axis() {
    for distribution in [Distribution::LogUniform, Distribution::Uniform, Distribution::Gamma] {
        let plans = |max_height, max_width| {
            let size = Size { min: 0.05, max: 0.9, distribution, max_height, max_width };
            let config = CorruptionConfig { size, ..CorruptionConfig::default() };
            let x = Image::zeros((200, 100, 3));
            let draw = |index| plan(&config, Address { seed: 3, step: 1, index }, &x, None, &Sources::default()).patches;
            (0..100).flat_map(draw).map(|patch| patch.radius).collect::<Vec<_>>()
        };
        let free = plans(0.0, 0.0);
        // Half of 0.3 · 200 and of 0.2 · 100.
        for (found, free) in plans(0.3, 0.0).into_iter().zip(&free) {
            assert_eq!(found, [free[0].min(30), free[1]]);
        }
        for (found, free) in plans(0.3, 0.2).into_iter().zip(&free) {
            assert_eq!(found, [free[0].min(30), free[1].min(10)]);
        }
        assert!(free.iter().any(|radius| radius[0] > 30) && free.iter().any(|radius| radius[1] > 10));
    }
}

/// A bright square of a sixteenth of the image before a dark background: every patch has its centre on it, and nothing beside it
/// changes.
#[test]
fn patches_stay_on_the_object() {
    let inside = |row: usize, column: usize| (24..36).contains(&row) && (8..20).contains(&column);
    let x = Image::from_shape_fn((48, 48, 3), |(row, column, c)| {
        let texture = picture(48, 48, 5)[[row, column, c]] * 0.1;
        if inside(row, column) { 0.7 + texture } else { 0.1 + texture }
    });
    let foreground = Foreground { method: ForegroundMethod::Otsu, ..Foreground::default() };
    let shape = Shape { perlin: 0.3, ..Shape::default() };
    let config = CorruptionConfig { foreground: foreground.clone(), shape, ..CorruptionConfig::default() };
    let (mut disks, mut lost) = (0, 0);
    for index in 0..60 {
        let found = corrupt(&config, Address { seed: 4, step: 4, index }, &x, &Sources::default()).unwrap();
        for ((row, column), &m) in found.mask.indexed_iter() {
            assert!(inside(row, column) || m == 0.0);
        }
        for patch in found.patches.iter().filter(|patch| patch.shape == PatchShape::Disk) {
            let [row, column] =
                [patch.top + patch.height as i32 / 2, patch.left + patch.width as i32 / 2].map(|place| place as usize);
            disks += 1;
            lost += usize::from(!inside(row, column));
        }
    }
    // A patch misses with probability (15/16)^65 = 0.015.
    assert!(disks > 100 && lost * 12 < disks, "{lost} of {disks} patches beside the object");
    // The range of the whole image counts, not that of the crop.
    let nothing = Sources { object: Some([1.5, 2.0]), ..Sources::default() };
    assert_eq!(corrupt(&config, Address { seed: 4, step: 4, index: 0 }, &x, &nothing).unwrap().image, x);
    // Without a background the places are those of a config without foreground.
    let anywhere = Sources { object: Some([-1.0, 2.0]), ..Sources::default() };
    let plain = CorruptionConfig { foreground: Foreground::default(), ..config.clone() };
    assert_eq!(
        corrupt(&config, Address { seed: 4, step: 4, index: 1 }, &x, &anywhere).unwrap(),
        corrupt(&plain, Address { seed: 4, step: 4, index: 1 }, &x, &Sources::default()).unwrap()
    );
}

#[test]
fn perlin_shapes_cover_the_image_and_keep_the_laws() {
    let x = picture(40, 56, 0);
    let shape = Shape { perlin: 1.0, union: 0.3, intersection: 0.3, ..Shape::default() };
    let mut config = CorruptionConfig { shape, weights: only(Source::Constant), ..CorruptionConfig::default() };
    config.patches = Patches { min: 1, max: 1 };
    let (mut kinds, mut area) = (Vec::new(), 0.0);
    for index in 0..200 {
        let found = corrupt(&config, Address { seed: 9, step: 2, index }, &x, &Sources::default()).unwrap();
        let patch = &found.patches[0];
        assert_eq!((patch.top, patch.left, patch.height, patch.width), (0, 0, 41, 57));
        for ((&m, after), before) in found.mask.iter().zip(found.image.lanes(Axis(2))).zip(x.lanes(Axis(2))) {
            assert!((0.0..=1.0).contains(&m) && (m > 0.0 || after == before));
        }
        area += found.region.mean().unwrap() / 200.0;
        kinds.push(patch.shape);
    }
    for kind in [PatchShape::Perlin, PatchShape::PerlinUnion, PatchShape::PerlinIntersection] {
        assert!(kinds.iter().filter(|&&found| found == kind).count() > 30, "{kind:?}");
    }
    assert!((0.03..0.2).contains(&area), "{area}");
    // The other choices of a patch stay as they are.
    config.shape.perlin = 0.0;
    let disk = corrupt(&config, Address { seed: 9, step: 2, index: 0 }, &x, &Sources::default()).unwrap();
    assert_eq!(disk.patches[0].shape, PatchShape::Disk);
    assert_eq!(
        disk,
        corrupt(
            &CorruptionConfig { shape: Shape::default(), ..config },
            Address { seed: 9, step: 2, index: 0 },
            &x,
            &Sources::default()
        )
        .unwrap()
    );
}

/// x̂ = M ⊙ y + M̄ ⊙ x exactly, for a known y.
#[test]
fn one_constant_patch_satisfies_the_equation() {
    let mut config = CorruptionConfig { weights: only(Source::Constant), ..CorruptionConfig::default() };
    config.patches = Patches { min: 1, max: 1 };
    config.blend.probability = 0.0;
    let x = picture(32, 32, 0);
    for index in 0..10 {
        let found = corrupt(&config, Address { seed: 4, step: 0, index }, &x, &Sources::default()).unwrap();
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
    let found = corrupt(&config, Address { seed: 6, step: 1, index: 2 }, &x, &Sources::default()).unwrap();
    let patches = plan(&config, address, &x, None, &Sources::default()).patches;
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
        let draw = |index| corrupt(&config, Address { seed: 8, step: 0, index }, &x, sources).unwrap().patches;
        (0..100).flat_map(draw).map(|patch| patch.source).collect::<Vec<_>>()
    };
    let count = |chosen: &[Source], source| chosen.iter().filter(|&&found| found == source).count();
    let all = chosen(Weights::default(), &Sources::default());
    assert_eq!(count(&all, Source::Texture) + count(&all, Source::OtherImage), 0);
    // Constant and brightness share 0.4 of the 0.6 that is left; five standard errors.
    let share = (count(&all, Source::Constant) + count(&all, Source::Brightness)) as f64 / all.len() as f64;
    assert!((share - 2.0 / 3.0).abs() < 5.0 * (2.0 / 9.0 / all.len() as f64).sqrt(), "{share}");
    let some = chosen(Weights::default(), &Sources { textures: &textures, ..Sources::default() });
    assert!(count(&some, Source::Texture) > 0 && count(&some, Source::OtherImage) == 0);
    let none = chosen(only(Source::Texture), &Sources::default());
    assert_eq!(count(&none, Source::Constant), none.len());
}

#[test]
fn the_default_config_has_the_expected_statistics() {
    let (x, config) = (picture(48, 48, 0), CorruptionConfig::default());
    let (n, mut patches, mut area, mut faint, mut small) = (500, 0, 0.0, 0, 0);
    for index in 0..n {
        let found = corrupt(&config, Address { seed: 21, step: 0, index }, &x, &Sources::default()).unwrap();
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
    let error =
        corrupt(&config, Address { seed: 0, step: 0, index: 0 }, &picture(8, 8, 0), &Sources::default()).unwrap_err().to_string();
    assert_eq!(error, "config key `corruption.blend.max`: 2 is outside [0.001, 1]");
}

/// Guards the order of the random numbers: changing it changes the result of every seed. An independent Python implementation of
/// the module docs, with exact Philox and powers in double precision, gives the same boxes.
#[test]
fn patches_match_golden_values() {
    let (textures, images) = ([picture(9, 9, 1)], [picture(9, 9, 2)]);
    let sources = Sources { textures: &textures, images: &images, ..Sources::default() };
    let draw = |index| {
        corrupt(&CorruptionConfig::default(), Address { seed: 2206, step: 11723, index }, &picture(96, 128, 0), &sources).unwrap()
    };
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
    let sources = Sources { textures: &others, images: &others, object: None };
    for source in Source::ALL {
        let config = CorruptionConfig {
            weights: only(source),
            patches: Patches { min: 1, max: 1 },
            blend: Blend { probability: 1.0, min: 0.6, max: 0.6, ..Blend::default() },
            ..CorruptionConfig::default()
        };
        let (found, y) = corrupt_with_replacements(&config, Address { seed: 3, step: 0, index: 5 }, &x, &sources).unwrap();
        assert_eq!(found, corrupt(&config, Address { seed: 3, step: 0, index: 5 }, &x, &sources).unwrap());
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
