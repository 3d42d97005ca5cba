// Finds the addon and loads it, once: beside the package, or in a build of the source tree, the newest first.
'use strict';

const fs = require('node:fs');
const path = require('node:path');

const ABI = 1; // of include/kedge/kedge.h

function candidates() {
  const home = path.join(__dirname, '..');
  const own = path.join(home, 'kedge.node');
  if (fs.existsSync(own)) return [own];
  const builds = path.join(home, '..', '..', 'build');
  if (!fs.existsSync(path.join(builds, '..', 'include', 'kedge', 'kedge.h')) || !fs.existsSync(builds)) return [];
  return fs.readdirSync(builds)
    .map((name) => path.join(builds, name, 'kedge.node'))
    .filter((file) => fs.existsSync(file))
    .sort((a, b) => fs.statSync(b).mtimeMs - fs.statSync(a).mtimeMs);
}

function load() {
  const named = process.env.KEDGE_NODE;
  const tried = named ? [named] : candidates();
  for (const file of tried) {
    const native = require(path.resolve(file));
    if (native.abiVersion !== ABI) throw new Error(`${file}: libkedge has ABI ${native.abiVersion}, this package is for ${ABI}`);
    return { native, library: path.resolve(file) };
  }
  throw new Error('kedge.node was not found: neither beside the package nor in a build of the source tree. KEDGE_NODE names it.');
}

module.exports = load();
