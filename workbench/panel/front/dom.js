// dom.js: small helpers to build the panel's elements, and what all its parts have in common.

/** @import { Request, State } from "messages" */

/** @typedef {{ [name: string]: unknown } & Partial<GlobalEventHandlers>} Attributes Properties and events, too. */
/** @typedef {{ value: string, label: string, title?: string, disabled?: boolean }} Option */
/** @typedef {(message: Request) => void} Send */
/**
 * How a part of the panel shows what it knows of the state, in the order in which it must be shown.
 * @typedef {{ [Name in keyof State]?: (part: NonNullable<State[Name]>) => void }} Shows
 */

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} [attributes]
 * @param {...(Node | string | null)} children
 */
export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else if (name === "class") node.className = String(value);
    else if (name in node && typeof value !== "string") Object.assign(node, { [name]: value });
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** @param {string} name @param {string} style @param {() => void} action @param {string} [title] */
export function makeButton(name, style, action, title) {
  return make("button", { type: "button", class: `hak-button ${style}`, title, onclick: action }, name);
}

/** @param {string} label @param {...Node} children A question with its answers, hidden until it is asked. */
export function makeQuestion(label, ...children) {
  return make("div", { class: "hak-question", hidden: true, role: "group", "aria-label": label }, ...children);
}

/** @param {HTMLElement} node @param {string} text */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * A select keeps its chosen value when its options are built anew, if that value is still there.
 * @param {HTMLSelectElement} select @param {(Option | string)[]} choices @param {string} [wanted]
 */
export function fillSelect(select, choices, wanted = select.value) {
  const options = choices.map((choice) => (typeof choice === "string" ? { value: choice, label: choice } : choice));
  const known = JSON.stringify(options);
  if (select.dataset.options !== known) {
    select.dataset.options = known;
    select.replaceChildren(...options.map(({ label, ...attributes }) => make("option", attributes, label)));
  }
  if ([...select.options].some((option) => option.value === wanted)) select.value = wanted;
}

/** @param {string} label @param {HTMLElement} input @param {string} [hint] */
export function makeField(label, input, hint) {
  // Said again on the input: the text of a label around a select holds all its options.
  input.setAttribute("aria-label", label);
  return make("label", { class: "hak-field", title: hint }, make("span", {}, label), input);
}

/** @param {string} label @param {string} placeholder @param {(text: string) => void} act Called at Enter. */
export function makeEntry(label, placeholder, act) {
  const input = make("input", {
    ...{ type: "text", placeholder, "aria-label": label },
    onkeydown: ({ key }) => {
      if (key !== "Enter" || !input.value.trim()) return;
      act(input.value.trim());
      input.value = "";
    },
  });
  return input;
}

/** @param {number} seconds */
export function formatClock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const pad = (/** @type {number} */ number) => String(number).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  return (hours ? `${hours}:` : "") + `${pad(Math.floor(whole / 60) % 60)}:${pad(whole % 60)}`;
}
