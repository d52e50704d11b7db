// Services of the interpreter: budgets, makers of values, scopes and variables.
#include "text/jinja/interp.h"

#include "text/jinja/ops.h"
#include "text/jinja/registry.h"

namespace mainspring::jinja {

namespace {

// Live memory a render may hold, as a multiple of the output limit: enough for intermediate copies of long chats.
constexpr size_t kMemoryPerOutput = 8;
// Nested evaluations per allowed call level; bounds the C++ stack.
constexpr size_t kEvaluationsPerCall = 16;
constexpr int kMaxJsonDepth = 200;

}  // namespace

Value* Scope::find(int symbol) noexcept {
  for (auto& [id, value] : vars) {
    if (id == symbol) return &value;
  }
  return nullptr;
}

void Scope::set(int symbol, Value value) {
  if (Value* v = find(symbol)) {
    *v = std::move(value);
  } else {
    vars.emplace_back(symbol, std::move(value));
  }
}

Interp::Interp(const Program& program, const TemplateLimits& limits, int64_t now)
    : program_(program),
      limits_(limits),
      now_(now),
      meter_(limits.max_output * kMemoryPerOutput),
      globals_(program.symbols.size()),
      resolved_(program.symbols.size(), false),
      scope_(std::make_shared<Scope>(nullptr)) {}

Interp::~Interp() {
  scope_->vars.clear();
  for (const auto& ns : namespaces_) ns->attributes.items.clear();
}

std::string Interp::run(const Json& variables) {
  variables_ = &variables;
  try {
    run_block(program_.body);
  } catch (Fault& f) {
    if (!f.from_template && line_ > 0) f.message = cat("line ", line_, ": ", f.message);
    throw;
  }
  return std::move(out_);
}

void Interp::out_of_steps() const { fault("the template ran more than ", limits_.max_steps, " steps"); }

Interp::Nested::Nested(Interp& in, size_t weight) : in_(in), weight_(weight) {
  in_.depth_ += weight_;
  if (in_.depth_ > in_.limits_.max_depth * kEvaluationsPerCall) {
    in_.depth_ -= weight_;
    fault("the template nests too deep (limit ", in_.limits_.max_depth, " calls)");
  }
}

void Interp::attach(Object& object, size_t bytes) {
  meter_.add(bytes);
  object.meter = &meter_;
  object.charged = bytes;
}

Value Interp::str(std::string text, bool markup) {
  const size_t bytes = text.capacity();
  if (text.size() > limits_.max_output)
    fault("the template made a string of more than ", human_bytes(limits_.max_output));
  work(text.size());
  return make(Kind::kString, std::make_shared<StrObj>(std::move(text), markup), bytes);
}

Value Interp::list(std::vector<Value> items) {
  const size_t bytes = items.capacity() * sizeof(Value);
  return make(Kind::kList, std::make_shared<SeqObj>(std::move(items)), bytes);
}

Value Interp::tuple(std::vector<Value> items, bool group) {
  const size_t bytes = items.capacity() * sizeof(Value);
  return make(Kind::kTuple, std::make_shared<SeqObj>(std::move(items), group), bytes);
}

Value Interp::pair(Value a, Value b) {
  std::vector<Value> items;
  items.reserve(2);
  items.push_back(std::move(a));
  items.push_back(std::move(b));
  return tuple(std::move(items));
}

Value Interp::dict(std::shared_ptr<DictObj> d) {
  const size_t bytes = d->items.capacity() * sizeof(DictObj::Item) * 2;  // room for the index
  return make(Kind::kDict, std::move(d), bytes);
}

Value Interp::undefined(std::string message) {
  const size_t bytes = message.capacity();
  return make(Kind::kUndefined, std::make_shared<UndefinedObj>(std::move(message)), bytes);
}

Value Interp::generator(const char* type, Next next) {
  return make(Kind::kGenerator, std::make_shared<GeneratorObj>(type, std::move(next)), 0);
}

Value Interp::make_namespace(std::shared_ptr<NamespaceObj> object) {
  namespaces_.push_back(object);
  return make(Kind::kNamespace, std::move(object), 128);
}

Value Interp::from_json(const Json& json) {
  // The caller's own data is not charged to the template, only counted for depth.
  struct Converter {
    int depth = 0;
    Value operator()(const Json& j) {
      if (++depth > kMaxJsonDepth) fault("the variables are nested deeper than ", kMaxJsonDepth);
      Value v = convert(j);
      --depth;
      return v;
    }
    Value convert(const Json& j) {
      switch (j.kind()) {
        case Json::Kind::kNull: return Value::none();
        case Json::Kind::kBool: return Value::boolean(j.as_bool());
        case Json::Kind::kInt: return Value::integer(j.as_int());
        case Json::Kind::kUint:
        case Json::Kind::kReal: return Value::real(j.as_double());
        case Json::Kind::kString: return Value(Kind::kString, std::make_shared<StrObj>(j.as_string()));
        case Json::Kind::kArray: {
          std::vector<Value> items;
          items.reserve(j.size());
          for (const Json& item : j.as_array()) items.push_back((*this)(item));
          return Value(Kind::kList, std::make_shared<SeqObj>(std::move(items)));
        }
        case Json::Kind::kObject: {
          auto d = std::make_shared<DictObj>();
          d->items.reserve(j.size());
          for (const auto& [key, value] : j.as_object()) {
            d->items.emplace_back(Value(Kind::kString, std::make_shared<StrObj>(key)), (*this)(value));
          }
          return Value(Kind::kDict, std::move(d));
        }
      }
      return Value::none();
    }
  };
  return Converter()(json);
}

Value Interp::lookup_global(int symbol) {
  const size_t i = static_cast<size_t>(symbol);
  if (!resolved_[i]) {
    resolved_[i] = true;
    const std::string& name = program_.symbols[i];
    if (program_.local[i]) {  // stays missing
    } else if (const Json* j = variables_->find(name)) {
      globals_[i] = from_json(*j);
    } else if (const Builtin* b = find_global(name)) {
      globals_[i] = Value::function(b);
    }
  }
  return globals_[i];
}

// kMissing when nothing has that name.
Value Interp::lookup(int symbol) {
  for (Scope* s = scope_.get(); s != nullptr; s = s->parent.get()) {
    if (const Value* v = s->find(symbol)) return *v;
  }
  return lookup_global(symbol);
}

void Interp::emit(std::string_view text) {
  if (text.size() > limits_.max_output - out_.size()) {
    fault("the output is longer than ", human_bytes(limits_.max_output));
  }
  work(text.size());
  out_.append(text);
}

std::string Interp::take_output(size_t from) {
  std::string text = out_.substr(from);
  out_.resize(from);
  return text;
}

}  // namespace mainspring::jinja
