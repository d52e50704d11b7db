// Checks of names that come from users and servers before they become paths or URLs.
#pragma once

#include <string>
#include <string_view>

namespace mainspring::hub {

bool is_repo_name(std::string_view s);   // "name" or "org/name"
bool is_revision(std::string_view s);    // branch, tag, "refs/pr/1" or commit
bool is_commit(std::string_view s);      // 40 hex digits
bool is_hash(std::string_view s);        // 40 or 64 hex digits: usable as a blob's name
// A relative path inside a repository: no "..", ".", empty part, absolute path, backslash, NUL or control character,
// parts up to 255 bytes.
bool is_safe_path(std::string_view s);
// Percent-encodes everything but unreserved characters; '/' stays when `keep_slash`.
std::string url_encode(std::string_view s, bool keep_slash);

}  // namespace mainspring::hub
