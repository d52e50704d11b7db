// Encodes and decodes many strings for tools/tokenizer_differential.py, or times encoding.
//
//   tokenize_driver run  KIND PATH   stdin: u32 length + bytes per string; stdout per string: u32 n + ids with special
//                                    tokens, u32 n + ids without, u32 length + the text that the first ids decode to
//   tokenize_driver decode KIND PATH   stdin: u32 n + ids; stdout: u32 length + text, then the same without special tokens
//   tokenize_driver time KIND PATH FILE [seconds]   load time in ms, then MB/s of encoding FILE in pieces of 4 KiB
//
// KIND: json (tokenizer.json), spm, tiktoken, folder, gguf (a JSON dump of the tokenizer.ggml.* members).
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "base/str.h"
#include "text/tokenizer.h"

using namespace mainspring;

namespace {

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) fail(Code::kNotFound, "cannot open ", path);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

GgufVocab read_gguf_dump(const std::string& text) {
  const Json dump = parse_json(text, "gguf dump");
  GgufVocab v;
  v.model = dump.at("model").as_string();
  if (const Json* pre = dump.find("pre")) v.pre = pre->as_string();
  for (const Json& t : dump.at("tokens").as_array()) v.tokens.push_back(t.as_string());
  if (const Json* scores = dump.find("scores")) {
    for (const Json& s : scores->as_array()) v.scores.push_back(static_cast<float>(s.as_double()));
  }
  if (const Json* types = dump.find("token_types")) {
    for (const Json& t : types->as_array()) v.token_types.push_back(static_cast<int32_t>(t.as_int()));
  }
  if (const Json* merges = dump.find("merges")) {
    for (const Json& m : merges->as_array()) v.merges.push_back(m.as_string());
  }
  const auto id = [&](const char* key, std::optional<TokenId>& out) {
    if (const Json* j = dump.find(key)) out = static_cast<TokenId>(j->as_int());
  };
  const auto flag = [&](const char* key, std::optional<bool>& out) {
    if (const Json* j = dump.find(key)) out = j->as_bool();
  };
  id("bos", v.bos), id("eos", v.eos), id("pad", v.pad), id("unk", v.unk);
  flag("add_bos", v.add_bos), flag("add_eos", v.add_eos), flag("add_space_prefix", v.add_space_prefix);
  flag("remove_extra_whitespaces", v.remove_extra_whitespaces);
  if (const Json* map = dump.find("charsmap_hex")) {
    const std::string& hex = map->as_string();
    for (size_t i = 0; i + 1 < hex.size(); i += 2) {
      v.precompiled_charsmap.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
    }
  }
  return v;
}

double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

// Loads, and reports the time without reading a GGUF dump (a real GGUF reader is faster than JSON).
std::unique_ptr<Tokenizer> load(const std::string& kind, const std::string& path, double& ms) {
  const auto start = std::chrono::steady_clock::now();
  std::unique_ptr<Tokenizer> t;
  if (kind == "gguf") {
    const GgufVocab v = read_gguf_dump(read_file(path));
    const auto parsed = std::chrono::steady_clock::now();
    t = load_tokenizer_gguf(v);
    ms = ms_since(parsed);
    return t;
  }
  if (kind == "json") t = load_tokenizer_json(parse_json(read_file(path), path), Json());
  if (kind == "spm") t = load_tokenizer_spm(read_file(path), Json());
  if (kind == "tiktoken") t = load_tokenizer_tiktoken(read_file(path), Json());
  if (kind == "folder") t = load_tokenizer_folder(path);
  if (!t) fail(Code::kInvalidInput, "unknown kind ", kind);
  ms = ms_since(start);
  return t;
}

void put_u32(std::string& out, uint32_t v) { out.append(reinterpret_cast<const char*>(&v), sizeof v); }

void put_ids(std::string& out, const std::vector<TokenId>& ids) {
  put_u32(out, static_cast<uint32_t>(ids.size()));
  out.append(reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(TokenId));
}

int run(const Tokenizer& t) {
  std::string text, out;
  uint32_t size = 0;
  while (std::fread(&size, 1, sizeof size, stdin) == sizeof size) {
    text.resize(size);
    if (std::fread(text.data(), 1, size, stdin) != size) fail(Code::kIo, "input ends inside a string");
    const std::vector<TokenId> with = t.encode(text);
    put_ids(out, with);
    put_ids(out, t.encode(text, {.add_special_tokens = false}));
    const std::string back = t.decode(with);
    put_u32(out, static_cast<uint32_t>(back.size()));
    out += back;
    if (out.size() > (1 << 20)) {
      std::fwrite(out.data(), 1, out.size(), stdout);
      out.clear();
    }
  }
  std::fwrite(out.data(), 1, out.size(), stdout);
  return 0;
}

int run_decoding(const Tokenizer& t) {
  std::string out;
  std::vector<TokenId> ids;
  uint32_t size = 0;
  while (std::fread(&size, 1, sizeof size, stdin) == sizeof size) {
    ids.resize(size);
    if (std::fread(ids.data(), sizeof(TokenId), size, stdin) != size) fail(Code::kIo, "input ends inside a list");
    for (const bool skip : {false, true}) {
      const std::string text = t.decode(ids, skip);
      put_u32(out, static_cast<uint32_t>(text.size()));
      out += text;
    }
  }
  std::fwrite(out.data(), 1, out.size(), stdout);
  return 0;
}

int time_encoding(const Tokenizer& t, const std::string& file, double seconds, double load_ms) {
  const std::string text = read_file(file);
  size_t bytes = 0, tokens = 0;
  const auto start = std::chrono::steady_clock::now();
  do {
    for (size_t at = 0; at < text.size();) {
      size_t end = std::min(text.size(), at + 4096);
      while (end < text.size() && (text[end] & 0xC0) == 0x80) ++end;
      tokens += t.encode(std::string_view(text).substr(at, end - at)).size();
      bytes += end - at;
      at = end;
    }
  } while (ms_since(start) < seconds * 1000);
  std::printf("load %.1f ms, encode %.2f MB/s (%.2f bytes per token), %s\n", load_ms,
              static_cast<double>(bytes) / 1e3 / ms_since(start), static_cast<double>(bytes) / static_cast<double>(tokens),
              t.describe().c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::string mode = argc > 1 ? argv[1] : "";
    if (argc < 4 || (mode != "run" && mode != "decode" && (mode != "time" || argc < 5))) {
      std::fputs("usage: tokenize_driver run|decode|time KIND PATH [FILE [seconds]]\n", stderr);
      return 2;
    }
    double load_ms = 0;
    const std::unique_ptr<Tokenizer> t = load(argv[2], argv[3], load_ms);
    if (mode == "run") return run(*t);
    if (mode == "decode") return run_decoding(*t);
    return time_encoding(*t, argv[4], argc > 5 ? std::stod(argv[5]) : 2.0, load_ms);
  } catch (const Error& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return exit_status(e.code());
  }
}
