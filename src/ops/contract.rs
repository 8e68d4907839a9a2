//! The contract of a call: its name, its operands and its cost by formula. The length check, the profiler and the tests all read
//! it.

use crate::backend::Slope;
use crate::backend::{Phase, Work};
use crate::error::{Error, Result};

/// Number of elements of a buffer.
pub type Length<'a, T> = &'a dyn Fn(&T) -> usize;

/// How a call accesses an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It is read.
    Read,
    /// It is overwritten completely, `=`.
    Write,
    /// It is added to, `+=`, or changed in place, so it is read and written.
    Update,
}

/// One operand of a call.
#[derive(Clone, Copy, Debug)]
pub struct Operand<'a, T> {
    /// Its name in the equation.
    pub name: &'static str,
    /// The device memory.
    pub buffer: &'a T,
    /// Number of elements it must have.
    pub len: usize,
    /// How it is used.
    pub access: Access,
}

/// The contract of one call.
#[derive(Clone, Debug)]
pub struct Contract<'a, T> {
    /// Name of the operation, for errors and profiles.
    pub op: &'static str,
    /// Phase of the call; `None` for that of the current pass.
    pub phase: Option<Phase>,
    /// All operands, in the order of the equation.
    pub operands: Vec<Operand<'a, T>>,
    /// Floating-point operations; a multiply-add counts as 2.
    flops: u64,
    /// Elements read and written, if this is not the sum over all operands.
    moved: Option<u64>,
    /// Why the call is invalid for any operand lengths.
    refused: Option<String>,
}

impl<'a, T> Contract<'a, T> {
    /// The contract of `op` in the phase of the current pass.
    pub fn new(op: &'static str) -> Self {
        Self { op, phase: None, operands: Vec::new(), flops: 0, moved: None, refused: None }
    }

    /// Sets the phase.
    #[must_use]
    pub fn phase(self, phase: Phase) -> Self {
        Self { phase: Some(phase), ..self }
    }

    /// An operand that is read.
    #[must_use]
    pub fn read(self, name: &'static str, buffer: &'a T, len: usize) -> Self {
        self.operand(name, buffer, len, Access::Read)
    }

    /// An operand that may be absent.
    #[must_use]
    pub fn read_if(self, name: &'static str, buffer: Option<&'a T>, len: usize) -> Self {
        match buffer {
            Some(buffer) => self.read(name, buffer, len),
            None => self,
        }
    }

    /// An operand that is overwritten, `=`.
    #[must_use]
    pub fn write(self, name: &'static str, buffer: &'a T, len: usize) -> Self {
        self.operand(name, buffer, len, Access::Write)
    }

    /// An operand that is added to, `+=`, or changed in place.
    #[must_use]
    pub fn update(self, name: &'static str, buffer: &'a T, len: usize) -> Self {
        self.operand(name, buffer, len, Access::Update)
    }

    /// An optional operand that is added to, or changed in place.
    #[must_use]
    pub fn update_if(self, name: &'static str, buffer: Option<&'a T>, len: usize) -> Self {
        match buffer {
            Some(buffer) => self.update(name, buffer, len),
            None => self,
        }
    }

    /// The slope that multiplies a sum of `len` elements, if there is one.
    #[must_use]
    pub(super) fn through(self, slope: Option<Slope<'a, T>>, len: usize) -> Self {
        self.read_if("slope", slope.map(|slope| slope.y), len)
    }

    fn operand(mut self, name: &'static str, buffer: &'a T, len: usize, access: Access) -> Self {
        self.operands.push(Operand { name, buffer, len, access });
        self
    }

    /// Floating-point operations of the call.
    #[must_use]
    pub fn flops(self, flops: u64) -> Self {
        Self { flops, ..self }
    }

    /// Elements read plus elements written, for calls that do not access each operand exactly once.
    #[must_use]
    pub fn moves(self, elements: usize) -> Self {
        Self { moved: Some(elements as u64), ..self }
    }

    /// Refuses the call with `reason` unless `condition` holds.
    #[must_use]
    pub fn require(mut self, condition: bool, reason: impl FnOnce() -> String) -> Self {
        if !condition && self.refused.is_none() {
            self.refused = Some(reason());
        }
        self
    }

    /// Checks that each operand has the declared number of elements. Every call is checked here.
    ///
    /// # Errors
    /// An operand of another length; the error names the operation, the operand and both lengths.
    pub fn check(&self, len: Length<'_, T>) -> Result<()> {
        if let Some(reason) = &self.refused {
            return Err(Error::shape(self.op, reason.clone()));
        }
        match self.operands.iter().find(|operand| len(operand.buffer) != operand.len) {
            None => Ok(()),
            Some(Operand { name, buffer, len: wanted, .. }) => {
                Err(Error::shape(self.op, format!("{name} must have {wanted} elements, has {}", len(buffer))))
            }
        }
    }

    /// FLOPs and bytes. Inputs are read once, outputs are written once, and updated operands are read and written once, or only
    /// written if they are blank. This is the minimum memory traffic with ideal caches. `element_bytes` and `is_blank` are those
    /// of the device.
    pub fn work(&self, element_bytes: Length<'_, T>, is_blank: &dyn Fn(&T) -> bool) -> Work {
        let bytes = |operand: &Operand<'_, T>| element_bytes(operand.buffer) as u64;
        let passes = |operand: &Operand<'_, T>| match operand.access {
            Access::Update if !is_blank(operand.buffer) => 2,
            _ => 1,
        };
        let traffic = |operand: &Operand<'_, T>| operand.len as u64 * passes(operand) * bytes(operand);
        Work::new(
            self.flops,
            match self.moved {
                // All operands are stored alike.
                Some(elements) => elements * self.operands.first().map_or(0, bytes),
                None => self.operands.iter().map(traffic).sum(),
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_checked_and_costed_by_their_contract() {
        let (x, y, dx) = (vec![0.0f32; 6], vec![0.0f32; 3], vec![0.0f32; 6]);
        let call = Contract::new("test").read("x", &x, 6).write("y", &y, 3).update("dx", &dx, 6).flops(18);
        assert!(call.check(&Vec::len).is_ok());
        let wide = |_: &Vec<f32>| 8;
        assert_eq!(call.work(&|_| 4, &|_| false), Work::new(18, 4 * (6 + 3 + 12)));
        assert_eq!(call.work(&wide, &|_| true), Work::new(18, 8 * (6 + 3 + 6)));
        assert_eq!(call.clone().moves(5).work(&wide, &|_| false), Work::new(18, 40));
        let wrong = call.clone().read("w", &y, 4);
        assert_eq!(wrong.check(&Vec::len).unwrap_err().to_string(), "test: w must have 4 elements, has 3");
        let refused = call.require(false, || "order must be 1, 2 or 3, got 4".into());
        assert_eq!(refused.check(&Vec::len).unwrap_err().to_string(), "test: order must be 1, 2 or 3, got 4");
    }
}
