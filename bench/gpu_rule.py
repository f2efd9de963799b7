# SPDX-License-Identifier: Apache-2.0
"""The accuracy rule of docs/numerics.md on the GPU, for one key/value head of a benchmark's cell.

Double precision and the plain algorithm with every intermediate rounded, both with torch's own products and in
slices of query rows, so that 32k keys fit.
"""

import math

import torch

ULP = {torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11}
_SLICE = 4096


def _attention(q, k, v, dout, scale, causal, rounded):
    """[G,Sq,D], [Sk,D], [Sk,Dv], [G,Sq,Dv] in double; rounded: to a 16-bit type after every step."""
    low = (lambda x: x.to(rounded).double()) if rounded else (lambda x: x)
    keys, rows = k.shape[0], q.shape[1]
    out, lse, dq = torch.empty_like(dout), q.new_empty(q.shape[:2]), torch.empty_like(q)
    dk, dv = torch.zeros_like(k), torch.zeros_like(v)
    key_idx = torch.arange(keys, device=q.device)
    for head in range(q.shape[0]):
        for first in range(0, rows, _SLICE):
            part = slice(first, min(first + _SLICE, rows))
            scores = low(scale * low(q[head, part] @ k.T))
            if causal:
                last = torch.arange(part.start, part.stop, device=q.device) + keys - rows
                scores.masked_fill_(key_idx[None, :] > last[:, None], -math.inf)
            lse[head, part] = scores.logsumexp(-1)
            p = low((scores - lse[head, part, None]).exp())
            out[head, part] = low(p @ v)
            delta = (dout[head, part] * out[head, part]).sum(-1, keepdim=True)
            ds = low(scale * low(p * (low(dout[head, part] @ v.T) - delta)))
            dv += p.T @ dout[head, part]
            dk += ds.T @ q[head, part]
            dq[head, part] = low(ds @ k)
    return {"out": out, "lse": lse, "dq": dq, "dk": low(dk), "dv": low(dv)}


def check(tensors, causal, kv_head, batch=0):
    """What breaks the rule among out, lse, dq, dk, dv (those that are there), as sentences.

    Tensors are [B,H,S,D], lse [B,H,S]; `kv_head` names the head that is looked at, with its query heads.
    """
    q, k = tensors["q"], tensors["k"]
    group = q.shape[1] // k.shape[1]
    heads = slice(kv_head * group, (kv_head + 1) * group)
    inputs = [q[batch, heads], k[batch, kv_head], tensors["v"][batch, kv_head]]
    dout = tensors.get("dout")
    inputs.append(dout[batch, heads] if dout is not None else torch.zeros_like(inputs[0]))
    inputs = [tensor.double() for tensor in inputs]
    scale = 1 / math.sqrt(q.shape[-1])
    reference = _attention(*inputs, scale, causal, None)
    low = _attention(*inputs, scale, causal, q.dtype)
    faults = []
    for name in ("out", "lse", "dq", "dk", "dv"):
        if name not in tensors:
            continue
        ours = tensors[name][batch, kv_head if name in ("dk", "dv") else heads].double()
        error = (ours - reference[name]).abs()
        if name == "lse":
            worst = (error / reference[name].abs().clamp(min=1)).max().item()
            if not worst <= 2e-5:
                faults.append(f"lse: error {worst:.3g}, allowed 2e-5")
            continue
        ulp = ULP[q.dtype]
        low_error = (low[name] - reference[name]).abs()
        most = 2 * low_error.max() + ulp * reference[name].abs().max()
        rms = 1.5 * low_error.square().mean().sqrt() + ulp * reference[name].square().mean().sqrt()
        if not (error.max() <= most and error.square().mean().sqrt() <= rms):
            faults.append(f"{name}: max {error.max().item():.3g} (allowed {most.item():.3g}), "
                          f"rms {error.square().mean().sqrt().item():.3g} (allowed {rms.item():.3g})")
    return faults
