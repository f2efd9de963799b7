# SPDX-License-Identifier: Apache-2.0
"""JAX: attention through JAX's FFI (jax-tvm-ffi), on CPU, under jit, grad and vmap (one call per element).

`attention` and the functions of flash-attn take JAX arrays too and end here. Gradients flow to q, k, v and sink,
from out and from lse. To install: pip install "fa4[jax]".
"""

from __future__ import annotations

import functools
from typing import Any, Optional

try:
    import jax
    import jax_tvm_ffi
    import numpy
except ImportError as error:
    raise ImportError(f'fa4 needs jax and jax-tvm-ffi for JAX arrays ({error}): pip install "fa4[jax]"') from error

from . import _native
from ._native import TENSORS, Problem

# How the arguments of a native call are made: its numbers are attributes, its tensors come after. XLA has
# no None, so `present` says which tensors are there.
_OPTIONS = tuple(name for name in Problem._fields if name not in TENSORS)
_PLATFORM = "cpu"


def _register() -> None:
    spec = ["attrs.present", "attrs.num_threads", *("attrs." + name for name in _OPTIONS), "args", "rets"]
    for name in ("forward", "backward"):
        function = getattr(_native, "xla_" + name)
        jax_tvm_ffi.register_ffi_target("fa4_" + name, function, spec, platform=_PLATFORM)


_register()


def _attributes(options: tuple[Any, ...], present: list[bool]) -> dict[str, Any]:
    attributes: dict[str, Any] = dict(zip(_OPTIONS, options))
    scale = attributes["scale"]
    attributes["scale"] = numpy.float64("nan" if scale is None else scale)
    attributes["softcap"] = numpy.float64(attributes["softcap"])
    for name, value in attributes.items():
        if isinstance(value, (bool, int)):
            attributes[name] = numpy.int64(value)
    attributes["present"] = numpy.int64(sum(1 << index for index, is_there in enumerate(present) if is_there))
    attributes["num_threads"] = numpy.int64(0)
    return attributes


def _call(name: str, results: tuple[Any, ...], wanted: list[bool], tensors: tuple[Any, ...], options: Any) -> Any:
    present = [tensor is not None for tensor in tensors] + wanted
    call = jax.ffi.ffi_call("fa4_" + name, results, vmap_method="sequential")
    return call(*(tensor for tensor in tensors if tensor is not None), **_attributes(options, present))


def _lse_dtype(q: Any) -> Any:
    return q.dtype if q.dtype == numpy.float64 else numpy.dtype(numpy.float32)


def _shape(shape: tuple[int, ...], dtype: Any) -> Any:
    return jax.ShapeDtypeStruct(shape, dtype)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def _attention(tensors: tuple[Any, ...], options: tuple[Any, ...]) -> Any:
    q, v = tensors[0], tensors[2]
    rows = q.shape[:-1]
    lse_shape = (*rows[:-2], rows[-1], rows[-2]) if len(rows) >= 2 else rows
    results = (_shape((*rows, *v.shape[-1:]), q.dtype), _shape(lse_shape, _lse_dtype(q)))
    out, lse = _call("forward", results, [True, True], tensors, options)
    return out, lse


def _attention_forward(tensors: tuple[Any, ...], options: tuple[Any, ...]) -> Any:
    results = _attention(tensors, options)
    return results, (tensors, results)


def _no_gradient(tensor: Any) -> Any:
    return None if tensor is None else numpy.zeros(tensor.shape, jax.dtypes.float0)


def _attention_backward(options: tuple[Any, ...], residuals: Any, cotangents: Any) -> Any:
    tensors, (out, lse) = residuals
    dout, dlse = cotangents
    q, k, v, sink = tensors[0], tensors[1], tensors[2], tensors[-1]
    results = tuple(_shape(tensor.shape, tensor.dtype) for tensor in (q, k, v))
    if sink is not None:
        results += (_shape(sink.shape, _lse_dtype(q)),)
    gradients = _call(
        "backward", results, [True, True, True, sink is not None], (*tensors, dout, out, lse, dlse), options
    )
    dsink = None if sink is None else gradients[3].astype(sink.dtype)
    return ((*gradients[:3], *(_no_gradient(tensor) for tensor in tensors[3:-1]), dsink),)


_attention.defvjp(_attention_forward, _attention_backward)


def _split(problem: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    whole = Problem(*problem)
    tensors = tuple(getattr(whole, name) for name in TENSORS)
    return tensors, tuple(getattr(whole, name) for name in _OPTIONS)


def forward(problem: tuple[Any, ...], out: Any, needs_lse: bool) -> tuple[Any, Any]:
    """The forward as a JAX operation. Returns (out, lse)."""
    if out is not None:
        raise _native.UnsupportedError("out is set, but JAX arrays cannot be written to; leave it at None")
    out, lse = _attention(*_split(problem))
    return out, lse


def backward(
    dout: Any, problem: tuple[Any, ...], out: Any, lse: Any, dlse: Any
) -> tuple[Any, Any, Any, Optional[Any]]:
    """Gradients: (dq, dk, dv, dsink or None), each like what it belongs to."""
    tensors, options = _split(problem)
    dlse = jax.numpy.zeros_like(lse) if dlse is None else dlse
    (gradients,) = _attention_backward(options, (tensors, (out, lse)), (dout, dlse))
    return gradients[0], gradients[1], gradients[2], gradients[-1]


def combine(out_partial: Any, lse_partial: Any, out: Any, out_dtype: Any) -> tuple[Any, Any]:
    raise _native.UnsupportedError("flash_attn_combine is not served on JAX arrays; pass NumPy or torch ones")


def prepared(problem: tuple[Any, ...]) -> tuple[Any, ...]:
    """The whole problem, with tensors that the library can be called with."""
    return Problem(*problem)


def lengths(like: Any, count: int, value: int) -> Any:
    """int32 [count], each `value`."""
    return jax.numpy.full((count,), value, jax.numpy.int32)
