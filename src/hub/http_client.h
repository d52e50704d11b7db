// HTTP requests to a hub: redirects, tokens and retries under the hub's safety rules. libcurl is behind it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "hub/hub.h"

namespace mainspring::hub {

struct Response {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case; of the first answer and, over it, of the last one
  std::string url;                             // after redirects
  std::string header(const std::string& name) const;
};

// Thrown by a request's callbacks: the content is wrong (length, hash) and another try may bring the right one.
class RetryableError : public Error {
  using Error::Error;
};

struct Request {
  std::string url;
  std::string range;   // "bytes=N-" value after "bytes=", empty for the whole
  bool head = false;
  // Called once with status and headers of the final answer before its body (2xx only), then with the body's pieces.
  std::function<void(const Response&)> on_start;
  std::function<void(std::string_view)> on_data;
  std::function<void(const Response&)> on_end;  // the answer is complete (2xx or 416); may throw RetryableError
  std::function<bool()> keep_going;  // polled; false aborts with kCancelled
};

class HttpClient {
 public:
  explicit HttpClient(const HubConfig& config);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // One exchange with retries. Redirects go to https only (http on this machine when the endpoint is there); the token
  // goes to the endpoint's own origin only. `before_try` runs before every try and may change the request (resume).
  // Errors name `what`. Statuses 401, 403, 404 and 416 are not retried; 416 is returned to the caller.
  Response run(Request request, std::string_view what, const std::function<void(Request&)>& before_try = {});
  // A JSON answer of at most 64 MiB.
  std::string get_text(const std::string& url, std::string_view what, std::string* next_page = nullptr);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mainspring::hub
