'use strict';

const { native } = require('./native.js');
const { Owner, of } = require('./handle.js');
const { abortable, awaited, called, only } = require('./errors.js');
const { find } = require('./names.js');
const { sessionOptions } = require('./options.js');

const NEW = Symbol('new');

class Model extends Owner {
  constructor(token, handle, path) {
    if (token !== NEW) throw new TypeError('models come from Model.open()');
    super(handle);
    this.path = path;
  }

  /** A file, an embedded model's name, or one of models(). */
  static async open(model, options = {}) {
    const { vocabOnly, mmap, onProgress, signal } = only(options, ['vocabOnly', 'mmap', 'onProgress', 'signal'], 'models');
    const path = find(model);
    // A file that is being loaded is left by a callback that throws; it needs one for that.
    const hear = onProgress || signal ? ([done, total]) => {
      signal?.throwIfAborted();
      onProgress?.(done, total);
    } : undefined;
    const handle = await abortable(signal, () => {}, () => native.modelOpen(path, { vocabOnly, mmap }, hear));
    return new Model(NEW, handle, path);
  }

  static of(handle, path) {
    return new Model(NEW, handle, path);
  }

  get info() {
    return called(() => native.modelInfo(of(this)));
  }

  describe(plan = {}) {
    return JSON.parse(called(() => native.modelDescribe(of(this), sessionOptions(plan))));
  }

  tokenize(text, options = {}) {
    only(options, ['addBos', 'parseSpecial', 'exactBytes'], 'tokenize()');
    return called(() => native.modelTokenize(of(this), text, options));
  }

  /** Text; `bytes()` gives what is not whole characters too. */
  detokenize(tokens, { special = false } = {}) {
    return this.bytes(tokens, { special }).toString('utf8');
  }

  bytes(tokens, { special = false } = {}) {
    return called(() => native.modelDetokenize(of(this), tokens, special));
  }

  chatText(messages, options) {
    return called(() => native.modelChatText(of(this), JSON.stringify(messages), options ? JSON.stringify(options) : ''));
  }

  chatTokens(messages, options) {
    return called(() => native.modelChatTokens(of(this), JSON.stringify(messages), options ? JSON.stringify(options) : ''));
  }

  chatFormat() {
    return JSON.parse(called(() => native.modelChatFormat(of(this))));
  }

  async checkConstraint(constraint) {
    return JSON.parse(await awaited(native.modelCheckConstraint(of(this), JSON.stringify(constraint))));
  }
}

class Adapter extends Owner {
  static async open(model, path) {
    return new Adapter(await awaited(native.adapterOpen(of(model), path)));
  }

  describe() {
    return JSON.parse(called(() => native.adapterDescribe(of(this))));
  }
}

module.exports = { Adapter, Model };
