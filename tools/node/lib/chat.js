'use strict';

const { native } = require('./native.js');
const { Owner, of } = require('./handle.js');
const { KedgeError, called } = require('./errors.js');
const { constraintOf } = require('./options.js');

/** Takes an answer's text (generated with renderSpecial: true) in any pieces, and says what it is. */
class ChatReader extends Owner {
  constructor(model, options = {}) {
    super(called(() => native.readerCreate(of(model), JSON.stringify(options))));
  }

  push(text, { end = false } = {}) {
    return JSON.parse(called(() => native.readerPush(of(this), text, end)));
  }
}

class Reply {
  content = '';
  reasoning = '';
  toolCalls = [];

  hear(event) {
    this.content += event.content ?? '';
    this.reasoning += event.reasoning ?? '';
    if ('name' in event) {
      this.toolCalls.push({ name: event.name, arguments: '', id: event.id ?? null, complete: false });
    } else if ('call' in event) {
      const call = this.toolCalls[this.toolCalls.length - 1];
      call.arguments += event.arguments ?? '';
      call.complete = event.end === true;
    }
  }

  /** For the messages of the next turn. */
  message() {
    const message = { role: 'assistant', content: this.content };
    if (this.toolCalls.length > 0) {
      message.tool_calls = this.toolCalls.map(({ id, name, arguments: text }, i) => (
        { id: id ?? `call_${i}`, type: 'function', function: { name, arguments: text } }));
    }
    return message;
  }
}

// Brings the session to what it shares with the conversation; at least one token is read anew.
function rest(session, tokens) {
  const { context } = session.info;
  if (tokens.length > context) {
    throw new KedgeError('capacity', `the conversation has ${tokens.length} tokens, the context has room for ${context}`);
  }
  const held = session.tokens;
  const most = Math.min(held.length, tokens.length - 1);
  let common = 0;
  while (common < most && held[common] === tokens[common]) ++common;
  if (common < held.length) session.truncate(common);
  return tokens.subarray(common);
}

/** What session.chat() gives. Iterating it gives events: {content}, {reasoning}, {call, name, id} ...; reply() the whole turn. */
class Chat {
  #generation;
  #reader = null;
  #reply = new Reply();
  #events = null;

  constructor(session, messages, options) {
    const { tools, toolChoice, parallelToolCalls = true, template = {}, ...generate } = options;
    const { model } = session;
    const shown = tools?.length > 0 ? { ...template, tools } : template;
    const tokens = model.chatTokens(messages, shown);
    const known = model.chatFormat();
    if (tools?.length > 0 && !known.tools) {
      throw new KedgeError('unsupported', 'tools cannot be called by this model: its chat template writes calls in no known form');
    }
    if (known.format !== null || known.reasoning) {
      const asked = { prompt: model.chatText(messages, shown) };
      if (tools?.length > 0) Object.assign(asked, { tools, tool_choice: toolChoice ?? 'auto', parallel_tool_calls: parallelToolCalls });
      this.#reader = new ChatReader(model, asked);
      generate.renderSpecial = true;
      if (tools?.length > 0) {
        const response = constraintOf(generate);
        for (const name of ['jsonSchema', 'jsonObject', 'grammar', 'regex', 'choice']) delete generate[name];
        generate.constraint = response === undefined ? { chat: asked } : { chat: asked, response };
      }
    }
    this.#generation = session.generate(rest(session, tokens), generate);
  }

  async* #read() {
    const hear = (events) => events.map((event) => (this.#reply.hear(event), event));
    for await (const piece of this.#generation) {
      yield* hear(this.#reader === null ? [{ content: piece }] : this.#reader.push(piece));
    }
    if (this.#reader !== null) {
      // A call that maxTokens cut off stays incomplete; the result says "length".
      const { finishReason } = await this.#generation.result();
      yield* hear(this.#reader.push('', { end: finishReason.startsWith('stop_') }));
      this.#reader.close();
    }
  }

  [Symbol.asyncIterator]() {
    this.#events ??= this.#read();
    return this.#events;
  }

  /** The whole turn, reading what is left of it: {content, reasoning, toolCalls, result, message()}. */
  async reply() {
    for await (const event of this) void event;
    this.#reply.result = await this.#generation.result();
    return this.#reply;
  }

  close() {
    return this.#generation.close();
  }
}

module.exports = { Chat, ChatReader };
