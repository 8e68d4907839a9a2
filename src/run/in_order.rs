//! Work on many things at a time whose results are wanted in order.

use rayon::prelude::*;

/// How many things are worked on at a time.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// At most so many.
    pub most: usize,
    /// Until their cost reaches this; one that costs more is worked on alone, when nothing else is waiting.
    pub cost: u64,
}

/// Does `work` on every item and hands the results to `take` in the order of the items. While `take` has the results of some
/// items, the next ones are worked on, at most one [`Window`] at a time, so that memory does not grow with the number of items.
/// The order of the calls of `work` is not known.
///
/// # Errors
/// Those of `take`, after which nothing is worked on any more.
pub fn in_order<T: Sync, R: Send, E: Send>(
    items: &[T],
    window: Window,
    cost: impl Fn(&T) -> u64 + Sync,
    work: impl Fn(&T) -> R + Sync,
    take: impl FnMut(&T, R) -> std::result::Result<(), E> + Send,
) -> std::result::Result<(), E> {
    let (mut rest, mut take) = (items, take);
    let mut waiting: (&[T], Vec<R>) = (&[], Vec::new());
    let mut hand_over =
        |(items, results): (&[T], Vec<R>)| items.iter().zip(results).try_for_each(|(item, result)| take(item, result));
    while !rest.is_empty() {
        let (count, is_costly) = next(rest, window, &cost);
        let (now, later) = rest.split_at(count);
        if is_costly {
            hand_over(std::mem::take(&mut waiting))?;
        }
        let before = std::mem::take(&mut waiting);
        let (taken, results) = rayon::join(|| hand_over(before), || now.par_iter().map(&work).collect());
        taken?;
        waiting = (now, results);
        if is_costly {
            hand_over(std::mem::take(&mut waiting))?;
        }
        rest = later;
    }
    hand_over(waiting)
}

/// The number of items in the next window, and whether it is one that must be alone.
fn next<T>(items: &[T], window: Window, cost: impl Fn(&T) -> u64) -> (usize, bool) {
    let mut sum = 0_u64;
    for (place, item) in items.iter().enumerate().take(window.most.max(1)) {
        let own = cost(item);
        if own > window.cost {
            return if place == 0 { (1, true) } else { (place, false) };
        }
        sum = sum.saturating_add(own);
        if sum > window.cost {
            return (place, false);
        }
    }
    (items.len().min(window.most.max(1)), false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const WINDOW: Window = Window { most: 4, cost: 10 };

    #[test]
    fn results_come_in_order_and_few_wait() {
        let (items, started, done): (Vec<u64>, _, AtomicUsize) = ((0..50).collect(), AtomicUsize::new(0), AtomicUsize::new(0));
        let mut found = Vec::new();
        let work = |item: &u64| {
            let ahead = started.fetch_add(1, Ordering::SeqCst) + 1 - done.load(Ordering::SeqCst);
            assert!(ahead <= 2 * WINDOW.most, "{ahead} results wait");
            item * 3
        };
        let take = |item: &u64, result: u64| -> Result<(), ()> {
            done.fetch_add(1, Ordering::SeqCst);
            found.push((*item, result));
            Ok(())
        };
        in_order(&items, WINDOW, |_| 1, work, take).unwrap();
        assert!(found.iter().copied().eq((0..50).map(|item| (item, item * 3))));
    }

    #[test]
    fn windows_have_limits_and_what_is_costly_is_alone() {
        let windows = |costs: &[u64]| {
            let (mut rest, mut found) = (costs, Vec::new());
            while !rest.is_empty() {
                let (count, alone) = next(rest, WINDOW, |cost| *cost);
                found.push((count, alone));
                rest = &rest[count..];
            }
            found
        };
        assert_eq!(windows(&[1; 9]), [(4, false), (4, false), (1, false)]);
        assert_eq!(
            windows(&[6, 5, 4, 2, u64::MAX, 11, 10, 1]),
            [(1, false), (2, false), (1, false), (1, true), (1, true), (1, false), (1, false)]
        );
        let (alone, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = |_: &u64| {
            let now = alone.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            alone.fetch_sub(1, Ordering::SeqCst);
        };
        in_order(&[99; 20], WINDOW, |cost| *cost, work, |_, ()| Ok::<_, ()>(())).unwrap();
        assert_eq!(most.into_inner(), 1);
    }

    #[test]
    fn after_a_failure_nothing_is_begun() {
        let (started, items) = (AtomicUsize::new(0), [0; 100]);
        let work = |_: &i32| started.fetch_add(1, Ordering::SeqCst);
        let failed = in_order(&items, WINDOW, |_| 1, work, |_, number| if number < 2 { Ok(()) } else { Err(number) });
        assert!(failed.is_err() && started.into_inner() <= 2 * WINDOW.most);
        assert!(in_order(&[] as &[i32], WINDOW, |_| 1, |_| (), |_, ()| Err(())).is_ok());
    }
}
