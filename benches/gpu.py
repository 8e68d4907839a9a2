#!/usr/bin/env python3
"""Tests and times the CUDA backend on a machine that has a GPU but neither Rust nor a network.

    python3 benches/gpu.py pack FOLDER                                 here: programs and kernels for the other machine
    python3 FOLDER/gpu.py run FOLDER --out RESULTS --deadline 540      there: one call; RESULTS/record.json and at most 7 more files
    python3 benches/gpu.py rehearse                                    here: the run with planted failures, each of which must be recorded
    python3 benches/gpu.py rehearse FOLDER                             here: a packed folder, on the false driver of the test gpu_path

`run` does its stages in order of worth until the deadline: do the programs start, facts of the machine, the case of the goals beside PyTorch
(eager and compiled, every program twice), tests, probes of Hopper's matrix instruction, rates of the device, the tools of compute-sanitizer,
hardware counters by ncu, other profiles. Every result is on disk at once. A stage that fails, hangs or cannot start is a line in the
record; the exit status is then 1. compute-sanitizer, ncu and PyTorch (with numpy and safetensors) are used if they are there.
"""
import sys
from pathlib import Path

from gpu.pack import Unpacked, pack
from gpu.rehearse import newest_driver, packed, planted
from gpu.run import run
from shared import parser


def main():
    """The command line."""
    commands = (own := parser(__doc__)).add_subparsers(dest="command", required=True)
    one = commands.add_parser("pack", help="build everything for the GPU machine")
    one.add_argument("folder", type=Path)
    one.add_argument("--arch", default="sm_90a", help="architectures, separated by commas; default sm_90a")
    two = commands.add_parser("run", help="test and time on the GPU machine")
    two.add_argument("folder", type=Path)
    two.add_argument("--out", type=Path, default=Path("results"), help="folder for the results; default results")
    two.add_argument("--deadline", type=float, default=540, metavar="SECONDS", help="for everything; default 540")
    two.add_argument("--only", action="append", default=[], metavar="STAGE", help="only stages whose names begin like this; repeatable")
    two.add_argument("--device", default="cuda", help="cuda, or emulator for a rehearsal")
    two.add_argument("--scale", type=float, default=1, help="factor for the time limits of all stages, for a rehearsal")
    two.add_argument("--least", action="store_true", help="the smallest work instead of that of the goals, for a rehearsal")
    three = commands.add_parser("rehearse", help="try `run` without a GPU")
    three.add_argument("folder", type=Path, nargs="?", help="a packed folder; without it, programs that fail on purpose")
    three.add_argument("--driver", type=Path, help="the false driver; default the newest that the test gpu_path built")
    three.add_argument("--out", type=Path, default=Path("rehearsal"), help="folder for the results of a packed folder; default rehearsal")
    three.add_argument("--deadline", type=float, default=300, metavar="SECONDS", help="of a packed folder; default 300")
    three.add_argument("--fault", action="append", default=[], metavar="NAME", help="only this planted failure; repeatable")
    arguments = own.parse_args()
    if arguments.command == "pack":
        try:
            return pack(arguments.folder.resolve(), arguments.arch)
        except (Unpacked, OSError) as error:
            print(f"gpu.py: {error}", file=sys.stderr)
            return 1
    if arguments.command == "rehearse":
        if arguments.folder is None:
            return planted(arguments.fault)
        driver = arguments.driver or newest_driver()
        if driver is None or not (driver / "lib").is_dir():
            print("gpu.py: there is no false driver; `cargo test --features emulator --test gpu_path` builds it", file=sys.stderr)
            return 1
        return packed(arguments.folder.resolve(), driver.resolve(), arguments.out.resolve(), arguments.deadline)
    where = (arguments.folder.resolve(), arguments.out.resolve(), arguments.deadline)
    return run(*where, arguments.only, arguments.device, arguments.scale, arguments.least)


if __name__ == "__main__":
    sys.exit(main())
