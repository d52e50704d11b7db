// The thread team: every task once, any team size, many rounds, also with more threads than processors.
#include "base/thread_team.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace mainspring {
namespace {

TEST(ThreadTeam, EveryTaskOnce) {
  for (int threads : {1, 2, 3, 8}) {
    ThreadTeam team(threads);
    EXPECT_EQ(team.size(), threads);
    for (int64_t tasks : {0, 1, 2, 7, 100, 1000}) {
      std::vector<std::atomic<int>> hits(static_cast<size_t>(tasks));
      team.parallel_for(tasks, [&](int64_t t) { hits[static_cast<size_t>(t)].fetch_add(1); });
      for (auto& h : hits) ASSERT_EQ(h.load(), 1);
    }
  }
}

TEST(ThreadTeam, RoundsDoNotOverlap) {
  ThreadTeam team(4);
  int64_t sum = 0;  // not atomic on purpose: a task of another round would race with the check
  for (int round = 0; round < 5000; ++round) {
    std::atomic<int64_t> local{0};
    team.parallel_for(5, [&](int64_t t) { local += t; });
    sum += local.load();
  }
  EXPECT_EQ(sum, 5000 * 10);
}

// The caller does not wait for workers that took no task: they come late, into calls with other tasks.
TEST(ThreadTeam, LateWorkersTakeTasksOfTheRunningCallOnly) {
  ThreadTeam team(8);  // more than there are processors on most test machines
  std::vector<int> done_in(13);  // not atomic on purpose
  for (int round = 1; round <= 5000; ++round) {
    const int64_t tasks = 2 + round % 12;
    team.parallel_for(tasks, [&, round](int64_t t) { done_in[static_cast<size_t>(t)] += round; });
    for (int64_t t = 0; t < 13; ++t) {
      ASSERT_EQ(done_in[static_cast<size_t>(t)], t < tasks ? round : 0) << "round " << round << " task " << t;
      done_in[static_cast<size_t>(t)] = 0;
    }
  }
}

TEST(ThreadTeam, MembersAreDistinct) {
  ThreadTeam team(3);
  std::vector<int64_t> scratch(3);  // one cell per member, written without synchronisation
  for (int round = 0; round < 200; ++round)
    team.parallel_for_member(64, [&](int64_t, int member) { ++scratch[static_cast<size_t>(member)]; });
  EXPECT_EQ(scratch[0] + scratch[1] + scratch[2], 200 * 64);
}

TEST(ThreadTeam, WakesAfterSleep) {
  ThreadTeam team(2);
  for (int i = 0; i < 3; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // far beyond the spin
    std::atomic<int> n{0};
    team.parallel_for(2, [&](int64_t) { ++n; });
    EXPECT_EQ(n.load(), 2);
  }
}

}  // namespace
}  // namespace mainspring
