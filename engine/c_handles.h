// The C interface's handles around a model and an engine that a room above has, for its own C functions to give out.
// Whoever gets one releases it with kedge_model_close or kedge_engine_free.
#pragma once

#include <memory>

#include "engine/engine.h"
#include "engine/model.h"
#include "include/kedge/kedge.h"

namespace kedge::engine {

kedge_model* new_handle(std::shared_ptr<const Model> model);
kedge_engine* new_handle(std::shared_ptr<Engine> engine);

}  // namespace kedge::engine
