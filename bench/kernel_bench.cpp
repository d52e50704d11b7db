// Kernels of ours and of llama.cpp, interleaved in one process, each sample with the state of the machine.
//
//   kernel_bench [--rival-lib FOLDER] [--out FILE.csv] [--threads 2] [--isa NAME] [--rounds 5] [--rotate-mb 1024]
//                [--linear q4_0,bf16|all|none] [--shapes 2048x8192,..] [--rows 1,8,512]
//                [--attention bf16,int8|all|none] [--contexts 2048,8192] [--commit ID] [--together 1] [--wait]
//
// Shapes are inputs x outputs. Weights and KV caches rotate through copies, so that they come from memory as in a whole
// model. Each round measures both sides in alternating order, the machine before and after each; a round in which others
// took more than 8 % of the machine is measured again. Rows are appended to the CSV file: medians over the rounds, ratio
// = rival's time / our time, rates, and shares of the bandwidth wall (the probe's) and of the peak of the instructions
// that a kernel with such activations could use. Without --rival-lib (the libggml*.so made by tools/build_rival.sh) the
// rival's columns stay empty. --wait: prepare as many cases as --together says, print "ready", measure when a line arrives.
#include <sys/resource.h>

#include <cmath>
#include <cstdio>
#include <ctime>
#include <functional>
#include <iostream>
#include <map>

#include "base/errors.h"
#include "base/str.h"
#include "kernel_cases.h"
#include "machine_state.h"
#include "peaks.h"

namespace mainspring::bench {
namespace {

constexpr double kSampleSeconds = 0.06;
constexpr double kMaxForeign = 0.08;
constexpr int kMaxTries = 20;
constexpr int kReferenceOutputs = 256;
constexpr int kLongestOutputs = 64;   // products in one graph of the rival

struct Options {
  std::map<std::string, std::string> text = {
      {"rival-lib", ""}, {"out", ""}, {"threads", "2"}, {"isa", ""}, {"rounds", "5"}, {"rotate-mb", "1024"},
      {"linear", "q4_0,q4_1,q5_0,q8_0,q4_k,q6_k,bf16"}, {"shapes", "2048x8192,4096x4096,4096x14336"},
      {"rows", "1,2,4,8,16,32,128,512"}, {"attention", "all"}, {"contexts", "2048,8192"}, {"commit", ""}, {"together", "1"}, {"wait", "no"}};

  int64_t number(const char* name) const { return std::atoll(text.at(name).c_str()); }
  std::vector<std::string> list(const char* name) const {
    std::vector<std::string> v(1);
    for (char c : text.at(name)) {
      if (c == ',') v.emplace_back();
      else v.back() += c;
    }
    return v;
  }
  bool wants(const char* name, const std::string& what) const {
    for (const std::string& x : list(name))
      if (x == what || x == "all") return true;
    return false;
  }
};

Options parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string name = std::string(argv[i]).substr(std::min<size_t>(2, std::strlen(argv[i])));
    const auto at = o.text.find(name);
    if (std::strncmp(argv[i], "--", 2) != 0 || at == o.text.end()) fail(Code::kInvalidInput, "unknown option ", argv[i]);
    if (name == "wait") at->second = "yes";
    else if (++i < argc) at->second = argv[i];
    else fail(Code::kInvalidInput, "--", name, " needs a value");
  }
  if (o.number("threads") < 1 || o.number("rounds") < 1 || o.number("rotate-mb") < 1 || o.number("together") < 1)
    fail(Code::kInvalidInput, "threads, rounds, rotate-mb and together must be 1 or more");
  return o;
}

double median(std::vector<double> v) {
  if (v.empty()) return 0;
  std::sort(v.begin(), v.end());
  return v.size() % 2 ? v[v.size() / 2] : (v[v.size() / 2 - 1] + v[v.size() / 2]) / 2;
}

// The share of the machine that other processes took since this object was made (Linux; else 0).
class ForeignLoad {
 public:
  ForeignLoad() : wall_(now()), busy_(busy()), own_(own()) {}
  double share() const {
    const double wall = now() - wall_, others = busy() - busy_ - (own() - own_);
    return std::max(0.0, others / (wall * std::max(1u, std::thread::hardware_concurrency())));
  }

 private:
  static double own() {
    rusage u{};
    getrusage(RUSAGE_SELF, &u);
    return static_cast<double>(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           1e-6 * static_cast<double>(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
  }
  static double busy() {
    double t[8] = {};
    if (FILE* f = std::fopen("/proc/stat", "r")) {
      if (std::fscanf(f, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", t, t + 1, t + 2, t + 3, t + 4, t + 5, t + 6, t + 7) != 8)
        t[0] = 0;
      std::fclose(f);
    }
    return (t[0] + t[1] + t[2] + t[5] + t[6] + t[7]) / 100;   // USER_HZ
  }
  double wall_, busy_, own_;
};

// Seconds of one operation, from a sample of them.
double sample(const std::function<int()>& run) {
  const double start = now();
  int operations = 0;
  do operations += run();
  while (now() - start < kSampleSeconds);
  return (now() - start) / operations;
}

// Nothing without a rival.
std::function<int()> runner(GgmlGraphs* rival) {
  if (!rival) return {};
  return [rival] { return rival->run(); };
}

struct Measured {
  std::vector<double> ours, rival, round_trip, clock, read_1t, read_2t, foreign;

  void add(const MachineState& s) {
    round_trip.push_back(s.round_trip_ns), clock.push_back(s.clock_ghz);
    read_1t.push_back(s.read_1t), read_2t.push_back(s.read_2t);
  }
};

class Bench {
 public:
  explicit Bench(const Options& o)
      : options_(o), device_({.n_threads = static_cast<int>(o.number("threads")), .isa = o.text.at("isa")}),
        memory_(size_t{1} << 30), rotate_(static_cast<size_t>(o.number("rotate-mb")) << 20) {
    std::string why = "no --rival-lib given (tools/build_rival.sh makes it)";
    if (!o.text.at("rival-lib").empty()) rival_ = Ggml::load(o.text.at("rival-lib"), static_cast<int>(o.number("threads")), why);
    std::printf("ours: %s\n", device_.name().c_str());
    if (rival_) std::printf("rival: %s\n", rival_->version().c_str());
    else std::printf("rival: skipped: %s\n", why.c_str());
    char text[32];
    const std::time_t t = std::time(nullptr);
    std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", std::gmtime(&t));
    date_ = text;
  }

  // Memory is filled now; what is returned measures and writes rows.
  std::function<void()> linear(const LinearFormat& f, int64_t in, int64_t out);
  std::function<void()> attention(KvFormat format, const AttentionShape& s);

  // Waits with --wait, then measures the peaks that belong to the next cases.
  void start() {
    if (options_.text.at("wait") == "yes") await_line();
    peaks_ = measure_peaks();
  }

 private:
  static void await_line() {
    std::printf("ready\n");
    std::fflush(stdout);
    std::string line;
    if (!std::getline(std::cin, line)) std::exit(0);
  }

  Measured rounds(const std::function<int()>& ours, const std::function<int()>& rival);
  struct Row {
    std::string op, format, rival_format, shape, kernel, rival_kernel, peak;
    int64_t rows;
    double bytes, rival_bytes, operations, peak_rate, error, rival_error;
  };
  void write(const Row& r, const Measured& m);
  double peak_rate(const Peak& p) const { return options_.number("threads") > 1 ? p.two_threads : p.one_thread; }
  // The fastest instruction that multiplies activations of 8 or 16 bits.
  Peak best_peak(bool int8) const {
    Peak best{"none"};
    for (const Peak& p : peaks_) {
      const bool usable = int8 ? p.name == "vpdpbusd" || p.name == "amx_int8" : p.name != "vpdpbusd" && p.name != "amx_int8";
      if (usable && p.two_threads > best.two_threads) best = p;
    }
    return best;
  }

  const Options& options_;
  CpuDevice device_;
  BandwidthProbe memory_;
  size_t rotate_;
  std::unique_ptr<Ggml> rival_;
  std::vector<Peak> peaks_;
  std::string date_;
};

Measured Bench::rounds(const std::function<int()>& ours, const std::function<int()>& rival) {
  ours();
  if (rival) rival();
  Measured m;
  for (int round = 0, tries = 0; round < options_.number("rounds");) {
    const ForeignLoad load;
    Measured one;
    for (int side = 0; side < (rival ? 2 : 1); ++side) {
      const bool mine = !rival || side == round % 2;
      one.add(probe_state(memory_));
      (mine ? one.ours : one.rival).push_back(sample(mine ? ours : rival));
      // A team of the rival's runtime spins on for a while after its work; it must not meet the next sample.
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    one.add(probe_state(memory_));
    one.foreign.push_back(load.share());
    if (one.foreign[0] > kMaxForeign && ++tries < kMaxTries) {
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
      continue;
    }
    tries = 0, ++round;
    const auto append = [](std::vector<double>& to, const std::vector<double>& from) {
      to.insert(to.end(), from.begin(), from.end());
    };
    append(m.ours, one.ours), append(m.rival, one.rival), append(m.foreign, one.foreign);
    append(m.round_trip, one.round_trip), append(m.clock, one.clock);
    append(m.read_1t, one.read_1t), append(m.read_2t, one.read_2t);
  }
  return m;
}

std::function<void()> Bench::linear(const LinearFormat& f, int64_t in, int64_t out) {
  struct Case {
    LinearFormat format;
    std::vector<std::byte> blocks;
    std::unique_ptr<LinearSource> source;
    std::unique_ptr<OursLinear> ours;
    std::unique_ptr<GgmlLinear> rival;
  };
  const auto c = std::make_shared<Case>();
  c->format = f;
  c->blocks = random_blocks(*f.rival, out, in);
  c->source = make_source(f, c->blocks, out, in);
  c->ours = std::make_unique<OursLinear>(device_, *c->source, rotate_);
  const size_t bytes = c->blocks.size();
  const int copies = static_cast<int>(std::min<size_t>(rotate_ / bytes + 1, 4096));
  if (rival_)
    c->rival = std::make_unique<GgmlLinear>(*rival_, f.rival->gguf_type, out, in, c->blocks.data(), bytes, copies);
  const auto measure = [this, c, in, out, bytes](int64_t rows) {
    const auto x = normal_values(static_cast<size_t>(rows * in), 5);
    c->ours->set_input(x, rows);
    if (c->rival) c->rival->set_input(x, rows, static_cast<int>(std::clamp<int64_t>(kLongestOutputs / rows, 1, 8)));
    const Measured m = rounds([&] { return c->ours->run(); }, runner(c->rival.get()));
    const int64_t outputs = std::min<int64_t>(out, kReferenceOutputs);
    const auto expected = linear_reference(*c->source, x, outputs);
    double rival_error = 0;
    if (c->rival) {
      // On other bytes than ours the rival is compared with its own matrix.
      const LinearFormat same{"", c->format.rival, c->format.rival->format, c->format.rival, false};
      const auto its = c->format.encoding ? expected : linear_reference(*make_source(same, c->blocks, out, in), x, outputs);
      rival_error = relative_error(c->rival->first_output(static_cast<size_t>(rows * out)), its);
    }
    const Peak peak = best_peak(c->format.int8_activations);
    write({"linear", c->format.name, std::string(c->format.rival->name), cat(in, "x", out), c->ours->kernel(),
           c->rival ? c->rival->buffer() : "", peak.name, rows, static_cast<double>(c->ours->bytes()),
           static_cast<double>(bytes), 2.0 * static_cast<double>(in * out * rows), peak_rate(peak),
           relative_error(c->ours->output(), expected), rival_error}, m);
  };
  return [this, measure] {
    for (const std::string& rows : options_.list("rows")) measure(std::max<int64_t>(1, std::atoll(rows.c_str())));
  };
}

std::function<void()> Bench::attention(KvFormat format, const AttentionShape& s) {
  struct Side {
    const char* name;
    int type;
    bool flash;
    double bytes;   // of 32 numbers
    std::shared_ptr<GgmlAttention> rival;
  };
  const auto q = normal_values(static_cast<size_t>(s.heads * s.head_dim), 1);
  const auto k = normal_values(static_cast<size_t>(s.tokens * s.kv_heads * s.head_dim), 2);
  const auto v = normal_values(k.size(), 3);
  const float scale = 1.0f / std::sqrt(static_cast<float>(s.head_dim));
  const auto ours = std::make_shared<OursAttention>(device_, format, s, q, k, v, scale, rotate_);
  std::vector<Side> sides = {{"f16", 1, true, 64, {}}, {"f16 without flash", 1, false, 64, {}}};
  if (format == KvFormat::kInt8) sides.insert(sides.begin(), {"q8_0", 8, true, 34, {}});
  if (format == KvFormat::kInt4) sides.insert(sides.begin(), {"q4_0", 2, true, 18, {}});
  if (!rival_) sides.resize(1);
  for (Side& side : sides) {
    side.bytes *= static_cast<double>(k.size()) * 2 / 32;
    const int copies = static_cast<int>(static_cast<double>(rotate_) / side.bytes) + 1;
    if (rival_)
      side.rival = std::make_shared<GgmlAttention>(*rival_, side.type, side.flash, s, q, k, v, scale, copies, 8);
  }
  const auto expected = attention_reference(s, q, k, v, scale);
  return [this, format, s, ours, sides, expected] {
    for (const Side& side : sides) {
      const Measured m = rounds([&] { return ours->run(); }, runner(side.rival.get()));
      const Peak peak = best_peak(false);
      write({"decode_attention", kv_format_name(format), side.name,
             cat(s.heads, "/", s.kv_heads, " heads d ", s.head_dim, " context ", s.tokens), "", side.rival ? "CPU" : "",
             peak.name, 1, static_cast<double>(ours->bytes()), side.bytes,
             4.0 * static_cast<double>(s.heads * s.head_dim * s.tokens), peak_rate(peak),
             relative_error(ours->output(), expected),
             side.rival ? relative_error(side.rival->first_output(expected.size()), expected) : 0}, m);
    }
  };
}

void Bench::write(const Row& r, const Measured& m) {
  const double ours = median(m.ours), rival = median(m.rival), wall = options_.number("threads") > 1 ? median(m.read_2t) : median(m.read_1t);
  const auto lowest = [](const std::vector<double>& v) { return v.empty() ? 0.0 : *std::min_element(v.begin(), v.end()); };
  const auto highest = [](const std::vector<double>& v) { return v.empty() ? 0.0 : *std::max_element(v.begin(), v.end()); };
  std::vector<std::pair<const char*, std::string>> cells;
  const auto text = [&](const char* name, const std::string& value) { cells.emplace_back(name, "\"" + value + "\""); };
  const auto number = [&](const char* name, double value, int digits, bool known = true) {
    char buffer[64] = "";
    if (known) std::snprintf(buffer, sizeof buffer, "%.*f", digits, value);
    cells.emplace_back(name, buffer);
  };
  text("date", date_), text("commit", options_.text.at("commit")), text("ours", device_.name());
  text("rival", rival_ ? rival_->version() : ""), text("metric", r.op), text("format", r.format), text("shape", r.shape);
  number("rows", static_cast<double>(r.rows), 0), number("threads", static_cast<double>(options_.number("threads")), 0);
  number("rounds", static_cast<double>(m.ours.size()), 0), text("kernel", r.kernel);
  text("rival_format", rival_ ? r.rival_format : ""), text("rival_kernel", r.rival_kernel);
  number("ours_us", ours * 1e6, 1), number("ours_min", lowest(m.ours) * 1e6, 1), number("ours_max", highest(m.ours) * 1e6, 1);
  const bool both = !m.rival.empty();
  number("rival_us", rival * 1e6, 1, both), number("rival_min", lowest(m.rival) * 1e6, 1, both);
  number("rival_max", highest(m.rival) * 1e6, 1, both), number("ratio", rival / ours, 3, both);
  number("ours_gb_s", r.bytes / ours / 1e9, 2), number("rival_gb_s", r.rival_bytes / rival / 1e9, 2, both);
  number("ours_gop_s", r.operations / ours / 1e9, 1), number("rival_gop_s", r.operations / rival / 1e9, 1, both);
  number("share_wall", r.bytes / ours / 1e9 / wall, 3), number("rival_share_wall", r.rival_bytes / rival / 1e9 / wall, 3, both);
  text("peak", r.peak), number("peak_gop_s", r.peak_rate, 0);
  number("share_peak", r.operations / ours / 1e9 / r.peak_rate, 3, r.peak_rate > 0);
  number("ours_error", r.error, 6), number("rival_error", r.rival_error, 6, both);
  number("round_trip_ns", median(m.round_trip), 0), number("clock_ghz", median(m.clock), 2);
  number("read_1t_gb_s", median(m.read_1t), 2), number("read_2t_gb_s", median(m.read_2t), 2);
  number("foreign", median(m.foreign), 4);
  std::printf("%-16s %-8s %-34s rows %4ld %10.1f us  rival %-18s %10.1f us  ratio %6.3f  %6.2f GB/s (%.2f) %8.1f GOP/s (%.2f of %s)  error %.5f / %.5f\n",
              r.op.c_str(), r.format.c_str(), r.shape.c_str(), static_cast<long>(r.rows), ours * 1e6, cat(r.rival_format, " ", r.rival_kernel).c_str(),
              rival * 1e6, both ? rival / ours : 0.0, r.bytes / ours / 1e9, r.bytes / ours / 1e9 / wall, r.operations / ours / 1e9,
              r.operations / ours / 1e9 / r.peak_rate, r.peak.c_str(), r.error, r.rival_error);
  std::fflush(stdout);
  if (options_.text.at("out").empty()) return;
  FILE* f = std::fopen(options_.text.at("out").c_str(), "a");
  if (!f) fail(Code::kIo, options_.text.at("out"), ": cannot be written");
  std::string line;
  if (std::fseek(f, 0, SEEK_END) == 0 && std::ftell(f) == 0) {
    for (const auto& [name, value] : cells) line += cat(line.empty() ? "" : ",", name);
    line += "\n";
  }
  for (size_t i = 0; i < cells.size(); ++i) line += cat(i ? "," : "", cells[i].second);
  std::fprintf(f, "%s\n", line.c_str());
  std::fclose(f);
}

using Prepare = std::function<std::function<void()>()>;

std::vector<std::pair<std::string, Prepare>> cases(const Options& o, Bench& bench) {
  std::vector<std::pair<std::string, Prepare>> all;
  for (const LinearFormat& f : linear_formats())
    for (const std::string& shape : o.list("shapes")) {
      long in = 0, out = 0;
      if (std::sscanf(shape.c_str(), "%ldx%ld", &in, &out) != 2 || in < 1 || out < 1 || in % 256)
        fail(Code::kInvalidInput, "shape ", shape, ": expected INPUTSxOUTPUTS, inputs a multiple of 256");
      if (o.wants("linear", f.name)) all.emplace_back(cat(f.name, " ", shape), [&bench, f, in, out] { return bench.linear(f, in, out); });
    }
  for (KvFormat format : {KvFormat::kF16, KvFormat::kBf16, KvFormat::kInt8, KvFormat::kInt4})
    for (const std::string& context : o.list("contexts")) {
      const int64_t tokens = std::atoll(context.c_str());
      if (tokens < 1) fail(Code::kInvalidInput, "context ", context, ": expected a number of tokens");
      if (o.wants("attention", kv_format_name(format)))
        all.emplace_back(cat("attention ", kv_format_name(format)),
                         [&bench, format, tokens] { return bench.attention(format, {32, 8, 128, tokens}); });
    }
  return all;
}

void run(const Options& o) {
  Bench bench(o);
  const auto all = cases(o, bench);
  const auto together = static_cast<size_t>(o.number("together"));
  for (size_t at = 0; at < all.size(); at += together) {
    std::vector<std::function<void()>> prepared;
    for (size_t i = at; i < std::min(at + together, all.size()); ++i) try {
        prepared.push_back(all[i].second());
      } catch (const Error& e) {   // a format this build has no kernel for
        if (e.code() != Code::kUnsupported) throw;
        std::printf("%s: skipped: %s\n", all[i].first.c_str(), e.what());
      }
    bench.start();
    for (const auto& measure : prepared) measure();
  }
}

}  // namespace
}  // namespace mainspring::bench

int main(int argc, char** argv) {
  try {
    mainspring::bench::run(mainspring::bench::parse(argc, argv));
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "kernel_bench: %s\n", e.what());
    return 1;
  }
}
