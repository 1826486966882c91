// The recommended rules, and a few that the panel's modules keep anyway.
import js from "../../build/front/node_modules/@eslint/js/src/index.js";

const names = (list) => Object.fromEntries(list.split(" ").map((name) => [name, "readonly"]));

export default [
  js.configs.recommended,
  {
    rules: {
      ...{ eqeqeq: "error", "no-var": "error", "prefer-const": "error", "no-shadow": "error" },
      "no-unused-vars": ["error", { ignoreRestSiblings: true }],
    },
  },
  {
    // The compiler knows what a page has.
    files: ["workbench/panel/front/*.js"],
    rules: { "no-undef": "off" },
  },
  { files: ["tests/front/*.js"], languageOptions: { globals: names("document setTimeout") } },
];
