// Precedence, origins and errors of settings; the argument parser.
#include "cli/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "cli/command_line.h"

namespace mainspring::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Case {
  std::string command = "generate";
  std::vector<std::string> args;
  std::map<std::string, std::string> env;
  std::string file;

  Settings settings() const {
    const Command& c = *find_command(command);
    const auto getter = [this](std::string_view name) -> std::optional<std::string> {
      const auto it = env.find(std::string(name));
      return it == env.end() ? std::nullopt : std::optional(it->second);
    };
    return layer_settings(c.bit, c.name, parse_arguments(c, args), getter, parse_config(file, "m.toml"), "m.toml");
  }
  std::string error() const {
    try {
      settings();
    } catch (const Error& e) {
      EXPECT_EQ(exit_status(e.code()), 2);
      EXPECT_EQ(e.message().find('\n'), std::string::npos);
      return e.message();
    }
    return "no error";
  }
};

TEST(Precedence, EveryLayer) {
  Case r;
  EXPECT_FALSE(r.settings().given("temperature"));
  EXPECT_EQ(r.settings().get("threads").origin, Origin::kDefault);
  r.file = "temperature = 0.1\nthreads = 3\n";
  EXPECT_DOUBLE_EQ(r.settings().real("temperature"), 0.1);
  EXPECT_EQ(r.settings().get("threads").source, "m.toml:2: threads");
  r.file += "[generate]\ntemperature = 0.2\n[chat]\ntemperature = 0.9\n";
  EXPECT_DOUBLE_EQ(r.settings().real("temperature"), 0.2);
  r.env["MAINSPRING_TEMPERATURE"] = "0.3";
  EXPECT_DOUBLE_EQ(r.settings().real("temperature"), 0.3);
  EXPECT_EQ(r.settings().get("temperature").origin, Origin::kEnvironment);
  r.args = {"--temperature", "0.4"};
  EXPECT_DOUBLE_EQ(r.settings().real("temperature"), 0.4);
  EXPECT_EQ(r.settings().get("temperature").source, "--temperature");
  EXPECT_EQ(r.settings().integer("threads"), 3);
}

TEST(Precedence, ListsReplaceLowerLayersAndAddWithinOne) {
  Case r{.file = "stop = [\"a\", \"b\"]\n"};
  EXPECT_THAT(r.settings().list("stop"), testing::ElementsAre("a", "b"));
  r.env["MAINSPRING_STOP"] = "c\nd,e";
  EXPECT_THAT(r.settings().list("stop"), testing::ElementsAre("c", "d,e"));
  r.args = {"--stop", "x", "--stop=y"};
  EXPECT_THAT(r.settings().list("stop"), testing::ElementsAre("x", "y"));
}

TEST(SettingsFile, Errors) {
  EXPECT_THAT((Case{.file = "temperatur = 1\n"}).error(),
              HasSubstr("m.toml:1: unknown key 'temperatur', did you mean 'temperature'?"));
  EXPECT_THAT((Case{.file = "\n[generate]\nwindow = 4\n"}).error(),
              HasSubstr("m.toml:3: unknown key 'window' in [generate]"));
  EXPECT_THAT((Case{.file = "[generte]\nseed = 1\n"}).error(),
              HasSubstr("unknown table [generte], did you mean 'generate'?"));
  EXPECT_THAT((Case{.file = "seed = \"one\"\n"}).error(), HasSubstr("m.toml:1: seed: expected a whole number"));
  EXPECT_THAT((Case{.file = "top_p = 2\n"}).error(),
              HasSubstr("m.toml:1: top_p: expected a number in 0..1, found '2'"));
  EXPECT_THAT((Case{.file = "seed = 1979-05-27\n"}).error(), HasSubstr("m.toml:1: seed"));
  EXPECT_THAT((Case{.file = "seed =\n"}).error(), HasSubstr("m.toml:1: "));
  EXPECT_THAT((Case{.file = "prompt = \"x\"\n"}).error(), HasSubstr("unknown key 'prompt'"));
  // A key of other commands is good at the top level, but is still checked.
  EXPECT_EQ((Case{.file = "window = 64\n"}).error(), "no error");
  EXPECT_THAT((Case{.file = "window = 1\n"}).error(), HasSubstr("m.toml:1: window"));
}

TEST(Environment, ErrorNamesTheVariable) {
  EXPECT_THAT((Case{.env = {{"MAINSPRING_TOP_K", "many"}}}).error(),
              HasSubstr("MAINSPRING_TOP_K: expected a whole number"));
}

TEST(Arguments, Forms) {
  const Settings s = Case{.args = {"-m", "x.gguf", "-n5", "--top-p=0.5", "--raw", "--no-prefix-cache", "--max-tokens",
                                   "-1", "--prompt-file", "-", "--seed=7"}}
                         .settings();
  EXPECT_EQ(s.text("model"), "x.gguf");
  EXPECT_EQ(s.integer("max-tokens"), -1);
  EXPECT_DOUBLE_EQ(s.real("top-p"), 0.5);
  EXPECT_TRUE(s.flag("raw"));
  EXPECT_FALSE(s.flag("prefix-cache"));
  EXPECT_EQ(s.text("prompt-file"), "-");
  EXPECT_FALSE((Case{.args = {"--raw=false"}}).settings().flag("raw"));
  EXPECT_EQ((Case{.args = {"--", "--raw"}}).settings().text("prompt"), "--raw");
  EXPECT_EQ((Case{.args = {"-"}}).settings().text("prompt"), "-");
}

TEST(Arguments, Errors) {
  const auto error = [](std::vector<std::string> args, std::string command = "generate") {
    return Case{.command = std::move(command), .args = std::move(args)}.error();
  };
  EXPECT_THAT(error({"--temprature", "1"}), HasSubstr("unknown option '--temprature', did you mean '--temperature'?"));
  EXPECT_THAT(error({"--window", "1"}), HasSubstr("it belongs to mainspring perplexity"));
  EXPECT_THAT(error({"--qqqqqq"}), HasSubstr("mainspring generate --help"));
  EXPECT_THAT(error({"--seed"}), HasSubstr("--seed needs a value: --seed N"));
  EXPECT_THAT(error({"--seed", "--raw"}), HasSubstr("--seed needs a value"));
  EXPECT_THAT(error({"--raw=maybe"}), HasSubstr("--raw: expected true or false"));
  EXPECT_THAT(error({"--no-raw=1"}), HasSubstr("--no-raw takes no value"));
  EXPECT_THAT(error({"--no-seed"}), HasSubstr("unknown option '--no-seed'"));
  EXPECT_THAT(error({"-z"}), HasSubstr("unknown option '-z'"));
  EXPECT_THAT(error({"a", "b"}), HasSubstr("unexpected argument 'b'"));
  EXPECT_THAT(error({"a", "--prompt", "b"}), HasSubstr("--prompt: the prompt was given already"));
  EXPECT_THAT(error({"--prompt", "b", "a"}), HasSubstr("--prompt was given already"));
  EXPECT_THAT(error({"x"}, "doctor"), HasSubstr("unexpected argument 'x'"));
  EXPECT_THAT(error({"--file", "x"}, "perplexity"), HasSubstr("unknown option '--file'"));
  EXPECT_THAT(error({"csh"}, "completion"), HasSubstr("expected one of bash, zsh, fish"));
}

TEST(Arguments, HelpIsFound) {
  EXPECT_TRUE(asks_for_help(std::vector<std::string>{"--bad", "--help"}));
  EXPECT_TRUE(asks_for_help(std::vector<std::string>{"-h"}));
  EXPECT_FALSE(asks_for_help(std::vector<std::string>{"--", "--help"}));
}

TEST(PrintConfig, IsTomlWithOrigins) {
  const Settings s = Case{.args = {"--seed", "5", "--stop", "a\"b"}, .env = {{"MAINSPRING_DTYPE", "f32"}},
                         .file = "top_k = 3\n"}.settings();
  const std::string text = print_config(s, false);
  EXPECT_THAT(text, HasSubstr("seed = 5 "));
  EXPECT_THAT(text, HasSubstr("# command line: --seed"));
  EXPECT_THAT(text, HasSubstr("# environment: MAINSPRING_DTYPE"));
  EXPECT_THAT(text, HasSubstr("# file: m.toml:1: top_k"));
  EXPECT_THAT(text, HasSubstr("# min_p"));
  EXPECT_THAT(text, Not(HasSubstr("print_config")));
  // It is a settings file that gives the same settings.
  const Settings again = Case{.file = text}.settings();
  EXPECT_EQ(again.integer("seed"), 5);
  EXPECT_THAT(again.list("stop"), testing::ElementsAre("a\"b"));
  EXPECT_EQ(again.text("dtype"), "f32");
  const Json json = parse_json(print_config(s, true), "json");
  EXPECT_EQ(json.at("seed").at("origin").as_string(), "command line");
  EXPECT_EQ(json.at("top_k").at("value").as_int(), 3);
  EXPECT_TRUE(json.at("min_p").at("value").is_null());
}

TEST(Help, EveryCommandListsItsOptions) {
  for (const Command& c : command_table()) {
    const std::string help = command_help(c, 80);
    for (const OptionSpec& s : option_table())
      if ((s.commands & c.bit) && !s.positional_only) {
        EXPECT_THAT(help, HasSubstr(std::string(s.name))) << c.name;
      }
  }
}

}  // namespace
}  // namespace mainspring::cli
