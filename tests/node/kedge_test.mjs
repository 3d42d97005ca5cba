// The Node package over a real model: node --test tests/node/kedge_test.mjs, with KEDGE_NODE naming the addon.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { Worker } from 'node:worker_threads';

import * as kedge from '../../tools/node/index.mjs';

const { Engine, KedgeError, Model, Router, Session } = kedge;
const ROOT = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '../..');
const folder = mkdtempSync(path.join(tmpdir(), 'kedge-node-test-'));
after(() => rmSync(folder, { recursive: true }));

const model = await Model.open('scout');
const greedy = { temperature: 0, maxTokens: 12 };
const fresh = (options = { context: 256 }) => Session.create(model, options);
const expected = (await (await fresh()).generate('The capital of', greedy).result()).text;
const code = (wanted) => (error) => error instanceof KedgeError && error.code === wanted;

test('import and require give the same', () => {
  const required = createRequire(import.meta.url)('../../tools/node/index.js');
  assert.deepEqual(Object.keys(kedge).filter((name) => name !== 'default').sort(), Object.keys(required).sort());
});

test('the library says what it is', () => {
  assert.match(kedge.version, /^\d+\.\d+\.\d+$/);
  assert.ok(kedge.defaultThreads() >= 1);
  assert.ok(kedge.settingsSchema().settings.some(({ name }) => name === 'temperature'));
  assert.equal(typeof kedge.systemInfo(), 'object');
  assert.equal(kedge.detectReferences('as said in section 4.2 of the text')[0].kind, 'section');
});

test('models: names, info, tokens, chats', async () => {
  assert.ok(kedge.models().scout.endsWith('.gguf'));
  assert.equal(model.info.hasChatTemplate, true);
  assert.equal(model.info.vocabulary, (await fresh()).info.vocabulary);
  const text = 'Grüße, 東京 and 🙂';
  const tokens = model.tokenize(text);
  assert.ok(tokens instanceof Int32Array);
  assert.equal(model.detokenize(tokens), text);
  assert.equal(model.bytes([...tokens]).toString('utf8'), text);
  const messages = [{ role: 'user', content: 'Hello' }];
  assert.match(model.chatText(messages), /Hello/);
  assert.deepEqual(model.chatTokens(messages), model.tokenize(model.chatText(messages, {}), { parseSpecial: true }));
  assert.equal(typeof model.describe({ context: 128 }).architecture, 'string');
  await assert.rejects(Model.open('/nonexistent.gguf'), code('not_found'));
  await assert.rejects(Model.open('nobody-has-this'), /scout/);
  await assert.rejects(Model.open('scout', { vocabonly: true }), /vocabonly/);
  writeFileSync(path.join(folder, 'broken.gguf'), 'GGUF\x03');
  await assert.rejects(Model.open(path.join(folder, 'broken.gguf')), code('corrupt'));
  const tokenizer = await Model.open('scout', { vocabOnly: true });
  await assert.rejects(Session.create(tokenizer), KedgeError);
});

test('pieces are the text, and whole characters', async () => {
  const generation = (await fresh()).generate('The capital of', greedy);
  const pieces = [];
  for await (const piece of generation) pieces.push(piece);
  const result = await generation.result();
  assert.equal(pieces.join(''), result.text);
  assert.equal(result.text, expected);
  assert.equal(result.finishReason, 'length');
  assert.equal(result.tokens.length, 12);
  assert.ok(pieces.length > 1);
  assert.equal(result.settings.settings.temperature, 0);
  await assert.rejects((async () => { for await (const piece of generation) void piece; })(), /read once/);
});

test('seeds, stops, logprobs, tokens and progress', async () => {
  const drawn = async (seed) => (await (await fresh()).generate('The', { seed, maxTokens: 16, temperature: 2 }).result()).text;
  assert.equal(await drawn(7), await drawn(7n));
  assert.notEqual(await drawn(7), await drawn(8));
  const tokens = [];
  const progress = [];
  const result = await (await fresh()).generate('The capital of', {
    ...greedy, logprobs: 2, topK: 40, onToken: (token, top) => tokens.push([token, top]), onPrefill: (...at) => progress.push(at),
  }).result();
  assert.deepEqual(tokens.map(([token]) => token), [...result.tokens]);
  assert.deepEqual(tokens.map(([, top]) => top), result.logprobs);
  assert.equal(result.logprobs[0].length, 3);
  assert.equal(progress.at(-1)[0], progress.at(-1)[1]);
  const stopped = await (await fresh()).generate('The capital of', { ...greedy, stop: ['nothing', expected.slice(2, 6)] }).result();
  assert.equal(stopped.finishReason, 'stop_string');
  assert.equal(stopped.stopIndex, 1);
  assert.equal(stopped.text, expected.slice(0, 2));
  const first = result.tokens[0];
  const other = await (await fresh()).generate('The capital of', { ...greedy, logitBias: { [first]: -Infinity } }).result();
  assert.notEqual(other.tokens[0], first);
});

test('what is wrong is said before anything is computed', async () => {
  const session = await fresh();
  assert.throws(() => session.generate('x', { temperature: 'hot' }), /temperature/);
  assert.throws(() => session.generate('x', { regex: 'a', choice: ['b'] }), /one constraint/);
  await assert.rejects(session.generate('x', { warmth: 1 }).result(), (e) => code('invalid_argument')(e) && /warmth/.test(e.message));
  await assert.rejects(session.generate([-1]).result(), code('invalid_argument'));
  await assert.rejects(session.generate('word '.repeat(500)).result(), code('capacity'));
  await assert.rejects(Session.create(model, { budget: 1 }), /budget/);
  await assert.rejects(Session.create(model, { kvType: 'f8' }), /q4_0/);
  await assert.rejects(Session.create(model, { kv: { bugdet: 1 } }), /bugdet/);
  assert.equal((await session.generate('The capital of', greedy).result()).text, expected);
});

test('one call at a time, and the next after it', async () => {
  const session = await fresh();
  const one = session.generate('The capital of', greedy).result();
  await assert.rejects(session.generate('The').result(), /in use/);
  assert.equal((await one).text, expected);
  session.truncate(0);
  assert.equal((await session.generate('The capital of', greedy).result()).text, expected);
});

test('signals end a call with their reason', async () => {
  const session = await fresh({ context: 4096 });
  const stop = new AbortController();
  const long = session.generate('Once', { maxTokens: 4000, ignoreEos: true, signal: stop.signal, onText: () => stop.abort() });
  await assert.rejects(long.result(), { name: 'AbortError' });
  session.truncate(0);
  await assert.rejects(session.generate('Once', { signal: stop.signal }).result(), { name: 'AbortError' });
  assert.equal((await session.generate('The capital of', greedy).result()).text, expected);
  session.truncate(0);
  await assert.rejects(session.eval('word '.repeat(3000), { signal: AbortSignal.timeout(1) }), { name: 'TimeoutError' });
});

test('a loop that is left ends the generation', async () => {
  const session = await fresh({ context: 4096 });
  const long = session.generate('Once', { maxTokens: 4000, ignoreEos: true });
  for await (const piece of long) if (piece) break;
  const result = await long.result();
  assert.equal(result.finishReason, 'cancelled');
  assert.ok(result.tokens.length < 4000);
  session.truncate(0);
  assert.equal((await session.generate('The capital of', greedy).result()).text, expected);
});

test('what a callback throws ends the call', async () => {
  const session = await fresh({ context: 4096 });
  const why = new RangeError('seen enough');
  const long = session.generate('Once', { maxTokens: 4000, ignoreEos: true, onToken: () => { throw why; } });
  await assert.rejects(long.result(), (error) => error === why);
  await assert.rejects(Model.open('scout', { onProgress: () => { throw why; } }), (error) => error === why);
});

test('answers obey', async () => {
  const session = await fresh();
  const ask = async (options) => {
    session.truncate(0);
    return (await session.generate('The founding year of Dovumchester', { temperature: 0, maxTokens: 64, ...options }).result()).text;
  };
  const jsonSchema = { type: 'object', required: ['year'], additionalProperties: false, properties: { year: { type: 'integer' } } };
  assert.equal(typeof JSON.parse(await ask({ jsonSchema })).year, 'number');
  assert.match(await ask({ regex: '[a-c]{3}' }), /^[a-c]{3}$/);
  assert.ok(['north', 'south'].includes(await ask({ choice: ['north', 'south'] })));
  assert.equal((await model.checkConstraint({ regex: 'a+' })).cached, false);
  await assert.rejects(model.checkConstraint({ regex: '(' }), KedgeError);
});

test('chats go on from what is held', async () => {
  const session = await fresh({ context: 512 });
  const messages = [{ role: 'user', content: 'What is 17 + 25?' }];
  const first = await session.chat(messages, { temperature: 0 }).reply();
  assert.match(first.content, /42/);
  messages.push(first.message(), { role: 'user', content: 'What is 6 * 7?' });
  let heard = '';
  const turn = session.chat(messages, { temperature: 0 });
  for await (const event of turn) heard += event.content ?? '';
  const second = await turn.reply();
  assert.equal(second.content, heard);
  assert.ok(second.result.promptTokens < model.chatTokens(messages).length);
  const anew = await fresh({ context: 512 });
  assert.equal((await anew.chat(messages, { temperature: 0 }).reply()).content, heard);
  const tools = [{ type: 'function', function: { name: 'f', parameters: {} } }];
  if (!model.chatFormat().tools) assert.throws(() => session.chat(messages, { tools }), code('unsupported'));
});

test('memory: budgets, checkpoints, forks, files', async () => {
  const session = await fresh({ context: 512, kv: { budget: 96, forks: 2 } });
  await session.eval('The harbour of Birkenchester is old. '.repeat(20));
  assert.ok(session.kv().evicted > 0);
  assert.ok(session.kvLog().length > 0);
  assert.equal(session.addSegments([{ range: [0, 4], kind: 'reference', source_id: 'a' }]).accepted, 1);
  const point = session.checkpoint();
  const before = session.logits;
  const wanted = (await session.generate([], greedy).result()).text;
  session.rollback(point);
  assert.deepEqual(session.logits, before);
  const file = path.join(folder, 'a.session');
  await session.save(file);
  const twin = session.fork();
  const loaded = await Session.load(model, file);
  for (const one of [session, twin, loaded]) assert.equal((await one.generate([], greedy).result()).text, wanted);
  await assert.rejects(Session.load(model, path.join(folder, 'none')), code('not_found'));
});

test('an engine shares steps and changes nothing', async () => {
  const engine = await Engine.create(model, { sequences: 4, memory: 64 << 20 });
  const prompts = ['The capital of', 'In the town of', 'Once upon a time', 'The capital of'];
  const texts = await Promise.all(prompts.map(async (prompt) => {
    const session = engine.session({ context: 256 });
    return (await session.generate(prompt, greedy).result()).text;
  }));
  assert.equal(texts[0], expected);
  assert.equal(texts[3], expected);
  assert.ok(engine.stats().steps > 0);
  const vector = await engine.embed('a town');
  assert.equal(vector.length, model.info.width);
  assert.ok(Math.abs(Math.hypot(...vector) - 1) < 1e-5);
  await assert.rejects(engine.embed('a town', { signal: AbortSignal.abort() }), { name: 'AbortError' });
  await assert.rejects(Engine.create(model, { sequence: 4 }), /sequence/);
});

test('the router answers, streams, stops and keeps records', async () => {
  const audit = path.join(folder, 'audit.db');
  const router = await Router.open(path.join(ROOT, 'models', 'pool.toml'), { audit });
  const states = [];
  const asked = router.ask('What is 12 * 7?');
  for await (const event of asked) states.push(event.state);
  const answer = await asked;
  assert.equal(answer.answer, '84');
  assert.ok(states.length > 1);
  let text = '';
  const streamed = await router.ask('Which product is Birkenchester famous for?', {
    stream: true, abstain: false, deadline_s: 900, onEvent: (event) => { if (event.state === 'text' && event.attempt === 0) text += event.text; },
  });
  if (streamed.attempts.length === 1) assert.equal(text, streamed.answer);
  assert.ok(text.length > 0);
  const stop = new AbortController();
  await assert.rejects(Promise.resolve(router.ask('Who was the employer of Judith Nymnor?', {
    signal: stop.signal, onEvent: () => stop.abort(),
  })), { name: 'AbortError' });
  await assert.rejects(Promise.resolve(router.ask('x', { nonsense: 1 })), /nonsense/);
  assert.equal((await router.replay()).same, true);
  assert.equal((await kedge.auditVerify(audit)).ok, true);
  const { records, total } = await kedge.auditList(audit);
  assert.equal(records.length, total);
  assert.equal(records.filter(({ outcome }) => outcome === 'answered').length, 2, JSON.stringify(records));
  const lines = (await kedge.auditExport(audit)).trim().split('\n').map((line) => JSON.parse(line));
  assert.ok(lines.length >= total);
  assert.ok(router.models().some(({ name }) => name === 'scout'));
  const { engine } = await router.engine('fast');
  assert.equal((await engine.session({ context: 256 }).generate('The capital of', greedy).result()).text, expected);
  assert.equal((await kedge.checkAnswer('It is 42.', { question: 'What is 17 + 25?' })).verdict, 'pass');
});

test('an index is built and searched', async () => {
  const source = path.join(folder, 'pump.txt');
  writeFileSync(source, 'The pump of Birkenchester is maintained by Mira Holt.');
  const out = path.join(folder, 'pump.kidx');
  const seen = [];
  await kedge.indexBuild({ paths: [source], out, model: model.path }, { onProgress: (...at) => seen.push(at) });
  assert.ok(seen.length > 0);
  const { hits } = await kedge.indexSearch({ index: out, query: 'Who maintains the pump?', by: 'bm25', k: 1 });
  assert.match(hits[0].text, /Mira Holt/);
  assert.equal((await kedge.indexInfo(out)).documents, 1);
});

test('what is closed says so, whatever is closed first', async () => {
  const own = await Model.open('scout');
  const session = await Session.create(own, { context: 256 });
  const running = session.generate('The capital of', greedy).result();
  own.close();
  session.close();
  assert.equal((await running).text, expected);
  assert.throws(() => session.info, /the session is closed/);
  assert.throws(() => own.info, /the model is closed/);
});

test('a worker that is ended in a call ends', { timeout: 60_000 }, async () => {
  const source = `
    const { parentPort } = require('node:worker_threads');
    const { Model, Session } = require(${JSON.stringify(path.join(ROOT, 'tools/node/index.js'))});
    (async () => {
      const session = await Session.create(await Model.open('scout'), { context: 4096 });
      const long = session.generate('Once', { maxTokens: 4000, ignoreEos: true, onText: () => parentPort.postMessage('writes') });
      await long.result();
      parentPort.postMessage('done');
    })();`;
  const worker = new Worker(source, { eval: true });
  await new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject));
  await worker.terminate();
  assert.equal((await (await fresh()).generate('The capital of', greedy).result()).text, expected);
});
