// Runs before the page is drawn, so that it never flashes in the wrong colours. Storage may be refused, as in some private windows.
(() => {
  const root = document.documentElement;
  const stored = () => {
    try {
      return localStorage.getItem('opwright-theme');
    } catch {
      return null;
    }
  };
  const prefersDark = matchMedia('(prefers-color-scheme: dark)');
  const apply = () => {
    root.dataset.theme = stored() ?? (prefersDark.matches ? 'dark' : 'light');
  };
  apply();
  prefersDark.addEventListener('change', apply);
  window.opwrightToggleTheme = () => {
    const next = root.dataset.theme === 'dark' ? 'light' : 'dark';
    try {
      localStorage.setItem('opwright-theme', next);
    } catch {
      // Then it holds for this page alone.
    }
    root.dataset.theme = next;
  };
})();
