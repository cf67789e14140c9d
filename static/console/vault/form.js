// Writing a secret: a form that has the fields of its type, and what it sends.

import { TYPES, buildPayload } from "./payloads.js";
import { Mistake, byId, empty, make } from "./dom.js";
import { encryptPayload } from "./envelope.js";

const DESCRIPTION_MAX_CHARS = 4000;

// The secret that is edited, with its payload; null for a new one.
let edited = null;

export function startForm() {
  const types = byId("secret-type");
  if (!types) return;
  for (const [value, { label }] of Object.entries(TYPES)) types.append(make("option", { value }, label));
  types.addEventListener("change", () => fill(types.value, {}));
}

export function openNew() {
  forgetForm();
  byId("form-title").textContent = "New secret";
  byId("form-cancel").href = "#";
  fill(byId("secret-type").value, {});
}

export function openEdit(row, payload) {
  forgetForm();
  edited = { row, payload };
  byId("form-title").textContent = `Edit ${row.name}`;
  byId("form-cancel").href = `#${row.id}`;
  byId("secret-type").value = row.secret_type;
  // The type of a secret does not change.
  byId("secret-type").disabled = true;
  byId("secret-name").value = row.name;
  byId("secret-description").value = row.description ?? "";
  fill(row.secret_type, payload);
}

export function forgetForm() {
  const form = byId("secret-form");
  if (!form) return;
  edited = null;
  empty(form);
  byId("secret-type").disabled = false;
  for (const element of byId("secret-fields").querySelectorAll(".field")) element.remove();
}

export const isOpen = () => edited !== null || Boolean(byId("secret-form")?.querySelector("#secret-fields .field"));

// What was typed, encrypted, to the server; returns the row that is stored. Throws Mistake, BadField, Refused.
export async function save(client, key) {
  const type = byId("secret-type").value;
  const name = byId("secret-name").value.trim();
  const description = byId("secret-description").value.trim() || null;
  if (name === "") throw new Mistake("Give the secret a name.", byId("secret-name"));
  if (description !== null && [...description].length > DESCRIPTION_MAX_CHARS) {
    throw new Mistake(`A description has at most ${DESCRIPTION_MAX_CHARS} characters.`, byId("secret-description"));
  }
  const typed = Object.fromEntries(TYPES[type].fields.map((field) => [field.name, byId(`field-${field.name}`).value]));
  const removesTotp = byId("field-totp-remove")?.checked ?? false;
  const payload = buildPayload(type, typed, { before: edited?.payload, removesTotp });
  const id = edited?.row.id ?? crypto.randomUUID();
  const encrypted = await encryptPayload(key, payload, id);
  if (edited !== null) return client.change(id, { name, description, encrypted_payload: encrypted }, edited.row.revision);
  return client.create({ id, name, description, secret_type: type, encrypted_payload: encrypted });
}

function fill(type, payload) {
  const fields = byId("secret-fields");
  for (const element of fields.querySelectorAll(".field")) element.remove();
  for (const field of TYPES[type].fields) {
    fields.append(field.name === "totp" ? totpField(field, payload.totp) : textField(field, String(payload[field.name] ?? "")));
  }
}

function textField({ name, label, isRequired, isSecret, isLong, hint }, value) {
  const id = `field-${name}`;
  const options = { id, autocomplete: isSecret ? "new-password" : "off", autocapitalize: "off", spellcheck: "false" };
  if (hint) options["aria-describedby"] = `${id}-hint`;
  // An input of one line would drop the line breaks that a program has stored.
  const hasLines = isLong || /[\r\n]/.test(value);
  const input = hasLines
    ? make("textarea", { ...options, rows: isSecret ? "6" : "3", class: name === "notes" ? null : "code" })
    : make("input", { ...options, type: isSecret ? "password" : "text" });
  input.value = value;
  return around(id, label, isRequired, isSecret && !hasLines ? covered(input) : input, hint);
}

function totpField({ name, label, hint }, totp) {
  const id = `field-${name}`;
  const options = { id, type: "password", autocomplete: "new-password", spellcheck: "false", "aria-describedby": `${id}-hint` };
  const field = around(id, label, false, covered(make("input", options)), totp ? `It has one-time codes. Leave this empty to keep them. ${hint}` : hint);
  if (totp) {
    const remove = make("input", { type: "checkbox", id: `${id}-remove` });
    field.append(make("label", { class: "check" }, remove, make("span", {}, "Remove the one-time codes")));
  }
  return field;
}

function covered(input) {
  const show = make("button", { class: "button", type: "button", "data-show": input.id, "aria-pressed": "false" }, "Show");
  return make("div", { class: "covered" }, input, show);
}

function around(id, label, isRequired, control, hint) {
  const title = make("label", { for: id }, label);
  if (!isRequired) title.append(" ", make("span", { class: "hint" }, "(optional)"));
  return make("div", { class: "field" }, title, control, hint ? make("div", { class: "hint", id: `${id}-hint` }, hint) : null);
}
