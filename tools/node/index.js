// Kedge: transformer language models on ordinary CPUs, from Node. docs/node.md has a five-minute start.
'use strict';

const { native, library } = require('./lib/native.js');
const errors = require('./lib/errors.js');
const { models } = require('./lib/names.js');
const { Adapter, Model } = require('./lib/model.js');
const { Checkpoint, Session } = require('./lib/session.js');
const { Engine } = require('./lib/engine.js');
const { Generation } = require('./lib/generation.js');
const { Chat, ChatReader } = require('./lib/chat.js');
const router = require('./lib/router.js');

module.exports = {
  KedgeError: errors.KedgeError,
  ...router,
  Adapter,
  Chat,
  ChatReader,
  Checkpoint,
  Engine,
  Generation,
  Model,
  Session,
  models,
  version: native.version,
  libraryPath: library,
  defaultThreads: () => native.defaultThreads,
  systemInfo: () => JSON.parse(errors.called(() => native.systemInfo())),
  settingsSchema: () => JSON.parse(errors.called(() => native.settingsSchema())),
  detectReferences: (text) => JSON.parse(errors.called(() => native.detectReferences(text))),
};
