// What the machine can do at this moment: core-to-core round trip, clock, bandwidth, peak rates of the dot instructions.
//
// Speed of a shared or virtual machine drifts by tens of percent within minutes, so every sample of a benchmark comes with
// this. Only the standard library: bench/probe.cpp is compiled alone from this file and bench/peaks.h.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace mainspring::bench {

inline double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Core n of those this process may use; without pinning the two threads of a round trip can share one core.
inline void pin_to_cpu([[maybe_unused]] int n) {
#if defined(__linux__)
  cpu_set_t allowed, one;
  CPU_ZERO(&one);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &allowed) && n-- == 0) {
      CPU_SET(cpu, &one);
      pthread_setaffinity_np(pthread_self(), sizeof one, &one);
      return;
    }
#endif
}

// Seconds from the first start to the last end of fn(thread) on `threads` pinned threads that begin together.
inline double run_together(int threads, const std::function<void(int)>& fn) {
  std::vector<double> begin(static_cast<size_t>(threads)), end(begin.size());
  std::vector<std::thread> team;
  std::atomic<int> ready{0};
  for (int t = 0; t < threads; ++t)
    team.emplace_back([&, t] {
      pin_to_cpu(t);
      ready.fetch_add(1);
      while (ready.load() < threads) std::this_thread::yield();
      begin[static_cast<size_t>(t)] = now();
      fn(t);
      end[static_cast<size_t>(t)] = now();
    });
  for (std::thread& t : team) t.join();
  return *std::max_element(end.begin(), end.end()) - *std::min_element(begin.begin(), begin.end());
}

// Nanoseconds of one message from core to core and back through a cache line: what a barrier costs.
inline double round_trip_ns() {
  if (std::thread::hardware_concurrency() < 2) return 0;
  constexpr int64_t kTrips = 5000;
  struct alignas(128) Line {  // two cache lines: adjacent lines are fetched in pairs
    std::atomic<int64_t> value{0};
  };
  Line there, back;
  const double taken = run_together(2, [&](int thread) {
    for (int64_t i = 1; i <= kTrips; ++i) {
      if (thread == 0) there.value.store(i, std::memory_order_release);
      Line& wait_for = thread == 0 ? back : there;
      while (wait_for.value.load(std::memory_order_acquire) != i) {
      }
      if (thread == 1) back.value.store(i, std::memory_order_release);
    }
  });
  return taken / kTrips * 1e9;
}

// GHz, from dependent additions of one cycle each. Register operands: some processors fold immediates away.
inline double clock_ghz() {
  constexpr int64_t kSteps = 100'000;
  uint64_t x = 1;
  const uint64_t y = 3;
  const double start = now();
  for (int64_t i = 0; i < kSteps; ++i) {
#define MS_ADD4 MS_ADD MS_ADD MS_ADD MS_ADD
#if defined(__x86_64__)
#define MS_ADD "add %1, %0\n\t"
    asm volatile(MS_ADD4 MS_ADD4 MS_ADD4 MS_ADD4 : "+r"(x) : "r"(y));
#elif defined(__aarch64__)
#define MS_ADD "add %0, %0, %1\n\t"
    asm volatile(MS_ADD4 MS_ADD4 MS_ADD4 MS_ADD4 : "+r"(x) : "r"(y));
#else
    for (int k = 0; k < 16; ++k) {
      x += y;
      asm volatile("" : "+r"(x));
    }
#endif
  }
  return kSteps * 16 / (now() - start) / 1e9;
}

// Reads of memory that no cache holds. The buffer is walked a window at a time, so that a window was last seen a whole
// buffer ago; 1 GiB and more is needed beside the large shared caches of servers.
class BandwidthProbe {
 public:
  explicit BandwidthProbe(size_t bytes) : bytes_(bytes / kWindow * kWindow) {
    bytes_ = std::max(bytes_, kWindow);
    data_.reset(static_cast<std::byte*>(std::aligned_alloc(size_t{2} << 20, bytes_)));
    if (!data_) std::abort();
#if defined(__linux__)
    madvise(data_.get(), bytes_, MADV_HUGEPAGE);
#endif
    std::memset(data_.get(), 1, bytes_);
  }

  // GB/s of `threads` threads.
  double read(int threads) {
    const size_t window = kWindow * static_cast<size_t>(std::min(threads, 2)) / 2;
    if (at_ + window > bytes_) at_ = 0;
    const std::byte* p = data_.get() + at_;
    at_ += window;
    const size_t part = window / static_cast<size_t>(threads) / (4 * kLines * 64) * (4 * kLines * 64);
    std::atomic<uint64_t> sink{0};
    const double taken = run_together(threads, [&](int t) { sink += read_part(p + static_cast<size_t>(t) * part, part); });
    return static_cast<double>(part) * threads / taken / 1e9;
  }

 private:
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  static constexpr size_t kWindow = size_t{256} << 20;
  static constexpr size_t kLines = 2;  // read from a stream before the next one's turn

  // Four streams at once: one alone does not keep enough misses in flight.
  static uint64_t read_part(const std::byte* p, size_t n) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return read_avx512(p, n);
#endif
    const auto* words = reinterpret_cast<const uint64_t*>(p);
    const size_t stream = n / 4 / 8;
    uint64_t lane[4][8] = {};
    for (size_t i = 0; i < stream; i += 8)
      for (size_t s = 0; s < 4; ++s)
        for (size_t k = 0; k < 8; ++k) lane[s][k] |= words[s * stream + i + k];
    uint64_t sum = 0;
    for (const auto& s : lane)
      for (uint64_t x : s) sum |= x;
    return sum;
  }

#if defined(__x86_64__)
  __attribute__((target("avx512f"))) static uint64_t read_avx512(const std::byte* p, size_t n) {
    __m512i a[4] = {};
    const size_t stream = n / 4;
    for (size_t i = 0; i < stream; i += 64 * kLines)
      for (size_t s = 0; s < 4; ++s)
        for (size_t k = 0; k < kLines; ++k) {
          const std::byte* line = p + s * stream + i + 64 * k;
          _mm_prefetch(reinterpret_cast<const char*>(line + 1024), _MM_HINT_T0);
          a[s] = _mm512_or_si512(a[s], _mm512_load_si512(line));
        }
    alignas(64) uint64_t lanes[8];
    _mm512_store_si512(lanes, _mm512_or_si512(_mm512_or_si512(a[0], a[1]), _mm512_or_si512(a[2], a[3])));
    return lanes[0] | lanes[7];
  }
#endif

  size_t bytes_, at_ = 0;
  std::unique_ptr<std::byte, Free> data_;
};

struct MachineState {
  double round_trip_ns = 0, clock_ghz = 0;
  double read_1t = 0, read_2t = 0;  // GB/s
};

inline MachineState probe_state(BandwidthProbe& memory) {
  MachineState s;
  s.round_trip_ns = round_trip_ns();
  s.clock_ghz = clock_ghz();
  s.read_1t = memory.read(1);
  s.read_2t = memory.read(std::thread::hardware_concurrency() > 1 ? 2 : 1);
  return s;
}

}  // namespace mainspring::bench
