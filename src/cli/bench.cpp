// `mainspring bench`: prefill and decode rates, time to first token, load time and memory.
#include <algorithm>
#include <chrono>
#include <optional>
#include <random>

#include "base/memory_info.h"
#include "base/progress.h"
#include "base/str.h"
#include "cli/cancel.h"
#include "cli/line_reader.h"
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

struct Load {
  int64_t prompt_tokens = 0, output_tokens = 0, batch = 1;
};

struct Sample {
  double prefill = 0, decode = 0;   // tokens per second of the whole batch
  double ttft = 0;                  // seconds until the last request has its first token
};

class Bench {
 public:
  Bench(Engine& engine, bool repeated, uint64_t seed, SignalWatcher& signals)
      : engine_(engine), repeated_(repeated), random_(seed), cancel_(signals) {}

  // Prompts are those of a seed from now on: equal ones are found in the prefix cache.
  void seed(uint64_t value) { random_.seed(value); }

  // Nothing when a signal stopped it.
  std::optional<Sample> measure(const Load& load) {
    std::vector<std::vector<int32_t>> prompts;
    for (int64_t i = 0; i < load.batch; ++i) prompts.push_back(random_prompt(load.prompt_tokens));
    const Timeline prefill = run(prompts, 1);
    const Timeline decode = run(prompts, load.output_tokens);
    if (cancel_.signal()) return std::nullopt;
    // Decode: the tokens after the very first one, in the time after it.
    return Sample{.prefill = static_cast<double>(load.batch * load.prompt_tokens) / prefill.all_first,
                  .decode = static_cast<double>(load.batch * load.output_tokens - 1) /
                            std::max(decode.end - decode.first, 1e-9),
                  .ttft = prefill.all_first};
  }

  int signal() const { return cancel_.signal(); }

 private:
  std::vector<int32_t> random_prompt(int64_t tokens) {
    const auto vocab = static_cast<uint64_t>(engine_.info().vocab_size);
    std::vector<int32_t> ids(static_cast<size_t>(tokens));
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
  bool repeated_;
  std::mt19937_64 random_;
  CancelOnSignal cancel_;
};

struct Results {
  Series prefill, decode, ttft;

  void add(const Sample& s) {
    prefill.values.push_back(s.prefill);
    decode.values.push_back(s.decode);
    ttft.values.push_back(s.ttft);
  }
};

int64_t beyond_weights_and_kv(const ModelInfo& info) {
  return static_cast<int64_t>(resident_bytes()) - static_cast<int64_t>(info.weight_bytes + info.kv_bytes);
}

void report(App& app, const Engine& engine, const Results& results, double load_s) {
  const Settings& s = app.settings;
  const ModelInfo& info = engine.info();
  const auto resident = static_cast<int64_t>(resident_bytes());
  const int64_t beyond = beyond_weights_and_kv(info);
  if (s.flag("json")) {
    app.out.write(Json::object({{"model", info.path},
                                {"architecture", info.architecture},
                                {"device", info.device},
                                {"threads", info.threads},
                                {"dtype", info.dtype},
                                {"kv_dtype", info.kv_dtype},
                                {"quantize", info.quantize},
                                {"prompt_tokens", s.integer("prompt-tokens")},
                                {"output_tokens", s.integer("output-tokens")},
                                {"batch", s.integer("batch")},
                                {"repeat", s.integer("repeat")},
                                {"load_s", load_s},
                                {"prefill_tokens_per_s", results.prefill.json()},
                                {"decode_tokens_per_s", results.decode.json()},
                                {"ttft_s", results.ttft.json()},
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
                        info.quantize.empty() ? "" : ", ", info.quantize, ", KV ", info.kv_dtype, "\n", s.integer("prompt-tokens"),
                        " prompt tokens, ", s.integer("output-tokens"), " output tokens, batch ", s.integer("batch"),
                        ", ", s.integer("repeat"), " runs\n\n");
  out += table_text({{"", "median", "min", "max"},
                     results.prefill.row("prefill tokens/s", 1),
                     results.decode.row("decode tokens/s", 1),
                     results.ttft.row("first token s", 4)});
  out += cat("\nload ", fixed(load_s, 2), " s, weights ", human_bytes(info.weight_bytes), ", KV cache ",
             human_bytes(info.kv_bytes), ", resident ", human_bytes(static_cast<uint64_t>(resident)), " (",
             beyond < 0 ? "-" : "+", human_bytes(static_cast<uint64_t>(std::abs(beyond))), " beyond those two)\n");
  app.out.write(out);
}

Load load_of(const Settings& s) {
  return {s.integer("prompt-tokens"), s.integer("output-tokens"), s.integer("batch")};
}

// One measurement for every line of stdin, so that another program can interleave its own with them: a JSON object with
// any of prompt_tokens, output_tokens, batch (at most the options') and seed. Answered by a line each.
int answer_requests(App& app, const Engine& engine, Bench& bench, double load_s) {
  const Load most = load_of(app.settings);
  LineReader reader(app.signals, false, -1, {});
  for (std::string line; reader.read("", line) == ReadResult::kLine;) {
    const Json request = parse_json(line, "request");
    Load load = most;
    const auto take = [&](const char* name, int64_t& value, int64_t least) {
      const Json* given = request.find(name);
      if (!given) return;
      const int64_t n = given->as_int();
      if (n < least || n > value) fail(Code::kInvalidInput, "request: ", name, ": expected ", least, " to ", value, ", found ", n);
      value = n;
    };
    take("prompt_tokens", load.prompt_tokens, 1);
    take("output_tokens", load.output_tokens, 2);
    take("batch", load.batch, 1);
    if (const Json* seed = request.find("seed")) bench.seed(seed->as_uint());
    const auto sample = bench.measure(load);
    if (!sample) return 128 + bench.signal();
    const ModelInfo& info = engine.info();
    app.out.write(Json::object({{"prefill_tokens_per_s", sample->prefill},
                                {"decode_tokens_per_s", sample->decode},
                                {"ttft_s", sample->ttft},
                                {"device", info.device},
                                {"dtype", info.dtype},
                                {"kv_dtype", info.kv_dtype},
                                {"load_s", load_s},
                                {"weight_bytes", info.weight_bytes},
                                {"kv_bytes", info.kv_bytes},
                                {"resident_beyond_weights_and_kv_bytes", beyond_weights_and_kv(info)}})
                      .dump() + "\n");
  }
  return 0;
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
  Bench bench(*engine, s.text("tokens") == "repeated", s.given("seed") ? static_cast<uint64_t>(s.integer("seed")) : 1,
              app.signals);
  if (s.flag("requests")) return answer_requests(app, *engine, bench, load_s);
  const Load load = load_of(s);
  Results results;
  Progress progress("bench", ProgressUnit::kItems);
  const int64_t runs = s.integer("repeat") + 1;   // the first one only warms up
  for (int64_t i = 0; i < runs; ++i) {
    const auto sample = bench.measure(load);
    if (!sample) return 128 + bench.signal();
    if (i > 0) results.add(*sample);
    progress.update(static_cast<uint64_t>(i) + 1, static_cast<uint64_t>(runs));
  }
  progress.clear();
  report(app, *engine, results, load_s);
  return 0;
}

}  // namespace mainspring::cli
