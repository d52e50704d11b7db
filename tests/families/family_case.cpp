// Reading goldens and driving a model runner.
#include "families/family_case.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "api/devices.h"
#include "api/load_plan.h"
#include "base/mapped_file.h"

namespace mainspring {

namespace fs = std::filesystem;

static const std::string kRoot = std::string(MAINSPRING_SOURCE_DIR) + "/tests/data/families";

std::vector<std::string> family_case_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kRoot))
    if (fs::exists(entry.path() / "golden.json")) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

template <class T>
static std::vector<T> numbers(const Json& a) {
  std::vector<T> v;
  for (const Json& x : a.as_array()) v.push_back(static_cast<T>(x.as_int()));
  return v;
}

FamilyCase load_family_case(const std::string& name) {
  FamilyCase c;
  c.name = name;
  const std::string folder = kRoot + "/" + name;
  c.path = fs::exists(folder + "/model.gguf") ? folder + "/model.gguf" : folder;
  const Json g = parse_json(read_file(folder + "/golden.json"), folder + "/golden.json");
  c.vocab = g.at("vocab_size").as_int();
  for (const Json& p : g.at("prompts").as_array())
    c.prompts.push_back({numbers<int32_t>(p.at("ids")), numbers<int64_t>(p.at("positions")), p.at("first_row").as_int()});
  if (const Json* greedy = g.find("greedy"); greedy && !greedy->is_null()) {
    c.greedy_prompt = numbers<int32_t>(greedy->at("prompt"));
    c.greedy_tokens = numbers<int32_t>(greedy->at("tokens"));
  }
  const std::string bytes = read_file(folder + "/golden.bin");
  c.logits.resize(bytes.size() / sizeof(float));
  std::memcpy(c.logits.data(), bytes.data(), c.logits.size() * sizeof(float));
  return c;
}

std::vector<std::string> usable_isas() {
  std::vector<std::string> names;
  for (const IsaInfo& i : compiled_isas())
    if (i.usable) names.push_back(i.name);
  return names;
}

RunningModel open_model(const std::string& path, const RunSetup& s) {
  RunningModel m;
  ModelOptions options;
  options.device = s.device;
  options.isa = s.isa;
  options.threads = s.threads;
  m.device = make_device(options);
  const std::unique_ptr<Checkpoint> checkpoint = open_checkpoint(path);
  const Config config = read_config(checkpoint->config(), checkpoint->generation_config());
  Weights::Context context{*checkpoint, *m.device, s.compute, nullptr, {}, s.quantize};
  std::unique_ptr<CausalLM> model = family_of(config).build(config, Weights(context));
  RunnerConfig r;
  r.kv_format = s.kv;
  r.max_context = s.max_context;
  r.max_sequences = 8;
  r.max_step_tokens = 512;
  r.max_logit_rows = 512;
  r.n_blocks = 64;
  m.runner = std::make_unique<ModelRunner>(*m.device, std::move(model), config.vocab_size, r);
  return m;
}

std::vector<std::vector<float>> run_tokens(ModelRunner& runner, const std::vector<int32_t>& ids, int chunk,
                                           int32_t first_block) {
  std::vector<std::vector<float>> out;
  const int32_t total = static_cast<int32_t>(ids.size());
  for (int32_t start = 0; start < total;) {
    const int32_t n = chunk == 0 ? total : std::min(chunk, total - start);
    PlannedSequence s;
    s.id = 1;
    s.tokens.assign(ids.begin() + start, ids.begin() + start + n);
    s.start = start;
    s.prompt_length = total;
    for (int32_t b = 0; b * kBlockTokens < start + n; ++b) s.blocks.push_back(first_block + b);
    s.sample = s.all_logits = true;
    BatchPlan plan;
    plan.sequences.push_back(std::move(s));
    const ModelRunner::Logits logits = runner.step(plan);
    for (int32_t i = 0; i < n; ++i) {
      const auto row = logits.row(logits.row_of[0] + i);
      out.emplace_back(row.begin(), row.end());
    }
    start += n;
  }
  return out;
}

double kl(const float* expected, const float* found, int64_t n) {
  const auto log_sum = [n](const float* l) {
    const double m = *std::max_element(l, l + n);
    double s = 0;
    for (int64_t i = 0; i < n; ++i) s += std::exp(l[i] - m);
    return m + std::log(s);
  };
  const double le = log_sum(expected), lf = log_sum(found);
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += std::exp(expected[i] - le) * ((expected[i] - le) - (found[i] - lf));
  return sum;
}

}  // namespace mainspring
