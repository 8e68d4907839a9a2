#!/usr/bin/env python3
"""Times training steps or inference of Model II in PyTorch and prints a JSON record. `benches/compare.py` and `benches/gpu.py` call it.

    python3 benches/torch_bench.py --phase train --width 16 --size 64 --batch 8 --precision f32 --steps 20

The network is that of src/python/orthoscope. f32 is without TF32, tf32 with it; bf16 is
autocast. PyTorch runs in its best form: channels_last operands, fused Adam, inference_mode, cudnn.benchmark, and with --compile
torch.compile. With --json the record is rewritten after every step, so that nothing measured is lost if the process is ended. The record
says in which layout the output is; with --kernels also the kernels of one more step, and how many of them only change the layout.
"""
import argparse
import json
import sys
import time
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "src" / "python")]  # `gpu.py pack` copies the package into HERE

from orthoscope import Autoencoder  # noqa: E402
from shared import parser, positive, replace  # noqa: E402

DTYPES = {"f32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16}


def channels_last(x):
    """`x` in the layout in which PyTorch's convolutions are fastest."""
    return x.contiguous(memory_format=torch.channels_last)


def objective(output, x, m, lam=0.5):
    """Mean over the images of the mean squared error outside and inside the corrupted region."""
    e, c = (output - x) ** 2, x.shape[1]
    part = lambda region: (e * region).sum((1, 2, 3)) / (c * region.sum((1, 2, 3))).clamp_min(1)
    return ((1 - lam) * part(1 - m) + lam * part(m)).mean()


def training_step(net, images, autocast, compiled):
    """A function that runs one: forward pass, objective, backward pass and Adam, on a batch made before."""
    x, target = images(), images()
    mask = (torch.rand_like(x[:, :1]) > 0.5).float()
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)

    def loss(x, target, mask):
        with autocast():
            y = net(x)
        return objective(y.float(), target, mask)

    loss = torch.compile(loss) if compiled else loss

    def step():
        optimiser.zero_grad(set_to_none=True)
        loss(x, target, mask).backward()
        optimiser.step()

    return step


def inference(net, images, autocast, compiled):
    """A function that runs one forward pass."""
    x, run = images(), torch.compile(net) if compiled else net

    def infer():
        with torch.inference_mode(), autocast():
            return run(x)

    return infer


class Bench:
    """The work of one case, ready to be repeated."""

    def __init__(self, arguments):
        device, dtype = arguments.device, DTYPES[arguments.precision]
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = arguments.precision == "tf32"
        torch.backends.cudnn.benchmark = True
        self.net = Autoencoder(2, arguments.width).to(device, memory_format=torch.channels_last)
        self.images = lambda: channels_last(torch.rand(arguments.batch, 3, arguments.size, arguments.size, device=device))
        self.autocast = lambda: torch.autocast(device, dtype=dtype, enabled=dtype != torch.float32)
        self.on_gpu = device == "cuda"
        self.call = {"train": training_step, "infer": inference}[arguments.phase](self.net, self.images, self.autocast, arguments.compile)

    def step(self):
        """Milliseconds of one step."""
        start = time.perf_counter()
        self.call()
        if self.on_gpu:
            torch.cuda.synchronize()
        return 1e3 * (time.perf_counter() - start)

    def layout(self):
        """Whether weights and output are channels_last, as the operands are."""
        with torch.inference_mode(), self.autocast():
            output = self.net(self.images()[:1])
        convolutions = [p for p in self.net.parameters() if p.dim() == 4]
        is_last = lambda x: x.is_contiguous(memory_format=torch.channels_last)
        return {"output": is_last(output), "weights": all(map(is_last, convolutions))}

    def kernels(self):
        """The longest kernels of one step with their microseconds, and how many kernels change between NCHW and NHWC."""
        activities = [torch.profiler.ProfilerActivity.CUDA if self.on_gpu else torch.profiler.ProfilerActivity.CPU]
        with torch.profiler.profile(activities=activities) as found:
            self.step()
        took = lambda event: event.self_device_time_total if self.on_gpu else event.self_cpu_time_total
        events = sorted(found.key_averages(), key=took, reverse=True)
        converting = sum(event.count for event in events if "nchwToNhwc" in event.key or "nhwcToNchw" in event.key)
        return {"longest": [[event.key[:160], event.count, round(took(event))] for event in events[:25]], "converting": converting}


def measured(arguments, save):
    """The record of one case. `save` gets what is known so far, after every step."""
    on_gpu = arguments.device == "cuda"
    record = {
        "torch": torch.__version__, "device": torch.cuda.get_device_name() if on_gpu else "cpu", "threads": torch.get_num_threads(),
        "isa": torch.backends.cpu.get_cpu_capability(), "cudnn": torch.backends.cudnn.version(), "cudnn_benchmark": True,
        "operands": "channels_last", "compiled": arguments.compile, "warmup_ms": [], "ms": [],
    }  # fmt: skip
    save(record)
    bench = Bench(arguments)
    for number in range(arguments.warmup + arguments.steps):
        record["ms" if number >= arguments.warmup else "warmup_ms"].append(bench.step())
        save(record)
    if on_gpu:
        record["peak_bytes"] = torch.cuda.max_memory_allocated()
    for name in ("layout", *["kernels"] * arguments.kernels):
        try:
            record[name] = getattr(bench, name)()
        except Exception as error:  # the times are worth more than what explains them
            record[name] = {"failed": f"{type(error).__name__}: {error}"[:400]}
        save(record)
    return record


def options():
    """The command line."""
    own = parser(__doc__)
    add = own.add_argument
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cuda or cpu; default: cuda if available")
    add("--phase", choices=("train", "infer"), required=True, help="what a step does")
    add("--width", type=positive, default=16, metavar="W", help="base width; default 16")
    add("--size", type=positive, default=64, metavar="PX", help="side of the images in pixels; default 64")
    add("--batch", type=positive, default=8, metavar="B", help="images in a step; default 8")
    add("--precision", choices=DTYPES, default="f32", help="default f32")
    add("--threads", type=positive, default=torch.get_num_threads(), metavar="T", help="default: PyTorch's own")
    add("--steps", type=positive, default=20, metavar="N", help="measured steps; default 20")
    add("--warmup", type=int, default=3, metavar="N", help="warm-up steps; default 3")
    add("--compile", action="store_true", help="through torch.compile, which needs a C++ compiler")
    add("--json", type=Path, metavar="FILE", help="write the record after every step")
    add("--kernels", action="store_true", help="name the longest kernels of one more step")
    return own


def main():
    """The command line."""
    arguments = options().parse_args()
    torch.set_num_threads(arguments.threads)
    save = lambda record: replace(arguments.json, json.dumps(record)) if arguments.json else None
    print(json.dumps(measured(arguments, save)))


if __name__ == "__main__":
    main()
