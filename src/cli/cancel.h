// Ctrl-C and SIGTERM during a generation: the first cancels it, the second ends the program.
#pragma once

#include <atomic>
#include <mutex>

#include "base/signals.h"
#include "mainspring/engine.h"

namespace mainspring::cli {

class CancelOnSignal {
 public:
  explicit CancelOnSignal(SignalWatcher& signals)
      : scope_(signals, [this](int signal) {
          if (signal_.exchange(signal) != 0) SignalWatcher::exit_now(signal);
          std::lock_guard lock(mutex_);
          if (current_) current_->cancel();
        }) {}

  // The generation that a signal cancels; nullptr: none. It must outlive its time here. Cancelled at once when the
  // signal was there before.
  void watch(Generation* generation) {
    std::lock_guard lock(mutex_);
    current_ = generation;
    if (current_ && signal_ != 0) current_->cancel();
  }
  int signal() const noexcept { return signal_; }   // 0: none came

 private:
  std::mutex mutex_;
  Generation* current_ = nullptr;
  std::atomic<int> signal_{0};
  SignalWatcher::Scope scope_;   // last: the handler uses the members above
};

}  // namespace mainspring::cli
