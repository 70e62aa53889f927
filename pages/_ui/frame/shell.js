// The sidebar's ways: one of them is marked as the current one, also after Streamlit has drawn it anew; where the window
// is narrow the sidebar folds by itself: at first, when the window becomes narrow, and after a way was taken. And the
// browser's way back takes one step a page and finds it scrolled as a click left it.
// biome-ignore lint/correctness/noUnusedVariables: shell.py adds the call, with the page's name
function leadFrom(current) {
  const NARROW = 1024; // px
  const PATIENCE = 60_000; // ms that a page may take to be as tall as it was
  /** @param {string} name @returns {HTMLElement | null} */
  const find = (name) => document.querySelector(`[data-testid=${name}]`);
  /** @type {{ draemShell?: { onPageEnter(page: string): void } }} */
  const kept = /** @type {any} */ (window); // by each script anew: there is one watch for all of them
  kept.draemShell ??= watch();
  kept.draemShell.onPageEnter(current);

  function watch() {
    let current = "";
    let wasNarrow = false;
    const left = new Map(); // path → how far the page was scrolled when a click led away
    let wanted = 0; // to be scrolled to once the page is tall enough
    let until = 0;

    function mark() {
      for (const way of document.querySelectorAll("[class*=st-key-way_]")) {
        const link = way.querySelector("a");
        if (!link) continue;
        const isCurrent = way.classList.contains(`st-key-way_${current}`);
        if (isCurrent === (link.getAttribute("aria-current") === "page")) continue;
        if (isCurrent) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
      }
    }

    function fold() {
      const sidebar = find("stSidebar");
      if (sidebar?.dataset.collapsed === "true") return;
      /** @type {HTMLElement | null | undefined} */ (
        sidebar?.querySelector("[data-testid=stSidebarCollapseButton] button")
      )?.click();
    }

    function foldWhenNarrow() {
      const isNarrow = window.innerWidth < NARROW;
      if (isNarrow && !wasNarrow) fold();
      wasNarrow = isNarrow;
    }

    // What the page writes into its address before a hand touched it belongs to the entry that it was come by: two
    // entries a page would take two steps back.
    function writeIntoTheEntryComeBy() {
      let touched = false;
      const push = history.pushState.bind(history);
      history.pushState = (state, title, url) => {
        const isSamePage = new URL(String(url ?? ""), location.href).pathname === location.pathname;
        if (isSamePage && !touched) return history.replaceState(state, title, url);
        touched &&= isSamePage;
        push(state, title, url);
      };
      for (const gesture of ["pointerdown", "keydown"])
        addEventListener(gesture, () => (touched = true), { capture: true, passive: true });
      addEventListener("popstate", () => (touched = false));
    }

    function scrollBack() {
      if (!wanted || performance.now() > until) return;
      const main = find("stMain");
      if (main && main.scrollHeight - main.clientHeight >= wanted) main.scrollTop = wanted;
      const isStill = find("stApp")?.dataset.testScriptState === "notRunning";
      if (isStill && Math.abs((main?.scrollTop ?? 0) - wanted) <= 1) wanted = 0;
      else setTimeout(scrollBack, 50);
    }

    new MutationObserver(mark).observe(document.body, { childList: true, subtree: true });
    addEventListener("resize", foldWhenNarrow);
    document.addEventListener(
      "click",
      (event) => {
        left.set(location.pathname, find("stMain")?.scrollTop ?? 0);
        if (window.innerWidth < NARROW && /** @type {Element} */ (event.target).closest("[class*=st-key-way_] a"))
          fold();
      },
      { capture: true },
    );
    for (const gesture of ["wheel", "pointerdown", "keydown", "touchstart"])
      addEventListener(gesture, () => (wanted = 0), { capture: true, passive: true });
    addEventListener("popstate", () => {
      if (location.pathname.toLowerCase().endsWith(`/${current}`)) return;
      wanted = left.get(location.pathname) ?? 0;
      until = performance.now() + PATIENCE;
    });
    foldWhenNarrow();
    writeIntoTheEntryComeBy();
    return {
      onPageEnter(page) {
        current = page;
        mark();
        scrollBack();
      },
    };
  }
}
