//! The page in headless Chromium: a script moves its sliders and presses keys, and what it shows is compared with the program.

use orthoscope::detect::Confusion;
use serde_json::{Value, json};

use super::chromium::{chromium, driven};
use super::sample::{Run, sample};

/// A number as the page writes it, without the spaces between thousands.
fn number(text: &str) -> u64 {
    text.replace('\u{202f}', "").parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Compares the counts of a control with those of the program.
#[track_caller]
fn check(shown: &Value, counts: Confusion) {
    let text = |name: &str| shown[name].as_str().unwrap();
    let of = |name: &str| text(name).split_once(" of ").map(|(count, total)| (number(count), number(total))).unwrap();
    let Confusion { true_positives, false_positives, false_negatives, true_negatives } = counts;
    assert_eq!(of("found"), (true_positives, true_positives + false_negatives), "{shown}");
    assert_eq!(number(text("missed")), false_negatives, "{shown}");
    assert_eq!(of("false alarms"), (false_positives, false_positives + true_negatives), "{shown}");
    let [found, alarms, missed] = [true_positives, false_positives, false_negatives].map(|count| count as f64);
    let expected = [found / (found + alarms), found / (found + missed), 2.0 * found / (2.0 * found + alarms + missed)];
    for (name, value) in ["precision", "recall", "F1"].into_iter().zip(expected) {
        match value.is_nan() {
            true => assert_eq!(text(name), "–", "{shown}"),
            false => assert!((text(name).parse::<f64>().unwrap() - value).abs() < 0.000_501, "{shown}: {name} is {value}"),
        }
    }
}

fn thresholds(run: &Run) -> Vec<f64> {
    serde_json::from_value(sample().gallery(run)["thresholds"].clone()).unwrap()
}

#[track_caller]
fn check_run(found: &Value, run: &Run) {
    let (stops, levels) = (run.stops(), thresholds(run));
    let start = &found["start"];
    check(&start["image"], run.counts.images.unwrap());
    check(&start["pixel"], run.counts.pixels.unwrap());
    assert_eq!(start["names"].as_array().unwrap().len(), run.images.len());
    let moved = found["moved"].as_array().unwrap();
    assert_eq!(moved.len(), 18);
    for step in moved {
        let position = step["position"].as_u64().unwrap() as usize;
        if step["id"] == "image" {
            let counts = run.images_at(stops[position]);
            check(&step["counts"], counts);
            let Confusion { true_positives, false_positives, false_negatives, true_negatives } = counts;
            let outcomes = json!({ "": run.images.len(), "mistakes": false_negatives + false_positives, "missed": false_negatives,
                "alarm": false_positives, "found": true_positives, "passed": true_negatives });
            assert_eq!(step["outcomes"], outcomes);
        } else {
            check(&step["counts"], run.pixels_at(levels[position]));
            check_image(step, run, levels[position]);
        }
    }
    for shown in found["images"].as_array().unwrap() {
        let image = run.images.iter().find(|image| shown["name"] == image.name.as_str()).unwrap();
        let (height, width) = image.heatmap.dim();
        assert_eq!(shown["sizes"], json!([[height, width], [height, width], [height, width]]));
        assert_eq!(shown["truth"], image.truth.iter().filter(|&&truth| truth).count());
        assert!(shown["label"].as_str().unwrap().contains(&image.kind.replace('_', " ")), "{shown}");
    }
}

/// The counts of the image on display.
#[track_caller]
fn check_image(step: &Value, run: &Run, threshold: f64) {
    let image = run.images.iter().find(|image| step["name"] == image.name.as_str()).unwrap();
    let marked = image.heatmap.mapv(|value| f64::from(value) > threshold);
    let count =
        |is: &dyn Fn(bool, bool) -> bool| marked.iter().zip(&image.truth).filter(|&(&mask, &truth)| is(mask, truth)).count();
    let text = step["pixels"].as_str().unwrap().replace('\u{202f}', "");
    let (mask, truth, both) = (count(&|mask, _| mask), count(&|_, truth| truth), count(&|mask, truth| mask && truth));
    let expected = match truth {
        0 => format!("mask {mask} pixels, truth none"),
        _ => format!("mask {mask} pixels, truth {truth}, both {both}; "),
    };
    assert!(text.starts_with(&expected), "{text}: {expected}");
}

#[track_caller]
fn check_keys(keys: &Value, run: &Run) {
    assert_eq!(keys["second"][0], keys["second"][1]);
    assert_eq!((&keys["heatmap"], &keys["input"]), (&json!([1, 1, 0]), &json!([0, 0, 0])));
    assert_eq!((&keys["up"], &keys["down"], &keys["pixel"]), (&json!(1), &json!(-1), &json!(1)));
    assert_eq!((&keys["mask"], &keys["large"], &keys["back"]), (&json!(false), &json!(true), &json!(false)));
    let missed = run.counts.images.unwrap().false_negatives;
    assert_eq!(keys["missed"], json!([missed, missed]));
    assert!(keys["none"].as_str().unwrap().starts_with("No image is"), "{keys}");
    assert_eq!(keys["all"], run.images.len());
}

#[test]
fn the_numbers_of_the_page_follow_its_sliders_as_the_program_counts() {
    let Some(chromium) = chromium("the page in a browser") else { return };
    let sample = sample();
    std::fs::write(sample.out().join("damaged.js"), "orthoscopeGallery({\"images\":[").unwrap();
    let found = driven(chromium, &sample.out(), include_str!("driver.js"));
    // The damaged script is one, as it must be; for a file, browsers may hide what is wrong in it.
    let errors: Vec<&str> = found["errors"].as_array().unwrap().iter().map(|error| error.as_str().unwrap()).collect();
    assert!(matches!(errors[..], ["Uncaught SyntaxError: Unexpected end of input" | "Script error."]), "{errors:?}");
    let runs = found["runs"].as_array().unwrap();
    assert_eq!(runs.len(), sample.runs.len());
    for (found, run) in runs.iter().zip(&sample.runs) {
        assert!(found["run"].as_str().unwrap().starts_with(&run.category), "{}", found["run"]);
        check_run(found, run);
        check_keys(&found["keys"], run);
    }
    let theme: Vec<(String, String)> = serde_json::from_value(found["theme"].clone()).unwrap();
    assert!(theme[0] != theme[1] && theme[0] == theme[2], "{theme:?}");
    assert!(theme.iter().all(|(paper, button)| (paper == "rgb(20, 22, 26)") == (button == "Light")), "{theme:?}");
    let [content, viewport] = [0, 1].map(|index| found["phone"][index].as_u64().unwrap());
    assert!(content <= viewport && viewport <= 390, "the page is {content} pixels wide on a phone of {viewport}");
    // Two runs are chosen in the same moment: the later one is shown.
    let mut kinds: Vec<&str> = sample.runs[1].images.iter().map(|image| image.kind.as_str()).collect();
    kinds.dedup();
    assert_eq!(found["last"], json!([&[""], &kinds[..]].concat()));
    let missing = "This gallery cannot be shown: missing.js is missing: it belongs to this page and must be in the same folder.";
    assert_eq!(found["missing"], json!([missing, true]));
    assert_eq!(found["damaged"], json!(["This gallery cannot be shown: damaged.js is damaged.", true]));
    let resources = found["resources"].as_array().unwrap();
    assert!(
        resources.len() > sample.runs[1].images.len() && resources.iter().all(|name| name == "file:" || name == "data:"),
        "{resources:?}"
    );
}
