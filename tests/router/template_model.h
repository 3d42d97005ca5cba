// A copy of a model with another chat template: one that writes calls as the Hermes models do. The weights know nothing
// of calls; that theirs are well formed is the constraint's doing.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "weights/gguf_writer.h"
#include "weights/tensor_store.h"

namespace kedge::router {

inline constexpr const char* kCallingTemplate =
    "{% if tools %}<|system|>{% for t in tools %}{{ t | tojson }}\n{% endfor %}"
    "<tool_call>{\"name\": ..., \"arguments\": ...}</tool_call><|end|>{% endif %}"
    "{% for m in messages %}{{ '<|' + m.role + '|>' + (m.content or '') }}"
    "{% for c in m.tool_calls or [] %}<tool_call>\n{\"name\": \"{{ c.function.name }}\", \"arguments\": "
    "{{ c.function.arguments | tojson }}}\n</tool_call>{% endfor %}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}";

inline void write_with_template(const std::string& from, const std::string& to, const char* chat_template) {
  const auto source = TensorStore::open(from);
  ASSERT_TRUE(source.ok()) << source.error().message;
  GgufWriter w;
  for (const GgufEntry& entry : source->metadata().entries()) {
    if (entry.key == "tokenizer.chat_template") {
      w.add_string(entry.key, chat_template);
    } else {
      w.copy(entry);
    }
  }
  for (const TensorInfo& t : source->tensors()) {
    w.add_tensor(t.name, *t.type, std::span(t.dims).first(static_cast<size_t>(t.n_dims)));
  }
  const Status begun = w.begin(to);
  ASSERT_TRUE(begun.ok()) << begun.error().message;
  for (const TensorInfo& t : source->tensors()) ASSERT_TRUE(w.write(t.name, source->data(t)).ok()) << t.name;
  ASSERT_TRUE(w.finish().ok());
}

}  // namespace kedge::router
