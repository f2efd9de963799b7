// SPDX-License-Identifier: Apache-2.0
#include "safetensors_header.h"

#include <limits>
#include <set>
#include <string>
#include <utility>

#include "error.h"
#include "json.h"

namespace fa4::cli {
namespace {

// Where in the header the stream is.
enum class Place { Outside, Header, Metadata, Entry, Shape, Offsets };

class HeaderHandler : public nlohmann::json_sax<Json> {
 public:
  std::vector<HeaderEntry> take() { return std::move(entries_); }

  bool key(std::string& name) override {
    if (place_ == Place::Entry) {
      if (!fields_.insert(name).second) {
        bad_input("tensor {} has {} twice", printable(entry_.name), printable(name));
      }
    } else if (place_ == Place::Header && !names_.insert(name).second) {
      bad_input("the header names {} twice", printable(name));
    }
    (place_ == Place::Entry ? field_ : name_) = name;
    return true;
  }

  bool start_object(std::size_t) override {
    if (place_ == Place::Outside) {
      place_ = Place::Header;
    } else if (place_ == Place::Header && name_ == "__metadata__") {
      place_ = Place::Metadata;
    } else if (place_ == Place::Header) {
      place_ = Place::Entry;
      entry_ = {};
      entry_.name = name_;
      fields_.clear();
    } else {
      unexpected("an object");
    }
    return true;
  }

  bool end_object() override {
    if (place_ == Place::Entry) finish_entry();
    place_ = place_ == Place::Header ? Place::Outside : Place::Header;
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ == Place::Entry && field_ == "shape") {
      place_ = Place::Shape;
    } else if (place_ == Place::Entry && field_ == "data_offsets") {
      place_ = Place::Offsets;
      offsets_.clear();
    } else {
      unexpected("an array");
    }
    return true;
  }

  bool end_array() override {
    place_ = Place::Entry;
    return true;
  }

  bool string(std::string& text) override {
    if (place_ == Place::Metadata) return true;
    if (place_ != Place::Entry || field_ != "dtype") unexpected("a string");
    entry_.type = text;
    return true;
  }

  bool number_unsigned(number_unsigned_t number) override {
    if (number > static_cast<number_unsigned_t>(std::numeric_limits<int64_t>::max())) {
      unexpected(fmt::format("the number {}", number));
    }
    if (place_ == Place::Shape) {
      constexpr size_t kMostSizes = 64;  // far more than is read, but bounded
      if (entry_.shape.size() >= kMostSizes) {
        bad_input("tensor {} has more than {} dimensions", printable(entry_.name), kMostSizes);
      }
      entry_.shape.push_back(static_cast<int64_t>(number));
    } else if (place_ == Place::Offsets) {
      if (offsets_.size() < 3) offsets_.push_back(static_cast<int64_t>(number));
    } else {
      unexpected(fmt::format("the number {}", number));
    }
    return true;
  }

  bool number_integer(number_integer_t number) override {
    unexpected(fmt::format("the number {}", number));
  }
  bool number_float(number_float_t, const std::string& text) override {
    unexpected("the number " + printable(text));
  }
  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("a truth value"); }
  bool binary(binary_t&) override { unexpected("binary data"); }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    bad_input("the header is no JSON: the mistake is at its byte {}", position);
  }

 private:
  [[noreturn]] void unexpected(const std::string& what) const {
    switch (place_) {
      case Place::Outside:
        bad_input("the header is {}, not a JSON object", what);
      case Place::Header:
        bad_input("the header has {} under {}; a tensor is an object", what, printable(name_));
      case Place::Metadata:
        bad_input("the header's __metadata__ has {} under {}; only strings are allowed", what,
                  printable(name_));
      case Place::Entry:
        bad_input("tensor {} has {} as {}, which is not how safetensors describes a tensor",
                  printable(entry_.name), what, printable(field_));
      case Place::Shape:
        bad_input("the shape of tensor {} holds {}; sizes are integers from 0 to 2^63-1",
                  printable(entry_.name), what);
      case Place::Offsets:
        bad_input("data_offsets of tensor {} hold {}; offsets are integers from 0 to 2^63-1",
                  printable(entry_.name), what);
    }
    bad_input("the header holds {} in an unexpected place", what);
  }

  void finish_entry() {
    for (const char* field : {"dtype", "shape", "data_offsets"}) {
      if (!fields_.count(field)) bad_input("tensor {} has no {}", printable(entry_.name), field);
    }
    if (offsets_.size() != 2) {
      bad_input("data_offsets of tensor {} are not two numbers", printable(entry_.name));
    }
    entry_.begin = offsets_[0];
    entry_.end = offsets_[1];
    entries_.push_back(std::move(entry_));
  }

  Place place_ = Place::Outside;
  std::string name_;   // of the tensor or the metadata
  std::string field_;  // of the entry
  HeaderEntry entry_;
  std::vector<int64_t> offsets_;
  std::set<std::string> fields_;
  std::set<std::string> names_;
  std::vector<HeaderEntry> entries_;
};

}  // namespace

std::vector<HeaderEntry> parse_header_json(std::span<const std::byte> json) {
  const auto* text = reinterpret_cast<const char*>(json.data());
  if (json.empty() || text[0] != '{') bad_input("the header does not begin with '{{'");
  HeaderHandler handler;
  Json::sax_parse(text, text + json.size(), &handler);
  return handler.take();
}

}  // namespace fa4::cli
