// The packages ai and @ai-sdk/openai-compatible.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, embedMany, generateText, streamText } from 'ai';
import { collect, rejection, startServer, until, withServer, words } from './server.mjs';

// What only Kedge says comes to ai's users through an extractor.
const metadataExtractor = {
  extractMetadata: async ({ parsedBody }) => ({ kedge: parsedBody.kedge }),
  createStreamExtractor: () => {
    let kedge;
    return {
      processChunk: (chunk) => { kedge = chunk.kedge ?? kedge; },
      buildMetadata: () => ({ kedge }),
    };
  },
};
const providerOf = (server, more) => createOpenAICompatible({
  name: 'kedge', baseURL: `${server.url}/v1`, includeUsage: true, metadataExtractor, ...more });
const prompt = 'What is 17 + 25?';

describe('ai', () => {
  let server;
  let provider;
  before(async () => {
    server = await startServer();
    provider = providerOf(server);
  });
  after(() => server.stop());

  it('generates a text', async () => {
    const result = await generateText({ model: provider('fast'), system: 'Answer briefly.', prompt, temperature: 0, maxRetries: 0 });
    assert.match(result.text, /42/);
    assert.equal(result.finishReason, 'stop');
    assert.equal(result.usage.totalTokens, result.usage.inputTokens + result.usage.outputTokens);
    assert.deepEqual(result.warnings ?? [], []);
    assert.equal(result.providerMetadata.kedge.model, 'scout');
    assert.equal(result.response.headers['x-kedge-model'], 'scout');
  });

  it('streams a text', async () => {
    const request = { model: provider('fast'), prompt, temperature: 1, seed: 3, maxOutputTokens: 20, maxRetries: 0 };
    const whole = await generateText(request);
    const result = streamText(request);
    const parts = await collect(result.fullStream);
    assert.ok(parts.every((part) => part.type !== 'error'), JSON.stringify(parts.filter((part) => part.type === 'error')));
    assert.equal(parts.filter((part) => part.type === 'text-delta').map((part) => part.text).join(''), whole.text);
    assert.equal(await result.finishReason, whole.finishReason);
    const usage = await result.usage;
    assert.equal(usage.outputTokens, whole.usage.outputTokens);
    assert.ok(usage.inputTokens > 0);
    assert.equal((await result.providerMetadata).kedge.seed, 3);
  });

  it('goes on with a conversation', async () => {
    const messages = [{ role: 'user', content: prompt }, { role: 'assistant', content: '42' },
      { role: 'user', content: [{ type: 'text', text: 'What is 20 + 30?' }] }];
    const result = await generateText({ model: provider('fast'), messages, temperature: 0, maxRetries: 0 });
    assert.match(result.text, /50/);
  });

  it('completes a text', async () => {
    const result = await generateText({ model: provider.completionModel('fast'), prompt: 'The capital of', maxOutputTokens: 8, maxRetries: 0 });
    assert.ok(result.text.length > 0);
  });

  it('gives an APICallError with the message', async () => {
    const failed = async (request) => {
      const error = await rejection(generateText({ model: provider('fast'), prompt, maxRetries: 0, ...request }));
      assert.ok(APICallError.isInstance(error), `${error}`);
      return error;
    };
    const unknown = await failed({ model: provider('gpt-4') });
    assert.equal(unknown.statusCode, 404);
    assert.match(unknown.message, /gpt-4.*scout/);
    assert.equal(unknown.isRetryable, false);
    const long = await failed({ prompt: words(9000) });
    assert.equal(long.statusCode, 400);
    assert.match(long.message, /maximum context length/);
    assert.equal(JSON.parse(long.responseBody).error.code, 'context_length_exceeded');
    const image = { type: 'file', data: new Uint8Array([0]), mediaType: 'image/png' };
    assert.match((await failed({ prompt: undefined, messages: [{ role: 'user', content: [image] }] })).message, /messages\[0\]\.content\[0\]/);
    const errors = [];
    const result = streamText({ model: provider('gpt-4'), prompt, maxRetries: 0, onError: ({ error }) => errors.push(error) });
    await result.consumeStream();
    assert.equal(errors[0].statusCode, 404);
  });

  it('ends the work that is aborted', async () => {
    const abort = new AbortController();
    const more = providerOf(server, { transformRequestBody: (body) => ({ ...body, ignore_eos: true }) });
    const result = streamText({ model: more('fast'), prompt, maxOutputTokens: 4000, maxRetries: 0, abortSignal: abort.signal });
    let last;
    for await (const part of result.fullStream) {
      if (part.type === 'text-delta') abort.abort();
      last = part;
    }
    assert.equal(last.type, 'abort');
    await server.idle();
  });

  it('embeds', async () => {
    const values = ['a town by the sea', 'seventeen'];
    const { embeddings, usage } = await embedMany({ model: provider.embeddingModel('fast'), values, maxRetries: 0 });
    assert.equal(embeddings.length, 2);
    assert.ok(embeddings[0].length >= 64);
    assert.ok(usage.tokens > 0);
  });
});

describe('ai keys', () => {
  it('are refused without a second try', withServer({ keys: { ada: ['sk-ada', ['use']] } }, async (server) => {
    const error = await rejection(generateText({ model: providerOf(server, { apiKey: 'sk-eve' })('fast'), prompt }));
    assert.ok(APICallError.isInstance(error));
    assert.equal(error.statusCode, 401);
    assert.match((await generateText({ model: providerOf(server, { apiKey: 'sk-ada' })('fast'), prompt, temperature: 0 })).text, /42/);
  }));
});

describe('ai overload', () => {
  it('is tried again after the time the server names', withServer({ flags: ['--engine-sequences', '1', '--engine-waiting', '0'] }, async (server) => {
    const abort = new AbortController();
    const more = providerOf(server, { transformRequestBody: (body) => ({ ...body, ignore_eos: true }) });
    const stream = streamText({ model: more('fast'), prompt, maxOutputTokens: 4000, abortSignal: abort.signal, onError: () => {} });
    const parts = stream.fullStream[Symbol.asyncIterator]();
    while ((await parts.next()).value.type !== 'text-delta');
    const refused = await rejection(generateText({ model: providerOf(server)('fast'), prompt, maxRetries: 0 }));
    assert.equal(refused.statusCode, 429);
    assert.equal(refused.isRetryable, true);
    const again = generateText({ model: providerOf(server)('fast'), prompt, temperature: 0, maxRetries: 5 });
    await until('it was refused', () => server.requests('/v1/chat/completions').filter((line) => line.status === 429).length >= 2);
    abort.abort();
    assert.match((await again).text, /42/);
  }));
});
