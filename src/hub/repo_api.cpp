// What the hub's API says about a revision. Nothing the server says becomes a path before it is checked.
#include "hub/repo_api.h"

#include <algorithm>
#include <charconv>

#include "base/str.h"
#include "hub/names.h"
#include "hub/url.h"

namespace mainspring::hub {

namespace {

constexpr int kMaxPages = 200;  // of 1000 files

void check_path(const std::string& path, const ModelRef& ref) {
  if (!is_safe_path(path)) {
    fail(Code::kInvalidInput, ref.repo, ": the hub names the file '", printable(path),
         "', which is refused (unsafe path)");
  }
}

uint64_t file_size(const Json& entry) {
  const int64_t n = entry.at("size").as_int();
  if (n < 0 || n > (int64_t{1} << 50)) fail(Code::kInvalidInput, "a file size of ", n, " bytes");
  return static_cast<uint64_t>(n);
}

// One page of the tree; returns the next page's address.
std::string read_tree_page(HttpClient& http, const std::string& url, const ModelRef& ref, Snapshot& s) {
  std::string next;
  const std::string what = cat("file list of ", ref.repo);
  const Json page = parse_json(http.get_text(url, what, &next), what);
  for (const Json& entry : page.as_array()) {
    if (entry.at("type").as_string() != "file") continue;
    RepoFile f;
    f.path = entry.at("path").as_string();
    check_path(f.path, ref);
    const Json* lfs = entry.find("lfs");
    const bool large = lfs != nullptr && lfs->is_object();
    f.size = file_size(large ? *lfs : entry);
    f.hash = large ? lfs->at("oid").as_string() : entry.at("oid").as_string();
    if (f.hash.starts_with("sha256:")) f.hash.erase(0, 7);
    if (!is_hash(f.hash)) fail(Code::kInvalidInput, what, ": '", printable(f.hash), "' is not a hash");
    s.files.push_back(std::move(f));
  }
  return next;
}

// Size and hash of one file from the headers of its download address.
RepoFile head_file(HttpClient& http, const HubConfig& config, const ModelRef& ref, const std::string& commit,
                   const std::string& path) {
  Request request;
  request.url = file_url(config, ref.repo, commit, path);
  request.head = true;
  const Response r = http.run(std::move(request), path);
  std::string etag = r.header("x-linked-etag").empty() ? r.header("etag") : r.header("x-linked-etag");
  if (etag.starts_with("W/")) etag.erase(0, 2);
  std::erase(etag, '"');
  const std::string size = r.header("x-linked-size").empty() ? r.header("content-length") : r.header("x-linked-size");
  RepoFile f{path, 0, etag};
  const auto [end, problem] = std::from_chars(size.data(), size.data() + size.size(), f.size);
  if (problem != std::errc() || end != size.data() + size.size() || !is_hash(etag)) {
    fail(Code::kIo, path, ": the hub gives no usable size and hash (size '", printable(size, 40), "', etag '",
         printable(etag, 80), "')");
  }
  return f;
}

}  // namespace

std::string file_url(const HubConfig& config, const std::string& repo, const std::string& commit,
                     const std::string& path) {
  return cat(config.endpoint, "/", repo, "/resolve/", commit, "/", url_encode(path, true));
}

Snapshot fetch_snapshot(HttpClient& http, const HubConfig& config, const ModelRef& ref) {
  const std::string what = cat("model ", ref.repo, "@", ref.revision);
  const std::string base = cat(config.endpoint, "/api/models/", ref.repo);
  const Json info = parse_json(http.get_text(cat(base, "/revision/", url_encode(ref.revision, false)), what), what);
  Snapshot s;
  s.commit = info.at("sha").as_string();
  if (!is_commit(s.commit))
    fail(Code::kInvalidInput, what, ": the hub answers with the commit '", printable(s.commit), "'");
  try {
    std::string url = cat(base, "/tree/", s.commit, "?recursive=1");
    for (int page = 0; !url.empty(); ++page) {
      if (page >= kMaxPages) fail(Code::kIo, what, ": the file list does not end");
      const std::string next = read_tree_page(http, url, ref, s);
      if (!next.empty() && !parse_url(next).same_origin(parse_url(config.endpoint))) {
        fail(Code::kIo, what, ": the file list goes on at another host, ", printable(next));
      }
      url = next;
    }
  } catch (const Error& e) {
    if (e.code() != Code::kNotFound) throw;
    s.files.clear();
    // Only names are known: choose first, then ask for the facts of the chosen ones.
    for (const Json& sibling : info.at("siblings").as_array()) {
      RepoFile f;
      f.path = sibling.at("rfilename").as_string();
      check_path(f.path, ref);
      s.files.push_back(std::move(f));
    }
    std::vector<RepoFile> chosen = select_files(ref, s.files);
    for (RepoFile& f : chosen) f = head_file(http, config, ref, s.commit, f.path);
    s.files = std::move(chosen);
  }
  std::sort(s.files.begin(), s.files.end(), [](const RepoFile& a, const RepoFile& b) { return a.path < b.path; });
  return s;
}

}  // namespace mainspring::hub
