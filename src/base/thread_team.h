// A team of compute threads for short fork-joins: workers spin briefly, then sleep.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/function_ref.h"

namespace mainspring {

// One caller at a time (the engine thread). The caller is member 0 and works too.
class ThreadTeam {
 public:
  // n_threads >= 1; pin: bind thread i to the i-th CPU this process may use.
  explicit ThreadTeam(int n_threads, bool pin = false);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  int size() const noexcept { return static_cast<int>(n_threads_); }

  // Runs fn(task) for every task in [0, n_tasks), in any order and on any thread: fn must give the same result
  // whichever thread runs it. Every member has as many neighbouring tasks of its own, which it runs in order, and then
  // takes from the end of the others': a stalled thread delays only the task it holds, and memory that follows on from
  // task to task is read as one stream. n_tasks < 2^32. fn must not throw.
  void parallel_for(int64_t n_tasks, FunctionRef<void(int64_t task)> fn) noexcept;
  // The same, and tells which member (0..size()-1) runs the task, for scratch memory per member.
  void parallel_for_member(int64_t n_tasks, FunctionRef<void(int64_t task, int member)> fn) noexcept;

 private:
  class Range;
  struct Shared;
  void worker(int member) noexcept;

  int n_threads_;
  std::unique_ptr<Shared> shared_;
};

}  // namespace mainspring
