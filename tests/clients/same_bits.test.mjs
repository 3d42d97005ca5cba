// The same answers, bit by bit: alone, while 16 others are written, from the prefix cache, and when memory is so short
// that they have to wait for each other. Log-probabilities are compared as the numbers they are, which a single other bit would change.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startServer, until } from './server.mjs';

const kRequests = 20;
const kOthers = 16;

const requestOf = (i) => ({
  model: i % 4 === 3 ? 'deep' : 'fast',
  messages: [{ role: 'user', content: `${'Note that the sea is blue. '.repeat(1 + (7 * i) % 13)}Tell me about town ${i}.` }],
  max_tokens: 24 + i, ignore_eos: true, logprobs: true, top_logprobs: 5,
  temperature: i % 2 === 0 ? 0 : 1, seed: 100 + i, cache_salt: 'alone',
});

const post = (server, body, signal) => fetch(`${server.url}/v1/chat/completions`, {
  method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body), signal });

async function answerOf(server, body) {
  const response = await post(server, body);
  const answer = await response.json();
  assert.equal(response.status, 200, JSON.stringify(answer));
  const [choice] = answer.choices;
  assert.equal(choice.logprobs.content.length, body.max_tokens);
  return { said: JSON.stringify([choice.message.content, choice.finish_reason, choice.logprobs.content]),
    cached: answer.usage.prompt_tokens_details.cached_tokens };
}

// Streams of many lengths that go on until they are told to end; each is begun again when it is over.
async function withOthers(server, n, body) {
  const abort = new AbortController();
  const counts = new Array(n).fill(0);
  const one = async (i) => {
    for (let turn = 0; !abort.signal.aborted; ++turn) {
      const content = `${'Other words are here. '.repeat(5 + (31 * (i + turn)) % 97)}Go on.`;
      const response = await post(server, { model: i % 5 === 4 ? 'deep' : 'fast', messages: [{ role: 'user', content }], stream: true,
        max_tokens: 200, ignore_eos: true, temperature: 1, seed: i, cache_salt: `other ${i}` }, abort.signal);
      assert.equal(response.status, 200);
      for await (const chunk of response.body) counts[i] += chunk.length;
    }
  };
  const others = counts.map((_, i) => one(i).catch((error) => { if (!abort.signal.aborted) throw error; }));
  try {
    await Promise.race([until('all others have begun', () => counts.every((count) => count > 0)), Promise.all(others)]);
    await Promise.race([body(), Promise.all(others).then(() => assert.fail('the others are over'))]);
  } finally {
    abort.abort();
    await Promise.all(others);
  }
}

describe('same bits', () => {
  let server;
  const alone = [];
  before(async () => {
    server = await startServer({ flags: ['--engine-sequences', '32'] });
    for (let i = 0; i < kRequests; ++i) alone.push(await answerOf(server, requestOf(i)));
  });
  after(() => server.stop());
  const same = async (i, more) => {
    const again = await answerOf(server, { ...requestOf(i), ...more });
    assert.equal(again.said, alone[i].said, `request ${i}`);
    return again;
  };

  it('are given by different requests', () => {
    assert.equal(new Set(alone.map((answer) => answer.said)).size, kRequests);
  });

  it('come from the prefix cache', async () => {
    let cached = 0;
    for (let i = 0; i < kRequests; ++i) cached += (await same(i)).cached;
    assert.ok(cached > 0, 'something came from the cache');
  });

  it('come while 16 others are written', async () => {
    await withOthers(server, kOthers, async () => {
      for (let i = 0; i < kRequests; ++i) assert.equal((await same(i, { cache_salt: `loaded ${i}` })).cached, 0);
    });
  });

  it('come while 16 others are written, from the prefix cache', async () => {
    await withOthers(server, kOthers, async () => {
      for (let i = 0; i < kRequests; ++i) await same(i);
    });
  });

  it('come when all are asked at once', async () => {
    await Promise.all(alone.map((_, i) => same(i, { cache_salt: 'at once' })));
  });

  it('come as one of several choices', async () => {
    const request = { ...requestOf(1), n: 3, cache_salt: 'choices' };
    const { choices } = await (await post(server, request)).json();
    const [content, finish, logprobs] = JSON.parse(alone[1].said);
    assert.deepEqual([choices[0].message.content, choices[0].finish_reason, choices[0].logprobs.content], [content, finish, logprobs]);
    assert.notEqual(choices[1].message.content, content);
  });
});

describe('same bits with little memory', () => {
  const kLittle = ['--engine-memory-bytes', String(16 * 2 ** 20)];
  const roomy = async (requests, ask) => {
    const server = await startServer();
    try {
      return await Promise.all(requests.map((request) => ask(server, request)));
    } finally {
      await server.stop();
    }
  };

  it('come from requests that wait for it', async () => {
    const requests = Array.from({ length: 8 }, (_, i) => ({ ...requestOf(i), model: 'fast', max_tokens: 120 + i }));
    const said = async (server, request) => (await answerOf(server, request)).said;
    const alone = await roomy(requests, said);
    const tight = await startServer({ flags: kLittle });
    try {
      const answering = Promise.all(requests.map((request) => said(tight, request)));
      await Promise.race([answering, until('some wait', async () => (await tight.metric('kedge_sequences_waiting', 0)) > 0)]);
      (await answering).forEach((answer, i) => assert.equal(answer, alone[i], `request ${i}`));
    } finally {
      await tight.stop();
    }
  });

  // The choices of a request hold its prompt before they have the room to go on: others take it meanwhile, and its pages
  // wait in a file.
  it('come from requests that are paused and go on', async () => {
    const requests = Array.from({ length: 8 }, (_, i) => ({ ...requestOf(i), model: 'fast', max_tokens: 100 + i, n: 3 }));
    const said = async (server, request) => {
      const response = await post(server, request);
      const answer = await response.json();
      assert.equal(response.status, 200, JSON.stringify(answer));
      return answer.choices.map((choice) => JSON.stringify([choice.message.content, choice.logprobs.content]));
    };
    const alone = await roomy(requests, said);
    const tight = await startServer({ flags: [...kLittle, '--engine-sequences', '32'] });
    try {
      const answers = await Promise.all(requests.map((request) => said(tight, request)));
      answers.forEach((answer, i) => assert.deepEqual(answer, alone[i], `request ${i}`));
      assert.ok((await tight.metric('kedge_resumed_total', 0)) > 0, 'some went on');
    } finally {
      await tight.stop();
    }
  });
});
