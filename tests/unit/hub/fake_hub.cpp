// A small HTTP/1.1 server on the loopback interface that plays a model hub.
#include "unit/hub/fake_hub.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

#include "base/json.h"
#include "base/str.h"

namespace mainspring::test {

namespace {

std::string hex_digest(const EVP_MD* kind, const std::string& s) {
  unsigned char raw[EVP_MAX_MD_SIZE];
  unsigned n = 0;
  EVP_Digest(s.data(), s.size(), raw, &n, kind, nullptr);
  std::string hex;
  for (unsigned i = 0; i < n; ++i) hex += cat("0123456789abcdef"[raw[i] >> 4], "0123456789abcdef"[raw[i] & 15]);
  return hex;
}

void send_all(int fd, const std::string& s) {
  for (size_t done = 0; done < s.size();) {
    const ssize_t n = send(fd, s.data() + done, s.size() - done, MSG_NOSIGNAL);
    if (n <= 0) return;
    done += static_cast<size_t>(n);
  }
}

}  // namespace

std::string FakeHub::sha256(const std::string& s) { return hex_digest(EVP_sha256(), s); }
std::string FakeHub::git_sha1(const std::string& s) {
  return hex_digest(EVP_sha1(), cat("blob ", s.size()) + std::string(1, '\0') + s);
}

FakeHub::FakeHub() {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (listener_ < 0 || bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      listen(listener_, 16) != 0 || getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("the fake hub cannot listen");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

FakeHub::~FakeHub() {
  stop_ = true;
  thread_.join();
  close(listener_);
}

std::string FakeHub::url() const { return cat("http://127.0.0.1:", port_); }

std::vector<FakeRequest> FakeHub::requests() const {
  std::lock_guard lock(mutex_);
  return requests_;
}

size_t FakeHub::count(const std::string& part) const {
  std::lock_guard lock(mutex_);
  size_t n = 0;
  for (const FakeRequest& r : requests_) n += r.path.find(part) != std::string::npos;
  return n;
}

void FakeHub::serve() {
  std::vector<std::thread> workers;
  while (!stop_) {
    pollfd p{listener_, POLLIN, 0};
    if (poll(&p, 1, 20) <= 0) continue;
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd >= 0) workers.emplace_back([this, fd] { handle(fd); });
  }
  for (std::thread& t : workers) t.join();
}

void FakeHub::handle(int fd) {
  std::string text;
  char buffer[4096];
  while (text.find("\r\n\r\n") == std::string::npos) {
    pollfd p{fd, POLLIN, 0};
    if (stop_ || text.size() > 65536) break;
    if (poll(&p, 1, 50) <= 0) continue;
    const ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0) break;
    text.append(buffer, static_cast<size_t>(n));
  }
  FakeRequest r;
  bool first = true;
  for (std::string_view line : split(text, '\n')) {
    line = trim(line);
    if (std::exchange(first, false)) {
      const auto parts = split(line, ' ');
      if (parts.size() < 2) break;
      r.method = parts[0];
      r.path = parts[1];
    } else if (const size_t colon = line.find(':'); colon != std::string_view::npos) {
      r.headers[to_lower_ascii(line.substr(0, colon))] = std::string(trim(line.substr(colon + 1)));
    }
  }
  if (!r.method.empty()) {
    FakeResponse a;
    {
      std::lock_guard lock(mutex_);
      requests_.push_back(r);
      a = answer(r);
      if (fault) fault(r, a);
    }
    if (a.reset) {
      const linger hard{1, 0};
      setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    } else {
      std::string head = cat("HTTP/1.1 ", a.status, " X\r\nConnection: close\r\nContent-Length: ",
                             a.announced >= 0 ? static_cast<size_t>(a.announced) : a.body.size(), "\r\n");
      for (const auto& [name, value] : a.headers) head += cat(name, ": ", value, "\r\n");
      send_all(fd, head + "\r\n");
      if (r.method != "HEAD") send_all(fd, a.body.substr(0, a.send_bytes));
      shutdown(fd, SHUT_WR);
    }
  }
  close(fd);
}

std::string FakeHub::tree() const {
  Json list = Json::array();
  for (const auto& [path, file] : files) {
    Json entry = Json::object({{"type", "file"},
                               {"path", path},
                               {"size", static_cast<int64_t>(file.content.size())},
                               {"oid", git_sha1(file.content)}});
    if (file.lfs) {
      entry.set("lfs",
                Json::object({{"oid", sha256(file.content)}, {"size", static_cast<int64_t>(file.content.size())}}));
    }
    list.push_back(std::move(entry));
  }
  list.push_back(Json::object({{"type", "directory"}, {"path", "sub"}, {"size", 0}, {"oid", std::string(40, '0')}}));
  return list.dump();
}

FakeResponse FakeHub::file_answer(const FakeRequest& r, const std::string& path) const {
  FakeResponse a;
  const auto it = files.find(path);
  if (it == files.end()) {
    a.status = 404;
    return a;
  }
  const std::string& content = it->second.content;
  a.body = content;
  if (tell_commit) a.headers["X-Repo-Commit"] = commit;
  a.headers["ETag"] = "\"" + (it->second.lfs ? sha256(content) : git_sha1(content)) + "\"";
  const auto range = r.headers.find("range");
  if (ranges && range != r.headers.end()) {
    const size_t from = std::stoul(range->second.substr(6));
    if (from >= content.size()) {
      a.status = 416;
      a.body.clear();
    } else {
      a.status = 206;
      a.body = content.substr(from);
      a.headers["Content-Range"] = cat("bytes ", from, "-", content.size() - 1, "/", content.size());
    }
  }
  return a;
}

FakeResponse FakeHub::answer(const FakeRequest& r) const {
  const std::string api = "/api/models/" + repo, resolve = "/" + repo + "/resolve/" + commit + "/";
  FakeResponse a;
  if (r.path.starts_with(api + "/revision/main") || r.path == api + "/revision/" + commit) {
    Json siblings = Json::array();
    for (const auto& [path, file] : files) siblings.push_back(Json::object({{"rfilename", path}}));
    a.body = Json::object({{"sha", commit}, {"siblings", siblings}}).dump();
  } else if (has_tree && r.path.starts_with(api + "/tree/" + commit)) {
    a.body = tree();
  } else if (r.path.starts_with(resolve)) {
    return file_answer(r, r.path.substr(resolve.size()));
  } else {
    a.status = 404;
  }
  return a;
}

}  // namespace mainspring::test
