// The openai package: the Responses API, whole and as the full set of events; embeddings.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import OpenAI from 'openai';
import { collect, rejection, startServer } from './server.mjs';

describe('openai responses', () => {
  let server;
  let client;
  before(async () => {
    server = await startServer();
    client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
  });
  after(() => server.stop());
  const request = { model: 'fast', input: 'What is 17 + 25?', temperature: 0 };

  it('answers', async () => {
    const response = await client.responses.create({ ...request, instructions: 'Answer briefly.', metadata: { a: 'b' } });
    assert.equal(response.object, 'response');
    assert.match(response.id, /^resp_/);
    assert.equal(response.status, 'completed');
    assert.match(response.output_text, /42/);
    assert.equal(response.instructions, 'Answer briefly.');
    assert.deepEqual(response.metadata, { a: 'b' });
    assert.equal(response.temperature, 0);
    const { usage } = response;
    assert.equal(usage.total_tokens, usage.input_tokens + usage.output_tokens);
    assert.equal(usage.output_tokens_details.reasoning_tokens, 0);
    assert.ok(usage.input_tokens_details.cached_tokens >= 0);
    assert.equal(response.kedge.model, 'scout');
  });

  it('takes items: messages, calls and their results', async () => {
    const input = [
      { role: 'system', content: 'Answer briefly.' },
      { role: 'user', content: [{ type: 'input_text', text: 'What is 17 + 25?' }] },
      { type: 'message', id: 'msg_1', role: 'assistant', status: 'completed',
        content: [{ type: 'output_text', text: '42', annotations: [] }] },
      { type: 'reasoning', id: 'rs_1', summary: [] },
      { type: 'function_call', call_id: 'c1', name: 'add', arguments: '{"a": 1, "b": 2}' },
      { type: 'function_call_output', call_id: 'c1', output: '3' },
      { role: 'user', content: 'What is 20 + 22?' }];
    const response = await client.responses.create({ ...request, input });
    assert.equal(response.status, 'completed');
    assert.deepEqual(response.kedge.ignored, []);
  });

  it('streams every event in its order', async () => {
    const events = await collect(await client.responses.create({ ...request, stream: true, top_logprobs: 2 }));
    assert.deepEqual(events.map((event) => event.sequence_number), events.map((_, i) => i));
    const types = events.map((event) => event.type);
    const once = types.filter((type, i) => type !== types[i - 1]);
    assert.deepEqual(once, ['response.created', 'response.in_progress', 'response.output_item.added',
      'response.content_part.added', 'response.output_text.delta', 'response.output_text.done',
      'response.content_part.done', 'response.output_item.done', 'response.completed']);
    const text = events.filter((e) => e.type === 'response.output_text.delta').map((e) => e.delta).join('');
    const { response } = events.at(-1);
    assert.equal(response.output[0].content[0].text, text);
    assert.match(text, /42/);
    const item = events.find((e) => e.type === 'response.output_item.added').item.id;
    assert.ok(events.filter((e) => 'item_id' in e).every((e) => e.item_id === item && e.content_index === 0));
    assert.ok(events.filter((e) => 'output_index' in e).every((e) => e.output_index === 0));
    const logprobs = events.flatMap((e) => (e.type === 'response.output_text.delta' ? e.logprobs : []));
    assert.ok(logprobs.length > 0 && logprobs.every((token) => token.top_logprobs.length === 2));
    assert.deepEqual(response.output[0].content[0].logprobs, logprobs);
  });

  it("streams to the package's helper", async () => {
    const stream = client.responses.stream(request);
    let text = '';
    stream.on('response.output_text.delta', (event) => { text += event.delta; });
    const response = await stream.finalResponse();
    assert.equal(response.output_text, text);
    assert.match(text, /42/);
    assert.equal(response.status, 'completed');
    assert.equal((await client.responses.create(request)).output_text, text);
  });

  it('says that a response was cut', async () => {
    const cut = { ...request, max_output_tokens: 3, ignore_eos: true };
    const response = await client.responses.create(cut);
    assert.equal(response.status, 'incomplete');
    assert.deepEqual(response.incomplete_details, { reason: 'max_output_tokens' });
    assert.equal(response.usage.output_tokens, 3);
    const events = await collect(await client.responses.create({ ...cut, stream: true }));
    assert.equal(events.at(-1).type, 'response.incomplete');
    assert.equal((await client.responses.stream(cut).finalResponse()).status, 'incomplete');
  });

  it('refuses what needs a store, and parts that it cannot take', async () => {
    const wrong = async (more, param) => {
      const error = await rejection(client.responses.create({ ...request, ...more }));
      assert.ok(error instanceof OpenAI.BadRequestError, `${error}`);
      assert.equal(error.param, param);
    };
    await wrong({ previous_response_id: 'resp_1' }, 'previous_response_id');
    await wrong({ background: true }, 'background');
    await wrong({ truncation: 'auto' }, 'truncation');
    await wrong({ text: { format: { type: 'yaml' } } }, 'text.format.type');
    await wrong({ input: undefined }, 'input');
    await wrong({ input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'data:,' }] }] }, 'input[0].content[0]');
    await wrong({ tools: [{ type: 'function', name: 'f', parameters: {} }] }, 'tools');
  });

  it('counts the tokens of an input', async () => {
    const { input_tokens: counted } = await client.responses.inputTokens.count({ model: 'fast', input: request.input });
    assert.equal(counted, (await client.responses.create(request)).usage.input_tokens);
  });

  it('ends the work of a stream that is left', async () => {
    const stream = await client.responses.create({ ...request, max_output_tokens: 4000, ignore_eos: true, stream: true });
    for await (const event of stream) {
      if (event.type === 'response.output_text.delta') break;
    }
    await server.idle();
  });

  it('embeds, as base64 (what the package asks for unasked) and as numbers', async () => {
    const input = ['a town by the sea', 'a town by the sea', 'seventeen'];
    const packed = await client.embeddings.create({ model: 'fast', input });
    const plain = await client.embeddings.create({ model: 'fast', input, encoding_format: 'float' });
    assert.deepEqual(packed.data.map((item) => item.index), [0, 1, 2]);
    const [first, second, third] = plain.data.map((item) => item.embedding);
    assert.ok(first.length >= 64);
    assert.deepEqual(first, second);
    assert.notDeepEqual(first, third);
    const norm = Math.sqrt(first.reduce((sum, x) => sum + x * x, 0));
    assert.ok(Math.abs(norm - 1) < 1e-3, `${norm}`);
    packed.data.forEach((item, i) => assert.deepEqual(item.embedding.map(Math.fround), plain.data[i].embedding.map(Math.fround)));
    assert.ok(plain.usage.prompt_tokens > 0);
    const error = await rejection(client.embeddings.create({ model: 'fast', input: [] }));
    assert.ok(error instanceof OpenAI.BadRequestError);
  });
});
