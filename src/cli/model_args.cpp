// Settings to engine types, and engine types to JSON.
#include "cli/model_args.h"

#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "base/mapped_file.h"
#include "base/progress.h"
#include "base/str.h"
#include "base/terminal.h"
#include "cli/output.h"

namespace mainspring::cli {

ModelOptions weight_options(const Settings& s) {
  ModelOptions o;
  o.dtype = s.text("dtype");
  o.quantize = s.text("quantize");
  o.quantize_group = s.integer("quantize-group");
  o.activations = s.text("activations");
  o.threads = static_cast<int>(s.integer("threads"));
  o.isa = s.text("isa");
  return o;
}

ModelOptions model_options(const Settings& s) {
  const auto has = [&](const char* name) { return find_option(s.command(), name) != nullptr; };
  ModelOptions o = weight_options(s);
  o.kv_dtype = s.text("kv-dtype");
  o.context = s.integer("context");
  if (has("concurrency")) o.max_sequences = s.integer("concurrency");
  o.max_step_tokens = s.integer("max-step-tokens");
  o.kv_bytes = static_cast<uint64_t>(s.integer("kv-bytes"));
  o.prefix_cache = has("prefix-cache") && s.flag("prefix-cache");
  o.speculate = has("speculate") ? s.text("speculate") : "off";
  if (has("speculate-tokens")) o.speculate_tokens = s.integer("speculate-tokens");
  o.device = s.text("device");
  return o;
}

std::unique_ptr<Engine> load_engine(App& app, ModelOptions options, bool offer_pull) {
  options.model = resolve_model_path(app, offer_pull);
  std::unique_ptr<Engine> engine;
  {
    Progress progress("loading", ProgressUnit::kBytes);
    engine = Engine::load(options, [&](const LoadEvent& e) { progress.update(e.done_bytes, e.total_bytes); });
  }
  const ModelInfo& info = engine->info();
  if (!info.quantize.empty() && is_terminal(STDERR_FILENO)) {
    print_note("weights: " + info.quantize);
    for (const std::string& line : info.weights) print_note("  " + line);
  }
  return engine;
}

namespace {

template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  text = trim(text);
  const auto r = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || r.ec != std::errc() || r.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

std::pair<int32_t, float> parse_bias(const Setting& setting, const std::string& text) {
  const size_t colon = text.find(':');
  const auto id = number<int32_t>(std::string_view(text).substr(0, colon));
  const auto bias = colon == std::string::npos ? std::nullopt : number<float>(std::string_view(text).substr(colon + 1));
  if (!id || !bias || !(*bias >= -std::numeric_limits<float>::max() && *bias <= std::numeric_limits<float>::max()))
    fail(Code::kInvalidInput, setting.source, ": expected ID:BIAS like 42:-1.5, found '", printable(text), "'");
  return {*id, *bias};
}

int32_t parse_id(const Setting& setting, const std::string& text) {
  const auto id = number<int32_t>(text);
  if (!id || *id < 0) fail(Code::kInvalidInput, setting.source, ": expected a token id, found '", printable(text), "'");
  return *id;
}

// In the middle of a text a word begins with a space, and then it is another token sequence.
void add_bad_word(SamplingParams& params, const std::string& word, const Tokenize& tokenize) {
  for (const std::string& form : {word, " " + word}) {
    std::vector<int32_t> ids = tokenize(form);
    if (!ids.empty() && (params.bad_words.empty() || params.bad_words.back() != ids))
      params.bad_words.push_back(std::move(ids));
  }
}

}  // namespace

SamplingParams sampling_params(const Settings& s, SamplingParams p, const Tokenize& tokenize) {
  const auto given = [&](const char* name) { return find_option(s.command(), name) && s.given(name); };
  const auto real = [&](const char* name, double& field) { if (given(name)) field = s.real(name); };
  const auto integer = [&](const char* name, int64_t& field) { if (given(name)) field = s.integer(name); };
  const auto flag = [&](const char* name, bool& field) { if (given(name)) field = s.flag(name); };
  real("temperature", p.temperature);
  integer("top-k", p.top_k);
  real("top-p", p.top_p);
  real("min-p", p.min_p);
  real("typical-p", p.typical_p);
  real("repetition-penalty", p.repetition_penalty);
  real("presence-penalty", p.presence_penalty);
  real("frequency-penalty", p.frequency_penalty);
  integer("no-repeat-ngram", p.no_repeat_ngram);
  integer("min-tokens", p.min_tokens);
  integer("max-tokens", p.max_tokens);
  if (given("seed")) p.seed = static_cast<uint64_t>(s.integer("seed"));
  if (given("stop")) p.stops = s.list("stop");
  flag("ignore-eos", p.ignore_eos);
  flag("include-stop", p.include_stop);
  flag("skip-special-tokens", p.skip_special_tokens);
  if (given("logprobs")) p.top_logprobs = static_cast<int32_t>(s.integer("logprobs"));
  flag("prompt-logprobs", p.prompt_logprobs);
  if (p.prompt_logprobs && p.top_logprobs < 0) p.top_logprobs = 0;
  if (given("logit-bias"))
    for (const std::string& t : s.list("logit-bias")) p.logit_bias.push_back(parse_bias(s.get("logit-bias"), t));
  if (given("stop-id"))
    for (const std::string& t : s.list("stop-id")) p.stop_ids.push_back(parse_id(s.get("stop-id"), t));
  if (given("bad-words"))
    for (const std::string& t : s.list("bad-words")) add_bad_word(p, t, tokenize);
  return p;
}

namespace {

bool shapes_distribution(const Settings& s) {
  for (const char* name : {"temperature", "top-k", "top-p", "min-p", "typical-p"})
    if (s.given(name)) return true;
  return false;
}

bool is_plain(const SamplingParams& p) {
  return p.temperature == 1 && p.top_k == 0 && p.top_p == 1 && p.min_p == 0 && p.typical_p == 1;
}

}  // namespace

SamplingParams sampling_params(const Settings& settings, const Engine& engine, bool conversation) {
  SamplingParams defaults = engine.info().default_sampling;
  if (conversation && is_plain(defaults) && !shapes_distribution(settings)) {
    defaults.temperature = 0.7;
    defaults.top_p = 0.9;
  }
  return sampling_params(settings, std::move(defaults),
                         [&](std::string_view text) { return engine.tokenize(text, false, false); });
}

void check_sampling(const Settings& settings) {
  const SamplingParams p = sampling_params(settings, SamplingParams{}, [](std::string_view) {
    return std::vector<int32_t>{};
  });
  try {
    validate(p, std::numeric_limits<int32_t>::max());
  } catch (const Error& e) {
    // The message begins with the field's name; people know the flag, variable or line that set it.
    for (const Setting& s : settings.all()) {
      const std::string field = file_key(*s.spec);
      if (!s.source.empty() && e.message().starts_with(field + " "))
        throw Error(e.code(), s.source + e.message().substr(field.size()));
    }
    throw;
  }
}

std::string read_input(const std::string& file) {
  constexpr size_t kMaxBytes = size_t{256} << 20;
  if (file != "-") return read_file(file, kMaxBytes);
  std::string text;
  char buffer[65536];
  for (;;) {
    const ssize_t n = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (n == 0) return text;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(Code::kIo, "cannot read stdin: ", std::strerror(errno));
    text.append(buffer, static_cast<size_t>(n));
    if (text.size() > kMaxBytes) fail(Code::kInvalidInput, "stdin: more than 256 MiB of text");
  }
}

std::string read_prompt(App& app) {
  const Settings& s = app.settings;
  if (s.given("prompt") && s.given("prompt-file"))
    fail(Code::kInvalidInput, s.get("prompt").source, " and --prompt-file exclude each other");
  if (s.given("prompt")) return s.text("prompt");
  const std::string file = s.given("prompt-file") ? s.text("prompt-file") : "-";
  if (file == "-" && is_terminal(STDIN_FILENO)) print_note("reading the text from the keyboard; end it with Ctrl-D");
  return read_input(file);
}

std::vector<int32_t> chat_prompt(const Engine& engine, const Json& messages, const std::string& template_args) {
  const std::string text = engine.apply_chat_template(messages.dump(), true, {}, template_args);
  // The template writes the begin-of-sequence token itself where the model wants one.
  return engine.tokenize(text, false, true);
}

Json usage_json(const Usage& usage) {
  return Json::object({{"prompt_tokens", usage.prompt_tokens},
                       {"cached_tokens", usage.cached_tokens},
                       {"output_tokens", usage.output_tokens},
                       {"ttft_s", usage.ttft_s},
                       {"decode_s", usage.decode_s},
                       {"drafted_tokens", usage.drafted_tokens},
                       {"accepted_tokens", usage.accepted_tokens}});
}

Json logprobs_json(const Engine& engine, const std::vector<TokenLogprobs>& logprobs) {
  const auto item = [&](const TokenLogprob& t) {
    const int32_t id[] = {t.id};
    return Json::object({{"id", int64_t{t.id}}, {"text", engine.detokenize(id)}, {"logprob", double{t.logprob}}});
  };
  Json list = Json::array();
  for (const TokenLogprobs& l : logprobs) {
    Json entry = item(l.chosen);
    entry.set("rank", l.rank);
    Json top = Json::array();
    for (const TokenLogprob& t : l.top) top.push_back(item(t));
    entry.set("top", std::move(top));
    list.push_back(std::move(entry));
  }
  return list;
}

double decode_rate(const Usage& usage) noexcept {
  if (usage.output_tokens < 2 || usage.decode_s <= 0) return 0;
  return static_cast<double>(usage.output_tokens - 1) / usage.decode_s;
}

std::string fixed(double value, int digits) {
  char buffer[64];
  const auto r = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed, digits);
  return r.ec == std::errc() ? std::string(buffer, r.ptr) : cat(value);
}

}  // namespace mainspring::cli
