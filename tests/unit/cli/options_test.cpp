// The option table and its value checks.
#include "cli/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>
#include <map>
#include <set>

#include "base/errors.h"
#include "cli/commands.h"

namespace mainspring::cli {
namespace {

using testing::HasSubstr;

std::string error_of(const OptionSpec& spec, const std::string& text) {
  try {
    check_value(spec, {text}, "--x");
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::kInvalidInput);
    return e.message();
  }
  return {};
}

TEST(OptionTable, NamesAndLettersAreUniqueInEveryCommand) {
  for (const Command& c : command_table()) {
    std::set<std::string> names;
    std::set<char> letters;
    for (const OptionSpec& s : option_table()) {
      if (!(s.commands & c.bit)) continue;
      EXPECT_TRUE(names.insert(s.name).second) << c.name << " --" << s.name;
      if (s.letter) {
        EXPECT_TRUE(letters.insert(s.letter).second) << c.name << " -" << s.letter;
      }
    }
  }
}

TEST(OptionTable, RowsAreComplete) {
  for (const OptionSpec& s : option_table()) {
    EXPECT_TRUE(s.help && *s.help) << s.name;
    EXPECT_NE(s.commands, 0u) << s.name;
    if (takes_value(s)) {
      EXPECT_NE(s.value, nullptr) << s.name;
    }
    if (s.kind == OptionKind::kChoice) {
      EXPECT_FALSE(choices_of(s).empty()) << s.name;
    }
    if (s.fallback) {
      EXPECT_NO_THROW(check_value(s, {s.fallback}, s.name)) << s.name;
    }
    for (char c : std::string(s.name)) EXPECT_TRUE(std::islower(c) || std::isdigit(c) || c == '-') << s.name;
  }
}

// A key of the settings file's top level may mean only one thing for all commands.
TEST(OptionTable, SharedKeysHaveOneKind) {
  std::map<std::string, OptionKind> kinds;
  for (const OptionSpec& s : option_table()) {
    if (!s.shared) continue;
    const auto [it, fresh] = kinds.emplace(file_key(s), s.kind);
    EXPECT_TRUE(fresh || it->second == s.kind) << s.name;
  }
}

TEST(OptionTable, PositionalsExist) {
  for (const Command& c : command_table())
    if (c.positional) {
      EXPECT_NE(find_option(c.bit, c.positional), nullptr) << c.name;
    }
}

TEST(CheckValue, Numbers) {
  const OptionSpec& top_p = *find_option(kGenerate, "top-p");
  EXPECT_DOUBLE_EQ(check_value(top_p, {"0.25"}, "--top-p").real, 0.25);
  EXPECT_THAT(error_of(top_p, "1.5"), HasSubstr("expected a number in 0..1, found '1.5'"));
  EXPECT_THAT(error_of(top_p, "nan"), HasSubstr("expected a number"));
  EXPECT_THAT(error_of(top_p, "0.5x"), HasSubstr("found '0.5x'"));
  EXPECT_THAT(error_of(top_p, ""), HasSubstr("found ''"));
  const OptionSpec& n = *find_option(kGenerate, "max-tokens");
  EXPECT_EQ(check_value(n, {"-1"}, "").integer, -1);
  EXPECT_THAT(error_of(n, "-2"), HasSubstr("at least -1"));
  EXPECT_THAT(error_of(n, "1.5"), HasSubstr("a whole number"));
  EXPECT_THAT(error_of(n, "99999999999999999999"), HasSubstr("a whole number"));
}

TEST(CheckValue, Sizes) {
  const OptionSpec& kv = *find_option(kGenerate, "kv-bytes");
  EXPECT_EQ(check_value(kv, {"1000"}, "").integer, 1000);
  EXPECT_EQ(check_value(kv, {"512M"}, "").integer, 512ll << 20);
  EXPECT_EQ(check_value(kv, {"1.5 GiB"}, "").integer, 3ll << 29);
  EXPECT_EQ(check_value(kv, {"2gb"}, "").integer, 2000000000ll);
  for (const char* bad : {"", "G", "-1", "4X", "4GiBs", "1e400T", "99999999999999T"})
    EXPECT_THAT(error_of(kv, bad), HasSubstr("a size like")) << bad;
}

TEST(CheckValue, ChoicesSuggest) {
  const OptionSpec& dtype = *find_option(kGenerate, "dtype");
  EXPECT_EQ(check_value(dtype, {"f32"}, "").texts[0], "f32");
  EXPECT_THAT(error_of(dtype, "bf61"), HasSubstr("did you mean 'bf16'?"));
}

TEST(Nearest, FindsSlips) {
  const std::vector<std::string> names = {"temperature", "top-k", "top-p", "max-tokens"};
  EXPECT_EQ(nearest("temperatrue", names), "temperature");
  EXPECT_EQ(nearest("max-token", names), "max-tokens");
  EXPECT_EQ(nearest("temp", names), "temperature");
  EXPECT_EQ(nearest("quantum", names), "");
  EXPECT_EQ(nearest(std::string(1000, 'x'), names), "");
}

TEST(Names, Environment) {
  const OptionSpec& s = *find_option(kGenerate, "kv-dtype");
  EXPECT_EQ(env_name(s), "MAINSPRING_KV_DTYPE");
  EXPECT_EQ(file_key(s), "kv_dtype");
}

}  // namespace
}  // namespace mainspring::cli
