// `mainspring bench`: prefill and decode rates, time to first token, load time and memory.
#include <algorithm>
#include <chrono>
#include <random>

#include "base/memory_info.h"
#include "base/progress.h"
#include "base/str.h"
#include "cli/cancel.h"
#include "cli/model_args.h"
#include "cli/output.h"
#include "cli/report.h"

namespace mainspring::cli {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct Series {
  std::vector<double> values;

  double median() const {
    std::vector<double> v = values;
    std::sort(v.begin(), v.end());
    const size_t n = v.size();
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
  }
  double min() const { return *std::min_element(values.begin(), values.end()); }
  double max() const { return *std::max_element(values.begin(), values.end()); }

  Json json() const {
    Json all = Json::array();
    for (double v : values) all.push_back(v);
    return Json::object({{"median", median()}, {"min", min()}, {"max", max()}, {"all", std::move(all)}});
  }
  std::vector<std::string> row(const std::string& name, int digits) const {
    return {name, fixed(median(), digits), fixed(min(), digits), fixed(max(), digits)};
  }
};

struct Timeline {
  double first = 0;        // the first token of any request
  double all_first = 0;    // every request has its first token
  double end = 0;
};

class Bench {
 public:
  Bench(Engine& engine, const Settings& s, SignalWatcher& signals)
      : engine_(engine), prompt_tokens_(s.integer("prompt-tokens")), output_tokens_(s.integer("output-tokens")),
        batch_(s.integer("batch")), repeated_(s.text("tokens") == "repeated"),
        random_(s.given("seed") ? static_cast<uint64_t>(s.integer("seed")) : 1), cancel_(signals) {}

  // False when a signal stopped it.
  bool measure(bool keep) {
    std::vector<std::vector<int32_t>> prompts;
    for (int64_t i = 0; i < batch_; ++i) prompts.push_back(random_prompt());
    const Timeline prefill = run(prompts, 1);
    const Timeline decode = run(prompts, output_tokens_);
    if (cancel_.signal()) return false;
    if (!keep) return true;
    ttft_.values.push_back(prefill.all_first);
    prefill_.values.push_back(static_cast<double>(batch_ * prompt_tokens_) / prefill.all_first);
    // The tokens after the very first one, in the time after it.
    decode_.values.push_back(static_cast<double>(batch_ * output_tokens_ - 1) /
                             std::max(decode.end - decode.first, 1e-9));
    return true;
  }

  int signal() const { return cancel_.signal(); }
  const Series& prefill() const { return prefill_; }
  const Series& decode() const { return decode_; }
  const Series& ttft() const { return ttft_; }

 private:
  std::vector<int32_t> random_prompt() {
    const auto vocab = static_cast<uint64_t>(engine_.info().vocab_size);
    std::vector<int32_t> ids(static_cast<size_t>(prompt_tokens_));
    const auto one = static_cast<int32_t>(random_() % vocab);
    for (int32_t& id : ids) id = repeated_ ? one : static_cast<int32_t>(random_() % vocab);
    return ids;
  }

  Timeline run(const std::vector<std::vector<int32_t>>& prompts, int64_t output_tokens) {
    SamplingParams sampling;
    sampling.temperature = 0;
    sampling.ignore_eos = true;
    sampling.max_tokens = output_tokens;
    const Clock::time_point start = Clock::now();
    std::vector<Generation> running;
    std::vector<double> submitted;
    running.reserve(prompts.size());
    for (const auto& prompt : prompts) {
      submitted.push_back(seconds_since(start));
      running.push_back(engine_.generate({.prompt = prompt, .sampling = sampling}));
    }
    Timeline t{.first = 1e300};
    for (size_t i = 0; i < running.size(); ++i) {
      cancel_.watch(&running[i]);
      while (running[i].next()) {
      }
      cancel_.watch(nullptr);
      if (cancel_.signal()) break;
      const Usage usage = running[i].usage();
      if (usage.output_tokens != output_tokens)
        fail(Code::kInternal, "a request gave ", usage.output_tokens, " tokens instead of ", output_tokens);
      const double first = submitted[i] + usage.ttft_s;
      t.first = std::min(t.first, first);
      t.all_first = std::max(t.all_first, first);
      t.end = std::max(t.end, first + usage.decode_s);
    }
    return t;
  }

  Engine& engine_;
  int64_t prompt_tokens_, output_tokens_, batch_;
  bool repeated_;
  std::mt19937_64 random_;
  CancelOnSignal cancel_;
  Series prefill_, decode_, ttft_;
};

void report(App& app, const Engine& engine, const Bench& bench, double load_s) {
  const Settings& s = app.settings;
  const ModelInfo& info = engine.info();
  const auto resident = static_cast<int64_t>(resident_bytes());
  const int64_t beyond = resident - static_cast<int64_t>(info.weight_bytes + info.kv_bytes);
  if (s.flag("json")) {
    app.out.write(Json::object({{"model", info.path},
                                {"architecture", info.architecture},
                                {"device", info.device},
                                {"threads", info.threads},
                                {"dtype", info.dtype},
                                {"kv_dtype", info.kv_dtype},
                                {"prompt_tokens", s.integer("prompt-tokens")},
                                {"output_tokens", s.integer("output-tokens")},
                                {"batch", s.integer("batch")},
                                {"repeat", s.integer("repeat")},
                                {"load_s", load_s},
                                {"prefill_tokens_per_s", bench.prefill().json()},
                                {"decode_tokens_per_s", bench.decode().json()},
                                {"ttft_s", bench.ttft().json()},
                                {"weight_bytes", info.weight_bytes},
                                {"kv_bytes", info.kv_bytes},
                                {"workspace_bytes", info.workspace_bytes},
                                {"resident_bytes", resident},
                                {"peak_resident_bytes", peak_resident_bytes()},
                                {"resident_beyond_weights_and_kv_bytes", beyond}})
                      .dump() + "\n");
    return;
  }
  std::string out = cat(printable(info.path, 200), ": ", info.architecture, ", ", info.device, ", ", info.dtype,
                        ", KV ", info.kv_dtype, "\n", s.integer("prompt-tokens"),
                        " prompt tokens, ", s.integer("output-tokens"), " output tokens, batch ", s.integer("batch"),
                        ", ", s.integer("repeat"), " runs\n\n");
  out += table_text({{"", "median", "min", "max"},
                     bench.prefill().row("prefill tokens/s", 1),
                     bench.decode().row("decode tokens/s", 1),
                     bench.ttft().row("first token s", 4)});
  out += cat("\nload ", fixed(load_s, 2), " s, weights ", human_bytes(info.weight_bytes), ", KV cache ",
             human_bytes(info.kv_bytes), ", resident ", human_bytes(static_cast<uint64_t>(resident)), " (",
             beyond < 0 ? "-" : "+", human_bytes(static_cast<uint64_t>(std::abs(beyond))), " beyond those two)\n");
  app.out.write(out);
}

}  // namespace

int run_bench(App& app) {
  const Settings& s = app.settings;
  ModelOptions options = model_options(s);
  options.max_sequences = s.integer("batch");
  if (options.context == 0) options.context = s.integer("prompt-tokens") + s.integer("output-tokens");
  options.prefix_cache = true;   // decode is timed on prompts that are in the cache
  const Clock::time_point start = Clock::now();
  const auto engine = load_engine(app, options);
  const double load_s = seconds_since(start);
  Bench bench(*engine, s, app.signals);
  Progress progress("bench", ProgressUnit::kItems);
  const int64_t runs = s.integer("repeat") + 1;   // the first one only warms up
  for (int64_t i = 0; i < runs; ++i) {
    if (!bench.measure(i > 0)) return 128 + bench.signal();
    progress.update(static_cast<uint64_t>(i) + 1, static_cast<uint64_t>(runs));
  }
  progress.clear();
  report(app, *engine, bench, load_s);
  return 0;
}

}  // namespace mainspring::cli
