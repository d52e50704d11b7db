// HTTP requests to a hub by libcurl's easy interface.
#include "hub/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/str.h"
#include "hub/url.h"

namespace mainspring::hub {

namespace {

constexpr int kMaxRedirects = 5;
constexpr size_t kMaxJson = size_t{64} << 20;
constexpr size_t kMaxHeaders = 256 << 10;
constexpr int kMaxRetryAfterMs = 60'000;

// A failure that another try may cure.
struct Transient {
  Code code;
  std::string message;
  int wait_ms = -1;  // what the server asked for
};

struct Exchange {
  const Request& request;
  Response response;
  size_t header_bytes = 0;
  bool started = false;
  std::exception_ptr failure;  // thrown by a callback; carried over libcurl's C frames

  bool wants_body() const { return response.status >= 200 && response.status < 300; }
};

size_t on_header(char* data, size_t, size_t size, void* user) {
  auto& x = *static_cast<Exchange*>(user);
  const std::string_view line = trim(std::string_view(data, size));
  x.header_bytes += size;
  if (x.header_bytes > kMaxHeaders) return 0;
  if (line.starts_with("HTTP/")) {  // also ends an interim answer (100, proxies)
    const size_t space = line.find(' ');
    x.response.status = space == std::string_view::npos ? 0 : std::atoi(std::string(line.substr(space + 1, 3)).c_str());
    x.response.headers.clear();
  } else if (const size_t colon = line.find(':'); colon != std::string_view::npos) {
    x.response.headers[to_lower_ascii(line.substr(0, colon))] = std::string(trim(line.substr(colon + 1)));
  }
  return size;
}

template <class F>
bool guarded(Exchange& x, F&& f) {
  try {
    f();
    return true;
  } catch (...) {
    x.failure = std::current_exception();
    return false;
  }
}

size_t on_body(char* data, size_t, size_t size, void* user) {
  auto& x = *static_cast<Exchange*>(user);
  if (!x.wants_body()) return size;  // error pages are not read
  const bool ok = guarded(x, [&] {
    if (!std::exchange(x.started, true) && x.request.on_start) x.request.on_start(x.response);
    if (x.request.on_data) x.request.on_data({data, size});
  });
  return ok ? size : 0;
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& x = *static_cast<Exchange*>(user);
  bool go_on = true;
  const bool ok = guarded(x, [&] { go_on = !x.request.keep_going || x.request.keep_going(); });
  return ok && go_on ? 0 : 1;
}

int retry_after_ms(const Response& r) {
  const std::string text = r.header("retry-after");
  if (text.empty() || text.find_first_not_of("0123456789") != std::string::npos || text.size() > 6) return -1;
  return std::min(std::atoi(text.c_str()) * 1000, kMaxRetryAfterMs);
}

}  // namespace

std::string Response::header(const std::string& name) const {
  const auto it = headers.find(name);
  return it == headers.end() ? "" : it->second;
}

struct HttpClient::Impl {
  HubConfig config;
  Url endpoint;
  CURL* curl = nullptr;

  explicit Impl(const HubConfig& c) : config(c), endpoint(parse_url(c.endpoint)), curl(curl_easy_init()) {
    if (curl == nullptr) fail(Code::kInternal, "the HTTP library does not start");
  }
  ~Impl() { curl_easy_cleanup(curl); }

  void check_target(const Url& url, std::string_view from, std::string_view what) const {
    const bool local = url.scheme == "http" && url.is_loopback() && endpoint.scheme == "http" && endpoint.is_loopback();
    if (url.host.empty()) fail(Code::kIo, what, ": '", printable(from), "' is not a URL this program follows");
    if (url.scheme != "https" && !local)
      fail(Code::kIo, what, ": refused to go to '", printable(from), "', which is not https");
  }

  void set_options(Exchange& x, const std::string& url) {
    curl_easy_reset(curl);
    const auto set = [&](CURLoption option, auto value) { curl_easy_setopt(curl, option, value); };
    set(CURLOPT_URL, url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_USERAGENT, "mainspring/0.1");
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(config.connect_timeout_ms));
    set(CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(std::max(1, config.stall_timeout_ms / 1000)));
    set(CURLOPT_NOBODY, x.request.head ? 1L : 0L);
    if (!x.request.range.empty()) set(CURLOPT_RANGE, x.request.range.c_str());
    set(CURLOPT_HEADERFUNCTION, on_header);
    set(CURLOPT_HEADERDATA, &x);
    set(CURLOPT_WRITEFUNCTION, on_body);
    set(CURLOPT_WRITEDATA, &x);
    set(CURLOPT_XFERINFOFUNCTION, on_progress);
    set(CURLOPT_XFERINFODATA, &x);
    set(CURLOPT_NOPROGRESS, 0L);
  }

  // One request to one address.
  void exchange(Exchange& x, const std::string& url, std::string_view what) {
    set_options(x, url);
    char reason[CURL_ERROR_SIZE] = "";
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
    curl_slist* headers = nullptr;
    if (!config.token.empty() && parse_url(url).same_origin(endpoint)) {
      headers = curl_slist_append(headers, cat("Authorization: Bearer ", config.token).c_str());
    }
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    const CURLcode code = curl_easy_perform(curl);
    curl_slist_free_all(headers);
    if (x.failure) std::rethrow_exception(x.failure);
    if (code == CURLE_OK) return;
    if (code == CURLE_ABORTED_BY_CALLBACK) fail(Code::kCancelled, what, ": cancelled");
    if (code == CURLE_PEER_FAILED_VERIFICATION)
      fail(Code::kIo, what, ": the server's certificate is not trusted: ", reason);
    throw Transient{Code::kIo, cat(what, ": ", reason[0] != 0 ? reason : curl_easy_strerror(code))};
  }

  Response follow(const Request& request, std::string_view what) {
    std::string url = request.url;
    std::map<std::string, std::string> first;
    for (int hop = 0;; ++hop) {
      const Url parsed = parse_url(url);
      check_target(parsed, url, what);
      Exchange x{request, {}, 0, false, nullptr};
      exchange(x, url, what);
      Response& r = x.response;
      r.url = url;
      const std::string location = r.header("location");
      if (r.status >= 301 && r.status <= 308 && r.status != 304 && !location.empty()) {
        if (hop >= kMaxRedirects) fail(Code::kIo, what, ": more than ", kMaxRedirects, " redirects");
        if (hop == 0) first = r.headers;
        url = resolve_url(parsed, location);
        continue;
      }
      if (x.wants_body() && !x.started && request.on_start) request.on_start(r);  // an empty body
      r.headers.merge(first);
      return std::move(r);
    }
  }

  // Turns a status into success, a retry or the final error.
  void judge(const Response& r, std::string_view what) const {
    if ((r.status >= 200 && r.status < 300) || r.status == 416) return;
    const std::string code = r.header("x-error-code");
    if (r.status == 401 || r.status == 403) {
      const char* advice =
          config.token.empty() ? "set HF_TOKEN to a token that may read it" : "the token may not read it";
      fail(Code::kNotFound, what, ": the hub refuses access (", r.status, code.empty() ? "" : " " + printable(code, 40),
           "): the model is gated, private or does not exist; accept its terms on the hub and ", advice);
    }
    if (r.status == 404)
      fail(Code::kNotFound, what, ": not on the hub (404", code.empty() ? "" : " " + printable(code, 40), ")");
    const bool busy = r.status == 429 || r.status == 503;
    if (busy || r.status == 408 || r.status >= 500) {
      throw Transient{busy ? Code::kUnavailable : Code::kIo, cat(what, ": the hub answers ", r.status),
                      retry_after_ms(r)};
    }
    fail(Code::kIo, what, ": the hub answers ", r.status);
  }

  void wait(int ms, const Request& request, std::string_view what) const {
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
    while (std::chrono::steady_clock::now() < until) {
      if (request.keep_going && !request.keep_going()) fail(Code::kCancelled, what, ": cancelled");
      std::this_thread::sleep_for(std::chrono::milliseconds(std::min(ms, 20)));
    }
  }
};

HttpClient::HttpClient(const HubConfig& config) : impl_(std::make_unique<Impl>(config)) {}
HttpClient::~HttpClient() = default;

Response HttpClient::run(Request request, std::string_view what, const std::function<void(Request&)>& before_try) {
  int backoff = impl_->config.backoff_ms;
  for (int attempt = 1;; ++attempt) {
    int wait_ms = backoff;
    try {
      if (before_try) before_try(request);
      Response r = impl_->follow(request, what);
      impl_->judge(r, what);
      if (request.on_end) request.on_end(r);
      return r;
    } catch (const Transient& t) {
      if (attempt >= impl_->config.tries) throw Error(t.code, cat(t.message, " (tried ", attempt, " times)"));
      if (t.wait_ms >= 0) wait_ms = t.wait_ms;
    } catch (const RetryableError& e) {
      if (attempt >= impl_->config.tries) throw Error(e.code(), cat(e.message(), " (tried ", attempt, " times)"));
    }
    impl_->wait(wait_ms, request, what);
    backoff *= 2;
  }
}

std::string HttpClient::get_text(const std::string& url, std::string_view what, std::string* next_page) {
  std::string text;
  Request request;
  request.url = url;
  request.on_data = [&](std::string_view piece) {
    if (text.size() + piece.size() > kMaxJson)
      fail(Code::kIo, what, ": the answer is larger than ", human_bytes(kMaxJson));
    text.append(piece);
  };
  const Response r = run(request, what, [&](Request&) { text.clear(); });
  if (next_page != nullptr) {  // Link: <https://...>; rel="next"
    const std::string link = r.header("link");
    const size_t open = link.find('<'), close = link.find('>');
    const bool next = link.find("rel=\"next\"") != std::string::npos && open == 0 && close != std::string::npos;
    *next_page = next ? resolve_url(parse_url(r.url), link.substr(1, close - 1)) : "";
  }
  return text;
}

}  // namespace mainspring::hub
