// Fork-join over a generation counter; a worker that finds no work spins about 50 us, then sleeps on a futex.
#include "base/thread_team.h"

#include <pthread.h>
#include <sched.h>

#include <chrono>
#include <thread>

namespace mainspring {

namespace {

inline void pause_cpu() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

constexpr auto kSpin = std::chrono::microseconds(50);
constexpr int kJoinSpins = 500;

void pin_to_allowed_cpu(int index) noexcept {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  int seen = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed) || seen++ != index) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    pthread_setaffinity_np(pthread_self(), sizeof one, &one);
    return;
  }
}

}  // namespace

// Tasks [first, end) that a member has not begun; it takes from the front, others from the back.
class ThreadTeam::Range {
 public:
  void set(int64_t first, int64_t end) noexcept { bounds_.store(pack(first, end), std::memory_order_release); }
  // A task, or -1 when none is left.
  int64_t take(bool front) noexcept {
    uint64_t bounds = bounds_.load(std::memory_order_acquire);
    for (;;) {
      const auto first = static_cast<int64_t>(bounds >> 32), end = static_cast<int64_t>(bounds & 0xFFFFFFFF);
      if (first >= end) return -1;
      const uint64_t rest = front ? pack(first + 1, end) : pack(first, end - 1);
      if (bounds_.compare_exchange_weak(bounds, rest, std::memory_order_acq_rel, std::memory_order_acquire))
        return front ? first : end - 1;
    }
  }

 private:
  static uint64_t pack(int64_t first, int64_t end) noexcept {
    return static_cast<uint64_t>(first) << 32 | static_cast<uint64_t>(end);
  }
  alignas(64) std::atomic<uint64_t> bounds_{0};
};

struct ThreadTeam::Shared {
  explicit Shared(int members) : ranges(static_cast<size_t>(members)) {}
  // Each hot word has its own cache line: the generation is written by the caller, the counter by everybody.
  alignas(64) std::atomic<uint32_t> generation{0};
  alignas(64) std::atomic<int64_t> done{0};  // tasks finished by workers
  alignas(64) std::atomic<bool> stop{false};
  const FunctionRef<void(int64_t, int)>* fn = nullptr;
  std::vector<Range> ranges;  // by member
  std::vector<std::thread> threads;

  // Runs tasks until none is left; returns how many. Whoever has taken a task keeps the caller from returning, so fn is
  // that of the task. That makes a late worker harmless: it finds no task, or one of a newer call.
  int64_t drain(int member) noexcept {
    int64_t taken = 0;
    const size_t n = ranges.size();
    for (size_t i = 0; i < n; ++i) {
      Range& range = ranges[(static_cast<size_t>(member) + i) % n];
      for (int64_t task; (task = range.take(i == 0)) >= 0; ++taken) (*fn)(task, member);
    }
    return taken;
  }
};

ThreadTeam::ThreadTeam(int n_threads, bool pin) : n_threads_(n_threads < 1 ? 1 : n_threads), shared_(new Shared(n_threads_)) {
  if (pin) pin_to_allowed_cpu(0);
  for (int i = 1; i < n_threads_; ++i)
    shared_->threads.emplace_back([this, i, pin] {
      if (pin) pin_to_allowed_cpu(i);
      worker(i);
    });
}

ThreadTeam::~ThreadTeam() {
  shared_->stop.store(true);
  shared_->generation.fetch_add(1);
  shared_->generation.notify_all();
  for (auto& t : shared_->threads) t.join();
}

void ThreadTeam::worker(int member) noexcept {
  Shared& s = *shared_;
  uint32_t seen = 0;
  for (;;) {
    // The clock is read only every 64 turns: reading it costs as much as the rest of the turn.
    auto deadline = std::chrono::steady_clock::time_point{};
    int turn = 0;
    uint32_t now;
    while ((now = s.generation.load(std::memory_order_acquire)) == seen) {
      pause_cpu();
      if (++turn % 64 != 0) continue;
      const auto t = std::chrono::steady_clock::now();
      if (deadline == std::chrono::steady_clock::time_point{}) deadline = t + kSpin;
      else if (t > deadline) s.generation.wait(seen, std::memory_order_acquire);
    }
    seen = now;
    if (s.stop.load(std::memory_order_acquire)) return;
    if (const int64_t taken = s.drain(member); taken > 0) s.done.fetch_add(taken, std::memory_order_release);
  }
}

void ThreadTeam::parallel_for_member(int64_t n_tasks, FunctionRef<void(int64_t, int)> fn) noexcept {
  if (n_tasks <= 0) return;
  Shared& s = *shared_;
  if (n_threads_ == 1 || n_tasks == 1) {
    for (int64_t t = 0; t < n_tasks; ++t) fn(t, 0);
    return;
  }
  s.fn = &fn;
  s.done.store(0, std::memory_order_relaxed);
  for (int i = 0; i < n_threads_; ++i)
    s.ranges[static_cast<size_t>(i)].set(n_tasks * i / n_threads_, n_tasks * (i + 1) / n_threads_);
  s.generation.fetch_add(1, std::memory_order_release);
  s.generation.notify_all();
  const int64_t others = n_tasks - s.drain(0);
  // Only tasks are waited for, not workers: one that has lost its CPU before it took a task delays nothing.
  int turn = 0;
  while (s.done.load(std::memory_order_acquire) != others) {
    pause_cpu();
    // After some 20 us the worker has probably lost its CPU: give it this one, again and again.
    if (++turn > kJoinSpins) std::this_thread::yield();
  }
}

void ThreadTeam::parallel_for(int64_t n_tasks, FunctionRef<void(int64_t)> fn) noexcept {
  parallel_for_member(n_tasks, [&](int64_t task, int) { fn(task); });
}

}  // namespace mainspring
