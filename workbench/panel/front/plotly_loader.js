// plotly_loader.js: Plotly's script, fetched from the kernel once a page and shared by all panels.
// It is never part of a widget's state, so that no notebook grows by it.

const PLOTLY_KEY = "__hakmemPlotly";

function requestPlotly(send) {
  if (!window[PLOTLY_KEY]) {
    const slot = {};
    slot.promise = new Promise((resolve, reject) => Object.assign(slot, { resolve, reject }));
    window[PLOTLY_KEY] = slot;
  }
  const slot = window[PLOTLY_KEY];
  if (!slot.loaded) send({ type: "plotly" });
  return slot.promise;
}

async function receivePlotly(buffer) {
  const slot = window[PLOTLY_KEY];
  if (!slot || slot.loaded) return;
  slot.loaded = true;
  try {
    const packed = new Blob([buffer]).stream();
    const source = await new Response(packed.pipeThrough(new DecompressionStream("gzip"))).text();
    // As a function of our own: no module loader of the page takes hold of it.
    const before = window.Plotly;
    new Function("module", "define", source)(undefined, undefined);
    const plotly = window.Plotly;
    if (before) window.Plotly = before;
    slot.resolve(plotly);
  } catch (error) {
    slot.loaded = false;
    slot.reject(error);
  }
}
