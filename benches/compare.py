#!/usr/bin/env python3
"""Times orthoscope and PyTorch on the same work, alternating, and reports how many times faster orthoscope is.

    cargo build --release
    python3 benches/compare.py --markdown                                     all cases, a table at the end
    python3 benches/compare.py --cases 'train/*/f32' --json record.json       some of them, kept in a record
    python3 benches/compare.py --list                                         what cases there are

Each side runs in a process of its own, in the order A B A B ... and then B A B A ..., because the second of two processes finds the
machine in another state (A is `orthoscope profile`, B is `torch_bench.py`). Each process drops some warm-up steps; its value is the
median of the others. Ratios are PyTorch / orthoscope of two processes in a row, so orthoscope is faster where they exceed 1.

A record can be made in parts: cases that are not run are kept, unless they are of another machine or version. Nothing else should be
running: the script waits up to a minute for a quiet machine, and repeats a pair a few times if other processes used more than
--others of the cores. If one side cannot run a case, the record says why and the other side is timed alone.
"""
import dataclasses
import fnmatch
import functools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tables
from shared import PROGRAM, now, parser, positive, processor, summary, write

HERE = Path(__file__).resolve().parent
# Model II: base width, side in pixels, batch, and measured steps of training and inference, which take a second or more.
SIZES = {
    "small": (16, 64, 8, 15, 40),
    "medium": (32, 128, 4, 7, 15),
    "large": (64, 256, 1, 3, 7),
    "latency": (16, 128, 1, 0, 60),
}
PRECISIONS = ("f32", "bf16")
ORDERS = ("AB", "BA")
TITLES = {"A": "orthoscope", "B": "PyTorch"}
PROTOCOL = (
    "Each value is the median of `steps` steps of one process after its warm-up steps; the table shows the median over processes with "
    "the minimum and maximum. Ratios are PyTorch / orthoscope of two consecutive processes. Both sides use the same number of "
    "threads. Pairs are timed again if other processes used more of the cores than the record's `others_limit`."
)
INCLUDES = {
    "orthoscope, train": "forward pass, objective, backward pass, Adam, and the moving average of the weights, which the PyTorch "
    "side does not have; the corrupted batch is ready before. These are the plain steps of `orthoscope profile`, which alternate with "
    "observed ones.",
    "PyTorch, train": "forward pass, objective, backward pass, fused Adam; channels_last; the batch is ready before.",
    "infer": "a forward pass with random weights. orthoscope includes the copies from and to host arrays; PyTorch runs in "
    "inference_mode, channels_last.",
    "bf16": "orthoscope: `--precision bf16`; PyTorch: autocast of an f32 network.",
}
MEMORY = (
    "Peak memory is the maximum resident set size that the system reports for a finished process (`ru_maxrss`). For orthoscope it is "
    "that of `orthoscope train` for two steps on eight images, or of `orthoscope model forward`, because `profile` holds the network "
    "twice; for PyTorch it is that of the timed process."
)


def all_cases(compiled):
    """Every case; those of torch.compile where they are wanted."""
    pairs = [(phase, size) for phase in ("train", "infer") for size in SIZES if phase == "infer" or size != "latency"]
    forms = (False, True) if compiled else (False,)
    every = [(phase, size, precision, form) for precision in PRECISIONS for phase, size in pairs for form in forms]
    return [dict(zip(("phase", "size", "precision", "compiled"), case)) for case in every]


def work(case, options):
    """The options that both sides of a case are called with."""
    width, px, batch, training, inference = SIZES[case["size"]]
    steps = options.steps or (training if case["phase"] == "train" else inference)
    given = {"phase": case["phase"], "width": width, "size": px, "batch": batch, "precision": case["precision"]}
    return {**given, "steps": steps, "warmup": options.warmup, "threads": options.threads}


class Failed(Exception):
    """A process that failed, as one sentence."""


@dataclasses.dataclass
class Done:
    """A process that succeeded: standard output, peak memory in MiB, the share of the cores that other processes used meanwhile, and the
    milliseconds of its median step if it was timed."""

    output: str
    peak: float
    others: float
    ms: float = None


def busy():
    """Seconds that the cores were busy or taken by the host since the system started; 0 where the system does not report it."""
    try:
        totals = Path("/proc/stat").read_text().splitlines()[0].split()
        user, nice, system, _, _, *rest = map(int, totals[1:9])
    except OSError:
        return 0.0
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


def wait_for_quiet(limit, patience=60):
    """Waits until other processes leave the cores alone for half a second, but at most `patience` seconds."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        before = busy()
        time.sleep(0.5)
        if busy() - before <= 0.5 * limit * cores():
            return


def run(command, environment=None):
    """Runs a process to its end."""
    start, before = time.monotonic(), busy()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            process = subprocess.Popen([str(part) for part in command], stdout=out, stderr=err, env=environment)
        except OSError as error:
            raise Failed(f"{command[0]}: {error.strerror.lower()}") from error
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), err.seek(0)
        if process.returncode:
            raise Failed(sentence(err.read().decode(errors="replace"), process.returncode))
        own, wall = usage.ru_utime + usage.ru_stime, time.monotonic() - start
        unit = 1 if sys.platform == "darwin" else 1024
        others = max(busy() - before - own, 0.0) / (wall * cores())
        return Done(out.read().decode(), usage.ru_maxrss * unit / 2**20, others)


def sentence(stderr, code):
    """The last message of a failed process."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return lines[-1].removeprefix("error: ").rstrip(".") if lines else f"exit status {code} without a message"


def options_of(arguments):
    """A dict as command-line options."""
    return [part for key, value in arguments.items() for part in (f"--{key}", str(value))]


def timed(command, given, steps, environment=None):
    """Runs one side. `steps` finds the milliseconds of the steps in the JSON that it prints."""
    done = run([*command, *options_of(given)], environment)
    result = json.loads(done.output)
    if result["threads"] != given["threads"]:
        raise Failed(f"used {result['threads']} threads instead of {given['threads']}")
    return dataclasses.replace(done, ms=statistics.median(steps(result)))


def sides_of(case, given, options):
    """A function for each side that times one process."""
    ours = [options.orthoscope, "profile", "--model", 2, "--device", "cpu", "--json", "-"]
    torch = [options.python, HERE / "torch_bench.py", "--device", "cpu", *["--compile"] * case["compiled"]]
    environment = {**os.environ, "OMP_NUM_THREADS": str(given["threads"])}
    return {
        "A": functools.partial(timed, ours, given, lambda result: [result["step_ms"]]),
        "B": functools.partial(timed, torch, given, lambda result: result["ms"], environment),
    }


def peak(case, given, options):
    """Peak MiB of an orthoscope process that does only this work; `profile` holds the network twice."""
    with tempfile.TemporaryDirectory() as folder:
        command = {"train": training, "infer": forward}[case["phase"]](Path(folder), given, options)
        common = {"device": "cpu", "precision": given["precision"], "threads": given["threads"]}
        return run([options.orthoscope, *command, *options_of(common)]).peak


def training(folder, given, options):
    """Makes images and a config; returns the training command."""
    size, config = given["size"], folder / "config.toml"
    images = {"out": folder, "family": "tiles", "size": size, "train": 8, "good": 1, "defects": 1}
    run([options.orthoscope, "data", "generate", *options_of(images)])
    model = f"[model]\nmodel = 2\nwidth = {given['width']}\n"
    config.write_text(f"{model}[data]\nsize = {size}\nheld_out = 0.0\n[train]\nbatch = {given['batch']}\n")
    return ["train", *options_of({"config": config, "data": folder / "tiles", "out": folder / "run", "steps": 2})]


def forward(folder, given, options):
    """Makes weights and an input; returns the inference command."""
    model, x = folder / "model.safetensors", folder / "x.npy"
    run([options.orthoscope, "model", "init", *options_of({"model": 2, "width": given["width"], "out": model})])
    shape = (given["batch"], given["size"], given["size"], 3)
    run([options.python, "-c", f"import numpy; numpy.save({str(x)!r}, numpy.zeros({shape}, numpy.float32))"])
    return ["model", "forward", *options_of({"model": model, "input": x, "output": folder / "y.npy"})]


class Match:
    """One case, alternating between both sides."""

    def __init__(self, case, given, options):
        self.case, self.given, self.options = case, given, options
        self.sides = sides_of(case, given, options)
        self.done = {letter: [] for letter in self.sides}
        self.reasons = {}

    def turn(self, letter):
        """One process of one side; None if it failed."""
        if letter in self.reasons:
            return None
        try:
            return self.sides[letter]()
        except Failed as failed:
            self.reasons[letter] = str(failed)
            say(f"    {TITLES[letter]}: not available: {failed}")
            return None

    def neighbours(self, letters):
        """One process of each side, repeated if disturbed, with the largest share of others; also the number of repetitions."""
        for again in range(self.options.tries):
            wait_for_quiet(self.options.others)
            turns = {letter: self.turn(letter) for letter in letters}
            others = max((done.others for done in turns.values() if done), default=0.0)
            if others <= self.options.others:
                break
            say(f"    {' '.join(letters)}: other processes used {100 * others:.0f} % of the cores")
        return turns, others, again

    def order(self, letters):
        """All rounds in one order: pairs [orthoscope, PyTorch] of consecutive processes, and their ratios."""
        found = {"pairs": [], "others": [], "repeated": 0}
        for number in range(self.options.rounds):
            turns, others, again = self.neighbours(letters)
            found["repeated"] += again
            for letter, done in turns.items():
                self.done[letter] += [done] if done else []
            if None not in turns.values():
                ours, theirs = turns["A"].ms, turns["B"].ms
                found["pairs"].append([ours, theirs])
                found["others"].append(others)
                times = f"orthoscope {ours:.1f} ms, PyTorch {theirs:.1f} ms, ratio {theirs / ours:.2f}"
                say(f"    {' '.join(letters)} {number + 1}/{self.options.rounds}: {times}")
        return {**found, "ratio": ratios(found["pairs"])}

    def side(self, letter, peak):
        """The entry of one side in the record. `peak` gives its memory."""
        if letter in self.reasons:
            return {"unavailable": self.reasons[letter]}
        values = [done.ms for done in self.done[letter]]
        return {"ms": {**summary(values), "values": values}, "peak_mib": peak()}

    def play(self):
        """The record of the case."""
        orders = {order: self.order(order) for order in ORDERS}
        given = {key: self.given[key] for key in ("width", "batch", "steps", "warmup")}
        about = {**self.case, "px": self.given["size"], **given, "others_limit": self.options.others, "date": now()}
        ours = self.side("A", lambda: peak(self.case, self.given, self.options))
        torch = self.side("B", lambda: max(done.peak for done in self.done["B"]))
        every = [pair for order in orders.values() for pair in order["pairs"]]
        return {**about, "orthoscope": ours, "torch": torch, "orders": orders, "ratio": ratios(every)}


def ratios(pairs):
    """How many times faster orthoscope is."""
    return summary([theirs / ours for ours, theirs in pairs])


def say(words):
    """Progress, on standard error."""
    print(words, file=sys.stderr, flush=True)


def facts(arguments):
    """Machine, versions and baseline memory, which all cases of a record share."""
    try:
        doctor = json.loads(run([arguments.orthoscope, "doctor", "--json"]).output)
        # Measures the machine's peaks once, so that later processes do not need memory for it.
        tiny = {"width": 2, "size": 16, "batch": 1, "steps": 1, "threads": arguments.threads}
        result = run([arguments.orthoscope, "profile", "--device", "cpu", *options_of(tiny), "--json", "-"])
        ask = "import numpy, safetensors, torch; print(torch.__version__, torch.backends.cpu.get_cpu_capability())"
        imported = run([arguments.python, "-c", ask])
    except Failed as failed:
        hint = "--orthoscope names the program, which `cargo build --release` makes, --python one that has torch, numpy and safetensors"
        sys.exit(f"error: {failed}; {hint}")
    version, isa = imported.output.split()
    machine = {"cpu": processor(), "threads": arguments.threads, "system": platform.platform()}
    return {
        "machine": {**machine, "isa": {"orthoscope": doctor["simd"], "torch": isa}},
        "versions": {"orthoscope": f"{doctor['version']} commit {doctor['commit']}", "torch": version},
        "peaks": {key: value for key, value in json.loads(result.output)["peaks"].items() if key != "machine"},
        "floor_mib": {"torch": imported.peak, "launch": run(["true"]).peak},
        "protocol": PROTOCOL,
        "includes": INCLUDES,
        "memory": MEMORY,
    }


def kept(path, record, anew):
    """The cases of an existing record, if it is of the same machine and versions."""
    if anew or not path or not path.exists():
        return []
    try:
        old = json.loads(path.read_text())
    except ValueError as error:
        sys.exit(f"error: {path} is not a record: {error}")
    for part in ("machine", "versions"):
        if old[part] != record[part]:
            sys.exit(f"error: {path} has other {part}: {old[part]} there, {record[part]} now; --anew starts it again")
    return old["cases"]


def in_order(cases):
    """Cases in the order of `all_cases`; of equal cases the last one."""
    latest = {tables.name(case): case for case in cases}
    return [latest[name] for name in map(tables.name, all_cases(True)) if name in latest]


def compare(arguments, cases):
    """Runs all cases. The file is written after each, so that an interrupted run keeps its results."""
    record = facts(arguments)
    record["cases"] = kept(arguments.json, record, arguments.anew)
    for case in cases:
        given = work(case, arguments)
        say(f"{tables.name(case)}: {given['warmup']} + {given['steps']} steps, {arguments.rounds} rounds in each order")
        record["cases"] = in_order(record["cases"] + [Match(case, given, arguments).play()])
        if arguments.json:
            write(arguments.json, record)
    return record


def chosen(arguments):
    """The cases that match the patterns."""
    matching = lambda pattern: [case for case in all_cases(arguments.compile) if fnmatch.fnmatch(tables.name(case), pattern)]
    found = {pattern: matching(pattern) for pattern in arguments.cases.split(",")}
    for pattern in (pattern for pattern, cases in found.items() if not cases):
        sys.exit(f"error: no case is called `{pattern}`; --list prints them")
    return in_order(case for cases in found.values() for case in cases)


def cores():
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def options():
    """The command line."""
    own = parser(__doc__)
    add = own.add_argument
    add("--orthoscope", type=Path, default=PROGRAM, metavar="PROGRAM", help="default: that of the last release build")
    add("--python", default=sys.executable, metavar="PROGRAM", help="a Python that has torch, numpy and safetensors; default: this one")
    add("--cases", default="*", metavar="PATTERN,...", help="cases to run, e.g. 'train/*/f32,infer/latency/*'; default: all")
    add("--compile", action="store_true", help="also run cases with torch.compile, .../compiled; a minute more per process")
    add("--rounds", type=positive, default=3, metavar="N", help="processes of each side in each order; default 3")
    add("--others", type=float, default=0.05, metavar="SHARE", help="largest share of the cores that others may use; default 0.05")
    add("--tries", type=positive, default=4, metavar="N", help="keep a disturbed pair after this many tries; default 4")
    add("--steps", type=positive, metavar="N", help="measured steps of each process; default: by size, as in the record")
    add("--warmup", type=positive, default=2, metavar="N", help="warm-up steps before them; default 2")
    add("--threads", type=positive, default=cores(), metavar="T", help="threads of both sides; default: all cores")
    add("--json", type=Path, metavar="FILE", help="write the record there, or add to it")
    add("--anew", action="store_true", help="discard the contents of FILE")
    add("--markdown", nargs="?", const="-", metavar="FILE", help="write the tables to FILE, or print them")
    add("--list", action="store_true", help="print the names of the cases")
    return own


def main():
    """The command line."""
    arguments = options().parse_args()
    cases = chosen(arguments)
    if arguments.list:
        return print("\n".join(map(tables.name, cases)))
    for path in filter(None, (arguments.json, Path(arguments.markdown or ""))):
        if not path.parent.is_dir():
            sys.exit(f"error: {path}: the folder {path.parent} does not exist")
    record = compare(arguments, cases)
    text = tables.speed(record, tables.read(tables.GOALS)) + "\n" + tables.rounds(record, None)
    if arguments.markdown not in (None, "-"):
        Path(arguments.markdown).write_text(text)
    elif arguments.markdown or not arguments.json:
        print(text, end="")


if __name__ == "__main__":
    main()
