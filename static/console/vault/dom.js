// The page: finding, making and showing elements, and forms that work for a while. Text is only ever set as text.

import { BadField } from "./payloads.js";
import { CannotDecrypt } from "./envelope.js";
import { Refused } from "./client.js";
import { WrongKey } from "./keyring.js";

export const root = document.getElementById("vault");
export const byId = (id) => document.getElementById(id);

// What was typed cannot be used; the message says what to do.
export class Mistake extends Error {
  constructor(message, input = null) {
    super(message);
    this.input = input;
  }
}

export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// One view at a time; the heading gets the focus, so that what changed is read out.
export function show(name, { isQuiet = false } = {}) {
  for (const view of root.querySelectorAll("[data-view]")) view.hidden = view.dataset.view !== name;
  const heading = root.querySelector(`[data-view="${name}"] h2[tabindex]`);
  if (!isQuiet && heading) heading.focus({ preventScroll: true });
}

export function notify(text, kind = "success") {
  const notice = byId("vault-notice");
  notice.className = `notice ${kind}`;
  notice.textContent = text;
  notice.hidden = text === "";
  byId("announcer").textContent = text;
}

// What the notice says now, so that one that was replaced meanwhile is left alone.
export function takeBack(text) {
  if (byId("vault-notice").textContent === text) notify("");
}

const EXPECTED = [Mistake, BadField, CannotDecrypt, Refused, WrongKey];

export function isExpected(error) {
  return EXPECTED.some((kind) => error instanceof kind);
}

export function messageOf(error) {
  return isExpected(error) ? error.message : "This did not work. Load the page again and repeat it.";
}

// The form neither leaves the page nor starts twice; a refusal is shown in it. `work` gets a function that tells how
// far it is.
export function onSubmit(form, work, onFailure = () => {}) {
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button:not([type])");
    if (button.getAttribute("aria-disabled") === "true") return;
    const label = button.textContent;
    complain(form, null);
    button.setAttribute("aria-disabled", "true");
    if (button.dataset.working) button.textContent = button.dataset.working;
    try {
      await work((text) => { button.textContent = text; });
    } catch (error) {
      complain(form, error);
      onFailure(error);
      if (!isExpected(error)) throw error;
    } finally {
      button.removeAttribute("aria-disabled");
      button.textContent = label;
    }
  });
}

function complain(form, error) {
  const line = form.querySelector("[data-error]");
  for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
  if (line) {
    line.textContent = error ? messageOf(error) : "";
    line.hidden = !error;
  } else if (error) {
    notify(messageOf(error), "error");
  }
  const name = error instanceof BadField && error.field ? `field-${error.field}` : null;
  const input = error instanceof Mistake ? error.input : name && byId(name);
  if (input) {
    input.setAttribute("aria-invalid", "true");
    input.focus();
  }
}

// Buttons that uncover the input they name.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-show]");
  if (button) cover(button, button.getAttribute("aria-pressed") === "true");
});

export function cover(button, isCovered) {
  byId(button.dataset.show).type = isCovered ? "password" : "text";
  button.setAttribute("aria-pressed", String(!isCovered));
}

// Nothing typed stays in a form, nor uncovered.
export function empty(form) {
  form.reset();
  for (const button of form.querySelectorAll("[data-show]")) cover(button, true);
  complain(form, null);
  for (const input of form.querySelectorAll("input")) input.dispatchEvent(new Event("input"));
}
