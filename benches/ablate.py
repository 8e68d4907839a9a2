#!/usr/bin/env python3
"""Trains and evaluates variants of a config, one after the other. It can be killed at any moment and started again.

    python3 benches/ablate.py paper/ablations/factors.toml --data ROOT --out DIR             trains what is not done
    python3 benches/ablate.py paper/ablations/factors.toml --data ROOT --out DIR --json FILE     the same, then records the results

A plan names a base config, categories, seeds and variants. A variant overrides keys of the base; `seeds` and `categories` in it
restrict it, and `precision` is the option of the program by which it is trained, validated and evaluated.
The seeds are run one after the other, so that the first results of all variants come first. The plan is read again after each run.

    base = "base.toml"                  # relative to the plan; or a list of files, the later ones over the earlier ones
    own = "../configs"                  # optional: CATEGORY.toml of this folder, if it exists, goes over the base, under the variant
    categories = ["bottle", "fabric"]
    seeds = [0, 1]

    [variants.base]
    [variants.lambda_01]
    objective.lambda = 0.1
    [variants.rounded]
    precision = "bf16"

    [scores.gradient]                   # optional: the weights of every run scored once more, with these keys of [detection]
    detection.residual = { squared = 0.0, gradient = 1.0 }

DIR/VARIANT/CATEGORY/seed-S holds what `orthoscope train` writes, and `cost.json`: processor and wall time of the training, all attempts
together. `own/` has the metrics with the score of the config, `SCORE/` those of each further score: `test/` on the test set, `validation/`
on held-out normal images with drawn defects, which is what decides between variants (`orthoscope validate`). A run that fails is reported,
and the others go on. A finished run whose config has changed in the plan since is reported, too, and left out of the record. In both cases
the exit code is 1.

FILE keeps its rows of runs that DIR does not have, made on another machine for example, as long as their config is that of the plan.
"""
import ctypes
import fcntl
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import shared

METRICS = ["image_auroc", "image_auroc_max", "image_auroc_top", "image_auroc_sum", "pixel_auroc", "au_pro"]
METRICS += ["image_ap", "pixel_ap", "image_auroc_by_kind", "image_threshold"]
SETS = ["test", "validation"]
# The score that the config of a run names.
OWN = "own"
# The file of a run's folder that names its precision, if that is not f32.
PRECISION = "precision.toml"


@dataclass(frozen=True)
class Run:
    variant: str
    category: str
    seed: int
    precision: str = field(default="f32", compare=False)

    def options(self):
        """Options of every command that computes with the network of the run."""
        return [] if self.precision == "f32" else ["--precision", self.precision]

    def folder(self, out):
        return out / self.variant / self.category / f"seed-{self.seed}"

    def metrics(self, out, score, images):
        return self.folder(out) / score / images / "metrics.json"

    def is_judged(self, out, score):
        """Whether both metrics are there, and the images of the validation set, which go last, are not."""
        is_cleared = not (self.metrics(out, score, "validation").parent / "test").exists()
        return is_cleared and all(self.metrics(out, score, images).exists() for images in SETS)

    def is_done(self, out, scores):
        """Whether all results are there. What they were made with is checked by `check_training` and `check_unchanged`."""
        return all(self.is_judged(out, score) for score in scores)


class Changed(Exception):
    """The plan has changed since a run was made."""


class Unusable(Exception):
    """The plan or the program cannot be used. The text is a sentence for the user."""


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


def is_list(value, kind):
    # In Python true is a whole number, too; in a plan it is none.
    return isinstance(value, list) and all(isinstance(item, kind) and not isinstance(item, bool) for item in value)


def is_tables(value):
    return isinstance(value, dict) and all(isinstance(item, dict) for item in value.values())


# What each key of a plan must be, and the same in words.
FORMS = {
    "base": (lambda value: isinstance(value, str) or is_list(value, str), "a file or a list of files"),
    "categories": (lambda value: is_list(value, str), "a list of names"),
    "seeds": (lambda value: is_list(value, int), "a list of whole numbers"),
    "variants": (is_tables, "a table for each variant"),
    "own": (lambda value: isinstance(value, str), "a folder"),
    "scores": (is_tables, "a table for each score"),
    "precision": (lambda value: value in ("f32", "bf16"), "f32 or bf16"),
}
# Keys of a variant that are not keys of the config.
OF_VARIANT = ["categories", "seeds", "precision"]
REQUIRED = ["base", "categories", "seeds", "variants"]


def check_forms(path, table, keys, place=""):
    """Refuses a value that is not what it must be, among these keys of a table of the plan."""
    for key in keys:
        fits, words = FORMS[key]
        if key in table and not fits(table[key]):
            raise Unusable(f"`{place}{key}` in the plan {path} must be {words}")


def content_of(path):
    """What a plan says, if it has the form of a plan."""
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise Unusable(f"cannot read the plan {path}: {error.strerror}") from error
    except ValueError as error:
        raise Unusable(f"the plan {path} is not valid TOML: {error}") from error
    for key in REQUIRED:
        if key not in content:
            raise Unusable(f"the plan {path} has no key `{key}`, which must be {FORMS[key][1]}")
    check_forms(path, content, [key for key in FORMS if key != "precision"])
    for name, variant in content["variants"].items():
        check_forms(path, variant, OF_VARIANT, f"variants.{name}.")
    return content


def read(path):
    """The plan in a file: base configs, runs with their overrides, scores with theirs."""
    content = content_of(path)
    base = [path.parent / name for name in (content["base"] if isinstance(content["base"], list) else [content["base"]])]
    for file in base:
        if not file.is_file():
            raise Unusable(f"`base` in the plan {path} names the file {file}, which does not exist")
    own = path.parent / content["own"] if "own" in content else None
    # A category may have no file, so a wrong name of the folder would go unnoticed.
    if own and not own.is_dir():
        raise Unusable(f"`own` in the plan {path} names the folder {own}, which does not exist")
    runs = {}
    for seed in content["seeds"]:
        for name, variant in content["variants"].items():
            text = config({key: value for key, value in variant.items() if key not in OF_VARIANT})
            precision = variant.get("precision", Run.precision)
            if seed in variant.get("seeds", content["seeds"]):
                categories = variant.get("categories", content["categories"])
                runs |= {Run(name, category, seed, precision): text for category in categories}
    scores = {OWN: ""} | {name: config(table) for name, table in content.get("scores", {}).items()}
    return Plan(base, own, runs, scores)


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
        shared.replace(path, json.dumps(cost) + "\n")

    def tick():
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        record(sum(processor_time(pid) for pid in children))

    succeeded = execute(command, folder, tick)
    record()
    return succeeded


def orthoscope(options, *arguments):
    """A command of orthoscope."""
    return [options.program, *arguments, *(["--threads", options.threads] if options.threads else [])]


def check_program(options):
    """Refuses a program that cannot make the runs, before the first training and not after it."""
    try:
        known = subprocess.run([str(options.program), "validate", "--help"], capture_output=True)
    except OSError as error:
        raise Unusable(f"cannot run {options.program}: {error.strerror}; build it, or name another program with --program") from error
    if known.returncode != 0:
        raise Unusable(f"{options.program} does not know the command `validate`: it is too old, or another program than orthoscope")


def configs(paths):
    return [part for path in paths for part in ("--config", path)]


def layers(plan, run):
    """The files whose values go over each other in a run. A category without a file has the base alone, as in `orthoscope reproduce`."""
    own = [plan.own / f"{run.category}.toml"] if plan.own else []
    return [*plan.base, *(path for path in own if path.exists())]


def check_unchanged(path, text):
    """Refuses results that were made with another config. Comments do not count."""
    if path.exists() and tomllib.loads(path.read_text()) != tomllib.loads(text):
        raise Changed(f"{path} differs from the plan now; remove {path.parent} to make its results again")


def check_training(plan, run, folder):
    """Refuses a folder whose training was of another config. The files with the config of the run now, by name."""
    texts = {f"layer-{place}.toml": path.read_text() for place, path in enumerate(layers(plan, run))} | {"overrides.toml": plan.runs[run]}
    texts |= {PRECISION: f'precision = "{run.precision}"\n'} if run.options() else {}
    # `train` writes config.toml first. If it has refused the config, there is none, and the config may be mended.
    if any((folder / name).exists() for name in ("config.toml", "model.safetensors", OWN)):
        if recorded(folder) != set(texts):
            raise Changed(f"{folder} was made with more or fewer config files than the plan has now; remove it to make its results again")
        for name, text in texts.items():
            check_unchanged(folder / name, text)
    return texts


def recorded(folder):
    """Names of the files with the config of a run that were written before its training."""
    return {path.name for pattern in ("layer-*.toml", "overrides.toml", PRECISION) for path in folder.glob(pattern)}


def train(options, plan, run):
    """Trains one run, from its checkpoint if it has one. True if it is done."""
    folder = run.folder(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    texts = check_training(plan, run, folder)
    for name in recorded(folder) - set(texts):
        (folder / name).unlink()
    for name, text in texts.items():
        shared.replace(folder / name, text)
    if (folder / "model.safetensors").exists():
        return True
    resume = ["--resume"] if (folder / "checkpoint.safetensors").exists() else []
    data = ["--data", options.data / run.category, "--out", folder, "--seed", run.seed, *run.options()]
    # The copies, because the files may change before the program reads them.
    copies = configs(folder / name for name in texts if name != PRECISION)
    return timed(orthoscope(options, "train", *data, *copies, *resume), folder)


def keep_metrics(folder):
    """Leaves the metrics alone of a folder that `validate` or `evaluate` has written."""
    metrics = json.loads((folder / "metrics.json").read_text())
    shutil.rmtree(folder)
    folder.mkdir()
    shared.replace(folder / "metrics.json", json.dumps(metrics) + "\n")


def judge(options, run, score):
    """Evaluates one score on both sets of images. True if it succeeded. The test set is judged by the held-out images."""
    folder = run.folder(options.out)
    departs = configs([folder / "config.toml", folder / score / "detection.toml"])
    validation, test = folder / score / "validation", folder / score / "test"
    shutil.rmtree(validation, ignore_errors=True)
    data, weights = ["--data", options.data / run.category, *run.options()], ["--model", folder / "model.safetensors"]
    if not execute(orthoscope(options, "validate", *weights, *data, "--out", validation, *departs), folder):
        return False
    calibration = ["--calibrate", validation / "test" / "good"]
    if not execute(orthoscope(options, "evaluate", *weights, *data, "--out", test, *calibration, *departs), folder):
        return False
    keep_metrics(test)
    keep_metrics(validation)
    return True


def evaluate(options, plan, run):
    """Evaluates a trained run with every score that is missing. True if it is done."""
    for score, text in plan.scores.items():
        detection = run.folder(options.out) / score / "detection.toml"
        check_unchanged(detection, text)
        detection.parent.mkdir(exist_ok=True)
        shared.replace(detection, text)
        if not run.is_judged(options.out, score) and not judge(options, run, score):
            return False
    return True


def train_all(options):
    """Trains and evaluates what is not done. The plan as it was last usable, and the runs that failed."""
    plan = read(options.plan)
    check_program(options)
    options.out.mkdir(parents=True, exist_ok=True)
    lock = open(options.out / "lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"{options.out} is in use by another process")
    failed = []
    while True:
        try:
            plan = read(options.plan)
        except Unusable as error:
            print(f"the plan is used as it was before: {error}", flush=True)
        todo = [run for run in plan.runs if not run.is_done(options.out, plan.scores) and run not in failed]
        if not todo:
            return plan, failed
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
        protocol = {name: found[name]["protocol"] for name in SETS}
        if not all(re.search(r" commit [0-9a-f]+$", line) for line in protocol.values()):
            print(f"note: {run.variant}, {run.category}, seed {run.seed}, {score}: judged by a program that no commit has", flush=True)
        yield row | metrics | {"protocol": protocol, "cpu_minutes": round(cost["cpu_seconds"] / 60, 1)}


def all_results(options, plan):
    """The rows of the record for all finished runs, and the runs that are left out of it."""
    rows, left_out = [], []
    for run in plan.runs:
        if not run.is_done(options.out, plan.scores):
            continue
        try:
            rows += list(results(run, options, plan))
        except (Changed, OSError, ValueError) as error:
            left_out.append(run)
            print(f"left out {run.variant}, {run.category}, seed {run.seed}: {error}", flush=True)
    return rows, left_out


def layer_hash(plan, category):
    """Hash of the values that the variants of a category override."""
    values = [tomllib.loads(path.read_text()) for path in layers(plan, Run("", category, 0))]
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def layer_hashes(plan):
    return {category: layer_hash(plan, category) for category in sorted({run.category for run in plan.runs})}


def kept_rows(path, plan, found):
    """Rows of an earlier record for runs of the plan that this folder does not have, if they were made with the same config and scores."""
    if not (path and path.exists()):
        return []
    record, known = json.loads(path.read_text()), {(row["variant"], row["category"], row["seed"]) for row in found}
    current, hashes = overrides(plan), layer_hashes(plan)

    def is_kept(row):
        run = (row["variant"], row["category"], row["seed"])
        is_planned = Run(*run) in plan.runs and run not in known
        same_config = is_planned and record["variants"].get(row["variant"]) == current[row["variant"]]
        same_base = is_planned and record.get("layers", {}).get(row["category"]) == hashes[row["category"]]
        return same_config and same_base and record["scores"].get(row["score"]) == plan.scores.get(row["score"])

    return [row for row in record["rows"] if is_kept(row)]


def in_order(rows, plan):
    """Rows in the order of the plan."""
    runs, scores = list(plan.runs), list(plan.scores)
    place = lambda row: (runs.index(Run(row["variant"], row["category"], row["seed"])), scores.index(row["score"]))
    return sorted(rows, key=place)


def main():
    parser = shared.parser(__doc__)
    parser.add_argument("plan", type=Path, help="the plan, TOML")
    parser.add_argument("--data", type=Path, required=True, metavar="ROOT", help="folder of categories")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="record the results of all finished runs there")
    parser.add_argument("--record-only", action="store_true", help="train nothing, only record")
    parser.add_argument("--program", default=shared.PROGRAM, metavar="FILE", help="orthoscope; default: %(default)s")
    parser.add_argument("--threads", type=shared.positive, metavar="T", help="threads of orthoscope; default: all cores")
    options = parser.parse_args()
    try:
        plan, failed = (read(options.plan), []) if options.record_only else train_all(options)
    except Unusable as error:
        sys.exit(str(error))
    rows, left_out = all_results(options, plan)
    if options.json and not rows:
        # An earlier record is worth more than an empty one.
        sys.exit(f"no finished run to record; {options.json} is not written")
    if options.json:
        rows = in_order(rows + kept_rows(options.json, plan, rows), plan)
        record = {"date": shared.today(), "processor": shared.processor(), "variants": overrides(plan), "scores": plan.scores}
        shared.write(options.json, record | {"layers": layer_hashes(plan), "rows": rows})
    sys.exit(1 if failed or left_out else 0)


def overrides(plan):
    """What each variant overrides, as the text of a config, and its precision."""
    return {run.variant: text + (f'precision = "{run.precision}"\n' if run.options() else "") for run, text in plan.runs.items()}


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
