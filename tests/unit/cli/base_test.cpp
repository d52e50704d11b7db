// The parts of base that exist for the command line: folders, settings files, terminal text, progress, signals.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "base/config_file.h"
#include "base/env.h"
#include "base/errors.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/terminal.h"

namespace mainspring {
namespace {

EnvGetter variables(std::vector<std::pair<std::string, std::string>> all) {
  return [all](std::string_view name) -> std::optional<std::string> {
    for (const auto& [k, v] : all)
      if (k == name) return v;
    return std::nullopt;
  };
}

TEST(UserFolders, FollowXdg) {
  EXPECT_EQ(user_config_dir(variables({{"HOME", "/h"}})), "/h/.config/mainspring");
  EXPECT_EQ(user_state_dir(variables({{"HOME", "/h"}, {"XDG_STATE_HOME", "/s"}})), "/s/mainspring");
  EXPECT_EQ(user_state_dir(variables({{"HOME", "/h"}, {"XDG_STATE_HOME", "relative"}})), "/h/.local/state/mainspring");
  EXPECT_EQ(user_config_dir(variables({})), "");
}

TEST(ConfigFile, Values) {
  const auto all = parse_config("a = 1\nb = 0.5\nc = true\nd = \"x\"\n[t]\ne = [1, \"two\"]\n", "f");
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(all[0].texts[0], "1");
  EXPECT_EQ(all[1].texts[0], "0.5");
  EXPECT_EQ(all[2].kind, ConfigEntry::Kind::kBool);
  EXPECT_EQ(all[4].table, "t");
  EXPECT_EQ(all[4].line, 6);
  EXPECT_EQ(all[4].texts, (std::vector<std::string>{"1", "two"}));
  for (const char* bad : {"a = [[1]]\n", "[a.b]\nc = 1\n", "a = 2020-01-01\n", "a = \n", "a = 1\na = 2\n"})
    EXPECT_THROW(parse_config(bad, "f"), Error) << bad;
}

TEST(Terminal, Widths) {
  EXPECT_EQ(display_width("abc"), 3);
  EXPECT_EQ(display_width("日本"), 4);
  EXPECT_EQ(display_width("e\xCC\x81"), 1);
  EXPECT_EQ(display_width("😀"), 2);
}

TEST(Terminal, SafeText) {
  EXPECT_EQ(terminal_safe("a\tb\n\x1b[31mé\x07"), "a\tb\n\xEF\xBF\xBD[31mé\xEF\xBF\xBD");
  EXPECT_EQ(terminal_safe("\xC2\x9B" "31m"), "\xEF\xBF\xBD" "31m");   // C1 control: also begins sequences
}

TEST(ProgressLine, SharesAndTime) {
  EXPECT_EQ(progress_line("load", ProgressUnit::kBytes, 512 << 20, 1024 << 20, 128 << 20, 200),
            "load   50%  512.0 MiB / 1.0 GiB  128.0 MiB/s  0:04 left");
  EXPECT_EQ(progress_line("x", ProgressUnit::kItems, 3, 0, 1.5, 200), "x   3  1.5/s");
  EXPECT_EQ(progress_line("x", ProgressUnit::kItems, 1, 8000, 1, 200), "x    0%  1 / 8000  1/s  2:13:19 left");
  EXPECT_LE(progress_line("日本日本", ProgressUnit::kItems, 1, 2, 1, 12).size(), 4u * 11);
}

TEST(Signals, ScopeHandlesAndRestores) {
  // A shell starts background jobs with SIGINT ignored, and an ignored signal reaches no watcher.
  std::signal(SIGINT, SIG_DFL);
  std::atomic<int> outer{0}, inner{0};
  SignalWatcher watcher;
  const auto wait_for = [](std::atomic<int>& value) {
    for (int i = 0; i < 2000 && value == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  SignalWatcher::Scope a(watcher, [&](int s) { outer = s; });
  {
    SignalWatcher::Scope b(watcher, [&](int s) { inner = s; });
    kill(getpid(), SIGTERM);
    wait_for(inner);
  }
  EXPECT_EQ(inner, SIGTERM);
  EXPECT_EQ(outer, 0);
  kill(getpid(), SIGINT);
  wait_for(outer);
  EXPECT_EQ(outer, SIGINT);
}

TEST(SignalsDeathTest, NoScopeEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        SignalWatcher watcher;
        kill(getpid(), SIGTERM);
        pause();
        for (;;) std::this_thread::sleep_for(std::chrono::seconds(1));
      },
      testing::ExitedWithCode(143), "");
}

}  // namespace
}  // namespace mainspring
