//! The system allocator, which counts the bytes that each thread holds and refuses what no input may need.
//!
//! Counting is exact, costs next to nothing, and sees the one input that was read in this thread. A limit of the system on a
//! child process (`RLIMIT_AS`) would also see what a loader allocates in threads of its own, which is not counted here, but it
//! would count other threads and libraries too, and a process for each input takes a hundred times as long.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::Write;

/// Bytes that one thread may hold. More is refused, so that a bomb does not take the machine with it.
const CEILING: isize = 3 << 30;

/// Requests that are aligned so only ask whether the memory could be had (`src/spare.rs`). They are given back at once.
const ASKING: usize = 4096;

/// A loader whose faults are expected.
pub const PLANTED: &str = "planted";

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static INPUT: Cell<(&'static str, u64)> = const { Cell::new(("", 0)) };
}

pub struct Counting;

/// The bytes of a request that count.
fn counted(layout: Layout) -> isize {
    if layout.align() == ASKING { 0 } else { layout.size() as isize }
}

/// Counts a request. False if it is beyond the ceiling; it counts all the same, so that the input is found wanting in any case.
fn grant(bytes: isize) -> bool {
    let held = HELD.get() + bytes;
    PEAK.set(PEAK.get().max(held));
    let granted = held <= CEILING || bytes <= 0;
    if granted {
        HELD.set(held)
    } else {
        tell(bytes)
    }
    granted
}

/// Names the input in case that the program cannot go on without this memory: it is aborted then, without a panic.
fn tell(bytes: isize) {
    let (loader, seed) = INPUT.get();
    if loader == PLANTED {
        return;
    }
    let mut line = [0; 200];
    let mut rest = &mut line[..];
    let _ = writeln!(rest, "\n{bytes} bytes were asked for and refused; ORTHOSCOPE_FUZZ_SEED={seed}, loader {loader}");
    let left = rest.len();
    let _ = std::io::stderr().write_all(&line[..line.len() - left]);
}

// SAFETY: every request that is granted is passed to the system allocator unchanged; null stands for refused memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        if grant(counted(layout)) { unsafe { System.alloc(layout) } } else { std::ptr::null_mut() }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        if grant(counted(layout)) { unsafe { System.alloc_zeroed(layout) } } else { std::ptr::null_mut() }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !grant(size as isize - layout.size() as isize) {
            return std::ptr::null_mut();
        }
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.set(HELD.get() - counted(layout));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// The result of `work` on this input, and the most bytes that this thread held meanwhile beyond those before.
pub fn measured<T>(loader: &'static str, seed: u64, work: impl FnOnce() -> T) -> (T, usize) {
    INPUT.set((loader, seed));
    let before = HELD.get();
    PEAK.set(before);
    let result = work();
    (result, (PEAK.get() - before).max(0) as usize)
}
