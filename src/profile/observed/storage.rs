use super::{Observed, Subject};
use crate::backend::{Backend, Pass, Storage};
use crate::error::Result;
use crate::profile::{Phase, Work};

fn moved(op: &'static str, bytes: u64) -> Subject {
    Subject { op, phase: None, work: Work::traffic(bytes) }
}

fn between_host_and_device(op: &'static str, elements: usize, size: usize) -> Subject {
    Subject { op, phase: Some(Phase::Data), work: Work::traffic((elements * size) as u64) }
}

impl<B: Backend> Storage for Observed<B> {
    type Elem = B::Elem;
    type Buffer = B::Buffer;
    type Program = ();
    type Mark = B::Mark;

    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn description(&self) -> String {
        self.inner.description()
    }

    /// Not an operation: nothing is written.
    fn alloc(&self, len: usize) -> Result<B::Buffer> {
        self.inner.alloc(len)
    }

    fn zeros(&self, len: usize) -> Result<B::Buffer> {
        self.observe(moved("zeros", (len * size_of::<B::Elem>()) as u64), |inner| inner.zeros(len))
    }

    /// Named as written zeros are: what a device saves shows in the time.
    fn zeros_to_add_to(&self, len: usize) -> Result<B::Buffer> {
        self.observe(moved("zeros", (len * size_of::<B::Elem>()) as u64), |inner| inner.zeros_to_add_to(len))
    }

    fn upload(&self, host: &[B::Elem]) -> Result<B::Buffer> {
        self.observe(between_host_and_device("upload", host.len(), size_of::<B::Elem>()), |inner| inner.upload(host))
    }

    fn write(&self, host: &[B::Elem], target: &mut B::Buffer) -> Result<()> {
        self.observe(between_host_and_device("write", host.len(), size_of::<B::Elem>()), |inner| inner.write(host, target))
    }

    fn download(&self, buffer: &B::Buffer) -> Result<Vec<B::Elem>> {
        let subject = between_host_and_device("download", self.len(buffer), size_of::<B::Elem>());
        self.observe(subject, |inner| inner.download(buffer))
    }

    fn copy(&self, source: &B::Buffer, target: &mut B::Buffer) -> Result<()> {
        self.observe(moved("copy", 2 * self.bytes(&[source])), |inner| inner.copy(source, target))
    }

    fn len(&self, buffer: &B::Buffer) -> usize {
        self.inner.len(buffer)
    }

    fn repeat(&self, (): &mut (), work: impl FnOnce() -> Result<()>) -> Result<()> {
        work()
    }

    fn mark(&self) -> Result<B::Mark> {
        self.inner.mark()
    }

    fn seconds_between(&self, from: &B::Mark, to: &B::Mark) -> Result<f64> {
        self.inner.seconds_between(from, to)
    }

    fn enter(&self, layer: &str, pass: Pass) {
        let mut log = self.log();
        log.pass = pass;
        if *log.layer != *layer {
            log.layer = layer.into();
        }
    }
}
