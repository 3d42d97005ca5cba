// The openai package: every error the server gives is the class its users catch, and what may be tried again is.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import OpenAI from 'openai';
import { collect, rejection, startServer, until, withServer, words } from './server.mjs';

const messages = [{ role: 'user', content: 'What is 17 + 25?' }];
const long = { model: 'fast', messages, max_tokens: 4000, ignore_eos: true, stream: true };
const clientOf = (server, more) => new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0, ...more });

describe('openai errors', () => {
  let server;
  let client;
  before(async () => {
    server = await startServer();
    client = clientOf(server, { maxRetries: 2 }); // what would fail again is not tried again all the same
  });
  after(() => server.stop());

  const refused = async (request) => {
    const from = await server.mark();
    const error = await rejection(client.chat.completions.create({ model: 'fast', messages, ...request }));
    assert.ok(error instanceof OpenAI.APIError, `${error}`);
    const to = await server.mark();
    assert.equal(server.log.slice(from, to).filter((line) => line.path === '/v1/chat/completions').length, 1, 'one try');
    assert.equal(error.headers.get('x-should-retry'), 'false');
    return error;
  };
  const wrong = async (request, param, text) => {
    const error = await refused(request);
    assert.ok(error instanceof OpenAI.BadRequestError, `${error}`);
    assert.equal(error.param, param);
    assert.equal(error.type, 'invalid_request_error');
    assert.match(error.code, /^[a-z_]+$/);
    assert.match(error.message, text);
  };

  it('names an unknown model', async () => {
    const error = await refused({ model: 'gpt-4o' });
    assert.ok(error instanceof OpenAI.NotFoundError);
    assert.equal(error.code, 'model_not_found');
    assert.equal(error.param, 'model');
    assert.match(error.message, /gpt-4o.*auto.*scout/);
  });

  it('names the member that is wrong', async () => {
    await wrong({ temperature: 'hot' }, 'temperature', /temperature.*hot.*number/);
    await wrong({ temperature: -1 }, 'temperature', /temperature/);
    await wrong({ n: 0 }, 'n', /n/);
    await wrong({ n: 1000 }, 'n', /n/);
    await wrong({ top_logprobs: 3 }, 'top_logprobs', /logprobs/);
    await wrong({ logprobs: true, top_logprobs: 21 }, 'top_logprobs', /20/);
    await wrong({ stop: [''] }, 'stop', /empty/);
    await wrong({ stop: 'x'.repeat(5000) }, 'stop', /5000/);
    await wrong({ logit_bias: { x: 1 } }, 'logit_bias', /no token id/);
    await wrong({ logit_bias: { 999999: 1 } }, 'logit_bias', /999999.*vocabulary has \d+/);
    await wrong({ messages: [] }, 'messages', /empty/);
    await wrong({ messages: undefined }, 'messages', /missing/);
    await wrong({ messages: [{ content: 'x' }] }, 'messages[0].role', /role/);
    await wrong({ messages: [...messages, { role: 'robot', content: 'x' }] }, 'messages[1].role', /robot.*assistant/);
    await wrong({ messages: [{ role: 'user', content: 7 }] }, 'messages[0].content', /content/);
    await wrong({ kedge: { min_confidence: 2 } }, 'kedge.min_confidence', /min_confidence/);
    await wrong({ kedge: { wish: 1 } }, 'kedge.wish', /wish/);
  });

  it('names the part that it cannot take', async () => {
    const image = [{ type: 'text', text: 'see' }, { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } }];
    await wrong({ messages: [...messages, { role: 'user', content: image }] }, 'messages[1].content[1]', /image_url/);
    await wrong({ messages: [{ role: 'user', content: [{ type: 'input_audio', input_audio: { data: '', format: 'wav' } }] }] },
      'messages[0].content[0]', /input_audio/);
    const calls = [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{"a":' } }];
    await wrong({ messages: [...messages, { role: 'assistant', content: null, tool_calls: calls }] },
      'messages[1].tool_calls[0].function.arguments', /JSON/);
  });

  it('refuses what it cannot keep to, and takes what asks for nothing', async () => {
    const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } }];
    await wrong({ tools }, 'tools', /template writes calls in no known form/); // scout's does not
    await wrong({ tool_choice: 'required' }, 'tool_choice', /no tools/);
    await wrong({ functions: [{ name: 'f' }] }, 'functions', /tools/);
    await wrong({ response_format: { type: 'yaml' } }, 'response_format.type', /yaml.*json_schema/);
    await wrong({ response_format: { type: 'json_schema', json_schema: { name: 'n' } } },
      'response_format.json_schema.schema', /missing/);
    const schema = { type: 'object', properties: { a: { type: 'string', contentEncoding: 'base64' } }, unheardOf: 1 };
    await wrong({ response_format: { type: 'json_schema', json_schema: { name: 'n', schema } } },
      'response_format.json_schema.schema', /response_format\/json_schema\/schema/);
    await wrong({ grammar: 'root ::= (' }, 'grammar', /grammar|root|line/);
    await wrong({ grammar: 'root ::= "a"', json_schema: {} }, 'json_schema', /both/);
    await wrong({ tool_choice: 'required' }, 'tool_choice', /tool_choice/);
    const answer = await client.chat.completions.create({ model: 'fast', messages, tools: [], tool_choice: 'none',
      response_format: { type: 'text' }, parallel_tool_calls: false, store: false, metadata: { a: 'b' } });
    assert.deepEqual(answer.kedge.ignored, []);
  });

  it('lists unknown members, or refuses them in strict mode', async () => {
    const strange = { verbosity_level: 3, stream_options: { wish: 1 } };
    const answer = await client.chat.completions.create({ model: 'fast', messages, ...strange });
    assert.deepEqual(answer.kedge.ignored.toSorted(), ['stream_options.wish', 'verbosity_level']);
    const error = await refused({ verbosity_level: 3, kedge: { strict: true } });
    assert.equal(error.param, 'verbosity_level');
  });

  it('says how long a prompt is and how long it may be', async () => {
    const error = await refused({ messages: [{ role: 'user', content: words(9000) }] });
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.code, 'context_length_exceeded');
    assert.equal(error.type, 'exceed_context_size_error');
    assert.match(error.message, /maximum context length is 8192 tokens/);
    assert.equal(error.error.n_ctx, 8192);
    assert.ok(error.error.n_prompt_tokens > 9000);
    assert.match(error.message, new RegExp(String(error.error.n_prompt_tokens)));
    const streamed = await refused({ messages: [{ role: 'user', content: words(9000) }], stream: true });
    assert.equal(streamed.status, 400, 'before the stream begins');
  });

  it('answers unknown routes and methods', async () => {
    const error = await rejection(client.get('/fine_tuning'));
    assert.ok(error instanceof OpenAI.NotFoundError);
    assert.equal((await rejection(client.delete('/chat/completions'))).status, 405);
    const none = await rejection(client.responses.retrieve('resp_1'));
    assert.equal(none.status, 404);
  });
});

describe('openai keys', () => {
  const options = { keys: { ada: ['sk-ada', ['use']], bob: ['sk-bob', ['admin']] } };
  it('are needed where there are some', withServer(options, async (server) => {
    const right = await clientOf(server, { apiKey: 'sk-ada' }).chat.completions.create({ model: 'fast', messages });
    assert.match(right.choices[0].message.content, /42/);
    const error = await rejection(clientOf(server, { apiKey: 'sk-eve', maxRetries: 2 }).chat.completions.create({ model: 'fast', messages }));
    assert.ok(error instanceof OpenAI.AuthenticationError);
    assert.equal(error.type, 'authentication_error');
    assert.doesNotMatch(error.message, /sk-eve/);
    const poor = await rejection(clientOf(server, { apiKey: 'sk-ada' }).post('/kedge/models/fast:swap', { body: {} }));
    assert.ok(poor instanceof OpenAI.PermissionDeniedError);
    assert.equal((await fetch(`${server.url}/livez`)).status, 200);
    assert.equal((await fetch(`${server.url}/metrics`)).status, 401);
    assert.ok(!JSON.stringify(server.log).includes('sk-ada'), 'no key in the log');
    server.auth = { authorization: 'Bearer sk-bob' };
    await server.idle();
  }));
});

describe('openai overload', () => {
  const options = { flags: ['--engine-sequences', '1', '--engine-waiting', '1'] };
  const fill = async (server) => {
    const client = clientOf(server);
    const streams = [await client.chat.completions.create(long)];
    const first = collect(streams[0]);
    const waiting = client.chat.completions.create(long); // its headers come when it has its turn
    await until('both places are taken', async () => (await server.inFlight()) === 2);
    return async () => {
      streams[0].controller.abort();
      await first.catch(() => {});
      (await waiting).controller.abort();
    };
  };

  it('is a RateLimitError at once, with a time to wait', withServer(options, async (server) => {
    const release = await fill(server);
    const error = await rejection(clientOf(server).chat.completions.create({ model: 'fast', messages }));
    assert.ok(error instanceof OpenAI.RateLimitError);
    assert.equal(error.code, 'queue_full');
    assert.ok(Number(error.headers.get('retry-after')) >= 1);
    assert.ok(Number(error.headers.get('retry-after-ms')) >= 100);
    assert.equal(error.headers.get('x-should-retry'), null);
    await release();
    await server.idle();
  }));

  it('passes when the package tries again', withServer(options, async (server) => {
    const release = await fill(server);
    const answer = clientOf(server, { maxRetries: 5 }).chat.completions.create({ model: 'fast', messages });
    await until('it was refused', () => server.requests('/v1/chat/completions').some((line) => line.status === 429));
    await release();
    assert.match((await answer).choices[0].message.content, /42/);
  }));
});

describe('openai and the end of the server', () => {
  it('lets streams that run come to their end', withServer({}, async (server) => {
    const request = { model: 'fast', messages, max_tokens: 400, ignore_eos: true, seed: 3, temperature: 1 };
    const client = clientOf(server);
    const whole = await client.chat.completions.create(request);
    const stream = await client.chat.completions.create({ ...request, stream: true });
    let text = '';
    let finish = null;
    let told = false;
    for await (const chunk of stream) {
      if (!told) {
        told = true;
        server.child.kill('SIGTERM');
        await server.logged('"draining"', (line) => line.event === 'draining');
      }
      text += chunk.choices[0].delta.content ?? '';
      finish = chunk.choices[0].finish_reason ?? finish;
    }
    assert.equal(text, whole.choices[0].message.content);
    assert.equal(finish, 'length');
    assert.deepEqual(await server.exit, { code: 0, signal: null });
    const error = await rejection(client.chat.completions.create({ model: 'fast', messages }));
    assert.ok(error instanceof OpenAI.APIConnectionError);
  }));

  it('ends what takes longer than the grace with an error', withServer({ flags: ['--drain-grace-ms', '50'] }, async (server) => {
    const stream = await clientOf(server).chat.completions.create(long);
    const error = await rejection((async () => {
      let first = true;
      for await (const chunk of stream) {
        if (first && chunk.choices[0].delta.content) {
          first = false;
          server.child.kill('SIGTERM');
        }
      }
    })());
    assert.ok(error instanceof OpenAI.APIError, `${error}`);
    assert.equal(error.code, 'draining');
  }));
});
