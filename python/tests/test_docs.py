# SPDX-License-Identifier: Apache-2.0
"""The blocks of docs/python.md run, in their order, in one namespace. One that begins with `# needs` is skipped
where that package is missing."""

import importlib.util
import pathlib
import re

import pytest

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "python.md"
BLOCKS = list(re.finditer(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE))
NAMESPACE = {}


def test_the_page_has_blocks():
    assert len(BLOCKS) >= 9


@pytest.mark.parametrize("index", range(len(BLOCKS)))
def test_block(index):
    code = BLOCKS[index].group(1)
    needs = re.match(r"# needs (\w+)\n", code)
    package = needs.group(1) if needs else "numpy"
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"not installed: {package}")
    line = PAGE.read_text()[: BLOCKS[index].start(1)].count("\n")
    exec(compile("\n" * line + code, str(PAGE), "exec"), NAMESPACE)
