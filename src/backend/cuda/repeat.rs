//! Repeated work: the first call runs it and records its buffers, the second captures it into a graph with all its buffers in one
//! planned slab, and later calls launch the graph.

use std::sync::{Arc, Weak};

use super::device::Cuda;
use super::driver::{Driver, Graph};
use super::memory::Block;
use super::plan::{Plan, PlanSize};
use super::session::{Capture, Recording, Session};
use crate::error::{Error, Result};

/// The state of a repeated program. Dropping it frees its memory.
#[derive(Default)]
pub struct Program(Stage);

#[derive(Default)]
enum Stage {
    /// Never run, or failed.
    #[default]
    New,
    /// Run once.
    Planned(Arc<Plan>),
    /// Captured.
    Ready(Replay),
}

/// A captured graph with the memory that it uses.
struct Replay {
    // Dropped before the slab.
    graph: Box<dyn Graph>,
    _slab: Option<Arc<Block>>,
    plan: Arc<Plan>,
    /// Blocks used by the graph that were allocated outside of the work.
    external: Vec<Weak<Block>>,
    /// The device that the graph belongs to.
    driver: Weak<dyn Driver>,
}

impl Program {
    /// Memory requirements of the work's buffers; None before its first run.
    pub fn plan_size(&self) -> Option<PlanSize> {
        match &self.0 {
            Stage::New => None,
            Stage::Planned(plan) => Some(plan.size),
            Stage::Ready(replay) => Some(replay.plan.size),
        }
    }

    /// Whether the work has been captured, so that calls launch a graph.
    pub fn is_captured(&self) -> bool {
        matches!(self.0, Stage::Ready(_))
    }
}

impl Cuda {
    /// See [`crate::backend::Storage::repeat`]. After an error the program starts again from the first run.
    pub(crate) fn advance(&self, program: &mut Program, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let stage = std::mem::take(&mut program.0);
        let stage = self.memory.exclusively(|| match stage {
            Stage::New => self.record(work).map(|plan| Stage::Planned(Arc::new(plan))),
            Stage::Planned(plan) => self.capture(plan, work).and_then(|replay| self.replay(replay)),
            Stage::Ready(replay) => self.replay(replay),
        })?;
        program.0 = stage;
        Ok(())
    }

    fn error(&self, reason: impl Into<String>) -> Error {
        self.memory.error(reason.into())
    }

    /// Runs the work and plans its buffers.
    fn record(&self, work: impl FnOnce() -> Result<()>) -> Result<Plan> {
        match self.memory.run_in_session(Session::Recording(Recording::new()), work)? {
            Session::Recording(recording) => recording.plan().map_err(|reason| self.error(reason)),
            Session::Capture(_) => Err(self.error("a recording turned into a capture")),
        }
    }

    /// Captures the work without executing it.
    fn capture(&self, plan: Arc<Plan>, work: impl FnOnce() -> Result<()>) -> Result<Replay> {
        // Otherwise the blocks freed after the first run would stay allocated in addition to the slab.
        self.memory.trim();
        let slab = match plan.size.slab {
            0 => None,
            bytes => Some(Arc::new(self.memory.take(bytes)?)),
        };
        let mut graph = None;
        let session = Session::Capture(Capture::new(Arc::clone(&plan), slab.clone()));
        let session = self.memory.run_in_session(session, || {
            let open = OpenCapture::begin(&*self.driver)?;
            let done = work();
            // The capture must end in any case. An error of the work takes precedence over one of the capture.
            let captured = open.end();
            done?;
            graph = Some(captured?);
            Ok(())
        })?;
        let external = match session {
            Session::Capture(capture) => capture.finish().map_err(|reason| self.error(reason))?,
            Session::Recording(_) => return Err(self.error("a capture turned into a recording")),
        };
        let graph = graph.ok_or_else(|| self.error("a capture produced no graph"))?;
        let PlanSize { buffers, slab: bytes, sum, .. } = plan.size;
        log::debug!("{}: {buffers} buffers of {sum} bytes planned into {bytes}", self.driver.name());
        Ok(Replay { graph, _slab: slab, plan, external, driver: Arc::downgrade(&self.driver) })
    }

    fn replay(&self, replay: Replay) -> Result<Stage> {
        if !std::ptr::addr_eq(replay.driver.as_ptr(), Arc::as_ptr(&self.driver)) {
            return Err(self.error("repeated work was recorded on another device"));
        }
        if replay.external.iter().any(|block| block.strong_count() == 0) {
            return Err(self.error("a buffer that repeated work uses has been dropped since it was recorded"));
        }
        replay.graph.launch()?;
        Ok(Stage::Ready(replay))
    }
}

/// A capture that ends even if the work panics.
struct OpenCapture<'a>(&'a dyn Driver);

impl<'a> OpenCapture<'a> {
    fn begin(driver: &'a dyn Driver) -> Result<Self> {
        driver.begin_capture()?;
        Ok(Self(driver))
    }

    fn end(self) -> Result<Box<dyn Graph>> {
        let driver = self.0;
        std::mem::forget(self);
        driver.end_capture()
    }
}

impl Drop for OpenCapture<'_> {
    fn drop(&mut self) {
        drop(self.0.end_capture());
    }
}
