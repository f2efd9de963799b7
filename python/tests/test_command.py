# SPDX-License-Identifier: Apache-2.0
"""`python -m fa4` is the command, with its exit codes; the library says what the package says."""

import subprocess
import sys

import fa4


def run(*arguments):
    return subprocess.run([sys.executable, "-m", "fa4", *arguments], capture_output=True, text=True)


def test_plan_prints_a_plan():
    result = run("plan", "--shape", "1,4,2,64,64,32", "--causal", "--dtype", "bf16")
    assert result.returncode == 0 and "kernel" in result.stdout


def test_exit_codes_are_the_command_s():
    assert run("plan", "--shape", "1,4,2").returncode == 2
    assert run("--version").stdout.strip().endswith(fa4.__version__)


def test_info_lists_backends():
    info = fa4.info()
    assert info["version"] == fa4.__version__ and {"cpu", "reference"} <= {b["name"] for b in info["backends"]}
