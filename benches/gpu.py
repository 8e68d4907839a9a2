#!/usr/bin/env python3
"""Tests and times the CUDA backend on a machine that has a GPU but neither Rust nor a network.

    python3 benches/gpu.py pack FOLDER                 here: builds the binaries and kernels for the other machine
    python3 FOLDER/gpu.py run FOLDER --out record.json there: tests, compute-sanitizer, profiles, timings, one JSON record

The folder `profiles` next to the record gets the files of `orthoscope profile` for each of PROFILES: the JSON record with the measured
peaks, operations and kernels as CSV, the roofline and the trace. With `--skip sanitizer` and without PyTorch this takes a few minutes;
`--only profile` makes only the profiles, and `--device emulator` rehearses them with a binary that has the emulator.

`run` needs a CUDA driver. compute-sanitizer and PyTorch (with numpy and safetensors) are used if they are found; otherwise the record
has the reason. The exit status is 1 if a test, a profile or a sanitizer failed.
"""
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from shared import ROOT, now, parser, summary, write

# Test binaries, and the filters for their tests that use the GPU: those of every operation, and those of the engine as a whole.
TESTS = {"ops": ("::cuda", "::gpu::")}
ARCHITECTURES = "sm_80,sm_86,sm_89,sm_90,sm_90a,sm_100,sm_120"
SANITIZERS = ("memcheck", "racecheck")
# The tests that sanitizers run: small ones that together launch every kernel.
SANITIZED = ("ops", ("schedules::gpu::", "watching::gpu::the_loops_of_the_peaks"))
# Names and arguments of `orthoscope profile` and of torch_bench.py, each in several precisions.
PROFILES = {
    "train-small": "--phase train --width 16 --size 64 --batch 8 --steps 50",
    "train-medium": "--phase train --width 32 --size 128 --batch 4 --steps 50",
    "train-large": "--phase train --width 64 --size 256 --batch 1 --steps 50",
    "train-256px": "--phase train --width 64 --size 256 --batch 8 --steps 20",
    "infer-256px": "--phase infer --width 64 --size 256 --batch 1 --steps 50",
}
PRECISIONS, TORCH_PRECISIONS = ("f32", "bf16"), ("f32", "tf32", "bf16")
PARTS = ("test", "profile", "sanitizer", "bench")
# A rehearsal does not measure a GPU, so it is as small as possible.
REHEARSED = {"train-rehearsal": "--phase train --width 2 --size 8 --batch 1 --steps 2 --warmup 1"}
FILES = {"json": "json", "csv": "csv", "kernels": "kernels.csv", "roofline": "svg", "trace": "trace.json"}
# What the other machine needs of the repository.
SCRIPTS = ("benches/gpu.py", "benches/shared.py", "benches/torch_bench.py", "examples/python/orthoscope.py")


def pack(folder):
    """Builds everything, strips it, and puts it into `folder` together with the scripts."""
    folder.mkdir(parents=True, exist_ok=True)
    run = lambda *command: subprocess.run(command, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE).stdout
    built = run("cargo", "build", "--locked", "--release", "--bin", "orthoscope", "--message-format=json")
    targets = [flag for test in TESTS for flag in ("--test", test)]
    built += run("cargo", "test", "--locked", "--no-run", "--message-format=json", *targets)
    for line in built.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] in ("orthoscope", *TESTS):
            target = folder / message["target"]["name"]
            shutil.copy(message["executable"], target)
            subprocess.run(["strip", target], check=False)
    for script in SCRIPTS:
        shutil.copy(ROOT / script, folder)
    (folder / "commit").write_text(run("git", "describe", "--always", "--dirty", "--abbrev=12"))
    kernels = subprocess.run([folder / "orthoscope", "kernels", "--arch", ARCHITECTURES, "--out", folder / "kernels"], check=False)
    if kernels.returncode:
        print("the kernels were not compiled here; the other machine needs NVRTC", file=sys.stderr)
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder}: {total / 2**20:.1f} MiB")


def call(environment, seconds, command):
    """Runs a command; returns its output and a record: exit status (None after a timeout), duration, and the end of a failed output."""
    start = time.monotonic()
    try:
        done = subprocess.run(list(map(str, command)), env=environment, timeout=seconds, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        status, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        status, output = None, late.stdout or b""
    except OSError as error:
        status, output = None, str(error).encode()
    output, took = output.decode(errors="replace"), round(time.monotonic() - start, 1)
    return output, {"status": status, "seconds": took, **({"output_tail": output[-6000:]} if status != 0 else {})}


def test(call, folder, name):
    """The tests of one binary."""
    output, record = call([folder / name, *TESTS[name]])
    counts = re.search(r"(\d+) passed; (\d+) failed", output)
    failed = sorted(set(re.findall(r"^test (\S+) \.\.\. FAILED", output, re.M)))
    return {"binary": name, "passed": int(counts[1]) if counts else 0, "failed": failed, **record}


def sanitize(call, folder, tool):
    """The smallest tests under one tool of compute-sanitizer."""
    sanitizer = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
    if not Path(sanitizer).exists():
        return {"tool": tool, "skipped": "compute-sanitizer was not found"}
    binary, tests = SANITIZED
    options = ["--tool", tool, "--error-exitcode", "9", "--target-processes", "all"]
    output, record = call([sanitizer, *options, folder / binary, *tests, "--test-threads", "1"])
    return {"tool": tool, "summary": re.findall(r"(?:ERROR|RACECHECK) SUMMARY:.*", output), **record}


def profile(call, folder, into, device, name, precision):
    """One call of `orthoscope profile`. The record keeps a page of its result; the files have the rest."""
    into.mkdir(parents=True, exist_ok=True)
    stem, work = f"{name}-{precision}", {**PROFILES, **REHEARSED}[name]
    files = {option: into / f"{stem}.{ending}" for option, ending in FILES.items()}
    written = [part for option, path in files.items() for part in (f"--{option}", path)]
    command = ["profile", "--device", device, "--precision", precision, "--measure-peaks", *work.split(), *written]
    _, record = call([folder / "orthoscope", *command])
    record = {"name": stem, **record}
    if record["status"] != 0:
        return record
    result = json.loads(files["json"].read_text())
    kept = {key: result[key] for key in ("device", "peaks", "images_per_second", "steps", "overhead_percent", "same_bits", "settings")}
    keys = ("kernel", "layer", "phase", "launches", "percent_of_peak", "percent_of_time")
    kernels = sorted(result["kernels"], key=lambda row: -row["percent_of_time"])[:20]
    kept["kernels"] = [{key: row[key] for key in keys} for row in kernels]
    return {**record, **kept, "files": [f"{into.name}/{path.name}" for path in files.values()]}


def torch(call, folder, name, precision):
    """The same work in PyTorch."""
    output, record = call([sys.executable, folder / "torch_bench.py", "--precision", precision, *PROFILES[name].split()])
    record = {"name": f"{name}-{precision}", **record}
    return record if record["status"] != 0 else {**record, "ms": summary(json.loads(output.splitlines()[-1])["ms"])}


def device_facts(call):
    """Name, driver, memory and architecture of the GPU."""
    query = "name,driver_version,memory.total,compute_cap"
    output, record = call(["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"])
    if record["status"] != 0:
        return {"error": f"nvidia-smi: {output}"}
    return dict(zip(query.split(","), (part.strip() for part in output.splitlines()[0].split(","))))


def run(folder, out, device, only, skip, seconds):
    """All parts that are wanted; the exit status."""
    wanted = lambda part: part not in skip and only in (None, part)
    environment = {**os.environ, "ORTHOSCOPE_REQUIRE_CUDA": "1", "ORTHOSCOPE_CACHE_DIR": str(folder / "cache"), "RUST_BACKTRACE": "0"}
    if (folder / "kernels").exists():
        environment["ORTHOSCOPE_KERNELS_DIR"] = str(folder / "kernels")
    limited = functools.partial(call, environment, seconds)
    record = {"commit": (folder / "commit").read_text().strip(), "date": now(), "gpu": device_facts(limited)}

    def note(key, value):
        record[key] = value
        write(out, record)  # after every part, in case the machine is lost
        print(key, json.dumps(value)[:600], flush=True)

    output, doctor = limited([folder / "orthoscope", "doctor", "--json"])
    note("doctor", json.loads(output) if doctor["status"] == 0 else output)
    if wanted("test"):
        note("tests", [test(limited, folder, name) for name in TESTS])
    # Before the sanitizers, which take longer and give less information.
    if wanted("profile"):
        names = REHEARSED if device == "emulator" else PROFILES
        note("profiles", [profile(limited, folder, out.parent / "profiles", device, name, how) for name in names for how in PRECISIONS])
    if wanted("sanitizer"):
        note("sanitizers", [sanitize(limited, folder, tool) for tool in SANITIZERS])
    if wanted("bench"):
        note("torch", [torch(limited, folder, name, how) for name in PROFILES for how in TORCH_PRECISIONS])
    bad = [part for key in ("tests", "profiles", "sanitizers") for part in record.get(key, []) if part.get("status", 0) != 0]
    print(f"{out}: {'FAILED' if bad else 'all passed'}")
    return 1 if bad else 0


def main():
    """The command line."""
    commands = (own := parser(__doc__)).add_subparsers(dest="command", required=True)
    commands.add_parser("pack", help="build everything for the GPU machine").add_argument("folder", type=Path)
    two = commands.add_parser("run", help="test and time on the GPU machine")
    two.add_argument("folder", type=Path)
    two.add_argument("--out", type=Path, default=Path("record.json"))
    two.add_argument("--skip", action="append", default=[], choices=PARTS)
    two.add_argument("--only", choices=PARTS)
    two.add_argument("--device", default="cuda", choices=("cuda", "emulator"), help="the device to profile")
    two.add_argument("--seconds", type=float, default=240, help="time limit of each part")
    arguments = own.parse_args()
    if arguments.command == "pack":
        return pack(arguments.folder.resolve())
    return run(arguments.folder.resolve(), arguments.out.resolve(), arguments.device, arguments.only, arguments.skip, arguments.seconds)


if __name__ == "__main__":
    sys.exit(main())
