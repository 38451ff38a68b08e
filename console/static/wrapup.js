// @ts-check
/** The form behind a call: a draft of sentences that were said, a result, topics, a note; kept on the way. */

import { clock, h, setText, t } from "./dom.js";
import { post, Refused } from "./live.js";

const RESULTS = ["unspecified", "resolved", "follow-up", "transferred", "unresolved"];

/**
 * Return the form.
 * @param {string} call
 */
export function wrapUp(call) {
  const draftKey = `wrap:${call}`;
  const kept = JSON.parse(sessionStorage.getItem(draftKey) ?? "{}");
  const sums = h("div", { class: "sums" });
  const result = h("select", { name: "resolution" }, ...RESULTS.map((name) => h("option", { value: name, text: t(`resolution.${name}`) })));
  const topics = h("input", { name: "topics", maxlength: 200 });
  const note = h("textarea", { name: "note", rows: 4, maxlength: 4000 });
  const state = h("output", { class: "quiet", role: "status" });
  const fields = { resolution: result, topics, note };
  for (const [name, field] of Object.entries(fields)) {
    const input = /** @type {HTMLInputElement} */ (field);
    if (kept[name]) input.value = kept[name];
    input.addEventListener("input", () => sessionStorage.setItem(draftKey, JSON.stringify(values(fields))));
  }
  const save = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const { resolution, topics: names, note: text } = values(fields);
    const list = names.split(/[,，、]/).map((one) => one.trim()).filter(Boolean).slice(0, 5);
    try {
      await post("wrap-up", { call, resolution, topics: list, note: text, closed: true });
      sessionStorage.removeItem(draftKey);
      form.dispatchEvent(new Event("saved"));
      setText(state, `✓ ${t("wrap.saved")}`);
    } catch (error) {
      const why = error instanceof Refused && error.status === 501 ? t("wrap.unavailable") : `${t("app.failed")}${/** @type {Error} */ (error).message}`;
      setText(state, why);
    }
  };
  const button = /** @type {HTMLButtonElement} */ (h("button", { class: "main", text: t("wrap.save"), title: "Ctrl+Enter" }));
  button.disabled = true; // until it is known what is kept: an empty form must not take its place
  const form = h(
    "form",
    { class: "suggestion wrap", id: "wrap", onsubmit: save },
    sums,
    h("label", {}, h("span", { text: t("wrap.resolution") }), result),
    h("label", {}, h("span", { text: t("wrap.topics") }), topics),
    h("label", {}, h("span", { text: t("wrap.note") }), note),
    h("div", { class: "acts" }, button, state),
  );
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.ctrlKey && !event.isComposing && !button.disabled) /** @type {HTMLFormElement} */ (form).requestSubmit();
  });
  draft(call, sums, fields, state).finally(() => (button.disabled = false));
  return form;
}

/** @param {Record<string, HTMLElement>} fields @returns {Record<string, string>} */
function values(fields) {
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, /** @type {HTMLInputElement} */ (field).value]));
}

/** @param {string} call @param {HTMLElement} sums @param {Record<string, HTMLElement>} fields @param {HTMLElement} state */
async function draft(call, sums, fields, state) {
  try {
    const found = await post("summary", { call });
    for (const [key, name] of [["about", "about"], ["steps", "next_steps"]]) {
      const lines = found[name] ?? [];
      const items = lines.map((/** @type {any} */ one) => h("li", {}, moment(found.record_id, one.start_ms), h("span", { text: one.text })));
      sums.append(h("h3", { text: t(`wrap.${key}`) }), lines.length ? h("ul", {}, ...items) : h("p", { class: "quiet", text: t("wrap.none") }));
    }
    sums.append(h("p", { class: "quiet", text: t("wrap.draft") }));
    const topics = /** @type {HTMLInputElement} */ (fields.topics);
    if (found.wrap_up) {
      fill(fields, found.wrap_up);
      setText(state, `✓ ${t("wrap.saved")}`);
    } else if (!topics.value && found.articles?.length) topics.value = found.articles[0].title;
  } catch (error) {
    if (error instanceof Refused && error.status === 501) setText(state, t("wrap.unavailable"));
  }
}

/** A link to a moment: in the conversation beside the form, or else in the record. @param {string} record @param {number} ms */
function moment(record, ms) {
  const link = h("a", { href: `/calls/${encodeURIComponent(record)}#t${ms}`, target: "_blank", rel: "noopener", text: clock(ms) });
  link.addEventListener("click", (event) => {
    const told = new CustomEvent("moment", { detail: ms, bubbles: true, cancelable: true });
    if (!link.dispatchEvent(told)) event.preventDefault();
  });
  return link;
}

/** Put what is kept into the fields, but where something was typed since. @param {Record<string, HTMLElement>} fields @param {any} kept */
function fill(fields, kept) {
  const resolution = (kept.resolution ?? "").replace("RESOLUTION_", "").toLowerCase().replace("_", "-") || RESULTS[0];
  const found = { resolution, topics: (kept.topics ?? []).join("、"), note: kept.note ?? "" };
  for (const [name, value] of Object.entries(found)) {
    const input = /** @type {HTMLInputElement} */ (fields[name]);
    if (!input.value || input.value === RESULTS[0]) input.value = value;
  }
}
