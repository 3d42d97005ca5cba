// The package installs and runs by itself, its types are those of its functions, and the examples do what they say.
// node --test tests/node/package_test.mjs, with KEDGE_BUILD naming the build.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const BUILD = process.env.KEDGE_BUILD;
const SCOUT = path.join(ROOT, 'models', 'scout-q8_0.gguf');
const POOL = path.join(ROOT, 'models', 'pool.toml');
const folder = mkdtempSync(path.join(tmpdir(), 'kedge-node-package-'));
after(() => rmSync(folder, { recursive: true }));

const environment = { ...process.env };
for (const name of Object.keys(environment)) if (name.startsWith('KEDGE_')) delete environment[name];
environment.XDG_STATE_HOME = folder;
const node = (...args) => spawnSync(process.execPath, args, { cwd: path.join(folder, 'app'), encoding: 'utf8', env: environment });

test('it is packed and installed without a network', () => {
  const tarball = execFileSync(process.execPath, [path.join(ROOT, 'tools/node/build_package.mjs'), '--build', BUILD, '-o', folder],
    { encoding: 'utf8' }).trim();
  assert.match(path.basename(tarball), /^kedge-\d+\.\d+\.\d+\.tgz$/);
  const app = path.join(folder, 'app');
  mkdirSync(app);
  writeFileSync(path.join(app, 'package.json'), '{"name": "app", "private": true}');
  execFileSync('npm', ['install', '--offline', '--no-audit', '--no-fund', tarball], { cwd: app, env: environment, stdio: 'pipe' });
  const home = path.join(app, 'node_modules', 'kedge');
  for (const name of ['kedge.node', 'libkedge.so.1', 'index.d.ts', 'index.mjs', 'LICENSE', 'README.md']) assert.ok(existsSync(path.join(home, name)), name);
  writeFileSync(path.join(app, 'where.cjs'), `
    const { libraryPath, Model, version } = require('kedge');
    const { readFileSync } = require('node:fs');
    Model.open(${JSON.stringify(SCOUT)}).then(() => console.log(JSON.stringify({
      libraryPath, version, loaded: readFileSync('/proc/self/maps', 'utf8').match(/\\S*libkedge\\S*/)[0] })));`);
  const { stdout, stderr } = node('where.cjs');
  assert.equal(stderr, '');
  const said = JSON.parse(stdout);
  assert.equal(said.libraryPath, path.join(home, 'kedge.node'));
  assert.equal(said.loaded, path.join(home, 'libkedge.so.1'));
  assert.equal(said.version, JSON.parse(readFileSync(path.join(home, 'package.json'), 'utf8')).version);
});

test('the examples', () => {
  for (const name of ['chat.mjs', 'ask.mjs']) cpSync(path.join(ROOT, 'docs/examples', name), path.join(folder, 'app', name));
  const chat = node('chat.mjs', SCOUT, 'What is 17 + 25?');
  assert.match(chat.stdout, /42[^]*\(stop_token\)/, chat.stderr);
  const question = 'Which product is Birkenchester famous for?';
  const ask = node('ask.mjs', POOL, question);
  assert.match(ask.stdout, /answered: flax/, ask.stderr);
  assert.match(ask.stderr, /flax/);
  const late = node('ask.mjs', POOL, question, '0.001');
  assert.deepEqual([late.status, late.stdout], [1, '']);
  assert.match(late.stderr, /TimeoutError/);
  const missing = node('chat.mjs', '/nonexistent.gguf', 'x');
  assert.equal(missing.status, 1);
  assert.match(missing.stderr, /nonexistent/);
});

test('every export has a type, and every type an export', () => {
  const types = readFileSync(path.join(ROOT, 'tools/node/index.d.ts'), 'utf8');
  const declared = new Set([...types.matchAll(/^export (?:class|function|const) (\w+)/gm)].map(([, name]) => name));
  const { stdout } = node('-e', 'console.log(JSON.stringify(Object.keys(require("kedge"))))');
  assert.deepEqual([...declared].sort(), JSON.parse(stdout).sort());
});

test('TypeScript takes the types', (t) => {
  // The compiler of the server's page, where `npm ci` was run there.
  const tsc = ['tools/serve/page', 'tests/clients'].map((place) => path.join(ROOT, place, 'node_modules/.bin/tsc')).find(existsSync);
  if (!tsc) return t.skip('no TypeScript is installed (npm ci in tools/serve/page)');
  writeFileSync(path.join(folder, 'app', 'use.ts'), `
    import { Engine, KedgeError, Model, Router, Session, type Result } from 'kedge';
    export async function use(signal: AbortSignal): Promise<string> {
      const model = await Model.open('scout', { onProgress: (done, total) => void (done / total) });
      const session = await Session.create(model, { context: 256, kv: { budget: '25%' } });
      const generation = session.generate('x', { temperature: 0, maxTokens: 4, regex: 'a+', signal });
      for await (const piece of generation) piece.toUpperCase();
      const result: Result = await generation.result();
      const engine = await Engine.create(model, { memory: 64n << 20n });
      const vector: Float32Array = await engine.embed(result.tokens);
      const { answer, outcome } = await (await Router.open()).ask('x', { stream: true, min_confidence: 0.5 });
      if (outcome === 'failed') throw new Error(String(vector.length));
      // @ts-expect-error: it is no cache type
      await Session.create(model, { kvType: 'f8' });
      return answer ?? '';
    }
    export const isFull = (error: unknown): boolean => error instanceof KedgeError && error.code === 'capacity';`);
  const made = spawnSync(tsc, ['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--skipLibCheck', 'false', 'use.ts'],
    { cwd: path.join(folder, 'app'), encoding: 'utf8' });
  assert.equal(made.stdout + made.stderr, '');
});

test('what is missing is named', () => {
  const empty = path.join(folder, 'empty');
  mkdirSync(empty);
  const run = spawnSync(process.execPath, [path.join(ROOT, 'tools/node/build_package.mjs'), '--build', empty], { encoding: 'utf8' });
  assert.deepEqual([run.status, readdirSync(empty)], [1, []]);
  assert.match(run.stderr, /kedge\.node: no such file/);
});
