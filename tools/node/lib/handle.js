// What everything with a handle of the library shares: it is closed by name or by the collector, and used through `of`.
'use strict';

const { native } = require('./native.js');

const HANDLE = Symbol('handle');

class Owner {
  constructor(handle) {
    Object.defineProperty(this, HANDLE, { value: handle });
  }

  /** Frees it; a call that still runs keeps what it needs. */
  close() {
    native.close(this[HANDLE]);
  }
}
if (Symbol.dispose) Owner.prototype[Symbol.dispose] = Owner.prototype.close;

module.exports = { Owner, of: (owner) => owner[HANDLE] };
