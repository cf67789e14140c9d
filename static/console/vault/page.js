// The vault page: which view is shown, and what opens and closes the vault. The key lives in `app.key`, can only be
// used, and goes with lock(), with the page, or after a while of nothing.

import { Mistake, byId, empty, isExpected, make, messageOf, notify, onSubmit, root, show, takeBack } from "./dom.js";
import { VaultClient, Refused } from "./client.js";
import { changePassphrase, makeVault, openVault } from "./keyring.js";
import { clearNow, copySecret } from "./clipboard.js";
import { decryptPayload, isStrong, passphraseRules } from "./envelope.js";
import { forgetDetail, renderAccess, renderDetail } from "./detail.js";
import { forgetForm, isOpen as isFormOpen, openEdit, openNew, save, startForm } from "./form.js";
import { forgetList, renderList, startList } from "./list.js";
import { watchIdle } from "./idle.js";

const WARNING = "The vault locks in a minute. Press any key to keep it open.";
const MINUTES = Math.round(Number(root.dataset.idleSeconds) / 60);

const client = new VaultClient(root.dataset.api, root.dataset.csrf);
const agents = JSON.parse(byId("vault-agents").textContent);
const app = {
  state: root.dataset.state,
  key: null,
  // The key of a new vault, while its recovery codes are shown.
  made: null,
  secrets: [],
  // The secret that is shown.
  row: null,
  // What the next view says.
  news: "",
  stopWatching: () => {},
  // Raised whenever another view is due: what was asked for before comes too late.
  turn: 0,
};

// --- Views --------------------------------------------------------------------------------------------------------

async function route() {
  const turn = ++app.turn;
  forgetDetail();
  forgetForm();
  app.row = null;
  if (app.key === null) return show(app.state, { isQuiet: true });
  const [place, action] = location.hash.slice(1).split("/");
  if (place === "new" && byId("secret-form")) {
    openNew();
    return show("form");
  }
  if (place === "key" && byId("vault-change")) {
    show("key");
    const info = await client.info();
    if (turn === app.turn) tellCounts(info);
    return;
  }
  if (/^[0-9a-f-]{36}$/.test(place)) return showSecret(place, action === "edit" && byId("secret-form") !== null, turn);
  renderList(app.secrets);
  show("list");
}

// Asked for again, so that it is up to date and that it is on record who looked at it.
async function showSecret(id, isEdit, turn) {
  const row = await client.secret(id);
  const payload = await decryptPayload(app.key, row.encrypted_payload, row.id);
  if (turn !== app.turn) return;
  app.row = row;
  if (isEdit) {
    openEdit(row, payload);
    show("form");
  } else {
    renderDetail(row, payload);
    renderAccess(row, agents, revoke);
    show("detail");
  }
}

async function navigate() {
  try {
    await route();
  } catch (error) {
    if (error instanceof Refused && error.status === 404 && app.key !== null) forgetSecret(location.hash.slice(1, 37));
    if (!closed(error)) {
      notify(messageOf(error), "error");
      byId("vault-notice").focus();
      renderList(app.secrets);
      show("list", { isQuiet: true });
    }
    if (!isExpected(error)) throw error;
  }
}

function go(hash) {
  if (location.hash === hash || (hash === "#" && location.hash === "")) navigate();
  else location.hash = hash;
}

function tellCounts({ secret_count: secrets, recovery_key_count: codes }) {
  const left = `${codes} unused recovery ${codes === 1 ? "code" : "codes"}`;
  byId("vault-counts").textContent = `${secrets} ${secrets === 1 ? "secret" : "secrets"}, ${left}.`;
  if (byId("key-counts")) byId("key-counts").textContent = `There ${codes === 1 ? "is" : "are"} ${left}.`;
}

// --- Open and closed ----------------------------------------------------------------------------------------------

function open(key, secrets) {
  app.key = key;
  app.secrets = secrets.map(({ encrypted_payload: _, ...row }) => row);
  app.state = "locked";
  byId("vault-actions").hidden = false;
  byId("idle-state").textContent = `Locks itself after ${MINUTES} minutes without use.`;
  app.stopWatching = watchIdle(Number(root.dataset.idleSeconds), {
    onWarning: () => notify(WARNING, "warning"),
    onBack: () => takeBack(WARNING),
    onIdle: () => lock(`Locked after ${MINUTES} minutes without use.`, "info"),
  });
}

function lock(reason, kind) {
  app.stopWatching();
  app.key = null;
  app.secrets = [];
  app.made = null;
  app.row = null;
  app.turn += 1;
  forgetDetail();
  forgetForm();
  forgetList();
  for (const form of root.querySelectorAll("form")) empty(form);
  byId("vault-codes").replaceChildren();
  byId("vault-actions").hidden = true;
  notify(reason, kind);
  clearNow();
  show(app.state);
}

// Signed out, or the vault is gone: nothing more can be done with it. Whether that was it.
function closed(error) {
  if (!(error instanceof Refused) || error.status !== 401) return false;
  lock(error.message, "error");
  return true;
}

onSubmit(byId("vault-unlock"), async () => {
  const input = byId("unlock-key");
  if (input.value === "") throw new Mistake("Type the passphrase or a recovery code.", input);
  let opened;
  try {
    opened = await openVault(client, root.dataset.salt, input.value);
  } catch (error) {
    if (isExpected(error) && !(error instanceof Refused)) throw new Mistake(error.message, input);
    throw error;
  }
  empty(byId("vault-unlock"));
  notify("");
  open(opened.key, opened.secrets);
  await navigate();
  if (opened.usedCode) notify("Opened with a recovery code. If the passphrase is lost, choose a new one under “Manage the vault”.", "warning");
});

byId("vault-lock").addEventListener("click", () => lock("Locked.", "info"));
// A page that comes back from the browser's memory must not come back open.
window.addEventListener("pagehide", () => {
  if (app.key === null && !app.made) return;
  app.state = "locked";
  lock("Locked.", "info");
});
window.addEventListener("hashchange", () => {
  notify(app.news);
  app.news = "";
  navigate();
});
window.addEventListener("beforeunload", (event) => {
  if (app.state === "codes" || (app.key !== null && isFormOpen())) event.preventDefault();
});

// --- Passphrases --------------------------------------------------------------------------------------------------

for (const list of root.querySelectorAll("[data-rules]")) {
  const input = byId(list.dataset.rules);
  const tell = () => list.replaceChildren(...passphraseRules(input.value).map(({ rule, isMet }) => {
    const state = make("span", { class: "visually-hidden" }, isMet ? " (done)" : " (missing)");
    return make("li", { "data-met": isMet }, rule, state);
  }));
  input.addEventListener("input", tell);
  tell();
}

// The new passphrase, typed twice and strong. Throws Mistake.
function newPassphrase(prefix) {
  const first = byId(`${prefix}-new`);
  const second = byId(`${prefix}-again`);
  if (!isStrong(first.value)) {
    const missing = passphraseRules(first.value).filter((rule) => !rule.isMet).map((rule) => rule.rule);
    throw new Mistake(`The passphrase needs ${missing.join(", ")}.`, first);
  }
  if (first.value !== second.value) throw new Mistake("The two passphrases are not the same. Type the second again.", second);
  return first.value;
}

onSubmit(byId("vault-setup"), async (tell) => {
  const passphrase = newPassphrase("setup");
  const { key, codes } = await makeVault(client, root.dataset.salt, passphrase, (done, steps) => tell(`Making keys, ${done} of ${steps}…`));
  empty(byId("vault-setup"));
  app.state = "codes";
  app.made = key;
  byId("vault-codes").replaceChildren(...codes.map((code) => make("li", {}, code)));
  byId("codes-copy").onclick = () => copySecret(codes.join("\n"), "Recovery codes");
  notify("");
  show("codes");
});

byId("codes-print").addEventListener("click", () => window.print());
onSubmit(byId("codes-done"), async () => {
  const kept = byId("codes-kept");
  if (!kept.checked) throw new Mistake("Keep the codes first, then tick the box.", kept);
  byId("vault-codes").replaceChildren();
  byId("codes-copy").onclick = null;
  const key = app.made;
  app.made = null;
  open(key, []);
  go("#");
});

onSubmit(byId("vault-change"), async () => {
  const current = byId("change-current");
  if (current.value === "") throw new Mistake("Type the passphrase of now, or a recovery code.", current);
  const passphrase = newPassphrase("change");
  if (passphrase === current.value) throw new Mistake("Choose another passphrase than the one of now.", byId("change-new"));
  const { usedCode } = await changePassphrase(client, root.dataset.salt, current.value, passphrase);
  empty(byId("vault-change"));
  tellCounts(await client.info());
  const used = usedCode ? " The recovery code is used up." : "";
  notify(`The passphrase is changed. Give it to the people and agents that use the vault.${used}`);
  byId("vault-notice").focus();
}, closed);

onSubmit(byId("vault-delete"), async () => {
  const typed = byId("delete-name");
  if (typed.value.trim() !== root.dataset.organization) throw new Mistake(`Type ${root.dataset.organization}.`, typed);
  await client.deleteVault();
  app.key = null;
  location.replace(location.pathname);
}, closed);

// --- Secrets ------------------------------------------------------------------------------------------------------

function keep(row) {
  app.secrets = [row, ...app.secrets.filter((other) => other.id !== row.id)];
}

function forgetSecret(id) {
  app.secrets = app.secrets.filter((row) => row.id !== id);
}

onSubmit(byId("secret-form"), async () => {
  const row = await save(client, app.key);
  keep(row);
  forgetForm();
  app.news = "Saved.";
  location.replace(`#${row.id}`);
}, closed);

byId("detail-delete")?.addEventListener("click", async () => {
  const row = app.row;
  if (!window.confirm(`Delete “${row.name}”? Agents that use it lose it at once, and nobody can bring it back.`)) return;
  try {
    await client.remove(row.id, row.revision);
    forgetSecret(row.id);
    app.news = `“${row.name}” is deleted.`;
    location.hash = "";
  } catch (error) {
    report(error);
  }
});

onSubmit(byId("access-form"), async () => {
  const row = app.row;
  const agent = agents.find((one) => one.id === byId("access-agent").value);
  const rule = await client.grant(row.id, agent.id);
  changeAccess(row, [...row.access, rule]);
  notify(`@${agent.handle} may read it now.`);
}, closed);

async function revoke(agent) {
  const row = app.row;
  if (!window.confirm(`End the access of @${agent.handle} to “${row.name}”? What it has read already, it knows.`)) return;
  try {
    await client.revoke(row.id, agent.id);
    changeAccess(row, row.access.filter((rule) => rule.identity_id !== agent.id));
    notify(`@${agent.handle} may no longer read it.`);
    byId("vault-notice").focus();
  } catch (error) {
    report(error);
  }
}

function changeAccess(row, access) {
  row.access = access;
  const { encrypted_payload: _, ...listed } = row;
  keep(listed);
  if (app.row === row) renderAccess(row, agents, revoke);
}

function report(error) {
  if (!closed(error)) notify(messageOf(error), "error");
  if (!isExpected(error)) throw error;
}

// --- Start --------------------------------------------------------------------------------------------------------

startList(() => renderList(app.secrets));
startForm();
if (!window.isSecureContext || !crypto.subtle) app.state = "unsupported";
navigate();
