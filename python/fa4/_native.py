# SPDX-License-Identifier: Apache-2.0
"""libfa4 as tvm-ffi functions (python/core), and the order of their arguments.

A problem is written as: present, num_threads, *Options, *Inputs. `present` says which tensors follow, bit
i for the i-th; -1: all of them, with None where there is none.
"""

from __future__ import annotations

import pathlib
from typing import Any, Callable, NamedTuple

import tvm_ffi

FORWARD = 0
BACKWARD = 1
ALL_PRESENT = -1


class UnsupportedError(NotImplementedError):
    """The problem is right, but nothing here serves it; the sentence says why."""

    __module__ = "fa4"


class Options(NamedTuple):
    """What is computed, apart from the tensors. fa4.h says what each field means."""

    scale: float = float("nan")  # NaN: 1/sqrt(D)
    softcap: float = 0.0
    window_left: int = -1
    window_right: int = -1
    causal: bool = False
    num_splits: int = 0
    deterministic: bool = False
    batch_invariant: bool = False
    max_seq_q: int = 0
    max_seq_k: int = 0
    backend: str = "auto"
    kernel: str = "auto"


class Inputs(NamedTuple):
    """The tensors of a problem, by any framework."""

    q: Any
    k: Any
    v: Any
    cu_seqlens_q: Any = None
    cu_seqlens_k: Any = None
    query_lengths: Any = None
    key_lengths: Any = None
    page_table: Any = None
    sink: Any = None


def _load() -> Any:
    path = pathlib.Path(__file__).parent / "lib" / "libfa4_ffi.so"
    if not path.is_file():
        raise ImportError(
            f"fa4 is not installed: {path} is missing. A folder of sources is not the package; "
            "install it with: pip install ."
        )
    tvm_ffi.error.register_error("fa4.UnsupportedError", UnsupportedError)
    return tvm_ffi.load_module(str(path))


_module = _load()

forward: Callable[..., None] = _module.get_function("forward")
backward: Callable[..., None] = _module.get_function("backward")
combine: Callable[..., None] = _module.get_function("combine")
supports: Callable[..., str] = _module.get_function("supports")
plan: Callable[..., str] = _module.get_function("plan")
info: Callable[[], str] = _module.get_function("info")
version: Callable[[], str] = _module.get_function("version")
