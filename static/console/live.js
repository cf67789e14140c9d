// A page that follows what happens. The server tells that the organization's log grew, or that mail was held or decided
// on; the page then reads itself again, takes over the parts whose id begins with "live-", and adds to its list what is
// new there. Without this script the page shows what it was loaded with.

(() => {
  const { live, organization } = document.body.dataset;
  if (!live || !window.EventSource) return;

  const QUIET_MS = 250; // what belongs together arrives together
  const PAUSE_MS = 2000; // between two readings of the page
  const HIDDEN_MS = 30000; // a tab that nobody looks at lets go of its connection
  const SPEECH_MS = 8000; // between two sentences to a screen reader
  const RETRY_MS = 30000; // after a refusal; an interruption is the browser's own business

  let position = document.body.dataset.liveAfter;
  let mark = document.body.dataset.liveMark; // of what the page shows that no event speaks of
  let source = null;
  let timer = 0;
  let readAt = 0;
  let newMails = 0;
  let newHeld = 0;
  let speechTimer = 0;
  let hiddenTimer = 0;
  let retryTimer = 0;
  let isOver = false;

  function connect() {
    clearTimeout(retryTimer);
    if (source || isOver) return;
    const query = new URLSearchParams({ organization, after: position, shown: mark });
    source = new EventSource(`${live}?${query}`);
    source.onopen = () => show(true);
    source.onerror = () => {
      show(false);
      if (source?.readyState !== EventSource.CLOSED) return;
      disconnect();
      retryTimer = setTimeout(() => { if (!document.hidden) connect(); }, RETRY_MS);
    };
    source.addEventListener("change", (event) => {
      position = event.lastEventId;
      newMails += JSON.parse(event.data).types["message.received"] ?? 0;
      readSoon();
    });
  }

  function disconnect() {
    source?.close();
    source = null;
    show(false);
  }

  function show(isConnected) {
    for (const state of document.querySelectorAll("[data-live-state]")) state.hidden = !isConnected;
  }

  function readSoon() {
    if (timer) return;
    const wait = Math.max(QUIET_MS, readAt + PAUSE_MS - Date.now());
    timer = setTimeout(read, wait);
  }

  async function read() {
    readAt = Date.now();
    let answer = null;
    try {
      answer = await fetch(location.href, { headers: { "X-Live": "1" } });
    } catch { /* the connection is gone, and the stream with it */ }
    timer = 0;
    if (!answer) return;
    // Signed out, moved to another organization in another tab, or the agent is gone: the page stays as it is.
    if (answer.redirected || !answer.ok) { if (answer.status < 500) end(); return; }
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (fresh.body.dataset.organization !== organization) { end(); return; }
    mark = fresh.body.dataset.liveMark;
    const heldBefore = countHeld();
    for (const part of document.querySelectorAll("[id^='live-']")) {
      const other = fresh.getElementById(part.id);
      if (other && part.innerHTML !== other.innerHTML && !takeOver(part, other)) readSoon();
    }
    for (const list of document.querySelectorAll("[data-live-append]")) append(list, fresh.getElementById(list.id));
    newHeld += Math.max(0, countHeld() - heldBefore);
    speakSoon();
  }

  // As the navigation says it.
  function countHeld() {
    return Number.parseInt(document.getElementById("live-count-approvals").textContent, 10) || 0;
  }

  function end() {
    isOver = true;
    disconnect();
  }

  // False while somebody is selecting text in it: that would be lost.
  function takeOver(part, fresh) {
    const selection = getSelection();
    if (!selection.isCollapsed && part.contains(selection.anchorNode)) return false;
    const known = new Set(Array.from(part.querySelectorAll("[data-key]"), (row) => row.dataset.key));
    const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    part.replaceChildren(...fresh.childNodes);
    part.hidden = fresh.hidden;
    for (const row of part.querySelectorAll("[data-key]")) {
      row.classList.toggle("arrived", known.size > 0 && !known.has(row.dataset.key));
    }
    if (focused) part.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    localizeTimes(part);
    return true;
  }

  // What is there stays as it is: somebody reads it.
  function append(list, fresh) {
    for (const item of [...(fresh?.children ?? [])]) {
      if (document.getElementById(item.id)) continue;
      list.append(item);
      item.classList.add("arrived");
      localizeTimes(item);
      htmx.process(item);
    }
  }

  // One sentence for a burst, after the page shows it.
  function speakSoon() {
    if (!(newMails || newHeld) || speechTimer) return;
    const sentences = [];
    if (newMails) sentences.push(newMails === 1 ? "A new mail arrived." : `${newMails} new mails arrived.`);
    if (newHeld) sentences.push(newHeld === 1 ? "A mail waits for approval." : `${newHeld} mails wait for approval.`);
    announce(sentences.join(" "));
    newMails = newHeld = 0;
    speechTimer = setTimeout(() => { speechTimer = 0; speakSoon(); }, SPEECH_MS);
  }

  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiddenTimer);
    if (document.hidden) hiddenTimer = setTimeout(disconnect, HIDDEN_MS);
    else connect();
  });
  // Pages that the browser keeps for "back" must not keep their connections.
  addEventListener("pagehide", disconnect);
  addEventListener("pageshow", (event) => { if (event.persisted) connect(); });

  if (!document.hidden) connect();
})();
