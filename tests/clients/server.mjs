// A `kedge serve` of a test's own: on a port that was free, with the embedded models, its log read as it comes, ended
// with SIGTERM. It has to end with 0.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const kPatience = 120_000; // ms: of waits that should never be needed

export const kedge = process.env.KEDGE;
assert.ok(kedge, 'KEDGE must name the program under test');

export async function until(what, condition) {
  const end = Date.now() + kPatience;
  for (;;) {
    const value = await condition();
    if (value) return value;
    assert.ok(Date.now() < end, `waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

// `flags`: of kedge serve; `keys`: {name: [secret, roles]}; `settings`: lines of TOML.
export async function startServer({ flags = [], keys = {}, settings = '' } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'kedge-clients-'));
  const config = join(folder, 'serve.toml');
  const entries = Object.entries(keys).map(([name, [secret, roles]]) =>
    `[[keys]]\nname = "${name}"\nsha256 = "${createHash('sha256').update(secret).digest('hex')}"\n` +
    `roles = ${JSON.stringify(roles)}\n`);
  writeFileSync(config, `${settings}\n${entries.join('')}`);
  const args = ['serve', '--config', config, '--port', '0', '--state', join(folder, 'state'),
    '--audit', join(folder, 'audit.db'), ...flags];
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('KEDGE_')));
  const child = spawn(kedge, args, { env, stdio: ['ignore', 'inherit', 'pipe'] });
  const log = [];
  let ended;
  const exit = new Promise((resolve) => {
    child.on('exit', (code, signal) => resolve(ended = { code, signal }));
  });
  createInterface({ input: child.stderr }).on('line', (line) => {
    try {
      log.push(JSON.parse(line));
    } catch {
      log.push({ text: line });
    }
  });
  const said = () => log.map((line) => JSON.stringify(line)).join('\n');
  const logged = (what, condition) => until(`the log has ${what}`, () => {
    assert.ok(!ended, `kedge serve ended with ${JSON.stringify(ended)}:\n${said()}`);
    return log.find(condition);
  });
  const { port } = await logged('a port', (line) => line.event === 'listening');
  const url = `http://127.0.0.1:${port}`;
  await logged('"ready"', (line) => line.event === 'ready');
  assert.equal((await fetch(`${url}/readyz`)).status, 200);

  const server = {
    url, port, child, folder, config, log, logged, exit,
    pid: child.pid,
    // The requests of a path that the log says are over.
    requests: (path) => log.filter((line) => line.event === 'request' && line.path === path),
    // The lines of the log from now on: a line of a request of its own is the mark, as lines come late.
    async mark() {
      const id = (await fetch(`${url}/livez`)).headers.get('x-request-id');
      const line = await logged(`request ${id}`, (entry) => entry.id === id);
      return log.indexOf(line) + 1;
    },
    // The sum of a metric's samples; `absent`: its value when there is none, which is an error else.
    async metric(name, absent) {
      const text = await (await fetch(`${url}/metrics`, { headers: server.auth })).text();
      const values = text.split('\n').filter((line) => line.split(/[{ ]/)[0] === name).map((l) => Number(l.split(' ').at(-1)));
      assert.ok(values.length > 0 || absent !== undefined, `/metrics has no ${name}:\n${text}`);
      return values.reduce((sum, value) => sum + value, values.length > 0 ? 0 : absent);
    },
    inFlight: () => server.metric('kedge_requests_in_flight'), // those that wait for their turn too
    idle: () => until('no request runs', async () => (await server.inFlight()) === 0),
    auth: {},
    async stop() {
      if (!ended) child.kill('SIGTERM');
      const how = await exit;
      rmSync(folder, { recursive: true, force: true });
      assert.deepEqual(how, { code: 0, signal: null }, `kedge serve did not end well:\n${said()}`);
    },
  };
  return server;
}

// Runs a body with a server of its own.
export const withServer = (options, body) => async () => {
  const server = await startServer(options);
  try {
    await body(server);
  } finally {
    await server.stop();
  }
};

// The error that a promise is rejected with.
export async function rejection(promise) {
  let value;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  assert.fail(`no error, but ${JSON.stringify(value)}`);
}

export async function collect(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

// Words that the embedded models read in about as many tokens.
export const words = (n) => Array.from({ length: n }, (_, i) => `word${i % 10}`).join(' ');
