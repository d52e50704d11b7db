// Dense bf16 weights on matrix tiles. A tile of weights is 16 pairs of inputs by 16 columns: a dense panel holds it as
// it is ([inputs / 2][32 columns][2]), so weights go from memory into the tile unit without an instruction in between.
#include "backends/cpu/linear/bf16_tiles.h"

namespace mainspring::cpu::MAINSPRING_ISA {

#if defined(MAINSPRING_ISA_amx)

namespace {

constexpr size_t kStepWeights = 2 * kVecBytes * kStepInputs / 2;   // bytes of a panel per step
constexpr size_t kPairBytes = 2 * kVecBytes;                       // of a row of a panel

// The weights of one panel, step by step. A last step that the panel holds in part is a copy filled up with zeros:
// what follows the panel may be no number, which zeros of x would not cancel.
class PanelSteps {
 public:
  MS_INLINE PanelSteps(const std::byte* data, int64_t in) : data_(data), whole_(in / kStepInputs) {
    const int64_t left = in % kStepInputs;
    if (left == 0) return;
    const std::byte* from = data + static_cast<size_t>(whole_) * kStepWeights;
    for (int i = 0; i < kStepInputs / 2; ++i)
      for (int v = 0; v < kPanelVecs; ++v) {
        const size_t at = static_cast<size_t>(i) * kPairBytes + static_cast<size_t>(v) * kVecBytes;
        istore(rest_ + at, i < (left + 1) / 2 ? iload(from + at) : iset(0));
      }
    asm volatile("" : : "r"(rest_) : "memory");   // gcc 12 does not know that a tile load reads memory
  }
  MS_INLINE const std::byte* at(int64_t step) const {
    return step < whole_ ? data_ + static_cast<size_t>(step) * kStepWeights : rest_;
  }

 private:
  const std::byte* data_;
  int64_t whole_;
  alignas(64) std::byte rest_[kStepWeights];
};

template <int lines, class Ask>
MS_INLINE void ask_lines(const std::byte* p, const Ask& ask) {
  each<lines>([&](auto i) MS_LAMBDA { ask(p + i * 64); });
}
constexpr int kStepLines = static_cast<int>(kStepWeights / 64);

// One tile of rows waits for memory alone. 3 KiB ahead in two halves keep it busiest (2 KiB or 4 KiB at once: -8 %).
void run_one_tile(const LinearTask& task, const DensePanels& p, const Bf16Layout& layout) {
  constexpr size_t kAhead = 3 * kStepWeights / 2;
  alignas(64) float sums[16 * kPanelColumns];
  const size_t limb = layout.limb_bytes();
  for (int64_t panel = task.panel; panel < task.panel + task.n_panels; ++panel) {
    const PanelSteps weights(task.weight->data + static_cast<size_t>(panel) * p.panel_bytes(), p.in);
    const std::byte* x = task.x->bf16.tiles;   // step after step
    _tile_zero(0);
    _tile_zero(1);
    for (int64_t s = 0; s < layout.steps; ++s, x += layout.step_bytes()) {
      const std::byte* w = weights.at(s);
      _tile_loadd(4, x, 64);
      if constexpr (kLimbs == 2) _tile_loadd(5, x + limb, 64);
      const auto ask = [](const void* line) MS_LAMBDA { prefetch(line); };
      ask_lines<kStepLines / 2>(w + kAhead, ask);
      _tile_loadd(6, w, kPairBytes);
      _tile_dpbf16ps(0, 4, 6);
      if constexpr (kLimbs == 2) _tile_dpbf16ps(0, 5, 6);
      ask_lines<kStepLines / 2>(w + kAhead + kStepWeights / 2, ask);
      _tile_loadd(7, w + kVecBytes, kPairBytes);
      _tile_dpbf16ps(1, 4, 7);
      if constexpr (kLimbs == 2) _tile_dpbf16ps(1, 5, 7);
    }
    _tile_stored(0, sums, kPairBytes);
    _tile_stored(1, sums + kLanes, kPairBytes);
    for (int row = 0; row < task.n_rows; ++row)
      write_panel(task, task.weight->out, panel, row, sums + row * kPanelColumns, 1.0f);
  }
}

// Lines of [at, at + bytes) asked for in `parts` parts.
class Ahead {
 public:
  Ahead() = default;
  MS_INLINE Ahead(const std::byte* at, size_t bytes, int64_t parts)
      : at_(at), lines_(static_cast<int>((static_cast<int64_t>(bytes / 64) + parts - 1) / parts)) {}
  MS_INLINE void part() {
    for (int i = 0; i < lines_; ++i, at_ += 64) prefetch_l2(at_);
  }

 private:
  const std::byte* at_ = nullptr;
  int lines_ = 0;
};

// Rows of finished sums on their way out, some at every step: the stores' misses hide behind the tile products.
class Pending {
 public:
  MS_INLINE explicit Pending(const LinearTask& task) : task_(task) {}
  MS_INLINE void add(const float* sums, int64_t panel, int64_t row, int64_t rows) {
    sums_ = sums, panel_ = panel, row_ = row, end_ = row + rows;
  }
  MS_INLINE void some(int rows) {
    for (; rows > 0 && row_ < end_; --rows, ++row_, sums_ += kPanelColumns)
      write_panel(task_, task_.weight->out, panel_, task_.row + row_, sums_, 1.0f);
  }
  MS_INLINE void all() { some(kTileTaskRows); }

 private:
  const LinearTask& task_;
  const float* sums_ = nullptr;
  int64_t panel_ = 0, row_ = 0, end_ = 0;
};

// One block of steps of `tiles` (1 or 2) tiles of x times a panel: sums[tiles * tile_rows][kPanelColumns], which begin
// (kZero, kLoad, or kKeep: they are in the tile registers) and end (stored or kept) as asked. x and sums are
// loaded as streams, so that they do not push the weights out of the first-level cache. between() is other work.
enum class Begin { kZero, kLoad, kKeep };

template <int tiles, class Between>
MS_INLINE void multiply(const Bf16Layout& layout, const std::byte* x, const PanelSteps& w, int64_t block, float* sums,
                        Begin begin, bool store, const Between& between) {
  const int64_t first = layout.first_step(block), steps = layout.steps_of(block);
  const size_t limb = layout.limb_bytes(), x_step = layout.step_bytes();
  const std::byte* x1 = x + (tiles - 1) * static_cast<size_t>(steps) * x_step;
  float* sums1 = sums + layout.tile_rows * kPanelColumns;
  if (begin == Begin::kZero) {
    _tile_zero(0);
    _tile_zero(1);
    if constexpr (tiles == 2) _tile_zero(2);
    if constexpr (tiles == 2) _tile_zero(3);
  } else if (begin == Begin::kLoad) {
    _tile_stream_loadd(0, sums, kPairBytes);
    _tile_stream_loadd(1, sums + kLanes, kPairBytes);
    if constexpr (tiles == 2) _tile_stream_loadd(2, sums1, kPairBytes);
    if constexpr (tiles == 2) _tile_stream_loadd(3, sums1 + kLanes, kPairBytes);
  }
  for (int64_t s = 0; s < steps; ++s, x += x_step, x1 += x_step) {
    const std::byte* weights = w.at(first + s);
    _tile_loadd(6, weights, kPairBytes);
    _tile_loadd(7, weights + kVecBytes, kPairBytes);
    each<kLimbs>([&](auto i) MS_LAMBDA {
      _tile_stream_loadd(4, x + i * limb, 64);
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
      if constexpr (tiles == 2) {
        _tile_stream_loadd(5, x1 + i * limb, 64);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
      }
    });
    between();
  }
  if (!store) return;
  _tile_stored(0, sums, kPairBytes);
  _tile_stored(1, sums + kLanes, kPairBytes);
  if constexpr (tiles == 2) _tile_stored(2, sums1, kPairBytes);
  if constexpr (tiles == 2) _tile_stored(3, sums1 + kLanes, kPairBytes);
}

// Two tiles of rows: sums stay in the tile registers for all inputs, weights come from memory.
void run_two_tiles(const LinearTask& task, const DensePanels& p, const Bf16Layout& layout) {
  constexpr size_t kAhead = 8 * kStepWeights;
  alignas(64) float sums[2 * 16 * kPanelColumns];
  const int per_step = static_cast<int>((task.n_rows + layout.steps_of(0) - 1) / layout.steps_of(0));
  Pending pending(task);
  for (int64_t panel = task.panel; panel < task.panel + task.n_panels; ++panel) {
    const std::byte* data = task.weight->data + static_cast<size_t>(panel) * p.panel_bytes();
    const PanelSteps w(data, p.in);
    const std::byte* ahead = data + kAhead;
    for (int64_t block = 0; block < layout.blocks; ++block)
      multiply<2>(layout, task.x->bf16.tiles + layout.at(block, 0), w, block, sums,
                  block == 0 ? Begin::kZero : Begin::kKeep, block + 1 == layout.blocks, [&]() MS_LAMBDA {
                    ask_lines<kStepLines>(ahead, [](const void* line) MS_LAMBDA { prefetch_l2(line); });
                    ahead += kStepWeights;
                    pending.some(per_step);
                  });
    pending.add(sums, panel, 0, task.n_rows);
  }
  pending.all();
}

// Many rows: block by block of the inputs; in a block panel by panel (its weights stay in the first-level cache, the
// block of x in the second), two tiles of rows at a time. Sums wait in memory between blocks.
void run_blocks(const LinearTask& task, const DensePanels& p, const Bf16Layout& layout, int64_t panel, int panels) {
  alignas(64) float sums[kBf16TaskPanels][kTileTaskRows * kPanelColumns];
  const int height = layout.tile_rows;
  const int64_t tile0 = task.row / height, tiles = (task.n_rows + height - 1) / height, pairs = (tiles + 1) / 2;
  Pending pending(task);
  for (int64_t block = 0; block < layout.blocks; ++block) {
    const int64_t steps = layout.steps_of(block);
    const size_t weights = static_cast<size_t>(steps) * kStepWeights;
    const size_t x_bytes = static_cast<size_t>(tiles * steps) * layout.step_bytes();
    const bool last = block + 1 == layout.blocks;
    Ahead next_x;
    if (!last) next_x = Ahead(task.x->bf16.tiles + layout.at(block + 1, tile0), x_bytes, panels * pairs * steps);
    for (int i = 0; i < panels; ++i) {
      const std::byte* data = task.weight->data + static_cast<size_t>(panel + i) * p.panel_bytes();
      const PanelSteps w(data, p.in);
      const std::byte* x = task.x->bf16.tiles + layout.at(block, tile0);
      const std::byte* next = i + 1 < panels ? data + p.panel_bytes() : data - static_cast<size_t>(i) * p.panel_bytes();
      Ahead next_w(next + static_cast<size_t>(layout.first_step(block + (i + 1 < panels ? 0 : 1))) * kStepWeights,
                   weights, pairs * steps);
      const int per_step = static_cast<int>((2 * height + steps - 1) / steps);
      for (int64_t tile = 0; tile < tiles; tile += 2, x += 2 * static_cast<size_t>(steps) * layout.step_bytes()) {
        float* s = sums[i] + tile * height * kPanelColumns;
        const Begin begin = block == 0 ? Begin::kZero : Begin::kLoad;
        const auto between = [&]() MS_LAMBDA { next_w.part(), next_x.part(), pending.some(per_step); };
        if (tile + 1 < tiles) multiply<2>(layout, x, w, block, s, begin, true, between);
        else multiply<1>(layout, x, w, block, s, begin, true, between);
        pending.all();
        const int64_t left = task.n_rows - tile * height;
        if (last) pending.add(s, panel + i, tile * height, left < 2 * height ? left : 2 * height);
      }
    }
  }
  pending.all();
}

}  // namespace

void run_bf16_tiles(const LinearTask& task, const DensePanels& p) {
  const Bf16Layout layout(task.x->rows, p.in, task.x->bf16.tile_rows);
  const TileUnit unit(layout.tile_rows);
  if (layout.tiles == 1) return run_one_tile(task, p, layout);
  if (layout.tiles == 2) return run_two_tiles(task, p, layout);
  for (int64_t panel = 0; panel < task.n_panels; panel += kBf16TaskPanels) {
    const int64_t left = task.n_panels - panel;
    run_blocks(task, p, layout, task.panel + panel, static_cast<int>(left < kBf16TaskPanels ? left : kBf16TaskPanels));
  }
}

#endif

}  // namespace mainspring::cpu::MAINSPRING_ISA
