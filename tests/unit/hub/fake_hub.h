// A small HTTP/1.1 server on the loopback interface that plays a model hub, with faults on demand.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace mainspring::test {

struct FakeRequest {
  std::string method, path;  // path with query
  std::map<std::string, std::string> headers;  // names in lower case
};

struct FakeResponse {
  int status = 200;
  std::map<std::string, std::string> headers;
  std::string body;
  size_t send_bytes = std::string::npos;    // stop after so many bytes of the body and close the connection
  long announced = -1;                      // Content-Length when it shall not be the body's
  bool reset = false;                       // close with RST instead of an answer
};

struct FakeFile {
  std::string content;
  bool lfs = false;
};

class FakeHub {
 public:
  FakeHub();
  ~FakeHub();
  std::string url() const;

  // The repository served; set before requests come.
  std::string repo = "org/model";
  std::string commit = std::string(40, 'c');
  std::map<std::string, FakeFile> files;
  bool has_tree = true;
  bool ranges = true;
  bool tell_commit = true;

  // Sees every request first; may change the normal answer. Called under a lock.
  std::function<void(const FakeRequest&, FakeResponse&)> fault;
  std::vector<FakeRequest> requests() const;
  size_t count(const std::string& path_part) const;  // requests whose path contains it

  static std::string sha256(const std::string& s);
  static std::string git_sha1(const std::string& s);

 private:
  void serve();
  void handle(int fd);
  FakeResponse answer(const FakeRequest& r) const;
  FakeResponse file_answer(const FakeRequest& r, const std::string& path) const;
  std::string tree() const;

  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;
  std::vector<FakeRequest> requests_;
  std::thread thread_;
};

}  // namespace mainspring::test
