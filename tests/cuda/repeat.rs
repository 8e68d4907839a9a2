//! Repeated work: it gives the same bits as work run each time, uses planned memory, and everything that cannot
//! be repeated is an error.

use std::sync::mpsc;
use std::time::Duration;

use orthoscope::backend::Storage;
use orthoscope::backend::cuda::{Buffer, Cuda, PlanSize, Program};
use orthoscope::ops::{Backend, Pointwise};
use orthoscope::shape::Activation;
use orthoscope::{Error, Result};

use crate::Open;

on_cuda!(
    repeated_work_gives_the_same_bits_as_work_run_each_time,
    buffers_share_planned_memory,
    dropping_a_program_frees_its_memory,
    work_without_buffers_can_be_repeated,
    a_different_sequence_of_buffers_is_an_error,
    work_recorded_without_buffers_must_not_allocate_one,
    an_escaping_buffer_is_an_error_and_stays_valid,
    host_copies_inside_repeated_work_are_errors,
    an_error_of_the_work_is_returned,
    the_device_stays_usable_after_a_panic_of_the_work,
    repeating_work_inside_repeated_work_is_an_error,
    dropping_a_buffer_that_the_work_uses_is_an_error,
    a_program_belongs_to_one_device,
    programs_and_other_work_can_alternate,
    other_threads_wait_while_work_is_recorded
);

const LEN: usize = 1000;

/// The buffers that the work reads and writes.
struct StepBuffers {
    x: Buffer,
    y: Buffer,
    /// Every run adds y, so that work run twice or not at all is detected.
    total: Buffer,
}

impl StepBuffers {
    fn new(cuda: &Cuda) -> Self {
        Self { x: cuda.zeros(LEN).unwrap(), y: cuda.zeros(LEN).unwrap(), total: cuda.zeros(LEN).unwrap() }
    }

    /// y = tanh(2x + 1) ⊙ x / 2, in four buffers of which two are alive at once.
    fn work(&mut self, cuda: &Cuda) -> Result<()> {
        let mut a = cuda.alloc(LEN)?;
        cuda.run(Pointwise::Affine { alpha: 2.0, beta: 1.0, x: &self.x, y: &mut a })?;
        let mut b = cuda.alloc(LEN)?;
        cuda.run(Pointwise::Activation { activation: Activation::Tanh, x: &a, y: &mut b })?;
        drop(a);
        let mut c = cuda.alloc(LEN)?;
        cuda.run(Pointwise::Mul { a: &b, b: &self.x, y: &mut c })?;
        drop(b);
        let mut d = cuda.zeros(LEN)?;
        cuda.run(Pointwise::Axpy { alpha: 0.5, x: &c, y: &mut d })?;
        cuda.copy(&d, &mut self.y)?;
        cuda.run(Pointwise::Axpy { alpha: 1.0, x: &d, y: &mut self.total })
    }

    fn set_input(&mut self, cuda: &Cuda, call: usize) {
        let x: Vec<f32> = (0..LEN).map(|k| ((k * 37 + call * 101) % 211) as f32 / 100.0 - 1.0).collect();
        cuda.write(&x, &mut self.x).unwrap();
    }

    fn bits(&self, cuda: &Cuda) -> Vec<u32> {
        let values = [&self.y, &self.total].map(|buffer| cuda.download(buffer).unwrap());
        values.iter().flatten().map(|value| value.to_bits()).collect()
    }
}

/// The results of five calls with different inputs; `each` runs the work.
fn five_calls(cuda: &Cuda, mut each: impl FnMut(&mut StepBuffers)) -> Vec<Vec<u32>> {
    let mut buffers = StepBuffers::new(cuda);
    (0..5)
        .map(|call| {
            buffers.set_input(cuda, call);
            each(&mut buffers);
            buffers.bits(cuda)
        })
        .collect()
}

fn eager(cuda: &Cuda) -> Vec<Vec<u32>> {
    five_calls(cuda, |buffers| buffers.work(cuda).unwrap())
}

fn repeated(cuda: &Cuda, program: &mut Program) -> Vec<Vec<u32>> {
    five_calls(cuda, |buffers| cuda.repeat(program, || buffers.work(cuda)).unwrap())
}

fn repeated_work_gives_the_same_bits_as_work_run_each_time(open: &Open) {
    for seed in [0, 1, 2] {
        let cuda = open(seed);
        let mut program = Program::default();
        assert!(repeated(&cuda, &mut program) == eager(&cuda), "seed {seed}");
        assert!(program.is_captured());
    }
}

fn buffers_share_planned_memory(open: &Open) {
    let cuda = open(1);
    let mut program = Program::default();
    assert_eq!(program.plan_size(), None);
    repeated(&cuda, &mut program);
    // 4000 bytes, rounded up to a multiple of 256.
    let size = 4096;
    assert_eq!(program.plan_size(), Some(PlanSize { buffers: 4, slab: 2 * size, alive: 2 * size, sum: 4 * size }));
}

fn dropping_a_program_frees_its_memory(open: &Open) {
    let cuda = open(1);
    let mut program = Program::default();
    let mut buffers = StepBuffers::new(&cuda);
    for _ in 0..3 {
        cuda.repeat(&mut program, || buffers.work(&cuda)).unwrap();
    }
    let (peak, slab) = (cuda.peak_bytes(), program.plan_size().unwrap().slab);
    // The emulator gives freed memory back. A GPU keeps it for the next buffer of the same size, so the one asked for here has
    // it.
    let room = slab / size_of::<f32>();
    let more = cuda.alloc(room).unwrap();
    assert!(cuda.peak_bytes() > peak, "there was room while the program had its memory");
    drop(more);
    let peak = cuda.peak_bytes();
    drop(program);
    drop([cuda.alloc(room).unwrap(), cuda.alloc(room).unwrap()]);
    assert_eq!(cuda.peak_bytes(), peak);
}

#[cfg(feature = "emulator")]
#[test]
fn planned_memory_is_poisoned_between_buffers() {
    let cuda = Cuda::emulator(1);
    let (x, mut y) = (cuda.upload(&[1.0; LEN]).unwrap(), cuda.zeros(LEN).unwrap());
    let mut program = Program::default();
    for _ in 0..4 {
        cuda.repeat(&mut program, || {
            let mut first = cuda.alloc(LEN)?;
            cuda.copy(&x, &mut first)?;
            drop(first);
            cuda.copy(&cuda.alloc(LEN)?, &mut y)
        })
        .unwrap();
        assert!(cuda.download(&y).unwrap().iter().all(|value| value.is_nan()));
    }
    assert!(program.plan_size().unwrap().slab < program.plan_size().unwrap().sum);
}

fn work_without_buffers_can_be_repeated(open: &Open) {
    let cuda = open(1);
    let (one, mut sum) = (cuda.upload(&[1.0]).unwrap(), cuda.zeros(1).unwrap());
    let mut program = Program::default();
    for call in 1..=4_u8 {
        cuda.repeat(&mut program, || cuda.run(Pointwise::Axpy { alpha: 1.0, x: &one, y: &mut sum })).unwrap();
        assert_eq!(cuda.download(&sum).unwrap(), [f32::from(call)]);
    }
}

/// Runs `faulty` as call number `call`, which must fail with `reason`. Afterwards the program must work like a new one.
#[track_caller]
fn assert_fails(open: &Open, call: usize, reason: &str, faulty: impl Fn(&Cuda, &mut StepBuffers) -> Result<()>) {
    let cuda = open(1);
    let (mut buffers, mut program) = (StepBuffers::new(&cuda), Program::default());
    for _ in 1..call {
        cuda.repeat(&mut program, || buffers.work(&cuda)).unwrap();
    }
    let error = cuda.repeat(&mut program, || faulty(&cuda, &mut buffers)).unwrap_err().to_string();
    assert_eq!(error, format!("{}: {reason}", cuda.name()), "call {call}");
    assert!(program.plan_size().is_none() && !program.is_captured());
    assert!(repeated(&cuda, &mut program) == eager(&cuda), "after call {call}");
}

fn zeros(cuda: &Cuda, lengths: &[usize]) -> Result<Vec<Buffer>> {
    lengths.iter().map(|&len| cuda.zeros(len)).collect()
}

fn a_different_sequence_of_buffers_is_an_error(open: &Open) {
    let differs = |difference: &str| format!("repeated work differs from the recorded run: {difference}");
    let size = differs("its buffer 1 has 28 bytes, but 4000 were recorded");
    assert_fails(open, 2, &size, |cuda, _| zeros(cuda, &[7]).map(drop));
    assert_fails(open, 2, &differs("it allocates 0 buffers, but 4 were recorded"), |_, _| Ok(()));
    let late = differs("0 buffers are dropped before it allocates buffer 3, but 1 were recorded");
    assert_fails(open, 2, &late, |cuda, _| zeros(cuda, &[LEN; 4]).map(drop));
    let early = differs("its buffer 1 is dropped after 1 allocations, but 2 were recorded");
    assert_fails(open, 2, &early, |cuda, _| (0..4).try_for_each(|_| cuda.zeros(LEN).map(drop)));
    assert_fails(open, 2, &differs("it allocates buffer 5, but 4 were recorded"), |cuda, buffers| {
        buffers.work(cuda)?;
        cuda.zeros(LEN).map(drop)
    });
    // The error is reported even if the work ignores it.
    assert_fails(open, 2, &differs("it allocates buffer 5, but 4 were recorded"), |cuda, buffers| {
        buffers.work(cuda)?;
        drop(cuda.zeros(LEN));
        Ok(())
    });
}

fn work_recorded_without_buffers_must_not_allocate_one(open: &Open) {
    let cuda = open(1);
    let mut program = Program::default();
    cuda.repeat(&mut program, || Ok(())).unwrap();
    let error = cuda.repeat(&mut program, || cuda.zeros(1).map(drop)).unwrap_err().to_string();
    assert!(error.ends_with("it allocates buffer 1, but 0 were recorded"), "{error}");
}

fn an_escaping_buffer_is_an_error_and_stays_valid(open: &Open) {
    for call in [1, 2] {
        let cuda = open(1);
        let (mut buffers, mut program) = (StepBuffers::new(&cuda), Program::default());
        let mut kept = None;
        for _ in 1..call {
            cuda.repeat(&mut program, || buffers.work(&cuda)).unwrap();
        }
        let error = cuda.repeat(&mut program, || {
            let mut made = Vec::new();
            for number in 0..4 {
                made.push(cuda.zeros(LEN)?);
                if number > 0 {
                    made.swap_remove(0);
                }
            }
            kept = made.pop();
            Ok(())
        });
        let error = error.unwrap_err().to_string();
        let reason = "buffer 4 of 4000 bytes was allocated inside repeated work but not dropped inside it";
        assert_eq!(error, format!("{}: {reason}", cuda.name()), "call {call}");
        drop(program);
        // Its memory is still valid.
        let mut kept = kept.unwrap();
        cuda.write(&[3.0; LEN], &mut kept).unwrap();
        assert_eq!(cuda.download(&kept).unwrap(), [3.0; LEN]);
        // When it is dropped, it is not mistaken for a buffer of another program.
        let mut next = Program::default();
        cuda.repeat(&mut next, || buffers.work(&cuda)).unwrap();
        let mut kept = Some(kept);
        cuda.repeat(&mut next, || {
            kept = None;
            buffers.work(&cuda)
        })
        .unwrap();
    }
}

fn host_copies_inside_repeated_work_are_errors(open: &Open) {
    for call in [1, 2] {
        let up = "data cannot be uploaded inside repeated work; do it before or after";
        assert_fails(open, call, up, |cuda, buffers| cuda.write(&[0.0; LEN], &mut buffers.x));
        assert_fails(open, call, up, |cuda, _| cuda.upload(&[0.0; LEN]).map(drop));
        let down = "data cannot be downloaded inside repeated work; do it before or after";
        assert_fails(open, call, down, |cuda, buffers| cuda.download(&buffers.y).map(drop));
    }
}

fn an_error_of_the_work_is_returned(open: &Open) {
    for call in [1, 2] {
        assert_fails(open, call, "out of order", |cuda, buffers| {
            buffers.work(cuda)?;
            Err(Error::Device { device: cuda.name(), reason: "out of order".into() })
        });
    }
}

fn the_device_stays_usable_after_a_panic_of_the_work(open: &Open) {
    for calls in [0, 1] {
        let cuda = open(1);
        let (mut buffers, mut program) = (StepBuffers::new(&cuda), Program::default());
        for _ in 0..calls {
            cuda.repeat(&mut program, || buffers.work(&cuda)).unwrap();
        }
        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            cuda.repeat(&mut program, || {
                buffers.work(&cuda)?;
                panic!("on purpose")
            })
        }));
        assert!(unwound.is_err());
        assert!(repeated(&cuda, &mut program) == eager(&cuda));
    }
}

fn repeating_work_inside_repeated_work_is_an_error(open: &Open) {
    let inner = |cuda: &Cuda, _: &mut StepBuffers| cuda.repeat(&mut Program::default(), || Ok(()));
    assert_fails(open, 1, "work is repeated inside repeated work", inner);
    assert_fails(open, 2, "work is repeated inside repeated work", inner);
}

fn dropping_a_buffer_that_the_work_uses_is_an_error(open: &Open) {
    let cuda = open(1);
    let (mut buffers, mut program) = (StepBuffers::new(&cuda), Program::default());
    for _ in 0..3 {
        cuda.repeat(&mut program, || buffers.work(&cuda)).unwrap();
    }
    buffers.x = cuda.zeros(LEN).unwrap();
    let error = cuda.repeat(&mut program, || buffers.work(&cuda)).unwrap_err().to_string();
    let reason = "a buffer that repeated work uses has been dropped since it was recorded";
    assert_eq!(error, format!("{}: {reason}", cuda.name()));
    assert!(repeated(&cuda, &mut program) == eager(&cuda));
}

/// Another device of the same kind: the second GPU if there is one, else the first opened again, with memory and graphs of its
/// own.
fn another(cuda: &Cuda, open: &Open) -> Cuda {
    // Only a GPU has an architecture.
    match cuda.arch() {
        Some(_) => Cuda::gpu(1).or_else(|_| Cuda::gpu(0)).unwrap(),
        None => open(2),
    }
}

fn a_program_belongs_to_one_device(open: &Open) {
    let cuda = open(1);
    let other = another(&cuda, open);
    let mut program = Program::default();
    repeated(&cuda, &mut program);
    let error = other.repeat(&mut program, || Ok(())).unwrap_err().to_string();
    assert_eq!(error, format!("{}: repeated work was recorded on another device", cuda.name()));
    assert!(repeated(&other, &mut program) == eager(&cuda));
}

fn programs_and_other_work_can_alternate(open: &Open) {
    let cuda = open(1);
    let (mut first, mut second) = (Program::default(), Program::default());
    let (mut left, mut right) = (StepBuffers::new(&cuda), StepBuffers::new(&cuda));
    for call in 0..5 {
        for (buffers, program) in [(&mut left, &mut first), (&mut right, &mut second)] {
            buffers.set_input(&cuda, call);
            cuda.repeat(program, || buffers.work(&cuda)).unwrap();
        }
        assert!(left.bits(&cuda) == eager(&cuda)[call] && right.bits(&cuda) == left.bits(&cuda));
    }
}

fn other_threads_wait_while_work_is_recorded(open: &Open) {
    let cuda = open(1);
    let (mut buffers, mut program) = (StepBuffers::new(&cuda), Program::default());
    for call in 0..5 {
        let (begun, begins) = mpsc::channel();
        let other = cuda.clone();
        let thread = std::thread::spawn(move || {
            // Nothing is sent if a graph is launched instead of running the work.
            let _ = begins.recv();
            let x = other.upload(&[2.0; LEN]).unwrap();
            let mut y = other.alloc(LEN).unwrap();
            other.run(Pointwise::Mul { a: &x, b: &x, y: &mut y }).unwrap();
            other.download(&y).unwrap()
        });
        buffers.set_input(&cuda, call);
        let work = || {
            begun.send(()).unwrap();
            std::thread::sleep(Duration::from_millis(20));
            buffers.work(&cuda)
        };
        cuda.repeat(&mut program, work).unwrap();
        drop(begun);
        assert_eq!(thread.join().unwrap(), [4.0; LEN]);
        assert!(buffers.bits(&cuda)[..LEN] == eager(&cuda)[call][..LEN]);
    }
}
