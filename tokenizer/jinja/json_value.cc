#include "tokenizer/jinja/json_value.h"

#include <nlohmann/json.hpp>

namespace kedge::jinja {
namespace {

// Builds values from the parser's events, so that no second tree exists and members keep their order.
class Builder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  Builder(Heap& heap, const TextOrigin& origin) : heap_(heap), origin_(origin) {}

  bool null() override { return add(Value::none()); }
  bool boolean(bool b) override { return add(Value::boolean(b)); }
  bool number_integer(number_integer_t i) override { return add(Value::integer(int64_t{i})); }
  bool number_unsigned(number_unsigned_t i) override {
    if (i > static_cast<number_unsigned_t>(INT64_MAX))
      return fail("the integer " + std::to_string(i) + " does not fit 64 bits");
    return add(Value::integer(static_cast<int64_t>(i)));
  }
  bool number_float(number_float_t d, const string_t&) override { return add(Value::number(d)); }
  bool string(string_t& s) override { return add(heap_.string(Text(s, origin_))); }
  bool binary(binary_t&) override { return fail("binary data"); }
  bool start_object(size_t) override { return open(true); }
  bool start_array(size_t) override { return open(false); }
  bool key(string_t& s) override {
    open_.back().key = heap_.string(Text(s, origin_));
    return !heap_.failed();
  }
  bool end_object() override {
    Value v = heap_.dict(std::move(open_.back().dict));
    open_.pop_back();
    return add(std::move(v));
  }
  bool end_array() override {
    Value v = heap_.list(std::move(open_.back().list));
    open_.pop_back();
    return add(std::move(v));
  }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return fail("it is not valid JSON at byte " + std::to_string(position));
  }

  Value result;
  std::string error;

 private:
  struct Open {
    bool object = false;
    Value key;
    Dict dict;
    List list;
  };

  bool open(bool object) {
    if (open_.size() >= heap_.limits().max_depth) {
      return fail("it is nested more than " + std::to_string(heap_.limits().max_depth) + " deep (limit max_depth)");
    }
    open_.emplace_back();
    open_.back().object = object;
    return true;
  }
  bool add(Value v) {
    if (!heap_.work(1)) return fail(heap_.error().message);
    if (open_.empty()) {
      result = std::move(v);
    } else if (open_.back().object) {
      open_.back().dict.set(open_.back().key, std::move(v));
    } else {
      open_.back().list.push_back(std::move(v));
    }
    return true;
  }
  bool fail(std::string why) {
    if (error.empty()) error = std::move(why);
    return false;
  }

  Heap& heap_;
  TextOrigin origin_;
  std::vector<Open> open_;
};

}  // namespace

Result<Value> parse_json(Heap& heap, std::string_view json, std::string_view what, const TextOrigin& origin) {
  Builder builder(heap, origin);
  if (!nlohmann::json::sax_parse(json, &builder)) {
    const ErrorCode code = heap.failed() ? ErrorCode::kCapacity : ErrorCode::kInvalidArgument;
    return Error{code, std::string(what) + ": " + (builder.error.empty() ? "it is not valid JSON" : builder.error)};
  }
  return std::move(builder.result);
}

}  // namespace kedge::jinja
