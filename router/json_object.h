// The checked reader of JSON objects lives in the ground room.
#pragma once

#include "kernels/base/json_object.h"
