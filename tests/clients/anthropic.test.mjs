// The @anthropic-ai/sdk package.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { collect, rejection, startServer, until, withServer, words } from './server.mjs';

const messages = [{ role: 'user', content: 'What is 17 + 25?' }];
const request = { model: 'fast', messages, max_tokens: 64, temperature: 0 };
const clientOf = (server, more) => new Anthropic({ baseURL: server.url, apiKey: 'none', maxRetries: 0, ...more });

describe('anthropic', () => {
  let server;
  let client;
  before(async () => {
    server = await startServer();
    client = clientOf(server);
  });
  after(() => server.stop());
  const long = { ...request, max_tokens: 4000, ignore_eos: true };

  it('answers', async () => {
    const message = await client.messages.create({ ...request, system: 'Answer briefly.' });
    assert.equal(message.type, 'message');
    assert.equal(message.role, 'assistant');
    assert.match(message.id, /^msg_/);
    assert.equal(message.content.length, 1);
    assert.equal(message.content[0].type, 'text');
    assert.match(message.content[0].text, /42/);
    assert.equal(message.stop_reason, 'end_turn');
    assert.equal(message.stop_sequence, null);
    assert.ok(message.usage.input_tokens + message.usage.cache_read_input_tokens > 5);
    assert.ok(message.usage.output_tokens > 0);
    assert.ok(message._request_id);
  });

  it('streams its events in order', async () => {
    const events = await collect(await client.messages.create({ ...request, stream: true }));
    const types = events.map((event) => event.type).filter((type) => type !== 'ping');
    const once = types.filter((type, i) => type !== types[i - 1]);
    assert.deepEqual(once, ['message_start', 'content_block_start', 'content_block_delta', 'content_block_stop',
      'message_delta', 'message_stop']);
    const start = events[0].message;
    assert.deepEqual(start.content, []);
    assert.equal(start.stop_reason, null);
    assert.ok(start.usage.input_tokens + start.usage.cache_read_input_tokens > 0);
    const delta = events.find((event) => event.type === 'message_delta');
    assert.equal(delta.delta.stop_reason, 'end_turn');
    assert.ok(delta.usage.output_tokens > 0);
    assert.equal(delta.kedge.model, 'scout');
  });

  it("streams to the package's helper", async () => {
    const stream = client.messages.stream(request);
    let text = '';
    stream.on('text', (delta) => { text += delta; });
    const final = await stream.finalMessage();
    assert.equal(final.content[0].text, text);
    assert.equal(await stream.finalText(), text);
    const whole = await client.messages.create(request);
    assert.equal(whole.content[0].text, text);
    assert.equal(final.usage.output_tokens, whole.usage.output_tokens);
    assert.equal(final.stop_reason, 'end_turn');
  });

  it('stops at stop sequences and at max_tokens', async () => {
    const free = await client.messages.create({ ...request, ignore_eos: true });
    assert.equal(free.usage.output_tokens, 64);
    const stop = free.content[0].text.slice(8, 14);
    const cut = await client.messages.create({ ...request, ignore_eos: true, stop_sequences: [stop] });
    assert.equal(cut.stop_reason, 'stop_sequence');
    assert.equal(cut.stop_sequence, stop);
    assert.equal(cut.content[0].text, free.content[0].text.slice(0, free.content[0].text.indexOf(stop)));
    const short = await client.messages.create({ ...request, ignore_eos: true, max_tokens: 3 });
    assert.equal(short.stop_reason, 'max_tokens');
    assert.equal(short.usage.output_tokens, 3);
  });

  it('counts tokens without an answer', async () => {
    const { max_tokens, temperature, ...counted } = request;
    const { input_tokens } = await client.messages.countTokens({ ...counted, system: 'Answer briefly.' });
    const message = await client.messages.create({ ...request, system: 'Answer briefly.' });
    assert.equal(input_tokens, message.usage.input_tokens + message.usage.cache_read_input_tokens);
  });

  it('takes blocks, a history with tools, and thinking', async () => {
    const history = [
      { role: 'user', content: [{ type: 'text', text: 'What is 17 + 25?', cache_control: { type: 'ephemeral' } }] },
      { role: 'assistant', content: [{ type: 'thinking', thinking: 'add', signature: 's' }, { type: 'text', text: 'I add.' },
        { type: 'tool_use', id: 't1', name: 'add', input: { a: 17, b: 25 } }] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't1', content: [{ type: 'text', text: '42' }] }] }];
    const message = await client.messages.create({ ...request, messages: history,
      system: [{ type: 'text', text: 'Answer briefly.' }], thinking: { type: 'disabled' }, metadata: { user_id: 'u' } });
    assert.equal(message.type, 'message');
    assert.deepEqual(message.kedge.ignored.filter((name) => !name.endsWith('cache_control')), []);
  });

  it('gives the errors of the package', async () => {
    const unknown = await rejection(client.messages.create({ ...request, model: 'claude-9' }));
    assert.ok(unknown instanceof Anthropic.NotFoundError);
    assert.equal(unknown.error.type, 'error');
    assert.equal(unknown.error.error.type, 'not_found_error');
    assert.ok(unknown.error.request_id);
    assert.equal(unknown.requestID, unknown.error.request_id);
    const wrong = async (more, text) => {
      const error = await rejection(client.messages.create({ ...request, ...more }));
      assert.ok(error instanceof Anthropic.BadRequestError, `${error}`);
      assert.equal(error.error.error.type, 'invalid_request_error');
      assert.match(error.message, text);
    };
    await wrong({ max_tokens: undefined }, /max_tokens/);
    await wrong({ messages: [] }, /messages/);
    await wrong({ tools: [{ name: 'f', input_schema: { type: 'object' } }] }, /tools.*template/);
    await wrong({ messages: [{ role: 'user', content: words(9000) }] }, /maximum context length is 8192/);
    const source = { type: 'base64', media_type: 'image/png', data: 'AA==' };
    await wrong({ messages: [{ role: 'user', content: [{ type: 'text', text: 'x' }, { type: 'image', source }] }] },
      /messages\[0\]\.content\[1\].*image/);
  });

  it('ends the work of a stream that is left', async () => {
    const stream = client.messages.stream(long);
    await new Promise((resolve) => { stream.once('text', resolve); });
    stream.abort();
    await stream.done().catch((error) => assert.ok(error instanceof Anthropic.APIUserAbortError));
    await server.idle();
    for await (const event of await client.messages.create({ ...long, stream: true })) {
      if (event.type === 'content_block_delta') break;
    }
    await server.idle();
  });
});

describe('anthropic keys', () => {
  it('come as bearer tokens and as x-api-key', withServer({ keys: { ada: ['sk-ada', ['use']] } }, async (server) => {
    server.auth = { authorization: 'Bearer sk-ada' };
    const answers = [await clientOf(server, { apiKey: 'sk-ada' }).messages.create(request),
      await clientOf(server, { apiKey: null, authToken: 'sk-ada' }).messages.create(request)];
    for (const answer of answers) assert.match(answer.content[0].text, /42/);
    const error = await rejection(clientOf(server, { apiKey: 'sk-eve' }).messages.create(request));
    assert.ok(error instanceof Anthropic.AuthenticationError);
    assert.equal(error.error.error.type, 'authentication_error');
  }));
});

describe('anthropic overload', () => {
  it('is an overloaded_error, which the package tries again', withServer({ flags: ['--engine-sequences', '1', '--engine-waiting', '0'] }, async (server) => {
    const stream = clientOf(server).messages.stream({ ...request, max_tokens: 4000, ignore_eos: true });
    await new Promise((resolve) => { stream.once('text', resolve); });
    const error = await rejection(clientOf(server).messages.create(request));
    assert.equal(error.status, 529);
    assert.equal(error.error.error.type, 'overloaded_error');
    const again = clientOf(server, { maxRetries: 5 }).messages.create(request);
    await until('it was refused', () => server.requests('/v1/messages').filter((line) => line.status === 529).length >= 2);
    stream.abort();
    await stream.done().catch(() => {});
    assert.match((await again).content[0].text, /42/);
  }));
});
