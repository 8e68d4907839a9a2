//! The order in which threads and blocks run changes no bit. On the emulator it depends on the seed, on a GPU on timing.

use crate::Open;
use crate::ops::exercises;

on_cuda!(every_schedule_gives_the_same_bits);

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn every_schedule_gives_the_same_bits(open: &Open) {
    for exercise in exercises() {
        let in_order = exercise.run(&open(0)).unwrap();
        assert!(in_order.iter().all(|value| value.is_finite()), "{}: a value is not finite", exercise.name);
        for seed in 1..=6 {
            let found = exercise.run(&open(seed)).unwrap();
            assert!(bits(&found) == bits(&in_order), "{}: seed {seed} gives different bits", exercise.name);
        }
    }
}
