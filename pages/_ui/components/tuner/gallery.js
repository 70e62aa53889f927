// Rows of thumbnails: which images change their verdict, and the gallery in its orders. A click opens one in Explore.

import { formatCount } from "../shared/format.js";

const FLIPS_SHOWN = 12; // at first, and more with each click on "more"
const GALLERY_SHOWN = 24;

const ZONE_WORDS = { ng: "NG", unsure: "unsure", ok: "OK" };

/** A row of tiles that grows with the entries; each frame changes only what differs. */
function createTiles(list, onOpen) {
  const tiles = [];
  const pictures = new Map(); // by image: an element that keeps its picture decoded while a drag shows others

  function pictureOf(image) {
    if (!pictures.has(image)) {
      const picture = Object.assign(document.createElement("img"), {
        alt: "",
        decoding: "async",
        src: image.thumbnail,
      });
      pictures.set(image, picture);
    }
    return pictures.get(image);
  }

  function addTile() {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "tile";
    const picture = document.createElement("i");
    const badge = document.createElement("b");
    const name = document.createElement("span");
    button.append(picture, badge, name);
    item.append(button);
    item.hidden = true;
    list.append(item);
    const tile = { item, button, picture, badge, name, image: null, key: "" };
    button.onclick = () => tile.image && onOpen(tile.image.name);
    tiles.push(tile);
  }

  function fill(tile, entry) {
    const key = entry ? `${entry.image.name}\n${entry.badge}\n${entry.wrong}\n${entry.words}` : "";
    if (key === tile.key) return;
    tile.key = key;
    tile.item.hidden = !entry;
    if (!entry) return;
    if (tile.image !== entry.image) {
      tile.image = entry.image;
      tile.picture.replaceChildren(...(entry.image.thumbnail ? [pictureOf(entry.image)] : []));
      tile.name.textContent = shortName(entry.image.name);
    }
    tile.badge.textContent = entry.badge;
    tile.badge.dataset.zone = entry.zone;
    tile.button.classList.toggle("wrong", entry.wrong);
    tile.button.title = `${entry.image.name}: ${entry.words}. Click to open it in Explore.`;
    tile.button.setAttribute("aria-label", `${entry.image.name}: ${entry.words}`);
  }

  /** `entries`: { image, badge, zone, wrong, words } of each tile in turn. */
  return function show(entries) {
    while (tiles.length < entries.length) addTile();
    for (const [i, tile] of tiles.entries()) fill(tile, entries[i]);
  };
}

/** How many entries are shown; `button` doubles that as long as there are more. */
function createLimit(button, atFirst, onChange) {
  let limit = atFirst;
  button.onclick = () => {
    limit *= 2;
    onChange();
  };
  return {
    get count() {
      return limit;
    },
    showRest(total) {
      const words = `Show more (${formatCount(total - limit)} left)`;
      button.hidden = total <= limit;
      if (!button.hidden && button.textContent !== words) button.textContent = words;
    },
  };
}

/** "test/scratch/004.png" → "scratch/004.png". */
function shortName(name) {
  return name.split("/").slice(-2).join("/");
}

/** `onMore` is called where the next frame has more to show. */
export function createGallery(root, data, counts, { onOpen, onMore }) {
  const slot = (name) => root.querySelector(`[data-slot=${name}]`);
  const showFlips = createTiles(slot("flips"), onOpen);
  const showGallery = createTiles(slot("gallery"), onOpen);
  const flipsLimit = createLimit(slot("flipsMore"), FLIPS_SHOWN, onMore);
  const galleryLimit = createLimit(slot("galleryMore"), GALLERY_SHOWN, onMore);
  const all = Array.from({ length: counts.images }, (_, i) => i);
  const kinds = [...new Set(data.images.map(({ kind }) => kind))].sort((a, b) => a.localeCompare(b));
  const kindRank = data.images.map(({ kind }) => kinds.indexOf(kind));

  function zoneOf(first, stop, unsureStop) {
    return first <= stop ? "ng" : first <= unsureStop ? "unsure" : "ok";
  }

  function entryOf(i, zone, words) {
    const truth = data.labels[i] ? "defect" : "good";
    const wrong = data.labels[i] ? zone !== "ng" : zone === "ng";
    return {
      image: data.images[i],
      badge: ZONE_WORDS[zone],
      zone,
      wrong,
      words: words ?? `${ZONE_WORDS[zone]}, is ${truth}`,
    };
  }

  /** The images whose verdict differs from the saved setting's; returns how many, and how many of them got right. */
  function flips(where, saved) {
    const [now, before] = [counts.imageStops(where), counts.imageStops(saved)];
    const changed = all.filter((i) => now[i] <= where.stop !== before[i] <= saved.stop);
    const right = changed.filter((i) => now[i] <= where.stop === Boolean(data.labels[i])).length;
    showFlips(
      changed.slice(0, flipsLimit.count).map((i) => {
        const flagged = now[i] <= where.stop;
        const words = `${flagged ? "OK → NG" : "NG → OK"}, is ${data.labels[i] ? "defect" : "good"}`;
        return { ...entryOf(i, flagged ? "ng" : "ok", words), badge: flagged ? "OK → NG" : "NG → OK" };
      }),
    );
    flipsLimit.showRest(changed.length);
    return { changed: changed.length, right };
  }

  /** What an order sorts by, smallest first; images without a number are left out. */
  const ORDERS = {
    /** Wrong ones first, farthest from the threshold; then the closest calls. */
    wrong:
      (first, { stop }) =>
      (i) => {
        const distance = Math.abs(first[i] - stop - 0.5);
        return first[i] <= stop !== Boolean(data.labels[i]) ? -distance : distance;
      },
    score: (first) => (i) => first[i],
    kind: (first) => (i) => kindRank[i] * (counts.stops + 1) + first[i],
    erased: (_, where) => {
      const [kept, raw] = [counts.regionStops(where), counts.regionStops(counts.RAW)];
      const touched = new Uint8Array(counts.images);
      for (let region = 0; region < kept.length; region++)
        if (kept[region] > where.stop && raw[region] <= where.stop) touched[data.regionImages[region]] = 1;
      return (i) => (touched[i] ? i : NaN);
    },
  };

  /** Returns how many images are shown, and how many the order has. */
  function show(where, unsureStop, order) {
    const first = counts.imageStops(where);
    const ranks = Float64Array.from(all, ORDERS[order](first, where));
    const ordered = smallest(ranks, galleryLimit.count);
    showGallery(ordered.map((i) => entryOf(i, zoneOf(first[i], where.stop, unsureStop))));
    const count = ranks.reduce((sum, rank) => sum + (Number.isNaN(rank) ? 0 : 1), 0);
    galleryLimit.showRest(count);
    return { shown: ordered.length, count };
  }

  return { flips, show };
}

/** The indices of the smallest values, smallest first, equal ones in their order; NaN is left out. */
function smallest(values, count) {
  const best = [];
  values.forEach((value, i) => {
    if (Number.isNaN(value) || (best.length === count && value >= values[best.at(-1)])) return;
    let at = best.length;
    while (at > 0 && values[best[at - 1]] > value) at -= 1;
    best.splice(at, 0, i);
    if (best.length > count) best.pop();
  });
  return best;
}
