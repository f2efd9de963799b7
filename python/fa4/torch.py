# SPDX-License-Identifier: Apache-2.0
"""torch: attention as registered operators, with autograd, fake kernels and autocast.

    torch.ops.fa4.attention       (*Problem) -> out
    torch.ops.fa4.attention_lse   (*Problem) -> (out, lse)
    torch.ops.fa4.attention_out   (out, *Problem) -> lse, into a given tensor, without gradients
    torch.ops.fa4.backward        (dout, out, lse, dlse, *Problem) -> (dq, dk, dv, dsink)
    torch.ops.fa4.combine         (out_partial, lse_partial, out_dtype) -> (out, lse)

Gradients flow to q, k, v and sink, from out and from lse. Under autocast, q, k, v and sink are cast to autocast's
dtype, as those of scaled_dot_product_attention are. Threads are torch's (torch.get_num_threads).

Note [Call overhead]: a call must cost little beside scaled_dot_product_attention's 5 us. Hence schemas with
defaults (the dispatcher hands over no trailing argument that has its default), an operator that returns out
alone, autograd kernels of our own (torch.library.register_autograd's cost 10 us without a gradient and 140 with
one), and no way through the dispatcher where it would lead straight to the kernel. The numbers are in
docs/measurements/2026-11-26-call-overhead.md.
"""

from __future__ import annotations

from typing import Any, Optional

import torch
from torch.autograd import forward_ad

from . import _native
from ._native import ALL_PRESENT, REST, Problem

_PROBLEM = (
    "Tensor q, Tensor k, Tensor v, bool causal=False, SymInt window_left=-1, SymInt window_right=-1, "
    "float? scale=None, float softcap=0.0, Tensor? cu_seqlens_q=None, Tensor? cu_seqlens_k=None, "
    "Tensor? query_lengths=None, Tensor? key_lengths=None, Tensor? page_table=None, Tensor? sink=None, "
    "int num_splits=0, bool deterministic=False, bool batch_invariant=False, SymInt max_seq_q=0, "
    "SymInt max_seq_k=0, str backend='auto', str kernel_name='auto'"  # Inductor has a `kernel` of its own
)
_SINK = Problem._fields.index("sink")

_library = torch.library.Library("fa4", "DEF")
_tags = (torch.Tag.pt2_compliant_tag,)
_library.define(f"attention({_PROBLEM}) -> Tensor", tags=_tags)
_library.define(f"attention_lse({_PROBLEM}) -> (Tensor, Tensor)", tags=_tags)
_library.define(f"attention_out(Tensor(a!) out, {_PROBLEM}) -> Tensor", tags=_tags)
_library.define(
    f"backward(Tensor dout, Tensor out, Tensor lse, Tensor? dlse, {_PROBLEM}) -> (Tensor, Tensor, Tensor, Tensor)",
    tags=_tags,
)
_library.define(
    "combine(Tensor out_partial, Tensor lse_partial, ScalarType? out_dtype=None) -> (Tensor, Tensor)", tags=_tags
)
_attention_op = torch.ops.fa4.attention.default
_attention_lse_op = torch.ops.fa4.attention_lse.default
_attention_out_op = torch.ops.fa4.attention_out.default
_backward_op = torch.ops.fa4.backward.default
_combine_op = torch.ops.fa4.combine.default

# Looked up once: see Note [Call overhead].
_native_forward = _native.forward
_native_forward_plain = _native.forward_plain
_PLAIN = Problem._fields.index("causal") + 1  # arguments of a problem that forward_plain takes
_num_threads = torch.get_num_threads
_empty = torch.empty
_empty_like = torch.empty_like
_float32 = torch.float32
_float64 = torch.float64
_contiguous = torch.contiguous_format
_Tensor = torch.Tensor
_is_grad_enabled = torch.is_grad_enabled
_is_compiling = torch.compiler.is_compiling
_num_modes = torch._C._len_torch_dispatch_stack
_functorch_level = torch._C._functorch.peek_interpreter_stack
_tracing_state = torch._C._get_tracing_state
_is_autocast_enabled = torch.is_autocast_enabled


def _new_out(q: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    shape, dv = q.shape, v.shape[-1]
    if shape[-1] == dv:
        return _empty_like(q, memory_format=_contiguous)
    return q.new_empty((*shape[:-1], dv))


def _new_lse(q: torch.Tensor) -> torch.Tensor:
    dtype = q.dtype if q.dtype is _float64 else _float32
    shape = q.shape
    if len(shape) == 4:
        return _empty((shape[0], shape[2], shape[1]), dtype=dtype, device=q.device)
    return q.new_empty((shape[1], shape[0]) if len(shape) == 3 else shape, dtype=dtype)  # no other is served


def _run_forward(problem: tuple[Any, ...], out: torch.Tensor, lse: Optional[torch.Tensor]) -> None:
    if len(problem) <= _PLAIN:
        _native_forward_plain(_num_threads(), out, lse, *problem)
    else:
        _native_forward(ALL_PRESENT, _num_threads(), *problem, *REST[len(problem)], out, lse)


def _attention(*problem: Any) -> torch.Tensor:
    out = _new_out(problem[0], problem[2])
    _run_forward(problem, out, None)
    return out


def _attention_fake(*problem: Any) -> torch.Tensor:
    return _new_out(problem[0], problem[2])


def _attention_lse(*problem: Any) -> tuple[torch.Tensor, torch.Tensor]:
    q = problem[0]
    out, lse = _new_out(q, problem[2]), _new_lse(q)
    _run_forward(problem, out, lse)
    return out, lse


def _attention_lse_fake(*problem: Any) -> tuple[torch.Tensor, torch.Tensor]:
    return _new_out(problem[0], problem[2]), _new_lse(problem[0])


def _attention_out(out: torch.Tensor, *problem: Any) -> torch.Tensor:
    lse = _new_lse(problem[0])
    _run_forward(problem, out, lse)
    return lse


def _attention_out_fake(out: torch.Tensor, *problem: Any) -> torch.Tensor:
    return _new_lse(problem[0])


def _sink_of(problem: tuple[Any, ...]) -> Any:
    return problem[_SINK] if len(problem) > _SINK else None


def _new_gradients(
    dout: Any, out: Any, lse: torch.Tensor, dlse: Any, *problem: Any
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    sink = _sink_of(problem)
    dsink = lse.new_empty(sink.shape if sink is not None else (0,))
    dq, dk, dv = (_empty_like(tensor) for tensor in problem[:3])
    return dq, dk, dv, dsink


def _with_unit_stride(tensor: Any) -> Any:
    return tensor if tensor is None or tensor.stride(-1) == 1 else tensor.contiguous()


def _backward(dout: torch.Tensor, out: Any, lse: torch.Tensor, dlse: Any, *problem: Any) -> tuple[torch.Tensor, ...]:
    gradients = _new_gradients(dout, out, lse, dlse, *problem)
    # Autograd makes gradients with other strides: that of a sum is one element for all.
    dout, dlse = _with_unit_stride(dout), _with_unit_stride(dlse)
    dsink = gradients[3] if _sink_of(problem) is not None else None
    results = (*gradients[:3], dsink)
    _native.backward(ALL_PRESENT, _num_threads(), *problem, *REST[len(problem)], dout, out, lse, dlse, *results)
    return gradients


def _new_combined(
    out_partial: torch.Tensor, lse_partial: torch.Tensor, out_dtype: Optional[torch.dtype] = None
) -> tuple[torch.Tensor, torch.Tensor]:
    out = out_partial.new_empty(out_partial.shape[1:], dtype=out_dtype or out_partial.dtype)
    return out, lse_partial.new_empty(lse_partial.shape[1:])


def _combine(
    out_partial: torch.Tensor, lse_partial: torch.Tensor, out_dtype: Optional[torch.dtype] = None
) -> tuple[torch.Tensor, torch.Tensor]:
    out, lse = _new_combined(out_partial, lse_partial, out_dtype)
    _native.combine(out_partial, lse_partial, out, lse)
    return out, lse


def _is_plain(problem: tuple[Any, ...]) -> bool:
    """Whether the dispatcher would lead straight to the kernel: tensors with memory, and nothing that watches."""
    q = problem[0]
    return (
        type(q) is _Tensor
        and type(problem[1]) is _Tensor
        and type(problem[2]) is _Tensor
        and (q.is_cpu or q.is_cuda)
        and not _num_modes()
        and _functorch_level() is None
        and _tracing_state() is None
    )


def _needs_gradient(problem: tuple[Any, ...]) -> bool:
    if forward_ad._current_level >= 0:  # the autograd function refuses tensors with tangents
        return True
    if not _is_grad_enabled():
        return False
    if problem[0].requires_grad or problem[1].requires_grad or problem[2].requires_grad:
        return True
    sink = _sink_of(problem)
    return sink is not None and bool(sink.requires_grad)


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, with_lse: bool, *problem: Any) -> Any:
        if _is_plain(problem):
            results = _attention_lse(*problem)
        else:
            with torch._C._AutoDispatchBelowAutograd():
                results = _attention_lse_op(*problem)
        ctx.is_tensor = [isinstance(value, _Tensor) for value in problem]
        ctx.save_for_backward(*(value for value in problem if isinstance(value, _Tensor)), *results)
        ctx.others = [value for value in problem if not isinstance(value, _Tensor)]
        ctx.set_materialize_grads(False)
        return results if with_lse else results[0]

    @staticmethod
    def backward(ctx: Any, dout: Optional[torch.Tensor], dlse: Optional[torch.Tensor] = None) -> Any:
        *tensors, out, lse = ctx.saved_tensors
        tensor, other = iter(tensors), iter(ctx.others)
        problem = tuple(next(tensor) if is_tensor else next(other) for is_tensor in ctx.is_tensor)
        if dout is None:
            dout = torch.zeros_like(out)
        dq, dk, dv, dsink = _backward_op(dout, out, lse, dlse, *problem)
        gradients: list[Any] = [dq, dk, dv] + [None] * (len(problem) - 3)
        sink = _sink_of(problem)
        if sink is not None:
            gradients[_SINK] = dsink.to(sink.dtype)
        return (None, *gradients)


def _attention_autograd(*problem: Any) -> Any:
    if _needs_gradient(problem):
        return _Attention.apply(False, *problem)
    if _is_plain(problem):
        return _attention(*problem)
    with torch._C._AutoDispatchBelowAutograd():
        return _attention_op(*problem)


def _attention_lse_autograd(*problem: Any) -> Any:
    if _needs_gradient(problem):
        return _Attention.apply(True, *problem)
    with torch._C._AutoDispatchBelowAutograd():
        return _attention_lse_op(*problem)


def _refuse_second_backward(ctx: Any, *gradients: Any) -> Any:
    raise _native.UnsupportedError(
        "the gradient of attention's gradient was asked for; fa4 has a backward, but no second one"
    )


def _refuse_backward_of_combine(ctx: Any, *gradients: Any) -> Any:
    raise _native.UnsupportedError("flash_attn_combine has no backward; call it under torch.no_grad()")


def _register_autocast(name: str, device: str) -> None:
    op = getattr(torch.ops.fa4, name).default
    key = {"cpu": "AutocastCPU", "cuda": "AutocastCUDA"}[device]

    def cast(value: Any, dtype: torch.dtype) -> Any:
        is_castable = isinstance(value, _Tensor) and value.is_floating_point() and value.dtype is not _float64
        return value.to(dtype) if is_castable else value

    def kernel(*problem: Any) -> Any:
        dtype = torch.get_autocast_dtype(device)
        with torch.autocast(device, enabled=False):
            return op(*(cast(value, dtype) for value in problem))

    _library.impl(name, kernel, key)


def _register() -> None:
    kernels = {
        "attention": (_attention, _attention_fake),
        "attention_lse": (_attention_lse, _attention_lse_fake),
        "attention_out": (_attention_out, _attention_out_fake),
        "backward": (_backward, _new_gradients),
        "combine": (_combine, _new_combined),
    }
    for name, (kernel, fake) in kernels.items():
        for device in ("CPU", "CUDA"):
            _library.impl(name, kernel, device)
        torch.library.register_fake(f"fa4::{name}", fake, lib=_library)
    _library.impl("attention", _attention_autograd, "Autograd")
    _library.impl("attention_lse", _attention_lse_autograd, "Autograd")
    for device in ("cpu", "cuda"):  # the dtype does not matter: autocast's own is taken
        for name in ("attention", "attention_lse"):
            _register_autocast(name, device)
    torch.library.register_autograd("fa4::backward", _refuse_second_backward, lib=_library)
    torch.library.register_autograd("fa4::combine", _refuse_backward_of_combine, lib=_library)


_register()


def forward(problem: tuple[Any, ...], out: Any, needs_lse: bool) -> Any:
    """The forward, into `out` or a new tensor. Returns (out, lse or None)."""
    if out is not None:
        if _needs_gradient(problem):
            raise ValueError("out is set, but gradients are needed; leave out at None, or use torch.no_grad()")
        return out, _attention_out_op(out, *problem)
    if needs_lse:
        return _attention_lse_op(*problem)
    # See Note [Call overhead]: this is what the operator does in the end.
    if not _is_compiling() and _is_plain(problem) and not _needs_gradient(problem):
        if not _is_autocast_enabled(problem[0].device.type):
            return _attention(*problem), None
    return _attention_op(*problem), None


def backward(dout: Any, problem: tuple[Any, ...], out: Any, lse: Any, dlse: Any) -> Any:
    """Gradients: (dq, dk, dv, dsink or None), each like what it belongs to (dsink float32)."""
    dq, dk, dv, dsink = _backward_op(dout, out, lse, dlse, *problem)
    return dq, dk, dv, dsink if _sink_of(problem) is not None else None


def combine(out_partial: Any, lse_partial: Any, out: Any, out_dtype: Any) -> Any:
    """Partial results over disjoint keys, merged: (out, lse)."""
    if out is None:
        return _combine_op(out_partial, lse_partial, out_dtype)
    lse = lse_partial.new_empty(lse_partial.shape[1:])
    _native.combine(out_partial, lse_partial, out, lse)
    return out, lse


def prepared(problem: tuple[Any, ...]) -> tuple[Any, ...]:
    """The whole problem, with tensors that the library can be called with."""
    return Problem(*problem)


def lengths(like: torch.Tensor, count: int, value: int) -> torch.Tensor:
    """int32 [count], each `value`."""
    return torch.full((count,), value, dtype=torch.int32, device=like.device)
