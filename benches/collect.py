#!/usr/bin/env python3
"""Collects what `cargo bench --bench ops` measured into one record, from which benches/tables.py makes a table.

    cargo bench --bench ops                                              about six minutes, with nothing else running
    python3 benches/collect.py --json paper/results/cpu/ops.json

A row for each operation, layer, phase, size and backend: the median of criterion's samples in nanoseconds with its 95 % confidence interval, and
the FLOPs of a call by formula, or its bytes where nothing is computed.
"""
import argparse
import datetime
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def target():
    """The folder of build outputs, as cargo sees it."""
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def row(folder):
    """One benchmark of criterion's."""
    about, found = (json.loads((folder / f"{part}.json").read_text()) for part in ("benchmark", "estimates"))
    op, layer, phase, size = about["group_id"].split("/")
    median = found["median"]
    interval = median["confidence_interval"]
    (kind, amount), = about["throughput"].items()
    return {
        "op": op,
        "layer": layer,
        "phase": phase,
        "size": size,
        "backend": about["function_id"],
        "ns": median["point_estimate"],
        "interval": [interval["lower_bound"], interval["upper_bound"]],
        "flops" if kind == "Elements" else "bytes": amount,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True, metavar="FILE", help="write the record there")
    parser.add_argument("--criterion", type=Path, metavar="FOLDER", help="criterion's results; default: those of the last cargo bench")
    options = parser.parse_args()
    folder = options.criterion or target() / "criterion"
    found = sorted(path.parent for path in folder.glob("*/*/new/benchmark.json"))
    rows = [row(path) for path in found if json.loads((path / "benchmark.json").read_text())["group_id"].count("/") == 3]
    if not rows:
        sys.exit(f"{folder} has no results of `cargo bench --bench ops`")
    commit = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    record = {"commit": commit, "date": datetime.date.today().isoformat(), "threads": os.cpu_count(), "rows": rows}
    options.json.write_text(json.dumps(record, indent=1) + "\n")
    print(f"{len(rows)} rows written to {options.json}")


if __name__ == "__main__":
    main()
