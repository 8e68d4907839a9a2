//! The page of `detect` in headless Chromium: filters, keys and the enlarged picture.

use orthoscope::data::{Image, write_png};
use orthoscope::detect::{Cutoffs, Region};
use orthoscope::report::detections::{Judged, Page, Part, Row};
use serde_json::json;

use super::chromium::{chromium, driven};

fn judged(score: f64, warning: Option<&str>) -> Judged {
    let region = Region { top: 10, left: 5, height: 20, width: 10, area: 150, peak: 0.5, mean: 0.25 };
    let is_anomalous = score > 1.5;
    Judged {
        score,
        threshold: Some(1.5),
        pixel_threshold: Some(0.125),
        anomalous: Some(is_anomalous),
        size: (40, 50),
        regions: usize::from(is_anomalous),
        anomalous_pixels: 150,
        largest: is_anomalous.then_some(region),
        warning: warning.map(str::to_owned),
    }
}

fn rows() -> Vec<Row> {
    let row = |name: &str, result| Row { name: name.into(), image: format!("in/{name}.png"), result };
    vec![
        row("good/a", Ok(judged(0.25, None))),
        row("worst # 1", Ok(judged(9.0, None))),
        row("bad/é%41", Ok(judged(2.0, None))),
        row("odd", Ok(judged(1.0, Some("unlike the training images: its mean of red is 0.9")))),
        row("gone", Err("is empty (0 bytes)".to_owned())),
    ]
}

/// Where the pictures are that a reader sees first, and how large the thinnest one becomes when enlarged.
const SIZES: &str = r#"(async () => {
  const images = [...document.querySelectorAll(".picture img")];
  await Promise.all(images.map(image => image.decode()));
  const box = name => document.querySelector(name).getBoundingClientRect();
  const found = { sides: images.map(image => [image.offsetHeight, image.offsetWidth]), gap: box(".cards").top - box("header").bottom };
  found.large = [];
  for (const image of images) {
    image.click();
    await document.querySelector("dialog img").decode();
    const [own, stage] = [box("dialog img"), box("dialog .stage")];
    found.large.push([own.height, own.width, stage.height, stage.width]);
    document.querySelector("dialog").close();
  }
  console.log("DRIVEN " + JSON.stringify(found));
})();
"#;

#[test]
fn pictures_of_one_row_or_column_are_seen_and_nothing_is_far_from_the_title() {
    let Some(chromium) = chromium("the sizes on the page of `detect` in a browser") else { return };
    let folder = tempfile::tempdir().unwrap();
    let sizes = [("row", (1, 300), 3.0), ("column", (300, 1), 2.0), ("usual", (40, 50), 1.0)];
    let rows: Vec<Row> = sizes
        .into_iter()
        .map(|(name, size, score)| {
            write_png(&folder.path().join(format!("{name}_overlay.png")), &Image::from_elem((size.0, size.1, 3), 0.5)).unwrap();
            Row { name: name.into(), image: String::new(), result: Ok(Judged { size, largest: None, ..judged(score, None) }) }
        })
        .collect();
    let page = Page {
        rows: &rows,
        parts: &[Part::Overlay].into(),
        cutoffs: Cutoffs::given(Some(1.5), None),
        knows_training: true,
        facts: Vec::new(),
        notes: Vec::new(),
    };
    std::fs::write(folder.path().join("index.html"), page.render()).unwrap();
    let found = driven(chromium, folder.path(), SIZES);
    assert_eq!(found["sides"], json!([[8, 72], [72, 8], [58, 72]]));
    assert!(found["gap"].as_f64().unwrap() <= 32.0, "{found}");
    let large: Vec<[f64; 4]> = serde_json::from_value(found["large"].clone()).unwrap();
    for [height, width, most_height, most_width] in large {
        assert!(height >= 12.0 && width >= 12.0 && height <= most_height && width <= most_width, "{found}");
    }
}

#[test]
fn filters_keys_and_the_enlarged_picture_work() {
    let Some(chromium) = chromium("the page of `detect` in a browser") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (rows, parts) = (rows(), [Part::Heatmap, Part::Overlay].into());
    for row in rows.iter().filter(|row| row.result.is_ok()) {
        for ending in ["_heatmap.png", "_overlay.png"] {
            let path = folder.path().join(format!("{}{ending}", row.name.display()));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            write_png(&path, &Image::from_elem((40, 50, 3), 0.5)).unwrap();
        }
    }
    let page = Page {
        rows: &rows,
        parts: &parts,
        cutoffs: Cutoffs::given(Some(1.5), None),
        knows_training: true,
        facts: Vec::new(),
        notes: Vec::new(),
    };
    std::fs::write(folder.path().join("index.html"), page.render()).unwrap();
    let found = driven(chromium, folder.path(), include_str!("detections.js"));
    let all = ["worst # 1", "bad/é%41", "odd", "good/a", "in/gone.png"];
    assert_eq!(found["all"], json!(all));
    let kind = |names: &[&str]| json!({ "names": names, "count": names.len() });
    assert_eq!(
        found["kinds"],
        json!({ "anomalous": kind(&all[..2]), "normal": kind(&all[2..4]), "unlike": kind(&["odd"]), "skipped": kind(&all[4..]), "": kind(&all) })
    );
    assert_eq!((&found["absent"], &found["focused"], &found["wide"]), (&json!(true), &json!(true), &json!(true)));
    assert_eq!((&found["searched"], &found["none"]), (&json!(["bad/é%41"]), &json!([0, 1])));
    assert_eq!(found["moves"], json!([all[0], all[1], all[0], all[1], all[2], all[3], all[4], all[4]]));
    assert_eq!(found["large"], true);
    let file = |shown: &serde_json::Value| (shown["name"].clone(), shown["file"].clone(), shown["size"].clone());
    assert_eq!(file(&found["first"]), (json!("worst # 1"), json!("worst # 1_overlay.png"), json!([40, 50])));
    assert_eq!(file(&found["second"]), (json!("worst # 1"), json!("worst # 1_heatmap.png"), json!([40, 50])));
    assert_eq!(file(&found["next"]), (json!("bad/é%41"), json!("é%41_heatmap.png"), json!([40, 50])));
    // The box of the region is around the place that it has in the picture.
    let place: Vec<f64> = serde_json::from_value(found["first"]["place"].clone()).unwrap();
    let [top, left, height, width] = [10.0 / 40.0, 5.0 / 50.0, 20.0 / 40.0, 10.0 / 50.0];
    assert!(
        place[0] <= top && place[1] <= left && place[0] + place[2] >= top + height && place[1] + place[3] >= left + width,
        "{place:?}"
    );
    assert!(place[2] < height + 0.1 && place[3] < width + 0.1, "{place:?}");
    assert_eq!(found["views"], json!([["overlay", "false"], ["heatmap", "true"]]));
    assert_eq!(found["score"], "score 2.00000, threshold 1.50000");
    let about = "150 px, 20 high and 10 wide, at row 10, column 5; peak 0.50000";
    assert_eq!(found["about"].as_str().unwrap().replace('\u{a0}', " "), about);
    assert!(found["images"].as_array().unwrap().iter().all(|loading| loading == "lazy"));
}
