# SPDX-License-Identifier: Apache-2.0
"""mypy --strict finds nothing, and every public name has a docstring with what it returns and raises."""

import pathlib
import subprocess
import sys

import fa4

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_mypy_is_clean():
    command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", "--cache-dir", "build/mypy", "--no-error-summary"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_docstrings():
    for name in fa4.__all__:
        documentation = getattr(fa4, name).__doc__
        assert documentation, name
        if name.startswith(("flash_", "attention")):
            assert "Returns:" in documentation and "Args:" in documentation or "As `flash" in documentation, name
