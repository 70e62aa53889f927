// The sidebar's ways: one of them is marked as the current one, also after Streamlit has drawn it anew; and where the
// window is narrow the sidebar folds by itself: at first, when the window becomes narrow, and after a way was taken.
((current) => {
  const NARROW = 1024; // px
  const find = (selector) => document.querySelector(`[data-testid=stSidebar] ${selector}`);
  const shell = (window.draemShell ??= watch());
  shell.current = current;
  shell.mark();

  function watch() {
    const shell = { current: "", mark, wasNarrow: false };
    function mark() {
      for (const way of document.querySelectorAll("[class*=st-key-way_]")) {
        const link = way.querySelector("a");
        if (!link) continue;
        const isCurrent = way.classList.contains(`st-key-way_${shell.current}`);
        if (isCurrent === (link.getAttribute("aria-current") === "page")) continue;
        if (isCurrent) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
      }
    }
    function fold() {
      if (document.querySelector("[data-testid=stSidebar]")?.getAttribute("aria-expanded") !== "false")
        find("[data-testid=stSidebarCollapseButton] button")?.click();
    }
    function foldWhenNarrow() {
      const isNarrow = window.innerWidth < NARROW;
      if (isNarrow && !shell.wasNarrow) fold();
      shell.wasNarrow = isNarrow;
    }
    new MutationObserver(mark).observe(document.body, { childList: true, subtree: true });
    addEventListener("resize", foldWhenNarrow);
    document.addEventListener("click", (event) => {
      if (window.innerWidth < NARROW && event.target.closest("[class*=st-key-way_] a")) fold();
    });
    foldWhenNarrow();
    return shell;
  }
})
