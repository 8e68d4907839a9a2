//! Arrays of the size of a picture. What the system has no memory for is an error, which the allocator would make the end of the
//! process.

use ndarray::{Array, ArrayView, Axis, Dimension, IntoDimension, RemoveAxis};

use crate::error::{Error, Result};
use crate::spare::{self, Promise};

/// An empty vector with space for `count` values.
///
/// # Errors
/// Too little memory.
pub(crate) fn reserved<T>(count: usize) -> Result<Vec<T>> {
    spare::reserved(count).map_err(|_| short(size_of::<T>().saturating_mul(count)))
}

/// Memory for code that takes it without asking, as long as the promise lives.
///
/// # Errors
/// Too little memory.
pub(crate) fn promised(bytes: usize) -> Result<Promise> {
    spare::promised(bytes).map_err(|_| short(bytes))
}

fn short(bytes: usize) -> Error {
    let reason = format!("{bytes} bytes for a picture; fewer threads or a smaller picture need less");
    Error::OutOfMemory { device: "cpu", reason }
}

/// An array of zeros.
///
/// # Errors
/// Too little memory.
pub(crate) fn zeros<T: Copy + Default, S: IntoDimension>(shape: S) -> Result<Array<T, S::Dim>> {
    let shape = shape.into_dimension();
    let count = shape.slice().iter().try_fold(1_usize, |count, &side| count.checked_mul(side)).unwrap_or(usize::MAX);
    collected(shape, count, std::iter::repeat_n(T::default(), count))
}

/// A copy, in rows.
///
/// # Errors
/// Too little memory.
pub(crate) fn copied<T: Copy, D: Dimension>(view: &ArrayView<'_, T, D>) -> Result<Array<T, D>> {
    mapped(view, |value| value)
}

/// A function of each value, in rows.
///
/// # Errors
/// Too little memory.
pub(crate) fn mapped<T: Copy, U, D: Dimension>(view: &ArrayView<'_, T, D>, of: impl Fn(T) -> U) -> Result<Array<U, D>> {
    let all = each(view, of)?;
    Array::from_shape_vec(view.raw_dim(), all).map_err(|error| Error::shape("array", error))
}

/// The same as a list. Values that lie one after the other, as in most arrays, are not looked for one by one.
///
/// # Errors
/// Too little memory.
pub(crate) fn each<T: Copy, U, D: Dimension>(view: &ArrayView<'_, T, D>, of: impl Fn(T) -> U) -> Result<Vec<U>> {
    let mut all = reserved(view.len())?;
    match view.as_slice() {
        Some(values) => all.extend(values.iter().map(|&value| of(value))),
        None => all.extend(view.iter().map(|&value| of(value))),
    }
    Ok(all)
}

/// The rows of one array with those of another of the same width behind them.
///
/// # Errors
/// Rows of different lengths; too little memory.
pub(crate) fn joined<T: Copy, D: RemoveAxis>(first: &Array<T, D>, second: &ArrayView<'_, T, D>) -> Result<Array<T, D>> {
    if first.shape().get(1..) != second.shape().get(1..) {
        return Err(Error::shape("tiles", format!("rows {:?} do not continue {:?}", second.shape(), first.shape())));
    }
    let mut shape = first.raw_dim();
    shape[0] += second.len_of(Axis(0));
    collected(shape, first.len() + second.len(), first.iter().chain(second).copied())
}

/// An array of the first `count` values, in rows.
///
/// # Errors
/// Another number of values than the shape has; too little memory.
pub(crate) fn collected<T, D: Dimension>(shape: D, count: usize, values: impl Iterator<Item = T>) -> Result<Array<T, D>> {
    let mut all = reserved(count)?;
    all.extend(values.take(count));
    Array::from_shape_vec(shape, all).map_err(|error| Error::shape("array", error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{array, s};

    #[test]
    fn arrays_that_no_memory_can_hold_are_errors() {
        for shape in [(1 << 31, 1 << 30), (usize::MAX, 2)] {
            let text = zeros::<f32, _>(shape).unwrap_err().to_string();
            assert!(text.starts_with("cpu: out of memory: ") && text.ends_with("a smaller picture need less"), "{text}");
        }
        assert!(reserved::<u8>(usize::MAX).unwrap_err().is_out_of_memory());
    }

    #[test]
    fn copies_and_joins_keep_the_order_of_rows() {
        let whole = array![[1, 2, 3], [4, 5, 6]];
        assert_eq!(copied(&whole.slice(s![.., 1..])).unwrap(), array![[2, 3], [5, 6]]);
        assert_eq!(mapped(&whole.view(), |value| -value).unwrap(), -&whole);
        assert_eq!(each(&whole.t(), |value| 2 * value).unwrap(), [2, 8, 4, 10, 6, 12]);
        assert_eq!(joined(&whole, &whole.slice(s![1.., ..])).unwrap(), array![[1, 2, 3], [4, 5, 6], [4, 5, 6]]);
        assert_eq!(joined(&zeros::<i32, _>((0, 3)).unwrap(), &whole.view()).unwrap(), whole);
        assert!(joined(&whole, &whole.slice(s![.., 1..])).is_err());
        assert!(collected(whole.raw_dim(), 6, [1, 2].into_iter()).is_err());
    }
}
