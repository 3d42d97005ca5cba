// What the commands print and write, on a small model with random weights.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>

#include "tests/tools/run_command.h"

namespace kedge::tools {
namespace {

using Json = nlohmann::json;

Json run_json(const std::vector<std::string>& args, const std::string& input = "") {
  const Outcome o = run_command(args, input);
  EXPECT_EQ(o.exit_code, 0) << o.err;
  EXPECT_EQ(o.err, "");
  const Json json = o.json();
  EXPECT_FALSE(json.is_discarded()) << o.out;
  return json;
}

void expect_keys(const Json& json, const std::vector<std::string>& keys) {
  for (const std::string& key : keys) EXPECT_TRUE(json.contains(key)) << key << " is missing";
}

std::vector<float> read_floats(const std::string& path) {
  const std::string bytes = slurp(path);
  std::vector<float> floats(bytes.size() / sizeof(float));
  std::memcpy(floats.data(), bytes.data(), floats.size() * sizeof(float));
  return floats;
}

constexpr size_t kVocab = 512;  // of the shape "tiny"

TEST(Commands, HelpAndVersion) {
  const Outcome version = run_command({"--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_EQ(version.out.rfind("kedge ", 0), 0u);
  for (const char* line : {"\ncommit    ", "\ncompiler  ", "\nkernels   ", "reference\n"}) {
    EXPECT_NE(version.out.find(line), std::string::npos) << line << " in " << version.out;
  }
  for (const char* command :
       {"run", "chat", "inspect", "tokenize", "detokenize", "logits", "perplexity", "bench", "quantize", "imatrix",
        "generate-model", "doctor", "eval", "session", "embed", "rerank", "why"}) {
    const Outcome help = run_command({command, "--help"});
    EXPECT_EQ(help.exit_code, 0) << command;
    EXPECT_NE(help.out.find("Usage"), std::string::npos) << command;
    EXPECT_TRUE(help.out.find("Example") != std::string::npos || std::string(command) == "doctor") << command;
  }
}

const std::string& encoder() {
  static const std::string path = std::string(KEDGE_TEST_DATA) + "/encoders/bert/model.gguf";
  return path;
}

TEST(Commands, EmbedGivesALineForEveryText) {
  const Outcome o = run_command({"embed", "-m", encoder()}, "a town by the sea\n\nseventeen\n");
  ASSERT_EQ(o.exit_code, 0) << o.err;
  std::istringstream lines(o.out);
  std::vector<Json> texts;
  for (std::string line; std::getline(lines, line);) texts.push_back(Json::parse(line));
  ASSERT_EQ(texts.size(), 2u) << "an empty line is no text";
  for (const Json& text : texts) {
    double squares = 0;
    for (const double x : text["vector"].get<std::vector<double>>()) squares += x * x;
    EXPECT_NEAR(squares, 1, 1e-5);
  }
  EXPECT_EQ(texts[1]["index"], 1);
  const Json each = run_json({"embed", "-m", encoder(), "--pooling", "none", "--raw", "-p", "seventeen"});
  EXPECT_EQ(each["vectors"].size(), each["n_tokens"]);
  const Json raw = run_json({"embed", "-m", encoder(), "--raw", "-p", "seventeen"});
  EXPECT_EQ(each["vectors"][0], raw["vector"]) << "the file says 'cls', the first token";
  const Json own = run_json({"embed", "-m", tiny_model(), "-p", "any model has vectors"});
  EXPECT_EQ(own["vector"].size(), 256u);
}

TEST(Commands, RerankPutsTheBestFirst) {
  const std::vector<std::string> asked = {"rerank", "-m", encoder(), "-q", "seventeen"};
  std::vector<std::string> args = asked;
  for (const char* more : {"-d", "a town by the sea", "-d", "seventeen", "-d", "seventeen", "--json"}) {
    args.push_back(more);
  }
  const Json json = run_json(args);
  EXPECT_EQ(json["method"], "cosine");
  ASSERT_EQ(json["results"].size(), 3u);
  EXPECT_EQ(json["results"][0]["index"], 1) << "of equals the one given first";
  EXPECT_EQ(json["results"][1]["index"], 2);
  EXPECT_NEAR(json["results"][0]["score"].get<double>(), 1, 1e-5);
  EXPECT_LT(json["results"][2]["score"].get<double>(), 0.999);
  args = asked;
  args.insert(args.end(), {"--top", "1"});
  const Outcome one = run_command(args, "a town by the sea\nseventeen\n");
  EXPECT_EQ(one.exit_code, 0) << one.err;
  EXPECT_EQ(one.out, "  1.0000  1  seventeen\n");
  const Outcome refused = run_command({"rerank", "-m", tiny_model(), "-q", "x", "-d", "y"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.err.find("cannot rank"), std::string::npos) << refused.err;
}

TEST(Commands, TokenizeRoundTrip) {
  const std::string text = "A text, with  two spaces,\nline ends, caf\xc3\xa9 and \xf0\x9f\x98\x80.";
  const std::string file = write_scratch("text.txt", text);
  const Outcome tokens = run_command({"tokenize", "-m", tiny_model(), "-f", file});
  ASSERT_EQ(tokens.exit_code, 0) << tokens.err;
  const Json ids = tokens.json();
  ASSERT_TRUE(ids.is_array());
  EXPECT_EQ(ids.at(0), 1) << "bos";
  const Outcome back = run_command({"detokenize", "-m", tiny_model()}, tokens.out);
  EXPECT_EQ(back.exit_code, 0) << back.err;
  EXPECT_EQ(back.out, text);

  Json without_bos = ids;
  without_bos.erase(0);
  EXPECT_EQ(run_json({"tokenize", "-m", tiny_model(), "--no-bos"}, text), without_bos);
  const std::string ids_file = write_scratch("ids.json", tokens.out);
  const Json as_json = run_json({"detokenize", "-m", tiny_model(), "--tokens-file", ids_file, "--json"});
  EXPECT_EQ(as_json, Json({{"text", text}}));
}

TEST(Commands, TokenizeSpecialTokens) {
  const Json parsed = run_json({"tokenize", "-m", tiny_model(), "--no-bos", "--special"}, "</s>");
  const Json plain = run_json({"tokenize", "-m", tiny_model(), "--no-bos"}, "</s>");
  EXPECT_NE(std::find(parsed.begin(), parsed.end(), 2), parsed.end());
  EXPECT_EQ(std::find(plain.begin(), plain.end(), 2), plain.end());
}

TEST(Commands, TokenizeWithOnlyAVocabulary) {
  const std::string file = std::string(KEDGE_TEST_DATA) + "/vocab/ggml-vocab-gpt-2.gguf";
  EXPECT_EQ(run_json({"tokenize", "-m", file, "--no-bos"}, "Hello world"), Json({15496, 995}));
}

TEST(Commands, LogitsFile) {
  const std::string all = scratch("all.f32");
  const std::string last = scratch("last.f32");
  const std::string ids = write_scratch("ids.txt", "1, 300 301\n302,303");
  const Json report = run_json({"logits", "-m", tiny_model(), "--tokens-file", ids, "-o", all, "--json"});
  EXPECT_EQ(report.at("rows"), 5);
  EXPECT_EQ(report.at("n_vocab"), kVocab);
  const auto rows = read_floats(all);
  ASSERT_EQ(rows.size(), 5 * kVocab);
  for (const float x : rows) ASSERT_TRUE(std::isfinite(x));

  ASSERT_EQ(run_command({"logits", "-m", tiny_model(), "--tokens", "1,300,301,302,303", "--last", "2", "--chunk", "1",
                         "-t", "1", "-o", last})
                .exit_code,
            0);
  const auto tail = read_floats(last);
  ASSERT_EQ(tail.size(), 2 * kVocab);
  EXPECT_TRUE(std::equal(tail.begin(), tail.end(), rows.end() - 2 * kVocab)) << "chunks change no bit";
}

TEST(Commands, RunIsDeterministic) {
  const std::vector<std::string> args = {"run",    "-m",  tiny_model(), "-p", "Once",   "-n",          "12",
                                         "--temp", "0.8", "--seed",     "7",  "--json", "--ignore-eos"};
  const Json a = run_json(args);
  const Json b = run_json(args);
  expect_keys(a, {"text", "tokens", "finish_reason", "n_prompt", "prefill_ms", "decode_ms", "settings", "seed"});
  EXPECT_EQ(a.at("tokens"), b.at("tokens"));
  EXPECT_EQ(a.at("tokens").size(), 12u);
  EXPECT_EQ(a.at("finish_reason"), "length");
}

TEST(Commands, RunStreamsTheText) {
  const std::vector<std::string> args = {"run", "-m", tiny_model(), "-p", "Once", "-n", "8", "--temp", "0"};
  std::vector<std::string> with_json = args;
  with_json.push_back("--json");
  const Outcome plain = run_command(args);
  EXPECT_EQ(plain.exit_code, 0) << plain.err;
  // Bytes that are no character come out as they are in one and as U+FFFD in both forms of text.
  EXPECT_EQ(plain.out, run_json(with_json).at("text").get<std::string>() + "\n");
}

TEST(Commands, RunWithinABudget) {
  std::string prompt;
  for (int i = 0; i < 40; ++i) prompt += "line " + std::to_string(i * i) + "\n";
  std::vector<std::string> args = {"run", "-m", tiny_model(), "-p", prompt, "-n", "8", "--temp", "0", "--ignore-eos"};
  const Outcome whole = run_command(args);
  EXPECT_EQ(whole.err, "") << "nothing leaves a memory without a budget";
  args.insert(args.end(), {"--kv-budget", "64", "--kv-policy", "recency"});
  const Outcome bounded = run_command(args);
  EXPECT_EQ(bounded.exit_code, 0) << bounded.err;
  EXPECT_EQ(bounded.err.rfind("memory: ", 0), 0u) << bounded.err;
  EXPECT_NE(bounded.err.find(" evicted"), std::string::npos) << bounded.err;
  args.push_back("--json");
  const Outcome json = run_command(args);
  EXPECT_GT(json.json().at("kv").at("evicted").get<int>(), 0) << json.out;
  EXPECT_LE(json.json().at("kv").at("hot").get<int>(), 64);
}

TEST(Commands, SessionGoesOn) {
  const std::string file = scratch("saved.session");
  const Json saved =
      run_json({"session", "save", "-m", tiny_model(), "-p", "Once upon", "--ctx", "64", "-o", file, "--json"});
  EXPECT_EQ(saved.at("file"), file);
  const Json kv = run_json({"session", "info", file, "-m", tiny_model(), "--json"});
  EXPECT_EQ(kv.at("n_past"), saved.at("n_past"));
  const std::vector<std::string> more = {"-n", "6", "--temp", "0", "--ignore-eos", "--json"};
  std::vector<std::string> load = {"session", "load", file, "-m", tiny_model()};
  load.insert(load.end(), more.begin(), more.end());
  std::vector<std::string> run = {"run", "-m", tiny_model(), "-p", "Once upon", "--ctx", "64"};
  run.insert(run.end(), more.begin(), more.end());
  EXPECT_EQ(run_json(load).at("tokens"), run_json(run).at("tokens")) << "as if the program had never ended";
  EXPECT_EQ(run_json(load).at("n_prompt"), 0);
}

TEST(Commands, RunTellsThatTheContextIsFull) {
  const Outcome o = run_command({"run", "-m", tiny_model(), "-p", "Once", "--ctx", "32", "--ignore-eos"});
  EXPECT_EQ(o.exit_code, 0);
  EXPECT_NE(o.err.find("context of 32 tokens is full"), std::string::npos) << o.err;
}

TEST(Commands, Inspect) {
  const Json json = run_json({"inspect", tiny_model(), "--ctx", "128", "--json"});
  expect_keys(json, {"file", "gguf_version", "file_bytes", "model", "metadata", "tensors"});
  EXPECT_EQ(json.at("runs"), true);
  EXPECT_EQ(json.at("metadata").at("general.architecture"), "llama");
  EXPECT_EQ(json.at("metadata").at("tokenizer.ggml.tokens").at("count"), kVocab);
  EXPECT_EQ(json.at("tensors").size(), 2 * 9 + 3u);
  expect_keys(json.at("model"), {"architecture", "n_parameters", "tokenizer", "memory"});
  const Outcome readable = run_command({"inspect", tiny_model(), "--tensors"});
  EXPECT_EQ(readable.exit_code, 0);
  EXPECT_NE(readable.out.find("blk.1.ffn_down.weight"), std::string::npos);
}

TEST(Commands, InspectLooksAtWhatItCannotRun) {
  const Json json = run_json({"inspect", std::string(KEDGE_TEST_DATA) + "/vocab/ggml-vocab-scout.gguf", "--json"});
  EXPECT_EQ(json.at("runs"), false);
  EXPECT_NE(json.at("problem").get<std::string>(), "");
}

TEST(Commands, Bench) {
  const Json json =
      run_json({"bench", "-m", tiny_model(), "-p", "32", "-n", "8", "-r", "2", "-t", "1", "--depth", "16", "--json"});
  expect_keys(json, {"pp_tps", "tg_tps", "pp_tps_median", "tg_tps_median", "isa", "n_threads", "kv_type", "depth"});
  ASSERT_EQ(json.at("pp_tps").size(), 2u);
  ASSERT_EQ(json.at("tg_tps").size(), 2u);
  EXPECT_GT(json.at("tg_tps").at(0).get<double>(), 0.0);
  const double expected = json.at("bytes_per_token").get<double>() * json.at("tg_tps_median").get<double>() / 1e9;
  EXPECT_NEAR(json.at("read_gbps").get<double>(), expected, 1e-9 + expected * 1e-6);
}

TEST(Commands, BenchOfSeveral) {
  const std::string plot = write_scratch("bench.svg", "");
  const Json json = run_json({"bench", "-m", tiny_model(), "-p", "24,8", "-n", "4", "-r", "1", "-t", "1,2", "--depth",
                              "32,0", "--chunk", "4,16", "--bandwidth", "--plot", plot, "--json"});
  // For each number of threads: 2 prompts and a generation at 2 depths, the prompts again with the other chunk.
  ASSERT_EQ(json.at("runs").size(), 2u * (2 * 3 + 2));
  for (const Json& run : json.at("runs")) {
    expect_keys(run, {"test", "n_threads", "depth", "chunk", "tps", "tps_median"});
    EXPECT_EQ(run.at("chunk") == 4 && run.at("depth") != 0, false);
    if (!run.at("prompt").get<bool>()) {
      EXPECT_GT(run.at("bytes_per_token").get<double>(), json.at("bytes_per_token").get<double>());
      EXPECT_GT(run.at("read_percent").get<double>(), 0.0);
    }
  }
  EXPECT_EQ(json.at("read_bandwidth").size(), 2u);
  EXPECT_EQ(json.at("depth"), 0);
  std::ifstream file(plot);
  const std::string svg((std::istreambuf_iterator<char>(file)), {});
  EXPECT_EQ(svg.rfind("<svg ", 0), 0u);
  EXPECT_NE(svg.find("Time per generated token"), std::string::npos);
  EXPECT_NE(svg.find("Reading a prompt of 24 tokens"), std::string::npos);
  EXPECT_NE(svg.find("memory bound at"), std::string::npos);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
}

TEST(Commands, PerplexityProtocols) {
  std::string text;
  for (int i = 0; i < 120; ++i) text += "line " + std::to_string(i * i) + "\n";
  const std::string file = write_scratch("ppl.txt", text);
  for (const std::string protocol : {"half", "every"}) {
    const Json json =
        run_json({"perplexity", "-m", tiny_model(), "-f", file, "--ctx", "64", "--protocol", protocol, "--json"});
    expect_keys(json, {"ppl", "nll", "uncertainty", "n_scored", "chunks", "seconds"});
    const auto chunks = json.at("chunks").get<size_t>();
    ASSERT_GT(chunks, 2u);
    EXPECT_EQ(chunks, json.at("n_tokens").get<size_t>() / 64);
    EXPECT_EQ(json.at("n_scored").get<size_t>(), chunks * (protocol == "half" ? 31 : 64));
    EXPECT_NEAR(json.at("ppl").get<double>(), std::exp(json.at("nll").get<double>()),
                1e-6 * json.at("ppl").get<double>());
  }
}

// The definition, in double, from the logits the command writes.
TEST(Commands, PerplexityAgreesWithItsDefinition) {
  const std::string file = write_scratch("def.txt", "abcdefghijklmnopqrstuvwxyz 0123456789 abcdefghijklmnopqrstuvwxyz");
  const Json ids = run_json({"tokenize", "-m", tiny_model(), "-f", file, "--no-bos"});
  constexpr size_t kCtx = 16;
  const std::string out = scratch("def.f32");
  double nll = 0;
  size_t n = 0;
  for (size_t begin = 0; begin + kCtx <= ids.size(); begin += kCtx) {
    std::string input = "1";
    for (size_t i = 0; i + 1 < kCtx; ++i) input += "," + ids.at(begin + i).dump();
    ASSERT_EQ(run_command({"logits", "-m", tiny_model(), "--tokens", input, "-o", out}).exit_code, 0);
    const auto logits = read_floats(out);
    for (size_t i = 0; i < kCtx; ++i, ++n) {
      double sum = 0;
      for (size_t v = 0; v < kVocab; ++v) sum += std::exp(static_cast<double>(logits[i * kVocab + v]));
      nll += std::log(sum) - static_cast<double>(logits[i * kVocab + ids.at(begin + i).get<size_t>()]);
    }
  }
  const Json json =
      run_json({"perplexity", "-m", tiny_model(), "-f", file, "--ctx", "16", "--protocol", "every", "--json"});
  EXPECT_EQ(json.at("n_scored").get<size_t>(), n);
  EXPECT_NEAR(json.at("nll").get<double>(), nll / static_cast<double>(n), 1e-5);
}

TEST(Commands, QuantizeAndRun) {
  const std::string f32 = scratch("f32.gguf");
  const Json made =
      run_json({"generate-model", "--shape", "tiny", "--type", "F32", "--seed", "1", "-o", f32, "--json"});
  EXPECT_EQ(made.at("file_bytes"), std::filesystem::file_size(f32));
  const std::string q4 = scratch("q4.gguf");
  const Json report = run_json({"quantize", "-m", f32, "-o", q4, "--type", "Q4_K_M", "--json"});
  expect_keys(report, {"file", "type", "file_bytes", "bits_per_value", "mse", "tensors"});
  EXPECT_EQ(report.at("file_bytes"), std::filesystem::file_size(q4));
  EXPECT_LT(std::filesystem::file_size(q4) * 4, std::filesystem::file_size(f32));
  EXPECT_EQ(run_json({"run", "-m", q4, "-p", "a", "-n", "4", "--ignore-eos", "--json"}).at("tokens").size(), 4u);
  const Json plan = run_json({"quantize", "-m", f32, "--type", "Q8_0", "--dry-run", "--json"});
  EXPECT_FALSE(plan.contains("mse"));
}

TEST(Commands, GenerateModelIsDeterministic) {
  const std::string again = scratch("again.gguf");
  const std::string other = scratch("other.gguf");
  run_command({"generate-model", "--shape", "tiny", "--type", "Q8_0", "--seed", "1", "-o", again});
  run_command({"generate-model", "--shape", "tiny", "--type", "Q8_0", "--seed", "2", "-o", other});
  EXPECT_EQ(slurp(again), slurp(tiny_model()));
  EXPECT_NE(slurp(other), slurp(tiny_model()));
}

TEST(Commands, Doctor) {
  const Json json = run_json({"doctor", "--quick", "--json"});
  expect_keys(json, {"cpu", "isa", "default_threads", "cgroup", "memory", "huge_pages"});
  EXPECT_GE(json.at("default_threads").get<int>(), 1);
  EXPECT_EQ(json.at("isa").at("usable").back(), "reference");
  const Outcome readable = run_command({"doctor", "--quick"});
  EXPECT_EQ(readable.exit_code, 0);
  std::printf("%s", readable.out.c_str());  // a log says what it covered
}

}  // namespace
}  // namespace kedge::tools
