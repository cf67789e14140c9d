// One secret: its fields, covered until somebody asks, its one-time code, and the agents that may read it.

import { TYPES } from "./payloads.js";
import { byId, make } from "./dom.js";
import { copySecret } from "./clipboard.js";
import { totpCode } from "./totp.js";

const COVERED = "••••••••••••";

let ticking = null;

export function renderDetail(row, payload) {
  forgetDetail();
  byId("detail-title").textContent = row.name;
  byId("detail-type").textContent = TYPES[row.secret_type].label;
  byId("detail-description").textContent = row.description ?? "";
  byId("detail-description").hidden = !row.description;
  byId("detail-edit")?.setAttribute("href", `#${row.id}/edit`);
  const fields = byId("detail-fields");
  for (const field of TYPES[row.secret_type].fields) {
    const value = payload[field.name];
    if (value === undefined || value === null || value === "") continue;
    fields.append(field.name === "totp" ? oneTime(value) : known(field, String(value)));
  }
}

// The decrypted values are in the elements and their buttons only.
export function forgetDetail() {
  clearInterval(ticking);
  ticking = null;
  byId("detail-fields").replaceChildren();
  byId("access-rows").replaceChildren();
  for (const id of ["detail-title", "detail-type", "detail-description"]) byId(id).textContent = "";
}

function known({ label, isSecret, isLong }, value) {
  const shown = make(isLong ? "pre" : "span", { class: isLong ? "value" : "value mono", tabindex: isLong ? "0" : null });
  const term = make("dt", {}, label);
  const copy = make("button", { class: "button small", type: "button", onclick: () => copySecret(value, label) }, "Copy");
  copy.append(make("span", { class: "visually-hidden" }, ` ${label}`));
  if (!isSecret) {
    shown.textContent = value;
    return make("div", {}, term, make("dd", {}, shown, make("span", { class: "buttons" }, copy)));
  }
  const covered = () => [make("span", { "aria-hidden": "true" }, COVERED), make("span", { class: "visually-hidden" }, "covered")];
  shown.replaceChildren(...covered());
  const reveal = make("button", { class: "button small", type: "button", "aria-pressed": "false" });
  const word = make("span", {}, "Reveal");
  reveal.append(word, make("span", { class: "visually-hidden" }, ` ${label}`));
  reveal.addEventListener("click", () => {
    const isCovered = reveal.getAttribute("aria-pressed") === "true";
    reveal.setAttribute("aria-pressed", String(!isCovered));
    word.textContent = isCovered ? "Reveal" : "Cover";
    shown.replaceChildren(...(isCovered ? covered() : [value]));
  });
  return make("div", {}, term, make("dd", {}, shown, make("span", { class: "buttons" }, reveal, copy)));
}

function oneTime(totp) {
  const code = make("span", { class: "one-time" });
  const left = make("span", { class: "one-time-left" });
  let now = "";
  const tick = async () => {
    try {
      const answer = await totpCode(totp);
      now = answer.code;
      const half = now.length / 2;
      code.textContent = `${now.slice(0, half)} ${now.slice(half)}`;
      left.textContent = `new code in ${answer.secondsLeft} s`;
    } catch (error) {
      clearInterval(ticking);
      left.textContent = `There is no code: ${error.message}`;
    }
  };
  tick();
  ticking = setInterval(tick, 1000);
  const copy = make("button", { class: "button small", type: "button", onclick: () => now && copySecret(now, "Code") }, "Copy");
  copy.append(make("span", { class: "visually-hidden" }, " one-time code"));
  const of = [totp.issuer, totp.account_name].filter(Boolean).join(", ");
  const title = of ? `One-time code of ${of}` : "One-time code";
  return make("div", {}, make("dt", {}, title), make("dd", {}, make("span", { class: "value" }, code, left), make("span", { class: "buttons" }, copy)));
}

// --- Access -------------------------------------------------------------------------------------------------------

// `agents` are those of the organization; `onRevoke` gets the id of one.
export function renderAccess(row, agents, onRevoke) {
  const readers = new Set(row.access.map((rule) => rule.identity_id));
  const rows = agents.filter((agent) => readers.has(agent.id));
  const others = agents.filter((agent) => !readers.has(agent.id));
  byId("access-rows").replaceChildren(...rows.map((agent) => reader(agent, onRevoke)));
  byId("access-none").hidden = rows.length > 0;
  const form = byId("access-form");
  if (!form) return;
  form.hidden = others.length === 0;
  byId("access-all").hidden = others.length > 0;
  byId("access-agent").replaceChildren(
    ...others.map((agent) => make("option", { value: agent.id }, agent.name === agent.handle ? `@${agent.handle}` : `${agent.name} (@${agent.handle})`)),
  );
}

function reader(agent, onRevoke) {
  const button = make("button", { class: "button small danger", type: "button" }, "End access");
  button.append(make("span", { class: "visually-hidden" }, ` of @${agent.handle}`));
  button.addEventListener("click", () => onRevoke(agent));
  return make(
    "li",
    {},
    make(
      "div",
      { class: "grow" },
      make("span", { class: "strong clamp" }, agent.name),
      make("span", { class: "meta" }, `@${agent.handle}`),
    ),
    byId("access-form") ? button : null,
  );
}
