'use strict';

const { native } = require('./native.js');
const { Owner, of } = require('./handle.js');
const { abortable, awaited, called, invalid } = require('./errors.js');
const { Generation } = require('./generation.js');
const { Chat } = require('./chat.js');
const { sessionOptions } = require('./options.js');

class Checkpoint extends Owner {}

/** One text and what the model made of it. One call at a time: a second one is an error, not a queue. */
class Session extends Owner {
  #busy = false;

  constructor(model, handle) {
    super(handle);
    this.model = model;
  }

  static async create(model, options = {}) {
    return new Session(model, await awaited(native.sessionCreate(of(model), sessionOptions(options))));
  }

  /** From a file of save(): goes on bit for bit. */
  static async load(model, path, options = {}) {
    return new Session(model, await awaited(native.sessionLoad(of(model), path, sessionOptions(options))));
  }

  save(path) {
    return this.busy(() => awaited(native.sessionSave(of(this), path)));
  }

  get info() {
    return called(() => native.sessionInfo(of(this)));
  }

  get tokens() {
    return called(() => native.sessionTokens(of(this)));
  }

  /** Of the last token evaluated: a copy. */
  get logits() {
    return called(() => native.sessionLogits(of(this)));
  }

  /** Appends a text, or tokens, and computes them. */
  async eval(text, { signal } = {}) {
    const tokens = this.tokensOf(text);
    await this.busy(() => abortable(signal, () => native.sessionCancel(of(this), true),
      () => native.sessionEval(of(this), tokens, undefined)));
  }

  /** Appends `prompt`, a text or tokens, and writes on from it. */
  generate(prompt = [], options = {}) {
    return new Generation(this, this.tokensOf(prompt), options);
  }

  /** The answer to messages; what the session holds of them already is not computed again. */
  chat(messages, options = {}) {
    return new Chat(this, messages, options);
  }

  kv() {
    return JSON.parse(called(() => native.sessionKv(of(this))));
  }

  kvLog(from = 0) {
    return JSON.parse(called(() => native.sessionKvLog(of(this), from)));
  }

  recall(what) {
    return JSON.parse(called(() => native.sessionRecall(of(this), JSON.stringify(what))));
  }

  addSegments(segments) {
    return JSON.parse(called(() => native.sessionAddSegments(of(this), JSON.stringify(segments))));
  }

  truncate(n) {
    called(() => native.sessionTruncate(of(this), n));
  }

  fork() {
    return new Session(this.model, called(() => native.sessionFork(of(this))));
  }

  checkpoint() {
    return new Checkpoint(called(() => native.sessionCheckpoint(of(this))));
  }

  rollback(checkpoint) {
    called(() => native.sessionRollback(of(this), of(checkpoint)));
  }

  tokensOf(text) {
    if (typeof text !== 'string') return text instanceof Int32Array ? text : Int32Array.from(text);
    return this.model.tokenize(text, { addBos: this.tokens.length === 0 });
  }

  // Runs one call; a second one meanwhile would be cancelled by what cancels the first.
  async busy(work) {
    if (this.#busy) throw invalid('the session is in use by another call');
    this.#busy = true;
    try {
      return await work();
    } finally {
      this.#busy = false;
    }
  }
}

module.exports = { Checkpoint, Session };
