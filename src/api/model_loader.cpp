// Opening, device, building.
#include "api/model_loader.h"

#include <utility>

#include "api/devices.h"
#include "api/load_plan.h"
#include "base/str.h"
#include "weights/packed_checkpoint.h"

namespace mainspring {

namespace {

bool usable(const std::string& isa) {
  for (const IsaInfo& i : compiled_isas())
    if (i.name == isa) return i.usable;
  return false;
}

// The instruction set that a run takes by itself reads what `isa` packed.
bool best_reads(const std::string& isa) {
  int best = 0;
  for (const IsaInfo& i : compiled_isas()) {
    if (i.usable && best == 0) best = i.lanes;
    if (i.name == isa) return i.lanes == best;
  }
  return false;
}

// What options mean for a file whose formats, type and instruction set are fixed already.
ModelOptions options_for(const PackedInfo& packed, ModelOptions o, const std::string& path) {
  const std::string file = printable(path, 200);
  if (!o.quantize.empty() && o.quantize != "none")
    fail(Code::kInvalidInput, "--quantize: ", file, " is packed already (",
         packed.quantize.empty() ? "in its source's formats" : packed.quantize, "); it goes with the original model");
  o.quantize_group = 0;
  if (!o.dtype.empty() && o.dtype != "auto" && parse_compute_type(o.dtype) != packed.compute)
    fail(Code::kInvalidInput, "--dtype: ", file, " was packed for ", compute_type_name(packed.compute),
         "; leave --dtype out, or pack the model again with --dtype ", o.dtype);
  o.dtype = compute_type_name(packed.compute);
  if (o.device == packed.device && o.isa.empty() && usable(packed.isa) && !best_reads(packed.isa)) o.isa = packed.isa;
  return o;
}

// Why a packed file cannot be used, and what to do.
Error packed_elsewhere(const Error& e, const PackedInfo& packed, const std::string& path, const ModelOptions& o) {
  const std::string again = "pack the original model again with mainspring pack";
  std::string advice;
  if (o.device != packed.device) advice = cat("use --device ", packed.device);
  else if (!usable(packed.isa)) advice = cat("this processor or program has no ", packed.isa, "; ", again);
  else if (o.isa != packed.isa) advice = cat("use --isa ", packed.isa, ", or ", again, " --isa ", o.isa);
  else advice = cat("it was written by ", packed.program, ", whose layout is another one; ", again);
  return Error(e.code(), cat(printable(path, 200), ": packed for ", packed.device, " ", packed.isa, ", ",
                             compute_type_name(packed.compute), " (", e.message(), "); ", advice));
}

}  // namespace

ModelLoader::ModelLoader(const ModelOptions& given) : options(given) {
  parse_compute_type(options.dtype);   // wrong options are named before files are opened
  parse_quantize(options.quantize, options.quantize_group, options.activations);
  checkpoint = open_checkpoint(options.model);
  if (const PackedCheckpoint* p = checkpoint->packed()) options = options_for(p->info(), options, options.model);
  compute = parse_compute_type(options.dtype);
  quantize = parse_quantize(options.quantize, options.quantize_group, options.activations);
  config = read_config(checkpoint->config(), checkpoint->generation_config());
  family = &family_of(config);
  device = make_device(options);
}

std::unique_ptr<CausalLM> ModelLoader::build(LoadProgress* progress) {
  Weights::Context context{*checkpoint, *device, compute, progress, {}, quantize};
  const PackedCheckpoint* packed = checkpoint->packed();
  try {
    std::unique_ptr<CausalLM> model = family->build(config, Weights(context));
    report = std::move(context.report);
    return model;
  } catch (const Error& e) {
    if (!packed || e.code() != Code::kUnsupported) throw;
    throw packed_elsewhere(e, packed->info(), options.model, options);
  }
}

std::string ModelLoader::quantize_text() const {
  const std::string now = quantize_name(quantize);
  const PackedCheckpoint* packed = checkpoint->packed();
  if (!packed || packed->info().quantize.empty()) return now;
  return now.empty() ? packed->info().quantize : cat(packed->info().quantize, ", ", now);
}

std::vector<std::string> report_lines(const LoadReport& report) {
  std::vector<std::string> lines;
  for (const auto& [name, total] : report.formats)
    lines.push_back(cat(total.matrices, total.matrices == 1 ? " matrix " : " matrices ", name, ", ",
                        human_bytes(total.bytes)));
  if (!report.kept.empty())
    lines.push_back(cat(report.kept.size(), report.kept.size() == 1 ? " matrix was" : " matrices were",
                        " not quantised, because no group of 32, 64 or 128 divides the inputs (the first is ",
                        printable(report.kept.front()), ")"));
  return lines;
}

}  // namespace mainspring
