// Secrets on the clipboard, for a while. Other programs can read them there, and some keep a history.

import { notify, takeBack } from "./dom.js";

const CLEAR_SECONDS = 30;

let timer = null;

export async function copySecret(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    notify("The browser does not let this page copy. Reveal it and copy it by hand.", "error");
    return;
  }
  const notice = `${what} copied. It is cleared from the clipboard in ${CLEAR_SECONDS} seconds if this page is in front then.`;
  notify(notice);
  clearTimeout(timer);
  timer = setTimeout(async () => {
    timer = null;
    takeBack(notice);
    await clear(what);
  }, CLEAR_SECONDS * 1000);
}

// When the vault is locked before the time is up.
export async function clearNow() {
  if (timer === null) return;
  clearTimeout(timer);
  timer = null;
  await clear("The secret");
}

// A page in the background may not write, and must not when it is back: something else may have been copied.
async function clear(what) {
  try {
    if (!document.hasFocus()) throw new Error("not in front");
    await navigator.clipboard.writeText("");
  } catch {
    notify(`${what} may still be on the clipboard. Copy something else over it.`, "warning");
  }
}
