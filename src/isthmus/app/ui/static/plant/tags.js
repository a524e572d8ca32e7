// SPDX-License-Identifier: Apache-2.0
/**
 * The plant as the screen knows it: tags with a signal each, and the tree of their places with counts of what is wrong.
 * @module
 */
import { signal } from "../vendor/signals-core/signals-core.js";
import { STATES, stateOf } from "./state.js";
import { setZone } from "./words.js";

/** @typedef {import("./state.js").Reading} Reading */
/** @typedef {import("./state.js").State} State */
/** @template T @typedef {import("../vendor/signals-core/signals-core.js").Signal<T>} Signal */

/**
 * @typedef {object} Tag
 * @property {number} number
 * @property {string} path
 * @property {string} name the last part of its path
 * @property {string} type
 * @property {string} unit
 * @property {string} system
 * @property {string} address
 * @property {boolean} stepped
 * @property {readonly [number, number] | undefined} range
 * @property {readonly [number, number] | undefined} normal where it stands in normal operation
 * @property {Record<string, string>} labels
 * @property {string} description
 * @property {string} file
 * @property {number} line
 * @property {string} meant_file where its type says what it means; empty for none
 * @property {number} meant_line
 * @property {Signal<Reading | null>} reading
 * @property {State} state what it counts as in the tree
 * @property {Place} place
 */

/**
 * @typedef {object} Asset
 * @property {string} path
 * @property {string} type
 * @property {string} description
 * @property {string} owner
 * @property {string} symbol how it is drawn; empty where that is not said
 * @property {string} file
 * @property {number} line
 */

/** One place in the tree: an asset, or what assets lie in. */
export class Place {
  /**
   * @param {string} path
   * @param {Place | null} parent
   */
  constructor(path, parent) {
    this.path = path;
    this.name = path.slice(path.lastIndexOf("/") + 1);
    this.parent = parent;
    /** @type {Map<string, Place>} */
    this.children = new Map();
    /** @type {Tag[]} */
    this.tags = [];
    /** @type {Asset | null} */
    this.asset = null;
    /** Tags below in each state, in the order of STATES. */
    this.counts = STATES.map(() => 0);
    /** Counts up when the counts change. */
    this.changed = signal(0);
  }

  /** Steps below the root. @returns {number} */
  get depth() {
    return this.parent ? this.parent.depth + 1 : 0;
  }

  /** The worst state below. @returns {State} */
  worst() {
    this.changed.value;
    for (let i = STATES.length - 1; i > 0; i--) if (this.counts[i]) return STATES[i];
    return "good";
  }

  /** What is told of it: the worst state below, and beside it how many values are outside their normal band. @returns {State[]} */
  wrong() {
    const worst = this.worst();
    if (worst === "good") return [];
    return worst === "abnormal" || !this.count("abnormal") ? [worst] : [worst, "abnormal"];
  }

  /** How many below are in a state. @param {State} state */
  count(state) {
    this.changed.value;
    return this.counts[STATES.indexOf(state)];
  }

  /** @param {State} was @param {State} is */
  recount(was, is) {
    for (let place = /** @type {Place | null} */ (this); place; place = place.parent) {
      place.counts[STATES.indexOf(was)]--;
      place.counts[STATES.indexOf(is)]++;
      place.changed.value++;
    }
  }

  /** The tag that stands for the place: its first number with a range, else its first number, else one of a part. @returns {Tag | undefined} */
  main() {
    const numbers = this.tags.filter((tag) => tag.type === "float");
    return numbers.find((tag) => tag.range) ?? numbers[0];
  }

  /** This place, and all below. @returns {Generator<Place>} */
  *all() {
    yield this;
    for (const child of this.children.values()) yield* child.all();
  }
}

/**
 * What runs.
 * @typedef {object} Plant
 * @property {string} name
 * @property {number} revision
 * @property {Tag[]} tags in order of their paths
 * @property {Map<number, Tag>} byNumber
 * @property {Map<string, Tag>} byPath
 * @property {Map<string, Place>} places
 * @property {Place} root
 * @property {Map<string, import("./picture.js").Drawing>} pictures by path or type
 */

/** @type {Signal<Plant | null>} */
export const plant = signal(null);

/** The plant; only where it is known to be there. */
export const thePlant = () => /** @type {Plant} */ (plant.value);

/** @param {string} address @param {AbortSignal} [signal] @returns {Promise<any>} */
export async function ask(address, signal) {
  const answer = await fetch(address, { signal });
  if (answer.ok) return answer.json();
  const said = await answer.json().catch(() => ({}));
  throw new Error([said.title ?? `the server answered ${answer.status}`, said.hint].filter(Boolean).join("; "));
}

/** Asks for the plant as it is now; what is returned puts it on the screen. Readings that are known stay. */
export async function load() {
  const [about, tags, assets, pictures] = await Promise.all([ask("/api/plant"), ask("/api/tags"), ask("/api/assets"), ask("/api/pictures")]);
  return () => {
    setZone(about.time_zone);
    plant.value = made(about, tags, assets, pictures, plant.peek());
  };
}

/**
 * @param {{plant: string, revision: number}} about
 * @param {any[]} tags
 * @param {Asset[]} assets
 * @param {import("./picture.js").Drawing[]} pictures
 * @param {Plant | null} before
 * @returns {Plant}
 */
export function made(about, tags, assets, pictures, before = null) {
  const root = new Place(about.plant, null);
  const places = new Map([[root.path, root]]);
  /** @param {string} path @returns {Place} */
  const placeAt = (path) => {
    const known = places.get(path);
    if (known) return known;
    const cut = path.lastIndexOf("/");
    const parent = path.startsWith(`${root.path}/`) && cut > 0 ? placeAt(path.slice(0, cut)) : root;
    const place = new Place(path, parent);
    places.set(path, place);
    parent.children.set(place.name, place);
    return place;
  };
  for (const asset of assets) placeAt(asset.path).asset = asset;
  const all = tags.map((said) => {
    const cut = said.path.lastIndexOf("/");
    const place = placeAt(said.path.slice(0, cut));
    const reading = before?.byNumber.get(said.number)?.reading ?? signal(null);
    const state = stateOf(reading.peek(), said);
    /** @type {Tag} */
    const tag = { labels: {}, description: "", file: "", line: 0, meant_file: "", meant_line: 0, stepped: false, ...said, name: said.path.slice(cut + 1), reading, state, place };
    place.tags.push(tag);
    for (let at = /** @type {Place | null} */ (place); at; at = at.parent) at.counts[STATES.indexOf(state)]++;
    return tag;
  });
  order(root);
  return {
    name: about.plant,
    revision: about.revision,
    tags: all,
    byNumber: new Map(all.map((tag) => [tag.number, tag])),
    byPath: new Map(all.map((tag) => [tag.path, tag])),
    places,
    root,
    pictures: new Map(pictures.map((one) => [one.of, one])),
  };
}

/**
 * Puts places and tags in the order in which the plant file first had them, which is that of their numbers.
 * @param {Place} place
 * @returns {number} the least number below
 */
function order(place) {
  place.tags.sort((a, b) => a.number - b.number);
  const kids = [...place.children.values()].map((child) => ({ child, least: order(child) }));
  kids.sort((a, b) => a.least - b.least);
  place.children = new Map(kids.map(({ child }) => [child.name, child]));
  return Math.min(place.tags[0]?.number ?? Infinity, kids[0]?.least ?? Infinity);
}

/**
 * A tag has a new reading.
 * @param {Tag} tag
 * @param {Reading} reading
 */
export function take(tag, reading) {
  tag.reading.value = reading;
  const state = stateOf(reading, tag);
  if (state !== tag.state) {
    tag.place.recount(tag.state, state);
    tag.state = state;
  }
}
