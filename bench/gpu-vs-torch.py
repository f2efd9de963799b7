#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""fa4 on the GPU beside PyTorch's FA2, cuDNN and FlexAttention (Triton), in one interleaved run.

    python bench/gpu-vs-torch.py --head-dim 128     S 512 to 32k, full and causal, grouped heads
    python bench/gpu-vs-torch.py --decode           one query, 8k to 128k keys, paged and not
    python bench/gpu-vs-torch.py --memory           peak memory beside unfused attention, 1k to 64k

Every side writes out and LSE (forward) or dq, dk, dv (backward). Before a cell is timed, one head of our results is
held against double precision by the accuracy rule. Each appends JSON lines to --json; bench/gpu_page.py makes the
page and the plots of them.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
from pathlib import Path

import torch
import torch.nn.functional as functional
from torch.nn.attention import SDPBackend, sdpa_kernel

import gpu_rule
from fa4_ctypes import Attention, Fa4

ROOT = Path(__file__).resolve().parent.parent
TOKENS = 32768
HIDDEN = 2048
LENGTHS = (512, 1024, 2048, 4096, 8192, 16384, 32768)
TRITON_LENGTHS = (4096, 16384)  # compiling each shape takes Triton 10 s and more
ATEN = torch.ops.aten


# ------------------------------------------------------------------ time


def milliseconds_of(run, count):
    start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(count):
        run()
    stop.record()
    torch.cuda.synchronize()
    return start.elapsed_time(stop) / count


def interleave(sides, options):
    """Medians and spreads of all sides in turn, the order reversed every round: {name: (ms, spread)}."""
    counts = {}
    for name, run in sides.items():
        milliseconds_of(run, 1)
        counts[name] = max(1, math.ceil(options.slice_ms / milliseconds_of(run, 2)))
    times = {name: [] for name in sides}
    for round_idx in range(options.rounds):
        for name in list(sides) if round_idx % 2 == 0 else reversed(sides):
            times[name].append(milliseconds_of(sides[name], counts[name]))
    return {
        name: (statistics.median(values), (max(values) - min(values)) / statistics.median(values))
        for name, values in times.items()
    }


def clock_and_power(run, milliseconds):
    """SM clock and power as the driver tells them, read while our side runs."""
    for _ in range(max(1, math.ceil(400 / milliseconds))):
        run()
    query = ["nvidia-smi", "--query-gpu=clocks.sm,power.draw", "--format=csv,noheader,nounits", "--id=0"]
    text = subprocess.run(query, capture_output=True, text=True).stdout.strip()
    torch.cuda.synchronize()
    return [float(value) for value in text.split(",")] if text else [math.nan, math.nan]


# ------------------------------------------------------------------ the sides, on [B,H,S,D] views of [B,S,H,D]


def make_tensors(batch, heads, kv_heads, seq_q, seq_k, dim, backward):
    torch.manual_seed(0)

    def random(rows, count):
        return torch.randn(batch, rows, count, dim, device="cuda", dtype=torch.bfloat16).transpose(1, 2)

    tensors = {"q": random(seq_q, heads), "k": random(seq_k, kv_heads), "v": random(seq_k, kv_heads)}
    tensors["out"] = torch.full_like(tensors["q"], math.nan)
    tensors["lse"] = torch.full((batch, heads, seq_q), math.nan, device="cuda")
    if backward:
        tensors["dout"] = random(seq_q, heads)
        tensors |= {"d" + name: torch.full_like(tensors[name], math.nan) for name in ("q", "k", "v")}
    return tensors


def sdpa(backend, inputs, causal):
    with sdpa_kernel(backend):
        return functional.scaled_dot_product_attention(
            *inputs, is_causal=causal, enable_gqa=inputs[0].shape[1] != inputs[1].shape[1])


def flex(causal, compiled={}):
    from torch.nn.attention import flex_attention as module
    if not compiled:
        torch._dynamo.config.recompile_limit = 64
        compiled["run"] = torch.compile(module.flex_attention, dynamic=False)

    def run(q, k, v):
        mask = module.create_block_mask(
            lambda b, h, i, j: i >= j, None, None, q.shape[2], k.shape[2]) if causal else None
        return lambda: compiled["run"](
            q, k, v, block_mask=mask, enable_gqa=q.shape[1] != k.shape[1], return_lse=True)
    return run


def repeat_heads(tensor, heads):
    return tensor if tensor.shape[1] == heads else tensor.repeat_interleave(heads // tensor.shape[1], 1)


def forward_peers(tensors, causal, triton):
    q, k, v = (tensors[name] for name in ("q", "k", "v"))
    wide = [q, repeat_heads(k, q.shape[1]), repeat_heads(v, q.shape[1])]
    sides = {
        "fa2": lambda: ATEN._scaled_dot_product_flash_attention(*wide, 0.0, causal),
        "cudnn": lambda: ATEN._scaled_dot_product_cudnn_attention(*wide, None, True, 0.0, causal, False),
    }
    if triton:
        sides["triton"] = flex(causal)(q, k, v)
    return sides


def backward_peers(tensors, causal, triton):
    inputs = [tensors[name].detach().requires_grad_(True) for name in ("q", "k", "v")]
    outs = {"fa2": sdpa(SDPBackend.FLASH_ATTENTION, inputs, causal),
            "cudnn": sdpa(SDPBackend.CUDNN_ATTENTION, inputs, causal)}
    if triton:
        outs["triton"] = flex(causal)(*inputs)()[0]

    def gradients(out):
        return lambda: torch.autograd.grad(out, inputs, tensors["dout"], retain_graph=True)
    return {name: gradients(out) for name, out in outs.items()}


# ------------------------------------------------------------------ cells


class Report:
    def __init__(self, path, library):
        self.path, self.library = path, library
        device = torch.cuda.get_device_properties(0)
        commit = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"], capture_output=True, text=True)
        driver = subprocess.run(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "--id=0"],
                                capture_output=True, text=True)
        self.add(kind="run", device=device.name, sms=device.multi_processor_count, torch=torch.__version__,
                 cuda=torch.version.cuda, cudnn=torch.backends.cudnn.version(), driver=driver.stdout.strip(),
                 fa4=library.version(), commit=commit.stdout.strip(), command=" ".join(sys.argv))

    def add(self, **row):
        print(json.dumps(row), flush=True)
        if self.path:
            with open(self.path, "a") as file:
                file.write(json.dumps(row) + "\n")


def measure(which, shape, causal, options, report):
    """One cell: shape is B, H, Hk, S, D."""
    batch, heads, kv_heads, seq, dim = shape
    tensors = make_tensors(batch, heads, kv_heads, seq, seq, dim, which == "backward")
    row = {"kind": which, "batch": batch, "heads": heads, "kv_heads": kv_heads, "seq": seq, "dim": dim, "causal": causal}
    forward = {name: tensors[name] for name in ("q", "k", "v", "out", "lse")}
    try:
        attention = Attention(report.library, "forward", forward, causal=causal, backend="gpu")
        attention.run()
        if which == "backward":
            attention = Attention(report.library, "backward", tensors, causal=causal, backend="gpu")
            attention.run()
        torch.cuda.synchronize()
    except RuntimeError as error:
        report.add(**row, error=str(error))
        return False
    faults = gpu_rule.check(tensors, causal, kv_head=kv_heads - 1, batch=batch - 1)
    peers = {"forward": forward_peers, "backward": backward_peers}[which]
    sides = {"fa4": attention.run} | peers(tensors, causal, options.triton and seq in TRITON_LENGTHS)
    times = interleave(sides, options)
    pairs = seq * (seq + 1) / 2 if causal else seq * seq
    flops = {"forward": 4, "backward": 10}[which] * batch * heads * pairs * dim
    clock, power = clock_and_power(attention.run, times["fa4"][0])
    report.add(**row, faults=faults, kernel=attention.description()["kernel"], clock_mhz=clock, power_w=power,
               ms={name: time for name, (time, _) in times.items()},
               spread={name: spread for name, (_, spread) in times.items()},
               tflops={name: flops / time / 1e9 for name, (time, _) in times.items()})
    return not faults


def measure_prefill(options, report):
    dim = options.head_dim
    shapes = [(TOKENS // seq, HIDDEN // dim, HIDDEN // dim, seq, dim) for seq in LENGTHS]
    shapes += [(8, 32, 8, 4096, dim)]
    if options.quick:
        shapes = [shape for shape in shapes if shape[3] in (1024, 4096)]
    right = True
    for which in ("forward", "backward"):
        for shape in shapes:
            for causal in (False, True):
                right &= measure(which, shape, causal, options, report)
                torch.cuda.empty_cache()
    return right


DECODE = [(batch, keys, page) for batch, keys in ((32, 8192), (16, 16384), (8, 32768), (4, 65536), (2, 131072))
          for page in (0, 16, 64, 256)]
LATENCY = [(1, 8192, 0), (1, 32768, 0), (1, 131072, 0), (1, 8192, 16), (4, 8192, 16)]


def decode_tensors(batch, keys, page, heads=64, kv_heads=8, dim=128):
    """K and V of all requests; paged: in pages of a random order."""
    torch.manual_seed(0)
    tensors = {"q": torch.randn(batch, 1, heads, dim, device="cuda", dtype=torch.bfloat16).transpose(1, 2)}
    for name in ("k", "v"):
        rows = torch.randn(batch * keys, kv_heads, dim, device="cuda", dtype=torch.bfloat16)
        tensors[name] = rows.view(-1, page or keys, kv_heads, dim).transpose(1, 2)
    if page:
        pages = torch.randperm(batch * keys // page, device="cuda", dtype=torch.int32)
        tensors["page_table"] = pages.view(batch, keys // page)
    tensors["out"] = torch.full_like(tensors["q"], math.nan)
    tensors["lse"] = torch.full((batch, heads, 1), math.nan, device="cuda")
    return tensors


def without_pages(tensors, batch):
    """The last request alone, its pages put together."""
    table = tensors.get("page_table")
    one = {name: tensors[name][batch - 1:batch] for name in ("q", "out", "lse")}
    for name in ("k", "v"):
        one[name] = tensors[name][batch - 1:batch]
        if table is not None:
            pages = tensors[name][table[batch - 1].long()]  # [n,Hk,page,D]
            one[name] = pages.transpose(0, 1).flatten(1, 2)[None]
    return one


def measure_decode(options, report):
    right = True
    cases = [("decode", case) for case in DECODE] + [("latency", case) for case in LATENCY]
    for kind, (batch, keys, page) in cases[::7] if options.quick else cases:
        tensors = decode_tensors(batch, keys, page)
        attention = Attention(report.library, "forward", tensors, causal=True, backend="gpu")
        attention.run()
        torch.cuda.synchronize()
        faults = gpu_rule.check(without_pages(tensors, batch), True, kv_head=7)
        num_bytes = tensors["k"].nbytes + tensors["v"].nbytes
        words = [tensors[name].flatten().view(torch.float32) if page == 0 else
                 tensors[name].transpose(1, 2).reshape(-1).view(torch.float32) for name in ("k", "v")]
        sides = {"fa4": attention.run, "read": lambda: [part.sum() for part in words]}
        if page == 0 and kind == "decode":
            wide = [tensors["q"], *(tensors[name] for name in ("k", "v"))]
            sides["fa2"] = lambda: sdpa(SDPBackend.FLASH_ATTENTION, wide, False)
        times = interleave(sides, options)
        report.add(kind=kind, batch=batch, keys=keys, page=page, faults=faults,
                   kernel=attention.description()["kernel"], bytes=num_bytes,
                   ms={name: time for name, (time, _) in times.items()},
                   spread={name: spread for name, (_, spread) in times.items()},
                   tb_per_s={name: num_bytes / time / 1e9 for name, (time, _) in times.items()})
        right &= not faults
        del tensors, words, sides, attention
        torch.cuda.empty_cache()
    return right


# ------------------------------------------------------------------ memory


def peak_mib(run):
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def unfused(q, k, v, dout):
    """Attention as products and a softmax, forward and backward."""
    inputs = [tensor.detach().requires_grad_(True) for tensor in (q, k, v)]
    scores = inputs[0] @ inputs[1].transpose(2, 3) / math.sqrt(q.shape[-1])
    (scores.softmax(-1) @ inputs[2]).backward(dout)


def measure_memory(options, report):
    """Forward and backward of one causal head group: B 1, H 8, D 128. Outputs and workspaces count, inputs do not."""
    for seq in (1024, 2048, 4096, 8192, 16384, 32768, 65536):
        inputs = make_tensors(1, 8, 8, seq, seq, 128, True)
        inputs = {name: inputs[name] for name in ("q", "k", "v", "dout")}

        def ours():
            tensors = inputs | {"out": torch.empty_like(inputs["q"]), "lse": torch.empty(1, 8, seq, device="cuda")}
            forward = {name: tensors[name] for name in ("q", "k", "v", "out", "lse")}
            Attention(report.library, "forward", forward, causal=True, backend="gpu").run()
            tensors |= {"d" + name: torch.empty_like(inputs[name]) for name in ("q", "k", "v")}
            Attention(report.library, "backward", tensors, causal=True, backend="gpu").run()

        row = {"kind": "memory", "seq": seq, "fa4_mib": peak_mib(ours)}
        try:
            row["unfused_mib"] = peak_mib(lambda: unfused(*(inputs[name] for name in ("q", "k", "v", "dout"))))
        except torch.OutOfMemoryError:
            row["unfused_mib"] = None
        report.add(**row)
    return True


# ------------------------------------------------------------------ main


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, default=ROOT / "build/lib/libfa4.so", help="default %(default)s")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--head-dim", type=int, choices=(64, 128, 256))
    what.add_argument("--decode", action="store_true")
    what.add_argument("--memory", action="store_true")
    parser.add_argument("--json", type=Path, help="append the rows to this file")
    parser.add_argument("--rounds", type=int, default=6, help="per cell, the order reversed every time; default %(default)s")
    parser.add_argument("--slice-ms", type=float, default=40, help="of each side in a round; default %(default)s")
    parser.add_argument("--triton", action="store_true", help="FlexAttention too, at S " + ", ".join(map(str, TRITON_LENGTHS)))
    parser.add_argument("--quick", action="store_true", help="a few cells")
    options = parser.parse_args()
    if not options.library.is_file():
        parser.error(f"--library {options.library}: there is no such file; build it with make")
    if not torch.cuda.is_available():
        parser.error("torch sees no CUDA device")
    return options


def main():
    options = parse_options()
    report = Report(options.json, Fa4(options.library))
    run = measure_decode if options.decode else measure_memory if options.memory else measure_prefill
    return 0 if run(options, report) else 1


if __name__ == "__main__":
    sys.exit(main())
