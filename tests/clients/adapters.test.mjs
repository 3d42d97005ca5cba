// LoRA adapters of requests, and tokens guessed ahead: by the openai package and llama-server's own routes.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import OpenAI from 'openai';
import { rejection, startServer } from './server.mjs';

const u32 = (n) => { const b = Buffer.alloc(4); b.writeUInt32LE(n); return b; };
const u64 = (n) => { const b = Buffer.alloc(8); b.writeBigUInt64LE(BigInt(n)); return b; };
const f32 = (x) => { const b = Buffer.alloc(4); b.writeFloatLE(x); return b; };
const text = (s) => Buffer.concat([u64(Buffer.byteLength(s)), Buffer.from(s)]);
const kFloat = 6; // type of a value
const kText = 8;
const kAlignment = 32;

// A GGUF file with an adapter of rank 2 for one matrix of the embedded small model (512 to 512), large enough to be heard.
function adapter() {
  const rank = 2;
  const size = 512;
  const keys = [['general.architecture', kText, text('llama')], ['general.type', kText, text('adapter')],
    ['adapter.type', kText, text('lora')], ['adapter.lora.alpha', kFloat, f32(rank)]];
  const tensors = [['blk.2.attn_output.weight.lora_a', [size, rank]], ['blk.2.attn_output.weight.lora_b', [rank, size]]];
  let seed = 1;
  const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647 - 0.5;
  const bytes = size * rank * 4;
  const parts = [Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(keys.length)];
  for (const [key, type, value] of keys) parts.push(text(key), u32(type), value);
  tensors.forEach(([name, dims], i) => parts.push(text(name), u32(dims.length), ...dims.map(u64), u32(0), u64(i * bytes)));
  const head = Buffer.concat(parts);
  const data = Buffer.alloc(2 * bytes);
  for (let i = 0; i < data.length; i += 4) data.writeFloatLE(random(), i);
  return Buffer.concat([head, Buffer.alloc(-head.length & (kAlignment - 1)), data]);
}

describe('adapters', () => {
  let folder;
  let server;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'kedge-adapter-'));
    writeFileSync(join(folder, 'loud.gguf'), adapter());
    const settings = `[[adapters]]\npath = "${join(folder, 'loud.gguf')}"\nmodel = "fast"\nscale = 0\n`;
    server = await startServer({ settings });
  });
  after(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const chat = (more) => new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 }).chat.completions.create({
    model: 'fast', messages: [{ role: 'user', content: 'Tell me about a town by the sea.' }], temperature: 0, max_tokens: 24,
    ignore_eos: true, logprobs: true, ...more });
  const bits = (answer) => answer.choices[0].logprobs.content.map((token) => [token.token, token.logprob]);

  it('are listed, and are of the requests that ask for them', async () => {
    const list = await (await fetch(`${server.url}/lora-adapters`)).json();
    assert.deepEqual(list.map(({ id, name, scale }) => ({ id, name, scale })), [{ id: 0, name: 'loud', scale: 0 }]);
    const plain = await chat();
    const loud = await chat({ lora: [{ id: 0, scale: 1 }] });
    assert.notDeepEqual(bits(loud), bits(plain));
    assert.deepEqual(loud.kedge.lora, [{ id: 0, name: 'loud', scale: 1 }]);
    assert.deepEqual(bits(await chat({ lora: [{ id: 0, scale: 0 }] })), bits(plain), 'scale 0 is the model itself');
    assert.deepEqual(bits(await chat({ lora: [{ id: 0, scale: 1 }] })), bits(loud), 'whatever others left in the cache');
    assert.deepEqual(bits(await chat()), bits(plain));
  });

  it('share steps with requests that have none', async () => {
    const [plain, loud] = [bits(await chat()), bits(await chat({ lora: [{ id: 0 }] }))];
    const many = await Promise.all([0, 1, 0, 1].map((scale) => chat({ lora: [{ id: 0, scale }] })));
    assert.deepEqual(many.map(bits), [plain, loud, plain, loud]);
  });

  it('that are not there are refused', async () => {
    const error = await rejection(chat({ lora: [{ id: 7 }] }));
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.param, 'lora');
    assert.match(error.message, /7/);
    assert.equal((await rejection(chat({ model: 'deep', lora: [{ id: 0 }] }))).status, 400, 'it is of another model');
    assert.equal((await rejection(chat({ model: 'auto', logprobs: false, lora: [{ id: 0 }] }))).status, 400);
  });
});

describe('speculation', () => {
  let server;
  before(async () => { server = await startServer({ settings: '[engine]\nspeculation = "ngram"\ndraft = "fast"\n' }); });
  after(() => server.stop());
  const chat = (speculation, more) => new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 }).chat.completions
    .create({ model: 'deep', messages: [{ role: 'user', content: 'Count: one two three one two three one two three' }],
      temperature: 0, max_tokens: 60, ignore_eos: true, logprobs: true, kedge: speculation && { speculation }, ...more });
  const bits = (answer) => answer.choices[0].logprobs.content.map((token) => [token.token, token.logprob]);

  it('changes no bit, and is counted', async () => {
    for (const more of [{}, { temperature: 1, seed: 4 }, { n: 2, seed: 5, temperature: 1 }]) {
      const without = await chat('none', more);
      assert.equal(without.kedge.speculation, undefined);
      const ngram = await chat(undefined, more);
      const draft = await chat('draft', more);
      assert.deepEqual(bits(ngram), bits(without));
      assert.deepEqual(bits(draft), bits(without));
      assert.equal(ngram.kedge.speculation.kind, 'ngram');
      assert.equal(draft.kedge.speculation.kind, 'draft');
      assert.ok(draft.kedge.speculation.guessed >= draft.kedge.speculation.accepted);
    }
    assert.ok(await server.metric('kedge_speculation_steps_total') > 0);
  });
});
