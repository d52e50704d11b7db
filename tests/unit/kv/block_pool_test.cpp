// BlockPool: ref counts, the prefix index against a naive model, eviction order, hash collisions.
#include "kv/block_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <random>

#include "base/errors.h"
#include "ops/kv.h"

namespace mainspring {
namespace {

constexpr int kB = kBlockTokens;

std::vector<int32_t> tokens_from(int32_t first, int n) {
  std::vector<int32_t> t(static_cast<size_t>(n));
  std::iota(t.begin(), t.end(), first);
  return t;
}

// Allocates and publishes the whole blocks of `tokens`; the caller holds them.
std::vector<BlockId> put(BlockPool& pool, const std::vector<int32_t>& tokens, uint64_t salt = 0) {
  auto blocks = pool.alloc(static_cast<int32_t>(tokens.size()) / kB);
  for (size_t i = 0; i < blocks.size(); ++i) pool.publish(tokens, salt, blocks, static_cast<int64_t>(i));
  return blocks;
}
void give_back(BlockPool& pool, const std::vector<BlockId>& blocks) {
  for (auto b = blocks.rbegin(); b != blocks.rend(); ++b) pool.unref(*b);
}
// Length of the hit, in blocks, without keeping it.
size_t hit(BlockPool& pool, const std::vector<int32_t>& tokens, uint64_t salt = 0) {
  const auto blocks = pool.match_prefix(tokens, salt, static_cast<int64_t>(tokens.size()));
  give_back(pool, blocks);
  return blocks.size();
}

TEST(BlockPool, AllocIsAllOrNothing) {
  BlockPool pool(4);
  EXPECT_EQ(pool.alloc(3).size(), 3u);
  EXPECT_TRUE(pool.alloc(2).empty());
  EXPECT_EQ(pool.available(), 1);
  EXPECT_EQ(pool.in_use(), 3);
  EXPECT_TRUE(pool.alloc(0).empty());
  EXPECT_TRUE(pool.alloc(-1).empty());
  pool.check();
}

TEST(BlockPool, WrongUseIsAnInternalError) {
  BlockPool pool(2);
  EXPECT_THROW(pool.unref(0), Error);
  EXPECT_THROW(pool.ref(0), Error);
  EXPECT_THROW(pool.ref(2), Error);
  EXPECT_THROW(pool.unref(-1), Error);
  const auto b = pool.alloc(1);
  EXPECT_THROW(pool.publish(tokens_from(0, kB - 1), 0, b, 0), Error);  // not full
  EXPECT_THROW(pool.publish(tokens_from(0, 2 * kB), 0, b, 1), Error);  // no such block
  EXPECT_THROW(BlockPool(-1), Error);
  pool.check();
}

TEST(BlockPool, PrefixIsFoundBySaltChainAndWholeBlocks) {
  BlockPool pool(16);
  const auto t = tokens_from(100, 3 * kB);
  give_back(pool, put(pool, t, 7));
  EXPECT_EQ(pool.cached(), 3);
  EXPECT_EQ(hit(pool, t, 7), 3u);
  EXPECT_EQ(hit(pool, t, 8), 0u);
  auto longer = t;
  longer.push_back(1);
  EXPECT_EQ(hit(pool, longer, 7), 3u);
  EXPECT_EQ(hit(pool, {t.begin(), t.end() - 1}, 7), 2u);
  EXPECT_EQ(hit(pool, {t.begin() + kB, t.end()}, 7), 0u);  // the same blocks without their parent
  auto other = t;
  other[kB] ^= 1;
  EXPECT_EQ(hit(pool, other, 7), 1u);
  EXPECT_EQ(pool.match_prefix(t, 7, 2 * kB - 1).size(), 1u);
  pool.check();
}

TEST(BlockPool, MatchedBlocksAreHeld) {
  BlockPool pool(4);
  const auto t = tokens_from(0, 2 * kB);
  const auto a = put(pool, t);
  const auto b = pool.match_prefix(t, 0, 2 * kB);
  EXPECT_EQ(a, b);
  EXPECT_EQ(pool.ref_count(a[0]), 2);
  give_back(pool, a);
  EXPECT_EQ(pool.available(), 2);
  EXPECT_TRUE(pool.alloc(3).empty());
  give_back(pool, b);
  EXPECT_EQ(pool.alloc(4).size(), 4u);
  EXPECT_EQ(hit(pool, t), 0u);
  pool.check();
}

TEST(BlockPool, EvictsLeavesFirstAndOldestFirst) {
  BlockPool pool(6);
  const auto old_chain = tokens_from(0, 3 * kB), new_chain = tokens_from(1000, 3 * kB);
  give_back(pool, put(pool, old_chain));
  give_back(pool, put(pool, new_chain));
  give_back(pool, pool.alloc(1));
  EXPECT_EQ(hit(pool, old_chain), 2u);  // the deepest block of the older chain went; and now that chain is the newer
  EXPECT_EQ(hit(pool, new_chain), 3u);
  EXPECT_EQ(hit(pool, old_chain), 2u);
  give_back(pool, pool.alloc(3));       // one is free, two are evicted
  EXPECT_EQ(hit(pool, new_chain), 1u);
  EXPECT_EQ(hit(pool, old_chain), 2u);
  EXPECT_EQ(pool.stats().evictions, 3u);
  pool.check();
}

TEST(BlockPool, AnEqualBlockIsPublishedOnceAndItsChildrenFollowTheOlder) {
  BlockPool pool(8);
  const auto t = tokens_from(0, 2 * kB);
  const auto a = put(pool, t);
  auto extended = tokens_from(0, 3 * kB);
  const auto b = put(pool, extended);
  EXPECT_FALSE(pool.published(b[0]));
  EXPECT_FALSE(pool.published(b[1]));
  EXPECT_TRUE(pool.published(b[2]));
  give_back(pool, b);
  EXPECT_EQ(pool.match_prefix(extended, 0, 3 * kB), (std::vector<BlockId>{a[0], a[1], b[2]}));
  pool.check();
}

// A holder of twins keeps its own child in use while the published parents are unused: they are the last reserve.
TEST(BlockPool, ParentsOfATwinsChildCanBeEvicted) {
  BlockPool pool(6);
  const auto t = tokens_from(0, 3 * kB);
  const auto a = put(pool, {t.begin(), t.begin() + 2 * kB});
  const auto b = put(pool, t);
  give_back(pool, a);
  EXPECT_EQ(pool.cached(), 2);
  EXPECT_EQ(pool.available(), 3);
  EXPECT_EQ(pool.alloc(3).size(), 3u);
  EXPECT_FALSE(pool.published(b[2]));
  pool.check();
  // The chain comes back with the next publication, from the blocks that are still held.
  pool.publish(t, 0, b, 2);
  EXPECT_EQ(pool.match_prefix(t, 0, 3 * kB), b);
  pool.check();
}

TEST(BlockPool, GenerationChangesWithContent) {
  BlockPool pool(1);
  const auto t = tokens_from(0, kB);
  const auto a = put(pool, t);
  const uint32_t g = pool.generation(a[0]);
  give_back(pool, a);
  EXPECT_EQ(pool.match_prefix(t, 0, kB), a);
  EXPECT_EQ(pool.generation(a[0]), g);
  give_back(pool, a);
  pool.alloc(1);
  EXPECT_NE(pool.generation(a[0]), g);
}

TEST(BlockPool, DropCacheForgetsEverything) {
  BlockPool pool(8);
  const auto t = tokens_from(0, 3 * kB), u = tokens_from(500, 2 * kB);
  const auto held = put(pool, t);
  give_back(pool, put(pool, u));
  pool.drop_cache();
  EXPECT_EQ(pool.cached(), 0);
  EXPECT_EQ(pool.in_use(), 3);
  EXPECT_EQ(hit(pool, t), 0u);
  EXPECT_EQ(hit(pool, u), 0u);
  pool.check();
  give_back(pool, held);
  EXPECT_EQ(pool.available(), 8);
  pool.check();
}

// With all hashes equal only the comparison of salt, parent and token ids tells blocks apart.
TEST(BlockPool, HashCollisionsDoNotMatter) {
  for (const uint64_t mask : {uint64_t{0}, uint64_t{1}, uint64_t{7}}) {
    BlockPool pool(64, mask);
    for (int32_t i = 0; i < 20; ++i) give_back(pool, put(pool, tokens_from(i, 2 * kB), static_cast<uint64_t>(i % 3)));
    for (int32_t i = 0; i < 20; ++i) {
      EXPECT_EQ(hit(pool, tokens_from(i, 2 * kB), static_cast<uint64_t>(i % 3)), 2u);
      EXPECT_EQ(hit(pool, tokens_from(i, 2 * kB), static_cast<uint64_t>((i + 1) % 3)), 0u);
    }
    pool.check();
  }
}

// A model that knows every published prefix and what each block holds: the pool may forget (evict), but never lie.
TEST(BlockPool, RandomTracesNeverReturnWrongContent) {
  using Key = std::pair<uint64_t, std::vector<int32_t>>;  // salt, all tokens up to and with the block
  uint64_t hits = 0;
  for (uint32_t seed = 0; seed < 300; ++seed) {
    std::mt19937 rng(seed);
    const auto pick = [&rng](int n) { return static_cast<int>(rng() % static_cast<uint32_t>(n)); };
    BlockPool pool(4 + pick(20), seed % 3 == 0 ? 3 : ~uint64_t{0});
    std::map<BlockId, Key> content;
    struct Held { std::vector<int32_t> tokens; uint64_t salt; std::vector<BlockId> blocks; };
    std::vector<Held> held;
    for (int step = 0; step < 120; ++step) {
      if (pick(3) > 0 || held.empty()) {
        Held h;
        h.salt = static_cast<uint64_t>(pick(2));
        for (int n = 1 + pick(4); n > 0; --n) h.tokens.insert(h.tokens.end(), kB, pick(2));  // few distinct blocks
        h.blocks = pool.match_prefix(h.tokens, h.salt, static_cast<int64_t>(h.tokens.size()));
        hits += h.blocks.size();
        for (size_t i = 0; i < h.blocks.size(); ++i)
          ASSERT_EQ(content[h.blocks[i]], Key(h.salt, {h.tokens.begin(), h.tokens.begin() + (i + 1) * kB}));
        const size_t first = h.blocks.size();
        const auto fresh = pool.alloc(static_cast<int32_t>(h.tokens.size() / kB - first));
        for (const BlockId b : fresh) {
          for (const Held& other : held) ASSERT_EQ(std::ranges::count(other.blocks, b), 0);
          h.blocks.push_back(b);
        }
        for (size_t i = first; i < h.blocks.size(); ++i) {
          content[h.blocks[i]] = Key(h.salt, {h.tokens.begin(), h.tokens.begin() + (i + 1) * kB});
          if (pick(4) > 0) pool.publish(h.tokens, h.salt, h.blocks, static_cast<int64_t>(i));
        }
        held.push_back(std::move(h));
      } else if (pick(20) == 0) {
        pool.drop_cache();
      } else {
        const auto at = held.begin() + pick(static_cast<int>(held.size()));
        give_back(pool, at->blocks);
        held.erase(at);
      }
      ASSERT_NO_THROW(pool.check());
      ASSERT_EQ(pool.available() + pool.in_use(), pool.size());
    }
    for (const Held& h : held) give_back(pool, h.blocks);
    ASSERT_EQ(pool.available(), pool.size());
    ASSERT_EQ(pool.alloc(pool.size()).size(), static_cast<size_t>(pool.size()));
  }
  EXPECT_GT(hits, 1000u);
}

}  // namespace
}  // namespace mainspring
