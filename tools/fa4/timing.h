// SPDX-License-Identifier: Apache-2.0
// Wall-clock times of repeated work.
#pragma once

#include <algorithm>
#include <chrono>
#include <vector>

namespace fa4::cli {

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// Milliseconds of each of several runs, sorted.
struct Times {
  std::vector<double> milliseconds;

  double median() const {
    const size_t middle = milliseconds.size() / 2;
    return milliseconds.size() % 2 == 1 ? milliseconds[middle]
                                        : (milliseconds[middle - 1] + milliseconds[middle]) / 2;
  }
  double min() const { return milliseconds.front(); }
  double max() const { return milliseconds.back(); }
};

// Calls `sample`, which returns milliseconds, at least `least` times and until `seconds` have passed.
template <class Sample>
Times time_samples(const Sample& sample, double seconds, int least, int most) {
  Times times;
  const Stopwatch whole;
  for (int i = 0; i < most && (i < least || whole.seconds() < seconds); ++i) {
    times.milliseconds.push_back(sample());
  }
  std::sort(times.milliseconds.begin(), times.milliseconds.end());
  return times;
}

// Runs `work` at least `least` times and until `seconds` have passed, at most `most` times.
template <class Work>
Times time_runs(const Work& work, double seconds, int least, int most) {
  return time_samples(
      [&] {
        const Stopwatch one;
        work();
        return one.seconds() * 1e3;
      },
      seconds, least, most);
}

}  // namespace fa4::cli
