#!/usr/bin/env python3
"""Collects the results of `cargo bench --bench ops` in one record, from which benches/tables.py makes a table.

    cargo bench --bench ops                                              about six minutes, with nothing else running
    python3 benches/collect.py --json paper/results/cpu/ops.json

One row for each operation, layer, phase, size and backend: the median of criterion's samples in nanoseconds with its 95 % confidence
interval, and the FLOPs of a call by formula, or its bytes if it computes nothing.
"""
import json
import os
import subprocess
import sys
from pathlib import Path

import shared


def row(folder):
    """One benchmark of criterion's; None if it is not an operation."""
    about, found = (json.loads((folder / f"{part}.json").read_text()) for part in ("benchmark", "estimates"))
    names = about["group_id"].split("/")
    if len(names) != 4:
        return None
    median = found["median"]
    interval = median["confidence_interval"]
    (kind, amount), = about["throughput"].items()
    return {
        **dict(zip(("op", "layer", "phase", "size"), names)),
        "backend": about["function_id"],
        "ns": median["point_estimate"],
        "interval": [interval["lower_bound"], interval["upper_bound"]],
        "flops" if kind == "Elements" else "bytes": amount,
    }


def main():
    parser = shared.parser(__doc__)
    parser.add_argument("--json", type=Path, required=True, metavar="FILE", help="write the record there")
    parser.add_argument("--criterion", type=Path, default=shared.TARGET / "criterion", metavar="FOLDER", help="results of criterion; default: those of the last cargo bench")
    options = parser.parse_args()
    rows = [row(path.parent) for path in sorted(options.criterion.glob("*/*/new/benchmark.json"))]
    rows = [found for found in rows if found]
    if not rows:
        sys.exit(f"{options.criterion} has no results of `cargo bench --bench ops`")
    commit = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=shared.ROOT, capture_output=True, text=True).stdout.strip()
    shared.write(options.json, {"commit": commit, "date": shared.today(), "threads": os.cpu_count(), "rows": rows})
    print(f"{len(rows)} rows written to {options.json}")


if __name__ == "__main__":
    main()
