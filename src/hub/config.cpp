// The hub's settings from the environment, with the names and the precedence of huggingface_hub.
#include <charconv>
#include <fstream>
#include <iterator>

#include "base/str.h"
#include "hub/hub.h"
#include "hub/url.h"

namespace mainspring {

namespace {

bool is_true(const std::optional<std::string>& v) {
  const std::string s = to_lower_ascii(v.value_or(""));
  return s == "1" || s == "true" || s == "yes" || s == "on";
}

std::string expand_home(std::string path, const std::string& home) {
  if (path == "~" || path.starts_with("~/")) path.replace(0, 1, home);
  return path;
}

std::string read_token(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(in), {});
  return std::string(trim(text.substr(0, 4096)));
}

int seconds(const EnvGetter& env, std::string_view name, int fallback_ms) {
  const auto text = env(name);
  if (!text) return fallback_ms;
  int n = 0;
  const auto [end, problem] = std::from_chars(text->data(), text->data() + text->size(), n);
  if (problem != std::errc() || end != text->data() + text->size() || n < 1 || n > 86400) {
    fail(Code::kInvalidInput, name, "=", printable(*text, 40), ": expected seconds from 1 to 86400");
  }
  return n * 1000;
}

}  // namespace

HubConfig HubConfig::from_environment(const EnvGetter& env) {
  HubConfig c;
  const std::string home = env("HOME").value_or("");
  const std::string cache = env("XDG_CACHE_HOME").value_or(home.empty() ? "" : home + "/.cache");
  const std::string hf_home = expand_home(env("HF_HOME").value_or(cache.empty() ? "" : cache + "/huggingface"), home);
  if (const auto v = env("HF_HUB_CACHE")) {
    c.cache_dir = *v;
  } else if (const auto old = env("HUGGINGFACE_HUB_CACHE")) {
    c.cache_dir = *old;
  } else if (!hf_home.empty()) {
    c.cache_dir = hf_home + "/hub";
  }
  c.cache_dir = expand_home(c.cache_dir, home);
  if (const auto v = env("HF_ENDPOINT")) c.endpoint = *v;
  while (c.endpoint.ends_with('/')) c.endpoint.pop_back();
  const hub::Url url = hub::parse_url(c.endpoint);
  if (url.scheme != "https" && !(url.scheme == "http" && url.is_loopback())) {
    fail(Code::kInvalidInput, "HF_ENDPOINT=", printable(c.endpoint),
         ": expected https:// (or http:// on this machine itself)");
  }
  if (const auto v = env("HF_TOKEN")) {
    c.token = std::string(trim(*v));
  } else {
    const auto path = env("HF_TOKEN_PATH");
    if (path || !hf_home.empty()) c.token = read_token(expand_home(path.value_or(hf_home + "/token"), home));
  }
  for (char ch : c.token) {
    if (ch <= ' ' || ch > '~') fail(Code::kInvalidInput, "HF_TOKEN: the token has a character that no token has");
  }
  c.offline = is_true(env("HF_HUB_OFFLINE")) || is_true(env("TRANSFORMERS_OFFLINE"));
  c.connect_timeout_ms = seconds(env, "HF_HUB_ETAG_TIMEOUT", c.connect_timeout_ms);
  c.stall_timeout_ms = seconds(env, "HF_HUB_DOWNLOAD_TIMEOUT", c.stall_timeout_ms);
  return c;
}

}  // namespace mainspring
