// Several models behind one question, and what belongs to it: indexes, the audit log, calibration, checks.
'use strict';

const { native } = require('./native.js');
const { Owner, of } = require('./handle.js');
const { abortable, awaited, called } = require('./errors.js');
const { Model } = require('./model.js');
const { Engine } = require('./engine.js');

/**
 * What router.ask() gives: awaiting it gives the answer, iterating it gives the steps on the way ({state, rule, detail}; with
 * `stream: true` also {state: "text", text}), and then answer() what came of it. A loop that is left early ends the call.
 */
class Answer {
  #begin;
  #run = null;
  #events = [];
  #wake = null;
  #ended = false;
  #cancel = null;

  constructor(begin) {
    this.#begin = begin;
  }

  answer() {
    if (this.#run !== null) return this.#run;
    this.#cancel = native.cancelCreate();
    this.#run = this.#begin(this.#cancel, (event) => {
      this.#events.push(event);
      this.#wake?.();
    }).finally(() => {
      this.#ended = true;
      this.#wake?.();
    });
    this.#run.catch(() => {});
    return this.#run;
  }

  then(good, bad) {
    return this.answer().then(good, bad);
  }

  catch(bad) {
    return this.answer().catch(bad);
  }

  finally(f) {
    return this.answer().finally(f);
  }

  /** Ends the call, and waits for that. */
  async close() {
    if (this.#run === null || this.#ended) return;
    native.cancelSet(this.#cancel);
    await this.#run.catch(() => {});
  }

  async* [Symbol.asyncIterator]() {
    this.answer();
    try {
      for (;;) {
        while (this.#events.length > 0) yield this.#events.shift();
        if (this.#ended) break;
        await new Promise((resolve) => { this.#wake = resolve; });
        this.#wake = null;
      }
      await this.#run;
    } finally {
      await this.close();
    }
  }
}

/** A pool of models; they are loaded when they are first asked. */
class Router extends Owner {
  /** Of a TOML or JSON file; `overrides` replace its members, and are the whole pool without a file. */
  static async open(path = '', overrides = undefined) {
    return new Router(await awaited(native.routerOpen(path, overrides === undefined ? '' : JSON.stringify(overrides))));
  }

  /** A question, or messages that end with the user's; the request's members are those of kedge_router_ask. */
  ask(question, { signal, onEvent, ...request } = {}) {
    const text = JSON.stringify(typeof question === 'string' ? { ...request, question } : { ...request, messages: question });
    return new Answer(async (cancel, keep) => {
      const hear = (json) => {
        const event = JSON.parse(json);
        onEvent?.(event);
        keep(event);
      };
      return JSON.parse(await abortable(signal, () => native.cancelSet(cancel), () => native.routerAsk(of(this), text, cancel, hear)));
    });
  }

  /** Generates every attempt of a record again. */
  async replay(record = 'last') {
    return JSON.parse(await awaited(native.routerReplay(of(this), String(record))));
  }

  async swap(request) {
    return JSON.parse(await awaited(native.routerSwap(of(this), JSON.stringify(request))));
  }

  async configure(patch) {
    return JSON.parse(await awaited(native.routerConfigure(of(this), JSON.stringify(patch))));
  }

  state() {
    return JSON.parse(called(() => native.routerState(of(this))));
  }

  models() {
    return JSON.parse(called(() => native.routerModels(of(this))));
  }

  /** The model behind an alias or name, and the engine in which the router asks it. */
  async engine(alias) {
    const [model, engine] = await awaited(native.routerEngine(of(this), alias));
    const loaded = Model.of(model, alias);
    return { model: loaded, engine: new Engine(loaded, engine) };
  }
}

const request = (name) => async (members) => JSON.parse(await awaited(native.request(name, JSON.stringify(members))));

module.exports = {
  Answer,
  Router,
  /** {paths, out, model, ...}: an index of files, in its place only when it is complete. */
  async indexBuild(members, { onProgress } = {}) {
    const hear = onProgress ? ([done, total]) => onProgress(done, total) : undefined;
    return JSON.parse(await awaited(native.indexBuild(JSON.stringify(members), hear)));
  },
  indexSearch: request('indexSearch'),
  indexInfo: (index) => request('indexInfo')({ index }),
  auditList: (db, more = {}) => request('auditList')({ db, ...more }),
  auditShow: (db, record = 'last') => request('auditShow')({ db, record }),
  auditVerify: (db, more = {}) => request('auditVerify')({ db, ...more }),
  auditExport: (db, more = {}) => awaited(native.request('auditExport', JSON.stringify({ db, ...more }))),
  calibrate: request('calibrate'),
  routeReport: request('routeReport'),
  calibratorApply: request('calibratorApply'),
  checkAnswer: (answer, more = {}) => request('checkAnswer')({ answer, ...more }),
};
