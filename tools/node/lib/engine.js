'use strict';

const { native } = require('./native.js');
const { Owner, of } = require('./handle.js');
const { abortable, awaited, called, numberOf, only } = require('./errors.js');
const { cache, sessionOptions } = require('./options.js');
const { Session } = require('./session.js');

const POOLING = { model: -1, none: 0, mean: 1, cls: 2, last: 3 };
const ENGINE = ['threads', 'sequences', 'memory', 'stepTokens', 'stepMs', 'waiting', 'defaultTokens', 'kvType', 'numerics', 'spill'];

/** Many sessions of one model in common steps; what else runs never changes a bit of what a session computes. */
class Engine extends Owner {
  constructor(model, handle) {
    super(handle);
    this.model = model;
  }

  static async create(model, options = {}) {
    const { kvType, numerics, ...rest } = only(options, ENGINE, 'engines');
    return new Engine(model, await awaited(native.engineCreate(of(model), { ...rest, ...cache(kvType, numerics) })));
  }

  session(options = {}) {
    return new Session(this.model, called(() => native.engineSession(of(this), sessionOptions(options))));
  }

  async loadSession(path) {
    return new Session(this.model, await awaited(native.engineLoad(of(this), path)));
  }

  /** The vector of a text (or of tokens): a Float32Array of length 1. */
  async embed(text, options = {}) {
    const { pooling, signal, ...rest } = only(options, ['pooling', 'normalise', 'key', 'deadlineMs', 'signal'], 'embed()');
    const tokens = typeof text === 'string' ? this.model.tokenize(text) : Int32Array.from(text);
    const cancel = native.cancelCreate();
    return abortable(signal, () => native.cancelSet(cancel),
      () => native.engineEmbed(of(this), tokens, { ...rest, pooling: numberOf(POOLING, pooling, 'pooling') }, cancel));
  }

  stats() {
    return JSON.parse(called(() => native.engineStats(of(this))));
  }
}

module.exports = { Engine };
