use serde_json::{Value, json};

use super::{KernelSpan, Span};
use crate::backend::KernelLaunch;

/// Steps as events of the Chrome trace format, which Perfetto and `chrome://tracing` open: a track of the host's calls, one of the
/// device's operations and one of the kernels inside them, where the device has kernels. Steps follow each other without the time between them.
pub fn trace(steps: &[Vec<Span>], device: &str) -> Value {
    let mut events =
        vec![name("process_name", 0, "orthoscope"), name("thread_name", HOST, "host"), name("thread_name", DEVICE, device)];
    if steps.iter().flatten().any(|span| !span.kernels.is_empty()) {
        events.push(name("thread_name", KERNELS, &format!("{device}, kernels")));
    }
    let mut origin = 0.0;
    for (number, spans) in steps.iter().enumerate() {
        let end = spans.iter().map(|span| span.host[1].max(span.start + span.seconds)).fold(0.0, f64::max);
        events.push(event(&format!("step {number}"), "step", HOST, [origin, end], Value::Null));
        for span in spans {
            let title = if span.layer.is_empty() { span.op.to_owned() } else { format!("{} {}", span.op, span.layer) };
            let kernels: Vec<&str> = span.kernels.iter().map(|kernel| kernel.launch.kernel).collect();
            let work = json!({ "flops": span.work.flops, "bytes": span.work.bytes, "kernels": kernels });
            let phase = span.phase.words();
            events.push(event(&title, phase, HOST, [origin + span.host[0], span.host[1] - span.host[0]], Value::Null));
            events.push(event(&title, phase, DEVICE, [origin + span.start, span.seconds], work));
            events.extend(span.kernels.iter().map(|kernel| kernel_event(kernel, &title, phase, origin)));
        }
        origin += end;
    }
    json!({ "displayTimeUnit": "ms", "traceEvents": events })
}

/// Tracks.
const HOST: u32 = 1;
const DEVICE: u32 = 2;
const KERNELS: u32 = 3;

fn kernel_event(kernel: &KernelSpan, operation: &str, phase: &str, origin: f64) -> Value {
    let KernelLaunch { kernel: name, grid, block, dynamic_shared, work, unit } = &kernel.launch;
    let arguments = json!({
        "operation": operation,
        "flops": work.flops,
        "bytes": work.bytes,
        "unit": unit,
        "grid": grid,
        "block": block,
        "dynamic_shared": dynamic_shared,
    });
    event(name, phase, KERNELS, [origin + kernel.start, kernel.seconds], arguments)
}

fn name(kind: &str, track: u32, name: &str) -> Value {
    json!({ "name": kind, "ph": "M", "pid": 1, "tid": track, "args": { "name": name } })
}

/// From a moment, for a time, both in seconds; the format has microseconds.
fn event(name: &str, category: &str, track: u32, [start, length]: [f64; 2], arguments: Value) -> Value {
    json!({ "name": name, "cat": category, "ph": "X", "ts": 1e6 * start, "dur": 1e6 * length, "pid": 1, "tid": track, "args": arguments })
}

#[cfg(test)]
mod tests {
    use super::super::{Phase, Unit, Work};
    use super::*;

    #[test]
    fn steps_follow_each_other_on_every_track() {
        let work = Work { flops: 3, bytes: 4 };
        let launch = KernelLaunch {
            kernel: "tiled",
            grid: [3, 2, 1],
            block: [256, 1, 1],
            dynamic_shared: 0,
            work: Work { flops: 5, bytes: 6 },
            unit: Unit::Matrix,
        };
        let span = Span {
            op: "conv2d",
            layer: "e1.0".into(),
            phase: Phase::Forward,
            work,
            kernels: vec![KernelSpan { launch, start: 0.5625, seconds: 0.125 }],
            start: 0.5,
            seconds: 0.25,
            host: [0.25, 0.5],
        };
        let trace = trace(&[vec![span.clone()], vec![span]], "cpu");
        let events = trace["traceEvents"].as_array().unwrap();
        let of = |track: u32| {
            let own = events.iter().filter(|event| event["ph"] == "X" && event["tid"] == track && event["cat"] == "forward");
            own.map(|event| (event["ts"].as_f64().unwrap(), event["dur"].as_f64().unwrap())).collect::<Vec<_>>()
        };
        assert_eq!(of(HOST), [(250_000.0, 250_000.0), (1_000_000.0, 250_000.0)]);
        assert_eq!(of(DEVICE), [(500_000.0, 250_000.0), (1_250_000.0, 250_000.0)]);
        assert_eq!(of(KERNELS), [(562_500.0, 125_000.0), (1_312_500.0, 125_000.0)]);
        let tiled = events.iter().find(|event| event["name"] == "tiled").unwrap();
        assert_eq!((&tiled["args"]["grid"], &tiled["args"]["unit"]), (&json!([3, 2, 1]), &json!("matrix")));
        assert_eq!((&tiled["args"]["operation"], &tiled["args"]["flops"]), (&json!("conv2d e1.0"), &json!(5)));
        assert!(events.iter().any(|event| event["name"] == "conv2d e1.0"
            && event["args"]["flops"] == 3
            && event["args"]["kernels"][0] == "tiled"));
    }
}
