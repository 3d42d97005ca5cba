#!/usr/bin/env node
// chat.mjs MODEL QUESTION: one question through the model's own chat template, streamed; Ctrl-C ends the answer.
import { Model, Session } from 'kedge';

const [name, question] = process.argv.slice(2);
if (question === undefined) {
  console.error('usage: chat.mjs MODEL QUESTION');
  process.exit(2);
}
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
try {
  const model = await Model.open(name);
  const session = await Session.create(model, { context: 512 });
  const turn = session.chat([{ role: 'user', content: question }], { maxTokens: 32, temperature: 0, signal: stop.signal });
  for await (const event of turn) process.stdout.write(event.content ?? '');
  const { result } = await turn.reply();
  console.log(`\n(${result.finishReason})`);
} catch (error) {
  console.error(`chat.mjs: ${error.name}: ${error.message}`);
  process.exitCode = 1;
}
