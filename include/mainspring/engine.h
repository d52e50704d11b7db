// The public C++ API: load a model, turn text into tokens, generate.
//
//   auto engine = mainspring::Engine::load({.model = "path/or/org/name"});
//   auto generation = engine->generate({.prompt = engine->tokenize("The capital of France is")});
//   while (auto chunk = generation.next()) std::cout << chunk->text << std::flush;
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mainspring/errors.h"
#include "mainspring/sampling_params.h"

namespace mainspring {

struct ModelOptions {
  std::string model;                // a local path: Hugging Face folder or .gguf
  std::string dtype;                // bf16, f16, f32; empty: bf16, or what a packed file was packed for
  std::string quantize;             // dense weights become w4 or w8a8 while they are loaded; empty: they do not
  int64_t quantize_group = 0;       // inputs per scale with w4: 32, 64, 128; 0: 128
  std::string activations;          // int16, int8: for weights kept as codes; empty: int8 with w8a8, else int16
  std::string kv_dtype;             // f16, bf16, int8, k8v4, int4, f32; empty: f16, or f32 with dtype f32
  int threads = 0;                  // 0: physical cores this process may use
  int64_t context = 0;              // tokens per sequence; 0: the model's, as far as memory allows
  int64_t max_sequences = 0;        // running at once; 0: 16
  int64_t max_step_tokens = 0;      // prefill chunk; 0: 512
  uint64_t kv_bytes = 0;            // KV cache size; 0: what context and max_sequences need, within free memory
  bool prefix_cache = true;
  std::string speculate;            // ngram: guess ahead from earlier text, results are the same; off; empty: ngram
  int64_t speculate_tokens = 0;     // most tokens guessed ahead in a step, up to 7; 0: 7
  std::string device = "cpu";       // cpu, ref (scalar oracle)
  std::string isa;                  // force an instruction set of the CPU device; empty: the best
};

struct LoadEvent {
  uint64_t done_bytes = 0, total_bytes = 0;   // of the checkpoint's tensors
};
using LoadCallback = std::function<void(const LoadEvent&)>;

enum class FinishReason { kNone, kStop, kLength, kCancelled, kError };
const char* finish_reason_name(FinishReason r) noexcept;   // "stop", "length", ...

struct GenerateRequest {
  std::vector<int32_t> prompt;
  SamplingParams sampling;
  int32_t priority = 0;
  uint64_t cache_salt = 0;          // cached prefixes are shared only between equal salts
};

struct Usage {
  int64_t prompt_tokens = 0, cached_tokens = 0, output_tokens = 0;
  double ttft_s = 0;                // submit to first token
  double decode_s = 0;              // first to last token
  int64_t drafted_tokens = 0, accepted_tokens = 0;  // guessed ahead, and of these right
};

// What became known with one step (or several, when the reader is slow).
struct Chunk {
  std::string text;                          // may be empty: held back until it is certain
  std::vector<int32_t> tokens;
  std::vector<TokenLogprobs> logprobs;       // per token, when asked for
};

// One running request. Movable; destroying it cancels the request.
class Generation {
 public:
  struct Impl;
  explicit Generation(std::unique_ptr<Impl> impl);
  ~Generation();
  Generation(Generation&&) noexcept;
  Generation& operator=(Generation&&) noexcept;

  // Waits for more; nothing after the end. Throws the request's error (the engine itself goes on).
  std::optional<Chunk> next();
  void cancel();                             // from any thread; next() then ends with kCancelled
  FinishReason finish_reason() const noexcept;
  std::optional<size_t> matched_stop() const noexcept;   // index into SamplingParams::stops
  const std::vector<TokenLogprobs>& prompt_logprobs() const noexcept;
  Usage usage() const noexcept;

 private:
  std::unique_ptr<Impl> impl_;
};

struct ModelInfo {
  std::string path, architecture, model_type, container, dtype, kv_dtype, device, tokenizer;
  int64_t vocab_size = 0, context = 0, max_position = 0, max_sequences = 0, threads = 0;
  uint64_t parameters = 0, weight_bytes = 0, kv_bytes = 0, workspace_bytes = 0;
  int64_t kv_blocks = 0, kv_block_tokens = 0;
  std::string quantize;                      // "w4 g128"; empty: the file's own formats
  std::vector<std::string> weights;          // a line per format the matrices are kept in, and what stayed unquantised
  bool has_chat_template = false;
  std::vector<int32_t> eos_ids;
  SamplingParams default_sampling;           // from generation_config.json
};

struct EngineStats {
  int64_t waiting = 0, running = 0, kv_blocks_used = 0, kv_blocks_cached = 0, kv_blocks = 0;
  uint64_t steps = 0, prompt_tokens = 0, output_tokens = 0, preemptions = 0, prefix_hit_tokens = 0, prefix_asked_tokens = 0;
  uint64_t drafted_tokens = 0, accepted_tokens = 0;  // guessed ahead (see ModelOptions::speculate), and of these right
};

// All methods may be called from any thread.
class Engine {
 public:
  static std::unique_ptr<Engine> load(const ModelOptions& options, const LoadCallback& progress = {});
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  const ModelInfo& info() const noexcept;
  EngineStats stats() const;

  std::vector<int32_t> tokenize(std::string_view text, bool add_special = true, bool parse_special = true) const;
  std::string detokenize(std::span<const int32_t> tokens, bool skip_special = false) const;
  std::string token_text(int32_t token) const;     // the vocabulary's spelling

  // Renders the model's chat template. Arguments are JSON text: messages (array), tools (array or empty), extra
  // (object of further template variables, or empty). kUnsupported when the model has no template.
  std::string apply_chat_template(std::string_view messages_json, bool add_generation_prompt = true,
                                  std::string_view tools_json = {}, std::string_view extra_json = {}) const;

  // Enqueues a request. kInvalidInput for a prompt or parameters that can never run.
  Generation generate(GenerateRequest request);

  // Runs `tokens` once and hands the logits [vocab] of every position (all = true) or of the last one to `visit`, in
  // order. For perplexity and parity work; goes through the same scheduler.
  void score(std::span<const int32_t> tokens, bool all,
             const std::function<void(int64_t position, std::span<const float> logits)>& visit);

  // Time per operation kind since the last call, as JSON text; empty unless profiling was asked for at load.
  struct Impl;

 private:
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct PackResult {
  uint64_t bytes = 0;                 // of the file
  std::string packed_for;             // "cpu avx512, bf16"
  std::vector<std::string> weights;   // as in ModelInfo
};

// Writes the model of `options` (model, dtype, quantize, quantize_group, activations, threads, isa) to one file that
// holds its matrices as this machine's kernels read them, its configuration and its tokenizer. Loading the file maps it:
// nothing is read ahead, converted or copied. The file appears when it is complete; an older packed file is replaced.
// `progress` gets bytes of the file and returns false to stop (kCancelled).
PackResult pack_model(const ModelOptions& options, const std::string& out,
                      const std::function<bool(const LoadEvent&)>& progress = {});

// What a model is, from its files alone (nothing is loaded): JSON text with architecture, config, tensors by encoding,
// tokenizer, template, how a packed file was made, and the memory needed with the context, max_sequences, kv_dtype and
// quantize fields of `options`. `verify`: also reads all of a packed file and compares its hashes.
struct InspectOptions {
  bool list_tensors = false, verify = false;
  bool text = true;   // also the tokenizer and the template: most of the time
};
std::string inspect_model(const ModelOptions& options, const InspectOptions& what = {});

// Tokenizer of a model without its weights.
class TextModel {
 public:
  static std::unique_ptr<TextModel> load(const std::string& path);
  ~TextModel();
  std::vector<int32_t> tokenize(std::string_view text, bool add_special = true, bool parse_special = true) const;
  std::string detokenize(std::span<const int32_t> tokens, bool skip_special = false) const;
  std::string token_text(int32_t token) const;

  struct Impl;

 private:
  explicit TextModel(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The machine as the program sees it: CPU, instruction sets compiled and usable, memory and cgroup limits, and (when
// self_test) every kernel of every usable instruction set compared with the scalar oracle. JSON text.
std::string doctor_report(bool self_test);

}  // namespace mainspring
