// `mainspring chat`: a conversation on a terminal, or one turn a line from a pipe.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/str.h"
#include "base/terminal.h"
#include "cli/cancel.h"
#include "cli/chat_input.h"
#include "cli/line_reader.h"
#include "cli/model_args.h"
#include "cli/output.h"

namespace mainspring::cli {
namespace {

class Chat {
 public:
  Chat(App& app, Engine& engine)
      : app_(app),
        engine_(engine),
        system_(app.settings.text("system")),
        interactive_(is_terminal(STDIN_FILENO) && (app.out.terminal() || is_terminal(STDERR_FILENO))),
        screen_(app.out.terminal() ? STDOUT_FILENO : STDERR_FILENO),
        notes_(screen_),
        colors_(colors_wanted(screen_, app.env)),
        reader_(app.signals, interactive_ && app.env("TERM").value_or("dumb") != "dumb", screen_,
                chat_command_names()) {
    reset();
  }

  int run() {
    if (interactive_) welcome();
    const std::string file = history_file();
    if (!file.empty()) reader_.history() = load_history(file);
    while (running_) {
      std::string line;
      switch (reader_.read(prompt(), line)) {
        case ReadResult::kLine: take_line(line, file); break;
        case ReadResult::kEof: end_of_input(); break;
        case ReadResult::kInterrupt: interrupted(line); break;
        case ReadResult::kTerminated: leave(128 + reader_.signal()); break;
      }
    }
    return status_;
  }

 private:
  // ---- reading --------------------------------------------------------------------------------------------------

  std::string prompt() const {
    const std::string_view text = assembler_.pending() ? "... " : ">>> ";
    return std::string(text);
  }

  void take_line(const std::string& line, const std::string& history) {
    last_was_interrupt_ = false;
    const auto message = assembler_.feed(line);
    if (!message) return;
    if (interactive_) {
      reader_.remember(*message);
      if (const std::string trouble = save_history(history, reader_.history()); !trouble.empty() && !warned_) {
        print_note(trouble);
        warned_ = true;
      }
    }
    act(parse_chat_input(*message));
  }

  void end_of_input() {
    const std::string rest = assembler_.take();
    if (!interactive_ && !trim(rest).empty()) act(parse_chat_input(rest));
    leave(status_);
  }

  // The first Ctrl-C drops what was typed, the second leaves.
  void interrupted(const std::string& line) {
    const bool dropped = !line.empty() || assembler_.pending();
    assembler_.take();
    if (last_was_interrupt_) return leave(128 + SIGINT);
    last_was_interrupt_ = true;
    if (!dropped) note("Ctrl-C again or Ctrl-D leaves");
  }

  void leave(int status) {
    running_ = false;
    status_ = status;
  }

  std::string history_file() const {
    const Settings& s = app_.settings;
    if (!interactive_ || !s.flag("history")) return {};
    if (s.given("history-file")) return s.text("history-file");
    const std::string dir = user_state_dir(app_.env);
    return dir.empty() ? std::string() : dir + "/history";
  }

  // ---- commands -------------------------------------------------------------------------------------------------

  void act(const ChatInput& input) {
    switch (input.action) {
      case ChatAction::kNothing: return;
      case ChatAction::kMessage: return turn(input.text);
      case ChatAction::kSystem: return set_system(input.text);
      case ChatAction::kReset: reset(); return note("the conversation is forgotten");
      case ChatAction::kSave: return save(input.text);
      case ChatAction::kImage: return note("images are not supported yet: /image is reserved for models that see");
      case ChatAction::kHelp: return help();
      case ChatAction::kExit: return leave(status_);
      case ChatAction::kUnknown: return note(input.text);
    }
  }

  void reset() {
    messages_ = Json::array();
    if (!system_.empty()) messages_.push_back(message("system", system_));
  }

  void set_system(const std::string& text) {
    if (text.empty()) return note(system_.empty() ? std::string("there is no system message") : "system: " + system_);
    system_ = text;
    reset();
    note("system message set, the conversation begins anew");
  }

  void save(const std::string& file) {
    if (file.empty()) return note("/save needs a file: /save FILE");
    const Json all = Json::object({{"model", engine_.info().path}, {"messages", messages_}});
    std::ofstream out(file, std::ios::binary | std::ios::trunc);
    out << all.dump(2) << "\n";
    out.flush();
    if (!out) return note(cat("cannot write ", printable(file, 200), ": ", std::strerror(errno)));
    note(cat("saved ", messages_.size(), " messages in ", printable(file, 200)));
  }

  void help() {
    std::string text;
    for (const ChatCommand& c : chat_commands()) {
      std::string head = cat(c.name, *c.argument ? " " : "", c.argument);
      head.resize(14, ' ');
      text += cat(head, c.help, "\n");
    }
    text +=
        "A line that ends with \\ goes on; \"\"\" begins and ends a text of several lines; Ctrl-C stops an answer.\n";
    notes_.write(text);
  }

  // ---- a turn ---------------------------------------------------------------------------------------------------

  static Json message(const char* role, const std::string& content) {
    return Json::object({{"role", role}, {"content", content}});
  }

  void turn(const std::string& text) {
    messages_.push_back(message("user", text));
    try {
      answer();
    } catch (const Error& e) {
      messages_.as_array().pop_back();
      if (app_.out.terminal() && !app_.out.at_line_start()) app_.out.write("\n");
      print_error(e.message());
      if (!interactive_) status_ = exit_status(e.code());
    }
  }

  void answer() {
    GenerateRequest request{.sampling = sampling_params(app_.settings, engine_, true)};
    request.prompt = fitting_prompt(request.sampling);
    CancelOnSignal cancel(app_.signals);
    Generation generation = engine_.generate(std::move(request));
    cancel.watch(&generation);
    std::string text;
    while (auto chunk = generation.next()) {
      app_.out.write_text(chunk->text);
      text += chunk->text;
    }
    cancel.watch(nullptr);
    if (text.empty() || !text.ends_with('\n') || !app_.out.terminal()) app_.out.write("\n");
    // What a stopped answer said so far is part of the conversation.
    messages_.push_back(message("assistant", text));
    if (interactive_) statistics(generation);
    if (cancel.signal() && (!interactive_ || cancel.signal() != SIGINT)) leave(128 + cancel.signal());
  }

  // Prompt tokens of the conversation. When it no longer fits, the oldest question and answer are dropped.
  std::vector<int32_t> fitting_prompt(const SamplingParams& sampling) {
    const int64_t context = engine_.info().context;
    int64_t room = std::min<int64_t>(256, context / 4);
    if (sampling.max_tokens > 0) room = std::min(room, sampling.max_tokens);
    for (bool noted = false;;) {
      std::vector<int32_t> prompt = chat_prompt(engine_, messages_, app_.settings.text("template-args"));
      Json::Array& all = messages_.as_array();
      const size_t oldest = !all.empty() && all[0].at("role").as_string() == "system" ? 1 : 0;
      if (static_cast<int64_t>(prompt.size()) + room <= context || all.size() < oldest + 3) return prompt;
      if (!noted) note("the context is full: the oldest messages are forgotten");
      noted = true;
      all.erase(all.begin() + static_cast<ptrdiff_t>(oldest), all.begin() + static_cast<ptrdiff_t>(oldest) + 2);
    }
  }

  void statistics(const Generation& generation) {
    if (!app_.settings.flag("stats")) return;
    const Usage u = generation.usage();
    std::string text = cat(u.output_tokens, " tokens");
    if (const double rate = decode_rate(u); rate > 0) text += cat(", ", fixed(rate, 1), " tokens/s");
    if (u.accepted_tokens > 0) text += cat(", ", 100 * u.accepted_tokens / std::max<int64_t>(u.output_tokens, 1), " % guessed ahead");
    text += cat(", first token ", fixed(u.ttft_s, 2), " s, prompt ", u.prompt_tokens);
    if (u.cached_tokens > 0) text += cat(" (", u.cached_tokens, " cached)");
    if (generation.finish_reason() == FinishReason::kCancelled) text += ", stopped";
    if (generation.finish_reason() == FinishReason::kLength) text += ", cut at the length limit";
    note(cat("[", text, "]"));
  }

  // ---- the screen -----------------------------------------------------------------------------------------------

  void welcome() {
    const ModelInfo& i = engine_.info();
    std::string_view name = i.path;
    while (name.size() > 1 && name.ends_with('/')) name.remove_suffix(1);
    name.remove_prefix(name.rfind('/') + 1);
    note(cat(name, " (", i.architecture, ", ", human_bytes(i.weight_bytes), "), context ", i.context,
             ". /help lists the commands."));
  }

  // For the person: on the screen, dim; with piped input on stderr.
  void note(const std::string& text) {
    if (!interactive_) return print_note(text);
    const std::string safe = printable(text, 4000);
    notes_.write(colors_ ? cat("\x1b[2m", safe, "\x1b[0m\n") : safe + "\n");
  }

  App& app_;
  Engine& engine_;
  std::string system_;
  Json messages_;
  bool interactive_;
  int screen_;
  Output notes_;
  bool colors_;
  LineReader reader_;
  MessageAssembler assembler_;
  bool running_ = true, last_was_interrupt_ = false, warned_ = false;
  int status_ = 0;
};

}  // namespace

int run_chat(App& app) {
  check_sampling(app.settings);
  ModelOptions options = model_options(app.settings);
  if (options.max_sequences == 0) options.max_sequences = 1;
  const auto engine = load_engine(app, options, true);
  if (!engine->info().has_chat_template)
    fail(Code::kUnsupported, engine->info().path, " has no chat template; mainspring generate --raw continues text");
  return Chat(app, *engine).run();
}

}  // namespace mainspring::cli
