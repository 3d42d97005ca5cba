// The validator of JSON Schema, bounded regular expressions, their comparators and kedge_check_answer.
#include "router/json_schema.h"

#include <gtest/gtest.h>

#include "include/kedge/kedge_router.hpp"
#include "router/comparator.h"
#include "router/json_value.h"

namespace kedge::router {
namespace {

Json json(std::string_view text) { return parse_json(text, "test").value(); }

// "" when the value obeys, else pointer and problem; "error N: message" when nobody can tell.
std::string outcome(std::string_view schema, std::string_view value) {
  const auto compiled = JsonSchema::compile(json(schema));
  const auto error = [](const Error& e) {
    return "error " + std::to_string(static_cast<int>(e.code)) + ": " + e.message;
  };
  if (!compiled.ok()) return error(compiled.error());
  const auto violation = compiled->validate(json(value));
  if (!violation.ok()) return error(violation.error());
  return *violation ? (*violation)->pointer + " " + (*violation)->problem : "";
}

struct Case {
  const char* schema;
  std::vector<const char*> obey;
  std::vector<const char*> violate;
};

TEST(JsonSchema, Keywords) {
  const std::vector<Case> cases = {
      {"true", {"1", "null"}, {}},
      {"false", {}, {"1", "null"}},
      {R"({"type": "integer"})", {"3", "-3", "3.0", "1e3"}, {"3.5", "\"3\"", "true", "null"}},
      {R"({"type": "number"})", {"3", "3.5"}, {"\"3\""}},
      {R"({"type": ["string", "null"]})", {"\"\"", "null"}, {"0", "[]"}},
      {R"({"enum": [1, "a", {"x": 1, "y": [2]}]})",
       {"1.0", "\"a\"", R"({"y": [2.0], "x": 1})"},
       {"true", "\"A\"", "{}"}},
      {R"({"const": [0, false]})", {"[0, false]", "[-0.0, false]"}, {"[false, 0]", "[0]"}},
      {R"({"const": 9007199254740993})", {"9007199254740993"}, {"9007199254740992", "9007199254740992.0"}},
      {R"({"minimum": 2, "exclusiveMaximum": 3})", {"2", "2.99", "\"1\""}, {"1.99", "3", "3.0"}},
      {R"({"exclusiveMinimum": 2, "maximum": 3})", {"2.01", "3"}, {"2", "3.01"}},
      {R"({"maximum": 18446744073709551614})", {"18446744073709551614"}, {"18446744073709551615"}},
      {R"({"multipleOf": 0.01})", {"19.99", "0", "1e300", "-0.07"}, {"0.001", "19.999"}},
      {R"({"multipleOf": 3})", {"9", "3e20", "-6.0"}, {"10", "1e20", "1.5"}},
      {R"({"multipleOf": 1e30})", {"2e30", "0"}, {"1e29", "5"}},
      {R"({"minLength": 2, "maxLength": 3})",
       {"\"ab\"", "\"\u00e4\u00f6\u00fc\"", "1"},
       {"\"a\"", "\"\U0001f600\"", "\"abcd\""}},
      {R"({"pattern": "^[0-9]+$"})", {"\"12\"", "12"}, {"\"12\\n\"", "\"a1\"", "\"\""}},
      {R"({"pattern": "b|c"})", {"\"abd\"", "\"xc\""}, {"\"a\""}},
      {R"({"pattern": "\\u0041(x)?\\1$"})", {"\"A\"", "\"zAxx\""}, {"\"a\""}},
      {R"({"items": {"type": "string"}})", {"[]", "[\"a\"]", "{}"}, {"[\"a\", 1]"}},
      {R"({"items": [{"type": "string"}], "additionalItems": false})", {"[]", "[\"a\"]"}, {"[1]", "[\"a\", 1]"}},
      {R"({"prefixItems": [true, {"type": "null"}], "items": {"type": "number"}})",
       {"[1, null, 2]"},
       {"[1, 2]", "[1, null, null]"}},
      {R"({"contains": {"const": 1}, "minItems": 2, "maxItems": 3})",
       {"[0, 1]", "{}"},
       {"[1]", "[0, 0]", "[1, 1, 1, 1]", "[]"}},
      {R"({"uniqueItems": true})",
       {"[1, \"1\", true]", "[[1], [2]]"},
       {"[1, 1.0]", R"([{"a": 1, "b": 2}, {"b": 2, "a": 1}])"}},
      {R"({"properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false})",
       {R"({"a": ""})", "[]"},
       {"{}", R"({"a": 1})", R"({"a": "", "b": 1})"}},
      {R"({"patternProperties": {"^x": {"type": "null"}}, "additionalProperties": {"type": "number"}})",
       {R"({"xa": null, "b": 1})"},
       {R"({"xa": 1})", R"({"b": null})"}},
      {R"({"propertyNames": {"maxLength": 2}, "minProperties": 1, "maxProperties": 2})",
       {R"({"ab": 1})"},
       {"{}", R"({"abc": 1})", R"({"a": 1, "b": 1, "c": 1})"}},
      {R"({"dependentRequired": {"a": ["b"]}})", {"{}", R"({"b": 1})", R"({"a": 1, "b": 1})"}, {R"({"a": 1})"}},
      {R"({"allOf": [{"minimum": 1}, {"maximum": 2}]})", {"1", "2"}, {"0", "3"}},
      {R"({"anyOf": [{"type": "null"}, {"minimum": 1}]})", {"null", "1", "\"x\""}, {"0"}},
      {R"({"oneOf": [{"multipleOf": 2}, {"multipleOf": 3}]})", {"2", "3"}, {"6", "1"}},
      {R"({"not": {"type": "string"}})", {"1"}, {"\"\""}},
      {R"({"if": {"minimum": 10}, "then": {"multipleOf": 10}, "else": {"multipleOf": 2}})", {"20", "4"}, {"14", "3"}},
      {R"({"then": false, "else": false})", {"1"}, {}},
      {R"({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "null"}}, "format": "date"})", {"null"}, {"1"}},
      {R"({"type": "object", "properties": {"next": {"$ref": "#"}}, "additionalProperties": false})",
       {R"({"next": {"next": {}}})"},
       {R"({"next": {"next": {"x": 1}}})", R"({"next": 1})"}},
  };
  for (const Case& c : cases) {
    for (const char* value : c.obey) EXPECT_EQ(outcome(c.schema, value), "") << c.schema << " " << value;
    for (const char* value : c.violate) {
      const std::string o = outcome(c.schema, value);
      EXPECT_FALSE(o.empty() || o.starts_with("error")) << c.schema << " " << value << " " << o;
    }
  }
}

TEST(JsonSchema, ViolationNamesThePlaceAndBothValues) {
  const char* schema = R"({"properties": {"people": {"items": {"properties": {"a/b": {"type": "integer"}}}}}})";
  EXPECT_EQ(outcome(schema, R"({"people": [{}, {"a/b": "forty"}]})"),
            "/people/1/a~1b is \"forty\", of type string; type \"integer\"");
  const std::string any =
      outcome(R"({"anyOf": [{"type": "null"}, {"properties": {"a": {"const": 1}}}]})", R"({"a": 2})");
  EXPECT_NE(any.find("the nearest: /a is 2; const 1"), std::string::npos) << any;
}

TEST(JsonSchema, WhatIsNoSchemaIsAnError) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"3", "error 1"},
      {R"({"minimun": 3})", "minimun"},
      {R"({"properties": {"a": {"unevaluatedProperties": false}}})",
       "error 4: the schema at /properties/a/unevaluatedProperties"},
      {R"({"properties": {"a": {"$id": "x"}}})", "error 4"},
      {R"({"type": "float"})", "/type"},
      {R"({"type": []})", "/type"},
      {R"({"enum": []})", "/enum"},
      {R"({"exclusiveMinimum": true})", "/exclusiveMinimum"},
      {R"({"multipleOf": 0})", "above 0"},
      {R"({"minLength": -1})", "/minLength"},
      {R"({"required": ["a", "a"]})", "/required"},
      {R"({"pattern": "(a"})", "error 1: the schema at /pattern"},
      {R"({"pattern": "(?x)a # b"})", "error 4"},
      {R"({"patternProperties": {"[": true}})", "error 1"},
      {R"({"prefixItems": [true], "items": [true]})", "/items"},
      {R"({"$ref": "#/$defs/no"})", "leads nowhere"},
      {R"({"$ref": "http://x/y"})", "error 4"},
      {R"({"$ref": "#/properties/a", "properties": {"a": true}})", "error 4"},
      {R"({"$ref": "#"})", "in place"},
      {R"({"$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"not": {"$ref": "#/$defs/a"}}}})", "in place"},
  };
  for (const auto& [schema, words] : cases) {
    const std::string o = outcome(schema, "1");
    EXPECT_TRUE(o.starts_with("error")) << schema << " " << o;
    EXPECT_NE(o.find(words), std::string::npos) << schema << " " << o;
  }
  Json deep = true;
  for (int i = 0; i < 70; ++i) deep = Json{{"not", deep}};
  EXPECT_EQ(JsonSchema::compile(deep).error().code, ErrorCode::kCapacity);
}

TEST(JsonSchema, WorkIsBounded) {
  // Each schema asks the next one twice: 2^40 visits.
  Json defs = Json::object();
  for (int i = 0; i < 40; ++i) {
    const Json next = {{"$ref", "#/$defs/d" + std::to_string(i + 1)}};
    defs["d" + std::to_string(i)] = {{"oneOf", Json::array({next, next})}};
  }
  defs["d40"] = {{"type", "null"}};
  const Json doubling = {{"$defs", defs}, {"$ref", "#/$defs/d0"}};
  EXPECT_NE(outcome(doubling.dump(), "1").find("error 5"), std::string::npos);
  const std::string hostile = R"({"items": {"pattern": "^(a+)+$"}})";
  std::string values = "[";
  for (int i = 0; i < 200; ++i) values += "\"" + std::string(40, 'a') + "b\",";
  EXPECT_NE(outcome(hostile, values + "1]").find("error 5"), std::string::npos);
  // The limit counts everything in front of a match too.
  EXPECT_NE(outcome(R"({"pattern": "(x+x+)+y"})", "\"" + std::string(20000, 'x') + "\"").find("error 5"),
            std::string::npos);
  // A bad end behind not is no pass.
  EXPECT_NE(outcome(R"({"not": {"pattern": "^(a+)+$"}})", "\"" + std::string(60, 'a') + "b\"").find("error 5"),
            std::string::npos);
}

TEST(JsonSchema, ManyHarmlessMatchesFit) {
  std::string values = "[";
  for (int i = 0; i < 5000; ++i) values += "\"2024-01-31\",";
  EXPECT_EQ(outcome(R"({"items": {"pattern": "^\\d{4}-\\d\\d-\\d\\d$"}})", values + "\"2024-02-01\"]"), "");
}

Result<CheckResult> with_schema(std::string_view answer, const Json& schema) {
  CheckInput input{.question = {}, .answer = answer, .evidence = {}, .samples = {}, .schema = &schema, .pattern = {}};
  return find_comparator("json_schema")->check(input);
}

TEST(JsonSchemaComparator, TheAnswerIsOneValue) {
  const Json any = Json::object();
  EXPECT_EQ(with_schema(" {\"a\": [1]}\n", any)->verdict, Verdict::kPass);
  const std::string deep = std::string(100, '[') + std::string(100, ']');
  for (const std::string& answer :
       {std::string("Here: {}"), std::string("{} done"), std::string(), std::string("{\"a\": 1"),
        std::string("{\"a\": 1, \"a\": 2}"), std::string("\"\xff\""), deep}) {
    const auto r = with_schema(answer, any);
    ASSERT_TRUE(r.ok()) << answer;
    EXPECT_EQ(r->verdict, Verdict::kFail) << answer;
  }
  EXPECT_NE(with_schema("{} done", any)->explanation.find("byte 3"), std::string::npos)
      << with_schema("{} done", any)->explanation;
  EXPECT_NE(with_schema(R"([{"b": 1}, {"b": 1, "b": 2}])", any)->explanation.find("twice"), std::string::npos);
  EXPECT_EQ(with_schema("1", Json("x")).error().code, ErrorCode::kInvalidArgument);
}

Result<CheckResult> with_pattern(std::string_view answer, std::string_view pattern) {
  CheckInput input{
      .question = {}, .answer = answer, .evidence = {}, .samples = {}, .schema = nullptr, .pattern = pattern};
  return find_comparator("regex")->check(input);
}

TEST(RegexComparator, TheWholeAnswerMatches) {
  EXPECT_EQ(with_pattern("1933", "[0-9]{4}")->verdict, Verdict::kPass);
  EXPECT_EQ(with_pattern("1933\n", "[0-9]{4}")->verdict, Verdict::kFail);
  EXPECT_EQ(with_pattern("in 1933", "[0-9]{4}")->verdict, Verdict::kFail);
  EXPECT_EQ(with_pattern("ab", "a|ab")->verdict, Verdict::kPass);
  EXPECT_EQ(with_pattern("\u00e4", ".")->verdict, Verdict::kPass);
  EXPECT_EQ(with_pattern("\xff", ".")->verdict, Verdict::kFail);
  EXPECT_EQ(with_pattern("", "")->verdict, Verdict::kNotApplicable);
  EXPECT_EQ(with_pattern("", "a?")->verdict, Verdict::kPass);
}

TEST(RegexComparator, HostilePatterns) {
  const auto bad = with_pattern("x", "a(b");
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(bad.error().message.find("byte 3"), std::string::npos) << bad.error().message;
  for (const char* pattern : {"(a+)+", "(a|a)*", "(?:(a*)*)*[xy]", "(*LIMIT_MATCH=4000000000)(a+)+"}) {
    const auto r = with_pattern(std::string(60, 'a') + "b", pattern);
    ASSERT_FALSE(r.ok()) << pattern;
    EXPECT_EQ(r.error().code, ErrorCode::kCapacity) << r.error().message;
    EXPECT_NE(r.error().message.find("limit"), std::string::npos) << r.error().message;
  }
  EXPECT_EQ(with_pattern("x", std::string(20000, 'x')).error().code, ErrorCode::kCapacity);
  EXPECT_FALSE(with_pattern("x", std::string(5000, '(') + std::string(5000, ')')).ok());
  EXPECT_FALSE(with_pattern("x", "\\C").ok());
}

TEST(CheckAnswer, ThroughTheInterface) {
  const auto ask = [](const Json& request) { return kedge::call(kedge_check_answer, request.dump()); };
  const auto verdict = [&](const Json& request) { return json(*ask(request)).at("verdict").get<std::string>(); };
  EXPECT_EQ(verdict({{"answer", "whatever"}}), "unchecked");
  EXPECT_EQ(verdict({{"answer", "11"}, {"question", "What is 6 + 5?"}}), "pass");
  EXPECT_EQ(verdict({{"answer", "11"}, {"question", "What is 6 + 5?"}, {"pattern", "x"}}), "fail");
  EXPECT_EQ(verdict({{"answer", "11"}, {"samples", Json::array({"12", "12"})}}), "fail");
  const Json cited = json(*ask({{"question", "When was Ashgate born?"},
                                {"answer", "1933<|ref|>[K-1] \"Ashgate was born in 1933.\""},
                                {"evidence", {{{"id", "K-1"}, {"text", "Ashgate was born in 1933."}}}}}));
  EXPECT_EQ(cited.at("verdict"), "pass");
  ASSERT_EQ(cited.at("citations").size(), 1u);
  EXPECT_EQ(cited.at("citations")[0].at("resolved_id"), "K-1");
  EXPECT_EQ(cited.at("citations")[0].at("range"), Json::array({0, 25}));
  const Json failed = json(*ask({{"answer", "{\"a\": 1}"}, {"schema", {{"required", {"b"}}}}}));
  EXPECT_EQ(failed.at("checks")[0].at("name"), "json_schema");
  EXPECT_NE(failed.at("checks")[0].at("explanation").get<std::string>().find("\"b\""), std::string::npos);
}

TEST(CheckAnswer, Errors) {
  const std::vector<std::tuple<const char*, kedge_status, const char*>> cases = {
      {"[]", KEDGE_INVALID_ARGUMENT, "object"},
      {"{}", KEDGE_INVALID_ARGUMENT, "answer"},
      {R"({"answer": 1})", KEDGE_INVALID_ARGUMENT, "answer"},
      {R"({"answer": "", "shema": {}})", KEDGE_INVALID_ARGUMENT, "shema"},
      {R"({"answer": "", "schema": null})", KEDGE_INVALID_ARGUMENT, "null"},
      {R"({"answer": "", "schema": {"x": 1}})", KEDGE_UNSUPPORTED, "'x'"},
      {R"({"answer": "", "pattern": "("})", KEDGE_INVALID_ARGUMENT, "pattern"},
      {R"({"answer": "", "samples": [1]})", KEDGE_INVALID_ARGUMENT, "samples"},
      {R"({"answer": "", "evidence": [{"id": "a", "text": "", "page": 1}]})", KEDGE_INVALID_ARGUMENT, "page"},
      {R"({"answer": "", "evidence": [{"id": "a"}]})", KEDGE_INVALID_ARGUMENT, "evidence[0]"}};
  for (const auto& [request, code, word] : cases) {
    const auto r = kedge::call(kedge_check_answer, request);
    ASSERT_FALSE(r.ok()) << request;
    EXPECT_EQ(r.error().code, code) << request;
    EXPECT_NE(r.error().message.find(word), std::string::npos) << r.error().message;
  }
}

}  // namespace
}  // namespace kedge::router
