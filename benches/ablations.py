"""Tables of paper/ablations.md, from the records in paper/ablations/ that `benches/ablate.py --json` writes."""
from statistics import mean, stdev

OWN = "own"
NONE = "–"


def percent(values):
    """The mean in per cent, with the standard deviation over seeds if there are several: `97.1 ± 0.4`."""
    middle = f"{100 * mean(values):.1f}"
    return middle if len(values) < 2 else f"{middle} ± {100 * stdev(values):.1f}"


def groups(rows, *keys):
    """The rows by the values of `keys`, in the order in which they first occur."""
    found = {}
    for row in rows:
        found.setdefault(tuple(row[key] for key in keys), []).append(row)
    return found


IMAGES = ["validation", "test"]
# Two results are the same if these are.
COMPARED = ["image_auroc", "pixel_auroc", "au_pro"]


def measures(images):
    """Image and pixel AUROC of a row on one set of images."""
    return [lambda row: row[images]["image_auroc"], lambda row: row[images]["pixel_auroc"]]


def decisive(images):
    """What variants are compared by on one set of images: the mean of image and pixel AUROC."""
    return lambda row: mean(measure(row) for measure in measures(images))


def quality(runs, chosen):
    """The chosen measures of several seeds, each of which has one row or one for each category: `97.1 ± 0.4 / 95.0 ± 0.2`."""
    return " / ".join(percent([mean(map(measure, rows)) for rows in runs]) for measure in chosen)


def table(key, chosen):
    """Header and rows: one row for each value of `key`, with the mean over the categories and then every category."""
    categories = [category for (category,) in groups(chosen, "category")]

    def row(name, rows):
        runs = [rows for rows in groups(rows, "seed").values() if len(rows) == len(categories)]
        averaged = [quality(runs, chosen) if runs else NONE for chosen in ([decisive("validation")], *map(measures, IMAGES))]
        by_category = groups(rows, "category")
        alone = lambda category: [[row] for row in by_category.get((category,), [])]
        tested = [quality(alone(category), measures("test")) if alone(category) else NONE for category in categories]
        seeds = len(groups(rows, "seed"))
        number = str(seeds) if seeds == len(runs) or not runs else f"{seeds}, {len(runs)} with all"
        return [name, number, *averaged, *tested, f"{mean(row['cpu_minutes'] for row in rows):.0f}"]

    header = [key, "seeds", "decides", *IMAGES, *categories, "CPU-minutes"]
    return header, [row(name, rows) for (name,), rows in groups(chosen, key).items()]


def variants(record):
    """Every variant, with the score of its config."""
    return table("variant", [row for row in record["rows"] if row["score"] == OWN])


def scores(record):
    """Every score, on the weights of all variants: means over them."""
    header, rows = table("score", [row | {"seed": f"{row['variant']} {row['seed']}"} for row in record["rows"]])
    return ["score", "runs", *header[2:-1]], [row[:-1] for row in rows]


# Metrics of a test set, as columns of a comparison.
METRICS = {"image AUROC": "image_auroc", "image AP": "image_ap", "pixel AUROC": "pixel_auroc", "pixel AP": "pixel_ap", "AU-PRO": "au_pro"}


def two_variants(record):
    """Header and rows: the metrics of two variants on the test set, and whether their means differ by more than the larger deviation."""
    first, second = record["variants"]

    def row(name, key):
        sides = [[row["test"][key] for row in record["rows"] if row["variant"] == side] for side in (first, second)]
        difference, spread = mean(sides[1]) - mean(sides[0]), max(map(stdev, sides))
        return [name, *map(percent, sides), f"{100 * difference:+.1f}", f"{100 * spread:.1f}", "yes" if abs(difference) <= spread else "no"]

    header = ["metric", first, second, "difference", "larger deviation", "within"]
    return header, [row(name, key) for name, key in METRICS.items()]


def each_category(record):
    """Header and rows: every category with every variant and the score of its config."""

    def row(category, variant, rows):
        seeds = groups(rows, "seed").values()
        chosen = [[decisive("validation")], *map(measures, IMAGES), [lambda row: row["test"]["au_pro"]]]
        measured = [quality(seeds, measure) for measure in chosen]
        return [category, variant, str(len(seeds)), *measured, f"{mean(row['cpu_minutes'] for row in rows):.0f}"]

    own = [row for row in record["rows"] if row["score"] == OWN]
    header = ["category", "variant", "seeds", "decides", *IMAGES, "AU-PRO", "CPU-minutes"]
    return header, [row(category, variant, rows) for (category, variant), rows in groups(own, "category", "variant").items()]


def ranks(values):
    """Ranks from 1 up; equal values share the mean of their ranks."""
    ordered = sorted(values)
    return [ordered.index(value) + (ordered.count(value) + 1) / 2 for value in values]


def correlation(a, b):
    """Spearman's rank correlation; None if it is not defined."""
    a, b = ranks(a), ranks(b)
    spread = lambda values: sum((value - mean(values)) ** 2 for value in values)
    together = sum((x - mean(a)) * (y - mean(b)) for x, y in zip(a, b))
    return together / (spread(a) * spread(b)) ** 0.5 if spread(a) and spread(b) else None


def united(records):
    """The rows of several records as one, each training and each result once. A run of two plans that has the same results in all digits with
    one score is the same training; its other scores are then further scores. Processor and date are those of the last."""
    rows, known = [], set()
    for record in records:
        for run in groups(record["rows"], "variant", "category", "seed").values():
            results = [(row["category"], *(row[images][name] for images in IMAGES for name in COMPARED)) for row in run]
            again = {"score": "another"} if known.intersection(results) else {}
            for row, result in zip(run, results):
                if result not in known:
                    known.add(result)
                    rows.append(row | again)
    return records[-1] | {"rows": rows}


def agreement(record):
    """Header and rows: how well the validation set ranks the runs of a category, among trainings and among scores."""

    def rank(rows):
        found = correlation(*([decisive(images)(row) for row in rows] for images in IMAGES))
        return NONE if found is None else f"{found:.2f}"

    rows = []
    for (category,), all_rows in groups(record["rows"], "category").items():
        own = [row for row in all_rows if row["score"] == OWN]
        rows += [[category, what, str(len(chosen)), rank(chosen)] for what, chosen in (("trainings", own), ("trainings and scores", all_rows))]
    return ["category", "ranked", "number", "rank correlation"], rows
