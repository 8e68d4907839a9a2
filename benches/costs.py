#!/usr/bin/env python3
"""Measures costs that users notice: start-up, size of the binary, waiting for data and, with --build, a cold release build.

    cargo build --release --locked
    python3 benches/costs.py --out paper/results/cpu/costs.json            some seconds
    python3 benches/costs.py --build --out paper/results/cpu/costs.json    two minutes more; nothing else should be running

Writes one JSON record. The exit status is 1 if a cost is above its limit.
"""
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from shared import PROGRAM, ROOT, parser, positive, processor, summary, today, write

STARTS = (["--version"], ["--help"], ["train", "--help"], ["doctor"], ["doctor", "--config"], ["model", "summary"])
LIMITS = {"start_up_ms": 50.0, "binary_bytes": 15e6, "build_seconds": 120.0, "wait_percent": 5.0}
# Images of twice the side, so that they are resized, and a network so small that data could be the bottleneck.
SIDE, IMAGES, WIDTH, BATCH, STEPS, WARMUP = 128, 60, 16, 8, 120, 10
CONFIG = f"[model]\nwidth = {WIDTH}\n[data]\nsize = {SIDE // 2}\n[train]\nbatch = {BATCH}\nsteps = {STEPS}\n"


def start_up(binary, arguments, repeats):
    """Milliseconds from the call to the exit of the program. The first call, which reads the file from disk, does not count."""
    milliseconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        subprocess.run([binary, *arguments], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        milliseconds.append(1e3 * (time.perf_counter() - start))
    return summary(milliseconds[1:], 3)


def data(binary):
    """What training reports on its data: decoding at the start, and batches made during the steps."""
    with tempfile.TemporaryDirectory() as folder:
        run = lambda *command: subprocess.run([binary, *command], cwd=folder, check=True, text=True, capture_output=True)
        Path(folder, "c.toml").write_text(CONFIG)
        run("data", "generate", "--out", ".", "--family", "tiles", "--size", str(SIDE), "--train", str(IMAGES), "--good", "1", "--defects", "1")
        said = run("train", "--config", "c.toml", "--data", "tiles", "--out", "run", "--device", "cpu").stderr.strip().splitlines()[-1]
        lines = [json.loads(line) for line in Path(folder, "run", "log.jsonl").read_text().splitlines()]
        steps = [line for line in lines if "loss" in line][WARMUP:]
    total = lambda key: sum(step[key] for step in steps)
    return {
        "said": said,
        "wait_percent": round(100 * total("wait_ms") / total("step_ms"), 4),
        **{key: summary([step[key] for step in steps], 3) for key in ("step_ms", "batch_ms", "wait_ms")},
    }


def cold_build(folder):
    """Seconds of a release build into an empty folder, with the sources of the dependencies already downloaded."""
    subprocess.run(["cargo", "fetch", "--locked"], cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    environment = {**os.environ, "CARGO_TARGET_DIR": folder}
    start = time.monotonic()
    subprocess.run(["cargo", "build", "--release", "--locked"], cwd=ROOT, env=environment, check=True, stderr=subprocess.DEVNULL)
    return round(time.monotonic() - start, 1)


def too_much(record):
    """A sentence for each cost above its limit."""
    costs = {"binary_bytes": record["binary_bytes"], "build_seconds": record["build_seconds"] or 0, "wait_percent": record["data"]["wait_percent"]}
    costs["start_up_ms"] = max(start["median"] for start in record["start_up_ms"].values())
    return [f"{name} is {value}, the limit is {LIMITS[name]:g}" for name, value in costs.items() if value > LIMITS[name]]


def measured(binary, repeats, build_seconds):
    """The record."""
    facts = json.loads(subprocess.run([binary, "doctor", "--json"], check=True, text=True, capture_output=True).stdout)
    record = {
        "date": today(),
        "commit": facts["commit"],
        "processor": processor(),
        "threads": facts["threads"],
        "simd": facts["simd"],
        "repeats": repeats,
        "start_up_ms": {" ".join(command): start_up(binary, command, repeats) for command in STARTS},
        "binary_bytes": binary.stat().st_size,
        "data": data(binary),
        "build_seconds": build_seconds,
        "limits": LIMITS,
    }
    return {**record, "too_much": too_much(record)}


def main():
    options = parser(__doc__)
    options.add_argument("--binary", type=Path, default=PROGRAM, help="the program; default: that of the last release build")
    options.add_argument("--repeats", type=positive, default=20, help="calls of each command; default 20")
    options.add_argument("--build", action="store_true", help="time a build into an empty folder, and measure what was built")
    options.add_argument("--out", type=Path, help="where to write the record; default: standard output")
    arguments = options.parse_args()
    if not arguments.build and not arguments.binary.is_file():
        options.error(f"{arguments.binary} does not exist; `cargo build --release --locked` makes it")
    load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    with tempfile.TemporaryDirectory() as folder:
        seconds = cold_build(folder) if arguments.build else None
        binary = Path(folder, "release", "orthoscope") if arguments.build else arguments.binary.resolve()
        record = {**measured(binary, arguments.repeats, seconds), "load_before": load}
    write(arguments.out, record)
    for sentence in record["too_much"]:
        print(sentence, file=sys.stderr)
    return 1 if record["too_much"] else 0


if __name__ == "__main__":
    sys.exit(main())
