# SPDX-License-Identifier: Apache-2.0
"""Our own names: attention, its plan, whether it is served, and its gradients. interface.py has the names of
flash-attn over them."""

from __future__ import annotations

import json
import sys
from typing import Any, Optional

from . import _native, arrays
from ._native import ALL_PRESENT, BACKWARD, FORWARD, Problem

_PASSES = {"forward": FORWARD, "backward": BACKWARD}
_frameworks: dict[type, Any] = {}  # type of an array -> the module that calls attention on it


def _find_framework(array: Any) -> Any:
    for base in type(array).__mro__:
        name = base.__module__.partition(".")[0]
        # Import statements, which torch.compile follows when the first call is a compiled one.
        if name == "torch" and "torch" in sys.modules:
            from . import torch as fa4_torch

            return fa4_torch
        if name in ("jax", "jaxlib"):
            from . import jax as fa4_jax

            return fa4_jax
        if name == "numpy":
            return arrays
    if hasattr(array, "__dlpack__") and hasattr(array, "__array_namespace__"):
        return arrays
    raise TypeError(
        f"q is of type {type(array).__module__}.{type(array).__qualname__}; it must be a torch.Tensor, a NumPy or "
        "JAX array, or another with DLPack and the array API (CuPy)"
    )


def framework_of(array: Any) -> Any:
    """The module that calls attention on arrays of this type: fa4.torch, fa4.jax or fa4.arrays."""
    framework = _frameworks.get(type(array))
    if framework is None:
        framework = _frameworks[type(array)] = _find_framework(array)
    return framework


def _bound(value: Optional[int]) -> int:
    return -1 if value is None else value


def _problem(
    q: Any,
    k: Any,
    v: Any,
    *,
    cu_seqlens_q: Any = None,
    cu_seqlens_k: Any = None,
    query_lengths: Any = None,
    key_lengths: Any = None,
    page_table: Any = None,
    sink: Any = None,
    scale: Optional[float] = None,
    softcap: float = 0.0,
    causal: bool = False,
    window: tuple[Optional[int], Optional[int]] = (-1, -1),
    num_splits: int = 0,
    deterministic: bool = False,
    batch_invariant: bool = False,
    max_seqlen_q: int = 0,
    max_seqlen_k: int = 0,
    backend: str = "auto",
    kernel: str = "auto",
) -> Problem:
    return Problem(
        q,
        k,
        v,
        causal,
        _bound(window[0]),
        _bound(window[1]),
        scale,
        softcap,
        cu_seqlens_q,
        cu_seqlens_k,
        query_lengths,
        key_lengths,
        page_table,
        sink,
        num_splits,
        deterministic,
        batch_invariant,
        max_seqlen_q,
        max_seqlen_k,
        backend,
        kernel,
    )


def attention(q: Any, k: Any, v: Any, *, out: Any = None, return_lse: bool = False, **keywords: Any) -> Any:
    """Exact attention: ``softmax(mask(softcap(scale * q k^T))) v``.

    Symbols: B batch, Sq/Sk query/key length, H query heads, Hk key/value heads (H a multiple of Hk), D head dim
    of q and k, Dv of v. Dtypes: float32, bfloat16, float16, one for q, k and v; float64 with
    ``backend="reference"``. Strides may be anything from 0 up, the last one 1. Nothing is copied or cast.

    Args:
        q: [B,Sq,H,D]; packed [total_q,H,D] with ``cu_seqlens_q``.
        k: [B,Sk,Hk,D]; packed [total_k,Hk,D] with ``cu_seqlens_k``; paged [pages,page_size,Hk,D] with
            ``page_table``.
        v: like k, the last dimension Dv.
        cu_seqlens_q, cu_seqlens_k: int32 [B+1], rows at which the packed sequences begin, and the total.
        query_lengths, key_lengths: int32 [B], how many rows of each sequence count.
        page_table: int32 [B,n]: row j of sequence b is row ``j % page_size`` of page
            ``page_table[b, j // page_size]``. Forward only.
        sink: [H], float32 or q's dtype, a logit for each head that joins the softmax's denominator.
        out: like the result; it is written and returned. Not where gradients are recorded.
        return_lse: also return lse.
        scale: factor of the scores; None: 1/sqrt(D).
        softcap: c > 0: scores become ``c * tanh(score / c)``; 0: none.
        causal: query i sees key j only if ``j <= i + Sk - Sq`` (aligned to the bottom right).
        window: (left, right): i + Sk - Sq - left <= j <= i + Sk - Sq + right; -1 or None: open.
        num_splits: splits of the keys, at most 4096; 0: the plan chooses.
        deterministic: gradients have the same bits in every run, or the call is refused.
        batch_invariant: a row's result does not depend on what else is in the batch.
        max_seqlen_q, max_seqlen_k: upper bounds of a packed sequence's length, in rows; 0: unknown.
        backend, kernel: names as ``fa4.info()`` lists them, "auto" for the best. A name is a command.

    Returns:
        out: [B,Sq,H,Dv] or [total_q,H,Dv] of q's dtype; with ``return_lse`` the pair (out, lse), lse
        [B,H,Sq] or [H,total_q] float32 (float64 for float64): the natural logarithm of the denominator.

    Raises:
        ValueError: an argument can never be right.
        UnsupportedError: nothing here serves the problem; the sentence says why.
    """
    result, lse = framework_of(q).forward(_problem(q, k, v, **keywords), out, return_lse)
    return (result, lse) if return_lse else result


def attention_backward(
    dout: Any, q: Any, k: Any, v: Any, out: Any, lse: Any, *, dlse: Any = None, **keywords: Any
) -> Any:
    """Gradients of `attention`, for arrays without autograd (NumPy, CuPy); torch and JAX do this by themselves.

    Args:
        dout: gradient with respect to out, of its shape.
        out, lse: what ``attention(..., return_lse=True)`` gave.
        dlse: gradient with respect to lse, or None.
        The others are `attention`'s, and must be what it was called with.

    Returns:
        (dq, dk, dv), like q, k and v; with a sink (dq, dk, dv, dsink), dsink [H] float32.
    """
    problem = _problem(q, k, v, **keywords)
    gradients = framework_of(q).backward(dout, problem, out, lse, dlse)
    return gradients if problem.sink is not None else gradients[:3]


class Plan(dict[str, Any]):
    """What would run a problem: backend, kernel, why, tiles, workspace, work, and who declined and why.

    A dictionary of the C library's description; ``print(plan)`` shows it whole."""

    def __str__(self) -> str:
        return json.dumps(self, indent=2)


def _planned(pass_: str, problem: Problem) -> tuple[Any, ...]:
    if pass_ not in _PASSES:
        raise ValueError(f'pass_ is "{pass_}"; it must be "forward" or "backward"')
    return (_PASSES[pass_], ALL_PRESENT, 0, *framework_of(problem.q).prepared(problem))


def plan(q: Any, k: Any, v: Any, *, pass_: str = "forward", **keywords: Any) -> Plan:
    """The plan of `attention` on these tensors, which are not read. Takes attention's keywords, and
    ``pass_``, "forward" or "backward".

    Raises:
        ValueError, UnsupportedError: as `attention` does.
    """
    return Plan(json.loads(_native.plan(*_planned(pass_, _problem(q, k, v, **keywords)))))


def supports(q: Any, k: Any, v: Any, *, pass_: str = "forward", **keywords: Any) -> Support:
    """Whether `attention` serves these tensors. Takes what `plan` takes. True or False, with a ``reason``.

    Raises:
        ValueError: an argument can never be right.
    """
    return Support(_native.supports(*_planned(pass_, _problem(q, k, v, **keywords))))


class Support:
    """True, or False with the reason why nothing here serves the problem."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __bool__(self) -> bool:
        return not self.reason

    def __repr__(self) -> str:
        return f"Support({self.reason!r})"


def info() -> dict[str, Any]:
    """What is here: version, backends, kernels with why they do not run, threads."""
    result: dict[str, Any] = json.loads(_native.info())
    return result
