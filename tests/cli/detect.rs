//! `detect`: five files per image, and two about all of them.

use orthoscope::data::{Image, read_image, read_mask, write_png};

use crate::fixture::{Scratch, orthoscope, read_npy, told};

const ENDINGS: [&str; 5] = [".json", "_heatmap.png", "_map.npy", "_mask.png", "_reconstruction.png"];

/// Checks the files of one image of `height x width` and returns its JSON.
fn check(scratch: &Scratch, stem: &str, height: usize, width: usize) -> serde_json::Value {
    let (shape, map) = read_npy(&scratch.read(format!("{stem}_map.npy")));
    assert_eq!(shape, [height, width], "{stem}");
    for name in ["heatmap", "reconstruction"] {
        let image = read_image(&scratch.path(format!("{stem}_{name}.png"))).unwrap();
        assert_eq!(image.dim(), (height, width, 3), "{stem} {name}");
    }
    let json = scratch.json(format!("{stem}.json"));
    let pixel_threshold = json["pixel_threshold"].as_f64().unwrap_or(f64::INFINITY);
    let marked: Vec<f32> = map.iter().map(|&value| f32::from(f64::from(value) > pixel_threshold)).collect();
    assert!(read_mask(&scratch.path(format!("{stem}_mask.png"))).unwrap().iter().eq(&marked), "{stem}");
    check_regions(&json["regions"], &map, &marked, width);
    assert_eq!(json["anomalous_pixels"], marked.iter().filter(|&&value| value > 0.0).count());
    json
}

/// The regions cover every marked pixel once and lie in their boxes. The first region has the highest peak.
fn check_regions(regions: &serde_json::Value, map: &[f32], marked: &[f32], width: usize) {
    let regions = regions.as_array().unwrap();
    let number = |region: &serde_json::Value, key: &str| region[key].as_f64().unwrap();
    let areas: f64 = regions.iter().map(|region| number(region, "area")).sum();
    assert_eq!(areas, f64::from(marked.iter().sum::<f32>()));
    let boxed = |index: usize| {
        let (row, column) = ((index / width) as f64, (index % width) as f64);
        let within = |region, first: &str, side: &str, at: f64| {
            (number(region, first)..number(region, first) + number(region, side)).contains(&at)
        };
        regions.iter().any(|region| within(region, "top", "height", row) && within(region, "left", "width", column))
    };
    assert!((0..map.len()).filter(|&index| marked[index] > 0.0).all(boxed));
    assert!(regions.is_sorted_by(|a, b| number(a, "peak") >= number(b, "peak")));
    if let Some(first) = regions.first() {
        assert_eq!(number(first, "peak"), f64::from(map.iter().copied().fold(f32::MIN, f32::max)));
        assert!(number(first, "mean") <= number(first, "peak"));
    }
}

#[test]
fn results_keep_the_subfolders_of_the_input() {
    let scratch = Scratch::new();
    let ran = scratch.succeeds("detect --model run/model.safetensors --out new cloth/test");
    assert_eq!(scratch.names("new"), ["bend", "good", "hole", "index.html", "missing_thread", "results.csv", "scratch", "stain"]);
    let wanted: Vec<String> = ["000", "001", "002"].iter().flat_map(|name| ENDINGS.map(|end| format!("{name}{end}"))).collect();
    assert_eq!(scratch.names("new/good"), wanted);
    assert_eq!(ran.out.lines().count(), 8);
    for name in ["bend/000", "good/002"] {
        let json = check(&scratch, &format!("new/{name}"), 32, 32);
        let (score, threshold) = (json["score"].as_f64().unwrap(), json["threshold"].as_f64().unwrap());
        assert_eq!(json["anomalous"], score > threshold);
        let sum: f64 = read_npy(&scratch.read(format!("new/{name}_map.npy"))).1.iter().map(|&value| f64::from(value)).sum();
        assert!((score - sum).abs() < 1e-6 * sum, "the image has the working resolution, so its map sums to the score");
        let verdict = if score > threshold { "anomalous" } else { "normal" };
        let line = ran.out.lines().find(|line| line.ends_with(&format!("cloth/test/{name}.png"))).unwrap();
        assert!(line.starts_with(verdict), "{line}");
    }
}

#[test]
fn any_size_and_any_kind_of_png_is_accepted() {
    use crate::fixture::png::{header, png, stored};
    let scratch = Scratch::new();
    let pixel = |(row, column, c): (usize, usize, usize)| ((row * 53 + column) * 3 + c) * 7 % 256;
    write_png(&scratch.path("odd.png"), &Image::from_shape_fn((37, 53, 3), |at| pixel(at) as f32 / 255.0)).unwrap();
    let chunk = |depth, colour, row: &[u8]| {
        let rows: Vec<u8> = (0..9).flat_map(|_| [&[0], row].concat()).collect();
        let palette = (b"PLTE", vec![255, 0, 0, 0, 51, 0]);
        let mut chunks = vec![(b"IHDR", header(2, 9, depth, colour)), (b"IDAT", stored(&rows)), (b"IEND", vec![])];
        if colour == 3 {
            chunks.insert(1, palette);
        }
        png(&chunks)
    };
    scratch.write("grey16.png", chunk(16, 0, &[0, 1, 255, 255]));
    scratch.write("palette.png", chunk(8, 3, &[0, 1]));
    scratch.write("alpha.png", chunk(8, 6, &[9, 9, 9, 9, 200, 100, 50, 255]));
    // Weights without a run use the original image size, padded to multiples of 8 and cropped back.
    scratch.succeeds("model init --model 2 --width 2 --out fresh.safetensors");
    for model in ["run/model.safetensors", "fresh.safetensors"] {
        scratch.succeeds(&format!("detect --model {model} --out new odd.png grey16.png palette.png alpha.png"));
        check(&scratch, "new/odd", 37, 53);
        for name in ["grey16", "palette", "alpha"] {
            check(&scratch, &format!("new/{name}"), 9, 2);
        }
    }
}

#[test]
fn weights_without_thresholds_give_a_verdict_only_with_a_given_threshold() {
    let scratch = Scratch::new();
    scratch.succeeds("model init --model 2 --width 2 --out fresh.safetensors");
    let ran = scratch.succeeds("detect --model fresh.safetensors --out new cloth/test/bend");
    assert!(ran.out.starts_with("unknown") && ran.err.starts_with("warning: fresh.safetensors has no thresholds"), "{}", ran.err);
    let json = check(&scratch, "new/000", 32, 32);
    assert!(json["threshold"].is_null() && json["anomalous"].is_null() && json["score"].is_f64());
    scratch.succeeds("detect --model fresh.safetensors --out new cloth/test/bend --threshold 0.5 --pixel-threshold 0.03");
    let json = check(&scratch, "new/000", 32, 32);
    assert_eq!((&json["threshold"], &json["anomalous"]), (&0.5.into(), &true.into()));
}

#[test]
fn the_summary_says_what_false_alarms_to_expect() {
    let scratch = Scratch::new();
    let ran = scratch.succeeds("detect --model run/model.safetensors --out new cloth/test");
    let anomalous = ran.out.lines().filter(|line| line.starts_with("anomalous")).count();
    let lines: Vec<&str> = ran.err.lines().collect();
    assert_eq!(lines[0], format!("{anomalous} of 8 anomalous"));
    assert_eq!(lines[1], "Expected false alarms: 50\u{a0}% (95\u{a0}%: 2.5 to 98\u{a0}%), from 1 held-out image.");
    // Nothing is known about a threshold that the user has given.
    let ran = scratch.succeeds("detect --model run/model.safetensors --out new cloth/test --threshold 0");
    assert_eq!(ran.err, "8 of 8 anomalous\nnew/index.html shows all images, the worst first; results.csv is the table\n");
}

#[test]
fn json_on_standard_output_equals_the_files() {
    let scratch = Scratch::new();
    let ran = scratch.succeeds("detect --model run/model.safetensors --out new cloth/test/good --json");
    let findings: Vec<serde_json::Value> = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(findings.len(), 3);
    assert_eq!(findings[1], scratch.json("new/001.json"));
}

#[cfg(target_os = "linux")] // Other systems refuse such names.
#[test]
fn names_with_spaces_dots_and_invalid_utf8_are_accepted() {
    use std::os::unix::ffi::OsStringExt;
    let scratch = Scratch::new();
    let image = scratch.read("cloth/test/good/000.png");
    let foreign = std::ffi::OsString::from_vec(b"caf\xe9.png".to_vec());
    scratch.write("in/a b.c.png", &image);
    scratch.write(std::path::Path::new("in").join(foreign), &image);
    let mut command = orthoscope();
    command.current_dir(scratch.path("")).args(["detect", "--model", "run/model.safetensors", "--out", "new", "in"]);
    let ran = told(command.output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.err);
    check(&scratch, "new/a b.c", 32, 32);
    assert_eq!(std::fs::read_dir(scratch.path("new")).unwrap().count(), 13, "ten results, the table, the page and the record");
}

#[test]
fn one_bad_image_does_not_stop_the_others() {
    let scratch = Scratch::new();
    scratch.write("cloth/test/good/001.png", "not an image");
    let ran = scratch.run("detect --model run/model.safetensors --out new cloth/test/good");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("error: cloth/test/good/001.png: is not an image"), "{}", ran.err);
    assert!(ran.err.ends_with("error: 1 of 3 images could not be inspected\n"), "{}", ran.err);
    assert_eq!(scratch.names("new").len(), 12);
}

#[test]
fn two_equal_commands_may_write_the_same_files_at_once() {
    let scratch = Scratch::new();
    let image = scratch.read("cloth/test/bend/000.png");
    (0..40).for_each(|number| scratch.write(format!("many/{number:02}.png"), &image));
    for command in [
        "detect --model run/model.safetensors --threads 1 --out found many",
        "evaluate --model run/model.safetensors --threads 1 --data cloth --out found --maps maps",
    ] {
        let start = |_| {
            let mut start = orthoscope();
            start.current_dir(scratch.path("")).args(command.split_whitespace());
            start.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
        };
        for child in [0, 1, 2].map(start) {
            let ran = told(child.wait_with_output().unwrap());
            assert_eq!(ran.code, 0, "{command}: {}", ran.err);
        }
        // Both are known as those of the command.
        scratch.succeeds(command);
        assert!(scratch.names("found").iter().all(|name| !name.ends_with(".part")));
        std::fs::remove_dir_all(scratch.path("found")).unwrap();
    }
}

#[test]
fn results_are_not_read_as_images() {
    let scratch = Scratch::new();
    let message = scratch.refuses("detect --model run/model.safetensors --out cloth/test/good cloth/test/good");
    assert_eq!(
        message,
        "cloth/test/good: contains the images; choose another --out, so that results are not read as images later"
    );
    assert_eq!(scratch.names("cloth/test/good").len(), 3);
    for _ in 0..2 {
        let ran = scratch.succeeds("detect --model run/model.safetensors --out cloth/test/new cloth/test");
        assert_eq!(ran.out.lines().count(), 8);
    }
    scratch.succeeds("detect --model run/model.safetensors --out only/found cloth/test/good/000.png");
    let message = scratch.refuses("detect --model run/model.safetensors --out only/found only");
    assert_eq!(message, "only: contains no image but 3 results of orthoscope");
}

#[test]
fn an_image_given_twice_is_called_that() {
    let message =
        Scratch::new().refuses("detect --model run/model.safetensors --out new cloth/test/good/000.png cloth/test/good/000.png");
    assert_eq!(message, "cloth/test/good/000.png: is given twice");
}

#[test]
fn thresholds_may_be_negative() {
    let scratch = Scratch::new();
    scratch.succeeds("detect --model run/model.safetensors --out new cloth/test/good/000.png --threshold -1");
    assert_eq!(scratch.json("new/000.json")["threshold"], -1.0);
}

#[test]
fn results_that_cannot_be_written_end_the_run_at_once() {
    let scratch = Scratch::new();
    scratch.write("new/good/000.json/taken", b"");
    let ran = scratch.run("detect --model run/model.safetensors --out new cloth/test");
    assert_eq!(ran.code, 1);
    assert_eq!(ran.err.matches("error: ").count(), 1, "{}", ran.err);
    assert!(ran.err.contains("new/good/000.json"), "{}", ran.err);
}
