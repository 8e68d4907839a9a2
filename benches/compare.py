#!/usr/bin/env python3
"""Times orthoscope and PyTorch on the same work, alternating, and reports how many times faster orthoscope is.

    cargo build --release
    python3 benches/compare.py --markdown                                     all cases, a table at the end
    python3 benches/compare.py --cases 'train/*/f32' --json record.json       some of them, kept in a record
    python3 benches/compare.py --list                                         what cases there are

Each side runs in a process of its own, in the order A B A B ... and then B A B A ..., because the second of two processes finds the
machine in another state (A is `orthoscope profile`, B is `torch_bench.py`). Each process drops some warm-up steps; its value is the
median of the others. Ratios are PyTorch / orthoscope of two processes in a row, so orthoscope is faster where they exceed 1.

A record can be made piece by piece: cases that are not run stay in the file, unless they are of another machine or version. Nothing else
should be running: the script waits up to a minute for a quiet machine, and repeats a pair a few times if other processes used more than
--others of the cores. If one side cannot run a case, the record says why and the other side is timed alone.
"""
import dataclasses
import datetime
import fnmatch
import json
import os
import platform
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tables
from shared import PROGRAM, parser, positive, processor, summary, write

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


@dataclasses.dataclass(frozen=True)
class Case:
    """One piece of work."""

    phase: str
    size: str
    precision: str
    compiled: bool = False

    @property
    def id(self):
        """`train/small/f32`."""
        return tables.name(dataclasses.asdict(self))

    def arguments(self, steps, warmup, threads):
        """What both sides are asked for."""
        width, px, batch, training, inference = SIZES[self.size]
        steps = steps or (training if self.phase == "train" else inference)
        given = {"phase": self.phase, "width": width, "size": px, "batch": batch, "precision": self.precision}
        return {**given, "steps": steps, "warmup": warmup, "threads": threads}


def all_cases(compiled):
    """Every case; those of torch.compile where they are wanted."""
    pairs = [(phase, size) for phase in ("train", "infer") for size in SIZES if phase == "infer" or size != "latency"]
    forms = (False, True) if compiled else (False,)
    return [Case(phase, size, precision, form) for precision in PRECISIONS for phase, size in pairs for form in forms]


class Failed(Exception):
    """A process that failed, as one sentence."""


@dataclasses.dataclass
class Done:
    """A process that succeeded: standard output, peak memory in MiB, and the share of the cores that other processes used meanwhile."""

    output: str
    peak: float
    others: float


def busy():
    """Seconds that the cores were busy or taken by the host since the system started; 0 where the system does not say."""
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


@dataclasses.dataclass
class Turn:
    """One process: milliseconds of its median step, the share of the cores that others used, and peak MiB where that is known."""

    ms: float
    others: float
    peak: float = None


class Orthoscope:
    """orthoscope."""

    title = "orthoscope"

    def __init__(self, program):
        self.program = program

    def time(self, arguments):
        """Times one process. Its memory is not used, because `profile` holds the network twice."""
        done = run([self.program, "profile", "--model", 2, "--device", "cpu", *options_of(arguments), "--json", "-"])
        result = json.loads(done.output)
        if result["threads"] != arguments["threads"]:
            raise Failed(f"used {result['threads']} threads instead of {arguments['threads']}")
        return Turn(result["step_ms"], done.others)

    def peak(self, case, arguments):
        """Peak MiB of a process that does only this work."""
        with tempfile.TemporaryDirectory() as folder:
            prepare = self.training if case.phase == "train" else self.forward
            command = prepare(Path(folder), arguments)
            common = {key: arguments[key] for key in ("precision", "threads")}
            return run([self.program, *command, "--device", "cpu", *options_of(common)]).peak

    def training(self, folder, arguments):
        """Makes images and a config; returns the training command."""
        size, config = arguments["size"], folder / "config.toml"
        images = {"out": folder, "family": "tiles", "size": size, "train": 8, "good": 1, "defects": 1}
        run([self.program, "data", "generate", *options_of(images)])
        model = f"[model]\nmodel = 2\nwidth = {arguments['width']}\n"
        config.write_text(f"{model}[data]\nsize = {size}\nheld_out = 0.0\n[train]\nbatch = {arguments['batch']}\n")
        return ["train", *options_of({"config": config, "data": folder / "tiles", "out": folder / "run", "steps": 2})]

    def forward(self, folder, arguments):
        """Makes weights and an input; returns the inference command."""
        model, x = folder / "model.safetensors", folder / "x.npy"
        run([self.program, "model", "init", *options_of({"model": 2, "width": arguments["width"], "out": model})])
        write_zeros(x, (arguments["batch"], arguments["size"], arguments["size"], 3))
        return ["model", "forward", *options_of({"model": model, "input": x, "output": folder / "y.npy"})]


class Torch:
    """PyTorch."""

    title = "PyTorch"

    def __init__(self, python, compiled):
        self.python, self.compiled = python, compiled

    def time(self, arguments):
        """One process."""
        environment = {**os.environ, "OMP_NUM_THREADS": str(arguments["threads"])}
        form = ["--compile"] if self.compiled else []
        done = run([self.python, HERE / "torch_bench.py", "--device", "cpu", *options_of(arguments), *form], environment)
        result = json.loads(done.output.splitlines()[-1])
        if result["threads"] != arguments["threads"]:
            raise Failed(f"used {result['threads']} threads instead of {arguments['threads']}")
        return Turn(statistics.median(result["ms"]), done.others, done.peak)


def write_zeros(path, shape):
    """An f32 array of zeros as .npy."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    elements = shape[0] * shape[1] * shape[2] * shape[3]
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + bytes(4 * elements))


class Match:
    """One case, alternating between both sides."""

    def __init__(self, case, sides, arguments, play):
        self.case, self.sides, self.arguments = case, sides, arguments
        self.rounds, self.limit, self.tries = play.rounds, play.others, play.tries
        self.turns = {letter: [] for letter in sides}
        self.reasons = {}

    def turn(self, letter):
        """One process of one side; None if it failed."""
        if letter in self.reasons:
            return None
        try:
            return self.sides[letter].time(self.arguments)
        except Failed as failed:
            self.reasons[letter] = str(failed)
            say(f"    {self.sides[letter].title}: not available: {failed}")
            return None

    def neighbours(self, letters):
        """One process of each side, repeated if disturbed; also the number of repetitions."""
        for again in range(self.tries):
            wait_for_quiet(self.limit)
            turns = {letter: self.turn(letter) for letter in letters}
            others = max((turn.others for turn in turns.values() if turn), default=0.0)
            if others <= self.limit:
                break
            say(f"    {' '.join(letters)}: other processes used {100 * others:.0f} % of the cores")
        return turns, again

    def order(self, letters):
        """All rounds in one order: pairs [orthoscope, PyTorch] of consecutive processes, and their ratios."""
        pairs, others, repeated = [], [], 0
        for number in range(self.rounds):
            turns, again = self.neighbours(letters)
            repeated += again
            for letter, turn in turns.items():
                self.turns[letter] += [turn] if turn else []
            if None not in turns.values():
                ours, theirs = turns["A"].ms, turns["B"].ms
                pairs.append([ours, theirs])
                others.append(max(turn.others for turn in turns.values()))
                times = f"orthoscope {ours:.1f} ms, PyTorch {theirs:.1f} ms, ratio {theirs / ours:.2f}"
                say(f"    {' '.join(letters)} {number + 1}/{self.rounds}: {times}")
        ratios = summary([theirs / ours for ours, theirs in pairs])
        return {"pairs": pairs, "others": others, "repeated": repeated, "ratio": ratios}

    def side(self, letter):
        """The entry of one side in the record."""
        if letter in self.reasons:
            return {"unavailable": self.reasons[letter]}
        values, peaks = [turn.ms for turn in self.turns[letter]], [turn.peak for turn in self.turns[letter] if turn.peak]
        return {"ms": {**summary(values), "values": values}, "peak_mib": max(peaks, default=None)}

    def ours(self):
        """The entry of orthoscope, with the memory of a separate process."""
        own = self.side("A")
        return own if "unavailable" in own else {**own, "peak_mib": self.sides["A"].peak(self.case, self.arguments)}

    def play(self):
        """The record of the case."""
        orders = {order: self.order(order) for order in ORDERS}
        ratios = [theirs / ours for order in orders.values() for ours, theirs in order["pairs"]]
        given = {key: self.arguments[key] for key in ("width", "batch", "steps", "warmup")}
        given |= {"others_limit": self.limit}
        about = {**dataclasses.asdict(self.case), "px": self.arguments["size"], **given, "date": now()}
        return {**about, "orthoscope": self.ours(), "torch": self.side("B"), "orders": orders, "ratio": summary(ratios)}


def say(words):
    """Progress, on standard error."""
    print(words, file=sys.stderr, flush=True)


def now():
    """The time in UTC."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def facts(arguments):
    """Machine, versions and baseline memory, which all cases of a record share."""
    try:
        doctor = json.loads(run([arguments.orthoscope, "doctor", "--json"]).output)
        # Measures the machine's peaks once, so that later processes do not need memory for it.
        tiny = {"width": 2, "size": 16, "batch": 1, "steps": 1, "threads": arguments.threads}
        result = run([arguments.orthoscope, "profile", "--device", "cpu", *options_of(tiny), "--json", "-"])
        ask = "import torch; print(torch.__version__, torch.backends.cpu.get_cpu_capability())"
        imported = run([arguments.python, "-c", ask])
    except Failed as failed:
        hint = "--orthoscope names the program, which `cargo build --release` makes, --python one that has torch"
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
    return [latest[case.id] for case in all_cases(True) if case.id in latest]


def compare(arguments, cases):
    """Runs all cases. The file is written after each, so that nothing is lost."""
    record = facts(arguments)
    record["cases"] = kept(arguments.json, record, arguments.anew)
    for case in cases:
        given = case.arguments(arguments.steps, arguments.warmup, arguments.threads)
        say(f"{case.id}: {given['warmup']} + {given['steps']} steps, {arguments.rounds} rounds in each order")
        sides = {"A": Orthoscope(arguments.orthoscope), "B": Torch(arguments.python, case.compiled)}
        record["cases"] = in_order(record["cases"] + [Match(case, sides, given, arguments).play()])
        if arguments.json:
            write(arguments.json, record)
    return record


def chosen(arguments):
    """The cases that match the patterns."""
    patterns = arguments.cases.split(",")
    every = all_cases(arguments.compile)
    for pattern in patterns:
        if not any(fnmatch.fnmatch(case.id, pattern) for case in every):
            sys.exit(f"error: no case is called `{pattern}`; --list prints them")
    return [case for case in every if any(fnmatch.fnmatch(case.id, pattern) for pattern in patterns)]


def cores():
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def options():
    """The command line."""
    own = parser(__doc__)
    add = own.add_argument
    add("--orthoscope", type=Path, default=PROGRAM, metavar="PROGRAM", help="default: that of the last release build")
    add("--python", default=sys.executable, metavar="PROGRAM", help="a Python that has torch; default: this one")
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
        return print("\n".join(case.id for case in cases))
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
