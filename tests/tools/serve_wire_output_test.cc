// What requests say of an answer's form: constraints, tools and reasoning, in the words of every API.
#include <gtest/gtest.h>

#include "tests/tools/serve_wire.h"

namespace kedge::tools::serve {
namespace {

const std::string kMessages = R"("messages": [{"role": "user", "content": "x"}])";

Job chat(const std::string& members) {
  auto wire = read(read_openai_chat, "{" + kMessages + ", " + members + "}");
  EXPECT_TRUE(wire.ok()) << members << ": " << (wire.ok() ? "" : wire.error().message);
  return wire.ok() ? std::move(wire->job) : Job();
}

// The member that the error names.
std::string wrong(WireReader reader, const std::string& body) {
  const auto wire = read(reader, body);
  if (wire.ok()) return "nothing";
  EXPECT_EQ(wire.error().status, 400) << wire.error().message;
  EXPECT_NE(wire.error().message.find(wire.error().param), std::string::npos) << wire.error().message;
  return wire.error().param;
}
std::string wrong_chat(const std::string& members) {
  return wrong(read_openai_chat, "{" + kMessages + ", " + members + "}");
}

TEST(ServeOutput, EveryWayToSayAConstraint) {
  const std::pair<const char*, const char*> ways[] = {
      {R"("response_format": {"type": "json_object"})", R"({"json_object": true})"},
      {R"("response_format": {"type": "json_object", "schema": {"type": "array"}})",
       R"({"json_schema": {"type": "array"}})"},
      {R"("response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": true,
          "schema": {"type": "array"}}})",
       R"({"json_schema": {"type": "array"}})"},
      {R"("response_format": {"type": "json_schema", "name": "n", "schema": {"type": "array"}})",
       R"({"json_schema": {"type": "array"}})"},
      {R"("response_format": {"type": "regex", "pattern": "a+"})", R"({"regex": "a+"})"},
      {R"("response_format": {"type": "grammar", "grammar": "root ::= \"a\""})", R"({"grammar": "root ::= \"a\""})"},
      {R"("grammar": "root ::= \"a\"")", R"({"grammar": "root ::= \"a\""})"},
      {R"("json_schema": {"type": "array"})", R"({"json_schema": {"type": "array"}})"},
      {R"("guided_json": {"type": "array"})", R"({"json_schema": {"type": "array"}})"},
      {R"("guided_json": "{\"type\": \"array\"}")", R"({"json_schema": {"type": "array"}})"},
      {R"("regex": "a+")", R"({"regex": "a+"})"},
      {R"("choice": ["yes", "no"])", R"({"choice": ["yes", "no"]})"},
      {R"("guided_regex": "a+")", R"({"regex": "a+"})"},
      {R"("guided_grammar": "root ::= \"a\"")", R"({"grammar": "root ::= \"a\""})"},
      {R"("guided_choice": ["yes", "no"])", R"({"choice": ["yes", "no"]})"},
      {R"("structured_outputs": {"json": {"type": "array"}})", R"({"json_schema": {"type": "array"}})"},
      {R"("structured_outputs": {"regex": "a+"})", R"({"regex": "a+"})"},
      {R"("structured_outputs": {"choice": ["yes"]})", R"({"choice": ["yes"]})"},
      {R"("structured_outputs": {"grammar": "root ::= \"a\""})", R"({"grammar": "root ::= \"a\""})"},
      {R"("structured_outputs": {"json_object": true})", R"({"json_object": true})"},
  };
  for (const auto& [member, constraint] : ways) {
    const Job job = chat(member);
    EXPECT_EQ(job.form.constraint, Json::parse(constraint)) << member;
    EXPECT_FALSE(job.form.path.empty()) << member;
    EXPECT_EQ(job.ignored, std::vector<std::string>()) << member;
  }
  EXPECT_EQ(chat(R"("response_format": {"type": "json_schema", "json_schema": {"schema": {}}})").form.path,
            "response_format.json_schema.schema");
  EXPECT_TRUE(chat(R"("response_format": {"type": "text"}, "grammar": "")").form.constraint.is_null());
  // A schema without keywords asks for JSON.
  EXPECT_EQ(chat(R"("json_schema": {})").form.constraint, Json::parse(R"({"json_schema": {}})"));
  const auto completion = read(read_openai_completion, R"({"prompt": "x", "guided_regex": "a+"})");
  ASSERT_TRUE(completion.ok());
  EXPECT_EQ(completion->job.form.constraint, Json::parse(R"({"regex": "a+"})"));
}

TEST(ServeOutput, AConstraintThatIsNoneNamesItsMember) {
  EXPECT_EQ(wrong_chat(R"("response_format": {"type": "yaml"})"), "response_format.type");
  EXPECT_EQ(wrong_chat(R"("response_format": {})"), "response_format.type");
  EXPECT_EQ(wrong_chat(R"("response_format": {"type": "json_schema"})"), "response_format.schema");
  EXPECT_EQ(wrong_chat(R"("response_format": {"type": "json_schema", "json_schema": {"name": "n"}})"),
            "response_format.json_schema.schema");
  EXPECT_EQ(wrong_chat(R"("response_format": {"type": "json_schema", "json_schema": {"schema": "array"}})"),
            "response_format.json_schema.schema");
  EXPECT_EQ(wrong_chat(R"("json_schema": 5)"), "json_schema");
  EXPECT_EQ(wrong_chat(R"("guided_json": "{")"), "guided_json");
  EXPECT_EQ(wrong_chat(R"("guided_choice": [])"), "guided_choice");
  EXPECT_EQ(wrong_chat(R"("structured_outputs": {"structural_tag": "x"})"), "structured_outputs.structural_tag");
  // Two of them cannot both be meant.
  EXPECT_EQ(wrong_chat(R"("guided_regex": "a", "grammar": "root ::= \"a\"")"), "guided_regex");
}

const std::string kTools = R"("tools": [
    {"type": "function", "function": {"name": "weather", "description": "d", "strict": true,
      "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}},
    {"type": "function", "function": {"name": "now"}}])";

TEST(ServeOutput, ToolsGoToTheTemplateAsItKnowsThem) {
  const Job job = chat(kTools + R"(, "tool_choice": "required", "parallel_tool_calls": false)");
  ASSERT_EQ(job.form.tools.size(), 2u);
  EXPECT_EQ(job.form.tools[0], Json::parse(R"({"type": "function", "function": {"name": "weather", "description": "d",
      "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}})"));
  EXPECT_EQ(*job.form.tools.pointee("/1/function/parameters/type"), "object") << "one without parameters takes none";
  EXPECT_EQ(job.form.tool_choice, "required");
  EXPECT_FALSE(job.form.parallel_calls);
  EXPECT_EQ(job.prompts.front().chat_options["tools"], job.form.tools);
  EXPECT_EQ(job.form.tool_paths[1], "tools[1].function.parameters");
  const Job named = chat(kTools + R"(, "tool_choice": {"type": "function", "function": {"name": "now"}})");
  EXPECT_EQ(*named.form.tool_choice.pointee("/function/name"), "now");
  EXPECT_EQ(chat(kTools).form.tool_choice, "auto");
  // What may not be called is not offered.
  const Job none = chat(kTools + R"(, "tool_choice": "none")");
  EXPECT_TRUE(none.form.tools.is_null());
  EXPECT_FALSE(none.prompts.front().chat_options.contains("tools"));
}

TEST(ServeOutput, AToolThatIsNoneNamesItsPlace) {
  EXPECT_EQ(wrong_chat(R"("tools": [{"type": "function"}])"), "tools[0].function");
  EXPECT_EQ(wrong_chat(R"("tools": [{"type": "custom", "custom": {"name": "f"}}])"), "tools[0].type");
  EXPECT_EQ(wrong_chat(R"("tools": [{"type": "function", "function": {}}])"), "tools[0]");
  EXPECT_EQ(wrong_chat(R"("tools": [{"function": {"name": "f", "parameters": 5}}])"), "tools[0].function.parameters");
  EXPECT_EQ(wrong_chat(R"("tools": [{"function": {"name": "f"}}, {"function": {"name": "f"}}])"), "tools[1]");
  EXPECT_EQ(wrong_chat(R"("tool_choice": "required")"), "tool_choice");
  EXPECT_EQ(wrong_chat(kTools + R"(, "tool_choice": "perhaps")"), "tool_choice");
  EXPECT_EQ(wrong_chat(kTools + R"(, "tool_choice": {"type": "function", "function": {"name": "gone"}})"),
            "tool_choice");
  EXPECT_EQ(wrong_chat(R"("functions": [{"name": "f"}])"), "functions");
  EXPECT_EQ(wrong_chat(R"("function_call": {"name": "f"})"), "function_call");
  EXPECT_EQ(wrong(read_openai_completion, R"({"prompt": "x", "tools": [{"type": "function"}]})"), "tools");
  EXPECT_EQ(wrong(read_ollama_generate, R"({"model": "m", "prompt": "x", "tools": [{"type": "function"}]})"), "tools");
}

std::string history(const std::string& arguments) {
  return R"({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": null, "tool_calls": [
    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
    {"id": "c2", "type": "function", "function": {"name": "g", "arguments": )" +
         arguments + R"(}}]}, {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "42"}]}]})";
}

TEST(ServeOutput, CallsOfAHistoryAreReadAsObjects) {
  const auto wire = read(read_openai_chat, history(R"("{\"a\": [1]}")"));
  ASSERT_TRUE(wire.ok()) << wire.error().message;
  const Json& messages = wire->job.prompts.front().messages;
  EXPECT_EQ(*messages.pointee("/1/tool_calls/1/function/arguments"), Json::parse(R"({"a": [1]})"));
  EXPECT_EQ(messages[2], Json::parse(R"({"role": "tool", "content": "42", "tool_call_id": "c1"})"));
  // What clients send for a call without arguments.
  const auto empty = read(read_openai_chat, history(R"("")"));
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(*empty->job.prompts.front().messages.pointee("/1/tool_calls/1/function/arguments"), Json::object());
  const char* const place = "messages[1].tool_calls[1].function.arguments";
  for (const char* bad : {R"("{\"a\": ")", R"("5")", R"("[]")", "5"}) {
    EXPECT_EQ(wrong(read_openai_chat, history(bad)), place) << bad;
  }
}

TEST(ServeOutput, ReasoningInEveryWord) {
  const auto options = [](const Job& job) { return job.prompts.front().chat_options; };
  EXPECT_EQ(*options(chat(R"("reasoning_effort": "low")")).pointee("/variables/reasoning_effort"), "low");
  EXPECT_EQ(options(chat(R"("reasoning_effort": "none")"))["enable_thinking"], false);
  EXPECT_EQ(options(chat(R"("chat_template_kwargs": {"enable_thinking": false, "x": 1})"))["enable_thinking"], false);
  EXPECT_EQ(options(chat(R"("enable_thinking": false)"))["enable_thinking"], false);
  const Job thinking = chat(R"("thinking": {"type": "enabled", "budget_tokens": 64})");
  EXPECT_EQ(options(thinking)["enable_thinking"], true);
  EXPECT_EQ(thinking.form.reasoning_budget, 64);
  EXPECT_EQ(chat(R"("reasoning_budget_tokens": 0)").form.reasoning_budget, 0);
  EXPECT_EQ(chat(R"("reasoning_budget_tokens": -1)").form.reasoning_budget, std::nullopt);
  EXPECT_EQ(chat(R"("thinking_budget": 7)").form.reasoning_budget, 7);
  EXPECT_EQ(chat(R"("reasoning": {"effort": "high", "max_tokens": 9})").form.reasoning_budget, 9);
  EXPECT_FALSE(chat(R"("reasoning_format": "none")").form.split_reasoning);
  EXPECT_TRUE(chat(R"("reasoning_format": "deepseek")").form.split_reasoning);
  EXPECT_EQ(wrong_chat(R"("thinking": {"type": "perhaps"})"), "thinking.type");
  EXPECT_EQ(wrong_chat(R"("reasoning_format": "xml")"), "reasoning_format");
}

TEST(ServeOutput, AnthropicsWords) {
  const std::string head = R"({"max_tokens": 9, )" + kMessages + ", ";
  const auto wire = read(read_anthropic, head + R"("tools": [{"name": "f", "description": "d",
      "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}},
      {"type": "web_search_20250305", "name": "web_search"}],
      "tool_choice": {"type": "any", "disable_parallel_tool_use": true}, "thinking": {"type": "enabled",
      "budget_tokens": 1024}, "output_config": {"format": {"type": "json_schema", "schema": {"type": "array"}}}})");
  ASSERT_TRUE(wire.ok()) << wire.error().message;
  const Form& form = wire->job.form;
  EXPECT_EQ(form.tools, Json::parse(R"([{"type": "function", "function": {"name": "f", "description": "d",
      "parameters": {"type": "object"}}}])"));
  EXPECT_EQ(form.tool_paths, std::vector<std::string>{"tools[0].input_schema"});
  EXPECT_EQ(form.tool_choice, "required");
  EXPECT_FALSE(form.parallel_calls);
  EXPECT_EQ(form.reasoning_budget, 1024);
  EXPECT_EQ(form.constraint, Json::parse(R"({"json_schema": {"type": "array"}})"));
  EXPECT_EQ(wire->job.ignored, std::vector<std::string>{"tools[1] (web_search_20250305)"});
  EXPECT_EQ(wrong(read_anthropic, head + R"("tool_choice": {"type": "tool", "name": "f"}})"), "tool_choice");
  EXPECT_EQ(wrong(read_anthropic, head + R"("tools": [{"name": "f", "input_schema": 5}]})"), "tools[0].input_schema");
}

TEST(ServeOutput, ResponsesWords) {
  const auto wire = read(read_openai_responses, R"({"input": [
      {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]},
      {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
      {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{\"a\": 1}"},
      {"type": "function_call", "call_id": "c2", "name": "f", "arguments": ""},
      {"type": "function_call_output", "call_id": "c1", "output": "1"},
      {"type": "function_call_output", "call_id": "c2", "output": "2"}],
      "tools": [{"type": "web_search"}, {"type": "function", "name": "f", "parameters": {"type": "object"},
      "strict": true}], "tool_choice": {"type": "function", "name": "f"},
      "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "array"}}}})");
  ASSERT_TRUE(wire.ok()) << wire.error().message;
  const Job& job = wire->job;
  const Json& messages = job.prompts.front().messages;
  ASSERT_EQ(messages.size(), 4u) << "the calls of a turn are one message: " << messages;
  EXPECT_EQ(messages[1]["reasoning_content"], "hm");
  EXPECT_EQ(messages[1]["tool_calls"].size(), 2u);
  EXPECT_EQ(*messages.pointee("/1/tool_calls/0/function/arguments/a"), 1);
  EXPECT_EQ(messages[3]["tool_call_id"], "c2");
  EXPECT_EQ(job.form.tools.size(), 1u);
  EXPECT_EQ(job.form.tool_paths, std::vector<std::string>{"tools[1].parameters"});
  EXPECT_EQ(*job.form.tool_choice.pointee("/function/name"), "f");
  EXPECT_EQ(job.form.constraint, Json::parse(R"({"json_schema": {"type": "array"}})"));
  EXPECT_EQ(job.form.path, "text.format.schema");
  EXPECT_EQ(job.ignored, std::vector<std::string>{"tools[0] (web_search)"});
}

TEST(ServeOutput, OllamasWords) {
  const std::string head = R"({"model": "fast", )" + kMessages + ", ";
  const auto wire = read(read_ollama_chat, head + kTools + R"(, "think": "high", "format": {"type": "array"}})");
  ASSERT_TRUE(wire.ok()) << wire.error().message;
  EXPECT_EQ(wire->job.form.tools.size(), 2u);
  EXPECT_EQ(wire->job.form.constraint, Json::parse(R"({"json_schema": {"type": "array"}})"));
  const Json& options = wire->job.prompts.front().chat_options;
  EXPECT_EQ(options["enable_thinking"], true);
  EXPECT_EQ(*options.pointee("/variables/reasoning_effort"), "high");
  const auto json = read(read_ollama_generate, R"({"model": "fast", "prompt": "x", "format": "json", "think": false})");
  ASSERT_TRUE(json.ok()) << json.error().message;
  EXPECT_EQ(json->job.form.constraint, Json::parse(R"({"json_object": true})"));
  EXPECT_EQ(wrong(read_ollama_chat, head + R"("format": "xml"})"), "format");
  const auto turns = read(read_ollama_chat, R"({"model": "fast", "messages": [{"role": "user", "content": "x"},
      {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [{"function": {"name": "f",
      "arguments": {"a": 1}}}]}, {"role": "tool", "tool_name": "f", "content": "1"}]})");
  ASSERT_TRUE(turns.ok()) << turns.error().message;
  const Json& messages = turns->job.prompts.front().messages;
  EXPECT_EQ(messages[1]["reasoning_content"], "hm");
  EXPECT_EQ(*messages.pointee("/1/tool_calls/0/function/arguments/a"), 1);
  EXPECT_EQ(messages[2]["name"], "f");
}

TEST(ServeOutput, SamplersAndAdapters) {
  EXPECT_EQ(chat(R"("samplers": ["top_k", "temperature"])").options.samplers, "top_k;temperature");
  EXPECT_EQ(chat(R"("samplers": "top_k;temperature")").options.samplers, "top_k;temperature");
  EXPECT_EQ(wrong_chat(R"("samplers": [])"), "samplers");
  EXPECT_EQ(wrong_chat(R"("samplers": ["top_k;top_p"])"), "samplers");
  const Job job = chat(R"("lora": [{"id": 1, "scale": 0.5}, {"id": 0}])");
  ASSERT_TRUE(job.lora.has_value());
  ASSERT_EQ(job.lora->size(), 2u);
  EXPECT_EQ((*job.lora)[0].scale, 0.5);
  EXPECT_EQ((*job.lora)[1].scale, 1);
  EXPECT_FALSE(chat(R"("temperature": 0)").lora.has_value());
  EXPECT_EQ(wrong_chat(R"("lora": [{"scale": 1}])"), "lora[0].id");
  EXPECT_EQ(wrong_chat(R"("lora": [{"id": 1}, {"id": 1}])"), "lora[1].id");
  EXPECT_EQ(wrong_chat(R"("kedge": {"speculation": "magic"})"), "kedge.speculation");
}

}  // namespace
}  // namespace kedge::tools::serve
