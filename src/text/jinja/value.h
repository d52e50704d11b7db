// Values of the template language: Python's data model as far as chat templates can reach it. Lists and dicts never
// change after they are made (the sandbox is immutable), so values are shared freely within one render.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/str.h"

namespace mainspring::jinja {

class Interp;
class Value;

// A template that cannot be parsed or rendered. `from_template` marks raise_exception's own words.
struct Fault {
  std::string message;
  bool from_template = false;
};
template <class... A>
[[noreturn]] void fault(const A&... parts) {
  throw Fault{cat(parts...)};
}

// Bytes held by the values of one render.
class Meter {
 public:
  explicit Meter(size_t limit) : limit_(limit) {}
  // Called before memory is taken: a hostile template must fail before the allocation, not after it.
  void require(size_t bytes) const {
    if (bytes > limit_ || live_ > limit_ - bytes)
      fault("the template needs more than ", human_bytes(limit_), " of memory");
  }
  void add(size_t bytes) {
    require(bytes);
    live_ += bytes;
  }
  void release(size_t bytes) noexcept { live_ -= bytes; }

 private:
  size_t limit_;
  size_t live_ = 0;
};

struct Object {
  Object() = default;
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  virtual ~Object() {
    if (meter != nullptr) meter->release(charged);
  }
  Meter* meter = nullptr;  // outlives the object; null for constants of the template
  size_t charged = 0;      // bytes
};

enum class Kind : uint8_t {
  kMissing,  // internal: an argument or variable that is not there
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kList,
  kTuple,
  kDict,
  kView,
  kRange,
  kGenerator,
  kNamespace,
  kLoop,
  kMacro,
  kFunction,
  kMethod,
  kCycler,
  kJoiner,
};

// Arguments of a call.
struct Args {
  std::vector<Value> pos;
  std::vector<std::pair<std::string, Value>> kw;
};

using Function = Value (*)(Interp&, Args&);
struct Builtin {
  const char* name;
  Function run;
};
using MethodFunction = Value (*)(Interp&, const Value& self, Args&);
struct Method {
  const char* name;
  MethodFunction run;
};

struct StrObj;
struct SeqObj;
struct DictObj;

class Value {
 public:
  Value() : kind_(Kind::kMissing), int_(0) {}
  Value(Kind kind, std::shared_ptr<Object> object) : kind_(kind), int_(0), object_(std::move(object)) {}
  static Value none() { return Value(Kind::kNone, nullptr); }
  static Value boolean(bool b) {
    Value v(Kind::kBool, nullptr);
    v.int_ = b;
    return v;
  }
  static Value integer(int64_t i) {
    Value v(Kind::kInt, nullptr);
    v.int_ = i;
    return v;
  }
  static Value real(double d) {
    Value v(Kind::kFloat, nullptr);
    v.real_ = d;
    return v;
  }
  static Value function(const Builtin* f) {
    Value v(Kind::kFunction, nullptr);
    v.builtin_ = f;
    return v;
  }

  Kind kind() const noexcept { return kind_; }
  bool is(Kind k) const noexcept { return kind_ == k; }
  bool is_missing() const noexcept { return kind_ == Kind::kMissing; }
  bool is_undefined() const noexcept { return kind_ == Kind::kUndefined; }
  bool is_none() const noexcept { return kind_ == Kind::kNone; }
  bool is_string() const noexcept { return kind_ == Kind::kString; }
  bool is_integral() const noexcept { return kind_ == Kind::kInt || kind_ == Kind::kBool; }
  bool is_number() const noexcept { return is_integral() || kind_ == Kind::kFloat; }
  bool is_sequence() const noexcept { return kind_ == Kind::kList || kind_ == Kind::kTuple; }

  int64_t as_int() const noexcept { return int_; }  // kInt and kBool
  double as_real() const noexcept { return kind_ == Kind::kFloat ? real_ : static_cast<double>(int_); }
  bool as_bool() const noexcept { return int_ != 0; }
  const Builtin* builtin() const noexcept { return builtin_; }
  template <class T>
  T& as() const noexcept {
    return static_cast<T&>(*object_);
  }
  const std::shared_ptr<Object>& object() const noexcept { return object_; }
  const std::string& text() const noexcept;                // kString
  const std::vector<Value>& items() const noexcept;        // kList, kTuple
  bool is_markup() const noexcept;                         // a string that escape() or safe made

 private:
  Kind kind_;
  union {
    int64_t int_;
    double real_;
    const Builtin* builtin_;
  };
  std::shared_ptr<Object> object_;
};

struct StrObj : Object {
  explicit StrObj(std::string t, bool m = false) : text(std::move(t)), markup(m) {}
  size_t length() const noexcept;  // code points
  std::string text;
  bool markup;
  mutable int64_t count = -1;  // cached length; template constants have it from the start (they are shared by threads)
};

struct UndefinedObj : Object {
  explicit UndefinedObj(std::string m) : message(std::move(m)) {}
  std::string message;
};

struct SeqObj : Object {
  explicit SeqObj(std::vector<Value> v, bool g = false) : items(std::move(v)), group(g) {}
  std::vector<Value> items;
  bool group;  // a (grouper, list) pair of groupby
};

// Insertion-ordered map; equal keys follow Python (1 == 1.0 == True).
struct DictObj : Object {
  using Item = std::pair<Value, Value>;
  const Value* find(Interp& in, const Value& key) const;
  const Value* find(std::string_view key) const;
  void set(Interp& in, Value key, Value value);
  std::vector<Item> items;

 private:
  void build_index(Interp* in) const;
  mutable std::unordered_multimap<size_t, uint32_t> index_;  // hash -> position, once there are more than a few items
  mutable size_t indexed_ = 0;
};

struct ViewObj : Object {
  enum class Part : uint8_t { kKeys, kValues, kItems };
  ViewObj(Value d, Part p) : dict(std::move(d)), part(p) {}
  Value dict;
  Part part;
};

struct RangeObj : Object {
  RangeObj(int64_t a, int64_t s, int64_t n, int64_t e) : start(a), step(s), length(n), stop(e) {}
  int64_t at(int64_t i) const noexcept { return start + i * step; }
  int64_t start, step, length, stop;
};

// Produces one value per call; false at the end.
using Next = std::function<bool(Interp&, Value&)>;
// Asks for the next value. The function is out of its slot while it runs, so code that reaches the same generator from
// inside finds it exhausted instead of replacing what is being executed.
bool pull(Next& slot, Interp& in, Value& out);
struct GeneratorObj : Object {
  GeneratorObj(const char* t, Next n) : type(t), next(std::move(n)) {}
  const char* type;
  Next next;
};

struct NamespaceObj : Object {
  DictObj attributes;
};

struct MethodObj : Object {
  MethodObj(Value s, const Method* m) : self(std::move(s)), method(m) {}
  Value self;
  const Method* method;
};

struct CyclerObj : Object {
  std::vector<Value> items;
  size_t position = 0;
};

struct JoinerObj : Object {
  Value separator;
  bool used = false;
};

inline const std::string& Value::text() const noexcept { return as<StrObj>().text; }
inline const std::vector<Value>& Value::items() const noexcept { return as<SeqObj>().items; }
inline bool Value::is_markup() const noexcept { return kind_ == Kind::kString && as<StrObj>().markup; }

}  // namespace mainspring::jinja
