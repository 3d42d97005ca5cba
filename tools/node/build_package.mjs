#!/usr/bin/env node
// Writes the package as `npm pack` does, with the addon and libkedge inside, without a network:
//   node tools/node/build_package.mjs --build build/release -o DIR
// The library's own dependencies (docs/node.md) stay those of the system.
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const ROOT = path.join(HERE, '..', '..');
const { values } = parseArgs({ options: { build: { type: 'string' }, output: { type: 'string', short: 'o', default: '.' } } });

function stop(message) {
  console.error(`build_package: ${message}`);
  process.exit(1);
}

if (!values.build) stop('--build names the build that has kedge.node and libkedge.so.1');
const addon = path.resolve(values.build, 'kedge.node');
const library = path.resolve(values.build, 'libkedge.so.1');
for (const file of [addon, library]) if (!existsSync(file)) stop(`${file}: no such file`);

const stage = mkdtempSync(path.join(tmpdir(), 'kedge-node-'));
try {
  for (const name of ['index.js', 'index.mjs', 'index.d.ts', 'lib']) cpSync(path.join(HERE, name), path.join(stage, name), { recursive: true });
  copyFileSync(addon, path.join(stage, 'kedge.node'));
  copyFileSync(realpathSync(library), path.join(stage, 'libkedge.so.1'));
  chmodSync(path.join(stage, 'libkedge.so.1'), 0o755);
  copyFileSync(path.join(ROOT, 'LICENSE'), path.join(stage, 'LICENSE'));
  copyFileSync(path.join(ROOT, 'docs', 'node.md'), path.join(stage, 'README.md'));
  const { version } = createRequire(import.meta.url)(addon);
  const about = JSON.parse(readFileSync(path.join(HERE, 'package.json'), 'utf8'));
  writeFileSync(path.join(stage, 'package.json'), `${JSON.stringify({ ...about, version, cpu: [process.arch] }, null, 2)}\n`);
  const folder = path.resolve(values.output);
  mkdirSync(folder, { recursive: true });
  const said = execFileSync('npm', ['pack', '--offline', '--json', '--pack-destination', folder], { cwd: stage, encoding: 'utf8' });
  console.log(path.join(folder, JSON.parse(said)[0].filename));
} finally {
  rmSync(stage, { recursive: true });
}
