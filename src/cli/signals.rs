//! Signals: what ends a command in order, and which of them are left alone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::disk::abandon_files;
use anyhow::Context;
use console::Term;

use super::output::{INTERRUPTED, note};

type Handler = Box<dyn FnMut() + Send>;

/// What a signal does now.
static HANDLER: Mutex<Option<Handler>> = Mutex::new(None);

/// Calls `handler` on a thread of its own for Ctrl-C, and on Unix also when the system or a user ends the process (SIGTERM) or
/// its terminal is closed (SIGHUP). On Linux a signal that was ignored when the program was started stays ignored, as under
/// `nohup` and for `sh -c 'orthoscope … &'`. The handler takes the place of the one before.
///
/// # Errors
/// The system has no thread or no handler left.
pub fn on_interrupt(handler: impl FnMut() + Send + 'static) -> anyhow::Result<()> {
    replace(&HANDLER, Box::new(handler), listen)
}

/// Puts a handler into its place, and begins to listen with the first one. A handler that nobody calls does not stay.
fn replace(place: &Mutex<Option<Handler>>, handler: Handler, listen: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let before = place.lock().unwrap_or_else(PoisonError::into_inner).replace(handler);
    if before.is_some() {
        return Ok(());
    }
    listen().inspect_err(|_| *place.lock().unwrap_or_else(PoisonError::into_inner) = None)
}

/// Calls the handler.
fn handle() {
    HANDLER.lock().unwrap_or_else(PoisonError::into_inner).iter_mut().for_each(|handler| handler());
}

/// Waits for a handler that is at work. One that ends the process has taken away what the command then finds missing.
pub fn wait_for_handler() {
    drop(HANDLER.lock());
}

/// Ends the process because of a signal, without unfinished files, and with this line on standard error. While `clean` runs, no
/// file or folder is made, and no file gets its name.
pub fn leave(line: &str, clean: impl FnOnce()) -> ! {
    abandon_files();
    clean();
    clear_line();
    note(line);
    std::process::exit(INTERRUPTED.into())
}

/// Clears the line of the terminal, on which there may be a bar of progress and `^C`. A bar is not asked, because a thread may
/// hold it that waits for the reader of the output.
fn clear_line() {
    let terminal = Term::stderr();
    if terminal.is_term() {
        let _ = terminal.clear_line();
    }
}

/// Makes a signal end the command at once, but in order, unless the command does something else with it.
pub fn leave_on_interrupt() {
    if let Err(error) = on_interrupt(|| leave(NOTHING_MORE, || ())) {
        log::info!("{error:#}");
    }
}

/// What is said of it then.
pub const NOTHING_MORE: &str = "interrupted; nothing more is written";

/// Whether a command should stop, because of a first signal. A second one ends it at once.
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Listens from now on. At the first signal, this line on standard error says what is still done.
    ///
    /// # Errors
    /// As [`on_interrupt`].
    pub fn listen(line: &'static str) -> anyhow::Result<Self> {
        let own = Self(Arc::default());
        let flag = Arc::clone(&own.0);
        on_interrupt(move || {
            if flag.swap(true, Ordering::Relaxed) {
                leave(NOTHING_MORE, || ());
            }
            clear_line();
            note(line);
        })?;
        Ok(own)
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(unix)]
fn listen() -> anyhow::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    use std::sync::mpsc::channel;

    let failed = "cannot listen for Ctrl-C";
    let ignored = ignored();
    let listened: Vec<i32> = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|&signal| !is_in(ignored, signal)).collect();
    // The thread first: without it, signals that are caught would have no effect at all.
    let (tell, told) = channel();
    let listen = move || match Signals::new(listened) {
        Ok(mut signals) => {
            let _ = tell.send(Ok(()));
            signals.forever().for_each(|_| handle());
        }
        Err(error) => drop(tell.send(Err(error))),
    };
    std::thread::Builder::new().name("signals".into()).spawn(listen).context(failed)?;
    told.recv().context(failed)?.context(failed)
}

#[cfg(not(unix))]
fn listen() -> anyhow::Result<()> {
    ctrlc::set_handler(handle).context("cannot listen for Ctrl-C")
}

/// Makes a file that grows beyond `ulimit -f` an error of the write, instead of the end of the process.
#[cfg(unix)]
pub fn outlive_file_limit() {
    use signal_hook::consts::SIGXFSZ;

    // Nobody reads the flag: that there is a handler is enough, and a program that is started by this one does not inherit it.
    if !is_in(ignored(), SIGXFSZ)
        && let Err(error) = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))
    {
        log::info!("a file larger than `ulimit -f` will end the process: {error}");
    }
}

/// There is no such signal.
#[cfg(not(unix))]
pub fn outlive_file_limit() {}

/// The signals that the process ignores, one bit each from SIGHUP = 1 on. Read on Linux only: elsewhere it needs
/// `sigaction`, which no crate of ours offers without `unsafe`, and every signal counts as not ignored.
#[cfg(unix)]
fn ignored() -> u64 {
    std::fs::read_to_string("/proc/self/status").ok().and_then(|status| mask(&status)).unwrap_or(0)
}

#[cfg(unix)]
fn mask(status: &str) -> Option<u64> {
    let hexadecimal = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(hexadecimal.trim(), 16).ok()
}

#[cfg(unix)]
fn is_in(mask: u64, signal: i32) -> bool {
    mask >> (signal - 1) & 1 == 1
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_handler_that_nobody_calls_does_not_stay() {
        let (place, listened) = (Mutex::new(None), std::cell::Cell::new(0));
        let try_to = |error: Option<&'static str>| {
            let listen = || {
                listened.set(listened.get() + 1);
                error.map_or(Ok(()), |error| Err(anyhow::anyhow!(error)))
            };
            replace(&place, Box::new(|| ()), listen)
        };
        assert_eq!(try_to(Some("no thread")).unwrap_err().to_string(), "no thread");
        assert!(place.lock().unwrap().is_none());
        assert!(try_to(Some("no thread")).is_err() && listened.get() == 2);
        try_to(None).unwrap();
        try_to(None).unwrap();
        assert!(place.lock().unwrap().is_some() && listened.get() == 3);
    }

    #[test]
    fn ignored_signals_are_read_from_the_status() {
        // SIGHUP (1) and SIGPIPE (13), as of a Rust program under nohup.
        let mask = mask("Name:\tx\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001001\nSigCgt:\t0\n").unwrap();
        let found: Vec<i32> = (1..=64).filter(|&signal| is_in(mask, signal)).collect();
        assert_eq!(found, [1, 13]);
        assert_eq!(super::mask("SigIgn:\tnothing\n"), None);
        assert_eq!(super::mask(""), None);
    }
}
