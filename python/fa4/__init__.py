# SPDX-License-Identifier: Apache-2.0
"""fa4: exact attention, forward and backward, on torch, NumPy and JAX arrays, zero-copy.

    import fa4
    out = fa4.flash_attn_func(q, k, v, causal=True)

docs/python.md is the tutorial.
"""

from ._native import UnsupportedError, version
from ._attention import Plan, Support, attention, attention_backward, info, plan, supports
from .interface import (
    flash_attn_combine,
    flash_attn_func,
    flash_attn_kvpacked_func,
    flash_attn_qkvpacked_func,
    flash_attn_varlen_func,
    flash_attn_with_kvcache,
)

__version__ = version()

__all__ = [
    "Plan",
    "Support",
    "UnsupportedError",
    "attention",
    "attention_backward",
    "flash_attn_combine",
    "flash_attn_func",
    "flash_attn_kvpacked_func",
    "flash_attn_qkvpacked_func",
    "flash_attn_varlen_func",
    "flash_attn_with_kvcache",
    "info",
    "plan",
    "supports",
]
