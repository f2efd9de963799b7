# SPDX-License-Identifier: Apache-2.0
"""What torch asks of an operator: opcheck, compile without breaks, autocast, modes, functional transforms."""

import shutil
import subprocess
import sys

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import fa4
import fa4.torch


def tensors(dtype=torch.float32, requires_grad=False, batch=2, rows=9, dim=16):
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(batch, rows, heads, dim, generator=generator).to(dtype).requires_grad_(requires_grad)
        for heads in (4, 2, 2)
    ]


SINK = torch.linspace(-1, 1, 4)
OFFSETS = torch.tensor([0, 4, 9], dtype=torch.int32)
PROBLEMS = {
    "plain": lambda grad: (*tensors(requires_grad=grad),),
    "bf16": lambda grad: (*tensors(torch.bfloat16, grad), True),
    "window": lambda grad: (*tensors(requires_grad=grad), False, 3, 2, 0.3, 1.5),
    "views": lambda grad: tuple(t.transpose(1, 2).contiguous().transpose(1, 2).detach().requires_grad_(grad) for t in tensors()),
    "sink": lambda grad: (
        *tensors(requires_grad=grad), True, -1, -1, None, 0.0, None, None, None, None, None,
        SINK.clone().requires_grad_(grad),
    ),
    "packed": lambda grad: (
        *(t.detach()[0].clone().requires_grad_(grad) for t in tensors()), True, -1, -1, None, 0.0, OFFSETS, OFFSETS,
    ),
}


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("operator", ["attention", "attention_lse"])
@pytest.mark.parametrize("grad", [False, True])
def test_opcheck_of_the_forward(name, operator, grad):
    torch.library.opcheck(getattr(torch.ops.fa4, operator).default, PROBLEMS[name](grad))


@pytest.mark.parametrize("name", PROBLEMS)
def test_opcheck_of_the_others(name):
    problem = PROBLEMS[name](False)
    out, lse = torch.ops.fa4.attention_lse(*problem)
    torch.library.opcheck(torch.ops.fa4.attention_out.default, (torch.empty_like(out), *problem))
    torch.library.opcheck(torch.ops.fa4.backward.default, (torch.randn_like(out), out, lse, None, *problem))
    if lse.ndim == 3:
        partial = torch.stack([out.detach()] * 2), torch.stack([lse.detach()] * 2)
        torch.library.opcheck(torch.ops.fa4.combine.default, partial)


def test_the_first_call_of_a_process_may_be_compiled():
    code = (
        "import fa4, torch\n"
        "q = torch.randn(1, 8, 2, 16)\n"
        "compiled = torch.compile(lambda q: fa4.flash_attn_func(q, q, q), backend='eager', fullgraph=True)\n"
        "torch.testing.assert_close(compiled(q), fa4.flash_attn_func(q, q, q))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(shutil.which("g++") is None, reason="Inductor needs a C++ compiler: there is no g++")
def test_compiles_by_inductor():
    torch._dynamo.reset()
    compiled = torch.compile(lambda q, k, v: fa4.flash_attn_func(q * 2, k, v, causal=True), fullgraph=True)
    q, k, v = tensors()
    torch.testing.assert_close(compiled(q, k, v), fa4.flash_attn_func(q * 2, k, v, causal=True))


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize(
    "function",
    [
        lambda q, k, v: fa4.flash_attn_func(q, k, v, causal=True),
        lambda q, k, v: fa4.flash_attn_func(q, k, v, window_size=(3, None), return_lse=True)[1],
        lambda q, k, v: fa4.attention(q * 2, k, v, softcap=2.0, scale=0.2),
        lambda q, k, v: fa4.flash_attn_varlen_func(
            q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1), OFFSETS, OFFSETS, 5, 5, causal=True
        ),
    ],
    ids=["causal", "lse", "own", "varlen"],
)
def test_compiles_without_a_break(function, dynamic):
    torch._dynamo.reset()
    compiled = torch.compile(function, fullgraph=True, dynamic=dynamic, backend="aot_eager")
    for rows in (9, 12):
        inputs = tensors(requires_grad=True, rows=rows)
        results = []
        for call in (function, compiled):
            out = call(*inputs)
            results.append((out, *torch.autograd.grad((out**2).sum(), inputs, allow_unused=True)))
        for mine, theirs in zip(*results):
            if mine is not None or theirs is not None:
                torch.testing.assert_close(mine, theirs)
        with torch.no_grad():
            torch.testing.assert_close(compiled(*inputs), function(*inputs))


def test_autocast_casts_as_sdpa_does():
    inputs = tensors(requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = fa4.flash_attn_func(*inputs)
        with torch.no_grad():
            assert fa4.flash_attn_func(*inputs).dtype == torch.bfloat16
    assert out.dtype == torch.bfloat16
    assert torch.equal(out, fa4.flash_attn_func(*(t.bfloat16() for t in inputs)))
    assert all(g.dtype == torch.float32 for g in torch.autograd.grad(out.float().sum(), inputs))


def test_fake_tensors_have_shapes_and_no_memory():
    with FakeTensorMode():
        q, k, v = (torch.empty(2, 9, heads, 16) for heads in (4, 2, 2))
        out, lse = fa4.flash_attn_func(q, k, v, return_lse=True)
        assert out.shape == (2, 9, 4, 16) and lse.shape == (2, 4, 9)
        assert fa4.flash_attn_func(q, k, v).shape == out.shape
    meta = torch.empty(2, 9, 4, 16, device="meta")
    assert fa4.flash_attn_func(meta, meta, meta).device.type == "meta"


def test_tracing_records_the_operator():
    q, k, v = tensors()
    graph = torch.fx.experimental.proxy_tensor.make_fx(lambda x: fa4.flash_attn_func(x, k, v))(q)
    assert any("fa4.attention" in str(node.target) for node in graph.graph.nodes)


def test_second_derivative_is_refused():
    inputs = tensors(requires_grad=True)
    (gradient,) = torch.autograd.grad(fa4.flash_attn_func(*inputs).sum(), inputs[0], create_graph=True)
    with pytest.raises(fa4.UnsupportedError, match="the gradient of attention's gradient was asked for"):
        gradient.sum().backward()


def test_tangents_are_refused():
    q, k, v = tensors()
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(q, torch.ones_like(q))
        with pytest.raises(NotImplementedError, match="jvp|forward"):
            fa4.flash_attn_func(dual, k, v)


def test_refusals_are_the_c_sentence():
    q, k, v = tensors()
    with pytest.raises(ValueError, match=r"k has shape \[2,9,2,8\]; it must be"):
        torch.ops.fa4.attention(q, k[..., :8], v)
    doubles = [t.double() for t in (q, k, v)]
    with pytest.raises(fa4.UnsupportedError, match="no kernel serves this forward problem"):
        fa4.flash_attn_func(*doubles)
    with pytest.raises(ValueError, match="the last stride of q is 2; it must be 1"):
        fa4.flash_attn_func(q[..., ::2], k[..., ::2], v)


def test_expanded_gradient_and_inputs():
    q, k, v = tensors(requires_grad=True)
    shared = k[:, :1].expand(-1, 9, -1, -1)  # stride 0: served as it is
    fa4.flash_attn_func(q, shared, v).sum().backward()  # the gradient of a sum has stride 0 in every dimension
    assert torch.isfinite(q.grad).all() and torch.isfinite(k.grad).all()
