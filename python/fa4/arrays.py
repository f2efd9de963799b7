# SPDX-License-Identifier: Apache-2.0
"""NumPy arrays, and those of any library that has DLPack and the array API (CuPy): called directly, results
in the library's own arrays. No gradients are recorded; `attention_backward` computes them."""

from __future__ import annotations

from typing import Any, Optional

import tvm_ffi

from . import _native
from ._native import ALL_PRESENT, TENSORS, Problem


def _is_numpy(array: Any) -> bool:
    return type(array).__module__.partition(".")[0] == "numpy"


def _namespace(array: Any) -> Any:
    if _is_numpy(array):
        import numpy

        return numpy
    return array.__array_namespace__()


def _empty(like: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    if _is_numpy(like):
        return _namespace(like).empty(shape, dtype=dtype)
    return _namespace(like).empty(shape, dtype=dtype, device=like.device)


def lse_dtype(array: Any) -> Any:
    """float32, and float64 for float64 inputs."""
    namespace = _namespace(array)
    return array.dtype if array.dtype == namespace.float64 else namespace.float32


def _view(name: str, array: Any) -> Any:
    """The same memory as a tensor that the library can be called with; None stays None."""
    if array is None or not _is_numpy(array):
        return array
    try:
        if array.flags.writeable:
            return tvm_ffi.from_dlpack(array)
        return tvm_ffi.from_dlpack(array.__dlpack__(max_version=(1, 0)))  # inputs are not written to
    except (BufferError, RuntimeError, TypeError) as error:
        raise _native.UnsupportedError(
            f"{name} is a NumPy array ({array.dtype}, writeable: {array.flags.writeable}) that DLPack does not "
            f"carry: {error} Served are float32, float16, float64 and, for lengths and tables, int32; read-only "
            "arrays from NumPy 2.1 on"
        ) from error


def result_shapes(problem: Problem) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shapes of out and lse: [B,Sq,H,Dv] and [B,H,Sq], or packed [total_q,H,Dv] and [H,total_q]."""
    rows = tuple(problem.q.shape[:-1])
    lse = (*rows[:-2], rows[-1], rows[-2]) if len(rows) >= 2 else rows
    return (*rows, *problem.v.shape[-1:]), lse


def prepared(problem: tuple[Any, ...]) -> Problem:
    """The whole problem, with tensors that the library can be called with."""
    whole = Problem(*problem)
    return whole._replace(**{name: _view(name, getattr(whole, name)) for name in TENSORS})


def forward(problem: tuple[Any, ...], out: Any, needs_lse: bool) -> tuple[Any, Any]:
    """The forward into `out`, or into a new array. Returns (out, lse or None)."""
    views = prepared(problem)
    q = problem[0]
    out_shape, lse_shape = result_shapes(Problem(*problem))
    if out is None:
        out = _empty(q, out_shape, q.dtype)
    lse = _empty(q, lse_shape, lse_dtype(q)) if needs_lse else None
    _native.forward(ALL_PRESENT, 0, *views, _output("out", out), _output("lse", lse))
    return out, lse


def _output(name: str, array: Any) -> Any:
    if array is not None and _is_numpy(array) and not array.flags.writeable:
        raise ValueError(f"{name} is a read-only NumPy array; it must be writeable")
    return _view(name, array)


def backward(
    dout: Any, problem: tuple[Any, ...], out: Any, lse: Any, dlse: Any
) -> tuple[Any, Any, Any, Optional[Any]]:
    """Gradients: (dq, dk, dv, dsink or None), each like what it belongs to."""
    q, sink = problem[0], Problem(*problem).sink
    gradients = [_empty(q, tuple(array.shape), array.dtype) for array in problem[:3]]
    dsink = None if sink is None else _empty(q, tuple(sink.shape), lse_dtype(q))
    given = (("dout", dout), ("out", out), ("lse", lse), ("dlse", dlse))
    results = zip(("dq", "dk", "dv", "dsink"), (*gradients, dsink))
    _native.backward(
        ALL_PRESENT,
        0,
        *prepared(problem),
        *(_view(name, array) for name, array in given),
        *(_output(name, array) for name, array in results),
    )
    return gradients[0], gradients[1], gradients[2], dsink


def combine(out_partial: Any, lse_partial: Any, out: Any, out_dtype: Any) -> tuple[Any, Any]:
    """Partial results over disjoint keys, merged: (out, lse)."""
    if out is None:
        out = _empty(out_partial, tuple(out_partial.shape[1:]), out_dtype or out_partial.dtype)
    lse = _empty(out_partial, tuple(lse_partial.shape[1:]), lse_partial.dtype)
    partial = (_view("out_partial", out_partial), _view("lse_partial", lse_partial))
    _native.combine(*partial, _output("out", out), _output("lse", lse))
    return out, lse


def lengths(like: Any, count: int, value: int) -> Any:
    """int32 [count], each `value`."""
    namespace = _namespace(like)
    filled = _empty(like, (count,), namespace.int32)
    filled[...] = value
    return filled
