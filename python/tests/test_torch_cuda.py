# SPDX-License-Identifier: Apache-2.0
"""CUDA tensors through the same functions: results, gradients, streams, graphs, compile, autocast."""

import pytest
import torch
import torch.nn.functional as functional

import fa4
import fa4.torch  # noqa: F401

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")


def tensors(dtype=torch.bfloat16, requires_grad=False, rows=300, heads=(8, 2, 2), dim=64):
    torch.manual_seed(0)
    return [
        torch.randn(2, rows, count, dim, device="cuda").to(dtype).requires_grad_(requires_grad) for count in heads
    ]


def stock(q, k, v, causal=True):
    """SDPA in double precision, [B,S,H,D]."""
    q, k, v = (tensor.double().transpose(1, 2) for tensor in (q, k, v))
    return functional.scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=True).transpose(1, 2)


def assert_near(ours, right, dtype=torch.bfloat16):
    error = (ours.double() - right).norm() / right.norm()
    assert error < {torch.bfloat16: 8e-3, torch.float16: 1e-3}[dtype]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("dim", [40, 64, 128, 256])
def test_results_and_gradients_are_those_of_sdpa(dtype, dim):
    inputs = tensors(dtype, True, dim=dim)
    out = fa4.flash_attn_func(*inputs, causal=True)
    dout = torch.randn_like(out)
    gradients = torch.autograd.grad(out, inputs, dout)
    doubles = [tensor.detach().double().requires_grad_(True) for tensor in inputs]
    right = stock(*doubles)
    assert_near(out, right, dtype)
    for ours, exact in zip(gradients, torch.autograd.grad(right, doubles, dout.double())):
        assert_near(ours, exact, dtype)


def test_the_gpu_ran_it():
    assert fa4.plan(*tensors())["backend"] == "gpu"


def test_fp32_is_refused_with_the_reason():
    with pytest.raises(NotImplementedError, match="float32"):
        fa4.flash_attn_func(*tensors(torch.float32))


def test_packed_sequences():
    q, k, v = (tensor.flatten(0, 1) for tensor in tensors())
    offsets = torch.tensor([0, 100, 100, 600], dtype=torch.int32, device="cuda")
    out = fa4.flash_attn_varlen_func(q, k, v, offsets, offsets, 500, 500, causal=True)
    for begin, end in ((0, 100), (100, 600)):
        assert_near(out[begin:end], stock(q[None, begin:end], k[None, begin:end], v[None, begin:end])[0])


def test_paged_cache():
    q, k, v = tensors(rows=256)
    pages = torch.randperm(32, device="cuda").to(torch.int32)
    cache = [torch.empty(32, 16, 2, 64, device="cuda", dtype=torch.bfloat16) for _ in range(2)]
    for stored, given in zip(cache, (k, v)):
        stored[pages.long()] = given.reshape(32, 16, 2, 64)
    lengths = torch.tensor([256, 100], dtype=torch.int32, device="cuda")
    out = fa4.flash_attn_with_kvcache(
        q[:, :1], *cache, cache_seqlens=lengths, page_table=pages.view(2, 16), causal=True
    )
    for b, length in enumerate((256, 100)):
        assert_near(out[b : b + 1], stock(q[b : b + 1, :1], k[b : b + 1, :length], v[b : b + 1, :length], causal=False))


def test_the_current_stream_is_taken():
    q, k, v = tensors()
    right = fa4.flash_attn_func(q, k, v)
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(50_000_000)  # what comes before must be over when we read q
        late = torch.empty_like(q)
        late.copy_(q)
        out = fa4.flash_attn_func(late, k, v)
    stream.synchronize()
    assert torch.equal(out, right)


def test_graph_capture_and_replay():
    inputs = tensors(requires_grad=True)
    dout = torch.randn_like(inputs[0])

    def step():
        out = fa4.flash_attn_func(*inputs, causal=True, deterministic=True)
        return (out, *torch.autograd.grad(out, inputs, dout))

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = step()
    with torch.no_grad():
        for tensor in (*inputs, dout):
            tensor.copy_(torch.randn_like(tensor))
    right = step()
    for _ in range(3):
        for tensor in results:
            tensor.detach().fill_(float("nan"))
        graph.replay()
        torch.cuda.synchronize()
        assert all(torch.equal(ours, exact) for ours, exact in zip(results, right))


def test_compiles_without_a_break():
    q, k, v = tensors()
    compiled = torch.compile(lambda q, k, v: fa4.flash_attn_func(q * 2, k, v, causal=True), fullgraph=True)
    assert_near(compiled(q, k, v), stock(q * 2, k, v))


def test_autocast_casts():
    q, k, v = tensors(torch.float32)
    with torch.autocast("cuda", torch.bfloat16):
        out = fa4.flash_attn_func(q, k, v, causal=True)
    assert out.dtype == torch.bfloat16
    assert_near(out, stock(q, k, v))


def test_deterministic_gradients_repeat_bit_for_bit():
    inputs = tensors(requires_grad=True, rows=1000)
    dout = torch.randn_like(inputs[0])

    def gradients():
        return torch.autograd.grad(fa4.flash_attn_func(*inputs, causal=True, deterministic=True), inputs, dout)

    first = gradients()
    for _ in range(1000):
        assert all(torch.equal(a, b) for a, b in zip(first, gradients()))
