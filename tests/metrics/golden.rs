//! Golden values from scikit-learn, SciPy and PyTorch, made by `tests/golden/make_metrics.py`.

use approx::assert_abs_diff_eq;
use orthoscope::data::plane;
use orthoscope::detect::metrics::{
    RankedPixels, Ranking, au_pro, au_pro_200, auroc, average_precision, f1_max, resize_bilinear, resize_nearest,
};
use serde_json::Value;

fn golden(group: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("../golden/metrics.json")).unwrap();
    let cases = all[group].as_array().unwrap().clone();
    assert!(!cases.is_empty());
    cases
}

fn number(case: &Value, key: &str) -> f64 {
    case[key].as_f64().unwrap_or_else(|| panic!("{key} of {}", case["name"]))
}

fn numbers(case: &Value, key: &str) -> Vec<f32> {
    case[key].as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32).collect()
}

fn sides(case: &Value, key: &str) -> Vec<usize> {
    case[key].as_array().unwrap().iter().map(|value| value.as_u64().unwrap() as usize).collect()
}

#[test]
fn image_metrics_agree_with_scikit_learn() {
    for case in golden("images") {
        let scores: Vec<f64> = case["scores"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
        let labels: Vec<bool> = case["labels"].as_array().unwrap().iter().map(|value| value.as_bool().unwrap()).collect();
        let ranking = Ranking::new("golden", &scores, &labels).unwrap();
        let best = f1_max(&ranking);
        assert_abs_diff_eq!(auroc(&ranking), number(&case, "auroc"), epsilon = 1e-12);
        assert_abs_diff_eq!(average_precision(&ranking), number(&case, "ap"), epsilon = 1e-12);
        assert_abs_diff_eq!(best.f1, number(&case, "f1_max"), epsilon = 1e-12);
        assert_eq!(best.threshold, number(&case, "f1_threshold"));
    }
}

#[test]
fn pixel_metrics_agree_with_scikit_learn_and_scipy() {
    for case in golden("pixels") {
        let shape = sides(&case, "shape");
        let planes = |key: &str| {
            let values = numbers(&case, key);
            let one = |values: &[f32]| plane(shape[1], shape[2], values.to_vec()).unwrap();
            values.chunks(shape[1] * shape[2]).map(one).collect::<Vec<_>>()
        };
        let (maps, masks) = (planes("maps"), planes("masks"));
        let pixels = RankedPixels::new(maps.iter().zip(&masks)).unwrap();
        let best = f1_max(&pixels.ranking);
        assert_abs_diff_eq!(auroc(&pixels.ranking), number(&case, "auroc"), epsilon = 1e-12);
        assert_abs_diff_eq!(average_precision(&pixels.ranking), number(&case, "ap"), epsilon = 1e-12);
        assert_abs_diff_eq!(best.f1, number(&case, "f1_max"), epsilon = 1e-12);
        assert_eq!(best.threshold, number(&case, "f1_threshold"));
        assert_abs_diff_eq!(au_pro(&pixels), number(&case, "au_pro"), epsilon = 1e-12);
        assert_abs_diff_eq!(au_pro_200(&pixels), number(&case, "au_pro_200"), epsilon = 1e-12);
    }
}

#[test]
fn resized_planes_agree_with_pytorch() {
    for case in golden("resize") {
        let (from, to) = (sides(&case, "from"), sides(&case, "to"));
        let small = plane(from[0], from[1], numbers(&case, "values")).unwrap();
        let bilinear = resize_bilinear(&small, to[0], to[1]).unwrap();
        for (ours, theirs) in bilinear.iter().zip(numbers(&case, "bilinear")) {
            assert_abs_diff_eq!(*ours, theirs, epsilon = 1e-6);
        }
        assert_eq!(bilinear.len(), to[0] * to[1]);
        assert!(resize_nearest(&small, to[0], to[1]).unwrap().iter().eq(&numbers(&case, "nearest")));
    }
}
