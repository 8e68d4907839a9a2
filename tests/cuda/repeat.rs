//! Repeated work on the emulator: the same bits as work that is done anew each time, in memory that is planned, and a sentence
//! for everything that cannot be repeated.

use orthoscope::ops::{Backend, Pointwise};
use std::sync::mpsc;
use std::time::Duration;

use orthoscope::backend::Storage;
use orthoscope::backend::cuda::{Buffer, Cuda, Planned, Program};
use orthoscope::shape::Activation;
use orthoscope::{Error, Result};

use crate::Open;

on_cuda!(
    repeated_work_gives_the_bits_of_work_done_anew,
    buffers_share_planned_memory,
    a_dropped_program_gives_its_memory_back,
    work_without_buffers_is_repeated_too,
    another_sequence_of_buffers_is_named,
    work_that_made_no_buffers_may_make_none,
    a_buffer_that_escapes_is_named_and_harmless,
    data_cannot_move_inside,
    an_error_of_the_work_is_passed_on,
    a_panic_of_the_work_leaves_the_device_usable,
    work_is_not_repeated_inside_repeated_work,
    a_buffer_that_the_work_uses_must_stay,
    a_program_belongs_to_one_device,
    programs_and_other_work_take_turns,
    other_threads_wait_until_the_recording_is_over
);

const LEN: usize = 1000;

/// What the work reads and writes.
struct Desk {
    x: Buffer,
    y: Buffer,
    /// Grows by y every time, so that work done twice or not at all shows.
    total: Buffer,
}

impl Desk {
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

    fn put(&mut self, cuda: &Cuda, call: usize) {
        let x: Vec<f32> = (0..LEN).map(|k| ((k * 37 + call * 101) % 211) as f32 / 100.0 - 1.0).collect();
        cuda.write(&x, &mut self.x).unwrap();
    }

    fn bits(&self, cuda: &Cuda) -> Vec<u32> {
        let values = [&self.y, &self.total].map(|buffer| cuda.download(buffer).unwrap());
        values.iter().flatten().map(|value| value.to_bits()).collect()
    }
}

/// Five calls with changing input; `each` does the work.
fn five_calls(cuda: &Cuda, mut each: impl FnMut(&mut Desk)) -> Vec<Vec<u32>> {
    let mut desk = Desk::new(cuda);
    (0..5)
        .map(|call| {
            desk.put(cuda, call);
            each(&mut desk);
            desk.bits(cuda)
        })
        .collect()
}

fn eager(cuda: &Cuda) -> Vec<Vec<u32>> {
    five_calls(cuda, |desk| desk.work(cuda).unwrap())
}

fn repeated(cuda: &Cuda, program: &mut Program) -> Vec<Vec<u32>> {
    five_calls(cuda, |desk| cuda.repeat(program, || desk.work(cuda)).unwrap())
}

fn repeated_work_gives_the_bits_of_work_done_anew(open: &Open) {
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
    assert_eq!(program.planned(), None);
    repeated(&cuda, &mut program);
    // 4000 bytes, rounded up to a multiple of 256.
    let room = 4096;
    assert_eq!(program.planned(), Some(Planned { buffers: 4, slab: 2 * room, alive: 2 * room, sum: 4 * room }));
}

fn a_dropped_program_gives_its_memory_back(open: &Open) {
    let cuda = open(1);
    let mut program = Program::default();
    let mut desk = Desk::new(&cuda);
    for _ in 0..3 {
        cuda.repeat(&mut program, || desk.work(&cuda)).unwrap();
    }
    let peak = cuda.peak_bytes();
    drop(program);
    let held = 3 * LEN * size_of::<f32>();
    drop(cuda.alloc((peak - held) / size_of::<f32>()).unwrap());
    assert_eq!(cuda.peak_bytes(), peak);
}

#[cfg(feature = "emulator")]
#[test]
fn memory_that_was_planned_is_poisoned_between_two_lives() {
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
    assert!(program.planned().unwrap().slab < program.planned().unwrap().sum);
}

fn work_without_buffers_is_repeated_too(open: &Open) {
    let cuda = open(1);
    let (one, mut sum) = (cuda.upload(&[1.0]).unwrap(), cuda.zeros(1).unwrap());
    let mut program = Program::default();
    for call in 1..=4_u8 {
        cuda.repeat(&mut program, || cuda.run(Pointwise::Axpy { alpha: 1.0, x: &one, y: &mut sum })).unwrap();
        assert_eq!(cuda.download(&sum).unwrap(), [f32::from(call)]);
    }
}

/// Lets `odd` be call number `call`, which must fail with `reason`; then the program must work as a new one does.
#[track_caller]
fn refused(open: &Open, call: usize, reason: &str, odd: impl Fn(&Cuda, &mut Desk) -> Result<()>) {
    let cuda = open(1);
    let (mut desk, mut program) = (Desk::new(&cuda), Program::default());
    for _ in 1..call {
        cuda.repeat(&mut program, || desk.work(&cuda)).unwrap();
    }
    let error = cuda.repeat(&mut program, || odd(&cuda, &mut desk)).unwrap_err().to_string();
    assert_eq!(error, format!("emulator: {reason}"), "call {call}");
    assert!(program.planned().is_none() && !program.is_captured());
    assert!(repeated(&cuda, &mut program) == eager(&cuda), "after call {call}");
}

fn zeros(cuda: &Cuda, lengths: &[usize]) -> Result<Vec<Buffer>> {
    lengths.iter().map(|&len| cuda.zeros(len)).collect()
}

fn another_sequence_of_buffers_is_named(open: &Open) {
    let differs = |difference: &str| format!("repeated work is not what was recorded: {difference}");
    let size = differs("its buffer 1 has 28 bytes, 4000 were recorded");
    refused(open, 2, &size, |cuda, _| zeros(cuda, &[7]).map(drop));
    refused(open, 2, &differs("it makes 0 buffers, 4 were recorded"), |_, _| Ok(()));
    let late = differs("0 buffers are dropped before it makes buffer 3, 1 were recorded");
    refused(open, 2, &late, |cuda, _| zeros(cuda, &[LEN; 4]).map(drop));
    let early = differs("its buffer 1 is dropped after 1 allocations, 2 were recorded");
    refused(open, 2, &early, |cuda, _| (0..4).try_for_each(|_| cuda.zeros(LEN).map(drop)));
    refused(open, 2, &differs("it makes buffer 5, 4 were recorded"), |cuda, desk| {
        desk.work(cuda)?;
        cuda.zeros(LEN).map(drop)
    });
    // An error that the work swallows is not forgotten.
    refused(open, 2, &differs("it makes buffer 5, 4 were recorded"), |cuda, desk| {
        desk.work(cuda)?;
        drop(cuda.zeros(LEN));
        Ok(())
    });
}

fn work_that_made_no_buffers_may_make_none(open: &Open) {
    let cuda = open(1);
    let mut program = Program::default();
    cuda.repeat(&mut program, || Ok(())).unwrap();
    let error = cuda.repeat(&mut program, || cuda.zeros(1).map(drop)).unwrap_err().to_string();
    assert!(error.ends_with("it makes buffer 1, 0 were recorded"), "{error}");
}

fn a_buffer_that_escapes_is_named_and_harmless(open: &Open) {
    for call in [1, 2] {
        let cuda = open(1);
        let (mut desk, mut program) = (Desk::new(&cuda), Program::default());
        let mut kept = None;
        for _ in 1..call {
            cuda.repeat(&mut program, || desk.work(&cuda)).unwrap();
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
        assert_eq!(error, "emulator: buffer 4 of 4000 bytes, made inside repeated work, was not dropped inside", "call {call}");
        drop(program);
        // Its memory is still its own.
        let mut kept = kept.unwrap();
        cuda.write(&[3.0; LEN], &mut kept).unwrap();
        assert_eq!(cuda.download(&kept).unwrap(), [3.0; LEN]);
        // And when it goes, it is not taken for a buffer of another program.
        let mut next = Program::default();
        cuda.repeat(&mut next, || desk.work(&cuda)).unwrap();
        let mut kept = Some(kept);
        cuda.repeat(&mut next, || {
            kept = None;
            desk.work(&cuda)
        })
        .unwrap();
    }
}

fn data_cannot_move_inside(open: &Open) {
    for call in [1, 2] {
        let up = "data cannot be uploaded inside repeated work; do it before or after";
        refused(open, call, up, |cuda, desk| cuda.write(&[0.0; LEN], &mut desk.x));
        refused(open, call, up, |cuda, _| cuda.upload(&[0.0; LEN]).map(drop));
        let down = "data cannot be downloaded inside repeated work; do it before or after";
        refused(open, call, down, |cuda, desk| cuda.download(&desk.y).map(drop));
    }
}

fn an_error_of_the_work_is_passed_on(open: &Open) {
    for call in [1, 2] {
        refused(open, call, "out of order", |cuda, desk| {
            desk.work(cuda)?;
            Err(Error::Device { device: "emulator", reason: "out of order".into() })
        });
    }
}

fn a_panic_of_the_work_leaves_the_device_usable(open: &Open) {
    for calls in [0, 1] {
        let cuda = open(1);
        let (mut desk, mut program) = (Desk::new(&cuda), Program::default());
        for _ in 0..calls {
            cuda.repeat(&mut program, || desk.work(&cuda)).unwrap();
        }
        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            cuda.repeat(&mut program, || {
                desk.work(&cuda)?;
                panic!("on purpose")
            })
        }));
        assert!(unwound.is_err());
        assert!(repeated(&cuda, &mut program) == eager(&cuda));
    }
}

fn work_is_not_repeated_inside_repeated_work(open: &Open) {
    let inner = |cuda: &Cuda, _: &mut Desk| cuda.repeat(&mut Program::default(), || Ok(()));
    refused(open, 1, "work is repeated inside repeated work", inner);
    refused(open, 2, "work is repeated inside repeated work", inner);
}

fn a_buffer_that_the_work_uses_must_stay(open: &Open) {
    let cuda = open(1);
    let (mut desk, mut program) = (Desk::new(&cuda), Program::default());
    for _ in 0..3 {
        cuda.repeat(&mut program, || desk.work(&cuda)).unwrap();
    }
    desk.x = cuda.zeros(LEN).unwrap();
    let error = cuda.repeat(&mut program, || desk.work(&cuda)).unwrap_err().to_string();
    assert_eq!(error, "emulator: a buffer that repeated work uses has been dropped since it was recorded");
    assert!(repeated(&cuda, &mut program) == eager(&cuda));
}

fn a_program_belongs_to_one_device(open: &Open) {
    let (cuda, other) = (open(1), open(1));
    let mut program = Program::default();
    repeated(&cuda, &mut program);
    let error = other.repeat(&mut program, || Ok(())).unwrap_err().to_string();
    assert_eq!(error, "emulator: repeated work was recorded on another device");
}

fn programs_and_other_work_take_turns(open: &Open) {
    let cuda = open(1);
    let (mut first, mut second) = (Program::default(), Program::default());
    let (mut left, mut right) = (Desk::new(&cuda), Desk::new(&cuda));
    for call in 0..5 {
        for (desk, program) in [(&mut left, &mut first), (&mut right, &mut second)] {
            desk.put(&cuda, call);
            cuda.repeat(program, || desk.work(&cuda)).unwrap();
        }
        assert!(left.bits(&cuda) == eager(&cuda)[call] && right.bits(&cuda) == left.bits(&cuda));
    }
}

fn other_threads_wait_until_the_recording_is_over(open: &Open) {
    let cuda = open(1);
    let (mut desk, mut program) = (Desk::new(&cuda), Program::default());
    for call in 0..5 {
        let (begun, begins) = mpsc::channel();
        let other = cuda.clone();
        let thread = std::thread::spawn(move || {
            // Nobody sends where a graph is launched instead of the work being run.
            let _ = begins.recv();
            let x = other.upload(&[2.0; LEN]).unwrap();
            let mut y = other.alloc(LEN).unwrap();
            other.run(Pointwise::Mul { a: &x, b: &x, y: &mut y }).unwrap();
            other.download(&y).unwrap()
        });
        desk.put(&cuda, call);
        let work = || {
            begun.send(()).unwrap();
            std::thread::sleep(Duration::from_millis(20));
            desk.work(&cuda)
        };
        cuda.repeat(&mut program, work).unwrap();
        drop(begun);
        assert_eq!(thread.join().unwrap(), [4.0; LEN]);
        assert!(desk.bits(&cuda)[..LEN] == eager(&cuda)[call][..LEN]);
    }
}
