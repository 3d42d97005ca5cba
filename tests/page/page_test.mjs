// The page of `kedge serve` in a real browser on a real server with the embedded models: what each view does, that axe-core
// finds nothing in any, in light and dark, wide and narrow, and that no request leaves the server.
//   node tests/page/page_test.mjs [build/ci/kedge [/usr/bin/chromium [FOLDER for screenshots]]]
import { readFileSync } from "node:fs";
import { check, finish, openPage, startServer, violations } from "./support.mjs";

const shots = process.argv[4];
const server = await startServer();
const { browser, context, page, problems } = await openPage(server.url, { expected: [`400 (Bad Request) (${new URL("/v1/kedge/router", server.url)})`] });
const composer = page.locator(".composer:not(.edit)");
const answers = page.locator(".message.assistant");
const nav = (name) => page.getByRole("navigation", { name: "Views" }).getByRole("link", { name, exact: true }).click();

async function idle() {
  await page.waitForFunction(() => !document.querySelector(".message.writing"), null, { timeout: 120000 });
}
async function ask(text) {
  const before = await answers.count();
  await composer.getByRole("textbox").fill(text);
  await composer.getByRole("button", { name: "Send" }).click();
  await page.waitForFunction((n) => document.querySelectorAll(".message.assistant").length > n, before, { timeout: 120000 });
  await idle();
  return answers.last();
}

// Every view is looked at by axe-core in both colours and at both sizes.
async function look(name) {
  for (const [size, width, height] of [["wide", 1440, 900], ["narrow", 390, 844]]) {
    await page.setViewportSize({ width, height });
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await page.waitForTimeout(120);
      const found = await violations(page);
      check(`axe: ${name}, ${size}, ${colorScheme}`, found.length === 0, found);
      const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      check(`${name}, ${size}: nothing sticks out sideways`, wider <= 0, String(wider));
      if (shots) await page.screenshot({ path: `${shots}/${name}-${size}-${colorScheme}.png` });
    }
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
}

async function chat() {
  await composer.waitFor({ timeout: 60000 });
  await look("empty");
  check("worked out", (await (await ask("What is 417 + 268?")).innerText()).includes("685"));
  check("no model was asked", (await answers.last().locator(".facts").innerText()).includes("no model asked"));
  const fact = await ask("Which product is Birkenchester famous for?");
  check("answered by the fast model", (await fact.innerText()).startsWith("flax"), await fact.innerText());
  check("its confidence is shown", /p 0\.\d{3}/.test(await fact.locator(".facts").innerText()));
  const withheld = await ask("Who wrote the constitution of Mars?");
  check("withheld", (await withheld.locator(".withheld").count()) === 1, await withheld.innerText());

  // Edit, branches, again.
  await page.locator(".message.user").nth(1).getByRole("button", { name: "Edit" }).click();
  const editor = page.locator(".composer.edit");
  await editor.getByRole("textbox").fill("What is 12 + 132?");
  await editor.getByRole("button", { name: "Ask anew" }).click();
  await page.getByRole("button", { name: "Branch before" }).waitFor();
  await idle();
  check("what came after it belongs to the other branch", (await page.locator(".message.user").count()) === 2);
  check("an edited question is a branch", (await page.locator(".message.user").nth(1).locator(".branches").innerText()).includes("2 of 2"));
  await page.getByRole("button", { name: "Branch before" }).click();
  check("the branch before is whole", (await page.locator(".message.user").count()) === 3 && (await page.getByText("flax").count()) >= 1);
  await page.locator(".message.assistant").nth(1).getByRole("button", { name: "Again" }).click();
  await idle();
  check("asked again is a branch", (await page.locator(".message.assistant").nth(1).locator(".branches").innerText()).includes("2 of 2"));

  // Evidence, quoted.
  await page.setInputFiles("input[type=file]", { name: "yarquay.txt", mimeType: "text/plain", buffer: Buffer.from(
    "Julian Yarquay is the author of The Lost Clock. Julian Yarquay was born in the town of Vestaburg. Julian Yarquay " +
    "worked at the Nymberg Academy. Julian Yarquay worked as a violinist. Julian Yarquay was born in 1834.") });
  check("answered from the attached text", (await (await ask("Julian Yarquay was born in which year?")).innerText()).includes("1834"));

  // An index of documents, made here and chosen.
  page.once("dialog", (dialog) => dialog.accept("towns"));
  await page.getByLabel("Make an index of documents").setInputFiles([
    { name: "of a town.md", mimeType: "text/markdown", buffer: Buffer.from("# Vestaburg\n\nVestaburg is famous for its bells.") },
    { name: "of another.txt", mimeType: "text/plain", buffer: Buffer.from("Nymberg is famous for its academy.") }]);
  check("two documents make an index", await page.getByText(/^2 documents, \d+ passages?$/).waitFor({ timeout: 60000 }).then(() => true, () => false));
  const index = page.getByLabel("Answer from the index");
  check("it is chosen", (await index.inputValue()) === "towns");
  await index.selectOption("none");
  await look("chat");
}

async function why() {
  await answers.last().getByRole("link", { name: "Why" }).click();
  await page.locator(".diagram svg").waitFor();
  check("the diagram has an attempt with its probability", /p 0\.\d{3}, needs 0\.\d{3}/.test(await page.locator(".diagram").textContent()));
  await page.locator(".passage mark").first().waitFor();
  check("the quoted sentence is marked", (await page.locator(".passage mark").first().innerText()) === "Julian Yarquay was born in 1834.");
  await page.getByRole("button", { name: "Verify", exact: true }).click();
  check("verified", (await page.locator("p.good").first().innerText()).startsWith("Unchanged"));
  await page.getByRole("button", { name: "Replay" }).click();
  check("replayed with the same bits", await page.getByText("Same bits").waitFor({ timeout: 60000 }).then(() => true, () => false));
  await look("why");
}

// Of a model by its name: probabilities of tokens, stopping, and a memory that is too small.
async function model() {
  await nav("Chat");
  await page.getByRole("complementary", { name: "Settings" }).getByLabel("Model").selectOption("deep");
  await page.getByLabel("Longest answer, tokens").fill("60");
  await page.keyboard.press("Tab");
  const reply = await ask("Tell me about the town of Birkenchester.");
  await page.waitForTimeout(100);
  const tinted = await page.evaluate(() => [1, 2, 3, 4].reduce((n, i) => n + (CSS.highlights.get(`sure-${i}`)?.size ?? 0), 0));
  check("words are tinted by confidence", tinted > 0, String(tinted));
  const body = reply.locator(".body");
  await body.focus();
  await page.keyboard.press("ArrowRight");
  const rows = await body.locator(".alternatives tbody tr").count();
  check("alternatives of a token, by keyboard", rows >= 5, String(rows));
  const card = await body.locator(".alternatives").boundingBox();
  check("the alternatives are not cut off", card !== null && card.height > 60, card);
  await page.keyboard.press("Escape");
  await page.locator(".block").last().hover({ position: { x: 8, y: 8 } });
  check("alternatives under the pointer", await body.locator(".alternatives").isVisible());
  check("the context meter counts", /[\d,]+ of 8,192 tokens/.test(await page.locator(".meter").innerText()));
  await look("tint");

  await page.getByLabel("Budget: tokens, bytes or a share").fill("300");
  await page.keyboard.press("Tab");
  const corpus = readFileSync(new URL("../data/eval/route/test/facts_corpus.jsonl", import.meta.url), "utf8").trim().split("\n")
    .slice(0, 14).map((line, i) => `Section ${i + 1}. ${JSON.parse(line).text}`).join("\n\n");
  await page.setInputFiles("input[type=file]", { name: "corpus.txt", mimeType: "text/plain", buffer: Buffer.from(corpus) });
  const full = await ask("What does Section 3 say about Nestor Fairner?");
  check("a small memory still answers", (await full.locator("[role=alert]").count()) === 0, await full.innerText());

  await page.getByLabel("Longest answer, tokens").fill("4000");
  await page.keyboard.press("Tab");
  await composer.getByRole("textbox").fill("Write a long story about the river Thorow.");
  await composer.getByRole("button", { name: "Send" }).click();
  const stop = composer.getByRole("button", { name: "Stop" });
  await stop.click({ timeout: 20000 }).catch(() => {});
  await idle();
  check("the composer is back after a stop", await composer.getByRole("button", { name: "Send" }).isVisible());
  await page.getByRole("complementary", { name: "Settings" }).getByRole("button", { name: "Reset" }).click();
}

async function memory() {
  await nav("Memory");
  const canvas = page.getByRole("img", { name: /positions by what became of them/ });
  await canvas.waitFor({ timeout: 20000 });
  const slider = page.getByRole("slider", { name: "Evictions" });
  await page.waitForFunction(() => !document.querySelector(".replay input")?.disabled, null, { timeout: 20000 });
  const legend = async () => (await page.locator(".legend").innerText()).replace(/\s+/g, " ");
  const now = await legend();
  check("something has left the hot set", /Demoted [1-9]|Lost [1-9]/.test(now), now);
  check("tables that keep different tokens have a row each", (await page.getByRole("img", { name: /in each of 20 tables/ }).count()) === 1);
  await canvas.focus();
  for (const key of ["ArrowRight", "ArrowRight", "ArrowDown"]) await page.keyboard.press(key);
  check("the token at the cursor is shown", (await page.locator(".at mark").count()) === 1, await page.locator(".at").innerText());
  await slider.focus();
  await page.keyboard.press("Home");
  check("before the evictions nothing had left", !/Demoted [1-9]|Lost [1-9]/.test(await legend()), await legend());
  await page.keyboard.press("ArrowRight");
  check("an event says what went", (await page.getByRole("heading", { name: /^Event/ }).count()) === 1);
  await look("memory");
}

async function others() {
  await nav("Experts");
  await page.getByRole("img", { name: /by layer and expert/ }).waitFor({ timeout: 20000 });
  check("a row for each layer", (await page.locator("table tbody tr").count()) === 10);
  await look("experts");

  await nav("Compare");
  await page.getByLabel("Question for both models").fill("Which product is Birkenchester famous for?");
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  await page.locator(".columns").waitFor({ timeout: 60000 });
  check("both columns answer", (await page.locator(".column .said").allInnerTexts()).every((text) => text.includes("flax")));
  await page.getByRole("radio", { name: "Both" }).check();
  check("the vote is kept by the server", await page.getByText("Kept by the server").waitFor({ timeout: 5000 }).then(() => true, () => false));
  await look("compare");

  await nav("Live");
  await page.waitForFunction(() => !document.querySelector(".chart dd")?.textContent.includes("none yet"), null, { timeout: 10000 });
  const drawn = () => document.querySelectorAll(".plot canvas").length === 6;
  check("six charts are drawn", await page.waitForFunction(drawn, null, { timeout: 10000 }).then(() => true, () => false));
  // The policy, with a record of the change; a breaker held open and closed again.
  const gain = page.getByLabel("Least gain of the deep model");
  await gain.fill("0.25");
  await gain.press("Enter");
  await page.getByText("Changed, in a record").waitFor({ timeout: 10000 });
  const policy = () => page.evaluate(() => fetch("/v1/kedge/router").then((answer) => answer.json()));
  check("the router has the new threshold", (await policy()).settings.min_gain === 0.25);
  await page.getByLabel("Wrong answers allowed").fill("7");
  await page.getByRole("button", { name: "Change" }).click();
  check("a wrong one is refused with its limit", (await page.locator(".live [role=alert]").innerText()).includes("alpha"));
  await page.getByRole("button", { name: "Hold open" }).last().click();
  await page.getByRole("button", { name: "Close" }).waitFor();
  check("a breaker is held open", (await policy()).models.some(({ breaker }) => breaker.state !== "closed"));
  await page.getByRole("button", { name: "Close" }).click();
  await page.getByRole("button", { name: "Close" }).waitFor({ state: "detached" });
  await look("live");

  await nav("Audit");
  await page.locator(".rows tbody tr").first().waitFor();
  await page.getByRole("button", { name: "Verify all" }).click();
  check("the log is unchanged", await page.locator(".result.good").waitFor({ timeout: 20000 }).then(() => true, () => false));
  await page.getByLabel("Outcome").selectOption("low_confidence");
  await page.waitForFunction(() => [...document.querySelectorAll(".rows tbody tr")].every((row) => row.textContent.includes("low confidence")));
  await page.locator(".rows tbody button").first().click();
  await page.locator("#record .diagram").waitFor();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Export JSONL" }).click()]);
  const lines = readFileSync(await download.path(), "utf8").trim().split("\n");
  check("the export is lines of JSON", lines.length >= 5 && lines.every((line) => JSON.parse(line)));
  await look("audit");
}

// A conversation outlives the page; thousands of messages open at once; what a model writes stays text.
async function lasting() {
  await nav("Chat");
  await page.waitForTimeout(1000);
  const second = await context.newPage();
  await second.goto(server.url);
  await second.locator(".talks li a").first().click();
  await second.locator(".message.assistant").first().waitFor();
  check("another tab has the conversation", (await second.locator(".message.user").count()) >= 5);
  await second.close();

  const messages = [];
  for (let i = 0; i < 2000; ++i) {
    messages.push({ id: `m${i}`, parent: i === 0 ? null : `m${i - 1}`, role: i % 2 ? "assistant" : "user", created: i,
      content: i % 2 ? `Answer ${i} with **bold**, \`code\` and\n\n- a list\n- of two\n\n<img src=x onerror="window.bad = 1">` : `Question ${i}` });
  }
  await page.evaluate((conversation) => fetch(`/v1/kedge/conversations/${conversation.id}`, { method: "PUT",
    headers: { "content-type": "application/json" }, body: JSON.stringify(conversation) }), {
    id: "long", title: "Two thousand messages", created: 1, updated: 1, system: "", messages, chosen: {} });
  await page.goto(`${server.url}#/chat/long`);
  await page.reload();
  await page.locator(".message").last().waitFor();
  const counted = await page.evaluate(() => ({ messages: document.querySelectorAll(".message").length, drawn: document.querySelectorAll(".block").length }));
  check("all 2,000 messages are there", counted.messages === 2000, counted);
  check("only those near the screen are drawn", counted.drawn > 0 && counted.drawn < 400, counted);
  check("the last one is in sight", await page.getByText("Answer 1999").isVisible());
  check("HTML in an answer is text", (await page.evaluate(() => document.querySelectorAll(".message img").length + (window.bad ?? 0))) === 0);
  const changed = await page.evaluate(async () => {
    const rows = [...document.querySelectorAll(".message")].slice(0, -2);
    let n = 0;
    const watch = new MutationObserver((list) => (n += list.length));
    for (const row of rows) watch.observe(row, { childList: true, subtree: true, characterData: true, attributes: true });
    const area = document.querySelector(".composer textarea");
    for (const c of "typed") {
      area.value += c;
      area.dispatchEvent(new Event("input", { bubbles: true }));
      await new Promise(requestAnimationFrame);
    }
    watch.disconnect();
    return n;
  });
  check("typing touches no message", changed === 0, String(changed));
}

// A server with a key: the page asks for it, and goes on when it has it.
async function key() {
  const guarded = await startServer({ flags: ["--no-audit"], env: { KEDGE_SERVE_KEY: "open-sesame-7a41c09e55d2" } });
  const other = await openPage(guarded.url, { expected: ["status of 401"] });
  const dialog = other.page.getByRole("dialog", { name: "Key of this server" });
  check("a key is asked for", await dialog.waitFor({ timeout: 20000 }).then(() => true, () => false));
  const found = await violations(other.page);
  check("axe: key", found.length === 0, found);
  await dialog.getByLabel("Key").fill("open-sesame-7a41c09e55d2");
  await dialog.getByRole("button", { name: "Use it" }).click();
  await other.page.waitForFunction(() => document.querySelectorAll("#knobs select option").length >= 3, null, { timeout: 20000 });
  check("with the key the models are listed", !(await dialog.isVisible()));
  check("nothing went wrong unseen with a key", other.problems.length === 0, other.problems);
  await other.browser.close();
  await guarded.end();
}

const only = process.argv.slice(5);
for (const part of [chat, why, model, memory, others, lasting, key].filter(({ name }) => only.length === 0 || only.includes(name))) {
  await part().catch(async (error) => {
    if (shots) await page.screenshot({ path: `${shots}/failed-${part.name}.png` });
    check(part.name, false, error.stack.split("\n").slice(0, 6).join(" / "));
  });
}
check("nothing went wrong unseen", problems.length === 0, problems);
await browser.close();
await server.end();
finish();
