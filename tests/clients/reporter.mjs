// What failed in full, what passed in a line, and "N passed, N failed" at the end.
// The innermost cause: the runner wraps what a test threw.
function told(details) {
  let error = details.error;
  while (error?.cause) error = error.cause;
  return error?.stack ?? String(error);
}

export default async function* report(events) {
  let passed = 0;
  let failed = 0;
  for await (const { type, data } of events) {
    if (type === 'test:stdout' || type === 'test:stderr') yield data.message;
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    if (data.details.type === 'suite' || data.name.endsWith('.test.mjs')) {
      // A file that dies before its first test is a failure of its own.
      if (type === 'test:fail' && data.details.error?.failureType !== 'subtestsFailed') {
        failed += 1;
        yield `FAILED ${data.name}\n${told(data.details)}\n`;
      }
      continue;
    }
    const where = data.file?.split('/').at(-1) ?? '';
    const ms = Math.round(data.details.duration_ms);
    if (type === 'test:pass') {
      passed += 1;
      yield `ok     ${where}: ${data.name} (${ms} ms)${data.skip === undefined ? '' : ` SKIPPED ${data.skip}`}\n`;
    } else {
      failed += 1;
      yield `FAILED ${where}: ${data.name} (${ms} ms)\n${told(data.details)}\n`;
    }
  }
  yield `${passed} passed, ${failed} failed\n`;
}
