# SPDX-License-Identifier: Apache-2.0
"""The names people call: flash-attn 2.8's functions, with its positional order, defaults and returns, and the
keywords that FA3, FA4 and vLLM added. What they leave open is said in docs/python.md."""

from __future__ import annotations

from typing import Any, Optional, Union

from ._native import Problem, UnsupportedError
from ._attention import framework_of

Window = tuple[Optional[int], Optional[int]]


def _refuse(dropout_p: float, alibi_slopes: Any, fa_version: Optional[int]) -> None:
    if dropout_p != 0.0:
        raise UnsupportedError(f"dropout_p is {dropout_p}; attention dropout is not served, so it must be 0")
    if alibi_slopes is not None:
        raise UnsupportedError("alibi_slopes is set, but no backend serves an additive bias; it must be None")
    if fa_version not in (None, 2, 3, 4):
        raise ValueError(f"fa_version is {fa_version}; it must be None, 2, 3 or 4, which all mean this library")


def _one_of(first: Any, second: Any, names: str) -> Any:
    if first is not None and second is not None:
        raise ValueError(f"{names} are both set; they are two names for one argument")
    return second if first is None else first


def _side(bound: Optional[int]) -> int:
    return -1 if bound is None else bound


def _run(problem: tuple[Any, ...], out: Any, return_attn_probs: bool, return_lse: bool) -> Any:
    result, lse = framework_of(problem[0]).forward(problem, out, return_attn_probs or return_lse)
    if return_attn_probs:
        return result, lse, None
    return (result, lse) if return_lse else result


def flash_attn_func(
    q: Any,
    k: Any,
    v: Any,
    dropout_p: float = 0.0,
    softmax_scale: Optional[float] = None,
    causal: bool = False,
    window_size: Window = (-1, -1),
    softcap: float = 0.0,
    alibi_slopes: Any = None,
    deterministic: bool = False,
    return_attn_probs: bool = False,
    *,
    return_lse: bool = False,
    num_splits: int = 0,
    pack_gqa: Optional[bool] = None,
    seqused_q: Any = None,
    seqused_k: Any = None,
    learnable_sink: Any = None,
    out: Any = None,
    fa_version: Optional[int] = None,
) -> Any:
    """Attention of dense tensors, differentiable in torch and JAX.

    Args:
        q: [B,Sq,H,D] float32, bfloat16 or float16; any strides, the last one 1.
        k: [B,Sk,Hk,D], H a multiple of Hk.
        v: [B,Sk,Hk,Dv].
        dropout_p: must be 0.
        softmax_scale: factor of the scores; None: 1/sqrt(D).
        causal: query i sees key j only if j <= i + Sk - Sq (aligned to the bottom right).
        window_size: (left, right), in keys: i + Sk - Sq - left <= j <= i + Sk - Sq + right; -1 or None: open.
        softcap: c > 0: scores become c * tanh(score / c); 0: none.
        alibi_slopes: must be None.
        deterministic: gradients have the same bits in every run.
        return_attn_probs: return (out, lse, None).
        return_lse: return (out, lse).
        num_splits: splits of the keys; 0: the plan chooses.
        pack_gqa: a hint to kernels that have the choice; no result depends on it.
        seqused_q, seqused_k: int32 [B], how many rows of each sequence count.
        learnable_sink: [H], float32 or q's dtype, a logit that joins the softmax's denominator.
        out: [B,Sq,H,Dv] of q's dtype, written and returned; not where gradients are recorded.
        fa_version: None, 2, 3 or 4; all mean this library.

    Returns:
        out [B,Sq,H,Dv] of q's dtype; lse [B,H,Sq] float32, the natural logarithm of the softmax's denominator.

    Raises:
        ValueError: an argument can never be right; UnsupportedError: nothing here serves the problem.
    """
    if dropout_p or alibi_slopes is not None or fa_version is not None:
        _refuse(dropout_p, alibi_slopes, fa_version)
    left, right = window_size
    # As in flash-attn, causal closes the right side whatever window_size says.
    right = -1 if causal else _side(right)
    problem: tuple[Any, ...] = (q, k, v, causal, _side(left), right, softmax_scale, softcap)
    if seqused_q is not None or seqused_k is not None or learnable_sink is not None or num_splits or deterministic:
        problem += (None, None, seqused_q, seqused_k, None, learnable_sink, num_splits, deterministic)
    return _run(problem, out, return_attn_probs, return_lse)


def flash_attn_varlen_func(
    q: Any,
    k: Any,
    v: Any,
    cu_seqlens_q: Any,
    cu_seqlens_k: Any = None,  # flash-attn has no default here; vLLM leaves it out where there are pages
    max_seqlen_q: Optional[int] = None,
    max_seqlen_k: Optional[int] = None,
    dropout_p: float = 0.0,
    softmax_scale: Optional[float] = None,
    causal: bool = False,
    window_size: Window = (-1, -1),
    softcap: float = 0.0,
    alibi_slopes: Any = None,
    deterministic: bool = False,
    return_attn_probs: bool = False,
    block_table: Any = None,
    *,
    return_lse: bool = False,
    num_splits: int = 0,
    pack_gqa: Optional[bool] = None,
    seqused_q: Any = None,
    seqused_k: Any = None,
    page_table: Any = None,
    learnable_sink: Any = None,
    out: Any = None,
    fa_version: Optional[int] = None,
) -> Any:
    """Attention of packed sequences, end to end in one tensor; differentiable in torch and JAX.

    Args:
        q: [total_q,H,D].
        k: [total_k,Hk,D]; with a page table [pages,page_size,Hk,D], and then cu_seqlens_k is None.
        v: like k, the last dimension Dv.
        cu_seqlens_q, cu_seqlens_k: int32 [B+1], rows at which the sequences begin, and the total.
        max_seqlen_q, max_seqlen_k: the longest sequence, in rows; None or 0: unknown. A longer one is an error.
        block_table, page_table: two names: int32 [B,n], the pages of each sequence; forward only.
        The others are `flash_attn_func`'s.

    Returns:
        out [total_q,H,Dv] of q's dtype; lse [H,total_q] float32.

    Raises:
        ValueError: an argument can never be right; UnsupportedError: nothing here serves the problem.
    """
    _refuse(dropout_p, alibi_slopes, fa_version)
    table = _one_of(block_table, page_table, "block_table and page_table")
    if table is not None and cu_seqlens_k is not None:
        if seqused_k is not None:
            raise ValueError("page_table, cu_seqlens_k and seqused_k are all set; pages take seqused_k alone")
        seqused_k, cu_seqlens_k = cu_seqlens_k[1:] - cu_seqlens_k[:-1], None
    left, right = window_size
    problem = Problem(
        q,
        k,
        v,
        causal,
        _side(left),
        -1 if causal else _side(right),
        softmax_scale,
        softcap,
        cu_seqlens_q,
        cu_seqlens_k,
        seqused_q,
        seqused_k,
        table,
        learnable_sink,
        num_splits,
        deterministic,
        max_seq_q=max_seqlen_q or 0,
        max_seq_k=(max_seqlen_k or 0) if cu_seqlens_k is not None else 0,  # a page table is a bound itself
    )
    return _run(problem, out, return_attn_probs, return_lse)


def flash_attn_qkvpacked_func(
    qkv: Any,
    dropout_p: float = 0.0,
    softmax_scale: Optional[float] = None,
    causal: bool = False,
    window_size: Window = (-1, -1),
    softcap: float = 0.0,
    alibi_slopes: Any = None,
    deterministic: bool = False,
    return_attn_probs: bool = False,
    **keywords: Any,
) -> Any:
    """`flash_attn_func` of one tensor qkv [B,S,3,H,D], whose parts are views; its keywords are taken too.

    Returns:
        As `flash_attn_func`.

    Raises:
        ValueError: qkv has another shape; and as `flash_attn_func`.
    """
    if len(qkv.shape) != 5 or qkv.shape[2] != 3:
        raise ValueError(f"qkv has shape {list(qkv.shape)}; it must be [B,S,3,H,D]")
    return flash_attn_func(
        qkv[:, :, 0],
        qkv[:, :, 1],
        qkv[:, :, 2],
        dropout_p,
        softmax_scale,
        causal,
        window_size,
        softcap,
        alibi_slopes,
        deterministic,
        return_attn_probs,
        **keywords,
    )


def flash_attn_kvpacked_func(
    q: Any,
    kv: Any,
    dropout_p: float = 0.0,
    softmax_scale: Optional[float] = None,
    causal: bool = False,
    window_size: Window = (-1, -1),
    softcap: float = 0.0,
    alibi_slopes: Any = None,
    deterministic: bool = False,
    return_attn_probs: bool = False,
    **keywords: Any,
) -> Any:
    """`flash_attn_func` of q [B,Sq,H,D] and one tensor kv [B,Sk,2,Hk,D], whose parts are views.

    Returns:
        As `flash_attn_func`.

    Raises:
        ValueError: kv has another shape; and as `flash_attn_func`.
    """
    if len(kv.shape) != 5 or kv.shape[2] != 2:
        raise ValueError(f"kv has shape {list(kv.shape)}; it must be [B,Sk,2,Hk,D]")
    return flash_attn_func(
        q,
        kv[:, :, 0],
        kv[:, :, 1],
        dropout_p,
        softmax_scale,
        causal,
        window_size,
        softcap,
        alibi_slopes,
        deterministic,
        return_attn_probs,
        **keywords,
    )


def flash_attn_with_kvcache(
    q: Any,
    k_cache: Any,
    v_cache: Any,
    k: Any = None,
    v: Any = None,
    rotary_cos: Any = None,
    rotary_sin: Any = None,
    cache_seqlens: Union[int, Any, None] = None,
    cache_batch_idx: Any = None,
    cache_leftpad: Any = None,
    block_table: Any = None,
    softmax_scale: Optional[float] = None,
    causal: bool = False,
    window_size: Window = (-1, -1),
    softcap: float = 0.0,
    rotary_interleaved: bool = True,
    alibi_slopes: Any = None,
    num_splits: int = 0,
    return_softmax_lse: bool = False,
    *,
    return_lse: bool = False,
    pack_gqa: Optional[bool] = None,
    page_table: Any = None,
    learnable_sink: Any = None,
    out: Any = None,
    fa_version: Optional[int] = None,
) -> Any:
    """Attention of new queries over cached keys and values: decoding.

    Args:
        q: [B,Sq,H,D].
        k_cache: [B,Sk,Hk,D], or [pages,page_size,Hk,D] with a page table. Any page size.
        v_cache: like k_cache, the last dimension Dv.
        cache_seqlens: int, or int32 [B]: how many cached keys of each sequence count; None: all.
        block_table, page_table: two names: int32 [B,n], the pages of each sequence.
        k, v: must be None: write them into the cache first, and count them in cache_seqlens.
        rotary_cos, rotary_sin, cache_batch_idx, cache_leftpad, alibi_slopes: must be None.
        The others are `flash_attn_func`'s.

    Returns:
        out [B,Sq,H,Dv] of q's dtype; with return_softmax_lse or return_lse (out, lse), lse [B,H,Sq] float32.

    Raises:
        ValueError: an argument can never be right; UnsupportedError: nothing here serves the problem.
    """
    _refuse(0.0, alibi_slopes, fa_version)
    for name, value, reason in (
        ("k", k, "appending to the cache is not served; write the rows into k_cache yourself"),
        ("v", v, "appending to the cache is not served; write the rows into v_cache yourself"),
        ("rotary_cos", rotary_cos, "rotary embedding is not served; rotate q and k before the call"),
        ("rotary_sin", rotary_sin, "rotary embedding is not served; rotate q and k before the call"),
        ("cache_batch_idx", cache_batch_idx, "it is not served; index the cache, or use a page table"),
        ("cache_leftpad", cache_leftpad, "it is not served; caches begin at row 0"),
    ):
        if value is not None:
            raise UnsupportedError(f"{name} is set, but {reason}; it must be None")
    table = _one_of(block_table, page_table, "block_table and page_table")
    if isinstance(cache_seqlens, int):
        cache_seqlens = framework_of(q).lengths(q, q.shape[0], cache_seqlens)
    left, right = window_size
    right = -1 if causal else _side(right)
    problem: tuple[Any, ...] = (q, k_cache, v_cache, causal, _side(left), right, softmax_scale, softcap)
    problem += (None, None, None, cache_seqlens, table, learnable_sink, num_splits)
    return _run(problem, out, False, return_softmax_lse or return_lse)


def flash_attn_combine(out_partial: Any, lse_partial: Any, out: Any = None, out_dtype: Any = None) -> Any:
    """Merge results over disjoint sets of keys: out = sum_s exp(lse_s - lse) out_s.

    Args:
        out_partial: [splits,B,Sq,H,Dv] or packed [splits,total_q,H,Dv]; float32, bfloat16 or float16.
        lse_partial: [splits,B,H,Sq] or packed [splits,H,total_q], float32, as this library's lse lies. (FA3
            transposes it: [splits,B,Sq,H].)
        out: written and returned, or None for a new array.
        out_dtype: of a new array: float32 or out_partial's dtype (None).

    Returns:
        (out, lse): [B,Sq,H,Dv] and [B,H,Sq] float32, or packed [total_q,H,Dv] and [H,total_q].

    Raises:
        ValueError: shapes or dtypes that disagree.
    """
    return framework_of(out_partial).combine(out_partial, lse_partial, out, out_dtype)
