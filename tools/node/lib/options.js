// Options of sessions and generations as the addon takes them.
'use strict';

const { of } = require('./handle.js');
const { invalid, numberOf, only } = require('./errors.js');

const KV_TYPES = { f32: 0, f16: 1, q8_0: 2, q4_0: 3 };
const NUMERICS = { exact: 0, fast: 1 };
const SESSION = ['context', 'threads', 'chunk', 'kvType', 'numerics', 'kv', 'adapters'];
const CONSTRAINTS = { jsonSchema: 'json_schema', jsonObject: 'json_object', grammar: 'grammar', regex: 'regex', choice: 'choice' };

function cache(kvType, numerics) {
  return { kvType: numberOf(KV_TYPES, kvType, 'cache type'), numerics: numberOf(NUMERICS, numerics, 'numerics') };
}

function sessionOptions(options) {
  const { kvType, numerics, kv, adapters, ...rest } = only(options, SESSION, 'sessions');
  return {
    ...rest,
    ...cache(kvType, numerics),
    kv: kv === undefined ? undefined : JSON.stringify(kv),
    adapters: adapters?.map(([adapter, scale = 1]) => [of(adapter), scale]),
  };
}

function constraintOf(options) {
  const given = Object.keys(CONSTRAINTS).filter((name) => options[name] !== undefined && options[name] !== false);
  if (given.length + (options.constraint !== undefined) > 1) throw invalid(`an answer obeys one constraint: ${given.join(' and ')} are given`);
  if (given.length > 0) return { [CONSTRAINTS[given[0]]]: options[given[0]] };
  return options.constraint;
}

const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

// What is none of the options is a sampler's setting, by its name in settingsSchema(); the library knows which there are.
function generateOptions(options) {
  const {
    maxTokens, stop, seed, request, logprobs, ignoreEos, renderSpecial, logitBias, samplers, speculation, key, weight,
    deadlineMs, draft, onToken, onText, onPrefill, signal, constraint, jsonSchema, jsonObject, grammar, regex, choice, ...settings
  } = options;
  for (const [name, value] of Object.entries(settings)) {
    if (typeof value !== 'number') throw invalid(`${name}: sampler settings are numbers, and no other option has that name`);
  }
  const obeyed = constraintOf(options);
  const guesses = typeof speculation === 'string' ? { kind: speculation } : speculation;
  return {
    maxTokens, seed, request, logprobs, ignoreEos, renderSpecial, key, weight, deadlineMs,
    draft: draft === undefined ? undefined : of(draft),
    stop: typeof stop === 'string' ? [stop] : stop,
    settings: Object.entries(settings).map(([name, value]) => [snake(name), value]),
    logitBias: logitBias && [...(logitBias instanceof Map ? logitBias : Object.entries(logitBias))].map(([t, b]) => [Number(t), b]),
    samplers: samplers?.join(';'),
    constraint: obeyed === undefined ? undefined : JSON.stringify(obeyed),
    speculation: guesses === undefined ? undefined : JSON.stringify(guesses),
    wantTokens: onToken !== undefined,
    wantProgress: onPrefill !== undefined,
  };
}

module.exports = { cache, constraintOf, generateOptions, sessionOptions };
