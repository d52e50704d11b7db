// `mainspring generate`: one prompt, or JSON Lines as one continuous batch.
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <iterator>
#include <optional>

#include "base/progress.h"
#include "base/str.h"
#include "cli/batch.h"
#include "cli/cancel.h"
#include "cli/model_args.h"
#include "cli/output.h"

namespace mainspring::cli {
namespace {

struct Answer {
  std::string text;
  std::vector<int32_t> tokens;
  std::vector<TokenLogprobs> logprobs;
};

// Reads a generation to its end; `show` sees each piece of text.
template <class Show>
Answer collect(Generation& generation, const Show& show) {
  Answer answer;
  while (auto chunk = generation.next()) {
    show(chunk->text);
    answer.text += chunk->text;
    answer.tokens.insert(answer.tokens.end(), chunk->tokens.begin(), chunk->tokens.end());
    std::move(chunk->logprobs.begin(), chunk->logprobs.end(), std::back_inserter(answer.logprobs));
  }
  return answer;
}

Json answer_json(const Engine& engine, const Generation& generation, const Answer& answer, bool logprobs) {
  Json tokens = Json::array();
  for (int32_t t : answer.tokens) tokens.push_back(int64_t{t});
  Json out = Json::object({{"text", answer.text},
                           {"tokens", std::move(tokens)},
                           {"finish_reason", finish_reason_name(generation.finish_reason())}});
  if (const auto stop = generation.matched_stop()) out.set("matched_stop", uint64_t{*stop});
  out.set("usage", usage_json(generation.usage()));
  if (logprobs) out.set("logprobs", logprobs_json(engine, answer.logprobs));
  if (!generation.prompt_logprobs().empty())
    out.set("prompt_logprobs", logprobs_json(engine, generation.prompt_logprobs()));
  return out;
}

Json single_messages(const Settings& s, const std::string& prompt) {
  Json messages = Json::array();
  if (!s.text("system").empty())
    messages.push_back(Json::object({{"role", "system"}, {"content", s.text("system")}}));
  messages.push_back(Json::object({{"role", "user"}, {"content", prompt}}));
  return messages;
}

void check_raw(const Settings& s) {
  if (s.flag("raw") && s.get("system").origin == Origin::kCommandLine)
    fail(Code::kInvalidInput, "--raw and --system exclude each other: raw text has no messages");
}

int run_single(App& app) {
  const Settings& s = app.settings;
  std::string prompt = read_prompt(app);
  const bool raw = s.flag("raw"), json = s.flag("json");
  // A text editor's last newline is no part of a question; raw text is taken as it is.
  if (!raw && !s.given("prompt") && prompt.ends_with('\n')) prompt.pop_back();
  if (prompt.empty()) fail(Code::kInvalidInput, "the prompt is empty");
  ModelOptions options = model_options(s);
  if (options.max_sequences == 0) options.max_sequences = 1;
  const auto engine = load_engine(app, options);

  const bool conversation = !raw && engine->info().has_chat_template;
  GenerateRequest request{.sampling = sampling_params(s, *engine, conversation)};
  request.prompt = conversation ? chat_prompt(*engine, single_messages(s, prompt), s.text("template-args"))
                                : engine->tokenize(prompt);
  const bool logprobs = request.sampling.top_logprobs >= 0;
  CancelOnSignal cancel(app.signals);
  Generation generation = engine->generate(std::move(request));
  cancel.watch(&generation);
  const Answer answer = collect(generation, [&](const std::string& text) {
    if (!json) app.out.write_text(text);
  });
  cancel.watch(nullptr);
  if (json) {
    Json result = answer_json(*engine, generation, answer, logprobs);
    result.set("model", engine->info().path);
    app.out.write(result.dump() + "\n");
  } else if ((!raw || app.out.terminal()) && !app.out.at_line_start()) {
    app.out.write("\n");
  }
  return cancel.signal() ? 128 + cancel.signal() : 0;
}

// Requests are submitted ahead of the one whose answer is printed next, so that the engine always has a full batch;
// bounded, so that a long file is not tokenised at once.
class BatchRun {
 public:
  BatchRun(App& app, Engine& engine, const std::vector<BatchRequest>& requests, std::string file)
      : app_(app), engine_(engine), requests_(requests), file_(std::move(file)), cancel_(app.signals),
        window_(static_cast<size_t>(std::max<int64_t>(64, 4 * engine.info().max_sequences))),
        progress_("answers", ProgressUnit::kItems) {}

  int run() {
    while (done_ < requests_.size() && cancel_.signal() == 0) {
      while (next_ < requests_.size() && running_.size() < window_) submit();
      finish_first();
      progress_.update(++done_, requests_.size());
    }
    progress_.clear();
    return cancel_.signal() ? 128 + cancel_.signal() : status_;
  }

 private:
  struct Running {
    const BatchRequest* request;
    std::optional<Generation> generation;   // absent: the request could not even start
    Json error;
    bool logprobs = false;
  };

  void submit() {
    Running r{.request = &requests_[next_++]};
    try {
      const Settings s = request_settings(*r.request, file_, app_.settings);
      const bool conversation = is_conversation(*r.request, s);
      GenerateRequest request{.sampling = sampling_params(s, engine_, conversation)};
      r.logprobs = request.sampling.top_logprobs >= 0;
      request.prompt = conversation
                           ? chat_prompt(engine_, request_messages(*r.request, s), s.text("template-args"))
                           : engine_.tokenize(r.request->members.at("prompt").as_string());
      r.generation.emplace(engine_.generate(std::move(request)));
    } catch (const Error& e) {
      r.error = failed(e);
    }
    running_.push_back(std::move(r));
  }

  // Text that the model just continues otherwise. Messages always need the template.
  bool is_conversation(const BatchRequest& r, const Settings& s) const {
    if (r.members.contains("messages")) return true;
    const Json* raw = r.members.find("raw");
    return !(raw ? raw->as_bool() : s.flag("raw")) && engine_.info().has_chat_template;
  }

  void finish_first() {
    Running r = std::move(running_.front());
    running_.pop_front();
    Json line = Json::object({{"id", r.request->id}});
    if (r.generation) {
      cancel_.watch(&*r.generation);
      try {
        const Answer answer = collect(*r.generation, [](const std::string&) {});
        const Json members = answer_json(engine_, *r.generation, answer, r.logprobs);
        for (const auto& [key, value] : members.as_object()) line.set(key, value);
      } catch (const Error& e) {
        r.error = failed(e);
      }
      cancel_.watch(nullptr);
    }
    if (!r.error.is_null()) line.set("error", r.error);
    if (cancel_.signal() != 0) return;
    if (app_.out.terminal()) progress_.clear();
    app_.out.write(line.dump() + "\n");
  }

  Json failed(const Error& e) {
    if (status_ == 0) status_ = exit_status(e.code());
    return Json::object({{"code", code_name(e.code())}, {"message", e.message()}});
  }

  App& app_;
  Engine& engine_;
  const std::vector<BatchRequest>& requests_;
  std::string file_;
  CancelOnSignal cancel_;
  size_t window_, next_ = 0, done_ = 0;
  std::deque<Running> running_;
  Progress progress_;
  int status_ = 0;
};

int run_batch(App& app) {
  const Settings& s = app.settings;
  for (const char* other : {"prompt", "prompt-file"})
    if (s.given(other)) fail(Code::kInvalidInput, "--batch and ", s.get(other).source, " exclude each other");
  const std::string input = s.text("batch");
  const std::string name = input == "-" ? "stdin" : input;
  const std::vector<BatchRequest> requests = parse_batch(read_input(input), name, s);
  for (const BatchRequest& r : requests) check_sampling(request_settings(r, name, s));
  if (requests.empty()) return 0;
  const auto engine = load_engine(app, model_options(s));
  return BatchRun(app, *engine, requests, name).run();
}

}  // namespace

int run_generate(App& app) {
  check_raw(app.settings);
  check_sampling(app.settings);
  return app.settings.given("batch") ? run_batch(app) : run_single(app);
}

}  // namespace mainspring::cli
