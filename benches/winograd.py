#!/usr/bin/env python3
"""Rounding error of Winograd's F(4x4, 3x3) for several choices of points, in f32 and with operands rounded to bf16.

    python3 benches/winograd.py [--channels 64] [--tiles 400]        needs numpy

Operands are normal random numbers. Prints the root mean square of the error relative to that of the result, and the largest error
relative to the sum of the absolute terms of an output, in units of rounding u: 2^-24 for f32, 2^-8 for bf16. paper/performance.md quotes
these numbers, and src/backend/cpu/winograd/transform.rs uses the points.
"""
from shared import parser, positive

try:
    import numpy as np
except ImportError:
    raise SystemExit("benches/winograd.py needs numpy: pip install numpy") from None

POINTS = {"1, 2 (usual)": (1, 2), "1/sqrt 2, sqrt 2": (2**-0.5, 2**0.5), "3/4, 3/2 (here)": (0.75, 1.5), "1/2, 2": (0.5, 2), "3/5, 3/2": (0.6, 1.5)}


def transforms(a, b):
    """A^T, G and B^T for the points 0, +-a, +-b and infinity."""
    at = [[1, 1, 1, 1, 1, 0], [0, a, -a, b, -b, 0], [0, a**2, a**2, b**2, b**2, 0], [0, a**3, -(a**3), b**3, -(b**3), 1]]
    na, nb, n0 = 2 * a**2 * (a**2 - b**2), 2 * b**2 * (b**2 - a**2), a**2 * b**2
    g = [[1 / n0, 0, 0], *([1 / n, p / n, p * p / n] for n, p in ((na, a), (na, -a), (nb, b), (nb, -b))), [0, 0, 1]]
    row = lambda p, other: [0, -p * other**2, -(other**2), p, 1, 0]
    ends = [n0, 0, -(a**2 + b**2), 0, 1]
    bt = [ends + [0], row(a, b), row(-a, b), row(b, a), row(-b, a), [0] + ends]
    return [np.array(m, np.float32) for m in (at, g, bt)]


def bf16(x):
    """The nearest bf16 values, as f32."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)).view(np.float32)


def direct(d, g, dtype, keep=lambda x: x):
    """The correlation of tiles d [tile, channel, 6, 6] with g [channel, 3, 3], summed in `dtype`."""
    d, g = keep(d).astype(dtype), keep(g).astype(dtype)
    total = np.zeros((len(d), 4, 4), dtype)
    for c in range(d.shape[1]):
        for i in range(3):
            for j in range(3):
                total += d[:, c, i : i + 4, j : j + 4] * g[c, i, j]
    return total


def winograd(d, g, points, dtype, keep=lambda x: x):
    """The same by transforms in f32, with products summed in `dtype`."""
    at, gt, bt = transforms(*points)
    u, v = keep(gt @ g @ gt.T).astype(dtype), keep(bt @ d @ bt.T).astype(dtype)
    total = np.zeros((len(d), 6, 6), dtype)
    for c in range(d.shape[1]):
        total += v[:, c] * u[c]
    return at.astype(dtype) @ total @ at.T.astype(dtype)


def report(name, found, exact, size, unit):
    """One line of the table."""
    error = np.abs(found - exact)
    rms = np.sqrt((error**2).mean() / (exact**2).mean())
    print(f"{name:<34}{rms / unit:>8.1f} u{(error / size).max() / unit:>8.1f} u{rms:>12.1e}")


def main():
    options = parser(__doc__)
    options.add_argument("--channels", type=positive, default=64, help="default 64")
    options.add_argument("--tiles", type=positive, default=400, help="default 400")
    arguments = options.parse_args()
    draw = np.random.default_rng(0).standard_normal
    d, g = draw((arguments.tiles, arguments.channels, 6, 6)).astype(np.float32), draw((arguments.channels, 3, 3)).astype(np.float32)
    exact, size = direct(d, g, np.float64), direct(np.abs(d), np.abs(g), np.float64)
    print(f"{'':<34}{'rms':>10}{'largest':>10}{'rms':>12}")
    report("f32, direct", direct(d, g, np.float32), exact, size, 2.0**-24)
    for name, points in POINTS.items():
        report(f"f32, points 0, {name}", winograd(d, g, points, np.float32), exact, size, 2.0**-24)
    report("bf16, direct", direct(d, g, np.float64, bf16), exact, size, 2.0**-8)
    for name, points in POINTS.items():
        report(f"bf16, points 0, {name}", winograd(d, g, points, np.float64, bf16), exact, size, 2.0**-8)


if __name__ == "__main__":
    main()
