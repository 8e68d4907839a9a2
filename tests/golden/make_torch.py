"""Golden values of ops and of Model I and II, made by PyTorch in f64.

    python tests/golden/make_torch.py        writes torch_ops.safetensors and torch_model{1,2}.safetensors beside itself

Every convolution weight is stored as PyTorch has it (OIHW) and every image as [N, H, W, C].
"""
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

HERE = Path(__file__).parent
torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def nhwc(t):
    return t.permute(0, 2, 3, 1).contiguous() if t.dim() == 4 else t


def record(out, name, leaves, y, weights=()):
    """Stores inputs, result, a cotangent and all gradients. `weights` stay OIHW, other 4-d tensors become NHWC."""
    dy = torch.randn_like(y)
    grads = torch.autograd.grad(y, list(leaves.values()), dy)
    put = lambda key, t, oihw: out.__setitem__(f"{name}.{key}", (t if oihw else nhwc(t)).detach().contiguous().clone())
    for (key, leaf), grad in zip(leaves.items(), grads):
        put(key, leaf, key in weights)
        put("d" + key, grad, key in weights)
    put("y", y, False)
    put("dy", dy, False)


def leaf(*shape):
    return torch.randn(*shape).requires_grad_()


def ops():
    out = {}
    for name, k, stride, dilation, padding in (("conv3", 3, 1, 1, 1), ("conv5s2", 5, 2, 1, 2), ("conv3d4", 3, 1, 4, 4), ("conv3s2d2p0", 3, 2, 2, 0), ("conv1", 1, 1, 1, 0)):
        x, w, b = leaf(3, 5, 17, 23), leaf(4, 5, k, k), leaf(4)
        record(out, name, {"x": x, "w": w, "b": b}, F.elu(F.conv2d(x, w, b, stride, padding, dilation)), ("w",))
    x = leaf(3, 5, 17, 23)
    record(out, "max_pool", {"x": x}, F.max_pool2d(x, 2))
    x = leaf(3, 5, 7, 9)
    record(out, "upsample2", {"x": x}, F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False))
    for name in ("elu", "tanh", "sigmoid", "softplus"):
        x = (3 * torch.randn(40)).requires_grad_()
        record(out, name, {"x": x}, getattr(F, name)(x))
    x, w, b = leaf(7, 6), leaf(4, 6), leaf(4)
    record(out, "linear", {"x": x, "w": w, "b": b}, torch.tanh(F.linear(x, w, b)))
    x, y = leaf(2, 3, 6, 5), torch.randn(2, 3, 6, 5)
    m = torch.zeros(2, 1, 6, 5)
    m[0, 0, 1:4, 2:5] = 1                                # the second image has an empty region
    for name, penalty in (("squared", lambda e: e**2), ("charbonnier", lambda e: 2 * 0.1 * ((e**2 + 0.01).sqrt() - 0.1))):
        record(out, f"objective_{name}", {"output": x}, objective(x, y, m, 0.3, penalty))
    out["objective.target"], out["objective.mask"] = nhwc(y), nhwc(m)
    adam(out)
    # Operations added later have random numbers of their own, so that those of the networks below stay the same.
    with torch.random.fork_rng():
        torch.manual_seed(1)
        a, b = leaf(2, 3, 9, 7), leaf(2, 3, 9, 7)
        record(out, "windowed_mean", {"a": a, "b": b}, windowed_mean(a * b, 5, 1.5))
    with torch.random.fork_rng():
        torch.manual_seed(2)
        x = leaf(2, 3, 9, 7)
        for name, filter in (("grey", grey), ("prewitt", prewitt), ("halve", halve)):
            record(out, name, {"x": x}, filter(x))
        a, b = (torch.rand(2, 3, 13, 11).requires_grad_() for _ in range(2))
        record(out, "ssim", {"a": a, "b": b}, ssim(a, b, 7))
        record(out, "ssim_loss", {"a": a, "b": b}, (1 - ssim(a, b, 11).mean()).reshape(1))
        record(out, "gradient_loss", {"a": a, "b": b}, gradient_loss(a, b, 3))
    save_file(out, HERE / "torch_ops.safetensors")


def windowed_mean(x, size, sigma):
    """Means over Gaussian windows, of the pixels inside the image only: zero padding, divided by the weight that lies inside."""
    taps = torch.exp(-0.5 * ((torch.arange(size) - size // 2) / sigma) ** 2)
    window = torch.outer(taps, taps).expand(x.shape[1], 1, size, size)
    total = lambda x: F.conv2d(x, window, padding=size // 2, groups=x.shape[1])
    return total(x) / total(torch.ones_like(x))


def grey(x):
    return x.mean(1, keepdim=True)


def halve(x):
    return F.avg_pool2d(grey(x), 2)


def prewitt(x):
    """Differences of the means of three pixels on both sides, down and to the right, of the grey image with its border repeated."""
    down = torch.tensor([[-1.0, -1, -1], [0, 0, 0], [1, 1, 1]]) / 3
    return F.conv2d(F.pad(grey(x), (1, 1, 1, 1), mode="replicate"), torch.stack([down, down.T])[:, None])


def ssim(a, b, size):
    """Wang et al. 2004, (13), with values in [0, 1]; the moments are means of the pixels inside the image."""
    mean = lambda x: windowed_mean(x, size, 1.5 * size / 11)
    mean_a, mean_b = mean(a), mean(b)
    variance_a, variance_b, covariance = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2, mean(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    return (2 * mean_a * mean_b + c1) * (2 * covariance + c2) / ((mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2))


def gradient_loss(a, b, scales, c=0.0026):
    """1 - multi-scale gradient magnitude similarity (Zavrtanik et al. 2021)."""
    a, b, losses = grey(a), grey(b), []
    for _ in range(scales):
        of_a, of_b = ((prewitt(x) ** 2).sum(1) + 1e-6 for x in (a, b))
        losses.append(1 - ((2 * (of_a * of_b).sqrt() + c) / (of_a + of_b + c)).mean())
        a, b = halve(a), halve(b)
    return torch.stack(losses).mean().reshape(1)


def objective(output, x, m, lam, penalty=lambda e: e**2):
    e, c = penalty(output - x), x.shape[1]
    part = lambda region: (e * region).sum((1, 2, 3)) / (c * region.sum((1, 2, 3))).clamp_min(1)
    return ((1 - lam) * part(1 - m) + lam * part(m)).mean().reshape(1)


def adam(out):
    p = torch.nn.Parameter(torch.randn(9))
    g = torch.randn(3, 9)
    optimiser = torch.optim.Adam([p], lr=0.02, betas=(0.9, 0.99), eps=1e-6)
    out["adam.p"], out["adam.g"] = p.detach().clone(), g
    for step in g:
        p.grad = step.clone()
        optimiser.step()
    out["adam.after"] = p.detach().clone()


def parameters(model, w, dilations):
    shapes = {}

    def conv(name, o, i, k):
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (o, i, k, k), (o,)

    for name, i, o in (("e1", 3, w), ("e2", w, 2 * w), ("e3", 2 * w, 4 * w), ("d3", 4 * w, 2 * w), ("d2", 2 * w, w), ("d1", w, w)):
        conv(f"{name}.0", o, i, 3), conv(f"{name}.1", o, o, 3)
    for block in range(4):
        for branch in range(len(dilations)):
            conv(f"sdc.{block}.{branch}", w, 4 * w if block == 0 else len(dilations) * w, 3)
    conv("b", 4 * w, len(dilations) * w, 1), conv("out", 3, w, 1)
    for level, c in ((3, 4 * w), (2, 2 * w), (1, w)):
        conv(f"u{level}", c, c, 3)
        if model == 2:
            conv(f"ccm{level}.mix", c, 3 * c, 1), conv(f"ccm{level}.gate", c, c, 1)
    return {n: (torch.randn(s) * (0.5 if len(s) == 1 else (s[1] * s[2] * s[3]) ** -0.5)).requires_grad_() for n, s in shapes.items()}


def forward(p, x, model, dilations):
    def conv(name, x, d=1):
        w = p[f"{name}.weight"]
        return F.conv2d(x, w, p[f"{name}.bias"], padding=d * (w.shape[2] // 2), dilation=d)

    pair = lambda name, x: F.elu(conv(f"{name}.1", F.elu(conv(f"{name}.0", x))))
    s1 = pair("e1", x)
    s2 = pair("e2", F.max_pool2d(s1, 2))
    s3 = pair("e3", F.max_pool2d(s2, 2))
    z = F.max_pool2d(s3, 2)
    for block in range(4):
        z = F.elu(torch.cat([conv(f"sdc.{block}.{k}", z, d) for k, d in enumerate(dilations)], 1))
    z = F.elu(conv("b", z))
    for level, s in ((3, s3), (2, s2), (1, s1)):
        z = F.elu(conv(f"u{level}", F.interpolate(z, scale_factor=2, mode="bilinear", align_corners=False)))
        if model == 2:
            beta = torch.sigmoid(conv(f"ccm{level}.gate", F.elu(conv(f"ccm{level}.mix", torch.cat([s, z, (s - z) ** 2], 1)))))
            z = beta * s + (1 - beta) * z
        z = pair(f"d{level}", z)
    return torch.sigmoid(conv("out", z))


def network(model, w=2, dilations=(1, 2, 4)):
    p = parameters(model, w, dilations)
    x, target = torch.rand(2, 3, 16, 24).requires_grad_(), torch.rand(2, 3, 16, 24)
    mask = (torch.rand(2, 1, 16, 24) > 0.7).double()
    y = forward(p, x, model, dilations)
    loss = objective(y, target, mask, 0.4)
    grads = torch.autograd.grad(loss, [x, *p.values()])
    out = {"x": nhwc(x), "target": nhwc(target), "mask": nhwc(mask), "y": nhwc(y), "loss": loss, "dx": nhwc(grads[0])}
    for (name, value), grad in zip(p.items(), grads[1:]):
        out[f"p.{name}"], out[f"d.{name}"] = value, grad
    save_file({k: v.detach().contiguous().clone() for k, v in out.items()}, HERE / f"torch_model{model}.safetensors", {"dilations": str(list(dilations))})


ops()
network(1)
network(2)
