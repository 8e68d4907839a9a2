/** Light, dark, or what the system prefers. */
(() => {
  const [root, button] = [document.documentElement, document.getElementById("theme")];
  const preferred = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : preferred.matches);
  const name = () => (button.textContent = isDark() ? "Light" : "Dark");
  // A page that is opened as a file may have no storage.
  const remembered = action => { try { return action(localStorage); } catch { return null; } };
  const theme = remembered(storage => storage.getItem("theme"));
  if (theme) root.dataset.theme = theme;
  button.onclick = () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    remembered(storage => storage.setItem("theme", root.dataset.theme));
    name();
  };
  preferred.addEventListener("change", name);
  button.hidden = false;
  name();
})();
