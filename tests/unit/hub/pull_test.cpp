// Downloads from a hub that behaves, and from one that does not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <thread>

#include "base/str.h"
#include "hub/hub.h"
#include "unit/hub/fake_hub.h"

namespace mainspring {
namespace {

namespace fs = std::filesystem;
using test::FakeHub;
using test::FakeRequest;
using test::FakeResponse;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string bytes(size_t n, unsigned seed) {
  std::mt19937 rng(seed);
  std::string s(n, '\0');
  for (char& c : s) c = static_cast<char>(rng());
  return s;
}

std::string read_file(const fs::path& p) {
  std::ifstream in(p, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class Pull : public ::testing::Test {
 protected:
  Pull() {
    std::string pattern = (fs::temp_directory_path() / "mainspring-hub-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    config_.endpoint = hub_.url();
    config_.cache_dir = folder_ + "/hub";
    config_.backoff_ms = 1;
    hub_.files = {{"config.json", {"{\"model_type\":\"llama\"}", false}},
                  {"tokenizer.json", {bytes(5000, 1), false}},
                  {"README.md", {"read me", false}},
                  {"model.safetensors", {bytes(300'000, 2), true}},
                  {"consolidated.safetensors", {bytes(3000, 3), true}},
                  {"original/model.safetensors", {bytes(30, 4), true}}};
  }
  ~Pull() override { fs::remove_all(folder_); }

  std::string pull_it(const std::string& ref = "org/model", const PullOptions& options = {}) {
    return pull(parse_model_ref(ref), config_, {}, options);
  }
  Error error_of(const std::string& ref = "org/model") {
    try {
      pull_it(ref);
    } catch (const Error& e) {
      EXPECT_EQ(e.message().find('\n'), std::string::npos) << e.message();
      return e;
    }
    return Error(Code::kInternal, "no error");
  }
  std::string model_folder() const { return config_.cache_dir + "/models--org--model"; }
  size_t partials() const {
    size_t n = 0;
    for (const auto& entry : fs::directory_iterator(model_folder() + "/blobs"))
      n += entry.path().extension() == ".incomplete";
    return n;
  }
  void expect_whole(const std::string& path) {
    for (const char* name : {"config.json", "tokenizer.json", "model.safetensors"}) {
      EXPECT_EQ(read_file(path + "/" + name), hub_.files[name].content) << name;
    }
    EXPECT_EQ(partials(), 0u);
  }
  // Faults the first `times` requests for the weights.
  void fault_weights(int times, const std::function<void(const FakeRequest&, FakeResponse&)>& how) {
    hub_.fault = [times, how, seen = 0](const FakeRequest& r, FakeResponse& a) mutable {
      if (r.path.find("/resolve/") != std::string::npos && r.path.ends_with("/model.safetensors") && seen++ < times)
        how(r, a);
    };
  }

  FakeHub hub_;
  HubConfig config_;
  std::string folder_;
};

TEST_F(Pull, FollowsTheCacheLayout) {
  const std::string path = pull_it();
  EXPECT_EQ(path, model_folder() + "/snapshots/" + hub_.commit);
  expect_whole(path);
  EXPECT_EQ(read_file(model_folder() + "/refs/main"), hub_.commit);
  EXPECT_TRUE(fs::is_symlink(path + "/model.safetensors"));
  EXPECT_EQ(fs::read_symlink(path + "/model.safetensors"),
            "../../blobs/" + FakeHub::sha256(hub_.files["model.safetensors"].content));
  EXPECT_EQ(fs::read_symlink(path + "/config.json"),
            "../../blobs/" + FakeHub::git_sha1(hub_.files["config.json"].content));
  for (const char* unwanted : {"README.md", "consolidated.safetensors", "original"})
    EXPECT_FALSE(fs::exists(path + "/" + unwanted));
  EXPECT_EQ(resolve_model(parse_model_ref("org/model"), config_), path);
  const size_t before = hub_.count("/resolve/");
  EXPECT_EQ(pull_it(), path);
  EXPECT_EQ(hub_.count("/resolve/"), before) << "a complete model must not be downloaded again";
}

TEST_F(Pull, ReportsProgressAndCancels) {
  PullProgress last;
  uint64_t calls = 0;
  pull(parse_model_ref("org/model"), config_, [&](const PullProgress& p) {
    EXPECT_LE(p.done, p.total);
    last = p;
    return ++calls > 0;
  });
  EXPECT_GT(calls, 0u);
  EXPECT_EQ(last.total, 22 + 5000 + 300'000u);
  remove_model(parse_model_ref("org/model"), config_);
  try {
    pull(parse_model_ref("org/model"), config_, [](const PullProgress&) { return false; });
    FAIL() << "not cancelled";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::kCancelled);
  }
  expect_whole(pull_it());
}

TEST_F(Pull, ResumesAtTheByteWhereItStopped) {
  fault_weights(2, [](const FakeRequest&, FakeResponse& a) { a.send_bytes = 100'000; });
  expect_whole(pull_it());
  std::vector<std::string> ranges;
  for (const FakeRequest& r : hub_.requests()) {
    if (r.path.ends_with("/model.safetensors"))
      ranges.push_back(r.headers.contains("range") ? r.headers.at("range") : "");
  }
  EXPECT_THAT(ranges, ::testing::ElementsAre("", "bytes=100000-", "bytes=200000-"));
}

TEST_F(Pull, StartsAgainWithoutRanges) {
  hub_.ranges = false;
  fault_weights(1, [](const FakeRequest&, FakeResponse& a) { a.send_bytes = 100'000; });
  expect_whole(pull_it());
}

TEST_F(Pull, SurvivesKillsAtRandomBytes) {
  std::mt19937 rng(7);
  for (int round = 0; round < 20; ++round) {
    // The server stops somewhere and then keeps silent long enough for the kill.
    const size_t stop = rng() % 300'000;
    fault_weights(1'000'000, [stop](const FakeRequest& r, FakeResponse& a) {
      const size_t from = r.headers.contains("range") ? std::stoul(r.headers.at("range").substr(6)) : 0;
      a.send_bytes = stop > from ? stop - from : 0;
    });
    const pid_t child = fork();
    if (child == 0) {
      config_.backoff_ms = 100'000;
      try {
        pull_it();
      } catch (...) {
      }
      _exit(0);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(rng() % 40));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    EXPECT_THROW(resolve_model(parse_model_ref("org/model"), config_), Error)
        << "an incomplete snapshot must not be used";
  }
  hub_.fault = nullptr;
  expect_whole(pull_it());
}

TEST_F(Pull, RetriesPassingFaults) {
  const std::vector<std::pair<const char*, std::function<void(const FakeRequest&, FakeResponse&)>>> faults = {
      {"429", [](const FakeRequest&, FakeResponse& a) { a.status = 429, a.headers["Retry-After"] = "0"; }},
      {"503", [](const FakeRequest&, FakeResponse& a) { a.status = 503; }},
      {"500", [](const FakeRequest&, FakeResponse& a) { a.status = 500; }},
      {"reset", [](const FakeRequest&, FakeResponse& a) { a.reset = true; }},
      {"short", [](const FakeRequest&, FakeResponse& a) { a.send_bytes = 10; }},
      {"wrong length", [](const FakeRequest&, FakeResponse& a) { a.body.resize(a.body.size() / 2); }},
      {"too long", [](const FakeRequest&, FakeResponse& a) { a.body += "more"; }},
      {"wrong bit", [](const FakeRequest&, FakeResponse& a) { a.body[1000] ^= 1; }},
      {"416", [](const FakeRequest&, FakeResponse& a) { a.status = 416; }},
  };
  for (const auto& [name, how] : faults) {
    SCOPED_TRACE(name);
    fault_weights(4, how);
    expect_whole(pull_it());
    remove_model(parse_model_ref("org/model"), config_);
    const size_t before = hub_.count("/model.safetensors");
    fault_weights(1'000'000, how);
    const Error e = error_of();
    EXPECT_THAT(e.message(), AllOf(HasSubstr("model.safetensors"), HasSubstr("tried 5 times")));
    EXPECT_EQ(hub_.count("/model.safetensors") - before, 5u);
    EXPECT_THROW(resolve_model(parse_model_ref("org/model"), config_), Error);
    hub_.fault = nullptr;
    expect_whole(pull_it());
    remove_model(parse_model_ref("org/model"), config_);
  }
}

TEST_F(Pull, SaysWhatIsWrongAndDoesNotRetryIt) {
  for (const auto& [status, text] :
       std::vector<std::pair<int, std::string>>{{401, "HF_TOKEN"}, {403, "gated"}, {404, "not on the hub"}}) {
    hub_.fault = [s = status](const FakeRequest&, FakeResponse& a) { a.status = s; };
    const size_t before = hub_.requests().size();
    const Error e = error_of();
    EXPECT_EQ(e.code(), Code::kNotFound);
    EXPECT_THAT(e.message(), AllOf(HasSubstr("org/model"), HasSubstr(text)));
    EXPECT_EQ(hub_.requests().size() - before, 1u);
  }
}

TEST_F(Pull, SendsTheTokenToTheHubOnly) {
  FakeHub elsewhere;  // the same machine, another port: another origin
  elsewhere.files = hub_.files;
  elsewhere.commit = hub_.commit;
  config_.token = "hf_secret";
  fault_weights(1'000'000, [&](const FakeRequest& r, FakeResponse& a) {
    a.status = 302;
    a.headers["Location"] = elsewhere.url() + r.path;
  });
  expect_whole(pull_it());
  EXPECT_GE(elsewhere.requests().size(), 1u);
  for (const FakeRequest& r : elsewhere.requests()) EXPECT_FALSE(r.headers.contains("authorization")) << r.path;
  for (const FakeRequest& r : hub_.requests()) EXPECT_EQ(r.headers.at("authorization"), "Bearer hf_secret");
}

TEST_F(Pull, FollowsOnlySafeRedirects) {
  fault_weights(1'000'000,
                [](const FakeRequest& r, FakeResponse& a) { a.status = 302, a.headers["Location"] = r.path; });
  EXPECT_THAT(error_of().message(), HasSubstr("redirects"));
  for (const char* target : {"http://example.invalid/x", "ftp://127.0.0.1/x", "file:///etc/passwd",
                             "https://user@host/x", "javascript://x"}) {
    fault_weights(1'000'000,
                  [target](const FakeRequest&, FakeResponse& a) { a.status = 302, a.headers["Location"] = target; });
    const size_t before = hub_.count("/model.safetensors");
    EXPECT_THAT(error_of().message(), ::testing::AnyOf(HasSubstr("not https"), HasSubstr("not a URL"))) << target;
    EXPECT_EQ(hub_.count("/model.safetensors") - before, 1u);
  }
}

TEST_F(Pull, RefusesUnsafeNames) {
  for (const std::string& name :
       {std::string("../evil.safetensors"), std::string("/etc/evil"), std::string("a\\b.safetensors"),
        std::string("a//b"), std::string("./x"), std::string("a/../b"), std::string("nul\0x", 5), std::string(256, 'x'),
        std::string("new\nline")}) {
    hub_.files = {{name, {"x", true}}, {"model.safetensors", {"y", true}}};
    for (bool tree : {true, false}) {
      hub_.has_tree = tree;
      EXPECT_THAT(error_of().message(), HasSubstr("refused")) << name;
    }
  }
  EXPECT_FALSE(fs::exists(folder_ + "/evil.safetensors"));
}

TEST_F(Pull, DoesNotWriteThroughSymbolicLinks) {
  hub_.files["tokenizer.json"].content = "{}";
  fs::create_directories(model_folder() + "/snapshots");
  fs::create_directories(folder_ + "/outside");
  fs::create_symlink(folder_ + "/outside", model_folder() + "/snapshots/" + hub_.commit);
  EXPECT_THAT(error_of().message(), HasSubstr("symbolic link"));
  EXPECT_TRUE(fs::is_empty(folder_ + "/outside"));
}

TEST_F(Pull, RefusesBadAnswers) {
  const auto answer_with = [&](const std::string& body) {
    hub_.fault = [body](const FakeRequest& r, FakeResponse& a) {
      if (r.path.find("/api/") != std::string::npos) a.body = body;
    };
    return error_of();
  };
  for (const char* body : {"", "{", "[]", "{\"sha\":5}", "{\"sha\":\"../../x\"}", "null"}) {
    EXPECT_NE(answer_with(body).code(), Code::kInternal) << body;
  }
  EXPECT_THAT(answer_with(std::string(70 << 20, ' ')).message(), HasSubstr("larger than"));
  hub_.fault = [](const FakeRequest& r, FakeResponse& a) {
    if (r.path.find("/resolve/") != std::string::npos) a.headers["X-Repo-Commit"] = std::string(40, 'd');
  };
  EXPECT_THAT(error_of().message(), HasSubstr("instead of"));
}

TEST_F(Pull, ChecksTheDiskFirst) {
  hub_.fault = [](const FakeRequest& r, FakeResponse& a) {
    if (r.path.find("/tree/") == std::string::npos) return;
    a.body = cat("[{\"type\":\"file\",\"path\":\"model.safetensors\",\"size\":1,\"oid\":\"", std::string(40, 'a'),
                 "\",\"lfs\":{\"oid\":\"", std::string(64, 'a'), "\",\"size\":1000000000000000}}]");
  };
  const Error e = error_of();
  EXPECT_EQ(e.code(), Code::kIo);
  EXPECT_THAT(e.message(), AllOf(HasSubstr("1000000000000000 bytes"), HasSubstr("needed"), HasSubstr("free")));
  EXPECT_EQ(hub_.count("/resolve/"), 0u);
}

TEST_F(Pull, RepairsDamagedBlobs) {
  const std::string path = pull_it();
  const std::string blob = fs::canonical(path + "/model.safetensors");
  std::string content = read_file(blob);
  content[12345] ^= 4;
  std::ofstream(blob, std::ios::binary) << content;
  const size_t weights = hub_.count("/model.safetensors"), config = hub_.count("/config.json");
  PullOptions verify;
  verify.verify = true;
  expect_whole(pull_it("org/model", verify));
  EXPECT_EQ(hub_.count("/model.safetensors"), weights + 1);
  EXPECT_EQ(hub_.count("/config.json"), config);
}

TEST_F(Pull, WorksOnMirrorsWithoutTheTreeCall) {
  hub_.has_tree = false;
  expect_whole(pull_it());
}

TEST_F(Pull, TwoProcessesShareTheWork) {
  fault_weights(3, [](const FakeRequest&, FakeResponse& a) { a.send_bytes = 50'000; });
  std::vector<pid_t> children;
  for (int i = 0; i < 3; ++i) {
    children.push_back(fork());
    if (children.back() == 0) {
      int status = 1;
      try {
        pull_it();
        status = 0;
      } catch (...) {
      }
      _exit(status);
    }
  }
  for (pid_t child : children) {
    int status = -1;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  expect_whole(resolve_model(parse_model_ref("org/model"), config_));
  EXPECT_EQ(hub_.count("/config.json"), 1u) << "one process downloads, the others wait";
}

TEST_F(Pull, ChoosesAmongGgufs) {
  hub_.files = {{"m-Q4_K_M.gguf", {"aaa", true}},      {"m-Q8_0-00001-of-00002.gguf", {"bb1", true}},
                {"m-Q8_0-00002-of-00002.gguf", {"bb2", true}}, {"mmproj-Q8_0.gguf", {"pp", true}},
                {"m-IQ4_XS.gguf", {"cc", true}},       {"config.json", {"{}", false}}};
  EXPECT_EQ(fs::path(pull_it()).filename(), "m-Q4_K_M.gguf");
  EXPECT_EQ(fs::path(pull_it("org/model:q8_0")).filename(), "m-Q8_0-00001-of-00002.gguf");
  EXPECT_EQ(hub_.count("mmproj"), 0u);
  EXPECT_EQ(hub_.count("00002-of-00002"), 1u);
  EXPECT_EQ(read_file(pull_it("org/model:m-IQ4_XS.gguf")), "cc");
  EXPECT_THAT(error_of("org/model:Q2_K").message(), AllOf(HasSubstr("Q2_K"), HasSubstr("m-IQ4_XS.gguf")));
  EXPECT_GT(remove_model(parse_model_ref("org/model:Q8_0"), config_), 0u);
  EXPECT_THROW(resolve_model(parse_model_ref("org/model:Q8_0"), config_), Error);
  EXPECT_EQ(read_file(resolve_model(parse_model_ref("org/model"), config_)), "aaa");
}

TEST_F(Pull, OfflineUsesTheCacheOnly) {
  config_.offline = true;
  Error e = error_of();
  EXPECT_EQ(e.code(), Code::kNotFound);
  EXPECT_THAT(e.message(), HasSubstr("mainspring pull org/model"));
  EXPECT_TRUE(hub_.requests().empty());
  config_.offline = false;
  const std::string path = pull_it();
  config_.offline = true;
  const size_t before = hub_.requests().size();
  EXPECT_EQ(pull_it(), path);
  EXPECT_EQ(hub_.requests().size(), before);
  fs::remove(fs::canonical(path + "/tokenizer.json"));
  EXPECT_THAT(error_of().message(), AllOf(HasSubstr("incomplete"), HasSubstr("tokenizer.json")));
}

TEST_F(Pull, ListsAndRemoves) {
  EXPECT_TRUE(list_models(config_).empty());
  const std::string path = pull_it();
  std::vector<CachedModel> models = list_models(config_);
  ASSERT_EQ(models.size(), 1u);
  EXPECT_EQ(models[0].repo, "org/model");
  EXPECT_EQ(models[0].revision, hub_.commit);
  EXPECT_THAT(models[0].refs, ::testing::ElementsAre("main"));
  EXPECT_EQ(models[0].bytes, 305'022u);
  EXPECT_TRUE(models[0].complete);
  fs::remove(path + "/model.safetensors");
  EXPECT_FALSE(list_models(config_)[0].complete);
  // A second revision shares the weights; removing the first keeps them.
  pull_it();
  const std::string old = hub_.commit;
  hub_.commit = std::string(40, 'd');
  hub_.files["config.json"].content = "{\"model_type\":\"qwen2\"}";
  pull_it();
  EXPECT_EQ(list_models(config_).size(), 2u);
  EXPECT_EQ(remove_model(parse_model_ref("org/model@" + old), config_), 22u);
  expect_whole(resolve_model(parse_model_ref("org/model"), config_));
  EXPECT_GE(remove_model(parse_model_ref("org/model"), config_), 305'000u);
  EXPECT_TRUE(list_models(config_).empty());
  EXPECT_THROW(remove_model(parse_model_ref("org/model"), config_), Error);
}

// A cache that another program filled has no record of ours.
TEST_F(Pull, UnderstandsForeignCaches) {
  const std::string path = pull_it();
  fs::remove_all(model_folder() + "/.mainspring");
  EXPECT_EQ(resolve_model(parse_model_ref("org/model"), config_), path);
  fs::remove(fs::canonical(path + "/model.safetensors"));
  EXPECT_THROW(resolve_model(parse_model_ref("org/model"), config_), Error);
}

}  // namespace
}  // namespace mainspring
