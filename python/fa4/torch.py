# SPDX-License-Identifier: Apache-2.0
"""torch: attention as registered operators, with autograd, fake kernels and autocast.

    torch.ops.fa4.forward    (*Inputs, *Options) -> (out, lse)
    torch.ops.fa4.forward_   the same into a given `out`; returns lse
    torch.ops.fa4.backward   (dout, out, lse, dlse, *Inputs, *Options) -> (dq, dk, dv, dsink)
    torch.ops.fa4.combine    (out_partial, lse_partial, out_dtype) -> (out, lse)

Gradients flow to q, k, v and sink, from out and from lse. Under autocast, floating-point inputs are cast to
autocast's dtype, as those of scaled_dot_product_attention are. Threads are torch's (torch.get_num_threads).
"""

from __future__ import annotations

from typing import Any, Optional

import torch

from . import _native
from ._native import ALL_PRESENT, Inputs, Options

_INPUTS = (
    "Tensor q, Tensor k, Tensor v, Tensor? cu_seqlens_q, Tensor? cu_seqlens_k, Tensor? query_lengths, "
    "Tensor? key_lengths, Tensor? page_table, Tensor? sink"
)
_OPTIONS = (
    "float scale, float softcap, SymInt window_left, SymInt window_right, bool causal, int num_splits, "
    "bool deterministic, bool batch_invariant, SymInt max_seq_q, SymInt max_seq_k, str backend, str kernel"
)
_NUM_INPUTS = len(Inputs._fields)

_library = torch.library.Library("fa4", "DEF")
_tags = (torch.Tag.pt2_compliant_tag,)
_library.define(f"forward({_INPUTS}, {_OPTIONS}) -> (Tensor, Tensor)", tags=_tags)
_library.define(f"forward_({_INPUTS}, Tensor(a!) out, {_OPTIONS}) -> Tensor", tags=_tags)
_library.define(
    f"backward(Tensor dout, Tensor out, Tensor lse, Tensor? dlse, {_INPUTS}, {_OPTIONS}) "
    "-> (Tensor, Tensor, Tensor, Tensor)",
    tags=_tags,
)
_library.define(
    "combine(Tensor out_partial, Tensor lse_partial, ScalarType? out_dtype) -> (Tensor, Tensor)", tags=_tags
)

_native_forward = _native.forward
_native_backward = _native.backward
_num_threads = torch.get_num_threads
_float32 = torch.float32
_float64 = torch.float64


def _lse_dtype(tensor: torch.Tensor) -> torch.dtype:
    return _float64 if tensor.dtype is _float64 else _float32


def _new_out(q: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return q.new_empty(q.shape[:-1] + v.shape[-1:])


def _new_lse(q: torch.Tensor) -> torch.Tensor:
    shape = q.shape
    if len(shape) == 4:
        return q.new_empty((shape[0], shape[2], shape[1]), dtype=_lse_dtype(q))
    return q.new_empty((shape[1], shape[0]) if len(shape) == 3 else shape, dtype=_lse_dtype(q))


def _new_gradients(inputs: tuple[Any, ...]) -> tuple[torch.Tensor, ...]:
    q, k, v, sink = inputs[0], inputs[1], inputs[2], inputs[8]
    dsink = q.new_empty(sink.shape if sink is not None else (0,), dtype=_lse_dtype(q))
    return torch.empty_like(q), torch.empty_like(k), torch.empty_like(v), dsink


def _forward(*arguments: Any) -> tuple[torch.Tensor, torch.Tensor]:
    q = arguments[0]
    out = _new_out(q, arguments[2])
    lse = _new_lse(q)
    inputs, options = arguments[:_NUM_INPUTS], arguments[_NUM_INPUTS:]
    _native_forward(ALL_PRESENT, _num_threads(), *options, *inputs, out, lse)
    return out, lse


def _forward_fake(*arguments: Any) -> tuple[torch.Tensor, torch.Tensor]:
    return _new_out(arguments[0], arguments[2]), _new_lse(arguments[0])


def _forward_into(*arguments: Any) -> torch.Tensor:
    lse = _new_lse(arguments[0])
    inputs, out, options = arguments[:_NUM_INPUTS], arguments[_NUM_INPUTS], arguments[_NUM_INPUTS + 1 :]
    _native_forward(ALL_PRESENT, _num_threads(), *options, *inputs, out, lse)
    return lse


def _forward_into_fake(*arguments: Any) -> torch.Tensor:
    return _new_lse(arguments[0])


def _backward(*arguments: Any) -> tuple[torch.Tensor, ...]:
    dout, out, lse, dlse = arguments[:4]
    inputs, options = arguments[4 : 4 + _NUM_INPUTS], arguments[4 + _NUM_INPUTS :]
    dq, dk, dv, dsink = _new_gradients(inputs)
    if dout.stride(-1) != 1:  # autograd makes such gradients (of a sum: one element for all)
        dout = dout.contiguous()
    _native_backward(
        ALL_PRESENT,
        _num_threads(),
        *options,
        *inputs,
        dout,
        out,
        lse,
        dlse,
        dq,
        dk,
        dv,
        dsink if inputs[8] is not None else None,
    )
    return dq, dk, dv, dsink


def _backward_fake(*arguments: Any) -> tuple[torch.Tensor, ...]:
    return _new_gradients(arguments[4 : 4 + _NUM_INPUTS])


def _new_combined(
    out_partial: torch.Tensor, lse_partial: torch.Tensor, out_dtype: Optional[torch.dtype]
) -> tuple[torch.Tensor, torch.Tensor]:
    out = out_partial.new_empty(out_partial.shape[1:], dtype=out_dtype or out_partial.dtype)
    return out, lse_partial.new_empty(lse_partial.shape[1:])


def _combine(
    out_partial: torch.Tensor, lse_partial: torch.Tensor, out_dtype: Optional[torch.dtype]
) -> tuple[torch.Tensor, torch.Tensor]:
    out, lse = _new_combined(out_partial, lse_partial, out_dtype)
    _native.combine(out_partial, lse_partial, out, lse)
    return out, lse


def _save_for_backward(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:
    ctx.save_for_backward(*inputs[:_NUM_INPUTS], *output)
    ctx.options = inputs[_NUM_INPUTS:]
    ctx.set_materialize_grads(False)


def _run_backward(ctx: Any, dout: Optional[torch.Tensor], dlse: Optional[torch.Tensor]) -> tuple[Any, ...]:
    *inputs, out, lse = ctx.saved_tensors
    no_more = (None,) * len(Options._fields)
    if dout is None and dlse is None:
        return (None,) * _NUM_INPUTS + no_more
    if dout is None:
        dout = torch.zeros_like(out)
    dq, dk, dv, dsink = _backward_op(dout, out, lse, dlse, *inputs, *ctx.options)
    sink = inputs[8]
    dsink = None if sink is None else dsink.to(sink.dtype)
    return (dq, dk, dv, None, None, None, None, None, dsink) + no_more


def _refuse_second_backward(ctx: Any, *gradients: Any) -> Any:
    raise _native.UnsupportedError(
        "the gradient of attention's gradient was asked for; fa4 has a backward, but no second one"
    )


def _refuse_gradient_of_combine(ctx: Any, *gradients: Any) -> Any:
    raise _native.UnsupportedError("flash_attn_combine has no backward; merge without gradients (torch.no_grad)")


def _register() -> None:
    kernels = {
        "forward": (_forward, _forward_fake),
        "forward_": (_forward_into, _forward_into_fake),
        "backward": (_backward, _backward_fake),
        "combine": (_combine, _new_combined),
    }
    for name, (kernel, fake) in kernels.items():
        for device in ("CPU", "CUDA"):
            _library.impl(name, kernel, device)
        torch.library.register_fake(f"fa4::{name}", fake, lib=_library)
    torch.library.register_autograd(
        "fa4::forward", _run_backward, setup_context=_save_for_backward, lib=_library
    )
    torch.library.register_autograd("fa4::backward", _refuse_second_backward, lib=_library)
    torch.library.register_autograd("fa4::combine", _refuse_gradient_of_combine, lib=_library)


_register()
_forward_op = torch.ops.fa4.forward.default
_forward_into_op = torch.ops.fa4.forward_.default
_backward_op = torch.ops.fa4.backward.default
_combine_op = torch.ops.fa4.combine.default


def forward(inputs: Inputs, options: Options, out: Any, needs_lse: bool) -> tuple[Any, Any]:
    """The forward as an operator, into `out` or a new tensor. Returns (out, lse)."""
    if out is None:
        result: tuple[torch.Tensor, torch.Tensor] = _forward_op(*inputs, *options)
        return result
    if torch.is_grad_enabled() and any(
        tensor is not None and tensor.requires_grad for tensor in (*inputs[:3], inputs.sink)
    ):
        raise ValueError("out is set, but gradients are needed; leave out at None, or use torch.no_grad()")
    return out, _forward_into_op(*inputs, out, *options)


def backward(
    dout: Any, inputs: Inputs, out: Any, lse: Any, dlse: Any, options: Options
) -> tuple[Any, Any, Any, Any]:
    """Gradients: (dq, dk, dv, dsink or None), each like what it belongs to (dsink float32)."""
    dq, dk, dv, dsink = _backward_op(dout, out, lse, dlse, *inputs, *options)
    return dq, dk, dv, dsink if inputs.sink is not None else None


def combine(out_partial: Any, lse_partial: Any, out: Any, out_dtype: Any) -> tuple[Any, Any]:
    """Partial results over disjoint keys, merged: (out, lse)."""
    if out is None:
        result: tuple[torch.Tensor, torch.Tensor] = _combine_op(out_partial, lse_partial, out_dtype)
        return result
    lse = lse_partial.new_empty(lse_partial.shape[1:])
    _native.combine(out_partial, lse_partial, out, lse)
    return out, lse


def views_of(inputs: Inputs) -> Inputs:
    return inputs


def lengths(like: torch.Tensor, count: int, value: int) -> torch.Tensor:
    """int32 [count], each `value`."""
    return torch.full((count,), value, dtype=torch.int32, device=like.device)
