// A progress line on the terminal: share, rate and time left. Silent when stderr is not a terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace mainspring {

enum class ProgressUnit { kBytes, kItems };

// The line itself, cut to `columns`: "label  42%  1.2 GiB / 2.9 GiB  310.5 MiB/s  0:05 left". total 0 and
// rate 0 (per second): unknown.
std::string progress_line(std::string_view label, ProgressUnit unit, uint64_t done, uint64_t total, double rate,
                          int columns);

// May be updated from any thread. Nothing is drawn in the first 0.3 s, so short work leaves no trace.
class Progress {
 public:
  Progress(std::string label, ProgressUnit unit, int fd = 2);
  ~Progress();   // erases the line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(uint64_t done, uint64_t total);
  void set_label(std::string label);   // starts counting anew
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  std::mutex mutex_;
  std::string label_;
  ProgressUnit unit_;
  int fd_;
  bool enabled_, drawn_ = false;
  uint64_t first_done_ = 0;   // done at the first update: work of an earlier run does not count into the rate
  bool started_ = false;
  Clock::time_point start_, last_draw_;
};

}  // namespace mainspring
