#!/usr/bin/env python3
"""Times PyTorch on the convolutions, training step and inference of Model II, at the sizes of `cargo bench --bench ops`.

    python3 benches/torch_bench.py [--device cuda|cpu] [--json FILE]

f32 runs with TF32 off and on (cuDNN's default for convolutions is on); bf16 is autocast. Convolutions include bias and ELU, as
orthoscope's do. With --phase it times one case and prints JSON, which is how `benches/compare.py` calls it:

    python3 benches/torch_bench.py --phase train --width 16 --size 64 --batch 8 --precision f32 --threads 2 --steps 20

PyTorch runs in its best form: channels_last operands, fused Adam, inference_mode, and with --compile torch.compile.
"""
import argparse
import json
import statistics
import time
from pathlib import Path

import torch
import torch.nn.functional as F

DILATIONS = (1, 2, 4, 8, 16, 32)
SIZES = (("small", 16, 64, 8), ("medium", 32, 128, 4), ("large", 64, 256, 1))
ROUNDS, ROUND_SECONDS = 9, 0.02


class Clock:
    """Times calls in rounds and keeps one row per call."""

    def __init__(self, device, dtype):
        self.device, self.dtype, self.rows = device, dtype, []

    def wait(self):
        """Waits for the device."""
        if self.device == "cuda":
            torch.cuda.synchronize()

    def time(self, size, work, gflop, call):
        """Median and fastest round of `call`, per call."""

        def round_of(calls):
            start = time.perf_counter()
            for _ in range(calls):
                call()
            self.wait()
            return time.perf_counter() - start

        round_of(5)
        calls = min(max(int(ROUND_SECONDS / round_of(1)) + 1, 1), 1000)
        seconds = sorted(round_of(calls) / calls for _ in range(ROUNDS))
        median = statistics.median(seconds)
        row = {"size": size, "work": work, "median_ms": median * 1e3, "fastest_ms": seconds[0] * 1e3}
        self.rows.append({**row, "gflop": gflop, "gflop_per_second": gflop / median})
        print(f"{size:<8}{work:<44}{median * 1e3:>10.4f} ms {gflop / median:>10.1f} GFLOP/s", flush=True)


def network_shapes(w):
    """Name and shape of every parameter of Model II."""
    shapes = {}

    def conv(name, o, i, k):
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (o, i, k, k), (o,)

    for name, i, o in (("e1", 3, w), ("e2", w, 2 * w), ("e3", 2 * w, 4 * w), ("d3", 4 * w, 2 * w), ("d2", 2 * w, w), ("d1", w, w)):
        conv(f"{name}.0", o, i, 3), conv(f"{name}.1", o, o, 3)
    for block in range(4):
        for branch in range(len(DILATIONS)):
            conv(f"sdc.{block}.{branch}", w, 4 * w if block == 0 else len(DILATIONS) * w, 3)
    conv("b", 4 * w, len(DILATIONS) * w, 1), conv("out", 3, w, 1)
    for level, c in ((3, 4 * w), (2, 2 * w), (1, w)):
        conv(f"u{level}", c, c, 3), conv(f"ccm{level}.mix", c, 3 * c, 1), conv(f"ccm{level}.gate", c, c, 1)
    return shapes


def network_parameters(w, device):
    """Random weights, channels_last; biases are 0."""

    def parameter(shape):
        scale = 0.0 if len(shape) == 1 else (shape[1] * shape[2] * shape[3]) ** -0.5
        values = torch.randn(shape, device=device) * scale
        return (channels_last(values) if len(shape) == 4 else values).requires_grad_()

    return {name: parameter(shape) for name, shape in network_shapes(w).items()}


def channels_last(x):
    """`x` in the layout in which PyTorch's convolutions are fastest."""
    return x.contiguous(memory_format=torch.channels_last)


def forward(p, x):
    """Model II."""

    def conv(name, x, d=1):
        w = p[f"{name}.weight"]
        return F.conv2d(x, w, p[f"{name}.bias"], padding=d * (w.shape[2] // 2), dilation=d)

    pair = lambda name, x: F.elu(conv(f"{name}.1", F.elu(conv(f"{name}.0", x))))
    s1 = pair("e1", x)
    s2 = pair("e2", F.max_pool2d(s1, 2))
    s3 = pair("e3", F.max_pool2d(s2, 2))
    z = F.max_pool2d(s3, 2)
    for block in range(4):
        z = F.elu(torch.cat([conv(f"sdc.{block}.{k}", z, d) for k, d in enumerate(DILATIONS)], 1))
    z = F.elu(conv("b", z))
    for level, s in ((3, s3), (2, s2), (1, s1)):
        z = F.elu(conv(f"u{level}", F.interpolate(z, scale_factor=2, mode="bilinear", align_corners=False)))
        beta = torch.sigmoid(conv(f"ccm{level}.gate", F.elu(conv(f"ccm{level}.mix", torch.cat([s, z, (s - z) ** 2], 1)))))
        z = pair(f"d{level}", beta * s + (1 - beta) * z)
    return torch.sigmoid(conv("out", z))


def objective(output, x, m, lam=0.5):
    """Mean over the images of the mean squared error outside and inside the corrupted region."""
    e, c = (output - x) ** 2, x.shape[1]
    part = lambda region: (e * region).sum((1, 2, 3)) / (c * region.sum((1, 2, 3))).clamp_min(1)
    return ((1 - lam) * part(1 - m) + lam * part(m)).mean()


def convolutions(clock, size, w, side, n):
    """One convolution of each kind, in all three passes."""
    ends = (("e1.0", side, 3, w, 3), ("b", side // 8, 6 * w, 4 * w, 1), ("out", side, w, 3, 1))
    down = (("e1.1", side, w, w, 3), ("e2.0", side // 2, w, 2 * w, 3), ("e2.1", side // 2, 2 * w, 2 * w, 3), ("e3.0", side // 4, 2 * w, 4 * w, 3), ("e3.1", side // 4, 4 * w, 4 * w, 3))
    up = (("d3.0", side // 4, 4 * w, 2 * w, 3), ("d3.1", side // 4, 2 * w, 2 * w, 3), ("d2.0", side // 2, 2 * w, w, 3), ("d2.1", side // 2, w, w, 3))
    for name, side, i, o, k in ends + down + up:
        make = lambda *shape: torch.randn(*shape, device=clock.device, dtype=clock.dtype)
        x, weight, dz, b = channels_last(make(n, i, side, side)), channels_last(make(o, i, k, k)), channels_last(make(n, o, side, side)), make(o)
        activation = torch.sigmoid if name == "out" else F.elu
        gflop, one = 2e-9 * n * side * side * o * i * k * k, [1, 1]
        clock.time(size, f"{name} conv2d", gflop, lambda: activation(F.conv2d(x, weight, b, padding=k // 2)))
        grad = lambda mask: torch.ops.aten.convolution_backward(dz, x, weight, [o], one, [k // 2, k // 2], one, False, [0, 0], 1, mask)
        clock.time(size, f"{name} conv2d input grad", gflop, lambda: grad([True, False, False]))
        clock.time(size, f"{name} conv2d weight grad", gflop, lambda: grad([False, True, True]))


def autocast(device, dtype):
    """Autocast to `dtype`; off for f32."""
    return torch.autocast(device, dtype=dtype, enabled=dtype != torch.float32)


def training_step(device, dtype, w, side, n, compiled=False):
    """A function that runs one: forward pass, objective, backward pass and Adam, on a batch made before."""
    p = network_parameters(w, device)
    x, target = (channels_last(torch.rand(n, 3, side, side, device=device)) for _ in range(2))
    mask = (torch.rand(n, 1, side, side, device=device) > 0.5).float()
    optimiser = torch.optim.Adam(p.values(), lr=1e-3, fused=True)

    def loss(x, target, mask):
        with autocast(device, dtype):
            y = forward(p, x)
        return objective(y.float(), target, mask)

    loss = torch.compile(loss) if compiled else loss

    def step():
        optimiser.zero_grad(set_to_none=True)
        loss(x, target, mask).backward()
        optimiser.step()

    return step


def inference(device, dtype, w, side, n, compiled=False):
    """A function that runs one forward pass."""
    p = {name: values.detach() for name, values in network_parameters(w, device).items()}
    x = channels_last(torch.rand(n, 3, side, side, device=device))
    run = torch.compile(forward) if compiled else forward

    def infer():
        with torch.inference_mode(), autocast(device, dtype):
            return run(p, x)

    return infer


def network(clock, size, w, side, n, gflops):
    """A training step and inference."""
    clock.time(size, "training step", gflops[1], training_step(clock.device, clock.dtype, w, side, n))
    clock.time(size, "inference", gflops[0], inference(clock.device, clock.dtype, w, side, n))


def network_gflops(w, side, n):
    """GFLOP of inference and of a training step, as `orthoscope model summary` counts them."""
    conv = lambda i, o, k, s: 2e-9 * n * s * s * i * o * k * k
    first = conv(3, w, 3, side)
    rest = conv(w, w, 3, side) + conv(w, 3, 1, side)
    for (i, o), s in (((w, 2 * w), side // 2), ((2 * w, 4 * w), side // 4)):
        rest += conv(i, o, 3, s) + conv(o, o, 3, s)
    rest += len(DILATIONS) * (conv(4 * w, w, 3, side // 8) + 3 * conv(len(DILATIONS) * w, w, 3, side // 8)) + conv(6 * w, 4 * w, 1, side // 8)
    for c, o, s in ((4 * w, 2 * w, side // 4), (2 * w, w, side // 2), (w, w, side)):
        rest += conv(c, c, 3, s) + conv(3 * c, c, 1, s) + conv(c, c, 1, s) + conv(c, o, 3, s) + conv(o, o, 3, s)
    return first + rest, 2 * first + 3 * rest


def all_cases(device):
    """Every call in each precision."""
    runs = []
    for label, dtype, tf32 in (("f32", torch.float32, False), ("f32 with TF32", torch.float32, True), ("bf16", torch.bfloat16, False)):
        if tf32 and device != "cuda":
            continue
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.benchmark = True
        clock = Clock(device, dtype)
        for size, w, side, n in SIZES:
            convolutions(clock, size, w, side, n)
            network(clock, size, w, side, n, network_gflops(w, side, n))
        runs.append({"precision": label, "rows": clock.rows})
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    return {"torch": torch.__version__, "device": name, "runs": runs}


def one_case(arguments):
    """Milliseconds of each measured step of one case."""
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[arguments.precision]
    make = {"train": training_step, "infer": inference}[arguments.phase]
    call = make(arguments.device, dtype, arguments.width, arguments.size, arguments.batch, arguments.compile)
    clock, milliseconds = Clock(arguments.device, dtype), []
    for step in range(arguments.warmup + arguments.steps):
        start = time.perf_counter()
        call()
        clock.wait()
        if step >= arguments.warmup:
            milliseconds.append(1e3 * (time.perf_counter() - start))
    isa = torch.backends.cpu.get_cpu_capability()
    return {"torch": torch.__version__, "threads": torch.get_num_threads(), "isa": isa, "ms": milliseconds}


def options():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cuda or cpu; default: cuda if available")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the record there")
    one = parser.add_argument_group("one case")
    one.add_argument("--phase", choices=("train", "infer"), help="time only this case, and print JSON")
    one.add_argument("--width", type=int, default=16, metavar="W", help="base width; default 16")
    one.add_argument("--size", type=int, default=64, metavar="PX", help="side of the images in pixels; default 64")
    one.add_argument("--batch", type=int, default=8, metavar="B", help="images in a step; default 8")
    one.add_argument("--precision", choices=("f32", "bf16"), default="f32", help="bf16 is autocast; default f32")
    one.add_argument("--threads", type=int, default=torch.get_num_threads(), metavar="T", help="default: PyTorch's own")
    one.add_argument("--steps", type=int, default=20, metavar="N", help="measured steps; default 20")
    one.add_argument("--warmup", type=int, default=3, metavar="N", help="warm-up steps; default 3")
    one.add_argument("--compile", action="store_true", help="through torch.compile, which needs a C++ compiler")
    return parser


def main():
    """The command line."""
    arguments = options().parse_args()
    torch.set_num_threads(arguments.threads)
    record = one_case(arguments) if arguments.phase else all_cases(arguments.device)
    text = json.dumps(record, indent=None if arguments.phase else 1)
    if arguments.json:
        arguments.json.write_text(text + "\n")
    elif arguments.phase:
        print(text)


if __name__ == "__main__":
    main()
