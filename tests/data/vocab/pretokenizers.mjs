// Rewrites pretokenizers.json: how Hugging Face's `tokenizers` (npm, Rust with Oniguruma) cuts its texts under the
// pre-tokenisers of the models' tokenizer.json. Run in a folder with `npm i tokenizers`; the test reads only the JSON.
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";
const { Tokenizer } = createRequire(process.cwd() + "/")("tokenizers");

const split = (r) => ({ type: "Split", pattern: { Regex: r }, behavior: "Isolated", invert: false });
const byteLevel = (use_regex) => ({ type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex });
const digits = (individual_digits) => ({ type: "Digits", individual_digits });

const tail = String.raw`| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
const tailSlash = tail.replace(String.raw`[\r\n]*`, String.raw`[\r\n/]*`);
const llama3 = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}` + tail;
const qwen2 = llama3.replace("{1,3}", "");
const upper = String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`;
const lower = String.raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`;
const cased = (c) => String.raw`[^\r\n\p{L}\p{N}]?${upper}*${lower}+${c}|[^\r\n\p{L}\p{N}]?${upper}+${lower}*${c}`;
const short = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?";
const o200k = cased(short) + String.raw`|\p{N}{1,3}` + tailSlash;
const noHan = (s) => s.replaceAll(upper, upper.slice(0, -1) + String.raw`&&[^\p{Han}]]`)
                      .replaceAll(lower, lower.slice(0, -1) + String.raw`&&[^\p{Han}]]`);
const deepseek3 = String.raw`[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_` + "`" + String.raw`{|}~][A-Za-z]+` +
    String.raw`|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
const deepseekLetters =
    "\\s?[A-Za-z\u{b5}\u{c0}-\u{d6}\u{d8}-\u{f6}\u{f8}-\u{1ba}\u{1bc}-\u{1bf}\u{1c4}-\u{293}\u{295}-\u{2af}" +
    "\u{370}-\u{373}\u{376}\u{377}\u{37b}-\u{37d}\u{37f}\u{386}\u{388}-\u{38a}\u{38c}\u{38e}-\u{3a1}\u{3a3}-" +
    "\u{3f5}\u{3f7}-\u{481}\u{48a}-\u{52f}\u{531}-\u{556}\u{10a0}-\u{10c5}\u{13a0}-\u{13f5}\u{13f8}-\u{13fd}" +
    "\u{1c90}-\u{1cba}\u{1cbd}-\u{1cbf}\u{1d00}-\u{1d2b}\u{1d6b}-\u{1d77}\u{1d79}-\u{1d9a}\u{1e00}-\u{1f15}" +
    "\u{1f18}-\u{1f1d}\u{1f20}-\u{1f45}\u{1f48}-\u{1f4d}\u{1f50}-\u{1f57}\u{1f59}\u{1f5b}\u{1f5d}\u{1f5f}-" +
    "\u{1f7d}\u{1f80}-\u{1fb4}\u{1fb6}-\u{1fbc}\u{1fbe}\u{1fc2}-\u{1fc4}\u{1fc6}-\u{1fcc}\u{1fd0}-\u{1fd3}" +
    "\u{1fd6}-\u{1fdb}\u{1fe0}-\u{1fec}\u{1ff2}-\u{1ff4}\u{1ff6}-\u{1ffc}\u{2102}\u{2107}\u{210a}-\u{2113}" +
    "\u{2115}\u{2119}-\u{211d}\u{2124}\u{2126}\u{2128}\u{212a}-\u{212d}\u{212f}-\u{2134}\u{2139}\u{213c}-\u{213f}" +
    "\u{2145}-\u{2149}\u{214e}\u{2183}\u{2184}\u{2c00}-\u{2c7b}\u{2c7e}-\u{2ce4}\u{2ceb}-\u{2cee}\u{2cf2}\u{2cf3}" +
    "\u{a640}-\u{a66d}\u{a680}-\u{a69b}\u{a722}-\u{a76f}\u{a771}-\u{a787}\u{a78b}-\u{a78e}\u{ab70}-\u{abbf}" +
    "\u{fb00}-\u{fb06}\u{fb13}-\u{fb17}\u{ff21}-\u{ff3a}\u{ff41}-\u{ff5a}\u{10400}-\u{1044f}\u{104b0}-\u{104d3}" +
    "\u{104d8}-\u{104fb}\u{10c80}-\u{10cb2}\u{10cc0}-\u{10cf2}\u{118a0}-\u{118df}\u{1e900}-\u{1e943}]+";
const cjk = "[\u{4e00}-\u{9fa5}\u{800}-\u{4e00}\u{ac00}-\u{d7ff}]+";

const pre = {
  "gpt-2": [byteLevel(true)],
  "llama-bpe": [split(llama3)],
  "qwen2": [split(qwen2)],
  "qwen35": [split(qwen2.replaceAll(String.raw`?\p{L}+`, String.raw`?[\p{L}\p{M}]+`)
                        .replace(String.raw`\s\p{L}\p{N}]+[`, String.raw`\s\p{L}\p{M}\p{N}]+[`))],
  "deepseek-llm": [split("[\r\n]"), split(deepseekLetters), split("\\s?[!-/:-~\u{ff01}-\u{ff0f}\u{ff1a}-\u{ff5e}\u{2018}-\u{201f}\u{3000}-\u{3002}]+"), split("\\s+$"),
                   split(cjk), digits(false)],
  "deepseek-coder": [split("[\r\n]"), split(String.raw`\s?\p{L}+`), split(String.raw`\s?\p{P}+`), split(cjk), digits(true)],
  "deepseek-v3": [split(String.raw`\p{N}{1,3}`), split("[\u{4e00}-\u{9fa5}\u{3040}-\u{309f}\u{30a0}-\u{30ff}]+"), split(deepseek3)],
  "starcoder": [digits(true), byteLevel(true)],
  "bloom": [split(" ?[^(\\s|[.,!?\u{2026}\u{3002}\u{ff0c}\u{3001}\u{964}\u{6d4}\u{60c}])]+")],
  "viking": [split(" ?[^(\\s|[.,!?\u{2026}\u{3002}\u{ff0c}\u{3001}\u{964}\u{6d4}\u{60c}])]+"), digits(true)],
  "tekken": [split(cased("") + String.raw`|\p{N}` + tailSlash)],
  "gpt-4o": [split(o200k)],
  "kimi-k2": [split(String.raw`[\p{Han}]+|` + noHan(cased(short)) + String.raw`|\p{N}{1,3}` + tail)],
  "tiny_aya": [split(String.raw`\d{1,3}(?=(?:\d{3})*\b)`), split(o200k)],
  "youtu": [split("[\u{ac00}-\u{d7a3}\u{3131}-\u{318e}]+|[\u{ff01}\u{2026}\u{201c}\u{201d}\u{2018}\u{2019}\u{2014}\u{ff1a}\u{ff1b}\u{ff0c}\u{3001}-\u{303f}\u{fe30}-\u{fe4f}]+|[\u{3105}-\u{312f}]+|[\u{4e00}-\u{9fa5}\u{3040}-\u{309f}\u{30a0}-\u{30ff}]+"),
            split(cased(short) + String.raw`|\p{N}` + tailSlash)],
  "jais-2": [split(llama3.replace(String.raw`|\s+(?!\S)|\s+`, [512, 256, 128, 64, 32, 16, 8, 4].map(
      (n) => String.raw`|\s{${n}}(?!\S)`).join("") + String.raw`|\s{1,2}(?!\S)|\s{1}`))],
  "minicpm5": [split(String.raw`\p{N}{1,3}`), split(llama3.replace("{1,3}", "+"))],
  "bailingmoe2": [split(String.raw`'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`)],
  "seed-coder": [split(String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+`)],
  "exaone-moe": [split(String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+`)],
  "superbpe": [split(String.raw`\p{N}+`), split(String.raw`(?=(\d{3})+(?!\d))`)],
  "laguna": [split("[^\\n]+|[\\n]+"), split(qwen2)],
};

const file = new URL("pretokenizers.json", import.meta.url);
const { texts } = JSON.parse(readFileSync(file));
const pieces = {};
for (const [name, pretokenizers] of Object.entries(pre)) {
  const all = [...pretokenizers];
  if (!all.some((p) => p.type === "ByteLevel")) all.push(byteLevel(false));
  const t = Tokenizer.fromString(JSON.stringify({ version: "1.0", added_tokens: [], normalizer: null,
      pre_tokenizer: { type: "Sequence", pretokenizers: all }, post_processor: null, decoder: null,
      model: { type: "BPE", vocab: { a: 0 }, merges: [] } }));
  const p = t.getPreTokenizer();
  pieces[name] = texts.map((text) => {
    const chars = [...text];  // offsets count characters
    return p.preTokenizeString(text).map(([, [a, b]]) => chars.slice(a, b).join(""));
  });
  for (const [i, words] of pieces[name].entries())
    if (words.join("") !== texts[i]) throw new Error(`${name}: pieces of ${JSON.stringify(texts[i])} do not join: ${JSON.stringify(words)}`);
}
writeFileSync(file, "{\n\"texts\": [\n" + texts.map((t) => JSON.stringify(t)).join(",\n") + "\n],\n\"pieces\": {\n" +
    Object.entries(pieces).map(([n, all]) => `"${n}": [\n` + all.map((w) => JSON.stringify(w)).join(",\n") + "\n]").join(",\n") + "\n}\n}\n");
