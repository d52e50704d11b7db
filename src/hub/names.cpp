// Checks of names that come from users and servers, and model references.
#include "hub/names.h"

#include <algorithm>

#include "base/str.h"
#include "base/utf8.h"
#include "hub/hub.h"

namespace mainspring {

namespace hub {

namespace {

bool is_alnum(char c) { return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z'); }
bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

bool is_name_part(std::string_view s) {
  if (s.empty() || s.size() > 96 || s.front() == '.' || s.front() == '-' || s.back() == '.' || s.back() == '-')
    return false;
  // "--" separates the parts in the cache's folder names.
  if (s.find("..") != std::string_view::npos || s.find("--") != std::string_view::npos) return false;
  return std::all_of(s.begin(), s.end(), [](char c) { return is_alnum(c) || c == '.' || c == '_' || c == '-'; });
}

}  // namespace

bool is_repo_name(std::string_view s) {
  const size_t slash = s.find('/');
  if (slash == std::string_view::npos) return is_name_part(s);
  return is_name_part(s.substr(0, slash)) && is_name_part(s.substr(slash + 1));
}

bool is_safe_path(std::string_view s) {
  if (s.empty() || s.size() > 1024 || !is_valid_utf8(s)) return false;
  for (std::string_view part : split(s, '/')) {
    if (part.empty() || part == "." || part == ".." || part.size() > 255) return false;
  }
  return std::all_of(s.begin(), s.end(),
                     [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F && c != '\\'; });
}

bool is_revision(std::string_view s) {
  return is_safe_path(s) && s.size() <= 255 && s.front() != '-' && s.find("..") == std::string_view::npos &&
         std::all_of(s.begin(), s.end(),
                     [](char c) { return is_alnum(c) || std::string_view("._-/+").find(c) != std::string_view::npos; });
}

bool is_commit(std::string_view s) { return s.size() == 40 && std::all_of(s.begin(), s.end(), is_hex); }

bool is_hash(std::string_view s) {
  return (s.size() == 40 || s.size() == 64) && std::all_of(s.begin(), s.end(), is_hex);
}

std::string url_encode(std::string_view s, bool keep_slash) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (char c : s) {
    if (is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~' || (keep_slash && c == '/')) {
      out += c;
    } else {
      out += cat("%", kHex[(c >> 4) & 15], kHex[c & 15]);
    }
  }
  return out;
}

}  // namespace hub

ModelRef parse_model_ref(std::string_view text) {
  const auto bad = [&](std::string_view why) {
    fail(Code::kInvalidInput, "model reference '", printable(text), "': ", why,
         "; expected org/name[@revision][:file-or-quant]");
  };
  ModelRef ref;
  std::string_view rest = text;
  const size_t colon = rest.find(':');
  if (colon != std::string_view::npos) {
    ref.selector = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
    if (!hub::is_safe_path(ref.selector)) bad("the part behind ':' is not a file or quantisation");
  }
  const size_t at = rest.find('@');
  if (at != std::string_view::npos) {
    ref.revision = rest.substr(at + 1);
    ref.revision_given = true;
    rest = rest.substr(0, at);
    if (!hub::is_revision(ref.revision)) bad("the part behind '@' is not a revision");
  }
  ref.repo = rest;
  if (!hub::is_repo_name(ref.repo)) bad("not the name of a repository");
  return ref;
}

std::string ModelRef::text() const {
  return cat(repo, revision_given ? "@" + revision : "", selector.empty() ? "" : ":" + selector);
}

}  // namespace mainspring
