"""What is done on the machine with a GPU, in order of worth. Each stage is one program; its result is a part of the record."""
import dataclasses
import json
import os
import re
import shutil
import statistics
import sys
from pathlib import Path
from typing import Callable

# The case that the goals of speed are about.
HEADLINE = "--phase train --width 64 --size 256 --batch 32 --precision bf16"
LATENCY = "--phase infer --width 64 --size 256 --batch 1 --precision bf16"
# Other profiles: name and options.
PROFILES = {
    "train-256px-b8-f32": "--phase train --width 64 --size 256 --batch 8 --precision f32 --steps 10",
    "train-128px-b4-bf16": "--phase train --width 32 --size 128 --batch 4 --precision bf16 --steps 50",
    "train-64px-b8-bf16": "--phase train --width 16 --size 64 --batch 8 --precision bf16 --steps 50",
    "train-64px-b8-f32": "--phase train --width 16 --size 64 --batch 8 --precision f32 --steps 50",
}
TORCH = {
    "train-256px-b8-f32": "--phase train --width 64 --size 256 --batch 8 --precision f32 --steps 15 --warmup 5",
    "train-256px-b8-tf32": "--phase train --width 64 --size 256 --batch 8 --precision tf32 --steps 15 --warmup 5",
}
# The tests that use the GPU, and the few of them that together launch every kernel, for the sanitizers.
TESTS, SANITIZED = ("::gpu::", "::cuda"), ("schedules::gpu::", "bf16::gpu::", "training::gpu::", "watching::gpu::the_peak_kernels")
# The tests of instructions that are off unless asked for, and that may hang if a GPU does not do what the manual says.
HOPPER = "cuda::hopper::"
SANITIZERS = ("memcheck", "racecheck", "synccheck", "initcheck")
PROBES = ("k-major", "k-advance", "row-shift", "mn-major-a", "mn-major-b", "wide-groups")
# The kernels that hardware counters are read of, in the steady state of a step.
HOT = "conv3x3|conv2d|sdc|ccm"
COUNTED = "--phase train --width 64 --size 256 --batch 8 --precision bf16 --steps 1 --warmup 1"
FILES = {"json": "json", "csv": "csv", "kernels": "kernels.csv", "roofline": "svg", "trace": "trace.json"}
KERNEL_KEYS = ("kernel", "layer", "phase", "launches", "percent_of_peak", "percent_of_time")


@dataclasses.dataclass(frozen=True)
class Stage:
    """One program. It is not begun with less than `least` seconds left, and is ended after `limit`. A machine may lack an optional one."""

    name: str
    least: float
    limit: float
    command: Callable
    read: Callable = lambda run, done: {}
    needs: str = None
    optional: bool = False


def stages():
    """All of them. A headline case comes twice, so that one program's drift is seen beside the other's."""
    return [*starts(), *facts(), doctor(), *headline("1"), *headline("2"), *tests(), *probes(), *sanitizers(), *counters(), *others()]


def starts():
    """Whether the programs start at all, directly or through the libraries that were packed with them."""
    wanted = {"orthoscope": "--version", "calibrate": "--help", "ops": "--list"}
    return [Stage(f"start-{name}", 2, 20, lambda run, name=name, flag=flag: run.first_start(name, flag)) for name, flag in wanted.items()]


def facts():
    """The machine as it is found; nothing is changed on it."""
    query = "name,driver_version,memory.total,compute_cap,clocks.sm,clocks.max.sm,clocks.max.memory,power.limit,ecc.mode.current"
    smi = ["nvidia-smi", "-q", "-d", "CLOCK,POWER,PERFORMANCE,TEMPERATURE,ECC,COMPUTE"]
    of_torch = "import json, torch; print(json.dumps({'torch': torch.__version__, 'cuda': torch.version.cuda, " \
        "'cudnn': torch.backends.cudnn.version(), 'device': torch.cuda.get_device_name() if torch.cuda.is_available() else None}))"
    fact = lambda name, limit, command, read: Stage(f"facts-{name}", 2, limit, lambda run: command, read, optional=True)
    return [
        fact("gpu", 20, ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"], lambda run, done: named(query, done.out)),
        fact("clocks", 20, smi, lambda run, done: {"text": done.out[:6000]}),
        fact("libc", 10, ["ldd", "--version"], first_line),
        fact("torch", 60, [sys.executable, "-c", of_torch], found_torch),
        fact("sanitizer", 15, [find_tool("compute-sanitizer") or "compute-sanitizer", "--version"], last_line),
        fact("ncu", 15, [find_tool("ncu") or "ncu", "--version"], last_line),
    ]


def doctor():
    """What the program itself finds."""
    return Stage("doctor", 2, 30, lambda run: [*run.program("orthoscope"), "doctor", "--json"], lambda run, done: {"doctor": last_object(done.out)})


def headline(round_):
    """Ours, PyTorch, and PyTorch compiled, on the same work."""
    peaks = " --measure-peaks" if round_ == "1" else ""
    return [
        ours(f"headline-ours-{round_}", f"{HEADLINE} --steps 20 --warmup 5{peaks}", 10, 60),
        torch(f"headline-torch-{round_}", f"{HEADLINE} --steps 20 --warmup 5", 20, 60),
        torch(f"headline-torch-compiled-{round_}", f"{HEADLINE} --steps 20 --warmup 5 --compile", 60, 150),
    ]


def compared(found):
    """The headline case from the results of its stages: milliseconds of each process, and PyTorch / ours of each round; above 1 ours is faster."""
    median = lambda name, round_: (found.get(f"headline-{name}-{round_}", {}).get("plain_ms") or {}).get("median")
    rounds = ("1", "2")
    sides = {name: [median(name, round_) for round_ in rounds] for name in ("ours", "torch", "torch-compiled")}
    ratio = lambda other, own: other / own if other and own else None
    ratios = {f"{name} / ours": list(map(ratio, sides[name], sides["ours"])) for name in ("torch", "torch-compiled")}
    return {"work": HEADLINE, "ms": sides, "ratios": ratios}


def tests():
    """The tests of every operation and of the engine, without those of Hopper's instructions."""
    return [Stage("tests", 30, 150, lambda run: [*run.program("ops"), *TESTS, "--skip", HOPPER, "--test-threads", "8"], counts)]


def probes():
    """How Hopper's matrix instruction addresses shared memory, each question in a process of its own, and the rates of the device."""
    ask = lambda name: lambda run: [*run.program("calibrate"), "--device", run.device, "--probe", name, "--json", run.work / f"{name}.txt"]
    answer = lambda name: lambda run, done: {"probe": read_json(run.work / f"{name}.txt")}
    hopper = lambda run: [*run.program("ops"), f"{HOPPER}gpu::", "--test-threads", "1"]
    rates = lambda run: [*run.program("calibrate"), "--device", run.device, "--json", run.work / "peaks.json"]
    return [
        *(Stage(f"probe-{name}", 3, 20, ask(name), answer(name)) for name in PROBES),
        Stage("tests-hopper", 5, 40, hopper, counts),
        Stage("rates", 5, 60, rates, lambda run, done: {"peaks": read_json(run.work / "peaks.json")}),
    ]


def sanitizers():
    """A few tests under each tool of compute-sanitizer; the best first."""
    def command(tool):
        options = ["--tool", tool, "--error-exitcode", "9", "--target-processes", "all", "--print-limit", "20"]
        return lambda run: [run.tool("compute-sanitizer"), *options, *run.program("ops"), *SANITIZED, "--test-threads", "1"]
    summary = lambda run, done: {**counts(run, done), "summary": re.findall(r"=+ ((?:\w+ )*SUMMARY:.*)", done.out + done.err)}
    return [Stage(f"sanitizer-{tool}", 20, 90, command(tool), summary, "compute-sanitizer") for tool in SANITIZERS]


def counters():
    """Hardware counters of the hot kernels, with the clocks as they are."""
    options = ["--clock-control", "none", "--graph-profiling", "node", "--set", "full", "--import-source", "no", "-k", f"regex:{HOT}", "--launch-skip", "200", "--launch-count", "24"]
    read = lambda run: [*run.program("orthoscope"), "profile", "--device", run.device, *run.sized(COUNTED)]
    return [
        Stage("ncu", 40, 150, lambda run: [run.tool("ncu"), *options, "-f", "-o", run.work / "hot", *read(run)], needs="ncu"),
        Stage("ncu-csv", 10, 60, lambda run: [run.tool("ncu"), "--import", run.work / "hot.ncu-rep", "--csv", "--page", "raw"], keep_csv, "ncu"),
    ]


def others():
    """What else is worth knowing, if there is time."""
    return [
        ours("headline-wgmma", f"{HEADLINE} --steps 20 --warmup 5", 10, 60, ("env", "ORTHOSCOPE_WGMMA=on")),
        ours("infer-256px-b1-bf16", f"{LATENCY} --steps 100", 10, 40),
        torch("torch-infer-256px-b1-bf16-compiled", f"{LATENCY} --steps 100 --warmup 20 --compile", 40, 120),
        *(torch(f"torch-{name}", options, 20, 60) for name, options in TORCH.items()),
        *(ours(name, options, 10, 60) for name, options in PROFILES.items()),
    ]


def ours(name, options, least, limit, before=()):
    """One profile by this program, with all its files. `before` is the beginning of the command."""
    def command(run):
        files = [part for option, ending in FILES.items() for part in (f"--{option}", run.profiles / f"{name}.{ending}")]
        return [*before, *run.program("orthoscope"), "profile", "--device", run.device, *run.sized(options), *files]
    return Stage(name, least, limit, command, lambda run, done: profile(read_json(run.profiles / f"{name}.json")))


def profile(found):
    """The page of a profile that the record keeps."""
    if not isinstance(found, dict):
        raise ValueError("there is no record of the profile")
    keys = ("device", "peaks", "settings", "images_per_second", "step_ms", "overhead_percent", "same_bits")
    kept = {**{key: found.get(key) for key in keys}, "plain_ms": found.get("steps", {}).get("plain")}
    kernels = sorted(found.get("kernels", []), key=lambda row: -row["percent_of_time"])[:30]
    return {**kept, "kernels": [{**{key: row.get(key) for key in KERNEL_KEYS}, "ms": row["ms"]["median"]} for row in kernels]}


def torch(name, options, least, limit):
    """The same work in PyTorch. It writes every step at once, so a time limit costs only the steps that were not done."""
    def command(run):
        return [sys.executable, run.folder / "torch_bench.py", *run.sized(options), "--kernels", "--json", run.profiles / f"{name}.json"]
    def read(run, _):
        found = read_json(run.profiles / f"{name}.json")
        steps = found.get("ms", []) if isinstance(found, dict) else []
        return {**(found or {}), "plain_ms": quantiles(steps), "ms": None} if steps else {}
    return Stage(name, least, limit, command, read, "torch")


def quantiles(values):
    """Minimum, quartiles and maximum of the measured steps."""
    if len(values) < 2:
        return {"median": values[0]} if values else None
    quarters = statistics.quantiles(values, n=4, method="inclusive")
    return {"min": min(values), "p25": quarters[0], "median": quarters[1], "p75": quarters[2], "max": max(values), "steps": len(values)}


def counts(_, done):
    """Passed and failed tests, and what the failed ones said."""
    total = re.findall(r"(\d+) passed; \d+ failed", done.out)
    passed = sum(map(int, total)) if total else len(re.findall(r"^test .* \.\.\. ok$", done.out, re.M))
    failed = sorted(set(re.findall(r"^test (\S+) \.\.\. FAILED", done.out, re.M)))
    if not passed and not failed:
        raise ValueError("no test ran")
    said = re.findall(r"^.*panicked at .*\n.*", done.out + done.err, re.M)[:40]
    return {"passed": passed, "failed": failed, "completed": bool(total), "panics": said}


def named(query, text):
    """The answer of nvidia-smi to a query, for its first GPU."""
    lines = text.splitlines()
    return dict(zip(query.split(","), (part.strip() for part in lines[0].split(",")))) if lines else {}


def found_torch(run, done):
    """Remembers whether there is PyTorch."""
    found = last_object(done.out)
    if done.state != "passed" or found is None:
        run.missing["torch"] = "PyTorch was not found"
    return {"torch": found}


def first_line(_, done):
    """For a program that names itself first."""
    return {"text": done.out.partition("\n")[0]}


def last_line(_, done):
    """For a program that names its version last."""
    return {"text": done.out.strip().rpartition("\n")[2]}


def keep_csv(run, done):
    """The table of counters goes to the profiles."""
    if done.state == "passed":
        (run.profiles / "hot.csv").write_text(done.out)
    return {}


def last_object(text):
    """The JSON object that a text ends with, whatever is printed before, between or after; None without one."""
    decoder, found = json.JSONDecoder(), None
    at = text.find("{")
    while at >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
        except ValueError:
            end = at + 1
        else:
            found = value
        at = text.find("{", end)
    return found


def read_json(path):
    """The content of a JSON file; None if there is none that can be read."""
    try:
        return json.loads(Path(path).read_text())
    except (OSError, ValueError):
        return None


def find_tool(name):
    """The path of a program of the CUDA toolkit; None without it."""
    places = [f"/usr/local/cuda/bin/{name}", *sorted(map(str, Path("/opt/nvidia").glob(f"*/*/{name}")), reverse=True)]
    return shutil.which(name) or next((place for place in places if os.access(place, os.X_OK)), None)
