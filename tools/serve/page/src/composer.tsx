// Where questions are written: a new one, or an earlier one anew as a branch.
import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { count } from "./format";
import { answer, ask, stop, writingId } from "./generate";
import { Bad, Button } from "./parts";
import { current } from "./store";
import type { Attachment, Message } from "./tree";

const drafts = new Map<string, string>();  // of conversations, while the page is open
const longest = 2_000_000;  // bytes of a document: what the server takes in a request is its business, this is the page's

export function Composer(props: { parent: string | null; edits?: Message; done?: () => void; waiting?: string | null }) {
  const { edits } = props;
  const draft = edits?.id ?? current.value.id;
  const text = useSignal(edits?.content ?? drafts.get(draft) ?? "");
  useEffect(() => () => void drafts.set(draft, text.peek()), []);
  const files = useSignal<Attachment[]>(edits?.attachments ?? []);
  const wrong = useSignal("");
  const area = useRef<HTMLTextAreaElement>(null);
  const input = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => {
    const element = area.current!;
    element.style.height = "auto";
    element.style.height = `${Math.min(element.scrollHeight, 240)}px`;
  }, [text.value]);
  useEffect(() => {
    if (edits || matchMedia("(pointer: fine)").matches) area.current!.focus({ preventScroll: true });
  }, []);

  const attach = async (chosen: FileList | null) => {
    wrong.value = "";
    for (const file of chosen ?? []) {
      const content = file.size > longest ? null : await file.text();
      if (content === null) wrong.value = `${file.name} has ${count(file.size)} bytes; ${count(longest)} are the most.`;
      else if (content.includes("\0") || content.includes("\ufffd")) wrong.value = `${file.name} is no text in UTF-8.`;
      else files.value = [...files.value.filter((other) => other.name !== file.name), { name: file.name, text: content }];
    }
    input.current!.value = "";
  };
  const send = () => {
    const content = text.value.trim();
    if (!content || writingId.value) return;
    const attached = files.value;
    text.value = "";
    files.value = [];
    props.done?.();
    void ask(props.parent, content, attached);
  };

  return (
    <form class={edits ? "composer edit" : "composer"} aria-label={edits ? "Edit the question" : "Ask"}
      onSubmit={(e) => (e.preventDefault(), send())}
      onDragOver={(e) => e.preventDefault()}
      onDrop={(e) => (e.preventDefault(), void attach(e.dataTransfer?.files ?? null))}>
      <Bad text={wrong.value} />
      {files.value.length > 0 && (
        <ul class="files">
          {files.value.map((file) => (
            <li key={file.name}>
              {file.name}
              <Button class="bare" aria-label={`Leave out ${file.name}`}
                onClick={() => (files.value = files.value.filter((other) => other !== file))}>{"\u00d7"}</Button>
            </li>
          ))}
        </ul>
      )}
      <textarea ref={area} rows={1} value={text.value} placeholder="Ask" aria-label={edits ? "The question" : "Your question"}
        onInput={(e) => (text.value = e.currentTarget.value)}
        onKeyDown={(e) => {
          if (e.key === "Enter" && !e.shiftKey && !e.isComposing) {
            e.preventDefault();
            send();
          }
          if (e.key === "Escape") edits ? props.done?.() : stop();
        }} />
      <div class="row">
        <input ref={input} type="file" hidden multiple
          accept="text/*,.md,.markdown,.json,.jsonl,.csv,.toml,.yaml,.c,.cc,.cpp,.h,.py,.ts,.js,.rs,.go"
          onChange={(e) => void attach(e.currentTarget.files)} />
        <Button class="plain" onClick={() => input.current!.click()}>Attach a text</Button>
        <span class="gap" />
        {edits && <Button onClick={props.done}>Cancel</Button>}
        {props.waiting && <Button onClick={() => void answer(props.waiting!)}>Answer the last question</Button>}
        {writingId.value && !edits
          ? <Button class="main" onClick={stop}>Stop</Button>
          : <button type="submit" class="main" disabled={!text.value.trim() || !!writingId.value}>{edits ? "Ask anew" : "Send"}</button>}
      </div>
    </form>
  );
}
