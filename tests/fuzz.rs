//! Files of every kind that this program reads, changed at random. Whatever is in a file: no panic, no abort, no more memory than
//! stated, no endless work, an error of one sentence that names the file, and what is accepted means the same when it is written
//! and read again.
//!
//! Each test reads some hundred mutations of small valid files. Mutation k is determined by k, its seed, so that a failure names
//! one number: `ORTHOSCOPE_FUZZ_SEED=k cargo test --test fuzz LOADER` shows it again. `ORTHOSCOPE_FUZZ_MINUTES=m` reads other
//! mutations for m minutes a loader. How many were accepted and refused is printed on standard error.

mod fixture;

mod fuzz {
    pub mod allocator;
    pub mod bytes;
    pub mod campaign;
    pub mod form;
    pub mod loaders;
    mod planted;
    #[cfg(unix)]
    mod program;
    pub mod text;
}

#[global_allocator]
static ALLOCATOR: fuzz::allocator::Counting = fuzz::allocator::Counting;
