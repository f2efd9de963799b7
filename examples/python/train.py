#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Train a small causal language model on real text, once with fa4's attention and once with torch's.

Characters of the documentation that comes with every Python (pydoc_data.topics, 465 kB of English) are predicted
by a transformer of 3 layers, 4 heads of dim 32 and a context of 128. Both runs begin with the same weights and
see the same batches, so that their losses lie over each other until rounding tells them apart.

  pip install ".[torch]" matplotlib
  python examples/python/train.py --steps 300 --plot docs/train.svg
  python examples/python/train.py --steps 300 --device cuda

Prints both losses every 20 steps and their largest difference; --plot draws the curves. On a GPU attention runs in
bfloat16 (autocast); ours is then trained twice with deterministic=True, and the weights of both runs are compared
bit by bit.
"""

import argparse
import os
import pydoc_data.topics
import time

import torch
from torch import nn
from torch.nn import functional

import fa4

CONTEXT = 128
BATCH = 8
HEADS = 4
WIDTH = 128
LAYERS = 3


def attend_fa4(q, k, v):
    """[B,S,H,D] in and out."""
    return fa4.flash_attn_func(q, k, v, causal=True)


def attend_torch(q, k, v):
    q, k, v = (tensor.transpose(1, 2) for tensor in (q, k, v))
    return functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)


class Layer(nn.Module):
    def __init__(self, attend):
        super().__init__()
        self.attend = attend
        self.before_attention, self.before_mlp = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.project = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x):
        qkv = self.qkv(self.before_attention(x)).unflatten(-1, (3, HEADS, WIDTH // HEADS))
        x = x + self.project(self.attend(*qkv.unbind(2)).flatten(2))
        return x + self.mlp(self.before_mlp(x))


class Model(nn.Module):
    def __init__(self, symbols, attend):
        super().__init__()
        self.symbols, self.positions = nn.Embedding(symbols, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.layers = nn.Sequential(*(Layer(attend) for _ in range(LAYERS)))
        self.last = nn.LayerNorm(WIDTH)
        self.scores = nn.Linear(WIDTH, symbols)

    def forward(self, tokens):
        x = self.symbols(tokens) + self.positions.weight[: tokens.shape[1]]
        return self.scores(self.last(self.layers(x)))


def read_text():
    """Token numbers of the text, and how many symbols it has."""
    text = "\n".join(pydoc_data.topics.topics.values())
    number = {symbol: index for index, symbol in enumerate(sorted(set(text)))}
    return torch.tensor([number[symbol] for symbol in text]), len(number)


def train(attend, steps, device="cpu"):
    """The loss of each step, in nats per character, the seconds that all took, and the model."""
    tokens, symbols = read_text()
    torch.manual_seed(0)
    tokens, model = tokens.to(device), Model(symbols, attend).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    start = time.perf_counter()
    for _ in range(steps):
        begins = torch.randint(len(tokens) - CONTEXT - 1, (BATCH, 1))
        rows = tokens[(begins + torch.arange(CONTEXT + 1)).to(device)]
        with torch.autocast(device, torch.bfloat16, enabled=device != "cpu"):
            scores = model(rows[:, :-1])
        loss = functional.cross_entropy(scores.float().flatten(0, 1), rows[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, time.perf_counter() - start, model


def is_repeatable(steps, device):
    """Whether two runs with a deterministic backward end with the same weights. Torch's own part must be, too."""

    def attend(q, k, v):
        return fa4.flash_attn_func(q, k, v, causal=True, deterministic=True)

    torch.use_deterministic_algorithms(True)
    first, second = (train(attend, steps, device)[2].state_dict() for _ in range(2))
    torch.use_deterministic_algorithms(False)
    return all(torch.equal(first[name], second[name]) for name in first)


def plot(curves, path):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "fa4"  # the same file from the same numbers
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4))
    for (name, losses), style in zip(curves.items(), ({"lw": 3, "alpha": 0.4}, {"lw": 1, "color": "black"})):
        axes.plot(losses, label=name, **style)
    axes.set(xlabel="step", ylabel="loss, nats per character", title="A small causal language model, twice")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--plot", metavar="FILE.svg", help="draw both curves there")
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    options = parser.parse_args()
    sides = {"torch SDPA": attend_torch, "fa4": attend_fa4}
    runs = {name: train(attend, options.steps, options.device) for name, attend in sides.items()}
    curves = {name: losses for name, (losses, _, _) in runs.items()}
    print("step  " + "  ".join(f"{name:>10}" for name in curves))
    for step in [*range(0, options.steps, 20), options.steps - 1]:
        print(f"{step:4}  " + "  ".join(f"{losses[step]:10.5f}" for losses in curves.values()))
    difference = max(abs(a - b) for a, b in zip(*curves.values()))
    print(f"largest difference {difference:.2e}; " + ", ".join(f"{n} {s:.0f} s" for n, (_, s, _) in runs.items()))
    if options.device != "cpu":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        print("deterministic: " + ("the same weights twice" if is_repeatable(options.steps, options.device) else "WEIGHTS DIFFER"))
    if options.plot:
        plot(curves, options.plot)


if __name__ == "__main__":
    main()
