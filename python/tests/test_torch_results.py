# SPDX-License-Identifier: Apache-2.0
"""torch tensors against scaled_dot_product_attention and double precision, gradients included."""

import pytest
import torch
from oracle import attention as oracle
from torch.nn.functional import scaled_dot_product_attention

import fa4

# Errors are those of the type: both sides round out, and SDPA's bf16 backward rounds P and dS too.
TOLERANCE = {torch.float32: 2e-5, torch.bfloat16: 2e-2, torch.float16: 4e-3}


def tensors(batch=2, rows=33, keys=47, heads=4, kv_heads=2, dim=32, dtype=torch.float32, requires_grad=True, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = ((batch, rows, heads, dim), (batch, keys, kv_heads, dim), (batch, keys, kv_heads, dim))
    return [torch.randn(s, generator=generator).to(dtype).requires_grad_(requires_grad) for s in shapes]


def sdpa(q, k, v, causal=False, mask=None):
    """scaled_dot_product_attention in our layout, aligned to the bottom right."""
    rows, keys = q.shape[1], k.shape[1]
    if causal:
        mask = torch.ones(rows, keys, dtype=torch.bool).tril(keys - rows)
    by_head = (tensor.transpose(1, 2) for tensor in (q, k, v))
    return scaled_dot_product_attention(*by_head, attn_mask=mask, enable_gqa=True).transpose(1, 2)


def gradients(out, inputs, seed=7):
    weight = torch.randn(out.shape, generator=torch.Generator().manual_seed(seed)).to(out.dtype)
    return torch.autograd.grad((out * weight).sum(), inputs)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("causal", [False, True])
def test_sdpa_agrees(dtype, causal):
    inputs = tensors(dtype=dtype)
    out, expected = fa4.flash_attn_func(*inputs, causal=causal), sdpa(*inputs, causal=causal)
    assert out.dtype == dtype and out.is_contiguous()
    torch.testing.assert_close(out, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    for mine, theirs in zip(gradients(out, inputs), gradients(expected, inputs)):
        assert mine.dtype == dtype
        scale = theirs.abs().max().item()
        torch.testing.assert_close(mine, theirs, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * max(scale, 1))


def test_windows_agree_with_a_mask():
    inputs = tensors()
    distance = torch.arange(47)[None] - (torch.arange(33)[:, None] + 47 - 33)
    mask = (distance >= -9) & (distance <= 4)
    out, expected = fa4.flash_attn_func(*inputs, window_size=(9, 4)), sdpa(*inputs, mask=mask)
    torch.testing.assert_close(out, expected, rtol=2e-5, atol=2e-5)
    for mine, theirs in zip(gradients(out, inputs), gradients(expected, inputs)):
        torch.testing.assert_close(mine, theirs, rtol=2e-5, atol=2e-5)


def test_softcap_sink_and_lse_against_the_oracle():
    q, k, v = tensors(requires_grad=False)
    sink = torch.linspace(-1, 1, 4)
    out, lse = fa4.flash_attn_func(q, k, v, softcap=1.5, learnable_sink=sink, return_lse=True)
    expected, expected_lse = oracle(q.numpy(), k.numpy(), v.numpy(), softcap=1.5, sink=sink.numpy())
    torch.testing.assert_close(out, torch.from_numpy(expected).float(), rtol=2e-5, atol=2e-5)
    torch.testing.assert_close(lse, torch.from_numpy(expected_lse).float(), rtol=2e-5, atol=2e-5)


def reference(*inputs, sink=None, **options):
    return fa4.attention(*inputs, sink=sink, return_lse=True, backend="reference", **options)


@pytest.mark.parametrize("options", [{}, {"causal": True, "softcap": 1.2}, {"window": (2, 1), "scale": 0.7}], ids=str)
def test_gradcheck_in_double(options):
    inputs = [t.detach().double().requires_grad_() for t in tensors(1, 5, 6, 2, 1, 4)]
    sink = torch.linspace(-1, 1, 2, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda q, k, v, s: reference(q, k, v, sink=s, **options), (*inputs, sink))


def test_gradcheck_of_packed():
    q, k, v = (t.detach()[0].double().requires_grad_() for t in tensors(1, 7, 8, 2, 1, 4))
    offsets = {
        "cu_seqlens_q": torch.tensor([0, 3, 7], dtype=torch.int32),
        "cu_seqlens_k": torch.tensor([0, 4, 8], dtype=torch.int32),
    }
    assert torch.autograd.gradcheck(lambda q, k, v: reference(q, k, v, causal=True, **offsets), (q, k, v))


def test_gradient_flows_from_lse_alone():
    q, k, v = tensors()
    _, lse = fa4.attention(q, k, v, return_lse=True)
    dq, dk = torch.autograd.grad(lse.sum(), (q, k))
    scores = torch.einsum("bihd,bjhd->bhij", q, k.repeat_interleave(2, 2)) * 32**-0.5
    for mine, theirs in zip((dq, dk), torch.autograd.grad(scores.logsumexp(-1).sum(), (q, k))):
        torch.testing.assert_close(mine, theirs, rtol=2e-5, atol=2e-5)


def test_varlen_gradients_are_those_of_its_sequences():
    q, k, v = (t.detach()[0].requires_grad_() for t in tensors(1, 33, 47))
    cu_q, cu_k = torch.tensor([0, 20, 33], dtype=torch.int32), torch.tensor([0, 20, 47], dtype=torch.int32)
    out = fa4.flash_attn_varlen_func(q, k, v, cu_q, cu_k, 20, 27, causal=True)
    parts = [sdpa(q[None, a:b], k[None, c:d], v[None, c:d], causal=True) for a, b, c, d in ((0, 20, 0, 20), (20, 33, 20, 47))]
    expected = torch.cat(parts, 1)[0]
    torch.testing.assert_close(out, expected, rtol=2e-5, atol=2e-5)
    for mine, theirs in zip(gradients(out, (q, k, v)), gradients(expected, (q, k, v))):
        torch.testing.assert_close(mine, theirs, rtol=2e-5, atol=2e-5)


def test_qkvpacked_gradient_is_one_tensor():
    qkv = torch.randn(2, 9, 3, 2, 16, requires_grad=True)
    out, expected = fa4.flash_attn_qkvpacked_func(qkv, causal=True), sdpa(*qkv.unbind(2), causal=True)
    (mine,), (theirs,) = gradients(out, (qkv,)), gradients(expected, (qkv,))
    torch.testing.assert_close(mine, theirs, rtol=2e-5, atol=2e-5)


def test_by_head_views_are_not_copied():
    by_head = [torch.randn(2, 4, 9, 16) for _ in range(3)]
    out = torch.full((2, 4, 9, 16), float("nan"))
    result = fa4.flash_attn_func(*(t.transpose(1, 2) for t in by_head), out=out.transpose(1, 2))
    assert result.data_ptr() == out.data_ptr()
    torch.testing.assert_close(out, scaled_dot_product_attention(*by_head), rtol=2e-5, atol=2e-5)


def test_out_is_refused_where_gradients_are_recorded():
    q, k, v = tensors()
    with pytest.raises(ValueError, match="out is set, but gradients are needed"):
        fa4.flash_attn_func(q, k, v, out=torch.empty_like(q))
    with torch.no_grad():
        assert torch.isfinite(fa4.flash_attn_func(q, k, v, out=torch.empty_like(q))).all()


def test_deterministic_gradients_repeat_to_the_bit():
    inputs = tensors()
    runs = [gradients(fa4.flash_attn_func(*inputs, deterministic=True), inputs) for _ in range(3)]
    assert all(torch.equal(a, b) for run in runs[1:] for a, b in zip(runs[0], run))


def test_threads_are_torch_s():
    q, k, v = tensors(requires_grad=False)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(fa4.flash_attn_func(q, k, v))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*results)


def test_combine():
    q, k, v = tensors(requires_grad=False)
    parts = [fa4.attention(q, k[:, a:b], v[:, a:b], return_lse=True) for a, b in ((0, 13), (13, 47))]
    out, lse = fa4.flash_attn_combine(*(torch.stack(part) for part in zip(*parts)))
    whole, whole_lse = fa4.attention(q, k, v, return_lse=True)
    torch.testing.assert_close(out, whole)
    torch.testing.assert_close(lse, whole_lse)
    assert torch.equal(fa4.flash_attn_combine(*(torch.stack(p) for p in zip(*parts)), torch.empty_like(q))[0], out)
