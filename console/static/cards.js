// @ts-check
/** Suggestions: one card open, others one line. A card that is being read, edited or hovered is never taken away. */

import { byId, h, percent, setText, t } from "./dom.js";
import { post } from "./live.js";

const READ_MS = 4_000;
const HELD_MS = 15_000;
const SHOWN_MS = 1_000;
const UNDO_MS = 10_000;
const MOST_OVER = 3;
const REFUSED = ["rejected", "wrong"];

/** @typedef {{ row: any, lang: string, since: number, told: boolean, fate: string, over: number, editing: boolean, undo: number }} Card */

export class Cards {
  /** @param {string} call */
  constructor(call) {
    this.call = call;
    this.node = byId("cards");
    /** @type {Map<string, Card>} */
    this.cards = new Map();
    /** @type {string | null} */
    this.open = null;
    this.openedAt = 0;
    this.hovered = false;
    this.stopped = false;
    this.node.onpointerenter = () => (this.hovered = true);
    this.node.onpointerleave = () => {
      this.hovered = false;
      this.paint();
    };
    this.paint();
    this.timer = setInterval(() => this.tick(), 500);
  }

  stop() {
    clearInterval(this.timer);
    this.stopped = true;
    this.node.onpointerenter = this.node.onpointerleave = null; // the place is another's now
    this.node.replaceChildren();
  }

  /** @param {Map<string, any>} rows @param {Set<string>} changed */
  take(rows, changed) {
    let any = false;
    for (const key of changed) {
      if (!key.startsWith("s:")) continue;
      any = true;
      const row = rows.get(key);
      const card = this.cards.get(key);
      if (!row) this.cards.delete(key);
      else if (card) {
        card.row = row;
        if (!row.shown && !card.fate) {
          card.fate = row.reason || "replaced";
          card.over = Date.now();
        }
        if (row.shown && card.fate === "replaced") {
          card.fate = "";
          card.over = 0;
        }
      } else if (row.shown) {
        this.cards.set(key, { row, lang: row.lang, since: Date.now(), told: false, fate: "", over: 0, editing: false, undo: 0 });
        setText(byId("announce"), `${t("desk.new_suggestion")}：${title(row)}`);
      }
    }
    if (any) this.paint();
  }

  /** Suggestions that may be shown now, the newest question first, then by rank. */
  fresh() {
    return [...this.cards.entries()]
      .filter(([, card]) => card.row.shown && !card.fate)
      .sort(([, a], [, b]) => b.since - a.since || a.row.rank - b.row.rank)
      .map(([key]) => key);
  }

  held() {
    const card = this.open ? this.cards.get(this.open) : undefined;
    if (!card) return false;
    if (card.editing || card.undo > 0) return true;
    // A pointer may lie there all day, and the focus stays on a button that was pressed.
    const resting = card.over > 0 && Date.now() - card.over > HELD_MS;
    const looked = this.hovered || this.node.contains(document.activeElement);
    return (looked && !resting) || Date.now() - this.openedAt < READ_MS;
  }

  paint() {
    if (this.stopped) return;
    const fresh = this.fresh();
    if (!this.open || !this.cards.has(this.open)) this.show(fresh[0] ?? null);
    else if (this.cards.get(this.open)?.fate && !this.held()) this.show(fresh[0] ?? this.open);
    else if (fresh[0] && fresh[0] !== this.open && !this.held()) this.show(fresh[0]);
    const over = [...this.cards.keys()].filter((key) => this.cards.get(key)?.fate && key !== this.open).slice(-MOST_OVER);
    const order = [...(this.open ? [this.open] : []), ...fresh.filter((key) => key !== this.open), ...over.reverse()];
    const nodes = order.map((key) => this.cardNode(key));
    if (!nodes.length && !this.node.querySelector(".empty")) nodes.push(h("p", { class: "empty", text: t("desk.no_suggestion") }));
    else if (!nodes.length) return;
    for (const child of [...this.node.children]) if (!nodes.includes(/** @type {HTMLElement} */ (child))) child.remove();
    let at = this.node.firstElementChild; // nodes that stay are never taken out: whoever writes in one goes on
    for (const node of nodes) {
      if (node === at) at = at.nextElementSibling;
      else this.node.insertBefore(node, at);
    }
  }

  /** @param {string | null} key */
  show(key) {
    if (this.open === key) return;
    this.open = key;
    this.openedAt = Date.now();
  }

  /** @param {string} key */
  cardNode(key) {
    const card = /** @type {Card} */ (this.cards.get(key));
    const open = key === this.open;
    const stamp = JSON.stringify([open, card.row, card.lang, card.fate, card.editing, card.undo > 0]);
    const before = [...this.node.children].find((node) => node.dataset.card === key);
    if (before && before.dataset.stamp === stamp) return before;
    if (before && card.editing && before.querySelector("textarea")) return before;
    const node = open ? this.opened(key, card) : this.closed(key, card);
    node.dataset.card = key;
    node.dataset.stamp = stamp;
    return node;
  }

  /** @param {string} key @param {Card} card */
  closed(key, card) {
    const act = () => {
      this.show(key);
      this.paint();
    };
    return h(
      "article",
      { class: `suggestion closed${card.fate ? " over" : ""}` },
      h("h3", { text: title(card.row) }),
      h("span", { class: "fate", text: fate(card) }),
      h("span", { class: "quiet", text: percent(card.row.confidence) }),
      card.fate ? null : h("button", { text: t("desk.expand"), onclick: act }),
    );
  }

  /** @param {string} key @param {Card} card */
  opened(key, card) {
    const row = card.row;
    const text = wording(card);
    const source = row.sources[0];
    const from = [source?.title, source?.place].filter(Boolean).join(" · ");
    const reply = card.editing ? h("textarea", { rows: 5, "aria-label": t("desk.edit") }) : h("p", { class: "reply", lang: card.lang === "en" ? "en" : "zh-Hant-HK", text });
    if (card.editing) {
      /** @type {HTMLTextAreaElement} */ (reply).value = text;
      reply.addEventListener("keydown", (event) => event.key === "Escape" && !event.isComposing && this.edit(key, false));
    }
    const act = (/** @type {string} */ label, /** @type {() => void} */ work, more = {}) => h("button", { text: label, onclick: work, ...more });
    const other = row.lang === card.lang ? (card.lang === "en" ? "zh-Hant" : "en") : row.lang;
    const buttons = card.undo
      ? [h("span", { class: "fate", role: "status", text: t("desk.thanks") }), act(t("desk.undo"), () => this.undo(key))]
      : REFUSED.includes(card.fate)
      ? []
      : card.editing
        ? [act(t("desk.copy"), () => this.copy(key, /** @type {HTMLTextAreaElement} */ (reply).value), { class: "main" }), act(t("app.cancel"), () => this.edit(key, false))]
        : [
            act(t("desk.copy"), () => this.copy(key, null), { class: "main", "data-act": "copy", title: "Alt+1" }),
            act(t("desk.edit"), () => this.edit(key, true), { title: "Alt+E" }),
            row.wordings[other] ? act(other === "en" ? t("desk.english") : t("desk.chinese"), () => this.turn(key, other), { title: "Alt+L" }) : null,
            act(t("desk.not_needed"), () => this.refuse(key, "dismissed"), { title: "Alt+X" }),
            act(t("desk.wrong"), () => this.refuse(key, "wrong")),
          ];
    const link = safeLink(source?.uri);
    return h(
      "article",
      { class: `suggestion${card.fate ? " over" : ""}`, "aria-label": title(row) },
      h("h3", { text: title(row) }),
      reply,
      h("p", { class: "from" }, link ? h("a", { href: link, target: "_blank", rel: "noopener noreferrer", text: from }) : h("span", { text: from }), h("span", { text: ` · ${percent(row.confidence)}` }), h("span", { class: "fate", text: fate(card) ? ` · ${fate(card)}` : "" })),
      h("div", { class: "acts" }, ...buttons),
    );
  }

  /** @param {string} key @param {string | null} edited */
  async copy(key, edited) {
    const card = this.cards.get(key);
    if (!card) return;
    await navigator.clipboard.writeText(edited ?? wording(card)).catch(() => selectCopy(edited ?? wording(card)));
    const button = this.node.querySelector(`[data-card="${CSS.escape(key)}"] button.main`);
    if (button) setText(button, t("desk.copied"));
    setText(byId("announce"), t("desk.copied"));
    this.tell(card, edited === null ? "copied" : "edited", edited);
    card.over ||= Date.now();
    setTimeout(() => {
      card.editing = false;
      if (button) setText(button, t("desk.copy"));
      this.paint();
    }, 1_500);
  }

  /** @param {string} key @param {boolean} on */
  edit(key, on) {
    const card = this.cards.get(key);
    if (!card) return;
    card.editing = on;
    this.node.querySelector(`[data-card="${CSS.escape(key)}"]`)?.remove();
    this.paint();
    if (on) this.node.querySelector("textarea")?.focus();
  }

  /** @param {string} key @param {string} lang */
  turn(key, lang) {
    const card = this.cards.get(key);
    if (!card) return;
    card.lang = lang;
    this.paint();
  }

  /** Show replies in a language, as far as there are such. @param {string} lang */
  turnAll(lang) {
    for (const card of this.cards.values()) if (card.row.wordings[lang] && !card.editing) card.lang = lang;
    this.paint();
  }

  /** @param {string} key @param {string} how */
  refuse(key, how) {
    const card = this.cards.get(key);
    if (!card || card.undo) return;
    card.undo = window.setTimeout(() => {
      card.undo = 0;
      card.fate = how === "wrong" ? "wrong" : "rejected";
      this.tell(card, how, null);
      this.paint();
    }, UNDO_MS);
    this.paint();
  }

  /** @param {string} key */
  undo(key) {
    const card = this.cards.get(key);
    if (!card) return;
    clearTimeout(card.undo);
    card.undo = 0;
    this.paint();
  }

  /** @param {Card} card @param {string} action @param {string | null} text */
  tell(card, action, text) {
    const after = Math.max(0, Date.now() - card.since);
    post("feedback", { call: this.call, suggestion: card.row.id, action, text: text ?? undefined, after }).catch(() => {});
  }

  tick() {
    const card = this.open ? this.cards.get(this.open) : undefined;
    if (card && !card.told && !document.hidden && Date.now() - this.openedAt > SHOWN_MS) {
      card.told = true;
      this.tell(card, "shown", null);
    }
    if (!this.held()) this.paint();
  }

  /** @param {string} what key of the keyboard */
  key(what) {
    const key = this.open;
    const card = key ? this.cards.get(key) : undefined;
    if (!key || !card || card.fate) return false;
    if (what === "1") this.copy(key, null);
    else if (what === "e") this.edit(key, true);
    else if (what === "x") this.refuse(key, "dismissed");
    else if (what === "l") this.turn(key, card.lang === "en" ? "zh-Hant" : "en");
    else return false;
    return true;
  }
}

/** @param {any} row */
const title = (row) => row.sources[0]?.title ?? "";

/** @param {Card} card */
const wording = (card) => card.row.wordings[card.lang] ?? card.row.text;

/** @param {Card} card */
function fate(card) {
  if (card.fate === "said") return `✓ ${t("desk.said")}`;
  if (card.fate === "replaced") return t("desk.moved_on");
  if (card.fate === "wrong") return `✗ ${t("desk.wrong")}`;
  return card.fate === "rejected" ? t("desk.not_needed") : "";
}

/** A link that leads to a page, and to nothing else. @param {string | undefined} uri */
function safeLink(uri) {
  try {
    return uri && new URL(uri).protocol === "https:" ? uri : null;
  } catch {
    return null;
  }
}

/** For pages without a secure address, where the clipboard is closed. @param {string} text */
function selectCopy(text) {
  const field = h("textarea", { class: "unseen" });
  /** @type {HTMLTextAreaElement} */ (field).value = text;
  document.body.append(field);
  /** @type {HTMLTextAreaElement} */ (field).select();
  document.execCommand("copy");
  field.remove();
}
