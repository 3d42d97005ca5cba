// The ollama package.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Ollama } from 'ollama';
import { collect, rejection, startServer, words } from './server.mjs';

const messages = [{ role: 'user', content: 'What is 17 + 25?' }];
const options = { temperature: 0 };

describe('ollama', () => {
  let server;
  let client;
  before(async () => {
    server = await startServer();
    client = new Ollama({ host: server.url });
  });
  after(() => server.stop());

  it('says its version and what there is', async () => {
    assert.match((await client.version()).version, /^\d+\.\d+/);
    const { models } = await client.list();
    const names = models.map((model) => model.name);
    for (const name of ['auto', 'scout', 'sage']) assert.ok(names.includes(name), `${name} in ${names}`);
    const scout = models.find((model) => model.name === 'scout');
    assert.equal(scout.details.format, 'gguf');
    assert.ok(scout.size > 1e7);
    const shown = await client.show({ model: 'scout' });
    assert.equal(shown.model_info['general.architecture'], 'llama');
    assert.equal(shown.model_info['llama.context_length'], 8192);
    assert.deepEqual(shown.capabilities.filter((name) => name === 'completion'), ['completion']);
    assert.equal((await client.show({ model: 'scout:latest' })).model_info['general.architecture'], 'llama');
    await client.chat({ model: 'fast', messages, options });
    assert.ok((await client.ps()).models.some((model) => model.name === 'scout'));
  });

  it('chats', async () => {
    const answer = await client.chat({ model: 'scout:latest', messages, options });
    assert.equal(answer.message.role, 'assistant');
    assert.match(answer.message.content, /42/);
    assert.equal(answer.done, true);
    assert.equal(answer.done_reason, 'stop');
    assert.ok(answer.eval_count > 0 && answer.prompt_eval_count > 0 && answer.total_duration > 0);
    assert.ok(!Number.isNaN(Date.parse(answer.created_at)));
  });

  it('streams what it answers at once', async () => {
    const request = { model: 'fast', messages: [{ role: 'user', content: 'Tell me about a town.' }],
      options: { temperature: 1, seed: 5, num_predict: 40, ignore_eos: true } };
    const whole = await client.chat(request);
    const parts = await collect(await client.chat({ ...request, stream: true }));
    assert.equal(parts.map((part) => part.message.content).join(''), whole.message.content);
    assert.deepEqual(parts.map((part) => part.done), parts.map((_, i) => i === parts.length - 1));
    assert.equal(parts.at(-1).eval_count, whole.eval_count);
    assert.equal(parts.at(-1).done_reason, whole.done_reason);
  });

  it('generates', async () => {
    const request = { model: 'fast', prompt: 'What is 17 + 25?', options };
    const chat = await client.chat({ model: 'fast', messages, options });
    const answer = await client.generate(request);
    assert.equal(answer.response, chat.message.content);
    const parts = await collect(await client.generate({ ...request, stream: true }));
    assert.equal(parts.map((part) => part.response).join(''), answer.response);
    const raw = await client.generate({ model: 'fast', prompt: 'The capital of', raw: true, options: { temperature: 0, num_predict: 4 } });
    assert.ok(raw.eval_count <= 4);
    const stopped = await client.generate({ model: 'fast', prompt: 'Count: 1 2 3', options: { ...options, stop: ['1', '2', '3', 'a', 'e'] } });
    assert.doesNotMatch(stopped.response, /[123ae]/);
  });

  it('gives errors as texts', async () => {
    const wrong = async (promise, status, text) => {
      const error = await rejection(promise);
      assert.equal(error.name, 'ResponseError');
      assert.equal(error.status_code, status, `${error}`);
      assert.match(error.message, text);
    };
    await wrong(client.chat({ model: 'llama3', messages }), 404, /llama3/);
    await wrong(client.chat({ model: 'llama3', messages, stream: true }), 404, /llama3/);
    await wrong(client.show({ model: 'llama3' }), 404, /llama3/);
    await wrong(client.chat({ model: 'fast', messages: [{ role: 'user', content: words(9000) }] }), 400, /maximum context length/);
    await wrong(client.chat({ model: 'fast', messages: [{ role: 'user', content: 'x', images: ['AA=='] }] }), 400, /messages\[0\]\.images/);
    await wrong(client.chat({ model: 'fast', messages, format: 'xml' }), 400, /format.*json/);
    await wrong(client.generate({ model: 'fast', prompt: 'x', options: { temperature: 'hot' } }), 400, /options\.temperature/);
    const strange = await client.chat({ model: 'fast', messages, options: { ...options, wish: 1 } });
    assert.deepEqual(strange.kedge.ignored, ['options.wish']);
  });

  it('ends the work of a stream that is left', async () => {
    const stream = await client.chat({ model: 'fast', messages, stream: true, options: { num_predict: 4000, ignore_eos: true } });
    const error = await rejection((async () => {
      for await (const part of stream) {
        if (part.message.content) stream.abort();
      }
    })());
    assert.equal(error.name, 'AbortError');
    await server.idle();
  });

  it('embeds', async () => {
    const { embeddings } = await client.embed({ model: 'fast', input: ['a town by the sea', 'seventeen'] });
    assert.equal(embeddings.length, 2);
    assert.ok(embeddings[0].length >= 64);
    assert.notDeepEqual(embeddings[0], embeddings[1]);
  });
});
