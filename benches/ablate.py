#!/usr/bin/env python3
"""Trains and evaluates variants of a config, one after the other. It can be killed at any moment and started again.

    python3 benches/ablate.py paper/ablations/samples.toml --data ROOT --out DIR             trains what is not done
    python3 benches/ablate.py paper/ablations/samples.toml --data ROOT --out DIR --json FILE     the same, then records the results

A plan names a base config, categories, seeds and variants. A variant overrides keys of the base; `seeds` and `categories` in it
restrict it.
The seeds are run one after the other, so that the first results of all variants come first. The plan is read again after each run.

    base = "base.toml"                  # relative to the plan; or a list of files, the later ones over the earlier ones
    own = "../configs"                  # optional: CATEGORY.toml of this folder goes over the base, and the variant over it
    categories = ["bottle", "fabric"]
    seeds = [0, 1]

    [variants.base]
    [variants.lambda_01]
    objective.lambda = 0.1

    [scores.gradient]                   # optional: the weights of every run scored once more, with these keys of [detection]
    detection.residual = { squared = 0.0, gradient = 1.0 }

DIR/VARIANT/CATEGORY/seed-S holds what `orthoscope train` writes, and `cost.json`: processor and wall time of the training, all attempts
together. `own/` has the metrics with the score of the config, `SCORE/` those of each further score: `test/` on the test set, `validation/` on
held-out normal images with drawn defects, which is what decides between variants (`orthoscope validate`). A run that fails is
reported, and the others go on.
"""
import ctypes
import fcntl
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

import shared

METRICS = ["image_auroc", "image_auroc_max", "image_auroc_top", "image_auroc_sum", "pixel_auroc", "au_pro", "image_ap", "pixel_ap", "image_auroc_by_kind"]
SETS = ["test", "validation"]
# The score that the config of a run names.
OWN = "own"


@dataclass(frozen=True)
class Run:
    variant: str
    category: str
    seed: int

    def folder(self, out):
        return out / self.variant / self.category / f"seed-{self.seed}"

    def metrics(self, out, score, images):
        return self.folder(out) / score / images / "metrics.json"

    def is_done(self, out, scores):
        """Whether all files are there; `train` and `evaluate` check what they were made with."""
        return all(self.metrics(out, score, images).exists() for score in scores for images in SETS)


class Changed(Exception):
    """The plan has changed since a run was made."""


@dataclass(frozen=True)
class Plan:
    base: list[Path]
    own: Path | None
    runs: dict[Run, str]
    scores: dict[str, str]


def flat(table, prefix=""):
    """The values of a table by dotted keys."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def config(table):
    """A table of overrides as the text of a config."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in flat(table))


def read(path):
    """The plan in a file: base configs, runs with their overrides, scores with theirs."""
    content = tomllib.loads(path.read_text())
    base = content["base"] if isinstance(content["base"], list) else [content["base"]]
    runs = {}
    for seed in content["seeds"]:
        for name, variant in content["variants"].items():
            text = config({key: value for key, value in variant.items() if key not in ("seeds", "categories")})
            if seed in variant.get("seeds", content["seeds"]):
                runs |= {Run(name, category, seed): text for category in variant.get("categories", content["categories"])}
    scores = {OWN: ""} | {name: config(table) for name, table in content.get("scores", {}).items()}
    own = path.parent / content["own"] if "own" in content else None
    return Plan([path.parent / name for name in base], own, runs, scores)


def write(path, text):
    """Writes a file as a whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    os.replace(part, path)


def end_with_parent():
    """Lets the system end this process with the driver, however that ends (Linux)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def execute(command, folder, tick=lambda: None):
    """Runs a command of orthoscope, with `tick` every ten seconds. True if it succeeded."""
    with open(folder / "output.txt", "a") as output:
        child = subprocess.Popen([str(part) for part in command], stdout=output, stderr=output, preexec_fn=end_with_parent)
        while True:
            try:
                return child.wait(10) == 0
            except subprocess.TimeoutExpired:
                tick()


def processor_time(pid):
    """Seconds of processor time of a process so far, on all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def timed(command, folder):
    """Runs a training, and adds its time to the cost of the run. A kill of the driver loses ten seconds of it."""
    path = folder / "cost.json"
    before = json.loads(path.read_text()) if path.exists() else {"cpu_seconds": 0.0, "wall_seconds": 0.0}
    ended, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()

    def record(running=0.0):
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = usage.ru_utime + usage.ru_stime - ended.ru_utime - ended.ru_stime + running
        cost = {"cpu_seconds": before["cpu_seconds"] + spent, "wall_seconds": before["wall_seconds"] + time.monotonic() - start}
        write(path, json.dumps(cost) + "\n")

    def tick():
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        record(sum(processor_time(pid) for pid in children))

    succeeded = execute(command, folder, tick)
    record()
    return succeeded


def configs(paths):
    return [part for path in paths for part in ("--config", path)]


def layers(plan, run):
    """The files whose values go over each other in a run."""
    return [*plan.base, *([plan.own / f"{run.category}.toml"] if plan.own else [])]


def check_unchanged(path, text):
    """Refuses results that were made with another config. Comments do not count."""
    if path.exists() and tomllib.loads(path.read_text()) != tomllib.loads(text):
        raise Changed(f"{path} differs from the plan now; remove {path.parent} to make its results again")
    write(path, text)


def check_training(plan, run, folder):
    """Refuses a folder whose training was, or would be, of another config."""
    for place, path in enumerate(layers(plan, run)):
        check_unchanged(folder / f"layer-{place}.toml", path.read_text())
    check_unchanged(folder / "overrides.toml", plan.runs[run])


def train(options, plan, run):
    """Trains one run, from its checkpoint if it has one. True if it is done."""
    folder = run.folder(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    check_training(plan, run, folder)
    if (folder / "model.safetensors").exists():
        return True
    resume = ["--resume"] if (folder / "checkpoint.safetensors").exists() else []
    data = ["--data", options.data / run.category, "--out", folder, "--seed", run.seed]
    return timed([options.program, "train", *data, *configs([*layers(plan, run), folder / "overrides.toml"]), *resume], folder)


def keep_metrics(folder):
    """Leaves the metrics alone of a folder that `validate` or `evaluate` has written."""
    metrics = json.loads((folder / "metrics.json").read_text())
    shutil.rmtree(folder)
    folder.mkdir()
    write(folder / "metrics.json", json.dumps(metrics) + "\n")


def judge(options, run, score):
    """Evaluates one score on both sets of images. True if it succeeded. The test set is judged by the held-out images."""
    folder = run.folder(options.out)
    departs = configs([folder / "config.toml", folder / score / "detection.toml"])
    validation, test = folder / score / "validation", folder / score / "test"
    shutil.rmtree(validation, ignore_errors=True)
    data, weights = ["--data", options.data / run.category], ["--model", folder / "model.safetensors"]
    if not execute([options.program, "validate", *weights, *data, "--out", validation, *departs], folder):
        return False
    calibration = ["--calibrate", validation / "test" / "good"]
    if not execute([options.program, "evaluate", *weights, *data, "--out", test, *calibration, *departs], folder):
        return False
    keep_metrics(validation)
    keep_metrics(test)
    return True


def evaluate(options, plan, run):
    """Evaluates a trained run with every score that is missing. True if it is done."""
    for score, text in plan.scores.items():
        (run.folder(options.out) / score).mkdir(exist_ok=True)
        check_unchanged(run.folder(options.out) / score / "detection.toml", text)
        is_done = all(run.metrics(options.out, score, images).exists() for images in SETS)
        if not is_done and not judge(options, run, score):
            return False
    return True


def train_all(options):
    """Trains and evaluates what is not done. The runs that failed."""
    options.out.mkdir(parents=True, exist_ok=True)
    lock = open(options.out / "lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"{options.out} is in use by another process")
    failed = []
    while True:
        plan = read(options.plan)
        todo = [run for run in plan.runs if not run.is_done(options.out, plan.scores) and run not in failed]
        if not todo:
            return failed
        run = todo[0]
        print(f"{time.strftime('%H:%M')} {run.variant}, {run.category}, seed {run.seed}; {len(todo)} to go", flush=True)
        try:
            if train(options, plan, run) and evaluate(options, plan, run):
                continue
            reason = f"see {run.folder(options.out) / 'output.txt'}"
        except (Changed, OSError, ValueError) as error:
            reason = str(error)
        failed.append(run)
        print(f"failed: {reason}", flush=True)


def results(run, options, plan):
    """The rows of the record for one run, one for each score."""
    folder = run.folder(options.out)
    check_training(plan, run, folder)
    for score, text in plan.scores.items():
        check_unchanged(folder / score / "detection.toml", text)
    cost = json.loads((run.folder(options.out) / "cost.json").read_text())
    for score in plan.scores:
        found = {name: json.loads(run.metrics(options.out, score, name).read_text()) for name in SETS}
        row = {"variant": run.variant, "score": score, "category": run.category, "seed": run.seed}
        metrics = {name: {key: found[name][key] for key in METRICS if key in found[name]} for name in SETS}
        yield row | metrics | {"protocol": found["test"]["protocol"], "cpu_minutes": round(cost["cpu_seconds"] / 60, 1)}


def main():
    parser = shared.parser(__doc__)
    parser.add_argument("plan", type=Path, help="the plan, TOML")
    parser.add_argument("--data", type=Path, required=True, metavar="ROOT", help="folder of categories")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="record the results of all finished runs there")
    parser.add_argument("--record-only", action="store_true", help="train nothing, only record")
    parser.add_argument("--program", type=Path, default=shared.PROGRAM, metavar="FILE", help="orthoscope; default: %(default)s")
    options = parser.parse_args()
    failed = [] if options.record_only else train_all(options)
    if options.json:
        plan = read(options.plan)
        done = [run for run in plan.runs if run.is_done(options.out, plan.scores)]
        rows = [row for run in done for row in results(run, options, plan)]
        record = {"date": shared.today(), "processor": shared.processor(), "variants": overrides(plan), "scores": plan.scores, "rows": rows}
        shared.write(options.json, record)
    sys.exit(1 if failed else 0)


def overrides(plan):
    """What each variant overrides, as the text of a config."""
    return {run.variant: text for run, text in plan.runs.items()}


if __name__ == "__main__":
    main()
