// The C interface: constraints.
#include "engine/capi/handles.h"
#include "engine/grammar/compiled_constraint.h"
#include "kernels/base/json.h"

using namespace kedge::engine;
using namespace kedge::engine::capi;

namespace kedge::engine::capi {

Result<std::shared_ptr<const grammar::Constraint>> constraint_in(const Model& model, const kedge_str& given) {
  KEDGE_ASSIGN(text, in_text(given.data, given.size, "constraint"));
  if (text.empty()) return std::shared_ptr<const grammar::Constraint>();
  return model.constraints().get(text);
}

}  // namespace kedge::engine::capi

extern "C" kedge_status kedge_constraint_check(const kedge_model* model, const char* constraint, size_t constraint_size,
                                               char** json, size_t* json_size) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear_outputs(json, json_size));
    KEDGE_TRY(not_null(model, "model"));
    KEDGE_ASSIGN(spec, in_text(constraint, constraint_size, "constraint"));
    KEDGE_ASSIGN(checked, model->model->constraints().get(spec));
    const auto* compiled = static_cast<const grammar::CompiledConstraint*>(checked.get());
    return give_text(
        Json{{"bytes", checked->bytes()}, {"compile_ms", checked->compile_ms()}, {"cached", compiled->given_before()}}
            .dump(),
        json, json_size);
  });
}
