// Tool calls and structured output by @anthropic-ai/sdk, ai, @langchain/openai and ollama.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import Anthropic from '@anthropic-ai/sdk';
import { HumanMessage, ToolMessage } from '@langchain/core/messages';
import { ChatOpenAI } from '@langchain/openai';
import { Output, generateText, jsonSchema, streamText, tool } from 'ai';
import { Ollama } from 'ollama';
import { collect, rejection } from './server.mjs';
import { isWeather, toolServer, weather } from './tool_model.mjs';

describe('anthropic tools', () => {
  const held = toolServer();
  const client = () => new Anthropic({ baseURL: held.server.url, apiKey: 'none', maxRetries: 0 });
  const messages = [{ role: 'user', content: 'How will the weather be?' }];
  const request = { model: 'fast', messages, max_tokens: 200, temperature: 0,
    tools: [{ name: 'get_weather', description: 'Weather', input_schema: weather }],
    tool_choice: { type: 'tool', name: 'get_weather', disable_parallel_tool_use: true } };

  it('come as blocks', async () => {
    const message = await client().messages.create(request);
    assert.equal(message.stop_reason, 'tool_use');
    const [block] = message.content.filter((b) => b.type === 'tool_use');
    assert.equal(block.name, 'get_weather');
    isWeather(block.input);
    const history = [...messages, { role: 'assistant', content: message.content },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: block.id, content: 'rain' }] }];
    const after = await client().messages.create({ ...request, messages: history, tool_choice: { type: 'none' }, max_tokens: 8 });
    assert.ok(after.content.every((b) => b.type === 'text'));
  });

  it('stream as the whole answer has them', async () => {
    const whole = await client().messages.create(request);
    const stream = client().messages.stream(request);
    let json = '';
    stream.on('inputJson', (delta) => { json += delta; });
    const final = await stream.finalMessage();
    const input = (message) => message.content.find((b) => b.type === 'tool_use').input;
    assert.deepEqual(input(final), input(whole));
    assert.deepEqual(JSON.parse(json), input(whole));
    assert.equal(final.stop_reason, 'tool_use');
  });

  it('are refused by name', async () => {
    const error = await rejection(client().messages.create({ ...request, tool_choice: { type: 'tool', name: 'gone' } }));
    assert.ok(error instanceof Anthropic.BadRequestError);
    assert.match(error.message, /gone/);
  });
});

describe('anthropic thinking', () => {
  const held = toolServer({ thinks: true });

  it('is a block of its own', async () => {
    const client = new Anthropic({ baseURL: held.server.url, apiKey: 'none', maxRetries: 0 });
    const request = { model: 'fast', messages: [{ role: 'user', content: 'How will the weather be?' }], max_tokens: 40,
      temperature: 0, ignore_eos: true, thinking: { type: 'enabled', budget_tokens: 8 } };
    const message = await client.messages.create(request);
    assert.deepEqual(message.content.map((b) => b.type), ['thinking', 'text']);
    assert.deepEqual((await client.messages.stream(request).finalMessage()).content, message.content);
  });
});

describe('ai tools', () => {
  const held = toolServer();
  const provider = () => createOpenAICompatible({ name: 'kedge', baseURL: `${held.server.url}/v1`, supportsStructuredOutputs: true });
  const request = () => ({ model: provider()('fast'), prompt: 'How will the weather be?', temperature: 0, maxOutputTokens: 100,
    maxRetries: 0 });
  const tools = { get_weather: tool({ description: 'Weather', inputSchema: jsonSchema(weather) }) };
  const toolChoice = { type: 'tool', toolName: 'get_weather' };

  it('are called, whole and streamed', async () => {
    // What the package has no word for goes to the body as it is.
    const providerOptions = { kedge: { parallel_tool_calls: false } };
    const result = await generateText({ ...request(), tools, toolChoice, providerOptions });
    assert.equal(result.finishReason, 'tool-calls');
    assert.equal(result.toolCalls.length, 1);
    for (const call of result.toolCalls) {
      assert.equal(call.toolName, 'get_weather');
      isWeather(call.input);
    }
    const parts = await collect(streamText({ ...request(), tools, toolChoice, providerOptions }).fullStream);
    assert.deepEqual(parts.filter((part) => part.type === 'error'), []);
    const calls = parts.filter((part) => part.type === 'tool-call');
    assert.deepEqual(calls.map((call) => call.input), result.toolCalls.map((call) => call.input));
  });

  it('give objects', async () => {
    const { output } = await generateText({ ...request(), output: Output.object({ schema: jsonSchema(weather) }) });
    isWeather(output);
  });
});

describe('langchain tools', () => {
  const held = toolServer();
  const chat = () => new ChatOpenAI({ model: 'fast', temperature: 0, maxTokens: 200, maxRetries: 0, apiKey: 'none',
    configuration: { baseURL: `${held.server.url}/v1` } });
  const definition = { type: 'function', function: { name: 'get_weather', description: 'Weather', parameters: weather } };

  it('are called, whole and streamed, and answered', async () => {
    const caller = chat().bindTools([definition], { tool_choice: 'get_weather', parallel_tool_calls: false });
    const question = new HumanMessage('How will the weather be?');
    const message = await caller.invoke([question]);
    const [call] = message.tool_calls;
    assert.equal(call.name, 'get_weather');
    isWeather(call.args);
    assert.deepEqual(message.invalid_tool_calls, []);
    const chunks = await collect(await caller.stream([question]));
    const sum = chunks.reduce((all, chunk) => all.concat(chunk));
    assert.deepEqual(sum.tool_calls[0].args, call.args);
    const result = new ToolMessage({ content: 'rain', tool_call_id: call.id });
    const after = await chat().invoke([question, message, result], { tools: [definition], tool_choice: 'none' });
    assert.equal(after.tool_calls.length, 0);
  });

  it('give objects', async () => {
    const asked = chat().withStructuredOutput(weather, { name: 'weather', method: 'jsonSchema', strict: true });
    isWeather(await asked.invoke('How will the weather be?'));
  });
});

describe('ollama tools', () => {
  const held = toolServer();
  const client = () => new Ollama({ host: held.server.url });
  const messages = [{ role: 'user', content: 'How will the weather be?' }];
  const options = { temperature: 0, num_predict: 100 };
  const tools = [{ type: 'function', function: { name: 'get_weather', description: 'Weather', parameters: weather } }];

  it('are called, whole and streamed', async () => {
    assert.ok((await client().show({ model: 'fast' })).capabilities.includes('tools'));
    const request = { model: 'fast', messages, options, tools, tool_choice: 'required' };
    // The package knows no tool_choice: the answer may be prose, and has to be the same both ways.
    const whole = await client().chat(request);
    const parts = await collect(await client().chat({ ...request, stream: true }));
    assert.equal(parts.map((part) => part.message.content).join(''), whole.message.content);
    assert.deepEqual(parts.flatMap((part) => part.message.tool_calls ?? []).map((call) => call.function),
      (whole.message.tool_calls ?? []).map((call) => call.function));
    for (const call of whole.message.tool_calls ?? []) isWeather(call.function.arguments);
  });

  it('goes on from calls and their results', async () => {
    const history = [...messages,
      { role: 'assistant', content: '', tool_calls: [{ function: { name: 'get_weather', arguments: { city: 'Oslo', days: 1 } } }] },
      { role: 'tool', tool_name: 'get_weather', content: 'rain' }];
    const answer = await client().chat({ model: 'fast', messages: history, options: { ...options, num_predict: 8 }, tools });
    assert.equal(answer.done, true);
  });

  it('give objects', async () => {
    const json = await client().chat({ model: 'fast', messages, options, format: weather });
    isWeather(JSON.parse(json.message.content));
    const generated = await client().generate({ model: 'fast', prompt: 'x', options, format: weather });
    isWeather(JSON.parse(generated.response));
  });
});

describe('ollama thinking', () => {
  const held = toolServer({ thinks: true });

  it('is a member of its own', async () => {
    const client = new Ollama({ host: held.server.url });
    assert.ok((await client.show({ model: 'fast' })).capabilities.includes('thinking'));
    const request = { model: 'fast', messages: [{ role: 'user', content: 'x' }], options: { temperature: 0, num_predict: 6 },
      think: true };
    const whole = await client.chat(request);
    assert.ok(whole.message.thinking.length > 0);
    assert.equal(whole.message.content, '');
    const parts = await collect(await client.chat({ ...request, stream: true }));
    assert.equal(parts.map((part) => part.message.thinking ?? '').join(''), whole.message.thinking);
  });
});
