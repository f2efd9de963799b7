# SPDX-License-Identifier: Apache-2.0
"""include/fa4/fa4.h for ctypes, as far as the benchmarks need it: torch tensors in, a plan, runs.

The structs mirror the header field by field; struct_size lets the library refuse a mirror that is off.
"""

import ctypes
import json
import math

import torch

PASSES = {"forward": 0, "backward": 1}
# DLPack's type code and bits, and its device types
_DTYPES = {torch.float32: (2, 32), torch.float16: (2, 16), torch.bfloat16: (4, 16), torch.int32: (0, 32)}
_DEVICES = {"cpu": 1, "cuda": 2}


class DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("dtype_code", ctypes.c_uint8),
        ("dtype_bits", ctypes.c_uint8),
        ("dtype_lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


_TensorPointer = ctypes.POINTER(DLTensor)


def _struct(name, tensor_names):
    fields = [("struct_size", ctypes.c_size_t)] + [(tensor, _TensorPointer) for tensor in tensor_names]
    return type(name, (ctypes.Structure,), {"_fields_": fields})


class Problem(ctypes.Structure):
    _fields_ = (
        [("struct_size", ctypes.c_size_t)]
        + [(tensor, _TensorPointer) for tensor in ("q", "k", "v", "cu_seqlens_q", "cu_seqlens_k")]
        + [(tensor, _TensorPointer) for tensor in ("query_lengths", "key_lengths", "page_table", "sink")]
        + [(tensor, _TensorPointer) for tensor in ("bias", "q_scale", "k_scale", "v_scale")]
        + [("score_function", ctypes.c_char_p), ("mask_function", ctypes.c_char_p)]
        + [("scale", ctypes.c_double), ("softcap", ctypes.c_double)]
        + [("window_left", ctypes.c_int64), ("window_right", ctypes.c_int64)]
        + [(option, ctypes.c_int32) for option in ("causal", "num_splits", "deterministic")]
        + [(option, ctypes.c_int32) for option in ("batch_invariant", "num_threads", "reserved")]
        + [("max_seq_q", ctypes.c_int64), ("max_seq_k", ctypes.c_int64)]
        + [(name, ctypes.c_char_p) for name in ("backend", "kernel", "device")]
    )


ForwardTensors = _struct("ForwardTensors", ("out", "lse"))
BackwardTensors = _struct("BackwardTensors", ("dout", "out", "lse", "dlse", "dq", "dk", "dv", "dsink"))


def describe_tensor(tensor):
    """A DLTensor over the memory of a torch tensor, which the caller keeps alive."""
    code, bits = _DTYPES[tensor.dtype]
    sizes = ctypes.c_int64 * tensor.ndim
    return DLTensor(
        tensor.data_ptr(), _DEVICES[tensor.device.type], tensor.device.index or 0, tensor.ndim, code, bits, 1,
        sizes(*tensor.shape), sizes(*tensor.stride()), 0,
    )


def rows(tensor):
    """[B,H,S,D] in torch is [B,S,H,D] here: the same memory, other strides."""
    return tensor.transpose(1, 2)


class Fa4:
    """The shared library. A call that fails raises with the library's own sentence."""

    def __init__(self, path):
        self._library = ctypes.CDLL(str(path))
        self._library.fa4_last_error.restype = ctypes.c_char_p
        self._library.fa4_version.restype = ctypes.c_char_p
        self._library.fa4_plan_describe.restype = ctypes.c_char_p
        self._library.fa4_plan_describe.argtypes = [ctypes.c_void_p]
        self._library.fa4_plan_workspace_size.restype = ctypes.c_size_t
        self._library.fa4_plan_workspace_size.argtypes = [ctypes.c_void_p]
        self._library.fa4_plan_destroy.restype = None
        self._library.fa4_plan_destroy.argtypes = [ctypes.c_void_p]
        self._library.fa4_plan_create.argtypes = [
            ctypes.POINTER(Problem), ctypes.c_int, ctypes.POINTER(ctypes.c_void_p)
        ]
        for name, tensors in (("forward", ForwardTensors), ("backward", BackwardTensors)):
            getattr(self._library, "fa4_" + name).argtypes = [
                ctypes.c_void_p, ctypes.POINTER(Problem), ctypes.POINTER(tensors),
                ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p,
            ]

    def version(self):
        return self._library.fa4_version().decode()

    def check(self, status):
        if status != 0:
            raise RuntimeError(self._library.fa4_last_error().decode())


class Attention:
    """One plan on fixed tensors, all [B,H,S,D] (lse [B,H,S], page_table [B,n]); run() repeats it.

    The workspace is allocated here, once, and so is the stream chosen: torch's current one. forward: q, k, v, out,
    lse, optionally page_table with k, v [pages,Hk,page_size,D]. backward: also dout, dq, dk, dv.
    """

    def __init__(self, library, which, tensors, causal=False, threads=0, backend="auto", kernel="auto"):
        self._library = library
        self._native = library._library
        self._kept = {
            name: describe_tensor(rows(tensor) if tensor.ndim == 4 else tensor) for name, tensor in tensors.items()
        }
        self._tensors = tensors
        self._problem = Problem(
            struct_size=ctypes.sizeof(Problem), scale=math.nan, window_left=-1, window_right=-1,
            causal=int(causal), num_threads=threads, backend=backend.encode(), kernel=kernel.encode(),
        )
        for name in ("q", "k", "v", "page_table"):
            if name in self._kept:
                setattr(self._problem, name, ctypes.pointer(self._kept[name]))
        kind = {"forward": ForwardTensors, "backward": BackwardTensors}[which]
        self._arguments = kind(struct_size=ctypes.sizeof(kind))
        for name, _ in kind._fields_[1:]:
            if name in self._kept:
                setattr(self._arguments, name, ctypes.pointer(self._kept[name]))
        self._plan = ctypes.c_void_p()
        library.check(
            self._native.fa4_plan_create(ctypes.byref(self._problem), PASSES[which], ctypes.byref(self._plan))
        )
        self.workspace_bytes = self._native.fa4_plan_workspace_size(self._plan)
        device = tensors["q"].device
        self._workspace = torch.empty(self.workspace_bytes + 256, dtype=torch.uint8, device=device)
        stream = torch.cuda.current_stream(device).cuda_stream if device.type == "cuda" else None
        aligned = (self._workspace.data_ptr() + 255) // 256 * 256
        self._run = getattr(self._native, "fa4_" + which)
        self._call = (
            self._plan, ctypes.byref(self._problem), ctypes.byref(self._arguments), aligned, self.workspace_bytes, stream
        )

    def run(self):
        status = self._run(*self._call)
        if status != 0:
            self._library.check(status)

    def description(self):
        return json.loads(self._native.fa4_plan_describe(self._plan))

    def __del__(self):
        if getattr(self, "_plan", None):
            self._native.fa4_plan_destroy(self._plan)
