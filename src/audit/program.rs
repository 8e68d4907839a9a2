use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ndarray::{Array, Array1, Array2, ArrayD, ArrayRef2, Axis, Slice};

use super::map::{DIFFERENCE_STEP, Map, checked, differences};
use crate::disk::npy;
use crate::error::{Error, Result};

/// Number of images sent at a time.
const TOGETHER: usize = 8;
/// How long a program may take to end after its input has ended.
const GRACE: Duration = Duration::from_secs(1);

/// The running programs, as numbers of their process groups.
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// The commands of a [`Program`], for `sh -c`. Each is started once. It answers every question on standard input with one array
/// on standard output, and ends when its input ends. Arrays are `.npy`, f32, `[N, H, W, C]`; N can change from question to
/// question.
#[derive(Clone, Debug)]
pub struct Commands {
    /// Answers x with f(x).
    pub map: String,
    /// Answers x, then v, with J v of each; without it, differences of f are used.
    pub jvp: Option<String>,
    /// Answers x, then u, with Jᵀ u of each.
    pub vjp: Option<String>,
    /// How long an answer may take.
    pub limit: Duration,
}

/// A map that another program computes.
pub struct Program {
    extents: [usize; 3],
    map: Worker,
    jvp: Option<Worker>,
    vjp: Option<Worker>,
}

impl Program {
    /// Starts the commands for images of these extents: height, width and channels.
    ///
    /// # Errors
    /// A command cannot be started.
    pub fn start(commands: &Commands, extents: [usize; 3]) -> Result<Self> {
        let start = |command: &String| Worker::start(command, commands.limit);
        let [jvp, vjp] = [&commands.jvp, &commands.vjp].map(|command| command.as_ref().map(start).transpose());
        Ok(Self { extents, map: start(&commands.map)?, jvp: jvp?, vjp: vjp? })
    }

    /// Stops all programs at once, also those that hang: for a handler of signals, after which nothing else runs.
    pub fn stop_all() {
        let groups = std::mem::take(&mut *RUNNING.lock().unwrap_or_else(PoisonError::into_inner));
        groups.into_iter().for_each(kill_group);
    }
}

impl Map for Program {
    fn apply(&mut self, points: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        self.map.ask("f(x)", self.extents, &[points])
    }

    fn jvp(&mut self, x: &Array1<f64>, directions: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        let copies = copies(x, directions.nrows());
        match &mut self.jvp {
            Some(worker) => worker.ask("J v", self.extents, &[&copies, directions]),
            None => differences(self, x, directions, DIFFERENCE_STEP),
        }
    }

    fn vjp(&mut self, x: &Array1<f64>, directions: &ArrayRef2<f64>) -> Result<Option<Array2<f64>>> {
        let copies = copies(x, directions.nrows());
        self.vjp.as_mut().map(|worker| worker.ask("Jᵀ u", self.extents, &[&copies, directions])).transpose()
    }

    fn has_jvp(&self) -> bool {
        self.jvp.is_some()
    }
}

fn copies(x: &Array1<f64>, count: usize) -> Array2<f64> {
    Array2::from_shape_fn((count, x.len()), |(_, column)| x[column])
}

/// A running command with a thread that writes to it and one that reads from it, so that neither a long question nor a long
/// answer can block.
struct Worker {
    command: String,
    limit: Duration,
    child: Child,
    /// None while the program is being stopped: then its input ends.
    questions: Option<Sender<Vec<u8>>>,
    answers: Receiver<Answer>,
}

/// What a program wrote.
enum Answer {
    Array(ArrayD<f32>),
    /// Something else, and why it is no array.
    Other(String),
    /// Nothing more.
    End,
}

impl Worker {
    fn start(command: &str, limit: Duration) -> Result<Self> {
        let failed = |reason: &dyn std::fmt::Display| Error::argument(format!("`{command}` cannot be started: {reason}"));
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).stdin(Stdio::piped()).stdout(Stdio::piped());
        // A group of its own, so that all that the shell starts can be stopped.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut shell, 0);
        let mut child = shell.spawn().map_err(|error| failed(&error))?;
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).push(child.id());
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed(&"no pipe"));
        };
        let (questions, to_write) = channel();
        let (to_send, answers) = channel();
        thread::spawn(move || write_all(stdin, &to_write));
        thread::spawn(move || read_all(stdout, &to_send));
        Ok(Self { command: command.to_owned(), limit, child, questions: Some(questions), answers })
    }

    /// The answer to arrays of the same shape, [`TOGETHER`] rows at a time.
    fn ask(&mut self, what: &str, extents: [usize; 3], arrays: &[&ArrayRef2<f64>]) -> Result<Array2<f64>> {
        let (count, n) = arrays.first().map_or((0, 0), |array| array.dim());
        let mut values = Vec::with_capacity(count * n);
        for start in (0..count).step_by(TOGETHER) {
            let part = Slice::from(start..(start + TOGETHER).min(count));
            let parts: Vec<_> = arrays.iter().map(|array| array.slice_axis(Axis(0), part).mapv(|value| value as f32)).collect();
            values.extend(self.answer(extents, &parts)?.iter().map(|&value| f64::from(value)));
        }
        let values = Array2::from_shape_vec((count, n), values).map_err(|error| Error::shape("program", error))?;
        checked(&format!("`{}`: {what}", self.command), values, (count, n))
    }

    fn answer(&mut self, extents: [usize; 3], parts: &[Array2<f32>]) -> Result<ArrayD<f32>> {
        let [height, width, channels] = extents;
        let count = parts.first().map_or(0, |part| part.nrows());
        let wanted = [count, height, width, channels];
        let mut question = Vec::new();
        for part in parts {
            // Directions may be columns of another array, so not in row-major order.
            let values = part.iter().copied().collect();
            let array = Array::from_shape_vec(wanted, values).map_err(|error| Error::shape("program", error))?;
            npy::write_to(&mut question, &array).map_err(|error| self.fault(error))?;
        }
        // What comes before the question is no answer to it.
        match self.answers.try_recv() {
            Ok(Answer::Array(_)) => return Err(self.fault("answered more often than it was asked")),
            Ok(Answer::Other(reason)) => return Err(self.no_array(&reason)),
            Ok(Answer::End) => return Err(self.end()),
            Err(_) => {}
        }
        // A program that has ended is noticed by its answer.
        let _ = self.questions.as_ref().map(|questions| questions.send(question));
        match self.answers.recv_timeout(self.limit) {
            Ok(Answer::Array(array)) if array.shape() == wanted => Ok(array),
            Ok(Answer::Array(array)) => {
                Err(self.fault(format!("answered an array {wanted:?} with an array {:?}", array.shape())))
            }
            Ok(Answer::Other(reason)) => Err(self.no_array(&reason)),
            Err(RecvTimeoutError::Timeout) => {
                Err(self.fault(format!("did not answer within {} seconds", self.limit.as_secs_f64())))
            }
            Ok(Answer::End) | Err(RecvTimeoutError::Disconnected) => Err(self.end()),
        }
    }

    fn no_array(&self, reason: &str) -> Error {
        self.fault(format!("answered something that is no .npy array: {reason}"))
    }

    /// Why no answer came.
    fn end(&mut self) -> Error {
        match ended_within(&mut self.child, GRACE) {
            Some(status) => self.fault(format!("ended with {status} instead of an answer")),
            None => self.fault("closed its standard output instead of an answer"),
        }
    }

    fn fault(&self, reason: impl std::fmt::Display) -> Error {
        Error::argument(format!("`{}` {reason}", self.command))
    }
}

impl Drop for Worker {
    /// Ends the input of the program. If it does not end then, it is stopped with everything that it has started.
    fn drop(&mut self) {
        self.questions = None;
        let group = self.child.id();
        if ended_within(&mut self.child, GRACE).is_none() {
            kill_group(group);
            let _ = self.child.wait();
        }
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).retain(|&other| other != group);
    }
}

/// How a program ended, if it did so in time.
fn ended_within(child: &mut Child, time: Duration) -> Option<std::process::ExitStatus> {
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if start.elapsed() < time => thread::sleep(Duration::from_millis(5)),
            Ok(None) | Err(_) => return None,
        }
    }
}

/// Stops a process group. The standard library can only stop a single process.
fn kill_group(group: u32) {
    // It may have ended already, which `kill` would report.
    let _ = Command::new("kill").args(["-KILL", "--", &format!("-{group}")]).stderr(Stdio::null()).status();
}

fn write_all(mut stdin: ChildStdin, questions: &Receiver<Vec<u8>>) {
    for question in questions {
        if stdin.write_all(&question).and_then(|()| stdin.flush()).is_err() {
            return;
        }
    }
}

fn read_all(stdout: ChildStdout, answers: &Sender<Answer>) {
    let mut stdout = BufReader::new(stdout);
    loop {
        let answer = match stdout.fill_buf() {
            Ok([]) | Err(_) => Answer::End,
            Ok(_) => npy::read_from(&mut stdout).map_or_else(Answer::Other, Answer::Array),
        };
        let is_last = !matches!(answer, Answer::Array(_));
        if answers.send(answer).is_err() || is_last {
            return;
        }
    }
}
