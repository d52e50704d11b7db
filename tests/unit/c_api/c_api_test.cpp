// Runs the C program on a tiny checkpoint whose greedy tokens transformers gave, and cancels from another thread.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "base/json.h"
#include "base/mapped_file.h"
#include "base/str.h"
#include "c_api_use.h"
#include "mainspring/mainspring.h"

namespace mainspring {
namespace {

namespace fs = std::filesystem;
constexpr const char* kGolden = MAINSPRING_SOURCE_DIR "/tests/data/families/llama_gqa3";

// The golden's weights with a tokenizer of single characters: id 2 is the space, and so on to id 96, the tilde.
class CApi : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::string pattern = (fs::temp_directory_path() / "mainspring-c-api-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder = pattern;
    for (const char* file : {"config.json", "generation_config.json", "model.safetensors"})
      fs::copy_file(fs::path(kGolden) / file, folder / file);
    Json vocab = Json::object({{"<s>", 0}, {"</s>", 1}}), added = Json::array();
    for (int id = 2; id < 128; ++id) vocab.set(id < 97 ? std::string(1, static_cast<char>(30 + id)) : cat("<", id, ">"), id);
    for (const int id : {0, 1})
      added.push_back(Json::object({{"id", id}, {"content", id == 0 ? "<s>" : "</s>"}, {"special", true}, {"normalized", false}}));
    const Json tokenizer = Json::object(
        {{"version", "1.0"},
         {"added_tokens", std::move(added)},
         {"decoder", Json::object({{"type", "Fuse"}})},
         {"model", Json::object({{"type", "BPE"}, {"vocab", std::move(vocab)}, {"merges", Json::array()}})}});
    std::ofstream(folder / "tokenizer.json") << tokenizer.dump();
    std::ofstream(folder / "tokenizer_config.json") << Json::object(
        {{"bos_token", "<s>"},
         {"eos_token", "</s>"},
         {"chat_template", "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
                           "{% if add_generation_prompt %}[assistant]{% endif %}{{ suffix }}"}}).dump();
  }
  static void TearDownTestSuite() { fs::remove_all(folder); }

  static std::vector<int32_t> ids(const char* name) {
    const Json golden = parse_json(read_file(cat(kGolden, "/golden.json"), size_t{1} << 20), "golden");
    std::vector<int32_t> out;
    for (const Json& id : golden.at("greedy").at(name).as_array()) out.push_back(static_cast<int32_t>(id.as_int()));
    return out;
  }
  static inline fs::path folder;
};

TEST_F(CApi, Text) { EXPECT_EQ(use_text(folder.c_str()), 0); }
TEST_F(CApi, Errors) { EXPECT_EQ(use_errors(folder.c_str()), 0); }

TEST_F(CApi, Generation) {
  const auto prompt = ids("prompt"), expected = ids("tokens");
  EXPECT_EQ(use_generation(folder.c_str(), prompt.data(), prompt.size(), expected.data(), expected.size()), 0);
}

TEST_F(CApi, SpeculationChangesNothing) {
  int64_t accepted = 0;
  EXPECT_EQ(use_speculation(folder.c_str(), &accepted), 0);
  EXPECT_GT(accepted, 20);
}

TEST_F(CApi, CancelFromAnotherThreadAndErrorsPerThread) {
  ms_engine* engine = nullptr;
  ASSERT_EQ(ms_engine_load(folder.c_str(), nullptr, 0, &engine), MS_OK) << ms_last_error_message();
  ms_params* params = nullptr;
  ASSERT_EQ(ms_params_new(engine, &params), MS_OK);
  ASSERT_EQ(ms_params_set(params, "ignore_eos", "true"), MS_OK);
  const std::vector<int32_t> prompt{40, 41, 42};
  for (int round = 0; round < 20; ++round) {
    ms_generation* g = nullptr;
    ASSERT_EQ(ms_generation_start(engine, prompt.data(), prompt.size(), params, &g), MS_OK);
    std::thread canceller([g, round] {
      std::this_thread::sleep_for(std::chrono::microseconds(100 * round));
      ms_generation_cancel(g);
      ms_engine* none = nullptr;
      EXPECT_EQ(ms_engine_load("", nullptr, 0, &none) == MS_OK, false);
      EXPECT_NE(ms_last_error(), MS_OK);
    });
    ms_chunk chunk;
    int64_t n = 0;
    do {
      ASSERT_EQ(ms_generation_next(g, &chunk), MS_OK);
      n += static_cast<int64_t>(chunk.n_tokens);
    } while (!chunk.end);
    canceller.join();
    EXPECT_EQ(ms_last_error(), MS_OK);  // the other thread's errors are its own
    EXPECT_TRUE(ms_generation_finish_reason(g) == MS_FINISH_CANCELLED || ms_generation_finish_reason(g) == MS_FINISH_LENGTH);
    EXPECT_EQ(ms_generation_usage(g).output_tokens, n);
    ms_generation_free(g);
  }
  ms_params_free(params);
  ms_engine_free(engine);
}

}  // namespace
}  // namespace mainspring
