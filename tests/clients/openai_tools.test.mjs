// The openai package: tool calls, structured output and reasoning.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import OpenAI from 'openai';
import { collect, rejection } from './server.mjs';
import { isWeather, toolServer, weather } from './tool_model.mjs';

const messages = [{ role: 'user', content: 'How will the weather be?' }];
const tools = [{ type: 'function', function: { name: 'get_weather', description: 'Weather', strict: true, parameters: weather } },
  { type: 'function', function: { name: 'now' } }];
const named = { type: 'function', function: { name: 'get_weather' } };

describe('openai tools', () => {
  const held = toolServer();
  const client = () => new OpenAI({ baseURL: `${held.server.url}/v1`, apiKey: 'none', maxRetries: 0 });
  const chat = (more) => client().chat.completions.create({
    model: 'fast', messages, tools, tool_choice: named, temperature: 0, max_tokens: 100, ...more });

  it('calls the function that is named, with arguments that obey its schema', async () => {
    const [one] = (await chat({ parallel_tool_calls: false })).choices;
    assert.equal(one.finish_reason, 'tool_calls');
    assert.equal(one.message.tool_calls.length, 1);
    // The weights would call without end; the calls that there is room for are whole.
    const answer = await chat();
    const [choice] = answer.choices;
    assert.ok(choice.message.tool_calls.length >= 1);
    assert.equal(answer.kedge.unfinished, undefined);
    for (const call of choice.message.tool_calls) {
      assert.equal(call.type, 'function');
      assert.equal(call.function.name, 'get_weather');
      assert.ok(call.id);
      isWeather(JSON.parse(call.function.arguments));
    }
    const ids = choice.message.tool_calls.map((call) => call.id);
    assert.equal(new Set(ids).size, ids.length);
    assert.deepEqual(answer.kedge.ignored, []);
  });

  it('calls one function where calls may not be parallel', async () => {
    for (const seed of [1, 2, 3]) {
      const answer = await chat({ tool_choice: 'required', parallel_tool_calls: false, temperature: 1, seed });
      assert.equal(answer.choices[0].message.tool_calls.length, 1);
      assert.ok(['get_weather', 'now'].includes(answer.choices[0].message.tool_calls[0].function.name));
    }
  });

  it('streams what it calls at once', async () => {
    const request = { tool_choice: 'required', temperature: 1, seed: 5, logprobs: true };
    const whole = await chat(request);
    const chunks = await collect(await chat({ ...request, stream: true, stream_options: { include_usage: true } }));
    const calls = [];
    let tokens = 0;
    for (const chunk of chunks) {
      const choice = chunk.choices[0];
      tokens += choice?.logprobs?.content?.length ?? 0;
      for (const call of choice?.delta?.tool_calls ?? []) {
        if (calls.length === call.index) {
          assert.ok(call.id && call.type === 'function' && call.function.name, 'the first delta of a call has all of it');
          calls.push({ ...call, function: { ...call.function } });
        } else {
          assert.equal(call.index, calls.length - 1, 'calls come one after the other');
          calls[call.index].function.arguments += call.function.arguments;
        }
      }
    }
    const bare = (list) => list.map(({ function: { name, arguments: args } }) => [name, args]);
    assert.deepEqual(bare(calls), bare(whole.choices[0].message.tool_calls));
    assert.deepEqual(chunks.filter((c) => c.choices[0]?.finish_reason).map((c) => c.choices[0].finish_reason),
      [whole.choices[0].finish_reason]);
    assert.equal(tokens, whole.usage.completion_tokens, 'every token has its log-probability');
    assert.equal(chunks.at(-1).usage.completion_tokens, whole.usage.completion_tokens);
  });

  it("streams calls to the package's helper", async () => {
    const stream = client().chat.completions.stream({
      model: 'fast', messages, tools, tool_choice: named, parallel_tool_calls: false, temperature: 0, max_tokens: 200 });
    const done = [];
    stream.on('tool_calls.function.arguments.done', (event) => done.push(event));
    const final = await stream.finalChatCompletion();
    const [call] = final.choices[0].message.tool_calls;
    isWeather(JSON.parse(call.function.arguments));
    assert.equal(done.length, 1);
    assert.equal(done[0].arguments, call.function.arguments);
    assert.equal(final.choices[0].finish_reason, 'tool_calls');
  });

  it('goes on from calls and their results', async () => {
    const { choices: [{ message }] } = await chat({ parallel_tool_calls: false });
    const [call] = message.tool_calls;
    const history = [...messages, message, { role: 'tool', tool_call_id: call.id, content: 'rain' }];
    const answer = await chat({ messages: history, tool_choice: 'none', max_tokens: 8 });
    assert.equal(answer.choices[0].message.tool_calls, undefined);
    const free = await chat({ messages: history, tool_choice: 'auto', max_tokens: 8 });
    assert.ok(['stop', 'length', 'tool_calls'].includes(free.choices[0].finish_reason));
    const broken = structuredClone(history);
    broken[1].tool_calls[0].function.arguments = '{"city": ';
    const error = await rejection(chat({ messages: broken }));
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.param, 'messages[1].tool_calls[0].function.arguments');
  });

  it('refuses a schema that it cannot keep to, before the stream', async () => {
    const wrong = structuredClone(tools);
    wrong[0].function.parameters.properties.city = { type: 'string', unheardOf: true, $dynamicRef: '#x' };
    for (const stream of [false, true]) {
      const error = await rejection(chat({ tools: wrong, stream }));
      assert.ok(error instanceof OpenAI.BadRequestError, `${error}`);
      assert.equal(error.param, 'tools[0].function.parameters');
      assert.match(error.message, /\/tools\/0\/function\/parameters\/properties\/city/);
    }
  });

  it('calls through the router, with a record', async () => {
    const answer = await chat({ model: 'auto', tool_choice: 'required' });
    const [choice] = answer.choices;
    assert.equal(choice.finish_reason, 'tool_calls');
    assert.equal(answer.kedge.outcome, 'answered');
    assert.ok(answer.kedge.record.id);
    for (const call of choice.message.tool_calls) {
      if (call.function.name === 'get_weather') isWeather(JSON.parse(call.function.arguments));
    }
    const checks = answer.kedge.attempts.at(-1).checks.filter((check) => check.name === 'tool_call');
    assert.deepEqual(checks.map((check) => check.verdict), ['pass']);
    const format = { type: 'json_schema', json_schema: { name: 'weather', schema: weather } };
    const object = await chat({ model: 'auto', tools: undefined, tool_choice: undefined, response_format: format });
    const { content, refusal } = object.choices[0].message;
    if (object.kedge.outcome === 'answered') isWeather(JSON.parse(content));
    else assert.ok(content === null && refusal.length > 0, 'words are no answer of that form');
  });

  it('refuses a limit that no call fits in', async () => {
    for (const stream of [false, true]) {
      const error = await rejection(chat({ max_tokens: 2, stream }));
      assert.ok(error instanceof OpenAI.BadRequestError, `${error}`);
      assert.equal(error.code, 'does_not_fit');
      assert.match(error.message, /takes \d+ more tokens to its end, and 2 are left/);
    }
  });
});

describe('openai structured output', () => {
  const held = toolServer();
  const client = () => new OpenAI({ baseURL: `${held.server.url}/v1`, apiKey: 'none', maxRetries: 0 });
  const chat = (more) => client().chat.completions.create({
    model: 'fast', messages, temperature: 1, seed: 1, max_tokens: 200, ...more });
  const content = async (more) => (await chat(more)).choices[0].message.content;
  const response_format = { type: 'json_schema', json_schema: { name: 'weather', strict: true, schema: weather } };

  it('obeys a schema, whole and streamed', async () => {
    for (const seed of [1, 2, 3]) {
      const text = await content({ response_format, seed });
      isWeather(JSON.parse(text));
      const chunks = await collect(await chat({ response_format, seed, stream: true }));
      assert.equal(chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? '').join(''), text);
    }
    isWeather(JSON.parse(await content({ response_format: { type: 'json_schema', schema: weather } })));
    const parsed = await client().chat.completions.parse({ model: 'fast', messages, max_tokens: 200, response_format });
    isWeather(JSON.parse(parsed.choices[0].message.content));
  });

  it('is any object where no schema is given', async () => {
    const value = JSON.parse(await content({ response_format: { type: 'json_object' } }));
    assert.equal(Object.prototype.toString.call(value), '[object Object]');
  });

  it('obeys grammars, expressions and choices', async () => {
    assert.match(await content({ grammar: 'root ::= "<" [a-c]+ ">"', max_tokens: 40 }), /^<[abc]+>$/);
    assert.match(await content({ guided_regex: '[0-9]{3}-[0-9]{4}' }), /^\d{3}-\d{4}$/);
    assert.ok(['yes', 'no'].includes(await content({ structured_outputs: { choice: ['yes', 'no'] } })));
    isWeather(JSON.parse(await content({ json_schema: weather })));
    const text = await client().completions.create({ model: 'fast', prompt: 'A number: ', max_tokens: 20, guided_regex: '[0-9]{4}' });
    assert.match(text.choices[0].text, /^\d{4}$/);
  });

  it('is of the Responses API too', async () => {
    const text = { format: { type: 'json_schema', name: 'weather', schema: weather, strict: true } };
    const response = await client().responses.create({ model: 'fast', input: 'x', text, max_output_tokens: 200 });
    isWeather(JSON.parse(response.output_text));
    assert.deepEqual(response.text.format.schema, weather);
  });

  it('calls functions in the Responses API', async () => {
    const request = { model: 'fast', input: 'x', max_output_tokens: 200, temperature: 0, parallel_tool_calls: false,
      tools: [{ type: 'web_search' }, { type: 'function', name: 'get_weather', parameters: weather, strict: true }],
      tool_choice: { type: 'function', name: 'get_weather' } };
    const response = await client().responses.create(request);
    const [call] = response.output.filter((item) => item.type === 'function_call');
    assert.equal(call.name, 'get_weather');
    isWeather(JSON.parse(call.arguments));
    assert.deepEqual(response.kedge.ignored, ['tools[0] (web_search)']);
    const stream = client().responses.stream(request);
    let streamed = '';
    stream.on('response.function_call_arguments.delta', (event) => { streamed += event.delta; });
    const final = await stream.finalResponse();
    assert.equal(streamed, call.arguments);
    assert.equal(final.output.find((item) => item.type === 'function_call').arguments, call.arguments);
    const after = await client().responses.create({ ...request, tool_choice: 'none', max_output_tokens: 8,
      input: [{ role: 'user', content: 'x' }, call, { type: 'function_call_output', call_id: call.call_id, output: 'rain' }] });
    assert.ok(after.output.every((item) => item.type === 'message'));
  });
});

describe('openai reasoning', () => {
  const held = toolServer({ thinks: true });
  const chat = (more) => new OpenAI({ baseURL: `${held.server.url}/v1`, apiKey: 'none', maxRetries: 0 })
    .chat.completions.create({ model: 'fast', messages, temperature: 0, max_tokens: 40, ignore_eos: true,
      chat_template_kwargs: { enable_thinking: true }, ...more });

  it('stands apart, and is counted', async () => {
    const answer = await chat({ reasoning_budget_tokens: 8 });
    const [{ message }] = answer.choices;
    assert.ok(message.reasoning_content.length > 0);
    assert.ok(message.content.length > 0);
    const { reasoning_tokens } = answer.usage.completion_tokens_details;
    assert.ok(reasoning_tokens > 0 && reasoning_tokens <= 12, `${reasoning_tokens}`);
    assert.equal(answer.kedge.warnings, undefined);
    const chunks = await collect(await chat({ reasoning_budget_tokens: 8, stream: true }));
    const joined = (key) => chunks.map((chunk) => chunk.choices[0]?.delta?.[key] ?? '').join('');
    assert.equal(joined('reasoning_content'), message.reasoning_content);
    assert.equal(joined('content'), message.content);
  });

  it('is reported where it used all tokens', async () => {
    const answer = await chat({ max_tokens: 6 });
    assert.equal(answer.choices[0].finish_reason, 'length');
    assert.equal(answer.choices[0].message.content, '');
    assert.deepEqual(answer.kedge.warnings.map((warning) => warning.code), ['reasoning_used_max_tokens']);
  });

  it('stays in the text where it is asked to', async () => {
    const apart = await chat({ reasoning_budget_tokens: 8 });
    const within = await chat({ reasoning_budget_tokens: 8, reasoning_format: 'none' });
    assert.equal(within.choices[0].message.reasoning_content, undefined);
    assert.ok(within.choices[0].message.content.includes(apart.choices[0].message.reasoning_content.trim()));
  });

  it('comes before an answer that obeys a schema', async () => {
    const answer = await chat({ max_tokens: 200, reasoning_budget_tokens: 8, ignore_eos: false,
      response_format: { type: 'json_schema', json_schema: { name: 'w', schema: weather } } });
    assert.ok(answer.choices[0].message.reasoning_content.length > 0);
    isWeather(JSON.parse(answer.choices[0].message.content));
  });
});
