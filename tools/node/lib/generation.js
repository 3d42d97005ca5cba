'use strict';

const { native } = require('./native.js');
const { of } = require('./handle.js');
const { abortable } = require('./errors.js');
const { generateOptions } = require('./options.js');

const FINISH = ['', 'stop_token', 'stop_string', 'length', 'context_full', 'cancelled', 'deadline'];

function resultOf(raw) {
  const { finish, settings, kv, speculation, ...rest } = raw;
  return {
    ...rest,
    finishReason: FINISH[finish],
    settings: JSON.parse(settings),
    kv: JSON.parse(kv),
    speculation: speculation === '' ? null : JSON.parse(speculation),
  };
}

/**
 * What session.generate() gives. Iterating it gives text as it becomes certain; result() gives the whole answer. Nothing is
 * computed before one of the two; a loop that is left early ends it.
 */
class Generation {
  #session;
  #prompt;
  #options;
  #native;
  #pieces = [];
  #wake = null;
  #run = null;
  #ended = false;
  #reading = false;

  constructor(session, prompt, options) {
    this.#session = session;
    this.#prompt = prompt;
    this.#options = options;
    this.#native = generateOptions(options);
  }

  #begin() {
    if (this.#run !== null) return;
    const { onText, onToken, onPrefill, signal } = this.#options;
    const hear = (event) => {
      if (typeof event === 'string') {
        this.#pieces.push(event);
        this.#wake?.();
        onText?.(event);
      } else if ('token' in event) {
        onToken?.(event.token, event.logprobs);
      } else {
        onPrefill?.(event.done, event.total);
      }
    };
    const call = () => native.sessionGenerate(of(this.#session), this.#prompt, this.#native, hear);
    this.#run = this.#session.busy(() => abortable(signal, () => this.#stop(), call)).then(resultOf).finally(() => {
      this.#ended = true;
      this.#wake?.();
    });
    this.#run.catch(() => {}); // said where somebody waits: result(), or the loop
  }

  #stop() {
    native.sessionCancel(of(this.#session), true);
  }

  /** The whole answer. */
  result() {
    this.#begin();
    return this.#run;
  }

  /** Ends it, and waits for that: what was written by then is the result, "cancelled". */
  async close() {
    if (this.#run === null) return;
    if (!this.#ended) this.#stop();
    await this.#run.catch(() => {});
  }

  async* [Symbol.asyncIterator]() {
    if (this.#reading) throw new TypeError('a generation is read once');
    this.#reading = true;
    this.#begin();
    try {
      for (;;) {
        while (this.#pieces.length > 0) yield this.#pieces.shift();
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

module.exports = { Generation };
