use super::*;
use crate::profile::Phase;
use crate::report::number::readable;

/// The committed profile of a training step at w=32.
fn committed() -> Profile {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/paper/results/profile/train_model2_w32_128px_batch4.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The wide and the narrow drawing.
fn drawings(svg: &str) -> [&str; 2] {
    svg.split_once("<g class=\"narrow\"").unwrap().into()
}

/// The places of all names of a drawing.
fn names(svg: &str) -> Vec<Rectangle> {
    let number = |text: &str, key: &str| text.split(key).nth(1).unwrap().split('"').next().unwrap().parse::<f64>().unwrap();
    let place = |text: &str| {
        let (x, y) = (number(text, " x=\""), number(text, " y=\""));
        let width = 0.8 * labels::LETTER * text.split('>').nth(1).unwrap().split('<').next().unwrap().chars().count() as f64;
        let left = match text.split("text-anchor=\"").nth(1).unwrap().split('"').next().unwrap() {
            "start" => x,
            "end" => x - width,
            _ => x - 0.5 * width,
        };
        Rectangle::new(left, y - 8.0, left + width, y)
    };
    svg.split("<text class=\"name\"").skip(1).filter(|text| !text.contains("rotate")).map(place).collect()
}

#[test]
fn the_chart_states_what_it_shows() {
    let (profile, svg) = (committed(), roofline(&committed()));
    let (drawn, peaks) = (drawn(&profile), &profile.peaks);
    let rate = |rate: Option<f64>| format!(">{} GFLOP/s</text>", readable(rate.unwrap() / 1e9, 3));
    let above = drawn.iter().filter(|row| row.measure.rates.percent_of_peak > 100.0).count();
    let formula = drawn.iter().filter(|row| row.measure.work.flops as f64 > 1.05 * row.measure.work.executed() as f64).count();
    let small = profile.rows.iter().filter(|row| row.measure.percent_of_time < MIN_PERCENT).count();
    for words in [
        ">Roofline of a training step: Model II w=32, 4 images of 128 x 128 px</text>".to_owned(),
        format!("cpu on {}; a step takes {} ms; peaks of ", peaks.machine, readable(profile.step_ms, 3)),
        format!("copy {} GB/s", readable(peaks.copy / 1e9, 3)),
        ">f32 multiply-add</text>".to_owned(),
        rate(peaks.fma),
        ">bf16 matrix unit</text>".to_owned(),
        rate(peaks.matrix),
        format!("{above} dots are above the roof of memory (activation, adam, conv2d, max_pool, "),
        format!(">{}</text>", words::x_title(&profile)),
        format!(">{}</text>", words::y_title(&profile)),
        "of the time, by area".to_owned(),
        format!("{small} below 0.1 % each"),
    ] {
        assert!(svg.contains(&words), "{words}");
    }
    let only_moves = |row: &Row| row.measure.percent_of_time >= MIN_PERCENT && row.measure.work.flops == 0;
    assert_eq!(svg.contains("that only move bytes"), profile.rows.iter().any(only_moves));
    for drawing in drawings(&svg) {
        assert_eq!(drawing.matches("class=\"dot\"").count(), drawn.len());
        // One ring of the legend.
        assert_eq!(drawing.matches("class=\"formula\"").count(), formula + 1);
    }
    assert!(formula > 50 && svg.contains("(ring), where fewer were executed"));
    assert!(drawn.iter().all(|row| row.measure.percent_of_time >= MIN_PERCENT) && drawn.len() > 50);
    let row = profile.rows.iter().find(|row| row.layer == "ccm1" && row.phase == Phase::InputGradient).unwrap();
    let [ms, rate] = [row.measure.ms.median, row.measure.rates.executed()].map(|value| readable(value, 3));
    assert!(svg.contains(&format!("<title>ccm ccm1, input grad: {ms} ms, ")) && svg.contains(&format!(", {rate} GFLOP/s, ")));
    assert!(!svg.contains("NaN") && !svg.contains("inf\""));
}

#[test]
fn labels_do_not_overlap_and_stay_inside() {
    let svg = roofline(&committed());
    for (drawing, sheet, least) in drawings(&svg).into_iter().zip([WIDE, NARROW]).zip([8, 5]).map(|((a, b), c)| (a, b, c)) {
        let names = names(drawing);
        assert!(names.len() >= least, "{}", names.len());
        let paper = Rectangle::new(sheet.across.0, sheet.up.1, sheet.across.1, sheet.up.0);
        for (at, name) in names.iter().enumerate() {
            assert!(paper.holds(name), "{name:?}");
            assert!(names[..at].iter().all(|other| !other.meets(name)), "{name:?} covers another one of {names:?}");
        }
    }
}

#[test]
fn without_peaks_or_rows_nothing_is_made_up() {
    let mut profile = committed();
    profile.peaks.fma = None;
    profile.peaks.matrix = None;
    let svg = roofline(&profile);
    assert!(svg.contains("copy ") && !svg.contains("multiply-add") && !svg.contains("NaN"));
    profile.rows.clear();
    assert!(roofline(&profile).contains("no operation computes for long enough"));
}

#[test]
fn no_dot_is_above_the_roof_of_arithmetic_where_executed_operations_are_counted() {
    let profile = committed();
    assert!(profile.rows.iter().any(|row| row.measure.work.saved > 0), "the record has a Winograd convolution");
    let svg = roofline(&profile);
    assert!(svg.contains(">executed GFLOP/s</text>") && svg.contains(">executed FLOP per byte (bytes by formula)</text>"));
    let peak = profile.peaks.fma.unwrap() / 1e9;
    assert!(drawn(&profile).iter().all(|row| row.measure.rates.executed() <= peak));
    assert!(svg.contains("Rings can be above every roof: ") && !svg.contains("above the roof of arithmetic"));
}

/// Bytes and time are the same, so FLOP per byte and FLOP/s grow by one factor: that of the formula.
#[test]
fn a_ring_is_up_the_slope_of_memory_from_its_dot() {
    let profile = committed();
    let drawn = drawn(&profile);
    let plot = Plot::around(&profile, &drawn, &WIDE).unwrap();
    let decade = {
        let (a, b) = (plot.pixel((10.0, 10.0)), plot.pixel((100.0, 100.0)));
        (b.0 - a.0, b.1 - a.1)
    };
    let mut rings = 0;
    for row in drawn {
        let dot = plot.dot(row);
        let factor = row.measure.work.flops as f64 / row.measure.work.executed() as f64;
        assert_eq!(dot.ring.is_some(), factor > 1.05, "{} {}", row.op, row.layer);
        let Some(ring) = dot.ring else { continue };
        let expected = (dot.centre.0 + factor.log10() * decade.0, dot.centre.1 + factor.log10() * decade.1);
        assert!((ring.0 - expected.0).abs() < 0.5 && (ring.1 - expected.1).abs() < 0.5, "{ring:?} {expected:?}");
        rings += 1;
    }
    assert!(rings > 50);
}

#[test]
fn a_dot_above_the_roof_of_arithmetic_is_explained() {
    let mut profile = committed();
    let peak = profile.peaks.fma.unwrap();
    let row = profile.rows.iter_mut().find(|row| row.op == "ccm").unwrap();
    row.measure.rates.executed_gflop_per_second = Some(1.2 * peak / 1e9);
    row.measure.rates.percent_of_peak = 120.0;
    let svg = roofline(&profile);
    assert!(svg.contains("1 dot is above the roof of arithmetic (ccm): the peak was measured too low."), "{svg}");
}

#[test]
fn the_narrow_drawing_is_shown_on_phones_only_and_has_larger_letters() {
    let svg = roofline(&committed());
    assert!(
        svg.contains(".narrow{display:none}")
            && svg.contains("@media(max-width:600px){.wide{display:none}.narrow{display:inline}}")
    );
    let [wide, narrow] = drawings(&svg);
    assert!(wide.contains(r#"class="wide" transform="scale(1)""#) && narrow.contains(r#"transform="scale(2)""#));
    for words in ["executed GFLOP/s", "ring: FLOPs of the formula", "f32 236 GFLOP/s", "bf16 473 GFLOP/s", "copy 27"] {
        assert!(narrow.contains(words), "{words}");
    }
    assert!(!narrow.contains("<title>") && wide.matches("<title>").count() > 50, "phones show no tooltips");
}

#[test]
fn the_axes_of_an_older_record_say_that_flops_are_by_formula() {
    let mut profile = committed();
    for row in &mut profile.rows {
        row.measure.work.saved = 0;
        row.measure.rates.executed_gflop_per_second = None;
    }
    let svg = roofline(&profile);
    assert!(svg.contains("by formula</text>") && !svg.contains(">executed GFLOP/s</text>"));
}
