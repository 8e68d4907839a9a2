//! The loops that calibrate a model of kernel time do the work that they count.

use orthoscope::backend::{Cuda, Storage};

use crate::Open;

on_cuda!(every_loop_reads_what_it_counts, copies_are_equal_and_lengths_are_checked);

fn ascending(cuda: &Cuda, len: usize) -> (Vec<f32>, orthoscope::backend::cuda::Buffer) {
    let values: Vec<f32> = (0..len).map(|i| (i % 64) as f32).collect();
    let buffer = cuda.upload(&values).unwrap();
    (values, buffer)
}

fn every_loop_reads_what_it_counts(open: &Open) {
    let cuda = open(5);
    let mut y = cuda.rate_results().unwrap();
    let (threads, sum) = (cuda.len(&y), |values: &[f32]| values.iter().map(|&value| f64::from(value)).sum::<f64>());
    let total = |y: &_| sum(&cuda.download(y).unwrap());
    // An odd number of fours, so that some threads read one more than others.
    let (values, x) = ascending(&cuda, 4 * (threads + 37));
    assert_eq!(cuda.rate_l2(&x, &mut y, 3).unwrap(), 3 * 4 * values.len() as u64);
    assert_eq!(total(&y), 3.0 * sum(&values));
    let (values, x) = ascending(&cuda, 4096);
    let blocks = threads as u64 / 256;
    assert_eq!(cuda.rate_l1(&x, &mut y, 2).unwrap(), 2 * 4 * 4096 * blocks);
    assert_eq!(total(&y), 2.0 * sum(&values) * blocks as f64);
    // Thread i reads 16 bytes 32 i' further in every iteration.
    let mut clocks = cuda.zeros(2 * cuda.multiprocessors() as usize).unwrap();
    assert_eq!(cuda.rate_shared(&x, &mut y, &mut clocks, 5).unwrap(), 16 * 2048 * 5);
    let found = cuda.download(&y).unwrap();
    for (thread, &sum) in found.iter().enumerate() {
        let quads = (0..5).map(|i| (thread % 1024 + 32 * i) % 1024);
        assert_eq!(sum, quads.flat_map(|quad| &values[4 * quad..4 * quad + 4]).sum::<f32>(), "thread {thread}");
    }
    assert!(cuda.download(&clocks).unwrap().iter().all(|&cycles| cycles > 0.0));
    cuda.rate_empty(&mut y).unwrap();
    assert_eq!(cuda.download(&y).unwrap()[..33], [&[0.0; 32], &found[32..33]].concat()[..]);
}

fn copies_are_equal_and_lengths_are_checked(open: &Open) {
    let cuda = open(6);
    let (values, x) = ascending(&cuda, 4 * 2500);
    let mut y = cuda.zeros(values.len()).unwrap();
    assert_eq!(cuda.rate_copy(&x, &mut y).unwrap(), 8 * values.len() as u64);
    assert_eq!(cuda.download(&y).unwrap(), values);
    let refused = cuda.rate_l2(&x, &mut y, 1).unwrap_err().to_string();
    assert!(refused.starts_with("rate_l2: y must have"), "{refused}");
    let mut clocks = cuda.zeros(1).unwrap();
    let refused = cuda.rate_shared(&x, &mut cuda.rate_results().unwrap(), &mut clocks, 1).unwrap_err().to_string();
    assert_eq!(refused, "rate_shared: x must have 4096 elements, has 10000");
}
