// From settings to the engine's types: which model, how it runs, how it samples.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/settings.h"
#include "hub/hub.h"
#include "mainspring/engine.h"

namespace mainspring::cli {

// The local folder or file of --model: a path, a hub id found in the cache, or the embedded default. kNotFound says
// what to do. `offer_pull`: on a terminal ask whether to download a hub model that is not there.
std::string resolve_model_path(App& app, bool offer_pull = false);

// Downloads a hub model with a progress line; returns its local path. Ctrl-C throws Interrupted.
std::string pull_with_progress(App& app, const ModelRef& ref, bool verify);

// How the settings want the weights: type, quantisation, threads, instruction set.
ModelOptions weight_options(const Settings& settings);
// ModelOptions of the settings, for options the command has.
ModelOptions model_options(const Settings& settings);
// Resolves, loads with progress, and notes what was loaded when stderr is a terminal.
std::unique_ptr<Engine> load_engine(App& app, ModelOptions options, bool offer_pull = false);

using Tokenize = std::function<std::vector<int32_t>(std::string_view)>;
// `defaults` with every sampling option that was given. `tokenize` turns --bad-words into ids.
SamplingParams sampling_params(const Settings& settings, SamplingParams defaults, const Tokenize& tokenize);
// The same with the model's own defaults. A conversation with a model that brings none (no generation_config.json) is
// sampled a little below the plain distribution, unless one of temperature, top_k, top_p, min_p, typical_p is given.
SamplingParams sampling_params(const Settings& settings, const Engine& engine, bool conversation);
// Throws what sampling_params and the engine would throw, before a model is loaded.
void check_sampling(const Settings& settings);

// The prompt of --prompt, --prompt-file or stdin.
std::string read_prompt(App& app);
// All of a file; "-" is stdin. kInvalidInput above 256 MiB.
std::string read_input(const std::string& file);

// Conversation -> prompt tokens through the chat template.
std::vector<int32_t> chat_prompt(const Engine& engine, const Json& messages, const std::string& template_args);

Json usage_json(const Usage& usage);
Json logprobs_json(const Engine& engine, const std::vector<TokenLogprobs>& logprobs);
// The rate of the answer after its first token; 0 when it has none.
double decode_rate(const Usage& usage) noexcept;
// A number with `digits` decimals, locale-free.
std::string fixed(double value, int digits);

}  // namespace mainspring::cli
