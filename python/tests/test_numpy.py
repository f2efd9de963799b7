# SPDX-License-Identifier: Apache-2.0
"""NumPy in, NumPy out, against double precision, on names that people call and on our own."""

import numpy
import pytest
from oracle import attention as oracle

import fa4


def tensors(batch=2, rows=7, keys=9, heads=4, kv_heads=2, dim=16, value_dim=16, dtype=numpy.float32, seed=0):
    random = numpy.random.default_rng(seed)
    shapes = ((batch, rows, heads, dim), (batch, keys, kv_heads, dim), (batch, keys, kv_heads, value_dim))
    return tuple(random.standard_normal(shape).astype(dtype) for shape in shapes)


def close(actual, expected, tolerance=2e-5):
    numpy.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"causal": True},
        {"window": (3, 1)},
        {"window": (2, None)},
        {"softcap": 1.5},
        {"scale": 0.3, "causal": True, "window": (4, -1)},
        {"num_splits": 3},
        {"batch_invariant": True},
        {"kernel": "portable"},
        {"backend": "reference"},
    ],
    ids=str,
)
def test_attention_is_right(options):
    q, k, v = tensors(value_dim=24)
    known = {name: value for name, value in options.items() if name in ("causal", "softcap", "scale")}
    left, right = options.get("window", (-1, -1))
    known["window"] = (left, -1 if right is None else right)
    out, lse = fa4.attention(q, k, v, return_lse=True, **options)
    assert type(out) is numpy.ndarray and out.dtype == numpy.float32 and lse.shape == (2, 4, 7)
    expected, expected_lse = oracle(q, k, v, **known)
    close(out, expected)
    close(lse, expected_lse)


def test_half_precision_and_double():
    q, k, v = tensors(dtype=numpy.float16)
    out = fa4.attention(q, k, v)
    assert out.dtype == numpy.float16
    close(out, oracle(q, k, v)[0], 2e-3)
    q, k, v = tensors(dtype=numpy.float64)
    out, lse = fa4.attention(q, k, v, backend="reference", return_lse=True)
    assert out.dtype == lse.dtype == numpy.float64
    close(out, oracle(q, k, v)[0], 1e-12)


def test_positional_order_is_flash_attn_s():
    q, k, v = tensors()
    out, lse, nothing = fa4.flash_attn_func(q, k, v, 0.0, 0.5, True, (2, 5), 3.0, None, True, True)
    expected, expected_lse = oracle(q, k, v, scale=0.5, causal=True, window=(2, 0), softcap=3.0)
    close(out, expected)
    close(lse, expected_lse)
    assert nothing is None
    assert type(fa4.flash_attn_func(q, k, v)) is numpy.ndarray
    assert len(fa4.flash_attn_func(q, k, v, return_lse=True)) == 2


def test_packed_functions_take_views():
    q, k, v = tensors(rows=9, heads=2)
    expected = oracle(q, k, v, causal=True)[0]
    close(fa4.flash_attn_qkvpacked_func(numpy.stack([q, k, v], 2), 0.0, None, True), expected)
    close(fa4.flash_attn_kvpacked_func(q, numpy.stack([k, v], 2), causal=True), expected)
    with pytest.raises(ValueError, match=r"qkv has shape \[2, 9, 2, 16\]; it must be \[B,S,3,H,D\]"):
        fa4.flash_attn_qkvpacked_func(q)
    with pytest.raises(ValueError, match=r"kv has shape"):
        fa4.flash_attn_kvpacked_func(q, q)


def test_varlen_is_its_sequences():
    q, k, v = tensors(batch=1, rows=10, keys=12)
    offsets_q, offsets_k = numpy.array([0, 4, 4, 10], numpy.int32), numpy.array([0, 5, 7, 12], numpy.int32)
    out, lse = fa4.flash_attn_varlen_func(
        q[0], k[0], v[0], offsets_q, offsets_k, 6, 5, causal=True, return_lse=True
    )
    assert out.shape == (10, 4, 16) and lse.shape == (4, 10)
    for begin_q, end_q, begin_k, end_k in ((0, 4, 0, 5), (4, 10, 7, 12)):
        one, one_lse = oracle(q[:, begin_q:end_q], k[:, begin_k:end_k], v[:, begin_k:end_k], causal=True)
        close(out[begin_q:end_q], one[0])
        close(lse[:, begin_q:end_q], one_lse[0])


@pytest.mark.parametrize("table_name", ["block_table", "page_table"])
def test_pages_of_a_cache(table_name):
    q, k, v = tensors(rows=1, keys=12)
    lengths = numpy.array([11, 6], numpy.int32)
    table = numpy.array([[3, 0, 5], [1, 4, 2]], numpy.int32)
    pages = [numpy.full((6, 4, 2, 16), numpy.nan, numpy.float32) for _ in range(2)]
    for b in range(2):
        for page in range(3):
            for cache, dense in zip(pages, (k, v)):
                cache[table[b, page]] = dense[b, 4 * page : 4 * page + 4]
    expected, expected_lse = oracle(q, k, v, causal=True, key_lengths=lengths)
    out, lse = fa4.flash_attn_with_kvcache(
        q, *pages, cache_seqlens=lengths, causal=True, return_softmax_lse=True, **{table_name: table}
    )
    close(out, expected)
    close(lse, expected_lse)
    packed = fa4.flash_attn_varlen_func(
        q[:, 0], *pages, numpy.array([0, 1, 2], numpy.int32), None, 1, 11, causal=True, seqused_k=lengths,
        **{table_name: table},
    )
    close(packed[:, None], expected)
    packed = fa4.flash_attn_varlen_func(  # flash-attn 2.8 gives the lengths of pages as cu_seqlens_k
        q[:, 0], *pages, numpy.array([0, 1, 2], numpy.int32), numpy.array([0, 11, 17], numpy.int32), 1, 11, causal=True,
        **{table_name: table},
    )
    close(packed[:, None], expected)


def test_integer_cache_length():
    q, k, v = tensors()
    close(fa4.flash_attn_with_kvcache(q, k, v, cache_seqlens=5), oracle(q, k[:, :5], v[:, :5])[0])


def test_sink_and_lengths():
    q, k, v = tensors()
    sink, lengths = numpy.linspace(-1, 2, 4, dtype=numpy.float32), numpy.array([9, 3], numpy.int32)
    out, lse = fa4.flash_attn_func(q, k, v, learnable_sink=sink, seqused_k=lengths, return_lse=True)
    expected, expected_lse = oracle(q, k, v, sink=sink, key_lengths=lengths)
    close(out, expected)
    close(lse, expected_lse)


def test_partial_results_combine():
    q, k, v = tensors()
    parts = [fa4.attention(q, k[:, a:b], v[:, a:b], return_lse=True) for a, b in ((0, 2), (2, 9))]
    out, lse = fa4.flash_attn_combine(*(numpy.stack(part) for part in zip(*parts)))
    expected, expected_lse = oracle(q, k, v)
    close(out, expected)
    close(lse, expected_lse)


def test_backward_is_the_derivative():
    q, k, v = tensors(dtype=numpy.float64)
    sink = numpy.linspace(-1, 1, 4)
    random = numpy.random.default_rng(1)
    options = {"causal": True, "softcap": 2.0, "sink": sink, "backend": "reference"}
    out, lse = fa4.attention(q, k, v, return_lse=True, **options)
    dout, dlse = random.standard_normal(out.shape), random.standard_normal(lse.shape)
    gradients = fa4.attention_backward(dout, q, k, v, out, lse, dlse=dlse, **options)
    for index, (array, gradient) in enumerate(zip((q, k, v, sink), gradients)):
        direction = random.standard_normal(array.shape)
        ends = []
        for step in (1e-5, -1e-5):
            arrays = [q, k, v, sink]
            arrays[index] = array + step * direction
            moved = {**options, "sink": arrays[3]}
            o, l = fa4.attention(*arrays[:3], return_lse=True, **moved)
            ends.append((o * dout).sum() + (l * dlse).sum())
        assert (ends[0] - ends[1]) / 2e-5 == pytest.approx((gradient * direction).sum(), rel=1e-6)


def test_strided_views_and_given_out_are_not_copied():
    q, k, v = tensors()
    by_head = [numpy.ascontiguousarray(array.transpose(0, 2, 1, 3)).transpose(0, 2, 1, 3) for array in (q, k, v)]
    memory = numpy.full((2, 4, 7, 16), numpy.nan, numpy.float32)
    out = memory.transpose(0, 2, 1, 3)
    assert fa4.flash_attn_func(*by_head, out=out) is out
    close(memory.transpose(0, 2, 1, 3), oracle(q, k, v)[0])
    broadcast = numpy.broadcast_to(q[:, :1], q.shape)
    if hasattr(numpy.lib, "array_utils"):  # NumPy 2.1: its DLPack carries read-only arrays
        close(fa4.flash_attn_func(broadcast, k, v), oracle(broadcast, k, v)[0])


def test_nothing_reads_what_is_unused():
    q, k, v = tensors()
    k[1, 3:] = v[1, 3:] = numpy.nan
    lengths = numpy.array([9, 3], numpy.int32)
    assert numpy.isfinite(fa4.flash_attn_func(q, k, v, seqused_k=lengths)).all()


def test_plan_and_supports_answer():
    q, k, v = tensors()
    plan = fa4.plan(q, k, v, causal=True)
    assert plan["backend"] == "cpu" and plan["problem"]["window_right"] == 0 and '"why"' in str(plan)
    assert fa4.plan(q, k, v, pass_="backward", backend="reference")["pass"] == "backward"
    assert fa4.supports(q, k, v) and fa4.supports(q, k, v).reason == ""
    doubles = tensors(dtype=numpy.float64)
    answer = fa4.supports(*doubles)
    assert not answer and "float64" in answer.reason
    with pytest.raises(fa4.UnsupportedError, match="float64"):
        fa4.plan(*doubles)
    with pytest.raises(ValueError, match='pass_ is "sideways"'):
        fa4.plan(q, k, v, pass_="sideways")


REFUSALS = [
    ({"dropout_p": 0.1}, fa4.UnsupportedError, "dropout_p is 0.1; attention dropout is not served"),
    ({"alibi_slopes": numpy.ones(4)}, fa4.UnsupportedError, "alibi_slopes is set"),
    ({"fa_version": 5}, ValueError, "fa_version is 5; it must be None, 2, 3 or 4"),
    ({"softcap": -1.0}, ValueError, "softcap is -1; it must be 0"),
    ({"window_size": (-2, 0)}, ValueError, "window_left is -2; it must be -1"),
    ({"num_splits": 5000}, ValueError, "num_splits is 5000; it must lie between 0 and 4096"),
    ({"num_splits": 2**40}, ValueError, "num_splits is 1099511627776; it must fit into 32 bits"),
    ({"softmax_scale": float("inf")}, ValueError, "scale is inf; it must be finite"),
    ({"seqused_k": numpy.array([1, 2], numpy.int64)}, ValueError, "key_lengths has dtype int64; it must be int32"),
    ({"seqused_k": numpy.array([1, 20], numpy.int32)}, ValueError, r"key_lengths\[1\] is 20"),
    ({"out": numpy.zeros((2, 7, 4, 8), numpy.float32)}, ValueError, r"out has shape \[2,7,4,8\]"),
]


@pytest.mark.parametrize("keywords, kind, sentence", REFUSALS, ids=[next(iter(row[0])) for row in REFUSALS])
def test_refusals_are_sentences(keywords, kind, sentence):
    with pytest.raises(kind, match=sentence):
        fa4.flash_attn_func(*tensors(), **keywords)


def test_more_refusals():
    q, k, v = tensors()
    with pytest.raises(ValueError, match=r"k has shape \[2,9,2,8\]; it must be"):
        fa4.flash_attn_func(q, k[..., :8], v)
    with pytest.raises(ValueError, match=r"q has 2 dimensions; it must have 4: \[B,Sq,H,D\]"):
        fa4.flash_attn_func(q[0, 0], k, v)
    with pytest.raises(ValueError, match="the last stride of q is 2; it must be 1"):
        fa4.flash_attn_func(q[..., ::2], k[..., ::2], v)
    with pytest.raises(ValueError, match="backend \"tpu\" is unknown"):
        fa4.attention(q, k, v, backend="tpu")
    with pytest.raises(TypeError, match="q is of type builtins.list; it must be a torch.Tensor, a NumPy"):
        fa4.flash_attn_func([1.0], k, v)
    with pytest.raises(ValueError, match="out overlaps q in memory"):
        fa4.flash_attn_func(q, k, v, out=q)
    frozen = numpy.zeros_like(q)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="out is a read-only NumPy array"):
        fa4.flash_attn_func(q, k, v, out=frozen)
    with pytest.raises(TypeError, match="causal must be an integer|causal"):
        fa4.flash_attn_func(q, k, v, causal="yes")
    with pytest.raises(ValueError, match="block_table and page_table are both set"):
        fa4.flash_attn_with_kvcache(q, k, v, block_table=1, page_table=2)


@pytest.mark.parametrize("name", ["k", "v", "rotary_cos", "rotary_sin", "cache_batch_idx", "cache_leftpad"])
def test_cache_arguments_that_are_not_served(name):
    q, k, v = tensors()
    with pytest.raises(fa4.UnsupportedError, match=f"^{name} is set, but .*; it must be None$"):
        fa4.flash_attn_with_kvcache(q, k, v, **{name: q})
