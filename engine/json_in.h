// JSON lives in the ground room.
#pragma once

#include "kernels/base/json.h"
