#include "tokenizer/jinja/json_value.h"

#include "kernels/base/json.h"

namespace kedge::tokenizer::jinja {
namespace {

// Builds values from the reader's events, so that no second tree exists and members keep their order.
class Builder final : public JsonEvents {
 public:
  Builder(Heap& heap, const TextOrigin& origin) : heap_(heap), origin_(origin) {}

  Status scalar(Json value) override {
    switch (value.type()) {
      case Json::value_t::boolean:
        return add(Value::boolean(value.get<bool>()));
      case Json::value_t::number_unsigned:
        if (value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
          return Error{ErrorCode::kInvalidArgument, "the integer " + value.dump() + " does not fit 64 bits"};
        }
        [[fallthrough]];
      case Json::value_t::number_integer:
        return add(Value::integer(value.get<int64_t>()));
      case Json::value_t::number_float:
        return add(Value::number(value.get<double>()));
      case Json::value_t::string:
        return add(heap_.string(Text(value.get_ref<const std::string&>(), origin_)));
      default:
        return add(Value::none());
    }
  }
  Status key(std::string name) override {
    open_.back().key = heap_.string(Text(name, origin_));
    return {};
  }
  Status begin(bool object) override {
    open_.emplace_back();
    open_.back().object = object;
    return {};
  }
  Status end(bool object) override {
    Open closed = std::move(open_.back());
    open_.pop_back();
    return add(object ? heap_.dict(std::move(closed.dict)) : heap_.list(std::move(closed.list)));
  }

  Value result;

 private:
  struct Open {
    bool object = false;
    Value key;
    Dict dict;
    List list;
  };

  Status add(Value v) {
    if (!heap_.work(1)) return heap_.error();
    if (open_.empty()) {
      result = std::move(v);
    } else if (open_.back().object) {
      open_.back().dict.set(open_.back().key, std::move(v));
    } else {
      open_.back().list.push_back(std::move(v));
    }
    return {};
  }

  Heap& heap_;
  TextOrigin origin_;
  std::vector<Open> open_;
};

}  // namespace

Result<Value> parse_json(Heap& heap, std::string_view json, std::string_view what, const TextOrigin& origin) {
  Builder builder(heap, origin);
  const Status read = read_json(json, builder, heap.limits().max_depth);
  if (!read.ok())
    return Error{read.error().code, std::string(what) + ": it is not valid JSON: " + read.error().message};
  return std::move(builder.result);
}

}  // namespace kedge::tokenizer::jinja
