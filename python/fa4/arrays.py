# SPDX-License-Identifier: Apache-2.0
"""NumPy arrays, and those of any library that has DLPack and the array API (CuPy): called directly, results
in the library's own arrays. No gradients are recorded; `attention_backward` computes them."""

from __future__ import annotations

from typing import Any, Optional

import tvm_ffi

from . import _native
from ._native import ALL_PRESENT, Inputs, Options


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
    if not array.flags.writeable:  # NumPy's DLPack refuses those, though nothing here writes to inputs
        return _view_read_only(array)
    try:
        return tvm_ffi.from_dlpack(array)
    except (BufferError, RuntimeError, TypeError) as error:
        raise _native.UnsupportedError(
            f"{name} is a NumPy array of dtype {array.dtype} and strides {array.strides} that DLPack does not "
            f"carry ({error}); served are float32, float16, float64 and, for lengths and tables, int32"
        ) from error


def _view_read_only(array: Any) -> Any:
    """A writeable NumPy view of read-only memory: for inputs only, which the library does not write to."""
    import ctypes

    import numpy

    if array.size == 0:
        return tvm_ffi.from_dlpack(numpy.empty(array.shape, array.dtype))
    low, high = numpy.lib.array_utils.byte_bounds(array) if hasattr(numpy.lib, "array_utils") else (
        numpy.byte_bounds(array)
    )
    memory = (ctypes.c_char * (high - low)).from_address(low)
    view = numpy.ndarray(
        array.shape, array.dtype, memory, array.__array_interface__["data"][0] - low, array.strides
    )
    return tvm_ffi.from_dlpack(view)


def result_shapes(inputs: Inputs) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shapes of out and lse: [B,Sq,H,Dv] and [B,H,Sq], or packed [total_q,H,Dv] and [H,total_q]."""
    rows = tuple(inputs.q.shape[:-1])
    lse = rows[:-2] + (rows[-1], rows[-2]) if len(rows) >= 2 else rows
    return rows + (inputs.v.shape[-1],), lse


def views_of(inputs: Inputs) -> list[Any]:
    return [_view(name, array) for name, array in zip(Inputs._fields, inputs)]


def forward(inputs: Inputs, options: Options, out: Any, needs_lse: bool) -> tuple[Any, Any]:
    """The forward into `out`, or into a new array. Returns (out, lse or None)."""
    views = views_of(inputs)
    out_shape, lse_shape = result_shapes(inputs)
    if out is None:
        out = _empty(inputs.q, out_shape, inputs.q.dtype)
    lse = _empty(inputs.q, lse_shape, lse_dtype(inputs.q)) if needs_lse else None
    _native.forward(ALL_PRESENT, 0, *options, *views, _output("out", out), _output("lse", lse))
    return out, lse


def _output(name: str, array: Any) -> Any:
    if array is not None and _is_numpy(array) and not array.flags.writeable:
        raise ValueError(f"{name} is a read-only NumPy array; it must be writeable")
    return _view(name, array)


def backward(
    dout: Any, inputs: Inputs, out: Any, lse: Any, dlse: Any, options: Options
) -> tuple[Any, Any, Any, Optional[Any]]:
    """Gradients: (dq, dk, dv, dsink or None), each like what it belongs to."""
    q = inputs.q
    gradients = [_empty(q, tuple(array.shape), array.dtype) for array in inputs[:3]]
    dsink = None if inputs.sink is None else _empty(q, tuple(inputs.sink.shape), lse_dtype(q))
    given = (("dout", dout), ("out", out), ("lse", lse), ("dlse", dlse))
    results = zip(("dq", "dk", "dv", "dsink"), (*gradients, dsink))
    _native.backward(
        ALL_PRESENT,
        0,
        *options,
        *views_of(inputs),
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
