# SPDX-License-Identifier: Apache-2.0
"""JAX arrays through its FFI on CPU: jit, gradients, vmap, refusals."""

import jax
import jax.numpy as jnp
import numpy
import pytest
from oracle import attention as oracle

import fa4


def tensors(dtype=jnp.float32, batch=2, rows=9):
    keys = jax.random.split(jax.random.key(0), 3)
    return [jax.random.normal(key, (batch, rows, heads, 16)).astype(dtype) for key, heads in zip(keys, (4, 2, 2))]


def stock(q, k, v, causal=False):
    return jax.nn.dot_product_attention(q, k, v, is_causal=causal)


@pytest.mark.parametrize("dtype, tolerance", [(jnp.float32, 2e-5), (jnp.bfloat16, 2e-2), (jnp.float16, 3e-3)])
@pytest.mark.parametrize("causal", [False, True])
def test_dot_product_attention_agrees(dtype, tolerance, causal):
    q, k, v = tensors(dtype)
    out = jax.jit(lambda *a: fa4.flash_attn_func(*a, causal=causal))(q, k, v)
    assert isinstance(out, jax.Array) and out.dtype == dtype
    numpy.testing.assert_allclose(
        out.astype(jnp.float32), stock(q, k, v, causal).astype(jnp.float32), rtol=tolerance, atol=tolerance
    )


def test_gradients_agree():
    arrays = tensors()
    mine = jax.grad(lambda *a: (fa4.flash_attn_func(*a, causal=True) ** 2).sum(), (0, 1, 2))(*arrays)
    theirs = jax.grad(lambda *a: (stock(*a, causal=True) ** 2).sum(), (0, 1, 2))(*arrays)
    for a, b in zip(mine, theirs):
        numpy.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


def test_sink_lse_and_lengths():
    q, k, v = tensors()
    sink, lengths = jnp.linspace(-1.0, 1.0, 4), jnp.array([9, 4], jnp.int32)
    out, lse = fa4.flash_attn_func(q, k, v, learnable_sink=sink, seqused_k=lengths, return_lse=True)
    expected, expected_lse = oracle(q, k, v, sink=sink, key_lengths=lengths)
    numpy.testing.assert_allclose(out, expected, rtol=2e-5, atol=2e-5)
    numpy.testing.assert_allclose(lse, expected_lse, rtol=2e-5, atol=2e-5)

    def value(sink):
        out, lse = fa4.flash_attn_func(q, k, v, learnable_sink=sink, seqused_k=lengths, return_lse=True)
        return (out**2).sum() + lse.sum()

    slope = jax.grad(value)(sink)
    step = jnp.eye(4)[1] * 1e-2
    assert (value(sink + step) - value(sink - step)) / 2e-2 == pytest.approx(float(slope[1]), rel=2e-2)


def test_packed_and_cache():
    q, k, v = (array[0] for array in tensors())
    offsets = jnp.array([0, 4, 9], jnp.int32)
    out = fa4.flash_attn_varlen_func(q, k, v, offsets, offsets, 5, 5, causal=True)
    expected = [oracle(q[None, a:b], k[None, a:b], v[None, a:b], causal=True)[0][0] for a, b in ((0, 4), (4, 9))]
    numpy.testing.assert_allclose(out, numpy.concatenate(expected), rtol=2e-5, atol=2e-5)
    cached = fa4.flash_attn_with_kvcache(q[None], k[None], v[None], cache_seqlens=6)
    numpy.testing.assert_allclose(cached, oracle(q[None], k[None, :6], v[None, :6])[0], rtol=2e-5, atol=2e-5)


def test_vmap_is_a_batch():
    q, k, v = tensors()
    over = jax.vmap(lambda *a: fa4.flash_attn_func(*(x[None] for x in a))[0])(q, k, v)
    numpy.testing.assert_allclose(over, fa4.flash_attn_func(q, k, v), rtol=1e-6, atol=1e-6)


def test_refusals_carry_the_c_sentence():
    q, k, v = tensors()
    with pytest.raises(Exception, match=r"k has shape \[2,9,2,8\]; it must be"):
        jax.block_until_ready(fa4.flash_attn_func(q, k[..., :8], v))
    with pytest.raises(fa4.UnsupportedError, match="JAX arrays cannot be written to"):
        fa4.flash_attn_func(q, k, v, out=q)
    assert fa4.supports(q, k, v) and fa4.plan(q, k, v)["backend"] == "cpu"
