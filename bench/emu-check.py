#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the PTX machine's speed with a kept measurement of the same processor, or writes one.

    cmake --build build --target fa4_emu_bench
    python3 bench/emu-check.py docs/measurements/DATE-emu.json    exit code 1: a kept number was missed by 20 %
    python3 bench/emu-check.py --write docs/measurements/YYYY-MM-DD-emu.json

A rate counts instructions (or multiply-adds) per second of processor time, the best of several repetitions. On another
processor nothing is compared, and the program says so.
"""
import argparse
import json
import pathlib
import subprocess
import sys

ALLOWED = 0.8  # of the kept rate


def processor() -> str:
    """Of /proc/cpuinfo: the name, and family, model and stepping, since names of virtual machines say little."""
    facts = {}
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        facts.setdefault(name.strip(), value.strip())
    return " ".join(
        facts.get(name, "?") for name in ("model name", "cpu family", "model", "stepping")
    )


def measure(program: str, repetitions: int, only: str) -> dict:
    command = [program, "--benchmark_format=json", "--benchmark_min_time=0.1",
               f"--benchmark_repetitions={repetitions}", f"--benchmark_filter={only}"]
    answer = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    rates: dict = {}
    for run in json.loads(answer.stdout)["benchmarks"]:
        if run["run_type"] != "iteration":
            continue
        if run.get("error_occurred"):
            sys.exit(f"{run['name']}: {run['error_message']}")
        rate = run.get("mac", run.get("instr"))
        name = run["run_name"]
        rates[name] = max(rates.get(name, 0.0), rate)
    return rates


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=pathlib.Path, help="the kept measurement")
    parser.add_argument("--write", action="store_true", help="write it instead")
    parser.add_argument("--program", default="build/bin/fa4_emu_bench")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--only", default=".", help="a regular expression of names")
    options = parser.parse_args()
    here = processor()
    if options.write:
        rates = measure(options.program, options.repetitions, options.only)
        text = json.dumps({"processor": here, "per_second": rates}, indent=1)
        options.file.write_text(text + "\n")
        return 0
    kept = json.loads(options.file.read_text())
    if kept["processor"] != here:
        print(f"not compared: {options.file} was measured on {kept['processor']}, this is {here}")
        return 0
    rates = measure(options.program, options.repetitions, options.only)
    missed = 0
    for name, rate in rates.items():
        if name not in kept["per_second"]:
            print(f"{name}: {rate / 1e6:.1f} M/s, not kept")
            continue
        ratio = rate / kept["per_second"][name]
        missed += ratio < ALLOWED
        mark = "  MISSED" if ratio < ALLOWED else ""
        print(f"{name}: {rate / 1e6:.1f} M/s, {ratio:.2f} of what is kept{mark}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
