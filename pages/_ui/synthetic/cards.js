// The stages as cards, in the order of the data, under their groups' headings. Knows no server.

function createCards(root, { onSet, onPoint }) {
  const board = root.querySelector("[data-slot=stages]");
  let cards = new Map(); // stage → its elements
  let shown = ""; // which stages and controls there are

  function show(view) {
    const wanted = view.cards.map(({ key, group, controls }) => `${group} ${key} ${controls.map(({ name }) => name)}`);
    if (wanted.join() !== shown) build(view);
    shown = wanted.join();
    for (const card of view.cards) cards.get(card.key).show(card, view);
  }

  function build(view) {
    cards = new Map(view.cards.map((card) => [card.key, createCard(card, view.words, { onSet, onPoint })]));
    const groups = new Map();
    for (const { group, key } of view.cards) {
      if (!groups.has(group)) {
        const section = element("section", "stage-group");
        const row = element("div", "row");
        section.append(element("h3", "", group), row);
        groups.set(group, { section, row });
      }
      groups.get(group).row.append(cards.get(key).box);
    }
    board.replaceChildren(...[...groups.values()].map(({ section }) => section));
  }

  function point(stage) {
    for (const [key, card] of cards) card.point(key === stage);
  }

  return { show, point, scrollTo: (stage) => cards.get(stage)?.box.scrollIntoView({ block: "center" }) };
}

function createCard(first, words, { onSet, onPoint }) {
  const box = element("article", "card");
  box.dataset.stage = first.key;
  box.id = `stage-${first.key}`;
  const picture = element("button", "picture");
  picture.type = "button";
  picture.onclick = () => onPoint(first.key);
  const [name, facts, sentence] = [element("h4", "name"), element("ul", "facts"), element("p", "sentence")];
  const bar = element("div", "bar");
  const knobs = new Map(first.controls.map((one) => [one.name, createKnob(one, words, onSet)]));
  box.append(picture, bar, name, sentence, facts, ...[...knobs.values()].map((knob) => knob.box));
  let title = "";

  function show(card, view) {
    title = card.title;
    showPicture(picture, card, view.grid);
    showBar(bar, card, view.bars[card.scale]);
    name.textContent = card.title;
    sentence.textContent = card.sentence;
    facts.replaceChildren(...card.facts.map((fact) => element("li", "", fact)));
    for (const one of card.controls) knobs.get(one.name).show(one);
  }

  function point(isPointed) {
    box.classList.toggle("pointed", isPointed);
    picture.setAttribute("aria-expanded", String(isPointed));
    picture.setAttribute("aria-label", filled(isPointed ? words.shrink : words.enlarge, { title }));
  }

  return { box, show, point };
}

/** A card's pixels with its drawing on top; `grid` is the picture's (height, width). */
function showPicture(box, card, grid) {
  const [height, width] = card.drawn_on ?? (card.has_picture ? [card.height, card.width] : grid);
  box.style.aspectRatio = `${grid[1]} / ${grid[0]}`;
  box.classList.toggle("enlarged", card.has_picture && card.width < grid[1]);
  const parts = [];
  if (card.has_picture) {
    const canvas = document.createElement("canvas");
    card.draw(canvas);
    parts.push(canvas);
  }
  if (Object.keys(card.drawing).length) {
    const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    for (const [name, path] of Object.entries(card.drawing)) drawing.append(svg("path", { d: path, class: name }));
    parts.push(drawing);
  }
  box.replaceChildren(...parts);
}

function showBar(bar, card, rgb) {
  bar.hidden = !card.ends;
  if (!card.ends) return;
  const steps = Array.from({ length: 17 }, (_, i) => {
    const at = 3 * Math.round((i * 255) / 16);
    return `rgb(${rgb.slice(at, at + 3).join(" ")})`;
  });
  const strip = element("i", "");
  strip.style.background = `linear-gradient(to right, ${steps.join(", ")})`;
  const [low, high] = card.ends.map((end) => String(end).replace("-", MINUS));
  bar.replaceChildren(element("small", "", low), strip, element("small", "", high));
}

function svg(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
