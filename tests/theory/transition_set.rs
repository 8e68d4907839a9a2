//! Discrete textures: powers of the graph and the nearest sequence.

use ndarray::{Array1, array};
use orthoscope::rng::{Purpose, Stream};
use orthoscope::theory::transition_set::TransitionSet;

fn golden_mean() -> TransitionSet {
    TransitionSet::new(vec![array![0.0], array![1.0]], vec![vec![0, 1], vec![0]]).unwrap()
}

#[test]
fn powers_of_the_graph() {
    assert_eq!(golden_mean().mixing_length(), Some(2));
    let letters = || (0..4).map(|s| array![f64::from(s)]).collect::<Vec<_>>();
    assert_eq!(TransitionSet::periodic(letters()).unwrap().mixing_length(), None);
    // Wielandt's graph attains the bound (4 - 1)² + 1.
    let wielandt = TransitionSet::new(letters(), vec![vec![1], vec![2], vec![3], vec![0, 1]]).unwrap();
    assert_eq!(wielandt.mixing_length(), Some(10));
    assert_eq!((wielandt.gap(), wielandt.diameter()), (1.0, 3.0));
}

#[test]
fn the_nearest_sequence_is_allowed_and_allowed_ones_are_fixed() {
    let set = golden_mean();
    assert_eq!(set.project_point(&array![0.9, 0.8, 0.9]).unwrap(), [1, 0, 1]);
    assert_eq!(set.project_point(&array![0.6, 0.9]).unwrap(), [0, 1]);
    let mut stream = Stream::new(3, Purpose::Test, 0, 0);
    let x = set.sample(50, &mut stream);
    assert!(set.allows(&x) && !set.allows(&[1, 1]) && !set.allows(&[2]));
    assert_eq!(set.project_point(&x.iter().map(|&state| state as f64).collect::<Array1<f64>>()).unwrap(), x);
}

#[test]
fn bad_input_is_refused() {
    let new = |letters: &[&[f64]], successors: &[&[usize]]| {
        let letters = letters.iter().map(|letter| letter.iter().copied().collect()).collect();
        TransitionSet::new(letters, successors.iter().map(|list| list.to_vec()).collect()).unwrap_err().to_string()
    };
    assert!(new(&[], &[]).contains("0 and 0"));
    assert!(new(&[&[0.0], &[1.0, 2.0]], &[&[0], &[0]]).contains("has 1 values, got 2"));
    assert!(new(&[&[0.0], &[1.0]], &[&[0], &[]]).contains("state 1"));
    assert!(new(&[&[0.0], &[1.0]], &[&[0], &[2]]).contains("no state 2"));
    assert!(new(&[&[0.5], &[0.5]], &[&[0], &[1]]).contains("same letter"));
    for y in [&[][..], &[f64::NAN], &[1e200]] {
        assert!(golden_mean().project_point(&y.iter().copied().collect()).is_err());
    }
    let wide = TransitionSet::periodic(vec![array![0.0, 0.0], array![1.0, 0.0]]).unwrap();
    assert!(wide.project_point(&array![0.0, 1.0, 2.0]).is_err());
}
