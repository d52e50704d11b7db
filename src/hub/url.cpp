// The parts of a URL that the hub's safety rules look at.
#include "hub/url.h"

#include <algorithm>

#include "base/str.h"

namespace mainspring::hub {

Url parse_url(std::string_view text) {
  const bool printable_only =
      std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F && c != '\\'; });
  const size_t colon = text.find("://");
  if (!printable_only || colon == std::string_view::npos || text.find('#') != std::string_view::npos) return {};
  Url url;
  url.scheme = to_lower_ascii(text.substr(0, colon));
  if (url.scheme != "http" && url.scheme != "https") return {};
  std::string_view rest = text.substr(colon + 3);
  const size_t end = std::min(rest.find_first_of("/?"), rest.size());
  std::string_view authority = rest.substr(0, end);
  url.target = rest.substr(end);
  if (authority.empty() || authority.find('@') != std::string_view::npos) return {};
  const size_t bracket = authority.rfind(']');
  const size_t port = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  url.port = url.scheme == "https" ? "443" : "80";
  if (port != std::string_view::npos) {
    const std::string_view digits = authority.substr(port + 1);
    if (digits.empty() || digits.size() > 5 || digits.find_first_not_of("0123456789") != std::string_view::npos)
      return {};
    url.port = digits;
    authority = authority.substr(0, port);
  }
  url.host = to_lower_ascii(authority);
  if (url.host.empty()) return {};
  return url;
}

std::string resolve_url(const Url& base, std::string_view target) {
  if (target.find("://") != std::string_view::npos) return std::string(target);
  if (target.starts_with("//")) return cat(base.scheme, ":", target);
  const std::string origin = cat(base.scheme, "://", base.host, ":", base.port);
  if (target.starts_with('/')) return origin + std::string(target);
  const std::string path = base.target.substr(0, base.target.find('?'));
  return cat(origin, path.substr(0, path.rfind('/') + 1), target);
}

}  // namespace mainspring::hub
