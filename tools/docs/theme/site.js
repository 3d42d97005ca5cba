// Colours, the menu on small screens, copying, the heading that is being read, and the search. No network: the index is a script.
'use strict';

const root = document.documentElement;
const base = root.dataset.base;

// Colours: the system's unless chosen.
const theme = document.querySelector('.theme');
const choices = ['system', 'light', 'dark'];
const chosen = () => root.dataset.theme ?? 'system';
const showTheme = () => {
  theme.textContent = { system: 'System', light: 'Light', dark: 'Dark' }[chosen()];
  theme.setAttribute('aria-label', `Colours: ${chosen()}`);
};
theme.addEventListener('click', () => {
  const next = choices[(choices.indexOf(chosen()) + 1) % choices.length];
  if (next === 'system') delete root.dataset.theme;
  else root.dataset.theme = next;
  try {
    if (next === 'system') localStorage.removeItem('kedge-theme');
    else localStorage.setItem('kedge-theme', next);
  } catch { /* kept for this page only */ }
  showTheme();
});
showTheme();

const menu = document.querySelector('.menu');
menu.addEventListener('click', () => menu.setAttribute('aria-expanded', String(document.body.classList.toggle('open'))));
document.querySelector('nav [aria-current]')?.scrollIntoView({ block: 'nearest' });

for (const block of document.querySelectorAll('.code')) {
  const copy = document.createElement('button');
  copy.className = 'copy';
  copy.textContent = 'Copy';
  copy.addEventListener('click', async () => {
    await navigator.clipboard.writeText(block.querySelector('pre').textContent);
    copy.textContent = 'Copied';
    setTimeout(() => { copy.textContent = 'Copy'; }, 1500);
  });
  block.append(copy);
}

const contents = new Map([...document.querySelectorAll('aside a')].map((a) => [decodeURIComponent(a.hash.slice(1)), a]));
if (contents.size > 0) {
  const heads = [...document.querySelectorAll('article h2[id]')].filter((h) => contents.has(h.id));
  const mark = () => {
    let here = heads[0];
    for (const head of heads) if (head.getBoundingClientRect().top < 120) here = head;
    for (const [id, a] of contents) a.classList.toggle('here', id === here?.id);
  };
  addEventListener('scroll', mark, { passive: true });
  mark();
}

// Search: the index is loaded when it is first wanted.
const input = document.querySelector('.search input');
const list = document.querySelector('.found');
const script = (name) => new Promise((resolve, reject) => {
  const made = document.createElement('script');
  made.src = `${base}/${name}`;
  made.onload = resolve;
  made.onerror = () => reject(new Error(`${name} cannot be loaded`));
  document.head.append(made);
});
let loading = null;
const load = () => (loading ??= script('lunr.js').then(() => script('search.js')).then(() => ({
  index: lunr.Index.load(window.kedgeSearch.index), pages: window.kedgeSearch.pages,
})));

function query(index, text) {
  const words = lunr.tokenizer(text).map(String).filter((word) => word.length > 0);
  if (words.length === 0) return [];
  return index.query((q) => words.forEach((word, i) => {
    q.term(word, { boost: 10 });
    q.term(word, { usePipeline: false, boost: 10 });
    if (i === words.length - 1) q.term(word, { wildcard: lunr.Query.wildcard.TRAILING, usePipeline: false });
  })).slice(0, 12);
}

function excerpt(text, words) {
  const at = Math.max(0, ...words.map((w) => text.toLowerCase().indexOf(w)));
  const begin = at > 60 ? text.indexOf(' ', at - 50) + 1 : 0;
  return (begin > 0 ? '… ' : '') + text.slice(begin, begin + 220);
}

function marked(element, text, words) {
  const pattern = new RegExp(`(${words.map((w) => w.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|')})`, 'ig');
  text.split(pattern).forEach((part, i) => {
    if (i % 2 === 0) element.append(part);
    else element.append(Object.assign(document.createElement('mark'), { textContent: part }));
  });
}

async function search() {
  const text = input.value.trim();
  list.hidden = text === '';
  if (list.hidden) return;
  const { index, pages } = await load();
  if (input.value.trim() !== text) return;
  const words = text.toLowerCase().split(/\s+/);
  list.replaceChildren(...query(index, text).map(({ ref }, i) => {
    const { url, page, title, text: body } = pages[Number(ref)];
    const item = document.createElement('li');
    const link = document.createElement('a');
    link.href = `${base}/${url}`;
    link.setAttribute('aria-selected', String(i === 0));
    const head = document.createElement('b');
    head.append(title, ...(page && page !== title ? [Object.assign(document.createElement('i'), { textContent: ` · ${page}` })] : []));
    const line = document.createElement('span');
    marked(line, excerpt(body, words), words);
    link.append(head, line);
    item.append(link);
    return item;
  }));
  if (list.childElementCount === 0) list.innerHTML = '<li><p>Nothing was found.</p></li>';
}

input.addEventListener('focus', () => load().catch(() => { input.placeholder = 'The search cannot be loaded'; }));
input.addEventListener('input', search);
input.addEventListener('keydown', (event) => {
  const links = [...list.querySelectorAll('a')];
  const at = links.findIndex((a) => a.getAttribute('aria-selected') === 'true');
  if (event.key === 'Escape') {
    input.value = '';
    list.hidden = true;
    input.blur();
  } else if (event.key === 'Enter' && links[at]) {
    links[at].click();
  } else if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && links.length > 0) {
    event.preventDefault();
    const next = links[(at + (event.key === 'ArrowDown' ? 1 : links.length - 1)) % links.length];
    links[at]?.setAttribute('aria-selected', 'false');
    next.setAttribute('aria-selected', 'true');
    next.scrollIntoView({ block: 'nearest' });
  }
});
document.addEventListener('click', (event) => {
  if (!event.target.closest('.search')) list.hidden = true;
  if (event.target.closest('.found a')) {
    list.hidden = true;
    document.body.classList.remove('open');
  }
});
document.addEventListener('keydown', (event) => {
  const writing = event.target.closest('input, textarea');
  if (event.key === '/' && !writing && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    input.focus();
  }
});
