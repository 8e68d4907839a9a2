//! Steps in the Chrome trace format, which Perfetto and `chrome://tracing` open.

use serde_json::{Value, json};

use super::{KernelSpan, Phase, Profile, Span};
use crate::backend::KernelLaunch;

/// Shorter gaps between operations, in nanoseconds, are not drawn.
const MIN_GAP: u64 = 1000;

/// The trace of observed `steps`. Time between steps is left out. `device` is the name of a device other than the host.
///
/// Tracks: the phases of each step; its operations within their layers; with a device, the calls of the host and the kernels of
/// the device; and as counters the rates of the operations and the memory that is alive. Gaps between operations of at least a
/// microsecond are slices named `gap`.
pub fn trace(profile: &Profile, steps: &[Vec<Span>], device: Option<&str>) -> Value {
    let host = format!("cpu, {} threads", profile.threads);
    json!({
        "displayTimeUnit": "ms",
        "otherData": {
            "program": format!("orthoscope {}", profile.version),
            "device": profile.device,
            "machine": profile.peaks.machine,
            "threads": profile.threads,
            "settings": profile.settings,
        },
        "traceEvents": events(steps, device.unwrap_or(&host), device.is_some()),
    })
}

/// Names of the tracks, then all other events by their time.
fn events(steps: &[Vec<Span>], device: &str, has_device: bool) -> Vec<Value> {
    let has_kernels = steps.iter().flatten().any(|span| !span.kernels.is_empty());
    let tracks = [
        Some((PHASES, "steps and phases".to_owned())),
        Some((OPERATIONS, format!("layers and operations ({device})"))),
        has_device.then(|| (HOST, "calls of operations (host)".to_owned())),
        has_kernels.then(|| (KERNELS, format!("kernels ({device})"))),
    ];
    let names = tracks.into_iter().flatten().flat_map(|(track, name)| {
        [
            metadata("thread_name", track, json!({ "name": name })),
            metadata("thread_sort_index", track, json!({ "sort_index": track })),
        ]
    });
    let mut found = Events::default();
    let mut origin = 0;
    for (number, spans) in steps.iter().enumerate() {
        let placed = placed(spans, origin);
        let end = placed.iter().map(|call| call.at[1].max(call.host[1])).fold(origin, u64::max);
        found.phases(number, &placed, [origin, end]);
        found.operations(&placed, origin);
        if has_device {
            placed.iter().for_each(|call| found.slice(&title(call.span), call.span.phase.words(), HOST, call.host, None));
        }
        found.kernels(spans, origin);
        found.counters(&placed);
        origin = end;
    }
    // Stable, so that slices still follow those that they are in.
    found.0.sort_by_key(|(time, _)| *time);
    let process = metadata("process_name", PHASES, json!({ "name": "orthoscope" }));
    std::iter::once(process).chain(names).chain(found.0.into_iter().map(|(_, event)| event)).collect()
}

/// Tracks, in their order on the screen.
const PHASES: u32 = 1;
const OPERATIONS: u32 = 2;
const HOST: u32 = 3;
const KERNELS: u32 = 4;

fn metadata(kind: &str, track: u32, details: Value) -> Value {
    json!({ "name": kind, "ph": "M", "pid": 1, "tid": track, "args": details })
}

/// A call on the time line of all steps: from and to, on the device and on the host. Whole nanoseconds, so that slices nest
/// exactly.
struct Placed<'a> {
    span: &'a Span,
    at: [u64; 2],
    host: [u64; 2],
}

/// The calls of a step that starts at `origin`. The clock of a device is coarse, so a call may seem to start before the end of
/// the last one.
fn placed<'a>(spans: &'a [Span], origin: u64) -> Vec<Placed<'a>> {
    let mut lines = [origin; 2];
    let place = |span: &'a Span| {
        let at = after(&mut lines[0], origin, [span.start, span.start + span.seconds]);
        Placed { span, at, host: after(&mut lines[1], origin, span.host) }
    };
    spans.iter().map(place).collect()
}

/// From and to, not before the end of what came last, which moves on.
fn after(last: &mut u64, origin: u64, seconds: [f64; 2]) -> [u64; 2] {
    let [from, to] = seconds.map(|seconds| origin + (1e9 * seconds).round() as u64);
    let from = from.max(*last);
    *last = to.max(from);
    [from, *last]
}

/// The time of several calls in a row.
fn extent(calls: &[Placed<'_>]) -> [u64; 2] {
    let end = |at: Option<&Placed<'_>>, side: usize| at.map_or(0, |call| call.at[side]);
    [end(calls.first(), 0), end(calls.last(), 1)]
}

/// The part of a step that a phase belongs to, above the two kinds of gradients.
fn pass(phase: Phase) -> &'static str {
    match phase {
        Phase::InputGradient | Phase::WeightGradient => "backward",
        Phase::Data | Phase::Forward | Phase::Optimiser => phase.words(),
    }
}

fn title(span: &Span) -> String {
    if span.layer.is_empty() { span.op.to_owned() } else { format!("{} {}", span.op, span.layer) }
}

/// Events and their time in nanoseconds. Slices of a track come in the order of their start, each after those that it is in.
#[derive(Default)]
struct Events(Vec<(u64, Value)>);

impl Events {
    /// A slice; the format uses microseconds.
    fn slice(&mut self, name: &str, category: &str, track: u32, [from, to]: [u64; 2], details: Option<Value>) {
        let mut event = json!({
            "name": name, "cat": category, "ph": "X", "ts": microseconds(from), "dur": microseconds(to - from), "pid": 1, "tid": track,
        });
        if let Some(details) = details {
            event["args"] = details;
        }
        self.0.push((from, event));
    }

    /// Step, passes within it, and the two kinds of gradients within the backward pass.
    fn phases(&mut self, number: usize, calls: &[Placed<'_>], at: [u64; 2]) {
        self.slice(&format!("step {number}"), "step", PHASES, at, None);
        for calls in calls.chunk_by(|a, b| pass(a.span.phase) == pass(b.span.phase)) {
            let name = pass(calls[0].span.phase);
            self.slice(name, "pass", PHASES, extent(calls), None);
            for calls in calls.chunk_by(|a, b| a.span.phase == b.span.phase) {
                let phase = calls[0].span.phase.words();
                if phase != name {
                    self.slice(phase, "phase", PHASES, extent(calls), None);
                }
            }
        }
    }

    /// Layers, operations within them, and the gaps between operations.
    fn operations(&mut self, calls: &[Placed<'_>], origin: u64) {
        let mut done = origin;
        for calls in calls.chunk_by(|a, b| (pass(a.span.phase), &a.span.layer) == (pass(b.span.phase), &b.span.layer)) {
            self.gap(done, calls[0].at[0]);
            done = calls[0].at[0];
            let Span { layer, phase, .. } = calls[0].span;
            if !layer.is_empty() {
                self.slice(layer, "layer", OPERATIONS, extent(calls), Some(json!({ "pass": pass(*phase) })));
            }
            for Placed { span, at, .. } in calls {
                self.gap(done, at[0]);
                self.slice(span.op, span.phase.words(), OPERATIONS, *at, Some(details(span)));
                done = at[1];
            }
        }
    }

    fn gap(&mut self, from: u64, to: u64) {
        if to.saturating_sub(from) >= MIN_GAP {
            self.slice("gap", "gap", OPERATIONS, [from, to], None);
        }
    }

    fn kernels(&mut self, spans: &[Span], origin: u64) {
        let mut done = origin;
        for span in spans {
            for kernel in &span.kernels {
                let at = after(&mut done, origin, [kernel.start, kernel.start + kernel.seconds]);
                self.slice(kernel.launch.kernel, span.phase.words(), KERNELS, at, Some(kernel_details(kernel, &title(span))));
            }
        }
    }

    /// Rates during each operation, 0 in gaps and after the last one; and the memory alive at its end.
    fn counters(&mut self, calls: &[Placed<'_>]) {
        let counts_less = calls.iter().any(|call| call.span.work.saved > 0);
        for (at, Placed { span, at: [from, to], .. }) in calls.iter().enumerate() {
            let next = calls.get(at + 1).map_or(u64::MAX, |next| next.at[0]);
            // FLOPs or bytes per nanosecond are 10⁹ per second.
            let rate = |amount: u64| if to > from { amount as f64 / (to - from) as f64 } else { 0.0 };
            let rates = [
                ("executed", "GFLOP/s", Some(rate(span.work.executed()))),
                ("by formula", "GFLOP/s", counts_less.then(|| rate(span.work.flops))),
                ("traffic", "GB/s", Some(rate(span.work.bytes))),
            ];
            for (name, unit, value) in rates.into_iter().filter_map(|(name, unit, value)| Some((name, unit, value?))) {
                self.counter(name, unit, *from, value);
                if next - to >= MIN_GAP {
                    self.counter(name, unit, *to, 0.0);
                }
            }
            if let Some(bytes) = span.live_bytes {
                self.counter("live memory", "MB", *to, bytes as f64 / 1e6);
            }
        }
    }

    fn counter(&mut self, name: &str, unit: &str, time: u64, value: f64) {
        self.0.push((time, json!({ "name": name, "ph": "C", "ts": microseconds(time), "pid": 1, "args": { unit: value } })));
    }
}

fn microseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e3
}

/// Details of the selected slice.
fn details(span: &Span) -> Value {
    let mut details = json!({ "flops": span.work.flops, "executed_flops": span.work.executed(), "bytes": span.work.bytes });
    if !span.layer.is_empty() {
        details["layer"] = span.layer.as_str().into();
    }
    if !span.kernels.is_empty() {
        details["kernels"] = span.kernels.iter().map(|kernel| kernel.launch.kernel).collect();
    }
    details
}

fn kernel_details(kernel: &KernelSpan, operation: &str) -> Value {
    let KernelLaunch { grid, block, dynamic_shared, work, .. } = &kernel.launch;
    json!({
        "operation": operation,
        "flops": work.flops,
        "bytes": work.bytes,
        "unit": work.unit(),
        "grid": grid,
        "block": block,
        "dynamic_shared": dynamic_shared,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Work, span::sample};
    use super::*;

    fn span(start: f64, kernels: Vec<KernelSpan>) -> Span {
        Span { kernels, start, host: [0.25, 0.5], ..sample("conv2d", "e1.0", 0.25, Work::new(3, 4)) }
    }

    /// Name, start and length in microseconds of the slices of a track, in their order.
    fn slices(events: &[Value], track: u32) -> Vec<(&str, f64, f64)> {
        let own = events.iter().filter(|event| event["ph"] == "X" && event["tid"] == track);
        own.map(|event| (event["name"].as_str().unwrap(), event["ts"].as_f64().unwrap(), event["dur"].as_f64().unwrap()))
            .collect()
    }

    /// Times and values of a counter.
    fn counts(events: &[Value], name: &str, unit: &str) -> Vec<(f64, f64)> {
        let own = events.iter().filter(|event| event["ph"] == "C" && event["name"] == name);
        own.map(|event| (event["ts"].as_f64().unwrap(), event["args"][unit].as_f64().unwrap())).collect()
    }

    #[test]
    fn steps_follow_each_other_on_every_track() {
        let work = Work { matrix: 5, ..Work::new(5, 6) };
        let launch = KernelLaunch { kernel: "tiled", grid: [3, 2, 1], block: [256, 1, 1], dynamic_shared: 0, work };
        let span = span(0.5, vec![KernelSpan { launch, start: 0.5625, seconds: 0.125 }]);
        let events = events(&[vec![span.clone()], vec![span]], "a device", true);
        let (e, g) = ([("e1.0", 5e5, 2.5e5), ("conv2d", 5e5, 2.5e5)], [("gap", 0.0, 5e5), ("gap", 7.5e5, 5e5)]);
        let later = |(name, start, length): (&'static str, f64, f64)| (name, start + 7.5e5, length);
        assert_eq!(slices(&events, OPERATIONS), [g[0], e[0], e[1], g[1], later(e[0]), later(e[1])]);
        assert_eq!(slices(&events, HOST), [("conv2d e1.0", 2.5e5, 2.5e5), ("conv2d e1.0", 1e6, 2.5e5)]);
        assert_eq!(slices(&events, KERNELS), [("tiled", 562_500.0, 125_000.0), ("tiled", 1_312_500.0, 125_000.0)]);
        let steps = [("step 0", 0.0, 7.5e5), ("forward", 5e5, 2.5e5)];
        assert_eq!(slices(&events, PHASES), [steps[0], steps[1], ("step 1", 7.5e5, 7.5e5), later(steps[1])]);
        let tiled = events.iter().find(|event| event["name"] == "tiled").unwrap();
        assert_eq!((&tiled["args"]["grid"], &tiled["args"]["unit"]), (&json!([3, 2, 1]), &json!("matrix")));
        assert_eq!((&tiled["args"]["operation"], &tiled["args"]["flops"]), (&json!("conv2d e1.0"), &json!(5)));
        assert!(events.iter().any(|event| event["args"]["flops"] == 3 && event["args"]["kernels"][0] == "tiled"));
        let names =
            events.iter().filter(|event| event["name"] == "thread_name").map(|event| event["args"]["name"].as_str().unwrap());
        let expected =
            ["steps and phases", "layers and operations (a device)", "calls of operations (host)", "kernels (a device)"];
        assert_eq!(names.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_backward_pass_holds_both_kinds_of_gradients_and_layers_hold_operations() {
        let call = |phase, layer: &str, start: f64| Span { phase, start, ..sample("conv2d", layer, 1.0, Work::default()) };
        use Phase::{Forward, InputGradient, Optimiser, WeightGradient};
        let step = vec![
            call(Forward, "a", 0.0),
            call(Forward, "b", 1.0),
            call(WeightGradient, "b", 2.0),
            call(InputGradient, "b", 3.0),
            call(WeightGradient, "a", 4.0),
            call(Optimiser, "", 5.0),
        ];
        let events = events(&[step], "cpu", false);
        let named = |track: u32| {
            let of = slices(&events, track).into_iter().map(|(name, start, length)| (name, start / 1e6, length / 1e6));
            of.collect::<Vec<_>>()
        };
        let passes = [
            ("step 0", 0.0, 6.0),
            ("forward", 0.0, 2.0),
            ("backward", 2.0, 3.0),
            ("weight grad", 2.0, 1.0),
            ("input grad", 3.0, 1.0),
            ("weight grad", 4.0, 1.0),
            ("optimiser", 5.0, 1.0),
        ];
        assert_eq!(named(PHASES), passes);
        let layers: Vec<_> = named(OPERATIONS).into_iter().filter(|(name, ..)| *name != "conv2d").collect();
        assert_eq!(layers, [("a", 0.0, 1.0), ("b", 1.0, 1.0), ("b", 2.0, 2.0), ("a", 4.0, 1.0)]);
        assert_eq!(named(OPERATIONS).len(), 4 + 6);
    }

    #[test]
    fn counters_hold_for_the_time_of_an_operation() {
        let work = Work { saved: 1_000_000_000, ..Work::new(3_000_000_000, 500_000_000) };
        let call = |start| Span { start, live_bytes: Some(7_000_000), ..sample("conv2d", "", 0.5, work) };
        let events = events(&[vec![call(0.0), call(0.5), call(2.0)]], "cpu", false);
        let during = |value: f64| [(0.0, value), (5e5, value), (1e6, 0.0), (2e6, value), (2.5e6, 0.0)];
        assert_eq!(counts(&events, "executed", "GFLOP/s"), during(4.0));
        assert_eq!(counts(&events, "by formula", "GFLOP/s"), during(6.0));
        assert_eq!(counts(&events, "traffic", "GB/s"), during(1.0));
        assert_eq!(counts(&events, "live memory", "MB"), [(5e5, 7.0), (1e6, 7.0), (2.5e6, 7.0)]);
        let plain = super::events(&[vec![span(0.0, Vec::new())]], "cpu", false);
        assert!(counts(&plain, "by formula", "GFLOP/s").is_empty() && counts(&plain, "live memory", "MB").is_empty());
    }

    #[test]
    fn calls_that_seem_to_overlap_follow_each_other() {
        let step = [span(0.0, Vec::new()), span(0.2, Vec::new()), span(0.125, Vec::new())];
        let ends: Vec<[u64; 2]> = placed(&step, 1000).iter().map(|call| call.at.map(|end| (end - 1000) / 1_000_000)).collect();
        assert_eq!(ends, [[0, 250], [250, 450], [450, 450]]);
    }
}
