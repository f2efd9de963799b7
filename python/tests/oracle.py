# SPDX-License-Identifier: Apache-2.0
"""Attention by NumPy in double precision, straight from the formula: what results are held against."""

import numpy


def attention(q, k, v, *, scale=None, causal=False, window=(-1, -1), softcap=0.0, sink=None, key_lengths=None):
    """q [B,Sq,H,D], k [B,Sk,Hk,D], v [B,Sk,Hk,Dv] -> (out [B,Sq,H,Dv], lse [B,H,Sq]) in float64."""
    batch, rows, heads, dim = q.shape
    group = heads // k.shape[2]
    q, k, v = (numpy.asarray(array, numpy.float64) for array in (q, k, v))
    k, v = numpy.repeat(k, group, 2), numpy.repeat(v, group, 2)
    out = numpy.zeros((batch, rows, heads, v.shape[3]))
    lse = numpy.full((batch, heads, rows), -numpy.inf)
    for b in range(batch):
        keys = k.shape[1] if key_lengths is None else int(key_lengths[b])
        scores = numpy.einsum("ihd,jhd->hij", q[b], k[b, :keys]) * (dim**-0.5 if scale is None else scale)
        if softcap:
            scores = softcap * numpy.tanh(scores / softcap)
        distance = numpy.arange(keys)[None, :] - (numpy.arange(rows)[:, None] + keys - rows)
        right = 0 if causal else window[1]
        hidden = (distance > right) if right >= 0 else numpy.zeros_like(distance, bool)
        if window[0] >= 0:
            hidden = hidden | (distance < -window[0])
        scores[:, hidden] = -numpy.inf
        if sink is not None:
            column = numpy.broadcast_to(numpy.asarray(sink, numpy.float64)[:, None, None], (heads, rows, 1))
            scores = numpy.concatenate([scores, column], 2)
        largest = scores.max(2, initial=-numpy.inf, keepdims=True)
        weights = numpy.exp(scores - numpy.where(numpy.isfinite(largest), largest, 0))
        total = weights.sum(2, keepdims=True)
        with numpy.errstate(divide="ignore"):
            lse[b] = (numpy.log(total) + numpy.where(numpy.isfinite(largest), largest, 0))[..., 0]
        weights = numpy.divide(weights, total, out=numpy.zeros_like(weights), where=total > 0)
        out[b] = numpy.einsum("hij,jhd->ihd", weights[:, :, :keys], v[b, :keys])
    return out, lse
