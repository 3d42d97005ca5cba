// Layers of architectures that are not like Llama's, for generated models. Sizes no key of a shape has are those of the
// published configurations.
#pragma once

#include "tools/model_plan.h"

namespace kedge::tools {

// Heads, rotary positions and the norm's epsilon.
void plan_attention_keys(const ModelShape& shape, ModelPlan& plan);

void plan_qwen35(const ModelShape& shape, ModelPlan& plan);
void plan_gemma3(const ModelShape& shape, ModelPlan& plan);
void plan_gpt_oss(const ModelShape& shape, ModelPlan& plan);
void plan_lfm2(const ModelShape& shape, ModelPlan& plan);
void plan_deepseek2(const ModelShape& shape, ModelPlan& plan);
void plan_granitehybrid(const ModelShape& shape, ModelPlan& plan);

}  // namespace kedge::tools
