// The table of sub-commands.
#include "cli/commands.h"

#include "cli/options.h"

namespace mainspring::cli {
namespace {

constexpr Command kCommands[] = {
    {"chat", kChat, "talk to a model", "model", false,
     "On a terminal: arrow keys edit and recall, a trailing \\ or a block between \"\"\" lines gives several lines, "
     "/help "
     "lists the commands, Ctrl-C stops an answer. With piped input every line is a turn and stdout holds only answers.",
     run_chat},
    {"generate", kGenerate, "answer or continue one prompt, or a batch of them", "prompt", false,
     "The prompt is an argument, a file or stdin. It becomes a user message of the model's chat template, unless "
     "--raw. "
     "With --batch, every line is {\"prompt\": ...} or {\"messages\": [...]}, with \"id\" and any sampling option as a "
     "member (max_tokens, temperature, ...), and all of them run together.",
     run_generate},
    {"inspect", kInspect, "what a model is and needs, without loading it", "model", false,
     "Architecture, tensors and their formats, tokenizer, chat template, and the memory for --context and "
     "--concurrency.",
     run_inspect},
    {"tokenize", kTokenize, "text to token ids, or back", "prompt", false, "", run_tokenize},
    {"perplexity", kPerplexity, "how well a model predicts a text", "file", true,
     "Windows of --window tokens move over the text by --stride; a token counts once, with the longest context that a "
     "window gives it. The first token of the text is not predicted, nor, where windows do not overlap, the first of "
     "each.",
     run_perplexity},
    {"logits", kLogits, "next-token logits of a text", "prompt", false, "", run_logits},
    {"bench", kBench, "prefill and decode rates", "model", false,
     "Prefill: --batch new prompts, until each has its first token. Decode: the same prompts again, out of the prefix "
     "cache, after the first token.",
     run_bench},
    {"doctor", kDoctor, "check this machine and this program", nullptr, false, "", run_doctor},
    {"pull", kPull, "download a model", "ref", true,
     "From the hub into the cache that other programs of the hub share. An interrupted download goes on where it "
     "stopped.",
     run_pull},
    {"pack", kPack, "write a model as one file that loads at once", "model", true,
     "The file holds the matrices as this machine's kernels read them, with --quantize in 4 or 8 bits, and the model's "
     "configuration and tokenizer. Every command takes it as MODEL: it is mapped and used where it lies. It belongs to "
     "an instruction set (--isa), a type (--dtype) and a version of the kernels; keep the original model.",
     run_pack, "out"},
    {"list", kList, "models in the cache, or in a folder", "folder", false,
     "Without FOLDER the models that pull has downloaded; with one its folders, .gguf files and packed files.",
     run_list},
    {"rm", kRm, "remove a model from the cache", "ref", true, "", run_rm},
    {"version", kVersion, "version of this program", nullptr, false, "", run_version},
    {"completion", kCompletion, "print a completion script for bash, zsh or fish", "shell", true,
     "bash: eval \"$(mainspring completion bash)\"; zsh: mainspring completion zsh > a folder of $fpath/_mainspring;\n"
     "fish: mainspring completion fish > ~/.config/fish/completions/mainspring.fish",
     run_completion},
};

}  // namespace

std::span<const Command> command_table() { return kCommands; }

const Command* find_command(std::string_view name) {
  for (const Command& c : kCommands)
    if (name == c.name) return &c;
  return nullptr;
}

std::vector<std::string> command_names() {
  std::vector<std::string> names;
  for (const Command& c : kCommands) names.emplace_back(c.name);
  return names;
}

}  // namespace mainspring::cli
