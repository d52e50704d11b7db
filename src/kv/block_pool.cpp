// Ref counts, the free list, the prefix index (a hash table over published blocks) and leaf-first LRU eviction.
//
// Published blocks form a forest: the parent of a block is the published block that holds the 32 tokens before its own,
// named by id and generation. A prefix is found by walking from the root, so a block whose ancestor is gone can never be
// reached; such blocks are taken out of the index together with the ancestor.
#include "kv/block_pool.h"

#include <algorithm>
#include <array>
#include <bit>
#include <set>
#include <utility>

#include "base/errors.h"
#include "base/hash.h"
#include "base/str.h"
#include "ops/kv.h"

namespace mainspring {

namespace {

constexpr BlockId kNone = -1;
using Tokens = std::array<int32_t, kBlockTokens>;

struct Block {
  int32_t ref = 0;
  uint32_t generation = 0;
  bool published = false;
  // The rest is meaningful while published, except `twin`.
  BlockId parent = kNone;
  BlockId first_child = kNone, next_sibling = kNone, previous_sibling = kNone;
  BlockId next_in_bucket = kNone;
  uint64_t hash = 0, salt = 0;
  uint64_t last_used = 0;
  Tokens tokens{};
  // Not published because an equal block was: that one, as long as its generation is still this.
  BlockId twin = kNone;
  uint32_t twin_generation = 0;
};

}  // namespace

struct BlockPool::Impl {
  std::vector<Block> blocks;
  std::vector<BlockId> free_list;
  std::vector<BlockId> buckets;  // heads of the hash chains; size a power of two
  uint64_t hash_mask = 0;
  uint64_t clock = 0;
  int32_t n_cached = 0, n_in_use = 0;
  // Cached blocks by last use: those without published children, and the others. A cached block with children that are
  // all in use exists when a sequence holds a twin of it, so the second set is the reserve of eviction.
  std::set<std::pair<uint64_t, BlockId>> leaves, inner;
  Stats stats;

  Block& at(BlockId b) {
    if (b < 0 || static_cast<size_t>(b) >= blocks.size())
      fail(Code::kInternal, "block pool: block ", b, " does not exist, the pool has ", blocks.size());
    return blocks[static_cast<size_t>(b)];
  }
  BlockId& bucket(uint64_t hash) { return buckets[hash & (buckets.size() - 1)]; }

  uint64_t hash_of(BlockId parent, uint64_t salt, std::span<const int32_t> tokens) {
    const uint64_t p = parent == kNone ? ~uint64_t{0} : uint64_t{blocks[parent].generation} << 32 | uint32_t(parent);
    return hash64(tokens, hash_combine(salt, p)) & hash_mask;
  }

  BlockId find(BlockId parent, uint64_t salt, std::span<const int32_t> tokens) {
    const uint64_t hash = hash_of(parent, salt, tokens);
    for (BlockId b = bucket(hash); b != kNone; b = blocks[b].next_in_bucket) {
      const Block& k = blocks[b];
      if (k.hash == hash && k.parent == parent && k.salt == salt && std::ranges::equal(k.tokens, tokens)) return b;
    }
    return kNone;
  }

  // Cached blocks live in one of the two sets; called around every change of ref, published, children or last_used.
  void forget_cached(BlockId b) {
    const Block& k = blocks[b];
    (k.first_child == kNone ? leaves : inner).erase({k.last_used, b});
    --n_cached;
  }
  void note_cached(BlockId b) {
    const Block& k = blocks[b];
    (k.first_child == kNone ? leaves : inner).insert({k.last_used, b});
    ++n_cached;
  }
  bool is_cached(BlockId b) const { return blocks[b].published && blocks[b].ref == 0; }

  void add_child(BlockId parent, BlockId child) {
    if (parent == kNone) return;
    const bool cached = is_cached(parent);
    if (cached) forget_cached(parent);
    Block& p = blocks[parent];
    Block& c = blocks[child];
    c.next_sibling = p.first_child;
    c.previous_sibling = kNone;
    if (p.first_child != kNone) blocks[p.first_child].previous_sibling = child;
    p.first_child = child;
    if (cached) note_cached(parent);
  }
  void remove_child(BlockId parent, BlockId child) {
    if (parent == kNone) return;
    const bool cached = is_cached(parent);
    if (cached) forget_cached(parent);
    Block& c = blocks[child];
    if (c.next_sibling != kNone) blocks[c.next_sibling].previous_sibling = c.previous_sibling;
    (c.previous_sibling == kNone ? blocks[parent].first_child : blocks[c.previous_sibling].next_sibling) = c.next_sibling;
    c.next_sibling = c.previous_sibling = kNone;
    if (cached) note_cached(parent);
  }

  void remove_from_table(BlockId b) {
    BlockId* link = &bucket(blocks[b].hash);
    while (*link != b) link = &blocks[*link].next_in_bucket;
    *link = blocks[b].next_in_bucket;
    blocks[b].next_in_bucket = kNone;
  }

  // Takes one childless block out of the index. A cached one becomes free.
  void unpublish_leaf(BlockId b) {
    Block& k = blocks[b];
    if (k.ref == 0) forget_cached(b);
    remove_from_table(b);
    k.published = false;
    ++k.generation;
    remove_child(k.parent, b);
    k.parent = kNone;
    if (k.ref == 0) free_list.push_back(b);
  }
  // The same with all its descendants, children first.
  void unpublish_tree(BlockId root) {
    BlockId b = root;
    while (true) {
      while (blocks[b].first_child != kNone) b = blocks[b].first_child;
      const BlockId parent = blocks[b].parent;
      const bool done = b == root;
      unpublish_leaf(b);
      if (done) return;
      b = parent;
    }
  }

  // Makes at least one block free; the caller has checked that one is cached.
  void evict() {
    ++stats.evictions;
    if (!leaves.empty())
      unpublish_leaf(leaves.begin()->second);
    else
      unpublish_tree(inner.begin()->second);
  }

  void take_ref(BlockId b) {
    Block& k = at(b);
    if (k.ref == 0) {
      if (!k.published) fail(Code::kInternal, "block pool: block ", b, " is free and cannot be referenced");
      forget_cached(b);
      ++n_in_use;
    }
    ++k.ref;
  }

  // The published block that stands for block b of a sequence, kNone when there is none (any more).
  BlockId canonical(BlockId b) {
    const Block& k = at(b);
    if (k.published) return b;
    if (k.twin != kNone && blocks[k.twin].published && blocks[k.twin].generation == k.twin_generation) return k.twin;
    return kNone;
  }

  BlockId publish_one(BlockId b, BlockId parent, uint64_t salt, std::span<const int32_t> tokens) {
    Block& k = at(b);
    if (k.ref <= 0) fail(Code::kInternal, "block pool: block ", b, " is published but nobody holds it");
    if (const BlockId known = find(parent, salt, tokens); known != kNone) {
      k.twin = known;
      k.twin_generation = blocks[known].generation;
      return known;
    }
    k.hash = hash_of(parent, salt, tokens);
    k.salt = salt;
    k.parent = parent;
    std::ranges::copy(tokens, k.tokens.begin());
    k.published = true;
    k.twin = kNone;
    k.next_in_bucket = bucket(k.hash);
    bucket(k.hash) = b;
    add_child(parent, b);
    return b;
  }

  void check() const;
  void check_block(BlockId b) const;
};

BlockPool::BlockPool(int32_t n_blocks, uint64_t hash_mask) : impl_(std::make_unique<Impl>()) {
  if (n_blocks < 0) fail(Code::kInvalidInput, "block pool: ", n_blocks, " blocks asked for, at least 0 expected");
  const auto n = static_cast<size_t>(n_blocks);
  impl_->blocks.resize(n);
  impl_->buckets.assign(std::bit_ceil(std::max<size_t>(2 * n, 2)), kNone);
  impl_->hash_mask = hash_mask;
  impl_->free_list.reserve(n);
  for (int32_t b = n_blocks - 1; b >= 0; --b) impl_->free_list.push_back(b);  // low ids are handed out first
}

BlockPool::~BlockPool() = default;

int32_t BlockPool::size() const noexcept { return static_cast<int32_t>(impl_->blocks.size()); }
int32_t BlockPool::available() const noexcept {
  return static_cast<int32_t>(impl_->free_list.size()) + impl_->n_cached;
}
int32_t BlockPool::cached() const noexcept { return impl_->n_cached; }
int32_t BlockPool::in_use() const noexcept { return impl_->n_in_use; }
int32_t BlockPool::ref_count(BlockId b) const { return impl_->at(b).ref; }
bool BlockPool::published(BlockId b) const { return impl_->at(b).published; }
uint32_t BlockPool::generation(BlockId b) const { return impl_->at(b).generation; }
const BlockPool::Stats& BlockPool::stats() const noexcept { return impl_->stats; }

std::vector<BlockId> BlockPool::alloc(int32_t n) {
  std::vector<BlockId> out;
  if (n <= 0 || n > available()) return out;
  out.reserve(static_cast<size_t>(n));
  while (static_cast<int32_t>(out.size()) < n) {
    if (impl_->free_list.empty()) impl_->evict();
    const BlockId b = impl_->free_list.back();
    impl_->free_list.pop_back();
    Block& k = impl_->blocks[b];
    k.ref = 1;
    k.twin = kNone;
    ++impl_->n_in_use;
    out.push_back(b);
  }
  return out;
}

void BlockPool::ref(BlockId b) { impl_->take_ref(b); }

void BlockPool::unref(BlockId b) {
  Block& k = impl_->at(b);
  if (k.ref <= 0) fail(Code::kInternal, "block pool: block ", b, " is given back but nobody holds it");
  if (--k.ref > 0) return;
  --impl_->n_in_use;
  if (!k.published) {
    ++k.generation;
    impl_->free_list.push_back(b);
    return;
  }
  k.last_used = ++impl_->clock;
  impl_->note_cached(b);
}

std::vector<BlockId> BlockPool::match_prefix(std::span<const int32_t> tokens, uint64_t salt, int64_t max_tokens) {
  const int64_t usable = std::clamp<int64_t>(max_tokens, 0, static_cast<int64_t>(tokens.size()));
  ++impl_->stats.queries;
  impl_->stats.asked_tokens += static_cast<uint64_t>(usable);
  std::vector<BlockId> out;
  BlockId parent = kNone;
  for (int64_t at = 0; at + kBlockTokens <= usable; at += kBlockTokens) {
    const BlockId b = impl_->find(parent, salt, tokens.subspan(static_cast<size_t>(at), kBlockTokens));
    if (b == kNone) break;
    impl_->take_ref(b);
    out.push_back(b);
    parent = b;
  }
  impl_->stats.hit_tokens += out.size() * kBlockTokens;
  return out;
}

void BlockPool::publish(std::span<const int32_t> tokens, uint64_t salt, std::span<const BlockId> blocks, int64_t index) {
  if (index < 0 || index >= static_cast<int64_t>(blocks.size()) ||
      (index + 1) * kBlockTokens > static_cast<int64_t>(tokens.size()))
    fail(Code::kInternal, "block pool: block ", index, " of a sequence of ", tokens.size(), " tokens in ", blocks.size(),
         " blocks is not full and cannot be published");
  // Usually the block before is published. After its eviction (as a twin) or drop_cache(), the chain is published anew.
  int64_t first = index;
  BlockId parent = kNone;
  while (first > 0 && (parent = impl_->canonical(blocks[static_cast<size_t>(first) - 1])) == kNone) --first;
  if (first == 0) parent = kNone;
  for (int64_t i = first; i <= index; ++i) {
    const BlockId b = blocks[static_cast<size_t>(i)];
    const BlockId known = impl_->canonical(b);
    parent = known != kNone
                 ? known
                 : impl_->publish_one(b, parent, salt, tokens.subspan(static_cast<size_t>(i * kBlockTokens), kBlockTokens));
  }
}

void BlockPool::drop_cache() {
  for (BlockId b = 0; b < size(); ++b)
    if (impl_->blocks[b].published && impl_->blocks[b].parent == kNone) impl_->unpublish_tree(b);
}

void BlockPool::check() const { impl_->check(); }

void BlockPool::Impl::check_block(BlockId b) const {
  const Block& k = blocks[b];
  const auto bad = [b](const char* what) { fail(Code::kInternal, "block pool: block ", b, " ", what); };
  if (k.ref < 0) bad("has a negative ref count");
  const bool in_leaves = leaves.contains({k.last_used, b}), in_inner = inner.contains({k.last_used, b});
  if (is_cached(b) != (in_leaves || in_inner)) bad("is cached but in no eviction set, or the reverse");
  if (in_leaves && k.first_child != kNone) bad("has children but counts as a leaf");
  if (in_inner && k.first_child == kNone) bad("has no children but counts as an inner block");
  if (!k.published) {
    if (k.first_child != kNone) bad("has children but is not published");
    return;
  }
  if (k.parent != kNone && !blocks[k.parent].published) bad("has a parent that is not published");
  if (k.parent != kNone && blocks[k.parent].salt != k.salt) bad("has another salt than its parent");
  int found = 0;
  for (BlockId c = buckets[k.hash & (buckets.size() - 1)]; c != kNone; c = blocks[c].next_in_bucket) {
    if (c == b) ++found;
    if (c != b && blocks[c].parent == k.parent && blocks[c].salt == k.salt && blocks[c].tokens == k.tokens)
      bad("is published twice");
  }
  if (found != 1) bad("is not exactly once in the hash table");
  BlockId previous = kNone;
  for (BlockId c = k.first_child; c != kNone; previous = c, c = blocks[c].next_sibling)
    if (!blocks[c].published || blocks[c].parent != b || blocks[c].previous_sibling != previous)
      bad("has a broken list of children");
}

void BlockPool::Impl::check() const {
  std::vector<char> is_free(blocks.size(), 0);
  for (const BlockId b : free_list) {
    if (is_free[b]++) fail(Code::kInternal, "block pool: block ", b, " is free twice");
    if (blocks[b].ref != 0 || blocks[b].published) fail(Code::kInternal, "block pool: free block ", b, " is in use");
  }
  int32_t used = 0, cached = 0;
  for (BlockId b = 0; b < static_cast<BlockId>(blocks.size()); ++b) {
    check_block(b);
    used += blocks[b].ref > 0;
    cached += is_cached(b);
    if (!is_free[b] && blocks[b].ref == 0 && !blocks[b].published)
      fail(Code::kInternal, "block pool: block ", b, " is lost");
  }
  if (used != n_in_use || cached != n_cached || static_cast<size_t>(cached) != leaves.size() + inner.size())
    fail(Code::kInternal, "block pool: counts ", n_in_use, "/", n_cached, " in use/cached, found ", used, "/", cached);
}

}  // namespace mainspring
