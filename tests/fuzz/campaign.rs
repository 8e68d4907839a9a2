//! Reads mutated files and watches what happens.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, Once};
use std::thread::ThreadId;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use orthoscope::rng::{Purpose, Stream};

use super::allocator::measured;
use super::form::mutated;

/// Runs only the input of this seed.
const SEED: &str = "ORTHOSCOPE_FUZZ_SEED";
/// Runs each loader for so many minutes, on inputs that no earlier run had.
const MINUTES: &str = "ORTHOSCOPE_FUZZ_MINUTES";

/// Inputs of each loader without these variables.
const INPUTS: u64 = 400;
/// Processor time for one input: a hundred times what the largest picture takes.
const SLOW: Duration = Duration::from_secs(20);
/// After so long an input counts as endless, and the tests end.
const ENDLESS: Duration = Duration::from_secs(300);
/// Faults after which a loader is given up.
const MOST: usize = 12;
/// Longest reason in characters.
const LONGEST: usize = 2100;

/// What a loader did with a file, if it did nothing wrong.
#[derive(Debug)]
pub enum Read {
    Accepted,
    /// With its error.
    Refused(String),
    /// By a loader that takes what it cannot read as absent.
    Ignored,
}

/// What a loader did wrong.
pub type Verdict = Result<Read, String>;

/// Something that reads files.
pub struct Loader {
    pub name: &'static str,
    /// The path of its file, within the folder of a test.
    pub file: &'static str,
    /// Valid files.
    pub corpus: Vec<Vec<u8>>,
    /// Most bytes that reading may hold, from the length of the file and the path.
    pub memory: fn(usize, &Path) -> usize,
    /// Reads the file, uses what was read, and says what is wrong.
    pub check: Box<dyn Fn(&Path) -> Verdict>,
}

/// What the inputs of a loader came to.
#[derive(Default)]
pub struct Counts {
    pub inputs: u64,
    pub accepted: u64,
    pub refused: u64,
    pub largest: usize,
    /// The first input of each kind of fault.
    pub faults: BTreeMap<String, u64>,
}

/// Reads the corpus and then mutations of it. Panics with every kind of fault and its seed.
pub fn run(loader: &Loader) {
    let folder = tempfile::tempdir().unwrap();
    check_corpus(loader, folder.path());
    let counts = counts(loader, folder.path(), Inputs::from_environment(INPUTS));
    let Counts { inputs, accepted, refused, largest, faults } = &counts;
    let files = loader.corpus.len();
    let (mib, kinds) = (*largest as f64 / f64::from(1 << 20), faults.len());
    let line = format!(
        "fuzz {}: {inputs} inputs from {files} files, {accepted} accepted, {refused} refused, {kinds} kinds of faults, at most {mib:.1} MiB\n",
        loader.name
    );
    // Also where the output of tests is captured.
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    assert!(faults.is_empty(), "{}", told(loader, faults));
    if *inputs >= INPUTS {
        assert!(*accepted > 0 && *refused > 0, "nothing was accepted, or nothing refused: the mutations are not worth much");
    }
}

/// The faults with the files that show them, which are kept.
fn told(loader: &Loader, faults: &BTreeMap<String, u64>) -> String {
    let lines = faults.iter().map(|(fault, seed)| {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{}-{seed}", loader.name));
        fs::write(&kept, input(loader, *seed)).unwrap();
        format!("\n{fault}\n  again: {SEED}={seed} cargo test --test fuzz {}; the file: {}", loader.name, kept.display())
    });
    lines.collect()
}

/// Every file of the corpus must be accepted, or its mutations show nothing.
fn check_corpus(loader: &Loader, folder: &Path) {
    for (number, bytes) in loader.corpus.iter().enumerate() {
        let path = written(loader, folder, bytes);
        let read = (loader.check)(&path);
        assert!(matches!(read, Ok(Read::Accepted)), "file {number} of the corpus of {}: {read:?}", loader.name);
    }
}

/// Runs these inputs.
pub fn counts(loader: &Loader, folder: &Path, inputs: Inputs) -> Counts {
    let mut counts = Counts::default();
    for seed in inputs {
        if counts.faults.len() == MOST {
            break;
        }
        counts.inputs += 1;
        let bytes = input(loader, seed);
        let path = written(loader, folder, &bytes);
        let (verdict, memory) = watched(loader, seed, &path);
        counts.largest = counts.largest.max(memory);
        let allowed = (loader.memory)(bytes.len(), &path);
        let verdict = verdict.and_then(|read| match memory > allowed {
            true => Err(format!("held {memory} bytes for a file of {} bytes, and {allowed} are allowed", bytes.len())),
            false => Ok(read),
        });
        match verdict.and_then(|read| spoken(read, &path)) {
            Ok(Read::Accepted) => counts.accepted += 1,
            Ok(Read::Refused(_) | Read::Ignored) => counts.refused += 1,
            Err(fault) => drop(counts.faults.entry(kind_of(&fault)).or_insert(seed)),
        }
    }
    counts
}

/// A fault without its numbers, by which those of one kind are known; the first is told.
fn kind_of(fault: &str) -> String {
    let mut kind = fault.to_owned();
    kind.truncate(kind.char_indices().nth(300).map_or(kind.len(), |(end, _)| end));
    let digits = |sign: char| if sign.is_ascii_digit() { '9' } else { sign };
    let kind: String = kind.chars().map(digits).collect();
    let mut short = String::with_capacity(kind.len());
    for sign in kind.chars() {
        if sign != '9' || !short.ends_with('9') {
            short.push(sign);
        }
    }
    short
}

/// The file of a seed.
fn input(loader: &Loader, seed: u64) -> Vec<u8> {
    let random = &mut Stream::new(seed, Purpose::Test, 0, 0);
    let mut file = || &loader.corpus[random.below(loader.corpus.len() as u32) as usize];
    let (one, other) = (file(), file());
    mutated(random, one, other)
}

fn written(loader: &Loader, folder: &Path, bytes: &[u8]) -> PathBuf {
    let path = folder.join(loader.file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

/// What the loader did, and the bytes that it held. A panic and too much time are faults.
fn watched(loader: &Loader, seed: u64, path: &Path) -> (Verdict, usize) {
    let _watch = Watch::new(loader.name, seed);
    let before = processor_time();
    let (result, memory) = measured(loader.name, seed, || catch_unwind(AssertUnwindSafe(|| (loader.check)(path))));
    let verdict = result.unwrap_or_else(|panic| {
        let words =
            panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|words| words.to_string()));
        Err(format!("panicked: {}", words.unwrap_or_default()))
    });
    let took = processor_time().zip(before).map_or(Duration::ZERO, |(now, before)| now.saturating_sub(before));
    let verdict = if took > SLOW { Err(format!("took {took:?} of processor time")) } else { verdict };
    (verdict, memory)
}

/// Processor time of this thread, where the system tells.
fn processor_time() -> Option<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?))
}

/// An error must be one sentence that begins with its file.
fn spoken(read: Read, path: &Path) -> Verdict {
    let Read::Refused(text) = &read else { return Ok(read) };
    let reason = text.strip_prefix(&path.display().to_string()).and_then(|rest| rest.strip_prefix(": "));
    let fault = match reason {
        None => "does not begin with its file",
        Some(reason) if reason.trim().is_empty() => "has no reason",
        Some(reason) if reason.trim_end().lines().count() != 1 => "is not one line",
        Some(reason) if reason.chars().count() > LONGEST => "is too long",
        Some(reason) if is_said_twice(reason) => "says the same twice",
        Some(_) => return Ok(read),
    };
    let name = path.file_name().unwrap_or_default();
    Err(format!("the error {fault}: {}", text.replace(&path.display().to_string(), &name.display().to_string())))
}

/// Whether two neighbouring parts of a sentence are equal.
fn is_said_twice(reason: &str) -> bool {
    let parts: Vec<&str> = reason.split(": ").collect();
    parts.windows(2).any(|pair| pair[0] == pair[1] && pair[0].len() > 8)
}

/// The seeds of a run.
pub struct Inputs {
    next: u64,
    count: Option<u64>,
    until: Option<Instant>,
}

impl Inputs {
    /// The first seeds, or what the environment asks for: a single one, or new ones for a time.
    pub fn from_environment(count: u64) -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        if let Some(text) = variable(SEED) {
            let seed = text.parse().unwrap_or_else(|_| panic!("{SEED} must be a number, got {text}"));
            return Self::first(seed, 1);
        }
        let Some(text) = variable(MINUTES) else { return Self::first(0, count) };
        let minutes: f64 = text
            .parse()
            .ok()
            .filter(|minutes| *minutes > 0.0)
            .unwrap_or_else(|| panic!("{MINUTES} must be positive, got {text}"));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Self { next: now.as_secs() << 24, count: None, until: Some(Instant::now() + Duration::from_secs_f64(60.0 * minutes)) }
    }

    /// So many seeds from this one on.
    pub fn first(next: u64, count: u64) -> Self {
        Self { next, count: Some(count), until: None }
    }
}

impl Iterator for Inputs {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if self.count == Some(0) || self.until.is_some_and(|until| Instant::now() > until) {
            return None;
        }
        self.count = self.count.map(|count| count - 1);
        self.next += 1;
        Some(self.next - 1)
    }
}

/// An input that is being read.
struct Watched {
    since: Instant,
    loader: &'static str,
    seed: u64,
}

/// The inputs that are being read, by thread.
static WATCHED: LazyLock<Mutex<HashMap<ThreadId, Watched>>> = LazyLock::new(Mutex::default);

/// While it lives, an input that never ends ends the tests, with its seed.
struct Watch;

impl Watch {
    fn new(loader: &'static str, seed: u64) -> Self {
        static START: Once = Once::new();
        START.call_once(|| drop(std::thread::spawn(Self::look)));
        WATCHED.lock().unwrap().insert(std::thread::current().id(), Watched { since: Instant::now(), loader, seed });
        Self
    }

    fn look() {
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let watched = WATCHED.lock().unwrap();
            if let Some(Watched { loader, seed, .. }) = watched.values().find(|input| input.since.elapsed() > ENDLESS) {
                eprintln!("\nan input does not end: {SEED}={seed} cargo test --test fuzz {loader}");
                std::process::exit(101);
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        WATCHED.lock().unwrap().remove(&std::thread::current().id());
    }
}
