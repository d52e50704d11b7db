// The C API over the public C++ API: handles, texts to options, exceptions to status codes.
#include <charconv>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/str.h"
#include "mainspring/engine.h"
#include "mainspring/mainspring.h"

using namespace mainspring;

struct ms_text {
  std::string bytes;
};
struct ms_tokens {
  std::vector<int32_t> ids;
};
struct ms_engine {
  std::shared_ptr<Engine> engine;
};
struct ms_params {
  SamplingParams sampling;
  int32_t priority = 0;
  uint64_t cache_salt = 0;
};
struct ms_generation {
  std::shared_ptr<Engine> engine;  // before the generation, which needs it to the end
  Generation generation;
  Chunk chunk;
  std::vector<ms_token_logprob> logprobs;
  bool ended = false;
};

namespace {

// The one thing that a thread keeps between calls: C has no other way to return a message with a status.
struct LastError {
  ms_status status = MS_OK;
  std::string message;
};
thread_local LastError last_error;

ms_status status_of(Code code) {
  switch (code) {
    case Code::kInvalidInput: return MS_INVALID_INPUT;
    case Code::kNotFound: return MS_NOT_FOUND;
    case Code::kOutOfMemory: return MS_OUT_OF_MEMORY;
    case Code::kUnsupported: return MS_UNSUPPORTED;
    case Code::kIo: return MS_IO;
    case Code::kUnavailable: return MS_UNAVAILABLE;
    case Code::kCancelled: return MS_CANCELLED;
    case Code::kInternal: return MS_INTERNAL;
  }
  return MS_INTERNAL;
}

ms_status record(ms_status status, const char* message) noexcept {
  last_error.status = status;
  try {
    last_error.message = message;
  } catch (...) {
    last_error.message.clear();  // no memory for the message; the status remains
  }
  return status;
}

// Runs a function's body; nothing that it throws gets out.
template <class Body>
ms_status guarded(const Body& body) noexcept {
  try {
    body();
    return record(MS_OK, "");
  } catch (const Error& e) {
    return record(status_of(e.code()), e.what());
  } catch (const std::bad_alloc&) {
    return record(MS_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& e) {
    return record(MS_INTERNAL, e.what());
  } catch (...) {
    return record(MS_INTERNAL, "unknown error");
  }
}

// The same for functions with a handle to give: *out is NULL unless the body returns one.
template <class Handle, class Body>
ms_status giving(Handle** out, const Body& body) noexcept {
  if (out != nullptr) *out = nullptr;
  return guarded([&] {
    if (out == nullptr) fail(Code::kInvalidInput, "the output pointer is NULL");
    *out = body().release();
  });
}

template <class T>
T& needed(T* pointer, const char* what) {
  if (pointer == nullptr) fail(Code::kInvalidInput, what, " is NULL");
  return *pointer;
}
std::string_view text_or_empty(const char* text) { return text == nullptr ? std::string_view() : text; }

template <class T>
std::span<const T> list_of(const T* items, size_t n, const char* what) {
  if (items == nullptr && n > 0) fail(Code::kInvalidInput, what, " is NULL, with a size of ", n);
  return {items, n};
}

template <class T>
void read_number(std::string_view key, std::string_view text, T& out) {
  const auto r = std::from_chars(text.data(), text.data() + text.size(), out);
  if (text.empty() || r.ec != std::errc() || r.ptr != text.data() + text.size())
    fail(Code::kInvalidInput, key, ": expected a number, found '", printable(text), "'");
}
void read_flag(std::string_view key, std::string_view text, bool& out) {
  if (text != "true" && text != "false") fail(Code::kInvalidInput, key, ": expected true or false, found '", printable(text), "'");
  out = text == "true";
}

void set_option(ModelOptions& o, std::string_view key, std::string_view value) {
  const auto text = [&](std::string& to) { to = std::string(value); };
  const auto number = [&](auto& to) { read_number(key, value, to); };
  if (key == "dtype") text(o.dtype);
  else if (key == "kv_dtype") text(o.kv_dtype);
  else if (key == "quantize") text(o.quantize);
  else if (key == "quantize_group") number(o.quantize_group);
  else if (key == "activations") text(o.activations);
  else if (key == "threads") number(o.threads);
  else if (key == "context") number(o.context);
  else if (key == "max_sequences") number(o.max_sequences);
  else if (key == "max_step_tokens") number(o.max_step_tokens);
  else if (key == "kv_bytes") number(o.kv_bytes);
  else if (key == "prefix_cache") read_flag(key, value, o.prefix_cache);
  else if (key == "speculate") text(o.speculate);
  else if (key == "speculate_tokens") number(o.speculate_tokens);
  else if (key == "device") text(o.device);
  else if (key == "isa") text(o.isa);
  else fail(Code::kInvalidInput, "there is no option '", printable(key), "'");
}

std::pair<int32_t, float> read_bias(std::string_view key, std::string_view value) {
  const size_t colon = value.find(':');
  if (colon == value.npos) fail(Code::kInvalidInput, key, ": expected id:bias, found '", printable(value), "'");
  std::pair<int32_t, float> bias;
  read_number(key, value.substr(0, colon), bias.first);
  read_number(key, value.substr(colon + 1), bias.second);
  return bias;
}

std::vector<int32_t> read_ids(std::string_view key, std::string_view value) {
  std::vector<int32_t> ids;
  for (const std::string_view part : split(value, ' ')) {
    if (part.empty()) continue;
    read_number(key, part, ids.emplace_back());
  }
  return ids;
}

// Whether there is such a number.
bool set_number(ms_params& p, std::string_view key, std::string_view value) {
  SamplingParams& s = p.sampling;
  const auto number = [&](auto& to) {
    read_number(key, value, to);
    return true;
  };
  if (key == "temperature") return number(s.temperature);
  if (key == "top_k") return number(s.top_k);
  if (key == "top_p") return number(s.top_p);
  if (key == "min_p") return number(s.min_p);
  if (key == "typical_p") return number(s.typical_p);
  if (key == "repetition_penalty") return number(s.repetition_penalty);
  if (key == "presence_penalty") return number(s.presence_penalty);
  if (key == "frequency_penalty") return number(s.frequency_penalty);
  if (key == "no_repeat_ngram") return number(s.no_repeat_ngram);
  if (key == "min_tokens") return number(s.min_tokens);
  if (key == "max_tokens") return number(s.max_tokens);
  if (key == "seed") return number(s.seed.emplace());
  if (key == "top_logprobs") return number(s.top_logprobs);
  if (key == "priority") return number(p.priority);
  if (key == "cache_salt") return number(p.cache_salt);
  return false;
}

void set_param(ms_params& to, std::string_view key, std::string_view value) {
  ms_params p = to;  // a value that does not parse changes nothing
  SamplingParams& s = p.sampling;
  if (set_number(p, key, value)) {
  } else if (key == "ignore_eos") read_flag(key, value, s.ignore_eos);
  else if (key == "include_stop") read_flag(key, value, s.include_stop);
  else if (key == "skip_special_tokens") read_flag(key, value, s.skip_special_tokens);
  else if (key == "stop") s.stops.emplace_back(value);
  else if (key == "stop_id") read_number(key, value, s.stop_ids.emplace_back());
  else if (key == "logit_bias") s.logit_bias.push_back(read_bias(key, value));
  else if (key == "bad_word") s.bad_words.push_back(read_ids(key, value));
  else fail(Code::kInvalidInput, "there is no sampling parameter '", printable(key), "'");
  to = std::move(p);
}

std::unique_ptr<ms_text> text_handle(std::string bytes) { return std::make_unique<ms_text>(ms_text{std::move(bytes)}); }

std::string info_json(const ModelInfo& i) {
  Json eos = Json::array();
  for (const int32_t id : i.eos_ids) eos.push_back(int64_t{id});
  return Json::object({{"path", i.path},
                       {"architecture", i.architecture},
                       {"model_type", i.model_type},
                       {"container", i.container},
                       {"dtype", i.dtype},
                       {"kv_dtype", i.kv_dtype},
                       {"device", i.device},
                       {"tokenizer", i.tokenizer},
                       {"vocab_size", i.vocab_size},
                       {"context", i.context},
                       {"max_position", i.max_position},
                       {"max_sequences", i.max_sequences},
                       {"threads", i.threads},
                       {"parameters", i.parameters},
                       {"weight_bytes", i.weight_bytes},
                       {"kv_bytes", i.kv_bytes},
                       {"workspace_bytes", i.workspace_bytes},
                       {"has_chat_template", i.has_chat_template},
                       {"eos_ids", std::move(eos)}})
      .dump();
}

std::string stats_json(const EngineStats& s) {
  return Json::object({{"waiting", s.waiting},
                       {"running", s.running},
                       {"kv_blocks_used", s.kv_blocks_used},
                       {"kv_blocks_cached", s.kv_blocks_cached},
                       {"kv_blocks", s.kv_blocks},
                       {"steps", s.steps},
                       {"prompt_tokens", s.prompt_tokens},
                       {"output_tokens", s.output_tokens},
                       {"preemptions", s.preemptions},
                       {"prefix_hit_tokens", s.prefix_hit_tokens},
                       {"prefix_asked_tokens", s.prefix_asked_tokens},
                       {"drafted_tokens", s.drafted_tokens},
                       {"accepted_tokens", s.accepted_tokens}})
      .dump();
}

// Fills `chunk`; at the end only chunk.end.
void next_chunk(ms_generation& g, ms_chunk& chunk) {
  chunk = {};
  chunk.text = "";
  chunk.end = 1;
  if (g.ended) return;
  g.ended = true;  // also when next() throws: the error is reported once
  std::optional<Chunk> next = g.generation.next();
  if (!next) return;
  g.ended = false;
  g.chunk = std::move(*next);
  g.logprobs.clear();
  for (const TokenLogprobs& l : g.chunk.logprobs) g.logprobs.push_back({l.chosen.id, l.chosen.logprob});
  chunk = {.text = g.chunk.text.c_str(), .text_size = g.chunk.text.size(), .tokens = g.chunk.tokens.data(),
           .n_tokens = g.chunk.tokens.size(), .logprobs = g.logprobs.empty() ? nullptr : g.logprobs.data(), .end = 0};
}

}  // namespace

extern "C" {

const char* ms_version(void) { return MAINSPRING_VERSION; }
int ms_api_version(void) { return MS_API_VERSION; }

const char* ms_status_name(ms_status status) {
  if (status == MS_OK) return "ok";
  for (const Code code : {Code::kInvalidInput, Code::kNotFound, Code::kOutOfMemory, Code::kUnsupported, Code::kIo,
                          Code::kUnavailable, Code::kCancelled})
    if (status_of(code) == status) return code_name(code);
  return code_name(Code::kInternal);
}

ms_status ms_last_error(void) { return last_error.status; }
const char* ms_last_error_message(void) { return last_error.message.c_str(); }

const char* ms_text_data(const ms_text* text) { return text == nullptr ? "" : text->bytes.c_str(); }
size_t ms_text_size(const ms_text* text) { return text == nullptr ? 0 : text->bytes.size(); }
void ms_text_free(ms_text* text) { delete text; }

const int32_t* ms_tokens_data(const ms_tokens* tokens) { return tokens == nullptr ? nullptr : tokens->ids.data(); }
size_t ms_tokens_size(const ms_tokens* tokens) { return tokens == nullptr ? 0 : tokens->ids.size(); }
void ms_tokens_free(ms_tokens* tokens) { delete tokens; }

ms_status ms_engine_load(const char* path, const ms_option* options, size_t n_options, ms_engine** out) {
  return giving(out, [&] {
    ModelOptions o;
    o.model = &needed(path, "the path");
    for (const ms_option& option : list_of(options, n_options, "the list of options"))
      set_option(o, &needed(option.key, "an option's key"), &needed(option.value, "an option's value"));
    return std::make_unique<ms_engine>(ms_engine{Engine::load(o)});
  });
}
void ms_engine_free(ms_engine* engine) { delete engine; }

ms_status ms_engine_info(const ms_engine* engine, ms_text** out) {
  return giving(out, [&] { return text_handle(info_json(needed(engine, "the engine").engine->info())); });
}
ms_status ms_engine_stats(const ms_engine* engine, ms_text** out) {
  return giving(out, [&] { return text_handle(stats_json(needed(engine, "the engine").engine->stats())); });
}

ms_status ms_tokenize(const ms_engine* engine, const char* text, size_t size, int flags, ms_tokens** out) {
  return giving(out, [&] {
    const Engine& e = *needed(engine, "the engine").engine;
    if ((flags & ~(MS_NO_SPECIAL | MS_PLAIN_SPECIAL)) != 0) fail(Code::kInvalidInput, "unknown flags ", flags);
    const auto bytes = list_of(text, size, "the text");
    return std::make_unique<ms_tokens>(ms_tokens{
        e.tokenize({bytes.data(), bytes.size()}, (flags & MS_NO_SPECIAL) == 0, (flags & MS_PLAIN_SPECIAL) == 0)});
  });
}

ms_status ms_detokenize(const ms_engine* engine, const int32_t* tokens, size_t n, int skip_special, ms_text** out) {
  return giving(out, [&] {
    const Engine& e = *needed(engine, "the engine").engine;
    return text_handle(e.detokenize(list_of(tokens, n, "the list of tokens"), skip_special != 0));
  });
}

ms_status ms_apply_chat_template(const ms_engine* engine, const char* messages_json, int add_generation_prompt,
                                 const char* tools_json, const char* extra_json, ms_text** out) {
  return giving(out, [&] {
    const Engine& e = *needed(engine, "the engine").engine;
    return text_handle(e.apply_chat_template(&needed(messages_json, "the list of messages"), add_generation_prompt != 0,
                                             text_or_empty(tools_json), text_or_empty(extra_json)));
  });
}

ms_status ms_params_new(const ms_engine* engine, ms_params** out) {
  return giving(out, [&] {
    auto params = std::make_unique<ms_params>();
    if (engine != nullptr) params->sampling = engine->engine->info().default_sampling;
    return params;
  });
}
void ms_params_free(ms_params* params) { delete params; }

ms_status ms_params_set(ms_params* params, const char* key, const char* value) {
  return guarded([&] {
    set_param(needed(params, "the handle of the parameters"), &needed(key, "the key"), &needed(value, "the value"));
  });
}

ms_status ms_generation_start(const ms_engine* engine, const int32_t* prompt, size_t n_prompt, const ms_params* params,
                              ms_generation** out) {
  return giving(out, [&] {
    const std::shared_ptr<Engine>& e = needed(engine, "the engine").engine;
    const auto tokens = list_of(prompt, n_prompt, "the prompt");
    GenerateRequest request{.prompt = {tokens.begin(), tokens.end()},
                            .sampling = params == nullptr ? e->info().default_sampling : params->sampling};
    if (params != nullptr) request.priority = params->priority, request.cache_salt = params->cache_salt;
    return std::unique_ptr<ms_generation>(new ms_generation{.engine = e, .generation = e->generate(std::move(request)),
                                                            .chunk = {}, .logprobs = {}});
  });
}
void ms_generation_free(ms_generation* generation) { delete generation; }

ms_status ms_generation_next(ms_generation* generation, ms_chunk* chunk) {
  if (chunk != nullptr) *chunk = {.text = "", .text_size = 0, .tokens = nullptr, .n_tokens = 0, .logprobs = nullptr, .end = 1};
  return guarded([&] { next_chunk(needed(generation, "the generation"), needed(chunk, "the chunk")); });
}

ms_status ms_generation_run(ms_generation* generation, ms_chunk_callback on_chunk, void* user) {
  return guarded([&] {
    ms_generation& g = needed(generation, "the generation");
    if (on_chunk == nullptr) fail(Code::kInvalidInput, "the callback is NULL");
    ms_chunk chunk;
    for (next_chunk(g, chunk); !chunk.end; next_chunk(g, chunk))
      if (on_chunk(&chunk, user) != 0) g.generation.cancel();
  });
}

void ms_generation_cancel(ms_generation* generation) {
  if (generation != nullptr) guarded([&] { generation->generation.cancel(); });
}

ms_finish_reason ms_generation_finish_reason(const ms_generation* generation) {
  if (generation == nullptr) return MS_FINISH_NONE;
  switch (generation->generation.finish_reason()) {
    case FinishReason::kNone: return MS_FINISH_NONE;
    case FinishReason::kStop: return MS_FINISH_STOP;
    case FinishReason::kLength: return MS_FINISH_LENGTH;
    case FinishReason::kCancelled: return MS_FINISH_CANCELLED;
    case FinishReason::kError: return MS_FINISH_ERROR;
  }
  return MS_FINISH_NONE;
}

int64_t ms_generation_matched_stop(const ms_generation* generation) {
  if (generation == nullptr) return -1;
  const auto stop = generation->generation.matched_stop();
  return stop ? static_cast<int64_t>(*stop) : -1;
}

ms_usage ms_generation_usage(const ms_generation* generation) {
  if (generation == nullptr) return {};
  const Usage u = generation->generation.usage();
  return {u.prompt_tokens, u.cached_tokens, u.output_tokens, u.drafted_tokens, u.accepted_tokens, u.ttft_s, u.decode_s};
}

}  // extern "C"
