// @ts-check
/** Importing a file: first it is checked and nothing changes, then the same file is imported. */

import { byId, h, loadTexts, t } from "./dom.js";

await loadTexts();
const form = /** @type {HTMLFormElement} */ (byId("import"));
const go = /** @type {HTMLButtonElement} */ (byId("go"));
const outcome = byId("outcome");

form.addEventListener("submit", (event) => {
  event.preventDefault();
  send(true);
});
form.addEventListener("input", () => (go.disabled = true)); // what was checked is another file now
go.addEventListener("click", () => send(false));

/** @param {boolean} dry */
async function send(dry) {
  const file = /** @type {HTMLInputElement} */ (form.elements.namedItem("file")).files?.[0];
  if (!file) return;
  const options = new URLSearchParams({
    name: file.name,
    prune: /** @type {HTMLInputElement} */ (form.elements.namedItem("prune")).checked ? "1" : "",
    columns: /** @type {HTMLTextAreaElement} */ (form.elements.namedItem("columns")).value,
    dry_run: dry ? "1" : "",
  });
  go.disabled = true;
  outcome.replaceChildren(h("p", { text: t("knowledge.busy") }));
  try {
    const answer = await fetch(`/knowledge/import?${options}`, { method: "POST", body: file, headers: { "content-type": "application/octet-stream" } });
    const found = await answer.json();
    if (!answer.ok) throw new Error(found.error ?? String(answer.status));
    tell(found, dry);
    go.disabled = !dry || Boolean(found.problems?.length);
  } catch (error) {
    outcome.replaceChildren(h("p", { class: "wrong", text: `${t("app.failed")}${/** @type {Error} */ (error).message}` }));
  }
}

/** @param {any} found @param {boolean} dry */
function tell(found, dry) {
  const problems = found.problems ?? [];
  if (problems.length) {
    outcome.replaceChildren(h("p", { class: "wrong", text: t("knowledge.problems") }), list(problems));
    return;
  }
  const counts = ["added", "changed", "removed", "unchanged"].map((name) => `${found[name] ?? 0} ${t(`knowledge.${name}`)}`);
  const parts = [h("p", { text: `${t(dry ? "knowledge.would" : "knowledge.done")} ${counts.join(t("reason.comma"))}` })];
  for (const name of ["added", "changed", "removed"]) {
    const ids = found[`${name}_ids`] ?? [];
    if (dry && ids.length) parts.push(h("p", { class: "quiet", text: `${t(`knowledge.${name}`)}: ${ids.join(", ")}${ids.length < found[name] ? " …" : ""}` }));
  }
  if (found.notes?.length) parts.push(h("h3", { text: t("knowledge.notes") }), list(found.notes));
  outcome.replaceChildren(...parts);
}

/** @param {any[]} problems */
function list(problems) {
  return h("ul", {}, ...problems.map((one) => h("li", { text: [one.place, one.column, one.message].filter(Boolean).join(": ") })));
}
