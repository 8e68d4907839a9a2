//! The order in which threads and blocks run changes no bit.

use orthoscope::backend::Cuda;

use super::exercises::EXERCISES;

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn every_schedule_gives_the_same_bits() {
    for exercise in EXERCISES {
        let in_order = (exercise.run)(&Cuda::emulator(0)).unwrap();
        assert!(in_order.iter().all(|value| value.is_finite()), "{}: a value that is not finite", exercise.name);
        for seed in 1..=6 {
            let found = (exercise.run)(&Cuda::emulator(seed)).unwrap();
            assert!(bits(&found) == bits(&in_order), "{}: seed {seed} gives other bits", exercise.name);
        }
    }
}
