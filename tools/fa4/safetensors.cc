// SPDX-License-Identifier: Apache-2.0
#include "safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>
#include <utility>

#include "error.h"
#include "files.h"
#include "safetensors_header.h"

namespace fa4::cli {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little endian");

constexpr int64_t kLengthBytes = 8;
constexpr int64_t kLongestHeader = 100'000'000;  // the format's own limit

const ElementTypeFacts* usable_type(const std::string& name) {
  for (const ElementTypeFacts& candidate : kElementTypes) {
    if (candidate.safetensors == name) return &candidate;
  }
  return nullptr;
}

// Types of the format that are not usable here; 0 for what the format does not have.
int64_t foreign_bytes(const std::string& type) {
  static constexpr std::pair<std::string_view, int64_t> kForeign[] = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1}, {"F8_E8M0", 1},
      {"I16", 2},  {"U16", 2}, {"U32", 4}, {"U64", 8},     {"C64", 8},
  };
  for (const auto& [name, bytes] : kForeign) {
    if (name == type) return bytes;
  }
  return 0;
}

int64_t element_bytes(const HeaderEntry& entry) {
  const ElementTypeFacts* usable = usable_type(entry.type);
  const int64_t bytes = usable ? usable->bytes : foreign_bytes(entry.type);
  if (bytes == 0) {
    bad_input("tensor {} has dtype {}, which safetensors does not have", printable(entry.name),
              printable(entry.type));
  }
  return bytes;
}

void check_size(const HeaderEntry& entry, int64_t data_bytes) {
  const int64_t bytes = element_bytes(entry);
  constexpr size_t kHighestRank = 8;
  if (entry.shape.size() > kHighestRank) {
    bad_input("tensor {} has {} dimensions; at most {} are read", printable(entry.name),
              entry.shape.size(), kHighestRank);
  }
  const int64_t count = count_elements(entry.shape);
  if (count < 0) {
    bad_input("tensor {} has shape {}, which is larger than any memory", printable(entry.name),
              shape_text(entry.shape));
  }
  if (entry.begin > entry.end || entry.end > data_bytes) {
    bad_input("tensor {} has data_offsets [{}, {}], but the file holds {} bytes of data",
              printable(entry.name), entry.begin, entry.end, data_bytes);
  }
  if (entry.end - entry.begin != count * bytes) {
    bad_input("tensor {} has {} bytes of data, but {} {} needs {}", printable(entry.name),
              entry.end - entry.begin, entry.type, shape_text(entry.shape), count * bytes);
  }
}

void check_coverage(const std::vector<HeaderEntry>& entries, int64_t data_bytes) {
  int64_t reached = 0;
  for (const HeaderEntry& entry : entries) {
    if (entry.begin != reached) {
      bad_input(
          "tensor {} begins at byte {} of the data, but the tensor before it ends at {}: the "
          "header has {}",
          printable(entry.name), entry.begin, reached,
          entry.begin < reached ? "overlapping tensors" : "a hole");
    }
    reached = entry.end;
  }
  if (reached != data_bytes) {
    bad_input("the file holds {} bytes of data, but its tensors end at {}", data_bytes, reached);
  }
}

int64_t checked_header_length(std::span<const std::byte> length_bytes, int64_t file_bytes) {
  const auto length = load_as<uint64_t>(length_bytes.data());
  if (length > static_cast<uint64_t>(kLongestHeader)) {
    bad_input("the header claims to be {} bytes long; at most {} are read", length, kLongestHeader);
  }
  if (static_cast<int64_t>(length) > file_bytes - kLengthBytes) {
    bad_input("the header claims to be {} bytes long, but the file ends after {} bytes of it",
              length, file_bytes - kLengthBytes);
  }
  return static_cast<int64_t>(length);
}

void check_file_length(int64_t file_bytes) {
  if (file_bytes < kLengthBytes) {
    bad_input("a safetensors file begins with 8 bytes of header length, but this one has {} bytes",
              file_bytes);
  }
}

using ReadBytes = std::function<void(int64_t offset, std::span<std::byte> to)>;

Archive read_entries(std::vector<HeaderEntry> entries, const ReadBytes& read_bytes) {
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  Archive archive;
  for (HeaderEntry& entry : entries) {
    const ElementTypeFacts* usable = usable_type(entry.type);
    if (!usable) {
      archive.foreign.push_back({std::move(entry.name), std::move(entry.type)});
      continue;
    }
    Tensor tensor(usable->type, std::move(entry.shape));
    if (tensor.num_bytes() > 0) read_bytes(entry.begin, tensor.storage());
    archive.tensors.push_back({std::move(entry.name), std::move(tensor)});
  }
  return archive;
}

std::string header_entry_json(const TensorToWrite& item, int64_t begin) {
  return fmt::format(R"("{}":{{"dtype":"{}","shape":{},"data_offsets":[{},{}]}})", item.name,
                     facts(item.tensor->type()).safetensors, shape_text(item.tensor->shape()),
                     begin, begin + item.tensor->num_bytes());
}

}  // namespace

Tensor* Archive::find(const std::string& name) {
  for (NamedTensor& item : tensors) {
    if (item.name == name) return &item.tensor;
  }
  return nullptr;
}

std::vector<HeaderEntry> parse_header(std::span<const std::byte> json, int64_t data_bytes) {
  std::vector<HeaderEntry> entries = parse_header_json(json);
  for (const HeaderEntry& entry : entries) check_size(entry, data_bytes);
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  check_coverage(entries, data_bytes);
  return entries;
}

Archive read_safetensors(std::span<const std::byte> file) {
  const auto file_bytes = static_cast<int64_t>(file.size());
  check_file_length(file_bytes);
  const int64_t header = checked_header_length(file.first(kLengthBytes), file_bytes);
  const auto data = file.subspan(static_cast<size_t>(kLengthBytes + header));
  return read_entries(parse_header(file.subspan(kLengthBytes, static_cast<size_t>(header)),
                                   static_cast<int64_t>(data.size())),
                      [&](int64_t offset, std::span<std::byte> to) {
                        std::memcpy(to.data(), data.data() + offset, to.size());
                      });
}

Archive read_safetensors_file(const std::string& path) {
  try {
    const InputFile file(path);
    check_file_length(file.size());
    std::vector<std::byte> length_bytes(kLengthBytes);
    file.read(0, length_bytes);
    const int64_t header = checked_header_length(length_bytes, file.size());
    std::vector<std::byte> json(static_cast<size_t>(header));
    file.read(kLengthBytes, json);
    const int64_t data_begin = kLengthBytes + header;
    return read_entries(
        parse_header(json, file.size() - data_begin),
        [&](int64_t offset, std::span<std::byte> to) { file.read(data_begin + offset, to); });
  } catch (const Failure& failure) {
    throw Failure(failure.exit(), fmt::format("{}: {}", path, failure.what()));
  }
}

void write_safetensors(OutputFile& file, std::vector<TensorToWrite> tensors) {
  // Widest type first, so that every tensor is aligned to its type.
  std::stable_sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
    return size_of(a.tensor->type()) > size_of(b.tensor->type());
  });
  std::string header = "{";
  int64_t begin = 0;
  for (const TensorToWrite& item : tensors) {
    if (header.size() > 1) header += ",";
    header += header_entry_json(item, begin);
    begin += item.tensor->num_bytes();
  }
  header += "}";
  constexpr size_t kAlignment = 64;
  while ((header.size() + kLengthBytes) % kAlignment != 0) header += ' ';
  const uint64_t length = header.size();
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(header);
  for (const TensorToWrite& item : tensors) {
    const Tensor compact = compact_copy(*item.tensor);
    file.write(compact.storage());
  }
}

}  // namespace fa4::cli
