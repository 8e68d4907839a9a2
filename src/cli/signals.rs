//! Signals: what ends a command in order, and which of them are left alone.

use anyhow::Context;

/// Calls `handler` on a thread of its own for Ctrl-C, and on Unix also when the system or a user ends the process (SIGTERM) or
/// its terminal is closed (SIGHUP). On Linux a signal that was ignored when the program was started stays ignored, as under
/// `nohup` and for `sh -c 'orthoscope … &'`.
///
/// # Errors
/// The system has no thread or no handler left.
#[cfg(unix)]
pub fn on_interrupt(mut handler: impl FnMut() + Send + 'static) -> anyhow::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    let failed = "cannot listen for Ctrl-C";
    let ignored = ignored();
    let listened: Vec<i32> = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|&signal| !is_in(ignored, signal)).collect();
    let mut signals = Signals::new(listened).context(failed)?;
    let listen = move || signals.forever().for_each(|_| handler());
    std::thread::Builder::new().name("signals".into()).spawn(listen).map(drop).context(failed)
}

/// The same, for Ctrl-C.
///
/// # Errors
/// The system has no handler left.
#[cfg(not(unix))]
pub fn on_interrupt(handler: impl FnMut() + Send + 'static) -> anyhow::Result<()> {
    ctrlc::set_handler(handler).context("cannot listen for Ctrl-C")
}

/// Makes a file that grows beyond `ulimit -f` an error of the write, instead of the end of the process.
#[cfg(unix)]
pub fn outlive_file_limit() {
    use signal_hook::consts::SIGXFSZ;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

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
    fn ignored_signals_are_read_from_the_status() {
        // SIGHUP (1) and SIGPIPE (13), as of a Rust program under nohup.
        let mask = mask("Name:\tx\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001001\nSigCgt:\t0\n").unwrap();
        let found: Vec<i32> = (1..=64).filter(|&signal| is_in(mask, signal)).collect();
        assert_eq!(found, [1, 13]);
        assert_eq!(super::mask("SigIgn:\tnothing\n"), None);
        assert_eq!(super::mask(""), None);
    }
}
