// From a model's name to its file: as `kedge run -m` does, without the caches of other programs.
'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { KedgeError } = require('./errors.js');

const QUANT = /(?:^|[-.])((?:IQ|TQ|Q)\d_[0-9A-Z_]+|B?F16|F32|FP16|FP32|MXFP4(?:_MOE)?|NVFP4)(?=$|[-.])/gi;
const PART = /-(\d{5})-of-\d{5}$/;

function filesBelow(folder) {
  let entries;
  try {
    entries = fs.readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1)).flatMap((entry) => {
    const full = path.join(folder, entry.name);
    if (entry.isDirectory()) return filesBelow(full);
    return entry.name.endsWith('.gguf') ? [full] : [];
  });
}

function embeddedFolders() {
  const tree = path.join(__dirname, '..', '..', '..');
  const own = fs.existsSync(path.join(tree, 'include', 'kedge', 'kedge.h')) ? [path.join(tree, 'models')] : [];
  return [...own, '/usr/local/share/kedge/models', '/usr/share/kedge/models'];
}

// Where `kedge pull` puts models.
function pulledFolder() {
  if (process.env.KEDGE_MODELS) return process.env.KEDGE_MODELS;
  return path.join(process.env.XDG_DATA_HOME || path.join(os.homedir(), '.local', 'share'), 'kedge', 'models');
}

/** Names and files of the models that are here: embedded ones and those of `kedge pull`. */
function models() {
  const known = {};
  for (const folder of embeddedFolders()) {
    for (const file of filesBelow(folder)) known[path.basename(file, '.gguf').split('-')[0]] ??= file;
  }
  const root = pulledFolder();
  for (const file of filesBelow(root)) {
    const stem = path.basename(file, '.gguf');
    const part = PART.exec(stem);
    if (part && part[1] !== '00001') continue;
    const whole = stem.replace(PART, '');
    const below = path.relative(root, path.dirname(file));
    const quants = [...whole.matchAll(QUANT)];
    const last = quants.length > 0 ? quants[quants.length - 1][1].toUpperCase() : whole;
    known[below === '' ? whole : `${below}:${last}`] = file;
  }
  return known;
}

/** The file of a path or a name. */
function find(model) {
  const name = String(model);
  if (fs.existsSync(name)) return name;
  const known = models();
  const wanted = name.toLowerCase();
  const equal = Object.keys(known).filter((n) => n.toLowerCase() === wanted);
  const found = equal.length > 0 || wanted.includes(':') ? equal
    : Object.keys(known).filter((n) => n.toLowerCase().startsWith(`${wanted}:`));
  if (found.length === 1) return known[found[0]];
  if (found.length > 1) throw new KedgeError('not_found', `'${name}' means ${found.join(' and ')}: name one`);
  const all = Object.keys(known).join(', ') || 'there are none';
  throw new KedgeError('not_found', `'${name}': no such file, and no model of that name (${all})`);
}

module.exports = { find, models };
