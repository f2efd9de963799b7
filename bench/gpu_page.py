#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The page and the plots of what bench/gpu-vs-torch.py measured.

    build/venv/bin/python bench/gpu_page.py ROWS.jsonl docs/measurements/DATE-gpu

writes DATE-gpu.md, DATE-gpu-forward.svg, -backward.svg and -memory.svg. Needs matplotlib.
"""

import json
import math
import statistics
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "fa4"}  # small files, the same from the same rows
from matplotlib import pyplot  # noqa: E402

PEERS = ("fa2", "cudnn", "triton")
NAMES = {"fa4": "fa4", "fa2": "FA2 (torch)", "cudnn": "cuDNN (torch)", "triton": "FlexAttention (Triton)"}
# geomean and least cell against FA2 that the project asks of itself
GOALS = {"forward": (0.95, 0.8), "backward": (0.9, 0.7)}
DECODE_GOAL = (0.8, 0.6)  # of the read rate


def geomean(values):
    return math.exp(statistics.fmean(math.log(value) for value in values))


def table(titles, lines):
    return ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)] + [
        "| " + " | ".join(line) + " |" for line in lines] + [""]


def ratio(row, peer):
    return row["ms"][peer] / row["ms"]["fa4"] if peer in row["ms"] else None


def summary(rows, which):
    lines = []
    for dim in sorted({row["dim"] for row in rows}) + [None]:
        for causal in (False, True, None):
            cells = [row for row in rows if dim in (None, row["dim"]) and causal in (None, row["causal"])]
            if (dim is None) != (causal is None):
                continue
            line = ["all" if dim is None else f"D {dim}", {None: "both", True: "causal", False: "full"}[causal], str(len(cells))]
            for peer in PEERS:
                ratios = [ratio(row, peer) for row in cells if ratio(row, peer)]
                line.append(f"**{geomean(ratios):.2f}** ({min(ratios):.2f})" if ratios else "-")
            lines.append(line)
    mean, least = GOALS[which]
    return table(["head dim", "mask", "cells", *(f"{NAMES[peer]} time / ours, geomean (least)" for peer in PEERS)], lines) + [
        f"Asked for beside FA2: geomean {mean}, no cell under {least}.", ""]


def cells(rows):
    lines = []
    for row in rows:
        name = f"B {row['batch']} H {row['heads']}/{row['kv_heads']} S {row['seq']} D {row['dim']} {'causal' if row['causal'] else 'full'}"
        line = [name, f"{row['ms']['fa4']:.3f}"]
        line += [f"{row['tflops'][side]:.0f}" if side in row["tflops"] else "-" for side in ("fa4", *PEERS)]
        line += [f"{ratio(row, peer):.2f}" if ratio(row, peer) else "-" for peer in PEERS]
        line += [f"{100 * max(row['spread'].values()):.0f} %", f"{row['clock_mhz']:.0f}", f"{row['power_w']:.0f}",
                 "right" if not row["faults"] else "; ".join(row["faults"])]
        lines.append(line)
    return table(["case", "ours ms", "ours TFLOP/s", *(NAMES[peer] for peer in PEERS),
                  *(f"{NAMES[peer]} / ours" for peer in PEERS), "spread", "MHz", "W", "accuracy rule"], lines)


def losses(rows):
    lines = []
    for peer in PEERS:
        measured = [row for row in rows if ratio(row, peer)]
        lost = [row for row in measured if ratio(row, peer) < 1]
        if lost and len(lost) == len(measured):
            ratios = [ratio(row, peer) for row in lost]
            lines.append(f"- {NAMES[peer]}: all {len(lost)} cells, {min(ratios):.2f} to {max(ratios):.2f}")
            continue
        lines += [f"- {NAMES[peer]}: S {row['seq']} D {row['dim']} H {row['heads']}/{row['kv_heads']} "
                  f"{'causal' if row['causal'] else 'full'}, {ratio(row, peer):.2f}" for row in lost]
    return lines + [""] if lines else ["None.", ""]


def decode(rows):
    lines = []
    for row in rows:
        share = row["tb_per_s"]["fa4"] / row["tb_per_s"]["read"]
        lines.append([f"B {row['batch']} keys {row['keys']}", str(row["page"] or "-"), f"{row['bytes'] / 2**30:.2f}",
                      f"{1000 * row['ms']['fa4']:.1f}", f"{row['tb_per_s']['fa4']:.2f}", f"{row['tb_per_s']['read']:.2f}",
                      f"**{100 * share:.0f} %**", f"{ratio(row, 'fa2'):.2f}" if ratio(row, "fa2") else "-",
                      "right" if not row["faults"] else "; ".join(row["faults"])])
    return table(["case", "page size", "K and V, GiB", "ours us", "ours TB/s", "plain read TB/s", "share of the read rate",
                  "FA2 time / ours", "accuracy rule"], lines)


def plot(rows, which, path):
    dims = sorted({row["dim"] for row in rows})
    figure, axes = pyplot.subplots(2, len(dims), figsize=(4 * len(dims), 6), sharey=True, squeeze=False)
    for column, dim in enumerate(dims):
        for line, causal in enumerate((False, True)):
            axis = axes[line][column]
            chosen = [row for row in rows if row["dim"] == dim and row["causal"] == causal and row["heads"] == row["kv_heads"]]
            for side in ("fa4", *PEERS):
                points = [(row["seq"], row["tflops"][side]) for row in chosen if side in row["tflops"]]
                if points:
                    axis.plot(*zip(*points), marker="o", markersize=3, label=NAMES[side])
            axis.set_xscale("log", base=2)
            axis.set_title(f"D {dim}, {'causal' if causal else 'full'}", fontsize=9)
            axis.grid(alpha=0.3)
    axes[0][0].legend(fontsize=7)
    axes[0][0].set_ylabel("TFLOP/s")
    axes[1][0].set_ylabel("TFLOP/s")
    figure.suptitle(f"{which}, 32k tokens, hidden 2048, bf16", fontsize=10)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def plot_memory(rows, path):
    figure, axis = pyplot.subplots(figsize=(5, 3.5))
    for name, label in (("fa4_mib", "fa4"), ("unfused_mib", "unfused")):
        points = [(row["seq"], row[name]) for row in rows if row[name]]
        axis.plot(*zip(*points), marker="o", markersize=3, label=label)
    axis.set_xscale("log", base=2)
    axis.set_yscale("log", base=2)
    axis.set_xlabel("S")
    axis.set_ylabel("MiB over the inputs")
    axis.legend(fontsize=8)
    axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    rows = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
    stem = Path(sys.argv[2])
    run = next(row for row in rows if row["kind"] == "run")
    page = ["<!-- SPDX-License-Identifier: Apache-2.0 -->", f"# fa4 on the GPU, {stem.name[:10]}", ""]
    page += [f"- {run['device']}, {run['sms']} SMs, driver {run['driver']}",
             f"- torch {run['torch']}, CUDA {run['cuda']}, cuDNN {run['cudnn']}; fa4 {run['fa4']}, commit {run['commit']}",
             *(f"- `python {row['command']}`" for row in rows if row["kind"] == "run"), "",
             "bf16, N(0,1), one process for each command, all sides in turn with the order reversed every round, medians; "
             "spread is the largest of the sides, (most - least) / median. Out and LSE are written by all. Clock and power "
             "are the driver's, while ours runs back to back. The accuracy rule is checked on one key/value head of each cell.", ""]
    for which in ("forward", "backward"):
        chosen = [row for row in rows if row["kind"] == which and "error" not in row]
        if chosen:
            image = stem.with_name(f"{stem.name}-{which}.svg")
            plot(chosen, which, image)
            page += [f"## {which}", "", f"![{which}]({image.name})", ""] + summary(chosen, which)
            page += ["Losses:", ""] + losses(chosen) + cells(chosen)
    page += [f"- not served: {row}" for row in rows if "error" in row]
    for kind, title in (("decode", "decode: one query, H 64/8, D 128"), ("latency", "latency of small batches, no target")):
        chosen = [row for row in rows if row["kind"] == kind]
        if chosen:
            shares = [row["tb_per_s"]["fa4"] / row["tb_per_s"]["read"] for row in chosen]
            page += [f"## {title}", ""] + decode(chosen)
            if kind == "decode":
                page += [f"Geomean {100 * geomean(shares):.0f} % of the read rate, least {100 * min(shares):.0f} %; asked for: "
                         f"{100 * DECODE_GOAL[0]:.0f} and {100 * DECODE_GOAL[1]:.0f} %.", ""]
    chosen = [row for row in rows if row["kind"] == "memory"]
    if chosen:
        image = stem.with_name(f"{stem.name}-memory.svg")
        plot_memory(chosen, image)
        page += ["## Peak memory of forward and backward, causal, B 1, H 8, D 128", "", f"![memory]({image.name})", ""]
        page += table(["S", "fa4 MiB", "unfused MiB", "ratio"], [
            [str(row["seq"]), f"{row['fa4_mib']:.0f}", f"{row['unfused_mib']:.0f}" if row["unfused_mib"] else "out of memory",
             f"{row['unfused_mib'] / row['fa4_mib']:.1f}" if row["unfused_mib"] else "-"] for row in chosen])
    stem.with_suffix(".md").write_text("\n".join(page))


if __name__ == "__main__":
    main()
