// The secrets of an open vault, by name. What is shown here is not encrypted.

import { TYPES } from "./payloads.js";
import { byId, make } from "./dom.js";

// As in the pages from the server.
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

export function startList(onChange) {
  for (const [value, { label }] of Object.entries(TYPES)) byId("list-type").append(make("option", { value }, label));
  byId("list-search").addEventListener("input", onChange);
  byId("list-type").addEventListener("change", onChange);
  byId("list-filters").addEventListener("submit", (event) => event.preventDefault());
  byId("list-clear").addEventListener("click", () => {
    byId("list-filters").reset();
    onChange();
    byId("list-search").focus();
  });
}

export function renderList(secrets) {
  const wanted = byId("list-search").value.trim().toLowerCase();
  const type = byId("list-type").value;
  const found = secrets
    .filter((row) => type === "" || row.secret_type === type)
    .filter((row) => `${row.name}\n${row.description ?? ""}`.toLowerCase().includes(wanted))
    .sort((a, b) => a.name.localeCompare(b.name));
  byId("list-rows").replaceChildren(...found.map(line));
  byId("list-filters").hidden = secrets.length === 0;
  byId("list-none").hidden = secrets.length === 0 || found.length > 0;
  byId("list-empty").hidden = secrets.length > 0;
  const isAll = found.length === secrets.length;
  byId("list-count").textContent = secrets.length === 0 ? "" : isAll ? `${secrets.length}` : `${found.length} of ${secrets.length}`;
  byId("announcer").textContent = isAll ? "" : `${found.length} of ${secrets.length} secrets`;
}

export function forgetList() {
  byId("list-rows").replaceChildren();
  byId("list-count").textContent = "";
  byId("list-filters").reset();
}

function line(row) {
  const agents = row.access.length;
  const readers = agents === 0 ? "no agent" : agents === 1 ? "1 agent" : `${agents} agents`;
  const changed = new Date(row.updated_at);
  return make(
    "li",
    {},
    make(
      "div",
      { class: "grow" },
      make("a", { class: "row-link clamp", href: `#${row.id}` }, row.name),
      row.description ? make("span", { class: "meta clamp" }, row.description) : null,
    ),
    make("span", { class: "badge" }, TYPES[row.secret_type].label),
    make("span", { class: "meta" }, readers),
    make("time", { class: "time", datetime: row.updated_at, title: changed.toLocaleString() }, day.format(changed)),
  );
}
