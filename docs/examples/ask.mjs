#!/usr/bin/env node
// ask.mjs POOL.toml QUESTION [SECONDS]: a question through the router; its text as it is written, ended when it takes too long.
import { Router } from 'kedge';

const [pool, question, seconds = '60'] = process.argv.slice(2);
if (question === undefined) {
  console.error('usage: ask.mjs POOL.toml QUESTION [SECONDS]');
  process.exit(2);
}
try {
  const router = await Router.open(pool);
  const asked = router.ask(question, { stream: true, signal: AbortSignal.timeout(1000 * Number(seconds)) });
  for await (const event of asked) {
    if (event.state === 'text') process.stderr.write(event.text);
  }
  // What was streamed was not checked yet: what the answer is, and whether there is one, is said here.
  const { outcome, answer, reason } = await asked;
  console.log(`\n${outcome}: ${answer} (${reason})`);
  router.close();
} catch (error) {
  console.error(`ask.mjs: ${error.name}: ${error.message}`);
  process.exitCode = 1;
}
