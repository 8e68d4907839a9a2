//! Large pictures: training at native scale, tiles.

use ndarray::s;
use orthoscope::backend::Cpu;
use orthoscope::data::{Image, write_png};
use orthoscope::detect::Detector;
use orthoscope::run::Config;
use orthoscope::train::{Batches, Trainer};

use crate::fixture::{Scratch, read_npy};

const NATIVE: &str = "[model]\nwidth = 2\ndilations = [1]\n[data]\nsize = 32\nfit = 'native'\nheld_out = 0.2\n\
    [train]\nsteps = 4\nbatch = 2\nwarmup_steps = 2\n";

/// A surface with waves and noise, the same wherever it is cut.
fn surface(seed: u32, height: usize, width: usize) -> Image {
    let noise = |row: usize, column: usize| {
        let mixed =
            (row as u32).wrapping_mul(0x9E37_79B1) ^ (column as u32).wrapping_mul(0x85EB_CA77) ^ seed.wrapping_mul(0xC2B2_AE3D);
        let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x2C1B_3C6D);
        ((mixed ^ (mixed >> 13)) >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    let waves: Vec<[f32; 3]> = (0..width)
        .map(|column| {
            let wave = 0.5 + 0.08 * (column as f32 / 7.0 + seed as f32).sin();
            [wave, 0.95 * wave, 0.9 * wave]
        })
        .collect();
    Image::from_shape_fn((height, width, 3), |(row, column, c)| waves[column][c] + 0.04 * noise(row, column))
}

/// A category of pictures of different sizes.
fn pictures(scratch: &Scratch) {
    for (number, (height, width)) in [(64, 64), (90, 70), (33, 120), (64, 48), (50, 50)].into_iter().enumerate() {
        let path = scratch.path(format!("steel/train/good/{number}.png"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_png(&path, &surface(number as u32, height, width)).unwrap();
    }
    write_png(&scratch.path("large.png"), &surface(9, 150, 210)).unwrap();
    scratch.write("native.toml", NATIVE);
}

#[test]
fn a_model_of_crops_at_native_scale_sees_large_pictures_in_tiles() {
    let scratch = Scratch::new();
    pictures(&scratch);
    scratch.succeeds("train --config native.toml --data steel --out own --threads 2");
    scratch.succeeds("train --config native.toml --data steel --out other --threads 1");
    assert!(scratch.read("own/model.safetensors") == scratch.read("other/model.safetensors"));
    let detect = |options: &str| scratch.succeeds(&format!("detect --model own/model.safetensors --out {options}"));
    let map = |folder: &str| read_npy(&scratch.read(format!("{folder}/large_map.npy")));
    let ran = detect("a large.png");
    assert!(!ran.err.contains("Tiles of"), "{}", ran.err);
    assert_eq!(map("a").0, [150, 210]);
    // The tiles that the weights remember are those of the crops.
    detect("b --tile 32 --overlap 8 large.png");
    assert!(scratch.read("a/large_map.npy") == scratch.read("b/large_map.npy"));
    assert!(scratch.read("a/large.json") == scratch.read("b/large.json"));
    // Other tiles are said to be others, and the thresholds not to be theirs.
    let ran = detect("c --tile 64 large.png");
    let expected = "Tiles of 64 px overlap by 16 px, and are blended there, so the result depends on them. --tile 0 gives that of the whole picture, \
                    but needs more memory. ";
    assert!(
        ran.err.contains(expected) && ran.err.contains("the model's thresholds were set on pictures that were divided"),
        "{}",
        ran.err
    );
    let unknown = ", divided in another way, so the rate of false alarms to expect is unknown.";
    assert!(ran.err.contains(unknown) && !ran.err.contains("Expected false alarms"), "{}", ran.err);
    assert_ne!(map("a").1, map("c").1);
    // Whole, and in tiles that hold the receptive field.
    let whole = detect("d --tile 0 large.png");
    assert!(!whole.err.contains("Tiles of") && whole.err.contains("thresholds"), "{}", whole.err);
    let exact = detect("e --tile 176 --overlap 168 large.png");
    assert!(!exact.err.contains("Tiles of"), "{}", exact.err);
    // The ways that it names.
    write_png(&scratch.path("long.png"), &surface(9, 40, 300)).unwrap();
    let ran = detect("c --tile 64 large.png long.png");
    let expected =
        " --tile 224 (overlap 168 px) gives that of the whole picture, and so does --tile 0; both need more memory or time. ";
    assert!(ran.err.contains(expected), "{}", ran.err);
    assert!(!detect("f --tile 224 long.png").err.contains("Tiles of"));
    let ran = detect("g --tile 224 --overlap 8 long.png");
    assert!(ran.err.contains(". --overlap 168 gives that of the whole picture"), "{}", ran.err);
    assert!(!detect("h --tile 224 --overlap 168 long.png").err.contains("Tiles of"));
    // Nothing is said of tiles where no picture is larger than one.
    assert!(!detect("i --tile 224 --overlap 8 large.png").err.contains("Tiles of"));
    let (whole, exact) = (map("d").1, map("e").1);
    assert!(whole.iter().zip(&exact).all(|(a, b)| (a - b).abs() <= 1e-5));
}

#[test]
fn tiles_and_pictures_that_do_not_fit_are_refused_with_a_remedy() {
    let scratch = Scratch::new();
    pictures(&scratch);
    let refused = |options: &str| scratch.refuses(&format!("detect --model run/model.safetensors --out new {options} large.png"));
    let text = refused("--tile 64");
    let words = "--tile cannot be used: this model resizes every picture to 32x32 pixels; leave --tile out, or train a model with data.fit";
    assert!(text.starts_with(words), "{text}");
    assert_eq!(
        refused("--overlap 8"),
        "--overlap is of tiles, and there are none here; a model that keeps the size of pictures has them with --tile"
    );
    // More than 64 Mi pixels, of which only the header is there.
    scratch.write("huge.pgm", "P5 9000 9000 255\n");
    let ran = scratch.run("detect --model run/model.safetensors --out new huge.pgm");
    let expected = "error: huge.pgm: a picture of 9000x9000 pixels needs a model that keeps the size of pictures, and tiles; train with data.fit";
    assert!(ran.code == 1 && ran.err.contains(expected), "{}", ran.err);
    // The picture has its row, and nothing else is left.
    assert_eq!(scratch.names("new"), ["index.html", "results.csv"]);
    scratch.succeeds("model init --model 2 --width 2 --out fresh.safetensors");
    let ran = scratch.run("detect --model fresh.safetensors --tile 64 --out new huge.pgm");
    assert!(ran.err.contains("error: huge.pgm: the PNM data end before the last row"), "{}", ran.err);
    assert_eq!(scratch.names("new"), ["index.html", "results.csv"]);
    let table = String::from_utf8(scratch.read("new/results.csv")).unwrap();
    assert!(table.contains("\nhuge.pgm,huge,skipped,") && table.ends_with(",the PNM data end before the last row\n"), "{table}");
    write_png(&scratch.path("steel/train/good/thin.png"), &surface(1, 31, 200)).unwrap();
    let ran = scratch.succeeds("train --config native.toml --data steel --out own");
    // A model of native crops has tiles already.
    let overlapping = scratch.succeeds("detect --model own/model.safetensors --out new --overlap 8 large.png");
    assert!(overlapping.err.contains("Tiles of 32 px overlap by 8 px"), "{}", overlapping.err);
    assert!(
        ran.err.contains("thin.png: has 31x200 pixels (height x width) as prepared, data.size asks for at least 32x32"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("1 of 6 files skipped"), "{}", ran.err);
    std::fs::remove_file(scratch.path("steel/train/good/thin.png")).unwrap();
    scratch.write("bad.toml", format!("{NATIVE}[detection]\ntile = 36\n"));
    let text = scratch.refuses("train --config bad.toml --data steel --out own");
    assert!(
        text.contains("bad.toml: line 13, config key `detection.tile`: must be a multiple of 8 and at least 32 pixels, got 36"),
        "{text}"
    );
    scratch.write("bad.toml", NATIVE.replace("size = 32", "size = 32\nshorter_side = 64"));
    assert!(scratch.refuses("train --config bad.toml --data steel --out own").contains("data.shorter_side"));
}

#[test]
fn an_evaluation_in_tiles_says_so_and_calibrates_with_them() {
    let scratch = Scratch::new();
    scratch.write("native.toml", NATIVE);
    scratch.succeeds("data generate --out . --family wood --size 64 --train 6 --good 3 --defects 1");
    scratch.succeeds("train --config native.toml --data wood --out own");
    let evaluate = |options: &str| scratch.succeeds(&format!("evaluate --model own/model.safetensors --data wood {options}"));
    let ran = evaluate("--out a");
    assert!(ran.out.contains("; larger images in tiles of 32 px, overlap 8 px, blended; "), "{}", ran.out);
    assert!(!ran.err.contains("thresholds were set"), "{}", ran.err);
    let ran = evaluate("--out b --tile 40");
    assert!(
        ran.out.contains("; larger images in tiles of 40 px, overlap 8 px, blended; ") && ran.err.contains("thresholds were set")
    );
    let remedy = "`evaluate --calibrate DIR` with these tiles sets an image threshold that does (`image_threshold` in metrics.json), for \
        `detect --threshold`";
    assert!(ran.err.contains(remedy), "{}", ran.err);
    let ran = evaluate("--out c --tile 40 --calibrate wood/train/good");
    assert!(!ran.err.contains("thresholds were set"), "{}", ran.err);
    let [b, c] = ["b", "c"].map(|name| scratch.json(format!("{name}/metrics.json")));
    assert_eq!(b["image_auroc"], c["image_auroc"]);
    assert_ne!(b["image_threshold"]["value"], c["image_threshold"]["value"]);
    // Only the thresholds that were set with these tiles promise something.
    let known = |report: &serde_json::Value| {
        let own = &report["image_threshold"];
        (own["calibration"]["other_tiles"] == true, own["expected_false_alarms"].is_null())
    };
    assert_eq!(known(&b), (true, true), "{b}");
    assert!(!known(&scratch.json("a/metrics.json")).0 && !known(&c).0);
    let value = &c["image_threshold"]["value"];
    let found = format!("detect --model own/model.safetensors --tile 40 --threshold {value} --out found wood/test/good/000.png");
    scratch.succeeds(&found);
    assert_eq!(scratch.json("found/000.json")["threshold"], *value);
}

/// A network that is trained on crops of 64 pixels of clean pictures in a moment.
fn trained() -> (Detector<Cpu>, f64) {
    let text = "model = { model = 2, width = 2, dilations = [1, 2] }\n\
        data = { size = 64, fit = 'native', held_out = 0.3 }\n\
        train = { steps = 150, batch = 4, learning_rate = 0.004, warmup_steps = 20 }\n\
        detection = { tile = 256, overlap = 32, window = 5, repeats = 2, score = 'max', image_quantile = 1.0 }";
    let config = Config::parse(text).unwrap();
    let clean: Vec<Image> = (0..3).map(|seed| surface(seed, 512, 512)).collect();
    let (set, held_out) = config.training_set(&clean).unwrap();
    let backend = Cpu::default();
    let mut trainer = Trainer::new(&backend, config.recipe()).unwrap();
    let mut batches = Batches::new(&backend, set, config.train.batch, config.train.steps).unwrap();
    while trainer.step() < config.train.steps {
        trainer.advance(&mut batches).unwrap();
    }
    let detector = config.detector(&trainer, &held_out).unwrap();
    let threshold = detector.settings().thresholds.unwrap().image;
    (detector, threshold)
}

#[test]
fn a_scratch_of_five_pixels_is_found_on_a_picture_of_4096() {
    let (detector, threshold) = trained();
    let mut picture = surface(7, 4096, 4096);
    // Darker, 5 pixels wide and 60 long, over the side that two tiles share.
    let (top, left, height, width) = (2000, 1231, 60, 5);
    picture.slice_mut(s![top..top + height, left..left + width, ..]).mapv_inplace(|value| value - 0.2);
    let found = detector.examine(&picture).unwrap();
    assert_eq!(found.anomalous, Some(true));
    let first = found.regions.listed[0];
    let is_near = |own: usize, known: usize| own.abs_diff(known) <= 12;
    assert!(is_near(first.top, top) && is_near(first.left, left), "{first:?}");
    assert!(is_near(first.top + first.height, top + height) && is_near(first.left + first.width, left + width), "{first:?}");
    assert!(first.peak > 2.0 * threshold, "{} {threshold}", first.peak);
    // Nothing else on 16 million pixels comes near.
    let next = found.regions.listed.get(1).map_or(0.0, |other| other.peak);
    assert!(next < 0.5 * first.peak, "{next} {}", first.peak);
}

#[test]
fn tiles_that_see_each_pixel_very_often_are_warned_of_before_the_work() {
    let scratch = Scratch::new();
    scratch.succeeds("model init --model 2 --width 2 --out fresh.safetensors");
    write_png(&scratch.path("large.png"), &surface(9, 150, 210)).unwrap();
    let detect = |options: &str| scratch.run(&format!("detect --model fresh.safetensors --out new {options}")).err;
    let warning = "warning: tiles of 64 px that overlap by 56 px see each pixel about 8 x 8 times, which takes as many times as long; a smaller --overlap or a \
        larger --tile is faster: with --overlap 32 it is about 2 x 2 times\n";
    let err = detect("--tile 64 --overlap 56 large.png");
    assert!(err.contains(warning), "{err}");
    // A picture in strips, of which only the header is there, has no result.
    scratch.write("huge.pgm", "P5 9000 9000 255\n");
    let err = detect("--tile 64 --overlap 56 huge.pgm");
    assert!(err.find(warning) < err.find("error: huge.pgm") && err.contains(warning), "{err}");
    // Three quarters, and pictures that have few tiles.
    write_png(&scratch.path("small.png"), &surface(9, 60, 80)).unwrap();
    for options in ["--tile 64 --overlap 48 large.png", "--tile 64 --overlap 56 small.png", "--tile 256 --overlap 248 large.png"]
    {
        let err = detect(options);
        assert!(!err.contains("see each pixel"), "{options}: {err}");
    }
}
