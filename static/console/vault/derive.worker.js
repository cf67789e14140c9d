// Argon2id, away from the page: it takes a moment and 64 MiB. The policy of this file lets it load the library from
// this server and nothing else, so what it is told goes nowhere but back.

importScripts("../../vendor/hash-wasm/argon2-4.13.0.umd.min.js");

self.addEventListener("message", async (event) => {
  const { password, salt } = event.data;
  try {
    const hash = await self.hashwasm.argon2id({
      password,
      salt,
      iterations: 3,
      memorySize: 65536,
      parallelism: 1,
      hashLength: 32,
      outputType: "binary",
    });
    password.fill(0);
    const masterKey = Uint8Array.from(hash);
    hash.fill(0);
    self.postMessage({ masterKey }, [masterKey.buffer]);
  } catch (error) {
    self.postMessage({ failure: String(error?.message ?? error) });
  }
});
