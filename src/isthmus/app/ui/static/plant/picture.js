// SPDX-License-Identifier: Apache-2.0
/**
 * Where the symbols of a place stand and how its pipes run: by the plant file's picture, else side by side.
 * @module
 */

/** @typedef {import("./tags.js").Place} Place */
/** @typedef {import("./tags.js").Plant} Plant */
/** @typedef {readonly [number, number]} Spot */

/**
 * A picture as the plant file gives it.
 * @typedef {object} Drawing
 * @property {string} of a path, or a type
 * @property {Record<string, Spot>} [place]
 * @property {{name?: string, through: (string | Spot)[]}[]} [flows]
 */

/** @typedef {{place: Place, kind: string, x: number, y: number, away: boolean}} Symbol x and y in columns and rows */
/** @typedef {{name: string, points: [number, number][], label: Label | null}} Pipe pixels; null where there is no room for its name */
/** @typedef {{x: number, y: number, letters: number}} Label where a name stands, and how much of it */
/** @typedef {{symbols: Symbol[], pipes: Pipe[], width: number, height: number}} Picture */

/** Size of a cell, pixels. */
export const CELL = { width: 178, height: 142 };
/** Half the width of a symbol, where pipes begin and end; and half its height. @type {Readonly<Record<string, Spot>>} */
const HALF = { column: [22, 78], away: [58, 15], valve: [22, 14], pump: [22, 22], meter: [21, 21], exchanger: [23, 23], compressor: [22, 22], vessel: [20, 30], tank: [28, 30], reactor: [31, 37], boiler: [28, 36] };
/** @param {string} kind @returns {Spot} */
export const half = (kind) => HALF[kind] ?? [30, 30];

/** Symbols of a picture that nobody drew; with more of them it is a list that helps, not a picture. */
const MOST = 24;
/** Of these on one row. */
const ON_ROW = 6;
/** Between two pipes side by side, pixels. */
const APART = 9;

const KINDS = new Set(["boiler", "column", "compressor", "cooling-tower", "exchanger", "machine", "meter", "pump", "reactor", "tank", "valve", "vessel"]);

/** How a place is drawn: as its asset says, else as its type is called; empty for what has no symbol. @param {Place} place */
export function kindOf(place) {
  const asset = place.asset, type = asset?.type.replace(/@\d+$/, "") ?? "";
  return asset?.symbol || (KINDS.has(type) ? type : "");
}

/** The picture of a place; null where there is nothing to draw. @param {Plant} plant @param {Place} place @returns {Picture | null} */
export function pictureOf(plant, place) {
  const drawing = plant.pictures.get(place.path) ?? plant.pictures.get(place.asset?.type ?? "");
  const found = drawing ? drawn(plant, place, drawing) : listed(place);
  return found.length ? laid(place, found, drawing ? routes(plant, place, drawing) : []) : null;
}

/** @param {Plant} plant @param {Place} of @param {string} name */
const named = (plant, of, name) => (name === "." ? of : plant.places.get(name) ?? plant.places.get(`${of.path}/${name}`));

/** @typedef {{place: Place, spot: Spot | null}} Wanted */

/** @param {Plant} plant @param {Place} of @param {Drawing} drawing @returns {Wanted[]} */
function drawn(plant, of, drawing) {
  /** @type {Map<Place, Spot | null>} */
  const wanted = new Map();
  for (const [name, spot] of Object.entries(drawing.place ?? {})) {
    const place = named(plant, of, name);
    if (place) wanted.set(place, spot);
  }
  for (const { through } of drawing.flows ?? [])
    for (const one of through) {
      const place = typeof one === "string" ? named(plant, of, one) : undefined;
      if (place && !wanted.has(place)) wanted.set(place, null);
    }
  return [...wanted].map(([place, spot]) => ({ place, spot }));
}

/** A place and its parts, as far as they have symbols. @param {Place} place @returns {Wanted[]} */
function listed(place) {
  const all = [...(kindOf(place) ? [place] : []), ...[...place.children.values()].filter(kindOf)];
  return all.length > MOST ? [] : all.map((one, i) => ({ place: one, spot: /** @type {Spot} */ ([i % ON_ROW, Math.floor(i / ON_ROW)]) }));
}

/** @typedef {{name: string, from: Place, to: Place, bends: Spot[]}} Route */

/** Each flow, cut into ways from one piece of equipment to the next. @param {Plant} plant @param {Place} of @param {Drawing} drawing @returns {Route[]} */
function routes(plant, of, drawing) {
  /** @type {Route[]} */
  const found = [];
  for (const { name = "", through } of drawing.flows ?? []) {
    /** @type {Place | undefined} */
    let from;
    /** @type {Spot[]} */
    let bends = [];
    for (const one of through) {
      if (typeof one !== "string") {
        bends.push(one);
        continue;
      }
      const to = named(plant, of, one);
      if (from && to) found.push({ name, from, to, bends });
      from = to;
      bends = [];
    }
  }
  return found;
}

/** @param {Place} of @param {Wanted[]} wanted @param {Route[]} ways @returns {Picture} */
function laid(of, wanted, ways) {
  const spots = placed(wanted, ways);
  const symbols = wanted.map(({ place }) => {
    const [x, y] = /** @type {Spot} */ (spots.get(place)), away = place !== of && !place.path.startsWith(`${of.path}/`);
    return { place, kind: away ? "away" : kindOf(place) || "machine", x, y, away };
  });
  const left = Math.min(...symbols.map((one) => one.x)), top = Math.min(...symbols.map((one) => one.y));
  for (const one of symbols) (one.x -= left), (one.y -= top);
  const bent = ways.map((way) => ({ ...way, bends: way.bends.map(([x, y]) => /** @type {Spot} */ ([x - left, y - top])) }));
  const pipes = piped(symbols, bent);
  const across = [...symbols.map((one) => (one.x + 1) * CELL.width), ...pipes.flatMap((pipe) => pipe.points.map(([x]) => x + 14))];
  const down = [...symbols.map((one) => (one.y + 0.5) * CELL.height + half(one.kind)[1] + (one.away ? 8 : 56)), ...pipes.flatMap((pipe) => pipe.points.map(([, y]) => y + 14))];
  return { symbols, pipes, width: Math.ceil(Math.max(...across)), height: Math.ceil(Math.max(...down)) };
}

/** A spot for everything: what the plant file says, else one column after what flows into it. @param {Wanted[]} wanted @param {Route[]} ways */
function placed(wanted, ways) {
  /** @type {Map<Place, Spot>} */
  const spots = new Map();
  for (const { place, spot } of wanted) if (spot) spots.set(place, spot);
  const taken = () => new Set([...spots.values()].map(([x, y]) => `${x} ${y}`));
  /** @param {number} x @param {number} y @returns {Spot} */
  const free = (x, y) => {
    const all = taken();
    while (all.has(`${x} ${y}`)) y++;
    return [x, y];
  };
  for (let round = 0, left = wanted.filter(({ place }) => !spots.has(place)); left.length && round <= wanted.length; round++) {
    for (const { place } of left) {
      const before = ways.filter((way) => way.to === place && spots.has(way.from)).map((way) => /** @type {Spot} */ (spots.get(way.from)));
      const after = ways.filter((way) => way.from === place && spots.has(way.to)).map((way) => /** @type {Spot} */ (spots.get(way.to)));
      if (before.length) spots.set(place, free(Math.max(...before.map(([x]) => x)) + 1, before[0][1]));
      else if (after.length) spots.set(place, free(Math.min(...after.map(([x]) => x)) - 1, after[0][1]));
    }
    const still = left.filter(({ place }) => !spots.has(place));
    // nothing leads to what is left: the first of it begins a row of its own, at the left
    if (still.length === left.length) spots.set(still[0].place, free(0, spots.size ? Math.ceil(Math.max(...[...spots.values()].map(([, y]) => y))) + 1 : 0));
    left = left.filter(({ place }) => !spots.has(place));
  }
  return spots;
}

/** A pipe with the symbols at its ends, and the sides on which it leaves and enters them: right 1, left -1. @typedef {Route & {a: Symbol, b: Symbol, out: 1 | -1, into: 1 | -1}} Run */

/** @param {number} x of a column, of a row @param {"width" | "height"} way */
const centre = (x, way) => (x + 0.5) * CELL[way];

/** @param {Symbol[]} symbols @param {Route[]} ways @returns {Pipe[]} */
function piped(symbols, ways) {
  const by = new Map(symbols.map((one) => [one.place, one]));
  /** @type {Run[]} */
  const runs = [];
  for (const way of ways) {
    const a = by.get(way.from), b = by.get(way.to);
    if (a && b && a !== b) runs.push({ ...way, a, b, ...sides(a, b, way.bends) });
  }
  const ports = portsOf(symbols, runs), upDown = spread((column) => column * CELL.width), along = spread((row) => row * CELL.height - 2);
  /** Whether something stands in the way between two columns at a height. @param {Run} run @param {number} y */
  const blocked = ({ a, b }, y) =>
    symbols.some((one) => one.x > Math.min(a.x, b.x) && one.x < Math.max(a.x, b.x) && Math.abs(centre(one.y, "height") - y) < half(one.kind)[1] + 6);
  const drawn = runs.map((run, i) => {
    const { a, b, name, out, into } = run;
    const x0 = centre(a.x, "width") + out * half(a.kind)[0], x1 = centre(b.x, "width") + into * (half(b.kind)[0] + 1);
    const [y0, y1] = straightened(run, ports.get(`${i} a`) ?? ALONE, ports.get(`${i} b`) ?? ALONE);
    const afterA = () => upDown(out > 0 ? a.x + 1 : a.x), beforeB = () => upDown(into > 0 ? b.x + 1 : b.x);
    /** @type {[number, number][]} */
    const points = [[x0, y0]];
    if (run.bends.length) return { name, points: bent(run, points, [x1, y1]) };
    const level = Math.abs(y0 - y1) < 1 && !blocked(run, y0);
    if (level) points.push([x1, y1]);
    else if (a.x === b.x || !blocked(run, y1)) {
      const x = afterA();
      points.push([x, y0], [x, y1], [x1, y1]);
    } else if (!blocked(run, y0)) {
      const x = beforeB();
      points.push([x, y0], [x, y1], [x1, y1]);
    } else {
      const x = afterA(), y = along(Math.ceil(Math.min(a.y, b.y) + 1)), back = beforeB();
      points.push([x, y0], [x, y], [back, y], [back, y1], [x1, y1]);
    }
    return { name, points };
  });
  return drawn.map((pipe) => ({ ...pipe, label: labelled(pipe, drawn) }));
}

/** @typedef {{by: number, alone: boolean}} Port how far from the middle of its side, and whether it has the side to itself */
/** @type {Port} */
const ALONE = { by: 0, alone: true };

/** Heights at which a pipe begins and ends: one that has a side to itself moves there, if that makes it straight. @param {Run} run @param {Port} from @param {Port} to */
function straightened({ a, b, bends }, from, to) {
  const ay = centre(a.y, "height"), by = centre(b.y, "height"), y0 = ay + from.by, y1 = by + to.by;
  if (bends.length || a.x === b.x) return [y0, y1];
  if (to.alone && Math.abs(y0 - by) < half(b.kind)[1] - 3) return [y0, y0];
  if (from.alone && Math.abs(y1 - ay) < half(a.kind)[1] - 3) return [y1, y1];
  return [y0, y1];
}

/** Letters of a pipe's name at most and at least, and the width of one, pixels. */
const LETTERS = { most: 24, least: 6 };
const LETTER = 5.8;

/** The middle of the longest level stretch with room for the name, over which no other pipe runs. @param {{name: string, points: [number, number][]}} pipe @param {{points: [number, number][]}[]} all @returns {Label | null} */
function labelled({ name, points }, all) {
  const levels = level(points).sort((p, q) => q.right - q.left - (p.right - p.left));
  const others = all.flatMap((one) => (one.points === points ? [] : level(one.points)));
  const free = levels.filter(({ left, right, y }) => !others.some((one) => one.left < right && one.right > left && one.y < y - 0.5 && one.y > y - 15));
  if (!name || !free.length) return null;
  const { left, right, y } = free[0], letters = Math.min(name.length, LETTERS.most, Math.floor((right - left - 12) / LETTER));
  return letters >= Math.min(LETTERS.least, name.length) ? { x: (left + right) / 2 - 3, y: y - 4, letters } : null;
}

/** The level stretches of a line. @param {[number, number][]} points */
const level = (points) =>
  points.slice(1).flatMap(([x, y], i) => (Math.abs(points[i][1] - y) < 1 ? [{ left: Math.min(x, points[i][0]), right: Math.max(x, points[i][0]), y }] : []));

/** On which side a pipe leaves and enters: towards each other; one above the other both to the right. @param {Symbol} a @param {Symbol} b @param {Spot[]} bends @returns {{out: 1 | -1, into: 1 | -1}} */
function sides(a, b, bends) {
  const first = bends[0]?.[0] ?? b.x, last = bends[bends.length - 1]?.[0] ?? a.x;
  return { out: first >= a.x ? 1 : -1, into: last >= b.x ? 1 : -1 };
}

/** How far from the middle of its side each pipe begins and ends: those of one side lie apart, by where they go. @param {Symbol[]} symbols @param {Run[]} runs @returns {Map<string, Port>} */
function portsOf(symbols, runs) {
  /** @type {Map<string, Port>} */
  const found = new Map();
  for (const one of symbols)
    for (const side of [1, -1]) {
      const here = runs.flatMap((run, i) => [
        ...(run.a === one && run.out === side ? [{ key: `${i} a`, to: run.bends[0] ?? [run.b.x, run.b.y] }] : []),
        ...(run.b === one && run.into === side ? [{ key: `${i} b`, to: run.bends[run.bends.length - 1] ?? [run.a.x, run.a.y] }] : []),
      ]);
      here.sort((p, q) => p.to[1] - q.to[1] || side * (q.to[0] - p.to[0]));
      const apart = Math.min(18, (2 * half(one.kind)[1] - 8) / here.length);
      here.forEach(({ key }, i) => found.set(key, { by: (i - (here.length - 1) / 2) * apart, alone: here.length === 1 }));
    }
  return found;
}

/** Lines beside each other: each time another distance from the middle. @param {(of: number) => number} middle */
function spread(middle) {
  /** @type {Map<number, number>} */
  const used = new Map();
  return (/** @type {number} */ of) => {
    const many = used.get(of) ?? 0;
    used.set(of, many + 1);
    return middle(of) + (many % 2 ? 1 : -1) * Math.ceil(many / 2) * APART;
  };
}

/** By the bends that the plant file gives; a pipe that ends above or below its symbol comes in there. @param {Run} run @param {[number, number][]} points @param {[number, number]} end @returns {[number, number][]} */
function bent({ a, b, bends }, points, [x1, y1]) {
  const [ax, ay] = [centre(a.x, "width"), centre(a.y, "height")], [bx, by] = [centre(b.x, "width"), centre(b.y, "height")];
  const [fx, fy] = [centre(bends[0][0], "width"), centre(bends[0][1], "height")];
  if (Math.abs(fx - ax) < half(a.kind)[0]) points[0] = [fx, ay + Math.sign(fy - ay) * half(a.kind)[1]];
  for (const [x, y] of bends) cornered(points, centre(x, "width"), centre(y, "height"));
  const [lx, ly] = points[points.length - 1];
  if (Math.abs(lx - bx) < half(b.kind)[0]) points.push([lx, by + Math.sign(ly - by) * (half(b.kind)[1] + 1)]);
  else points.push([lx, y1], [x1, y1]);
  return points;
}

/** Goes on to a point, first across and then up or down. @param {[number, number][]} points @param {number} x @param {number} y */
function cornered(points, x, y) {
  const [lx, ly] = points[points.length - 1];
  if (Math.abs(x - lx) > 1 && Math.abs(y - ly) > 1) points.push([x, ly]);
  points.push([x, y]);
}
