// Reading rope_parameters (5), rope_scaling + rope_theta (4) and the older keys of remote-code models.
#include "weights/rope_config.h"

#include "base/str.h"
#include "weights/json_range.h"

namespace mainspring {

namespace {

constexpr size_t kMaxFactors = 65536;

RopeType rope_type(std::string_view name, std::string_view model_type) {
  if (name == "default" || name == "none" || name == "origin") return RopeType::kDefault;
  if (name == "linear") return RopeType::kLinear;
  if (name == "dynamic") return RopeType::kDynamic;
  if (name == "yarn") return model_type == "phi3" ? RopeType::kLongrope : RopeType::kYarn;  // early Phi-3 files
  if (name == "llama3") return RopeType::kLlama3;
  if (name == "longrope" || name == "su") return RopeType::kLongrope;
  fail(Code::kUnsupported, "config: rope type \"", printable(name),
       "\" is not supported, supported are default, linear, dynamic, yarn, llama3, longrope");
}

void read_double(const Json& table, std::string_view key, double low, double high, double& out) {
  if (const Json* v = find_value(table, key)) out = to_double(*v, key, low, high);
}
void read_double(const Json& table, std::string_view key, double low, double high, std::optional<double>& out) {
  if (const Json* v = find_value(table, key)) out = to_double(*v, key, low, high);
}

// A list with one positive number per rotated pair.
void read_factors(const Json& table, std::string_view key, int64_t pairs, std::vector<double>& out) {
  const Json* list = find_value(table, key);
  if (!list) return;
  const auto expected = static_cast<size_t>(pairs);
  if (!list->is_array() || list->size() != expected || expected > kMaxFactors)
    bad_value(*list, key, cat("a list of ", pairs, " numbers"));
  for (const Json& v : list->as_array()) out.push_back(to_double(v, key, 1e-9, 1e9));
}

// `table` may be an empty object; keys that it lacks are looked for at the top level, where version 4 had them.
RopeConfig read_table(const Json& table, const Json& top, const Config& config, double default_theta) {
  RopeConfig r;
  r.theta = default_theta;
  for (std::string_view key : {"rotary_emb_base", "rope_theta"}) read_double(top, key, 1e-3, 1e15, r.theta);
  read_double(table, "rope_theta", 1e-3, 1e15, r.theta);
  for (const Json* from : {&top, &table}) {
    read_double(*from, "partial_rotary_factor", 1e-3, 1.0, r.partial_rotary_factor);
    if (const Json* v = find_value(*from, "original_max_position_embeddings"))
      r.original_max_position = to_int(*v, "original_max_position_embeddings", 1, 1 << 28);
  }
  const Json* type = find_value(table, "rope_type");
  if (!type) type = find_value(table, "type");
  if (type) r.type = rope_type(to_string(*type, "rope_type"), config.model_type);
  if (r.type == RopeType::kDefault) {
    r.original_max_position = 0;  // means something for the scaled kinds only
  } else {
    read_double(table, "factor", 1e-6, 1e6, r.factor);
  }
  read_double(table, "low_freq_factor", 1e-6, 1e6, r.low_freq_factor);
  read_double(table, "high_freq_factor", 1e-6, 1e6, r.high_freq_factor);
  read_double(table, "beta_fast", 1e-6, 1e6, r.beta_fast);
  read_double(table, "beta_slow", 1e-6, 1e6, r.beta_slow);
  read_double(table, "attention_factor", 1e-6, 1e6, r.attention_factor);
  read_double(table, "mscale", 0, 1e6, r.mscale);
  read_double(table, "mscale_all_dim", 0, 1e6, r.mscale_all_dim);
  if (const Json* v = find_value(table, "truncate")) r.truncate = to_bool(*v, "truncate");
  const auto pairs = static_cast<int64_t>(static_cast<double>(config.head_dim) * r.partial_rotary_factor) / 2;
  read_factors(table, "short_factor", pairs, r.short_factor);
  read_factors(table, "long_factor", pairs, r.long_factor);
  read_factors(table, "freq_factors", pairs, r.freq_factors);
  return r;
}

void check_table(const RopeConfig& r) {
  if (r.type == RopeType::kLlama3 && (r.original_max_position == 0 || r.high_freq_factor <= r.low_freq_factor))
    fail(Code::kInvalidInput, "config: rope type llama3 needs original_max_position_embeddings and a high_freq_factor above "
         "low_freq_factor, found ", r.original_max_position, ", ", r.high_freq_factor, " and ", r.low_freq_factor);
  if (r.type == RopeType::kLongrope && (r.short_factor.empty() || r.long_factor.empty()))
    fail(Code::kInvalidInput, "config: rope type longrope needs the lists short_factor and long_factor");
}

const Json* find_object(const Json& top, std::string_view key) {
  const Json* v = find_value(top, key);
  if (v && !v->is_object()) bad_value(*v, key, "an object");
  return v;
}

// InternLM 1: {"base": 10000, "type": "dynamic" | "origin", "scaling_factor": 1.0}.
RopeConfig read_internlm(const Json& rotary, const Config& config, double default_theta) {
  RopeConfig r;
  r.theta = default_theta;
  read_double(rotary, "base", 1e-3, 1e15, r.theta);
  read_double(rotary, "scaling_factor", 1e-6, 1e6, r.factor);
  if (const Json* type = find_value(rotary, "type")) r.type = rope_type(to_string(*type, "rotary.type"), config.model_type);
  return r;
}

}  // namespace

void read_rope(Config& config, const ClassDefaults& defaults) {
  const Json& top = config.raw;
  if (const Json* rotary = find_object(top, "rotary")) {
    config.rope = read_internlm(*rotary, config, defaults.rope_theta);
    return;
  }
  static const Json kEmpty = Json::object();
  const Json* table = find_object(top, "rope_parameters");
  if (!table) table = find_object(top, "rope_scaling");
  const Json* full = table ? find_object(*table, "full_attention") : nullptr;
  const Json* sliding = table ? find_object(*table, "sliding_attention") : nullptr;
  const Json& global = full ? *full : table && !sliding ? *table : kEmpty;
  config.rope = read_table(global, top, config, defaults.rope_theta);
  check_table(config.rope);
  if (!sliding && defaults.rope_local_theta <= 0) return;
  // The local table never takes the scaling or the base of the global one.
  Json local = sliding ? *sliding : Json::object();
  if (!find_value(local, "rope_theta")) {
    const Json* base = find_value(top, "rope_local_base_freq");
    if (base) local.set("rope_theta", *base);
  }
  config.rope_local = read_table(local, kEmpty, config, defaults.rope_local_theta > 0 ? defaults.rope_local_theta : 1e4);
  check_table(*config.rope_local);
}

}  // namespace mainspring
