// The seam between the CPU device and its instruction sets: one table of kernels per ISA.
//
// Every .cpp under kernels/ and linear/ is compiled once per ISA with -DMAINSPRING_ISA=<name> and that ISA's flags, and puts
// all it defines into namespace mainspring::cpu::<name>, or into an anonymous namespace. Such files include only our own
// small headers: an inline function of the standard library compiled with AVX-512 could otherwise be the copy that the
// linker keeps for the whole program (CI looks for weak symbols in these objects).
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/function_ref.h"
#include "ops/op_id.h"
#include "ops/weight.h"

namespace mainspring::cpu {

// What a kernel may use besides the op. Threads are reached through a plain function pointer, so that kernel files do
// not see <atomic> and <thread>.
struct KernelContext {
  int n_threads = 1;
  std::byte* scratch = nullptr;  // 64-byte aligned, at least scratch_bytes(op, n_threads)
  void* team = nullptr;
  void (*run_tasks)(void* team, int64_t n_tasks, FunctionRef<void(int64_t task, int member)> fn) = nullptr;

  // fn(task, member) for every task in [0, n_tasks); tasks must be independent of which member runs them.
  void parallel_for(int64_t n_tasks, FunctionRef<void(int64_t, int)> fn) const { run_tasks(team, n_tasks, fn); }
};

using Kernel = void (*)(const void* op, const KernelContext& ctx);
using ScratchSize = size_t (*)(const void* op, int n_threads);

// Inputs of x are handled in chunks of this many: the unit of activation scales and of unpacked weight blocks.
inline constexpr int kChunk = 32;

// The unit of fixed-point scales, in inputs and in chunks.
inline constexpr int kRecord = 256;
inline constexpr int kRecordChunks = kRecord / kChunk;

// Scale of 32 activations kept as int16, x ~ scale * code, and the sums of the codes of both halves (exact).
struct ChunkMeta {
  float scale;
  int32_t sum[2];
  int32_t unused;
};

// x in fixed point: per token and record of 256 inputs one scale, and int16 codes whose absolute values sum up to at most
// kFixedMass: dot products with a record's integer weights (kFixedWeight) stay inside 32 bits, exact in any order.
inline constexpr int32_t kFixedMass = 131071;
struct FixedInput {
  float* scales = nullptr;     // [records][rows]
  // One of three forms of the codes, by the number of rows. A code is 256 * high + low, both signed bytes; four inputs
  // lie side by side in the order 0, 2, 1, 3.
  // A few rows: chunk c of row t at quads[(c * rows + t) * 64 ..], 32 high and 32 low bytes; and the sums of the codes
  // of its two halves at sums[(c * rows + t) * 2 ..].
  int8_t* quads = nullptr;
  int32_t* sums = nullptr;
  // Register tiles: chunk c of row t at codes[(c * rows + t) * 32 ..].
  int16_t* codes = nullptr;
  // Matrix tiles (linear/amx.h): high and low bytes of 64 inputs by tile_rows rows each; record after record, in it
  // [tile][step][high, low][tile_rows][64].
  std::byte* tiles = nullptr;
  int tile_rows = 0;
};

// x as 16-bit integers with a scale per chunk: chunk c of row t at codes[(c * rows + t) * 32 ..] and meta[c * rows + t].
struct ChunkInput {
  int16_t* codes = nullptr;
  ChunkMeta* meta = nullptr;
};

// x as signed bytes (ActType::k8), one scale per row and group; four inputs lie side by side in the order 0, 2, 1, 3.
struct Int8Input {
  int64_t group = 0;         // inputs of a group
  float* scales = nullptr;   // [groups][rows]
  int32_t* sums = nullptr;   // [groups][rows]: of the codes
  // One of two forms. Streams and register tiles: chunk c of row t at quads[(c * rows + t) * 32 ..].
  int8_t* quads = nullptr;
  // Matrix tiles: block after block of 512 inputs, in it [tile][step of 64 inputs][tile_rows][64].
  std::byte* tiles = nullptr;
  int tile_rows = 0;
};

// x as bf16 numbers in matrix tiles of tile_rows rows (linear/bf16_tiles.h).
struct Bf16Input {
  std::byte* tiles = nullptr;
  int tile_rows = 0;
};

// x of one linear op as its kernels read it.
struct LinearInput {
  // Value k of row t: values[(k / 32) * chunk_stride + t * row_stride + k % 32].
  const float* values = nullptr;
  int64_t chunk_stride = 0, row_stride = 0;
  FixedInput fixed;  // these only when a part's kernel wants them
  ChunkInput chunks;
  Bf16Input bf16;
  int64_t rows = 0;
};

struct PackedLinear;

// Most rows of x in one task: their sums of one panel stay in the first-level cache; with matrix tiles in the second.
inline constexpr int kTaskRows = 96;
inline constexpr int kTileTaskRows = 256;
inline constexpr int kInt8TaskRows = 512;

// The form in which a kernel reads x.
enum class InputForm : uint8_t { kValues, kChunkCodes, kFixed, kInt8, kBf16 };  // kInt8: LinearTask::int8

// Panels [panel, panel + n_panels) of a matrix times rows [row, row + n_rows) of x.
struct LinearTask {
  const PackedLinear* weight;
  const LinearInput* x;
  Int8Input int8;          // with InputForm::kInt8
  int64_t panel, n_panels, row, n_rows;
  float* out;              // row 0, the matrix's first column
  int64_t out_stride;
  const float* bias;       // of the matrix's first column, or null
  bool accumulate;
};

// A linear kernel: packs a canonical matrix into its own layout and multiplies by it.
struct LinearKernel {
  const char* name;
  // > 0 when the kernel can take this format; the highest score of the table wins.
  int (*score)(const WeightFormat& format, ComputeType compute, int64_t out, int64_t in);
  size_t (*packed_bytes)(const WeightFormat& format, int64_t out, int64_t in);
  // Packs rows [panel * panel_rows, ...) of the matrix; called in parallel for different panels. `buffer` is scratch of
  // pack_scratch bytes.
  int panel_rows;
  size_t (*pack_scratch)(const WeightFormat& format, int64_t in);
  void (*pack)(const LinearSource& source, int64_t panel, std::byte* packed, std::byte* buffer);
  // Rows of the matrix as f32: values[i * stride ..] = scale * row ids[i], for the embedding.
  void (*rows)(const WeightFormat& format, const std::byte* packed, int64_t out, int64_t in, const int32_t* ids,
               int64_t n, float* values, int64_t stride, float scale);
  InputForm input;
  void (*run)(const LinearTask& task);
};

struct IsaTable {
  const char* name;                 // "avx2", "avx512", "amx", "neon"
  int lanes;                        // of its vectors: tables with as many read each other's packed weights
  Kernel kernels[kOpCount];
  ScratchSize scratch[kOpCount];    // null: none
  const LinearKernel* const* linear;
  int n_linear;
};

// A packed matrix of the CPU device.
struct PackedLinear {
  const LinearKernel* kernel = nullptr;
  WeightFormat format;
  ComputeType compute = ComputeType::kBf16;
  int64_t out = 0, in = 0;
  const std::byte* data = nullptr;
};

// What every LinearWeight of a CPU device is; cpu_device.cpp owns the memory.
struct CpuLinearWeight : LinearWeight {
  PackedLinear packed;
  const char* kernel_name() const noexcept override;
  std::span<const std::byte> packed_bytes() const noexcept override;
  uint64_t layout() const override;
};

}  // namespace mainspring::cpu
