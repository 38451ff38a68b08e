// @ts-check
/** Elements, texts and times. All text goes through textContent: nothing that was said can become markup. */

const root = document.body.dataset;

/** @type {Record<string, string>} */
let texts = {};

/** Load what people read; call it once, before anything is shown. */
export async function loadTexts() {
  const answer = await fetch(`${root.static}/texts.${root.language}.json`);
  texts = await answer.json();
}

/**
 * Return a text by its key, with {n} filled in.
 * @param {string} key
 * @param {number | string} [n]
 */
export function t(key, n) {
  const text = texts[key] ?? key;
  return n === undefined ? text : text.replace("{n}", String(n));
}

/**
 * Return an element.
 * @param {string} name
 * @param {Record<string, any>} [set] attributes; `on…` are listeners, `text` is its text, false and null leave one out
 * @param {...(Node | null)} inside
 */
export function h(name, set = {}, ...inside) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(set)) {
    if (value === false || value === null || value === undefined) continue;
    if (key === "text") node.textContent = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...inside.filter((one) => one !== null).map((one) => /** @type {Node} */ (one)));
  return node;
}

/** @param {string} id @returns {any} */
export const byId = (id) => document.getElementById(id);

/** Set a text only where it changes: a selection in it stays. @param {Element} node @param {string} text */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** @param {number} ms */
export function clock(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return hours ? `${hours}:${rest}` : rest;
}

export const percent = (/** @type {number} */ share) => `${Math.round(share * 100)}%`;

export const SIGNS = { critical: "■", warning: "▲", info: "●", "": "" };

/**
 * Keep children of a node as keyed rows say: nodes that stay are the same nodes, so focus and selection stay.
 * @template T
 * @param {Element} parent
 * @param {T[]} rows
 * @param {(row: T) => string} keyOf
 * @param {(row: T) => HTMLElement} make
 * @param {(node: HTMLElement, row: T) => void} update
 */
export function keyed(parent, rows, keyOf, make, update) {
  /** @type {Map<string, HTMLElement>} */
  const there = new Map();
  for (const child of /** @type {HTMLElement[]} */ ([...parent.children])) there.set(child.dataset.key ?? "", child);
  let at = parent.firstElementChild;
  for (const row of rows) {
    const key = keyOf(row);
    let node = there.get(key);
    if (node === undefined) {
      node = make(row);
      node.dataset.key = key;
    }
    there.delete(key);
    update(node, row);
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
  }
  for (const node of there.values()) node.remove();
}

/** Whether a key belongs to a text field or to an input method. @param {KeyboardEvent} event */
export function isTyping(event) {
  if (event.isComposing || event.keyCode === 229) return true;
  const target = /** @type {HTMLElement} */ (event.target);
  return target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName);
}
