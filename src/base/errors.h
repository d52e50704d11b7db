// The error type is part of the public API; the rest of the program includes it by this name.
#pragma once

#include "mainspring/errors.h"
