// The lesson's card: shows one step, tells of back, next and answer, by buttons and by the keys that presenters' clickers
// send. Keeps the page clear of itself. Knows no stage and no server.

const bands = new WeakMap(); // root element → band
const BACK = ["ArrowLeft", "PageUp"];
const NEXT = ["ArrowRight", "PageDown"];
const ASK = [" ", "Enter", ".", "b"]; // a clicker's button for a black screen sends "." or "b"
const GIVE_UP = 10000; // ms after which a step that was asked for counts as lost

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".band");
  if (!bands.has(root)) bands.set(root, createBand(root));
  return bands.get(root).receive(data, setTriggerValue);
}

function createBand(root) {
  const slot = (name) => root.querySelector(`[data-slot=${name}]`);
  const page = document.querySelector("[data-testid=stMain]");
  let shown = null;
  let going = null; // the step that was asked for, until it is there
  let goneAt = 0;
  let isAsked = false; // for the answer, which is on its way
  /** @type {(name: string, value: unknown) => void} */
  let send = () => {};

  const watcher = new ResizeObserver(makeRoom);
  slot("back").onclick = (event) => pressed(event, () => go(-1));
  slot("next").onclick = (event) => pressed(event, () => go(1));
  slot("leave").onclick = () => send("go", { to: 0, at: Date.now() });
  slot("ask").onclick = (event) => pressed(event, ask);

  function receive(data, setTriggerValue) {
    send = setTriggerValue;
    const isOther = data.step !== shown?.step;
    if (data.answer !== null || isOther) isAsked = false;
    if (data.step === going || performance.now() - goneAt > GIVE_UP) going = null;
    shown = data;
    document.documentElement.classList.add("in-lesson");
    show();
    if (isOther) document.dispatchEvent(new Event("lesson-step")); // the card's height is known: what is to be seen may move
    watcher.observe(root);
    if (page) watcher.observe(page);
    document.addEventListener("keydown", onKey);
    return leave;
  }

  function leave() {
    watcher.disconnect();
    document.removeEventListener("keydown", onKey);
    document.documentElement.classList.remove("in-lesson");
    document.documentElement.style.removeProperty("--lesson-height");
  }

  function show() {
    const { words, step, count } = shown;
    root.lang = shown.lang;
    root.classList.toggle("busy", going !== null || isAsked);
    root.setAttribute("aria-label", words.label);
    slot("place").textContent = words.place.replace("{step}", step).replace("{count}", count);
    slot("title").textContent = shown.title;
    slot("backWord").textContent = words.back;
    slot("nextWord").textContent = words.next;
    slot("leave").textContent = words.leave;
    slot("back").disabled = step === 1;
    slot("next").disabled = step === count;
    slot("progress").style.width = `${(100 * step) / count}%`;
    write(slot("question"), shown.question);
    slot("ask").hidden = shown.answer !== null;
    slot("ask").textContent = words.ask;
    slot("told").hidden = shown.answer === null;
    write(slot("answer"), shown.answer ?? "");
    write(slot("hand"), shown.hand);
    makeRoom();
  }

  function go(by) {
    const to = (going ?? shown.step) + by;
    if (to < 1 || to > shown.count) return;
    [going, goneAt] = [to, performance.now()];
    show();
    send("go", { to, at: Date.now() });
  }

  function ask() {
    if (going !== null) return;
    isAsked = shown.answer === null;
    show();
    send("answer", { shown: isAsked, at: Date.now() });
  }

  /** A click leaves no focus behind: Space is to show the answer, not to press the button again. */
  function pressed(event, act) {
    if (event.detail) event.currentTarget.blur();
    act();
  }

  function onKey(event) {
    const { key } = event;
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = BACK.includes(key) ? () => go(-1) : NEXT.includes(key) ? () => go(1) : ASK.includes(key) ? ask : null;
    if (!act || isTaken(event.composedPath()[0], key)) return;
    event.preventDefault();
    act();
  }

  /** Keep the page's content below the card, which grows with its text and leaves the sidebar free. */
  function makeRoom() {
    const { style } = document.documentElement;
    const box = page?.getBoundingClientRect();
    if (box) {
      root.style.setProperty("--lesson-left", `${box.left}px`);
      root.style.setProperty("--lesson-width", `${box.width}px`);
      root.classList.toggle("beside-opener", box.left < 1);
    }
    style.setProperty("--lesson-height", `${Math.ceil(root.getBoundingClientRect().height)}px`);
  }

  return { receive };
}

/** Whether the focused element has its own use for a key. */
function isTaken(element, key) {
  if (!(element instanceof Element)) return false;
  if (
    element.closest(
      "input, textarea, select, [contenteditable=true], [role=slider], [role=radio], [role=combobox], [role=listbox]",
    )
  )
    return true;
  if (key === "Enter" && element.closest("a")) return true; // Space means nothing to a link, which a click leaves focused
  return [" ", "Enter"].includes(key) && element.closest("button, summary, [tabindex='0']:not(a)") !== null;
}

/** Text with **strong** parts. */
function write(element, text) {
  const parts = text.split("**").map((part, i) => {
    if (i % 2 === 0) return part;
    const strong = document.createElement("b");
    strong.textContent = part;
    return strong;
  });
  element.replaceChildren(...parts);
}
