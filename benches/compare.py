#!/usr/bin/env python3
"""Times orthoscope and PyTorch on the same work, in turn, and says how many times faster orthoscope is.

    cargo build --release
    python3 benches/compare.py --markdown                                     all cases, a table at the end
    python3 benches/compare.py --cases 'train/*/f32' --json record.json       some of them, kept in a record
    python3 benches/compare.py --list                                         what cases there are

Both sides run as processes of their own: A B A B ... and then B A B A ..., because what runs second finds another machine than
what ran first (A is `orthoscope profile`, B `torch_bench.py` beside this file). In a process some steps are dropped as warm-up;
the median of the others is its value. Ratios are PyTorch / orthoscope of neighbours, so above 1 orthoscope is faster.

A record can be made piece by piece: cases that are not run now stay in the file, unless they are of another machine or version.
Run nothing else meanwhile: it waits a minute for quiet, and times two neighbours again, a few times, if other processes had more
than --others of the cores.
What one side cannot do is written down with its reason; the other one is timed alone.
"""
import argparse
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

HERE = Path(__file__).resolve().parent
# Model II: base width, pixels a side, batch; steps of training and of inference that count, about a second and more.
SIZES = {
    "small": (16, 64, 8, 15, 40),
    "medium": (32, 128, 4, 7, 15),
    "large": (64, 256, 1, 3, 7),
    "latency": (16, 128, 1, 0, 60),
}
PRECISIONS = ("f32", "bf16")
ORDERS = ("AB", "BA")
PROTOCOL = (
    "Each value is the median of `steps` steps of a process of its own, after warm-up steps; the table has the median over "
    "processes, with the least and the most. Ratios are PyTorch / orthoscope of two processes that follow each other. Both sides "
    "have the same number of threads. Neighbours are timed again where other processes had more of the cores than the record's "
    "`others_limit`."
)
INCLUDES = {
    "orthoscope, train": "forward pass, objective, backward pass, Adam, and the moving average of the weights, which PyTorch's "
    "side has not; the corrupted batch is there before. Steps are those of `orthoscope profile` without observation, between which it "
    "does observed ones.",
    "PyTorch, train": "forward pass, objective, backward pass, fused Adam; channels_last; the batch is there before.",
    "infer": "a forward pass of random weights. orthoscope's has the copies from and to the host's arrays in it; PyTorch's runs "
    "in inference_mode, channels_last.",
    "bf16": "orthoscope: `--precision bf16`; PyTorch: autocast of an f32 network.",
}
MEMORY = (
    "Peak memory is the resident set's maximum as the system reports it for a finished process (`ru_maxrss`). orthoscope's is "
    "that of `orthoscope train` for two steps on eight pictures, or of `orthoscope model forward`, because `profile` holds the work "
    "twice; PyTorch's is that of the process that was timed."
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
    """A process that ended badly, as one sentence."""


@dataclasses.dataclass
class Done:
    """A process that ended well: standard output, peak of memory in MiB, and what others had of the cores meanwhile."""

    output: str
    peak: float
    others: float


def busy():
    """Seconds that all cores have worked so far or were taken from this machine; 0 where the system does not say."""
    try:
        totals = Path("/proc/stat").read_text().splitlines()[0].split()
        user, nice, system, _, _, *rest = map(int, totals[1:9])
    except OSError:
        return 0.0
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


def wait_for_quiet(limit, patience=60):
    """Waits until others leave the cores alone for half a second, or for `patience` seconds."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        before = busy()
        time.sleep(0.5)
        if busy() - before <= 0.5 * limit * cores():
            return


def run(command, environment=None):
    """Waits for a process."""
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
    """What a failed process said last."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return lines[-1].removeprefix("error: ").rstrip(".") if lines else f"exit status {code}, without a word"


def options_of(arguments):
    """A dict as command line options."""
    return [part for key, value in arguments.items() for part in (f"--{key}", str(value))]


@dataclasses.dataclass
class Turn:
    """One process of one side: milliseconds of its median step, what others had of the cores, and MiB where that is known."""

    ms: float
    others: float
    peak: float = None


class Orthoscope:
    """Our side."""

    title = "orthoscope"

    def __init__(self, program):
        self.program = program

    def time(self, arguments):
        """One process; its memory says nothing, because it does more than the work."""
        done = run([self.program, "profile", "--model", 2, "--device", "cpu", *options_of(arguments), "--json", "-"])
        result = json.loads(done.output)
        if result["threads"] != arguments["threads"]:
            raise Failed(f"had {result['threads']} threads instead of {arguments['threads']}")
        return Turn(result["step_ms"], done.others)

    def peak(self, case, arguments):
        """MiB of a process that does this work and nothing beside it."""
        with tempfile.TemporaryDirectory() as folder:
            prepare = self.training if case.phase == "train" else self.forward
            command = prepare(Path(folder), arguments)
            common = {key: arguments[key] for key in ("precision", "threads")}
            return run([self.program, *command, "--device", "cpu", *options_of(common)]).peak

    def training(self, folder, arguments):
        """Makes pictures and a config; the command that trains."""
        size, config = arguments["size"], folder / "config.toml"
        pictures = {"out": folder, "family": "tiles", "size": size, "train": 8, "good": 1, "defects": 1}
        run([self.program, "data", "generate", *options_of(pictures)])
        model = f"[model]\nmodel = 2\nwidth = {arguments['width']}\n"
        config.write_text(f"{model}[data]\nsize = {size}\nheld_out = 0.0\n[train]\nbatch = {arguments['batch']}\n")
        return ["train", *options_of({"config": config, "data": folder / "tiles", "out": folder / "run", "steps": 2})]

    def forward(self, folder, arguments):
        """Makes weights and an input; the command that runs the network."""
        model, x = folder / "model.safetensors", folder / "x.npy"
        run([self.program, "model", "init", *options_of({"model": 2, "width": arguments["width"], "out": model})])
        write_zeros(x, (arguments["batch"], arguments["size"], arguments["size"], 3))
        return ["model", "forward", *options_of({"model": model, "input": x, "output": folder / "y.npy"})]


class Torch:
    """The other side."""

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
            raise Failed(f"had {result['threads']} threads instead of {arguments['threads']}")
        return Turn(statistics.median(result["ms"]), done.others, done.peak)


def write_zeros(path, shape):
    """An f32 array of zeros as .npy."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    elements = shape[0] * shape[1] * shape[2] * shape[3]
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + bytes(4 * elements))


def summary(values):
    """Median, least and most; None of nothing."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)} if values else None


class Match:
    """Two sides in turn on one case."""

    def __init__(self, case, sides, arguments, play):
        self.case, self.sides, self.arguments = case, sides, arguments
        self.rounds, self.limit, self.tries = play.rounds, play.others, play.tries
        self.turns = {letter: [] for letter in sides}
        self.reasons = {}

    def turn(self, letter):
        """One process of one side; None if it cannot."""
        if letter in self.reasons:
            return None
        try:
            return self.sides[letter].time(self.arguments)
        except Failed as failed:
            self.reasons[letter] = str(failed)
            say(f"    {self.sides[letter].title}: not available: {failed}")
            return None

    def neighbours(self, letters):
        """One process of each side, again if they were disturbed; how often that was."""
        for again in range(self.tries):
            wait_for_quiet(self.limit)
            turns = {letter: self.turn(letter) for letter in letters}
            others = max((turn.others for turn in turns.values() if turn), default=0.0)
            if others <= self.limit:
                break
            say(f"    {' '.join(letters)}: other processes had {100 * others:.0f} % of the cores")
        return turns, again

    def order(self, letters):
        """All rounds in one order: pairs [orthoscope, PyTorch] of neighbours, and their ratios."""
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
        """What the record says of one side."""
        if letter in self.reasons:
            return {"unavailable": self.reasons[letter]}
        values, peaks = [turn.ms for turn in self.turns[letter]], [turn.peak for turn in self.turns[letter] if turn.peak]
        return {"ms": {**summary(values), "values": values}, "peak_mib": max(peaks, default=None)}

    def ours(self):
        """Our side, with the memory of a process of its own."""
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
    """Progress, not part of the result."""
    print(words, file=sys.stderr, flush=True)


def now():
    """The time in UTC."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def processor():
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def facts(arguments):
    """Machine and versions, which every case of a record shares, and the floors of memory."""
    try:
        doctor = json.loads(run([arguments.orthoscope, "doctor", "--json"]).output)
        # Measures the machine's peaks, once; a later process would take memory for it.
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
    """The cases of the file that is there, if they are of the same machine and versions."""
    if anew or not path or not path.exists():
        return []
    try:
        old = json.loads(path.read_text())
    except ValueError as error:
        sys.exit(f"error: {path} is no record: {error}")
    for part in ("machine", "versions"):
        if old[part] != record[part]:
            sys.exit(f"error: {path} has other {part}: {old[part]} there, {record[part]} now; --anew begins it again")
    return old["cases"]


def in_order(cases):
    """Cases as `all_cases` lists them, the same case only once, the last one."""
    latest = {tables.name(case): case for case in cases}
    return [latest[case.id] for case in all_cases(True) if case.id in latest]


def compare(arguments, cases):
    """Plays all cases; the file is written after each, so that what was done is kept."""
    record = facts(arguments)
    record["cases"] = kept(arguments.json, record, arguments.anew)
    for case in cases:
        given = case.arguments(arguments.steps, arguments.warmup, arguments.threads)
        say(f"{case.id}: {given['warmup']} + {given['steps']} steps, {arguments.rounds} rounds in each order")
        sides = {"A": Orthoscope(arguments.orthoscope), "B": Torch(arguments.python, case.compiled)}
        record["cases"] = in_order(record["cases"] + [Match(case, sides, given, arguments).play()])
        if arguments.json:
            arguments.json.write_text(json.dumps(record, indent=1) + "\n")
    return record


def chosen(arguments):
    """The cases that the patterns name."""
    patterns = arguments.cases.split(",")
    every = all_cases(arguments.compile)
    for pattern in patterns:
        if not any(fnmatch.fnmatch(case.id, pattern) for case in every):
            sys.exit(f"error: no case is called `{pattern}`; --list prints them")
    return [case for case in every if any(fnmatch.fnmatch(case.id, pattern) for pattern in patterns)]


def cores():
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def positive(text):
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text}")
    return int(text)


def options():
    """The command line."""
    program = HERE.parent / "target" / "release" / "orthoscope"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--orthoscope", type=Path, default=program, metavar="PROGRAM", help="default: target/release/orthoscope")
    add("--python", default=sys.executable, metavar="PROGRAM", help="a Python that has torch; default: this one")
    add("--cases", default="*", metavar="PATTERN,...", help="cases to run, e.g. 'train/*/f32,infer/latency/*'; default: all")
    add("--compile", action="store_true", help="also cases with torch.compile, .../compiled; a minute more for each process")
    add("--rounds", type=positive, default=3, metavar="N", help="processes of each side in each order; default 3")
    add("--others", type=float, default=0.05, metavar="SHARE", help="what others may have of the cores; default 0.05")
    add("--tries", type=positive, default=4, metavar="N", help="a disturbed pair is kept after so many tries; default 4")
    add("--steps", type=positive, metavar="N", help="steps that count in each process; default: by size, as the record says")
    add("--warmup", type=positive, default=2, metavar="N", help="steps before them; default 2")
    add("--threads", type=positive, default=cores(), metavar="T", help="of both sides; default: all cores")
    add("--json", type=Path, metavar="FILE", help="write the record there, or add to it")
    add("--anew", action="store_true", help="forget what FILE has")
    add("--markdown", nargs="?", const="-", metavar="FILE", help="write the tables there; without FILE print them")
    add("--list", action="store_true", help="print the names of the cases and end")
    return parser


def main():
    """Runs what was asked for."""
    arguments = options().parse_args()
    cases = chosen(arguments)
    if arguments.list:
        return print("\n".join(case.id for case in cases))
    for path in filter(None, (arguments.json, Path(arguments.markdown or ""))):
        if not path.parent.is_dir():
            sys.exit(f"error: {path}: there is no folder {path.parent}")
    record = compare(arguments, cases)
    text = tables.speed(record, tables.read(tables.GOALS)) + "\n" + tables.rounds(record, None)
    if arguments.markdown not in (None, "-"):
        Path(arguments.markdown).write_text(text)
    elif arguments.markdown or not arguments.json:
        print(text, end="")


if __name__ == "__main__":
    main()
