// What pages need beyond links and forms. Everything works without it, only less comfortably.

document.addEventListener("click", async (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    const source = document.getElementById(copy.dataset.copy);
    await navigator.clipboard.writeText(source.textContent.trim());
    // Kept as nodes: part of it may be for screen readers only. Once: a second click finds "Copied" there.
    copy.label ??= [...copy.childNodes];
    copy.replaceChildren("Copied");
    announce("Copied");
    setTimeout(() => copy.replaceChildren(...copy.label), 1600);
    return;
  }
  if (event.target.closest("[data-theme-toggle]")) {
    const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    localStorage.setItem("theme", next);
    document.documentElement.dataset.theme = next;
    return;
  }
  const side = document.getElementById("side");
  if (event.target.closest("[data-menu]")) {
    openMenu(!side.hasAttribute("data-open"));
    // The layout first: what is hidden takes no focus.
    if (side.hasAttribute("data-open")) requestAnimationFrame(() => side.querySelector("a").focus());
  } else if (side && !event.target.closest("#side")) {
    openMenu(false);
  }
  const opener = event.target.closest("[data-dialog]");
  if (opener) document.getElementById(opener.dataset.dialog).showModal();
  if (event.target.closest("[data-close]")) event.target.closest("dialog").close();
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

// A form (or one button of it) that cannot be undone says what it does and asks once.
document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (question && !window.confirm(question)) { event.preventDefault(); return; }
  // What takes a while says so, and is not asked for twice. After the submission: a disabled button is not sent.
  const busy = event.submitter?.dataset.busy;
  if (busy) setTimeout(() => { event.submitter.textContent = busy; event.submitter.disabled = true; announce(busy); });
});

// On a phone the tabs are wider than the window: the one of this page is shown.
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

// One box ticks those of a list; it is of no use without this.
for (const box of document.querySelectorAll("[data-tick-all]")) box.closest("label").hidden = false;
document.addEventListener("change", (event) => {
  const name = event.target.dataset.tickAll;
  if (!name) return;
  for (const box of event.target.form.querySelectorAll(`input[type=checkbox][name="${name}"]`)) box.checked = event.target.checked;
});

// Keyboard: "/" searches, "?" shows the keys, "g" and a letter goes to a page.
let isGoing = false;
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") leaveMenus();
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  if (isGoing) {
    isGoing = false;
    const link = document.querySelector(`.nav a[data-key="${CSS.escape(event.key)}"]`);
    if (link) link.click();
  } else if (event.key === "g") {
    isGoing = true;
    setTimeout(() => { isGoing = false; }, 1200);
  } else if (event.key === "/") {
    const search = document.querySelector("[type=search]");
    if (search) { event.preventDefault(); search.focus(); }
  } else if (event.key === "?") {
    document.getElementById("keys")?.showModal();
  }
});

// The navigation of narrow windows, and the button that opens it.
function openMenu(isOpen) {
  document.getElementById("side")?.toggleAttribute("data-open", isOpen);
  document.querySelector("[data-menu]")?.setAttribute("aria-expanded", String(isOpen));
}

// Closes the innermost menu that is open and goes back to what opened it.
function leaveMenus() {
  const menu = document.querySelector("details.menu[open]");
  if (menu) { menu.open = false; menu.querySelector("summary").focus(); return; }
  if (!document.getElementById("side")?.hasAttribute("data-open")) return;
  openMenu(false);
  document.querySelector("[data-menu]").focus();
}

function announce(text) {
  const region = document.getElementById("announcer");
  if (region) region.textContent = text;
}

// What replaces itself says so to people who do not see it.
document.addEventListener("htmx:load", (event) => {
  const text = event.detail.elt.dataset?.announce;
  if (text) announce(text);
});

// Times are written in UTC by the server; people read their own.
function localizeTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    time.title = moment.toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" });
  }
}
localizeTimes(document);
