// What the machine can do at this moment: memory bandwidth, core-to-core round trip, integer throughput.
//
// Speed of a shared or virtual machine drifts by tens of percent within minutes. tools/bench_rival.py runs this before every
// sample, so that a row says in which state it was measured. Prints one line of JSON.
//   read_gb_s       sum over threads of a streaming read of a buffer far larger than the caches, GB/s
//   round_trip_ns   one message from core to core and back through a shared cache line: what a barrier costs
//   mops            dependent multiply-adds of one thread, millions a second: the clock, unless the core is shared
// usage: probe [threads] [megabytes]
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#endif

namespace {

using Clock = std::chrono::steady_clock;

double seconds(Clock::time_point from, Clock::time_point to) { return std::chrono::duration<double>(to - from).count(); }

// Core n of those this process may use; without pinning the two threads of a round trip can share one core.
void pin([[maybe_unused]] int n) {
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

struct alignas(128) Line {   // two cache lines: adjacent lines are fetched in pairs
  std::atomic<int64_t> value{0};
};

// Sum of 8 lanes, so that additions do not wait for each other and the loop is bound by memory.
uint64_t read_all(const uint64_t* p, size_t n) {
  uint64_t lane[8] = {};
  for (size_t i = 0; i + 8 <= n; i += 8)
    for (size_t k = 0; k < 8; ++k) lane[k] += p[i + k];
  uint64_t sum = 0;
  for (uint64_t x : lane) sum += x;
  return sum;
}

double read_bandwidth(int threads, size_t bytes) {
  const size_t per_thread = bytes / static_cast<size_t>(threads) / sizeof(uint64_t);
  std::vector<std::vector<uint64_t>> data(static_cast<size_t>(threads));
  std::vector<Clock::time_point> begin(data.size()), end(data.size());
  std::vector<std::thread> team;
  std::atomic<int> ready{0};
  std::atomic<uint64_t> sink{0};
  for (int t = 0; t < threads; ++t)
    team.emplace_back([&, t] {
      pin(t);
      const auto i = static_cast<size_t>(t);
      data[i].assign(per_thread, 1);   // touched by its reader
      ready.fetch_add(1);
      while (ready.load() < threads) std::this_thread::yield();
      begin[i] = Clock::now();
      sink += read_all(data[i].data(), per_thread);
      sink += read_all(data[i].data(), per_thread);
      end[i] = Clock::now();
    });
  for (std::thread& t : team) t.join();
  const double taken = seconds(*std::min_element(begin.begin(), begin.end()), *std::max_element(end.begin(), end.end()));
  return 2.0 * static_cast<double>(per_thread * data.size() * sizeof(uint64_t)) / taken / 1e9;
}

double round_trip() {
  constexpr int64_t kTrips = 20000;
  Line there, back;
  std::atomic<int> ready{0};
  std::thread other([&] {
    pin(1);
    ready = 1;
    for (int64_t i = 1; i <= kTrips; ++i) {
      while (there.value.load(std::memory_order_acquire) != i) {
      }
      back.value.store(i, std::memory_order_release);
    }
  });
  double taken = 0;
  std::thread here([&] {   // its own thread, so that the main thread stays unpinned
    pin(0);
    while (!ready) std::this_thread::yield();
    const Clock::time_point start = Clock::now();
    for (int64_t i = 1; i <= kTrips; ++i) {
      there.value.store(i, std::memory_order_release);
      while (back.value.load(std::memory_order_acquire) != i) {
      }
    }
    taken = seconds(start, Clock::now());
  });
  here.join();
  other.join();
  return taken / kTrips * 1e9;
}

double multiply_adds() {
  constexpr int64_t kSteps = 10'000'000;
  uint64_t x = 1;
  const Clock::time_point start = Clock::now();
  for (int64_t i = 0; i < kSteps; ++i) {
    x = x * 6364136223846793005ULL + 1442695040888963407ULL;
    asm volatile("" : "+r"(x));   // else steps are merged, or all removed
  }
  const double taken = seconds(start, Clock::now());
  return kSteps / taken / 1e6;
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 2;
  const long megabytes = argc > 2 ? std::atol(argv[2]) : 512;
  if (threads < 1 || threads > 1024 || megabytes < 1 || megabytes > 65536) {
    std::fprintf(stderr, "usage: probe [threads 1..1024] [megabytes 1..65536]\n");
    return 1;
  }
  const double read = read_bandwidth(threads, static_cast<size_t>(megabytes) << 20);
  const double trip = std::thread::hardware_concurrency() > 1 ? round_trip() : 0.0;
  std::printf("{\"read_gb_s\": %.2f, \"round_trip_ns\": %.0f, \"mops\": %.0f}\n", read, trip, multiply_adds());
  return 0;
}
