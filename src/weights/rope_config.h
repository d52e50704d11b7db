// Rotary position settings in the spellings of transformers 4 and 5.
#pragma once

#include "weights/class_defaults.h"
#include "weights/config.h"

namespace mainspring {

// Fills rope and rope_local from config.raw; head_dim, max_position and model_type must be known.
void read_rope(Config& config, const ClassDefaults& defaults);

}  // namespace mainspring
