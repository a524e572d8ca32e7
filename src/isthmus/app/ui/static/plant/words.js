// SPDX-License-Identifier: Apache-2.0
/**
 * Values, units and times as people read them.
 * @module
 */

/** UCUM codes that people write otherwise. @type {Readonly<Record<string, string>>} */
const UNITS = {
  Cel: "°C", m3: "m³", "m3/h": "m³/h", "kg/m3": "kg/m³", "W.h": "Wh", "kW.h": "kWh", "MW.h": "MWh", "/min": "1/min", h: "h",
  "1": "", deg: "°", Ohm: "Ω", um: "µm", "uS/cm": "µS/cm", "m/s2": "m/s²", m2: "m²", "kmol/m3": "kmol/m³", "{count}": "",
};

/** @param {string} code */
export const unit = (code) => UNITS[code] ?? code.replace(/[{[](.*?)[}\]]/g, "$1").replaceAll(".", "·").replace("m3", "m³");

/**
 * A number with as many digits as tell something: four, and no exponent where it can be helped.
 * @param {number} value
 * @param {readonly [number, number] | undefined} range
 */
export function number(value, range) {
  if (Number.isInteger(value) && !range) return grouped(value, 0);
  const size = range ? Math.max(Math.abs(range[0]), Math.abs(range[1])) : Math.abs(value);
  if (size !== 0 && (size >= 1e9 || size < 1e-4)) return value.toPrecision(4);
  const digits = size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : size >= 1 ? 3 : 4;
  return grouped(value, digits);
}

/** A number that a person chose, with the digits it has. @param {number} value @param {number} [digits] */
export const exact = (value, digits = Math.min(6, (String(value).split(".")[1] ?? "").length)) => grouped(value, digits);

/** @param {number} value @param {number} digits */
function grouped(value, digits) {
  const [whole, part] = Math.abs(value).toFixed(digits).split(".");
  const spaced = whole.length > 4 ? whole.replace(/\B(?=(\d{3})+$)/g, "\u202f") : whole;
  const minus = value < 0 && Number(value.toFixed(digits)) !== 0 ? "−" : "";
  return minus + spaced + (part ? `.${part}` : "");
}

/**
 * A value in words, without its unit.
 * @param {import("./state.js").Reading | null} reading
 * @param {import("./tags.js").Tag} tag
 */
export function value(reading, tag) {
  const found = reading === null ? null : reading.value;
  if (found === null) return "–";
  if (typeof found === "boolean") return found ? "on" : "off";
  if (typeof found === "string") return found;
  return tag.labels[String(found)] ?? number(found, tag.range);
}

/** What the plant calls its time zone. */
let zone = "UTC";
/** @type {Intl.DateTimeFormat} */
let clock;
/** @type {Intl.DateTimeFormat} */
let stamp;

/** @param {string} name */
export function setZone(name) {
  zone = name;
  const time = /** @type {const} */ ({ hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  clock = new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...time });
  stamp = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit", ...time });
}
setZone("UTC");

export const zoneName = () => zone;
/** @param {number} ms */
export const clockTime = (ms) => clock.format(ms);
/** @param {number} ms */
export const fullTime = (ms) => stamp.format(ms);

/** How long ago, or how long. @param {number} ms */
export function span(ms) {
  const s = Math.max(0, ms / 1000);
  if (s < 120) return `${s < 10 ? s.toFixed(1) : Math.round(s)} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  return s < 172800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86400)} days`;
}

/** `reactor-1` as a heading. @param {string} name */
export const title = (name) => name.replaceAll("-", " ").replace(/^./, (c) => c.toUpperCase());

/** Bytes. @param {number} bytes */
export const size = (bytes) =>
  bytes < 1e6 ? `${(bytes / 1e3).toFixed(0)} kB` : bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
