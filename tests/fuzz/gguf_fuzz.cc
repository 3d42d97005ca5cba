// libFuzzer target: any bytes as a GGUF file, and everything a caller can read of the result.
//   clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined ... tests/fuzz/gguf_fuzz.cc
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "weights/gguf_writer.h"
#include "weights/tensor_store.h"

namespace {

// A broken promise of the reader is a crash for the fuzzer.
void check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kedge::weights;                                // NOLINT(google-build-using-namespace)
  const std::unique_ptr<std::byte[]> copy(new std::byte[size]);  // aligned, and exactly as long
  if (size > 0) std::memcpy(copy.get(), data, size);
  const auto store = TensorStore::from_bytes({copy.get(), size}, "fuzz");
  if (!store.ok()) {
    check(store.error().message.rfind("fuzz: ", 0) == 0);
    return 0;
  }
  GgufWriter writer;
  volatile uint64_t sum = 0;
  for (const GgufEntry& e : store->metadata().entries()) {
    check(store->metadata().find(e.key) == &e);
    for (const GgufScalar& v : e.elements(size)) {
      if (const auto* text = std::get_if<std::string_view>(&v)) check(!find_invalid_utf8(*text));
    }
    const GgufMetadata& m = store->metadata();
    sum = sum + m.get_u32(e.key).ok() + m.get_f32(e.key).ok() + m.get_strings(e.key).ok() + m.get_i32s(e.key).ok() +
          m.get_f32s(e.key).ok() + m.get_bools(e.key).ok() + m.get_u32_per_layer(e.key, 8).ok();
    writer.copy(e);
  }
  for (const TensorInfo& t : store->tensors()) {
    check(store->find(t.name) == &t);
    for (const std::byte b : store->data(t)) sum = sum + static_cast<unsigned>(b);
    writer.add_tensor(t.name, *t.type, std::span(t.dims).first(static_cast<size_t>(t.n_dims)));
  }
  // What the reader accepts, the writer writes, and the reader finds the same in it.
  const auto header = writer.header();
  check(header.ok() || store->metadata().entries().size() >= kMaxGgufKeys - 1);
  if (header.ok() && store->tensors().empty()) {
    const auto again = parse_gguf(*header, "again");
    check(again.ok());
    for (const GgufEntry& e : store->metadata().entries()) {
      const GgufEntry* copied = again->metadata.find(e.key);
      if (e.key != "general.alignment") check(copied != nullptr && copied->type == e.type && copied->count == e.count);
    }
  }
  return 0;
}
