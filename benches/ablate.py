#!/usr/bin/env python3
"""Trains and evaluates variants of a config, one after the other. It can be killed at any moment and started again.

    python3 benches/ablate.py paper/ablations/samples.toml --data ROOT --out DIR             trains what is not done
    python3 benches/ablate.py paper/ablations/samples.toml --data ROOT --out DIR --json FILE     the same, then records the results

A plan names a base config, categories, seeds and variants. A variant overrides keys of the base; `seeds` and `categories` in it restrict it.
The seeds are run one after the other, so that the first results of all variants come first. The plan is read again after each run.

    base = "base.toml"                  # relative to the plan; or a list of files, the later ones over the earlier ones
    categories = ["bottle", "fabric"]
    seeds = [0, 1]

    [variants.base]
    [variants.lambda_01]
    objective.lambda = 0.1

DIR/VARIANT/CATEGORY/seed-S holds what `orthoscope train` writes, `test/` of `orthoscope evaluate`, and `cost.json`: processor and wall
time of all attempts. A run that fails is reported, and the others go on. Peak memory, dates and the machine are in the record.
"""
import fcntl
import json
import resource
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

import shared

METRICS = ["image_auroc_max", "image_auroc_sum", "pixel_auroc", "au_pro", "image_ap", "pixel_ap", "image_auroc_by_kind"]


@dataclass(frozen=True)
class Run:
    variant: str
    category: str
    seed: int

    def folder(self, out):
        return out / self.variant / self.category / f"seed-{self.seed}"

    def metrics(self, out):
        return self.folder(out) / "test" / "metrics.json"


def flat(table, prefix=""):
    """The values of a table by dotted keys."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def read(plan):
    """The base configs of a plan, and its runs with their overrides as the text of a config."""
    content = tomllib.loads(plan.read_text())
    base = content["base"] if isinstance(content["base"], list) else [content["base"]]
    runs = {}
    for seed in content["seeds"]:
        for name, variant in content["variants"].items():
            keys = {key: value for key, value in variant.items() if key not in ("seeds", "categories")}
            text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in flat(keys))
            if seed in variant.get("seeds", content["seeds"]):
                runs |= {Run(name, category, seed): text for category in variant.get("categories", content["categories"])}
    return [plan.parent / name for name in base], runs


def spent():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def execute(command, folder):
    """Runs a command of orthoscope and adds its time to the cost of the run. True if it succeeded."""
    before, start = spent(), time.monotonic()
    with open(folder / "output.txt", "a") as output:
        code = subprocess.run([str(part) for part in command], stdout=output, stderr=output).returncode
    path = folder / "cost.json"
    cost = json.loads(path.read_text()) if path.exists() else {"cpu_seconds": 0.0, "wall_seconds": 0.0}
    cost["cpu_seconds"] += spent() - before
    cost["wall_seconds"] += time.monotonic() - start
    path.write_text(json.dumps(cost) + "\n")
    return code == 0


def train(program, data, folder, base, overrides, seed):
    """Trains and evaluates one run, from its checkpoint if it has one. True if it is done."""
    folder.mkdir(parents=True, exist_ok=True)
    own = folder / "overrides.toml"
    own.write_text(overrides)
    model = folder / "model.safetensors"
    if not model.exists():
        configs = [part for path in [*base, own] for part in ("--config", path)]
        resume = ["--resume"] if (folder / "checkpoint.safetensors").exists() else []
        if not execute([program, "train", "--data", data, "--out", folder, "--seed", seed, *configs, *resume], folder):
            return False
    return execute([program, "evaluate", "--model", model, "--data", data, "--out", folder / "test"], folder)


def train_all(options):
    """Trains what is not done. The runs that failed."""
    options.out.mkdir(parents=True, exist_ok=True)
    lock = open(options.out / "lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"{options.out} is in use by another process")
    failed = []
    while True:
        base, runs = read(options.plan)
        todo = [run for run in runs if not run.metrics(options.out).exists() and run not in failed]
        if not todo:
            return failed
        run, folder = todo[0], todo[0].folder(options.out)
        print(f"{time.strftime('%H:%M')} {run.variant}, {run.category}, seed {run.seed}; {len(todo)} to go", flush=True)
        if not train(options.program, options.data / run.category, folder, base, runs[run], run.seed):
            failed.append(run)
            print(f"failed, see {folder / 'output.txt'}", flush=True)


def result(run, out):
    """One row of the record."""
    found = json.loads(run.metrics(out).read_text())
    cost = json.loads((run.folder(out) / "cost.json").read_text())
    row = {"variant": run.variant, "category": run.category, "seed": run.seed, **{key: found[key] for key in METRICS}}
    return row | {"protocol": found["protocol"], "cpu_minutes": round(cost["cpu_seconds"] / 60, 1)}


def main():
    parser = shared.parser(__doc__)
    parser.add_argument("plan", type=Path, help="the plan, TOML")
    parser.add_argument("--data", type=Path, required=True, metavar="ROOT", help="folder of categories")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="record the results of all finished runs there")
    parser.add_argument("--program", type=Path, default=shared.PROGRAM, metavar="FILE", help="orthoscope; default: %(default)s")
    options = parser.parse_args()
    failed = train_all(options)
    if options.json:
        _, runs = read(options.plan)
        rows = [result(run, options.out) for run in runs if run.metrics(options.out).exists()]
        shared.write(options.json, {"date": shared.today(), "processor": shared.processor(), "rows": rows})
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
