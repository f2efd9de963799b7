#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Forward and backward of fa4 against torch's scaled_dot_product_attention on the CPU.

Both sides run in one process, on the same cores and the same memory, call by call in turn: A B, B A,
A B, … The cells are bench/cases/cpu-vs-torch.txt. Before a cell is timed its results are compared, so
that a wrong answer cannot be fast. Peak memory is taken afterwards, each side in a process of its own.
See bench/README.md for how to prepare build/venv.
"""

import argparse
import datetime
import math
import os
import platform
import re
import shlex
import statistics
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

# torch and the library each bring an OpenMP runtime. With waiting threads that spin, each would slow
# the other; this has to be said before either is loaded.
os.environ["OMP_WAIT_POLICY"] = "passive"
sys.dont_write_bytecode = True  # no __pycache__ beside the sources

import torch
import torch.nn.functional as functional

from fa4_ctypes import Attention, Fa4

ROOT = Path(__file__).resolve().parent.parent
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# Largest rms(ours - torch) / rms(torch) that passes: a guard against wrong answers, not the accuracy test.
TOLERANCE = {"fp32": 2e-5, "bf16": 3e-2, "fp16": 1e-2}
# Geomean of torch/ours per group on a CPU with avx512_bf16: what must be reached, and what is aimed at.
GOALS = {
    ("fp32", "forward"): (1.25, 1.45), ("fp32", "backward"): (1.3, 1.6),
    ("bf16", "forward"): (2.0, 2.8), ("bf16", "backward"): (1.6, 2.25),
    ("fp16", "forward"): (1.5, 2.2), ("fp16", "backward"): (8, 15),
    ("fp32", "decode"): (2, None), ("bf16", "decode"): (4, None),
}
MAX_ROUNDS = 200
MEMORY_LENGTH = 8192


# ------------------------------------------------------------------ cells


def parse_case(line):
    """One line of a case list: the options of `fa4 bench` that this comparison knows."""
    parser = argparse.ArgumentParser(prog="case", exit_on_error=True)
    parser.add_argument("--shape", required=True)
    parser.add_argument("--dtype", required=True, choices=DTYPES)
    parser.add_argument("--pass", dest="which", required=True, choices=("forward", "backward"))
    parser.add_argument("--causal", action="store_true")
    case = parser.parse_args(shlex.split(line))
    batch, heads, kv_heads, seq_q, seq_k, dim = (int(size) for size in case.shape.split(","))
    if heads != kv_heads or (case.causal and seq_q != seq_k):
        raise SystemExit(f"{line}: as many key/value heads as heads, and equal lengths when causal")
    case.line = line
    case.batch, case.heads, case.seq_q, case.seq_k, case.dim = batch, heads, seq_q, seq_k, dim
    case.group = (case.dtype, "decode" if seq_q == 1 else case.which)
    pairs = seq_q * (seq_q + 1) / 2 if case.causal else seq_q * seq_k
    case.flops = {"forward": 4, "backward": 10}[case.which] * batch * heads * pairs * dim
    case.name = f"S {seq_k} D {dim} {'causal' if case.causal else 'full'}"
    return case


def read_cases(path, only, quick):
    lines = [line.strip() for line in path.read_text().splitlines()]
    cases = [parse_case(line) for line in lines if line and not line.startswith("#")]
    cases = [case for case in cases if re.search(only, case.line)]
    return [case for case in cases if case.seq_k <= (4096 if case.seq_q == 1 else 1024)] if quick else cases


def make_inputs(case):
    torch.manual_seed(0)
    sizes = {"q": case.seq_q, "k": case.seq_k, "v": case.seq_k, "dout": case.seq_q}
    return {
        name: torch.randn(case.batch, case.heads, rows, case.dim, dtype=DTYPES[case.dtype])
        for name, rows in sizes.items()
    }


# ------------------------------------------------------------------ the two sides


class Torch:
    """What a user of torch calls; the backward is of a forward that was kept."""

    def __init__(self, case, inputs, _):
        self.case = case
        self.inputs = tuple(inputs[name] for name in ("q", "k", "v"))
        self.dout = inputs["dout"]

    def run_forward(self):
        """For a backward, what has to come first."""
        self.inputs = tuple(tensor.detach().requires_grad_(True) for tensor in self.inputs)
        self.out = functional.scaled_dot_product_attention(*self.inputs, is_causal=self.case.causal)

    def prepare(self):
        """Nothing: torch allocates when it runs."""

    def run(self):
        if self.case.which == "backward":
            return torch.autograd.grad(self.out, self.inputs, self.dout, retain_graph=True)
        with torch.no_grad():
            return (functional.scaled_dot_product_attention(*self.inputs, is_causal=self.case.causal),)


class Ours:
    """A plan made once; outputs and workspace allocated once, as the library's callers do."""

    def __init__(self, case, inputs, options):
        self.case, self.tensors = case, dict(inputs)
        self.library = Fa4(options.library)
        self.plan_options = {
            "causal": case.causal, "threads": options.threads, "backend": options.backend, "kernel": options.kernel
        }

    def plan(self, which):
        names = ("q", "k", "v", "out", "lse") + (("dout", "dq", "dk", "dv") if which == "backward" else ())
        return Attention(self.library, which, {name: self.tensors[name] for name in names}, **self.plan_options)

    # Outputs begin as NaN: what a run leaves unwritten is then found by the comparison.

    def allocate_forward(self):
        out = torch.full_like(self.tensors["q"], math.nan)
        self.tensors |= {"out": out, "lse": torch.full(out.shape[:3], math.nan, dtype=torch.float32)}

    def run_forward(self):
        self.allocate_forward()
        self.plan("forward").run()

    def prepare(self):
        if self.case.which == "forward":
            self.allocate_forward()
        else:
            self.tensors |= {"d" + name: torch.full_like(self.tensors[name], math.nan) for name in ("q", "k", "v")}
        self.attention = self.plan(self.case.which)

    def run(self):
        self.attention.run()
        return tuple(self.tensors[name] for name in (("dq", "dk", "dv") if self.case.which == "backward" else ("out",)))

    def ran(self):
        description = self.attention.description()
        return f"{description['backend']}/{description['kernel']}"


# ------------------------------------------------------------------ time


def seconds_of(run):
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def interleave(first, second, budget_s, min_rounds):
    """Times of both in turn, the order reversed every round."""
    rounds = int(budget_s / (seconds_of(first) + seconds_of(second)))
    times = {first: [], second: []}
    for round_idx in range(min(max(rounds, min_rounds), MAX_ROUNDS)):
        for run in (first, second) if round_idx % 2 == 0 else (second, first):
            times[run].append(seconds_of(run))
    return times[first], times[second]


def spread_of(times):
    """Distance of the quartiles over the median."""
    low, middle, high = statistics.quantiles(times, n=4)
    return (high - low) / middle


def disagreement(ours, theirs):
    """The largest relative rms difference among the results; NaN counts as infinite."""
    errors = [((a.double() - b.double()).norm() / b.double().norm()).item() for a, b in zip(ours, theirs)]
    return max(math.inf if math.isnan(error) else error for error in errors)


def read_gb_per_s(inputs, budget_s):
    """How fast both threads read this K and V: a sum over them as float32."""
    words = [inputs[name].view(torch.float32) for name in ("k", "v")]
    num_bytes = sum(tensor.nbytes for tensor in words)
    times = [seconds_of(lambda: [tensor.sum() for tensor in words]) for _ in range(max(5, int(budget_s * 200)))]
    return num_bytes / statistics.median(times) / 1e9


def measure(case, options):
    inputs = make_inputs(case)
    ours, theirs = Ours(case, inputs, options), Torch(case, inputs, options)
    for side in (ours, theirs):
        if case.which == "backward":
            side.run_forward()
        side.prepare()
    error = disagreement(ours.run(), theirs.run())
    if not error <= TOLERANCE[case.dtype]:
        raise RuntimeError(f"differs from torch by {error:.2g} (relative rms), allowed is {TOLERANCE[case.dtype]:.0e}")
    torch_s, ours_s = interleave(theirs.run, ours.run, options.seconds, options.rounds)
    row = SimpleNamespace(case=case, error=error, ran=ours.ran(), rounds=len(ours_s))
    row.torch_s, row.ours_s = statistics.median(torch_s), statistics.median(ours_s)
    row.ratio = row.torch_s / row.ours_s
    row.spread = max(spread_of(torch_s), spread_of(ours_s))
    if case.group[1] == "decode":
        row.read_gb_per_s = read_gb_per_s(inputs, options.seconds)
        row.num_bytes = inputs["k"].nbytes + inputs["v"].nbytes
    return row


# ------------------------------------------------------------------ memory


def status_mib(field):
    """VmRSS or VmHWM of this process."""
    line = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(line[1]) / 1024


def measure_memory(case, options):
    """In a process of its own: how far one call raises the resident memory above inputs and libraries."""
    side = {"torch": Torch, "ours": Ours}[options.memory_side]
    # A small run of the same kind first, so that code and thread pools are not counted.
    small = parse_case(re.sub(r"--shape \S+", f"--shape 1,2,2,256,256,{case.dim}", case.line))
    for case in (small, case):
        worker = side(case, make_inputs(case), options)
        if case.which == "backward":
            worker.run_forward()
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
        before = status_mib("VmRSS")
        worker.prepare()
        worker.run()
        peak = status_mib("VmHWM") - before
    print(peak)


def peak_mib(case, side, options):
    # Fixed malloc threshold: large blocks go back to the system when freed, so none is reused unseen.
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "131072"}
    command = [sys.executable, __file__, "--memory-side", side, "--only", "^" + re.escape(case.line) + "$"]
    command += ["--library", str(options.library), "--cases", str(options.cases)]
    command += ["--cores", ",".join(map(str, options.cores)), "--backend", options.backend, "--kernel", options.kernel]
    return float(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


# ------------------------------------------------------------------ the page


def machine_facts(options):
    text = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.*)$", text, re.MULTILINE)
    clock = re.search(r"^cpu MHz\s*:\s*(.*)$", text, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.*)$", text, re.MULTILINE)[1].split()
    family = re.findall(r"^(?:cpu family|model|stepping)\s*:\s*(\d+)$", text, re.MULTILINE)[:3]
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.run([*git, "describe", "--always", "--dirty"], capture_output=True, text=True).stdout.strip()
    wanted = r"avx|fma|f16c|amx|sse4|asimd|sve|bf16|fphp"
    return SimpleNamespace(
        cpu=f"{model[1] if model else platform.processor()} (family, model, stepping: {', '.join(family)})",
        clock=f"{float(clock[1]):.0f} MHz as the system tells it" if clock else "not told",
        flags=[flag for flag in flags if re.search(wanted, flag)],
        commit=commit or "none",
        cores=",".join(map(str, options.cores)),
        load=f"{os.getloadavg()[0]:.2f}",
        system=f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
    )


def geomean(values):
    return math.exp(statistics.fmean(math.log(value) for value in values))


def table(titles, lines):
    return ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)] + [
        "| " + " | ".join(line) + " |" for line in lines
    ] + [""]


def summary_table(rows, claims):
    lines = []
    for group in dict.fromkeys(row.case.group for row in rows):
        ratios = [row.ratio for row in rows if row.case.group == group]
        must, aim = GOALS.get(group, (None, None))
        mean = geomean(ratios)
        line = [*group, str(len(ratios)), f"**{mean:.2f}**", f"{min(ratios):.2f}", f"{max(ratios):.2f}"]
        if claims:
            line += [str(must or "-"), str(aim or "-"), "-" if not must else "yes" if mean >= must else "**no**"]
        lines.append(line)
    titles = ["type", "what", "cells", "geomean", "least", "most"]
    return table(titles + (["must", "aim", "must is reached"] if claims else []), lines)


def subset_table(rows):
    """Where the lead is and is not: geomeans by head dim and mask."""
    lines = []
    square = [row for row in rows if row.case.group[1] != "decode"]
    for group in dict.fromkeys(row.case.group for row in square):
        line = list(group)
        for dim, causal in ((64, False), (64, True), (128, False), (128, True)):
            found = [r.ratio for r in square if (r.case.group, r.case.dim, r.case.causal) == (group, dim, causal)]
            line.append(f"{geomean(found):.2f}" if found else "-")
        lines.append(line)
    return table(["type", "pass", "D 64 full", "D 64 causal", "D 128 full", "D 128 causal"], lines)


def rows_table(rows):
    decode = rows[0].case.group[1] == "decode"
    unit = "GB/s" if decode else "GFLOP/s"
    lines = []
    for row in rows:
        work = (row.num_bytes if decode else row.case.flops) / 1e9
        line = [row.case.name, f"{row.torch_s * 1e3:.3f}", f"{row.ours_s * 1e3:.3f}"]
        line += [f"{work / row.torch_s:.1f}", f"{work / row.ours_s:.1f}", f"**{row.ratio:.2f}**"]
        if decode:
            line.append(f"{100 * work / row.ours_s / row.read_gb_per_s:.0f} % of {row.read_gb_per_s:.0f}")
        lines.append(line + [f"{100 * row.spread:.0f} %", str(row.rounds), f"{row.error:.1e}", row.ran])
    titles = ["case", "torch ms", "ours ms", f"torch {unit}", f"ours {unit}", "ratio"]
    titles += ["ours, of a plain read in GB/s"] if decode else []
    return table(titles + ["spread", "rounds", "difference", "ran"], lines)


def page(rows, failures, memory, facts, options, date):
    claims = "avx512_bf16" in facts.flags
    lines = ["<!-- SPDX-License-Identifier: Apache-2.0 -->", f"# fa4 against torch on the CPU, {date}", ""]
    lines += [
        f"- CPU: {facts.cpu}; clock {facts.clock}; {facts.system}",
        f"- CPU flags: {' '.join(facts.flags)}",
        f"- Both sides: {options.threads} threads on cores {facts.cores}; load before the run {facts.load}",
        f"- torch {torch.__version__}, `ATen` capability {torch.backends.cpu.get_cpu_capability()}",
        f"- fa4 {Fa4(options.library).version()}, commit {facts.commit}",
        f"- Command: `{shlex.join(['python', *sys.argv])}`",
        "",
        "Inputs N(0,1), batch 1, 8 heads, the same memory for both: [B,H,S,D], which fa4 takes as strided [B,S,H,D]."
        " The calls alternate in one process, the order reversed every round; times are medians, the ratio is torch/ours:"
        " above 1, fa4 is faster. Ours: a plan made once, outputs, LSE and workspace allocated once. Torch: outputs as it"
        " makes them; backward is `torch.autograd.grad` of a kept graph. `OMP_WAIT_POLICY=passive` for both, since two"
        " OpenMP runtimes that spin would slow each other. Spread: distance of the quartiles over the median, the larger"
        " of the two sides. Difference: relative rms of ours minus torch's, the largest of the results.",
        "",
    ]
    lines += ["## Geometric means", ""] + summary_table(rows, claims) + subset_table(rows)
    if not claims:
        lines += ["This CPU has no avx512_bf16: these are its ratios, and no goal is claimed.", ""]
    lines += ["## Losses", ""]
    losses = [f"- {' '.join(row.case.group)} {row.case.name}: **{row.ratio:.2f}**" for row in rows if row.ratio < 1]
    lines += losses + [""] if losses else ["None: no cell is below 1.", ""]
    if failures:
        lines += ["## Failures", ""] + [f"- `{line}`: {sentence}" for line, sentence in failures] + [""]
    for group in dict.fromkeys(row.case.group for row in rows):
        lines += [f"## {' '.join(group)}", ""] + rows_table([row for row in rows if row.case.group == group])
    if memory:
        lines += [f"## Peak memory over the inputs, S {MEMORY_LENGTH}", ""]
        lines += ["Each side in a process of its own. Outputs and workspace are counted; q, k, v (and dout, out) are not.", ""]
        lines += table(
            ["case", "torch MiB", "ours MiB"],
            [[f"{' '.join(c.group)} {c.name}", f"{theirs:.1f}", f"{ours:.1f}"] for c, theirs, ours in memory],
        )
    return "\n".join(lines)


# ------------------------------------------------------------------ main


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, default=ROOT / "build/lib/libfa4.so", help="default %(default)s")
    parser.add_argument("--cases", type=Path, default=ROOT / "bench/cases/cpu-vs-torch.txt")
    parser.add_argument("--only", default="", metavar="REGEX", help="only the lines of the list that match")
    parser.add_argument("--quick", action="store_true", help="S up to 1024 (decode: 4096), no memory; prints the page")
    parser.add_argument("--seconds", type=float, default=1.0, help="aim per cell, default %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="at least, per cell; default %(default)s")
    parser.add_argument("--no-memory", action="store_true", help="leave out the peak memory")
    parser.add_argument("--cores", default="", help="for both sides, default: the first two that are allowed")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--kernel", default="auto")
    parser.add_argument("--output", type=Path, help="the page; default docs/measurements/DATE-cpu-vs-torch.md")
    parser.add_argument("--memory-side", choices=("torch", "ours"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.library.is_file():
        parser.error(f"--library {options.library}: there is no such file; build it with make")
    allowed = sorted(os.sched_getaffinity(0))
    options.cores = [int(core) for core in options.cores.split(",")] if options.cores else allowed[:2]
    options.threads = len(options.cores)
    return options


def report_progress(text):
    print(text, file=sys.stderr, flush=True)


def main():
    options = parse_options()
    date = datetime.date.today().isoformat()
    # ATen's workers and our library's inherit this.
    os.sched_setaffinity(0, options.cores)
    torch.set_num_threads(options.threads)
    cases = read_cases(options.cases, options.only, options.quick)
    if not cases:
        raise SystemExit(f"{options.cases}: no case matches {options.only!r}")
    if options.memory_side:
        measure_memory(cases[0], options)
        return 0

    facts = machine_facts(options)
    rows, failures, memory = [], [], []
    for index, case in enumerate(cases, 1):
        label = f"[{index}/{len(cases)}] {' '.join(case.group)} {case.name}"
        try:
            rows.append(measure(case, options))
        except RuntimeError as error:
            failures.append((case.line, str(error)))
            report_progress(f"{label}: {error}")
            continue
        report_progress(
            f"{label}: torch {rows[-1].torch_s * 1e3:.2f} ms, ours {rows[-1].ours_s * 1e3:.2f} ms, {rows[-1].ratio:.2f}"
        )
    if rows and not (options.quick or options.no_memory):
        for case in (row.case for row in rows if row.case.seq_k == row.case.seq_q == MEMORY_LENGTH):
            memory.append((case, peak_mib(case, "torch", options), peak_mib(case, "ours", options)))
            report_progress(f"memory {' '.join(case.group)} {case.name}: torch {memory[-1][1]:.1f}, ours {memory[-1][2]:.1f} MiB")
    if rows:
        text = page(rows, failures, memory, facts, options, date)
        if options.quick and not options.output:
            print(text)
        else:
            path = options.output or ROOT / f"docs/measurements/{date}-cpu-vs-torch.md"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            report_progress(f"written: {path}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
