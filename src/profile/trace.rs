use serde_json::{Value, json};

use super::{KernelSpan, Span};
use crate::backend::KernelLaunch;

/// Shorter gaps between operations, in seconds, are not drawn.
const MIN_GAP: f64 = 1e-6;

/// Steps in the Chrome trace format, which Perfetto and `chrome://tracing` open. Time between steps is left out. With the name of a
/// `device` there are tracks for the host's calls, the device's operations and their kernels; where the host computes there is one
/// track. Gaps between operations of at least a microsecond are slices named `gap`.
pub fn trace(steps: &[Vec<Span>], device: Option<&str>) -> Value {
    let mut events = Events(vec![name("process_name", FIRST, "orthoscope")]);
    let work = match device {
        Some(device) => {
            events.0.extend([name("thread_name", FIRST, "host"), name("thread_name", SECOND, device)]);
            if steps.iter().flatten().any(|span| !span.kernels.is_empty()) {
                events.0.push(name("thread_name", THIRD, &format!("{device}, kernels")));
            }
            SECOND
        }
        None => {
            events.0.push(name("thread_name", FIRST, "operations"));
            FIRST
        }
    };
    let mut origin = 0.0;
    for (number, spans) in steps.iter().enumerate() {
        let end = spans.iter().map(|span| span.host[1].max(span.start + span.seconds)).fold(0.0, f64::max);
        events.slice(&format!("step {number}"), "step", FIRST, [origin, end], None);
        let mut done = 0.0;
        for span in spans {
            if span.start - done >= MIN_GAP {
                events.slice("gap", "gap", work, [origin + done, span.start - done], None);
            }
            done = f64::max(done, span.start + span.seconds);
            let (title, phase) = (title(span), span.phase.words());
            if device.is_some() {
                events.slice(&title, phase, FIRST, [origin + span.host[0], span.host[1] - span.host[0]], None);
            }
            events.slice(&title, phase, work, [origin + span.start, span.seconds], Some(details(span)));
            for kernel in &span.kernels {
                let place = [origin + kernel.start, kernel.seconds];
                events.slice(kernel.launch.kernel, phase, THIRD, place, Some(kernel_details(kernel, &title)));
            }
        }
        origin += end;
    }
    json!({ "displayTimeUnit": "ms", "traceEvents": events.0 })
}

/// Tracks.
const FIRST: u32 = 1;
const SECOND: u32 = 2;
const THIRD: u32 = 3;

fn title(span: &Span) -> String {
    if span.layer.is_empty() { span.op.to_owned() } else { format!("{} {}", span.op, span.layer) }
}

/// Details of the selected slice.
fn details(span: &Span) -> Value {
    let mut details = json!({ "flops": span.work.flops, "bytes": span.work.bytes });
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

fn name(kind: &str, track: u32, name: &str) -> Value {
    json!({ "name": kind, "ph": "M", "pid": 1, "tid": track, "args": { "name": name } })
}

struct Events(Vec<Value>);

impl Events {
    /// A slice from `start` for `length`, both in seconds; the format uses microseconds.
    fn slice(&mut self, name: &str, category: &str, track: u32, [start, length]: [f64; 2], details: Option<Value>) {
        let mut event = json!({
            "name": name, "cat": category, "ph": "X", "ts": 1e6 * start, "dur": 1e6 * length, "pid": 1, "tid": track,
        });
        if let Some(details) = details {
            event["args"] = details;
        }
        self.0.push(event);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Work, span::sample};
    use super::*;

    fn span(start: f64, kernels: Vec<KernelSpan>) -> Span {
        Span { kernels, start, host: [0.25, 0.5], ..sample("conv2d", "e1.0", 0.25, Work::new(3, 4)) }
    }

    /// Starts and lengths of slices in microseconds.
    fn slices(trace: &Value, track: u32, category: &str) -> Vec<(f64, f64)> {
        let events = trace["traceEvents"].as_array().unwrap();
        let own = events.iter().filter(|event| event["ph"] == "X" && event["tid"] == track && event["cat"] == category);
        own.map(|event| (event["ts"].as_f64().unwrap(), event["dur"].as_f64().unwrap())).collect()
    }

    #[test]
    fn steps_follow_each_other_on_every_track() {
        let work = Work { matrix: 5, ..Work::new(5, 6) };
        let launch = KernelLaunch { kernel: "tiled", grid: [3, 2, 1], block: [256, 1, 1], dynamic_shared: 0, work };
        let span = span(0.5, vec![KernelSpan { launch, start: 0.5625, seconds: 0.125 }]);
        let trace = trace(&[vec![span.clone()], vec![span]], Some("a device"));
        assert_eq!(slices(&trace, FIRST, "forward"), [(250_000.0, 250_000.0), (1_000_000.0, 250_000.0)]);
        assert_eq!(slices(&trace, SECOND, "forward"), [(500_000.0, 250_000.0), (1_250_000.0, 250_000.0)]);
        assert_eq!(slices(&trace, SECOND, "gap"), [(0.0, 500_000.0), (750_000.0, 500_000.0)]);
        assert_eq!(slices(&trace, THIRD, "forward"), [(562_500.0, 125_000.0), (1_312_500.0, 125_000.0)]);
        let events = trace["traceEvents"].as_array().unwrap();
        let tiled = events.iter().find(|event| event["name"] == "tiled").unwrap();
        assert_eq!((&tiled["args"]["grid"], &tiled["args"]["unit"]), (&json!([3, 2, 1]), &json!("matrix")));
        assert_eq!((&tiled["args"]["operation"], &tiled["args"]["flops"]), (&json!("conv2d e1.0"), &json!(5)));
        assert!(events.iter().any(|event| event["name"] == "conv2d e1.0"
            && event["args"]["flops"] == 3
            && event["args"]["kernels"][0] == "tiled"));
        assert!(events.iter().all(|event| event.get("args").is_none_or(Value::is_object)));
    }

    #[test]
    fn where_the_host_computes_there_is_one_track() {
        let trace = trace(&[vec![span(0.0, Vec::new()), span(0.25, Vec::new()), span(0.75, Vec::new())]], None);
        assert_eq!(slices(&trace, FIRST, "forward").len(), 3);
        assert_eq!(slices(&trace, FIRST, "gap"), [(500_000.0, 250_000.0)]);
        assert_eq!(slices(&trace, FIRST, "step"), [(0.0, 1_000_000.0)]);
        let events = trace["traceEvents"].as_array().unwrap();
        assert!(events.iter().all(|event| event["tid"] == FIRST));
        assert!(events.iter().any(|event| event["args"]["name"] == "operations"));
    }
}
