#!/usr/bin/env python3
"""Times PyTorch on the work of `cargo bench --bench device`, with the same sizes, names and protocol.

    python3 benches/torch_bench.py [--device cuda|cpu] [--json FILE]

f32 runs with TF32 off and on (cuDNN's default for convolutions is on); bf16 is autocast. Convolutions have bias and ELU, as ours.
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
    def __init__(self, device, dtype, tf32):
        self.device, self.dtype, self.tf32, self.rows = device, dtype, tf32, []

    def wait(self):
        if self.device == "cuda":
            torch.cuda.synchronize()

    def time(self, size, work, gflop, call):
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
        self.rows.append({"size": size, "work": work, "median_ms": median * 1e3, "fastest_ms": seconds[0] * 1e3, "gflop": gflop, "gflop_per_second": gflop / median})
        print(f"{size:<8}{work:<44}{median * 1e3:>10.4f} ms {gflop / median:>10.1f} GFLOP/s", flush=True)


def network_parameters(w, device):
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
    scale = lambda s: 0.0 if len(s) == 1 else (s[1] * s[2] * s[3]) ** -0.5
    return {n: (torch.randn(s, device=device) * scale(s)).requires_grad_() for n, s in shapes.items()}


def forward(p, x):
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
    e, c = (output - x) ** 2, x.shape[1]
    part = lambda region: (e * region).sum((1, 2, 3)) / (c * region.sum((1, 2, 3))).clamp_min(1)
    return ((1 - lam) * part(1 - m) + lam * part(m)).mean()


def convolutions(clock, size, w, side, n):
    layers = (("e1.0", side, 3, w, 3), ("e1.1", side, w, w, 3), ("e2.1", side // 2, 2 * w, 2 * w, 3), ("e3.1", side // 4, 4 * w, 4 * w, 3), ("b", side // 8, 6 * w, 4 * w, 1), ("out", side, w, 3, 1))
    for name, side, i, o, k in layers:
        make = lambda *shape: torch.randn(*shape, device=clock.device, dtype=clock.dtype)
        x, weight, b = (make(n, i, side, side).contiguous(memory_format=torch.channels_last), make(o, i, k, k).contiguous(memory_format=torch.channels_last), make(o))
        dz = make(n, o, side, side).contiguous(memory_format=torch.channels_last)
        gflop, one = 2e-9 * n * side * side * o * i * k * k, [1, 1]
        clock.time(size, f"{name} conv2d", gflop, lambda: F.elu(F.conv2d(x, weight, b, padding=k // 2)))
        grad = lambda mask: torch.ops.aten.convolution_backward(dz, x, weight, [o], one, [k // 2, k // 2], one, False, [0, 0], 1, mask)
        clock.time(size, f"{name} conv2d input grad", gflop, lambda: grad([True, False, False]))
        clock.time(size, f"{name} conv2d weight grad", gflop, lambda: grad([False, True, True]))


def network(clock, size, w, side, n, gflops):
    p = network_parameters(w, clock.device)
    x, target = (torch.rand(n, 3, side, side, device=clock.device).contiguous(memory_format=torch.channels_last) for _ in range(2))
    mask = (torch.rand(n, 1, side, side, device=clock.device) > 0.5).float()
    optimiser = torch.optim.Adam(p.values(), lr=1e-3, **({"fused": True} if clock.device == "cuda" else {}))
    cast = lambda: torch.autocast(clock.device, dtype=torch.bfloat16, enabled=clock.dtype == torch.bfloat16)

    def step():
        optimiser.zero_grad(set_to_none=True)
        with cast():
            y = forward(p, x)
        objective(y.float(), target, mask).backward()
        optimiser.step()

    def infer():
        with torch.no_grad(), cast():
            forward(p, x)

    clock.time(size, "training step", gflops[1], step)
    clock.time(size, "inference", gflops[0], infer)


# GFLOP of inference and of a training step, as `orthoscope model summary` counts them.
def network_gflops(w, side, n):
    conv = lambda i, o, k, s: 2e-9 * n * s * s * i * o * k * k
    first = conv(3, w, 3, side)
    rest = conv(w, w, 3, side) + conv(w, 3, 1, side)
    for (i, o), s in (((w, 2 * w), side // 2), ((2 * w, 4 * w), side // 4)):
        rest += conv(i, o, 3, s) + conv(o, o, 3, s)
    rest += len(DILATIONS) * (conv(4 * w, w, 3, side // 8) + 3 * conv(len(DILATIONS) * w, w, 3, side // 8)) + conv(6 * w, 4 * w, 1, side // 8)
    for c, o, s in ((4 * w, 2 * w, side // 4), (2 * w, w, side // 2), (w, w, side)):
        rest += conv(c, c, 3, s) + conv(3 * c, c, 1, s) + conv(c, c, 1, s) + conv(c, o, 3, s) + conv(o, o, 3, s)
    return first + rest, 2 * first + 3 * rest


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    name = torch.cuda.get_device_name() if arguments.device == "cuda" else "cpu"
    runs = []
    for label, dtype, tf32 in (("f32", torch.float32, False), ("f32 with TF32", torch.float32, True), ("bf16", torch.bfloat16, False)):
        if tf32 and arguments.device != "cuda":
            continue
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.benchmark = True
        clock = Clock(arguments.device, dtype, tf32)
        for size, w, side, n in SIZES:
            convolutions(clock, size, w, side, n)
            network(clock, size, w, side, n, network_gflops(w, side, n))
        runs.append({"precision": label, "rows": clock.rows})
    record = {"torch": torch.__version__, "device": name, "runs": runs}
    if arguments.json:
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
