// The sampling parameters are part of the public API; the engine includes them by this name.
#pragma once

#include "mainspring/sampling_params.h"
