// Opens a scope for the duration of a block of the template.
#pragma once

#include "text/jinja/interp.h"

namespace mainspring::jinja {

class Interp::ScopeGuard {
 public:
  ScopeGuard(Interp& in, std::shared_ptr<Scope> parent)
      : in_(in), outer_(std::move(in.scope_)), scope_(std::make_shared<Scope>(std::move(parent))) {
    in_.scope_ = scope_;
  }
  explicit ScopeGuard(Interp& in) : ScopeGuard(in, in.scope_) {}
  ~ScopeGuard() {
    scope_->vars.clear();
    in_.scope_ = std::move(outer_);
  }
  ScopeGuard(const ScopeGuard&) = delete;
  ScopeGuard& operator=(const ScopeGuard&) = delete;

  const std::shared_ptr<Scope>& scope() const { return scope_; }
  const std::shared_ptr<Scope>& outer() const { return outer_; }

 private:
  Interp& in_;
  std::shared_ptr<Scope> outer_, scope_;
};

}  // namespace mainspring::jinja
