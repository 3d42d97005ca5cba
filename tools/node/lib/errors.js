// What the library says went wrong, and who ended a call.
'use strict';

class KedgeError extends Error {
  /**
   * @param {string} code "invalid_argument", "not_found", "corrupt", "unsupported", "capacity", "io", "cancelled" or "internal"
   */
  constructor(code, message, options) {
    super(message, options);
    this.name = 'KedgeError';
    this.code = code;
  }
}

// The addon's errors have a `status`; what a callback threw goes on as it is.
function translated(error) {
  if (!(error instanceof Error) || typeof error.status !== 'string') return error;
  const made = new KedgeError(error.status.replace(/ /g, '_'), error.message);
  Error.captureStackTrace?.(made, translated);
  return made;
}

function called(f) {
  try {
    return f();
  } catch (error) {
    throw translated(error);
  }
}

async function awaited(promise) {
  try {
    return await promise;
  } catch (error) {
    throw translated(error);
  }
}

function invalid(message) {
  return new KedgeError('invalid_argument', message);
}

// Calls `stop` when the signal aborts, while `work` runs; the promise is then rejected with the signal's reason.
async function abortable(signal, stop, work) {
  if (signal === undefined || signal === null) return awaited(work());
  if (typeof signal.addEventListener !== 'function') throw invalid('signal is not an AbortSignal');
  signal.throwIfAborted();
  signal.addEventListener('abort', stop, { once: true });
  try {
    const value = await awaited(work());
    signal.throwIfAborted();
    return value;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

// Members of `options` that are in `known`; another one is an error that names it.
function only(options, known, what) {
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw invalid(`${what} have no option '${name}' (known: ${known.join(', ')})`);
  }
  return options;
}

function numberOf(names, name, what) {
  if (name === undefined) return undefined;
  const known = Object.keys(names);
  const wanted = String(name).replace(/-/g, '_').toLowerCase();
  if (!known.includes(wanted)) throw invalid(`${what} '${name}' is none of ${known.join(', ')}`);
  return names[wanted];
}

module.exports = { KedgeError, abortable, awaited, called, invalid, numberOf, only };
