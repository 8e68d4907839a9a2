#!/usr/bin/env python3
"""Writes the tables of README.md, CONTRIBUTING.md (lines of code) and paper/ from the records in paper/results/ and paper/ablations/.

    python3 benches/tables.py            rewrites everything between `<!-- table: NAME -->` and `<!-- end -->`
    python3 benches/tables.py --check    only checks; the exit status is 1 if a table is out of date

So no measured number is typed by hand. Records come from `benches/compare.py`, `benches/collect.py`, `benches/ablate.py`, `orthoscope profile`
and `orthoscope audit`. Goals are in
paper/results/cpu/goals.json: patterns of cases, each with the lowest acceptable ratio PyTorch / orthoscope; the first match counts.
"""
import fnmatch
import json
import re
import sys
import textwrap
from collections import Counter
from statistics import median

import ablations
from shared import ROOT, parser

FILES = ("README.md", "paper/performance.md", "paper/ablations.md", "paper/reproduction.md", "paper/audit.md", "CONTRIBUTING.md")
RECORD = "paper/results/cpu/compare.json"
GOALS = "paper/results/cpu/goals.json"
FACTORS = "paper/ablations/factors.json"
CURVES = "paper/ablations/curves.json"
LONG = "paper/ablations/long.json"
OTHERS = "paper/ablations/others.json"
CATEGORIES = "paper/ablations/categories.json"
LEAVE = "paper/ablations/leave-one-out.json"
RESULT = "paper/ablations/result-256.json"
PRECISION = "paper/ablations/precision.json"
SHIPPED = "paper/ablations/shipped.json"
ABLATIONS = (FACTORS, CURVES, LONG, OTHERS, CATEGORIES, LEAVE, RESULT, SHIPPED)
# Cards by what was audited.
AUDITS = {
    "demo": "paper/results/audit/demo.json",
    "bottle, 12 800 images": "paper/results/audit/bottle_13k.json",
    "bottle, 51 200 images": "paper/results/audit/bottle_51k.json",
    "bottle, 204 800 images": "paper/results/audit/bottle_205k.json",
}
CARD_ROWS = {
    "residual": "‖f(x) - x‖ / √n",
    "idempotence": "‖f(f(x̂)) - f(x̂)‖ / ‖e‖",
    "error": "‖f(x̂) - x‖ / ‖e‖",
    "error_on": "‖f(x̂) - x‖ on S / ‖e‖",
    "change_on": "‖f(x̂) - x̂‖ on S / ‖e‖",
    "change_off": "‖f(x̂) - x̂‖ off S / ‖e‖",
    "trace": "tr J",
    "frobenius": "‖J‖²",
    "asymmetry": "‖J - Jᵀ‖",
    "idempotence_jacobian": "‖J² - J‖",
    "tangent_angle": "angle of J to T",
    "tangent_projector_distance": "‖J - P_T‖",
    "oblique_projector_distance": "‖J - J*‖",
    "intrinsic_dimension": "d, two nearest neighbours",
    "intrinsic_dimension_local": "d, local components",
}
HEAVIEST = 12
# Ends of a range over cases: of their medians, and of all pairs of processes.
MEDIANS = ((min, "median"), (max, "median"))
PAIRS = ((min, "min"), (max, "max"))
MARKED = re.compile(r"(?P<head>^<!-- table: (?P<name>[\w-]+) -->\n)(?P<body>.*?)(?P<tail>^<!-- end -->)", re.S | re.M)


def lines(text, indent=""):
    """A paragraph wrapped to the width of the documents."""
    return textwrap.fill(text, 130, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False) + "\n"


def markdown(header, rows):
    """A table; the first column is text, the others are numbers."""
    rule = ["---"] + ["---:"] * (len(header) - 1)
    return "".join("| " + " | ".join(row) + " |\n" for row in [header, rule, *rows])


def name(case):
    """`train/small/f32`, with `/compiled` where PyTorch was."""
    return "/".join([case["phase"], case["size"], case["precision"]] + ["compiled"] * case["compiled"])


def work(case):
    """The work in words."""
    words = f"{case['phase']}, w={case['width']}, {case['px']} px, batch {case['batch']}, {case['precision']}"
    return words + (", torch.compile" if case["compiled"] else "")


def number(value):
    """Three digits at least."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(values, digits=number):
    """`median (minimum–maximum)`."""
    return f"{digits(values['median'])} ({digits(values['min'])}–{digits(values['max'])})"


def ratio(values):
    """As `spread`, for ratios; a dash if there is none."""
    return spread(values, lambda value: f"{value:.2f}") if values else "–"


def milliseconds(side, show):
    """The time of a side, formatted by `show`, or that it is not available."""
    return "not available" if "unavailable" in side else show(side["ms"])


def mebibytes(side):
    """The peak memory of a side."""
    return "–" if side.get("peak_mib") is None else f"{side['peak_mib']:.0f}"


def goal(case, goals):
    """The lowest acceptable ratio and whether the median reaches it, with a note if it is within the spread."""
    least = next((least for pattern, least in goals.items() if fnmatch.fnmatch(name(case), pattern)), None)
    if least is None:
        return "–"
    ratios = case["ratio"]
    if not ratios:
        return f"≥ {least:g}"
    within = ", within the spread" if ratios["min"] < least <= ratios["max"] else ""
    return f"≥ {least:g} {'✓' if ratios['median'] >= least else '✗'}{within}"


def summary(record, _):
    """The table of the README: how the ratio ranges over the cases of each phase and precision."""
    groups = {}
    for case in record["cases"]:
        if case["ratio"] and not case["compiled"]:
            groups.setdefault((case["phase"], case["precision"]), []).append(case["ratio"])

    def row(group):
        (phase, precision), ratios = group
        extremes = [[pick(one[key] for one in ratios) for pick, key in ends] for ends in (MEDIANS, PAIRS)]
        return [f"{phase}, {precision}", str(len(ratios)), *("–".join(f"{ratio:.2f}" for ratio in ends) for ends in extremes)]

    header = ["work", "cases", "PyTorch / orthoscope, medians", "single pairs"]
    return markdown(header, map(row, groups.items())) + "\n" + where(record)


def speed(record, goals):
    """The first table of paper/performance.md: medians, ratio, goal, memory."""
    header = ["work", "orthoscope ms", "PyTorch ms", "ratio (spread)", "goal", "peak MiB", "PyTorch peak MiB"]
    median = lambda values: number(values["median"])

    def row(case):
        ours, torch = case["orthoscope"], case["torch"]
        times = [milliseconds(side, median) for side in (ours, torch)]
        return [work(case), *times, ratio(case["ratio"]), goal(case, goals), mebibytes(ours), mebibytes(torch)]

    return markdown(header, map(row, record["cases"])) + missing(record) + "\n" + where(record)


def rounds(record, _):
    """The second table of paper/performance.md: spread of both sides, and each order alone."""
    header = ["work", "orthoscope ms (spread)", "PyTorch ms (spread)", "ratio, A B A B", "ratio, B A B A", "pairs", "steps"]

    def row(case):
        times = [milliseconds(case[side], spread) for side in ("orthoscope", "torch")]
        orders = [ratio(case["orders"][order]["ratio"]) for order in ("AB", "BA")]
        pairs = sum(len(order["pairs"]) for order in case["orders"].values())
        return [work(case), *times, *orders, str(pairs), str(case["steps"])]

    includes = "".join(lines(f"- {side}: {words}", "  ") for side, words in record["includes"].items())
    notes = [missing(record), disturbed(record), "\n", lines(record["protocol"]), "\n", includes, "\n", memory(record)]
    return markdown(header, map(row, record["cases"])) + "".join(notes)


def missing(record):
    """One sentence for each reason why cases are not available."""
    reasons = {}
    for case in record["cases"]:
        for side, title in (("orthoscope", "orthoscope"), ("torch", "PyTorch")):
            if "unavailable" in case[side]:
                reasons.setdefault((title, case[side]["unavailable"]), []).append(f"`{name(case)}`")
    sentences = [f"Not available, {title}: {', '.join(cases)}: {reason}." for (title, reason), cases in reasons.items()]
    return "".join("\n" + lines(sentence) for sentence in sentences)


def disturbed(record):
    """A sentence if pairs were kept although other processes were running."""
    limits = [(case["others_limit"], order["others"]) for case in record["cases"] for order in case["orders"].values()]
    kept = [others > limit for limit, pairs in limits for others in pairs]
    words = f"In {sum(kept)} of {len(kept)} pairs other processes used more of the cores than allowed, also when repeated."
    return "\n" + lines(words) if any(kept) else ""


def where(record):
    """Machine, versions and dates in a sentence."""
    machine, versions = record["machine"], record["versions"]
    dates = sorted({case["date"][:10] for case in record["cases"]})
    days = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    device = f"{machine['cpu']}, {machine['threads']} threads, {machine['isa']['orthoscope']}"
    return lines(f"{device}; orthoscope {versions['orthoscope']}, PyTorch {versions['torch']}; {days}.")


def memory(record):
    """How memory was measured, with the baselines."""
    floor = record["floor_mib"]
    floors = (
        f"Nothing is subtracted: importing PyTorch alone takes {floor['torch']:.0f} MiB, and any process that is started this way "
        f"shows at least {floor['launch']:.0f} MiB."
    )
    return lines(f"{record['memory']} {floors}")


def floors(profile, _):
    """The heaviest operations of a profile, and how long their arithmetic and their traffic would take alone."""
    header = ["operation", "ms", "arithmetic alone, ms", "traffic alone, ms", "GFLOP/s", "% of roofline", "% of time"]
    peaks = profile["peaks"]

    def arithmetic(work):
        """Shortest possible seconds of the executed FLOPs, each on its own unit."""
        executed = work["flops"] - work.get("saved", 0)  # older records count all FLOPs of the formula
        matrix = min(work.get("matrix", 0), executed)
        return (executed - matrix) / peaks["fma"] + (matrix and matrix / peaks["matrix"])

    def row(found):
        work, median = found["work"], found["ms"]["median"]
        alone = [1e3 * arithmetic(work), 1e3 * work["bytes"] / peaks["copy"]]
        what = f"{found['op']} {found['layer']}, {found['phase'].replace('_', ' ')}"
        shares = [f"{found['percent_of_peak']:.0f}", f"{found['percent_of_time']:.1f}"]
        return [what, number(median), *map(number, alone), f"{found['gflop_per_second']:.0f}", *shares]

    heaviest = sorted(profile["rows"], key=lambda found: -found["ms"]["median"])[:HEAVIEST]
    seen = sum(found["ms"]["median"] for found in profile["rows"])
    rates = f"{peaks['fma'] / 1e9:.0f} GFLOP/s of multiply-adds, copy {peaks['copy'] / 1e9:.1f} GB/s"
    if any(found["work"].get("matrix") for found in profile["rows"]):
        rates += f", {peaks['matrix'] / 1e9:.0f} GFLOP/s of bf16 products"
    steps = profile["step_ms"]
    machine = peaks["machine"].replace("Avx512", "AVX-512")  # the spelling of older records
    noise = 100 * sum(profile["steps"][kind]["deviation"] for kind in ("plain", "observed")) / steps
    cost = profile["overhead_percent"]
    costs = f"costs {cost:.1f} %" if cost > noise else f"costs less than the noise (±{noise:.1f} %)"
    words = (
        f"{machine}: {rates}. A step takes {number(steps)} ms, its operations together {number(seen)} ms when observed, "
        f"which {costs}. {profile['version']}."
    )
    return markdown(header, map(row, heaviest)) + "\n" + lines(words)


def operations(record, _):
    """Rates of every operation by phase at each size, over its layers, and the speedup over the reference loops."""
    sizes = ("small", "medium", "large")
    times = {tuple(found[key] for key in ("op", "layer", "phase", "size", "backend")): found for found in record["rows"]}
    kinds = sorted({(found["op"], found["phase"]) for found in record["rows"]})

    def own(kind, size):
        return [found for key, found in times.items() if (key[0], key[2], key[3], key[4]) == (*kind, size, "cpu")]

    def rate(kind, size):
        found = own(kind, size)
        if not found:
            return "–"
        unit = "flops" if "flops" in found[0] else "bytes"
        return number(median([one[unit] / one["ns"] for one in found])) + (" GB/s" if unit == "bytes" else "")

    def gain(kind):
        gains = []
        for one in own(kind, sizes[0]):
            loops = times.get((one["op"], one["layer"], one["phase"], one["size"], "reference"))
            gains += [loops["ns"] / one["ns"]] if loops else []
        return number(median(gains)) if gains else "–"

    rows = [[f"{op}, {phase.replace('_', ' ')}", *(rate((op, phase), size) for size in sizes), gain((op, phase))] for op, phase in kinds]
    header = ["operation", *(f"{size}, GFLOP/s" for size in sizes), "times the loops"]
    words = (
        f"Medians over the layers of Model II; small: w=16, 64 px, batch 8; medium: w=32, 128 px, batch 4; large: w=64, 256 px, batch 1. The last column "
        f"is at the small size. {record['threads']} threads, commit {record['commit']}, {record['date']}."
    )
    return markdown(header, rows) + "\n" + lines(words)


def counted(path, text):
    """Lines of a source file as code, docs, tests and total. Docs are comments and docstrings; blank lines are in the total only."""
    found = text.splitlines()
    if "tests" in path.parts or path.name == "tests.rs":
        return Counter(tests=len(found), total=len(found))
    main = text.split("#[cfg(test)]\nmod tests {")[0]
    comments = r'^ *(?:#|"""(?s:.*?)""")' if path.suffix == ".py" else r"^ *//"
    docs = sum(1 + match[0].count("\n") for match in re.finditer(comments, main, re.M))
    filled = sum(bool(line.strip()) for line in main.splitlines())
    return Counter(code=filled - docs, docs=docs, tests=len(found) - len(main.splitlines()), total=len(found))


def size(*_):
    """Lines of every folder of src, then of kernels, tests and benches."""
    folders = {}
    for folder in ("src", "kernels", "tests", "benches"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".rs", ".cu", ".cuh", ".h", ".cpp", ".py"):
                own = path.relative_to(ROOT)
                name = "/".join(own.parts[:2]).removesuffix(".rs") if folder == "src" else folder
                folders[name] = folders.get(name, Counter()) + counted(own, path.read_text())
    total = lambda prefix: sum((count for name, count in folders.items() if name.startswith(prefix)), Counter())
    folders |= {"all of src": total("src/"), "all": total("")}
    columns = ("code", "docs", "tests", "total")
    return markdown(["lines", *columns], [[name, *(str(count[column]) for column in columns)] for name, count in folders.items()])


def ablation(rows):
    """A table of paper/ablations.md with machine and date."""
    return lambda record, _: markdown(*rows(record)) + "\n" + lines(f"{record['processor']}, {record['date']}.")


def finding(found):
    """A quantity of a card with its interval."""
    short = lambda value: f"{value if abs(value) > 1e-9 else 0:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    if found["value"] is not None:
        return f"{short(found['value'])} ({short(found['low'])} to {short(found['high'])})"
    return "undetermined" if found["low"] is None else f"at least {short(found['low'])}"


def audit(cards, _):
    """Cards side by side, then the baselines of the last."""
    row = lambda name, found: [CARD_ROWS[name], *(finding(each[name]) for each in found)]
    cells = [row(name, cards) for name in CARD_ROWS]
    first = lambda card: finding(card["singular_values"][0]) if isinstance(card["singular_values"], list) else "undetermined"
    cells.append(["largest singular value", *(first(card) for card in cards)])
    measured = markdown(["quantity", *AUDITS], cells)
    beside = cards[-1]["baselines"]
    common = [name for name in CARD_ROWS if all(found.get(name, {}).get("value") is not None for found in beside.values())]
    baselines = markdown([f"baselines on {list(AUDITS)[-1]}", *beside], [row(name, beside.values()) for name in common])
    described = lambda name, card: f"{name}: {card['protocol'].get('model', '')}; {card['protocol']['orthoscope']}"
    words = "; ".join(described(name, card) for name, card in zip(AUDITS, cards))
    return f"{measured}\n{baselines}\n{lines(words + '.')}"


TABLES = {
    "audit": (audit, AUDITS),
    "size": (size, None),
    "operations": (operations, "paper/results/cpu/ops.json"),
    "speed-summary": (summary, RECORD),
    "speed": (speed, RECORD),
    "speed-rounds": (rounds, RECORD),
    "floors-w16": (floors, "paper/results/profile/train_model2_w16_64px_batch8.json"),
    "floors-w32": (floors, "paper/results/profile/train_model2_w32_128px_batch4.json"),
    "floors-w64": (floors, "paper/results/profile/train_model2_w64_256px_batch1.json"),
    "floors-bf16": (floors, "paper/results/profile/train_model2_w32_128px_batch4_bf16.json"),
    "ablation-factors": (ablation(ablations.variants), FACTORS),
    "ablation-scores": (ablation(ablations.scores), FACTORS),
    "ablation-agreement": (ablation(ablations.agreement), ABLATIONS),
    "ablation-curves": (ablation(ablations.variants), CURVES),
    "ablation-long": (ablation(ablations.variants), LONG),
    "ablation-others": (ablation(ablations.variants), OTHERS),
    "ablation-others-scores": (ablation(ablations.scores), OTHERS),
    "ablation-categories": (ablation(ablations.each_category), CATEGORIES),
    "ablation-categories-scores": (ablation(ablations.scores), CATEGORIES),
    "ablation-leave": (ablation(ablations.variants), LEAVE),
    "ablation-leave-scores": (ablation(ablations.scores), LEAVE),
    "ablation-result": (ablation(ablations.scores), RESULT),
    "ablation-precision": (ablation(ablations.two_variants), PRECISION),
    "ablation-shipped": (ablation(ablations.scores), SHIPPED),
    "floors-infer": (floors, "paper/results/profile/infer_model2_w32_128px_batch4.json"),
}


def read(path):
    """A JSON file of the repository; several of the ablations as one; None without a path."""
    if path is None:
        return None
    if isinstance(path, dict):
        return [read(each) for each in path.values()]
    if isinstance(path, tuple):
        return ablations.united([read(each) for each in path])
    try:
        return json.loads((ROOT / path).read_text())
    except OSError as error:
        sys.exit(f"error: {path}: {error.strerror.lower()}; benches/compare.py or orthoscope profile writes it")
    except ValueError as error:
        sys.exit(f"error: {path}: {error}")


def filled(path, seen):
    """The text of a file with up-to-date tables, and the names of those that were not."""
    text, stale = (ROOT / path).read_text(), []
    if len(re.findall("^<!-- table:", text, re.M)) != len(MARKED.findall(text)):
        sys.exit(f"error: {path}: a table has no `<!-- end -->`, or a name that is not letters, digits and hyphens")

    def fill(found):
        if found["name"] not in TABLES:
            sys.exit(f"error: {path}: there is no table `{found['name']}`; there are {', '.join(TABLES)}")
        seen.add(found["name"])
        make, record = TABLES[found["name"]]
        body = make(read(record), read(GOALS))
        if body != found["body"]:
            stale.append(found["name"])
        return found["head"] + body + found["tail"]

    return MARKED.sub(fill, text), stale


def run(check):
    """Rewrites or checks all files; the exit status."""
    seen, status = set(), 0
    for path in FILES:
        text, stale = filled(path, seen)
        for table in stale:
            source = TABLES[table][1] or "the source code"
            source = source if isinstance(source, str) else ", ".join(source.values() if isinstance(source, dict) else source)
            wrong = f"the table `{table}` does not agree with {source}; run python3 benches/tables.py"
            print(f"{path}: {wrong}" if check else f"{path}: `{table}` written")
        if stale and check:
            status = 1
        elif stale:
            (ROOT / path).write_text(text)
    unseen = sorted(set(TABLES) - seen)
    if unseen:
        sys.exit(f"error: no file has a place for the table {', '.join(unseen)}: `<!-- table: NAME -->`, then `<!-- end -->`")
    return status


def main():
    """The command line."""
    options = parser(__doc__)
    options.add_argument("--check", action="store_true", help="write nothing; the exit status is 1 if a table is out of date")
    return run(options.parse_args().check)


if __name__ == "__main__":
    sys.exit(main())
