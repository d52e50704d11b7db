// read_config against what transformers' own classes read (tools/make_config_goldens.py), and its refusals.
#include "weights/config.h"

#include <gtest/gtest.h>

#include "base/mapped_file.h"
#include "unit/weights/builders.h"
#include "unit/weights/expect_error.h"

namespace mainspring {
namespace {

using testing::data_path;

const char* type_name(RopeType t) {
  static constexpr const char* kNames[] = {"default", "linear", "dynamic", "yarn", "llama3", "longrope"};
  return kNames[static_cast<int>(t)];
}

void expect_rope(const RopeConfig& r, const Json& e, const std::string& name) {
  EXPECT_EQ(type_name(r.type), e.at("rope_type").as_string()) << name;
  EXPECT_DOUBLE_EQ(r.theta, e.at("rope_theta").as_double()) << name;
  const auto number = [&](const char* key, double found) {
    if (const Json* v = e.find(key)) EXPECT_DOUBLE_EQ(found, v->as_double()) << name << " " << key;
  };
  number("factor", r.factor);
  number("low_freq_factor", r.low_freq_factor);
  number("high_freq_factor", r.high_freq_factor);
  number("partial_rotary_factor", r.partial_rotary_factor);
  number("beta_fast", r.beta_fast);
  number("beta_slow", r.beta_slow);
  number("original_max_position_embeddings", static_cast<double>(r.original_max_position));
  const std::pair<const char*, const std::vector<double>*> kLists[] = {{"long_factor", &r.long_factor},
                                                                       {"short_factor", &r.short_factor}};
  for (const auto& [key, list] : kLists) {
    const Json* v = e.find(key);
    ASSERT_EQ(list->size(), v ? v->size() : 0) << name << " " << key;
    for (size_t i = 0; i < list->size(); ++i) EXPECT_DOUBLE_EQ((*list)[i], v->as_array()[i].as_double()) << name;
  }
}

TEST(Config, MatchesTransformers) {
  const Json goldens = parse_json(read_file(data_path("safetensors/configs.json")), "goldens");
  ASSERT_GT(goldens.at("cases").size(), 15u);
  for (const Json& test : goldens.at("cases").as_array()) {
    const std::string& name = test.at("name").as_string();
    const Json& e = test.at("expected");
    const Config c = read_config(test.at("config"), Json());
    const std::pair<const char*, int64_t> kSizes[] = {
        {"vocab_size", c.vocab_size},           {"hidden_size", c.hidden_size},
        {"intermediate_size", c.intermediate_size}, {"num_hidden_layers", c.num_layers},
        {"num_attention_heads", c.num_heads},   {"num_key_value_heads", c.num_kv_heads},
        {"head_dim", c.head_dim},               {"max_position_embeddings", c.max_position}};
    for (const auto& [key, found] : kSizes) EXPECT_EQ(found, e.at(key).as_int()) << name << " " << key;
    EXPECT_DOUBLE_EQ(c.rms_norm_eps, e.at("rms_norm_eps").as_double()) << name;
    EXPECT_EQ(c.hidden_act, e.at("hidden_act").as_string()) << name;
    EXPECT_EQ(c.tie_word_embeddings, e.at("tie_word_embeddings").as_bool()) << name;
    expect_rope(c.rope, e.at("rope"), name);
    ASSERT_EQ(c.rope_local.has_value(), !e.at("rope_local").is_null()) << name;
    if (c.rope_local) expect_rope(*c.rope_local, e.at("rope_local"), name);
    if (const Json& types = e.at("layer_types"); types.is_array()) {
      ASSERT_EQ(c.layer_is_sliding.size(), types.size()) << name;
      for (size_t i = 0; i < types.size(); ++i)
        EXPECT_EQ(c.layer_is_sliding[i], types.as_array()[i].as_string() == "sliding_attention") << name << " layer " << i;
    }
    const Json& window = e.at("sliding_window");
    if (window.is_null()) EXPECT_FALSE(c.sliding_window.has_value()) << name;
    else if (window.as_int() >= 0) EXPECT_EQ(c.sliding_window.value_or(0), window.as_int()) << name;
  }
}

Json minimal() {
  return parse_json(R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","vocab_size":10,"hidden_size":8,
    "num_hidden_layers":1,"num_attention_heads":2,"eos_token_id":3})", "test");
}
Json with(std::string_view key, std::string_view value) {
  Json j = minimal();
  j.set(key, parse_json(value, "test"));
  return j;
}

TEST(Config, EndTokensOfBothFilesTogether) {
  const Json generation = parse_json(R"({"eos_token_id":[4,3,5],"bos_token_id":1})", "test");
  const Config c = read_config(minimal(), generation);
  EXPECT_EQ(c.eos_ids, (std::vector<int32_t>{3, 4, 5}));
  EXPECT_EQ(c.bos_id, 1);
  EXPECT_TRUE(read_config(with("eos_token_id", "-1"), Json()).eos_ids.empty());
  EXPECT_TRUE(read_config(with("eos_token_id", "null"), Json()).eos_ids.empty());
}

TEST(Config, OlderSpellings) {
  EXPECT_EQ(read_config(parse_json(R"({"model_type":"qwen","n_embd":64,"n_layer":3,"n_head":4,"padded_vocab_size":99,
    "kv_channels":16,"ffn_hidden_size":128,"layer_norm_epsilon":1e-5,"rotary_emb_base":1e6})", "test"), Json()).rope.theta, 1e6);
  const Config c = read_config(parse_json(R"({"model_type":"internlm","rotary":{"base":5000,"type":"dynamic"}})", "test"), Json());
  EXPECT_EQ(c.rope.type, RopeType::kDynamic);
  EXPECT_EQ(c.rope.theta, 5000);
  EXPECT_EQ(c.hidden_size, 4096);
  EXPECT_FALSE(c.tie_word_embeddings);
  // A class that nobody knows has the base class's default.
  EXPECT_TRUE(read_config(with("model_type", "\"something\""), Json()).tie_word_embeddings);
}

TEST(Config, RefusesWhatIsOutOfRange) {
  const std::pair<const char*, const char*> kBad[] = {
      {"vocab_size", "0"}, {"vocab_size", "1e12"}, {"vocab_size", "\"many\""}, {"hidden_size", "-8"}, {"hidden_size", "8.5"},
      {"hidden_size", "[8]"}, {"num_hidden_layers", "100000"}, {"num_attention_heads", "0"}, {"num_key_value_heads", "3"},
      {"num_key_value_heads", "0"}, {"head_dim", "100000"}, {"num_attention_heads", "16"}, {"max_position_embeddings", "0"},
      {"rms_norm_eps", "-1"}, {"rms_norm_eps", "\"x\""}, {"rope_theta", "0"}, {"rope_theta", "true"}, {"rope_scaling", "[1]"},
      {"rope_scaling", R"({"type":"linear","factor":0})"}, {"rope_scaling", R"({"type":"llama3","factor":8})"},
      {"rope_scaling", R"({"type":"longrope","factor":8})"}, {"rope_scaling", R"({"type":"longrope","short_factor":[1],"long_factor":[1]})"},
      {"rope_scaling", R"({"rope_type":5})"}, {"sliding_window", "-1"}, {"layer_types", "[]"}, {"layer_types", "\"x\""},
      {"eos_token_id", "\"</s>\""}, {"eos_token_id", "99999999999"}, {"eos_token_id", "[[1]]"}, {"tie_word_embeddings", "1"},
      {"architectures", "\"LlamaForCausalLM\""}, {"architectures", "[1]"}, {"hidden_act", "7"}, {"text_config", "3"},
      {"partial_rotary_factor", "2"}, {"attention_bias", "\"no\""}};
  for (const auto& [key, value] : kBad) {
    const Json j = with(key, value);
    // Some faults are found one key further on, so that only the shape of the message is common.
    SCOPED_TRACE(key);
    EXPECT_ERROR(read_config(j, Json()), Code::kInvalidInput, "config: ");
  }
  EXPECT_ERROR(read_config(with("vocab_size", "0"), Json()), Code::kInvalidInput,
               "config: key vocab_size: expected an integer in 1..16777216, found 0");
  EXPECT_ERROR(read_config(with("vocab_size", "18446744073709551615"), Json()), Code::kInvalidInput,
               "found 18446744073709551615");
  EXPECT_ERROR(read_config(parse_json(R"({"model_type":"new"})", "t"), Json()), Code::kInvalidInput, "vocab_size is missing");
  EXPECT_ERROR(read_config(Json(), Json()), Code::kInvalidInput, "JSON object");
  EXPECT_ERROR(read_config(with("rope_scaling", R"({"rope_type":"mrope"})"), Json()), Code::kUnsupported, "mrope");
  EXPECT_ERROR(read_config(with("layer_types", R"(["linear_attention"])"), Json()), Code::kUnsupported, "linear_attention");
}

TEST(Config, TypedGetters) {
  const Config c = read_config(with("extra", "12"), Json());
  EXPECT_EQ(c.get_int("extra", 0, 1, 20), 12);
  EXPECT_EQ(c.get_int("absent", 7, 1, 20), 7);
  EXPECT_TRUE(c.has("extra"));
  EXPECT_FALSE(c.has("absent"));
  EXPECT_DOUBLE_EQ(c.get_double("extra", 0, 0, 100), 12.0);
  EXPECT_EQ(c.get_string("model_type", ""), "llama");
  EXPECT_ERROR(c.get_int("extra", 0, 1, 5), Code::kInvalidInput, "key extra: expected an integer in 1..5, found 12");
  EXPECT_ERROR(c.get_bool("extra", false), Code::kInvalidInput, "true or false");
}

}  // namespace
}  // namespace mainspring
