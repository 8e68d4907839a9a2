//! Processes that are killed at random moments, and disks that are full at random places. Whatever the moment and the place: no
//! file is half written, old and new results are never mixed, nothing is left behind after the next command, and the work goes on
//! to the same bytes.
//!
//! `ORTHOSCOPE_CAMPAIGN_ROUNDS=n` makes n rounds of each, and starts at other places each time. What happened is printed on
//! standard error.
#![cfg(target_os = "linux")]

mod fixture;

mod campaigns {
    mod full_disk;
    mod kill;
    mod rounds;
    mod small_disk;
    mod state;
}
