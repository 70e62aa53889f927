// A component's words, which come with its payload: {values} filled in, and put where the HTML names them.

/**
 * `template` with its {values} filled in.
 *
 * @param {string} template
 * @param {Record<string, any>} values
 */
export function filled(template, values) {
  return template.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/**
 * Put words where the HTML names them: data-text is content, data-hint the tooltip, data-aria-label for screen readers.
 *
 * @param {any} root an element
 * @param {Record<string, string>} words
 */
export function showWords(root, words) {
  for (const one of root.querySelectorAll("[data-text]")) one.textContent = words[one.dataset.text];
  for (const one of root.querySelectorAll("[data-hint]")) one.title = words[one.dataset.hint];
  for (const one of root.querySelectorAll("[data-aria-label]"))
    one.setAttribute("aria-label", words[one.dataset.ariaLabel]);
}
