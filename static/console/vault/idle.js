// Nobody is there any more: after a while without a key or a click.

const WARNING_SECONDS = 60;
const SIGNS = ["pointerdown", "keydown", "input", "wheel", "touchmove"];

// Starts counting; returns what ends it. By the clock, because timers stand still in pages in the background.
export function watchIdle(seconds, { onWarning, onBack, onIdle }) {
  let last = Date.now();
  let isWarned = false;
  const stir = () => {
    check();
    last = Date.now();
    if (isWarned) onBack();
    isWarned = false;
  };
  const check = () => {
    const left = seconds - (Date.now() - last) / 1000;
    if (left <= 0) {
      stop();
      onIdle();
    } else if (left <= WARNING_SECONDS && !isWarned) {
      isWarned = true;
      onWarning();
    }
  };
  const timer = setInterval(check, 1000);
  for (const sign of SIGNS) document.addEventListener(sign, stir, { capture: true, passive: true });
  document.addEventListener("visibilitychange", check);
  function stop() {
    clearInterval(timer);
    for (const sign of SIGNS) document.removeEventListener(sign, stir, { capture: true });
    document.removeEventListener("visibilitychange", check);
  }
  return stop;
}
