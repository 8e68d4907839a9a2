#!/usr/bin/env python3
"""Times training steps or inference of Model II in PyTorch and prints a JSON record. `benches/compare.py` and `benches/gpu.py` call it.

    python3 benches/torch_bench.py --phase train --width 16 --size 64 --batch 8 --precision f32 --steps 20

The network is that of examples/python/orthoscope.py, which needs numpy and safetensors. f32 is without TF32, tf32 with it; bf16 is
autocast. PyTorch runs in its best form: channels_last operands, fused Adam, inference_mode, and with --compile torch.compile.
"""
import argparse
import json
import sys
import time
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "examples" / "python")]  # the latter is flattened into HERE by `gpu.py pack`

from orthoscope import Autoencoder  # noqa: E402
from shared import parser, positive  # noqa: E402

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


def measured(arguments):
    """Milliseconds of each measured step."""
    device, dtype = arguments.device, DTYPES[arguments.precision]
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = arguments.precision == "tf32"
    torch.backends.cudnn.benchmark = True
    net = Autoencoder(2, arguments.width).to(device, memory_format=torch.channels_last)
    images = lambda: channels_last(torch.rand(arguments.batch, 3, arguments.size, arguments.size, device=device))
    autocast = lambda: torch.autocast(device, dtype=dtype, enabled=dtype != torch.float32)
    call = {"train": training_step, "infer": inference}[arguments.phase](net, images, autocast, arguments.compile)
    milliseconds = []
    for _ in range(arguments.warmup + arguments.steps):
        start = time.perf_counter()
        call()
        if device == "cuda":
            torch.cuda.synchronize()
        milliseconds.append(1e3 * (time.perf_counter() - start))
    return milliseconds[arguments.warmup :]


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
    return own


def main():
    """The command line."""
    arguments = options().parse_args()
    torch.set_num_threads(arguments.threads)
    name = torch.cuda.get_device_name() if arguments.device == "cuda" else "cpu"
    isa = torch.backends.cpu.get_cpu_capability()
    about = {"torch": torch.__version__, "device": name, "threads": torch.get_num_threads(), "isa": isa}
    print(json.dumps({**about, "ms": measured(arguments)}))


if __name__ == "__main__":
    main()
