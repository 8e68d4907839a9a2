//! Uploads: the host may change its memory as soon as `write` returns, and they take part in the order of operations.

use orthoscope::backend::Storage;
use orthoscope::backend::cuda::{Buffer, Cuda};
use orthoscope::ops::{Backend, Pointwise};

use crate::Open;

on_cuda!(many_small_uploads_arrive, a_large_upload_arrives, uploads_keep_the_order_of_operations, threads_can_upload_at_once);

/// `count` buffers of `len` elements, all written from the same host memory, which changes in between.
fn written(cuda: &Cuda, count: usize, len: usize) -> Vec<Buffer> {
    let mut host = vec![0.0; len];
    let mut buffers: Vec<Buffer> = (0..count).map(|_| cuda.alloc(len).unwrap()).collect();
    for (number, buffer) in buffers.iter_mut().enumerate() {
        host.fill(number as f32);
        cuda.write(&host, buffer).unwrap();
    }
    host.fill(-1.0);
    buffers
}

fn assert_written(cuda: &Cuda, buffers: &[Buffer], len: usize) {
    for (number, buffer) in buffers.iter().enumerate() {
        assert!(cuda.download(buffer).unwrap() == vec![number as f32; len], "upload {number} of {len} elements");
    }
}

/// In sum more than the driver's engine keeps ready for small uploads, without a wait by the caller.
fn many_small_uploads_arrive(open: &Open) {
    let cuda = open(1);
    for (count, len) in [(300, 1), (60, 5_000), (3, 65_536)] {
        assert_written(&cuda, &written(&cuda, count, len), len);
    }
}

fn a_large_upload_arrives(open: &Open) {
    let cuda = open(1);
    let len = 65_537;
    assert_written(&cuda, &written(&cuda, 3, len), len);
}

/// y = 1 · 2 + 2 · 2 + 3 · 2, with x overwritten between the sums.
fn uploads_keep_the_order_of_operations(open: &Open) {
    let cuda = open(1);
    for len in [3, 100_000] {
        let (mut x, mut y) = (cuda.alloc(len).unwrap(), cuda.zeros(len).unwrap());
        for value in [1.0, 2.0, 3.0] {
            cuda.write(&vec![value; len], &mut x).unwrap();
            cuda.run(Pointwise::Axpy { alpha: 2.0, x: &x, y: &mut y }).unwrap();
        }
        assert!(cuda.download(&y).unwrap() == vec![12.0; len], "{len} elements");
    }
}

fn threads_can_upload_at_once(open: &Open) {
    let cuda = open(1);
    let thread = |cuda: Cuda| {
        std::thread::spawn(move || {
            (0..20).for_each(|_| assert_written(&cuda, &written(&cuda, 5, 4_000), 4_000));
        })
    };
    for thread in [thread(cuda.clone()), thread(cuda)] {
        thread.join().unwrap();
    }
}
