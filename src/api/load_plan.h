// From options and a checkpoint to the numbers of a run: formats, context, KV blocks, and whether it fits in memory.
#pragma once

#include "engine/model_runner.h"
#include "mainspring/engine.h"
#include "models/family.h"
#include "quant/quantize.h"
#include "weights/config.h"

namespace mainspring {

// kInvalidInput names the option, what it may be and what was found.
ComputeType parse_compute_type(std::string_view name);
KvFormat parse_kv_format(std::string_view name, ComputeType compute);   // empty: f32 with f32, else f16

// The family of a configuration; kUnsupported names the architecture and lists the known ones.
const Family& family_of(const Config& config);

// Bytes of KV cache per token over all layers, from the configuration alone (before anything is loaded).
size_t kv_token_bytes(const Config& config, KvFormat format);

// Tokens that the engine may guess ahead; 0: no speculation.
int32_t draft_tokens(const ModelOptions& options);

// Context, sequences and blocks: what was asked for, or what fits. kOutOfMemory says how much is needed, how much there
// is, and which option to lower. `block_bytes`: KV cache per block over all layers.
RunnerConfig plan_runner(const ModelOptions& options, const Config& config, KvFormat format, size_t block_bytes,
                         uint64_t available_bytes);

// Bytes a tensor of a checkpoint takes in memory, about: matrices of the vocabulary's length count as tables.
uint64_t loaded_bytes(const TensorInfo& tensor, const Config& config, ComputeType compute,
                      const QuantizeOptions& quantize);

// Refuses, before loading, weights that cannot fit.
void check_weights_fit(std::span<const TensorInfo> tensors, const Config& config, ComputeType compute,
                       const QuantizeOptions& quantize, uint64_t available_bytes);

}  // namespace mainspring
