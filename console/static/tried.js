// @ts-check
/** Reasons of tried alerts, in the reader's language. */

import { loadTexts } from "./dom.js";
import { why } from "./reasons.js";

await loadTexts();
for (const cell of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-reasons]"))) {
  cell.textContent = why({ reasons: JSON.parse(cell.dataset.reasons ?? "[]"), evidence: "" });
}
