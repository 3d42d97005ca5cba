// What only Kedge has, through the openai package: the model "auto", its records, indexes and conversations.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import OpenAI from 'openai';
import { collect, rejection, startServer } from './server.mjs';

const taught = [{ role: 'user', content: 'Which product is Birkenchester famous for?' }];
const sum = [{ role: 'user', content: 'What is 417 + 268?' }];

describe('kedge', () => {
  let server;
  let client;
  before(async () => {
    server = await startServer();
    client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
  });
  after(() => server.stop());
  const ask = (messages, more) => client.chat.completions.create({ model: 'auto', messages, ...more }).withResponse();

  it('answers as "auto", and says how', async () => {
    const { data, response } = await ask(taught);
    const { kedge } = data;
    assert.equal(kedge.outcome, 'answered', JSON.stringify(kedge));
    assert.ok(kedge.confidence >= kedge.threshold && kedge.confidence <= 1);
    assert.ok(['scout', 'sage'].includes(kedge.model));
    assert.deepEqual(kedge.path.slice(0, 2).map((step) => step.state), ['admit', 'preroute']);
    assert.ok(kedge.attempts.length >= 1);
    assert.equal(response.headers.get('x-kedge-model'), kedge.model);
    assert.equal(Number(response.headers.get('x-kedge-confidence')), kedge.confidence);
    assert.equal(response.headers.get('x-kedge-record'), kedge.record.id);
    assert.ok(data.choices[0].message.content.length > 0);
    assert.ok(data.usage.completion_tokens > 0);
    const worked = (await ask(sum)).data;
    assert.match(worked.choices[0].message.content, /685/);
    assert.equal(worked.kedge.model, null);
  });

  it('keeps a record of each answer, which can be read, replayed and verified', async () => {
    const { data } = await ask(taught);
    const { id } = data.kedge.record;
    const record = await client.get(`/kedge/records/${id}`);
    assert.equal(record.id, id);
    const replay = await client.post(`/kedge/records/${id}/replay`);
    assert.equal(replay.same, true, JSON.stringify(replay));
    assert.ok(replay.attempts.length >= 1);
    const verified = await client.get(`/kedge/records/${id}/verify`);
    assert.equal(verified.ok, true, JSON.stringify(verified));
    assert.deepEqual((await client.post('/kedge/records/verify')).problems, []);
    const list = JSON.stringify(await client.get('/kedge/records', { query: { limit: 5 } }));
    assert.ok(list.includes(id), list);
    const exported = await (await fetch(`${server.url}/v1/kedge/records/export`)).text();
    assert.ok(exported.trim().split('\n').map((line) => JSON.parse(line)).length >= 2);
    assert.ok(exported.includes(id));
    assert.equal((await rejection(client.get('/kedge/records/01a22ad9-0000-7000-8000-000000000000'))).status, 404);
  });

  it('streams the same with pings, its member with the last chunk', async () => {
    const whole = (await ask(taught)).data;
    const chunks = await collect(await client.chat.completions.create({ model: 'auto', messages: taught, stream: true }));
    assert.equal(chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? '').join(''), whole.choices[0].message.content);
    const last = chunks.findLast((chunk) => chunk.choices[0]?.finish_reason);
    assert.equal(last.kedge.outcome, 'answered');
    assert.ok(last.kedge.record.id);
    const helper = client.chat.completions.stream({ model: 'auto', messages: taught });
    assert.equal(await helper.finalContent(), whole.choices[0].message.content);
    const optimistic = client.chat.completions.stream({ model: 'auto', messages: taught, kedge: { stream_mode: 'optimistic' } });
    assert.ok((await optimistic.finalContent()).length > 0);
  });

  it('withholds what is not sure enough, and says so', async () => {
    const { data } = await ask(taught, { kedge: { min_confidence: 1 } });
    assert.equal(data.kedge.outcome, 'low_confidence', JSON.stringify(data.kedge));
    assert.equal(data.kedge.withheld, true);
    assert.match(data.choices[0].message.content, /might be wrong/);
  });

  it('answers from documents that come with the question', async () => {
    const evidence = [{ id: 'D-1', text: 'Judith Nymnor was born in Aldmouth. The employer of Judith Nymnor was Corvex Ltd.' },
      { id: 'D-2', text: 'The harbour of Aldmouth was built in 1712.' }];
    const messages = [{ role: 'user', content: 'Who was the employer of Judith Nymnor?' }];
    const { data } = await ask(messages, { kedge: { evidence } });
    assert.deepEqual(data.kedge.evidence.map((passage) => passage.id), ['D-1', 'D-2']);
    assert.ok(['answered', 'not_found', 'low_confidence'].includes(data.kedge.outcome));
  });

  it('keeps indexes and answers from them', async () => {
    const files = [{ name: 'people.md', text: '# People\n\nThe employer of Judith Nymnor was Corvex Ltd.\n' },
      { name: 'places.txt', base64: Buffer.from('The harbour of Aldmouth was built in 1712.\n').toString('base64') }];
    const made = await client.put('/kedge/indexes/town', { body: { files } });
    assert.equal(made.index, 'town');
    assert.equal(made.documents, 2);
    const found = await client.get('/kedge/indexes/town/search', { query: { q: 'employer of Judith Nymnor' } });
    assert.match(found.hits[0].text, /Corvex/);
    assert.match(JSON.stringify(await client.get('/kedge/indexes')), /town/);
    const { data } = await ask([{ role: 'user', content: 'Who was the employer of Judith Nymnor?' }], { kedge: { index: 'town' } });
    assert.match(JSON.stringify(data.kedge.evidence), /people\.md/);
    const none = await rejection(ask([{ role: 'user', content: 'Who?' }], { kedge: { index: 'nowhere' } }));
    assert.ok(none.status >= 400 && none.status < 500, `${none}`);
    const outside = await rejection(client.put('/kedge/indexes/..%2Fout', { body: { files } }));
    assert.ok(outside.status >= 400 && outside.status < 500, `${outside}`);
    await client.delete('/kedge/indexes/town');
    assert.doesNotMatch(JSON.stringify(await client.get('/kedge/indexes')), /town/);
  });

  it('keeps conversations with their records', async () => {
    const { data } = await ask(taught);
    const conversation = { title: 'Towns', updated: 1, messages: [{ role: 'assistant', kedge: data.kedge }] };
    await client.put('/kedge/conversations/c-1', { body: conversation });
    assert.deepEqual(await client.get('/kedge/conversations/c-1'), conversation);
    const { conversations } = await client.get('/kedge/conversations');
    assert.deepEqual(conversations.map(({ id, title }) => ({ id, title })), [{ id: 'c-1', title: 'Towns' }]);
    const exported = await client.get('/kedge/conversations/c-1/export');
    assert.deepEqual(exported.conversation, conversation);
    assert.equal(exported.records[0].id, data.kedge.record.id);
    await client.delete('/kedge/conversations/c-1');
    assert.equal((await rejection(client.get('/kedge/conversations/c-1'))).status, 404);
  });

  it('refuses what "auto" and models by name cannot do', async () => {
    const wrong = async (promise, param) => {
      const error = await rejection(promise);
      assert.ok(error instanceof OpenAI.BadRequestError, `${error}`);
      assert.equal(error.param, param);
    };
    await wrong(ask(sum, { n: 2 }), 'n');
    await wrong(ask(sum, { logprobs: true }), 'logprobs');
    await wrong(ask(sum, { stop: ['x'] }), 'stop');
    await wrong(ask(sum, { model: 'fast', kedge: { min_confidence: 0.5 } }), 'kedge');
    await wrong(client.completions.create({ model: 'auto', prompt: 'x' }), 'model');
  });

  it('says what the router is, and takes thresholds', async () => {
    const state = await client.get('/kedge/router');
    assert.match(JSON.stringify(state), /scout.*sage|sage.*scout/s);
    assert.equal((await fetch(`${server.url}/v1/kedge/arena`)).status, 200);
    const { engines } = await client.get('/kedge/arena');
    assert.ok(engines.length >= 1);
  });

  it('ends a request whose deadline passes', async () => {
    const error = await rejection(client.chat.completions.create({
      model: 'fast', messages: taught, max_tokens: 8000, ignore_eos: true, kedge: { deadline_ms: 1 } }));
    assert.equal(error.status, 504);
    assert.equal(error.code, 'deadline_exceeded');
    await server.idle();
  });

  it('sets memory budgets, and says what was lost', async () => {
    const text = Array.from({ length: 150 }, (_, i) => `Line ${i} of the log says nothing new.`).join(' ');
    const answer = await client.chat.completions.create({
      model: 'fast', messages: [{ role: 'user', content: text }], max_tokens: 8, temperature: 0,
      kedge: { kv: { policy: 'sinks', budget: 512 } } });
    assert.ok(answer.kedge.kv.hot <= 512 && answer.kedge.kv.evicted > 1000, JSON.stringify(answer.kedge.kv));
    assert.equal(answer.kedge.kv.gone, answer.kedge.kv.evicted);
  });

  it('has a page and metrics', async () => {
    const page = await fetch(`${server.url}/`);
    assert.equal(page.status, 200);
    assert.match(page.headers.get('content-type'), /text\/html/);
    assert.match(page.headers.get('content-security-policy'), /default-src 'none'/);
    assert.ok((await server.metric('kedge_generated_tokens_total')) > 0);
  });
});
