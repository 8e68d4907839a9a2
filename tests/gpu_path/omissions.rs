//! Faults planted in the GPU code path: the false driver leaves a call out, as if the engine had forgotten it. The tests for GPUs
//! or the rules of the driver must notice each.

use super::suite;

/// A call that is left out, the settings besides, the tests that run, and what they or the false driver then say.
struct Omission {
    call: &'static str,
    settings: &'static str,
    tests: &'static str,
    found: &'static str,
}

const fn omission(call: &'static str, tests: &'static str, found: &'static str) -> Omission {
    Omission { call, settings: "", tests, found }
}

const REPEAT: &str = "cuda::repeat::gpu::";
const UPLOADS: &str = "cuda::uploads::gpu::";
const MARKS: &str = "cuda::watching::gpu::marks";
const CHANGED: &str = "host memory changed or freed while it was being copied: before an upload";
const LEFT: &str = "a context released while things in it were never freed: ";

const OMISSIONS: [Omission; 20] = [
    omission("cuInit", REPEAT, "a call before cuInit"),
    omission("cuCtxSetCurrent", REPEAT, "a call without a current context"),
    // The wait after a download, before memory is freed or staging memory is used again, and after a direct upload.
    omission("cuStreamSynchronize@cuMemcpyDtoHAsync_v2", REPEAT, "panicked"),
    omission("cuStreamSynchronize@cuCtxGetCurrent", REPEAT, "memory freed while submitted work uses it"),
    omission("cuStreamSynchronize@cuCtxGetCurrent", UPLOADS, CHANGED),
    Omission { call: "cuStreamSynchronize@cuMemcpyHtoDAsync_v2", settings: " pageable=1", tests: UPLOADS, found: CHANGED },
    omission("cuMemcpyHtoDAsync_v2", UPLOADS, "panicked"),
    omission("cuMemcpyDtoHAsync_v2", UPLOADS, "panicked"),
    omission("cuMemcpyDtoDAsync_v2", "ops::storage::cuda::", "panicked"),
    omission("cuMemsetD8Async", REPEAT, "arithmetic on memory that was never written"),
    omission("cuLaunchKernel", REPEAT, "panicked"),
    omission("cuGraphLaunch", REPEAT, "panicked"),
    omission("cuEventRecord", MARKS, "an event timed that was never recorded"),
    omission("cuEventSynchronize", MARKS, "an event timed before it has happened"),
    omission("cuEventDestroy_v2", MARKS, LEFT),
    omission("cuMemFree_v2", REPEAT, LEFT),
    omission("cuMemFreeHost", REPEAT, LEFT),
    omission("cuGraphDestroy", REPEAT, LEFT),
    omission("cuGraphExecDestroy", REPEAT, LEFT),
    omission("cuModuleUnload", REPEAT, LEFT),
];

#[test]
fn every_call_left_out_is_noticed() {
    let unnoticed: Vec<String> = OMISSIONS.iter().filter_map(unnoticed).collect();
    assert!(unnoticed.is_empty(), "{}", unnoticed.join("\n"));
}

/// What the tests said instead, if they did not notice that the call was left out.
fn unnoticed(Omission { call, settings, tests, found }: &Omission) -> Option<String> {
    assert!(!suite::names(&[tests]).is_empty(), "`{tests}` chooses no test");
    let output = suite::run(&format!("seed=5 omit={call}{settings}"), &[tests]);
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (!text.contains(found)).then(|| format!("without {call}{settings}, {tests} do not say `{found}`: {text}"))
}

/// Without an omission the same tests pass and the driver has nothing to say.
#[test]
fn nothing_left_out_is_no_fault() {
    let output = suite::run("seed=5", &[REPEAT, UPLOADS, MARKS]);
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
