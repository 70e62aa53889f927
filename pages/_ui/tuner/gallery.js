// Rows of thumbnails: which images change their verdict, and the gallery in its orders. A click opens one in Explore.

const FLIPS_SHOWN = 12;
const GALLERY_SHOWN = 24;

const ZONE_WORDS = { ng: "NG", unsure: "unsure", ok: "OK" };

/** A fixed number of tiles; each frame changes only what differs. */
function createTiles(list, count, onOpen) {
  const tiles = Array.from({ length: count }, () => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "tile";
    const picture = Object.assign(document.createElement("img"), { alt: "", decoding: "sync" });
    const badge = document.createElement("b");
    const name = document.createElement("span");
    button.append(picture, badge, name);
    item.append(button);
    item.hidden = true;
    list.append(item);
    const tile = { item, button, picture, badge, name, image: null, key: "" };
    button.onclick = () => tile.image && onOpen(tile.image.name);
    return tile;
  });

  /** `entries`: { image, badge, zone, wrong, words } of each tile in turn. */
  return function show(entries) {
    tiles.forEach((tile, i) => {
      const entry = entries[i];
      const key = entry ? `${entry.image.name}\n${entry.badge}\n${entry.wrong}\n${entry.words}` : "";
      if (key === tile.key) return;
      tile.key = key;
      tile.item.hidden = !entry;
      if (!entry) return;
      if (tile.image !== entry.image) {
        tile.image = entry.image;
        if (entry.image.thumbnail) tile.picture.src = entry.image.thumbnail;
        tile.picture.hidden = !entry.image.thumbnail;
        tile.name.textContent = shortName(entry.image.name);
      }
      tile.badge.textContent = entry.badge;
      tile.badge.dataset.zone = entry.zone;
      tile.button.classList.toggle("wrong", entry.wrong);
      tile.button.title = `${entry.image.name}: ${entry.words}. Click to open it in Explore.`;
      tile.button.setAttribute("aria-label", `${entry.image.name}: ${entry.words}`);
    });
  };
}

/** "test/scratch/004.png" → "scratch 004". */
function shortName(name) {
  return name.replace(/\.[^./]*$/, "").split("/").slice(-2).join(" ").replaceAll("_", " ");
}

function createGallery(root, data, counts, onOpen) {
  const showFlips = createTiles(root.querySelector("[data-slot=flips]"), FLIPS_SHOWN, onOpen);
  const showGallery = createTiles(root.querySelector("[data-slot=gallery]"), GALLERY_SHOWN, onOpen);
  const all = Array.from({ length: counts.images }, (_, i) => i);

  function zoneOf(first, stop, unsureStop) {
    return first <= stop ? "ng" : first <= unsureStop ? "unsure" : "ok";
  }

  function entryOf(i, zone, words) {
    const truth = data.labels[i] ? "defect" : "good";
    const wrong = data.labels[i] ? zone !== "ng" : zone === "ng";
    return { image: data.images[i], badge: ZONE_WORDS[zone], zone, wrong, words: words ?? `${ZONE_WORDS[zone]}, is ${truth}` };
  }

  /** The images whose verdict differs from the saved setting's; returns how many, and how many of them got right. */
  function flips(where, saved) {
    const [now, before] = [counts.imageStops(where), counts.imageStops(saved)];
    const changed = all.filter((i) => now[i] <= where.stop !== before[i] <= saved.stop);
    const right = changed.filter((i) => now[i] <= where.stop === Boolean(data.labels[i])).length;
    showFlips(
      changed.slice(0, FLIPS_SHOWN).map((i) => {
        const flagged = now[i] <= where.stop;
        const words = `${flagged ? "OK → NG" : "NG → OK"}, is ${data.labels[i] ? "defect" : "good"}`;
        return { ...entryOf(i, flagged ? "ng" : "ok", words), badge: flagged ? "OK → NG" : "NG → OK" };
      }),
    );
    return { changed: changed.length, right };
  }

  const ORDERS = {
    /** Wrong ones first, farthest from the threshold; then the closest calls. */
    wrong: (first, { stop }) => {
      const distance = (i) => Math.abs(first[i] - stop - 0.5);
      const wrong = (i) => first[i] <= stop !== Boolean(data.labels[i]);
      return [...all].sort((a, b) =>
        wrong(a) !== wrong(b) ? (wrong(a) ? -1 : 1) : wrong(a) ? distance(b) - distance(a) : distance(a) - distance(b),
      );
    },
    score: (first) => [...all].sort((a, b) => first[a] - first[b] || a - b),
    kind: (first) =>
      [...all].sort((a, b) => data.images[a].kind.localeCompare(data.images[b].kind) || first[a] - first[b] || a - b),
    erased: (first, where) => {
      const [kept, raw] = [counts.regionStops(where), counts.regionStops(counts.RAW)];
      const touched = new Set();
      for (let region = 0; region < kept.length; region++)
        if (kept[region] > where.stop && raw[region] <= where.stop) touched.add(data.regionImages[region]);
      return all.filter((i) => touched.has(i));
    },
  };

  /** Returns how many images the order has. */
  function show(where, unsureStop, order) {
    const first = counts.imageStops(where);
    const ordered = ORDERS[order](first, where);
    showGallery(ordered.slice(0, GALLERY_SHOWN).map((i) => entryOf(i, zoneOf(first[i], where.stop, unsureStop))));
    return ordered.length;
  }

  return { flips, show };
}
