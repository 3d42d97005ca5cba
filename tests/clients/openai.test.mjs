// The openai package: chats, completions, models.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import OpenAI from 'openai';
import { collect, rejection, startServer, until } from './server.mjs';

const question = [{ role: 'user', content: 'What is 17 + 25?' }];
const story = [{ role: 'user', content: 'Tell me about a town by the sea.' }];
const concat = (chunks) => chunks.map((c) => c.choices[0]?.delta?.content ?? '').join('');

describe('openai', () => {
  let server;
  let client;
  before(async () => {
    server = await startServer();
    client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
  });
  after(() => server.stop());
  const chat = (request, options) => client.chat.completions.create({ model: 'fast', messages: question, ...request }, options);
  const long = { messages: story, max_tokens: 4000, ignore_eos: true };

  it('lists models and retrieves each', async () => {
    const ids = (await collect(client.models.list())).map((model) => model.id);
    for (const name of ['auto', 'fast', 'deep', 'scout', 'sage']) assert.ok(ids.includes(name), `${name} in ${ids}`);
    for (const id of ids) assert.equal((await client.models.retrieve(id)).id, id);
    assert.equal((await client.models.retrieve('fast')).kedge.n_ctx, 8192);
    const error = await rejection(client.models.retrieve('gpt-4'));
    assert.ok(error instanceof OpenAI.NotFoundError);
    assert.equal(error.code, 'model_not_found');
    assert.match(error.message, /gpt-4.*scout/);
  });

  it('chats', async () => {
    const { data, response } = await chat({ temperature: 0 }).withResponse();
    assert.equal(data.object, 'chat.completion');
    assert.match(data.id, /^chatcmpl-/);
    assert.equal(data.choices.length, 1);
    assert.equal(data.choices[0].message.role, 'assistant');
    assert.match(data.choices[0].message.content, /42/);
    assert.equal(data.choices[0].finish_reason, 'stop');
    assert.equal(data.usage.total_tokens, data.usage.prompt_tokens + data.usage.completion_tokens);
    assert.ok(data.usage.prompt_tokens > 5 && data.usage.completion_tokens > 0);
    assert.equal(data.model, 'scout');
    assert.equal(data.kedge.settings.temperature, 0);
    assert.ok(Number.isSafeInteger(data.kedge.seed));
    assert.equal(response.headers.get('x-kedge-model'), 'scout');
    assert.ok(response.headers.get('x-request-id'));
  });

  it('takes contents in parts, and a system message', async () => {
    const parts = [{ role: 'system', content: 'Answer briefly.' },
      { role: 'user', content: [{ type: 'text', text: 'What is' }, { type: 'text', text: '17 + 25?' }] }];
    const whole = [{ role: 'developer', content: 'Answer briefly.' }, { role: 'user', content: 'What is\n17 + 25?' }];
    const first = await chat({ messages: parts, temperature: 0 });
    const second = await chat({ messages: whole, temperature: 0 });
    assert.equal(first.choices[0].message.content, second.choices[0].message.content);
    assert.equal(first.usage.prompt_tokens, second.usage.prompt_tokens);
  });

  it('streams what it answers at once', async () => {
    const request = { messages: story, temperature: 1, seed: 7, max_tokens: 60, ignore_eos: true };
    const whole = await chat(request);
    const chunks = await collect(await chat({ ...request, stream: true, stream_options: { include_usage: true } }));
    assert.equal(concat(chunks), whole.choices[0].message.content);
    assert.equal(chunks[0].choices[0].delta.role, 'assistant');
    assert.equal(new Set(chunks.map((chunk) => chunk.id)).size, 1);
    assert.ok(chunks.every((chunk) => chunk.object === 'chat.completion.chunk'));
    const ends = chunks.filter((chunk) => chunk.choices[0]?.finish_reason);
    assert.deepEqual(ends.map((chunk) => chunk.choices[0].finish_reason), ['length']);
    assert.equal(ends[0].kedge.seed, 7);
    const usages = chunks.filter((chunk) => chunk.usage);
    assert.equal(usages.length, 1);
    assert.deepEqual(usages[0].choices, []);
    assert.equal(usages[0], chunks.at(-1));
    assert.equal(usages[0].usage.completion_tokens, 60);
    assert.ok(chunks.length > 20, `${chunks.length} chunks for 60 tokens`);
    const unasked = await collect(await chat({ ...request, stream: true }));
    assert.ok(unasked.every((chunk) => chunk.usage === undefined && chunk.choices.length === 1));
  });

  it("streams to the package's helper", async () => {
    const stream = client.chat.completions.stream({
      model: 'fast', messages: question, temperature: 0, logprobs: true, stream_options: { include_usage: true } });
    let text = '';
    stream.on('content', (delta) => { text += delta; });
    const final = await stream.finalChatCompletion();
    assert.equal(final.choices[0].message.content, text);
    assert.equal(await stream.finalContent(), text);
    assert.match(text, /42/);
    assert.equal(final.choices[0].finish_reason, 'stop');
    assert.equal((await stream.totalUsage()).total_tokens, final.usage.total_tokens);
    assert.ok(final.choices[0].logprobs.content.length > 0);
  });

  it('gives log-probabilities', async () => {
    const request = { messages: story, temperature: 0, logprobs: true, top_logprobs: 3, max_tokens: 30 };
    const whole = await chat(request);
    const { content } = whole.choices[0].logprobs;
    assert.equal(content.length, whole.usage.completion_tokens);
    for (const token of content) {
      assert.equal(token.top_logprobs.length, 3);
      assert.ok(token.logprob <= 0);
      assert.equal(token.logprob, token.top_logprobs[0].logprob, 'the likeliest is chosen at temperature 0');
      assert.deepEqual(Buffer.from(token.token, 'utf8').toString(), token.token);
      const tops = token.top_logprobs.map((top) => top.logprob);
      assert.deepEqual(tops, tops.toSorted((a, b) => b - a));
      assert.ok(tops.reduce((sum, logprob) => sum + Math.exp(logprob), 0) <= 1 + 1e-6);
    }
    const bytes = Buffer.from(content.slice(0, -1).flatMap((token) => token.bytes)).toString(); // the last ends the turn
    assert.equal(bytes.trimStart(), whole.choices[0].message.content.trimStart());
    const chunks = await collect(await chat({ ...request, stream: true }));
    assert.deepEqual(chunks.flatMap((chunk) => chunk.choices[0].logprobs?.content ?? []), content);
    const none = await chat({ temperature: 0 });
    assert.equal(none.choices[0].logprobs, null);
    const chosen = await chat({ temperature: 0, logprobs: true });
    assert.ok(chosen.choices[0].logprobs.content.every((token) => token.top_logprobs.length === 0));
  });

  it('gives n choices', async () => {
    const request = { messages: story, n: 3, temperature: 1, seed: 11, max_tokens: 24, ignore_eos: true };
    const whole = await chat(request);
    assert.deepEqual(whole.choices.map((choice) => choice.index), [0, 1, 2]);
    const texts = whole.choices.map((choice) => choice.message.content);
    assert.equal(new Set(texts).size, 3, 'three draws are three texts');
    assert.equal(whole.usage.completion_tokens, 3 * 24);
    const streamed = ['', '', ''];
    const ended = [];
    for await (const chunk of await chat({ ...request, stream: true })) {
      const [choice] = chunk.choices;
      streamed[choice.index] += choice.delta.content ?? '';
      if (choice.finish_reason) ended.push(choice.index);
    }
    assert.deepEqual(streamed, texts);
    assert.deepEqual(ended.toSorted(), [0, 1, 2]);
    assert.equal((await chat({ ...request, n: 1 })).choices[0].message.content, texts[0]);
  });

  it('stops at stop strings, which are not in the text', async () => {
    const request = { messages: story, temperature: 0, max_tokens: 60, ignore_eos: true };
    const { content } = (await chat(request)).choices[0].message;
    const stop = content.slice(20, 26);
    const cut = (await chat({ ...request, stop: ['never to be met', stop] })).choices[0];
    assert.equal(cut.message.content, content.slice(0, content.indexOf(stop)));
    assert.equal(cut.finish_reason, 'stop');
    assert.equal(concat(await collect(await chat({ ...request, stop, stream: true }))), cut.message.content);
  });

  it('draws the same from the same seed', async () => {
    const request = { messages: story, temperature: 1.2, max_tokens: 30, ignore_eos: true };
    const said = async (more) => {
      const answer = await chat({ ...request, ...more });
      return [answer.choices[0].message.content, answer.kedge.seed];
    };
    const [first] = await said({ seed: 123 });
    assert.equal((await said({ seed: 123 }))[0], first);
    assert.notEqual((await said({ seed: 124 }))[0], first);
    const [text, seed] = await said({});
    assert.equal((await said({ seed }))[0], text, 'the seed that an answer names gives it again');
  });

  it('heeds max_tokens and logit_bias', async () => {
    const short = await chat({ messages: story, max_completion_tokens: 5, ignore_eos: true, temperature: 0, logprobs: true });
    assert.equal(short.choices[0].finish_reason, 'length');
    assert.equal(short.usage.completion_tokens, 5);
    const first = short.choices[0].logprobs.content[0].token;
    const { tokens } = await (await fetch(`${server.url}/tokenize`, {
      method: 'POST', headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'fast', content: short.choices[0].message.content }) })).json();
    const banned = await chat({ messages: story, max_tokens: 5, temperature: 0, ignore_eos: true, logprobs: true,
      logit_bias: { [tokens[0]]: -100 } });
    assert.notEqual(banned.choices[0].logprobs.content[0].token, first);
  });

  it('completes texts and tokens, with the older log-probabilities and echo', async () => {
    const request = { model: 'fast', prompt: 'The capital of', max_tokens: 8, temperature: 0, ignore_eos: true };
    const text = await client.completions.create({ ...request, echo: true, logprobs: 2 });
    assert.equal(text.object, 'text_completion');
    const [choice] = text.choices;
    assert.ok(choice.text.trimStart().startsWith('The capital of'), choice.text);
    const { tokens, token_logprobs, top_logprobs, text_offset } = choice.logprobs;
    assert.equal(tokens.length, text.usage.prompt_tokens + 8);
    for (const list of [token_logprobs, top_logprobs, text_offset]) assert.equal(list.length, tokens.length);
    assert.equal(token_logprobs[0], null);
    assert.ok(token_logprobs.slice(1).every((logprob) => logprob <= 0));
    const ids = (await (await fetch(`${server.url}/tokenize`, {
      method: 'POST', headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'fast', content: 'The capital of', add_special: true }) })).json()).tokens;
    const plain = await client.completions.create(request);
    const byTokens = await client.completions.create({ ...request, prompt: ids });
    assert.equal(byTokens.choices[0].text, plain.choices[0].text);
    const both = await client.completions.create({ ...request, prompt: ['The capital of', ids] });
    assert.deepEqual(both.choices.map((c) => c.text), [plain.choices[0].text, plain.choices[0].text]);
    const streamed = await collect(await client.completions.create({ ...request, stream: true }));
    assert.equal(streamed.map((chunk) => chunk.choices[0]?.text ?? '').join(''), plain.choices[0].text);
    assert.equal(streamed.at(-1).choices[0].finish_reason, 'length');
  });

  it('ends the work of a stream that is left', async () => {
    const stream = await chat({ ...long, stream: true });
    let seen = 0;
    for await (const chunk of stream) {
      seen += chunk.choices[0].delta.content ? 1 : 0;
      if (seen === 5) break; // which aborts
    }
    assert.equal(seen, 5);
    await server.idle();
    const over = await until('the log has the request', () => server.requests('/v1/chat/completions').find((line) => line.gone));
    assert.ok(over);
  });

  it('ends the work of a request that is aborted before its answer', async () => {
    const abort = new AbortController();
    const promise = rejection(chat(long, { signal: abort.signal }));
    await until('it runs', async () => (await server.inFlight()) > 0);
    abort.abort();
    assert.ok((await promise) instanceof OpenAI.APIUserAbortError);
    await server.idle();
    const error = await rejection(chat(long, { timeout: 300 }));
    assert.ok(error instanceof OpenAI.APIConnectionTimeoutError);
    await server.idle();
  });

  it('counts what came from the prefix cache', async () => {
    const messages = [{ role: 'user', content: `Remember: ${'the sea is blue. '.repeat(30)} What is 1 + 1?` }];
    const request = { messages, temperature: 0, max_tokens: 4 };
    const first = await chat(request);
    const second = await chat(request);
    assert.ok(second.usage.prompt_tokens_details.cached_tokens >= 64, JSON.stringify(second.usage));
    assert.equal(second.choices[0].message.content, first.choices[0].message.content);
  });
});
