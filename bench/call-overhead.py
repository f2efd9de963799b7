#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a call costs beside torch's scaled_dot_product_attention, for one query and one key: B 1, H 1, S 1, D 64, fp32.

  scripts/python-env ci
  PYTHONPATH=build/python build/venv/bin/python bench/call-overhead.py

Every call is timed alone and the ways take turns, so that a busy machine disturbs all alike; medians and tenth
percentiles in microseconds, less the clock's own time. The C rows call fa4.h through build/lib/libfa4.so from a
C program that is compiled here.
"""

import os
import pathlib
import subprocess
import tempfile
import time

import torch
from torch.nn.functional import scaled_dot_product_attention

import fa4
import fa4._native
import fa4.torch

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROUNDS, CALLS, WARM = 200, 50, 5

C_PROGRAM = r"""
#include <fa4/fa4.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
enum { kCalls = 20000 };
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec * 1e-3;
}
static int order(const void* a, const void* b) {
  const double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}
static double prepared[kCalls], one_shot[kCalls], empty[kCalls];
int main(void) {
  static float data[5][64];
  int64_t shape[] = {1, 1, 1, 64}, lse_shape[] = {1, 1, 1};
  DLTensor t[5];
  for (int i = 0; i < 5; ++i)
    t[i] = (DLTensor){data[i], {kDLCPU, 0}, i == 4 ? 3 : 4, {kDLFloat, 32, 1}, i == 4 ? lse_shape : shape, 0, 0};
  fa4_problem problem;
  fa4_problem_init(&problem);
  problem.q = &t[0], problem.k = &t[1], problem.v = &t[2];
  fa4_forward_tensors results = {sizeof(results), &t[3], &t[4]};
  fa4_plan* plan;
  if (fa4_plan_create(&problem, FA4_PASS_FORWARD, &plan) != FA4_OK) return 1;
  const size_t size = (fa4_plan_workspace_size(plan) + 255) / 256 * 256;
  void* workspace = aligned_alloc(256, size);
  for (int i = 0; i < kCalls; ++i) {
    double start = now();
    if (fa4_forward(plan, &problem, &results, workspace, size, NULL) != FA4_OK) return 2;
    double middle = now();
    if (fa4_attention_forward(&problem, &results, NULL) != FA4_OK) return 3;
    double end = now();
    prepared[i] = middle - start, one_shot[i] = end - middle, empty[i] = now() - end;
  }
  double* all[] = {empty, prepared, one_shot};
  for (int i = 0; i < 3; ++i) {
    qsort(all[i], kCalls, sizeof(double), order);
    printf("%f %f\n", all[i][kCalls / 2] - (i ? empty[kCalls / 2] : 0), all[i][kCalls / 10] - (i ? empty[kCalls / 2] : 0));
  }
  return 0;
}
"""


def c_rows():
    with tempfile.TemporaryDirectory() as folder:
        source, program = pathlib.Path(folder, "call.c"), pathlib.Path(folder, "call")
        source.write_text(C_PROGRAM)
        library = ROOT / "build" / "lib"
        command = ["gcc", "-O2", f"-I{ROOT}/include", source, "-o", program, f"-L{library}", "-lfa4", f"-Wl,-rpath,{library}"]
        subprocess.run(command, check=True)
        lines = subprocess.run([program], check=True, capture_output=True, text=True).stdout.split("\n")
    rows = [tuple(map(float, line.split())) for line in lines[1:3]]
    return {"C, prepared plan": rows[0], "C, one-shot": rows[1]}


def python_rows():
    q = torch.randn(1, 1, 1, 64)
    with_gradient = q.clone().requires_grad_()
    array = q.numpy()
    out, problem = torch.empty_like(q), fa4._native.Problem(q, q, q)
    rest = fa4._native.REST[3]
    ways = {
        "nothing": lambda: None,
        "SDPA": lambda: scaled_dot_product_attention(q, q, q),
        "fa4.flash_attn_func": lambda: fa4.flash_attn_func(q, q, q, causal=True),
        "torch.ops.fa4.attention": lambda: torch.ops.fa4.attention.default(q, q, q, True),
        "torch.ops.fa4.attention_lse": lambda: torch.ops.fa4.attention_lse.default(q, q, q, True),
        "the tvm-ffi call alone": lambda: fa4._native.forward(-1, 1, q, q, q, *rest, out, None),
        "SDPA, with gradient": lambda: scaled_dot_product_attention(with_gradient, with_gradient, with_gradient),
        "fa4.flash_attn_func, with gradient": lambda: fa4.flash_attn_func(with_gradient, with_gradient, with_gradient),
        "fa4.flash_attn_func, NumPy": lambda: fa4.flash_attn_func(array, array, array),
    }
    times = {name: [] for name in ways}
    clock = time.perf_counter_ns
    for _ in range(ROUNDS):
        for name, call in ways.items():
            for _ in range(WARM):
                call()
            for _ in range(CALLS):
                start = clock()
                call()
                times[name].append(clock() - start)
    sorted_times = {name: sorted(values) for name, values in times.items()}
    idle = sorted_times.pop("nothing")
    idle_median = idle[len(idle) // 2]
    return {
        name: tuple((values[len(values) // part] - idle_median) / 1e3 for part in (2, 10))
        for name, values in sorted_times.items()
    }


def cpu():
    lines = pathlib.Path("/proc/cpuinfo").read_text().split("\n")
    fields = {key.strip(): value.strip() for key, colon, value in (line.partition(":") for line in lines) if colon}
    flags = [flag for flag in fields["flags"].split() if flag.startswith(("avx", "fma"))]
    model = f"family {fields['cpu family']} model {fields['model']}"
    return f"{fields['model name']}, {model}, {' '.join(flags)}"


def main():
    torch.set_num_threads(1)
    print(f"CPU: {cpu()}; torch {torch.__version__}, 1 thread; fa4 {fa4.__version__}; load average {os.getloadavg()[0]:.1f}")
    print(f"{'way':36} {'median us':>10} {'p10 us':>8}")
    for name, (median, low) in (c_rows() | python_rows()).items():
        print(f"{name:36} {median:10.2f} {low:8.2f}")


if __name__ == "__main__":
    main()
