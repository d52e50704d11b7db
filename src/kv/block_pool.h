// Ref-counted block ids of the paged KV cache, and the index that finds cached prefixes. Pure bookkeeping: no memory.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace mainspring {

using BlockId = int32_t;

// Blocks are free, in use (ref > 0), or cached (ref 0 but their content is a known prefix; evicted in LRU order when free
// ones run out). A block's generation changes whenever its content stops being what it was.
class BlockPool {
 public:
  // hash_mask: bits of the prefix hash that are used; tests narrow it to force collisions.
  explicit BlockPool(int32_t n_blocks, uint64_t hash_mask = ~uint64_t{0});
  ~BlockPool();

  int32_t size() const noexcept;
  int32_t available() const noexcept;   // free + cached: what alloc() can deliver
  int32_t cached() const noexcept;      // ref 0, findable
  int32_t in_use() const noexcept;
  int32_t ref_count(BlockId b) const;
  bool published(BlockId b) const;      // findable, in use or cached
  uint32_t generation(BlockId b) const;

  // n blocks with ref 1 each, or nothing (empty result) when fewer are available. Evicts cached blocks as needed.
  std::vector<BlockId> alloc(int32_t n);
  void ref(BlockId b);
  // ref - 1; at 0 the block becomes cached when it is published, else free.
  void unref(BlockId b);

  // Longest cached prefix of `tokens` made of whole blocks, at most max_tokens long; each block returned has been ref'd.
  // Blocks match by salt, parent chain and token ids: the ids themselves are compared, not only their hash.
  std::vector<BlockId> match_prefix(std::span<const int32_t> tokens, uint64_t salt, int64_t max_tokens);
  // Makes full block `index` of a sequence findable: blocks[index] holds tokens[index*kBlockTokens, (index+1)*kBlockTokens).
  // If an equal block is already published, the older one stays the findable one.
  void publish(std::span<const int32_t> tokens, uint64_t salt, std::span<const BlockId> blocks, int64_t index);
  void drop_cache();

  struct Stats { uint64_t queries = 0, hit_tokens = 0, asked_tokens = 0, evictions = 0; };
  const Stats& stats() const noexcept;
  // Internal consistency, for tests: throws kInternal with what is wrong.
  void check() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mainspring
