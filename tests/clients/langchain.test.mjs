// The @langchain/openai package.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { AIMessage, HumanMessage, SystemMessage } from '@langchain/core/messages';
import { ContextOverflowError } from '@langchain/core/errors';
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai';
import { collect, rejection, startServer, until, withServer, words } from './server.mjs';

const chatOf = (server, more = {}) => new ChatOpenAI({
  model: 'fast', temperature: 0, maxRetries: 0, apiKey: 'none', ...more,
  configuration: { baseURL: `${server.url}/v1`, ...more.configuration } });
const question = [new SystemMessage('Answer briefly.'), new HumanMessage('What is 17 + 25?')];

describe('langchain', () => {
  let server;
  before(async () => { server = await startServer(); });
  after(() => server.stop());

  it('invokes', async () => {
    const message = await chatOf(server).invoke(question);
    assert.ok(AIMessage.isInstance(message));
    assert.match(message.text, /42/);
    assert.equal(message.response_metadata.finish_reason, 'stop');
    const { input_tokens, output_tokens, total_tokens } = message.usage_metadata;
    assert.equal(total_tokens, input_tokens + output_tokens);
  });

  it('streams, with usage', async () => {
    const whole = await chatOf(server).invoke(question);
    const chunks = await collect(await chatOf(server).stream(question));
    assert.equal(chunks.map((chunk) => chunk.text).join(''), whole.text);
    const sum = chunks.reduce((message, chunk) => message.concat(chunk));
    assert.deepEqual(
      [sum.usage_metadata.input_tokens, sum.usage_metadata.output_tokens, sum.usage_metadata.total_tokens],
      [whole.usage_metadata.input_tokens, whole.usage_metadata.output_tokens, whole.usage_metadata.total_tokens]);
    assert.equal(sum.response_metadata.finish_reason, 'stop');
  });

  it('gives log-probabilities', async () => {
    const message = await chatOf(server, { logprobs: true, topLogprobs: 2 }).invoke(question);
    const { content } = message.response_metadata.logprobs;
    assert.ok(content.length > 0 && content.every((token) => token.top_logprobs.length === 2));
  });

  it('batches, and goes on with a conversation', async () => {
    const model = chatOf(server);
    const sums = [[1, 2], [20, 22], [30, 31], [9, 8]];
    const ask = ([a, b]) => [new HumanMessage(`What is ${a} + ${b}?`)];
    const answers = await model.batch(sums.map(ask));
    answers.forEach((answer, i) => assert.match(answer.text, new RegExp(`\\b${sums[i][0] + sums[i][1]}\\b`)));
    const next = await model.invoke([...question, await model.invoke(question), new HumanMessage('What is 2 + 3?')]);
    assert.ok(next.text.length > 0);
  });

  it('uses the Responses API', async () => {
    const model = chatOf(server, { useResponsesApi: true });
    const message = await model.invoke(question);
    assert.match(message.text, /42/);
    const chunks = await collect(await model.stream(question));
    assert.equal(chunks.map((chunk) => chunk.text).join(''), message.text);
  });

  it('knows the errors', async () => {
    const long = await rejection(chatOf(server).invoke([new HumanMessage(words(9000))]));
    assert.ok(ContextOverflowError.isInstance(long), `${long}`);
    const streamed = await rejection((async () => collect(await chatOf(server).stream([new HumanMessage(words(9000))])))());
    assert.ok(ContextOverflowError.isInstance(streamed), `${streamed}`);
    const unknown = await rejection(chatOf(server, { model: 'gpt-4' }).invoke(question));
    assert.equal(unknown.lc_error_code, 'MODEL_NOT_FOUND');
    const image = new HumanMessage({ content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } }] });
    assert.match((await rejection(chatOf(server).invoke([image]))).message, /messages\[0\]\.content\[0\].*image_url/);
  });

  it('ends the work that is aborted', async () => {
    const abort = new AbortController();
    const model = chatOf(server, { maxTokens: 4000, modelKwargs: { ignore_eos: true } });
    const error = await rejection((async () => {
      for await (const chunk of await model.stream(question, { signal: abort.signal })) {
        if (chunk.text) abort.abort();
      }
    })());
    assert.match(`${error.name} ${error.message}`, /abort/i);
    await server.idle();
  });

  it('embeds', async () => {
    const model = new OpenAIEmbeddings({ model: 'fast', apiKey: 'none', maxRetries: 0, configuration: { baseURL: `${server.url}/v1` } });
    const [first, second] = await model.embedDocuments(['a town by the sea', 'seventeen']);
    assert.ok(first.length >= 64);
    assert.notDeepEqual(first, second);
    assert.deepEqual(await model.embedQuery('a town by the sea'), first);
  });
});

describe('langchain keys', () => {
  it('are refused with the code of the package', withServer({ keys: { ada: ['sk-ada', ['use']] } }, async (server) => {
    const error = await rejection(chatOf(server, { apiKey: 'sk-eve' }).invoke(question));
    assert.equal(error.lc_error_code, 'MODEL_AUTHENTICATION');
    assert.match((await chatOf(server, { apiKey: 'sk-ada' }).invoke(question)).text, /42/);
  }));
});

describe('langchain overload', () => {
  it('is tried again', withServer({ flags: ['--engine-sequences', '1', '--engine-waiting', '0'] }, async (server) => {
    const abort = new AbortController();
    const long = chatOf(server, { maxTokens: 4000, modelKwargs: { ignore_eos: true } });
    const stream = await long.stream(question, { signal: abort.signal });
    const first = (await stream[Symbol.asyncIterator]().next()).value;
    assert.ok(first);
    const refused = await rejection(chatOf(server).invoke(question));
    assert.equal(refused.lc_error_code, 'MODEL_RATE_LIMIT');
    const again = chatOf(server, { maxRetries: 6 }).invoke(question);
    await until('it was refused', () => server.requests('/v1/chat/completions').filter((line) => line.status === 429).length >= 2);
    abort.abort();
    assert.match((await again).text, /42/);
  }));
});
