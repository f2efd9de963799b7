#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How cost grows with the length: time should go with S squared, memory with S.

Runs `fa4 bench` once per line of bench/cases/growth.txt, each in a process of its own so that no peak hides
another, and writes docs/measurements/DATE-growth.md. Needs only Python's standard library.
"""

import argparse
import datetime
import json
import math
import platform
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def read_cases(path, largest):
    lines = [line.strip() for line in path.read_text().splitlines()]
    cases = [line for line in lines if line and not line.startswith("#")]
    return [case for case in cases if shape_of(case)[3] <= largest]


def shape_of(case):
    words = shlex.split(case)
    return [int(size) for size in words[words.index("--shape") + 1].split(",")]


def run_case(command, case):
    """The record that `fa4 bench` prints for one case."""
    done = subprocess.run([command, "bench", *shlex.split(case), "--json", "-"], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"fa4 bench {case}: exit {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def exponent(before, now, key):
    """p of cost ~ S^p between two lengths, or a dash where there is none before or it was 0."""
    if before is None or min(before[key], now[key]) <= 0:
        return "-"
    return f"{math.log(now[key] / before[key]) / math.log(now['length'] / before['length']):.2f}"


def megabytes(value):
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def series_table(records):
    lines = [
        "| S | time ms | time ~ S^p | TFLOP/s | extra MB | extra ~ S^p | peak MB | plain attention MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    before = None
    for now in records:
        _, heads, _, seq_q, seq_k, *_ = now["shape"]
        plain_mb = heads * seq_q * seq_k * 4 / 1e6
        lines.append(
            f"| {seq_q} | {now['median_ms']:.2f} | {exponent(before, now, 'median_ms')} | {now['tflops']:.3f} "
            f"| {megabytes(now['extra_mb'])} | {exponent(before, now, 'extra_mb')} | {megabytes(now['peak_mb'])} "
            f"| {megabytes(plain_mb)} |"
        )
        before = now
    return lines


def page(records, date, command):
    cpu = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True).stdout.strip() or "none"
    lines = [
        "<!-- SPDX-License-Identifier: Apache-2.0 -->",
        f"# How cost grows with the length, {date}",
        "",
        f"- CPU: {cpu[1] if cpu else platform.processor()}; {platform.system()} {platform.release()}",
        f"- fa4: commit {commit}",
        f"- Command: `{shlex.join(['python3', *sys.argv])}`, which runs `{command} bench … --json -` per row",
        "",
        "Time is the median of the calls; p is the exponent from the row before. Extra: memory that the call needs"
        " beyond its tensors. Peak: resident memory of the process, tensors included. Plain attention keeps the"
        " scores, S x S for every head in float32, and in the backward at least once more: the last column is one copy.",
        "",
    ]
    series = {}
    for record in records:
        series.setdefault((record["dtype"], record["pass"], record["backend"], record["kernel"]), []).append(record)
    for (dtype, which, backend, kernel), members in series.items():
        batch, heads, _, _, _, dim = members[0]["shape"]
        lines += [f"## {dtype} {which}, B {batch}, {heads} heads, D {dim}, full ({backend}/{kernel})", ""]
        lines += series_table(members) + [""]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--command", type=Path, default=ROOT / "build/bin/fa4", help="default %(default)s")
    parser.add_argument("--cases", type=Path, default=ROOT / "bench/cases/growth.txt")
    parser.add_argument("--largest", type=int, default=1 << 30, metavar="S", help="leave out longer ones")
    parser.add_argument("--output", type=Path, help="the page; default docs/measurements/DATE-growth.md")
    options = parser.parse_args()
    if not options.command.is_file():
        parser.error(f"--command {options.command}: there is no such file; build it with make")
    date = datetime.date.today().isoformat()
    records = []
    for case in read_cases(options.cases, options.largest):
        record = run_case(options.command, case)
        record["shape"] = shape_of(case)
        record["length"] = record["shape"][3]
        record["dtype"] = re.search(r"--dtype (\S+)", case)[1]
        print(f"{case}: {record['median_ms']:.2f} ms, extra {record['extra_mb']:.1f} MB", file=sys.stderr, flush=True)
        records.append(record)
    path = options.output or ROOT / f"docs/measurements/{date}-growth.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    name = options.command
    if name.is_relative_to(ROOT):
        name = name.relative_to(ROOT)
    path.write_text(page(records, date, name))
    print(f"written: {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
