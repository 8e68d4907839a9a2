"""Compares the PyTorch module with the program: both must compute the same output from the same weights.

    orthoscope model init --model 2 --width 16 --out m.safetensors
    python -m orthoscope.check m.safetensors

Exit status 1 if they differ by more than 1e-4. Needs torch, safetensors and numpy.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from .network import load


def difference(weights, program):
    """The largest absolute difference between this module and the program on a random batch of 2 images of 40 x 56 pixels."""
    x = np.random.default_rng(0).random((2, 40, 56, 3), dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder, "x.npy"), Path(folder, "y.npy")
        np.save(source, x)
        command = [program, "model", "forward", "--model", weights, "--input", source, "--output", result]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        theirs = np.load(result)
    net, _ = load(weights)
    with torch.no_grad():
        ours = net(torch.from_numpy(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).numpy()
    return float(np.abs(ours - theirs).max())


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description="Compare the PyTorch module with `orthoscope model forward`.")
    parser.add_argument("weights", help="a weight file of Model I or II")
    parser.add_argument("--program", default="orthoscope", help="the orthoscope program [default: orthoscope]")
    arguments = parser.parse_args()
    try:
        worst = difference(arguments.weights, arguments.program)
    except (OSError, subprocess.CalledProcessError) as error:
        parser.exit(2, f"error: cannot compare: {error}\n")
    print(f"largest difference of the outputs: {worst:.1e}")
    return int(worst > 1e-4)


if __name__ == "__main__":
    sys.exit(main())
