// Expressions of schemas against the validator of JSON Schema, which knows nothing of them: random schemas of every
// kind, whose texts have to validate, and random values, of which an expression takes those that validate and no
// others.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "engine/grammar/json_schema.h"
#include "engine/grammar/node_text.h"
#include "router/json_schema.h"
#include "tests/engine/grammar_draw.h"

namespace kedge::router {
namespace {

namespace grammar = engine::grammar;

constexpr int kSchemas = 1000;
constexpr int kTexts = 4;    // of each
constexpr int kValues = 12;  // tried on each

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  size_t below(size_t n) { return static_cast<size_t>(random_() % n); }
  bool one_in(size_t n) { return below(n) == 0; }
  template <class T>
  T any_of(std::initializer_list<T> values) {
    return *(values.begin() + below(values.size()));
  }

  Json number() {
    return any_of<Json>({0, 1, 2, 3, 5, 7, 10, 12, 99, 100, -1, -2, -10, 0.5, 1.25, -0.75, 2.5, 10.01, 150});
  }
  Json string() {
    return any_of<Json>({"", "a", "b", "ab", "ba", "aab", "abc", "é", "a\"b", "a\\", "x\ny", "12", "2024", "aaaaa"});
  }
  std::string key() { return any_of<std::string>({"a", "b", "c", "d", "ab", "x1"}); }

  Json value(int depth = 0) {
    switch (below(depth > 2 ? 4 : 6)) {
      case 0:
        return any_of<Json>({nullptr, true, false});
      case 1:
        return number();
      case 2:
      case 3:
        return one_in(2) ? string() : number();
      case 4: {
        Json array = Json::array();
        for (size_t n = below(4); n > 0; --n) array.push_back(value(depth + 1));
        return array;
      }
      default: {
        Json object = Json::object();
        for (size_t n = below(4); n > 0; --n) object[key()] = value(depth + 1);
        return object;
      }
    }
  }

  Json numbers() {
    Json s = {{"type", any_of<Json>({"number", "integer"})}};
    if (one_in(2)) s[any_of<std::string>({"minimum", "exclusiveMinimum"})] = number();
    if (one_in(2)) s[any_of<std::string>({"maximum", "exclusiveMaximum"})] = number();
    if (one_in(3)) s["multipleOf"] = any_of<Json>({1, 2, 3, 5, 7, 10, 0.5, 0.01, 0.25, 100});
    return s;
  }

  Json strings() {
    Json s = {{"type", "string"}};
    if (one_in(2)) s["minLength"] = below(4);
    if (one_in(2)) s["maxLength"] = 2 + below(4);
    if (one_in(3))
      s["pattern"] = any_of<Json>({"^a", "b$", "^[a-c]*$", "^a|b$", "[0-9]{2}", "^(?:ab|ba)+$", "^.*$", "\\d", "\""});
    return s;
  }

  Json values() {
    if (one_in(3)) return {{"const", value(1)}};
    Json list = Json::array();
    for (size_t n = 1 + below(4); n > 0; --n) list.push_back(value(1));
    return {{"enum", list}};
  }

  Json objects(int depth) {
    Json s = {{"type", "object"}};
    Json properties = Json::object();
    for (size_t n = below(4); n > 0; --n) properties[key()] = schema(depth + 1);
    Json required = Json::array();
    for (const auto& [name, unused] : properties.items()) {
      if (one_in(2)) required.push_back(name);
    }
    if (!properties.empty() && one_in(6) && !properties.contains("z")) required.push_back("z");
    s["properties"] = properties;
    if (!required.empty()) s["required"] = required;
    if (one_in(2)) s["additionalProperties"] = one_in(2) ? Json(false) : schema(depth + 1);
    if (one_in(6)) s["patternProperties"] = {{any_of<std::string>({"^a", "1$", "^[bc]$"}), schema(depth + 1)}};
    if (one_in(6)) s["propertyNames"] = {{"maxLength", 1 + below(2)}};
    if (one_in(8)) s["maxProperties"] = 1 + below(3);
    if (one_in(8)) s["minProperties"] = 1;
    if (one_in(8)) s["dependentRequired"] = {{key(), Json::array({key()})}};
    return s;
  }

  Json arrays(int depth) {
    Json s = {{"type", "array"}};
    if (one_in(2)) s["items"] = schema(depth + 1);
    if (one_in(3)) s["prefixItems"] = Json::array({schema(depth + 1), schema(depth + 1)});
    if (one_in(3)) s["minItems"] = below(3);
    if (one_in(3)) s["maxItems"] = 1 + below(3);
    if (one_in(5)) s["contains"] = schema(depth + 1);
    return s;
  }

  Json combined(int depth) {
    const std::string how = any_of<std::string>({"anyOf", "oneOf", "allOf", "not", "if", "$ref"});
    if (how == "not") return {{"type", any_of<Json>({"number", "string", "object"})}, {"not", schema(depth + 1)}};
    if (how == "if") return {{"if", schema(depth + 1)}, {"then", schema(depth + 1)}, {"else", schema(depth + 1)}};
    if (how == "$ref") return {{"$ref", "#/$defs/one"}, {"$defs", {{"one", schema(depth + 1)}}}};
    Json s = {{how, Json::array({schema(depth + 1), schema(depth + 1)})}};
    if (one_in(4)) s["type"] = any_of<Json>({"number", "string", "object", "array"});
    return s;
  }

  Json schema(int depth) {
    switch (below(depth > 2 ? 3 : 6)) {
      case 0:
        return numbers();
      case 1:
        return strings();
      case 2:
        return values();
      case 3:
        return objects(depth);
      case 4:
        return arrays(depth);
      default: {
        if (depth == 0 || !one_in(3)) return combined(depth);
        return one_in(2) ? Json(true) : Json({{"type", any_of<Json>({"boolean", "null"})}});
      }
    }
  }

 private:
  std::mt19937_64 random_;
};

struct Counts {
  int refused = 0, contradictory = 0, texts = 0, taken = 0, left = 0;
};

// A $ref of the generator's is at the top only there.
bool is_whole(const Json& schema, bool top = true) {
  if (schema.is_object() && schema.contains("$ref") && !top) return false;
  if (!schema.is_structured()) return true;
  return std::all_of(schema.begin(), schema.end(), [](const Json& part) { return is_whole(part, false); });
}

// Members that are counted come in the schema's order only.
bool is_counted(const Json& schema) {
  const std::string text = schema.dump();
  return text.find("\"minProperties\"") != std::string::npos || text.find("\"maxProperties\"") != std::string::npos;
}

bool validates(const JsonSchema& schema, const Json& value) {
  const auto violation = schema.validate(value);
  return violation.ok() && !violation->has_value();
}

void check(const Json& schema, Generator& g, uint64_t seed, Counts& counts) {
  const auto oracle = JsonSchema::compile(schema);
  ASSERT_TRUE(oracle.ok()) << schema << ": " << oracle.error().message;
  grammar::Grammar into;
  const auto node = grammar::read_json_schema(schema, "", {.any_order = true, .unlisted = true}, into);
  if (!node.ok()) {
    const bool nothing = node.error().message.find("contradicts itself") != std::string::npos;
    (nothing ? counts.contradictory : counts.refused) += 1;
    for (int i = 0; nothing && i < kValues; ++i) {
      const Json value = g.value();
      EXPECT_FALSE(validates(*oracle, value)) << schema << " is said to accept nothing, but " << value;
    }
    return;
  }
  grammar::Draw draw(into, seed);
  for (int i = 0; i < kTexts; ++i) {
    const auto text = draw.text(*node);
    if (!text) continue;
    const auto value = parse_json(*text, "text");
    if (!value.ok() && value.error().message.find("twice") != std::string::npos) continue;  // of unlisted names
    ASSERT_TRUE(value.ok()) << schema << ": " << *text << ": " << value.error().message;
    EXPECT_TRUE(validates(*oracle, *value)) << schema << "\nmakes " << *text;
    EXPECT_TRUE(grammar::NodeText(into, *text).matches(*node)) << schema << "\nmakes and refuses " << *text;
    ++counts.texts;
  }
  for (int i = 0; i < kValues; ++i) {
    const Json value = g.value();
    const bool taken = grammar::NodeText(into, value.dump()).matches(*node);
    const bool valid = validates(*oracle, value);
    EXPECT_TRUE(valid || !taken) << schema << "\naccepts " << value;
    EXPECT_TRUE(taken || !valid || is_counted(schema)) << schema << "\nrefuses " << value;
    (taken ? counts.taken : counts.left) += 1;
  }
}

// Of 1,000 schemas of a kind; `most_refused` can be neither enforced nor shown to contradict themselves.
void check_kind(const char* name, uint64_t seed, Json (*make)(Generator&), int most_refused) {
  Generator g(seed);
  Counts counts;
  for (int i = 0; i < kSchemas; ++i) {
    const Json schema = make(g);
    if (!is_whole(schema)) continue;
    check(schema, g, seed + static_cast<uint64_t>(i), counts);
    if (testing::Test::HasFatalFailure()) return;
  }
  EXPECT_LE(counts.refused, most_refused) << name;
  EXPECT_GT(counts.texts, kSchemas) << name;
  EXPECT_GT(counts.taken + counts.left, kSchemas) << name;
  testing::Test::RecordProperty(
      name, std::to_string(counts.refused) + " refused, " + std::to_string(counts.contradictory) + " contradictory, " +
                std::to_string(counts.texts) + " texts, " + std::to_string(counts.taken) + " values taken");
}

TEST(JsonSchemaGrammarRandom, Numbers) {
  check_kind(
      "numbers", 1, [](Generator& g) { return g.numbers(); }, 0);
}
TEST(JsonSchemaGrammarRandom, Strings) {
  check_kind(
      "strings", 2, [](Generator& g) { return g.strings(); }, 0);
}
TEST(JsonSchemaGrammarRandom, Values) {
  check_kind(
      "values", 3, [](Generator& g) { return g.values(); }, 0);
}
TEST(JsonSchemaGrammarRandom, Objects) {
  check_kind(
      "objects", 4, [](Generator& g) { return g.objects(1); }, 100);
}
TEST(JsonSchemaGrammarRandom, Arrays) {
  check_kind(
      "arrays", 5, [](Generator& g) { return g.arrays(1); }, 100);
}
TEST(JsonSchemaGrammarRandom, Combined) {
  check_kind(
      "combined", 6, [](Generator& g) { return g.combined(0); }, 200);
}

}  // namespace
}  // namespace kedge::router
