#!/usr/bin/env python3
"""Tests and times the CUDA backend on a machine that has a GPU but neither Rust nor a network.

    python3 benches/gpu.py pack FOLDER                 here: builds the binaries and kernels for the other machine
    python3 FOLDER/gpu.py run FOLDER --out record.json there: tests, compute-sanitizer, profiles, timings, one JSON record

The folder `profiles` next to the record gets the files of `orthoscope profile` for each of PROFILES: the JSON record with the measured
peaks, operations and kernels as CSV, the roofline and the trace. With `--skip sanitizer` and without PyTorch this takes a few minutes;
`--only profile` makes only the profiles, and `--device emulator` rehearses them with a binary that has the emulator.

`run` needs a CUDA driver. compute-sanitizer and PyTorch are used if they are found, and the record says if they are not. The exit status
is 1 if a test, a profile or a sanitizer failed.
"""
import argparse
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

# Test binaries, and the filters for their tests that use the GPU: those of every operation, and those of the engine as a whole.
TESTS = {"ops": ("::cuda", "::gpu::")}
ARCHITECTURES = "sm_80,sm_86,sm_89,sm_90,sm_90a,sm_100,sm_120"
SANITIZERS = ("memcheck", "racecheck")
# The tests that sanitizers run: small ones that together launch every kernel.
SANITIZED = ("ops", ("schedules::gpu::", "watching::gpu::the_loops_of_the_peaks"))
# Names and arguments of `orthoscope profile`, each in f32 and bf16; the sizes are those of torch_bench.py.
PROFILES = {
    "train-small": "--phase train --width 16 --size 64 --batch 8 --steps 50",
    "train-medium": "--phase train --width 32 --size 128 --batch 4 --steps 50",
    "train-large": "--phase train --width 64 --size 256 --batch 1 --steps 50",
    "train-256px": "--phase train --width 64 --size 256 --batch 8 --steps 20",
    "infer-256px": "--phase infer --width 64 --size 256 --batch 1 --steps 50",
}
PRECISIONS = ("f32", "bf16")
PARTS = ("test", "profile", "sanitizer", "bench")
# A rehearsal says nothing about a GPU, so it is as small as possible.
REHEARSED = {"train-rehearsal": "--phase train --width 2 --size 8 --batch 1 --steps 2 --warmup 1"}
FILES = {"json": "json", "csv": "csv", "kernels": "kernels.csv", "roofline": "svg", "trace": "trace.json"}
TORCH = "torch_bench.py"


def pack(folder):
    """Builds everything, strips it, and puts it into `folder` together with this script."""
    folder.mkdir(parents=True, exist_ok=True)
    root = Path(__file__).resolve().parent.parent
    run = lambda *command: subprocess.run(command, cwd=root, check=True, text=True, stdout=subprocess.PIPE).stdout
    built = run("cargo", "build", "--locked", "--release", "--bin", "orthoscope", "--message-format=json")
    targets = [flag for test in TESTS for flag in ("--test", test)]
    built += run("cargo", "test", "--locked", "--no-run", "--message-format=json", *targets)
    for line in built.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] in ("orthoscope", *TESTS):
            target = folder / message["target"]["name"]
            shutil.copy(message["executable"], target)
            subprocess.run(["strip", target], check=False)
    shutil.copy(__file__, folder / "gpu.py")
    shutil.copy(root / "benches" / TORCH, folder / TORCH)
    (folder / "commit").write_text(run("git", "describe", "--always", "--dirty", "--abbrev=12"))
    kernels = subprocess.run([folder / "orthoscope", "kernels", "--arch", ARCHITECTURES, "--out", folder / "kernels"], check=False)
    if kernels.returncode:
        print("the kernels were not compiled here; the other machine needs NVRTC", file=sys.stderr)
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder}: {total / 2**20:.1f} MiB")


def call(command, seconds, environment):
    """Runs a command; returns its exit status (None after a timeout), its output and its duration."""
    start = time.monotonic()
    try:
        done = subprocess.run(command, env=environment, timeout=seconds, text=True, errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        status, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        output = late.stdout or ""
        status, output = None, output if isinstance(output, str) else output.decode(errors="replace")
    return status, output, round(time.monotonic() - start, 1)


def test(folder, name, environment, seconds):
    status, output, took = call([str(folder / name), *TESTS[name]], seconds, environment)
    counts = re.search(r"(\d+) passed; (\d+) failed", output)
    failed = sorted(set(re.findall(r"^test (\S+) \.\.\. FAILED", output, re.M)))
    record = {"binary": name, "status": status, "seconds": took, "passed": int(counts[1]) if counts else 0, "failed": failed}
    if status:
        record["output_tail"] = output[-6000:]
    return record


def sanitize(folder, tool, environment, seconds):
    sanitizer = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
    if not Path(sanitizer).exists():
        return {"tool": tool, "skipped": "compute-sanitizer was not found"}
    binary, tests = SANITIZED
    command = [sanitizer, "--tool", tool, "--error-exitcode", "9", "--target-processes", "all", str(folder / binary), *tests, "--test-threads", "1"]
    status, output, took = call(command, seconds, environment)
    summary = re.findall(r"(?:ERROR|RACECHECK) SUMMARY:.*", output)
    return {"tool": tool, "status": status, "seconds": took, "summary": summary, "output_tail": output[-3000:] if status else ""}


def profile(folder, into, device, name, precision, environment, seconds):
    """One call of `orthoscope profile`. The record keeps a page of its result; the files have the rest."""
    into.mkdir(parents=True, exist_ok=True)
    calls = REHEARSED if device == "emulator" else PROFILES
    stem = f"{name}-{precision}"
    files = {option: into / f"{stem}.{ending}" for option, ending in FILES.items()}
    command = [str(folder / "orthoscope"), "profile", "--device", device, "--precision", precision, "--measure-peaks", *calls[name].split()]
    for option, path in files.items():
        command += [f"--{option}", str(path)]
    status, output, took = call(command, seconds, environment)
    record = {"name": stem, "status": status, "seconds": took}
    if status != 0 or not files["json"].exists():
        return {**record, "output_tail": output[-2000:]}
    result = json.loads(files["json"].read_text())
    kept = {key: result[key] for key in ("device", "peaks", "images_per_second", "steps", "overhead_percent", "same_bits", "settings")}
    kept["kernels"] = [{key: row[key] for key in ("kernel", "layer", "phase", "launches", "percent_of_peak", "percent_of_time")} for row in result["kernels"]]
    kept["kernels"] = sorted(kept["kernels"], key=lambda row: -row["percent_of_time"])[:20]
    return {**record, **kept, "files": [f"{into.name}/{path.name}" for path in files.values()]}


def torch(folder, environment, seconds):
    out = folder / "bench-torch.json"
    status, output, took = call([sys.executable, str(folder / TORCH), "--json", str(out)], seconds, environment)
    if status != 0 or not out.exists():
        return {"status": status, "seconds": took, "output_tail": output[-2000:]}
    return {"seconds": took, **json.loads(out.read_text())}


def device_facts():
    query = "name,driver_version,memory.total,compute_cap"
    try:
        line = subprocess.run(["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"], text=True, stdout=subprocess.PIPE, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        return {"error": f"nvidia-smi: {error}"}
    return dict(zip(query.split(","), (part.strip() for part in line.splitlines()[0].split(","))))


def run(folder, out, device, only, skip, seconds):
    wanted = lambda part: part not in skip and only in (None, part)
    environment = {**os.environ, "ORTHOSCOPE_REQUIRE_CUDA": "1", "ORTHOSCOPE_CACHE_DIR": str(folder / "cache"), "RUST_BACKTRACE": "0"}
    if (folder / "kernels").exists():
        environment["ORTHOSCOPE_KERNELS_DIR"] = str(folder / "kernels")
    out.parent.mkdir(parents=True, exist_ok=True)
    commit = (folder / "commit").read_text().strip()
    record = {"commit": commit, "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "gpu": device_facts()}

    def note(key, value):
        record[key] = value
        out.write_text(json.dumps(record, indent=1) + "\n")  # after every part, so that nothing is lost with the machine
        print(key, json.dumps(value)[:600], flush=True)

    status, output, _ = call([str(folder / "orthoscope"), "doctor", "--json"], 60, environment)
    note("doctor", json.loads(output) if status == 0 else output)
    if wanted("test"):
        note("tests", [test(folder, name, environment, seconds) for name in TESTS])
    # Before the sanitizers, which take longer and say less.
    if wanted("profile"):
        names = REHEARSED if device == "emulator" else PROFILES
        parts = [(name, precision) for name in names for precision in PRECISIONS]
        note("profiles", [profile(folder, out.parent / "profiles", device, *part, environment, seconds) for part in parts])
    if wanted("sanitizer"):
        note("sanitizers", [sanitize(folder, tool, environment, seconds) for tool in SANITIZERS])
    if wanted("bench"):
        note("torch", torch(folder, environment, seconds))
    bad = [part for key in ("tests", "profiles", "sanitizers") for part in record.get(key, []) if part.get("status", 0) != 0]
    print(f"{out}: {'FAILED' if bad else 'all passed'}")
    return 1 if bad else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("pack", help="build everything for the GPU machine")
    one.add_argument("folder", type=Path)
    two = commands.add_parser("run", help="test and time on the GPU machine")
    two.add_argument("folder", type=Path)
    two.add_argument("--out", type=Path, default=Path("record.json"))
    two.add_argument("--skip", action="append", default=[], choices=PARTS)
    two.add_argument("--only", choices=PARTS)
    two.add_argument("--device", default="cuda", choices=("cuda", "emulator"), help="the device to profile")
    two.add_argument("--seconds", type=float, default=240, help="time limit of each part")
    arguments = parser.parse_args()
    if arguments.command == "pack":
        return pack(arguments.folder.resolve())
    return run(arguments.folder.resolve(), arguments.out.resolve(), arguments.device, arguments.only, arguments.skip, arguments.seconds)


if __name__ == "__main__":
    sys.exit(main())
