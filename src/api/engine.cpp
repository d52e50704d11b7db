// Engine::load and the public methods of Engine.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <random>
#include <thread>

#include "api/devices.h"
#include "api/generation.h"
#include "api/load_plan.h"
#include "api/model_loader.h"
#include "api/model_text.h"
#include "base/memory_info.h"
#include "base/str.h"
#include "mainspring/engine.h"
#include "weights/packed_checkpoint.h"

namespace mainspring {

struct Engine::Impl {
  // Order matters: the core (its thread, the runner, the weights) goes before the device that holds their memory.
  std::unique_ptr<Device> device;
  ModelText text;
  ModelInfo info;
  std::unique_ptr<EngineCore> core;
  std::atomic<bool> stop_prefetch{false};
  std::thread prefetch;   // of a packed file

  ~Impl() {
    stop_prefetch = true;
    if (prefetch.joinable()) prefetch.join();
  }
};

namespace {

struct Progress final : LoadProgress {
  const LoadCallback* callback;
  LoadEvent event;
  void loaded(std::string_view, uint64_t file_bytes) override {
    event.done_bytes += file_bytes;
    if (*callback) (*callback)(event);
  }
};

// generation_config.json's sampling defaults. do_sample false (or absent) means greedy there, but a chat program that
// answers greedily because a key is absent would surprise: only an explicit false turns temperature off.
SamplingParams default_sampling(const Json& g) {
  SamplingParams s;
  const auto number = [&](const char* key, double fallback) {
    const Json* v = g.find(key);
    return v && v->is_number() ? v->as_double() : fallback;
  };
  s.temperature = number("temperature", s.temperature);
  s.top_k = static_cast<int64_t>(number("top_k", 0));
  s.top_p = number("top_p", s.top_p);
  s.min_p = number("min_p", s.min_p);
  s.repetition_penalty = number("repetition_penalty", s.repetition_penalty);
  if (const Json* v = g.find("do_sample"); v && v->is_bool() && !v->as_bool()) s.temperature = 0;
  return s;
}

int64_t unix_time() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() { impl_->core.reset(); }

std::unique_ptr<Engine> Engine::load(const ModelOptions& o, const LoadCallback& callback) {
  auto impl = std::make_unique<Impl>();
  ModelLoader loader(o);
  const Checkpoint* checkpoint = loader.checkpoint.get();
  const Config& config = loader.config;
  const KvFormat kv = parse_kv_format(o.kv_dtype, loader.compute);
  check_weights_fit(loader.checkpoint->tensors(), config, loader.compute, loader.quantize, memory_info().available);
  // The vocabulary and the weights are independent and both take a while.
  std::future<ModelText> text =
      std::async(std::launch::async, [&] { return load_model_text(o.model, checkpoint); });

  Progress progress;
  progress.callback = &callback;
  progress.event.total_bytes = 0;
  for (const TensorInfo& t : checkpoint->tensors()) progress.event.total_bytes += t.bytes;
  std::unique_ptr<CausalLM> model = loader.build(&progress);
  impl->device = std::move(loader.device);
  const size_t block_bytes = ModelRunner::kv_block_bytes(*impl->device, *model, kv);
  // Matrices in a mapped file count as free memory, but they are wanted in it.
  uint64_t available = memory_info().available;
  if (checkpoint->packed()) available -= std::min(available, checkpoint->file_bytes());
  if (const PackedCheckpoint* packed = checkpoint->packed())
    impl->prefetch = std::thread([run = packed->prefetcher(), &stop = impl->stop_prefetch] { run(stop); });
  const RunnerConfig runner_config = plan_runner(o, config, kv, block_bytes, available);
  auto runner = std::make_unique<ModelRunner>(*impl->device, std::move(model), config.vocab_size, runner_config);
  impl->text = text.get();

  ModelInfo& i = impl->info;
  i.path = o.model;
  i.architecture = config.architectures.empty() ? config.model_type : config.architectures.front();
  i.model_type = config.model_type;
  i.container = checkpoint->container();
  i.dtype = compute_type_name(loader.compute);
  i.kv_dtype = kv_format_name(kv);
  i.device = impl->device->name();
  i.tokenizer = impl->text.tokenizer->describe();
  i.vocab_size = config.vocab_size;
  i.context = runner->config().max_context;
  i.max_position = config.max_position;
  i.max_sequences = runner->config().max_sequences;
  i.threads = device_threads(*impl->device);
  for (const TensorInfo& t : checkpoint->tensors()) i.parameters += t.elements();
  for (const auto& [name, total] : loader.report.formats) i.weight_bytes += total.bytes;
  i.quantize = loader.quantize_text();
  i.weights = report_lines(loader.report);
  i.kv_bytes = runner->kv_bytes();
  i.workspace_bytes = runner->workspace_bytes();
  i.kv_blocks = runner->config().n_blocks;
  i.kv_block_tokens = kBlockTokens;
  i.has_chat_template = impl->text.chat_template.has_value();
  i.eos_ids = config.eos_ids;
  if (i.eos_ids.empty() && impl->text.tokenizer->special_tokens().eos)
    i.eos_ids.push_back(*impl->text.tokenizer->special_tokens().eos);
  i.default_sampling = default_sampling(checkpoint->generation_config());

  EngineCore::Config core{.eos_ids = i.eos_ids, .prefix_cache = o.prefix_cache, .seed = std::random_device{}(),
                          .max_draft = draft_tokens(o),
                          .sampled_ids = static_cast<int64_t>(impl->text.tokenizer->vocab_size())};
  core.seed = core.seed << 32 | std::random_device{}();
  impl->core = std::make_unique<EngineCore>(std::move(runner), std::move(core));
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

const ModelInfo& Engine::info() const noexcept { return impl_->info; }
EngineStats Engine::stats() const { return impl_->core->stats(); }

std::vector<int32_t> Engine::tokenize(std::string_view text, bool add_special, bool parse_special) const {
  return impl_->text.tokenize(text, add_special, parse_special);
}
std::string Engine::detokenize(std::span<const int32_t> tokens, bool skip_special) const {
  return impl_->text.detokenize(tokens, skip_special);
}
std::string Engine::token_text(int32_t token) const { return impl_->text.token_text(token); }

std::string Engine::apply_chat_template(std::string_view messages, bool add_generation_prompt, std::string_view tools,
                                        std::string_view extra) const {
  const ModelText& t = impl_->text;
  if (!t.chat_template) fail(Code::kUnsupported, "this model has no chat template; use a raw prompt");
  Json variables = Json::object();
  const SpecialTokens& special = t.tokenizer->special_tokens();
  variables.set("bos_token", special.bos ? t.tokenizer->id_to_token(*special.bos) : std::string());
  variables.set("eos_token", special.eos ? t.tokenizer->id_to_token(*special.eos) : std::string());
  variables.set("messages", parse_json(messages, "messages"));
  variables.set("tools", tools.empty() ? Json() : parse_json(tools, "tools"));
  variables.set("documents", Json());
  variables.set("add_generation_prompt", add_generation_prompt);
  const Json more = extra.empty() ? Json::object() : parse_json(extra, "extra");  // lives as long as the loop over it
  for (const auto& [key, value] : more.as_object()) variables.set(key, value);
  return t.chat_template->render(variables, unix_time());
}

Generation Engine::generate(GenerateRequest request) {
  auto queue = std::make_shared<TokenQueue>();
  const SamplingParams s = request.sampling;
  EngineRequest r{.prompt = std::move(request.prompt), .sampling = std::move(request.sampling),
                  .priority = request.priority, .cache_salt = request.cache_salt};
  const SequenceId id = impl_->core->submit(std::move(r), queue);
  return Generation(std::unique_ptr<Generation::Impl>(new Generation::Impl{
      .core = impl_->core.get(), .id = id, .queue = std::move(queue),
      .detokenizer = Detokenizer(*impl_->text.tokenizer, s.stops, s.skip_special_tokens, s.include_stop)}));
}

namespace {

// Hands logits to the visitor on the engine thread; the caller of score() waits meanwhile.
struct ScoreSink final : RequestSink {
  const std::function<void(int64_t, std::span<const float>)>* visit;
  std::promise<void> done;
  std::exception_ptr visitor_error;

  void token(int32_t, const TokenLogprobs*) override {}
  void logits(int64_t position, std::span<const float> row) override {
    try {
      if (!visitor_error) (*visit)(position, row);
    } catch (...) {
      visitor_error = std::current_exception();
    }
  }
  void finished(FinishReason reason, const Error* error, const Usage&) override {
    if (visitor_error) done.set_exception(visitor_error);
    else if (error) done.set_exception(std::make_exception_ptr(*error));
    else if (reason == FinishReason::kCancelled) done.set_exception(std::make_exception_ptr(Error(Code::kCancelled, "cancelled")));
    else done.set_value();
  }
};

}  // namespace

void Engine::score(std::span<const int32_t> tokens, bool all,
                   const std::function<void(int64_t, std::span<const float>)>& visit) {
  auto sink = std::make_shared<ScoreSink>();
  sink->visit = &visit;
  std::future<void> done = sink->done.get_future();
  EngineRequest r{.prompt = {tokens.begin(), tokens.end()}, .all_logits = all, .last_logits = !all, .sample = false};
  impl_->core->submit(std::move(r), sink);
  done.get();
}

}  // namespace mainspring
