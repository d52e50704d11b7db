// Prints the state of the machine as one line of JSON; tools/bench_rival.py runs this before every sample.
//   read_gb_s, read_1t_gb_s   streaming read of memory that no cache holds, all threads and one
//   round_trip_ns             one message from core to core and back: what a barrier costs
//   clock_ghz                 from dependent additions; unless the core is shared, the clock
//   peaks                     with --peaks: G operations a second of the multiply-add instructions, on 1 and 2 threads
// With --serve it answers one line for every line it reads: the memory that it reads is then made only once.
// usage: probe [threads] [megabytes] [--peaks | --serve]
#include <cstdio>

#include "machine_state.h"
#include "peaks.h"

namespace {

using namespace mainspring::bench;

void print_state(BandwidthProbe& memory, int threads, bool peaks) {
  const double one = memory.read(1), read = memory.read(threads);
  std::printf("{\"read_gb_s\": %.2f, \"read_1t_gb_s\": %.2f, \"round_trip_ns\": %.0f, \"clock_ghz\": %.2f", read, one,
              round_trip_ns(), clock_ghz());
  if (peaks) {
    const char* comma = "";
    std::printf(", \"peaks\": {");
    for (const Peak& p : measure_peaks()) {
      std::printf("%s\"%s\": [%.0f, %.0f]", comma, p.name.c_str(), p.one_thread, p.two_threads);
      comma = ", ";
    }
    std::printf("}");
  }
  std::printf("}\n");
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const auto last_is = [&](const char* flag) { return argc > 1 && std::strcmp(argv[argc - 1], flag) == 0; };
  const bool peaks = last_is("--peaks"), serve = last_is("--serve");
  if (peaks || serve) --argc;
  const int threads = argc > 1 ? std::atoi(argv[1]) : 2;
  const long megabytes = argc > 2 ? std::atol(argv[2]) : 1024;
  if (argc > 3 || threads < 1 || threads > 1024 || megabytes < 1 || megabytes > 65536) {
    std::fprintf(stderr, "usage: probe [threads 1..1024] [megabytes 1..65536] [--peaks | --serve]\n");
    return 1;
  }
  BandwidthProbe memory(static_cast<size_t>(megabytes) << 20);
  if (!serve) print_state(memory, threads, peaks);
  for (int c = 0; serve && (c = std::getchar()) != EOF;)
    if (c == '\n') print_state(memory, threads, false);
  return 0;
}
