# SPDX-License-Identifier: Apache-2.0
"""The first steps of examples/python/train.py: the same losses with our attention as with torch's."""

import importlib.util
import pathlib

PATH = pathlib.Path(__file__).resolve().parents[2] / "examples" / "python" / "train.py"


def test_losses_are_those_of_sdpa():
    spec = importlib.util.spec_from_file_location("train", PATH)
    train = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(train)
    mine, stock = (train.train(attend, 4)[0] for attend in (train.attend_fa4, train.attend_torch))
    assert max(abs(a - b) for a, b in zip(mine, stock)) < 1e-4
    assert mine[-1] < mine[0] - 0.5
