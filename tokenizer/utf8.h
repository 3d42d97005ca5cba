// Strict UTF-8 for the rooms above: see kernels/base/utf8.h.
#pragma once

#include "kernels/base/utf8.h"
