// SPDX-License-Identifier: Apache-2.0
// Random programs, as a tree: printed as PTX for the machine, and run lane by lane by a twin.
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace fa4::emu::test {

// An instruction on one lane. Kinds, the destination first: r and f 32 bits, h 16, d 64, p a predicate, i a number
// below 40. Values are their bits.
struct RandomRow {
  const char* syntax;
  const char* kinds;
  uint64_t (*value)(const uint64_t* in);
};
std::span<const RandomRow> random_rows();

// While it lives, the twin is wrong in a row: the last bit, for one of eight values of the first operand.
struct WrongRow {
  explicit WrongRow(size_t row);
  ~WrongRow();
  WrongRow(const WrongRow&) = delete;
  WrongRow& operator=(const WrongRow&) = delete;
};

inline constexpr int kRandomThreads = 64;
inline constexpr int kRegistersOfKind = 6;

// Registers of one thread.
struct LaneState {
  std::array<uint64_t, kRegistersOfKind> r{}, f{}, h{}, d{}, p{};

  std::array<uint64_t, kRegistersOfKind>& of(char kind) {
    return kind == 'r' ? r : kind == 'f' ? f : kind == 'h' ? h : kind == 'd' ? d : p;
  }
};

struct RandomStatement {
  enum class Kind : uint8_t {
    Row,       // an instruction, perhaps guarded
    If,        // lanes part by a predicate
    Loop,      // as often as a register's low bits say: lanes leave one by one
    Repeat,    // all lanes equally often
    Shuffle,   // all lanes
    Vote,      // all lanes
    Exchange,  // through shared memory, with barriers
  };
  Kind kind = Kind::Row;
  size_t row = 0;
  std::array<uint32_t, 4> operands{};  // registers by number, or numbers
  int guard = -1;                      // a predicate
  bool negated = false;
  uint32_t mode = 0;   // of a shuffle, a vote; how often to repeat
  uint32_t label = 0;  // its own
  std::vector<RandomStatement> body, otherwise;
};

class RandomProgram {
 public:
  explicit RandomProgram(uint64_t seed);

  std::string text() const;
  // What each thread holds at the end.
  std::vector<LaneState> run() const;
  // The words that a thread stores, from its state: 32 bits each.
  static std::vector<uint32_t> words_of(LaneState state);
  static size_t words_per_thread();

 private:
  RandomStatement statement(int depth, bool together);
  std::vector<RandomStatement> block(int depth, bool together);
  uint32_t below(uint32_t bound) { return static_cast<uint32_t>(random_() % bound); }

  std::mt19937_64 random_;
  uint32_t num_labels_ = 0;
  std::vector<RandomStatement> statements_;
};

}  // namespace fa4::emu::test
