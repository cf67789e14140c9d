// From a passphrase or recovery code to the key that unwraps the organization's key. No DOM.

import { utf8 } from "./encoding.js";

const SALT_MIN_BYTES = 8;

// 32 bytes each, in order. The worker ends with the call, and its memory with it. `onDone` hears how many are done.
export async function deriveMasterKeys(passwords, organizationId, onDone = () => {}) {
  const salt = utf8(organizationId);
  if (salt.length < SALT_MIN_BYTES) throw new Error("The id of the organization is too short for a salt.");
  const worker = new Worker(new URL("./derive.worker.js", import.meta.url));
  try {
    const keys = [];
    for (const password of passwords) {
      keys.push(await ask(worker, utf8(password), salt));
      onDone(keys.length);
    }
    return keys;
  } finally {
    worker.terminate();
  }
}

export async function deriveMasterKey(password, organizationId) {
  const [key] = await deriveMasterKeys([password], organizationId);
  return key;
}

function ask(worker, password, salt) {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => (data.masterKey ? resolve(data.masterKey) : reject(new Error(data.failure)));
    worker.onerror = () => reject(new Error("The key could not be derived. Load the page again."));
    worker.postMessage({ password, salt }, [password.buffer]);
  });
}
