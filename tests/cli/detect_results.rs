//! `detect`: the table, the page, and which files are written.

use std::collections::BTreeMap;

use crate::fixture::{Ran, Scratch, tree};

const DETECT: &str = "detect --model run/model.safetensors --out new";

/// The rows of `results.csv`, as maps from column to field.
fn table(scratch: &Scratch) -> Vec<BTreeMap<String, String>> {
    let bytes = scratch.read("new/results.csv");
    let mut reader = csv::Reader::from_reader(&bytes[..]);
    reader.deserialize().map(|row| row.unwrap()).collect()
}

fn page(scratch: &Scratch) -> String {
    String::from_utf8(scratch.read("new/index.html")).unwrap()
}

/// Names of the pictures on the page, in its order.
fn order(page: &str) -> Vec<&str> {
    let rows = page.split("<tr class=\"").skip(1);
    rows.map(|row| row.split("<bdi>").nth(1).unwrap().split('<').next().unwrap()).collect()
}

fn last_lines(ran: &Ran) -> Vec<&str> {
    ran.err.lines().collect()
}

#[test]
fn table_page_json_and_evaluation_have_the_same_thresholds_and_verdicts() {
    let scratch = Scratch::new();
    scratch.succeeds(&format!("{DETECT} cloth/test"));
    let evaluated = scratch.succeeds("evaluate --model run/model.safetensors --data cloth --out test --json");
    let report: serde_json::Value = serde_json::from_str(&evaluated.out).unwrap();
    let threshold = report["image_threshold"]["value"].as_f64().unwrap();
    let (rows, page) = (table(&scratch), page(&scratch));
    assert_eq!(rows.len(), 8);
    for row in &rows {
        let json = scratch.json(format!("new/{}.json", row["name"]));
        let number = |key: &str| row[key].parse::<f64>().unwrap();
        assert_eq!((number("threshold"), json["threshold"].as_f64()), (threshold, Some(threshold)));
        for key in ["score", "pixel_threshold", "anomalous_pixels", "height", "width"] {
            assert_eq!(Some(number(key).to_bits()), json[key].as_f64().map(f64::to_bits), "{key}");
        }
        assert_eq!(row["image"], json["image"].as_str().unwrap());
        let verdict = if json["anomalous"] == true { "anomalous" } else { "normal" };
        assert_eq!(row["verdict"], verdict);
        let shown = page.split("<tr class=\"").find(|text| text.contains(&format!("<bdi>{}</bdi>", row["name"]))).unwrap();
        assert!(shown.starts_with(verdict) && shown.contains(&format!(">{verdict}</span>")), "{shown}");
        let images = report["images"].as_array().unwrap();
        let own = images.iter().find(|image| image["path"].as_str().unwrap().ends_with(&format!("{}.png", row["name"]))).unwrap();
        assert_eq!(own["score_sum"].as_f64().unwrap() > threshold, json["anomalous"] == true);
        check_largest(row, &json);
    }
    let pixel: f64 = rows[0]["pixel_threshold"].parse().unwrap();
    for value in [threshold, pixel] {
        assert!(page.contains(&format!("({value:?})")) || page.contains(&format!("value\">{value:?}<")), "{value:?}");
    }
    let scores: BTreeMap<&str, f64> = rows.iter().map(|row| (row["name"].as_str(), row["score"].parse().unwrap())).collect();
    assert!(order(&page).is_sorted_by(|a, b| scores[a] >= scores[b]), "the worst first");
}

/// The largest region of the table is one of the file, and none of the file is larger.
fn check_largest(row: &BTreeMap<String, String>, json: &serde_json::Value) {
    let regions = json["regions"].as_array().unwrap();
    assert_eq!(row["regions"], regions.len().to_string());
    let area = |region: &serde_json::Value| region["area"].as_u64().unwrap();
    let Some(largest) = regions.iter().map(area).max() else { return assert_eq!(row["area"], "") };
    assert_eq!(row["area"], largest.to_string());
    let pairs =
        [("top", "top"), ("left", "left"), ("box_height", "height"), ("box_width", "width"), ("area", "area"), ("peak", "peak")];
    let is_own =
        |region: &&serde_json::Value| pairs.iter().all(|(column, key)| row[*column].parse::<f64>().ok() == region[*key].as_f64());
    assert!(regions.iter().any(|region| is_own(&region)), "{row:?}");
}

#[test]
fn skipped_pictures_have_a_row_and_keep_no_results_of_an_earlier_run() {
    let scratch = Scratch::new();
    scratch.succeeds(&format!("{DETECT} --save map,overlay cloth/test/good"));
    assert!(scratch.path("new/001_map.npy").exists() && scratch.path("new/001_overlay.png").exists());
    scratch.write("cloth/test/good/001.png", "not an image");
    scratch.write("cloth/test/good/=2+3.png", "");
    let ran = scratch.run(&format!("{DETECT} cloth/test/good"));
    assert_eq!(ran.code, 1);
    let rows = table(&scratch);
    let verdicts: Vec<&str> = rows.iter().map(|row| row["verdict"].as_str()).collect();
    let anomalous = verdicts.iter().filter(|verdict| **verdict == "anomalous").count();
    assert_eq!(verdicts.iter().filter(|verdict| **verdict == "skipped").count(), 2);
    let lines = last_lines(&ran);
    assert!(lines.contains(&format!("{anomalous} of 2 anomalous, 2 skipped").as_str()), "{}", ran.err);
    assert_eq!(lines.last().unwrap(), &"error: 2 of 4 images could not be inspected");
    let bad = rows.iter().find(|row| row["name"] == "001").unwrap();
    assert!(bad["skipped"].starts_with("is not an image") && bad["score"].is_empty(), "{bad:?}");
    let formula = rows.iter().find(|row| row["image"] == "cloth/test/good/=2+3.png").unwrap();
    assert_eq!((formula["name"].as_str(), formula["skipped"].as_str()), ("'=2+3", "is empty (0 bytes)"));
    assert!(!scratch.names("new").iter().any(|name| name.starts_with("001")), "{:?}", scratch.names("new"));
    let page = page(&scratch);
    let skipped = ["cloth/test/good/001.png", "cloth/test/good/=2+3.png"];
    assert!(order(&page)[2..].iter().all(|name| skipped.contains(name)) && page.contains("<small>is empty (0 bytes)</small>"));
}

#[test]
fn save_chooses_the_files() {
    let scratch = Scratch::new();
    let names = || {
        let mut names = scratch.names("new");
        names.retain(|name| name.starts_with("000"));
        names
    };
    for (list, expected) in [
        ("map,overlay", vec!["000.json", "000_map.npy", "000_overlay.png"]),
        ("mask", vec!["000.json", "000_mask.png"]),
        ("reconstruction,heatmap,mask", vec!["000.json", "000_heatmap.png", "000_mask.png", "000_reconstruction.png"]),
        ("none", vec!["000.json"]),
        ("map", vec!["000.json", "000_map.npy"]),
    ] {
        scratch.succeeds(&format!("{DETECT} --save {list} cloth/test/bend"));
        assert_eq!(names(), expected, "{list}: files of the run before are gone");
        assert_eq!(page(&scratch).contains("loading=\"lazy\""), !["none", "map"].contains(&list), "{list}");
        assert_eq!(table(&scratch).len(), 1);
    }
    // What somebody else has put there is not touched.
    scratch.write("new/000_mask.png", "mine");
    scratch.succeeds(&format!("{DETECT} --save none cloth/test/bend"));
    assert_eq!(scratch.read("new/000_mask.png"), b"mine");
    let message = scratch.misused(&format!("{DETECT} --save heatmp cloth/test/bend"));
    assert!(message.contains("a similar value exists: 'heatmap'"), "{message}");
    let message = scratch.refuses(&format!("{DETECT} --save none,map cloth/test/bend"));
    assert_eq!(message, "--save none stands alone: it means no file but NAME.json for each image");
}

#[test]
fn the_overlay_is_the_picture_with_outlines() {
    use orthoscope::data::{read_image, read_mask};
    let scratch = Scratch::new();
    scratch.succeeds(&format!("{DETECT} --save overlay,mask --pixel-threshold 0.02 cloth/test/bend"));
    let (image, overlay) = (
        read_image(&scratch.path("cloth/test/bend/000.png")).unwrap(),
        read_image(&scratch.path("new/000_overlay.png")).unwrap(),
    );
    let mask = read_mask(&scratch.path("new/000_mask.png")).unwrap();
    let is_changed = |row: usize, column: usize| (0..3).any(|c| image[[row, column, c]] != overlay[[row, column, c]]);
    let changed =
        (0..32).flat_map(|row| (0..32).map(move |column| (row, column))).filter(|&(row, column)| is_changed(row, column));
    let changed: Vec<_> = changed.collect();
    assert!(mask.iter().any(|&marked| marked > 0.0) && !changed.is_empty());
    for (row, column) in changed {
        let near = |mask: &ndarray::Array2<f32>| {
            let (top, left) = (row.saturating_sub(1), column.saturating_sub(1));
            mask.slice(ndarray::s![top..(row + 2).min(32), left..(column + 2).min(32)]).iter().any(|&marked| marked > 0.0)
        };
        assert!(mask[[row, column]] == 0.0 && near(&mask), "{row} {column}");
    }
}

#[test]
fn scores_and_files_are_the_same_bits_for_any_number_of_threads() {
    let scratch = Scratch::new();
    let mut found = Vec::new();
    for threads in [1, 2, 5] {
        let ran = scratch.succeeds(&format!("detect --model run/model.safetensors --threads {threads} --out t cloth/test"));
        found.push((ran.out, tree(&scratch.path("t"))));
        std::fs::remove_dir_all(scratch.path("t")).unwrap();
    }
    assert!(found.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn the_disk_is_waited_for_once_and_not_for_each_picture() {
    let scratch = Scratch::new();
    let waits = |path: &str| {
        let ran = scratch.succeeds(&format!("{DETECT} -vv {path}"));
        let (_, rest) = ran.err.split_once("waited ").unwrap();
        rest.split_once(" times for the disk").unwrap().0.parse::<u32>().unwrap()
    };
    let (few, many) = (waits("cloth/test/bend"), waits("cloth"));
    // On Linux once for the files of the pictures; then for the page, the table and the record of both.
    assert_eq!(few, if cfg!(target_os = "linux") { 4 } else { 8 });
    assert!(!cfg!(target_os = "linux") || many == few, "{many}");
}

#[test]
fn a_table_or_a_page_of_somebody_else_is_kept() {
    let scratch = Scratch::new();
    for name in ["results.csv", "index.html"] {
        scratch.write(format!("new/{name}"), "mine");
        let message = scratch.refuses(&format!("{DETECT} cloth/test/good"));
        let start = format!("new/{name}: is there already, and `orthoscope detect` did not write it");
        assert!(message.starts_with(&start), "{message}");
        std::fs::remove_file(scratch.path(format!("new/{name}"))).unwrap();
    }
}
