// plotly_loader.js: Plotly's script, fetched from the kernel once a page and shared by all panels.
// It is never part of a widget's state, so that no notebook grows by it.

const PLOTLY_KEY = "__hakmemPlotly";

// Can be called again while nothing came: the kernel sends the script once, however often it is asked.
export function requestPlotly(send) {
  if (!window[PLOTLY_KEY]) {
    const slot = {};
    slot.promise = new Promise((resolve, reject) => Object.assign(slot, { resolve, reject }));
    window[PLOTLY_KEY] = slot;
  }
  const slot = window[PLOTLY_KEY];
  if (!slot.isLoading) send({ type: "plotly" });
  return slot.promise;
}

export async function receivePlotly(buffer) {
  const slot = window[PLOTLY_KEY];
  if (!slot || slot.isLoading) return;
  slot.isLoading = true;
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
    window[PLOTLY_KEY] = null; // whoever asks again begins anew
    slot.reject(error);
  }
}
