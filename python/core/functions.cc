// SPDX-License-Identifier: Apache-2.0
// fa4.h as functions that tvm-ffi calls: one binary for every Python version and framework. No logic: a
// call reads its arguments, calls the C API, and throws the C sentence if that fails. Tested in
// python/tests.
#include <tvm/ffi/extra/c_env_api.h>
#include <tvm/ffi/function.h>

#include "arguments.h"

namespace fa4::python {
namespace {

// Kinds that python/fa4/_native.py and tvm-ffi know as exception classes.
const char* kind_of(fa4_status status) {
  switch (status) {
    case FA4_ERROR_INVALID_ARGUMENT:
      return "ValueError";
    case FA4_ERROR_UNSUPPORTED:
      return "fa4.UnsupportedError";
    case FA4_ERROR_OUT_OF_MEMORY:
      return "MemoryError";
    default:
      return "RuntimeError";
  }
}

void check(fa4_status status) {
  if (status != FA4_OK) throw tvm::ffi::Error(kind_of(status), fa4_last_error(), "");
}

// The current stream of the framework that the tensors came from; host memory has none.
void* stream_of(const DLTensor* tensor) {
  if (tensor == nullptr) return nullptr;
  const DLDevice device = tensor->device;
  if (device.device_type == kDLCPU || device.device_type == kDLCUDAHost) return nullptr;
  return TVMFFIEnvGetStream(device.device_type, device.device_id);
}

fa4_pass read_pass(Arguments& arguments) { return static_cast<fa4_pass>(arguments.int32("pass")); }

void forward(Arguments& arguments, Order order) {
  const fa4_problem problem = read_problem(arguments, order);
  fa4_forward_tensors tensors{};
  tensors.struct_size = sizeof(tensors);
  tensors.out = arguments.tensor("out");
  tensors.lse = arguments.tensor("lse");
  arguments.require_end();
  check(fa4_attention_forward(&problem, &tensors, stream_of(problem.q)));
}

// The common problem, which costs least to say: results, q, k, v and perhaps causal; all else is the default.
void forward_plain(Arguments& arguments) {
  fa4_problem problem;
  fa4_problem_init(&problem);
  problem.num_threads = arguments.int32("num_threads");
  fa4_forward_tensors tensors{};
  tensors.struct_size = sizeof(tensors);
  tensors.out = arguments.tensor("out");
  tensors.lse = arguments.tensor("lse");
  read_main_tensors(arguments, &problem);
  if (!arguments.at_end()) problem.causal = arguments.int32("causal");
  arguments.require_end();
  check(fa4_attention_forward(&problem, &tensors, stream_of(problem.q)));
}

void backward(Arguments& arguments, Order order) {
  const fa4_problem problem = read_problem(arguments, order);
  fa4_backward_tensors tensors{};
  tensors.struct_size = sizeof(tensors);
  tensors.dout = arguments.tensor("dout");
  tensors.out = arguments.tensor("out");
  tensors.lse = arguments.tensor("lse");
  tensors.dlse = arguments.tensor("dlse");
  tensors.dq = arguments.tensor("dq");
  tensors.dk = arguments.tensor("dk");
  tensors.dv = arguments.tensor("dv");
  tensors.dsink = arguments.tensor("dsink");
  arguments.require_end();
  check(fa4_attention_backward(&problem, &tensors, stream_of(problem.q)));
}

void combine(Arguments& arguments) {
  fa4_combine_tensors tensors{};
  tensors.struct_size = sizeof(tensors);
  tensors.out_partial = arguments.tensor("out_partial");
  tensors.lse_partial = arguments.tensor("lse_partial");
  tensors.out = arguments.tensor("out");
  tensors.lse = arguments.tensor("lse");
  arguments.require_end();
  check(fa4_combine(&tensors, stream_of(tensors.out)));
}

// The reason why nothing serves the problem, or "".
tvm::ffi::String supports(Arguments& arguments) {
  const fa4_pass pass = read_pass(arguments);
  const fa4_problem problem = read_problem(arguments, Order::Problem);
  arguments.require_end();
  const fa4_status status = fa4_supports(&problem, pass);
  if (status == FA4_ERROR_UNSUPPORTED) return fa4_last_error();
  check(status);
  return "";
}

// The plan as JSON.
tvm::ffi::String plan(Arguments& arguments) {
  const fa4_pass pass = read_pass(arguments);
  const fa4_problem problem = read_problem(arguments, Order::Problem);
  arguments.require_end();
  fa4_plan* made = nullptr;
  check(fa4_plan_create(&problem, pass, &made));
  tvm::ffi::String description = fa4_plan_describe(made);
  fa4_plan_destroy(made);
  return description;
}

void set_result(TVMFFIAny* result, tvm::ffi::String text) {
  *result = tvm::ffi::details::AnyUnsafe::MoveAnyToTVMFFIAny(tvm::ffi::Any(std::move(text)));
}

}  // namespace
}  // namespace fa4::python

// The symbols that tvm_ffi.load_module looks for.
#define FA4_EXPORT(name, body)                                                           \
  extern "C" FA4_API int __tvm_ffi_##name(void*, const TVMFFIAny* values, int32_t count, \
                                          TVMFFIAny* result) {                           \
    TVM_FFI_SAFE_CALL_BEGIN();                                                           \
    fa4::python::Arguments arguments(values, count);                                     \
    result->type_index = kTVMFFINone;                                                    \
    body;                                                                                \
    TVM_FFI_SAFE_CALL_END();                                                             \
  }

FA4_EXPORT(forward, fa4::python::forward(arguments, fa4::python::Order::Problem))
FA4_EXPORT(forward_plain, fa4::python::forward_plain(arguments))
FA4_EXPORT(backward, fa4::python::backward(arguments, fa4::python::Order::Problem))
FA4_EXPORT(xla_forward, fa4::python::forward(arguments, fa4::python::Order::TensorsLast))
FA4_EXPORT(xla_backward, fa4::python::backward(arguments, fa4::python::Order::TensorsLast))
FA4_EXPORT(combine, fa4::python::combine(arguments))
FA4_EXPORT(supports, fa4::python::set_result(result, fa4::python::supports(arguments)))
FA4_EXPORT(plan, fa4::python::set_result(result, fa4::python::plan(arguments)))
FA4_EXPORT(info, fa4::python::set_result(result, fa4_info()))
FA4_EXPORT(version, fa4::python::set_result(result, fa4_version()))
