// A model whose chat template has tools: the embedded small one with another template. Its weights know nothing of
// calls; that they are well formed all the same is what the server promises.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { startServer } from './server.mjs';

// The calls of the Hermes models; and, of a model that thinks, reasoning that the prompt opens where it is asked for.
const kThinks = '{% if enable_thinking %}<think>\n{% endif %}';
const kTemplate = (thinks) => `{% if tools %}<|system|>Tools: {% for t in tools %}{{ t | tojson }}
{% endfor %}Call them as <tool_call>{"name": ..., "arguments": ...}</tool_call>.<|end|>{% endif %}
{%- for m in messages %}{{ '<|' + m.role + '|>' + (m.content or '') }}{% for c in m.tool_calls or [] %}<tool_call>
{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}
</tool_call>{% endfor %}<|end|>{% endfor %}
{%- if add_generation_prompt %}<|assistant|>${thinks ? kThinks : ''}{% endif %}`;

// Types of values, and the bytes of those that have a size.
const kText = 8;
const kArray = 9;
const kSizes = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 };

// Walks the metadata of a GGUF file (version 3, little endian).
class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }
  u32() { return this.bytes.readUInt32LE((this.at += 4) - 4); }
  u64() { return Number(this.bytes.readBigUInt64LE((this.at += 8) - 8)); }
  text() {
    const n = this.u64();
    return this.bytes.toString('utf8', this.at, this.at += n);
  }
  skip(type) {
    if (type === kText) {
      this.text();
    } else if (type === kArray) {
      const of = this.u32();
      const n = this.u64();
      for (let i = 0; i < n; ++i) this.skip(of);
    } else {
      this.at += kSizes[type];
    }
  }
}

const kAlignment = 32;
const aligned = (n) => Math.ceil(n / kAlignment) * kAlignment;

export function withTemplate(gguf, template) {
  const r = new Reader(gguf);
  assert.equal(r.u32(), 0x46554747, 'a GGUF file');
  r.u32();
  const tensors = r.u64();
  const keys = r.u64();
  let value;
  for (let i = 0; i < keys; ++i) {
    const key = r.text();
    assert.notEqual(key, 'general.alignment', 'the usual alignment');
    const type = r.u32();
    const begin = r.at;
    r.skip(type);
    if (key === 'tokenizer.chat_template') value = [begin, r.at];
  }
  assert.ok(value, 'the model has a template');
  for (let i = 0; i < tensors; ++i) {
    r.text();
    const dimensions = r.u32();
    r.at += 8 * dimensions + 12; // and type and offset, which is from the beginning of the data
  }
  const text = Buffer.from(template);
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  const head = Buffer.concat([gguf.subarray(0, value[0]), size, text, gguf.subarray(value[1], r.at)]);
  return Buffer.concat([head, Buffer.alloc(aligned(head.length) - head.length), gguf.subarray(aligned(r.at))]);
}

// For the tests of a `describe`: a server of the model, as the one it has.
export function toolServer({ thinks = false, settings = '' } = {}) {
  const held = {};
  let folder;
  before(async () => {
    assert.ok(process.env.KEDGE_MODELS, 'KEDGE_MODELS must name the folder of the embedded models');
    folder = mkdtempSync(join(tmpdir(), 'kedge-tools-'));
    const file = join(folder, 'caller.gguf');
    writeFileSync(file, withTemplate(readFileSync(join(process.env.KEDGE_MODELS, 'scout-q8_0.gguf')), kTemplate(thinks)));
    held.server = await startServer({ flags: ['--model', file], settings });
  });
  after(async () => {
    await held.server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  return held;
}

// What is asked of every client. Nothing in it is without end: the weights would never come to one.
export const city = { type: 'string', enum: ['Oslo', 'Reykjavík', 'São Paulo'] };
export const weather = {
  type: 'object',
  properties: { city, days: { type: 'integer', minimum: 1, maximum: 9 }, detailed: { type: 'boolean' } },
  required: ['city', 'days'],
  additionalProperties: false,
};
export function isWeather(value) {
  assert.ok(city.enum.includes(value.city), JSON.stringify(value));
  assert.ok(Number.isInteger(value.days) && value.days >= 1 && value.days <= 9, JSON.stringify(value));
  assert.deepEqual(Object.keys(value).filter((key) => !(key in weather.properties)), []);
}
