// Schemas as expressions, by hand: what they take, what they leave, what is refused and by which pointer.
// tests/router/json_schema_grammar_random_test.cc has random ones, json_schema_suite.py the public cases.
#include "engine/grammar/json_schema.h"

#include <gtest/gtest.h>

#include "engine/grammar/node_text.h"
#include "tests/engine/grammar_draw.h"

namespace kedge::engine::grammar {
namespace {

using base::ErrorCode;
using base::Json;

Json json(std::string_view text) { return base::parse_json(text, "test").value(); }

struct Case {
  const char* schema;
  std::vector<const char*> taken;
  std::vector<const char*> left;
};

void check(const std::vector<Case>& cases, const JsonStyle& style = {}) {
  for (const Case& c : cases) {
    Grammar grammar;
    const auto node = read_json_schema(json(c.schema), "", style, grammar);
    ASSERT_TRUE(node.ok()) << c.schema << ": " << node.error().message;
    for (const char* text : c.taken)
      EXPECT_TRUE(NodeText(grammar, text).matches(*node)) << c.schema << " leaves " << text;
    for (const char* text : c.left)
      EXPECT_FALSE(NodeText(grammar, text).matches(*node)) << c.schema << " takes " << text;
  }
}

TEST(JsonSchemaGrammar, Types) {
  check({
      {R"({"type": "null"})", {"null"}, {"true", "0", "\"\"", ""}},
      {R"({"type": "boolean"})", {"true", "false"}, {"null", "tru", "truefalse"}},
      {R"({"type": ["string", "null"]})", {"null", "\"a\""}, {"0", "[]"}},
      {R"({"type": "string", "nullable": true})", {"null", "\"\""}, {"1"}},
      {R"({"type": "integer"})",
       {"0", "-1", "1234567890123456789"},
       {"1.0", "01", "-0", "+1", "1e3", "12345678901234567890"}},
      {R"({"type": "number"})", {"0", "-0.5", "1e3", "1.25E-7", "12"}, {".5", "1.", "01", "1e400", "NaN", "--1"}},
      {R"({"type": "array"})", {"[]", "[1,\"a\",[null]]"}, {"[1,]", "[,1]", "{}", "[1 ,2]"}},
      {R"({"type": "object"})", {"{}", R"({"a":1,"b":{"c":[]}})"}, {R"({"a"})", R"({a:1})", R"({"a":1,})", "[]"}},
      {R"(true)", {"null", "1", "{}"}, {"", "nul"}},
      {R"({"description": "anything", "x-note": 1, "default": 3, "discriminator": {}})", {"[1]"}, {"]"}},
  });
}

TEST(JsonSchemaGrammar, Strings) {
  check({
      {R"({"type": "string"})",
       {R"("")", R"("é")", R"("\u00e9\n\/")", R"("\ud83d\ude00")"},
       {R"("\ud83d")", R"("\x")", "\"a\nb\"", R"("a)", R"("\u00g0")"}},
      {R"({"type": "string", "minLength": 2, "maxLength": 3})",
       {R"("ab")", R"("äöü")", R"("\"\\")", R"("\u0001\t")"},
       {R"("a")", R"("abcd")", R"("\u0061b")"}},
      {R"({"type": "string", "pattern": "b"})", {R"("b")", R"("abc")"}, {R"("")", R"("ac")"}},
      {R"({"type": "string", "pattern": "^a|c$"})", {R"("ab")", R"("bc")"}, {R"("bab")", R"("cb")"}},
      {R"({"type": "string", "pattern": "^(a|b)+$", "maxLength": 2})", {R"("a")", R"("ba")"}, {R"("")", R"("aba")"}},
      {R"-({"type": "string", "pattern": "(^x$)|(^y$)"})-", {R"("x")", R"("y")"}, {R"("xy")", R"("")"}},
      {R"({"pattern": "\"|\\n"})", {R"("\"")", R"("a\n")", "3"}, {R"("a")", R"("n")"}},
      {R"({"enum": ["a\"b", "ü", 1.5, null, [1, {"k": "v"}]]})",
       {R"("a\"b")", R"("ü")", "1.5", "null", R"([1,{"k":"v"}])"},
       {R"("a")", "1.50", "1", R"([1,{"k":"w"}])", R"([1])"}},
      {R"({"const": "yes"})", {R"("yes")"}, {R"("no")", R"("yes ")", "true"}},
      {R"({"enum": ["a", "bb", "ccc"], "minLength": 2, "pattern": "b"})", {R"("bb")"}, {R"("a")", R"("ccc")"}},
      {R"({"type": "string", "not": {"enum": ["a", "b"]}})", {R"("c")", R"("ab")"}, {R"("a")", R"("b")"}},
      {R"({"type": "string", "not": {"pattern": "^a"}, "minLength": 1})", {R"("ba")"}, {R"("")", R"("ab")"}},
  });
}

TEST(JsonSchemaGrammar, Formats) {
  const auto format = [](const char* name, std::vector<const char*> taken, std::vector<const char*> left) {
    const std::string schema = std::string(R"({"type": "string", "format": ")") + name + "\"}";
    check({{schema.c_str(), std::move(taken), std::move(left)}});
  };
  format(
      "date", {R"("2024-02-29")", R"("1999-12-31")", R"("2000-02-29")"},
      {R"("2023-02-29")", R"("1900-02-29")", R"("2024-13-01")", R"("2024-04-31")", R"("24-01-01")", R"("0000-02-29")"});
  format("time", {R"("23:59:59Z")", R"("00:00:00.125+02:00")"}, {R"("24:00:00Z")", R"("12:00Z")", R"("12:00:00")"});
  format("date-time", {R"("2024-02-29T12:00:00Z")"}, {R"("2023-02-29T12:00:00Z")", R"("2024-02-29 12:00:00Z")"});
  format("duration", {R"("P1Y2M3DT4H5M6S")", R"("PT1M")", R"("P2W")"},
         {R"("P")", R"("P1YT")", R"("P1W1D")", R"("P1S")"});
  format("uuid", {R"("123e4567-e89b-12d3-a456-426614174000")"}, {R"("123e4567e89b12d3a456426614174000")"});
  format("email", {R"("a.b+c@ex-ample.org")"}, {R"("a@@b")", R"(".a@b")", R"("a@b-")", R"("a")"});
  format("hostname", {R"("example.com")", R"("a-b.c")"}, {R"("-a.b")", R"("a..b")", R"("a_b")", R"("")"});
  format("ipv4", {R"("127.0.0.1")", R"("255.255.255.0")"}, {R"("256.0.0.1")", R"("1.2.3")", R"("01.2.3.4")"});
  format("ipv6", {R"("::")", R"("::1")", R"("2001:db8::8a2e:370:7334")", R"("1:2:3:4:5:6:7:8")"},
         {R"("1:2:3")", R"("1::2::3")", R"("1:2:3:4:5:6:7:8:9")", R"("12345::")"});
  format("uri", {R"("https://a.b/c?d=%20#e")", R"("urn:x:y")"},
         {R"("//a")", R"("http://a b")", R"("a/b")", R"("http://%zz")"});
  format("json-pointer", {R"("")", R"("/a~1b/0")"}, {R"("a")", R"("/~2")"});
  check({{R"({"type": "integer", "format": "uint8"})", {"0", "255"}, {"-1", "256"}}});
}

TEST(JsonSchemaGrammar, Numbers) {
  check({
      {R"({"type": "integer", "minimum": 7, "maximum": 123})",
       {"7", "99", "100", "123"},
       {"6", "124", "-7", "07", "1000", "7.0"}},
      {R"({"type": "integer", "minimum": -15, "exclusiveMaximum": 3})",
       {"-15", "-9", "0", "2"},
       {"-16", "3", "-0", "-150"}},
      {R"({"type": "number", "minimum": 0, "maximum": 1})",
       {"0", "0.25", "1", "1.0", "0.0"},
       {"1.01", "-0.1", "2", "1e-3"}},
      {R"({"type": "number", "exclusiveMinimum": 0.5})",
       {"0.51", "1", "0.5000001", "99"},
       {"0.5", "0.50", "0.4", "-1"}},
      {R"({"minimum": 5, "exclusiveMinimum": true, "type": "integer"})", {"6"}, {"5"}},
      {R"({"type": "integer", "multipleOf": 7})", {"0", "-14", "7", "700", "98765432109876539"}, {"1", "8", "701"}},
      {R"({"type": "number", "multipleOf": 0.01, "minimum": 0})",
       {"0", "19.99", "5.1", "7"},
       {"0.001", "19.999", "-1"}},
      {R"({"type": "integer", "multipleOf": 12, "minimum": 100, "maximum": 130})",
       {"108", "120"},
       {"100", "132", "96", "110"}},
      {R"({"type": "number", "not": {"type": "integer"}})", {"0.5", "-3.25"}, {"1", "1.0", "0"}},
      {R"({"type": "number", "not": {"multipleOf": 0.5}})", {"0.25", "0.3", "1.75"}, {"0.5", "1", "2.50"}},
      {R"({"type": "integer", "not": {"const": 3}, "minimum": 2, "maximum": 4})", {"2", "4"}, {"3"}},
      {R"({"type": "number", "maximum": -0.5})", {"-0.5", "-12.75"}, {"-0.4", "0", "1"}},
      {R"({"type": "integer", "minimum": 18446744073709551615})", {"18446744073709551615"}, {"18446744073709551614"}},
  });
}

TEST(JsonSchemaGrammar, Arrays) {
  check({
      {R"({"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3})",
       {"[1]", "[1,2,3]"},
       {"[]", "[1,2,3,4]", "[\"a\"]"}},
      {R"({"prefixItems": [{"type": "integer"}, {"type": "string"}], "items": false, "type": "array"})",
       {"[]", "[1]", "[1,\"a\"]"},
       {"[\"a\"]", "[1,2]", "[1,\"a\",1]"}},
      {R"({"type": "array", "items": [{"type": "integer"}], "additionalItems": {"type": "null"}, "minItems": 2})",
       {"[1,null]", "[1,null,null]"},
       {"[1]", "[1,1]"}},
      {R"({"type": "array", "items": {"type": "integer"}, "contains": {"const": 5}})",
       {"[5]", "[1,5,2]"},
       {"[]", "[1]", "[5,\"a\"]"}},
      {R"({"type": "array", "contains": {"type": "null"}, "minContains": 2, "maxContains": 2, "maxItems": 3})",
       {"[null,null]", "[null,1,null]"},
       {"[null]", "[null,null,null]"}},
      {R"({"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": true, "minItems": 1})",
       {R"(["b"])", R"(["c","a","b"])"},
       {"[]", R"(["a","a"])"}},
      {R"({"type": "array", "not": {"items": {"type": "integer"}}})", {"[1,\"a\"]", "[null]"}, {"[]", "[1,2]"}},
  });
}

TEST(JsonSchemaGrammar, Objects) {
  const char* person = R"({"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"},
                          "tags": {"type": "array"}}, "required": ["name"], "additionalProperties": false})";
  check({
      {person,
       {R"({"name":"A"})", R"({"name":"A","age":3})", R"({"name":"A","tags":[]})", R"({"name":"A","age":3,"tags":[]})"},
       {"{}", R"({"age":3})", R"({"age":3,"name":"A"})", R"({"name":"A","x":1})", R"({"name":"A","name":"B"})",
        R"({"name":"A",})"}},
      // What a schema lists nothing of is open, what it lists some of is closed, unless it says otherwise.
      {R"({"type": "object", "properties": {"a": {"type": "null"}}})", {"{}", R"({"a":null})"}, {R"({"b":1})"}},
      {R"({"type": "object", "properties": {"a": {"type": "null"}}, "additionalProperties": true})",
       {R"({"a":null,"b":1})", R"({"b":1})"},
       {R"({"a":1})", R"({"b":1,"a":1})"}},
      {R"({"type": "object", "additionalProperties": {"type": "integer"}})",
       {"{}", R"({"x":1,"y":2})"},
       {R"({"x":"a"})"}},
      {R"({"type": "object", "patternProperties": {"^n_": {"type": "integer"}}, "additionalProperties": false})",
       {R"({"n_a":1})"},
       {R"({"a":1})", R"({"n_a":"b"})"}},
      {R"({"type": "object", "propertyNames": {"pattern": "^[a-z]+$"}})", {R"({"ab":1})"}, {R"({"A":1})", R"({"":1})"}},
      {R"({"type": "object", "required": ["z"], "properties": {"a": true}})",
       {R"({"z":1})", R"({"a":1,"z":2})"},
       {R"({"a":1})"}},
      {R"({"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "minProperties": 1, "maxProperties": 2})",
       {R"({"a":1})", R"({"a":1,"c":1})"},
       {"{}", R"({"a":1,"b":1,"c":1})"}},
      {R"({"type": "object", "properties": {"a": {}, "b": {}}, "dependentRequired": {"a": ["b"]}})",
       {"{}", R"({"b":1})", R"({"a":1,"b":1})"},
       {R"({"a":1})"}},
      {R"({"type": "object", "properties": {"a": false, "b": true}})", {"{}", R"({"b":1})"}, {R"({"a":1})"}},
      {R"({"type": "object", "properties": {"a\"\n": {"type": "null"}}, "required": ["a\"\n"]})",
       {R"({"a\"\n":null})"},
       {R"({"a":null})"}},
      {R"({"$ref": "#/$defs/t", "unevaluatedProperties": false, "$defs": {"t": {"properties": {"a": true}, "type": "object"}}})",
       {R"({"a":1})"},
       {R"({"b":1})"}},
  });
  check({{person,
          {R"({"age":3,"name":"A"})", R"({"tags":[],"name":"A","age":1})"},
          {R"({"age":3})", R"({"name":"A","name":"B"})"}}},
        {.any_order = true});
  check({{R"({"properties": {"a": {"type": "null"}}, "type": "object"})", {R"({"b":1})"}, {R"({"a":1})"}}},
        {.unlisted = true});
  check({{R"({"type": "array", "items": {"type": "object", "additionalProperties": {"type": "integer"}}})",
          {R"([{"a": 1, "b":2}, {}])"},
          {R"([ {}])", R"([{"a":  1}])", R"([{} ])"}}},
        {.max_spaces = 1});
}

TEST(JsonSchemaGrammar, Combined) {
  check({
      {R"({"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 1}]})", {"1", "\"a\""}, {"\"ab\"", "1.5"}},
      {R"({"oneOf": [{"type": "number", "minimum": 2}, {"type": "integer"}]})", {"1", "2.5", "-3"}, {"3", "1.5"}},
      {R"({"oneOf": [{"properties": {"k": {"const": "a"}, "x": {"type": "integer"}}, "required": ["k", "x"], "type": "object"},
                     {"properties": {"k": {"const": "b"}, "y": {"type": "string"}}, "required": ["k"], "type": "object"}]})",
       {R"({"k":"a","x":1})", R"({"k":"b"})", R"({"k":"b","y":"s"})"},
       {R"({"k":"a"})", R"({"k":"b","x":1})", R"({"k":"c"})"}},
      {R"({"allOf": [{"properties": {"a": {"minimum": 3}}},
                     {"properties": {"a": {"type": "integer"}, "b": {}}, "required": ["a"]}], "type": "object"})",
       {R"({"a":3})", R"({"a":4,"b":1})"},
       {R"({"a":2})", R"({"b":1})", R"({"a":3.5})"}},
      {R"({"type": "object", "properties": {"t": {"enum": ["x", "y"]}, "n": {}}, "required": ["t"],
           "if": {"properties": {"t": {"const": "x"}}}, "then": {"required": ["n"]}})",
       {R"({"t":"y"})", R"({"t":"x","n":1})", R"({"t":"y","n":1})"},
       {R"({"t":"x"})"}},
      {R"({"not": {"type": ["object", "array"]}})", {"1", "null"}, {"{}", "[]"}},
      {R"({"type": "object", "properties": {"v": {}, "next": {"$ref": "#"}}, "required": ["v"]})",
       {R"({"v":1})", R"({"v":1,"next":{"v":2,"next":{"v":3}}})"},
       {R"({"v":1,"next":{}})"}},
      {R"({"$ref": "#tree", "definitions": {"t": {"$anchor": "tree", "type": "array", "items": {"$ref": "#/definitions/t"}}}})",
       {"[]", "[[],[[]]]"},
       {"[1]"}},
      {R"({"$id": "https://a.b/s", "$defs": {"a/b%": {"type": "null"}}, "$ref": "https://a.b/s#/$defs/a~1b%25"})",
       {"null"},
       {"1"}},
  });
}

// The error of a schema that stands at /here: code and message.
void refused(const char* schema, ErrorCode code, const char* part) {
  Grammar grammar;
  const auto node = read_json_schema(json(schema), "/here", {}, grammar);
  ASSERT_FALSE(node.ok()) << schema;
  EXPECT_EQ(node.error().code, code) << schema << ": " << node.error().message;
  EXPECT_NE(node.error().message.find(part), std::string::npos) << schema << ": " << node.error().message;
}

TEST(JsonSchemaGrammar, WhatCannotBeEnforcedIsRefusedByItsPointer) {
  const auto unsupported = [](const char* schema, const char* part) { refused(schema, ErrorCode::kUnsupported, part); };
  unsupported(R"({"minimun": 3})", "/here/minimun: the keyword 'minimun'");
  unsupported(R"({"properties": {"a/b": {"items": {"colour": 1}}}})",
              "/here/properties/a~1b/items/colour: the keyword 'colour'");
  unsupported(R"({"anyOf": [true, {"format": "regex"}]})", "/here/anyOf/1/format: the format 'regex'");
  unsupported(R"({"$dynamicRef": "#a"})", "/here/$dynamicRef");
  unsupported(R"({"$ref": "https://example.com/other"})", "/here/$ref");
  unsupported(R"({"items": {"$id": "b", "type": "null"}})", "/here/items/$id");
  unsupported(R"({"uniqueItems": true})", "/here/uniqueItems: the keyword 'uniqueItems'");
  unsupported(R"({"pattern": "(?=a)b"})", "/here/pattern");
  unsupported(R"({"type": "object", "minProperties": 2})", "/here: minProperties 2");
  unsupported(R"({"not": {"additionalProperties": {"type": "null"}}})", "/here/not/additionalProperties");
  unsupported(R"({"anyOf": [{"properties": {"a": true}}], "unevaluatedProperties": false})",
              "/here/unevaluatedProperties");
  unsupported(R"({"$schema": "https://example.com/mine"})", "/here/$schema");
  unsupported(R"({"$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#/definitions/a", "minimum": 1,
                  "definitions": {"a": {}}})",
              "/here/minimum");
}

TEST(JsonSchemaGrammar, WhatIsNoSchemaIsSaidByItsPointer) {
  const auto invalid = [](const char* schema, const char* part) { refused(schema, ErrorCode::kInvalidArgument, part); };
  invalid("[]", "/here: a schema is an object");
  invalid(R"({"type": "text"})", "/here/type: 'type' is \"text\"");
  invalid(R"({"type": ["string", "string"]})", "/here/type");
  invalid(R"({"properties": {"a": 3}})", "/here/properties");
  invalid(R"({"minLength": -1})", "/here/minLength");
  invalid(R"({"minItems": 1.5})", "/here/minItems");
  invalid(R"({"multipleOf": 0})", "/here/multipleOf");
  invalid(R"({"required": ["a", "a"]})", "/here/required");
  invalid(R"({"anyOf": []})", "/here/anyOf");
  invalid(R"({"items": {"pattern": "("}})", "/here/items/pattern");
  invalid(R"({"$ref": "#/$defs/none"})", "/here/$ref: $ref '#/$defs/none' leads nowhere");
  invalid(R"({"$ref": "#"})", "refers to itself in place");
  invalid(R"({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}}})",
          "refers to itself in place");
}

TEST(JsonSchemaGrammar, ContradictionsAreErrors) {
  for (const char* schema : {
           "false",
           R"({"type": "integer", "minimum": 3, "maximum": 2})",
           R"({"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 4})",
           R"({"type": "string", "minLength": 3, "maxLength": 2})",
           R"({"type": "string", "const": 3})",
           R"({"allOf": [{"type": "string"}, {"type": "number"}]})",
           R"({"enum": ["a"], "not": {"const": "a"}})",
           R"({"type": "object", "required": ["a"], "properties": {"a": false}})",
           R"({"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}})",
           R"({"type": "object", "required": ["b"], "properties": {"a": {}}, "additionalProperties": false})",
           R"({"type": "array", "items": false, "minItems": 1})",
           R"({"type": "string", "pattern": "^abc$", "maxLength": 2})",
           R"({"type": "integer", "multipleOf": 10, "minimum": 1, "maximum": 9})",
       }) {
    refused(schema, ErrorCode::kInvalidArgument, "contradicts itself");
  }
}

// A chain of definitions, and one of schemas in place: both end in an error, not in the stack.
TEST(JsonSchemaGrammar, DepthAndWidthAreLimited) {
  const auto chain = [](const char* link, int n) {
    Json defs = Json::object();
    for (int i = 0; i < n; ++i) {
      const Json next = {{"$ref", "#/$defs/d" + std::to_string(i + 1)}};
      defs["d" + std::to_string(i)] = link[0] == '\0' ? next : Json({{"type", "array"}, {link, next}});
    }
    defs["d" + std::to_string(n)] = {{"type", "null"}};
    return Json({{"$ref", "#/$defs/d0"}, {"$defs", defs}});
  };
  for (const char* link : {"", "items"}) {
    Grammar grammar;
    EXPECT_TRUE(read_json_schema(chain(link, 100), "", {}, grammar).ok());
    const auto deep = read_json_schema(chain(link, 5000), "", {}, grammar);
    ASSERT_FALSE(deep.ok());
    EXPECT_EQ(deep.error().code, ErrorCode::kCapacity) << deep.error().message;
  }
  Json wide = Json::array();
  for (int i = 0; i < 14; ++i)
    wide.push_back({{"anyOf", Json::array({Json({{"required", {"a" + std::to_string(i)}}}),
                                           Json({{"required", {"b" + std::to_string(i)}}})})}});
  Grammar grammar;
  const auto many = read_json_schema(Json({{"type", "object"}, {"allOf", wide}}), "", {}, grammar);
  ASSERT_FALSE(many.ok());
  EXPECT_EQ(many.error().code, ErrorCode::kCapacity) << many.error().message;
}

TEST(JsonSchemaGrammar, AnyJson) {
  Grammar grammar;
  const auto value = any_json({}, grammar);
  const auto object = any_json_object({}, grammar);
  for (const char* text : {"null", "[]", R"({"a":[1,2.5e3,"\u00e4",{}]})"}) {
    EXPECT_TRUE(NodeText(grammar, text).matches(value)) << text;
  }
  EXPECT_FALSE(NodeText(grammar, "[]").matches(object));
  EXPECT_TRUE(NodeText(grammar, R"({"a":{"b":null}})").matches(object));
  Draw draw(grammar, 7);
  for (int i = 0; i < 200; ++i) {
    const auto text = draw.text(object);
    ASSERT_TRUE(text.has_value());
    const auto parsed = base::parse_json(*text, "text");
    const bool twice = !parsed.ok() && parsed.error().message.find("twice") != std::string::npos;
    EXPECT_TRUE(parsed.ok() || twice) << *text << ": " << parsed.error().message;
  }
}

}  // namespace
}  // namespace kedge::engine::grammar
