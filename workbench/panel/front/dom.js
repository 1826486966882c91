// dom.js: small helpers to build the panel's elements.

export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else if (name in node && typeof value !== "string") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// A select keeps its chosen value when its options are built anew, if that value is still there.
export function fillSelect(select, options, chosen) {
  const wanted = chosen === undefined ? select.value : chosen;
  const known = JSON.stringify(options);
  if (select.dataset.options !== known) {
    select.dataset.options = known;
    select.replaceChildren(
      ...options.map((option) =>
        make("option", { value: option.value, disabled: Boolean(option.disabled), title: option.title }, option.label),
      ),
    );
  }
  if ([...select.options].some((option) => option.value === wanted)) select.value = wanted;
}

export function makeField(label, input, hint) {
  // Said again on the input: the text of a label around a select holds all its options.
  input.setAttribute("aria-label", label);
  return make("label", { class: "hak-field", title: hint }, make("span", {}, label), input);
}

export function formatClock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const pad = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  return (hours ? `${hours}:` : "") + `${pad(Math.floor(whole / 60) % 60)}:${pad(whole % 60)}`;
}
