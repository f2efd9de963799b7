# SPDX-License-Identifier: Apache-2.0
"""Hugging Face transformers: importing this module registers the attention "fa4".

    import fa4.hf
    model = AutoModel.from_pretrained(name, attn_implementation="fa4")

Served: causal and bidirectional models, sliding windows of causal ones, softcap, sinks, padding on either side,
static caches. What a mask says beyond that (packed by position ids, chunks, custom functions) is refused.
"""

from __future__ import annotations

from typing import Any, Iterator, Optional

import torch
from transformers import AttentionInterface, AttentionMaskInterface

from . import attention
from ._native import UnsupportedError

_CAUSAL = "causal_mask_function"
_SERVED = {
    _CAUSAL,
    "bidirectional_mask_function",
    "and_masks.<locals>.and_mask",
    "sliding_window_overlay.<locals>.inner_mask",
}


def _parts(function: Any) -> Iterator[str]:
    """Names of the functions that a mask function is made of."""
    yield function.__qualname__
    for cell in function.__closure__ or ():
        values = cell.cell_contents if isinstance(cell.cell_contents, tuple) else (cell.cell_contents,)
        for value in values:
            if callable(value) and hasattr(value, "__qualname__"):
                yield from _parts(value)


def _mask(
    batch_size: int,
    q_length: int,
    kv_length: int,
    q_offset: Any = 0,
    kv_offset: int = 0,
    mask_function: Any = None,
    attention_mask: Optional[torch.Tensor] = None,
    use_vmap: bool = False,
    device: Any = None,
    **_: Any,
) -> Optional[torch.Tensor]:
    """The keys that are there, bool [B, keys up to the last query's]; None when all are."""
    parts = set(_parts(mask_function)) if mask_function is not None else {_CAUSAL}
    if use_vmap or not parts <= _SERVED:
        beyond = ", ".join(sorted(parts - _SERVED)) or "a custom function"
        raise UnsupportedError(
            f'the mask is made with {beyond}; attn_implementation="fa4" serves causal, sliding causal and '
            "bidirectional masks with padding"
        )
    # A static cache has rows that are not written yet: behind the last query.
    length = min(kv_length, int(q_offset) + q_length - kv_offset) if _CAUSAL in parts else kv_length
    if attention_mask is None:
        return None if length == kv_length else torch.ones(batch_size, length, dtype=torch.bool, device=device)
    present = attention_mask[:, kv_offset : kv_offset + length].to(torch.bool)
    if present.shape[1] != length:
        raise ValueError(f"attention_mask has shape {list(attention_mask.shape)}; it must cover {length} keys")
    return None if length == kv_length and bool(present.all()) else present


def _packed(present: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Indices of the rows that are there, cu_seqlens [B+1], and the longest sequence."""
    lengths = present.sum(1, dtype=torch.int32)
    offsets = torch.nn.functional.pad(lengths.cumsum(0, dtype=torch.int32), (1, 0))
    return present.flatten().nonzero().flatten(), offsets, int(lengths.max())


def _attention_of_packed(q: Any, k: Any, v: Any, present: torch.Tensor, causal: bool, options: Any) -> Any:
    batch, rows = q.shape[:2]
    query_present = present[:, -rows:] if causal else present.new_ones(batch, rows)
    query_rows, offsets_q, longest_q = _packed(query_present)
    key_rows, offsets_k, longest_k = _packed(present)
    packed = attention(
        q.flatten(0, 1)[query_rows],
        k.flatten(0, 1)[key_rows],
        v.flatten(0, 1)[key_rows],
        cu_seqlens_q=offsets_q,
        cu_seqlens_k=offsets_k,
        max_seqlen_q=longest_q,
        max_seqlen_k=longest_k,
        **options,
    )
    out = packed.new_zeros(batch * rows, *packed.shape[1:])
    return out.index_copy(0, query_rows, packed).unflatten(0, (batch, rows))


def _attention(q: Any, k: Any, v: Any, present: Optional[torch.Tensor], causal: bool, options: Any) -> Any:
    if present is None:
        return attention(q, k, v, **options)
    k, v = k[:, : present.shape[1]], v[:, : present.shape[1]]
    if bool(present.all()):
        return attention(q, k, v, **options)
    lengths = present.sum(1, dtype=torch.int32)
    is_padded_right = bool((present == (torch.arange(present.shape[1], device=present.device) < lengths[:, None])).all())
    if is_padded_right and (not causal or q.shape[1] == k.shape[1]):  # without a copy
        return attention(q, k, v, key_lengths=lengths, query_lengths=lengths if causal else None, **options)
    return _attention_of_packed(q, k, v, present, causal, options)


def _forward(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: Optional[torch.Tensor],
    dropout: float = 0.0,
    scaling: Optional[float] = None,
    sliding_window: Optional[int] = None,
    softcap: Optional[float] = None,
    is_causal: Optional[bool] = None,
    s_aux: Optional[torch.Tensor] = None,
    position_bias: Optional[torch.Tensor] = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """q [B,H,Sq,D], k and v [B,Hk,Sk,D] of transformers in, out [B,Sq,H,D], no attention weights."""
    if dropout:
        raise UnsupportedError(f"dropout is {dropout}; attention dropout is not served, so set it to 0 in the config")
    if position_bias is not None:
        raise UnsupportedError("position_bias is set, but no backend serves an additive bias; it must be None")
    if attention_mask is not None and attention_mask.ndim != 2:
        raise UnsupportedError(
            f"attention_mask has shape {list(attention_mask.shape)}; served is [B,Sk], true where a key is there"
        )
    causal = bool(getattr(module, "is_causal", True) if is_causal is None else is_causal)
    if sliding_window is not None and not causal:
        raise UnsupportedError("sliding_window is set in a bidirectional model; served are causal windows")
    left = -1 if sliding_window is None else sliding_window - 1
    options = {
        "scale": scaling,
        "causal": causal,
        "window": (left, -1),
        "softcap": softcap or 0.0,
        "sink": s_aux,
    }
    q, k, v = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
    return _attention(q, k, v, attention_mask, causal, options), None


AttentionInterface.register("fa4", _forward)
AttentionMaskInterface.register("fa4", _mask)
