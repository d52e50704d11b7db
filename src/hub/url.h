// The parts of a URL that the hub's safety rules look at.
#pragma once

#include <string>
#include <string_view>

namespace mainspring::hub {

struct Url {
  std::string scheme, host, port;  // lower case; the scheme's default port when none is given; all empty when malformed
  std::string target;              // path and query
  bool same_origin(const Url& other) const {
    return !host.empty() && scheme == other.scheme && host == other.host && port == other.port;
  }
  bool is_loopback() const { return host == "localhost" || host == "127.0.0.1" || host == "[::1]"; }
};
// http and https only; user names and fragments are refused (as malformed).
Url parse_url(std::string_view text);
// A Location or Link target relative to `base`; malformed when it cannot be one.
std::string resolve_url(const Url& base, std::string_view target);

}  // namespace mainspring::hub
