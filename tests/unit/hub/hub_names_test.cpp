// References, settings and paths.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

#include "hub/file_list.h"
#include "hub/hub.h"
#include "hub/names.h"
#include "hub/pypi_model.h"
#include "hub/url.h"

namespace mainspring {
namespace {

using ::testing::HasSubstr;

EnvGetter env_of(std::map<std::string, std::string> vars) {
  return [vars = std::move(vars)](std::string_view name) -> std::optional<std::string> {
    const auto it = vars.find(std::string(name));
    if (it == vars.end() || it->second.empty()) return std::nullopt;
    return it->second;
  };
}

TEST(ModelRef, Parses) {
  const ModelRef r = parse_model_ref("org/name-GGUF@v1.0:Q8_0");
  EXPECT_EQ(r.repo, "org/name-GGUF");
  EXPECT_EQ(r.revision, "v1.0");
  EXPECT_EQ(r.selector, "Q8_0");
  EXPECT_EQ(r.text(), "org/name-GGUF@v1.0:Q8_0");
  EXPECT_EQ(parse_model_ref("gpt2").revision, "main");
  EXPECT_EQ(parse_model_ref("o/n@refs/pr/1").revision, "refs/pr/1");
  EXPECT_EQ(parse_model_ref("o/n:sub/file.gguf").selector, "sub/file.gguf");
  for (const char* bad : {"", "/", "a/", "/b", "a/b/c", "../x", "a/..", "a b/c", "o/n@", "o/n:", "o/n@../x", "o/n:../x",
                          "o/n:/x", "o/n@-x", "a--b/c", ".hidden/x", "o/n\n", "https://host/o/n", "o/n@a\\b"}) {
    EXPECT_THROW(parse_model_ref(bad), Error) << bad;
  }
}

TEST(HubConfig, FollowsTheHubsPrecedence) {
  EXPECT_EQ(HubConfig::from_environment(env_of({{"HOME", "/h"}})).cache_dir, "/h/.cache/huggingface/hub");
  EXPECT_EQ(HubConfig::from_environment(env_of({{"HOME", "/h"}, {"XDG_CACHE_HOME", "/x"}})).cache_dir,
            "/x/huggingface/hub");
  EXPECT_EQ(HubConfig::from_environment(env_of({{"XDG_CACHE_HOME", "/x"}, {"HF_HOME", "/f"}})).cache_dir, "/f/hub");
  EXPECT_EQ(HubConfig::from_environment(env_of({{"HF_HOME", "/f"}, {"HUGGINGFACE_HUB_CACHE", "/o"}})).cache_dir, "/o");
  EXPECT_EQ(
      HubConfig::from_environment(env_of({{"HUGGINGFACE_HUB_CACHE", "/o"}, {"HF_HUB_CACHE", "~/n"}, {"HOME", "/h"}}))
          .cache_dir,
      "/h/n");
  const HubConfig c = HubConfig::from_environment(env_of({{"HF_ENDPOINT", "https://mirror.example/"},
                                                          {"HF_TOKEN", " hf_x\n"},
                                                          {"HF_HUB_OFFLINE", "1"},
                                                          {"HF_HUB_DOWNLOAD_TIMEOUT", "3"}}));
  EXPECT_EQ(c.endpoint, "https://mirror.example");
  EXPECT_EQ(c.token, "hf_x");
  EXPECT_TRUE(c.offline);
  EXPECT_EQ(c.stall_timeout_ms, 3000);
  EXPECT_FALSE(HubConfig::from_environment(env_of({{"HF_HUB_OFFLINE", "0"}})).offline);
  EXPECT_NO_THROW(HubConfig::from_environment(env_of({{"HF_ENDPOINT", "http://127.0.0.1:8080"}})));
  EXPECT_THROW(HubConfig::from_environment(env_of({{"HF_ENDPOINT", "http://mirror.example"}})), Error);
  EXPECT_THROW(HubConfig::from_environment(env_of({{"HF_ENDPOINT", "mirror"}})), Error);
  EXPECT_THROW(HubConfig::from_environment(env_of({{"HF_TOKEN", "a\nb"}})), Error);
  EXPECT_THROW(HubConfig::from_environment(env_of({{"HF_HUB_DOWNLOAD_TIMEOUT", "soon"}})), Error);
}

TEST(HubUrl, SameOriginIsStrict) {
  const auto same = [](const char* a, const char* b) { return hub::parse_url(a).same_origin(hub::parse_url(b)); };
  EXPECT_TRUE(same("https://huggingface.co/a", "https://HuggingFace.co:443/b"));
  EXPECT_FALSE(same("https://huggingface.co", "http://huggingface.co"));
  EXPECT_FALSE(same("https://huggingface.co", "https://huggingface.co.evil.example"));
  EXPECT_FALSE(same("https://huggingface.co", "https://cdn.huggingface.co"));
  EXPECT_FALSE(same("https://huggingface.co", "https://huggingface.co:444"));
  EXPECT_FALSE(same("https://huggingface.co@evil/", "https://huggingface.co@evil/"));
  EXPECT_TRUE(hub::parse_url("https://a b").host.empty());
  EXPECT_EQ(hub::resolve_url(hub::parse_url("https://h/a/b?c"), "d"), "https://h:443/a/d");
  EXPECT_EQ(hub::resolve_url(hub::parse_url("https://h/a"), "/d"), "https://h:443/d");
  EXPECT_EQ(hub::resolve_url(hub::parse_url("https://h/a"), "//x/d"), "https://x/d");
}

TEST(HubNames, SafePaths) {
  for (const char* good : {"a", "a/b.json", "ünï/x", "a..b", "..a"}) EXPECT_TRUE(hub::is_safe_path(good)) << good;
  for (const char* bad : {"", "/a", "a/", "a//b", ".", "..", "a/../b", "a\\b", "a\x01", "\xff"})
    EXPECT_FALSE(hub::is_safe_path(bad)) << bad;
  EXPECT_TRUE(hub::is_safe_path(std::string(255, 'a')));
  EXPECT_FALSE(hub::is_safe_path(std::string(256, 'a')));
  EXPECT_EQ(hub::url_encode("a b/ü%", true), "a%20b/%C3%BC%25");
}

TEST(HubFiles, ChoosesTheDefaultFiles) {
  const auto names = [](const std::vector<hub::RepoFile>& files) {
    std::vector<std::string> out;
    for (const auto& f : files) out.push_back(f.path);
    return out;
  };
  const auto choose = [&](const std::vector<std::string>& paths, const char* ref = "o/n") {
    std::vector<hub::RepoFile> files;
    for (const auto& p : paths) files.push_back({p, 1, std::string(40, 'a')});
    return names(hub::select_files(parse_model_ref(ref), files));
  };
  EXPECT_THAT(choose({"config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                      "model.safetensors.index.json", "pytorch_model.bin", "tf_model.h5", "m-Q4_K_M.gguf",
                      "tokenizer.model", "qwen.tiktoken", "onnx/model.onnx"}),
              ::testing::UnorderedElementsAre("config.json", "model-00001-of-00002.safetensors",
                                              "model-00002-of-00002.safetensors", "model.safetensors.index.json",
                                              "tokenizer.model", "qwen.tiktoken"));
  EXPECT_THAT(choose({"config.json", "pytorch_model.bin", "pytorch_model.bin.index.json"}),
              ::testing::UnorderedElementsAre("config.json", "pytorch_model.bin", "pytorch_model.bin.index.json"));
  EXPECT_THAT(choose({"a.Q8_0.gguf", "a.Q4_0.gguf", "a.f16.gguf"}), ::testing::ElementsAre("a.Q4_0.gguf"));
  EXPECT_THAT(choose({"only.gguf"}), ::testing::ElementsAre("only.gguf"));
  EXPECT_THAT(
      choose({"UD-IQ1_S/m-00001-of-00002.gguf", "UD-IQ1_S/m-00002-of-00002.gguf", "BF16/m.gguf"}, "o/n:UD-IQ1_S"),
      ::testing::ElementsAre("UD-IQ1_S/m-00001-of-00002.gguf", "UD-IQ1_S/m-00002-of-00002.gguf"));
  EXPECT_THROW(choose({"a.Q2_K.gguf", "a.Q3_K.gguf"}), Error);
  EXPECT_THROW(choose({"README.md"}), Error);
}

TEST(PackagedModel, SaysWhereItIs) {
  const PackagedModel& m = default_model();
  EXPECT_EQ(packaged_model_path(m, env_of({{"MAINSPRING_HOME", "/m"}, {"HOME", "/h"}})),
            "/m/models/SmolLM2-135M-Instruct.Q4_1.gguf");
  EXPECT_EQ(packaged_model_path(m, env_of({{"XDG_CACHE_HOME", "/x"}})),
            "/x/mainspring/models/SmolLM2-135M-Instruct.Q4_1.gguf");
  EXPECT_EQ(packaged_model_path(m, env_of({{"HOME", "/h"}})),
            "/h/.cache/mainspring/models/SmolLM2-135M-Instruct.Q4_1.gguf");
  EXPECT_EQ(packaged_model_path(m, env_of({})), "");
  EXPECT_FALSE(packaged_model_present(m, env_of({{"MAINSPRING_HOME", "/nonexistent"}})));
}

TEST(PackagedModel, HashesTheFile) {
  const std::string path = (std::filesystem::temp_directory_path() / "mainspring-packaged-test").string();
  std::ofstream(path, std::ios::binary) << "abc";
  PackagedModel m = default_model();
  EXPECT_THROW(verify_packaged_model(m, path), Error);
  m.size = 3;
  m.sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";  // FIPS 180-2, "abc"
  uint64_t done = 0;
  EXPECT_NO_THROW(verify_packaged_model(m, path, [&](uint64_t d, uint64_t) {
    done = d;
    return true;
  }));
  EXPECT_EQ(done, 3u);
  std::ofstream(path, std::ios::binary) << "abd";
  try {
    verify_packaged_model(m, path);
    ADD_FAILURE() << "a wrong hash passed";
  } catch (const Error& e) {
    EXPECT_THAT(e.message(), HasSubstr("sha256"));
  }
  std::remove(path.c_str());
}

}  // namespace
}  // namespace mainspring
