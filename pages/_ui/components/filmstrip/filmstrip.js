// A row of thumbnails to pick a picture from. Sends one trigger, "picked", with the picture's name.

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".filmstrip");
  const list = root.querySelector("ul");
  const [previous, next] = root.querySelectorAll("button.step");
  const position = root.querySelector(".position");
  const pick = (name) => name !== undefined && setTriggerValue("picked", name);

  list.replaceChildren(...data.items.map((item) => frame(item, item.name === data.selected, () => pick(item.name))));
  previous.disabled = data.previous === null;
  next.disabled = data.next === null;
  previous.onclick = () => pick(data.previous);
  next.onclick = () => pick(data.next);
  position.textContent = data.position;
  root.onkeydown = (event) => {
    const target = { ArrowLeft: data.previous, ArrowRight: data.next }[event.key];
    if (target == null) return;
    event.preventDefault();
    pick(target);
  };

  const chosen = list.querySelector("[aria-current]");
  if (chosen) {
    list.scrollLeft = chosen.parentElement.offsetLeft - list.offsetLeft - (list.clientWidth - chosen.clientWidth) / 2;
    if (root.contains(root.getRootNode().activeElement)) chosen.focus({ preventScroll: true });
  }
}

function frame(item, selected, onclick) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = `frame ${item.label}`;
  button.title = item.title;
  button.setAttribute("aria-label", item.title);
  if (selected) button.setAttribute("aria-current", "true");
  button.tabIndex = selected ? 0 : -1;
  button.onclick = onclick;
  if (item.src) {
    const picture = document.createElement("img");
    picture.src = item.src;
    picture.alt = "";
    button.append(picture);
  } else {
    button.textContent = "unreadable";
  }
  const line = document.createElement("li");
  line.append(button);
  return line;
}
