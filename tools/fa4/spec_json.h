// SPDX-License-Identifier: Apache-2.0
// Members of a SPEC.json (launch_spec.h): each reader throws Failure with exit code 2 and one sentence.
#pragma once

#include <filesystem>
#include <initializer_list>
#include <string>

#include "json.h"
#include "launch_spec.h"
#include "tensor.h"

namespace fa4::cli {

std::string text_of_json(const Json& value);

// A member that nobody reads would be a mistake that nobody sees.
void check_members(const Json& object, const std::string& where,
                   std::initializer_list<const char*> known);

uint64_t to_unsigned(const Json& value, const std::string& where, uint64_t most);
uint32_t to_word(const Json& value, const std::string& where);
std::string to_text(const Json& value, const std::string& where);
bool to_flag(const Json& value, const std::string& where);
double to_number(const Json& value, const std::string& where);

// {"buffer", "dtype", "sizes", "strides", "box", …}: what `buffer` and `byte_offset` say is the parameter's.
SpecTensorMap read_spec_tensor_map(const Json& item, const std::string& where);

// {"file": …, "tensor": …} or {"fill": {…}}, with an optional "writable".
Tensor read_spec_buffer(const Json& item, const std::string& where,
                        const std::filesystem::path& folder);

}  // namespace fa4::cli
