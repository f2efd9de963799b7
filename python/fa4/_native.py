# SPDX-License-Identifier: Apache-2.0
"""libfa4 as tvm-ffi functions (python/core), and the order of their arguments.

A problem is written as: present, num_threads, *Problem. Bit i of `present` says that the i-th tensor is among
the arguments; -1: all are, with None where there is none.
"""

from __future__ import annotations

import pathlib
from typing import Any, Callable, NamedTuple, Optional

import tvm_ffi

FORWARD = 0
BACKWARD = 1
ALL_PRESENT = -1


class UnsupportedError(NotImplementedError):
    """The problem is right, but nothing here serves it; the sentence says why."""

    __module__ = "fa4"


class Problem(NamedTuple):
    """What is computed and on what, in the order of the native functions and of the torch operators. fa4.h says
    what each field means. A prefix of it, as a plain tuple, is a problem too: the rest is as here."""

    q: Any
    k: Any
    v: Any
    causal: bool = False
    window_left: int = -1
    window_right: int = -1
    scale: Optional[float] = None  # None: 1/sqrt(D)
    softcap: float = 0.0
    cu_seqlens_q: Any = None
    cu_seqlens_k: Any = None
    query_lengths: Any = None
    key_lengths: Any = None
    page_table: Any = None
    sink: Any = None
    num_splits: int = 0
    deterministic: bool = False
    batch_invariant: bool = False
    max_seq_q: int = 0
    max_seq_k: int = 0
    backend: str = "auto"
    kernel: str = "auto"


TENSORS = ("q", "k", "v", "cu_seqlens_q", "cu_seqlens_k", "query_lengths", "key_lengths", "page_table", "sink")
_DEFAULTS = (None, None, None, *Problem._field_defaults.values())
# What a prefix of a given length leaves out.
REST = tuple(_DEFAULTS[length:] for length in range(len(_DEFAULTS) + 1))


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
# (num_threads, out, lse, q, k, v[, causal]), all else at its default: a third of the arguments, so 1 us less.
forward_plain: Callable[..., None] = _module.get_function("forward_plain")
backward: Callable[..., None] = _module.get_function("backward")
xla_forward: Any = _module.get_function("xla_forward")  # tensors last: see python/fa4/jax.py
xla_backward: Any = _module.get_function("xla_backward")
combine: Callable[..., None] = _module.get_function("combine")
supports: Callable[..., str] = _module.get_function("supports")
plan: Callable[..., str] = _module.get_function("plan")
info: Callable[[], str] = _module.get_function("info")
version: Callable[[], str] = _module.get_function("version")
