use super::*;

/// The committed profile of a training step at w=32.
fn committed() -> Profile {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/paper/results/profile/train_model2_w32_128px_batch4.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// x, y and width of all names.
fn names(svg: &str) -> Vec<Box> {
    let number = |text: &str, key: &str| text.split(key).nth(1).unwrap().split('"').next().unwrap().parse::<f64>().unwrap();
    let place = |text: &str| {
        let (x, y) = (number(text, " x=\""), number(text, " y=\""));
        let width = 0.8 * labels::LETTER * text.split('>').nth(1).unwrap().split('<').next().unwrap().chars().count() as f64;
        let left = match text.split("text-anchor=\"").nth(1).unwrap().split('"').next().unwrap() {
            "start" => x,
            "end" => x - width,
            _ => x - 0.5 * width,
        };
        Box::new(left, y - 8.0, left + width, y)
    };
    svg.split("<text class=\"name\"").skip(1).filter(|text| !text.contains("rotate")).map(place).collect()
}

#[test]
fn the_chart_says_what_it_shows() {
    let (profile, svg) = (committed(), roofline(&committed()));
    let (drawn, peaks) = (drawn(&profile), &profile.peaks);
    let rate = |rate: Option<f64>| format!(">{} GFLOP/s</text>", readable(rate.unwrap() / 1e9, 3));
    let above = drawn.iter().filter(|row| row.percent_of_peak > 100.0).count();
    let small = profile.rows.iter().filter(|row| row.percent_of_time < SMALL).count();
    for words in [
        ">Roofline of a training step: Model II w=32, 4 images of 128 x 128 px</text>".to_owned(),
        format!("cpu on {}; a step takes {} ms; peaks of ", peaks.machine, readable(profile.step_ms, 3)),
        format!("copy {} GB/s", readable(peaks.copy / 1e9, 3)),
        ">f32 multiply-add</text>".to_owned(),
        rate(peaks.fma),
        ">bf16 matrix unit</text>".to_owned(),
        rate(peaks.matrix),
        format!("{above} dots are above their roof"),
        "of the time, by area".to_owned(),
        format!("{small} below 0.1 % each"),
        "that only move bytes".to_owned(),
    ] {
        assert!(svg.contains(&words), "{words}");
    }
    assert_eq!(svg.matches("class=\"dot\"").count(), drawn.len());
    assert!(drawn.iter().all(|row| row.percent_of_time >= SMALL) && drawn.len() > 50);
    let row = profile.rows.iter().find(|row| row.layer == "ccm1" && row.phase == Phase::InputGradient).unwrap();
    let [ms, rate] = [row.ms.median, row.gflop_per_second].map(|value| readable(value, 3));
    assert!(svg.contains(&format!("<title>ccm ccm1, input grad: {ms} ms, ")) && svg.contains(&format!(", {rate} GFLOP/s, ")));
    assert!(!svg.contains("NaN") && !svg.contains("inf\""));
}

#[test]
fn names_keep_clear_of_each_other_and_stay_inside() {
    let names = names(&roofline(&committed()));
    assert!(names.len() >= 8, "{}", names.len());
    let paper = Box::new(ACROSS.0, UP.1, ACROSS.1, UP.0);
    for (at, name) in names.iter().enumerate() {
        assert!(paper.holds(name), "{name:?}");
        assert!(names[..at].iter().all(|other| !other.meets(name)), "{name:?} covers another one of {names:?}");
    }
}

#[test]
fn where_nothing_is_known_nothing_is_drawn_but_a_sentence() {
    let mut profile = committed();
    profile.peaks.fma = None;
    profile.peaks.matrix = None;
    let svg = roofline(&profile);
    assert!(svg.contains("copy ") && !svg.contains("multiply-add") && !svg.contains("NaN"));
    profile.rows.clear();
    assert!(roofline(&profile).contains("no operation does arithmetic for long enough"));
}
